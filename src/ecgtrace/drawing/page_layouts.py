"""
Which lead stands where on a whole page, and which seconds of it: rows of cells, in any order of leads.

The page's time axis is one of places: a cell begins at the second at which it stands to the right of the
first traces, whatever part of the record it shows. Of a lead that goes on over several rows, each row begins
where the one above ended.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np

from ecgtrace.errors import ConfigError
from ecgtrace.units import LEADS

INVERTED_AVR = "-aVR"
_LIMB, _CHEST = LEADS[:6], LEADS[6:]
CABRERA = ("aVL", "I", INVERTED_AVR, "II", "aVF", "III")
ONE_LEAD = "rows"
# Rows and columns of each kind. "6x1 chest" and "3x1 rhythm" are 6x1 and 3x1 with other leads.
KINDS: dict[str, tuple[int, int]] = {
    "3x4": (3, 4),
    "6x2": (6, 2),
    "12x1": (12, 1),
    "6x1": (6, 1),
    "6x1 chest": (6, 1),
    "3x1": (3, 1),
    "3x1 rhythm": (3, 1),
    "4x3": (4, 3),
    ONE_LEAD: (0, 1),
}
_UNEQUAL = 0.2  # a column is so much wider or narrower than its share, at most; our choice
_STEP_S = 0.1  # windows begin on whole samples at every frequency in use


@dataclass(frozen=True)
class Cell:
    """
    One lead in one place.

    Attributes
    ----------
    lead : str
        Of the record.
    name : str
        Under which name it is printed: `lead`, "-aVR" (drawn upside down), or one of no standard lead.
    start_s : float
        On the page's time axis.
    record_start_s : float
        On the record's.
    length_s : float
    column : int
    is_strip : bool
        A rhythm strip below the columns.
    """

    lead: str
    name: str
    start_s: float
    record_start_s: float
    length_s: float
    column: int = 0
    is_strip: bool = False

    @property
    def sign(self) -> int:
        """-1 where the lead is drawn upside down."""
        return -1 if self.name == INVERTED_AVR else 1


@dataclass(frozen=True)
class PageLayout:
    """
    Rows of cells.

    Attributes
    ----------
    name : str
        Rows x columns + strips, as `3x4+1`; `1x1+0`-like zeros are left out. `rowsN` is one lead over N rows.
    rows : tuple of tuple of Cell
        From top to bottom; cells from left to right.
    row_s : float
        Seconds from the left end of a row to its right end.
    simultaneous : bool
        All columns show the same seconds of the record.
    """

    name: str
    rows: tuple[tuple[Cell, ...], ...]
    row_s: float
    simultaneous: bool = False

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All cells, row by row."""
        return tuple(cell for row in self.rows for cell in row)

    @property
    def n_columns(self) -> int:
        """Columns of the widest row."""
        return max(len(row) for row in self.rows)

    @property
    def duration_s(self) -> float:
        """Length of the page's time axis."""
        return max(cell.start_s + cell.length_s for cell in self.cells)

    @property
    def needed_s(self) -> float:
        """Until which second the record is shown."""
        return max(cell.record_start_s + cell.length_s for cell in self.cells)


def page_layout(
    kind: str,
    row_s: float = 10.0,
    strips: Sequence[str] = (),
    order: Sequence[str] | None = None,
    boundaries_s: Sequence[float] | None = None,
    simultaneous: bool = False,
    n_rows: int = 4,
    record_start_s: float = 0.0,
) -> PageLayout:
    """
    Lay leads out.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    row_s : float, optional
        Length of a whole row.
    strips : sequence of str, optional
        Leads of the strips below.
    order : sequence of str, optional
        Names column by column, from top to bottom; "-aVR" is aVR upside down. By default the usual one.
        Of one lead over several rows, that lead.
    boundaries_s : sequence of float, optional
        Where columns begin, 0 first. By default all columns are as wide.
    simultaneous : bool, optional
        Each column shows the record from `record_start_s` on.
    n_rows : int, optional
        Of one lead over several rows.
    record_start_s : float, optional
        Where the page begins in the record.

    Raises
    ------
    ConfigError
        For an unknown kind, or an order that does not fill it.

    Examples
    --------
    >>> [[cell.name for cell in row] for row in page_layout("4x3", strips=["II"]).rows]
    [['I', 'aVL', 'V3'], ['II', 'aVF', 'V4'], ['III', 'V1', 'V5'], ['aVR', 'V2', 'V6'], ['II']]
    """
    if kind not in KINDS:
        raise ConfigError(f"layout={kind} is unknown; choose one of {', '.join(KINDS)}")
    if kind == ONE_LEAD:
        lead = order[0] if order else "II"
        starts = [row * row_s for row in range(n_rows)]
        return PageLayout(
            f"{ONE_LEAD}{n_rows}",
            tuple((Cell(lead, lead, start, record_start_s + start, row_s),) for start in starts),
            row_s,
        )
    n_rows, n_columns = KINDS[kind]
    names = tuple(order or usual_order(kind))
    if len(names) != n_rows * n_columns:
        raise ConfigError(f"{kind} shows {n_rows * n_columns} leads, but order names {len(names)}")
    begins = list(boundaries_s or [row_s / n_columns * column for column in range(n_columns)])
    lengths = np.diff([*begins, row_s]).tolist()

    def cell(name: str, column: int) -> Cell:
        record_s = record_start_s + (0.0 if simultaneous else begins[column])
        return Cell(name.lstrip("-"), name, begins[column], record_s, lengths[column], column)

    rows = [
        tuple(cell(names[column * n_rows + row], column) for column in range(n_columns))
        for row in range(n_rows)
    ]
    rows += [(Cell(lead, lead, 0.0, record_start_s, row_s, is_strip=True),) for lead in strips]
    suffix = f"+{len(strips)}" if strips else ""
    return PageLayout(f"{n_rows}x{n_columns}{suffix}", tuple(rows), row_s, simultaneous)


def usual_order(kind: str, cabrera: bool = False) -> tuple[str, ...]:
    """Return the leads of a kind column by column, limb leads in Cabrera's order where asked."""
    limb = CABRERA if cabrera else _LIMB
    if kind == "6x1":
        return limb
    if kind == "6x1 chest":
        return _CHEST
    if kind == "3x1":
        return limb[:3]
    if kind == "3x1 rhythm":
        return ("V1", "II", "V5")
    return limb + _CHEST


@dataclass(frozen=True)
class LayoutMix:
    """
    How often pages have which layout. Shares are our choice: 3x4 with a strip is what most people have.

    Attributes
    ----------
    kinds, n_strips : dict
        Share of each; strips stand below layouts of several columns, and below others for `strips_below_one`.
    cabrera, random_order, unequal, simultaneous, strips_below_one : float
        Share of the pages that can have it.
    full_row : float
        Share of pages whose rows have the usual length, 10 s at 25 mm/s; others are shorter.
    """

    kinds: Mapping[str, float] = field(
        default_factory=lambda: {
            "3x4": 0.45,
            "6x2": 0.19,
            "12x1": 0.12,
            "6x1": 0.05,
            "6x1 chest": 0.04,
            "3x1": 0.02,
            "3x1 rhythm": 0.02,
            "4x3": 0.06,
            ONE_LEAD: 0.05,
        }
    )
    n_strips: Mapping[int, float] = field(default_factory=lambda: {0: 0.25, 1: 0.5, 2: 0.08, 3: 0.17})
    cabrera: float = 0.08
    random_order: float = 0.06
    unequal: float = 0.07
    simultaneous: float = 0.15
    strips_below_one: float = 0.15
    full_row: float = 0.8

    def __post_init__(self) -> None:
        object.__setattr__(self, "kinds", dict(self.kinds))
        object.__setattr__(self, "n_strips", {int(n): share for n, share in self.n_strips.items()})
        unknown = set(self.kinds) - set(KINDS)
        if unknown:
            raise ConfigError(f"layouts: {', '.join(sorted(unknown))} is none of {', '.join(KINDS)}")

    def draw(self, rng: np.random.Generator, speed_mm_per_s: float, record_s: float) -> PageLayout:
        """
        Draw a layout whose rows a page at this speed can hold, from a record of this length.

        Of one lead over several rows, the record may be shorter than the page.
        """
        kind = str(choose(self.kinds, rng))
        usual_s = 250.0 / speed_mm_per_s  # rows of 250 mm
        row_s = usual_s if rng.random() < self.full_row else float(rng.uniform(0.5, 1.0)) * usual_s
        row_s = min(round(row_s / _STEP_S) * _STEP_S, record_s)
        if kind == ONE_LEAD:
            lead = str(rng.choice(["II", "I", "V1", "V5"], p=[0.4, 0.4, 0.1, 0.1]))
            return page_layout(kind, row_s, order=(lead,), n_rows=int(rng.integers(2, 8)))
        n_columns = KINDS[kind][1]
        latest_s = record_s - row_s
        start_s = round(rng.uniform(0, latest_s) / _STEP_S) * _STEP_S if rng.random() < 0.5 else 0.0
        return page_layout(
            kind,
            row_s,
            self._strips(n_columns, rng),
            self._order(kind, rng),
            self._boundaries(n_columns, row_s, rng),
            bool(n_columns > 1 and rng.random() < self.simultaneous),
            record_start_s=start_s,
        )

    def _strips(self, n_columns: int, rng: np.random.Generator) -> tuple[str, ...]:
        if n_columns == 1 and rng.random() >= self.strips_below_one:
            return ()
        number = int(choose(self.n_strips, rng))
        if number == 1:
            return (str(rng.choice(["II", "V1", "V5"], p=[0.8, 0.12, 0.08])),)
        # GE prints V1, II, V5 in this order.
        leads = ["V1", "II", "V5"] if rng.random() < 0.7 else rng.permutation(["II", "V1", "V5"]).tolist()
        return tuple(leads[:number])

    def _order(self, kind: str, rng: np.random.Generator) -> tuple[str, ...]:
        names = usual_order(kind, cabrera=bool(rng.random() < self.cabrera))
        if rng.random() < self.random_order:
            return tuple(str(name) for name in rng.permutation(names))
        return names

    def _boundaries(self, n_columns: int, row_s: float, rng: np.random.Generator) -> list[float]:
        shares = np.ones(n_columns)
        if rng.random() < self.unequal:
            shares = rng.uniform(1 - _UNEQUAL, 1 + _UNEQUAL, n_columns)
        begins = [0.0, *accumulate((shares / shares.sum() * row_s)[:-1].tolist())]
        # On whole samples at every frequency in use.
        return [round(begin, 2) for begin in begins]


def choose(shares: Mapping[Any, float], rng: np.random.Generator) -> Any:
    """Draw a key by its share."""
    weights = np.asarray(list(shares.values()), float)
    return list(shares)[int(rng.choice(len(weights), p=weights / weights.sum()))]
