"""Whole pages with their truth on disk, as pictures and as vector PDFs: what `data=page_folder` reads."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image

from ecgtrace.datasets.crop_files import write_bytes
from ecgtrace.datasets.drawn_pages import TRUTH_FS_HZ, page_regions, page_signals
from ecgtrace.datasets.index import IndexRow
from ecgtrace.drawing.page_pdf import draw_pdf
from ecgtrace.drawing.page_plan import PagePlan, plan_page
from ecgtrace.drawing.page_render import Scan, draw_picture
from ecgtrace.drawing.usual_page import usual_page
from ecgtrace.errors import ConfigError
from ecgtrace.recording import RecordedLead, Recording
from ecgtrace.records.splits import RecordSource
from ecgtrace.writers import wfdb_record

PDF, PNG = "pdf", "png"


@dataclass(frozen=True)
class WholePageSet:
    """
    Usual pages (`drawing.usual_page`), each of a record of its own: `<record>.png` or `<record>.pdf`.

    Beside each its truth as `<record>.hea` and `.dat` (WFDB, mV): the leads on the time axis of the page, NaN
    where it does not show them.

    Parameters
    ----------
    records : RecordSource
    split : str
        Whose records, in their order.
    n_pages : mapping of str to int
        How many of each format, `png` and `pdf`.
    dpi : float
        Of the pictures.
    """

    folder: ClassVar[str] = "whole-pages"

    records: RecordSource
    split: str
    n_pages: Mapping[str, int]
    dpi: float = 200.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "n_pages", {str(kind): int(n) for kind, n in self.n_pages.items()})
        if set(self.n_pages) - {PDF, PNG} or not any(self.n_pages.values()) or min(self.n_pages.values()) < 0:
            raise ConfigError(
                f"whole_pages.n_pages={dict(self.n_pages)}: give numbers of {PNG} and {PDF}, not all zero"
            )
        if not 50 <= self.dpi <= 1200:
            raise ConfigError(f"whole_pages.dpi must lie in 50..1200, got {self.dpi}")
        object.__setattr__(self, "dpi", float(self.dpi))

    @cached_property
    def formats(self) -> list[str]:
        """Format of each page."""
        return [kind for kind, number in self.n_pages.items() for _ in range(number)]

    @cached_property
    def item_ids(self) -> list[str]:
        """Name of each page: that of its record."""
        ids = self.records.split_ids(self.split)
        if len(ids) < len(self.formats):
            raise ConfigError(
                f"{len(self.formats)} whole pages are wanted, but split {self.split} of {self.records.name} "
                f"has {len(ids)} records; lower whole_pages.n_pages"
            )
        return list(ids[: len(self.formats)])

    def item_of(self, crop_id: str) -> str:
        """Return the page that a lead is on."""
        return crop_id.rsplit("_lead_", 1)[0]

    def plan(self, index: int) -> PagePlan:
        """Lay out a page."""
        record_id = self.item_ids[index]
        return plan_page(self.records.load(record_id), usual_page(record_id, self.dpi))

    def write(self, index: int, folder: Path) -> list[IndexRow]:
        """Write a page and its truth."""
        name, kind, plan = self.item_ids[index], self.formats[index], self.plan(index)
        write_bytes(folder / f"{name}.{kind}", _pdf(plan) if kind == PDF else _png(plan))
        wfdb_record.write(truth(plan), folder / name)
        return self._rows(plan, name)

    def files(self, item_id: str, rows: Sequence[IndexRow]) -> list[str]:
        """Return the files of a page."""
        return [f"{item_id}.{self.formats[self.item_ids.index(item_id)]}", f"{item_id}.hea", f"{item_id}.dat"]

    def extras(self) -> dict[str, str]:
        """Return further files of the set: none."""
        return {}

    def _rows(self, plan: PagePlan, name: str) -> list[IndexRow]:
        px_per_mm = plan.style.px_per_mm
        return [
            IndexRow(
                crop_id=f"{name}_lead_{number}",
                record_id=name,
                lead=region.lead,
                layout=plan.design.layout.name,
                px_per_mm=px_per_mm,
                fs_hz=TRUTH_FS_HZ,
                overlap_px=round(region.overlap_mm2 * px_per_mm**2),
                crossings=region.crossings,
                split=self.split,
            )
            for number, region in enumerate(page_regions(plan, _IN_PLACE))
        ]


_IN_PLACE = np.eye(2, 3)  # the picture's px are the plan's


def truth(plan: PagePlan) -> Recording:
    """Return what a page shows, on its time axis."""
    leads, _, signals = page_signals(plan)
    recorded = (
        RecordedLead.without_page(lead, row, TRUTH_FS_HZ) for lead, row in zip(leads, signals, strict=True)
    )
    return Recording(tuple(recorded), plan.design.layout.name, method="signals", unit="")


def _png(plan: PagePlan) -> bytes:
    image = Image.fromarray(draw_picture(plan, Scan(), np.random.default_rng(0)))
    with io.BytesIO() as file:
        image.save(file, PNG, optimize=True)  # a sixth of what OpenCV makes of a grid
        return file.getvalue()


def _pdf(plan: PagePlan) -> bytes:
    with io.BytesIO() as file:
        draw_pdf(plan, file)
        return file.getvalue()
