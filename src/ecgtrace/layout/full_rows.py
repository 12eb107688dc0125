"""Columns and rows of a page on which not all names could be read: strips stand below the columns."""

from collections.abc import Sequence

import numpy as np

from ecgtrace.layout.columns import Break, RowSigns, shared_breaks
from ecgtrace.layout.orders import ORDERS
from ecgtrace.page_ink.names import FoundName

_CLEAR = 0.8  # of the rows show a break that no name tells
_BREAK_MM = 1.0  # about it
_EQUAL = 0.06  # of their width columns differ by the ends of traces
_APART_MM = 20.0  # columns are at least 30 mm long
_SHOWN_ABOVE, _BELOW = 0.3, 0.3  # of the breaks of all rows; of that share strips show
_ONE_GAP_MM = 14.0  # the widest between columns, with a pulse in it


def with_unnamed(
    breaks: Sequence[Break],
    named: Sequence[Sequence[FoundName]],
    signs: Sequence[RowSigns],
    spans: Sequence[tuple[float, float]],
    per_mm: float,
) -> list[Break]:
    """
    Add a column whose names could not be read, where recorders print so many columns.

    Its rows show where it begins, or two columns are as wide as two of the others, which are equal.

    Parameters
    ----------
    breaks : sequence of Break
        Of the columns that have names.
    named : sequence of sequence of FoundName
        Names of each row.
    signs : sequence of RowSigns
        Of the same rows.
    spans : sequence of (float, float)
        Where their traces begin and end.
    per_mm : float
    """
    several = [index for index, own in enumerate(named) if len(own) > 1]
    if not any(named):  # those that break
        reach = round(_BREAK_MM * per_mm)
        several = [
            index
            for index, one in enumerate(signs)
            if all(
                one.all[max(0, round(f.x) - reach) : round(f.x) + reach + 1].max() >= _CLEAR for f in breaks
            )
        ]
    columns = len(breaks) + 1
    if not breaks or (len(several), columns) in ORDERS or (len(several), columns + 1) not in ORDERS:
        return list(breaks)
    own = [spans[index] for index in several]
    begin, end = np.median(own, axis=0)
    taken = [
        float(begin),
        *(found.x for found in breaks),
        float(end),
    ]  # beside the ends stand pulses and frames
    clear = [
        found
        for found in shared_breaks([signs[index] for index in several], per_mm, ())
        if found.evidence >= _CLEAR and all(abs(found.x - x) > _APART_MM * per_mm for x in taken)
    ]
    clear = _one_of_each(clear, breaks, per_mm)
    if not clear:
        clear = _middle_of_two(own, breaks)
    return sorted([*breaks, *clear], key=lambda found: found.x) if len(clear) == 1 else list(breaks)


def _one_of_each(clear: Sequence[Break], breaks: Sequence[Break], per_mm: float) -> list[Break]:
    """Return one break of those that stand close: a pulse in a gap parts it in two, alike in all columns."""
    kept: list[Break] = []
    step = float(np.median(np.diff([found.x for found in breaks]))) if len(breaks) > 1 else 0.0
    for found in clear:
        if kept and found.x - kept[-1].x <= _ONE_GAP_MM * per_mm:
            # As far from its neighbour as the others are from each other.
            away = [abs(abs(one.x - breaks[-1].x) / step - 1) if step else 0.0 for one in (kept[-1], found)]
            kept[-1] = kept[-1] if away[0] <= away[1] else found
        else:
            kept.append(found)
    return kept


def _middle_of_two(spans: Sequence[tuple[float, float]], breaks: Sequence[Break]) -> list[Break]:
    """Return the middle of the column that is twice as wide as all others, which are equal; or nothing."""
    begin, end = np.median(spans, axis=0)
    edges = [float(begin), *(found.x for found in breaks), float(end)]
    widths = np.diff(edges)
    wide = int(widths.argmax())
    others = np.delete(widths, wide)
    if len(others) < 2 or np.ptp(others) > _EQUAL * others.mean():
        return []
    if abs(widths[wide] / (2 * others.mean()) - 1) > _EQUAL:
        return []
    return [Break((edges[wide] + edges[wide + 1]) / 2, 0.0)]


def with_full_rows(shown: Sequence[Sequence[bool]], named: Sequence[Sequence[FoundName]]) -> list[list[bool]]:
    """
    Let rows show all columns that seem to be strips for want of a name.

    Where the rows of several columns are not as many as recorders print, those above the last of them are no
    strips; nor are those below as long as more are wanted, and none has the name of a lead shown above.

    Parameters
    ----------
    shown : sequence of sequence of bool
        For each row, at which breaks it shows a new column.
    named : sequence of sequence of FoundName
        Names of each row.

    Returns
    -------
    list of list of bool
        As `shown`.
    """
    found = [list(row) for row in shown]
    full = [index for index, row in enumerate(found) if row and all(row)]
    if not full:
        return found
    columns = len(found[0]) + 1
    usual = [rows for rows, several in ORDERS if several == columns]
    if len(full) in usual:
        return found
    every = [True] * (columns - 1)
    for index in range(full[-1]):
        found[index] = list(every)
    n_full = full[-1] + 1
    if n_full not in usual:
        wanted = min((rows for rows in usual if rows > n_full), default=0)
        more = range(n_full, min(wanted, len(found)))
        read = {name.name for own in named[:n_full] for name in own}
        if wanted and len(more) == wanted - n_full:
            if all(name.name not in read for index in more for name in named[index]):
                for index in more:
                    found[index] = list(every)
    return found


def with_strips(shown: Sequence[Sequence[bool]], named: Sequence[Sequence[FoundName]]) -> list[list[bool]]:
    """
    Let the last rows be strips where a bar drawn through all rows lets them seem to have columns.

    They have no names of several leads, and so many rows are not usual, but those above them are. Parameters
    and result are those of `with_full_rows`.
    """
    found = [list(row) for row in shown]
    full = [index for index, row in enumerate(found) if row and all(row)]
    several = [index for index, own in enumerate(named) if len(own) > 1]
    if not full or not several or (len(full), len(found[0]) + 1) in ORDERS:
        return found
    above = [index for index in full if index <= several[-1]]
    if (len(above), len(found[0]) + 1) in ORDERS:
        for index in full[len(above) :]:
            found[index] = [False] * len(found[index])
    return found


def with_usual_rows(shown: Sequence[Sequence[bool]]) -> list[list[bool]]:
    """
    Let as many rows show all columns as recorders print, where no names tell how many do.

    Breaks that few rows show are those of all upper rows, if those below show hardly any.

    Parameters
    ----------
    shown : sequence of sequence of bool
        For each row, at which breaks it shows a new column.

    Returns
    -------
    list of list of bool
        As `shown`.
    """
    found = [list(row) for row in shown]
    columns = len(found[0]) + 1 if found else 1
    n_full = sum(bool(row) and all(row) for row in found)
    if columns < 3 or (n_full, columns) in ORDERS:  # two columns may be anything
        return found
    told = np.array(found, float)
    for rows, several in ORDERS:
        if several != columns or rows > len(found) or told[:rows].mean() < _SHOWN_ABOVE:
            continue
        if rows == len(found) or told[rows:].mean() <= _BELOW * told[:rows].mean():
            return [[index < rows] * (columns - 1) for index in range(len(found))]
    return found
