"""
What training and inference must do alike: bring a crop to the network's size, cut a long one into windows.

The paper stretches every crop and mask to one size (`stretch`). What that does to the trace depends on the
crop: a lead of small amplitude is pulled tall, a large one is squeezed. `keep` is the alternative that it
was never compared with: one factor in x and y, and white paper around.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.errors import ConfigError

_PAPER = 255


class Place(NamedTuple):
    """Where a resized crop lies on the network's canvas, in px of the canvas."""

    top: int
    left: int
    height: int
    width: int

    @property
    def on_canvas(self) -> tuple[slice, slice]:
        """Rows and columns of the canvas that show the crop."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


def _stretch(crop: tuple[int, int], canvas: tuple[int, int]) -> Place:
    """Fill the canvas."""
    return Place(0, 0, *canvas)


def _keep(crop: tuple[int, int], canvas: tuple[int, int]) -> Place:
    """Fill the width, or the height where that is reached first; in the middle of the rest."""
    factor = min(canvas[1] / crop[1], canvas[0] / crop[0])
    height, width = (
        max(1, min(round(have * factor), limit)) for have, limit in zip(crop, canvas, strict=True)
    )
    return Place((canvas[0] - height) // 2, (canvas[1] - width) // 2, height, width)


RESIZES: dict[str, Callable[[tuple[int, int], tuple[int, int]], Place]] = {
    "stretch": _stretch,
    "keep": _keep,
}


def place(resize: str, crop: tuple[int, int], canvas: tuple[int, int]) -> Place:
    """
    Say where a crop lies on the canvas that the network sees.

    Parameters
    ----------
    resize : {"stretch", "keep"}
        Fill the canvas with the crop, as the paper does; or keep its proportions, to the pixel.
    crop, canvas : tuple of int
        (height, width) in px.

    Returns
    -------
    Place

    Raises
    ------
    ConfigError
        If there is no such way.

    Examples
    --------
    >>> place("keep", (300, 1000), (192, 512))
    Place(top=19, left=0, height=154, width=512)
    >>> place("keep", (768, 1000), (192, 512))
    Place(top=0, left=131, height=192, width=250)
    """
    if resize not in RESIZES:
        raise ConfigError(f"resize={resize} is unknown; choose one of: {', '.join(RESIZES)}")
    return RESIZES[resize](crop, canvas)


def to_canvas(
    content: NDArray[np.uint8], where: Place, canvas: tuple[int, int], fill: int = _PAPER
) -> NDArray[np.uint8]:
    """Lay a resized crop on a canvas of one value: white paper by default."""
    if content.shape[:2] == canvas:
        return content
    out = np.full((*canvas, *content.shape[2:]), fill, np.uint8)
    out[where.on_canvas] = content
    return out


def from_canvas(values: NDArray[np.float32], resize: str, crop: tuple[int, int]) -> NDArray[np.float32]:
    """
    Bring a map that the network gave back to the size of the crop, the inverse of `place`.

    Parameters
    ----------
    values : ndarray of float32, shape of the canvas
        Logits, not probabilities: these are flat inside the ink, and their edges would blur.
    resize : {"stretch", "keep"}
    crop : tuple of int
        (height, width) in px.

    Returns
    -------
    ndarray of float32, shape `crop`
    """
    height, width = values.shape
    shown = values[place(resize, crop, (height, width)).on_canvas]
    return np.asarray(cv2.resize(shown, (crop[1], crop[0]), interpolation=cv2.INTER_LINEAR), np.float32)


def resize_image(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize an RGB image; averages where it shrinks."""
    shrinks = image.shape[0] > height or image.shape[1] > width
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8)


def resize_mask(
    mask: NDArray[np.uint8], height: int, width: int, share_of_pixel: float = 0.5
) -> NDArray[np.uint8]:
    """
    Resize a {0, 1} mask as its image is; a pixel is ink if ink covers at least a share of it.

    With half, lines thinner than half a pixel of the result leave nothing.
    """
    shrinks = mask.shape[0] > height or mask.shape[1] > width
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR_EXACT
    share = cv2.resize(mask * np.uint8(255), (width, height), interpolation=how)
    return np.asarray(np.asarray(share) >= 256 * share_of_pixel, np.uint8)


def fit_image(
    image: NDArray[np.uint8], height: int, width: int, resize: str = "stretch"
) -> NDArray[np.uint8]:
    """Bring an RGB image to the network's size: resized as `place` says, white paper around."""
    where = place(resize, image.shape[:2], (height, width))
    return to_canvas(resize_image(image, where.height, where.width), where, (height, width))


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
