"""Layout and names that the user gives, on a page of vectors: names are given, lines are not cut anew."""

from collections.abc import Sequence
from dataclasses import replace

from ecgtrace.layout.given import NOT_KNOWN, OPTION, lead_at
from ecgtrace.layout.strips import are_strips
from ecgtrace.vector.page_choice import PageChoice
from ecgtrace.vector.pieces import Piece


def named_as_given(
    pieces: Sequence[Piece], called: str, continued: bool, choice: PageChoice
) -> tuple[list[Piece], list[str]]:
    """
    Give the pieces of a page the names that the user gives.

    A layout that differs from that of the lines is not followed: where a line begins and ends is drawn.

    Parameters
    ----------
    pieces : sequence of Piece
    called : str
        What their layout is called.
    continued : bool
        Whether all are one lead.
    choice : PageChoice

    Returns
    -------
    (list of Piece, list of str)
        And doubts, of what was given and could not be used.
    """
    if choice.layout is not None and not choice.layout.agrees_with(called):
        unused = f"layout={choice.layout.name}" + (" and leads= were" if choice.leads else " was")
        return list(pieces), [f"{unused} not used: the lines of the page make {called}"]
    if not choice.leads:
        return list(pieces), []
    if continued:
        one = choice.leads[0] if len(choice.leads) == 1 and not choice.leads[0].startswith("-") else None
        at = None if one is None else dict.fromkeys(((p.row, p.column) for p in pieces), one)
    else:
        strips = are_strips([piece.row for piece in pieces])
        places = [(piece.row, piece.column) for piece in pieces]
        at = None if "," in called else lead_at(places, strips, choice.leads, choice.layout)
    if at is None:
        told = f"leads= has {len(choice.leads)} names for {len(pieces)} traces ({called}): names are as read"
        return list(pieces), [told]
    named = []
    for piece in pieces:
        lead = at.get((piece.row, piece.column))
        name = "" if lead == NOT_KNOWN else lead
        named.append(piece if name is None else replace(piece, name=name, name_from=OPTION))
    return named, []
