"""A picture of a page in, a recording out: sheet, maps, layout, leads, checks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ecgtrace.digitization.refined import RefinedDigitizer
from ecgtrace.errors import GridNotFoundError, PageError
from ecgtrace.layout.given import told_by
from ecgtrace.layout.ladder import dark_as_traces
from ecgtrace.layout.regions import RasterLayout, find_regions
from ecgtrace.page_ink.maps import MAP_PX_PER_MM, PageMaps
from ecgtrace.page_ink.names import FoundName, names_found
from ecgtrace.page_ink.no_trace import without_what_is_none
from ecgtrace.page_reading.axis import PlacedLead, place_leads
from ecgtrace.page_reading.calibrate import (
    AT_LEAST,
    Calibrated,
    at_double_speed,
    calibrate,
    find_pulses,
    half_pace_doubt,
    whole_or_shown,
    whole_pulses,
)
from ecgtrace.page_reading.continued import join_rows
from ecgtrace.page_reading.heart import heart_doubt, require_heart
from ecgtrace.page_reading.judge import judged_page
from ecgtrace.page_reading.lead import ReadLead
from ecgtrace.page_reading.leads import LeadsOf, read_leads
from ecgtrace.page_reading.left_over import TraceInk, lost_waves, trace_ink, unread_ink
from ecgtrace.page_reading.lines import without_lines
from ecgtrace.page_reading.merge import merged
from ecgtrace.page_reading.mirror import refuse_mirrored
from ecgtrace.page_reading.no_grid import STRETCHES, sheet_by_pulses, straightened
from ecgtrace.page_reading.ragged import ragged_ends
from ecgtrace.page_reading.repeats import column_begins, late_by_strips
from ecgtrace.page_reading.row_length import stretch_to_length
from ecgtrace.page_reading.seen import Seen
from ecgtrace.page_reading.strips import at_their_time, name_strips
from ecgtrace.page_reading.together import beats_told
from ecgtrace.page_reading.unnamed import name_unnamed
from ecgtrace.page_reading.upright import upright
from ecgtrace.page_reading.whole import grid_of_halves, refuse_several, whole_doubts
from ecgtrace.page_text.names import read_again
from ecgtrace.page_text.page_print import PagePrint
from ecgtrace.reading import Paper
from ecgtrace.recording import Box, Calibration, RecordedLead, Recording, lead_order
from ecgtrace.sheet import Sheet, find_sheet
from ecgtrace.stages import stage
from ecgtrace.types import FloatArray, GridScale
from ecgtrace.units import LEAD_CODES
from ecgtrace.vector.lines import Pulse
from ecgtrace.vector.page_choice import NOTHING, PageChoice

METHOD = "page"
ONE_LEAD = "the picture shows one lead; read it with content=lead"
NO_TRACES = "no trace of an ECG was found on the page"
_LEAST_SCORE = 0.15  # of a name: orders tell what is hard to read (`layout.orders`)
_MOST_ROWS = 16  # twelve leads and three strips are the most that recorders print


class MapsOf(Protocol):
    """The page network, or what stands for it."""

    @property
    def model(self) -> str:
        """Name of the network and hash of its weights."""
        ...

    def __call__(self, image: NDArray[np.uint8], px_per_mm_x: float, px_per_mm_y: float) -> PageMaps:
        """Return the maps of a sheet."""
        ...


class NamesOf(Protocol):
    """The name network, or what stands for it."""

    @property
    def model(self) -> str:
        """Name of the network and hash of its weights."""
        ...

    def __call__(
        self, image: NDArray[np.uint8], px_per_mm_x: float, px_per_mm_y: float, maps: PageMaps
    ) -> list[FoundName]:
        """Return the printed names of a sheet, in px of its maps."""
        ...


class TextOf(Protocol):
    """The recognizer of printed lines, or what stands for it."""

    @property
    def model(self) -> str:
        """Name of the network and hash of its weights."""
        ...

    def read(self, line: NDArray[np.uint8]) -> tuple[str, float]:
        """Return what a line says, and the mean score of its letters."""
        ...


@dataclass(frozen=True)
class PageReader:
    """
    Read whole pages.

    Attributes
    ----------
    network : MapsOf
        Tells traces, pulses, bars and where names stand.
    digitizer : RefinedDigitizer
        Reads each lead.
    names : NamesOf, optional
        Reads the names; without it they are what the maps say.
    text : TextOf, optional
        Reads the printed speed and gain, which pulses alone tell without it, and checks names.
    leads : LeadsOf, optional
        Tells the ink of each lead from that of others; without it the digitizer's own segmenter does.
    """

    network: MapsOf
    digitizer: RefinedDigitizer
    names: NamesOf | None = None
    text: TextOf | None = None
    leads: LeadsOf | None = None

    @property
    def fs_hz(self) -> float:
        """Sampling frequency of the recordings in Hz."""
        return self.digitizer.fs_hz

    @property
    def model(self) -> str:
        """Names of the networks and hashes of their weights."""
        parts = (self.network, self.names, self.text, self.leads or self.digitizer)
        return " ".join(part.model for part in parts if part is not None)

    def __call__(
        self,
        image: NDArray[np.uint8],
        dpi: float | None = None,
        given: PageChoice = NOTHING,
    ) -> Recording:
        """
        Read a page.

        Parameters
        ----------
        image : ndarray of uint8, shape (height, width, 3)
            RGB.
        dpi : float, optional
            Pixels per inch of paper as the file says; used where no grid tells the scale.
        given : PageChoice, optional
            What overrides what the page says.

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
        with stage("sheet"):
            try:
                found = find_sheet(image, dpi=dpi, px_per_mm=given.px_per_mm)
            except GridNotFoundError as error:
                by_pulses = sheet_by_pulses(image, partial(upright, look=self._look), given)
                if by_pulses is None:
                    raise grid_of_halves(image, find_sheet, error) from None
                found = by_pulses
        with stage("page_ink"):
            seen = upright(found, self._look)
            if not found.grid_confirmed and found.scale_from not in STRETCHES:
                level = straightened(seen.sheet, seen.maps)
                seen = seen if level is seen.sheet else self._look(level)
            sheet, maps, names = seen.sheet, without_what_is_none(seen.maps), seen.names
        with stage("layout"):
            dark = dark_as_traces(sheet.image, maps)
            layout = find_regions(maps, names, given.layout, given.leads, dark)
            maps = maps.without([row.ink for row in layout.left_out])
            require_heart(layout)
            _require_page(layout)
            refuse_several(names)
            pulses = find_pulses(maps)
            traces = trace_ink(sheet.image, maps)
        with stage("page_text"):
            zero_lines_mm = [row.zero_y / MAP_PX_PER_MM for row in layout.rows]
            measured, by_form = whole_or_shown(whole_pulses(maps, dark, layout.regions), pulses)
            if not measured and layout.ladder is not None:
                measured = [Pulse(*layout.ladder)]
            text, least = seen.page_print.scale_told, AT_LEAST if by_form else 0.0
            calibrated = calibrate(sheet, measured, given, text, zero_lines_mm, least)
        with stage("page_ink"):
            refuse_mirrored(seen, partial(self._flipped, sheet))
        recording = self._recording(sheet, maps, layout, calibrated, pulses, traces, dark)
        faster = at_double_speed(calibrated, recording.leads)
        if faster is not None:
            recording = self._recording(sheet, maps, layout, faster, pulses, traces, dark)
        speed = recording.calibration.speed_mm_per_s
        assert speed is not None
        doubts, notes = whole_doubts(sheet, maps, layout, image.shape[:2], speed)
        slow = half_pace_doubt(recording.calibration, recording.leads)
        doubts += filter(None, [heart_doubt(recording.leads), slow])
        return replace(recording, doubts=(*doubts, *recording.doubts), notes=(*recording.notes, *notes))

    def _recording(
        self,
        sheet: Sheet,
        maps: PageMaps,
        layout: RasterLayout,
        calibrated: Calibrated,
        pulses: Sequence[Pulse],
        traces: TraceInk,
        dark: NDArray[np.bool_],
    ) -> Recording:
        leads, lost = self._leads(sheet, maps, layout, calibrated[0], pulses, traces)
        if not leads:
            raise PageError("traces were found, but none could be read: " + "; ".join(lost))
        if sheet.scale_from in STRETCHES:
            leads, sheet, calibrated = _to_length(leads, sheet, calibrated, dark)
        scale = GridScale(sheet.px_per_mm_x, sheet.px_per_mm_y, 1.0)
        pieces = lost_waves(unread_ink(traces, leads, scale), traces, leads)
        unread_mm = [piece.height / sheet.px_per_mm_y for piece in pieces]
        return assemble(sheet, layout, leads, calibrated, lost, unread_mm, self.fs_hz)

    def _look(self, sheet: Sheet) -> Seen:
        maps = self.network(sheet.image, sheet.px_per_mm_x, sheet.px_per_mm_y)
        names = self._names(sheet, maps)
        if self.text is None:
            return Seen(sheet, maps, names, PagePrint(sheet.image, maps, None))
        names = read_again(names, sheet.image, maps, self.text.read)
        return Seen(sheet, maps, names, PagePrint(sheet.image, maps, self.text.read))

    def _flipped(self, sheet: Sheet, axis: int) -> Seen:
        return self._look(replace(sheet, image=np.ascontiguousarray(np.flip(sheet.image, axis))))

    def _names(self, sheet: Sheet, maps: PageMaps) -> list[FoundName]:
        if self.names is None:
            return names_found(maps, _LEAST_SCORE)
        return self.names(sheet.image, sheet.px_per_mm_x, sheet.px_per_mm_y, maps)

    def _leads(
        self,
        sheet: Sheet,
        maps: PageMaps,
        layout: RasterLayout,
        calibration: Calibration,
        pulses: Sequence[Pulse],
        traces: TraceInk,
    ) -> tuple[list[ReadLead], list[str]]:
        assert calibration.speed_mm_per_s is not None and calibration.gain_mm_per_mv is not None
        kind = Paper(calibration.speed_mm_per_s, calibration.gain_mm_per_mv)
        digitizer = kind.ready(self.digitizer)
        assert isinstance(digitizer, RefinedDigitizer)
        leads, lost = read_leads(digitizer, sheet, maps, layout, traces, pulses, self.leads)
        return [replace(lead, signal=kind.applied(lead.signal)) for lead in leads], lost


def _to_length(
    leads: list[ReadLead], sheet: Sheet, calibrated: Calibrated, dark: NDArray[np.bool_]
) -> tuple[list[ReadLead], Sheet, Calibrated]:
    """Stretch a scale that a pulse tells, so that rows are as long as recorders print them."""
    calibration, doubts, notes = calibrated
    assert calibration.speed_mm_per_s is not None
    per_s = sheet.px_per_mm_x * calibration.speed_mm_per_s
    times = stretch_to_length(leads, sheet.px_per_mm_x, per_s, STRETCHES[sheet.scale_from], dark)
    if times == 1:
        return leads, sheet, calibrated
    stretched = replace(sheet, px_per_mm_x=times * sheet.px_per_mm_x, px_per_mm_y=times * sheet.px_per_mm_y)
    calibration = replace(calibration, per_mm_x=stretched.px_per_mm_x, per_mm_y=stretched.px_per_mm_y)
    told = f"the scale was stretched by {100 * (times - 1):+.1f} % to rows as long as recorders print them"
    return [lead.stretched(times) for lead in leads], stretched, (calibration, doubts, [*notes, told])


def _require_page(layout: RasterLayout) -> None:
    if not layout.regions:
        raise PageError(NO_TRACES)
    if len(layout.regions) == 1:
        raise PageError(ONE_LEAD)
    if len(layout.rows) > _MOST_ROWS:
        raise PageError(
            f"the layout of the page was not understood: {len(layout.rows)} rows of traces seem to be on it; "
            "lay it flat, scan it, or cut out single leads"
        )


def assemble(
    sheet: Sheet,
    layout: RasterLayout,
    leads: Sequence[ReadLead],
    calibrated: Calibrated,
    lost: Sequence[str],
    unread_mm: Sequence[float],
    fs_hz: float,
) -> Recording:
    """
    Put the leads of a page together: of one that is shown twice the longer is taken, and the other checks it,
    and stands in where it is lost (`merge`).

    Raises
    ------
    PageError
        If no lead has a sample.
    """
    calibration, paper_doubts, paper_notes = calibrated
    assert calibration.speed_mm_per_s is not None
    leads, layout = without_lines(leads, layout)
    place = partial(place_leads, leads, sheet.px_per_mm_x, calibration.speed_mm_per_s, fs_hz)
    placed = place()
    late_s = late_by_strips(placed)
    if late_s:
        placed = place(late_s)
    if not placed:
        raise PageError(NO_TRACES)
    placed, layout, rows_doubts = join_rows(placed, layout, sheet.px_per_mm_x)
    placed, strip_notes = name_strips(placed)
    placed, layout = name_unnamed(placed, layout, fs_hz)
    apart, same = beats_told(placed, fs_hz)
    apart += ragged_ends(placed)
    by_name: dict[str, list[PlacedLead]] = {}
    unknown = count(1)
    for part in sorted(placed, key=lambda part: part.start_s - part.end_s):  # the longest first
        name = part.lead.region.name.removeprefix("-")
        by_name.setdefault(name if name in LEAD_CODES else f"unknown_{next(unknown)}", []).append(part)
    begins = column_begins(placed)
    by_name = {name: at_their_time(parts, begins) for name, parts in by_name.items()}
    names = sorted(by_name, key=lead_order)
    recorded = [_recorded(name, by_name[name], sheet) for name in names]
    again = {name: [part.signal for part in by_name[name][1:]] for name in names}
    checks, doubts = judged_page(recorded, again, layout, lost, unread_mm, fs_hz)
    return Recording(
        tuple(recorded),
        layout.name,
        calibration,
        tuple(checks),
        tuple(dict.fromkeys((*sheet.doubts, *layout.doubts, *rows_doubts, *apart, *paper_doubts, *doubts))),
        tuple(dict.fromkeys((*sheet.notes, *layout.notes, *paper_notes, *strip_notes, *same))),
        method=METHOD,
        unit="px",
    )


def _recorded(name: str, parts: Sequence[PlacedLead], sheet: Sheet) -> RecordedLead:
    part = parts[0]
    paths = tuple(sheet.to_source(lead.path) for lead in (part.lead, *part.further))
    boxes = tuple(_box(path) for path in paths)
    name_from = told_by(part.lead.region.name_from, part.name_from)
    return RecordedLead(name, merged(part, parts[1:]), part.start_s, part.end_s, boxes, name_from, paths)


def _box(path: FloatArray) -> Box:
    (x0, y0), (x1, y1) = path.min(axis=0), path.max(axis=0)
    return (round(float(x0), 2), round(float(y0), 2), round(float(x1), 2), round(float(y1), 2))
