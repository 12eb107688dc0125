"""Which way is up: rows run along the picture, and names and lines of text can be read."""

from collections.abc import Callable, Sequence

import numpy as np

from ecgtrace.layout.rows import find_rows
from ecgtrace.page_ink.maps import MAP_PX_PER_MM, PageMaps
from ecgtrace.page_reading.mirror import names_score, plain_score
from ecgtrace.page_reading.seen import Seen
from ecgtrace.sheet import Sheet

_NAMES_SURE = 3.0  # `plain_score` at which a page is upright, and no other turn is tried
_CLEARLY = 0.5  # of a name: a page is not turned for less, as I, II and III are read either way
# Letters that can be read. Of drawn pages 7 to 190 were the right way up, 0 to 4 upside down.
_LEAST_LETTERS, _TIMES = 5.0, 3.0
_MANY_LETTERS, _LEGIBLE = 15.0, 0.6  # and most of them: upside down a quarter at the most


def upright(sheet: Sheet, look: Callable[[Sheet], Seen]) -> Seen:
    """
    Turn a sheet the right way up.

    Where enough names or letters can be read as it lies, it is. Else rows tell along which side the page
    runs: of a page that lies on its side many short ones are found in place of a few long ones. Which end is
    up is told by the printed lines, of which upside down hardly a letter can be read, and by names where
    there is no other print: I, II and III alone look the same either way.

    Parameters
    ----------
    sheet : Sheet
    look : callable
        Sees a sheet; called for no more ways than it takes to tell.

    Returns
    -------
    Seen
        The sheet turned.
    """
    first = look(sheet)
    if plain_score(first.names) >= _NAMES_SURE:
        return first
    sure, every = first.page_print.letters
    if sure >= max(_MANY_LETTERS, _LEGIBLE * every):
        return first
    across = look(sheet.turned(1))
    lies = row_length_mm(first.maps) >= row_length_mm(across.maps)
    ends = (first, look(sheet.turned(2))) if lies else (across, look(sheet.turned(3)))
    read = [end.page_print.letters[0] for end in ends]
    if max(read) >= max(_LEAST_LETTERS, _TIMES * min(read)):
        return ends[int(np.argmax(read))]
    scores = [names_score(end.names) for end in ends]
    return ends[int(scores[1] > scores[0] + _CLEARLY)]


def row_length_mm(maps: PageMaps) -> float:
    """Return how many millimetres the ink of a row covers along it, in the mean over the rows."""
    lengths: Sequence[float] = [row.inked.sum() / MAP_PX_PER_MM for row in find_rows(maps)]
    return float(np.mean(lengths)) if lengths else 0.0
