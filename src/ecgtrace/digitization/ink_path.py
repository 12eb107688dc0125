"""
The cheapest way through ink from left to right, pixel by pixel.

A path goes right by one column at a time, and up or down any number of rows within a column; it pays for
every pixel it touches. So a steep wave costs little as long as there is ink under it, and a leap over bare
paper costs as many pixels as it is long. Dynamic programming finds the cheapest path [1]_ in one pass.

References
----------
.. [1] Viterbi A. Error bounds for convolutional codes and an asymptotically optimum decoding algorithm.
       IEEE Trans Inf Theory 1967;13(2):260-269. https://doi.org/10.1109/TIT.1967.1054010
"""

from typing import NamedTuple

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from ecgtrace.types import FloatArray

_TIP_INK = 0.75
_LEAST = 1e-3  # likelihood of a pixel that no ink speaks for
_TOUCH = 1e-4  # cost of a pixel of ink: of two ways through ink, the shorter
_MISSED = 0.5  # ink that is likelier the target's than this is missed
_MOST_DETOURS = 12


@njit(cache=True)
def _cheapest(cost, start_row, end_row):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Return the row where the cheapest path enters each column, and the row where it leaves it."""
    height, width = cost.shape
    came_from = np.empty((height, width), np.int32)
    total = np.empty(height)
    for r in range(height):
        total[r] = 0.0 if start_row < 0 or r == start_row else 1e12
    down = np.empty(height)
    down_from = np.empty(height, np.int32)
    for c in range(width):
        best, origin = 1e18, 0
        for r in range(height):
            if total[r] < best:
                best, origin = total[r], r
            best += cost[r, c]
            down[r], down_from[r] = best, origin
        best, origin = 1e18, height - 1
        for r in range(height - 1, -1, -1):
            if total[r] < best:
                best, origin = total[r], r
            best += cost[r, c]
            if best < down[r]:
                down[r], down_from[r] = best, origin
        for r in range(height):
            total[r] = down[r]
            came_from[r, c] = down_from[r]
    enter, leave = np.empty(width, np.int32), np.empty(width, np.int32)
    r = np.argmin(total) if end_row < 0 else end_row
    for c in range(width - 1, -1, -1):
        leave[c] = r
        r = came_from[r, c]
        enter[c] = r
    return enter, leave


def cheapest_path(likelihood: NDArray[np.floating]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """
    Find the path along which ink is most likely.

    Parameters
    ----------
    likelihood : ndarray of float, shape (height, width)
        Of each pixel to be on the path, in [0, 1]; its cost is minus the logarithm.

    Returns
    -------
    enter, leave : ndarray of int32, shape (width,)
        Rows where the path enters and leaves each column.

    Examples
    --------
    A wave two rows high; the ink below it is not reached without a leap:

    >>> likelihood = np.zeros((5, 5))
    >>> likelihood[2, :] = likelihood[:2, 2] = 1
    >>> likelihood[4, [0, 1, 3, 4]] = 1
    >>> enter, leave = cheapest_path(likelihood)
    >>> enter.tolist(), leave.tolist()
    ([2, 2, 2, 2, 2], [2, 2, 2, 2, 2])
    """
    return _cheapest(_cost(likelihood), -1, -1)


def _cost(likelihood: NDArray[np.floating]) -> FloatArray:
    return np.asarray(-np.log(np.clip(likelihood, _LEAST, 1)) + _TOUCH, np.float64)


class _Way(NamedTuple):
    """A path, and the places (column, row) that it was made to pass."""

    enter: NDArray[np.int32]
    leave: NDArray[np.int32]
    places: dict[int, int]

    def touched(self, height: int) -> NDArray[np.bool_]:
        low, high = np.minimum(self.enter, self.leave), np.maximum(self.enter, self.leave)
        for column, place in self.places.items():
            low[column], high[column] = min(low[column], place), max(high[column], place)
        row = np.arange(height)[:, None]
        return np.asarray((row >= low) & (row <= high))

    def price(self, cost: FloatArray) -> float:
        return float(cost[self.touched(len(cost))].sum())

    def through(self, cost: FloatArray, column: int, row: int) -> "_Way":
        """Return the way that passes one more place; only the part between the places beside it changes."""
        left = max((c for c in self.places if c < column), default=None)
        right = min((c for c in self.places if c > column), default=None)
        enter, leave = self.enter.copy(), self.leave.copy()
        for first, last, start, end in (
            (left, column, None if left is None else self.places[left], row),
            (column, right, row, None if right is None else self.places[right]),
        ):
            part = slice(first or 0, None if last is None else last + 1)
            a, b = _cheapest(cost[:, part], -1 if start is None else start, -1 if end is None else end)
            # Of a place's own column, the part on its left has the entrance, that on its right the exit.
            enter[part][int(first is not None) :] = a[int(first is not None) :]
            stop = len(b) - int(last is not None)
            leave[part][:stop] = b[:stop]
        return _Way(enter, leave, {**self.places, column: row})


def explaining_path(
    likelihood: NDArray[np.floating], own: NDArray[np.floating], half_width_px: float, worth: float = 2.0
) -> tuple[NDArray[np.int32], NDArray[np.int32], dict[int, int]]:
    """
    Find the cheapest path that leaves no ink of the target aside.

    The cheapest path cuts a narrow wave short wherever other print closes a shorter way between its flanks.
    Ink that is the target's and lies off the path then calls for a detour by its farthest point, which is
    made if it costs little for the ink that it takes in.

    Parameters
    ----------
    likelihood : ndarray of float, shape (height, width)
        As for `cheapest_path`.
    own : ndarray of float, shape (height, width)
        Ink times its probability to be the target's.
    half_width_px : float
        Of the line.
    worth : float, optional
        What a detour may cost for each px of line that it takes in; bare paper costs 7 for each px. Of 0.3,
        1, 2, 3 and 5 the best on validation crops with overlap.

    Returns
    -------
    enter, leave : ndarray of int32, shape (width,)
    places : dict of int to int
        Columns and rows of the points that detours lead to, on the centre line.

    Examples
    --------
    A wave whose flanks are joined below its tip; the path is led there through both:

    >>> ink = np.zeros((9, 9))
    >>> ink[8, [0, 1, 2, 6, 7, 8]] = ink[1:9, [2, 6]] = ink[6, 2:7] = ink[1, 2:7] = 1
    >>> own = ink.copy()
    >>> own[6, 3:6] = 0
    >>> enter, leave = cheapest_path(ink)
    >>> int(min(enter.min(), leave.min()))
    6
    >>> enter, leave, places = explaining_path(ink, own, 0.5)
    >>> int(min(enter.min(), leave.min()))
    1
    """
    height = len(likelihood)
    cost = _cost(likelihood)
    enter, leave = _cheapest(cost, -1, -1)
    way = _Way(enter, leave, {})
    size = 2 * round(half_width_px + 1) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    mine = own > _MISSED
    refused = np.zeros(mine.shape, bool)
    for _ in range(_MOST_DETOURS):
        touched = way.touched(height)
        missed = mine & ~refused & (cv2.dilate(touched.astype(np.uint8), disc) == 0)
        n, labels, stats, _ = cv2.connectedComponentsWithStats(missed.astype(np.uint8), connectivity=8)
        if n < 2:
            break
        label = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
        if stats[label, cv2.CC_STAT_AREA] < 2 * half_width_px * size:
            break
        column, row = _farthest(labels == label, way, half_width_px)
        detour = way.through(cost, column, row) if column not in way.places else way
        gained = cv2.dilate(detour.touched(height).astype(np.uint8), disc) > 0
        before = cv2.dilate(touched.astype(np.uint8), disc) > 0
        length = (int((mine & gained).sum()) - int((mine & before).sum())) / (2 * half_width_px)
        if length > size and detour.price(cost) - way.price(cost) < worth * length:
            way = detour
        else:
            refused |= labels == label
    return way.enter, way.leave, way.places


def _farthest(blot: NDArray[np.bool_], way: _Way, half_width_px: float) -> tuple[int, int]:
    """Column, and row of the centre line, where a blot reaches farthest up or down from the path."""
    columns = np.flatnonzero(blot.any(axis=0))
    top = blot[:, columns].argmax(axis=0)
    bottom = len(blot) - 1 - blot[::-1, columns].argmax(axis=0)
    middle = (way.enter[columns] + way.leave[columns]) / 2
    up, down = middle - top, bottom - middle
    best = int(np.argmax(np.maximum(up, down)))
    inside = round(half_width_px - 0.5)
    if up[best] >= down[best]:
        # Of a tip that is flat, the middle.
        level = columns[top <= top[best] + 1]
        row = min(int(top[best]) + inside, int(bottom[best]))
    else:
        level = columns[bottom >= bottom[best] - 1]
        row = max(int(bottom[best]) - inside, int(top[best]))
    return int(level[len(level) // 2]), row


def expected_rows(
    weight: NDArray[np.floating], enter: NDArray[np.int32], leave: NDArray[np.int32], reach_px: float
) -> FloatArray:
    """
    Return the mean row of the ink around a path: a start for a fit that is better than the path itself.

    Parameters
    ----------
    weight : ndarray of float, shape (height, width)
        Ink times its probability.
    enter, leave : ndarray of int, shape (width,)
        As of `cheapest_path`.
    reach_px : float
        So far above and below the rows that the path touches.

    Returns
    -------
    ndarray of float, shape (width,)
    """
    row = np.arange(len(weight))[:, None]
    low, high = np.minimum(enter, leave), np.maximum(enter, leave)
    near = np.where((row >= low - reach_px) & (row <= high + reach_px), weight, 0)
    total = near.sum(axis=0)
    middle = (low + high) / 2
    return np.where(total > 0.5, (row * near).sum(axis=0) / np.maximum(total, 1e-9), middle)


def reach_tips(
    weight: NDArray[np.floating], rows: FloatArray, half_width_px: float, least_px: float = 2.0
) -> FloatArray:
    """
    Lead a path up to the tips of waves that it cut short.

    Where the two flanks of a narrow wave melt into one, the cheapest path crosses over before the tip. The
    tip is the end of the run of ink, within the column, that the path goes through.

    Parameters
    ----------
    weight : ndarray of float, shape (height, width)
        Ink times its probability.
    rows : ndarray of float, shape (width,)
        Row of the path in each column.
    half_width_px : float
        Of the line; the centre line ends so far inside the ink.
    least_px : float, optional
        Tips that stick out less are left to the fit. By default 2.

    Returns
    -------
    ndarray of float, shape (width,)

    Examples
    --------
    The flanks of a wave touch in the middle column; the path went through at row 3:

    >>> weight = np.zeros((6, 5))
    >>> weight[3, :] = weight[1:4, 2] = 1
    >>> reach_tips(weight, np.full(5, 3.0), half_width_px=0.5, least_px=1.0).tolist()
    [3.0, 3.0, 1.0, 3.0, 3.0]
    """
    height, width = weight.shape
    ink = np.pad(weight > _TIP_INK, ((1, 1), (0, 0)))
    index = np.arange(height + 2)[:, None]
    above = np.maximum.accumulate(np.where(ink, 0, index), axis=0)
    below = np.minimum.accumulate(np.where(ink, height + 1, index)[::-1], axis=0)[::-1]
    columns = np.arange(width)
    at = np.clip(np.rint(rows).astype(int), 0, height - 1) + 1
    on_ink = ink[at, columns]
    top = np.where(on_ink, above[at, columns] + half_width_px - 0.5, rows)  # padded: a row is one more
    bottom = np.where(on_ink, below[at, columns] - 2 - half_width_px + 0.5, rows)
    reach = round(half_width_px) + 1
    result = rows.copy()
    for tip, sign in ((top, 1), (bottom, -1)):
        for c in range(reach, width - reach):  # the ends have no tip, and may touch other print
            part = slice(c - reach, c + reach + 1)
            if sign * tip[c] > (sign * tip[part]).min() + 1e-9:
                continue
            # A flank has ink above the path, too, but then the path itself goes there next to it.
            if (sign * rows[part]).min() - sign * tip[c] <= least_px:
                continue
            for step in (-1, 1):  # down both flanks, to where the path is
                at_column = c
                while 0 <= at_column < width and sign * (rows[at_column] - tip[at_column]) > least_px:
                    result[at_column] = tip[at_column]
                    following = at_column + step
                    if not 0 <= following < width or sign * (tip[following] - tip[at_column]) < 0:
                        break
                    at_column = following
    return result
