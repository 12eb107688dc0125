"""The leads of a page on one time axis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from ecgtrace.page_reading.lead import ReadLead, on_axis
from ecgtrace.page_reading.row_length import FOOT_MM, GAP_MM, equal_columns, origins_by_length, outermost
from ecgtrace.types import LeadSignal

_WIDE_MM = 2.0  # no trace goes on unseen for so long
_ALIKE_MM = 0.4  # of begins that tell together
_NEARLY_ALL = 0.7  # three of four rows: a trace may be weak where it begins
_OTHERS = 2  # columns tell how long one is
TENTH_S = 0.015  # a column so near to whole tenths of a second has these: 100 Hz is the coarsest drawn


@dataclass(frozen=True, eq=False)
class PlacedLead:
    """
    A lead on the page's time axis.

    Attributes
    ----------
    lead : ReadLead
    signal : LeadSignal
        The right way up; NaN where the page does not show the lead.
    start_s, end_s : float
    further : tuple of ReadLead
        Rows in which it goes on.
    name_from : str
        As of `recording.RecordedLead`.
    """

    lead: ReadLead
    signal: LeadSignal = field(repr=False)
    start_s: float
    end_s: float
    further: tuple[ReadLead, ...] = ()
    name_from: str = "text"


def place_leads(
    leads: Sequence[ReadLead],
    px_per_mm: float,
    speed_mm_per_s: float,
    fs_hz: float,
    late_s: Mapping[int, float] | None = None,
) -> list[PlacedLead]:
    """
    Put leads on the page's time axis, in their order; what has no sample on it is left out.

    Parameters
    ----------
    leads : sequence of ReadLead
        At least one.
    px_per_mm : float
        Of the sheet, along x.
    speed_mm_per_s : float
    fs_hz : float
        Of the axis.
    late_s : mapping of int to float, optional
        By how much columns come late of where they are put without it (`repeats`).
    """
    origins = column_origins(leads, px_per_mm, speed_mm_per_s)
    per_s = px_per_mm * speed_mm_per_s
    for column, late in (late_s or {}).items():
        origins[column] += late * per_s
    stops_s = _stops_s(leads, origins, per_s)
    spans = []
    for lead in leads:
        column = lead.region.column
        stop = np.inf if np.isinf(lead.region.until) else origins[column] + stops_s[column] * per_s
        spans.append((lead.begin_px, max(lead.begin_px, min(lead.last_px(per_s), stop))))
    ends_s = [
        (end - origins[lead.region.column]) / per_s for lead, (_, end) in zip(leads, spans, strict=True)
    ]
    n = round(max(ends_s) * fs_hz) + 1
    placed = []
    for lead, span, end_s in zip(leads, spans, ends_s, strict=True):
        origin = origins[lead.region.column]
        signal = on_axis(lead, origin, fs_hz, n, span)
        if lead.region.name.startswith("-"):
            signal = replace(signal, amplitude_mv=-signal.amplitude_mv)
        if np.isfinite(signal.amplitude_mv).any():
            placed.append(PlacedLead(lead, signal, (span[0] - origin) / per_s, end_s))
    return placed


def _stops_s(leads: Sequence[ReadLead], origins: Mapping[int, float], per_s: float) -> dict[int, float]:
    """Return for each column when the next begins: what goes on beyond it is a name between the columns."""
    begins_s = {
        column: float(np.median([x.begin_px for x in leads if x.region.column == column]) - origin) / per_s
        for column, origin in origins.items()
    }
    columns = sorted(origins)
    stops = {column: begins_s[after] for column, after in pairwise(columns)}
    return {column: stops.get(column, np.inf) for column in columns}


def column_origins(leads: Sequence[ReadLead], px_per_mm: float, speed_mm_per_s: float) -> dict[int, float]:
    """
    Return for each column where time 0 of the page would lie if its time went on to the left.

    Time 0 is where the first traces begin: the median over the rows of the first column whose begin no print
    hides; they begin together. A column begins when the one before has ended: paper left bare between two is
    no time, and as wide between all of them. Recorders print columns of whole tenths of a second, and the
    last sample of a column lies one before its end. Where a row is as long as recorders print them, its
    length tells (`row_length`).
    """
    per_s = px_per_mm * speed_mm_per_s
    columns = sorted({lead.region.column for lead in leads})
    first = [lead for lead in leads if lead.region.column == columns[0]]
    equal = equal_columns(leads, px_per_mm, per_s)
    if equal:
        return equal
    seen, is_sure = _first_begin(leads, first, px_per_mm, per_s)
    by_length = origins_by_length(leads, seen, px_per_mm, per_s, is_sure)
    if len(by_length) == len(columns):
        return by_length
    origins = {columns[0]: by_length.get(columns[0], seen)}
    met = [_met(leads, before, column, per_s) for before, column in pairwise(columns)]
    usual_px = float(np.median([begin - end for _, end, begin in met])) if len(met) > _OTHERS else np.inf
    for (before, column), (left, end, begin) in zip(pairwise(columns), met, strict=True):
        if begin - end > usual_px + _WIDE_MM * px_per_mm:  # a long name hides where its leads begin
            begin = end + usual_px
        end_s = (end - origins[before]) / per_s
        whole = whole_tenths(end_s)
        is_bare = begin - end > GAP_MM * px_per_mm
        if left and all(lead.pulse_behind for lead in left):
            is_bare, whole = True, before_pulse(end_s, speed_mm_per_s)
        hidden = [lead.begin_hidden for lead in leads if lead.region.column == column]
        # What lies between is no bare paper where print hides the begins of half of the leads.
        if whole is None and begin - end > _WIDE_MM * px_per_mm and 2 * sum(hidden) < len(hidden):
            whole = _length_of(leads, column, end_s, per_s) or end_s
        origins[column] = begin - whole * per_s if is_bare and whole is not None else origins[before]
    return origins


def _first_begin(
    leads: Sequence[ReadLead], first: Sequence[ReadLead], px_per_mm: float, per_s: float
) -> tuple[float, bool]:
    """Return where the first column begins, and whether the end of a pulse is seen there."""
    seen = _begin_by_pulses(first, px_per_mm) or _earliest_behind_pulses(first, px_per_mm)
    if seen is None:
        in_sight = [lead for lead in first if not lead.begin_hidden] or first
        # Where few are in sight, what else lets one seem to begin later is no majority.
        usual = np.min if 2 * len(in_sight) < len(first) else np.median
        by_others = begin_by_others(leads, first[0].region.column, per_s)
        seen = by_others or float(usual([lead.time0_px for lead in in_sight]))
    edges = [lead.zero_px for lead in first if lead.after_pulse and lead.zero_px is not None]
    return seen, bool(edges) and abs(seen - float(np.median(edges))) <= GAP_MM * px_per_mm


def _length_of(leads: Sequence[ReadLead], column: int, most_s: float, per_s: float) -> float | None:
    """Return the length of a column, of whole tenths, if one of `most_s` may be as long; else None."""
    own = [(lead.last_px(per_s) - lead.begin_px) / per_s for lead in leads if lead.region.column == column]
    seen = float(np.median(own))
    whole = round(10 * seen) / 10
    return whole if 0 <= whole - seen <= 2 * TENTH_S and whole <= most_s + TENTH_S else None


def _begin_by_pulses(first: Sequence[ReadLead], px_per_mm: float) -> float | None:
    """
    Return where leads begin that stand behind pulses; None where most of them show it themselves.

    They begin with the pulse's end, or all with a gap: then what seems to begin there is the pulse's foot.
    """
    behind = [lead for lead in first if lead.after_pulse]
    if 2 * len(behind) <= len(first):
        return None
    met = [lead.zero_px for lead in behind if lead.zero_px is not None]
    if len(met) >= _NEARLY_ALL * len(behind):
        return float(np.median(met))
    if len(met) <= (1 - _NEARLY_ALL) * len(behind):
        return None  # what the traces themselves show
    apart = np.array([lead.start_px for lead in behind if lead.zero_px is None])
    usual = float(np.median(apart))
    alike = np.mean(np.abs(apart - usual) <= _ALIKE_MM * px_per_mm) > 0.5
    return usual if alike else float(np.median(met))


def _earliest_behind_pulses(first: Sequence[ReadLead], px_per_mm: float) -> float | None:
    """
    Return where the first two leads begin of those behind pulses, if they begin in several places.

    Then names hide where others begin: before the first there is nothing but the pulse, whose end is seen.
    """
    behind = [lead.start_px for lead in first if lead.after_pulse]
    if 2 * len(behind) <= len(first) or np.ptp(behind) <= _WIDE_MM * px_per_mm:
        return None
    shared = outermost([-start for start in behind], GAP_MM * px_per_mm)
    return None if shared is None else -shared


def _met(
    leads: Sequence[ReadLead], before: int, column: int, per_s: float
) -> tuple[list[ReadLead], float, float]:
    """Return the leads of one column beside those of the next, where they end, and where the next begin."""
    own = [lead for lead in leads if lead.region.column == column]
    rows = {lead.region.row for lead in own}
    left = [lead for lead in leads if lead.region.column == before and lead.region.row in rows]
    begin = float(np.median([lead.begin_px for lead in own]))
    return left, float(np.median([lead.last_px(per_s) for lead in left])) if left else begin, begin


def begin_by_others(leads: Sequence[ReadLead], column: int, per_s: float) -> float | None:
    """
    Return where a column begins by those of its leads that are as long as all other columns are.

    Names hide where others of its leads begin, or the foot of a pulse lengthens them. None where no two
    other columns are of one length, or no lead is as long.
    """
    others = {lead.region.column for lead in leads} - {column}
    lengths_s = {
        other: [
            (lead.last_px(per_s) - lead.begin_px) / per_s for lead in leads if lead.region.column == other
        ]
        for other in others
    }
    seconds = [float(np.median(own)) for own in lengths_s.values()]
    usual = float(np.median(seconds)) if seconds else 0.0
    if sum(abs(own - usual) <= TENTH_S for own in seconds) < _OTHERS:
        return None
    alike = [
        lead.begin_px
        for lead in leads
        if lead.region.column == column
        and abs((lead.last_px(per_s) - lead.begin_px) / per_s - usual) <= TENTH_S
    ]
    return float(np.median(alike)) if alike else None


def whole_tenths(end_s: float) -> float | None:
    """
    Return the length of what ends one sample before whole tenths of a second; None where it does not.

    Examples
    --------
    >>> whole_tenths(2.49), whole_tenths(2.53)
    (2.5, None)
    """
    whole = round(end_s * 10) / 10
    return whole if abs(whole - end_s) <= TENTH_S else None


def before_pulse(end_s: float, speed_mm_per_s: float) -> float:
    """
    Return how long a column is behind which a pulse stands, whose foot may seem to be its trace's.

    No time passes in a pulse. Recorders print halves of a second, or else tenths.

    Examples
    --------
    >>> before_pulse(2.58, 25.0), before_pulse(2.49, 25.0), before_pulse(1.83, 25.0)
    (2.5, 2.5, 1.8)
    """
    half = np.floor(2 * (end_s + TENTH_S)) / 2
    if end_s - half <= FOOT_MM / speed_mm_per_s:
        return float(half)
    return float(np.floor(10 * (end_s + TENTH_S)) / 10)
