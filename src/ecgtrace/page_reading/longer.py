"""Leads that go on where the maps lose them: thin lines on a dotted grid, a begin beside print."""

from collections.abc import Sequence
from dataclasses import replace

from ecgtrace.layout.regions import LeadRegion
from ecgtrace.page_reading.lead import ReadLead
from ecgtrace.types import GridScale
from ecgtrace.vector.lines import Pulse

MOST_LONGER = 4  # times a lead is read again, farther each time
_MORE_MM = 8.0
_TOUCH_MM = 0.5  # of its piece's edge: a lead that begins within is as far away as the pad is
_GAIN_MM = 0.25  # less is no more than where an edge is soft
_OWN_MM = 8.0  # of a zero line to the base of a pulse before it


def made_longer(
    lead: ReadLead, beside: tuple[bool, bool], width: int, pulses_mm: Sequence[Pulse], scale: GridScale
) -> LeadRegion | None:
    """
    Return a longer region for a lead that was read up to the edge of its piece; None for another.

    Parameters
    ----------
    lead : ReadLead
    beside : tuple of bool
        Whether another lead ends where it begins, and whether another follows: there it ends.
    width : int
        Of the sheet in px.
    pulses_mm : sequence of Pulse
        Before and behind which nothing of a lead lies.
    scale : GridScale
        Of the sheet.
    """
    region, touch = lead.region, _TOUCH_MM * scale.px_per_mm_x
    start, end = region.start, region.end
    own = [p for p in pulses_mm if abs(p.base_y - region.zero_y / scale.px_per_mm_y) <= _OWN_MM]
    if not beside[0] and 0 < lead.left and lead.start_px - lead.left <= touch:
        before = [p.end_x * scale.px_per_mm_x for p in own if p.end_x * scale.px_per_mm_x <= start]
        start = max(0.0, start - _MORE_MM * scale.px_per_mm_x, *before)
    right = lead.left + len(lead.signal.row_px)
    if not beside[1] and right < width and right - 1 - lead.end_px <= touch:
        behind = [p.x * scale.px_per_mm_x for p in own if p.x * scale.px_per_mm_x >= end]
        end = min(float(width), end + _MORE_MM * scale.px_per_mm_x, *behind)
    if start >= region.start - touch and end <= region.end + touch:
        return None
    return replace(region, start=start, end=end)


def goes_further(again: ReadLead, lead: ReadLead, scale: GridScale) -> bool:
    """Tell whether a second reading, of a longer piece, begins earlier or ends later."""
    gain = _GAIN_MM * scale.px_per_mm_x
    return again.start_px <= lead.start_px - gain or again.end_px >= lead.end_px + gain
