"""Rhythm strips: which lead each shows, told by the lead that it repeats."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ecgtrace.layout.given import OPTION
from ecgtrace.page_reading.axis import PlacedLead
from ecgtrace.types import LeadSignal
from ecgtrace.units import LEADS

_SURE = 0.7  # share of a name that was read well (`layout.orders`)
_SAME = 0.12  # of the strip's own rms may be left between it and its lead
_CLEAR = 0.5  # of what is left with the next best lead
_SHORTEST_S = 1.0


def name_strips(leads: Sequence[PlacedLead]) -> tuple[list[PlacedLead], list[str]]:
    """
    Name the strips whose names were not read well.

    A strip equals its short lead wherever the page shows both: if one lead alone does, it is that.

    Parameters
    ----------
    leads : sequence of PlacedLead

    Returns
    -------
    (list of PlacedLead, list of str)
        In the same order; and what to tell of it.
    """
    known = {
        name: part.signal
        for part in leads
        if not part.lead.region.strip and (name := part.lead.region.name.removeprefix("-")) in LEADS
    }
    named: list[PlacedLead] = []
    notes: list[str] = []
    for part in leads:
        region = part.lead.region
        is_given = region.name_from == OPTION and region.name
        if region.strip and not is_given and (region.score < _SURE or region.name not in LEADS):
            name = _repeated(part.signal, known)
            notes += [f"a strip is {name} by what it shows"] if name else []
            name_from = "text" if name else region.name_from
            region = replace(region, name=name, score=float(bool(name)), name_from=name_from)
        named.append(replace(part, lead=replace(part.lead, region=region)))
    return named, notes


def _repeated(strip: LeadSignal, known: Mapping[str, LeadSignal]) -> str:
    """Return the lead that a strip repeats; empty where none does, or several."""
    left = ((_left(strip, signal), name) for name, signal in known.items())
    ranked = sorted((value, name) for value, name in left if value is not None)
    if not ranked or ranked[0][0] > _SAME or (len(ranked) > 1 and ranked[0][0] > _CLEAR * ranked[1][0]):
        return ""
    return ranked[0][1]


def _left(strip: LeadSignal, lead: LeadSignal) -> float | None:
    """Return the rms of what is left between a strip and a lead, as a share of the strip's own."""
    both = np.isfinite(strip.amplitude_mv) & np.isfinite(lead.amplitude_mv)
    if both.sum() < _SHORTEST_S * strip.fs_hz:
        return None
    own = strip.amplitude_mv[both]
    return float(np.std(own - lead.amplitude_mv[both]) / max(float(np.std(own)), 1e-6))
