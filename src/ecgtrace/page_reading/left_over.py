"""Ink of traces that no lead of the page explains: a wave that was cut off, a row that was not read."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from ecgtrace.layout.regions import LeadRegion
from ecgtrace.page_ink.maps import MAP_PX_PER_MM, PageMaps
from ecgtrace.page_reading.lead import ReadLead
from ecgtrace.types import GridScale

Box = tuple[float, ...]  # x0, y0, x1, y1

_SURE = 0.5
_OWN_MM = 1.2  # width of what counts as the trace itself, as of a single lead (`digitization.left_over`)
_HIGH_MM = 3.5  # names and small print are lower
_HANGS_MM = 2.0  # of a trace's path to ink that is its own: the path turns before it
_BESIDE_MM = 1.5  # about where a lead begins or ends: bars and pulses stand there


def unread_ink(maps: PageMaps, leads: Sequence[ReadLead]) -> list[Box]:
    """
    Find ink of traces, between where the leads begin and end, that none of them follows.

    Parameters
    ----------
    maps : PageMaps
    leads : sequence of ReadLead
        At least one.

    Returns
    -------
    list of Box
        Around each piece of such ink, in px of the sheet, the highest first.
    """
    rest = (maps.trace > _SURE).astype(np.uint8)
    edges = []
    for lead in leads:
        path = maps.from_page(lead.path)
        cv2.polylines(rest, [np.rint(path).astype(np.int32)], False, 0, round(_OWN_MM * MAP_PX_PER_MM))
        edges += [float(path[0, 0]), float(path[-1, 0])]
    reach = _BESIDE_MM * MAP_PX_PER_MM
    columns = np.arange(rest.shape[1])
    near = np.abs(columns[:, None] - np.array(edges)).min(axis=1) <= reach
    rest[:, near | (columns < min(edges)) | (columns > max(edges))] = 0
    _, _, stats, _ = cv2.connectedComponentsWithStats(rest, connectivity=8)
    high = [one for one in stats[1:].tolist() if one[cv2.CC_STAT_HEIGHT] >= _HIGH_MM * MAP_PX_PER_MM]
    high.sort(key=lambda one: -one[cv2.CC_STAT_HEIGHT])
    corners = [((x - 0.5, y - 0.5), (x + width - 0.5, y + height - 0.5)) for x, y, width, height, _ in high]
    return [tuple(maps.to_page(np.array(pair)).ravel().tolist()) for pair in corners]


def with_left_over(
    lead: ReadLead, region: LeadRegion, pieces: Sequence[Box], scale: GridScale
) -> LeadRegion | None:
    """
    Return a lead's region made high enough for ink that hangs on its trace; None where none does.

    Parameters
    ----------
    lead : ReadLead
    region : LeadRegion
        In px of the sheet.
    pieces : sequence of Box
        As of `unread_ink`.
    scale : GridScale
    """
    reach = np.array([_HANGS_MM * scale.px_per_mm_x, _HANGS_MM * scale.px_per_mm_y])
    path = lead.path
    hanging = [
        (y0, y1)
        for x0, y0, x1, y1 in pieces
        if np.all((path + reach >= (x0, y0)) & (path - reach <= (x1, y1)), axis=1).any()
    ]
    if not hanging:
        return None
    tops, bottoms = zip(*hanging, strict=True)
    return replace(region, top=min(region.top, *tops), bottom=max(region.bottom, *bottoms))
