"""Which ink of a crop is whose: the contract between a network, or a true mask, and what is traced in it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.errors import ConfigError, TraceNotFoundError

SURE = 0.5  # likelier than not


class Segmenter(Protocol):
    """What tells the ink of a target from that of others."""

    @property
    def model(self) -> str:
        """Name, for rows and reports."""
        ...

    def channels(self, image: NDArray[np.uint8], duration_s: float | None = None) -> NDArray[np.float32]:
        """Return the probability of each pixel to be the target's, and perhaps that of others."""
        ...


@dataclass(frozen=True, eq=False)
class TrueMask:
    """
    A segmenter that knows: for ceilings, tests, and whoever has masks.

    Parameters
    ----------
    masks : ndarray of number, shape (height, width) or (n_channels, height, width), optional
        Probability in [0, 1], or {0, 1}: of the target's ink and, if told, of all other. None stands in a
        configuration: evaluation puts the mask of each crop in its place.
    """

    masks: NDArray[Any] | None = None

    @property
    def model(self) -> str:
        """Say that there is no network."""
        return "true mask"

    def channels(self, image: NDArray[np.uint8], duration_s: float | None = None) -> NDArray[np.float32]:
        """
        Return the masks, whatever the picture shows.

        Raises
        ------
        ConfigError
            Without masks.
        """
        if self.masks is None:
            raise ConfigError("this digitizer reads the true mask, which no picture has; use another")
        masks = np.asarray(self.masks, np.float32)
        return masks if masks.ndim == 3 else masks[None]

    def __call__(self, image: NDArray[np.uint8], duration_s: float | None = None) -> NDArray[np.float32]:
        """Return the target's mask."""
        return self.channels(image, duration_s)[0]


@dataclass(frozen=True)
class TargetAlone:
    """
    A segmenter that keeps what another says of other ink to itself.

    Parameters
    ----------
    segmenter : Segmenter
    """

    segmenter: Any

    @property
    def model(self) -> str:
        """The other's name."""
        return str(self.segmenter.model)

    def channels(self, image: NDArray[np.uint8], duration_s: float | None = None) -> NDArray[np.float32]:
        """Return the target's channel alone."""
        return np.asarray(self.segmenter.channels(image, duration_s=duration_s)[:1])


@dataclass(frozen=True, eq=False)
class InkMap:
    """
    The ink of a crop, upright.

    Attributes
    ----------
    density : ndarray of float32, shape (height, width)
        0 on paper and grid, 1 where ink is fullest, up to 1.2.
    target : ndarray of float32, shape (height, width)
        Probability that ink is the target's, in [0, 1].
    other : ndarray of float32, shape (height, width), or None
        That it is somebody else's, or print; both may be high where lines cross. None where nobody says.
    """

    density: NDArray[np.float32]
    target: NDArray[np.float32]
    other: NDArray[np.float32] | None = None

    @cached_property
    def saturated(self) -> NDArray[np.float32]:
        """Return the ink as a path sees it: a thin or blurred line is nowhere black, and ink all the same."""
        on_line = self.density[self.target > SURE]
        level = float(np.clip(np.quantile(on_line, 0.8), 0.4, 1)) if len(on_line) else 1.0
        return np.asarray(np.minimum(self.density / level, 1), np.float32)

    @cached_property
    def own(self) -> NDArray[np.bool_]:
        """Mark ink that is likelier the target's than not."""
        return np.asarray(self.saturated * self.target > SURE)

    @cached_property
    def line_width_px(self) -> float:
        """Estimate the width of the line where it runs flat: a low quantile of the ink per column."""
        near = cv2.dilate(self.target, np.ones((5, 1), np.uint8))
        thick = (np.minimum(self.density, 1) * (near > SURE) * (self.density > 0.2)).sum(axis=0)
        thick = thick[thick > 0.7]
        return float(np.quantile(thick, 0.2)) if len(thick) else 2.0

    @cached_property
    def extent(self) -> tuple[int, int]:
        """
        Return the first and the last column with ink of the target.

        Raises
        ------
        TraceNotFoundError
            If there is none.
        """
        columns = np.flatnonzero(self.own.any(axis=0))
        if not len(columns):
            raise TraceNotFoundError("the network found no trace; crop one lead, dark on light paper")
        return int(columns[0]), int(columns[-1])

    def claim(self) -> NDArray[np.float32]:
        """Return how far the ink of each pixel is the target's to explain: its edges belong to it, too."""
        size = 2 * round(self.line_width_px / 4 + 1) + 1
        near = cv2.dilate(self.target, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
        if self.other is None:
            return np.asarray(near, np.float32)
        return np.asarray(near * (1 - self.other * (1 - self.target)), np.float32)
