"""
Pulses that touch each other: where rows stand closer than a pulse is high, they join to a ladder.

No part of it looks like a pulse by itself, and its rungs lie on the zero lines of the rows, as traces do. Its
two stiles are upright lines through all rows, the width of a pulse apart.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.digitization.ink import runs
from ecgtrace.layout.rows import Row
from ecgtrace.page_ink.maps import MAP_PX_PER_MM, PageMaps
from ecgtrace.types import FloatArray

# Measured on drawn pages of twelve rows: stiles cover 0.88 to 1 of the height and are 3 to 5 px of the maps
# wide; complexes of a beat that all leads show at one time cover up to 0.9 and are 5 to 8 px wide.
_FEWEST = 5  # rows
_CLOSE_MM = 24.0  # rows stand at the most: pulses of 20 mm and their feet would not touch
_INK = 0.4
_COVERED, _WIDEST_MM = 0.85, 1.25
_PALE = 0.35  # covers a second stile that is drawn paler, or hidden in part
_APART_MM = (5.0, 10.0)  # 0.2 s at 25 and at 50 mm/s
_EXACT_MM = 0.6
_NEAR_MM = 16.0  # the ends of the rows
_ALIKE = 0.9  # as well covered as a stile, but far from the ends: beats, or lines of the grid
_ALIKE_ALLOWED = 1  # of them: a bar between columns
_DARK = (0.6, 0.75, 0.88)  # of the darkness of traces, in the picture; the first that leaves the grid out
_MUCH = 0.15  # of the picture: then it is not left out


class Uppermost(NamedTuple):
    """The pulse of the first row, in mm: its left and right end, its base line (y), its height and width."""

    x: float
    end_x: float
    base_y: float
    height: float
    width: float


def without_ladders(
    rows: Sequence[Row], maps: PageMaps, dark: NDArray[np.bool_] | None = None
) -> tuple[list[Row], PageMaps, Uppermost | None]:
    """
    Leave out what of the rows is pulses that touch each other, and what lies beyond them.

    Parameters
    ----------
    rows : sequence of Row
        From the top.
    maps : PageMaps
    dark : ndarray of bool, shape of the maps, optional
        What of the picture is as dark as traces (`dark_as_traces`): stiles that no map shows.

    Returns
    -------
    list of Row
        Those that have ink besides.
    PageMaps
        Without traces there.
    Uppermost or None
        It stands out above the others; its height is NaN where the picture cuts it. None where there is no
        ladder with two stiles.
    """
    if len(rows) < _FEWEST or np.median(np.diff([row.zero_y for row in rows])) > _CLOSE_MM * MAP_PX_PER_MM:
        return list(rows), maps, None
    top, bottom = max(0, round(rows[0].zero_y)), round(rows[-1].zero_y)  # one may lie above the picture
    inked = [np.flatnonzero(row.inked) for row in rows]
    begin, end = (float(np.median([where[k] for where in inked])) for k in (0, -1))
    seen = np.max([maps.trace, maps.pulse, maps.bar], axis=0) > _INK
    before: list[int] = []
    behind: list[int] = []
    for ink in (seen,) if dark is None else (seen, dark):
        ink = ink.copy()
        ink[:, 1:-1] |= ink[:, :-2] | ink[:, 2:]  # an upright line leans by a pixel
        covered = ink[top : bottom + 1].mean(axis=0)
        before = _stiles(covered, begin)
        behind = [len(covered) - 1 - x for x in _stiles(covered[::-1], len(covered) - 1 - end)]
        if (before or behind) and _alone(covered, [*before, *behind], begin, end):
            break
        before, behind = [], []
    beside = round(_WIDEST_MM / 2 * MAP_PX_PER_MM)
    first = max(before) + beside + 1 if before else 0
    last = min(behind) - beside if behind else maps.trace.shape[1]
    beyond = np.zeros(maps.trace.shape, np.bool_)
    beyond[:, :first] = beyond[:, last:] = True
    kept = []
    for row in rows:
        own = row.ink & ~beyond
        if own.any():
            kept.append(replace(row, ink=own))
    stiles = next((sorted(found) for found in (before, behind) if len(found) > 1), None)
    uppermost = None if stiles is None else _uppermost(stiles[0], stiles[-1], ink, top)
    return kept, maps.without([beyond]) if before or behind else maps, uppermost


def dark_as_traces(image: NDArray[np.uint8], maps: PageMaps) -> NDArray[np.bool_]:
    """
    Return which px of the maps have ink of the picture that is as dark as its traces.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
        The sheet, RGB.
    maps : PageMaps
        Of it.
    """
    height, width = maps.trace.shape
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    across, up = (max(1, round(step)) for step in maps.page_px)
    darkest = cv2.erode(grey, np.ones((up, across), np.uint8))  # thin lines are not lost between two px
    small = cv2.resize(darkest, (width, height), interpolation=cv2.INTER_NEAREST).astype(np.float32)
    beside = round(_NEAR_MM / 4 * MAP_PX_PER_MM)
    paper = cv2.blur(cv2.dilate(small, np.ones((beside, beside), np.uint8)), (beside, beside))
    darkness = paper - small
    traces = maps.trace > 2 * _INK
    if not traces.any():
        return np.zeros(maps.trace.shape, np.bool_)
    usual = float(np.median(darkness[traces]))
    for share in _DARK:
        dark = np.asarray(darkness > share * usual)
        if dark.mean() <= _MUCH:
            break
    return dark


def _alone(covered: FloatArray, stiles: Sequence[int], begin: float, end: float) -> bool:
    """Tell whether no other columns are covered as well: beats come again, and lines of grids."""
    least = _ALIKE * float(min(covered[x] for x in stiles))
    near = _NEAR_MM * MAP_PX_PER_MM
    inside = [low for low, high in runs(covered >= least) if begin + near < (low + high) / 2 < end - near]
    return len(inside) <= _ALIKE_ALLOWED


def _stiles(covered: FloatArray, begin: float) -> list[int]:
    """Return the columns of the stiles of the ladder about the begin of the rows."""
    per_mm = MAP_PX_PER_MM
    found = [
        (low + high - 1) // 2
        for low, high in runs(covered >= _COVERED)
        if high - low <= _WIDEST_MM * per_mm and abs((low + high - 1) / 2 - begin) <= _NEAR_MM * per_mm
    ]
    reach = round(_EXACT_MM * per_mm)
    pairs = [
        [left, right]
        for left, right in combinations(found, 2)
        if any(abs(right - left - apart * per_mm) <= reach for apart in _APART_MM)
    ]
    if pairs:  # beats that all rows show at once may stand behind them
        return max(pairs, key=lambda pair: float(covered[pair].min()))
    for apart in _APART_MM if len(found) == 1 else ():
        second = round(found[0] + apart * per_mm)
        part = covered[max(0, second - reach) : second + reach + 1]
        if part.size and part.max() >= _PALE:
            found.append(second - reach + int(np.argmax(part)))
            break
    return found


def _uppermost(left: int, right: int, ink: NDArray[np.bool_], zero_y: int) -> Uppermost:
    """Measure the pulse of the first row: along its stiles, upwards from its zero line."""
    per_mm = MAP_PX_PER_MM
    up = ink[zero_y::-1, [left, right]].any(axis=1)
    bare = np.flatnonzero(~up)
    height = float(bare[0] - 1) if len(bare) else float("nan")  # else the picture cuts it
    return Uppermost(left / per_mm, right / per_mm, zero_y / per_mm, height / per_mm, (right - left) / per_mm)
