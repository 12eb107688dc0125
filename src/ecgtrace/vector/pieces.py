"""A piece of a trace of a page of vectors."""

from dataclasses import dataclass, field

from ecgtrace.types import FloatArray


@dataclass(frozen=True, eq=False)
class Piece:
    """
    A piece of a trace that shows one lead.

    Attributes
    ----------
    points : ndarray of float, shape (n, 2)
        Vertices on the upright page.
    start, end : float
        Where the piece begins and ends along x; vertices beyond belong to the neighbours.
    name : str
        Empty where none was found. `-aVR` where it is drawn upside down.
    row : int
        From the top, 0 the first.
    column : int
    name_from : {"text", "option"}
    """

    points: FloatArray = field(repr=False)
    start: float
    end: float
    row: int
    column: int = 0
    name: str = ""
    name_from: str = "text"
