"""Rows that are no leads: borders and rules of the paper that look like a trace without waves."""

from collections.abc import Sequence
from dataclasses import replace

from ecgtrace.digitization.verdict import STRAIGHT
from ecgtrace.layout.given import OPTION
from ecgtrace.layout.regions import RasterLayout
from ecgtrace.layout.strips import are_strips, layout_name
from ecgtrace.page_reading.lead import ReadLead


def without_lines(leads: Sequence[ReadLead], layout: RasterLayout) -> tuple[Sequence[ReadLead], RasterLayout]:
    """
    Leave out rows that are straight lines from end to end and carry no name, which the layout then notes.

    A lead that shows no waves has a name, or stands in a row with others; where all rows are straight, none
    is left out. Layouts that the user gives are kept as they are.
    """
    if any(lead.region.name_from == OPTION for lead in leads):
        return leads, layout
    rows = {lead.region.row for lead in leads}
    lines = {
        row
        for row in rows
        if all(
            STRAIGHT in lead.signal.doubts and not lead.region.name
            for lead in leads
            if lead.region.row == row
        )
    }
    if not lines or lines == rows:
        return leads, layout
    regions = [region for region in layout.regions if region.row not in lines]
    strips = are_strips([region.row for region in regions])
    regions = [replace(region, strip=strip) for region, strip in zip(regions, strips, strict=True)]
    is_strip = {(region.row, region.column): region.strip for region in regions}
    kept = [
        replace(lead, region=replace(lead.region, strip=is_strip[lead.region.row, lead.region.column]))
        for lead in leads
        if lead.region.row not in lines
    ]
    told = f"a straight line without a name is no lead: {len(lines)} left out"
    name = layout_name([region.row for region in regions])
    return kept, replace(layout, name=name, regions=tuple(regions), notes=(*layout.notes, told))
