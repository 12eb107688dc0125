"""Designs of whole pages, drawn at random: layouts, sizes, and what is printed beside the traces."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from ecgtrace.drawing.layout import PULSE_HEIGHT_MM, Bounds
from ecgtrace.drawing.page_design import PageDesign
from ecgtrace.drawing.page_extras import Extra, bar_code, handwriting, logo, row_lines, second_marks
from ecgtrace.drawing.page_layouts import ONE_LEAD, LayoutMix, PageLayout, choose
from ecgtrace.drawing.page_words import (
    OTHER_LEADS,
    Text,
    draw_footer,
    draw_header,
    draw_name_style,
    scale_text,
)
from ecgtrace.drawing.printers import Printer, Range, StyleSource
from ecgtrace.drawing.style import PageStyle
from ecgtrace.units import GAIN_MM_PER_MV, PAPER_SPEED_MM_PER_S

_NAME_CAPITALS = 4.0  # width of a printed name and the gap behind it, in heights of its capitals

# A line one pixel wide that is covered or not keeps together; with greys, hair lines of fine scans grow pale.
_THINNEST_WITHOUT_GREYS_PX = 1.1
_THINNEST_PX = 0.5
_FOOTER_MM = 6.0


class _Rows(NamedTuple):
    """What stands in the rows; lengths in mm."""

    style: PageStyle
    layout: PageLayout
    zeros: tuple[float, ...]
    spacing: float
    speed: float
    gain: float
    pulses: str
    pulse_width: float
    pulse_whole: float
    joined: bool
    gap: float

    @property
    def must_tell(self) -> bool:
        """Whether nobody could know speed and gain if no line told them."""
        return self.pulses == "none" and (self.speed, self.gain) != (PAPER_SPEED_MM_PER_S, GAIN_MM_PER_MV)


class _Sheet(NamedTuple):
    """Where the rows lie on the paper; lengths in mm."""

    width: float
    height: float
    left: float
    top: float
    header: float
    footer: float
    rows_end: float

    def area(self, before: float) -> Bounds:
        """Return the part of the page about the rows, with what stands before them."""
        left = max(self.left - before, min(2.0, self.left))
        return (left, self.header, max(self.width - 2.0, left + 10.0), self.rows_end)


@dataclass(frozen=True)
class PageDesigner:
    """
    Draws designs of whole pages. Ranges are by eye on the pages of eight machines, and wider.

    Attributes
    ----------
    printer : StyleSource
        Draws colours, widths and letters.
    layouts : LayoutMix
    px_per_mm : tuple of float or None
        Pages are drawn at a resolution from here, evenly by factor; None: the printer's.
    speeds_mm_per_s, gains_mm_per_mv, pulses : dict
        Share of each.
    rows_height_mm : tuple of float
        From the first to the last zero line, shared among the rows.
    row_spacing_mm : tuple of float
        Least and largest.
    uneven_rows, joined, no_names, other_leads : float
        Share of pages with rows spaced unevenly; columns that go over into each other; no names; some leads
        beyond the twelve in place of chest leads.
    names_before : float
        Share of pages of one column with names left of the traces; of others, a quarter of it.
    wide_gaps : float
        Share of pages with up to 8 mm between columns.
    full_bars : float
        Share of pages with lines through all rows between columns.
    framed, part_ruled, no_header, cut_out, faint : float
        Share of pages with a frame; a grid on a part of the page alone; no header, and no footer; no margins,
        as somebody cuts a page from a screen; ink that is half gone.
    extras : float
        Share of pages with handwriting, with a logo, with a bar code, with marks of seconds, each.
    numbered_seconds : float
        Share of the pages of one lead over several rows.
    """

    printer: StyleSource = field(default_factory=Printer)
    layouts: LayoutMix = field(default_factory=LayoutMix)
    px_per_mm: Range | None = None
    speeds_mm_per_s: Mapping[float, float] = field(default_factory=lambda: {25.0: 0.87, 50.0: 0.13})
    gains_mm_per_mv: Mapping[float, float] = field(
        default_factory=lambda: {10.0: 0.86, 5.0: 0.08, 20.0: 0.06}
    )
    pulses: Mapping[str, float] = field(
        default_factory=lambda: {"left": 0.5, "none": 0.2, "right": 0.1, "one": 0.12, "columns": 0.08}
    )
    rows_height_mm: Range = (75.0, 165.0)
    row_spacing_mm: Range = (8.0, 40.0)
    uneven_rows: float = 0.15
    joined: float = 0.3
    no_names: float = 0.04
    other_leads: float = 0.0
    names_before: float = 0.35
    wide_gaps: float = 0.12
    full_bars: float = 0.12
    framed: float = 0.25
    part_ruled: float = 0.45
    no_header: float = 0.25
    cut_out: float = 0.06
    faint: float = 0.0
    extras: float = 0.05
    numbered_seconds: float = 0.3

    def __post_init__(self) -> None:
        for name in ("speeds_mm_per_s", "gains_mm_per_mv", "pulses"):
            object.__setattr__(self, name, dict(getattr(self, name)))
        for name in ("px_per_mm", "rows_height_mm", "row_spacing_mm"):  # lists from YAML
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else tuple(value))

    def draw(self, rng: np.random.Generator, record_s: float) -> PageDesign:
        """
        Return the design of one page.

        Parameters
        ----------
        rng : numpy.random.Generator
        record_s : float
            Length of the record that it will show.
        """
        rows = self._rows(rng, record_s)
        sheet = self._sheet(rows, rng)
        style, layout = rows.style, rows.layout
        area = sheet.area(rows.pulse_whole + 3.0)
        part_ruled = rng.random() < self.part_ruled
        names = "none" if rng.random() < self.no_names else "all"
        if names == "all" and layout.name.startswith(ONE_LEAD) and rng.random() < 0.6:
            names = "first row"
        return PageDesign(
            style=style,
            layout=layout,
            width_mm=sheet.width,
            height_mm=sheet.height,
            left_mm=sheet.left,
            top_mm=sheet.top,
            row_zero_mm=rows.zeros,
            speed_mm_per_s=rows.speed,
            gain_mm_per_mv=rows.gain,
            column_gap_mm=rows.gap,
            name_style=draw_name_style(rng),
            names=names,
            bars=self._bars(style, rows.joined, rng),
            bar_ink=style.name_ink if rng.random() < 0.4 else None,
            bar_reach_mm=float(rng.uniform(0.2, 0.8)) * rows.spacing,
            joined=rows.joined,
            pulses=rows.pulses,
            pulse_row=int(rng.integers(len(layout.rows))),
            pulse_width_mm=rows.pulse_width,
            texts=self._texts(rows, sheet, rng),
            frames_mm=self._frames(sheet, area, rng),
            frame_width_mm=float(rng.uniform(0.15, 0.6)),
            frame_ink=style.grid_major if rng.random() < 0.5 else None,
            extras=self._extras(rows, sheet, rng),
            grid_area_mm=area if part_ruled else None,
        )

    def _style(self, rng: np.random.Generator) -> PageStyle:
        style = self.printer.draw_style(rng)
        # The phase of the grid against the rows; no machine puts each zero line on a line of the paper.
        margins = (0.0, 0.0, float(rng.uniform(0, 5)), 0.0)
        px_per_mm = style.px_per_mm
        if self.px_per_mm is not None:
            px_per_mm = float(np.exp(rng.uniform(*np.log(self.px_per_mm))))
        if rng.random() < self.faint:
            share = float(rng.uniform(0.2, 0.6))
            red, green, blue = (
                round(a + (b - a) * share) for a, b in zip(style.ink, style.paper, strict=True)
            )
            style = replace(style, ink=(red, green, blue))
        degradation = replace(style.degradation, rotation_deg=0.0)
        without_greys = not style.antialias or degradation.bilevel is not None
        thinnest_mm = (_THINNEST_WITHOUT_GREYS_PX if without_greys else _THINNEST_PX) / px_per_mm
        return replace(
            style,
            px_per_mm=px_per_mm,
            margins_mm=margins,
            line_width_mm=max(style.line_width_mm, thinnest_mm),
            degradation=degradation,
        )

    def _rows(self, rng: np.random.Generator, record_s: float) -> _Rows:
        style = self._style(rng)
        speed = float(choose(self.speeds_mm_per_s, rng))
        gain = float(choose(self.gains_mm_per_mv, rng))
        layout = self._layout(rng, speed, record_s)
        zeros = self._zeros(len(layout.rows), rng)
        spacing = float(np.diff(zeros).min()) if len(zeros) > 1 else self.row_spacing_mm[1]
        pulses = str(choose(self.pulses, rng))
        pulse_width = style.pulse_width_mm * speed / PAPER_SPEED_MM_PER_S  # as long in seconds
        whole = pulse_width + 2 * style.pulse_foot_mm + style.pulse_gap_mm if pulses != "none" else 0.0
        before = rng.random() < self.names_before / (1 if layout.n_columns == 1 else 4)
        style = _placed_names(style, spacing, bool(before), rng)
        joined = bool(rng.random() < self.joined)
        wide = float(rng.uniform(1, 8)) if rng.random() < self.wide_gaps else 0.0
        gap = 0.0 if joined else style.column_gap_mm + wide
        if before and layout.n_columns > 1:
            gap, joined = gap + _NAME_CAPITALS * style.name_height_mm, False
        if pulses == "columns":
            gap, joined = gap + whole + 1.0, False
        return _Rows(style, layout, zeros, spacing, speed, gain, pulses, pulse_width, whole, joined, gap)

    def _layout(self, rng: np.random.Generator, speed: float, record_s: float) -> PageLayout:
        layout = self.layouts.draw(rng, speed, record_s)
        if rng.random() >= self.other_leads:
            return layout
        chest = ("V1", "V2", "V3", "V4", "V5", "V6")
        renamed = {lead: str(rng.choice(OTHER_LEADS)) for lead in chest if rng.random() < 0.5}
        rows = tuple(
            tuple(replace(cell, name=renamed.get(cell.name, cell.name)) for cell in row)
            for row in layout.rows
        )
        return replace(layout, rows=rows)

    def _zeros(self, n_rows: int, rng: np.random.Generator) -> tuple[float, ...]:
        least, largest = self.row_spacing_mm
        spacing = float(np.clip(rng.uniform(*self.rows_height_mm) / max(n_rows, 3), least, largest))
        steps = np.full(n_rows - 1, spacing)
        if rng.random() < self.uneven_rows:
            steps *= rng.uniform(0.8, 1.3, n_rows - 1)
        return (0.0, *np.cumsum(steps).tolist())

    def _sheet(self, rows: _Rows, rng: np.random.Generator) -> _Sheet:
        cut_out = rng.random() < self.cut_out
        left, right = (float(v) for v in (rng.uniform(0, 2, 2) if cut_out else rng.uniform(3, 19, 2)))
        left += max(0.0, -rows.style.name_indent_mm)
        left, right = (
            (left, right + rows.pulse_whole) if rows.pulses == "right" else (left + rows.pulse_whole, right)
        )
        content = rows.layout.row_s * rows.speed + rows.gap * (rows.layout.n_columns - 1)
        # Above the first zero line there is room for a pulse, or nearly so; below the last for an S wave.
        above = max(0.6 * rows.spacing, PULSE_HEIGHT_MM * rows.gain / GAIN_MM_PER_MV)
        below = max(0.4 * rows.spacing, 5.0)
        header = footer = 0.0
        if not cut_out:
            above, below = above + float(rng.uniform(0, 14)), below + float(rng.uniform(2, 12))
            header = float(rng.uniform(8, 45)) if rng.random() >= self.no_header else 0.0
            footer = float(rng.uniform(4, 14)) if rng.random() >= self.no_header else 0.0
        footer = footer or (_FOOTER_MM if rows.must_tell else 0.0)
        top = header + above
        rows_end = top + rows.zeros[-1] + below
        return _Sheet(left + content + right, rows_end + footer, left, top, header, footer, rows_end)

    def _bars(self, style: PageStyle, joined: bool, rng: np.random.Generator) -> str:
        if rng.random() < self.full_bars:
            return "full" if rng.random() < 0.6 else "dashed"
        return "cells" if style.separators and not (joined and rng.random() < 0.5) else "none"

    def _texts(self, rows: _Rows, sheet: _Sheet, rng: np.random.Generator) -> tuple[Text, ...]:
        ink = rows.style.ink
        texts = draw_header(sheet.width, 2.0, sheet.header, ink, rng) if sheet.header else []
        told = scale_text(rows.speed, rows.gain, rng) if rng.random() < 0.75 or rows.must_tell else ""
        # Some machines print their last line on the grid.
        room = sheet.footer or (4.0 if rng.random() < 0.3 else 0.0)
        if room:
            baseline = sheet.height - float(rng.uniform(0.2, 0.6)) * room
            texts += draw_footer(sheet.width, baseline, told, ink, rng)
        if rows.layout.name.startswith(ONE_LEAD) and rng.random() < self.numbered_seconds:
            texts += _seconds(rows, sheet)
        return tuple(texts)

    def _frames(self, sheet: _Sheet, area: Bounds, rng: np.random.Generator) -> tuple[Bounds, ...]:
        if rng.random() >= self.framed:
            return ()
        with_header = sheet.header and rng.random() < 0.3
        return (area, (area[0], 1.0, area[2], area[1])) if with_header else (area,)

    def _extras(self, rows: _Rows, sheet: _Sheet, rng: np.random.Generator) -> tuple[Extra, ...]:
        extras: list[Extra] = []
        ink = rows.style.ink
        handwritten, with_logo, with_code, marked, lined = (rng.random(5) < self.extras).tolist()
        if handwritten:
            place = rng.uniform((0, 5), (0.8 * sheet.width, sheet.height))
            extras += handwriting(float(place[0]), float(place[1]), rng)
        if with_logo and sheet.header > 14:
            extras += logo(float(rng.uniform(0.05, 0.85)) * sheet.width, 7.0, rng)
        if with_code and sheet.header > 14:
            extras += bar_code(float(rng.uniform(0.05, 0.7)) * sheet.width, 2.0, ink, rng)
        right = sheet.left + rows.layout.row_s * rows.speed
        if marked:
            rows_y = [sheet.top + zero + 0.4 * rows.spacing for zero in rows.zeros]
            for y in rows_y if rng.random() < 0.4 else rows_y[-1:]:
                extras += second_marks(sheet.left, right, y, rows.speed, ink)
        if lined and rng.random() < 0.4:
            zeros = tuple(sheet.top + zero for zero in rows.zeros)
            extras += row_lines(sheet.left - 2, right, zeros, rows.style.grid_major or ink)
        return tuple(extras)


def _seconds(rows: _Rows, sheet: _Sheet) -> list[Text]:
    """Number the seconds of one lead over several rows, above each row."""
    numbers = []
    for row, zero in enumerate(rows.zeros):
        y = sheet.top + zero - 0.35 * rows.spacing
        for second in range(1, int(rows.layout.row_s) + 1):
            text = f"{row * int(rows.layout.row_s) + second}"
            x = sheet.left + second * rows.speed - 2.0
            numbers.append(Text(text, x, y, 2.2, rows.style.font, rows.style.ink))
    return numbers


def _placed_names(style: PageStyle, spacing_mm: float, before: bool, rng: np.random.Generator) -> PageStyle:
    """Keep names within their row; of close rows they are small, and left of the trace where asked."""
    height_mm = min(style.name_height_mm, 0.35 * spacing_mm)
    offset_mm = float(np.clip(style.name_offset_mm, -0.45 * spacing_mm, 0.75 * spacing_mm))
    indent_mm = style.name_indent_mm
    if before:
        indent_mm, offset_mm = -_NAME_CAPITALS * height_mm, float(rng.uniform(-1.5, 1.0)) * height_mm
    return replace(style, name_height_mm=height_mm, name_offset_mm=offset_mm, name_indent_mm=indent_mm)
