"""A picture of a page in, a recording out: sheet, maps, layout, leads, checks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ecgtrace.digitization.refined import RefinedDigitizer
from ecgtrace.errors import EcgTraceError, PageError
from ecgtrace.layout.regions import LeadRegion, RasterLayout, find_regions
from ecgtrace.page_ink.maps import MAP_PX_PER_MM, PageMaps
from ecgtrace.page_ink.names import FoundName, names_found
from ecgtrace.page_reading.calibrate import PaperFound, find_paper, find_pulses
from ecgtrace.page_reading.judge import judged_page
from ecgtrace.page_reading.lead import ReadLead, on_axis, read_lead, to_sheet
from ecgtrace.reading import Paper
from ecgtrace.recording import Box, Calibration, RecordedLead, Recording, lead_order
from ecgtrace.sheet import Sheet, find_sheet
from ecgtrace.types import FloatArray, GridScale
from ecgtrace.units import LEADS
from ecgtrace.vector.calibration import PaperChoice

METHOD = "page"
ONE_LEAD = "the picture shows one lead; read it with content=lead"
NO_TRACES = "no trace of an ECG was found on the page"
_TURNS = (0, 180, 90, 270)
_NAMES_SURE = 3.0  # sum of scores of names at which a page is upright, and no other turn is tried
_ALONG = 3.0  # columns have so many names as rows at the least, where pages are upright


class MapsOf(Protocol):
    """The page network, or what stands for it."""

    @property
    def model(self) -> str:
        """Name of the network and hash of its weights."""
        ...

    def __call__(self, image: NDArray[np.uint8], px_per_mm_x: float, px_per_mm_y: float) -> PageMaps:
        """Return the maps of a sheet."""
        ...


@dataclass(frozen=True)
class PageReader:
    """
    Read whole pages.

    Attributes
    ----------
    network : MapsOf
        Tells traces, pulses, bars and names.
    digitizer : RefinedDigitizer
        Reads each lead.
    """

    network: MapsOf
    digitizer: RefinedDigitizer

    @property
    def fs_hz(self) -> float:
        """Sampling frequency of the recordings in Hz."""
        return self.digitizer.fs_hz

    def __call__(
        self,
        image: NDArray[np.uint8],
        dpi: float | None = None,
        given: PaperChoice | None = None,
        px_per_mm: float | None = None,
    ) -> Recording:
        """
        Read a page.

        Parameters
        ----------
        image : ndarray of uint8, shape (height, width, 3)
            RGB.
        dpi : float, optional
            Pixels per inch of paper as the file says; used where no grid tells the scale.
        given : PaperChoice, optional
            Speed and gain that override what the page says.
        px_per_mm : float, optional

        Returns
        -------
        Recording
            Places in px of `image`.

        Raises
        ------
        PageError
            If it shows no ECG, or one lead alone.
        GridNotFoundError
            If nothing tells the scale.
        """
        sheet, maps, names = self._upright(find_sheet(image, dpi=dpi, px_per_mm=px_per_mm))
        layout = find_regions(maps, names)
        _require_page(layout)
        paper = find_paper(find_pulses(maps), given or PaperChoice())
        scale = GridScale(sheet.px_per_mm_x, sheet.px_per_mm_y, 1.0)
        leads, lost = self._leads(sheet, maps, layout, scale, paper)
        if not leads:
            raise PageError("traces were found, but none could be read: " + "; ".join(lost))
        return assemble(sheet, layout, leads, paper, lost, self.fs_hz)

    def _upright(self, sheet: Sheet) -> tuple[Sheet, PageMaps, list[FoundName]]:
        """Turn the sheet the way in which its names can be read."""
        best: tuple[float, Sheet, PageMaps, list[FoundName]] | None = None
        for turn in _TURNS:
            turned = sheet.turned(turn // 90)
            maps = self.network(turned.image, turned.px_per_mm_x, turned.px_per_mm_y)
            names = names_found(maps)
            score = sum(name.score for name in names)
            if best is None or score > best[0]:
                best = (score, turned, maps, names)
            if score >= _NAMES_SURE:
                break
        assert best is not None
        return best[1:]

    def _leads(
        self, sheet: Sheet, maps: PageMaps, layout: RasterLayout, scale: GridScale, paper: PaperFound
    ) -> tuple[list[ReadLead], list[str]]:
        kind = Paper(paper.speed_mm_per_s, paper.gain_mm_per_mv)
        digitizer = kind.ready(self.digitizer)
        assert isinstance(digitizer, RefinedDigitizer)
        leads, lost = [], []
        for region in layout.regions:
            row = [other for other in layout.regions if other.row == region.row]
            beside = (
                any(other.column < region.column for other in row),
                any(other.column > region.column for other in row),
            )
            placed = to_sheet(region, maps, scale)
            try:
                lead = read_lead(digitizer, sheet.image, placed, scale, beside)
            except EcgTraceError as error:
                lost.append(f"{region.name or 'a lead without a name'} in row {region.row + 1}: {error}")
                continue
            leads.append(replace(lead, signal=kind.applied(lead.signal)))
        return leads, lost


def _require_page(layout: RasterLayout) -> None:
    if not layout.regions:
        raise PageError(NO_TRACES)
    if len(layout.regions) == 1:
        raise PageError(ONE_LEAD)


def assemble(
    sheet: Sheet,
    layout: RasterLayout,
    leads: Sequence[ReadLead],
    paper: PaperFound,
    lost: Sequence[str],
    fs_hz: float,
) -> Recording:
    """
    Put the leads of a page on one time axis.

    Time 0 is where the first traces begin: the median over the rows of the first column, whose leads begin
    together.
    """
    first = min(lead.region.column for lead in leads)
    origin_px = float(np.median([lead.start_px for lead in leads if lead.region.column == first]))
    per_s = sheet.px_per_mm_x * paper.speed_mm_per_s
    last_px = max(min(lead.end_px, lead.region.end + per_s / 25) for lead in leads)
    n = round((last_px - origin_px) / per_s * fs_hz) + 1
    by_name: dict[str, list[ReadLead]] = {}
    for lead, name in zip(leads, _unique_names(leads), strict=True):
        by_name.setdefault(name, []).append(lead)
    recorded = []
    for name, parts in sorted(by_name.items(), key=lambda item: lead_order(item[0])):
        longest = max(parts, key=lambda part: part.region.end - part.region.start)
        recorded.append(_recorded(name, longest, sheet, origin_px, fs_hz, n))
    calibration = Calibration(
        sheet.px_per_mm_x,
        sheet.px_per_mm_y,
        paper.speed_mm_per_s,
        paper.gain_mm_per_mv,
        sheet.scale_from,
        paper.speed_from,
        paper.gain_from,
    )
    shorter = {
        name: [
            _recorded(name, part, sheet, origin_px, fs_hz, n).signal
            for part in parts
            if part is not max(parts, key=lambda p: p.region.end - p.region.start)
        ]
        for name, parts in by_name.items()
    }
    checks, doubts, notes = judged_page(recorded, shorter, leads, layout, lost, fs_hz)
    return Recording(
        tuple(recorded),
        layout.name,
        calibration,
        tuple(checks),
        tuple(dict.fromkeys((*sheet.doubts, *layout.doubts, *paper.doubts, *doubts))),
        tuple(dict.fromkeys((*sheet.notes, *layout.notes, *paper.notes, *notes))),
        method=METHOD,
        unit="px",
    )


def _unique_names(leads: Sequence[ReadLead]) -> list[str]:
    """Name the leads; those without a name of the twelve are `unknown_k`."""
    names, unknown = [], 0
    for lead in leads:
        name = lead.region.name.removeprefix("-")
        if name not in LEADS:
            unknown += 1
            name = f"unknown_{unknown}"
        names.append(name)
    return names


def _recorded(
    name: str, lead: ReadLead, sheet: Sheet, origin_px: float, fs_hz: float, n: int
) -> RecordedLead:
    region = lead.region
    first = region.column == 0
    span = (-np.inf if first else region.start, np.inf)
    signal = on_axis(lead, origin_px, fs_hz, n, span)
    if region.name.startswith("-"):
        signal = replace(signal, amplitude_mv=-signal.amplitude_mv)
    per_s = sheet.px_per_mm_x * signal.speed_mm_per_s
    start = max(lead.start_px, span[0])
    path = sheet.to_source(lead.path)
    return RecordedLead(
        name,
        signal,
        (start - origin_px) / per_s,
        max((lead.end_px - origin_px) / per_s, (start - origin_px) / per_s),
        (_box(path),),
        "text" if region.name else "none",
        (path,),
    )


def _box(path: FloatArray) -> Box:
    (x0, y0), (x1, y1) = path.min(axis=0), path.max(axis=0)
    return (round(float(x0), 2), round(float(y0), 2), round(float(x1), 2), round(float(y1), 2))


def region_names(regions: Sequence[LeadRegion]) -> list[str]:
    """Return the names of regions, as printed."""
    return [region.name for region in regions]
