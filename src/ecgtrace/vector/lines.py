"""Which lines of a page are traces, calibration pulses and bars; the rest is grid, frame or drawing."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ecgtrace.documents.source import VectorPath
from ecgtrace.types import FloatArray

_TOUCH_PT = 0.03  # ends of two pieces of one line, as rounded by the writers seen
_CHUNK_MM = 20.0  # pieces of a trace are shorter; 127 vertices are 6 mm at 500 Hz and 25 mm/s
_CHUNK_VERTICES = 10
_CHUNK_STEPS = 2.5  # of a piece's own steps lie between it and the next
_FEWEST_VERTICES = 20
_SHORTEST_MM = 10.0  # 0.4 s at 25 mm/s, shorter than a beat
_BACK_MM = 0.05  # a step to the left is a rounding, or the line is no trace
_FLAT_MM = 0.1
_SURE_VERTICES = 100  # a straight line of so many vertices is a flat trace; a rule or a dashed line has fewer
_LEVEL_MM = 0.1  # a level of a calibration pulse is so even
_PULSE_MM = (1.5, 42.0)  # height: 2.5 mm/mV to 40 mm/mV, with a margin
_PULSE_WIDTH_MM = (1.0, 22.0)  # 0.2 s are 2.5 to 20 mm
_BAR_MM = 3.0  # what stands between two columns
_GRID_LINES = 10  # equal upright lines; bars of one row are fewer


@dataclass(frozen=True, eq=False)
class Line:
    """A line of one stroke on the upright page, in points; put together from its pieces."""

    points: FloatArray = field(repr=False)
    colour: tuple[int, int, int]
    width: float

    @property
    def x(self) -> FloatArray:
        """Along time."""
        return self.points[:, 0]

    @property
    def y(self) -> FloatArray:
        """Down."""
        return self.points[:, 1]


@dataclass(frozen=True)
class Pulse:
    """A calibration pulse: its left end, its base line (y), height and width, in points."""

    x: float
    end_x: float
    base_y: float
    height: float
    width: float


@dataclass(frozen=True, eq=False)
class PageLines:
    """What was made of the lines of a page; bars are (x, top, bottom)."""

    traces: tuple[Line, ...]
    pulses: tuple[Pulse, ...]
    bars: tuple[tuple[float, float, float], ...]


def sort_lines(paths: Sequence[VectorPath], per_mm: float) -> PageLines:
    """
    Tell traces, pulses and bars apart.

    Parameters
    ----------
    paths : sequence of VectorPath
        Of an upright page.
    per_mm : float
        Points per millimetre.
    """
    traces: list[Line] = []
    pulses: list[Pulse] = []
    for line in chained(paths, per_mm):
        pulse = as_pulse(line.points, per_mm)
        if pulse is not None:
            pulses.append(pulse)
            continue
        rest, cut = without_pulses(line, per_mm)
        if is_trace(rest, per_mm):
            traces.append(rest)
            pulses.extend(cut)
    kept = [trace for trace in traces if not _is_flat(trace, per_mm) or len(trace.x) >= _SURE_VERTICES]
    return PageLines(tuple(kept), tuple(pulses), _bars(paths, per_mm))


def chained(paths: Sequence[VectorPath], per_mm: float) -> list[Line]:
    """
    Join pieces of one style, in the order in which they are drawn.

    Pieces whose ends touch are one line; so are short ones of many vertices, drawn one after the other, where
    the next begins one step of time later.
    """
    chains: list[list[FloatArray]] = []
    full: list[int] = []  # vertices of a chain's first piece; 0 once pieces touched
    styles: list[tuple[tuple[int, int, int], float]] = []
    ends: dict[tuple[object, int, int], int] = {}

    def keys(style: object, point: FloatArray) -> list[tuple[object, int, int]]:
        x, y = np.rint(point / _TOUCH_PT).astype(int)
        return [(style, x + i, y + j) for i in (0, -1, 1) for j in (0, -1, 1)]

    for path in paths:
        style = (path.colour, round(path.width, 3))
        points = path.points
        hit = next((ends[key] for key in keys(style, points[0]) if key in ends), None)
        if hit is None and len(points) == 2:  # a single line may have been drawn from its other end
            hit = next((ends[key] for key in keys(style, points[1]) if key in ends), None)
            points = points if hit is None else points[::-1]
        if hit is None and chains and styles[-1] == (path.colour, path.width):
            hit = len(chains) - 1 if _is_next_chunk(chains[-1][-1], points, full[-1], per_mm) else None
            if hit is not None:
                chains[hit].append(points[:1])
        elif hit is not None:
            full[hit] = 0
        if hit is None:
            hit = len(chains)
            chains.append([points])
            full.append(len(points))
            styles.append((path.colour, path.width))
        else:
            ends.pop(keys(style, chains[hit][-1][-1])[0], None)
            chains[hit].append(points[1:])
        ends[keys(style, points[-1])[0]] = hit
    return [Line(np.concatenate(chain), *style) for chain, style in zip(chains, styles, strict=True)]


def _is_next_chunk(last: FloatArray, points: FloatArray, full: int, per_mm: float) -> bool:
    """
    Tell whether a piece goes on one step of time after the last piece of a chain.

    That one must be short and as long as the chain's first: a shorter one was the end of its trace.
    """
    if len(last) < _CHUNK_VERTICES or len(points) < 2 or abs(len(last) - full) > 1:
        return False
    length, step = float(last[-1, 0] - last[0, 0]), float(np.median(np.diff(last[:, 0])))
    gap = float(points[0, 0] - last[-1, 0])
    return 0 < length <= _CHUNK_MM * per_mm and 0 < gap <= _CHUNK_STEPS * step


def is_trace(line: Line, per_mm: float) -> bool:
    """Tell whether a line can be the trace of a lead: long, of many vertices, never back in time."""
    if len(line.x) < _FEWEST_VERTICES or np.ptp(line.x) < _SHORTEST_MM * per_mm:
        return False
    return bool(np.diff(line.x).min() >= -_BACK_MM * per_mm)


def _is_flat(line: Line, per_mm: float) -> bool:
    chord = np.polyval(np.polyfit(line.x, line.y, 1), line.x)
    return float(np.abs(line.y - chord).max()) < _FLAT_MM * per_mm


def as_pulse(points: FloatArray, per_mm: float) -> Pulse | None:
    """
    Return the calibration pulse that a line is; None where it is none.

    It leaves one level straight up, stays, and comes back to the first level: from left to right, with
    nothing in between the two levels.
    """
    points = _drawn_once(points)
    x, y = points[:, 0], points[:, 1]
    if len(points) < 4:
        return None
    if x[-1] < x[0]:
        x, y = x[::-1], y[::-1]
    base, top = float(max(y[0], y[-1])), float(y.min())
    height = base - top
    low, high = (limit * per_mm for limit in _PULSE_MM)
    even = _LEVEL_MM * per_mm
    if not low <= height <= high or abs(y[0] - y[-1]) > even or np.diff(x).min() < -_BACK_MM * per_mm:
        return None
    on_base, on_top = np.abs(y - base) <= even, np.abs(y - top) <= even
    if not (on_base | on_top).all() or on_base.all():
        return None
    up = np.flatnonzero(on_top)
    if np.any(np.diff(up) != 1):
        return None
    # Both flanks stand upright.
    rise, fall = abs(x[up[0]] - x[max(up[0] - 1, 0)]), abs(x[min(up[-1] + 1, len(x) - 1)] - x[up[-1]])
    width = float(x[up[-1]] - x[up[0]])
    narrow, wide = (limit * per_mm for limit in _PULSE_WIDTH_MM)
    if max(rise, fall) > 0.1 * width + even or not narrow <= width <= wide:
        return None
    return Pulse(float(x[0]), float(x[-1]), base, height, width)


def _drawn_once(points: FloatArray) -> FloatArray:
    """Leave out what goes back to where it came from: one vendor draws a flank three times."""
    kept: list[FloatArray] = []
    for point in points:
        if len(kept) > 1 and np.abs(kept[-2] - point).max() <= _TOUCH_PT:
            kept.pop()
        else:
            kept.append(point)
    return np.array(kept)


def without_pulses(line: Line, per_mm: float) -> tuple[Line, list[Pulse]]:
    """Cut calibration pulses off both ends of a trace that was drawn in one line with them."""
    pulses: list[Pulse] = []
    if not is_trace(line, per_mm):
        return line, pulses
    points = line.points
    low, high = (limit * per_mm for limit in _PULSE_MM)
    for backwards in (False, True):
        head = points[::-1] if backwards else points
        steps = np.abs(np.diff(head[:, 1]))
        near = np.abs(head[:-1, 0] - head[0, 0]) <= 1.5 * _PULSE_WIDTH_MM[1] * per_mm
        upright = np.abs(np.diff(head[:, 0])) <= _LEVEL_MM * per_mm
        flanks = np.flatnonzero(near & upright & (steps >= low) & (steps <= high))
        if len(flanks) < 2:
            continue
        stop = flanks[1] + 1  # the foot of the second flank
        pulse = as_pulse(head[: stop + 1], per_mm)
        if pulse is None:
            continue
        level = np.abs(head[stop:, 1] - head[stop, 1]) <= 1e-3
        foot = stop + (int(np.argmin(level)) if not level.all() else len(level)) - 1
        pulses.append(pulse)
        points = head[foot:][::-1] if backwards else head[foot:]
    return Line(points, line.colour, line.width), pulses


def _bars(paths: Sequence[VectorPath], per_mm: float) -> tuple[tuple[float, float, float], ...]:
    """Return short upright lines, less those of which many begin and end at one height: these are a grid."""
    upright: dict[tuple[object, ...], list[tuple[float, float, float]]] = {}
    for path in paths:
        if len(path.points) != 2:
            continue
        (x, top), (end_x, bottom) = path.points[0], path.points[-1]
        top, bottom = float(min(top, bottom)), float(max(top, bottom))
        if abs(x - end_x) <= _TOUCH_PT and bottom - top >= _BAR_MM * per_mm:
            heights = (round(top / per_mm), round(bottom / per_mm))
            upright.setdefault((path.colour, heights), []).append((float(x), top, bottom))
    return tuple(bar for bars in upright.values() if len(bars) < _GRID_LINES for bar in bars)
