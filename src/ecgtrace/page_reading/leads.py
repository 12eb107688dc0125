"""All leads of a page, several at a time."""

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from ecgtrace.digitization.ink_map import Segmenter
from ecgtrace.digitization.refined import RefinedDigitizer
from ecgtrace.errors import EcgTraceError
from ecgtrace.layout.regions import LeadRegion, RasterLayout, is_hidden
from ecgtrace.page_ink.lead_hints import LeadHints, lead_hints
from ecgtrace.page_ink.maps import PageMaps
from ecgtrace.page_reading.lead import ReadLead, read_lead, to_sheet
from ecgtrace.page_reading.left_over import (
    TraceInk,
    hanging_on,
    made_higher,
    same_elsewhere,
    unread_ink,
)
from ecgtrace.page_reading.longer import MOST_LONGER, goes_further, made_longer
from ecgtrace.page_reading.other_rows import other_rows
from ecgtrace.page_reading.piece import Piece
from ecgtrace.page_reading.pulse_edge import PULSE_SURE, pulse_before, pulse_behind
from ecgtrace.sheet import Sheet
from ecgtrace.stages import stage, watching
from ecgtrace.types import GridScale
from ecgtrace.vector.lines import Pulse

_BREAK_MM = 3.0  # from where a column ends to where the maps let the next begin
_LESS_MM = 2.0  # of ink that is left over: to be taken, a second reading of a lead leaves so much less
_ALIKE_MM = 0.4  # of the ends of the leads of a column


class LeadsOf(Protocol):
    """The lead network, or what stands for it."""

    @property
    def model(self) -> str:
        """Name of the network and hash of its weights."""
        ...

    def on(self, hints: LeadHints, px_per_mm_x: float, px_per_mm_y: float) -> Callable[[int, int], Segmenter]:
        """Return what tells the ink of a row on pieces of a sheet, by their first column and row."""
        ...


class _Result(NamedTuple):
    lead: ReadLead | None
    error: str
    seconds: dict[str, float]


class _Begun(NamedTuple):
    region: LeadRegion
    placed: LeadRegion
    beside: tuple[bool, bool]
    result: Future[_Result]


def read_leads(
    digitizer: RefinedDigitizer,
    sheet: Sheet,
    maps: PageMaps,
    layout: RasterLayout,
    traces: TraceInk,
    pulses_mm: Sequence[Pulse] = (),
    network: LeadsOf | None = None,
) -> tuple[list[ReadLead], list[str]]:
    """
    Read the leads of a page, column by column: where one ends the next begins.

    As many at a time as the network has threads: the parts of a lead that are no network keep one core busy,
    and the result does not depend on it.

    Parameters
    ----------
    digitizer : RefinedDigitizer
    sheet : Sheet
    maps : PageMaps
    layout : RasterLayout
    traces : TraceInk
        Of the sheet.
    pulses_mm : sequence of Pulse, optional
        The sheet's calibration pulses.
    network : LeadsOf, optional
        Tells whose ink it is; by default the digitizer's own segmenter.

    Returns
    -------
    (list of ReadLead, list of str)
        By column; and what could not be read, and why.
    """
    scale = GridScale(sheet.px_per_mm_x, sheet.px_per_mm_y, 1.0)

    others = other_rows(layout.rows, maps)
    per_mm = scale.px_per_mm_x, scale.px_per_mm_y
    whose: list[Callable[[int, int], Segmenter] | None] = [None] * len(layout.rows)
    if network is not None:
        hints = lead_hints(maps, [row.ink for row in layout.rows], [row.zero_y for row in layout.rows])
        whose = [network.on(row, *per_mm) for row in hints]
    rows, columns = np.nonzero(maps.pulse > PULSE_SURE)
    pulse_ink = maps.to_page(np.stack([columns, rows], axis=1))

    def hidden(region: LeadRegion, lead: ReadLead) -> bool:
        ends = np.array([[region.start, region.zero_y], [lead.start_px, region.zero_y]])
        (begin, y), (start, _) = maps.from_page(ends).tolist()
        return is_hidden(replace(region, start=start, zero_y=y), begin, maps)

    def once(region: LeadRegion, beside: tuple[bool, bool], pieces: Sequence[Piece]) -> ReadLead:
        pulse = pulse_before(sheet.image, region, pulses_mm, scale)
        told = pulse, others[region.row], pieces, whose[region.row]
        return read_lead(digitizer, sheet.image, region, scale, beside, *told)

    def read(region: LeadRegion, beside: tuple[bool, bool], pieces: Sequence[Piece] = ()) -> _Result:
        with watching() as own:
            try:
                lead = once(region, beside, pieces)
                for _ in range(MOST_LONGER):
                    longer = made_longer(lead, beside, sheet.image.shape[1], pulses_mm, scale)
                    if longer is None:
                        break
                    again = once(longer, beside, pieces)
                    if not goes_further(again, lead, scale):
                        break
                    lead, region = again, longer
                behind = pulse_behind(region, pulse_ink, scale)
                lead, error = replace(lead, pulse_behind=behind, begin_hidden=hidden(region, lead)), ""
            except EcgTraceError as failure:
                lead, error = None, str(failure)
        return _Result(lead, error, own.seconds)

    begun: list[_Begun] = []
    edge_px: float | None = None
    with stage("leads") as watch, _pool() as pool:
        for column in sorted({region.column for region in layout.regions}):
            ending = []
            for region in (region for region in layout.regions if region.column == column):
                placed = to_sheet(region, maps)
                if edge_px is not None and abs(edge_px - placed.start) <= _BREAK_MM * scale.px_per_mm_x:
                    placed = replace(placed, start=edge_px)
                is_followed = bool(np.isfinite(region.until))
                beside = (column > 0 and edge_px is not None, is_followed)
                future = pool.submit(read, placed, beside)
                begun.append(_Begun(region, placed, beside, future))
                ending += [future] if is_followed else []  # a strip need not be waited for
            edge_px = _edge([future.result().lead for future in ending], scale)
        results = _followed(begun, read, pool, traces, scale)
    if watch is not None:
        watch.spread("leads", (result.seconds for _, result in results))
    leads = [result.lead for _, result in results if result.lead is not None]
    lost = [
        f"{region.name or 'a lead without a name'} in row {region.row + 1}: {result.error}"
        for region, result in results
        if result.lead is None
    ]
    return leads, lost


def _followed(
    begun: Sequence[_Begun],
    read: Callable[[LeadRegion, tuple[bool, bool], Sequence[Piece]], _Result],
    pool: ThreadPoolExecutor,
    traces: TraceInk,
    scale: GridScale,
) -> list[tuple[LeadRegion, _Result]]:
    """
    Read leads again on which ink hangs that was left over; what leaves less of it counts.

    At first on higher pieces of the page alone, on which the network may see more; then with that ink as
    theirs.
    """
    results = [one.result.result() for one in begun]
    leads = {k: result.lead for k, result in enumerate(results) if result.lead is not None}
    if not leads:
        return [(one.region, result) for one, result in zip(begun, results, strict=True)]
    pieces = unread_ink(traces, list(leads.values()), scale)
    for is_theirs in (False, True):
        hanging = {k: hanging_on(lead, pieces, scale) for k, lead in leads.items()}
        again = {}
        for k, own in hanging.items():
            if own:
                higher = made_higher(begun[k].placed, own)
                again[k] = pool.submit(read, higher, begun[k].beside, own if is_theirs else ())
        for k, future in again.items():
            result = future.result()
            if result.lead is None or (
                is_theirs and not same_elsewhere(leads[k], result.lead, hanging[k], scale)
            ):
                continue
            rest = unread_ink(traces, list({**leads, k: result.lead}.values()), scale)
            if _height_mm(rest, scale) <= _height_mm(pieces, scale) - _LESS_MM:
                pieces, leads[k], results[k] = rest, result.lead, result
    return [(one.region, result) for one, result in zip(begun, results, strict=True)]


def _height_mm(pieces: Sequence[Piece], scale: GridScale) -> float:
    return sum(piece.height for piece in pieces) / scale.px_per_mm_y


def _edge(column: Sequence[ReadLead | None], scale: GridScale) -> float | None:
    """
    Return where a column ends by its leads, which end together; None where they do not tell.

    A lead's end is found to a fraction of a pixel at the bar, the jump or the bare paper behind it, which the
    maps show to a millimetre or two.
    """
    ends = [lead.end_px for lead in column if lead is not None]
    if not ends:
        return None
    edge = float(np.median(ends))
    alike = np.abs(np.array(ends) - edge) <= _ALIKE_MM * scale.px_per_mm_x
    return edge if alike.mean() > 0.5 else None


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    """Make as many threads as this one gives the network, each of which gives it one core."""
    torch = sys.modules.get("torch")
    if torch is None:  # a digitizer without a network
        with ThreadPoolExecutor(1) as pool:
            yield pool
        return
    count = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(count)  # what was set in a thread holds for all that are made later
