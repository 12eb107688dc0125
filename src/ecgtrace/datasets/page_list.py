"""Which pages can be drawn of a source of records, all different, and in which order."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import numpy as np

from ecgtrace.datasets.drawn import Sheet
from ecgtrace.drawing.layout import LAYOUTS, Plan
from ecgtrace.drawing.style import PageStyle
from ecgtrace.errors import ConfigError
from ecgtrace.records.splits import SPLITS, RecordSource


@dataclass(frozen=True)
class PageSpec:
    """Which page: its number in the set, the split and id of its record, and what is printed on it."""

    number: int
    split: str
    record_id: str
    sheet: Sheet

    @property
    def name(self) -> str:
        """Name as in the published sets: number and layout, `12_3by4`."""
        return f"{self.number}_{self.sheet.layout.replace('x', 'by')}"

    @property
    def n_leads(self) -> int:
        """How many traces the page holds."""
        return sum(map(len, LAYOUTS[self.sheet.layout])) + self.sheet.rhythm


@dataclass(frozen=True)
class Pages:
    """
    The pages that can be drawn of a source of records.

    Each record comes on every layout, and then with later windows of time, until all are used. Each
    column shows its own window; in the published sets all columns show the first one.

    Parameters
    ----------
    records : RecordSource
        Its splits are those of the pages, so that no patient is in two of them.
    style : PageStyle
    layouts : sequence of str
    rhythm : bool
        Add a strip of lead II below.
    seed : int
        Order of the records.
    """

    records: RecordSource
    style: PageStyle
    layouts: tuple[str, ...] = ("3x4", "3x1")
    rhythm: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "layouts", tuple(self.layouts))
        unknown = set(self.layouts) - set(LAYOUTS)
        if unknown or not self.layouts:
            raise ConfigError(f"layouts={list(self.layouts)}: choose of {', '.join(LAYOUTS)}")

    def of_split(self, split: str) -> Iterator[tuple[str, Sheet]]:
        """Yield the record and the sheet of each page of a split, all different."""
        ids = self.records.split_ids(split)
        order = np.random.default_rng([self.seed, SPLITS.index(split)]).permutation(len(ids))
        for shift in range(max(len(LAYOUTS[layout]) for layout in self.layouts)):
            for turn in range(len(self.layouts)):
                for place, which in enumerate(order):
                    layout = self.layouts[(place + turn) % len(self.layouts)]
                    columns = len(LAYOUTS[layout])
                    if shift < columns:
                        yield ids[which], Sheet(layout, shift * 10.0 / columns, self.rhythm)

    def take(self, n_pages: Mapping[str, int]) -> list[PageSpec]:
        """
        Return the first pages of each split, numbered through.

        Raises
        ------
        ConfigError
            If a split has fewer.
        """
        specs: list[PageSpec] = []
        for split, number in n_pages.items():
            pages = list(islice(self.of_split(split), number))
            if len(pages) < number:
                raise ConfigError(too_few(number, "pages", split, len(pages), self.records))
            specs += [PageSpec(len(specs) + i, split, *page) for i, page in enumerate(pages)]
        return specs

    def plan(self, spec: PageSpec, style: PageStyle | None = None) -> Plan:
        """Lay out a page."""
        return _planned(self.records, spec.record_id, spec.sheet, style or self.style)  # type: ignore[arg-type]


@lru_cache(maxsize=2)  # the crops of a page come one after another
def _planned(records: RecordSource, record_id: str, sheet: Sheet, style: PageStyle) -> Plan:
    return sheet.plan(records.load(record_id), style)


def too_few(wanted: int, what: str, split: str, there: int, records: RecordSource) -> str:
    """Say that a split has too few pages or crops, and what to do."""
    return (
        f"{wanted} {what} are wanted of split {split}, but the {len(records.split_ids(split))} records of "
        f"{records.name} give only {there}; lower the count, add layouts, or use more records"
    )
