"""
Where columns begin: at bars, gaps and jumps that several rows share, near where names are printed.

Nothing is cut into equal parts by assumption. Where only names tell the columns, that is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d
from scipy.signal import find_peaks

from ecgtrace.digitization.ink import runs
from ecgtrace.layout.rows import Row
from ecgtrace.page_ink.maps import MAP_PX_PER_MM, PageMaps
from ecgtrace.types import FloatArray

_SURE = 0.5
_BAR_REACH_MM = 9.0  # above and below the zero line a bar is looked for
_BAR_HEIGHT_MM = 2.0  # of ink of bars that make one; dashes of the published pages are 2 x 2.2 mm
_GAP_MM = 0.5  # of bare paper between two leads
_JUMP_MM = 2.0  # from one lead's level to the next that is clear; lower ones count in part
_JUMP_OVER_MM = 0.6  # along x, from before a jump to behind it
_SETTLED_MM = 2.5  # before and behind a jump the level is that of so much
_NEAR_MM = 5.0  # of the place where the names let a column be expected
_SCATTER_MM = 1.5  # of names about their common place
_NAMES_MM = (-8.0, 14.0)  # behind its column's begin that names stand; before it where they have a place
_NAMES_SCATTER_MM = 20.0  # of that, about where the first column seems to begin
_LEAST = 0.5  # of the rows must show a break that no name tells
_TOLD = 0.3  # of the rows make a break that names tell certain
_WIDE_MM, _WIDE_NEAR_MM = 2.0, 8.0  # length of a gap that is wide, and how far from it names may stand
_CLEAR = 0.8  # of the rows show it
_MERGE_MM = 6.0
_BAR_WEIGHT, _GAP_WEIGHT, _JUMP_WEIGHT = 1.0, 1.0, 0.6


@dataclass(frozen=True)
class Break:
    """
    Where a column begins.

    Attributes
    ----------
    x : float
        In px of the maps.
    evidence : float
        Share of the rows that show it; 0 where names alone tell.
    """

    x: float
    evidence: float


@dataclass(frozen=True, eq=False)
class RowSigns:
    """What in a row may be a break, by column of the maps, each in [0, 1]."""

    bar: FloatArray
    gap: FloatArray
    jump: FloatArray

    @property
    def all(self) -> FloatArray:
        """Their sum, at most 1."""
        parts = _BAR_WEIGHT * self.bar + _GAP_WEIGHT * self.gap + _JUMP_WEIGHT * self.jump
        return np.asarray(np.minimum(parts, 1.0))


def signs_of(row: Row, maps: PageMaps) -> RowSigns:
    """Return what in a row may be a break between two leads."""
    per_mm = MAP_PX_PER_MM
    height, width = maps.trace.shape
    top = max(0, round(row.zero_y - _BAR_REACH_MM * per_mm))
    bottom = min(height, round(row.zero_y + _BAR_REACH_MM * per_mm) + 1)
    bar_mm = (maps.bar[top:bottom] > _SURE).sum(axis=0) / per_mm
    bar = np.minimum(bar_mm / _BAR_HEIGHT_MM, 1.0)
    bar[bar < _SURE] = 0
    inked = np.flatnonzero(row.inked)
    gap = np.zeros(width)
    first, last = int(inked[0]), int(inked[-1])
    for begin, end in runs(~row.inked[first : last + 1]):
        if end - begin >= _GAP_MM * per_mm:
            gap[first + begin : first + end] = 1.0
    return RowSigns(bar, gap, _jumps(row, per_mm))


def _jumps(row: Row, per_mm: float) -> FloatArray:
    """
    Tell where the level changes and stays.

    A QRS complex comes back to where it left; a new lead does not. Levels are medians of 2.5 mm.
    """
    filled = row.bridged
    reach, over = max(1, round(_SETTLED_MM * per_mm)), max(1, round(_JUMP_OVER_MM / 2 * per_mm))
    padded = np.pad(filled, reach + over, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, reach)
    level = np.median(windows, axis=1)
    centre = np.arange(len(filled))
    before, after = level[centre], level[centre + reach + 2 * over]
    jump = np.abs(after - before) / per_mm
    # A jump is steep: most of it happens within the step itself.
    near = np.abs(padded[centre + reach + 2 * over] - padded[centre + reach]) / per_mm
    return np.asarray(np.minimum(np.minimum(jump, near) / _JUMP_MM, 1.0))


def shared_breaks(signs: Sequence[RowSigns], per_mm: float, expected: Sequence[float]) -> list[Break]:
    """
    Find the breaks that rows share.

    Parameters
    ----------
    signs : sequence of RowSigns
        Of the rows that may have several columns.
    per_mm : float
    expected : sequence of float
        Where names let a column be expected, in px of the maps; empty where no names tell.

    Returns
    -------
    list of Break
        In order. With `expected`, one for each.
    """
    if not signs:
        return []
    shared = shared_signs(signs, per_mm)
    exact = gaussian_filter1d(np.mean([one.bar + one.gap + one.jump for one in signs], axis=0), 0.25 * per_mm)
    told = np.mean([np.maximum(one.bar, one.gap) for one in signs], axis=0)
    if len(expected):
        near = [_nearest(x, shared, exact, per_mm) for x in expected]
        return [found if found.evidence else _wide_gap(found, told, per_mm) for found in near]
    told = gaussian_filter1d(maximum_filter1d(told, _widened(per_mm)), 0.25 * per_mm)
    peaks, _ = find_peaks(told, height=_LEAST, distance=max(1, round(_MERGE_MM * per_mm)), plateau_size=1)
    return [Break(_centre(x, exact, per_mm), float(told[x])) for x in peaks]


def shared_lead_in(signs: Sequence[RowSigns], per_mm: float, names: Sequence[float], seems: float) -> float:
    """
    Return how far behind the begin of their columns names stand, which printers keep in all columns.

    The rows show a break so far before each name. A name on a trace hides it, and looks like a gap of one
    row or the other; and a trace that seems to begin late, or a pulse before it, moves the begin of the first
    column.

    Parameters
    ----------
    signs : sequence of RowSigns
        Of the rows that have several columns.
    per_mm : float
    names : sequence of float
        Where names of the columns stand, the first column's left out, in px of the maps.
    seems : float
        The distance in the first column.

    Returns
    -------
    float
        `seems` where the rows do not show a break in every column.
    """
    if not len(names):
        return seems
    told = np.stack([maximum_filter1d(np.maximum(one.bar, one.gap), _widened(per_mm)) for one in signs])
    shared = gaussian_filter1d(told.mean(axis=0), 0.25 * per_mm)  # no jumps: a regular rhythm has them alike
    tried = np.arange(_NAMES_MM[0] * per_mm, _NAMES_MM[1] * per_mm)
    seen = np.array([[_likely(x - away, shared, per_mm)[1] for x in names] for away in tried])
    away = (tried - seems) / (_NAMES_SCATTER_MM * per_mm)
    score = np.where(seen.min(axis=1) >= _LEAST, seen.mean(axis=1), 0) * np.exp(-(away**2) / 2)
    return float(tried[int(np.argmax(score))]) if score.any() else seems


def shared_signs(signs: Sequence[RowSigns], per_mm: float) -> FloatArray:
    """Return the share of the rows that show a sign, by column of the maps."""
    widened = np.stack([maximum_filter1d(one.all, _widened(per_mm)) for one in signs])
    return np.asarray(gaussian_filter1d(widened.mean(axis=0), 0.25 * per_mm))


def _widened(per_mm: float) -> int:
    return 2 * max(1, round(0.5 * per_mm)) + 1


def _nearest(x: float, shared: FloatArray, exact: FloatArray, per_mm: float) -> Break:
    best, score = _likely(x, shared, per_mm)
    if score == 0 or shared[best] < _TOLD:
        return Break(x, 0.0)
    return Break(_centre(best, exact, per_mm), float(shared[best]))


def _likely(x: float, shared: FloatArray, per_mm: float) -> tuple[int, float]:
    """Return the likeliest place of a break near a place, and its share of the rows, less the farther."""
    low = max(0, round(x - _NEAR_MM * per_mm))
    high = min(len(shared), round(x + _NEAR_MM * per_mm) + 1)
    if high <= low:
        return 0, 0.0
    away = (np.arange(low, high) - x) / (_SCATTER_MM * per_mm)
    score = shared[low:high] * np.exp(-(away**2) / 2)
    best = int(np.argmax(score))
    return low + best, float(score[best])


def _wide_gap(found: Break, told: FloatArray, per_mm: float) -> Break:
    """
    Return the middle of a wide gap near a place where names alone let a column be expected.

    Large names have a place of their own, between the lead before and their own.
    """
    reach = _WIDE_NEAR_MM * per_mm
    gaps = [
        (low, high)
        for low, high in runs(told >= _CLEAR)
        if high - low >= _WIDE_MM * per_mm and low - reach <= found.x <= high + reach
    ]
    if len(gaps) != 1:
        return found
    low, high = gaps[0]
    return Break((low + high - 1) / 2, float(told[low:high].mean()))


def _centre(x: int, exact: FloatArray, per_mm: float) -> float:
    """Return the middle of the signs about a place."""
    reach = max(1, round(1.0 * per_mm))
    low = max(0, x - reach)
    part = exact[low : x + reach + 1]
    return float(x) if part.sum() <= 0 else float(low + (part * np.arange(len(part))).sum() / part.sum())
