"""The columns of a page: where names and the signs between leads let them begin."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ecgtrace.layout.columns import Break, RowSigns, shared_breaks, shared_lead_in, shared_signs
from ecgtrace.layout.orders import ORDERS
from ecgtrace.page_ink.names import FoundName
from ecgtrace.types import FloatArray

COLUMN_MM = 12.0  # names of one column stand within so much; leads are longer
_EQUAL_MM = 1.5  # columns told by names alone are equal within the places of names
_CERTAIN = 0.5  # of the rows show a break: of three, one alone has a wave that looks like one too often
_SEVERAL = 0.3  # of the rows that have a name, of which strips have one
_SAME_MM = 3.0  # names of one column stand so near
_IN_LATER = 3  # rows that have a name in a later column
_WELL = 0.7  # score of a name that was read well
_USUAL = (6, 4, 3)  # rows of several columns that stand over strips
_CLEAR = 0.8  # of them show a break that no name tells
_SHORTEST_MM = 15.0  # of a column
_BEFORE_MM = 2.0  # of the first begin a name that hides others may reach
_AWAY_MM = 2.5  # of equal parts a break stands, by what stands before the rows
_FEW_SHOW = 0.3  # of the rows
_PARTED = (3, 4)  # columns of a page
_EQUAL_PLACES_MM = 2.0  # names of columns of one width stand so exactly
_NEAR_EQUAL_MM = 5.0  # how far names may stand from where those of the other columns stand


def find_breaks(
    named: Sequence[Sequence[FoundName]],
    signs: Sequence[RowSigns],
    spans: Sequence[tuple[float, float]],
    per_mm: float,
) -> tuple[list[Break], list[str], list[str]]:
    """
    Find where columns begin, the first apart.

    Parameters
    ----------
    named : sequence of sequence of FoundName
        Names of each row that may have several columns.
    signs : sequence of RowSigns
        Of the same rows.
    spans : sequence of (float, float)
        Where their traces begin and end, in px of the maps.
    per_mm : float

    Returns
    -------
    (list of Break, list of str, list of str)
        With doubts and notes.
    """
    several = rows_of_several(named, per_mm)
    if not several:
        begin, end = np.median(spans, axis=0)
        least = _SHORTEST_MM * per_mm  # nearer to the ends stand pulses and frames
        found = [one for one in _without_names(signs, per_mm) if begin + least < one.x < end - least]
        parts = _equal_parts(signs, (float(begin), float(end)), per_mm)
        found = parts if len(parts) > len(found) else found
        first = found[0].x - COLUMN_MM * per_mm if found else np.inf
        if any(named) and not any(name.x > first for own in named for name in own):
            return [], [], []  # all names stand in one column: there is one, whatever bars there are
        return found, [], []
    columns = _name_columns([named[i] for i in several], per_mm)
    if len(columns) == 1:  # few names of the first column were read, and in other rows
        reach = 2 * COLUMN_MM * per_mm
        firsts = [own[0].x for own in named if own and own[0].x < columns[0] - reach]
        columns = [float(np.median(firsts)), *columns] if firsts else columns
    if not columns:  # names all over the place
        return shared_breaks(signs, per_mm, ()), [], []
    first = columns[0]
    begin = _first_begin([named[i] for i in several], [spans[i][0] for i in several], per_mm)
    lead_in = shared_lead_in([signs[i] for i in several], per_mm, columns[1:], first - begin)
    expected = [x - lead_in for x in columns[1:]]
    breaks = shared_breaks([signs[i] for i in several], per_mm, expected)
    if all(found.evidence >= _CERTAIN for found in breaks):
        return breaks, [], []
    # Names need not stand alike in all columns; where they are near equal parts, signs are looked for there.
    last = max(spans[i][1] for i in several)
    width = (last - begin) / len(columns)
    equal = [begin + (k + 1) * width for k in range(len(breaks))]
    widths = np.diff([begin, *(found.x for found in breaks), last]) / per_mm
    is_equal = np.ptp(widths) <= _EQUAL_MM
    away = max(abs(found.x - x) for found, x in zip(breaks, equal, strict=True)) / per_mm
    is_near = away <= _NEAR_EQUAL_MM
    if is_near:
        again = shared_breaks([signs[i] for i in several], per_mm, equal)
        if sum(found.evidence > 0 for found in again) > sum(found.evidence > 0 for found in breaks):
            breaks = again
    if all(found.evidence for found in breaks):
        few = "columns were told by names and by signs that few rows show: they may begin elsewhere"
        return breaks, [] if is_equal else [few], []
    if not is_near:
        told = "columns were told by names alone, and are not equal: they may begin elsewhere"
        return breaks, [told], []
    breaks = [
        found if found.evidence else replace(found, x=x) for found, x in zip(breaks, equal, strict=True)
    ]
    if is_equal:
        told = "columns were told by names, and are equal: no bars between them were found"
        return breaks, [], [told]
    told = "columns were told by names near equal parts, which were taken: they may begin elsewhere"
    return breaks, [told], []


def rows_of_several(named: Sequence[Sequence[FoundName]], per_mm: float) -> list[int]:
    """
    Return the rows that have several leads by the names that were read.

    A word, or a wave, that was taken for a name makes none. Where no row has two names, those that have one
    in a later column do: their first was not read.
    """
    n_named = sum(map(bool, named))
    several = [i for i, own in enumerate(named) if len(own) > 1]
    if len(several) == 1 and len(named) > 2:
        further = sorted(name.score for name in named[several[0]])[:-1]
        several = several if max(further) >= _WELL else []
    if len(several) >= max(1, _SEVERAL * n_named):
        return several
    later = [name for own in named for name in own if name.score >= _WELL]
    first = min((name.x for own in named for name in own), default=0.0)
    for one in (name for name in later if name.x > first + 2 * COLUMN_MM * per_mm):
        column = [i for i, own in enumerate(named) if any(abs(n.x - one.x) <= _SAME_MM * per_mm for n in own)]
        n_well = sum(abs(name.x - one.x) <= _SAME_MM * per_mm for name in later)
        if len(column) >= _IN_LATER and n_well > 1:
            return column
    return []


def _without_names(signs: Sequence[RowSigns], per_mm: float) -> list[Break]:
    """Find breaks that all rows show, or at least the uppermost: strips stand below, and have none."""
    for count in (len(signs), *(rows for rows in _USUAL if rows < len(signs))):
        found = shared_breaks(signs[:count], per_mm, ())
        if found and (count == len(signs) or all(one.evidence >= _CLEAR for one in found)):
            return found
    return []


def _equal_parts(signs: Sequence[RowSigns], span: tuple[float, float], per_mm: float) -> list[Break]:
    """Find breaks between as many equal columns as recorders print, where some of the rows show them."""
    reach, ends = round(_AWAY_MM * per_mm), round(_SHORTEST_MM * per_mm)
    for count, columns in ORDERS:
        if columns < 3 or count > len(signs):  # the middle alone is shown by anything
            continue
        shared = shared_signs(signs[:count], per_mm)
        places = np.linspace(*span, columns + 1)[1:-1]
        windows = [(max(0, round(x) - reach), round(x) + reach + 1) for x in places]
        at = [low + int(np.argmax(shared[low:high])) for low, high in windows]
        shown = shared[at]
        rest = shared.copy()
        for low, high in windows:
            rest[max(0, low - reach) : high + reach] = 0
        others = rest[round(span[0]) + ends : round(span[1]) - ends].max(initial=0.0)
        if shown.min() > max(others, _FEW_SHOW) and shown.mean() >= _CERTAIN:
            return [Break(float(x), float(value)) for x, value in zip(at, shown, strict=True)]
    return []


def _first_begin(named: Sequence[Sequence[FoundName]], begins: Sequence[float], per_mm: float) -> float:
    """
    Return where the rows begin: the median of those whose first name does not hide it.

    A name on a trace lets it seem to begin later, never earlier: it stands between where the first row begins
    and where its own seems to.
    """
    first = min(begins)
    seen = [
        begin
        for own, begin in zip(named, begins, strict=True)
        if not (own and first - _BEFORE_MM * per_mm <= min(name.x for name in own) < begin)
    ]
    return float(np.median(seen)) if seen else first


def _name_columns(named: Sequence[Sequence[FoundName]], per_mm: float) -> list[float]:
    """Return where names of each column stand: places that at least half of these rows have a name at."""
    places = sorted(name.x for own in named for name in own)
    groups: list[list[float]] = [[places[0]]]
    for x in places[1:]:
        if x - groups[-1][-1] <= COLUMN_MM * per_mm:
            groups[-1].append(x)
        else:
            groups.append([x])
    middles = np.array([np.median(group) for group in groups])
    often = np.array([len(group) >= 0.5 * len(named) for group in groups])
    return [float(x) for x in middles[often | _between(middles, often, per_mm)]]


def _between(places: FloatArray, sure: NDArray[np.bool_], per_mm: float) -> NDArray[np.bool_]:
    """Mark places of few names that part the columns of most names into equal ones."""
    known = np.flatnonzero(sure)
    if len(known) < 2:
        return np.zeros(len(places), np.bool_)
    first, last = places[known[[0, -1]]]
    for columns in _PARTED:
        grid = np.linspace(first, last, columns)
        nearest = np.abs(places[:, None] - grid).argmin(axis=0)
        near = np.abs(places[nearest] - grid) <= _EQUAL_PLACES_MM * per_mm
        if near.all() and {*known.tolist()} <= {*nearest.tolist()}:
            return np.isin(np.arange(len(places)), nearest)
    return np.zeros(len(places), np.bool_)
