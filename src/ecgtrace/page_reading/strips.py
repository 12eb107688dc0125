"""Rhythm strips: which lead each shows, told by the lead that it repeats."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ecgtrace.layout.regions import LeadRegion
from ecgtrace.page_reading.lead import ReadLead, on_axis
from ecgtrace.types import FloatArray
from ecgtrace.units import LEADS

_SURE = 0.7  # share of a name that was read well (`layout.orders`)
_SAME = 0.12  # of the strip's own rms may be left between it and its lead
_CLEAR = 0.5  # of what is left with the next best lead
_SHORTEST_S = 1.0


def name_strips(
    leads: Sequence[ReadLead], origins_px: Mapping[int, float], fs_hz: float, n: int
) -> tuple[list[ReadLead], list[str]]:
    """
    Name the strips whose names were not read well.

    A strip equals its short lead wherever the page shows both: if one lead alone does, it is that.

    Parameters
    ----------
    leads : sequence of ReadLead
    origins_px : mapping of int to float
        As `read.column_origins`.
    fs_hz : float
    n : int
        Samples of the page's axis.

    Returns
    -------
    (list of ReadLead, list of str)
        In the same order; and what to tell of it.
    """
    named: list[ReadLead] = []
    notes: list[str] = []
    for lead in leads:
        region = lead.region
        if not region.strip or (region.score >= _SURE and region.name in LEADS):
            named.append(lead)
            continue
        left = {
            other.region.name.removeprefix("-"): _left(lead, other, origins_px, fs_hz, n)
            for other in leads
            if not other.region.strip and other.region.name.removeprefix("-") in LEADS
        }
        ranked = sorted((value, name) for name, value in left.items() if value is not None)
        name = ""
        if ranked and ranked[0][0] <= _SAME and (len(ranked) == 1 or ranked[0][0] <= _CLEAR * ranked[1][0]):
            name = ranked[0][1]
            notes.append(f"a strip is {name} by what it shows")
        named.append(replace(lead, region=_renamed(region, name)))
    return named, notes


def _renamed(region: LeadRegion, name: str) -> LeadRegion:
    return replace(region, name=name, score=1.0 if name else 0.0)


def _left(
    strip: ReadLead, lead: ReadLead, origins_px: Mapping[int, float], fs_hz: float, n: int
) -> float | None:
    """Return the rms of what is left between a strip and a lead, as a share of the strip's own."""
    one, other = (_signal(part, origins_px, fs_hz, n) for part in (strip, lead))
    both = np.isfinite(one) & np.isfinite(other)
    if both.sum() < _SHORTEST_S * fs_hz:
        return None
    a, b = one[both] - np.median(one[both]), other[both] - np.median(other[both])
    return float(np.std(a - b) / max(float(np.std(a)), 1e-6))


def _signal(lead: ReadLead, origins_px: Mapping[int, float], fs_hz: float, n: int) -> FloatArray:
    sign = -1.0 if lead.region.name.startswith("-") else 1.0
    start = lead.start_px if lead.region.column == 0 else max(lead.start_px, lead.region.start)
    span = (start, lead.end_px)
    return sign * on_axis(lead, origins_px[lead.region.column], fs_hz, n, span).amplitude_mv
