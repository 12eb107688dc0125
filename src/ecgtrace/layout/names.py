"""Printed names and the rows that they name: all stand at one distance from their rows."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ecgtrace.layout.orders import ORDERS
from ecgtrace.layout.rows import Row
from ecgtrace.page_ink.maps import MAP_PX_PER_MM, PageMaps
from ecgtrace.page_ink.names import FoundName
from ecgtrace.types import FloatArray
from ecgtrace.units import LEADS, PAPER_SPEED_MM_PER_S

_FARTHEST_MM = 22.0  # a name stands no farther from its row
_SAME_HEIGHT_MM = 2.5  # names of a row stand at one height; a middle of g and V differs by less
_SAME_ROW = 0.35  # of the distance of rows
_NEAR, _FAR = 0.8, 1.2  # of it: farther than the one, up to the other, only where one row more has a name
_ALONE_GAP_MM = 30.0  # where there is one row
_STROKE_MM = (0.75, 1.5)  # about the middle of an I, along x and y
_ONE_NAME_MM = 5.0  # letters of one name; leads are longer
_TICKS = 3  # one I stands in a row, and another where columns and strips are named alike
_MARKS = 3  # seconds that numbers tell, two of them one after the other
_MARK_MM = 1.25  # about them
_NAME_READ = 0.9
_MARKS_READ = 0.75  # mean score: of names on drawn pages 0.9 and more, of numbers 0.5 to 0.7
_TICKS_HEIGHT_MM = 1.0  # marks of seconds stand on one line
_LEGIBLE = 0.6  # a name that is none of the twelve was read, no letters of a header
_IN_ORDER = 0.3  # for each name in the row of the usual order
_ORDERED = 0.4  # where names stand as usual: more than half a distance of rows costs, less than a row
_FEWEST_TOLD, _MOSTLY = 6, 0.8  # names that tell it, and how many of them do
_ROWS_OF_ORDERS = [
    (n, {lead.removeprefix("-"): row for column in order for row, lead in enumerate(column)})
    for (n, _), orders in ORDERS.items()
    for order in orders
]
_FAR_COST = 0.3  # for a whole distance of rows
_SURE = 0.5
_HALF_HEIGHT_MM, _WIDEST_MM = 1.0, 7.0  # of a name
_LETTER_GAP_MM = 1.0
_HALF_WIDTH_MM = {1: 0.5, 2: 1.5, 3: 3.0}  # of so many letters 2.5 mm high


def names_of_rows(names: Sequence[FoundName], rows: Sequence[Row], per_mm: float) -> list[list[FoundName]]:
    """
    Give each row the names that stand at one and the same distance from their rows.

    Printers put names above or below their traces, all at one height. The distance that gives most rows a
    name is taken, the smallest of equals; a row may stay without. Where rows stand close, a name may stand
    nearer to the trace above than to its own.

    Parameters
    ----------
    names : sequence of FoundName
        In px of the maps.
    rows : sequence of Row
    per_mm : float

    Returns
    -------
    list of list of FoundName
        For each row, from left to right.
    """
    names = [name for name in names if name.name != "other" or name.score >= _LEGIBLE]
    levels = np.array([row.zero_y for row in rows])
    named: list[list[FoundName]] = [[] for _ in rows]
    if not len(levels) or not names:
        return named
    gap = float(np.median(np.diff(levels))) if len(levels) > 1 else _ALONE_GAP_MM * per_mm
    reach = min(_SAME_ROW * gap, _FARTHEST_MM / 2 * per_mm)
    best: tuple[float, int, float] = (0.0, 0, 0.0)
    shift = 0.0
    for name in names:
        for level in levels:
            offset = name.y - level
            if abs(offset) > min(_FAR * gap, _FARTHEST_MM * per_mm):
                continue
            hits = [_row_of(other.y - offset, levels, reach) for other in names]
            best_of: dict[int, float] = {}  # words of a header, and numbers of seconds, are read less well
            for other, hit in zip(names, hits, strict=True):
                if hit is not None:
                    exact = 1 - abs(other.y - offset - levels[hit]) / reach
                    best_of[hit] = max(best_of.get(hit, 0.0), other.score * (1 + exact) / 2)
            rows_hit = sum(best_of.values()) - 0.6 * (abs(offset) > _NEAR * gap)
            rows_hit += _IN_ORDER * _in_order(names, hits, len(levels)) - _FAR_COST * abs(offset) / gap
            placed = [(n.name, hit) for n, hit in zip(names, hits, strict=True) if hit is not None]
            rows_hit += _ORDERED * fits_order(placed, len(levels))
            n_hits = sum(hit is not None for hit in hits)
            score = (rows_hit if n_hits else 0.0, n_hits, -abs(offset))
            if score > best:
                best, shift = score, offset
    for name in names:
        row = _row_of(name.y - shift, levels, reach)
        if row is not None and best[1]:
            named[row].append(name)
    for index, own in enumerate(named):
        if own:
            height = min((n.y for n in own), key=lambda y: abs(y - shift - levels[index]))
            kept = [n for n in own if abs(n.y - height) <= _SAME_HEIGHT_MM * per_mm]
            named[index] = _one_of_each(kept, per_mm)
    return named


def fits_order(names: Sequence[tuple[str, int]], n_rows: int) -> bool:
    """
    Tell whether most names stand in the rows of one usual order; a row may lack them.

    Parameters
    ----------
    names : sequence of (str, int)
        Each with its row, from the top.
    n_rows : int
        Of the page.
    """
    for rows, row_of in _ROWS_OF_ORDERS:
        main = [(name, row) for name, row in names if row < rows and name in LEADS]
        if rows > n_rows or len(main) < _FEWEST_TOLD:
            continue
        if sum(row_of.get(name) == row for name, row in main) >= _MOSTLY * len(main):
            return True
    return False


def _one_of_each(names: Sequence[FoundName], per_mm: float) -> list[FoundName]:
    """Return from left to right the names of a row, of those read at one place the best."""
    kept: list[FoundName] = []
    for name in sorted(names, key=lambda n: n.x):
        if kept and name.x - kept[-1].x <= _ONE_NAME_MM * per_mm:
            kept[-1] = max(kept[-1], name, key=lambda n: n.score)
        else:
            kept.append(name)
    return kept


def _in_order(names: Sequence[FoundName], hits: Sequence[int | None], n_rows: int) -> int:
    """Count the names that stand in the row that a page of twelve rows has them in; 0 where it has fewer."""
    if n_rows < len(LEADS):
        return 0
    told = {(name.name, hit) for name, hit in zip(names, hits, strict=True)}
    return max(
        sum((lead, row) in told for row, lead in enumerate(column)) for (column,) in ORDERS[len(LEADS), 1]
    )


def without_strokes(names: Sequence[FoundName], maps: PageMaps) -> list[FoundName]:
    """
    Leave out each I that is no letter.

    That is a bar or an edge of a pulse, where there is more of their ink than of print, and a mark of
    seconds, of which several stand on one line.
    """
    ones = np.array([name.y for name in names if name.name == "I"])
    names = [
        name
        for name in names
        if name.name != "I" or np.sum(np.abs(ones - name.y) <= _TICKS_HEIGHT_MM * MAP_PX_PER_MM) < _TICKS
    ]
    across, up = round(_STROKE_MM[0] * MAP_PX_PER_MM), round(_STROKE_MM[1] * MAP_PX_PER_MM)
    kept = []
    for name in names:
        x, y = round(name.x), round(name.y)
        at = np.s_[max(0, y - up) : y + up + 1, max(0, x - across) : x + across + 1]
        if name.name != "I" or maps.text[at].sum() >= np.maximum(maps.pulse, maps.bar)[at].sum():
            kept.append(name)
    return kept


def without_seconds(names: Sequence[FoundName]) -> list[FoundName]:
    """
    Leave out numbers of seconds above the traces, which are taken now for one name, now for another.

    They stand a second apart in all rows, where columns of leads are never as narrow, and none is read as
    well as a name.
    """
    if not names:
        return []
    per_s = PAPER_SPEED_MM_PER_S * MAP_PX_PER_MM
    places = np.array([name.x for name in names])
    seconds = (places - places[:, None]) / per_s
    on_marks = np.abs(seconds - np.rint(seconds)) * per_s <= _MARK_MM * MAP_PX_PER_MM
    best = int(on_marks.sum(axis=1).argmax())
    marks = np.rint(seconds[best]).astype(int)
    first = marks[on_marks[best]].min()
    numbers = [
        is_on and not (mark == first and name.score >= _NAME_READ)  # it may stand where the trace begins
        for name, mark, is_on in zip(names, marks, on_marks[best], strict=True)
    ]
    told = {int(mark) for mark, is_number in zip(marks, numbers, strict=True) if is_number}
    if len(told) < _MARKS or not any(mark + 1 in told for mark in told):
        return list(names)
    read = float(np.mean([name.score for name, is_number in zip(names, numbers, strict=True) if is_number]))
    if read > _MARKS_READ:
        return list(names)
    return [name for name, is_number in zip(names, numbers, strict=True) if not is_number]


def with_left_edges(names: Sequence[FoundName], maps: PageMaps) -> list[FoundName]:
    """
    Return the names with `x` where each begins: names of a column begin at one place, their middles do not.

    A name is the text that goes on without a gap to the left of its middle; where the map shows none, half of
    its usual width is taken.
    """
    placed = []
    for name in names:
        half = round(_HALF_HEIGHT_MM * MAP_PX_PER_MM)
        y, x = round(name.y), round(name.x)
        band = np.asarray((maps.text[max(0, y - half) : y + half + 1] > _SURE).any(axis=0))
        gap = round(_LETTER_GAP_MM * MAP_PX_PER_MM)
        left = x
        for column in range(x, max(-1, x - round(_WIDEST_MM * MAP_PX_PER_MM)), -1):
            if band[column]:
                left = column
            elif left - column > gap:
                break
        if left == x:
            left = x - round(_HALF_WIDTH_MM.get(len(name.name.strip("-")), 1.0) * MAP_PX_PER_MM)
        placed.append(replace(name, x=float(left)))
    return placed


def _row_of(y: float, levels: FloatArray, reach: float) -> int | None:
    row = int(np.argmin(np.abs(levels - y)))
    return row if abs(levels[row] - y) <= reach else None
