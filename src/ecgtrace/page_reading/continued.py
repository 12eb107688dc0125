"""One lead over several rows: whether each row goes on where the row above ended, and the lead as a whole."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ecgtrace.digitization.rhythm import RowsRhythm, rows_rhythm
from ecgtrace.layout.one_lead import SoleName, rows_layout_name
from ecgtrace.layout.regions import RasterLayout
from ecgtrace.page_reading.axis import TENTH_S, PlacedLead, whole_tenths
from ecgtrace.page_reading.lead import ReadLead, on_axis
from ecgtrace.types import FloatArray

_ALIKE_MM = 0.4  # of where rows begin and end, which they do together, but for the last


def join_rows(
    placed: Sequence[PlacedLead], layout: RasterLayout, px_per_mm: float
) -> tuple[list[PlacedLead], RasterLayout, list[str]]:
    """
    Make one lead of rows that go on, where they do.

    Rows on which one name is printed again are of one lead, unless their beats tell otherwise. Where the
    first row alone has a name, beats must be of one shape and fall at other times from row to row; where no
    row has, they must also follow each other over the ends of the rows. What these do not tell is left as it
    is.

    Parameters
    ----------
    placed : sequence of PlacedLead
        All rows from the left edge on.
    layout : RasterLayout
    px_per_mm : float
        Of the sheet, along x.

    Returns
    -------
    (list of PlacedLead, RasterLayout, list of str)
        The lead, and a layout that shows it alone; or what was given, with doubts.
    """
    sole = layout.sole
    if sole is None or len(placed) < 2:
        return list(placed), layout, []
    rows = [_upright(part) for part in sorted(placed, key=lambda part: part.lead.region.row)]
    fs_hz = rows[0].signal.fs_hz
    rhythm = rows_rhythm([_shown(part) for part in rows], fs_hz)
    if not _is_one_lead(sole, rhythm):
        return list(placed), layout, _doubts(sole, rhythm)
    lead = _joined(rows, sole.n_rows, px_per_mm)
    region = replace(lead.lead.region, name=sole.name, score=float(bool(sole.name)), strip=False)
    lead = replace(lead, lead=replace(lead.lead, region=region))
    if sole.name.startswith("-"):
        lead = replace(lead, signal=replace(lead.signal, amplitude_mv=-lead.signal.amplitude_mv))
    told = f"all are {sole.name}" if sole.on_all else "their beats tell"
    alone = replace(
        layout,
        name=rows_layout_name(sole.n_rows),
        regions=(region,),
        notes=(*_without_orders(layout.notes), f"each row goes on where the row above ended: {told}"),
    )
    return [lead], alone, []


def _is_one_lead(sole: SoleName, rhythm: RowsRhythm) -> bool:
    if sole.on_all:
        return rhythm.alike or rhythm.apart
    return rhythm.alike and rhythm.apart and (sole.on_first or rhythm.goes_on)


def _doubts(sole: SoleName, rhythm: RowsRhythm) -> list[str]:
    if sole.on_all:
        return [f"{len(sole.rows)} rows are named {sole.name}, but beats of other shapes fall at the same times"]
    if rhythm.together:
        return []  # simultaneous leads
    if rhythm.apart:
        return [
            "beats of the rows do not fall at the same times: the rows may be one lead that goes on, and were "
            "kept apart"
        ]
    return ["whether the rows are simultaneous leads, or one that goes on, could not be told: kept apart"]


def _without_orders(notes: Sequence[str]) -> list[str]:
    return [note for note in notes if "usual order" not in note]


def _upright(part: PlacedLead) -> PlacedLead:
    """Undo the turn of what was taken for aVR upside down: rows of one lead are of one polarity."""
    if not part.lead.region.name.startswith("-"):
        return part
    return replace(part, signal=replace(part.signal, amplitude_mv=-part.signal.amplitude_mv))


def _shown(part: PlacedLead) -> FloatArray:
    """Return the samples of a row from the left edge to its end."""
    values = part.signal.amplitude_mv
    return values[: np.flatnonzero(np.isfinite(values))[-1] + 1]


def _joined(rows: Sequence[PlacedLead], n_rows: int, px_per_mm: float) -> PlacedLead:
    """
    Put rows one behind the other, each at the height over its own zero line.

    Rows begin and end together but for the last. As columns, they are of whole tenths of a second where they
    nearly are; the last sample of a row lies one before the first of the next.
    """
    signal = rows[0].signal
    fs_hz, per_s = signal.fs_hz, px_per_mm * signal.speed_mm_per_s
    near_s = _ALIKE_MM / signal.speed_mm_per_s
    by_row = {part.lead.region.row: part for part in rows}
    usual_s = float(np.median([part.end_s for part in rows[:-1]]))
    begins: dict[int, float] = {}
    lengths: dict[int, float] = {}
    at_s = 0.0
    for row in range(n_rows):
        part = by_row.get(row)
        start_s = 0.0 if part is None or abs(part.start_s) <= near_s else part.start_s
        end_s = usual_s if part is None or abs(part.end_s - usual_s) <= near_s else part.end_s
        begins[row], lengths[row] = at_s - start_s, end_s
        at_s += whole_tenths(end_s - start_s) or end_s - start_s + 1 / fs_hz
    last = rows[-1].lead.region.row
    end_s = begins[last] + lengths[last]
    n = round(end_s * fs_hz) + 1
    mv, confidence = np.full(n, np.nan), np.zeros(n)
    for row, part in by_row.items():
        lead = part.lead
        origin_px = _origin_px(part, per_s)
        span_px = (lead.begin_px, origin_px + lengths[row] * per_s)
        own = on_axis(lead, origin_px - begins[row] * per_s, fs_hz, n, span_px)
        known = np.isfinite(own.amplitude_mv)
        mv[known] = own.amplitude_mv[known] + _above_zero_mv(lead)
        confidence[known] = own.confidence[known]
    mv, confidence = _bridged(mv, confidence, round(TENTH_S * fs_hz))
    signal = replace(
        signal,
        amplitude_mv=mv - np.nanmedian(mv),
        confidence=confidence,
        doubts=tuple(dict.fromkeys(doubt for part in rows for doubt in part.signal.doubts)),
        notes=tuple(dict.fromkeys(note for part in rows for note in part.signal.notes)),
    )
    first, *further = (part.lead for part in rows)
    return PlacedLead(first, signal, max(0.0, rows[0].start_s), end_s, tuple(further))


def _origin_px(part: PlacedLead, per_s: float) -> float:
    """Return the column of the sheet where the axis of a placed lead begins."""
    return part.lead.begin_px - part.start_s * per_s


def _above_zero_mv(lead: ReadLead) -> float:
    """Return how far above the zero line of its row a lead's 0 mV lies."""
    signal = lead.signal
    per_mv = signal.gain_mm_per_mv * signal.scale.px_per_mm_y
    per_sample = signal.speed_mm_per_s * signal.scale.px_per_mm_x / signal.fs_hz
    columns = lead.start_px - lead.left + np.arange(len(signal.amplitude_mv)) * per_sample
    rows = np.interp(columns, np.arange(len(signal.row_px)), signal.row_px)
    zero_px = lead.top + float(np.nanmedian(rows + signal.amplitude_mv * per_mv))
    return (lead.region.zero_y - zero_px) / per_mv


def _bridged(mv: FloatArray, confidence: FloatArray, most: int) -> tuple[FloatArray, FloatArray]:
    """Fill what lies between the last point of a row and the first of the next, by a straight line."""
    known = np.flatnonzero(np.isfinite(mv))
    mv, confidence = mv.copy(), confidence.copy()
    for a, b in zip(known[:-1], known[1:], strict=True):
        if 1 < b - a <= most + 1:
            mv[a : b + 1] = np.linspace(mv[a], mv[b], b - a + 1)
            confidence[a : b + 1] = np.minimum(confidence[a], confidence[b])
    return mv, confidence
