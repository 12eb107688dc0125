"""
A layout and names that the user gives, and what of a page is read by them.

Names are given column by column, each from top to bottom, as `orders` has them, strips last: of `3x4+1` they
are I, II, III, aVR, aVL, aVF, V1, V2, V3, V4, V5, V6 and the strip's. The strips' names may be left out.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecgtrace.errors import ConfigError
from ecgtrace.layout.by_algebra import NONE, TEXT
from ecgtrace.layout.columns import Break, RowSigns, shared_breaks
from ecgtrace.layout.one_lead import rows_layout_name
from ecgtrace.layout.rows import Row
from ecgtrace.units import LEAD_CODES

NOT_KNOWN = "?"
OPTION = "option"  # where a name is from
_PATTERN = re.compile(r"(\d{1,2})x(\d{1,2})(?:\+(\d))?", re.IGNORECASE)
_ONE_LEAD = re.compile(r"rows(\d{1,2})", re.IGNORECASE)
_MOST_ROWS, _MOST_COLUMNS = 16, 12  # twelve leads and three strips are the most that recorders print
_NAMES = {name.lower(): name for name in LEAD_CODES}
_LONG = 0.8  # of the shortest row kept: one left out and longer is no header and no edge of the paper
_FITS = 0.15  # of a column's width: a break so near to equal parts is the column's


@dataclass(frozen=True)
class GivenLayout:
    """
    How many rows and columns a page has, and below them strips that run over all columns.

    Attributes
    ----------
    rows, columns, strips : int
    one_lead : bool
        Each row goes on where the row above ended.
    """

    rows: int
    columns: int
    strips: int = 0
    one_lead: bool = False

    @property
    def name(self) -> str:
        """As `3x4+1`, or `rows4`."""
        if self.one_lead:
            return rows_layout_name(self.rows)
        return f"{self.rows}x{self.columns}" + (f"+{self.strips}" if self.strips else "")

    @property
    def places(self) -> tuple[tuple[int, int], ...]:
        """Row and column of each trace, column by column from top to bottom, strips last."""
        main = [(row, column) for column in range(self.columns) for row in range(self.rows)]
        return (*main, *((self.rows + k, 0) for k in range(self.strips)))

    def agrees_with(self, found: str) -> bool:
        """Say whether a layout found is this one; of one column nothing tells which rows are strips."""
        return found in (self.name, f"{self.rows + self.strips}x1" if self.columns == 1 else self.name)


def parse_layout(text: Any) -> GivenLayout:
    """
    Return the layout that is written.

    Raises
    ------
    ConfigError

    Examples
    --------
    >>> parse_layout("3x4+1")
    GivenLayout(rows=3, columns=4, strips=1, one_lead=False)
    >>> parse_layout("rows4")
    GivenLayout(rows=4, columns=1, strips=0, one_lead=True)
    """
    one_lead = _ONE_LEAD.fullmatch(str(text).strip())
    if one_lead and 1 < int(one_lead[1]) <= _MOST_ROWS:
        return GivenLayout(int(one_lead[1]), 1, one_lead=True)
    found = _PATTERN.fullmatch(str(text).strip())
    rows, columns, strips = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    if not (0 < rows <= _MOST_ROWS - strips and 0 < columns <= _MOST_COLUMNS):
        raise ConfigError(
            f"layout must be rows x columns and strips, such as 3x4+1, 6x2 or 12x1 (up to {_MOST_ROWS} rows, "
            f"{_MOST_COLUMNS} columns), or rows4 for one lead over four rows, got {text}"
        )
    return GivenLayout(rows, columns, strips)


def parse_leads(names: Any) -> tuple[str, ...]:
    """
    Return names of leads as the field writes them; `-aVR` is drawn upside down, `?` is not known.

    Raises
    ------
    ConfigError

    Examples
    --------
    >>> parse_leads("I avl ? -aVR"), parse_leads(["v1", "V2"])
    (('I', 'aVL', '?', '-aVR'), ('V1', 'V2'))
    """
    if not isinstance(names, str) and not isinstance(names, Iterable):
        raise ConfigError(f"leads must be a list such as [I,II,III], got {names}")
    parts = re.split(r"[\s,;]+", names.strip(" ,;[]")) if isinstance(names, str) else [str(n) for n in names]
    leads = []
    for part in parts:
        plain = part.strip().removeprefix("-")
        if plain.lower() not in _NAMES and part != NOT_KNOWN:
            raise ConfigError(
                f"leads: '{part}' is no lead; write I, II, III, aVR, -aVR (upside down), aVL, aVF, V1 to V9, "
                f"V2R to V7R, or {NOT_KNOWN} for one that is not known"
            )
        leads.append(part if part == NOT_KNOWN else "-" * part.startswith("-") + _NAMES[plain.lower()])
    return tuple(leads)


def keep_rows(rows: Sequence[Row], given: GivenLayout) -> tuple[list[Row], list[Row], str, bool]:
    """
    Keep as many rows as the page has, those with ink of a trace in most columns.

    Returns
    -------
    (list of Row, list of Row, str, bool)
        Kept and left out, from the top; what to tell; whether it is a doubt. With too few rows all are kept.
    """
    wanted = given.rows + given.strips
    if len(rows) == wanted:
        return list(rows), [], "", False
    if len(rows) < wanted:
        told = f"layout={given.name} has {wanted} rows, and {len(rows)} were found: it was not used"
        return list(rows), [], told, True
    lengths = [int(row.inked.sum()) for row in rows]
    ranked = sorted(range(len(rows)), key=lambda k: -lengths[k])
    kept = sorted(ranked[:wanted])
    left_out = sorted(ranked[wanted:])
    told = f"{len(rows)} rows were found: by layout={given.name} the {wanted} with the most ink were taken"
    is_long = lengths[ranked[wanted]] > _LONG * lengths[ranked[wanted - 1]]
    return [rows[k] for k in kept], [rows[k] for k in left_out], told, is_long


def given_breaks(
    found: Sequence[Break],
    signs: Sequence[RowSigns],
    spans: Sequence[tuple[float, float]],
    columns: int,
    per_mm: float,
) -> tuple[list[Break], str]:
    """
    Return where all columns but the first begin: at breaks found near equal parts, else at equal parts.

    Parameters
    ----------
    found : sequence of Break
        Without the help of the layout.
    signs, spans : sequence
        Of the rows that have several columns.
    columns : int
    per_mm : float

    Returns
    -------
    (list of Break, str)
        And what to tell.
    """
    begin, end = (float(np.median([span[side] for span in spans])) for side in (0, 1))
    width = (end - begin) / columns
    breaks: list[Break] = []
    for k in range(1, columns):
        x = begin + k * width
        near = [one for one in found if one.evidence and abs(one.x - x) <= _FITS * width]
        breaks += [min(near, key=lambda one: abs(one.x - x))] if near else shared_breaks(signs, per_mm, [x])
    blind = sum(not one.evidence for one in breaks)
    told = f"{blind} of {len(breaks)} columns begin where equal parts do: nothing parts them" if blind else ""
    return breaks, told


def lead_at(
    places: Sequence[tuple[int, int]],
    strips: Sequence[bool],
    leads: Sequence[str],
    given: GivenLayout | None = None,
) -> dict[tuple[int, int], str] | None:
    """
    Return which of the names given stands where.

    Parameters
    ----------
    places : sequence of (int, int)
        Row and column of each trace found.
    strips : sequence of bool
    leads : sequence of str
        As `parse_leads`.
    given : GivenLayout, optional
        What counts where it is given: traces may be missing.

    Returns
    -------
    dict of (int, int) to str, or None
        None where there are more or fewer names than traces; of strips names may be missing.
    """
    if given is not None:
        order, n_main = list(given.places), given.rows * given.columns
    else:
        main = sorted(
            (place for place, strip in zip(places, strips, strict=True) if not strip), key=_by_column
        )
        order = main + sorted(place for place, strip in zip(places, strips, strict=True) if strip)
        n_main = len(main)
    return dict(zip(order, leads, strict=False)) if len(leads) in (n_main, len(order)) else None


def _by_column(place: tuple[int, int]) -> tuple[int, int]:
    return place[1], place[0]


def told_by(name_from: str, shown: str) -> str:
    """
    Return where a name is from.

    Parameters
    ----------
    name_from : {"text", "option"}
        Of the trace: whether the user gives its name, if only as not known.
    shown : str
        What `by_algebra.tell_names` says.

    Examples
    --------
    >>> told_by("option", "text"), told_by("option", "algebra"), told_by("text", "none")
    ('option', 'algebra', 'none')
    """
    return OPTION if name_from == OPTION and shown in (TEXT, NONE) else shown
