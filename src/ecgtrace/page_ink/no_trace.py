"""Ink that is taken for traces and can be none: the desk beside the paper, frames, long bars."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.page_ink.maps import MAP_PX_PER_MM, PageMaps

_SURE = 0.4
# Between two samples at 100 Hz a QRS of 1.5 mV at 20 mm/mV climbs 30 mm; rules of the paper are longer.
_LINE_MM = 40.0
_BROKEN_MM = 2.5  # between dashes
_THICK_MM = 0.75  # of a line's trace on the maps, on either side of its middle
_BESIDE = 0.12  # of the length of a line: rows that cross it; by eye on drawn pages
_SOLID_MM = 1.75  # no trace is as thick, nor do QRS complexes fill so much
_RIM_MM = 6.0  # what runs along the picture's edge within so much of it is the edge of the paper
_MOST = 95.0  # percentile of columns: specks near a line are none of it
_STRAIGHT_MM = 0.5  # half of a thick line; a P wave of 0.1 mV is 1 mm high


def without_what_is_none(maps: PageMaps) -> PageMaps:
    """
    Clear the map of traces where no trace can be; upright lines become bars.

    Parameters
    ----------
    maps : PageMaps
        Of an upright page.
    """
    upright = _upright_lines(maps.trace > _SURE)
    # What lies beside the paper is taken now for a trace, now for print.
    none = upright | _beside_paper(np.max([maps.trace, maps.pulse, maps.bar, maps.text], axis=0) > _SURE)
    return replace(
        maps,
        trace=np.where(none, 0, maps.trace).astype(np.float32),
        bar=np.where(upright, np.maximum(maps.bar, maps.trace), maps.bar).astype(np.float32),
    )


def _upright_lines(ink: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark upright runs of ink that are longer than a wave can be."""
    gap = round(_BROKEN_MM * MAP_PX_PER_MM)
    closed = cv2.morphologyEx(ink.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((gap + 1, 1), np.uint8))
    length = min(round(_LINE_MM * MAP_PX_PER_MM), len(ink))
    runs = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((length, 1), np.uint8))
    reach = round(_THICK_MM * MAP_PX_PER_MM)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(runs, connectivity=8)
    lines = np.zeros(ink.shape, np.uint8)
    for k in range(1, count):
        left, top, width, height = stats[k, : cv2.CC_STAT_AREA]
        beside = [x for x in (left - reach, left + width - 1 + reach) if 0 <= x < ink.shape[1]]
        # Waves of several rows, one above the other, make as long a run, but it leans and has more beside it.
        if width <= reach and ink[top : top + height, beside].mean() <= _BESIDE:
            lines[labels == k] = 1
    return np.asarray(cv2.dilate(lines, np.ones((1, 2 * reach + 1), np.uint8)) > 0) & ink


def _beside_paper(ink: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark solid ink at the picture's edge, and lines that run along the edge within a rim."""
    side = round(_SOLID_MM * MAP_PX_PER_MM)
    solid = cv2.morphologyEx(ink.astype(np.uint8), cv2.MORPH_OPEN, np.ones((side, side), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    touches = _from_edges(stats, ink.shape).min(axis=0) <= 1
    touches[0] = False  # what is no ink
    beside = touches[labels]
    _, labels, stats, _ = cv2.connectedComponentsWithStats(ink.astype(np.uint8), connectivity=8)
    rim = _RIM_MM * MAP_PX_PER_MM
    left, top, right, bottom = _from_edges(stats, ink.shape)
    width, height = stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]
    upright = (np.minimum(left, right) + width <= rim) & (height > width)
    lying = (np.minimum(top, bottom) + height <= rim) & (width > height)
    for k in np.flatnonzero(upright | lying)[1 if (upright | lying)[0] else 0 :]:
        x, y, w, h = stats[k, : cv2.CC_STAT_AREA]
        if upright[k] or straightness_mm(labels[y : y + h, x : x + w] == k) <= _STRAIGHT_MM:
            beside |= labels == k
    return np.asarray(beside)


def _from_edges(stats: Any, shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Return how far parts begin from the left, upper, right and lower edge, in px, shape (4, n)."""
    left, top = stats[:, cv2.CC_STAT_LEFT], stats[:, cv2.CC_STAT_TOP]
    right = shape[1] - left - stats[:, cv2.CC_STAT_WIDTH]
    bottom = shape[0] - top - stats[:, cv2.CC_STAT_HEIGHT]
    return np.stack([left, top, right, bottom]).astype(np.int32)


def straightness_mm(ink: NDArray[np.bool_]) -> float:
    """
    Return how far the middle of the ink lies from a straight line, in 19 of 20 columns, in mm.

    Parameters
    ----------
    ink : ndarray of bool, shape (height, width)
        On a map. What has no two columns is no line: infinite.
    """
    columns = np.flatnonzero(ink.any(axis=0))
    if len(columns) < 2:
        return float("inf")
    part = ink[:, columns]
    middle = (part * np.arange(len(part))[:, None]).sum(axis=0) / part.sum(axis=0)
    slope, level = np.polyfit(columns, middle, 1)
    return float(np.percentile(np.abs(middle - level - slope * columns), _MOST)) / MAP_PX_PER_MM
