"""A lead in its column repeats a stretch of its strip: at what time, to a fraction of a sample."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ecgtrace.page_reading.axis import TENTH_S, PlacedLead
from ecgtrace.sheet.spectrum import vertex
from ecgtrace.types import LeadSignal
from ecgtrace.units import LEADS

NAMED = 0.7  # share of a name that was read well (`layout.orders`)
_REPEATED = 0.12  # of the strip's own rms may be left between it and its lead
_CLEAR = 0.5  # of what is left with the next best lead, or at any other time
_FARTHEST_S = 0.2  # a column may stand wrong: half of the time between beats at 150 per minute
_LEAST_S = 0.005  # the width of a thin line: by less strips and columns may both be off
_BESIDE_S = 0.03  # of the best time: a QRS complex is half as alike there
_SHORTEST_S = 1.0  # of common time
_MOSTLY = 0.9  # of a lead must lie within its strip


@dataclass(frozen=True)
class Repeat:
    """
    Where in its strip a lead is.

    Attributes
    ----------
    left : float
        Root mean square of what is left between the two, as a share of the strip's own.
    lag_s : float
        By how much the lead stands later on the axis than in the strip.
    same : bool
        Whether it shows the seconds that the first column shows, not its own.
    """

    left: float
    lag_s: float
    same: bool


def column_begins(leads: Sequence[PlacedLead]) -> dict[int, float]:
    """Return when columns begin, in seconds: the earliest of their leads, of which names hide others."""
    short = [part for part in leads if not part.lead.region.strip]
    columns = {part.lead.region.column for part in short}
    return {c: min(part.start_s for part in short if part.lead.region.column == c) for c in columns}


def find_repeat(strip: LeadSignal, lead: LeadSignal, begin_s: float) -> Repeat | None:
    """
    Find a lead in a strip, near its own time or that of the first column.

    Parameters
    ----------
    strip, lead : LeadSignal
        On one axis.
    begin_s : float
        When the lead's column begins (`column_begins`).

    Returns
    -------
    Repeat or None
        None where they have no second in common, or no time is better than all others.
    """
    fs_hz = strip.fs_hz
    reach = round(_FARTHEST_S * fs_hz)
    about = np.arange(-reach, reach + 1)
    own = _best(strip, lead, about)
    begin = round(begin_s * fs_hz)
    first = _best(strip, lead, begin + about) if begin > 2 * reach else None
    if first is not None and (own is None or first[0] < _CLEAR * own[0]):
        return Repeat(*first, same=True)
    return None if own is None else Repeat(*own, same=False)


def _best(strip: LeadSignal, lead: LeadSignal, lags: np.ndarray) -> tuple[float, float] | None:
    known = np.flatnonzero(np.isfinite(lead.amplitude_mv))
    if len(known) < _SHORTEST_S * strip.fs_hz:
        return None
    at = known[:, None] - lags
    inside = (at >= 0) & (at < len(strip.amplitude_mv))
    theirs = np.where(inside, strip.amplitude_mv[np.clip(at, 0, len(strip.amplitude_mv) - 1)], np.nan)
    enough = np.isfinite(theirs).sum(axis=0) >= max(_MOSTLY * len(known), _SHORTEST_S * strip.fs_hz)
    if not enough.any():
        return None
    lags, theirs = lags[enough], theirs[:, enough]
    power = np.nanvar(lead.amplitude_mv[known][:, None] - theirs, axis=0)
    least = int(power.argmin())
    left = power / max(float(np.nanvar(theirs[:, least])), 1e-12)
    beside = np.abs(lags - lags[least]) > _BESIDE_S * strip.fs_hz
    if not beside.any() or left[least] > _CLEAR**2 * left[beside].min():
        return None
    by, value = 0.0, float(left[least])
    if 0 < least < len(left) - 1:
        by = vertex(-left[least - 1 : least + 2])
        value = max(0.0, value - 0.25 * by * float(left[least - 1] - left[least + 1]))
    return float(np.sqrt(value)), float(lags[least] + by) / strip.fs_hz


def repeated(
    strip: LeadSignal, leads: Sequence[PlacedLead], begins: Mapping[int, float]
) -> tuple[PlacedLead, Repeat] | None:
    """
    Return the lead that a strip repeats, and where; None where none does, or several.

    Parameters
    ----------
    strip : LeadSignal
    leads : sequence of PlacedLead
        On its axis.
    begins : mapping of int to float
        When columns begin (`column_begins`).
    """
    found = []
    for part in leads:
        repeat = find_repeat(strip, part.signal, begins[part.lead.region.column])
        if repeat is not None:
            found.append((part, repeat))
    found.sort(key=lambda one: one[1].left)
    if not found or found[0][1].left > _REPEATED:
        return None
    if len(found) > 1 and found[0][1].left > _CLEAR * found[1][1].left:
        return None
    return found[0]


def late_by_strips(leads: Sequence[PlacedLead]) -> dict[int, float]:
    """
    Tell how much later columns were put than their strips say.

    Between columns that tell it, and beyond them, it grows evenly from column to column: what was taken
    wrong between two columns, as a bar for time that passes, was taken so between all.

    Parameters
    ----------
    leads : sequence of PlacedLead
        On one axis.

    Returns
    -------
    dict
        Seconds, by column; empty where no strip tells, or they stand right.
    """
    strips = [part for part in leads if part.lead.region.strip]
    short = [part for part in leads if not part.lead.region.strip]
    begins = column_begins(leads)
    columns = sorted(begins)
    told: dict[int, list[float]] = {}
    for strip in strips:
        found = _told(strip, short, begins)
        if found is not None:
            told.setdefault(found[0], []).append(found[1])
    first = columns[0] if columns else 0
    told.pop(first, None)  # its begin is that of the strips
    if max((abs(np.median(late)) for late in told.values()), default=0.0) < _LEAST_S:
        return {}
    at = [first, *sorted(told)]
    late = [0.0, *(float(np.median(told[column])) for column in at[1:])]
    pace = late[-1] / (at[-1] - first)
    return {
        column: float(np.interp(column, at, late)) + max(0, column - at[-1]) * pace for column in columns[1:]
    }


def _told(
    strip: PlacedLead, short: Sequence[PlacedLead], begins: Mapping[int, float]
) -> tuple[int, float] | None:
    """Return the column of the lead that a strip repeats, and how late it was put."""
    region = strip.lead.region
    is_named = region.score >= NAMED and region.name in LEADS
    own = [part for part in short if not is_named or part.lead.region.name == region.name]
    found = repeated(strip.signal, own, begins)
    if found is None:
        return None
    part, repeat = found
    column, late_s = part.lead.region.column, repeat.lag_s
    if repeat.same:
        # How long the columns before it are is known to a tenth of a second alone.
        whole = round(10 * begins[column]) / 10
        if abs(whole - begins[column]) > TENTH_S:
            return None
        late_s -= whole
    return column, late_s
