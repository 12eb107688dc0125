"""The rows of a page that may be leads: those the maps show, less frames, ladders of pulses, and pieces."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgtrace.layout.full_bars import with_full_bars
from ecgtrace.layout.ladder import Uppermost, without_ladders
from ecgtrace.layout.names import with_left_edges, without_seconds, without_strokes
from ecgtrace.layout.one_row import joined_by_lines, name_lines, pulse_lines
from ecgtrace.layout.real_rows import without_doubles, without_edges, without_lines, without_pieces
from ecgtrace.layout.rows import Row, find_rows
from ecgtrace.page_ink.maps import PageMaps
from ecgtrace.page_ink.names import FoundName


@dataclass(frozen=True, eq=False)
class PageRows:
    """
    Rows of a page.

    Attributes
    ----------
    rows, left_out : list of Row
        From the top; and the lines that are no leads.
    maps : PageMaps
        With the bars that the picture shows through all rows, without ladders of pulses.
    names : list of FoundName
        Without strokes that were taken for letters, each at its left edge.
    ladder : Uppermost or None
        Of pulses that touch each other.
    """

    rows: list[Row]
    left_out: list[Row]
    maps: PageMaps
    names: list[FoundName]
    ladder: Uppermost | None = None


def rows_of_page(
    maps: PageMaps, names: Sequence[FoundName], dark: NDArray[np.bool_] | None = None
) -> PageRows:
    """
    Find the rows of a page that may be leads.

    Parameters
    ----------
    maps : PageMaps
    names : sequence of FoundName
        In px of the maps.
    dark : ndarray of bool, shape of the maps, optional
        `ladder.dark_as_traces`.
    """
    found = find_rows(maps)
    if dark is not None:
        barred = with_full_bars(maps, found, dark)
        maps, found = barred, found if barred is maps else find_rows(barred)
    rows, maps, ladder = without_ladders(found, maps, dark)
    names = with_left_edges(without_strokes(without_seconds(names), maps), maps)
    if not rows:
        return PageRows([], [], maps, names)
    lines = name_lines(names)
    rows = joined_by_lines(rows, lines if len(lines) else pulse_lines(maps))
    rows, left_out = without_lines(rows, names)
    rows = without_pieces(without_doubles(rows), names, maps)
    rows, edges = without_edges(rows, names)
    return PageRows(rows, left_out + edges, maps, names, ladder)
