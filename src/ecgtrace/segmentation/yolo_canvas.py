"""The canvas that YOLO sees a crop on, in training and in reading alike."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgtrace.segmentation.resize import Place, place, resize_image, to_canvas

PAD_GREY = 114  # Ultralytics' own colour around an image
STRIDE_PX = 32  # of the network: its input is a multiple of it


@dataclass(frozen=True)
class Canvas:
    """
    The size that images are brought to, all with one factor in x and y.

    Attributes
    ----------
    height, width : int
        Multiples of 32. Square as in the paper: Ultralytics then does what it does by default, mosaics
        included. Less high than wide: every image lies on a canvas of this size, which takes less time
        (a crop of one lead is wider than high), and rules mosaics out.
    """

    height: int
    width: int

    @property
    def is_square(self) -> bool:
        """Whether Ultralytics pads the images itself."""
        return self.height == self.width

    def place(self, shape: tuple[int, int]) -> Place:
        """Say where a crop lies in the image that is exported, of the size `size(shape)`."""
        where = place("keep", shape, (self.height, self.width))
        return where._replace(top=0, left=0) if self.is_square else where

    def size(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Return height and width of the exported image of a crop."""
        where = self.place(shape)
        return (where.height, where.width) if self.is_square else (self.height, self.width)

    def draw(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the exported image of a crop."""
        shape = image.shape[:2]
        where = self.place(shape)
        return to_canvas(resize_image(image, where.height, where.width), where, self.size(shape), PAD_GREY)
