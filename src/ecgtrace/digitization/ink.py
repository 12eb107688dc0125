"""
How much ink lies on each pixel: what is darker than paper and grid would be there without it.

The grid is printed under the trace. Along a row or a column of an upright scan it is the same everywhere, so
that the ground of a pixel follows from what its row and its column look like where there is no ink.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

_INK_SHARE = 0.45  # so far from the grid towards ink, a pixel is no ground
_AS_INK = 0.3
_GROUND_LEVELS = 6
_MIN_GROUND_PX = 12


def brightness(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """
    Return the luminance: compression keeps it sharper than the colours.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)

    Returns
    -------
    ndarray of float32, shape (height, width)
    """
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32)


def ground(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """
    Estimate what an image would show without ink: paper and grid.

    Rows and columns are told apart by their own level (paper, a minor line, a major line, the edges of
    these); the ground of a pixel is the median of the pixels without ink at the crossings of rows and
    columns of the same two levels.

    Parameters
    ----------
    light : ndarray of float32, shape (height, width)

    Returns
    -------
    ndarray of float32, shape (height, width)
    """
    dark = float(np.quantile(light, 0.002))
    paper = float(np.median(light))
    across, down = np.quantile(light, 0.6, axis=0), np.quantile(light, 0.6, axis=1)
    # A row as dark as ink is a flat trace, not a line of the grid.
    as_ink = dark + _AS_INK * (paper - dark)
    across, down = (np.where(level < as_ink, paper, level) for level in (across, down))
    first = np.minimum(across[None], down[:, None])
    grid_level = float(np.quantile(first, 0.02))
    is_ink = light < grid_level - _INK_SHARE * max(grid_level - dark, 1.0)
    is_ink = cv2.dilate(is_ink.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    masked = np.where(is_ink, np.nan, light)
    column_level, row_level = _levels(masked, 0), _levels(masked, 1)
    result = np.minimum(np.median(light[~is_ink]), first).astype(np.float32)
    for a in np.unique(row_level):
        rows = np.flatnonzero(row_level == a)
        for b in np.unique(column_level):
            cell = np.ix_(rows, np.flatnonzero(column_level == b))
            seen = masked[cell]
            seen = seen[np.isfinite(seen)]
            if len(seen) >= _MIN_GROUND_PX:
                result[cell] = np.median(seen)
    return result


def _levels(masked: NDArray[np.float32], axis: int) -> NDArray[np.int64]:
    """Number the rows or columns by their median level, equal steps between the extremes."""
    empty = np.isnan(masked).all(axis=axis)
    profile = np.full(masked.shape[1 - axis], np.nan)
    kept = masked[:, ~empty] if axis == 0 else masked[~empty]
    profile[~empty] = np.nanmedian(kept, axis=axis)
    profile = np.where(empty, np.nanmedian(profile), profile)
    low, high = profile.min(), profile.max()
    return np.rint((profile - low) / max(high - low, 1e-6) * (_GROUND_LEVELS - 1)).astype(np.int64)


def ink_density(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """
    Return the ink on each pixel: 0 on paper and grid, 1 where the ink is darkest.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
        RGB; dark ink on lighter paper, upright.

    Returns
    -------
    ndarray of float32, shape (height, width)
        In [0, 1.2].
    """
    light = brightness(image)
    under = ground(light)
    dark = min(float(np.quantile(light, 0.003)), float(np.median(light)) - 1)
    dark = float(np.median(light[light <= dark]))
    return np.clip((under - light) / np.maximum(under - dark, 1.0), 0, 1.2).astype(np.float32)


def runs(where: NDArray[np.bool_]) -> NDArray[np.int64]:
    """
    Return where the runs of `True` begin and end.

    Parameters
    ----------
    where : ndarray of bool, shape (n,)

    Returns
    -------
    ndarray of int64, shape (n_runs, 2)
        Index of the first, and of the one after the last.

    Examples
    --------
    >>> runs(np.array([1, 1, 0, 1, 0, 0, 1], dtype=bool)).tolist()
    [[0, 2], [3, 4], [6, 7]]
    """
    return np.flatnonzero(np.diff(where.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
