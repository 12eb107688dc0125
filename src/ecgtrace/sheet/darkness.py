"""How much darker than the paper around them the lines of the grid are, ink counting no more than a line."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_LINE_QUANTILE = 0.95  # lines 1 mm apart cover a sixth of the paper or more, ink 5 % at most
_LEAST_CLIP = 6.0  # grey levels: rows of dots cover less than the quantile leaves
_FLOOR_SHARE = 0.3  # of the darkest ink; the same
_LEAST_PAPER = 25  # grey levels of the lightest channel: darker is no paper but what lies around it


@dataclass(frozen=True, eq=False)
class Ground:
    """
    The lines of a picture at a reduced size.

    Attributes
    ----------
    darkness : ndarray of float32, shape (height, width)
        At least 0, clipped where it is darker than a line of the grid.
    factor : int
        How many px of the source one px stands for.
    """

    darkness: NDArray[np.float32]
    factor: int

    def to_source(self, points: NDArray) -> NDArray[np.float64]:
        """Map points, shape (n, 2), of the reduced picture to the source."""
        return (np.asarray(points, np.float64) + 0.5) * self.factor - 0.5


def ground_of(image: NDArray[np.uint8], factor: int, reach_px: int = 15) -> Ground:
    """
    Reduce a picture and take its paper away.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
    factor : int
        To 1 / factor of the size, by means.
    reach_px : int, optional
        Of the reduced picture: lines are narrower, shades and stains wider.

    Returns
    -------
    Ground
    """
    height, width = image.shape[0] // factor, image.shape[1] // factor
    small = np.ascontiguousarray(image[: height * factor, : width * factor])
    if factor > 1:
        small = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    paper = _paper(small, reach_px)
    # A pixel is as dark as its channel that is farthest below the paper's: grids have all colours.
    red, green, blue = cv2.split(cv2.subtract(paper, small))
    darkness = cv2.max(cv2.max(red, green), blue)
    darkness[cv2.max(cv2.max(paper[..., 0], paper[..., 1]), paper[..., 2]) < _LEAST_PAPER] = 0
    some = darkness[::3, ::3]
    clip = max(
        _LEAST_CLIP,
        float(np.quantile(some, _LINE_QUANTILE)),
        _FLOOR_SHARE * float(np.quantile(some, 0.995)) if np.quantile(some, 0.9) < _LEAST_CLIP else 0.0,
    )
    return Ground(np.minimum(darkness, np.float32(clip)), factor)


def _paper(image: NDArray[np.uint8], reach_px: int) -> NDArray[np.uint8]:
    """Estimate the paper under the lines: the lightest around, smoothed; at a quarter of the size."""
    block = 4
    lightest = cv2.dilate(image, np.ones((block, block), np.uint8))[::block, ::block]
    size = max(3, reach_px // block) | 1
    lightest = cv2.blur(cv2.dilate(lightest, np.ones((size, size), np.uint8)), (size, size))
    return np.asarray(cv2.resize(lightest, image.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
