"""
Ink that reading left over: a second lead in the picture, or waves that the trace does not follow.

Numbers in the comments: 78 crops of the data set authors' program, 117 of ECG-image-kit's pages and 80 drawn
ones (validation, `printer=mixed data.box_jitter_mm=2`), by the rows of their true traces; for waves, 163 of
them that were read above 20 dB.
"""

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.digitization.dark_ink import find_dark_ink
from ecgtrace.types import FloatArray, LeadSignal

_LEAD_INK = 0.6  # share of the darkness of the darkest ink
_LINE_SHARE = 0.6  # a row or column that is inked so far is a line of the grid
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

# What is left over of a wave joins the trace, is narrow, high, and ends within the picture; a neighbour's
# wave that crosses the trace goes on at its other side, or comes from the edge. Of 163 crops 1 has
# such pieces.
_WAVE_INK = 0.75
_TRACE_MM = 1.2  # width of what counts as the trace itself
_WAVE_MM, _WAVE_WIDTH_MM = 2.0, 2.0  # 3 mm of width added a false alarm and found no more
_NAME_MM, _END_MM = 12.0, 3.0  # names stand along the first stretch, bars at the end: there nothing is told


def second_lead(image: NDArray[np.uint8], signal: LeadSignal) -> tuple[float, float] | None:
    """
    Find a second lead: a long trace at another zero line, in a part that the first does not need.

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
    dark = find_dark_ink(image, _LEAD_INK)
    rows = dark.rows_of(signal.row_px)
    shown = np.isfinite(rows)
    if shown.sum() < 2:
        return None
    mm = signal.scale.px_per_mm_y * dark.shrunk
    pieces = _other_traces(dark.ink, rows, max(_LEAST_PX, _OWN_MM * mm))[:, shown]
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


def unread_waves(image: NDArray[np.uint8], signal: LeadSignal) -> list[float]:
    """
    Find waves that the trace does not follow: narrow pieces of ink that join it and end within the picture.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
    signal : LeadSignal
        What was read from it.

    Returns
    -------
    list of float
        Height of each in mm.
    """
    dark = find_dark_ink(image, _WAVE_INK)
    rows = dark.rows_of(signal.row_px)
    shown = np.flatnonzero(np.isfinite(rows))
    if len(shown) < 2:
        return []
    mm_x, mm_y = signal.scale.px_per_mm_x * dark.shrunk, signal.scale.px_per_mm_y * dark.shrunk
    own = np.zeros_like(dark.ink)
    points = np.stack([shown, np.rint(rows[shown])], axis=1).astype(np.int32)
    cv2.polylines(own, [points], False, 1, max(3, round(_TRACE_MM * mm_y)))
    rest = np.where(own > 0, 0, dark.ink).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(rest, connectivity=8)
    joined = np.unique(labels[(cv2.dilate(own, np.ones((3, 3), np.uint8)) > 0) & (rest > 0)])
    high = joined[stats[joined, cv2.CC_STAT_HEIGHT] >= _WAVE_MM * mm_y]
    left, top, width, height = (stats[high, column] for column in range(4))
    middle = np.clip(left + width // 2, shown[0], shown[-1])
    is_above = top + height / 2 < rows[middle]
    from_edge = (top <= 1) | (top + height >= len(rest) - 1)
    told = (left >= shown[0] + _NAME_MM * mm_x) & (left + width <= shown[-1] - _END_MM * mm_x)
    found = []
    for k in np.flatnonzero(told & ~from_edge & (width <= _WAVE_WIDTH_MM * mm_x)):
        beside = (left < left[k] + width[k] + mm_x) & (left + width > left[k] - mm_x)
        if not (beside & (is_above != is_above[k])).any():
            found.append(float(height[k] / mm_y))
    return found
