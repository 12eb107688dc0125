"""Find the scale of the paper in a picture of any size."""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.digitization.scale.decide import Look, decide
from ecgtrace.digitization.scale.ground import look, without_black
from ecgtrace.digitization.scale.profile import profile_of
from ecgtrace.errors import GridNotFoundError
from ecgtrace.types import GridScale

_MAX_SIDE_PX = (2000, 4096)  # height, width worked on; 4096 px hold 170 mm even at 24 px/mm
_MIN_SIDE_PX = 16
_MIN_CONTRAST = 1  # grey levels
_TOLERANCE = 1.05  # scanners set to the ends of the plausible range
_SURE = 0.9  # above it both families of lines were seen


def find_scale(
    image: NDArray[np.uint8], min_px_per_mm: float = 2.5, max_px_per_mm: float = 120.0
) -> GridScale:
    """
    Find the pixels per millimetre of the paper in an image.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
        RGB.
    min_px_per_mm, max_px_per_mm : float, optional
        Range that is looked for: from 76 dpi, below which a millimetre is three pixels, or a fax along its
        coarse axis, to 600 dpi enlarged five times.

    Returns
    -------
    GridScale
        `confidence` is the share of expected lines that were seen, times 0.8 where one axis copies the other,
        times 0.9 and the probability of the reading where one family of lines was seen.

    Raises
    ------
    GridNotFoundError
        If no family of at least four equally spaced lines stands out.
    ValueError
        If `image` is not RGB uint8.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(
            f"image must be RGB uint8 of shape (height, width, 3), got {image.dtype} {image.shape}"
        )
    paper, left, top = without_black(image)
    height, width = paper.shape[:2]
    if min(height, width) < _MIN_SIDE_PX:
        raise GridNotFoundError(
            f"{image.shape[1]} x {image.shape[0]} px are too few for a grid; crop more generously, or pass "
            "px_per_mm=..."
        )
    low, high = min_px_per_mm / _TOLERANCE, max_px_per_mm * _TOLERANCE
    found: list[GridScale] = []
    for x0, y0 in _windows(height, width):
        part = paper[y0 : y0 + _MAX_SIDE_PX[0], x0 : x0 + _MAX_SIDE_PX[1]]
        scale = _detect(part, (height, width), low, high)
        if scale is not None:
            found.append(_moved(scale, x0, y0, 1.0, 1.0))
            break
    factor = max(height / _MAX_SIDE_PX[0], width / _MAX_SIDE_PX[1])
    if factor > 1 and not (found and found[0].confidence > _SURE):
        # A window of a huge picture may hold a few thick lines only; the whole tells.
        size = (max(_MIN_SIDE_PX, round(width / factor)), max(_MIN_SIDE_PX, round(height / factor)))
        small = np.asarray(cv2.resize(paper, size, interpolation=cv2.INTER_AREA), np.uint8)
        scale = _detect(small, size[::-1], low, high)
        if scale is not None:
            found.append(_moved(scale, 0, 0, width / size[0], height / size[1]))
    if found:
        return _moved(max(found, key=lambda scale: scale.confidence), left, top, 1.0, 1.0)
    raise GridNotFoundError(
        "no equally spaced grid lines stand out of the image; crop more generously, or pass px_per_mm=..."
    )


def _windows(height: int, width: int) -> list[tuple[int, int]]:
    """Return the corners of the windows to try: the middle first, then both ends."""
    spare_y, spare_x = max(0, height - _MAX_SIDE_PX[0]), max(0, width - _MAX_SIDE_PX[1])
    if not spare_x and not spare_y:
        return [(0, 0)]
    return [(int(spare_x * part), int(spare_y * part)) for part in (0.5, 0.1, 0.9)]


def _moved(scale: GridScale, x0: int, y0: int, factor_x: float, factor_y: float) -> GridScale:
    """Bring a scale found in a part of the image, or in a reduced image, to the whole image."""
    return replace(
        scale,
        px_per_mm_x=scale.px_per_mm_x * factor_x,
        px_per_mm_y=scale.px_per_mm_y * factor_y,
        lines_x=tuple((x + 0.5) * factor_x - 0.5 + x0 for x in scale.lines_x),
        lines_y=tuple((y + 0.5) * factor_y - 0.5 + y0 for y in scale.lines_y),
    )


def _detect(
    image: NDArray[np.uint8], whole: tuple[int, int], min_px: float, max_px: float
) -> GridScale | None:
    """Detect the grid without the ink; where that took the grid for ink, with less or none taken out."""
    image = np.ascontiguousarray(image)
    scale = None
    for broken in (False, True):
        ground = look(image, broken)
        if np.ptp(ground.darkness[::4, ::4]) < _MIN_CONTRAST:
            return None
        seen = Look(whole[1], whole[0], ground.stroke_px)
        scale = decide((profile_of(ground, 0), profile_of(ground, 1)), seen, min_px, max_px)
        if scale is not None or ground.stroke_px is None:
            return scale
    scale = decide((profile_of(ground, 0, False), profile_of(ground, 1, False)), seen, min_px, max_px)
    # The beats of a trace are regular too, but only a grid has lines in both directions.
    return None if scale is None or scale.square_assumed else scale
