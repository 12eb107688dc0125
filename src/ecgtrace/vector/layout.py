"""
Rows and columns of a page of vectors: which piece of which trace is which lead.

Rows are told by the traces that begin at the left; names by their common distance from the traces; columns
by where traces begin, or, where a row is one line, by bars or the names' places. Nothing is cut into equal
parts by assumption.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ecgtrace.documents.source import Word
from ecgtrace.layout.one_lead import rows_layout_name
from ecgtrace.layout.strips import layout_name
from ecgtrace.types import FloatArray
from ecgtrace.vector.given import named_as_given
from ecgtrace.vector.lines import Line, PageLines
from ecgtrace.vector.page_choice import NOTHING, PageChoice
from ecgtrace.vector.pieces import Piece
from ecgtrace.vector.printed import lead_name

_NAME_MM = 22.0  # a name stands so near to where its trace begins
_NAME_INSIDE_MM = 8.0  # a name so far from where its row begins names what begins there
_SAME_ROW = 0.3  # of the distance of rows: names and traces of a row, once their common distance is known
_ONE_HEIGHT_MM = 1.0
_BAR_MM = 12.0  # a bar so near to a name parts the columns
_OVERLAP_MM = 1.0
_EQUAL_MM = 0.5  # 20 ms at 25 mm/s
_TOLD_BY_NAMES = {
    True: "columns were told by the places of the names, and are equal: no bars part them",
    False: "columns were told by the places of the names alone, and are not equal: they may begin elsewhere",
}
_ROUNDED_MM = 0.025  # half a sample at 500 Hz and 25 mm/s
_NUMBERED_MM = 4.0  # numbers of one row stand at one height
_NUMBER_DIGITS, _FEWEST_NUMBERS = 3, 3


@dataclass(frozen=True, eq=False)
class PageLayout:
    """
    The pieces of a page and what their order is called.

    Attributes
    ----------
    name : str
        Rows x columns, `+` strips that run over all columns; `rows4`: one lead over four rows.
    pieces : tuple of Piece
        By row, then from left to right.
    row_y : tuple of float
        Height of each row: by the median, or, where rows go on, of the numbers printed in each.
    continued : bool
        Whether each row goes on where the row above ended.
    doubts, notes : tuple of str
    """

    name: str
    pieces: tuple[Piece, ...]
    row_y: tuple[float, ...]
    continued: bool = False
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Name:
    lead: str
    x: float
    y: float


def find_layout(
    lines: PageLines, words: Sequence[Word], per_mm: float, given: PageChoice = NOTHING
) -> PageLayout:
    """
    Tell rows, columns and names.

    Parameters
    ----------
    lines : PageLines
        With at least one trace.
    words : sequence of Word
        Of the upright page.
    per_mm : float
        Points per millimetre.
    given : PageChoice, optional
        Layout and names that the user gives.
    """
    rows = _rows(lines.traces, per_mm)
    row_y = tuple(float(np.median(np.concatenate([trace.y for trace in row]))) for row in rows)
    names = _names(words, lines.traces, per_mm)
    named = _names_of_rows(names, row_y, per_mm)
    doubts: list[str] = []
    notes: list[str] = []
    pieces: list[Piece] = []
    for index, row in enumerate(rows):
        found, told = _pieces(row, named[index], lines.bars, per_mm)
        pieces.extend(replace(piece, row=index) for piece in found)
        if told is not None:
            (notes if told else doubts).append(_TOLD_BY_NAMES[told])
    pieces = _columns(pieces, per_mm)
    numbered = None if any(piece.name for piece in pieces) else _numbered(words, rows, per_mm)
    is_continued = numbered is not None
    called = rows_layout_name(len(rows)) if is_continued else layout_name([piece.row for piece in pieces])
    pieces, told_of_given = named_as_given(pieces, called, is_continued, given)
    doubts += told_of_given
    if numbered is not None:
        notes.append("rows are numbered in seconds: each goes on where the row above ended")
        return PageLayout(called, tuple(pieces), numbered, True, tuple(told_of_given), tuple(notes))
    once = [tuple(dict.fromkeys(texts)) for texts in (doubts, notes)]
    return PageLayout(called, tuple(pieces), row_y, False, *once)


def _rows(traces: Sequence[Line], per_mm: float) -> list[list[Line]]:
    """Put traces in rows from the top: those of one row do not overlap along x and lie at one height."""
    rows: list[list[Line]] = []
    for trace in sorted(traces, key=lambda trace: float(trace.x[0])):
        free = [
            row
            for row in rows
            if row[-1].x[-1] <= trace.x[0] + _OVERLAP_MM * per_mm  # rows are sorted by x
        ]
        starts = [row for row in rows if row not in free]
        if free:
            nearest = min(free, key=lambda row: _apart(row[-1], trace))
            # A row that only begins here lies between others.
            if not starts or len(free) == len(rows) or _apart(nearest[-1], trace) <= _row_gap(rows) / 2:
                nearest.append(trace)
                continue
        rows.append([trace])
    return sorted(rows, key=lambda row: float(np.median(np.concatenate([trace.y for trace in row]))))


def _apart(one: Line, other: Line) -> float:
    return abs(float(np.median(one.y) - np.median(other.y)))


def _row_gap(rows: Sequence[Sequence[Line]]) -> float:
    levels = sorted(float(np.median(row[0].y)) for row in rows)
    return min((b - a for a, b in pairwise(levels)), default=float("inf"))


def _names(words: Sequence[Word], traces: Sequence[Line], per_mm: float) -> list[_Name]:
    """Return the lead names near the traces; those in the page's head or foot are of another matter."""
    left, right = min(_low(trace.x) for trace in traces), max(_high(trace.x) for trace in traces)
    top, bottom = min(_low(trace.y) for trace in traces), max(_high(trace.y) for trace in traces)
    margin = _NAME_MM * per_mm
    return [
        _Name(name, word.x, word.y - word.size / 3)
        for word in words
        if (name := lead_name(word.text))
        and left - margin <= word.x <= right
        and top - margin / 2 <= word.y <= bottom + margin
    ]


def _low(values: FloatArray) -> float:
    return float(np.min(values))


def _high(values: FloatArray) -> float:
    return float(np.max(values))


def _names_of_rows(names: Sequence[_Name], row_y: Sequence[float], per_mm: float) -> list[list[_Name]]:
    """
    Give each row the names that stand at one and the same distance from their rows.

    Printers put names above or below their traces, all at one height. The distance that gives most rows a
    name is taken, the smallest of equals; a row may stay without.
    """
    gap = float(np.median(np.diff(row_y))) if len(row_y) > 1 else 2 * _NAME_MM * per_mm
    reach = min(_SAME_ROW * gap, _NAME_MM * per_mm / 2)
    best: tuple[int, int, float] = (0, 0, 0.0)
    shift = 0.0
    for name in names:
        for level in row_y:
            offset = name.y - level
            if abs(offset) > min(gap, _NAME_MM * per_mm):
                continue
            hits = [_row_of(other.y - offset, row_y, reach) for other in names]
            score = (
                len({hit for hit in hits if hit is not None}),
                sum(h is not None for h in hits),
                -abs(offset),
            )
            if score > best:
                best, shift = score, offset
    rows: list[list[_Name]] = [[] for _ in row_y]
    for name in names:
        row = _row_of(name.y - shift, row_y, reach)
        if row is not None and best[0]:
            rows[row].append(name)
    for index, (own, level) in enumerate(zip(rows, row_y, strict=True)):
        if own:  # those of a row stand at one height, the nearest to the common one
            height = min((name.y for name in own), key=lambda y: abs(y - shift - level))
            rows[index] = [name for name in own if abs(name.y - height) <= _ONE_HEIGHT_MM * per_mm]
    return [sorted(row, key=lambda name: name.x) for row in rows]


def _row_of(y: float, row_y: Sequence[float], reach: float) -> int | None:
    row = int(np.argmin(np.abs(np.array(row_y) - y)))
    return row if abs(row_y[row] - y) <= reach else None


def _pieces(
    row: Sequence[Line], names: Sequence[_Name], bars: Sequence[tuple[float, float, float]], per_mm: float
) -> tuple[list[Piece], bool | None]:
    """
    Cut the traces of a row at the names that stand inside them, and name the pieces.

    Where names alone tell a cut it is also returned whether these make equal columns, which confirms it.
    """
    pieces: list[Piece] = []
    told: bool | None = None
    left = [*names]
    for trace in row:
        start, end = float(trace.x[0]), float(trace.x[-1])
        own = [n for n in left if start - _NAME_MM * per_mm <= n.x < end - _NAME_INSIDE_MM * per_mm]
        left = [name for name in left if name not in own]
        first = [name for name in own if name.x <= start + _NAME_INSIDE_MM * per_mm]
        inside = [name for name in own if name not in first]
        cuts = [start]
        for name in inside:
            at, by_bar = _break(name, trace, bars, first[-1] if first else None, per_mm)
            cuts.append(_nearest_vertex(at, trace, per_mm))
            if not by_bar:
                equal = start + len(cuts[1:]) * (end - start) / (len(inside) + 1)
                told = told is not False and abs(at - equal) <= _EQUAL_MM * per_mm
        # Of several names before a trace the nearest is its own.
        called = [first[-1].lead if first else "", *(name.lead for name in inside)]
        for lead, begin, stop in zip(called, cuts, [*cuts[1:], end], strict=True):
            pieces.append(Piece(trace.points, begin, stop, 0, 0, lead))
    return pieces, told


def _break(
    name: _Name,
    trace: Line,
    bars: Sequence[tuple[float, float, float]],
    first: _Name | None,
    per_mm: float,
) -> tuple[float, bool]:
    """Return where a column begins: at a bar near its name, else as far from it as in the first column."""
    level = float(np.median(trace.y))
    reach = _BAR_MM * per_mm
    near = [
        x for x, top, bottom in bars if abs(x - name.x) <= reach and top - reach <= level <= bottom + reach
    ]
    if near:
        return min(near, key=lambda x: abs(x - name.x)), True
    return name.x - (0.0 if first is None else first.x - float(trace.x[0])), False


def _nearest_vertex(at: float, trace: Line, per_mm: float) -> float:
    """Return the place of the vertex that is as good as there: places of letters and bars are rounded."""
    nearest = float(trace.x[int(np.argmin(np.abs(trace.x - at)))])
    return nearest if abs(nearest - at) <= _ROUNDED_MM * per_mm else at


def _columns(pieces: Sequence[Piece], per_mm: float) -> list[Piece]:
    """Number the columns by where pieces begin."""
    starts = sorted(piece.start for piece in pieces)
    heads = [starts[0]]
    for start in starts:
        if start - heads[-1] > _NAME_INSIDE_MM * per_mm:
            heads.append(start)
    return [replace(piece, column=int(np.argmin(np.abs(np.array(heads) - piece.start)))) for piece in pieces]


def _numbered(
    words: Sequence[Word], rows: Sequence[Sequence[Line]], per_mm: float
) -> tuple[float, ...] | None:
    """
    Return the height of the numbers of each row where numbers run through the rows one by one; else None.

    Such a page shows one lead over several rows.
    """
    if len(rows) < 2 or any(len(row) != 1 for row in rows):
        return None
    lines: dict[int, list[tuple[float, float, int]]] = {}
    for word in words:
        if word.text.isdecimal() and len(word.text) <= _NUMBER_DIGITS:
            height = round(word.y / (_NUMBERED_MM * per_mm))
            lines.setdefault(height, []).append((word.x, word.y, int(word.text)))
    ordered = [sorted(lines[height]) for height in sorted(lines)]
    runs = [line for line in ordered if len(line) >= _FEWEST_NUMBERS and _counts_up(line)]
    if len(runs) != len(rows) or any(before[-1][2] + 1 != after[0][2] for before, after in pairwise(runs)):
        return None
    return tuple(float(np.median([y for _, y, _ in run])) for run in runs)


def _counts_up(line: Sequence[tuple[float, float, int]]) -> bool:
    return all(after[2] == before[2] + 1 for before, after in pairwise(line))
