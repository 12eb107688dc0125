"""A picture of a page in, a recording out: sheet, maps, layout, leads, checks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ecgtrace.digitization.refined import RefinedDigitizer
from ecgtrace.errors import EcgTraceError, PageError
from ecgtrace.layout.regions import RasterLayout, find_regions
from ecgtrace.page_ink.maps import PageMaps
from ecgtrace.page_ink.names import FoundName, names_found
from ecgtrace.page_reading.calibrate import PaperFound, find_paper, find_pulses
from ecgtrace.page_reading.judge import judged_page
from ecgtrace.page_reading.lead import ReadLead, on_axis, read_lead, to_sheet
from ecgtrace.page_reading.strips import name_strips
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
_LEAST_SCORE = 0.15  # of a name: orders tell what is hard to read (`layout.orders`)
_BREAK_MM = 3.0  # from where a column ends to where the maps let the next begin
_ALIKE_MM = 0.4  # of the ends of the leads of a column
_GAP_MM = 0.6  # of bare paper between two columns; less is a bar, or the end of a stroke
_TENTH_S = 0.015  # a column whose length is so near to whole tenths has these: 100 Hz is the coarsest drawn


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
            names = names_found(maps, _LEAST_SCORE)
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
        leads: list[ReadLead] = []
        lost: list[str] = []
        edge_px: float | None = None
        for column in sorted({region.column for region in layout.regions}):
            own = [region for region in layout.regions if region.column == column]
            read: list[ReadLead] = []
            for region in own:
                placed = to_sheet(region, maps, scale)
                if edge_px is not None and abs(edge_px - placed.start) <= _BREAK_MM * scale.px_per_mm_x:
                    placed = replace(placed, start=edge_px)
                beside = (column > 0 and edge_px is not None, np.isfinite(region.until))
                try:
                    lead = read_lead(digitizer, sheet.image, placed, scale, beside)
                except EcgTraceError as error:
                    name = region.name or "a lead without a name"
                    lost.append(f"{name} in row {region.row + 1}: {error}")
                    continue
                read.append(replace(lead, signal=kind.applied(lead.signal)))
            edge_px = _edge(read, scale)
            leads.extend(read)
        return leads, lost


def _edge(column: Sequence[ReadLead], scale: GridScale) -> float | None:
    """
    Return where a column ends by its leads, which end together; None where they do not tell.

    A lead's end is found to a fraction of a pixel at the bar, the jump or the bare paper behind it, which the
    maps show to a millimetre or two.
    """
    ends = [lead.end_px for lead in column if np.isfinite(lead.region.until)]
    if not ends:
        return None
    edge = float(np.median(ends))
    alike = np.abs(np.array(ends) - edge) <= _ALIKE_MM * scale.px_per_mm_x
    return edge if alike.mean() > 0.5 else None


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
    origins_px = column_origins(leads, sheet.px_per_mm_x, paper.speed_mm_per_s)
    per_s = sheet.px_per_mm_x * paper.speed_mm_per_s
    last_s = max((lead.last_px(per_s) - origins_px[lead.region.column]) / per_s for lead in leads)
    n = round(last_s * fs_hz) + 1
    leads, strip_notes = name_strips(leads, origins_px, fs_hz, n)
    by_name: dict[str, list[ReadLead]] = {}
    for lead, name in zip(leads, _unique_names(leads), strict=True):
        by_name.setdefault(name, []).append(lead)
    recorded = []
    for name, parts in sorted(by_name.items(), key=lambda item: lead_order(item[0])):
        longest = max(parts, key=lambda part: part.region.end - part.region.start)
        recorded.append(_recorded(name, longest, sheet, origins_px[longest.region.column], fs_hz, n))
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
            _recorded(name, part, sheet, origins_px[part.region.column], fs_hz, n).signal
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
        tuple(dict.fromkeys((*sheet.notes, *layout.notes, *paper.notes, *strip_notes, *notes))),
        method=METHOD,
        unit="px",
    )


def column_origins(leads: Sequence[ReadLead], px_per_mm: float, speed_mm_per_s: float) -> dict[int, float]:
    """
    Return for each column where time 0 of the page would lie if its time went on to the left.

    Time 0 is where the first traces begin: the median over the rows of the first column, whose leads begin
    together. A column begins when the one before has ended: paper left bare between two is no time. Recorders
    print columns of whole tenths of a second, and the last sample of a column lies one before its end.
    """
    per_s = px_per_mm * speed_mm_per_s
    columns = sorted({lead.region.column for lead in leads})
    origin = float(np.median([lead.start_px for lead in leads if lead.region.column == columns[0]]))
    origins = {columns[0]: origin}
    for before, column in pairwise(columns):
        own = [lead for lead in leads if lead.region.column == column]
        rows = {lead.region.row for lead in own}
        left = [lead for lead in leads if lead.region.column == before and lead.region.row in rows]
        begin = float(np.median([max(lead.start_px, lead.region.start) for lead in own]))
        end = float(np.median([lead.last_px(per_s) for lead in left])) if left else begin
        end_s = (end - origins[before]) / per_s
        whole = round(end_s * 10) / 10
        is_bare = begin - end > _GAP_MM * px_per_mm and abs(whole - end_s) <= _TENTH_S
        origins[column] = begin - whole * per_s if is_bare else origins[before]
    return origins


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
    per_s = sheet.px_per_mm_x * lead.signal.speed_mm_per_s
    start = lead.start_px if region.column == 0 else max(lead.start_px, region.start)
    end = max(start, lead.last_px(per_s))
    signal = on_axis(lead, origin_px, fs_hz, n, (start, end))
    if region.name.startswith("-"):
        signal = replace(signal, amplitude_mv=-signal.amplitude_mv)
    path = sheet.to_source(lead.path)
    return RecordedLead(
        name,
        signal,
        (start - origin_px) / per_s,
        (end - origin_px) / per_s,
        (_box(path),),
        "text" if region.name else "none",
        (path,),
    )


def _box(path: FloatArray) -> Box:
    (x0, y0), (x1, y1) = path.min(axis=0), path.max(axis=0)
    return (round(float(x0), 2), round(float(y0), 2), round(float(x1), 2), round(float(y1), 2))
