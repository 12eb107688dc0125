"""Rows that are no rows of leads: rules of the paper, and pieces of a trace that wandered off its row."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ecgtrace.layout.names import fits_order, names_of_rows
from ecgtrace.layout.rows import SURE, Row
from ecgtrace.page_ink.maps import MAP_PX_PER_MM, PageMaps
from ecgtrace.page_ink.names import FoundName
from ecgtrace.types import FloatArray
from ecgtrace.units import LEADS

_WELL = 0.7  # score of a name that was read well; words of headers come lower
_ALIKE_MM = 4.0  # rows begin and end so near to each other
_SOME = 0.25  # of the rows end alike: some end with a stroke of the grid, or a pulse
_SPACED = (0.75, 1.25)  # of the usual distance of rows
_COLUMN_MM = 5.0  # names of a column begin at one place
_PIECE = 0.35  # of the usual ink along a row: what has less, and no name, is a piece
_APART = 1.3  # times the largest distance of the others stands what is none of them
_NAMED = 0.8  # of the others have a name
_SHORT = 0.6  # of the others' ink along a row
_TOO_NEAR = 0.5  # of the distance of rows: what stands so near to a row is no row of its own
_ROWS = 3  # tell what is usual
_CLOSE = 1.5  # of the distance of rows: no third stands between two that are so close
_ALL_THREE = 0.3  # of its columns, at crossings and in steep waves
_FEWEST = 2  # rows that have names
# Of the columns of a frame lie on one straight line, where letters and waves touch it; and narrow waves stand
# out of it less than beats out of a lead that runs as level: 0.56 and more of strips on drawn pages.
_FRAME, _NO_BEATS = 0.75, 0.35
_BEYOND_MM = 2.0
_NEARLY_MM = 0.9  # of a line that is bent
_LEAST_MM = 1.0  # along x: shorter ones are specks, and steep waves that reach far from their row
_TOUCH_MM = 1.5  # from a piece to the trace that it belongs to
_NEAR = 0.7  # of the distance of rows, from a piece to the zero line of its row


def without_lines(rows: Sequence[Row], names: Sequence[FoundName]) -> tuple[list[Row], list[Row]]:
    """
    Leave out straight lines: rules and frames of the paper.

    A lead that shows no wave has a name of its own, which none of the other rows takes, or it is as long as
    the others, and as far from them. Above or below all others it is both, where any has a name: words of a
    header stand above the frame as the name of a lead above its row, but the frame is longer.

    Returns
    -------
    (list of Row, list of Row)
        Those that may be leads, and those left out; where all are straight, none is left out.
    """
    waves = [row for row in rows if not row.is_straight]
    if not waves or len(waves) == len(rows):
        return list(rows), []
    names = [name for name in names if name.name in LEADS and name.score >= _WELL]
    of_each = names_of_rows(names, waves, MAP_PX_PER_MM)
    taken = {id(name) for own in of_each for name in own}
    inner = [waves[0].zero_y < row.zero_y < waves[-1].zero_y for row in rows]
    own = names_of_rows(names, rows, MAP_PX_PER_MM)
    of_waves = [name.x for name in names if id(name) in taken]
    named = [any(id(name) not in taken and _in_column(name.x, of_waves) for name in found) for found in own]
    keep = [
        not row.is_straight or ((is_inner or not taken) + is_named + _in_line(row, waves) >= 2)
        for row, is_named, is_inner in zip(rows, named, inner, strict=True)
    ]
    return (
        [row for row, kept in zip(rows, keep, strict=True) if kept],
        [row for row, kept in zip(rows, keep, strict=True) if not kept],
    )


def without_doubles(rows: Sequence[Row]) -> list[Row]:
    """
    Give a row that stands between two others, where one of them has no ink, to those that it is a piece of.

    Two traces that come near each other vote for a zero line between theirs as long as they do. Where three
    rows stand, all three have ink in the same columns.
    """
    kept = list(rows)
    usual = float(np.median(np.diff([row.zero_y for row in rows]))) if len(rows) > _ROWS else 0.0
    k = 1
    while k < len(kept) - 1:
        above, row, below = kept[k - 1 : k + 2]
        all_three = (above.inked & row.inked & below.inked).sum()
        is_close = below.zero_y - above.zero_y < _CLOSE * usual
        is_piece = row.inked.sum() < _SHORT * min(above.inked.sum(), below.inked.sum())
        if is_close and is_piece and all_three <= _ALL_THREE * row.inked.sum():
            to_above = row.ink & ~above.inked
            kept[k - 1] = replace(above, ink=above.ink | to_above)
            kept[k + 1] = replace(below, ink=below.ink | (row.ink & ~to_above))
            del kept[k]
        else:
            k += 1
    return kept


def without_edges(rows: Sequence[Row], names: Sequence[FoundName]) -> tuple[list[Row], list[Row]]:
    """
    Leave out an edge of the paper or of a frame, with what touches it, above or below rows that have names.

    Waves that reach the edge, or letters on it, let it be no straight line. It is a row without a name among
    rows that have one, and it stands apart, or is far shorter than the others, or is a line for the most
    part; or it is such a line, and longer than all others at both ends.

    Returns
    -------
    (list of Row, list of Row)
        Those that may be leads, and those left out.
    """
    kept, left_out = list(rows), []
    for end in (0, -1):
        others = kept[1:] if end == 0 else kept[:-1]
        if len(others) < _FEWEST:
            break
        is_frame = _is_frame(kept[end], others)
        gap = abs(kept[end].zero_y - others[end].zero_y)
        is_apart = gap > _APART * float(np.diff([row.zero_y for row in others]).max())
        if not (is_frame and _is_longer(kept[end], others)) and not _is_nameless(kept, end, names, is_apart):
            continue
        is_short = kept[end].inked.sum() < _SHORT * float(np.median([row.inked.sum() for row in others]))
        if is_apart or is_short or is_frame:
            left_out.append(kept.pop(end))
    return kept, left_out


def _is_nameless(rows: Sequence[Row], end: int, names: Sequence[FoundName], is_apart: bool) -> bool:
    """Tell whether an outer row has no name in the first column, and nearly all others have one."""
    sure = [name for name in names if name.name in LEADS and name.score >= _WELL]
    named = names_of_rows(sure, rows[1:] if end == 0 else rows[:-1], MAP_PX_PER_MM)
    of_all = names_of_rows(sure, rows, MAP_PX_PER_MM)
    own = of_all[end]
    if end == 0 and not own and not is_apart:  # its names may be cut off
        placed = [(name.name, row) for row, found in enumerate(of_all) for name in found]
        if fits_order(placed, len(rows)):
            return False
    # Words of a header stand anywhere.
    is_named = bool(own) and _in_column(own[0].x, [found[0].x for found in named if found])
    return not is_named and float(np.mean([bool(found) for found in named])) >= _NAMED


def _is_longer(row: Row, others: Sequence[Row]) -> bool:
    """Tell whether a row begins before all others and ends behind them."""
    ends = np.array([np.flatnonzero(other.inked)[[0, -1]] for other in others])
    first, last = np.flatnonzero(row.inked)[[0, -1]]
    beyond = _BEYOND_MM * MAP_PX_PER_MM
    return bool(first <= ends[:, 0].min() - beyond and last >= ends[:, 1].max() + beyond)


def _is_frame(row: Row, others: Sequence[Row]) -> bool:
    """Tell whether a row is a line for the most part, or one that is bent, and straighter than the others."""
    usual_mm = float(np.median([other.straightness_mm for other in others]))
    if row.straightness_mm <= min(_NEARLY_MM, usual_mm / 2):
        return True
    if row.share_on_line < _FRAME:
        return False
    waves = row.narrow_waves(0, len(row.line))
    return waves is None or waves < _NO_BEATS


def _in_line(row: Row, others: Sequence[Row]) -> bool:
    """Tell whether a row begins and ends where the others do, and stands where one of them may."""
    if len(others) < 2:
        return False
    ends = np.array([np.flatnonzero(other.inked)[[0, -1]] for other in others])
    away = np.abs(np.flatnonzero(row.inked)[[0, -1]] - ends)
    alike = (away <= _ALIKE_MM * MAP_PX_PER_MM).mean(axis=0)
    levels = np.array([other.zero_y for other in others])
    gap = np.abs(levels - row.zero_y).min() / np.median(np.diff(levels))
    return bool((alike >= _SOME).all() and _SPACED[0] <= gap <= _SPACED[1])


def _in_column(x: float, others: Sequence[float]) -> bool:
    """Tell whether a name stands above or below others: words of a header stand anywhere."""
    return any(abs(x - other) <= _COLUMN_MM * MAP_PX_PER_MM for other in others)


def without_pieces(rows: Sequence[Row], names: Sequence[FoundName], maps: PageMaps) -> list[Row]:
    """
    Give pieces of traces to the rows that they belong to.

    Where the zero line wanders by more than rows are apart, a piece votes for a row of its own, or for none.
    It belongs to the trace that it goes on from; a piece that touches none, to the nearest row; far from all,
    to none.
    """
    if len(rows) < _ROWS:
        return list(rows)
    lengths = np.array([row.inked.sum() for row in rows])
    usual = float(np.median(lengths))
    named = names_of_rows([name for name in names if name.score >= _WELL], rows, MAP_PX_PER_MM)
    short = lengths < _PIECE * usual
    long = np.array([row.zero_y for row in rows])[~short]
    near = _TOO_NEAR * float(np.median(np.diff(long))) if len(long) > 1 else 0.0
    is_piece = [
        is_short and (not own or np.abs(long - row.zero_y).min() < near)
        for is_short, own, row in zip(short, named, rows, strict=True)
    ]
    kept = [row for row, piece in zip(rows, is_piece, strict=True) if not piece]
    if len(kept) < 2:
        return list(rows)
    levels = np.array([row.zero_y for row in kept])
    nearest = _NEAR * float(np.median(np.diff(levels)))
    inks = [row.ink.copy() for row in kept]
    claimed = np.any([row.ink for row in rows], axis=0)
    _give((maps.trace > SURE) & ~claimed, kept, inks, np.full(len(kept), np.inf), nearest)
    for row in (row for row, piece in zip(rows, is_piece, strict=True) if piece):
        _give(row.ink, kept, inks, np.abs(levels - row.zero_y), nearest)
    return [replace(row, ink=ink) for row, ink in zip(kept, inks, strict=True)]


def _give(
    ink: NDArray[np.bool_],
    rows: Sequence[Row],
    inks: Sequence[NDArray[np.bool_]],
    away: FloatArray,
    nearest: float,
) -> None:
    """Give each piece of ink to the row that it touches most, else to the nearest; in place."""
    reach = round(_TOUCH_MM * MAP_PX_PER_MM)
    window = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    labels, count = ndimage.label(ink, structure=np.ones((3, 3)))
    for k, (ys, xs) in enumerate(ndimage.find_objects(labels, count), start=1):
        if xs.stop - xs.start < _LEAST_MM * MAP_PX_PER_MM:
            continue
        part = np.s_[max(0, ys.start - reach) : ys.stop + reach, max(0, xs.start - reach) : xs.stop + reach]
        piece = labels[part] == k
        near = cv2.dilate(piece.astype(np.uint8), window) > 0
        touched = [int((row.ink[part] & near).sum()) for row in rows]
        own = int(np.argmax(touched)) if any(touched) else int(np.argmin(away))
        if any(touched) or away[own] <= nearest:
            inks[own][part] |= piece
