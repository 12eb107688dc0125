"""
Paper and its ruling without the ink, as profiles across the lines of each axis.

Where and why this deviates from the clusters of grey levels in the paper (ink, grid, paper): lines may be as
dark as the ink, of any colour, on paper of any colour.

- A pixel is as dark as its channel that is farthest below the paper's: a pale red line (1, .93, .93) has the
  contrast of its green channel and not 70 % of it.
- Lines go from edge to edge, so that a low quantile of a row or a column is the ruling; ink is what is darker
  than both.
- A Hough transform [1]_ gives the direction of the lines; the profile is the mean along them, in strips.

References
----------
.. [1] Duda RO, Hart PE. Use of the Hough transformation to detect lines and curves in pictures. Commun ACM
       1972;15(1):11-15. https://doi.org/10.1145/361237.361242
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter, uniform_filter1d

from ecgtrace.digitization.postprocess import estimate_line_width
from ecgtrace.types import FloatArray

_MAX_ANGLE_DEG = 5.0
_LINE_REACH_PX = 31  # of lines in strips of a tilted picture, where only their place counts
_SHADING = (12, 31, 201)  # part of a profile that shading is wider than, and its limits in px
_NOISE_FLOOR = 0.5  # grey levels
_PAPER_QUANTILE = 0.95  # of each channel: lines of a coarse scan cover three quarters of the pixels
_DARK = 80  # brightest channel: below it there is neither paper nor grid but the black around
_ALL_DARK = 0.95  # share of a row or column
_INK_SHARE = 0.5  # of the darkness of full ink
_LEAST_INK = 12.0  # grey levels; noise stays below
_LINE_QUANTILE = 0.2  # of the darkness along a line: the steep wave of a low crop fills less of a column
_STRIPS = 8
_HIGHEST_PX = 100  # strips of an upright picture: the longer, the less noise
_ROWS_FOR_MEDIAN = 200
_CLEARLY_TILTED = 1.1  # times the votes of an upright picture: ink gives some to any slope
_LEAST_TILT_PX = 0.7  # from edge to edge


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


@dataclass(frozen=True, eq=False)
class Ground:
    """
    The picture upright, and what is known of it.

    Attributes
    ----------
    below : ndarray of uint8, shape (height, width, 3)
        How far each channel is below the paper's.
    darkness : ndarray of uint8, shape (height, width)
        The largest of the three.
    ink, outside : ndarray of uint8, shape (height, width)
        {0, 1}.
    ink_darkness : float
        Of full ink above the ruling; 0 where there is none.
    slopes : tuple of float
        Change of x per row along vertical lines, of y per column along horizontal ones.
    """

    below: NDArray[np.uint8]
    darkness: NDArray[np.uint8]
    ink: NDArray[np.uint8]
    outside: NDArray[np.uint8]
    ink_darkness: float
    slopes: tuple[float, float]


def without_black(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int, int]:
    """
    Cut off the black around the paper.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)

    Returns
    -------
    image : ndarray of uint8, shape (height, width, 3)
    left, top : int
        How much was cut off there, in px.
    """
    dark = image.max(axis=2) < _DARK
    left, right = _lit(dark.mean(axis=0))
    top, bottom = _lit(dark[:, left:right].mean(axis=1))
    left_again, right_again = _lit(dark[top:bottom, left:right].mean(axis=0))
    left, right = left + left_again, left + right_again
    return image[top:bottom, left:right], left, top


def _lit(dark: FloatArray) -> tuple[int, int]:
    lit = np.flatnonzero(dark < _ALL_DARK)
    return (int(lit[0]), int(lit[-1]) + 1) if len(lit) else (0, len(dark))


def darkness_of(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """
    Return how far each pixel is below the paper: ink and lines of any colour count.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)

    Returns
    -------
    darkness : ndarray of uint8, shape (height, width)
        Of the channel that is farthest below the paper's.
    below : ndarray of uint8, shape (height, width, 3)
        Of each channel.
    """
    some = image[:: max(1, len(image) // _ROWS_FOR_MEDIAN), ::2].reshape(-1, 3)
    paper = np.quantile(some, _PAPER_QUANTILE, axis=0, method="nearest").astype(np.uint8)
    below = _uint8(cv2.subtract(np.broadcast_to(paper, image.shape).copy(), np.ascontiguousarray(image)))
    red, green, blue = cv2.split(below)
    return _uint8(cv2.max(cv2.max(red, green), blue)), below


def ink_mask(darkness: NDArray[np.uint8], broken: float = 0.0) -> tuple[NDArray[np.uint8], float]:
    """
    Mark what is darker than the rulings of its row and of its column: the ink of traces and text.

    Parameters
    ----------
    darkness : ndarray of uint8, shape (height, width)
    broken : float, optional
        How much more of a line may be missing than the fifth of it where noise does: dashes of a copy.

    Returns
    -------
    ink : ndarray of uint8, shape (height, width)
        {0, 1}.
    full : float
        Darkness of full ink above the ruling; 0 where no ink stands out.
    """
    height, width = darkness.shape
    share = _LINE_QUANTILE + broken
    rows = darkness[:: max(1, height // _ROWS_FOR_MEDIAN)]
    columns = darkness[:, :: max(1, width // _ROWS_FOR_MEDIAN)]
    column = np.quantile(rows, share, axis=0, method="nearest").astype(np.uint8)
    row = np.quantile(columns, share, axis=1, method="nearest").astype(np.uint8)
    above = cv2.subtract(darkness, cv2.max(*np.broadcast_arrays(column[None], row[:, None])))
    full = float(np.median(above.max(axis=0)))  # a trace has ink in most columns
    if full < _LEAST_INK:
        return np.zeros_like(darkness), 0.0
    return (above > _INK_SHARE * full).astype(np.uint8), full


def look(image: NDArray[np.uint8], broken: float = 0.0) -> Ground:
    """
    Turn a picture so that its lines are upright, and part the ink from paper and grid.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
        RGB, with dark lines on light paper or the other way round.
    broken : float, optional
        See `ink_mask`.

    Returns
    -------
    Ground
    """
    if np.median(image[::4, ::4].max(axis=2)) < _DARK:
        image = _uint8(255 - image)
    darkness, below = darkness_of(image)
    height, width = darkness.shape
    ink, full = ink_mask(darkness, broken)
    around = around_ink(ink)
    slopes = _slope_of(darkness, around), _slope_of(darkness.T, around.T)
    outside = np.zeros_like(darkness)
    if max(abs(slopes[0]) * height, abs(slopes[1]) * width) > _LEAST_TILT_PX:
        matrix = np.array([[1, slopes[0], 0], [slopes[1], 1, 0]])
        matrix[:, 2] = -slopes[0] * (height - 1) / 2, -slopes[1] * (width - 1) / 2
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        below = _uint8(
            cv2.warpAffine(below, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        )
        darkness = _uint8(below.max(axis=2))
        outside = _uint8(1 - cv2.warpAffine(np.ones_like(darkness), matrix, (width, height), flags=flags))
        ink, full = ink_mask(darkness, broken)
    else:
        slopes = (0.0, 0.0)
    return Ground(below, darkness, ink, outside, full, slopes)


def around_ink(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Widen the ink: the blurred edge of a stroke is as grey as the grid, that of a sharpened one lighter."""
    if not ink.any():
        return ink
    size = 2 * int(np.clip(round(0.75 * estimate_line_width(ink)) + 1, 2, 8)) + 1
    return _uint8(cv2.dilate(ink, np.ones((size, size), np.uint8)))


def _slope_of(darkness: NDArray[np.uint8], excluded: NDArray[np.uint8]) -> float:
    """Find how the (nearly) vertical lines lean."""
    means, centres_px = strip_means(np.ascontiguousarray(darkness), np.ascontiguousarray(excluded))
    return hough_slope(_without_shading(means), centres_px)


def _uint8(image: NDArray) -> NDArray[np.uint8]:
    """Tell the type checker what OpenCV returns; copies nothing."""
    return np.asarray(image, dtype=np.uint8)


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
        excluded = _uint8(cv2.max(excluded, around_ink(ground.ink)))
    if axis == 1:
        darkness, excluded, below = (
            np.ascontiguousarray(part.swapaxes(0, 1)) for part in (darkness, excluded, below)
        )
    # Where ink hides some rows of a column, the lines across must not count for the others.
    some = slice(None, None, max(1, darkness.shape[1] // _ROWS_FOR_MEDIAN))
    means, _ = strip_means(
        darkness - np.median(darkness[:, some], axis=1, keepdims=True), excluded, _HIGHEST_PX
    )
    known = np.isfinite(means)
    # Only the level of each strip goes: the local mean would lower the paper beside a strong line by more than
    # a pale line rises above it.
    level = np.where(known, means, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    strips = np.where(known, means - level[:, None], np.nan)
    limit = 12 * float(np.nanstd(strips)) + 1e-9 if known.any() else 1.0
    strips = np.clip(strips, -limit, limit)  # a stray edge of ink counts no more than a strong line
    number = known.sum(axis=0)
    mean = np.where(number > 0.2 * len(strips), np.nansum(strips, axis=0) / np.maximum(number, 1), 0.0)
    part, least, most = _SHADING
    reach = min(int(np.clip(len(mean) // part, least, most)) | 1, len(mean))
    above = mean - median_filter(mean, reach, mode="nearest")
    counted = (1 - excluded).astype(np.float32)[..., None]
    total = ((below - np.median(below[:, some], axis=1, keepdims=True)) * counted).sum(axis=0)
    colour = np.asarray(total / np.maximum(counted.sum(axis=0), 1), np.float64)
    slope, other = ground.slopes[axis], ground.slopes[1 - axis]
    stretch = (1 - slope * other) * float(np.cos(np.arctan(slope)))
    return Profile(above, evened(above), colour, strips, stretch)


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
