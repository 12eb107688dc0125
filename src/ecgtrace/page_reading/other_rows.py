"""
Which ink about a lead is another row's: the page tells it, a network that sees one lead at a time cannot.

Where rows stand close, a piece of the page that holds a lead's waves holds whole stretches of the leads above
and below, and each of them could be the one that is meant. Each stretch that runs level votes for its row
(`layout.rows`), beyond doubt there; in steep waves, where votes scatter, the lead's own network decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.digitization.ink import runs
from ecgtrace.layout.rows import Row
from ecgtrace.page_ink.maps import MAP_PX_PER_MM, PageMaps
from ecgtrace.types import FloatArray

# By eye on drawn pages of twelve rows, as is all that follows.
_LEVEL_MM = 1.5  # high is the ink of a column where a trace runs level, at the most
_LONG_MM = 3.0  # of a level stretch: the tip of a wave that votes for the wrong row is shorter
_ABOUT_MM = 0.5  # of the line on the maps, its soft edge on the picture


@dataclass(frozen=True, eq=False)
class OtherRows:
    """
    Level ink of all rows but one.

    Attributes
    ----------
    ink : ndarray of uint8, shape (h, w)
        On the maps, 1 where it is another row's.
    votes : ndarray of int8, shape (h, w)
        1 where ink votes for another row, level or not; -1 where it votes for this one; else 0.
    page_px : tuple of float
        As of `PageMaps`.
    """

    ink: NDArray[np.uint8]
    votes: NDArray[np.int8]
    page_px: tuple[float, float]

    def on_piece(self, left: int, top: int, shape: tuple[int, int]) -> NDArray[np.uint8]:
        """
        Return where on a piece of the page ink is another row's.

        Parameters
        ----------
        left, top : int
            Its first column and row, in px of the page.
        shape : (int, int)
            Its height and width.

        Returns
        -------
        ndarray of uint8, shape (height, width)
            1 there, else 0.
        """
        per_x, per_y = self.page_px
        to_map = np.array(
            [[1 / per_x, 0, (left + 0.5) / per_x - 0.5], [0, 1 / per_y, (top + 0.5) / per_y - 0.5]]
        )
        size = (shape[1], shape[0])
        return np.asarray(
            cv2.warpAffine(self.ink, to_map, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        )

    def erased(self, piece: NDArray[np.uint8], left: int, top: int) -> NDArray[np.uint8]:
        """
        Return a piece of the page without that ink: what is around it is drawn over it.

        Parameters
        ----------
        piece : ndarray of uint8, shape (height, width, 3)
        left, top : int
            Its first column and row, in px of the page.

        Returns
        -------
        ndarray of uint8, shape (height, width, 3)
        """
        theirs = self.on_piece(left, top, piece.shape[:2])
        return np.asarray(cv2.inpaint(piece, theirs, 3, cv2.INPAINT_TELEA)) if theirs.any() else piece

    def go_on(self, x_px: FloatArray, top: float, bottom: float) -> bool:
        """
        Tell whether a trace that leaves a piece of the page does so where others' ink goes on.

        Parameters
        ----------
        x_px : ndarray of float
            Columns where it leaves, in px of the page.
        top, bottom : float
            Rows beyond the piece's edge that are looked at.
        """
        per_x, per_y = self.page_px
        columns = np.unique(np.rint((x_px + 0.5) / per_x - 0.5).astype(int))
        first, last = (round((y + 0.5) / per_y - 0.5) for y in (top, bottom))
        part = self.votes[max(0, first) : last + 1, columns[(columns >= 0) & (columns < self.votes.shape[1])]]
        return bool(part.sum() > 0)


def other_rows(rows: Sequence[Row], maps: PageMaps) -> list[OtherRows]:
    """Tell for each row which ink is the others'."""
    about = _disc(_ABOUT_MM)
    level = [cv2.dilate(_level(row), about) for row in rows]
    shared = np.sum(level, axis=0, dtype=np.uint8)
    voted = np.any([row.ink for row in rows], axis=0).astype(np.int8)
    found = []
    for row, own in zip(rows, level, strict=True):
        theirs = (shared > own).astype(np.uint8)
        theirs[cv2.dilate(row.ink.astype(np.uint8), about) > 0] = 0
        found.append(OtherRows(theirs, np.where(row.ink, np.int8(-1), voted), maps.page_px))
    return found


def _level(row: Row) -> NDArray[np.uint8]:
    """Return the ink of a row where it runs level."""
    inked = row.inked
    top = row.ink.argmax(axis=0)
    bottom = len(row.ink) - 1 - row.ink[::-1].argmax(axis=0)
    is_level = inked & (bottom - top + 1 <= _LEVEL_MM * MAP_PX_PER_MM)
    kept = np.zeros(len(inked), np.bool_)
    for begin, end in runs(is_level):
        kept[begin:end] = end - begin >= _LONG_MM * MAP_PX_PER_MM
    return np.asarray(row.ink & kept, np.uint8)


def _disc(radius_mm: float) -> NDArray[np.uint8]:
    size = 2 * round(radius_mm * MAP_PX_PER_MM) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)
