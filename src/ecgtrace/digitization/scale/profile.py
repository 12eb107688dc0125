"""The ground of a picture as profiles across the lines of each axis, without the ink."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from ecgtrace.digitization.scale.ground import Ground
from ecgtrace.digitization.scale.tilt import strip_means
from ecgtrace.types import FloatArray

_ROWS_FOR_MEDIAN = 200
_SHADING = (12, 31, 201)  # part of a profile that shading is wider than, and its limits in px
_NOISE_FLOOR = 0.5  # grey levels
_HIGHEST_PX = 100  # strips of an upright picture: the longer, the less noise


@dataclass(frozen=True, eq=False)
class Profile:
    """
    Darkness across one family of lines, averaged along them.

    Attributes
    ----------
    darkness : ndarray of float, shape (n,)
        Above the paper around, in grey levels.
    evened : ndarray of float, shape (n,)
        The same, strong lines counting little more than weak ones.
    colour : ndarray of float, shape (n, 3)
        How far each channel is below the paper's.
    strips : ndarray of float, shape (n_strips, n)
        What the darkness is the mean of, NaN where ink was.
    stretch : float
        From distances in this profile to distances across the lines, along the axis of the picture.
    """

    darkness: FloatArray
    evened: FloatArray
    colour: FloatArray
    strips: FloatArray
    stretch: float


def profile_of(ground: Ground, axis: int, without_ink: bool = True) -> Profile:
    """
    Project the picture along its lines.

    Parameters
    ----------
    ground : Ground
    axis : {0, 1}
        0 across the vertical lines (a value per column), 1 across the horizontal ones.
    without_ink : bool, optional

    Returns
    -------
    Profile
    """
    darkness, below, excluded = ground.darkness, ground.below, ground.outside
    if without_ink:
        excluded = np.maximum(excluded, ground.hidden)
    if axis == 1:
        darkness, excluded, below = (
            np.ascontiguousarray(part.swapaxes(0, 1)) for part in (darkness, excluded, below)
        )
    # Where ink hides some rows of a column, the lines across must not count for the others.
    some = slice(None, None, max(1, darkness.shape[1] // _ROWS_FOR_MEDIAN))
    means, _ = strip_means(_above_rows(darkness, some), excluded, _HIGHEST_PX)
    known = np.isfinite(means)
    # Only the level of each strip goes: the local mean would lower the paper beside a strong line by more
    # than a pale line rises above it.
    level = np.where(known, means, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    strips = np.where(known, means - level[:, None], np.nan)
    limit = 12 * float(np.nanstd(strips)) + 1e-9 if known.any() else 1.0
    strips = np.clip(strips, -limit, limit)  # a stray edge of ink counts no more than a strong line
    number = known.sum(axis=0)
    mean = np.where(number > 0.2 * len(strips), np.nansum(strips, axis=0) / np.maximum(number, 1), 0.0)
    part, least, most = _SHADING
    reach = min(int(np.clip(len(mean) // part, least, most)) | 1, len(mean))
    above = mean - median_filter(mean, reach, mode="nearest")
    counted = 1 - excluded
    masked = _above_rows(below, some)
    masked *= counted[..., None]
    colour = masked.sum(axis=0) / np.maximum(counted.sum(axis=0, dtype=np.float64), 1)[:, None]
    slope, other = ground.slopes[axis], ground.slopes[1 - axis]
    stretch = (1 - slope * other) * float(np.cos(np.arctan(slope)))
    return Profile(above, evened(above), colour, strips, stretch)


def _above_rows(values: NDArray[np.uint8], some: slice) -> NDArray[np.float32]:
    """Subtract from each row its median, told by some of its columns."""
    return values - np.median(values[:, some], axis=1, keepdims=True).astype(np.float32)


def evened(darkness: FloatArray) -> FloatArray:
    """
    Compress a profile: linear within its noise, logarithmic above.

    A major line of the published pages is 20 times as dark as a minor one. Uncompressed, the few
    major lines would be all that a comb fits, and where only two of them show, chance decides.

    Parameters
    ----------
    darkness : ndarray of float, shape (n,)

    Returns
    -------
    ndarray of float, shape (n,)
    """
    noise = max(1.48 * float(np.median(np.abs(darkness - np.median(darkness)))), _NOISE_FLOOR)
    return np.arcsinh(darkness / noise)
