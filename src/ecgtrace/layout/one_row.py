"""Rows that were found in pieces: where traces wander far, votes for one zero line part into several."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from ecgtrace.layout.rows import Row
from ecgtrace.page_ink.maps import MAP_PX_PER_MM, PageMaps
from ecgtrace.page_ink.names import FoundName
from ecgtrace.types import FloatArray
from ecgtrace.units import LEADS

_WELL = 0.8  # score of a name that was read well
_LINE_MM = 2.5  # names of a row stand at one height
_EVEN = 0.25  # of their distance lines differ: rows of one page, not words of a header
_NEAR = 0.6  # of the distance of lines: rows stand no closer
_OFF = (-0.75, 0.45)  # of it, that a zero line stands below its names: above and below them
_COLUMN_MM = 4.0  # names of a column begin at one place
_FEWEST_IN_COLUMN = 6
_BEYOND = 3  # rows above and below the first and the last name that was read
_FEWEST_NAMES, _FEWEST_LINES = 2, 2
_BOTH = 0.5  # of the columns of the shorter one
_SURE = 0.5
_HIGH_MM, _WIDE_MM = 3.0, 1.5  # of a pulse


def name_lines(names: Sequence[FoundName]) -> FloatArray:
    """
    Return the heights at which names of leads stand in line, from the top; empty where that is not told.

    Each row of a page has a name in its first column, and rows of several leads have more.
    """
    own = sorted(name.y for name in names if name.name in LEADS and name.score >= _WELL)
    groups: list[list[float]] = []
    for y in own:
        if groups and y - groups[-1][-1] <= _LINE_MM * MAP_PX_PER_MM:
            groups[-1].append(y)
        else:
            groups.append([y])
    lines = np.array([np.median(group) for group in groups if len(group) >= _FEWEST_NAMES])
    return lines if len(lines) else _one_column(names)


def _one_column(names: Sequence[FoundName]) -> FloatArray:
    """Return the heights of names that stand evenly one below the other, unread ones between them too."""
    own = [name for name in names if name.name in LEADS and name.score >= _WELL]
    reach = _COLUMN_MM * MAP_PX_PER_MM
    columns = [sorted(name.y for name in own if abs(name.x - one.x) <= reach) for one in own]
    heights = np.array(max(columns, key=len, default=[]), np.float64)
    if len(heights) < _FEWEST_IN_COLUMN:
        return np.array([], np.float64)
    pitch = float(np.median(np.diff(heights)))
    if pitch <= 0:
        return np.array([], np.float64)
    places = np.rint((heights - heights[0]) / pitch)
    pitch, first = np.polyfit(places, heights, 1)
    away = np.abs(heights - first - pitch * places) / pitch
    if len(set(places.tolist())) < len(places) or away.max() > _EVEN / 2:
        return np.array([], np.float64)
    return np.asarray(first + pitch * np.arange(-_BEYOND, places[-1] + 1 + _BEYOND))


def joined_by_lines(rows: Sequence[Row], lines: FloatArray) -> list[Row]:
    """
    Join rows that stand closer than the lines of a page do, each to the line that it is nearest to.

    Parameters
    ----------
    rows : sequence of Row
        From the top.
    lines : ndarray of float, shape (n,)
        What stands once to a row: names, or base lines of pulses; in px of the maps.

    Returns
    -------
    list of Row
        As given where lines are few or uneven, or no rows stand closer.
    """
    steps = np.diff(lines)
    if len(lines) < _FEWEST_LINES or np.ptp(steps) > _EVEN * steps.mean():
        return list(rows)
    pitch = float(steps.mean())
    levels = np.array([row.zero_y for row in rows])
    if not (np.diff(levels) < _NEAR * pitch).any():
        return list(rows)
    weights = np.array([row.inked.sum() for row in rows], float)

    def fit(off: float) -> float:
        away = np.abs(levels[:, None] - lines[None] - off).min(axis=1) / (pitch / 2)
        return float((weights * np.maximum(0, 1 - away**2)).sum())

    off = max(np.linspace(_OFF[0], _OFF[1], 61) * pitch, key=fit)
    nearest = np.abs(levels[:, None] - lines[None] - off).argmin(axis=1)
    near = np.abs(levels - lines[nearest] - off) <= _NEAR * pitch
    joined = [row for row, is_near in zip(rows, near, strict=True) if not is_near]
    for line in range(len(lines)):
        own = [k for k in range(len(rows)) if near[k] and nearest[k] == line]
        own.sort(key=lambda k: -weights[k])
        while own:
            parts = [own.pop(0)]
            inked = rows[parts[0]].inked
            for k in list(own):
                if (inked & rows[k].inked).sum() <= _BOTH * weights[k]:  # else a strip that stands close
                    parts.append(k)
                    own.remove(k)
                    inked = inked | rows[k].inked
            level = float(np.average(levels[parts], weights=weights[parts]))
            joined.append(Row(level, np.any([rows[k].ink for k in parts], axis=0)))
    return sorted(joined, key=lambda row: row.zero_y)


def pulse_lines(maps: PageMaps) -> FloatArray:
    """Return the base lines of the calibration pulses that stand one below the other, from the top."""
    labels, count = ndimage.label(maps.pulse > _SURE, structure=np.ones((3, 3)))
    found = [
        (ys.stop, xs.start)
        for ys, xs in ndimage.find_objects(labels, count)
        if ys.stop - ys.start >= _HIGH_MM * MAP_PX_PER_MM and xs.stop - xs.start >= _WIDE_MM * MAP_PX_PER_MM
    ]
    reach = _LINE_MM * MAP_PX_PER_MM
    columns = [[y for y, left in found if abs(left - x) <= reach] for _, x in found]
    longest: list[float] = max(columns, key=len, default=[])
    return np.array(sorted(longest), np.float64)
