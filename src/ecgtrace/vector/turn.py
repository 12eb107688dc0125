"""Which way is up on a page of vectors, by its letters and by the way in which its traces run."""

from dataclasses import dataclass, replace
from math import hypot

import numpy as np

from ecgtrace.documents.source import VectorPath, Vectors, Word
from ecgtrace.errors import PageError
from ecgtrace.types import FloatArray
from ecgtrace.vector.printed import lead_name

_LONG_PATH = 100  # vertices: what has so many and runs one way is a trace
_MIRRORED_SHARE = 0.5
_ONE_WAY = 0.95  # of a trace's steps


@dataclass(frozen=True, eq=False)
class Upright:
    """
    A page turned so that time runs to the right.

    Attributes
    ----------
    vectors : Vectors
        As it reads when upright.
    turn_deg : int
        How far the page as shown was turned clockwise: 0, 90, 180 or 270.
    doubt : str
        Why that may be wrong.
    """

    vectors: Vectors
    turn_deg: int
    shown_width: float
    shown_height: float
    doubt: str = ""

    def to_shown(self, points: FloatArray) -> FloatArray:
        """Return places on the page as shown of places on the upright page."""
        return _turned(points, (360 - self.turn_deg) % 360, self.vectors.width, self.vectors.height)


def upright(vectors: Vectors) -> Upright:
    """
    Turn a page upright.

    Lead names tell first, then all letters: they are written in the direction of time. Traces must agree
    with them in running along or across.

    Raises
    ------
    PageError
        If the letters are mirrored.
    """
    words = vectors.words
    letters = sum(len(word.text) for word in words)
    if letters and sum(len(word.text) for word in words if word.mirrored) > _MIRRORED_SHARE * letters:
        raise PageError("the page is mirrored: its letters read backwards; export or scan it again")
    names = [word for word in words if lead_name(word.text)]
    by_text = _most(names) if len(names) > 1 else _most(words)
    across = _runs_across(vectors.paths)
    doubt = ""
    if by_text is None:
        turn = 90 if across else 0
        doubt = "the page has no letters that tell which way is up"
    else:
        turn = by_text
        if across is not None and across != (turn in (90, 270)):
            doubt = "letters and traces run in different directions"
            turn = _most(words) or 0
            turn = turn if across == (turn in (90, 270)) else (90 if across else 0)
    if turn == 0:
        return Upright(vectors, 0, vectors.width, vectors.height, doubt)
    return Upright(_turn(vectors, turn), turn, vectors.width, vectors.height, doubt)


def _most(words: tuple[Word, ...] | list[Word]) -> int | None:
    """Return the direction in which most letters are written, in quarter turns clockwise."""
    votes = dict.fromkeys((0, 90, 180, 270), 0)
    for word in words:
        quarter = round(word.angle_deg / 90) * 90
        if abs(word.angle_deg - quarter) <= 2:
            votes[quarter % 360] += len(word.text)
    best = max(votes, key=lambda turn: votes[turn])
    return best if votes[best] else None


def _runs_across(paths: tuple[VectorPath, ...]) -> bool | None:
    """Tell whether traces run up and down; None where nothing looks like a trace."""
    along = across = 0.0
    for path in paths:
        if len(path.points) < _LONG_PATH:
            continue
        steps = np.diff(path.points, axis=0)
        one_way = [max((s >= 0).mean(), (s <= 0).mean()) for s in (steps[:, 0], steps[:, 1])]
        length = [float(np.ptp(path.points[:, axis])) for axis in (0, 1)]
        if one_way[0] > _ONE_WAY > one_way[1]:
            along += length[0]
        elif one_way[1] > _ONE_WAY > one_way[0]:
            across += length[1]
    return None if along == across == 0 else across > along


def _turn(vectors: Vectors, turn: int) -> Vectors:
    def place(points: FloatArray) -> FloatArray:
        return _turned(points, turn, vectors.width, vectors.height)

    words = []
    for word in vectors.words:
        (x, y), (end_x, end_y) = place(np.array([[word.x, word.y], [word.end_x, word.end_y]]))
        angle = (word.angle_deg - turn + 180) % 360 - 180
        words.append(replace(word, x=x, y=y, end_x=end_x, end_y=end_y, angle_deg=angle))
    size = (vectors.width, vectors.height) if turn == 180 else (vectors.height, vectors.width)
    paths = tuple(replace(path, points=place(path.points)) for path in vectors.paths)
    return Vectors(*size, paths, tuple(words), vectors.text)


def _turned(points: FloatArray, turn: int, width: float, height: float) -> FloatArray:
    """Turn points of a page of that size back by `turn` degrees clockwise; its corner stays at (0, 0)."""
    x, y = points[..., 0], points[..., 1]
    if turn == 90:
        return np.stack([y, width - x], axis=-1)
    if turn == 180:
        return np.stack([width - x, height - y], axis=-1)
    if turn == 270:
        return np.stack([height - y, x], axis=-1)
    return points


def length(word: Word) -> float:
    """Return how long a word is in points."""
    return hypot(word.end_x - word.x, word.end_y - word.y)
