"""
How many leads a picture shows, and which way they run: told from the dark ink alone, before any network.

In most columns of one lead's picture there is one run of dark ink, the trace; in those of a page there are
as many as it has rows. Full lines of the grid are no run. Numbers in the comments: 78 crops of the data set
authors' program, 117 of ECG-image-kit's pages and 80 drawn ones (validation, `printer=mixed
data.box_jitter_mm=2`), and 59 whole pages, scans and photos.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.digitization.dark_ink import find_dark_ink
from ecgtrace.errors import GridNotFoundError, InputImageError, WholePageError
from ecgtrace.types import GridScale

_PAGE_INK = 0.5  # share of the darkness of the darkest ink
_LINE_SHARE, _COLUMN_SHARE = 0.6, 0.8  # a row, a column that is inked so far is a line of the grid

PAGE_RUNS = 3  # pages have 3 or more, all 59; so have 13 of 275 crops, on grids as dark as ink
_PAGE_HEIGHT_MM = 60.0  # pages are 77 mm and more; the tallest of those 13 crops 42 mm
_UPRIGHT_RUNS = 2


def refuse_page(image: NDArray[np.uint8], find_scale: Callable[[NDArray[np.uint8]], GridScale]) -> None:
    """
    Refuse a whole page: many runs of ink in most columns, on paper higher than a lead is cut.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
    find_scale : callable
        Called only where there are so many runs.

    Raises
    ------
    WholePageError
        If it seems to be a page. Where no grid is found, its height is not known, and it passes.
    """
    runs = runs_per_column(image)
    if runs < PAGE_RUNS:
        return
    try:
        height_mm = len(image) / find_scale(image).px_per_mm_y
    except GridNotFoundError:
        return
    if height_mm > _PAGE_HEIGHT_MM:
        raise WholePageError(_page_message(runs, height_mm))


def page_doubt(image: NDArray[np.uint8], px_per_mm_y: float) -> str:
    """Say that a picture seems to be a page, as `refuse_page`, by a scale that only the digitizer found."""
    height_mm = len(image) / px_per_mm_y
    if height_mm <= _PAGE_HEIGHT_MM or (runs := runs_per_column(image)) < PAGE_RUNS:
        return ""
    return _page_message(runs, height_mm)


def _page_message(runs: float, height_mm: float) -> str:
    return (
        f"this seems to be a whole page with several leads ({runs:.0f} traces one above the other, "
        f"{height_mm:.0f} mm high); read it with content=page, or cut out one lead"
    )


def refuse_upright(image: NDArray[np.uint8]) -> None:
    """
    Refuse a lead that runs from top to bottom.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)

    Raises
    ------
    InputImageError
        If most rows have one run of ink and most columns have several, in a picture higher than wide.
    """
    height, width = image.shape[:2]
    if height <= width:
        return
    across = runs_per_column(np.ascontiguousarray(np.swapaxes(image, 0, 1)))
    if across == 1 and runs_per_column(image) >= _UPRIGHT_RUNS:
        raise InputImageError(
            "the lead runs from top to bottom; turn the picture by 90 degrees, so that time runs from left "
            "to right"
        )


def runs_per_column(image: NDArray[np.uint8]) -> float:
    """
    Count the runs of dark ink in each column; the median of the columns that have any.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)

    Returns
    -------
    float
        0 where there is no ink.
    """
    ink = find_dark_ink(image, _PAGE_INK).ink
    ink[ink.mean(axis=1) > _LINE_SHARE] = 0
    ink[:, ink.mean(axis=0) > _COLUMN_SHARE] = 0
    ink = np.asarray(cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((3, 1), np.uint8)), np.uint8)
    runs = (np.diff(np.pad(ink.astype(np.int8), ((1, 0), (0, 0))), axis=0) > 0).sum(axis=0)
    return float(np.median(runs[runs > 0])) if runs.any() else 0.0
