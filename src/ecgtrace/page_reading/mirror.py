"""Pages seen in a mirror: their names can be read in the mirror's mirror alone."""

from collections.abc import Callable, Sequence

from ecgtrace.errors import PageError
from ecgtrace.page_ink.names import FoundName
from ecgtrace.page_reading.seen import Seen
from ecgtrace.units import LEADS

MIRRORED = "the page is a mirror image: its names can be read when it is flipped; flip the picture"
# Of pages drawn with twelve names 4.5 and more is read, of their mirror images 2.6 and less, most of it of I,
# II and III, which look alike in a mirror.
_ENOUGH = 5.0  # then a page is no mirror image
_ALL = 7.0  # of nine names that are none in a mirror: then nothing else is asked
# Of the letters of a drawn page 95 in 100 can be read, of its mirror image 40.
_FEWEST_LETTERS, _LEGIBLE, _TIMES_LETTERS = 15.0, 0.6, 2.0
_FEWEST_NUMBERS, _READABLE = 6.0, 0.85
_LEAST, _TIMES, _MORE = 2.5, 1.5, 1.2  # what must be read in the mirror: so much, and so much better


def names_score(names: Sequence[FoundName]) -> float:
    """
    Return how well the twelve names can be read: the sum over the leads of the best reading of each.

    What is read again and again, as letters upside down are taken for one and the same name, counts once.
    """
    return sum(max((one.score for one in names if one.name == lead), default=0.0) for lead in LEADS)


def plain_score(names: Sequence[FoundName]) -> float:
    """Return `names_score` without I, II and III, which look alike upside down and in a mirror."""
    return names_score([name for name in names if set(name.name) != {"I"}])


def refuse_mirrored(seen: Seen, flipped: Callable[[int], Seen]) -> None:
    """
    Refuse a page whose names or lines are those of a mirror image. Without names nothing is told.

    Parameters
    ----------
    seen : Seen
        The page, the way up in which it is read best.
    flipped : callable
        The page flipped along an axis of the picture; called only where few names were read, or letters
        cannot be.

    Raises
    ------
    PageError
        If it can be read far better when it is flipped.
    """
    if plain_score(seen.names) >= _ALL:
        return
    score = names_score(seen.names)
    sure, every = seen.page_print.letters
    readable = sure >= _READABLE * every
    if readable and (every >= _FEWEST_LETTERS or (every >= _FEWEST_NUMBERS and not plain_score(seen.names))):
        return  # in a mirror letters cannot be read, and numbers are taken for letters
    doubtful = every >= _FEWEST_LETTERS and sure < _LEGIBLE * every
    if score >= _ENOUGH and not doubtful:
        return
    for axis in (1, 0):
        mirror = flipped(axis)
        if every >= _FEWEST_LETTERS and mirror.page_print.letters[0] < sure:
            continue  # what is read as names there are numbers and specks
        other = names_score(mirror.names)
        if other >= max(_LEAST, _TIMES * score, score + _MORE):
            raise PageError(MIRRORED)
        legible = max(_TIMES_LETTERS * sure, _LEGIBLE / 2 * every)
        if doubtful and other > score and mirror.page_print.letters[0] >= legible:
            raise PageError(MIRRORED)
