"""Bars through all rows between columns: the maps take them for traces, the picture shows them whole."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ecgtrace.layout.rows import Row
from ecgtrace.page_ink.maps import MAP_PX_PER_MM, PageMaps

_ROWS = 1.6  # distances of rows that a bar is long: it goes through three rows
_WIDEST_MM = 1.5
_ALIKE = 0.8  # of the longest bar are the others: a beat of rows that touch is shorter
_FEWEST = 3  # rows
_MOST = 3  # bars: four columns
_EQUAL = 0.06  # of the width of the rows columns differ, by what stands before their traces


def with_full_bars(maps: PageMaps, rows: Sequence[Row], dark: NDArray[np.bool_]) -> PageMaps:
    """
    Take for bars what is upright, thin, through several rows, and parts them into columns of equal width.

    Parameters
    ----------
    maps : PageMaps
    rows : sequence of Row
        From the top.
    dark : ndarray of bool, shape of the maps
        What of the picture is as dark as traces.

    Returns
    -------
    PageMaps
        The same where there are no such bars: lines of a grid are more, beats are broader.
    """
    if len(rows) < _FEWEST:
        return maps
    length = round(_ROWS * float(np.median(np.diff([row.zero_y for row in rows]))))
    if length < 2:
        return maps
    ink = dark.astype(np.uint8)
    near = cv2.dilate(ink, np.ones((1, 3), np.uint8))  # a bar leans by a pixel
    upright = cv2.morphologyEx(near, cv2.MORPH_OPEN, np.ones((length | 1, 1), np.uint8))
    labels, count = ndimage.label(upright)
    begin, end = (float(np.median([np.flatnonzero(row.inked)[k] for row in rows])) for k in (0, -1))
    bars = []
    for ys, xs in ndimage.find_objects(labels, count):
        x = (xs.start + xs.stop - 1) / 2
        if not begin + 0.1 * (end - begin) < x < end - 0.1 * (end - begin):
            continue
        if xs.stop - xs.start > _WIDEST_MM * MAP_PX_PER_MM + 2:
            return maps
        bars.append((x, ys, xs))
    longest = max((ys.stop - ys.start for _, ys, _ in bars), default=0)
    bars = [bar for bar in bars if bar[1].stop - bar[1].start >= _ALIKE * longest]
    if not 1 <= len(bars) <= _MOST:
        return maps
    edges = np.array([begin, *sorted(bar[0] for bar in bars), end])
    if np.ptp(np.diff(edges)) > 2 * _EQUAL * (end - begin):
        return maps
    trace, bar = maps.trace.copy(), maps.bar.copy()
    for _, ys, xs in bars:
        trace[ys, xs] = 0
        bar[ys, xs] = 1
    return replace(maps, trace=trace, bar=bar)
