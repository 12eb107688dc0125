"""
Narrow waves whose flanks melt into one stroke, read off the outline of their ink.

A stroke that goes up and down within twice its width covers the same ink as one that goes up, halfway down
and up again, or as one that turns halfway: a fit that starts at either stays there. But each flank runs half
a line's width inside the outline, up to where both meet.
"""

from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.digitization.ink_map import SURE, InkMap
from ecgtrace.digitization.stroke import Stroke
from ecgtrace.types import FloatArray

_MELTED = (1.15, 4.0)  # widths of the line that two flanks are together: one that slants, and a flat stretch
_MELTED_PX = 0.5  # by which pixels widen a line
_LEAST_WIDTHS = 1.0  # of the line, that melted ink is high
_TIP_WIDTHS = 4.0  # of the line, for which a tip goes on as narrow as one stroke
_TIP_GAP_PX = 3  # a fax loses whole rows of a steep stroke


Spans = list[tuple[float, float]]  # columns where something begins and ends


class _Rows(NamedTuple):
    """Stretches of ink along the rows of a picture: row, first column, column behind the last."""

    row: NDArray[np.intp]
    begin: NDArray[np.intp]
    end: NDArray[np.intp]


def along_outlines(line: Stroke, ink: InkMap, others: NDArray[np.float32]) -> tuple[Stroke, Spans]:
    """
    Lay a line along the outlines of melted waves.

    Parameters
    ----------
    line : Stroke
    ink : InkMap
    others : ndarray of float32, shape (height, width)
        Coverage by other strokes.

    Returns
    -------
    Stroke
        A start for another fit.
    list of (float, float)
        Columns where melted waves begin and end.
    """
    own = ink.own & (others < SURE)
    width = 2 * line.half_width_px
    stretches = _stretches(own)
    least, most = _MELTED[0] * width + _MELTED_PX, _MELTED[1] * width + _MELTED_PX
    wide = stretches.end - stretches.begin
    is_melted = (wide > least) & (wide <= most)
    melted = np.zeros(own.shape, np.uint8)
    for row, begin, end in zip(*(part[is_melted] for part in stretches), strict=True):
        melted[row, begin:end] = 1
    n, labels, stats, _ = cv2.connectedComponentsWithStats(melted, connectivity=8)
    y = line.y_px.copy()
    spans = []
    for label in range(1, n):
        first, top, across, high, _ = (int(value) for value in stats[label])
        if high < max(2, _LEAST_WIDTHS * width) or high < across:
            continue
        wave = labels[top : top + high, first : first + across] == label
        flanks = _flanks(own, wave, first, top, width)
        if flanks is not None:
            _lay(line.x_px, y, flanks)
            spans.append((float(flanks[0, 0]), float(flanks[-1, 0])))
    return replace(line, y_px=y), spans


def _stretches(own: NDArray[np.bool_]) -> _Rows:
    steps = np.diff(np.pad(own.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    row, begin = np.nonzero(steps == 1)
    _, end = np.nonzero(steps == -1)
    return _Rows(row, begin, end)


def _flanks(
    own: NDArray[np.bool_], wave: NDArray[np.bool_], first: int, top: int, width: float
) -> FloatArray | None:
    """Return the points of a line up and down a melted wave, shape (n, 2), from left to right; or None."""
    high = len(wave)
    left = first + wave.argmax(axis=1) - 0.5
    right = first + wave.shape[1] - wave[:, ::-1].argmax(axis=1) - 0.5
    above = _tip(own, top - 1, -1, (left[0], right[0]), width)
    below = _tip(own, top + high, 1, (left[-1], right[-1]), width)
    if (above is None) == (below is None):
        return None
    tip = above or below
    assert tip is not None
    rows = np.arange(top, top + high, dtype=float)
    toward = 1.0 if below else -1.0  # from the base to the tip
    if above:
        rows, left, right = rows[::-1], left[::-1], right[::-1]
    inside = np.minimum(width, right - left) / 2
    left, right = np.maximum.accumulate(left + inside), np.minimum.accumulate(right - inside)
    end_row = tip[1] - toward * (width - 1) / 2
    before = toward * (end_row - rows) > 0
    if not before.any():
        return None
    middle = (left + right) / 2
    left, right = np.minimum(left, middle)[before], np.maximum(right, middle)[before]
    at = float(np.clip(tip[0], left[-1], right[-1]))
    up, down = (np.stack([x, rows[before]], axis=1) for x in (left, right))
    return np.concatenate([up, [[at, end_row]], down[::-1]])


def _tip(
    own: NDArray[np.bool_], row: int, step: int, between: tuple[float, float], width: float
) -> tuple[float, int] | None:
    """Follow ink beyond the end of melted flanks; return where it ends (x, row), None where it goes on."""
    low, high = int(between[0] + 0.5), int(between[1] + 0.5)
    at, last, gap = (between[0] + between[1]) / 2, row - step, 0
    for _ in range(int(_TIP_WIDTHS * width) + _TIP_GAP_PX + 2):
        if not 0 <= row < len(own):
            return None
        begin = max(0, low - 1)
        inked = np.flatnonzero(own[row, begin : high + 1]) + begin
        if not len(inked):
            gap += 1
            if gap > _TIP_GAP_PX:
                return at, last
        else:
            if inked[-1] - inked[0] + 1 > len(inked) or len(inked) > _MELTED[0] * width + _MELTED_PX + 1:
                return None  # two flanks, or something flat
            low, high = int(inked[0]), int(inked[-1]) + 1
            at, last, gap = float(inked.mean()), row, 0
        row += step
    return None


def _lay(x: FloatArray, y: FloatArray, flanks: FloatArray) -> None:
    """Put vertices between the two ends of a wave on its flanks, and the nearest on its tip."""
    order = np.argsort(flanks[:, 0], kind="stable")
    inside = np.flatnonzero((x > flanks[0, 0]) & (x < flanks[-1, 0]))
    inside = inside[(inside > 0) & (inside < len(x) - 1)]
    if not len(inside):
        return
    y[inside] = np.interp(x[inside], flanks[order, 0], flanks[order, 1])
    tip = flanks[len(flanks) // 2]
    y[inside[np.argmin(np.abs(x[inside] - tip[0]))]] = tip[1]
