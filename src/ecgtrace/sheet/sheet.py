"""What is known of the paper in a picture."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ecgtrace.sheet.mapping import PlaneMap, project, quarter_turn
from ecgtrace.types import FloatArray


@dataclass(frozen=True, eq=False)
class Sheet:
    """
    A page lying straight, and the way back to the picture it came from.

    Attributes
    ----------
    image : ndarray of uint8, shape (height, width, 3)
        RGB; grid lines run along rows and columns, at one scale everywhere. The array that was given, where
        it lies straight already.
    px_per_mm_x, px_per_mm_y : float
        Of `image`.
    mapping : PlaneMap
        From px of `image` to px of the source.
    turn_deg : float
        How far the paper is turned in the source, counter-clockwise; in [-45, 45) unless quarters were added.
    residual_mm : float
        Root mean square of how far the lines of the grid lie from where the map has them; NaN without a grid.
    scale_from : str
        What the scale rests on, in words.
    grid_confirmed : bool
        Whether the grid tells the scale.
    doubts, notes : tuple of str
        Reasons for which what is read with this scale cannot be called sure; what was assumed or done.
    origin_px : tuple of float or None
        A crossing of the strongest lines (5 mm apart, where there are any), in px of `image`, perhaps outside
        of it; None without a grid.
    """

    image: NDArray[np.uint8]
    px_per_mm_x: float
    px_per_mm_y: float
    mapping: PlaneMap
    turn_deg: float
    residual_mm: float
    scale_from: str
    grid_confirmed: bool
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    origin_px: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(f"image must be RGB uint8, got {self.image.dtype} {self.image.shape}")
        if not (self.px_per_mm_x > 0 and self.px_per_mm_y > 0):
            raise ValueError(f"px per mm must be positive, got {self.px_per_mm_x}, {self.px_per_mm_y}")

    @property
    def width_mm(self) -> float:
        """Width of the rectified picture."""
        return self.image.shape[1] / self.px_per_mm_x

    @property
    def height_mm(self) -> float:
        """Height of the rectified picture."""
        return self.image.shape[0] / self.px_per_mm_y

    def to_source(self, points_px: NDArray) -> FloatArray:
        """
        Map points of `image` to the source.

        Parameters
        ----------
        points_px : ndarray of float, shape (n, 2)
            (x, y); (0, 0) is the centre of the top left pixel.

        Returns
        -------
        ndarray of float, shape (n, 2)
        """
        return self.mapping.to_source(points_px)

    def from_source(self, points_px: NDArray) -> FloatArray:
        """Map points of the source, shape (n, 2), to `image`; the inverse of `to_source`."""
        return self.mapping.from_source(points_px)

    def turned(self, quarter: int) -> "Sheet":
        """
        Turn the sheet by quarters.

        Parameters
        ----------
        quarter : int
            Counter-clockwise.

        Returns
        -------
        Sheet
            `to_source` leads to the same source. Four quarters are none.
        """
        quarter %= 4
        if not quarter:
            return self
        height, width = self.image.shape[:2]
        x, y = self.px_per_mm_x, self.px_per_mm_y
        turn = (self.turn_deg - 90 * quarter + 180) % 360 - 180
        back = quarter_turn(quarter, width, height)
        origin = self.origin_px
        if origin is not None:
            moved = project(np.asarray(np.linalg.inv(back), np.float64), np.array([origin]))[0]
            origin = (float(moved[0]), float(moved[1]))
        return replace(
            self,
            image=np.ascontiguousarray(np.rot90(self.image, quarter)),
            px_per_mm_x=y if quarter % 2 else x,
            px_per_mm_y=x if quarter % 2 else y,
            mapping=self.mapping.after(back),
            turn_deg=turn,
            origin_px=origin,
        )
