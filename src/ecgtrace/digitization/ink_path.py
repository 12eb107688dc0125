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

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ecgtrace.types import FloatArray

_TIP_INK = 0.75
_LEAST = 1e-3  # likelihood of a pixel that no ink speaks for


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
    cost = -np.log(np.clip(likelihood, _LEAST, 1)).astype(np.float64)
    return _cheapest(cost + 1e-4, -1, -1)


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
