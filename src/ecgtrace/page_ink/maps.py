"""What the page network says of a page, on a grid of 4 px per mm."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ecgtrace.errors import ConfigError
from ecgtrace.types import FloatArray
from ecgtrace.units import LEADS

# At 4 px/mm a trace of 0.25 mm is one pixel wide and a capital of 2.5 mm ten pixels high: as coarse as both
# can still be told apart, and a page of A4 is 1 Mpx, which two cores pass through the network in a second.
MAP_PX_PER_MM = 4.0

# "-aVR": aVR drawn inverted, in Cabrera's order. "other": a lead that the twelve lack (V3R, V7, X).
NAME_CLASSES: tuple[str, ...] = (*LEADS, "-aVR", "other")
INK_CLASSES = ("none", "trace", "pulse", "bar", "text")


@dataclass(frozen=True, eq=False)
class PageMaps:
    """
    Maps of a page at `MAP_PX_PER_MM` px per mm, square pixels.

    Attributes
    ----------
    trace, pulse, bar, text : ndarray of float32, shape (h, w)
        How likely ink of that kind covers a pixel, in [0, 1]. Text is names, header, footer and frames.
    row_offset_mm : ndarray of float32, shape (h, w)
        At ink of a trace, how far below this pixel the zero line of its row lies, in mm; negative: above.
    names : ndarray of float32, shape (14, h, w)
        Heat maps of the classes of `NAME_CLASSES`, in [0, 1], with a peak at the centre of each printed lead
        name.
    page_px : tuple of float
        Px of the page to one px of the maps, in x and in y.
    """

    trace: NDArray[np.float32]
    pulse: NDArray[np.float32]
    bar: NDArray[np.float32]
    text: NDArray[np.float32]
    row_offset_mm: NDArray[np.float32]
    names: NDArray[np.float32]
    page_px: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        shape = self.trace.shape
        for name in ("trace", "pulse", "bar", "text", "row_offset_mm"):
            if getattr(self, name).shape != shape or len(shape) != 2:
                raise ConfigError(
                    f"{name} must have the shape of trace, (h, w); got {getattr(self, name).shape}"
                )
        if self.names.shape != (len(NAME_CLASSES), *shape):
            raise ConfigError(f"names must have shape {(len(NAME_CLASSES), *shape)}, got {self.names.shape}")
        if min(self.page_px) <= 0:
            raise ConfigError(f"page_px must be positive, got {self.page_px}")

    def without(self, inks: Sequence[NDArray[np.bool_]]) -> "PageMaps":
        """Return these maps less ink of traces that is none, shape (h, w) each."""
        return replace(self, trace=np.where(np.any(inks, axis=0), 0, self.trace)) if inks else self

    def to_page(self, points_px: FloatArray) -> FloatArray:
        """
        Turn px of the maps into px of the page; (0, 0) is the centre of the first pixel of either.

        Parameters
        ----------
        points_px : ndarray of float, shape (n, 2)
            (x, y).

        Returns
        -------
        ndarray of float, shape (n, 2)
        """
        return (np.asarray(points_px, float) + 0.5) * self.page_px - 0.5

    def from_page(self, points_px: FloatArray) -> FloatArray:
        """Turn px of the page into px of the maps: what undoes `to_page`."""
        return (np.asarray(points_px, float) + 0.5) / self.page_px - 0.5
