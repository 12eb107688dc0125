"""
Where everything stands on a page, before any pixel is drawn.

Standard printouts show the leads in columns, and each column its own, consecutive part
of the record: in a 3x4 page of 10 s, column 2 shows 2.5 s to 5 s. (The generator of the
published dataset shows the first 2.5 s in all four columns.)
"""

from dataclasses import dataclass, field
from functools import cached_property
from math import ceil, gcd

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from ecgtrace.drawing.style import PageStyle
from ecgtrace.errors import ConfigError, DataError
from ecgtrace.types import FloatArray, Record, Trace
from ecgtrace.units import GAIN_MM_PER_MV, PAPER_SPEED_MM_PER_S

RHYTHM_LEAD = "II"
Bounds = tuple[float, float, float, float]  # x0, y0, x1, y1 in px

PULSE_HEIGHT_MM = 10.0  # 1 mV

_LIMB, _AUGMENTED = ("I", "II", "III"), ("aVR", "aVL", "aVF")
_LEFT, _RIGHT = ("V1", "V2", "V3"), ("V4", "V5", "V6")

# Columns of lead names, each from top to bottom.
LAYOUTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "3x1": (_LIMB,),
    "3x4": (_LIMB, _AUGMENTED, _LEFT, _RIGHT),
    "6x2": (_LIMB + _AUGMENTED, _LEFT + _RIGHT),
    "12x1": (_LIMB + _AUGMENTED + _LEFT + _RIGHT,),
}


@dataclass(frozen=True)
class Label:
    """A printed lead name: left end of its baseline in px, and the index of its trace."""

    text: str
    x: float
    y: float
    trace: int


@dataclass(frozen=True, eq=False)
class Plan:
    """
    The geometry of a page in pixels.

    Attributes
    ----------
    width, height : int
    traces : tuple of Trace
    labels : tuple of Label
    strokes : tuple of ndarray of float, shape (n, 2)
        Separators and calibration pulses: drawn as the traces are, but no lead's ink.
    style : PageStyle
    record_id, layout : str
    separators : frozenset of int
        Which of the strokes are separators.
    pulses : dict of int to int
        Index of the stroke of the pulse that stands beside a trace, by index of the trace.
    """

    width: int
    height: int
    traces: tuple[Trace, ...]
    labels: tuple[Label, ...]
    strokes: tuple[FloatArray, ...]
    style: PageStyle
    record_id: str
    layout: str
    separators: frozenset[int] = frozenset()
    pulses: dict[int, int] = field(default_factory=dict)

    @cached_property
    def trace_bounds(self) -> list[Bounds]:
        """Bounding box of each trace's centre line: most traces are far from any one crop."""
        return [_bounds(trace.polyline) for trace in self.traces]

    @cached_property
    def stroke_bounds(self) -> list[Bounds]:
        """Bounding box of each other stroke."""
        return [_bounds(stroke) for stroke in self.strokes]


def _bounds(polyline: FloatArray) -> Bounds:
    (x0, y0), (x1, y1) = polyline.min(axis=0).tolist(), polyline.max(axis=0).tolist()
    return x0, y0, x1, y1


def resample(signal: FloatArray, fs_hz: float, target_hz: float) -> FloatArray:
    """
    Resample along the last axis with a polyphase filter (`scipy.signal.resample_poly`).

    Parameters
    ----------
    signal : ndarray of float, shape (..., n_samples)
    fs_hz, target_hz : float
        Whole numbers of Hz.

    Returns
    -------
    ndarray of float, shape (..., ceil(n_samples * target_hz / fs_hz))
    """
    if fs_hz == target_hz:
        return signal
    up, down = round(target_hz), round(fs_hz)
    if up != target_hz or down != fs_hz:
        raise ConfigError(f"cannot resample {fs_hz} Hz to {target_hz} Hz: whole numbers of Hz are needed")
    divisor = gcd(up, down)
    return resample_poly(signal, up // divisor, down // divisor, axis=-1, padtype="line")


def lay_out(
    record: Record,
    layout: str,
    style: PageStyle,
    rhythm: bool = False,
    duration_s: float = 10.0,
    starts_s: tuple[float, ...] | None = None,
) -> Plan:
    """
    Place the leads of a record on a page.

    Parameters
    ----------
    record : Record
        Holds the leads that the layout names.
    layout : {"3x1", "3x4", "6x2", "12x1"}
    style : PageStyle
    rhythm : bool, optional
        Add a row with lead II over the whole width, below.
    duration_s : float, optional
        What a page shows from left to right. By default 10 s.
    starts_s : tuple of float, optional
        Begin of the window of each column; by default consecutive from 0.

    Returns
    -------
    Plan

    Raises
    ------
    ConfigError
        For an unknown layout.
    DataError
        If the record is too short or lacks a lead.
    """
    if layout not in LAYOUTS:
        raise ConfigError(f"layout={layout} is unknown; choose one of {', '.join(LAYOUTS)}")
    columns = LAYOUTS[layout]
    window_s = duration_s / len(columns)
    starts = starts_s or tuple(i * window_s for i in range(len(columns)))
    needed_s = max(starts) + window_s
    if record.duration_s < needed_s - 0.5 / record.fs_hz:
        raise DataError(
            f"record {record.record_id} is {record.duration_s:g} s long; the page needs {needed_s:g} s"
        )
    fs_hz = style.fs_hz or record.fs_hz
    signal = resample(record.signal, record.fs_hz, fs_hz)
    rows = len(columns[0]) + rhythm
    left, right, top, bottom = (style.px(mm) for mm in style.margins_mm)
    pitch = style.px(window_s * PAPER_SPEED_MM_PER_S + style.column_gap_mm)
    width = ceil(left + right + pitch * len(columns))
    height = ceil(top + bottom + style.px(style.row_spacing_mm) * (rows - 1))

    traces: list[Trace] = []
    labels: list[Label] = []
    strokes: list[NDArray[np.float64]] = []
    separators: set[int] = set()
    pulses: dict[int, int] = {}
    pulse_column = len(columns) - 1 if style.pulse_at_end else 0

    def place(lead: str, x: float, row: int, start_s: float, length_s: float) -> None:
        zero_y = top + style.px(style.row_spacing_mm) * row
        samples = _window(signal, record.leads, lead, fs_hz, start_s, length_s)
        columns_px = x + style.px(np.arange(len(samples)) / fs_hz * PAPER_SPEED_MM_PER_S)
        polyline = np.stack([columns_px, zero_y - style.px(samples * GAIN_MM_PER_MV)], axis=1)
        if style.lead_names:
            baseline = zero_y - style.px(style.name_offset_mm)
            labels.append(Label(lead, x + style.px(style.name_indent_mm), baseline, len(traces)))
        traces.append(Trace(lead, start_s, start_s + len(samples) / fs_hz, polyline, samples, fs_hz))

    for column, names in enumerate(columns):
        x = left + column * pitch
        for row, lead in enumerate(names):
            place(lead, x, row, starts[column], window_s)
            zero_y = top + style.px(style.row_spacing_mm) * row
            if style.separators and column:
                dashes = _separator(x, zero_y, style)
                separators.update(range(len(strokes), len(strokes) + len(dashes)))
                strokes.extend(dashes)
            if style.calibration_pulse and column == pulse_column:
                pulses[len(traces) - 1] = len(strokes)
                strokes.append(_pulse(traces[-1].polyline[:, 0], zero_y, style))
    if rhythm:
        place(RHYTHM_LEAD, left, rows - 1, min(starts), duration_s)
    return Plan(
        width,
        height,
        tuple(traces),
        tuple(labels),
        tuple(strokes),
        style,
        record.record_id,
        layout,
        frozenset(separators),
        pulses,
    )


def _window(
    signal: FloatArray, leads: tuple[str, ...], lead: str, fs_hz: float, start_s: float, length_s: float
) -> FloatArray:
    if lead not in leads:
        raise DataError(f"the record has no lead {lead}; it has {', '.join(leads)}")
    first = round(start_s * fs_hz)
    return signal[leads.index(lead), first : first + round(length_s * fs_hz)]


def _separator(x: float, zero_y: float, style: PageStyle) -> list[FloatArray]:
    """Return the dashes of the bar before a column, about the zero line."""
    return [
        np.array([[x, zero_y + style.px(a)], [x, zero_y + style.px(b)]]) for a, b in style.separator_dashes_mm
    ]


def _pulse(trace_x: FloatArray, zero_y: float, style: PageStyle) -> FloatArray:
    """Return the 1 mV calibration pulse, which ends before the trace begins, or begins behind its end."""
    side, foot = style.px(style.pulse_width_mm), style.px(style.pulse_foot_mm)
    whole, gap = side + 2 * foot, style.px(style.pulse_gap_mm)
    start = trace_x[-1] + gap if style.pulse_at_end else trace_x[0] - gap - whole
    x = start + np.array([0.0, foot, foot, foot + side, foot + side, whole])
    up = style.px(PULSE_HEIGHT_MM)
    return np.stack([x, zero_y - np.array([0.0, 0.0, up, up, 0.0, 0.0])], axis=1)
