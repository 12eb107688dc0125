"""
What is ink and what is ground: paper and its ruling.

Where and why this deviates from the clusters of grey levels in the paper (ink, grid, paper): lines may be as
dark as the ink, of any colour, on paper of any colour.

- A pixel is as dark as its channel that is farthest below the paper's: a pale red line (1, .93, .93) has the
  contrast of its green channel and not 70 % of it.
- Lines go from edge to edge, so that a low quantile of a row or a column is the ruling; ink is what is darker
  than both.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.digitization.postprocess import estimate_line_width
from ecgtrace.digitization.scale.tilt import slope_of
from ecgtrace.types import FloatArray

_PAPER_QUANTILE = 0.95  # of each channel: lines of a coarse scan cover three quarters of the pixels
_DARK = 80  # brightest channel: below it there is neither paper nor grid but the black around
_ALL_DARK = 0.95  # share of a row or column
_INK_SHARE = 0.5  # of the darkness of full ink
_LEAST_INK = 12.0  # grey levels; noise stays below
_LINE_QUANTILE = 0.2  # of the darkness along a line: the steep wave of a low crop fills less of a column
_LARGE_SPOT = 6.0  # times the median area
_ROWS_FOR_MEDIAN = 200
_LEAST_TILT_PX = 0.7  # from edge to edge


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
    hidden, outside : ndarray of uint8, shape (height, width)
        {0, 1}: where there is ink or its edge, and what the turned picture does not show.
    stroke_px : float or None
        Width of the stroke; None where there is no ink.
    slopes : tuple of float
        Change of x per row along vertical lines, of y per column along horizontal ones.
    """

    below: NDArray[np.uint8]
    darkness: NDArray[np.uint8]
    hidden: NDArray[np.uint8]
    outside: NDArray[np.uint8]
    stroke_px: float | None
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


def ink_mask(darkness: NDArray[np.uint8], broken: bool = False) -> tuple[NDArray[np.uint8], float]:
    """
    Mark what is darker than the rulings of its row and of its column: the ink of traces and text.

    Parameters
    ----------
    darkness : ndarray of uint8, shape (height, width)
    broken : bool, optional
        Whether lines may be broken, as on a copy: of what is dark, the many small spots are not ink then.

    Returns
    -------
    ink : ndarray of uint8, shape (height, width)
        {0, 1}.
    full : float
        Darkness of full ink above the ruling; 0 where no ink stands out.
    """
    height, width = darkness.shape
    rows = darkness[:: max(1, height // _ROWS_FOR_MEDIAN)]
    columns = darkness[:, :: max(1, width // _ROWS_FOR_MEDIAN)]
    column = np.quantile(rows, _LINE_QUANTILE, axis=0, method="nearest").astype(np.uint8)
    row = np.quantile(columns, _LINE_QUANTILE, axis=1, method="nearest").astype(np.uint8)
    above = cv2.subtract(darkness, cv2.max(*np.broadcast_arrays(column[None], row[:, None])))
    full = float(np.median(above.max(axis=0)))  # a trace has ink in most columns
    if full < _LEAST_INK:
        return np.zeros_like(darkness), 0.0
    ink = (above > _INK_SHARE * full).astype(np.uint8)
    return (_without_spots(ink) if broken else ink), full


def _without_spots(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Leave out the spots that are not much larger than most."""
    n, labels, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    if n < 2:
        return ink
    area = stats[:, cv2.CC_STAT_AREA]
    large = area > _LARGE_SPOT * np.median(area[1:])
    large[0] = False
    return large.astype(np.uint8)[labels]


def look(image: NDArray[np.uint8], broken: bool = False) -> Ground:
    """
    Turn a picture so that its lines are upright, and part the ink from paper and grid.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
        RGB, with dark lines on light paper or the other way round.
    broken : bool, optional
        See `ink_mask`.

    Returns
    -------
    Ground
    """
    if np.median(image[::4, ::4].max(axis=2)) < _DARK:
        image = _uint8(255 - image)
    darkness, below = darkness_of(image)
    height, width = darkness.shape
    hidden, stroke_px = _around_ink(ink_mask(darkness, broken)[0])
    slopes = slope_of(darkness, hidden), slope_of(darkness.T, hidden.T)
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
        hidden, stroke_px = _around_ink(ink_mask(darkness, broken)[0])
    else:
        slopes = (0.0, 0.0)
    return Ground(below, darkness, hidden, outside, stroke_px, slopes)


def _around_ink(ink: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float | None]:
    """
    Widen the ink: the blurred edge of a stroke is as grey as the grid, that of a sharpened one lighter.

    And return the width of the stroke, None where there is no ink.
    """
    if not ink.any():
        return ink, None
    stroke_px = estimate_line_width(ink)
    size = 2 * int(np.clip(round(0.75 * stroke_px) + 1, 2, 8)) + 1
    return _uint8(cv2.dilate(ink, np.ones((size, size), np.uint8))), stroke_px


def _uint8(image: NDArray) -> NDArray[np.uint8]:
    """Tell the type checker what OpenCV returns; copies nothing."""
    return np.asarray(image, dtype=np.uint8)
