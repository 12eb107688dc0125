"""Ink of traces that no lead of the page explains: a wave that was cut off, a row that was not read."""

from collections.abc import Sequence

import cv2
import numpy as np

from ecgtrace.page_ink.maps import MAP_PX_PER_MM, PageMaps
from ecgtrace.page_reading.lead import ReadLead

_SURE = 0.5
_OWN_MM = 1.2  # width of what counts as the trace itself, as of a single lead (`digitization.left_over`)
_HIGH_MM = 3.5  # names and small print are lower
_BESIDE_MM = 1.5  # about where a lead begins or ends: bars and pulses stand there


def unread_ink_mm(maps: PageMaps, leads: Sequence[ReadLead]) -> list[float]:
    """
    Find ink of traces, between where the leads begin and end, that none of them follows.

    Parameters
    ----------
    maps : PageMaps
    leads : sequence of ReadLead
        At least one.

    Returns
    -------
    list of float
        Height of each piece of such ink in mm, the highest first.
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
    heights = stats[1:, cv2.CC_STAT_HEIGHT] / MAP_PX_PER_MM
    return sorted((float(mm) for mm in heights if mm >= _HIGH_MM), reverse=True)
