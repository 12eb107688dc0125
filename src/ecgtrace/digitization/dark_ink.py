"""What is dark in a picture, at a size at which it is quickly looked through."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.types import FloatArray

_LONGEST_PX = 1200  # a picture is looked at no larger: it takes some hundredths of a second
_PAPER_PX = 25  # wider than a line of ink at that size
_DARKEST = 0.002  # share of pixels that are the darkest ink


@dataclass(frozen=True, eq=False)
class DarkInk:
    """
    What is dark in a picture.

    Attributes
    ----------
    ink : ndarray of uint8, shape (height, width)
        {0, 1}.
    shrunk : float
        Its size by that of the picture.
    """

    ink: NDArray[np.uint8]
    shrunk: float

    def rows_of(self, row_px: FloatArray) -> FloatArray:
        """Give the rows of a trace in the picture's columns as rows in these columns; NaN outside of it."""
        width = self.ink.shape[1]
        known = np.flatnonzero(np.isfinite(row_px))
        if not len(known):
            return np.full(width, np.nan)
        x = (np.arange(width) + 0.5) * len(row_px) / width - 0.5
        rows = np.interp(x, known, row_px[known], left=np.nan, right=np.nan)
        return np.asarray(rows * self.shrunk, np.float64)


def find_dark_ink(image: NDArray[np.uint8], share: float) -> DarkInk:
    """
    Mark what is darker than the paper around it by a share of what the darkest ink is.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
    share : float

    Returns
    -------
    DarkInk
    """
    height, width = image.shape[:2]
    shrunk = min(1.0, _LONGEST_PX / max(height, width))
    light = image.max(axis=2)  # coloured lines of a grid are light in one colour; ink in none
    if shrunk < 1:
        size = int(1 / shrunk)
        if size > 1:  # or thin lines would fall between the pixels that are kept
            light = np.asarray(cv2.erode(light, np.ones((size, size), np.uint8)), np.uint8)
        shape = (max(1, round(width * shrunk)), max(1, round(height * shrunk)))
        light = np.asarray(cv2.resize(light, shape, interpolation=cv2.INTER_NEAREST), np.uint8)
    paper = cv2.dilate(light, np.ones((_PAPER_PX, _PAPER_PX), np.uint8))
    paper = cv2.GaussianBlur(paper, (0, 0), 0.6 * _PAPER_PX).astype(np.float32)
    dark = 1 - light / np.maximum(paper, 1)
    return DarkInk((dark > share * np.quantile(dark, 1 - _DARKEST)).astype(np.uint8), shrunk)
