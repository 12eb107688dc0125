"""From maps to leads: which piece of which row is which lead."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ecgtrace.layout.breaks import COLUMN_MM, find_breaks
from ecgtrace.layout.column_sums import columns_by_sums
from ecgtrace.layout.columns import Break, RowSigns, signs_of
from ecgtrace.layout.full_bars import with_full_bars
from ecgtrace.layout.full_rows import with_full_rows, with_unnamed
from ecgtrace.layout.given import NOT_KNOWN, OPTION, GivenLayout, given_breaks, keep_rows, lead_at
from ecgtrace.layout.ladder import Uppermost, without_ladders
from ecgtrace.layout.names import names_of_rows, with_left_edges, without_strokes
from ecgtrace.layout.one_lead import SoleName, sole_name
from ecgtrace.layout.one_row import joined_by_lines, name_lines, pulse_lines
from ecgtrace.layout.orders import ORDERS, decide_names
from ecgtrace.layout.real_rows import without_edges, without_lines, without_pieces
from ecgtrace.layout.rows import Row, find_rows
from ecgtrace.layout.strips import are_strips, layout_name, named_again
from ecgtrace.page_ink.maps import MAP_PX_PER_MM, PageMaps
from ecgtrace.page_ink.names import FoundName

_SHORTEST_MM = 8.0  # of a piece: 0.3 s
_OWN_SIGN = 0.5  # a row breaks where a column begins if it shows this of a sign of its own
_NEAR_MM = 1.5  # of the column's begin
_GAP_MM = 3.0  # bare paper that a trace may lose to a stain
_TOGETHER_MM = 1.0  # within so much rows begin at one place
_HIDDEN_MM = 14.0  # a name that hides the begin of its trace is no wider
_BARE_MM = 2.0  # of paper before the traces of a column
_BARE = 0.1  # of its columns may have ink: a speck
_PRINT, _MOSTLY = 0.4, 0.6  # likelihood of print, and its share of the hidden begin
_WELL = 0.7  # share of a name that was read well (`layout.orders`)


@dataclass(frozen=True)
class LeadRegion:
    """
    A piece of a row that shows one lead, in px of the maps.

    Attributes
    ----------
    name : str
        Of the field, `-aVR` where it is drawn upside down, `other` for a name that is none of the twelve;
        empty where none was found.
    row, column : int
    start, end : float
        First and last column of its trace, as the maps show it.
    until : float
        Where the next lead of its row begins; infinite where none follows.
    top, bottom : float
        Highest and lowest of its ink.
    zero_y : float
        Zero line of its row.
    score : float
        Share of what was read there that speaks for the name.
    strip : bool
        Whether it is a rhythm strip, whose lead stands elsewhere, too.
    name_from : {"text", "option"}
    """

    name: str
    row: int
    column: int
    start: float
    end: float
    top: float
    bottom: float
    zero_y: float
    until: float = float("inf")
    score: float = 0.0
    strip: bool = False
    name_from: str = "text"


@dataclass(frozen=True, eq=False)
class RasterLayout:
    """
    The leads of a page and what their order is called.

    Attributes
    ----------
    name : str
        Rows x columns, `+` strips that run over all columns; `rows4`: one lead over four rows.
    regions : tuple of LeadRegion
        By row, then from left to right.
    rows : tuple of Row
    doubts, notes : tuple of str
    sole : SoleName or None
        Where the page may show one lead alone: its name. Beats tell (`page_reading.continued`).
    left_out : tuple of Row
        More rows than the layout given has.
    ladder : Uppermost or None
        Of pulses that touch each other (`layout.ladder`).
    """

    name: str
    regions: tuple[LeadRegion, ...]
    rows: tuple[Row, ...]
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    sole: SoleName | None = None
    left_out: tuple[Row, ...] = ()
    ladder: Uppermost | None = None


def find_regions(
    maps: PageMaps,
    names: Sequence[FoundName],
    given: GivenLayout | None = None,
    leads: Sequence[str] = (),
    dark: NDArray[np.bool_] | None = None,
) -> RasterLayout:
    """
    Tell rows, columns and names of a page.

    Parameters
    ----------
    maps : PageMaps
    names : sequence of FoundName
        In px of the maps.
    given : GivenLayout, optional
        Rows and columns that count where the page seems to have others.
    leads : sequence of str, optional
        Names that count (`given.parse_leads`).
    dark : ndarray of bool, shape of the maps, optional
        `ladder.dark_as_traces`.
    """
    found = find_rows(maps)
    if dark is not None:
        barred = with_full_bars(maps, found, dark)
        maps, found = barred, found if barred is maps else find_rows(barred)
    rows, maps, ladder = without_ladders(found, maps, dark)
    if not rows:
        return RasterLayout("", (), ())
    names = with_left_edges(without_strokes(names, maps), maps)
    lines = name_lines(names)
    rows = joined_by_lines(rows, lines if len(lines) else pulse_lines(maps))
    rows, left_out = without_lines(rows, names)
    rows = without_pieces(rows, names, maps)
    rows, edges = without_edges(rows, names)
    left_out += edges
    doubts: list[str] = []
    notes = [f"a straight line without a name is no lead: {len(left_out)} left out"] if left_out else []
    if given is not None:
        wanted = given.rows + given.strips
        rows, more, told, is_doubt = keep_rows(rows, given)
        left_out += more
        (doubts if is_doubt else notes).extend([told] if told else [])
        if len(rows) < wanted:  # nothing says which of them is missing
            given, leads = None, ()
    per_mm = MAP_PX_PER_MM
    named = names_of_rows(names, rows, per_mm)
    signs = [signs_of(row, maps) for row in rows]
    spans = [_span(row, per_mm) for row in rows]
    n_full = len(rows) if given is None else given.rows
    breaks, *told_of_breaks = find_breaks(named[:n_full], signs[:n_full], spans[:n_full], per_mm)
    breaks = with_unnamed(breaks, named[:n_full], signs[:n_full], spans[:n_full], per_mm)
    several = any(len(own) > 1 for own in named)  # names tell how many leads a row has
    sums = None
    in_one = not several and 2 * sum(map(bool, named)) >= len(named)  # names tell that there is one column
    if given is None and not in_one and (sum(len(own) > 1 for own in named), len(breaks) + 1) not in ORDERS:
        sums = columns_by_sums(rows, signs, spans, breaks, per_mm)
    if sums is not None:
        left_out += rows[: sums.first]
        rows, named = rows[sums.first :], named[sums.first :]
        signs, spans = signs[sums.first :], spans[sums.first :]
        breaks, *told_of_breaks = sums.breaks, sums.doubts, sums.notes
    if given is not None and not (several and len(breaks) == given.columns - 1):
        breaks, told = given_breaks(breaks, signs[:n_full], spans[:n_full], given.columns, per_mm)
        told_of_breaks = [[], [told] if told else []]
    doubts += told_of_breaks[0]
    notes += told_of_breaks[1]
    if sums is not None:
        shown = [[index < sums.n_rows] * len(breaks) for index in range(len(rows))]
    elif given is None:
        shown = [_shown(*row, breaks, several) for row in zip(named, signs, strict=True)]
        shown = with_full_rows(shown, named) if several else shown
    else:
        shown = [[index < n_full] * len(breaks) for index in range(len(rows))]
    regions: list[LeadRegion] = []
    scores: list[Sequence[float]] = []
    for index, row in enumerate(rows):
        for piece, name in _pieces(index, row, spans[index], named[index], breaks, shown[index]):
            regions.append(piece)
            scores.append(() if name is None else name.scores)
    regions = _begun_together(regions, maps, dark)
    if dark is not None:
        regions = _begun_behind_gaps(regions, rows, dark)
    called = layout_name([region.row for region in regions])
    sole = None
    if given is None:
        strips = are_strips([region.row for region in regions])
        if len(regions) == len(rows):
            again = named_again(scores)
            if again:
                called, strips = (
                    f"{len(rows) - again}x1+{again}",
                    [k >= len(rows) - again for k in range(len(rows))],
                )
        sole = sole_name([region.row for region in regions], scores)
    else:
        empty = [place for place in given.places if place not in {(r.row, r.column) for r in regions}]
        doubts += [f"no trace in row {row + 1}, column {column + 1} of {given.name}" for row, column in empty]
        called = given.name
        strips = [region.row >= n_full for region in regions]
        if given.one_lead:
            read = sole_name([region.row for region in regions], scores)
            called_lead = leads[0] if leads else "" if read is None else read.name
            if len(leads) > 1:
                doubts.append(
                    f"leads= has {len(leads)} names, and {called} shows one lead: {called_lead} was taken"
                )
            sole, leads = SoleName(called_lead, (), given.rows, is_given=True), ()
    regions, by_order = _named(regions, scores, strips)
    if leads:
        regions, told, is_used = _named_as_given(regions, called, leads, given)
        (notes if is_used else doubts).extend([told] if told else [])
        by_order, sole = (0, None) if is_used else (by_order, sole)
    if by_order:
        notes.append(f"{by_order} names were hard to read; they are those of the usual order")
    told_of = (tuple(doubts), tuple(notes))
    return RasterLayout(called, tuple(regions), tuple(rows), *told_of, sole, tuple(left_out), ladder)


def _begun_together(
    regions: Sequence[LeadRegion], maps: PageMaps, dark: NDArray[np.bool_] | None = None
) -> list[LeadRegion]:
    """
    Let the leads of the first column begin where others do, if print hides where they do.

    Rows begin at one place of the paper. The leftmost that two of them share counts, else the leftmost: a
    name on a trace lets it seem to begin later, never earlier.
    """
    reach = _TOGETHER_MM * MAP_PX_PER_MM
    starts = sorted(region.start for region in regions if region.column == 0)
    shared = [x for x, after in pairwise(starts) if after - x <= reach] or starts[:1]
    if not shared:
        return list(regions)
    begun = []
    for region in regions:
        late = region.start - shared[0]
        if region.column == 0 and reach < late <= _HIDDEN_MM * MAP_PX_PER_MM:
            top, bottom = round(region.zero_y - reach), round(region.zero_y + reach) + 1
            at = np.s_[max(0, top) : bottom, round(shared[0]) : round(region.start)]
            hidden = maps.text[at] > _PRINT
            if dark is not None and hidden.any():
                hidden = hidden | dark[at]  # the trace itself, before its name
            if hidden.any(axis=0).mean() >= _MOSTLY:
                region = replace(region, start=shared[0])
        begun.append(region)
    return begun


def _begun_behind_gaps(
    regions: Sequence[LeadRegion], rows: Sequence[Row], dark: NDArray[np.bool_]
) -> list[LeadRegion]:
    """
    Let the leads of a column begin where their traces do, if the paper before them is bare in all rows.

    Printers that put names between the columns leave a wide gap there, and a bar may stand before it.
    """
    reach, least = (mm * MAP_PX_PER_MM for mm in (_TOGETHER_MM, _BARE_MM))
    begun = list(regions)
    for column in {region.column for region in regions} - {0}:
        own = [index for index, region in enumerate(regions) if region.column == column]
        first = min(_first_of_trace(rows[regions[k].row], regions[k].start) for k in own)
        if first - min(regions[index].start for index in own) < least:
            continue
        bare = [
            dark[
                max(0, round(r.zero_y - 2 * least)) : round(r.zero_y + 2 * least),
                round(r.start) : round(first),
            ]
            for r in (regions[index] for index in own)
        ]
        if all(part.any(axis=0).mean() <= _BARE for part in bare if part.size):
            for index in own:
                begun[index] = replace(begun[index], start=max(begun[index].start, first - reach / 2))
    return begun


def _first_of_trace(row: Row, start: float) -> float:
    """Return the first column from a place on where ink goes on, which a bar's edge does not."""
    inked = np.flatnonzero(row.inked)
    inked = inked[inked >= start]
    ahead = round(_BARE_MM * MAP_PX_PER_MM)
    goes_on = [row.inked[x : x + ahead].mean() >= _MOSTLY for x in inked[: 10 * ahead]]
    return float(inked[int(np.argmax(goes_on))])


def _named(
    regions: Sequence[LeadRegion], scores: Sequence[Sequence[float]], strips: Sequence[bool]
) -> tuple[list[LeadRegion], int]:
    """Give the pieces their names, and say how many of them only an order tells."""
    naming = decide_names([(region.row, region.column) for region in regions], scores, strips)
    named = [
        replace(region, name=name, score=share, strip=strip)
        for region, name, share, strip in zip(regions, naming.names, naming.shares, strips, strict=True)
    ]
    return named, naming.by_order


def _named_as_given(
    regions: Sequence[LeadRegion], called: str, leads: Sequence[str], given: GivenLayout | None
) -> tuple[list[LeadRegion], str, bool]:
    """Give the pieces the names that the user gives; say what to tell of it, and whether they were used."""
    at = lead_at([(r.row, r.column) for r in regions], [r.strip for r in regions], leads, given)
    if at is None or "," in called:
        told = f"leads= has {len(leads)} names for {len(regions)} traces ({called}): names are as read"
        return list(regions), told, False
    named, against = [], []
    for region in regions:
        lead = at.get((region.row, region.column))
        if lead is None:  # a strip
            named.append(region)
            continue
        if region.score >= _WELL and lead not in (region.name, NOT_KNOWN):
            against.append(f"{lead} reads {region.name}")
        name = "" if lead == NOT_KNOWN else lead
        named.append(replace(region, name=name, score=float(bool(name)), name_from=OPTION))
    return named, "by the letters on the page " + ", ".join(against) if against else "", True


def _span(row: Row, per_mm: float) -> tuple[float, float]:
    """
    Return where the trace of a row begins and ends.

    Gaps are closed; what is short and alone, before or behind it, is a pulse, a letter or the paper's edge.
    """
    inked = np.flatnonzero(row.inked)
    pieces = np.split(inked, np.flatnonzero(np.diff(inked) > _GAP_MM * per_mm) + 1)
    long = [piece for piece in pieces if np.ptp(piece) > _SHORTEST_MM * per_mm] or [inked]
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


def _pieces(
    index: int,
    row: Row,
    span: tuple[float, float],
    names: Sequence[FoundName],
    breaks: Sequence[Break],
    shown: Sequence[bool],
) -> list[tuple[LeadRegion, FoundName | None]]:
    """Cut a row at those breaks that it shows; each piece comes with the name at it."""
    inked = np.flatnonzero(row.inked)
    first, last = span
    per_mm = MAP_PX_PER_MM
    cuts = [first, *(found.x for found, is_shown in zip(breaks, shown, strict=True) if is_shown)]
    columns = [0, *(k + 1 for k, is_shown in enumerate(shown) if is_shown)]
    pieces = []
    edges = [*cuts, last]
    for column, (begin, stop) in zip(columns, pairwise(edges), strict=True):
        inside = inked[(inked >= begin - 0.5) & (inked <= stop - (stop != last))]
        if len(inside) < _SHORTEST_MM * per_mm:
            continue
        extent = row.extent_y(begin, stop)
        assert extent is not None
        name = _name_between(names, begin, stop, per_mm)
        start = float(inside[0]) if column == 0 else begin
        top, bottom = (float(y) for y in extent)
        until = stop if stop != last else float("inf")
        region = LeadRegion("", index, column, start, float(inside[-1]), top, bottom, row.zero_y, until)
        pieces.append((region, name))
    return pieces


def _name_between(names: Sequence[FoundName], begin: float, stop: float, per_mm: float) -> FoundName | None:
    """Return the name nearest to where a piece begins; names stand before it, or over its first part."""
    near = [
        name
        for name in names
        if begin - 2 * COLUMN_MM * per_mm <= name.x <= min(stop, begin + 2 * COLUMN_MM * per_mm)
    ]
    return min(near, key=lambda name: abs(name.x - begin)) if near else None
