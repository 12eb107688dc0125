"""What training and inference must do alike: resize a crop, cut a long one into windows."""

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray


def resize_image(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize an RGB image; averages where it shrinks."""
    shrinks = image.shape[0] > height or image.shape[1] > width
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8)


def resize_mask(mask: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize a {0, 1} mask as its image is; a pixel is ink if ink covers at least half of it."""
    shrinks = mask.shape[0] > height or mask.shape[1] > width
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR_EXACT
    share = cv2.resize(mask * np.uint8(255), (width, height), interpolation=how)
    return np.asarray(np.asarray(share) >= 128, np.uint8)


def windows(width_px: int, duration_s: float, window_s: float = 2.5) -> list[tuple[int, int]]:
    """
    Cut a width into equal parts that each show about `window_s`.

    A lead of 10 s squeezed to the width of one of 2.5 s would lose its line.

    Examples
    --------
    >>> windows(4000, 10.0)
    [(0, 1000), (1000, 2000), (2000, 3000), (3000, 4000)]
    >>> windows(1003, 2.6)
    [(0, 1003)]
    """
    parts = max(1, round(duration_s / window_s))
    edges = np.rint(np.linspace(0, width_px, parts + 1)).astype(int)
    return [(int(a), int(b)) for a, b in pairwise(edges)]
