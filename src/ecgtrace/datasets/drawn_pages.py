"""Whole pages drawn from records, with the truth of each lead: a dataset that needs no disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ecgtrace.datasets.cut import count_crossings
from ecgtrace.datasets.page_training import ScanMix
from ecgtrace.drawing.page_design import PageDesign
from ecgtrace.drawing.page_designer import PageDesigner
from ecgtrace.drawing.page_plan import PagePlan, PageTrace, plan_page
from ecgtrace.drawing.page_render import Matrix, draw_picture
from ecgtrace.drawing.printers import Range, StyleSource
from ecgtrace.drawing.render import add_stroke
from ecgtrace.errors import ConfigError
from ecgtrace.records.splits import RecordSource
from ecgtrace.types import FloatArray
from ecgtrace.units import LEADS, MM_PER_INCH

Point = tuple[float, float]

TRUTH_FS_HZ = 500.0
_OVERLAP_PX_PER_MM = (
    8.0  # neighbouring ink is measured at this resolution, whatever that of the page: 200 dpi
)
_COVERED = 128


@dataclass(frozen=True)
class PageRegion:
    """
    One lead in one place of a drawn page.

    Attributes
    ----------
    lead, name : str
        Of the record; as it is printed ("-aVR": upside down).
    row, column : int
    is_strip : bool
    start_s, end_s : float
        On the page's time axis.
    x0, y0, x1, y1 : float
        Box of its ink in px of the picture; pixel k reaches from k - 0.5 to k + 0.5.
    zero_line : tuple of ((x, y), (x, y))
        Points of the zero line in px of the picture: below or above the first sample, and the last.
    overlap_mm2 : float
        Ink of other rows inside the box, 0.96 mm of padding above and below it included.
    crossings : int
        How often the centre line of another row crosses its own.
    """

    lead: str
    name: str
    row: int
    column: int
    is_strip: bool
    start_s: float
    end_s: float
    x0: float
    y0: float
    x1: float
    y1: float
    zero_line: tuple[Point, Point]
    overlap_mm2: float
    crossings: int


@dataclass(frozen=True, eq=False)
class DrawnEcgPage:
    """
    A drawn page and the truth about it.

    Attributes
    ----------
    page_id, record_id, split, printer : str
    image : ndarray of uint8, shape (height, width, 3)
        RGB.
    px_per_mm : float
        True scale, the same in x and y.
    turn_deg : float
        How far the page is turned in its picture, counter-clockwise.
    leads : tuple of str
        Those that the page shows, in the field's order.
    names : tuple of str
        What each is printed as: "-aVR" where aVR is upside down.
    signals : ndarray of float, shape (n_leads, n_samples)
        In mV, on the page's time axis at `fs_hz`; NaN where not shown. A lead in a column and in a strip: the
        strip. A lead drawn upside down is given the right way up. Between the samples that were drawn, the
        line that was drawn.
    fs_hz : float
    layout : str
        As `PageLayout.name`, for instance `3x4+1`.
    simultaneous : bool
        All columns show the same seconds.
    speed_mm_per_s, gain_mm_per_mv : float
    names_printed : bool
    stated_dpi : float or None
        What its file says, as that of a scan does: of a page whose paper shows no scale, without a grid and
        without a pulse.
    regions : tuple of PageRegion
        Each place of each lead, row by row.
    """

    page_id: str
    record_id: str
    split: str
    printer: str
    image: NDArray[np.uint8]
    px_per_mm: float
    turn_deg: float
    leads: tuple[str, ...]
    names: tuple[str, ...]
    signals: FloatArray
    fs_hz: float
    layout: str
    simultaneous: bool
    speed_mm_per_s: float
    gain_mm_per_mv: float
    names_printed: bool
    stated_dpi: float | None
    regions: tuple[PageRegion, ...]

    def shown(self, lead: str) -> tuple[PageRegion, ...]:
        """Return where the signal of a lead stands: its strip if it has one, else its cells."""
        mine = [region for region in self.regions if region.lead == lead]
        return tuple(region for region in mine if region.is_strip) or tuple(mine)


@dataclass(frozen=True)
class DrawnPages(Sequence[DrawnEcgPage]):
    """
    Pages of one split, each with a layout, a printer's style and a design of its own.

    Parameters
    ----------
    records : RecordSource
    printers : mapping of str to StyleSource
        By the name that tables call them; one is drawn for each page.
    split : {"train", "val", "test", "all"}
    n_pages : int
        Records come again, on other pages, once all have been drawn.
    dpi : tuple of float
        Resolutions, evenly by factor.
    designer : PageDesigner, optional
        Its printer and resolution are those given here.
    scans : ScanMix, optional
        By default every other page is turned, none by more than 1.5 degrees.
    seed : int

    Notes
    -----
    The page at an index is a pure function of (config, seed, index).
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
        low, high = self.dpi
        object.__setattr__(self, "dpi", (float(low), float(high)))
        if self.n_pages < 1 or not self.printers:
            raise ConfigError("drawn pages need n_pages of 1 or more, and a printer")

    @property
    def name(self) -> str:
        """Where the pages come from."""
        return f"drawn/{self.records.name}/{self.split}"

    def fingerprint(self) -> str:
        """Return a hash of the records behind the pages."""
        return self.records.fingerprint()

    def __len__(self) -> int:
        return self.n_pages

    def page_id(self, index: int) -> str:
        """Return the id of a page without drawing it."""
        return f"{index:03d}_{self._record_id(index)}_{self._printer(index)}"

    def __getitem__(self, index: int) -> DrawnEcgPage:  # type: ignore[override]
        if not 0 <= index < self.n_pages:
            raise IndexError(index)
        rng = np.random.default_rng([self.seed, index])
        record, printer = self.records.load(self._record_id(index)), self._printer(index)
        low, high = self.dpi
        designer = replace(
            self.designer,
            printer=self.printers[printer],
            px_per_mm=(low / MM_PER_INCH, high / MM_PER_INCH),
        )
        plan = plan_page(record, designer.draw(rng, record.duration_s))
        scan = self.scans.draw(rng)
        matrix, _ = scan.matrix(plan)
        leads, names, signals = page_signals(plan)
        design = plan.design
        return DrawnEcgPage(
            page_id=self.page_id(index),
            record_id=record.record_id,
            split=self.split,
            printer=printer,
            image=draw_picture(plan, scan, rng),
            px_per_mm=plan.style.px_per_mm,
            turn_deg=scan.turn_deg,
            leads=leads,
            names=names,
            signals=signals,
            fs_hz=TRUTH_FS_HZ,
            layout=design.layout.name,
            simultaneous=design.layout.simultaneous,
            speed_mm_per_s=design.speed_mm_per_s,
            gain_mm_per_mv=design.gain_mm_per_mv,
            names_printed=design.names != "none",
            stated_dpi=None if _shows_scale(design) else plan.style.px_per_mm * MM_PER_INCH,
            regions=page_regions(plan, matrix),
        )

    def _printer(self, index: int) -> str:
        names = list(self.printers)
        return names[int(np.random.default_rng([self.seed, index, 1]).integers(len(names)))]

    def _record_id(self, index: int) -> str:
        return self._ids[index % len(self._ids)]

    @cached_property
    def _ids(self) -> tuple[str, ...]:
        ids = self.records.split_ids(self.split)
        return tuple(ids[i] for i in np.random.default_rng(self.seed).permutation(len(ids)))


def _shows_scale(design: PageDesign) -> bool:
    style = design.style
    has_grid = style.grid_major is not None or style.grid_minor is not None
    has_grid &= style.degradation.bilevel is None  # a scan of one bit may lose a pale grid
    return has_grid or design.pulses != "none"


def page_signals(
    plan: PagePlan, fs_hz: float = TRUTH_FS_HZ
) -> tuple[tuple[str, ...], tuple[str, ...], FloatArray]:
    """
    Lay what a page shows on its time axis.

    Parameters
    ----------
    plan : PagePlan
    fs_hz : float, optional

    Returns
    -------
    leads, names : tuple of str
        In the field's order; as printed.
    signals : ndarray of float, shape (n_leads, n_samples)
        As `DrawnEcgPage.signals`.
    """
    printed = {trace.cell.lead: trace.cell.name for trace in plan.traces}
    leads = tuple(lead for lead in LEADS if lead in printed)
    signals = np.full((len(leads), round(plan.design.layout.duration_s * fs_hz)), np.nan)
    for trace in plan.traces:  # strips come last, and are laid over the cells of their leads
        cell = trace.cell
        drawn_s = cell.start_s + np.arange(len(trace.signal)) / trace.fs_hz
        first = int(np.ceil(drawn_s[0] * fs_hz - 1e-6))
        last = min(int(np.floor(drawn_s[-1] * fs_hz + 1e-6)), signals.shape[1] - 1)
        times_s = np.arange(first, last + 1) / fs_hz
        values = np.interp(times_s, drawn_s, trace.signal * cell.sign)
        signals[leads.index(cell.lead), first : last + 1] = values
    return leads, tuple(printed[lead] for lead in leads), signals


def page_regions(plan: PagePlan, matrix: Matrix) -> tuple[PageRegion, ...]:
    """
    Return where each lead stands in a picture, and how much of other rows is in its way.

    Parameters
    ----------
    plan : PagePlan
    matrix : ndarray of float, shape (2, 3)
        From px of the plan to px of the picture.
    """
    regions = []
    half = plan.style.line_width_px / 2
    for index, trace in enumerate(plan.traces):
        line = trace.polyline @ matrix[:, :2].T + matrix[:, 2]
        (x0, y0), (x1, y1) = (line.min(axis=0) - half).tolist(), (line.max(axis=0) + half).tolist()
        ends = np.stack([trace.polyline[[0, -1], 0], [trace.zero_y] * 2], axis=1)
        begin, end = map(tuple, (ends @ matrix[:, :2].T + matrix[:, 2]).tolist())
        others = [other for other in plan.traces if other.row != trace.row]
        cell = trace.cell
        regions.append(
            PageRegion(
                cell.lead, cell.name, trace.row, cell.column, cell.is_strip,
                cell.start_s, cell.start_s + cell.length_s, x0, y0, x1, y1, (begin, end),
                _overlap_mm2(plan, index, others),
                count_crossings([trace.polyline, *(other.polyline for other in others)], 0),
            )
        )  # fmt: skip
    return tuple(regions)


def _overlap_mm2(plan: PagePlan, target: int, others: list[PageTrace]) -> float:
    """Measure the ink of other rows between the begin and the end of a lead, in the height of its crop."""
    style, line = plan.style, plan.traces[target].polyline
    scale = _OVERLAP_PX_PER_MM / style.px_per_mm
    pad = style.crop_padding_mm * _OVERLAP_PX_PER_MM
    low, high = line.min(axis=0) * scale, line.max(axis=0) * scale
    box = (int(low[0]), int(low[1] - pad), int(high[0]) + 1, int(high[1] + pad) + 1)
    ink = np.zeros((box[3] - box[1], box[2] - box[0]), np.uint8)
    for other in others:
        add_stroke(ink, other.polyline * scale, style.line_width_px * scale, box)
    return float(np.count_nonzero(ink >= _COVERED) / _OVERLAP_PX_PER_MM**2)
