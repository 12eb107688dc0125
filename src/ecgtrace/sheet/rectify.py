"""The picture of a page laid straight."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.sheet.grid import Grid
from ecgtrace.sheet.mapping import PlaneMap, project
from ecgtrace.types import FloatArray

_STRAIGHT_MM = 0.08  # over a page; 2 ms and 8 microvolt
_FLAT_MM = 0.05  # perspective that moves no line further is noise
_SAME_SCALE = 0.003  # of both axes: then pixels stay square
_POINTS = 9
_AROUND_MM = 120.0  # of what lies around the lines seen, for headers and margins
_LEAST_DEPTH = 0.3  # of that at the middle: nearer to the horizon there is no paper
_MOST_PX = 1.6  # times the long side of the source


@dataclass(frozen=True, eq=False)
class Rectified:
    """A straight picture, its scale, the way back, and where 0 mm of the grid lies in it."""

    image: NDArray[np.uint8]
    px_per_mm: tuple[float, float]
    mapping: PlaneMap
    turn_deg: float
    origin_px: tuple[float, float]


def rectify(image: NDArray[np.uint8], grid: Grid) -> Rectified:
    """
    Lay a page straight by its grid.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
    grid : Grid

    Returns
    -------
    Rectified
        With the same array where it lies straight already.
    """
    low, high = grid.seen_mm
    mm = np.stack(
        np.meshgrid(np.linspace(low[0], high[0], _POINTS), np.linspace(low[1], high[1], _POINTS)), axis=-1
    ).reshape(-1, 2)
    px = project(np.asarray(np.linalg.inv(grid.matrix), np.float64), mm)
    scales = [float(np.polyfit(mm[:, axis], px[:, axis], 1)[0]) for axis in (0, 1)]
    off = [
        float(np.abs(np.polyval(np.polyfit(px[:, axis], mm[:, axis], 1), px[:, axis]) - mm[:, axis]).max())
        for axis in (0, 1)
    ]
    if max(off) <= _STRAIGHT_MM:
        x, y = (float(np.polyfit(mm[:, axis], px[:, axis], 1)[1]) for axis in (0, 1))
        return Rectified(image, _alike(scales[0], scales[1]), PlaneMap.identity(), 0.0, (x, y))
    to_px = _affine(mm, px)
    if float(np.abs(project(to_px, mm) - px).max()) / min(map(abs, scales)) > _FLAT_MM:
        to_px = np.asarray(np.linalg.inv(grid.matrix), np.float64)
        to_px = to_px / to_px[2, 2]
    middle = (low + high) / 2
    around = project(to_px, middle + np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    along = around[1:] - around[0]
    scale = _alike(*(float(v) for v in np.hypot(along[:, 0], along[:, 1])))
    turn_deg = float(np.degrees(np.arctan2(-along[0, 1], along[0, 0])))
    left, top, width, height = _canvas(image.shape, to_px, grid, scale)
    to_mm = np.array([[1 / scale[0], 0, left], [0, 1 / scale[1], top], [0, 0, 1.0]])
    matrix = to_px @ to_mm
    paper = [float(v) for v in np.median(image[::8, ::8].reshape(-1, 3), axis=0)]
    straight = cv2.warpPerspective(
        image,
        matrix,
        (width, height),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=paper,
    )
    origin = (-left * scale[0], -top * scale[1])
    return Rectified(np.asarray(straight, np.uint8), scale, PlaneMap(matrix / matrix[2, 2]), turn_deg, origin)


def _alike(x: float, y: float) -> tuple[float, float]:
    """Take one scale for both axes where they hardly differ."""
    if abs(x / y - 1) > _SAME_SCALE:
        return x, y
    mean = float(np.sqrt(x * y))
    return mean, mean


def _affine(mm: FloatArray, px: FloatArray) -> FloatArray:
    design = np.column_stack([mm, np.ones(len(mm))])
    solution, *_ = np.linalg.lstsq(design, px, rcond=None)
    return np.vstack([solution.T, [0.0, 0.0, 1.0]])


def _canvas(
    shape: tuple[int, ...], to_px: FloatArray, grid: Grid, scale: tuple[float, float]
) -> tuple[float, float, int, int]:
    """Return left and top in mm, and width and height in px, of what the straight picture shows."""
    height, width = shape[:2]
    edge = np.linspace(0, 1, 33)
    x, y = edge * (width - 1), edge * (height - 1)
    rim = np.concatenate(
        [
            np.column_stack([x, np.zeros_like(x)]),
            np.column_stack([x, np.full_like(x, height - 1)]),
            np.column_stack([np.zeros_like(y), y]),
            np.column_stack([np.full_like(y, width - 1), y]),
        ]
    )
    to_mm = np.linalg.inv(to_px)
    middle = project(to_px, grid.seen_mm.mean(axis=0)[None])
    row = to_mm[2] / float(np.append(middle[0], 1.0) @ to_mm[2])
    near = np.column_stack([rim, np.ones(len(rim))]) @ row > _LEAST_DEPTH
    corners = project(np.asarray(to_mm, np.float64), rim[near]) if near.any() else grid.seen_mm
    low = np.maximum(corners.min(axis=0), grid.seen_mm[0] - _AROUND_MM)
    high = np.minimum(corners.max(axis=0), grid.seen_mm[1] + _AROUND_MM)
    most = int(_MOST_PX * max(height, width))
    size = [min(most, int(np.ceil((high[axis] - low[axis]) * scale[axis])) + 1) for axis in (0, 1)]
    return float(low[0]), float(low[1]), size[0], size[1]
