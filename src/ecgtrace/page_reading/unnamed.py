"""Leads of a picture whose names were not read: named by what they show (`layout.by_algebra`)."""

from collections.abc import Sequence
from dataclasses import replace

from ecgtrace.layout.by_algebra import Trace, tell_names
from ecgtrace.layout.regions import RasterLayout
from ecgtrace.page_reading.axis import PlacedLead


def name_unnamed(
    leads: Sequence[PlacedLead], layout: RasterLayout, fs_hz: float
) -> tuple[list[PlacedLead], RasterLayout]:
    """
    Name leads by the sums of the limb leads.

    Parameters
    ----------
    leads : sequence of PlacedLead
    layout : RasterLayout
    fs_hz : float
        Of the leads' axis.

    Returns
    -------
    (list of PlacedLead, RasterLayout)
        The leads in the same order, and the layout with their names, doubts and notes of them.
    """
    regions = [part.lead.region for part in leads]
    told = tell_names(
        [
            Trace(region.row, region.column, part.signal.amplitude_mv, region.name, region.strip)
            for region, part in zip(regions, leads, strict=True)
        ],
        fs_hz,
    )
    named = []
    for part, name, name_from in zip(leads, told.names, told.name_from, strict=True):
        signal = part.signal
        if name.startswith("-") and not part.lead.region.name:
            signal = replace(signal, amplitude_mv=-signal.amplitude_mv)
        lead = replace(part.lead, region=replace(part.lead.region, name=name))
        named.append(replace(part, lead=lead, signal=signal, name_from=name_from))
    places = {(part.lead.region.row, part.lead.region.column): part.lead.region for part in named}
    layout = replace(
        layout,
        regions=tuple(places.get((region.row, region.column), region) for region in layout.regions),
        doubts=(*layout.doubts, *told.doubts),
        notes=(*layout.notes, *told.notes),
    )
    return named, layout
