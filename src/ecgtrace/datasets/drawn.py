"""Crops drawn from records: a dataset that is its config, and needs no disk."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from ecgtrace.datasets.cut import BoxJitter, cut, overlap
from ecgtrace.drawing.degrade import Box
from ecgtrace.drawing.layout import LAYOUTS, Plan, lay_out
from ecgtrace.drawing.printers import StyleSource
from ecgtrace.drawing.style import PageStyle
from ecgtrace.errors import ConfigError, DataError
from ecgtrace.records.splits import RecordSource
from ecgtrace.types import LeadCrop, Record


@dataclass(frozen=True)
class Sheet:
    """What is printed on a page: a layout, from a moment of the record on, perhaps a rhythm strip."""

    layout: str
    start_s: float = 0.0
    rhythm: bool = False

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise ConfigError(f"layout={self.layout} is unknown; choose one of {', '.join(LAYOUTS)}")

    @property
    def name(self) -> str:
        """A short name, part of the ids of its crops."""
        return f"{self.layout}{'r' if self.rhythm else ''}@{self.start_s:g}s"

    def plan(self, record: Record, style: PageStyle) -> Plan:
        """Lay out the page; the windows of its columns wrap around the end of the record."""
        columns = len(LAYOUTS[self.layout])
        window_s = 10.0 / columns
        starts = tuple((self.start_s + i * window_s) % 10.0 for i in range(columns))
        return lay_out(record, self.layout, style, self.rhythm, starts_s=starts)


@dataclass(frozen=True)
class _Place:
    record_id: str
    sheet: Sheet
    target: int

    @property
    def page_id(self) -> str:
        return f"{self.record_id}_{self.sheet.name}"

    @property
    def crop_id(self) -> str:
        return f"{self.page_id}_{self.target:02d}"


@dataclass(frozen=True)
class DrawnCrops(Sequence[LeadCrop]):
    """
    Crops of one split, drawn at random until both quotas are full.

    All pages of the split (each record on each sheet) are candidates; their leads come
    in an order that the seed shuffles, and each is kept while the quota of its subset,
    with or without ink of other leads inside the box, is open. So the overlapping crops
    are a natural mix of traces that enter and traces that cross.

    Parameters
    ----------
    records : RecordSource
    style : PageStyle
    sheets : sequence of Sheet
        Later sheets are used only when the earlier ones do not fill the quotas.
    split : {"train", "val", "test", "all"}
    n_non_overlap, n_overlap : int
        The quotas. If the split does not hold as many, it gives what it has: see `len`.
    box_jitter_mm : float
        Each side of the box is put on its own, up to so far outside of the lead's ink and a little inside
        (`datasets.cut.BoxJitter`); 0 cuts all crops as the published dataset does.
    printer : StyleSource, optional
        Draws the style of each page (`drawing.printers`), in place of `style`.
    seed : int

    Notes
    -----
    The crop at an index is a pure function of (config, seed, index). Box and style are drawn by the name of
    the crop and of its page, so that other quotas do not change them.
    """

    records: RecordSource
    style: PageStyle
    sheets: tuple[Sheet, ...]
    split: str
    n_non_overlap: int = 185
    n_overlap: int = 100
    box_jitter_mm: float = 0.0
    printer: StyleSource | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "sheets", tuple(self.sheets))
        if self.n_non_overlap < 0 or self.n_overlap < 0:
            raise ConfigError("the numbers of crops must not be negative")
        if self.box_jitter_mm < 0:
            raise ConfigError(f"data.box_jitter_mm must not be negative, got {self.box_jitter_mm}")

    @property
    def name(self) -> str:
        """Where the crops come from."""
        return f"{self.records.name}/{self.split}"

    def fingerprint(self) -> str:
        """Return a hash of the records behind the crops."""
        return self.records.fingerprint()

    def __len__(self) -> int:
        return len(self._places)

    def crop_id(self, index: int) -> str:
        """Return the id of a crop without drawing it."""
        return self._places[index].crop_id

    def __getitem__(self, index: int) -> LeadCrop:  # type: ignore[override]
        place = self._places[index]
        rng = np.random.default_rng([self.seed, index])
        plan = self._plan(place)
        return cut(plan, place.target, place.crop_id, rng, self._box(plan, place))

    def _plan(self, place: _Place) -> Plan:
        style = self.style
        if self.printer is not None:
            style = self.printer.draw_style(self._named_rng(place.page_id))
        return _planned(self.records, place.record_id, place.sheet, style)  # type: ignore[arg-type]

    def _box(self, plan: Plan, place: _Place) -> Box:
        return BoxJitter(self.box_jitter_mm).box(plan, place.target, self._named_rng(place.crop_id))

    def _named_rng(self, name: str) -> np.random.Generator:
        digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
        return np.random.default_rng([self.seed, int.from_bytes(digest, "big")])

    @cached_property
    def _places(self) -> tuple[_Place, ...]:
        wanted = {False: self.n_non_overlap, True: self.n_overlap}
        kept: list[_Place] = []
        rng = np.random.default_rng(self.seed)
        for places in self._candidates(rng):
            for place in places:
                if not any(wanted.values()):
                    return tuple(kept)
                plan = self._plan(place)
                has_overlap = overlap(plan, place.target, self._box(plan, place))[0] > 0
                if wanted[has_overlap]:
                    wanted[has_overlap] -= 1
                    kept.append(place)
        if not kept:
            raise DataError(f"split {self.split} of {self.records.name} holds no crop of the wanted kind")
        return tuple(kept)

    def _candidates(self, rng: np.random.Generator) -> Iterator[list[_Place]]:
        """Yield the candidates by start of the sheet, so that repeated windows come last."""
        ids = self.records.split_ids(self.split)
        for start_s in sorted({sheet.start_s for sheet in self.sheets}):
            places = [
                _Place(record_id, sheet, target)
                for record_id in ids
                for sheet in self.sheets
                if sheet.start_s == start_s
                for target in range(sum(map(len, LAYOUTS[sheet.layout])))
            ]
            yield [places[i] for i in rng.permutation(len(places))]


@lru_cache(maxsize=64)
def _planned(records: RecordSource, record_id: str, sheet: Sheet, style: PageStyle) -> Plan:
    return sheet.plan(records.load(record_id), style)
