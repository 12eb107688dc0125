"""
How many leads a picture shows, and which way they run: told from the dark ink alone, before any network.

In most columns of one lead's picture there is one run of dark ink, the trace; in those of a page there are
as many as it has rows. Full lines of the grid are no run. Numbers in the comments: 78 crops of the data set
authors' program, 117 of ECG-image-kit's pages and 80 drawn ones (validation, `printer=mixed
data.box_jitter_mm=2`), and 59 whole pages, scans and photos.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.errors import GridNotFoundError, InputImageError
from ecgtrace.types import FloatArray, GridScale, LeadSignal

_LONGEST_PX = 1200  # a picture is looked at no larger: it takes some hundredths of a second
_PAPER_PX = 25  # wider than a line of ink at that size
_PAGE_INK, _LEAD_INK = 0.5, 0.6  # share of the darkness of the darkest ink; the second leaves out more grid
_DARKEST = 0.002  # share of pixels that are the darkest ink
_LINE_SHARE = 0.6  # a row that is inked so far is a line of the grid; 0.8 of a column
_COLUMN_SHARE = 0.8

PAGE_RUNS = 3  # pages have 3 or more, all 59; so have 13 of 275 crops, on grids as dark as ink
_PAGE_HEIGHT_MM = 60.0  # pages are 77 mm and more; the tallest of those 13 crops 42 mm
_UPRIGHT_RUNS = 2

_BLOCKS = 6  # lines of the grid are sought in each block: a scan lies a little askew
_OWN_MM = 0.6  # about the trace that was read
_LEAST_PX = 2
_PIECE_SHARE = 0.03  # of the width: shorter pieces are letters and specks
_BAND_MM = 6.0  # about the zero line of a lead, most of it
# A neighbour's zero line comes in where the box is cut 3 mm too wide, or where the lead's own waves reach for
# it. Over 60 % of the columns and beyond the lead's own waves by over 1.5 mm, it left less than 4.7 mm of
# the box free in all 275 crops; a second lead in the box takes 11 mm in `cases/two-leads.png`.
_COVERED = 0.6
_BEYOND_MM = 1.5
_FREE_MM = 5.5


@dataclass(frozen=True)
class _Small:
    """A picture as far as it is needed here: what is dark, at a size of at most `_LONGEST_PX`."""

    ink: NDArray[np.uint8]
    shrunk: float


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
    InputImageError
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
        raise InputImageError(_page_message(runs, height_mm))


def page_doubt(image: NDArray[np.uint8], px_per_mm_y: float) -> str:
    """Say that a picture seems to be a page, as `refuse_page`, by a scale that only the digitizer found."""
    height_mm = len(image) / px_per_mm_y
    if height_mm <= _PAGE_HEIGHT_MM or (runs := runs_per_column(image)) < PAGE_RUNS:
        return ""
    return _page_message(runs, height_mm)


def _page_message(runs: float, height_mm: float) -> str:
    return (
        f"this seems to be a whole page with several leads ({runs:.0f} traces one above the other, "
        f"{height_mm:.0f} mm high); cut out one lead"
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
    ink = _dark(image, _PAGE_INK).ink
    ink[ink.mean(axis=1) > _LINE_SHARE] = 0
    ink[:, ink.mean(axis=0) > _COLUMN_SHARE] = 0
    ink = np.asarray(cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((3, 1), np.uint8)), np.uint8)
    runs = (np.diff(np.pad(ink.astype(np.int8), ((1, 0), (0, 0))), axis=0) > 0).sum(axis=0)
    return float(np.median(runs[runs > 0])) if runs.any() else 0.0


def second_lead(image: NDArray[np.uint8], signal: LeadSignal) -> tuple[float, float] | None:
    """
    Find a second lead: a long trace at another zero line, in a part of the picture that the first needs not.

    Neighbours that reach into the box, as they do on every page with high waves, are none.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
    signal : LeadSignal
        What was read from it.

    Returns
    -------
    (float, float) or None
        How far beyond the waves of the first its zero line lies, in mm (positive: below), and the share of
        the columns that it covers.
    """
    small = _dark(image, _LEAD_INK)
    rows = _rows_at(signal.row_px, small)
    shown = np.isfinite(rows)
    if shown.sum() < 2:
        return None
    mm = signal.scale.px_per_mm_y * small.shrunk
    pieces = _other_traces(small.ink, rows, max(_LEAST_PX, _OWN_MM * mm))[:, shown]
    height, band = len(pieces), max(3, round(_BAND_MM * mm))
    top, bottom = float(np.nanmin(rows)), float(np.nanmax(rows))
    best: tuple[float, float] | None = None
    for first in range(0, max(1, height - band // 2), max(1, band // 6)):
        inside = pieces[first : first + band]
        covered = float(inside.any(axis=0).mean())
        if covered < _COVERED or (best is not None and covered <= best[1]):
            continue
        at = float(np.median(np.nonzero(inside)[0])) + first
        beyond, free = (top - at, top) if at < (top + bottom) / 2 else (at - bottom, height - bottom)
        if beyond > _BEYOND_MM * mm and free > _FREE_MM * mm:
            best = (beyond / mm if at > bottom else -beyond / mm, covered)
    return best


def _other_traces(ink: NDArray[np.uint8], rows: FloatArray, reach_px: float) -> NDArray[np.bool_]:
    """Mark long pieces of ink that are neither the trace that was read nor full lines of the grid."""
    padded = np.pad(rows, 1, mode="edge")
    around = np.stack([padded[:-2], rows, padded[2:]])
    y = np.arange(len(ink))[:, None]
    with np.errstate(invalid="ignore"):  # NaN where nothing was read: no row is near it
        own = (y >= np.fmin.reduce(around) - reach_px) & (y <= np.fmax.reduce(around) + reach_px)
    rest = ink.copy()
    rest[own] = 0
    edges = np.linspace(0, ink.shape[1], _BLOCKS + 1).astype(int)
    for left, right in pairwise(edges):
        line = ink[:, left:right].mean(axis=1) > _LINE_SHARE
        rest[np.convolve(line, np.ones(3), "same") > 0, left:right] = 0
    rest[:, ink.mean(axis=0) > _LINE_SHARE] = 0
    rest = np.asarray(cv2.morphologyEx(rest, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)), np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(rest, connectivity=8)
    is_long = stats[:, cv2.CC_STAT_WIDTH] >= max(4, _PIECE_SHARE * ink.shape[1])
    is_long[0] = False
    return np.asarray(is_long[labels] & ~own)


def _rows_at(row_px: FloatArray, small: _Small) -> FloatArray:
    """Rows of the trace in the columns of the small picture; NaN outside of it."""
    known = np.flatnonzero(np.isfinite(row_px))
    if not len(known):
        return np.full(small.ink.shape[1], np.nan)
    x = (np.arange(small.ink.shape[1]) + 0.5) * len(row_px) / small.ink.shape[1] - 0.5
    return np.asarray(
        np.interp(x, known, row_px[known], left=np.nan, right=np.nan) * small.shrunk, np.float64
    )


def _dark(image: NDArray[np.uint8], share: float) -> _Small:
    """Mark what is darker than the paper around it by so much of what the darkest ink is."""
    height, width = image.shape[:2]
    shrunk = min(1.0, _LONGEST_PX / max(height, width))
    light = image.max(axis=2)  # coloured lines of a grid are light in one colour; ink in none
    if shrunk < 1:
        size = int(1 / shrunk)
        if size > 1:  # or thin lines would fall between the pixels that are kept
            light = np.asarray(cv2.erode(light, np.ones((size, size), np.uint8)), np.uint8)
        shape = (max(1, round(width * shrunk)), max(1, round(height * shrunk)))
        light = np.asarray(cv2.resize(light, shape, interpolation=cv2.INTER_NEAREST), np.uint8)
    paper = cv2.dilate(light, np.ones((_PAPER_PX, _PAPER_PX), np.uint8))
    paper = cv2.GaussianBlur(paper, (0, 0), 0.6 * _PAPER_PX).astype(np.float32)
    dark = 1 - light / np.maximum(paper, 1)
    return _Small((dark > share * np.quantile(dark, 1 - _DARKEST)).astype(np.uint8), shrunk)
