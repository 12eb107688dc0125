"""Find the paper of a whole page in its picture."""

import numpy as np
from numpy.typing import NDArray

from ecgtrace.errors import GridNotFoundError, PageError
from ecgtrace.sheet.grid import Grid, find_grid
from ecgtrace.sheet.mapping import PlaneMap
from ecgtrace.sheet.rectify import rectify
from ecgtrace.sheet.sheet import Sheet
from ecgtrace.units import LARGE_SQUARE_MM, MM_PER_INCH

_LEAST_SIDE_PX = 200  # a page of two rows at 75 dpi is as high
_DARK = 100  # median grey level of a picture that may be white on black
_BENT_MM = 0.12  # residual: 3 ms and 12 microvolt; scans have 0.01 to 0.08, photographs 0.14 and more
_STATED = 0.05  # disagreement with what the user states
_RESOLUTION = 0.01  # and with what the file states
_SQUARE, _STRETCHED = 0.02, 0.1
_SMALLEST_MM = 60.0  # of what is taken for a page (`digitization.lead_count`)
_PAGE_MM = (100.0, 450.0)  # long side


def find_sheet(image: NDArray[np.uint8], dpi: float | None = None, px_per_mm: float | None = None) -> Sheet:
    """
    Find where the paper of a page lies, and how large a millimetre is.

    The grid tells, turned by any angle and in moderate perspective; which of the four ways is up it does not
    tell, so that the turn lies within 45 degrees.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
        RGB.
    dpi : float, optional
        Resolution that the file states. Taken where there is no grid.
    px_per_mm : float, optional
        Scale that the user states; taken before `dpi`, and where the grid says something else.

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
    grid = find_grid(image, px_per_mm)
    if grid is None and np.median(image[::8, ::8]) < _DARK:
        grid = find_grid(np.asarray(255 - image, np.uint8), px_per_mm)
    if grid is None:
        return _without_grid(image, dpi, px_per_mm)
    return _with_grid(image, grid, dpi, px_per_mm)


def _with_grid(image: NDArray[np.uint8], grid: Grid, dpi: float | None, px_per_mm: float | None) -> Sheet:
    """Lay the page straight, and say what speaks against its scale."""
    straight = rectify(image, grid)
    x, y = straight.px_per_mm
    lines = (
        "1 mm and 5 mm" if grid.small_lines and grid.large_lines else "1 mm" if grid.small_lines else "5 mm"
    )
    source, confirmed = f"grid lines {lines} apart", True
    doubts: list[str] = []
    notes: list[str] = []
    if grid.residual_mm > _BENT_MM:
        doubts.append(
            f"the paper is bent: lines lie {grid.residual_mm:.2f} mm from where flat paper has them"
        )
    length_mm = max(image.shape[0] / y, image.shape[1] / x)
    ruled_mm = float((grid.seen_mm[1] - grid.seen_mm[0]).max())
    # What lies around the paper is in the picture, too.
    if length_mm < _PAGE_MM[0] or ruled_mm > _PAGE_MM[1]:
        doubts.append(f"by its grid, the picture is {length_mm:.0f} mm long, {ruled_mm:.0f} mm of it ruled")
    elif not (grid.small_lines and grid.large_lines):
        other = length_mm * (LARGE_SQUARE_MM if grid.small_lines else 1 / LARGE_SQUARE_MM)
        # Both can be: a cut-out of a page, or a whole one five times as large.
        said = doubts if _SMALLEST_MM <= other <= _PAGE_MM[1] else notes
        said.append(
            f"lines evenly ruled, taken for {lines} apart: the picture is {length_mm:.0f} mm long, "
            f"else {other:.0f} mm"
        )
    if abs(x / y - 1) > _SQUARE:
        # Paper, printers and scanners stretch by less than the limit; a fax and a wrong reading by more.
        said = doubts if abs(np.log(x / y)) > _STRETCHED else notes
        said.append(f"pixels are not square: {x:.2f} x {y:.2f} px per mm")
    mean = float(np.sqrt(x * y))
    if px_per_mm is not None and abs(px_per_mm / mean - 1) > _STATED:
        doubts.append(f"the grid says {mean:.2f} px per mm, not {px_per_mm:.2f} as given")
        x = y = px_per_mm
        source, confirmed = "px_per_mm as given", False
    elif dpi is not None and abs(dpi / MM_PER_INCH / mean - 1) > _RESOLUTION:
        notes.append(f"the file states {dpi:g} dpi; by the grid it is {mean * MM_PER_INCH:.0f}")
    return Sheet(
        image=straight.image,
        px_per_mm_x=x,
        px_per_mm_y=y,
        mapping=straight.mapping,
        turn_deg=straight.turn_deg,
        residual_mm=grid.residual_mm,
        scale_from=source,
        grid_confirmed=confirmed,
        doubts=tuple(doubts),
        notes=tuple(notes),
        origin_px=straight.origin_px,
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
