"""Pages seen in a mirror: their names can be read in the mirror's mirror alone."""

from collections.abc import Callable, Sequence

import numpy as np

from ecgtrace.errors import PageError
from ecgtrace.page_ink.maps import PageMaps
from ecgtrace.page_ink.names import FoundName, names_found
from ecgtrace.sheet import Sheet
from ecgtrace.units import LEADS

MIRRORED = "the page is a mirror image: its names can be read when it is flipped; flip the picture"
# Of pages drawn with twelve names 4.5 and more is read, of their mirror images 2.6 and less, most of it of I,
# II and III, which look alike in a mirror.
_ENOUGH = 5.0  # then a page is no mirror image
_LEAST, _TIMES, _MORE = 2.5, 1.5, 1.2  # what must be read in the mirror: so much, and so much better


def names_score(names: Sequence[FoundName]) -> float:
    """
    Return how well the twelve names can be read: the sum over the leads of the best reading of each.

    What is read again and again, as letters upside down are taken for one and the same name, counts once.
    """
    return sum(max((one.score for one in names if one.name == lead), default=0.0) for lead in LEADS)


def refuse_mirrored(
    sheet: Sheet,
    names: Sequence[FoundName],
    network: Callable[..., PageMaps],
    least_score: float,
) -> None:
    """
    Refuse a page whose names are those of a mirror image. Without names nothing is told.

    Parameters
    ----------
    sheet : Sheet
        The way up in which its names are read best.
    names : sequence of FoundName
    network : callable
        From an image and its px per mm in x and y to maps; called only where few names were read.
    least_score : float
        Of a name.

    Raises
    ------
    PageError
        If they can be read far better when the page is flipped.
    """
    score = names_score(names)
    if score >= _ENOUGH:
        return
    for axis in (1, 0):
        flipped = np.ascontiguousarray(np.flip(sheet.image, axis))
        maps = network(flipped, sheet.px_per_mm_x, sheet.px_per_mm_y)
        other = names_score(names_found(maps, least_score))
        if other >= max(_LEAST, _TIMES * score, score + _MORE):
            raise PageError(MIRRORED)
