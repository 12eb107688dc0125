"""What speaks for and against a page that was read: algebra, strips, heart rate, names, lost leads."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from ecgtrace.layout.given import OPTION
from ecgtrace.layout.regions import RasterLayout
from ecgtrace.recording import Check, RecordedLead
from ecgtrace.types import LeadSignal
from ecgtrace.units import LEADS
from ecgtrace.vector import checks

_LEAST_CONFIDENCE = 0.85  # as of a single lead (`digitization.verdict`)
_LEAST_RECOVERED = 0.9


def judged_page(
    leads: Sequence[RecordedLead],
    again: Mapping[str, Sequence[LeadSignal]],
    layout: RasterLayout,
    lost: Sequence[str],
    unread_mm: Sequence[float],
    fs_hz: float,
) -> tuple[list[Check], list[str]]:
    """
    Check a page.

    Parameters
    ----------
    leads : sequence of RecordedLead
    again : mapping of str to sequence of LeadSignal
        What the page shows of a lead besides.
    layout : RasterLayout
    lost : sequence of str
        Leads that could not be read.
    unread_mm : sequence of float
        Heights of ink of traces that no lead follows (`left_over.unread_ink_mm`).
    fs_hz : float

    Returns
    -------
    (list of Check, list of str)
        Checks and doubts.
    """
    doubts = [f"not read: {one}" for one in lost]
    doubts += [f"{lead.name}: {doubt}" for lead in leads for doubt in lead.signal.doubts]
    values = {lead.name: lead.signal.amplitude_mv for lead in leads}
    found = checks.algebra(values, fs_hz)
    for name, others in again.items():
        for other in others:
            strip = checks.strip_agrees(name, other.amplitude_mv, values[name], fs_hz)
            if strip is not None:
                found.append(strip)
            elif name in LEADS:
                doubts.append(f"the page names {name} twice, at different times")
    found.append(checks.height(leads))
    rate = checks.heart_rate(leads)
    found += [rate] if rate else []
    doubts += [f"{c.name}: {c.value:g} {c.unit} (limit {c.limit:g})" for c in found if not c.ok]
    if unread_mm:
        what = "a wave" if len(unread_mm) == 1 else f"{len(unread_mm)} waves"
        doubts.append(f"ink of {what} was not followed (up to {max(unread_mm):.0f} mm)")
    doubts += _names(layout)
    unknown = sum(lead.name.startswith("unknown_") and lead.name_from != OPTION for lead in leads)
    if unknown and not any("name" in doubt for doubt in doubts):
        doubts.append(f"{unknown} of {len(leads)} leads have no name that could be read")
    if "," in layout.name:
        doubts.append(f"the rows show {layout.name} leads: columns may have been missed")
    doubts += _samples(leads)
    return found, doubts


def _names(layout: RasterLayout) -> list[str]:
    unnamed = sum(not r.name and r.name_from != OPTION for r in layout.regions if not r.strip)
    other = sum(region.name == "other" for region in layout.regions)
    doubts = []
    if unnamed:
        doubts.append(f"{unnamed} of {len(layout.regions)} traces have no name that could be read")
    if other:
        doubts.append(f"{other} traces have a name that is none of the twelve leads")
    full = Counter(region.name for region in layout.regions if region.name in LEADS)
    twice = [name for name, count in full.items() if count > 2]
    if twice:
        doubts.append(f"the page names {', '.join(twice)} more than twice")
    return doubts


def _samples(leads: Sequence[RecordedLead]) -> list[str]:
    doubts = []
    for lead in leads:
        signal = lead.signal
        shown = (signal.time_s >= lead.start_s) & (signal.time_s <= lead.end_s)
        known = np.isfinite(signal.amplitude_mv) & shown
        if not known.any():
            continue
        share = known.sum() / max(1, shown.sum())
        sure = float(signal.confidence[known].mean())
        if share < _LEAST_RECOVERED:
            doubts.append(f"{lead.name}: only {share:.0%} of the signal was recovered")
        elif sure < _LEAST_CONFIDENCE:
            doubts.append(f"{lead.name}: low confidence ({sure:.2f} on average)")
    return doubts
