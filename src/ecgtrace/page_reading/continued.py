"""One lead over several rows: whether each row goes on where the row above ended, and the lead as a whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ecgtrace.digitization.rhythm import RowsRhythm, rows_rhythm
from ecgtrace.layout.one_lead import SoleName, rows_layout_name
from ecgtrace.layout.regions import RasterLayout
from ecgtrace.page_reading.axis import TENTH_S, PlacedLead, whole_tenths
from ecgtrace.page_reading.lead import ReadLead, on_axis
from ecgtrace.page_reading.row_length import FOOT_MM, ROW_MM
from ecgtrace.types import FloatArray

_ALIKE_MM = 0.4  # of where rows begin and end, which they do together, but for the last
_BEHIND_MM = 2.0  # a row that begins later begins behind a pulse; less is ink that was lost, as at its end


def join_rows(
    placed: Sequence[PlacedLead], layout: RasterLayout, px_per_mm: float
) -> tuple[list[PlacedLead], RasterLayout, list[str]]:
    """
    Make one lead of rows that go on, where they do.

    Rows on which one name is printed again are of one lead, unless their beats tell otherwise. Where it was
    read on few of them, or the first row alone has a name, beats must be of one shape and fall at other times
    from row to row; where no row has, they must also follow each other over the ends of the rows. What these
    do not tell is left as it is.

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
    by_row = {part.lead.region.row: part for part in rows}
    times = _row_times(by_row, sole.n_rows, rows[0].signal.speed_mm_per_s, fs_hz)
    lead = _joined(rows, times, px_per_mm)
    region = replace(lead.lead.region, name=sole.name, score=float(bool(sole.name)), strip=False)
    lead = replace(lead, lead=replace(lead.lead, region=region))
    if sole.name.startswith("-"):
        lead = replace(lead, signal=replace(lead.signal, amplitude_mv=-lead.signal.amplitude_mv))
    told = f"all are {sole.name}" if sole.on_all else "their beats tell"
    told = "as given" if sole.is_given else told
    alone = replace(
        layout,
        name=rows_layout_name(sole.n_rows),
        regions=(region,),
        notes=(*_without_orders(layout.notes), f"each row goes on where the row above ended: {told}"),
    )
    return [lead], alone, _length_doubts(times)


def _is_one_lead(sole: SoleName, rhythm: RowsRhythm) -> bool:
    if sole.is_given:
        return True
    if sole.on_all:
        return not rhythm.together or (rhythm.alike and (rhythm.apart or rhythm.goes_on))
    return rhythm.apart and (sole.on_first or len(sole.rows) > 1 or rhythm.goes_on)


def _doubts(sole: SoleName, rhythm: RowsRhythm) -> list[str]:
    if sole.on_all:
        return [
            f"{len(sole.rows)} rows are named {sole.name}, but their beats fall at the same times, as those "
            "of several leads: they were kept apart"
        ]
    if rhythm.together and not rhythm.alike:
        return []  # simultaneous leads
    return [
        "whether the rows are simultaneous leads or one that goes on was not told by their beats: they were "
        "kept apart"
    ]


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


@dataclass(frozen=True)
class _RowTime:
    """Where a row begins and ends: from the left edge of the rows, and on the lead's own axis."""

    left_s: float
    right_s: float
    start_s: float

    @property
    def end_s(self) -> float:
        return self.start_s + self.right_s - self.left_s


def _row_times(
    by_row: Mapping[int, PlacedLead], n_rows: int, speed_mm_per_s: float, fs_hz: float
) -> list[_RowTime]:
    """
    Give each row its time, whether it was read or not.

    Rows begin and end together, but for the last, and for one that begins behind a pulse; none begins before
    the others: what lies there is the foot of a pulse. As columns, they
    are of whole tenths of a second where they nearly are, and their last sample lies one before the next row.
    Of rows that pulses stand behind what is more than 250 mm is the foot of a pulse.
    """
    near_s, behind_s, row_s = (mm / speed_mm_per_s for mm in (_ALIKE_MM, _BEHIND_MM, ROW_MM))
    usual_s = float(np.median([part.end_s for part in list(by_row.values())[:-1]]))
    more_mm = (usual_s - row_s) * speed_mm_per_s
    if any(part.lead.pulse_behind for part in by_row.values()) and 0 < more_mm <= FOOT_MM:
        by_row = {
            row: replace(part, end_s=min(part.end_s, row_s - 1 / fs_hz)) for row, part in by_row.items()
        }
        usual_s = row_s - 1 / fs_hz
    times: list[_RowTime] = []
    at_s = 0.0
    for row in range(n_rows):
        part = by_row.get(row)
        left_s = 0.0 if part is None or part.start_s <= behind_s else part.start_s
        alike_s = near_s if row == n_rows - 1 else behind_s
        right_s = usual_s if part is None or abs(part.end_s - usual_s) <= alike_s else part.end_s
        times.append(_RowTime(left_s, right_s, at_s))
        at_s += whole_tenths(right_s - left_s) or right_s - left_s + 1 / fs_hz
    return times


def _length_doubts(times: Sequence[_RowTime]) -> list[str]:
    """Doubt rows of a length that no recorder prints: each row makes those below it later, or earlier."""
    lengths_s = [time.right_s - time.left_s for time in times[:-1]]
    odd = [length for length in lengths_s if whole_tenths(length) is None]
    if len(odd) <= len(lengths_s) / 2:
        return []
    return [
        f"the rows seem {np.median(odd):.2f} s long, no whole tenths: those below may stand at a wrong time"
    ]


def _joined(rows: Sequence[PlacedLead], times: Sequence[_RowTime], px_per_mm: float) -> PlacedLead:
    """Put rows one behind the other, each at its height over its own zero line."""
    signal = rows[0].signal
    fs_hz, per_s = signal.fs_hz, px_per_mm * signal.speed_mm_per_s
    by_row = {part.lead.region.row: part for part in rows}
    first, last = times[rows[0].lead.region.row], times[rows[-1].lead.region.row]
    n = round(last.end_s * fs_hz) + 1
    mv, confidence = np.full(n, np.nan), np.zeros(n)
    for row, part in by_row.items():
        time = times[row]
        edge_px = part.lead.begin_px - part.start_s * per_s
        origin_px = edge_px + (time.left_s - time.start_s) * per_s
        span_px = (part.lead.begin_px, edge_px + time.right_s * per_s)
        own = on_axis(part.lead, origin_px, fs_hz, n, span_px)
        known = np.isfinite(own.amplitude_mv)
        mv[known] = own.amplitude_mv[known] + _above_zero_mv(part.lead)
        confidence[known] = own.confidence[known]
    for time in times[1:]:
        _bridge(mv, confidence, round(time.start_s * fs_hz), round(TENTH_S * fs_hz))
    signal = replace(
        signal,
        amplitude_mv=mv - np.nanmedian(mv),
        confidence=confidence,
        doubts=tuple(dict.fromkeys(doubt for part in rows for doubt in part.signal.doubts)),
        notes=tuple(dict.fromkeys(note for part in rows for note in part.signal.notes)),
    )
    lead, *further = (part.lead for part in rows)
    return PlacedLead(lead, signal, first.start_s, last.end_s, tuple(further))


def _above_zero_mv(lead: ReadLead) -> float:
    """Return how far above the zero line of its row a lead's 0 mV lies."""
    signal = lead.signal
    per_mv = signal.gain_mm_per_mv * signal.scale.px_per_mm_y
    per_sample = signal.speed_mm_per_s * signal.scale.px_per_mm_x / signal.fs_hz
    columns = lead.start_px - lead.left + np.arange(len(signal.amplitude_mv)) * per_sample
    rows = np.interp(columns, np.arange(len(signal.row_px)), signal.row_px)
    zero_px = lead.top + float(np.nanmedian(rows + signal.amplitude_mv * per_mv))
    return (lead.region.zero_y - zero_px) / per_mv


def _bridge(mv: FloatArray, confidence: FloatArray, at: int, most: int) -> None:
    """Fill, in place, what lies between the last point of a row and the first of the next, by a line."""
    known = np.isfinite(mv)
    before, behind = np.flatnonzero(known[:at]), np.flatnonzero(known[at:])
    if not len(before) or not len(behind):
        return
    a, b = int(before[-1]), at + int(behind[0])
    if b - a - 1 <= most:
        mv[a : b + 1] = np.linspace(mv[a], mv[b], b - a + 1)
        confidence[a + 1 : b] = min(confidence[a], confidence[b])
