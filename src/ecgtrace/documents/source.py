"""
What a page of a file holds.

Places on a page are in points (1/72 inch) from the top left corner, x to the right and y down, as the page is
shown: turned by what the file says of it. Pixels of a picture are counted as in `types`.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ecgtrace.recording import Recording
from ecgtrace.types import FloatArray
from ecgtrace.units import POINTS_PER_INCH


@dataclass(frozen=True, eq=False)
class VectorPath:
    """
    A line as it was drawn: one subpath, stroked.

    Attributes
    ----------
    points : ndarray of float, shape (n, 2)
        Vertices in points of the page; of a curve its ends.
    colour : tuple of int
        RGB of the stroke.
    width : float
        Of the stroke in points; 0 is as thin as the device can draw.
    """

    points: FloatArray = field(repr=False)
    colour: tuple[int, int, int]
    width: float

    def __post_init__(self) -> None:
        if self.points.ndim != 2 or self.points.shape[1] != 2 or not np.isfinite(self.points).all():
            raise ValueError(f"points must be finite and of shape (n, 2), got {self.points.shape}")


@dataclass(frozen=True)
class Word:
    """
    Letters without a space between them.

    Attributes
    ----------
    text : str
    x, y : float
        Where its base line begins, in points of the page.
    end_x, end_y : float
        Where it ends.
    size : float
        Height of the font in points.
    mirrored : bool
        Whether it is drawn as in a mirror.
    """

    text: str
    x: float
    y: float
    end_x: float
    end_y: float
    size: float
    angle_deg: float = 0.0
    mirrored: bool = False


@dataclass(frozen=True, eq=False)
class Vectors:
    """
    What a page draws with lines and letters.

    Attributes
    ----------
    width, height : float
        Of the page in points, as it is shown.
    paths : tuple of VectorPath
        In the order in which they are drawn.
    words : tuple of Word
        In the order of the file.
    text : str
        All text of the page, a line of it per line.
    """

    width: float
    height: float
    paths: tuple[VectorPath, ...] = field(repr=False)
    words: tuple[Word, ...] = field(repr=False)
    text: str = field(repr=False, default="")

    @property
    def n_vertices(self) -> int:
        """Number of vertices of all paths."""
        return sum(len(path.points) for path in self.paths)


@dataclass(frozen=True, eq=False)
class SourcePage:
    """
    One page of a file: a picture, what it draws with lines, or the signals themselves.

    Attributes
    ----------
    image : ndarray of uint8, shape (height, width, 3), or None
        RGB as stored. None where lines or signals stand for it.
    dpi : float or None
        Pixels per inch of paper, where the file tells.
    vectors : Vectors or None
    recording : Recording or None
        Signals that need no reading.
    number, count : int
        Of the page in its file, from 1, and how many there are.
    notes : tuple of str
        What a user should know of how it was read.
    """

    image: NDArray[np.uint8] | None = field(repr=False, default=None)
    dpi: float | None = None
    vectors: Vectors | None = None
    recording: Recording | None = None
    number: int = 1
    count: int = 1
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.image is None and self.vectors is None and self.recording is None:
            raise ValueError("a page holds a picture, lines or signals")
        if not 1 <= self.number <= self.count:
            raise ValueError(f"page {self.number} of {self.count}")

    @property
    def points_per_px(self) -> float | None:
        """Points of paper per pixel of the picture, where the resolution is known."""
        return None if self.dpi is None else POINTS_PER_INCH / self.dpi
