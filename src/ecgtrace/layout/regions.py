"""From maps to leads: which piece of which row is which lead."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ecgtrace.layout.breaks import COLUMN_MM
from ecgtrace.layout.columns import Break
from ecgtrace.layout.given import NOT_KNOWN, OPTION, GivenLayout, keep_rows, lead_at
from ecgtrace.layout.ladder import Uppermost
from ecgtrace.layout.one_lead import SoleName, sole_name
from ecgtrace.layout.orders import decide_names
from ecgtrace.layout.page_columns import SHORTEST_MM, columns_of_page
from ecgtrace.layout.page_rows import rows_of_page
from ecgtrace.layout.rows import Row
from ecgtrace.layout.strips import are_strips, layout_name, named_again
from ecgtrace.page_ink.maps import MAP_PX_PER_MM, PageMaps
from ecgtrace.page_ink.names import FoundName

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
    page = rows_of_page(maps, names, dark)
    if not page.rows:
        return RasterLayout("", (), ())
    rows, left_out = page.rows, page.left_out
    doubts: list[str] = []
    notes = [f"a straight line without a name is no lead: {len(left_out)} left out"] if left_out else []
    if given is not None:
        wanted = given.rows + given.strips
        rows, more, told, is_doubt = keep_rows(rows, given)
        left_out += more
        (doubts if is_doubt else notes).extend([told] if told else [])
        if len(rows) < wanted:  # nothing says which of them is missing
            given, leads = None, ()
    columns = columns_of_page(rows, page.names, page.maps, given)
    left_out += rows[: len(rows) - len(columns.rows)]
    rows = columns.rows
    doubts += columns.doubts
    notes += columns.notes
    regions: list[LeadRegion] = []
    scores: list[Sequence[float]] = []
    for index, row in enumerate(rows):
        parts = (columns.spans[index], columns.named[index], columns.breaks, columns.shown[index])
        for piece, name in _pieces(index, row, *parts):
            regions.append(piece)
            scores.append(() if name is None else name.scores)
    regions = _begun_together(regions, page.maps, dark)
    if dark is not None:
        regions = _begun_behind_gaps(regions, rows, dark)
    called = layout_name([region.row for region in regions])
    sole = None
    if given is None:
        strips = are_strips([region.row for region in regions])
        if len(regions) == len(rows):
            again = named_again(scores)
            if again:
                called = f"{len(rows) - again}x1+{again}"
                strips = [k >= len(rows) - again for k in range(len(rows))]
        sole = sole_name([region.row for region in regions], scores)
    else:
        empty = [place for place in given.places if place not in {(r.row, r.column) for r in regions}]
        doubts += [f"no trace in row {row + 1}, column {column + 1} of {given.name}" for row, column in empty]
        called = given.name
        strips = [region.row >= given.rows for region in regions]
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
    return RasterLayout(called, tuple(regions), tuple(rows), *told_of, sole, tuple(left_out), page.ladder)


def _begun_together(
    regions: Sequence[LeadRegion], maps: PageMaps, dark: NDArray[np.bool_] | None = None
) -> list[LeadRegion]:
    """
    Let the leads of the first column begin where others do, if print hides where they do.

    Rows begin at one place of the paper: where the leftmost does, if print hides the begin of most others, or
    else where the leftmost of two does that begin together. A name on a trace lets it seem to begin later,
    never earlier.
    """
    reach = _TOGETHER_MM * MAP_PX_PER_MM
    first = [region for region in regions if region.column == 0]
    starts = sorted(region.start for region in first)
    if not starts:
        return list(regions)
    late = [region for region in first if region.start - starts[0] > reach]
    hidden = sum(is_hidden(region, starts[0], maps, dark) for region in late)
    begin = starts[0]
    if 2 * hidden <= len(late):
        begin = next((x for x, after in pairwise(starts) if after - x <= reach), begin)
    return [
        replace(region, start=begin)
        if region.column == 0 and region.start - begin > reach and is_hidden(region, begin, maps, dark)
        else region
        for region in regions
    ]


def is_hidden(
    region: LeadRegion, begin: float, maps: PageMaps, dark: NDArray[np.bool_] | None = None
) -> bool:
    """Tell whether print hides a trace from a place on to where it seems to begin, in px of the maps."""
    if not 0 < region.start - begin <= _HIDDEN_MM * MAP_PX_PER_MM:
        return False
    reach = _TOGETHER_MM * MAP_PX_PER_MM
    top, bottom = round(region.zero_y - reach), round(region.zero_y + reach) + 1
    at = np.s_[max(0, top) : bottom, round(begin) : round(region.start)]
    hidden = maps.text[at] > _PRINT
    if dark is not None and hidden.any():
        hidden = hidden | dark[at]  # the trace itself, before its name
    return bool(hidden.size and hidden.any(axis=0).mean() >= _MOSTLY)


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
        if len(inside) < SHORTEST_MM * per_mm:
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
