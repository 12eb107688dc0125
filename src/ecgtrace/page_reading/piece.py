"""A piece of ink that no lead of a page follows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Piece:
    """
    Ink of traces that no lead follows.

    Attributes
    ----------
    x, y : int
        Its first column and row, in px of the sheet.
    ink : ndarray of uint8, shape (height, width)
        1 where it is.
    """

    x: int
    y: int
    ink: NDArray[np.uint8]

    @property
    def height(self) -> int:
        """Its height in px of the sheet."""
        return int(self.ink.shape[0])

    def share_of(self, mask: NDArray[np.uint8]) -> float:
        """Return which share of it a mask of the sheet, 1 or 0, covers."""
        height, width = self.ink.shape
        return float(mask[self.y : self.y + height, self.x : self.x + width][self.ink > 0].mean())


def ink_of(pieces: Sequence[Piece], left: int, top: int, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """
    Return where on a part of the sheet pieces of ink lie.

    Parameters
    ----------
    pieces : sequence of Piece
    left, top : int
        First column and row of the part, in px of the sheet.
    shape : (int, int)
        Its height and width.

    Returns
    -------
    ndarray of uint8, shape (height, width)
        1 there, else 0.

    Examples
    --------
    >>> piece = Piece(3, 1, np.ones((2, 3), np.uint8))
    >>> ink_of([piece], left=2, top=2, shape=(2, 3)).tolist()
    [[0, 1, 1], [0, 0, 0]]
    """
    found = np.zeros(shape, np.uint8)
    for piece in pieces:
        height, width = piece.ink.shape
        x, y = piece.x - left, piece.y - top
        rows = slice(max(0, y), min(shape[0], y + height))
        columns = slice(max(0, x), min(shape[1], x + width))
        if rows.start < rows.stop and columns.start < columns.stop:
            part = piece.ink[rows.start - y : rows.stop - y, columns.start - x : columns.stop - x]
            found[rows, columns] |= part
    return found
