"""Find the paper of a whole page in its picture."""

import numpy as np
from numpy.typing import NDArray

from ecgtrace.digitization.scale import find_scale
from ecgtrace.digitization.skew import upright
from ecgtrace.errors import GridNotFoundError, PageError
from ecgtrace.sheet.mapping import PlaneMap
from ecgtrace.sheet.sheet import Sheet
from ecgtrace.units import MM_PER_INCH

_LEAST_SIDE_PX = 200  # a page of two rows at 75 dpi is as high


def find_sheet(image: NDArray[np.uint8], dpi: float | None = None, px_per_mm: float | None = None) -> Sheet:
    """
    Find where the paper of a page lies, and how large a millimetre is.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
        RGB.
    dpi : float, optional
        Resolution that the file states. Taken where there is no grid.
    px_per_mm : float, optional
        Scale that the user states; taken before `dpi`.

    Returns
    -------
    Sheet

    Raises
    ------
    PageError
        If the picture is too small for a page.
    GridNotFoundError
        If no grid stands out, and neither `dpi` nor `px_per_mm` is given.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image must be RGB uint8, got {image.dtype} {image.shape}")
    height, width = image.shape[:2]
    if min(height, width) < _LEAST_SIDE_PX:
        raise PageError(f"{width} x {height} px are too few for a page")
    turned = upright(image)
    try:
        scale = find_scale(turned.image)
    except GridNotFoundError:
        return _without_grid(image, dpi, px_per_mm)
    matrix = np.linalg.inv(np.vstack([turned.matrix, [0.0, 0.0, 1.0]]))
    return Sheet(
        image=turned.image,
        px_per_mm_x=scale.px_per_mm_x,
        px_per_mm_y=scale.px_per_mm_y,
        mapping=PlaneMap(matrix if turned.angle_deg else np.eye(3)),
        turn_deg=turned.angle_deg,
        residual_mm=float("nan"),
        scale_from="grid",
        grid_confirmed=True,
        doubts=scale.doubts,
        notes=scale.assumptions,
    )


def _without_grid(image: NDArray[np.uint8], dpi: float | None, px_per_mm: float | None) -> Sheet:
    """Take the scale that is stated."""
    if px_per_mm is not None:
        scale, source = px_per_mm, "px_per_mm as given"
    elif dpi is not None:
        scale, source = dpi / MM_PER_INCH, f"{dpi:g} dpi as the file states"
    else:
        raise GridNotFoundError(
            "no grid stands out of the page; pass px_per_mm=... or a scan that states its dpi"
        )
    return Sheet(
        image=image,
        px_per_mm_x=scale,
        px_per_mm_y=scale,
        mapping=PlaneMap.identity(),
        turn_deg=0.0,
        residual_mm=float("nan"),
        scale_from=source,
        grid_confirmed=False,
        doubts=(f"no grid confirms the scale: {source}",),
    )
