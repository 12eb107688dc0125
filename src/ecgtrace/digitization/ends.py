"""
Where a lead begins and ends: not at the crop's edge, and not where its ink meets other print.

Beside a lead stand a calibration pulse, a bar between two columns, the lead of the next column. What of them
the fit took in is cut off here: a trace begins where the pulse's last flank comes down, and at the middle of
a bar, for that is where a column begins; both hide the first of its ink.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, uniform_filter1d

from ecgtrace.digitization.ink import runs
from ecgtrace.digitization.stroke import Stroke
from ecgtrace.types import GridScale
from ecgtrace.units import GAIN_MM_PER_MV

# All by eye on leads cut from another program's pages (experiments/pages_other), which have pulses and bars,
# and on pages of our own printers (drawing/printers.py): bars of 0.2 to 1.2 mm, pulses of 2 to 5 mm.
_REACH_MM = 8.0  # so far from the end of the trace, what stands beside it is looked for
_PLATEAU_MM = (1.2, 7.0)  # length of the top of a pulse
_OFF_MM = 1.0  # a pulse's top lies 1 mV above the trace's own level, give or take its wander
_FLAT_MM = 0.6
_FLANK_MM = 0.6  # a flank takes no more of the paper
_BAR_MM = (2.5, 1.6)  # least height, largest width
_BESIDE_MM = 1.2  # from the middle of a bar to the first ink seen beside it, at the most
_ABOUT_MM = 0.8  # a bar that the trace runs through is seen this far above and below it
_EDGE_MM = 0.5  # from the picture's edge to a line that runs up to it
_ON_GRID_MM = 0.3  # half of a thick line of the grid
_GRID_MM = 1.0  # a shorter stretch costs little
_PALE = 0.85  # of the trace's usual density
_SURE = 0.5
_PULSE_MM = (8.0, 11.0)  # height of a pulse's flank beside a wandering line
_STRANGE = 0.4  # probability of the target below which ink is somebody else's


class Ends(NamedTuple):
    """A trace whose ends were settled, and what was found beside them, in words."""

    line: Stroke
    notes: tuple[str, ...]


def settle_ends(
    line: Stroke, ink: NDArray[np.float32], target: NDArray[np.float32], scale: GridScale
) -> Ends:
    """
    Cut off what is no lead's at the ends of a trace, and put them where the lead begins and ends.

    Parameters
    ----------
    line : Stroke
        The trace as it was fitted.
    ink, target : ndarray of float32, shape (height, width)
        Ink density; probability that ink is the target's.
    scale : GridScale

    Returns
    -------
    Ends
    """
    notes: list[str] = []
    for side in ("start", "end"):
        if side == "end":
            line, ink, target = _mirrored(line, ink.shape[1]), ink[:, ::-1], target[:, ::-1]
        grid_px = _grid_end_px(line, ink, scale)
        if grid_px is not None:
            line = _from(line, grid_px)
            notes.append(f"what ran along a line of the grid at the {side} was left out")
        pulse_px = _pulse_end_px(line, scale)
        if pulse_px is not None:
            line = _from(line, pulse_px)
            notes.append(f"a calibration pulse at the {side} was left out")
        bar = _bar_px(line, ink, target, scale)
        if bar is not None:
            line = _from(line, *bar)
    return Ends(_mirrored(line, ink.shape[1]), tuple(notes))


def _mirrored(line: Stroke, width: int) -> Stroke:
    return replace(line, x_px=width - 1 - line.x_px[::-1], y_px=line.y_px[::-1].copy())


def _from(line: Stroke, x_px: float, clear_px: float | None = None) -> Stroke:
    """Let a line begin at another place: cut, or drawn out level; from where it is clear, if that is told."""
    clear_px = x_px if clear_px is None else max(x_px, clear_px)
    keep = line.x_px > clear_px + 0.1
    if keep.sum() < 2:
        return line
    inside = clear_px > line.x_px[0]
    y_px = float(np.interp(clear_px, line.x_px, line.y_px)) if inside else float(line.y_px[0])
    return replace(
        line,
        x_px=np.concatenate([[x_px], line.x_px[keep]]),
        y_px=np.concatenate([[y_px], line.y_px[keep]]),
    )


def _grid_end_px(line: Stroke, ink: NDArray[np.float32], scale: GridScale) -> float | None:
    """
    Column up to which a line follows a line of the grid from the picture's edge; None where it does not.

    Of a grid as dark as the trace some is left in the ink, but less than where the trace lies on it.
    """
    mm_x, mm_y = scale.px_per_mm_x, scale.px_per_mm_y
    lines = np.asarray(scale.lines_y)
    if line.x_px[0] > _EDGE_MM * mm_x or not len(lines):
        return None
    x = np.arange(np.ceil(line.x_px[0]), line.x_px[-1])
    y = np.interp(x, line.x_px, line.y_px)
    if np.abs(lines - y[0]).min() > _ON_GRID_MM * mm_y:
        return None
    level = float(np.median(y[: max(1, round(mm_x))]))
    off = np.flatnonzero(np.abs(y - level) > _FLAT_MM / 2 * mm_y)
    length = int(off[0]) if len(off) else len(x)
    density = map_coordinates(np.minimum(ink, 1), [y, x], order=1, mode="nearest")
    usual = float(np.median(density))
    full = np.flatnonzero(uniform_filter1d(density, max(1, round(mm_x / 2))) > _PALE * usual)
    length = min(length, int(full[0]) if len(full) else length)
    if length < _GRID_MM * mm_x or float(density[:length].mean()) > _PALE * usual:
        return None
    return float(x[min(length, len(x) - 1)])


def _pulse_end_px(line: Stroke, scale: GridScale) -> float | None:
    """
    Column where the last flank of a pulse at the beginning of a line comes down; None where there is none.

    Its top is flat, 1 mV above what follows, and no wave falls by that within half a millimetre from a top
    of more than one.
    """
    x = np.arange(np.ceil(line.x_px[0]), line.x_px[-1])
    mm_x, mm_y = scale.px_per_mm_x, scale.px_per_mm_y
    near = x < line.x_px[0] + (_REACH_MM + _PLATEAU_MM[1]) * mm_x
    if near.sum() < _PLATEAU_MM[0] * mm_x or near.all():
        return None
    y = np.interp(x, line.x_px, line.y_px)
    level = float(np.median(y))
    top = np.abs(level - y[near] - GAIN_MM_PER_MV * mm_y) < _OFF_MM * mm_y
    for begin, end in runs(top):
        length_mm = (end - begin) / mm_x
        if not _PLATEAU_MM[0] <= length_mm <= _PLATEAU_MM[1] or begin > 3.0 * mm_x:
            continue
        inner = y[begin:end]
        if np.subtract(*np.quantile(inner, (0.9, 0.1))) > _FLAT_MM * mm_y:
            continue
        behind = min(end + max(1, round(_FLANK_MM * mm_x)), len(y) - 1)
        half = level - GAIN_MM_PER_MV * mm_y / 2
        fallen = np.flatnonzero(y[end - 1 : behind + 1] > half)
        if y[behind] > level - 0.3 * GAIN_MM_PER_MV * mm_y and len(fallen):
            return float(x[end - 1 + fallen[0]])
    return None


def _bar_px(
    line: Stroke, ink: NDArray[np.float32], target: NDArray[np.float32], scale: GridScale
) -> tuple[float, float] | None:
    """
    Middle of a bar at the beginning of a line, and where the line is clear of it; None where there is none.

    Beside the first ink of the line, a flank of a pulse will do; further in, only what is seen above and
    below the line and has two straight sides.
    """
    mm_x, mm_y = scale.px_per_mm_x, scale.px_per_mm_y
    first, last = line.x_px[0] - _BESIDE_MM * mm_x, min(line.x_px[0] + _REACH_MM * mm_x, line.x_px[-1])
    columns = np.arange(max(0, int(first)), min(ink.shape[1], int(last) + 1))
    if not len(columns):
        return None
    rows = np.interp(columns, line.x_px, line.y_px)
    strands = [_strand(ink[:, c], target[:, c], row, line) for c, row in zip(columns, rows, strict=True)]
    tall = np.array([s is not None and s[1] - s[0] >= _BAR_MM[0] * mm_y for s in strands])
    best = None
    for begin, end in runs(tall):
        if end - begin > max(_BAR_MM[1] * mm_x, 2):
            continue
        middle = float(columns[begin] + columns[end - 1]) / 2
        edge = float(columns[end - 1]) + 0.5
        if edge >= line.x_px[0] - line.half_width_px - 2 and middle <= line.x_px[0] + 0.5:
            best = middle, edge + line.half_width_px
        elif middle > line.x_px[0]:
            tops, ends = (np.array([s[i] for s in strands[begin:end] if s is not None]) for i in (0, 1))
            row = float(rows[begin:end].mean())
            about = _ABOUT_MM * mm_y
            straight = np.ptp(tops) <= 2 and np.ptp(ends) <= 2
            runs_on = end - begin >= 2 and tops.max() < row - about and ends.min() > row + about
            flank = float(tops.max()), float(ends.min())
            if straight and (runs_on or _ends_a_pulse(middle, *flank, ink, line, scale)):
                best = middle, edge + line.half_width_px
    return best


def _ends_a_pulse(
    middle: float, top: float, bottom: float, ink: NDArray[np.float32], line: Stroke, scale: GridScale
) -> bool:
    """Tell whether a strand is the last flank of a pulse: so high, and the first stands before it."""
    height_mm = (bottom - top + 1) / scale.px_per_mm_y
    if not (_PULSE_MM[0] <= height_mm <= _PULSE_MM[1] or (top == 0 and height_mm <= _PULSE_MM[1])):
        return False
    near, far = (middle - mm * scale.px_per_mm_x for mm in _PLATEAU_MM)
    for column in range(max(0, int(far)), max(0, int(near)) + 1):
        found = _strand(ink[:, column], np.zeros(len(ink), np.float32), (top + bottom) / 2, line)
        if found is not None and abs(found[0] - top) <= 2 and abs(found[1] - bottom) <= 3:
            return True
    return False


def _strand(
    ink: NDArray[np.float32], target: NDArray[np.float32], row: float, line: Stroke
) -> tuple[int, int] | None:
    """First and last row of the ink of somebody else's that a column has next to the line."""
    near = line.half_width_px + 1.5
    lowest, highest = int(max(0, row - near)), int(min(len(ink) - 1, row + near))
    dark = ink > _SURE
    at = lowest + np.flatnonzero(dark[lowest : highest + 1])
    if not len(at):
        return None
    bare = np.flatnonzero(~dark)
    before, after = bare[bare < at[0]], bare[bare > at[0]]
    top = int(before[-1]) + 1 if len(before) else 0
    bottom = int(after[0]) - 1 if len(after) else len(ink) - 1
    index = np.arange(top, bottom + 1)
    beside = index[np.abs(index - row) > near]
    if not len(beside) or float(target[beside].mean()) > _STRANGE:
        return None
    return top, bottom
