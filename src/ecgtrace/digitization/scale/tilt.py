"""
How the lines lean, and means along them.

A Hough transform [1]_ gives the direction of the lines, from the points of strips low enough for a line that
leans to stay sharp in each.

References
----------
.. [1] Duda RO, Hart PE. Use of the Hough transformation to detect lines and curves in pictures. Commun ACM
       1972;15(1):11-15. https://doi.org/10.1145/361237.361242
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from ecgtrace.types import FloatArray

_MAX_ANGLE_DEG = 5.0
_LINE_REACH_PX = 31  # of lines in strips of a tilted picture, where only their place counts
_STRIPS = 8
_CLEARLY_TILTED = 1.1  # times the votes of an upright picture: ink gives some to any slope


def slope_of(darkness: NDArray[np.uint8], excluded: NDArray[np.uint8]) -> float:
    """Find how the (nearly) vertical lines lean."""
    means, centres_px = strip_means(np.ascontiguousarray(darkness), np.ascontiguousarray(excluded))
    return hough_slope(_without_shading(means), centres_px)


def strip_means(
    darkness: NDArray[np.number], excluded: NDArray[np.uint8], highest_px: int = 16
) -> tuple[FloatArray, FloatArray]:
    """
    Average along vertical lines, in horizontal strips.

    Parameters
    ----------
    darkness : ndarray of number, shape (height, width)
    excluded : ndarray of uint8, shape (height, width)
        1 where a pixel must not count.
    highest_px : int, optional
        By default strips are low enough for a tilted line to stay sharp.

    Returns
    -------
    means : ndarray of float, shape (n_strips, width)
        NaN where less than a quarter of the pixels count.
    centres_px : ndarray of float, shape (n_strips,)
        Row of the middle of each strip.
    """
    height, width = darkness.shape
    strip = int(np.clip(height // _STRIPS, 4, highest_px))
    n_strips = height // strip
    shape = (n_strips, strip, width)
    counted = 1 - excluded[: n_strips * strip]
    number = counted.reshape(shape).sum(axis=1, dtype=np.float32)
    total = (darkness[: n_strips * strip] * counted).reshape(shape).sum(axis=1, dtype=np.float32)
    means = np.where(number >= strip / 4, total / np.maximum(number, 1), np.nan).astype(np.float64)
    return means, (np.arange(n_strips) + 0.5) * strip - 0.5


def _without_shading(rows: FloatArray) -> FloatArray:
    """Subtract the local mean across the lines, NaN-aware; what is not known becomes 0."""
    known = np.isfinite(rows)
    filled = np.where(known, rows, 0.0)
    size = min(_LINE_REACH_PX, rows.shape[-1])
    share = uniform_filter1d(known.astype(np.float64), size, axis=-1, mode="nearest")
    mean = uniform_filter1d(filled, size, axis=-1, mode="nearest") / np.maximum(share, 1e-6)
    return np.where(known & (share > 0.1), filled - mean, 0.0)


def hough_slope(strips: FloatArray, centres_px: FloatArray, max_angle_deg: float = _MAX_ANGLE_DEG) -> float:
    """
    Find the tilt of the lines by a Hough transform of their points.

    Each strip gives the points where it is darkest between its neighbours; each votes, with its
    contrast, for the offset of the line through it at every slope. The slope whose votes pile up
    most (largest sum of squares) wins. Slopes are few and the points one per line and strip, so
    that the whole accumulator costs a few milliseconds.

    Parameters
    ----------
    strips : ndarray of float, shape (n_strips, width)
        Darkness without shading.
    centres_px : ndarray of float, shape (n_strips,)
    max_angle_deg : float, optional

    Returns
    -------
    float
        Change of x per row.
    """
    if len(strips) < 2:
        return 0.0
    middle = strips[:, 1:-1]
    contrast = float(np.std(middle))
    is_line = (middle >= strips[:, :-2]) & (middle > strips[:, 2:]) & (middle > contrast)
    index, column = np.nonzero(is_line)
    if len(index) < 8:
        return 0.0
    vote = np.minimum(middle[index, column], 4 * contrast)
    y = centres_px[index] - centres_px.mean()
    x = (column + 1).astype(np.float64)

    def strength(slope: float, chosen: NDArray[np.bool_]) -> float:
        if not chosen.any():  # no line near the middle of a very wide or high picture
            return 0.0
        offset = np.rint(x[chosen] - slope * y[chosen]).astype(np.int64)
        votes = np.bincount(offset - offset.min(), weights=vote[chosen])
        smooth = votes[:-1] + votes[1:]  # a line that falls between two cells is no weaker
        return float((smooth**2).sum())

    # Coarse over at most 1000 rows, then fine over all.
    limit = np.tan(np.radians(max_angle_deg))
    near = np.abs(y) <= 500
    near = near if near.any() else np.ones(len(y), dtype=bool)
    length_px = min(1000.0, float(np.ptp(centres_px)))
    slopes = _slopes(0.0, limit, 1.0 / length_px)
    best = slopes[int(np.argmax([strength(slope, near) for slope in slopes]))]
    fine = 0.5 / float(np.ptp(centres_px))
    everywhere = np.ones(len(y), dtype=bool)
    slopes = _slopes(best, 1.0 / length_px, fine)
    values = np.array([strength(slope, everywhere) for slope in slopes])
    if values.max() < _CLEARLY_TILTED * strength(0.0, everywhere):
        return 0.0
    best_values = np.flatnonzero(values >= values.max() * (1 - 1e-9))
    return float(slopes[best_values].mean())


def _slopes(centre: float, reach: float, step: float) -> FloatArray:
    n_steps = int(np.ceil(reach / step))
    return centre + np.arange(-n_steps, n_steps + 1, dtype=np.float64) * (reach / max(n_steps, 1))
