"""From the rectified picture of a page to the picture it came from, and back."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgtrace.types import FloatArray


@dataclass(frozen=True, eq=False)
class PlaneMap:
    """
    A homography between two pictures of a plane.

    Attributes
    ----------
    matrix : ndarray of float, shape (3, 3)
        From points (x, y, 1) of the rectified picture to those of the source, up to a factor.
    """

    matrix: FloatArray

    def __post_init__(self) -> None:
        if self.matrix.shape != (3, 3) or not np.isfinite(self.matrix).all():
            raise ValueError(f"matrix must be finite and (3, 3), got {self.matrix.shape}")
        if abs(np.linalg.det(self.matrix)) < 1e-12:
            raise ValueError("matrix must be invertible")

    @classmethod
    def identity(cls) -> "PlaneMap":
        """Return the map of a picture onto itself."""
        return cls(np.eye(3))

    @property
    def is_identity(self) -> bool:
        """Whether all points stay where they are."""
        return bool(np.array_equal(self.matrix, np.eye(3)))

    def to_source(self, points_px: NDArray) -> FloatArray:
        """Map points, shape (n, 2), of the rectified picture to the source."""
        return project(self.matrix, points_px)

    def from_source(self, points_px: NDArray) -> FloatArray:
        """Map points, shape (n, 2), of the source to the rectified picture."""
        return project(np.asarray(np.linalg.inv(self.matrix), np.float64), points_px)

    def after(self, matrix: FloatArray) -> "PlaneMap":
        """Return this map of what `matrix`, shape (3, 3), makes of the points."""
        return PlaneMap(self.matrix @ matrix)


def project(matrix: FloatArray, points: NDArray) -> FloatArray:
    """
    Apply a homography.

    Parameters
    ----------
    matrix : ndarray of float, shape (3, 3)
    points : ndarray of float, shape (n, 2)

    Returns
    -------
    ndarray of float, shape (n, 2)
        Infinite or NaN on the horizon.
    """
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points must be (n, 2), got {points.shape}")
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    return moved[:, :2] / moved[:, 2:]


def quarter_turn(quarter: int, width_px: int, height_px: int) -> FloatArray:
    """
    Return the matrix from a picture turned by quarters to the picture as it was.

    Parameters
    ----------
    quarter : int
        Counter-clockwise, as `numpy.rot90` turns.
    width_px, height_px : int
        Of the picture as it was.

    Returns
    -------
    ndarray of float, shape (3, 3)
    """
    right, bottom = width_px - 1.0, height_px - 1.0
    return (
        np.eye(3),
        np.array([[0.0, -1.0, right], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]),
        np.array([[-1.0, 0.0, right], [0.0, -1.0, bottom], [0.0, 0.0, 1.0]]),
        np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, bottom], [0.0, 0.0, 1.0]]),
    )[quarter % 4]
