"""What tells whose ink a piece of a page shows: a network, and what the page knows better."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgtrace.digitization.ink_map import Segmenter
from ecgtrace.errors import ConfigError
from ecgtrace.page_reading.other_rows import OtherRows
from ecgtrace.page_reading.piece import Piece, ink_of


@dataclass(frozen=True, eq=False)
class PieceSegmenter:
    """
    A segmenter (`digitization.ink_map.Segmenter`) that does not ask what is known.

    Attributes
    ----------
    segmenter : Segmenter or None
    left, top : int
        First column and row of the piece, in px of the page.
    others : OtherRows, optional
        Ink of other rows, which the network is not shown.
    pieces : sequence of Piece, optional
        Ink that is the target's, whatever the network says.
    """

    segmenter: Segmenter | None
    left: int
    top: int
    others: OtherRows | None = None
    pieces: Sequence[Piece] = ()

    @property
    def model(self) -> str:
        """The network's name."""
        return "" if self.segmenter is None else self.segmenter.model

    def channels(self, image: NDArray[np.uint8], duration_s: float | None = None) -> NDArray[np.float32]:
        """
        Return the probability of each pixel to be the target's, and perhaps that of others.

        Raises
        ------
        ConfigError
            Without a network.
        """
        if self.segmenter is None:
            raise ConfigError("this digitizer has no network; give it a segmenter")
        shown = image if self.others is None else self.others.erased(image, self.left, self.top)
        channels = self.segmenter.channels(shown, duration_s=duration_s)
        if not self.pieces:
            return channels
        own = ink_of(self.pieces, self.left, self.top, image.shape[:2])
        return np.where(own > 0, np.eye(len(channels), 1, dtype=np.float32)[:, :, None], channels)
