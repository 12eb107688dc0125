"""The columns of a page: where they begin, and which rows have them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecgtrace.layout.breaks import COLUMN_MM, find_breaks, rows_of_several
from ecgtrace.layout.column_sums import columns_by_sums
from ecgtrace.layout.columns import Break, RowSigns, signs_of
from ecgtrace.layout.full_rows import with_full_rows, with_strips, with_unnamed, with_usual_rows
from ecgtrace.layout.given import GivenLayout, given_breaks
from ecgtrace.layout.names import names_of_rows
from ecgtrace.layout.orders import ORDERS
from ecgtrace.layout.rows import Row
from ecgtrace.page_ink.maps import MAP_PX_PER_MM, PageMaps
from ecgtrace.page_ink.names import FoundName
from ecgtrace.units import LEADS

SHORTEST_MM = 8.0  # of a piece: 0.3 s
_GAP_MM = 3.0  # bare paper that a trace may lose to a stain
_OWN_SIGN = 0.5  # a row breaks where a column begins if it shows this of a sign of its own
_MOSTLY = 0.6  # of the rows of several columns have several names
_COLUMNS = (2, 3, 4)  # that pages of twelve leads have
_NEAR_MM = 1.5  # of the column's begin


@dataclass(frozen=True, eq=False)
class PageColumns:
    """
    Columns of a page.

    Attributes
    ----------
    rows : list of Row
        Without those above the columns that are lines of the paper.
    named : list of list of FoundName
        Names of each row.
    spans : list of (float, float)
        Where the trace of each begins and ends, in px of the maps.
    breaks : list of Break
        Where columns begin, the first apart.
    shown : list of list of bool
        For each row, at which of them it breaks.
    doubts, notes : list of str
    """

    rows: list[Row]
    named: list[list[FoundName]]
    spans: list[tuple[float, float]]
    breaks: list[Break]
    shown: list[list[bool]]
    doubts: list[str]
    notes: list[str]


def columns_of_page(
    rows: list[Row], names: Sequence[FoundName], maps: PageMaps, given: GivenLayout | None = None
) -> PageColumns:
    """
    Find the columns of a page: as given; or by names, bars, gaps and jumps; or by the sums of limb leads.

    Parameters
    ----------
    rows : list of Row
    names : sequence of FoundName
    maps : PageMaps
    given : GivenLayout, optional
    """
    per_mm = MAP_PX_PER_MM
    named = names_of_rows(names, rows, per_mm)
    signs = [signs_of(row, maps) for row in rows]
    spans = [_span(row, per_mm) for row in rows]
    n_full = len(rows) if given is None else given.rows
    breaks, doubts, notes = find_breaks(named[:n_full], signs[:n_full], spans[:n_full], per_mm)
    breaks = with_unnamed(breaks, named[:n_full], signs[:n_full], spans[:n_full], per_mm)
    n_several = len(rows_of_several(named, per_mm))  # names tell how many leads a row has
    if given is not None:
        if not (n_several and len(breaks) == given.columns - 1):
            breaks, told = given_breaks(breaks, signs[:n_full], spans[:n_full], given.columns, per_mm)
            doubts, notes = [], [told] if told else []
        shown = [[index < n_full] * len(breaks) for index in range(len(rows))]
        return PageColumns(rows, named, spans, breaks, shown, doubts, notes)
    shown = [_shown(*row, breaks, n_several > 0) for row in zip(named, signs, strict=True)]
    if n_several:
        shown = with_strips(with_full_rows(shown, named), named)
    else:
        shown = with_usual_rows(shown)
    shown = _of_twelve(shown)
    is_one = not n_several and 2 * sum(map(bool, named)) >= len(named) and _below_each_other(named)
    n_full = sum(bool(row) and all(row) for row in shown)
    is_usual = (n_full, len(breaks) + 1) in ORDERS and n_several >= _MOSTLY * n_full
    if not is_one and not is_usual:
        sums = columns_by_sums(rows, signs, spans, breaks, per_mm)
        if sums is not None:
            rows, named, spans = rows[sums.first :], named[sums.first :], spans[sums.first :]
            shown = [[index < sums.n_rows] * len(sums.breaks) for index in range(len(rows))]
            return PageColumns(rows, named, spans, sums.breaks, shown, sums.doubts, sums.notes)
    return PageColumns(rows, named, spans, breaks, shown, doubts, notes)


def _of_twelve(shown: list[list[bool]]) -> list[list[bool]]:
    """
    Take rows below those of twelve leads for strips: a wave or a stain lets them seem to break, too.

    Examples
    --------
    >>> _of_twelve([[True]] * 7)[5:]
    [[True], [False]]
    """
    n_full = sum(bool(row) and all(row) for row in shown)
    n_columns = len(shown[0]) + 1 if shown else 1
    if n_columns not in _COLUMNS or n_columns * n_full <= len(LEADS) or not all(map(all, shown)):
        return shown
    n_rows = len(LEADS) // n_columns
    return shown[:n_rows] + [[False] * (n_columns - 1)] * (len(shown) - n_rows)


def _below_each_other(named: Sequence[Sequence[FoundName]]) -> bool:
    """Tell whether the names of all rows stand in one column."""
    places = [name.x for own in named for name in own]
    return float(np.ptp(places)) <= 2 * COLUMN_MM * MAP_PX_PER_MM


def _span(row: Row, per_mm: float) -> tuple[float, float]:
    """
    Return where the trace of a row begins and ends.

    Gaps are closed; what is short and alone, before or behind it, is a pulse, a letter or the paper's edge.
    """
    inked = np.flatnonzero(row.inked)
    pieces = np.split(inked, np.flatnonzero(np.diff(inked) > _GAP_MM * per_mm) + 1)
    long = [piece for piece in pieces if np.ptp(piece) > SHORTEST_MM * per_mm] or [inked]
    return float(long[0][0]), float(long[-1][-1])


def _shown(names: Sequence[FoundName], signs: RowSigns, breaks: Sequence[Break], several: bool) -> list[bool]:
    """Say at which of the breaks a row breaks, or has a name."""
    per_mm = MAP_PX_PER_MM
    reach = round(_NEAR_MM * per_mm)
    before = 2 * COLUMN_MM / 3 * per_mm
    is_first = not breaks or not names or names[0].x < breaks[0].x - before
    later = names[is_first:]
    shown: list[bool] = []
    for k, found in enumerate(breaks):
        x = round(found.x)
        own = float(signs.all[max(0, x - reach) : x + reach + 1].max(initial=0.0))
        until = breaks[k + 1].x - before if k + 1 < len(breaks) else np.inf
        shown.append(own >= _OWN_SIGN or any(found.x - before <= name.x < until for name in later))
    # A bar drawn through all rows cuts a strip's trace as little as its name is printed again; and where its
    # name was not read, a wave at one break is no column.
    if several and ((len(names) == 1 and is_first) or (not names and not all(shown))):
        shown = [False] * len(breaks)
    # A row shows all columns or is a strip: what is print at one of three breaks is no name, and a break
    # that one row alone does not show is there.
    elif len(breaks) > 1:
        shown = [2 * sum(shown) > len(breaks) or (2 * sum(shown) == len(breaks) and len(names) > 1)] * len(
            breaks
        )
    return shown
