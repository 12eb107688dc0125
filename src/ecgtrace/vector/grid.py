"""How large a millimetre of paper is on a page of vectors: by its grid lines, or as the page says."""

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np

from ecgtrace.documents.source import Vectors
from ecgtrace.types import FloatArray
from ecgtrace.units import LARGE_SQUARE_MM, MM_PER_INCH, POINTS_PER_INCH

POINTS_PER_MM = POINTS_PER_INCH / MM_PER_INCH

_LONG_MM = 25.0  # a line of the grid is longer, or its dashes together are
_STRAIGHT_PT = 0.05  # coordinates of one line, as rounded by the writers seen
_FEWEST_LINES = 6
_REGULAR = 0.8  # of the lines lie on the comb
_ON_COMB = 0.05  # of its pitch
_NOMINAL = 0.2  # paper printed up to a fifth larger or smaller is told from the other square by size alone
_SAME_SIZE = 0.005
_SQUARE = 0.01
_FEWEST_ROWS = 8  # of letters that are repeated as a background


@dataclass(frozen=True)
class PaperScale:
    """
    The size of a millimetre.

    Attributes
    ----------
    per_mm_x, per_mm_y : float
        In points.
    source : str
        What it rests on, in words.
    confirmed : bool
        Whether lines or letters on the page tell it, and not its size alone.
    lines_x, lines_y : tuple of float
        Places of the grid's lines on the upright page, in points.
    square_mm : float or None
        Distance of the lines: 1 or 5.
    doubts, notes : tuple of str
    """

    per_mm_x: float
    per_mm_y: float
    source: str
    confirmed: bool
    lines_x: tuple[float, ...] = ()
    lines_y: tuple[float, ...] = ()
    square_mm: float | None = None
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comb:
    """Lines at equal distances: where the first lies, how far apart they are, and which lie on it."""

    first: float
    pitch: float
    lines: tuple[float, ...]


def find_scale(vectors: Vectors) -> PaperScale:
    """
    Find the scale of a page.

    Straight lines along both axes, longer than 25 mm, whatever their colour, that stand at equal distances
    are the grid: 1 mm apart or 5 mm, whichever is nearer to the page's own size. Without lines, letters that
    fill the page in equal rows 5 mm apart (one vendor prints its grid so) confirm that a point is 1/72 inch.

    Parameters
    ----------
    vectors : Vectors
        Upright.
    """
    lines = _straight_lines(vectors)
    combs = [fit_comb(np.array(sorted(places))) for places in lines]
    if all(comb is None for comb in combs):
        return _without_grid(vectors)
    squares = [None if comb is None else _square_mm(comb.pitch) for comb in combs]
    sizes = [
        comb.pitch / square
        for comb, square in zip(combs, squares, strict=True)
        if comb is not None and square is not None
    ]
    if not sizes:
        found = next(comb for comb in combs if comb is not None)
        mm = found.pitch / POINTS_PER_MM
        doubt = (
            f"lines stand {mm:.2f} mm apart, which is neither 1 nor 5 mm: the scale is the page's own size"
        )
        return PaperScale(POINTS_PER_MM, POINTS_PER_MM, "page size", False, doubts=(doubt,))
    x, y = (
        comb.pitch / square if comb is not None and square is not None else sizes[0]
        for comb, square in zip(combs, squares, strict=True)
    )
    doubts, notes = [], []
    if abs(x / y - 1) > _SQUARE:
        doubts.append(f"a millimetre is {x / POINTS_PER_MM:.3f} wide and {y / POINTS_PER_MM:.3f} high")
    if len(sizes) == 1:
        notes.append("the grid has lines along one axis only: squares were taken for square")
    if abs(x / POINTS_PER_MM - 1) > _SAME_SIZE:
        notes.append(f"the page is drawn at {x / POINTS_PER_MM:.1%} of its size")
    square = next(square for square in squares if square is not None)
    return PaperScale(
        x,
        y,
        f"grid lines {square:g} mm apart",
        True,
        () if combs[0] is None else combs[0].lines,
        () if combs[1] is None else combs[1].lines,
        square,
        tuple(doubts),
        tuple(notes),
    )


def fit_comb(places: FloatArray) -> Comb | None:
    """
    Fit equal distances to the places of lines, sorted; None where they are too few or irregular.

    Examples
    --------
    >>> fit_comb(np.array([0.0, 5, 10, 15, 17.1, 20, 25, 30])).pitch
    5.0
    """
    if len(places) < _FEWEST_LINES:
        return None
    steps = np.diff(places)
    pitch = float(np.median(steps[steps > _STRAIGHT_PT])) if (steps > _STRAIGHT_PT).any() else 0.0
    if pitch <= 0:
        return None
    first = places[int(np.argmin(np.abs(steps - pitch)))]
    on = np.zeros(len(places), bool)
    for _ in range(3):  # number the lines, fit, and number them anew
        index = np.rint((places - first) / pitch)
        on = np.abs(places - first - index * pitch) <= _ON_COMB * pitch
        if on.sum() < _FEWEST_LINES:
            return None
        pitch, first = (float(value) for value in np.polyfit(index[on], places[on], 1))
    if on.sum() < _REGULAR * len(places):
        return None
    return Comb(first, pitch, tuple(float(place) for place in places[on]))


def _straight_lines(vectors: Vectors) -> tuple[list[float], list[float]]:
    """Return the places of long lines up and down (x), and across (y); dashes of one line count together."""
    found: list[defaultdict[int, float]] = [defaultdict(float), defaultdict(float)]
    places: list[dict[int, list[float]]] = [{}, {}]
    for path in vectors.paths:
        starts, ends = path.points[:-1], path.points[1:]
        if len(path.points) > 5:  # a rectangle has 5
            continue
        for start, end in zip(starts, ends, strict=True):
            for axis in (0, 1):
                if abs(start[axis] - end[axis]) <= _STRAIGHT_PT:
                    key = round((start[axis] + end[axis]) / 2 / (2 * _STRAIGHT_PT))
                    found[axis][key] += abs(start[1 - axis] - end[1 - axis])
                    places[axis].setdefault(key, []).append((start[axis] + end[axis]) / 2)
    long = _LONG_MM * POINTS_PER_MM
    lines: list[list[float]] = []
    for axis in (0, 1):
        those = sorted(float(np.mean(places[axis][key])) for key, size in found[axis].items() if size >= long)
        lines.append([at for i, at in enumerate(those) if i == 0 or at - those[i - 1] > 4 * _STRAIGHT_PT])
    return lines[0], lines[1]


def _square_mm(pitch: float) -> float | None:
    for square in (1.0, LARGE_SQUARE_MM):
        if abs(pitch / (square * POINTS_PER_MM) - 1) <= _NOMINAL:
            return square
    return None


def _without_grid(vectors: Vectors) -> PaperScale:
    texts = Counter(word.text for word in vectors.words if len(word.text) >= _FEWEST_ROWS)
    if texts:
        text, count = texts.most_common(1)[0]
        rows = np.array(sorted(word.y for word in vectors.words if word.text == text))
        comb = fit_comb(rows) if count >= _FEWEST_ROWS else None
        if comb is not None and abs(comb.pitch / (LARGE_SQUARE_MM * POINTS_PER_MM) - 1) <= _SAME_SIZE:
            source = "page size, confirmed by a grid of letters in rows 5 mm apart"
            return PaperScale(POINTS_PER_MM, POINTS_PER_MM, source, True)
    return PaperScale(POINTS_PER_MM, POINTS_PER_MM, "page size", False)
