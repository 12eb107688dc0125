"""Whole pages drawn from records (`datasets.drawn_pages`), as an evaluation takes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ecgtrace.datasets import drawn_pages
from ecgtrace.datasets.page_training import ScanMix
from ecgtrace.documents.source import SourcePage
from ecgtrace.drawing.page_designer import PageDesigner
from ecgtrace.drawing.printers import Range, StyleSource
from ecgtrace.evaluation.page_sample import PageSample, PageSet, TrueBox
from ecgtrace.records.splits import RecordSource
from ecgtrace.units import MM_PER_INCH


@dataclass(frozen=True)
class DrawnPages(PageSet):
    """
    Pages of one split, each with a layout, a printer's style and a design of its own.

    Parameters
    ----------
    records, printers, split, n_pages, dpi, designer, scans, seed
        As `datasets.drawn_pages.DrawnPages` has them.

    Notes
    -----
    A reader is told no resolution: a scan that was sent on has none. Leads are called as they are printed;
    one that is printed as -aVR is aVR, the right way up.
    """

    records: RecordSource
    printers: Mapping[str, StyleSource]
    split: str
    n_pages: int = 120
    dpi: Range = (150.0, 300.0)
    designer: PageDesigner = field(default_factory=PageDesigner)
    scans: ScanMix = field(default_factory=ScanMix)
    seed: int = 0

    def __post_init__(self) -> None:
        _ = self._pages  # raises for values that are out of range

    @property
    def name(self) -> str:
        """Where the pages come from."""
        return self._pages.name

    def fingerprint(self) -> str:
        """Return a hash of the records behind the pages."""
        return self._pages.fingerprint()

    def __len__(self) -> int:
        return len(self._pages)

    def crop_id(self, index: int) -> str:
        """Return the id of a page without drawing it."""
        return self._pages.page_id(index)

    def __getitem__(self, index: int) -> PageSample:
        page = self._pages[index]
        names = tuple(name.removeprefix("-") for name in page.names)
        boxes, overlaps = {}, {}
        for lead, name in zip(page.leads, names, strict=True):
            regions = page.shown(lead)
            boxes[name] = tuple(
                TrueBox((part.x0, part.y0, part.x1, part.y1), part.start_s, part.end_s) for part in regions
            )
            overlaps[name] = any(part.overlap_mm2 > 0 for part in regions)  # as `subsets.subset_of`
        return PageSample(
            page_id=page.page_id,
            record_id=page.record_id,
            page=SourcePage(page.image, dpi=page.stated_dpi),
            signals=page.signals,
            fs_hz=page.fs_hz,
            names=names,
            layout=page.layout,
            printer=page.printer,
            dpi=page.px_per_mm * MM_PER_INCH,
            speed_mm_per_s=page.speed_mm_per_s,
            gain_mm_per_mv=page.gain_mm_per_mv,
            boxes=boxes,
            overlaps=overlaps,
            names_printed=page.names_printed,
        )

    @cached_property
    def _pages(self) -> drawn_pages.DrawnPages:
        return drawn_pages.DrawnPages(
            self.records,
            self.printers,
            self.split,
            self.n_pages,
            self.dpi,
            self.designer,
            self.scans,
            self.seed,
        )
