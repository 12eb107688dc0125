"""
How much ink lies on each pixel: how far its colour has gone from paper and grid towards that of the ink.

The grid is printed under the trace. Along a row or a column of an upright scan it is the same everywhere, so
that the ground of a pixel follows from what its row and its column look like where there is no ink. What is
ink the network says; what colour it has, and that of the ground, is read off the picture: ink need not be
black, nor paper pale, nor the grid lighter than the trace.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.types import FloatArray

_LIKELY_INK = 0.3  # probability from which on a pixel is no ground
_GROUND_LEVELS = 8
_STRETCHES = 7
_MIN_GROUND_PX = 12
_FULL_INK = 0.85  # share of the marked pixels that are paler than full ink: edges of a thin line, mostly
_LEAST_INK_PX = 30
_CHROMA = 0.5  # weight of the colours beside the luminance: compression keeps them at half the resolution
_NOISE = 12.0  # grey levels: where ink and ground differ by no more, a pixel says nothing of the ink
_AROUND_PX = 5  # what is under a line of the grid as dark as ink, the pixels beside it tell


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


def ink_density(image: NDArray[np.uint8], marked: NDArray[np.float32]) -> NDArray[np.float32]:
    """
    Return the ink on each pixel: 0 on paper and grid, 1 where the ink is fullest.

    The colour of a pixel is projected on the line from that of its ground to that of the ink, in luminance
    and, with half the weight, in the two differences of colour.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
        RGB, upright.
    marked : ndarray of float32, shape (height, width)
        Probability of ink of whatever kind.

    Returns
    -------
    ndarray of float32, shape (height, width)
        In [0, 1.2].
    """
    colour = _colours(image)
    is_ink = marked > _LIKELY_INK
    if is_ink.sum() < _LEAST_INK_PX:
        return np.zeros(image.shape[:2], np.float32)
    usual = colour.max(axis=(0, 1)) if is_ink.all() else _medians(colour[~is_ink])[0]
    paper = np.asarray(usual, np.float64)
    ink = _fullest(colour, is_ink, paper)
    under = ground(colour, is_ink, paper)
    towards = ink.astype(np.float32) - under
    length2 = np.einsum("ijk,ijk->ij", towards, towards)
    density = np.einsum("ijk,ijk->ij", colour - under, towards) / np.maximum(length2, 1.0)
    density = np.clip(density, 0, 1.2)
    return _beside_where_alike(density, length2, float(np.sum((ink - paper) ** 2)))


def _colours(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Luminance and the two weighted differences of colour, shape (height, width, 3)."""
    weight = np.array((1.0, _CHROMA, _CHROMA), np.float32)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb), np.float32) * weight


def _fullest(colour: NDArray[np.float32], is_ink: NDArray[np.bool_], paper: FloatArray) -> FloatArray:
    """
    Return the colour of full ink: the median of the marked pixels that are farthest from the paper.

    Only those towards which most of the marked pixels lie: a light spot is far from grey paper, too.
    """
    away = colour[is_ink] - paper
    mean = away.mean(axis=0)
    along = away @ (mean / max(float(np.linalg.norm(mean)), 1e-6))
    full = along >= np.quantile(along, _FULL_INK)
    return np.asarray(np.median(colour[is_ink][full], axis=0), np.float64)


def ground(colour: NDArray[np.float32], is_ink: NDArray[np.bool_], paper: FloatArray) -> NDArray[np.float32]:
    """
    Estimate what an image would show without ink: paper and grid.

    Rows and columns are told apart by their own level (paper, a minor line, a major line, the edges of
    these); the ground of a pixel is the median of the pixels without ink at the crossings of rows and
    columns of the same two levels.

    Parameters
    ----------
    colour : ndarray of float32, shape (height, width, 3)
    is_ink : ndarray of bool, shape (height, width)
    paper : ndarray of float, shape (3,)
        Taken where there is nothing but ink.

    Returns
    -------
    ndarray of float32, shape (height, width, 3)
    """
    hidden = cv2.dilate(is_ink.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    if hidden.all():
        return np.broadcast_to(np.asarray(paper, np.float32), colour.shape).copy()
    # The levels are those of the direction in which paper and grid differ most, whatever its colour.
    seen = colour[~hidden]
    centred = seen - seen.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    light = np.where(hidden, np.float32(np.nan), np.asarray(colour @ vectors[:, -1], np.float32))
    column_level, row_level = _levels(light, 0), _levels(light, 1)
    cell = row_level[:, None] * _GROUND_LEVELS + column_level
    known = _medians(seen, cell[~hidden], _GROUND_LEVELS**2)
    return known[cell]


def _medians(
    colour: NDArray[np.float32], cell: NDArray[np.int64] | None = None, cells: int = 1
) -> NDArray[np.float32]:
    """
    Return the median colour of each cell, shape (cells, 3); of a cell with few pixels that of all.

    By counts of each value, far sooner than by sorting: `_colours` are whole or half grey levels.
    """
    medians = np.empty((cells, colour.shape[1]), np.float32)
    for channel, values in enumerate(colour.T):
        half_levels = np.rint(values * 2).astype(np.int64)
        low = int(half_levels.min())
        span = int(half_levels.max()) - low + 1
        at = half_levels - low if cell is None else cell * span + half_levels - low
        counts = np.bincount(at, minlength=cells * span).reshape(cells, span)
        everywhere = counts.sum(axis=0)
        counts[counts.sum(axis=1) < _MIN_GROUND_PX] = everywhere
        reached = counts.cumsum(axis=1)
        total = reached[:, -1:]
        middle = [(reached > rank).argmax(axis=1) for rank in ((total - 1) // 2, total // 2)]
        medians[:, channel] = (middle[0] + middle[1] + 2 * low) / 4
    return medians


def _levels(light: NDArray[np.float32], axis: int) -> NDArray[np.int64]:
    """
    Number the rows or columns by their level, equal steps between the extremes.

    The level is the median of the means of some stretches: to the median of all, a row of dots were paper,
    and to the mean of all, ink that the network overlooks were grid.
    """
    means = [
        np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
        for sums, counts in (
            (np.nansum(part, axis=axis), np.isfinite(part).sum(axis=axis))
            for part in np.array_split(light, min(_STRETCHES, light.shape[axis]), axis=axis)
        )
    ]
    empty = np.isnan(means).all(axis=0)
    profile = np.full(light.shape[1 - axis], np.nan)
    profile[~empty] = np.nanmedian(np.stack(means)[:, ~empty], axis=0)
    profile = np.where(empty, np.nanmedian(profile), profile)
    low, high = profile.min(), profile.max()
    return np.rint((profile - low) / max(high - low, 1e-6) * (_GROUND_LEVELS - 1)).astype(np.int64)


def _beside_where_alike(
    density: NDArray[np.float32], length2: NDArray[np.float32], usual2: float
) -> NDArray[np.float32]:
    """Take the ink of a pixel whose ground looks like ink from the pixels beside it."""
    tells = np.asarray(length2 / (length2 + _NOISE**2), np.float32)
    if float(tells.min()) > 0.5:  # everywhere the pixel itself knows best
        return density
    # Of a line, the pixels across it: those along it look like ink as well and tell nothing.
    sizes = ((_AROUND_PX, 1), (1, _AROUND_PX))
    known, weight = (sum(cv2.blur(part, size) for size in sizes) for part in (density * tells, tells))
    around = known / np.maximum(weight, 1e-3)
    return np.asarray(np.where(tells > 0.5, density, around), np.float32)


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
