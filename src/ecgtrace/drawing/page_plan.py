"""
Where every stroke and every word of a whole page stands, in px of the page before any degradation.

A page is planned from a record and a design; nothing is drawn at random here.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor

import numpy as np

from ecgtrace.drawing.layout import PULSE_HEIGHT_MM, Bounds, resample
from ecgtrace.drawing.page_design import PageDesign
from ecgtrace.drawing.page_layouts import Cell
from ecgtrace.drawing.page_words import Text
from ecgtrace.drawing.style import Color, PageStyle
from ecgtrace.errors import DataError
from ecgtrace.types import FloatArray, Record
from ecgtrace.units import GAIN_MM_PER_MV, LARGE_SQUARE_MM

NONE, TRACE, PULSE, BAR, TEXT = range(5)  # what ink is; values of `page_truth.PageTargets.classes`

_CROSS_FADE_S = 0.3  # where a record is repeated


@dataclass(frozen=True, eq=False)
class PageTrace:
    """
    One cell as it is drawn.

    Attributes
    ----------
    cell : Cell
    row : int
        From the top.
    zero_y : float
        Of its zero line, in px.
    polyline : ndarray of float, shape (n_samples, 2)
        Centre line, one vertex per sample.
    signal : ndarray of float, shape (n_samples,)
        In mV, as it stands on the page: of a lead drawn upside down, upside down.
    fs_hz : float
    """

    cell: Cell
    row: int
    zero_y: float
    polyline: FloatArray
    signal: FloatArray
    fs_hz: float


@dataclass(frozen=True, eq=False)
class PageStroke:
    """A line of no lead: a pulse, a bar, a frame, handwriting. `kind` is one of PULSE, BAR, TEXT."""

    polyline: FloatArray
    width_px: float
    kind: int
    ink: Color


@dataclass(frozen=True)
class PageName:
    """A printed lead name: left end of its baseline in px, and the index of its trace."""

    text: str
    x: float
    y: float
    trace: int


@dataclass(frozen=True, eq=False)
class PagePlan:
    """
    The geometry of a whole page.

    Attributes
    ----------
    width, height : int
        In px.
    traces : tuple of PageTrace
    strokes : tuple of PageStroke
    names : tuple of PageName
    texts : tuple of Text
        Everything else that is written.
    grid_area : tuple of float or None
        Where the grid is printed; None: everywhere.
    design : PageDesign
    record_id : str
    """

    width: int
    height: int
    traces: tuple[PageTrace, ...]
    strokes: tuple[PageStroke, ...]
    names: tuple[PageName, ...]
    texts: tuple[Text, ...]
    grid_area: Bounds | None
    design: PageDesign
    record_id: str

    @property
    def style(self) -> PageStyle:
        """Look of the page."""
        return self.design.style


def plan_page(record: Record, design: PageDesign) -> PagePlan:
    """
    Place the leads of a record on a page.

    Parameters
    ----------
    record : Record
        Repeated from its begin, cross-faded over 0.3 s, where the layout shows more of it than there is.
    design : PageDesign

    Raises
    ------
    DataError
        If the record lacks a lead.
    """
    style, layout = design.style, design.layout
    fs_hz = style.fs_hz or record.fs_hz
    signal = _lengthened(resample(record.signal, record.fs_hz, fs_hz), fs_hz, layout.needed_s)
    traces: list[PageTrace] = []
    names: list[PageName] = []
    for row, (cells, zero_mm) in enumerate(zip(layout.rows, design.row_zero_mm, strict=True)):
        zero_y = style.px(design.top_mm + zero_mm)
        row_start_s = cells[0].start_s
        for cell in cells:
            if cell.lead not in record.leads:
                raise DataError(f"the record has no lead {cell.lead}; it has {', '.join(record.leads)}")
            first = round(cell.record_start_s * fs_hz)
            values = signal[record.leads.index(cell.lead), first : first + round(cell.length_s * fs_hz)]
            values = values * cell.sign
            x_mm = design.left_mm + (cell.start_s - row_start_s) * design.speed_mm_per_s
            x_mm = x_mm + cell.column * design.column_gap_mm
            x = style.px(x_mm + np.arange(len(values)) / fs_hz * design.speed_mm_per_s)
            y = zero_y - style.px(values * design.gain_mm_per_mv)
            if design.named(row):
                names.append(_name(design, cell, x_mm, zero_y, len(traces)))
            traces.append(PageTrace(cell, row, zero_y, np.stack([x, y], axis=1), values, fs_hz))
    strokes = (*_pulses(design, traces), *_bars(design, traces), *_joins(design, traces))
    return PagePlan(
        ceil(style.px(design.width_mm)),
        ceil(style.px(design.height_mm)),
        tuple(traces),
        (*strokes, *_frames(design), *_extras(design)),
        tuple(names),
        design.texts,
        _grid_area(design),
        design,
        record.record_id,
    )


def _lengthened(signal: FloatArray, fs_hz: float, needed_s: float) -> FloatArray:
    needed, fade = ceil(needed_s * fs_hz - 1e-6), round(_CROSS_FADE_S * fs_hz)
    once, rise = signal, np.linspace(0.0, 1.0, fade)
    while signal.shape[1] < needed:
        joint = signal[:, -fade:] * (1 - rise) + once[:, :fade] * rise
        signal = np.concatenate([signal[:, :-fade], joint, once[:, fade:]], axis=1)
    return signal


def _name(design: PageDesign, cell: Cell, x_mm: float, zero_y: float, trace: int) -> PageName:
    style = design.style
    text = design.name_style.spell(cell.name)
    x = style.px(x_mm + style.name_indent_mm)
    return PageName(text, x, zero_y - style.px(style.name_offset_mm), trace)


def _pulses(design: PageDesign, traces: list[PageTrace]) -> list[PageStroke]:
    """Return the 1 mV pulses: before, or behind, the rows that have one."""
    style, strokes = design.style, []
    last = len(design.layout.rows) - 1
    for index, trace in enumerate(traces):
        is_first = trace.cell.column == 0
        is_last = index + 1 == len(traces) or traces[index + 1].row != trace.row
        wanted = {
            "left": is_first,
            "right": is_last,
            "columns": not trace.cell.is_strip or is_first,
            "one": is_first and trace.row == min(design.pulse_row, last),
        }.get(design.pulses, False)
        if not wanted:
            continue
        x, at_end = trace.polyline[:, 0], design.pulses == "right"
        side, foot = style.px(design.pulse_width_mm), style.px(style.pulse_foot_mm)
        whole = side + 2 * foot
        # Beyond names that stand before the traces.
        gap = style.px(style.pulse_gap_mm + max(0.0, 0.0 if at_end else -style.name_indent_mm))
        start = x[-1] + gap if at_end else x[0] - gap - whole
        up = style.px(PULSE_HEIGHT_MM * design.gain_mm_per_mv / GAIN_MM_PER_MV)
        pulse_x = start + np.array([0.0, foot, foot, foot + side, foot + side, whole])
        pulse_y = trace.zero_y - np.array([0.0, 0.0, up, up, 0.0, 0.0])
        strokes.append(PageStroke(np.stack([pulse_x, pulse_y], 1), style.line_width_px, PULSE, style.ink))
    return strokes


def _bars(design: PageDesign, traces: list[PageTrace]) -> list[PageStroke]:
    """Return what parts the columns: dashes about each zero line, or one line through all rows."""
    style, width_px = design.style, design.style.separator_width_px
    ink = design.bar_ink or style.ink
    strokes = []
    inner = [trace for trace in traces if trace.cell.column]
    if design.bars == "cells":
        for trace in inner:
            x = trace.polyline[0, 0] - style.px(design.column_gap_mm / 2)
            for a, b in style.separator_dashes_mm:
                line = np.array([[x, trace.zero_y + style.px(a)], [x, trace.zero_y + style.px(b)]])
                strokes.append(PageStroke(line, width_px, BAR, ink))
    if design.bars in ("full", "dashed") and inner:
        top = min(trace.zero_y for trace in traces) - style.px(design.bar_reach_mm)
        bottom = max(trace.zero_y for trace in inner) + style.px(design.bar_reach_mm)
        dash = style.px(2.0) if design.bars == "dashed" else bottom - top
        for column in sorted({trace.cell.column for trace in inner}):
            x = next(t.polyline[0, 0] for t in inner if t.cell.column == column)
            x = x - style.px(design.column_gap_mm / 2)
            for begin in np.arange(top, bottom - 1e-6, 2 * dash):
                line = np.array([[x, begin], [x, min(begin + dash, bottom)]])
                strokes.append(PageStroke(line, width_px, BAR, ink))
    return strokes


def _joins(design: PageDesign, traces: list[PageTrace]) -> list[PageStroke]:
    """Return the jump from the end of each cell to the begin of its right neighbour."""
    if not design.joined:
        return []
    style = design.style
    return [
        PageStroke(np.stack([a.polyline[-1], b.polyline[0]]), style.line_width_px, BAR, style.ink)
        for a, b in pairwise(traces)
        if a.row == b.row
    ]


def _frames(design: PageDesign) -> list[PageStroke]:
    style = design.style
    strokes = []
    for x0, y0, x1, y1 in design.frames_mm:
        line = style.px(np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]], float))
        strokes.append(PageStroke(line, style.px(design.frame_width_mm), TEXT, design.frame_ink or style.ink))
    return strokes


def _extras(design: PageDesign) -> list[PageStroke]:
    style = design.style
    return [PageStroke(style.px(e.line_mm), style.px(e.width_mm), TEXT, e.ink) for e in design.extras]


def _grid_area(design: PageDesign) -> Bounds | None:
    """Return the part of the page that is ruled, from 5 mm line to 5 mm line."""
    if design.grid_area_mm is None:
        return None
    style = design.style
    phase_mm = style.margins_mm[2] % LARGE_SQUARE_MM
    x0, y0, x1, y1 = design.grid_area_mm

    def snapped(value: float, phase: float, up: bool) -> float:
        squares = (value - phase) / LARGE_SQUARE_MM
        return style.px((ceil(squares) if up else floor(squares)) * LARGE_SQUARE_MM + phase)

    return (
        snapped(x0, 0, False),
        snapped(y0, phase_mm, False),
        snapped(x1, 0, True),
        snapped(y1, phase_mm, True),
    )
