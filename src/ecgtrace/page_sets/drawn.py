"""Whole pages drawn from records: a dataset that is its config, and needs no disk."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ecgtrace.crops.cut import crop_box, overlap
from ecgtrace.crops.drawn import Sheet
from ecgtrace.documents.source import SourcePage
from ecgtrace.errors import ConfigError
from ecgtrace.evaluation.page_sample import PageSample, PageSet, TrueBox
from ecgtrace.pages.layout import LAYOUTS, Plan
from ecgtrace.pages.printers import StyleSource
from ecgtrace.pages.render import draw_page
from ecgtrace.records.splits import RecordSource
from ecgtrace.units import MM_PER_INCH

_SHEETS = tuple(Sheet(layout, rhythm=rhythm) for layout in LAYOUTS for rhythm in (False, True))


@dataclass(frozen=True)
class DrawnPages(PageSet):
    """
    Pages of one split, a layout and a printer's style drawn for each.

    Parameters
    ----------
    records : RecordSource
    printers : mapping of str to StyleSource
        By the name that tables call them; one is drawn for each page, then its style.
    split : {"train", "val", "test", "all"}
    n_pages : int
        Records come again, on other pages, once all have been drawn.
    sheets : sequence of Sheet
        One is drawn for each page.
    seed : int

    Notes
    -----
    The page at an index is a pure function of (config, seed, index). The picture carries no resolution: a
    scan that was sent on has none.
    """

    records: RecordSource
    printers: dict[str, StyleSource]
    split: str
    n_pages: int = 120
    sheets: tuple[Sheet, ...] = field(default=_SHEETS)
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "sheets", tuple(self.sheets))
        if self.n_pages < 1 or not self.printers or not self.sheets:
            raise ConfigError("drawn pages need n_pages of 1 or more, a printer and a sheet")

    @property
    def name(self) -> str:
        """Where the pages come from."""
        return f"drawn/{self.records.name}/{self.split}"

    def fingerprint(self) -> str:
        """Return a hash of the records behind the pages."""
        return self.records.fingerprint()

    def __len__(self) -> int:
        return self.n_pages

    def crop_id(self, index: int) -> str:
        """Return the id of a page without drawing it."""
        record_id, sheet, printer = self._choice(index)
        return f"{index:03d}_{record_id}_{sheet.name}_{printer}"

    def __getitem__(self, index: int) -> PageSample:
        record_id, sheet, printer = self._choice(index)
        rng = np.random.default_rng([self.seed, index, 1])
        style = self.printers[printer].draw_style(rng)
        plan = sheet.plan(self.records.load(record_id), style)
        dpi = style.px_per_mm * MM_PER_INCH
        signals, fs_hz, names = _truth(plan)
        boxes: dict[str, tuple[TrueBox, ...]] = {}
        overlaps: dict[str, bool] = {}
        for number, trace in enumerate(plan.traces):
            x0, y0, x1, y1 = crop_box(plan, number)
            part = TrueBox((x0, y0, x1 - 1, y1 - 1), trace.start_s, trace.end_s)
            boxes[trace.lead] = (*boxes.get(trace.lead, ()), part)
            overlaps[trace.lead] = overlap(plan, number)[0] > 0  # the strip, which comes last, decides
        return PageSample(
            page_id=self.crop_id(index),
            record_id=record_id,
            page=SourcePage(draw_page(plan, rng).image),
            signals=signals,
            fs_hz=fs_hz,
            names=names,
            layout=sheet.layout + ("+1" if sheet.rhythm else ""),
            printer=printer,
            dpi=dpi,
            boxes=boxes,
            overlaps=overlaps,
            names_printed=bool(plan.labels),
        )

    def _choice(self, index: int) -> tuple[str, Sheet, str]:
        rng = np.random.default_rng([self.seed, index])
        sheet = self.sheets[rng.integers(len(self.sheets))]
        names = list(self.printers)
        return self._ids[index % len(self._ids)], sheet, names[rng.integers(len(names))]

    @cached_property
    def _ids(self) -> tuple[str, ...]:
        ids = self.records.split_ids(self.split)
        return tuple(ids[i] for i in np.random.default_rng(self.seed).permutation(len(ids)))


def _truth(plan: Plan) -> tuple[np.ndarray, float, tuple[str, ...]]:
    """Lay the traces on the axis of the page; a strip, which comes last, is laid over its lead's column."""
    fs_hz = plan.traces[0].fs_hz
    names = tuple(dict.fromkeys(trace.lead for trace in plan.traces))
    n = max(round(trace.start_s * fs_hz) + len(trace.signal) for trace in plan.traces)
    signals = np.full((len(names), n), np.nan)
    for trace in plan.traces:
        first = round(trace.start_s * fs_hz)
        signals[names.index(trace.lead), first : first + len(trace.signal)] = trace.signal
    return signals, fs_hz, names
