"""What the maps of a page tell the lead network: where traces are, and which row each of them votes for."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.page_ink.maps import MAP_PX_PER_MM, PageMaps

# Each in [0, 1], but the height above the zero line, which is in units of 20 mm and within [-1, 1].
HINTS = ("trace", "own", "others", "print", "height")
_HEIGHT_MM = 20.0


@dataclass(frozen=True, eq=False)
class LeadHints:
    """
    What the maps say of one row.

    Attributes
    ----------
    trace, printed : ndarray of float32, shape (h, w)
        Of the maps.
    own, others : ndarray of bool, shape (h, w)
        Ink that votes for the row, and for another.
    zero_y : float
        The row's zero line, in px of the maps.
    page_px : tuple of float
        As of `PageMaps`.
    """

    trace: NDArray[np.float32]
    own: NDArray[np.bool_]
    others: NDArray[np.bool_]
    printed: NDArray[np.float32]
    zero_y: float
    page_px: tuple[float, float]

    def on_piece(
        self, left: float, top: float, shape: tuple[int, int], size: tuple[int, int]
    ) -> NDArray[np.float32]:
        """
        Return the hints of a piece of the page.

        Parameters
        ----------
        left, top : float
            Its first column and row, in px of the page.
        shape, size : tuple of int
            Its (height, width) in px of the page, and that of what is returned.

        Returns
        -------
        ndarray of float32, shape (5, *size)
        """
        # Pixel k of anything reaches from k - 0.5 to k + 0.5.
        per_y, per_x = (shape[0] / size[0] / self.page_px[1], shape[1] / size[1] / self.page_px[0])
        row, column = top / self.page_px[1] + 0.5 * per_y - 0.5, left / self.page_px[0] + 0.5 * per_x - 0.5
        matrix = np.array([[per_x, 0, column], [0, per_y, row]])
        height, width = size
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        seen = [
            cv2.warpAffine(part.astype(np.float32), matrix, (width, height), flags=how)
            for part in (self.trace, self.own, self.others, self.printed)
        ]
        above = (self.zero_y - (row + np.arange(height) * per_y)) / (MAP_PX_PER_MM * _HEIGHT_MM)
        lines = np.repeat(np.clip(above, -1, 1)[:, None], width, axis=1)
        return np.asarray([*seen, lines], np.float32)


def lead_hints(maps: PageMaps, rows: Sequence[NDArray[np.bool_]], zero_y: Sequence[float]) -> list[LeadHints]:
    """
    Return what the maps say of each row.

    Parameters
    ----------
    maps : PageMaps
    rows : sequence of ndarray of bool, shape (h, w)
        Ink that votes for each.
    zero_y : sequence of float
        Zero line of each, in px of the maps.
    """
    printed = np.maximum.reduce([maps.pulse, maps.bar, maps.text])
    count = np.sum(rows, axis=0, dtype=np.uint8)
    return [
        LeadHints(maps.trace, own, count > own, printed, float(zero), maps.page_px)
        for own, zero in zip(rows, zero_y, strict=True)
    ]
