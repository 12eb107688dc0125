"""Whether a picture shows one page, and all of it: not two, and not cut through its traces."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.errors import GridNotFoundError, PageError
from ecgtrace.layout.regions import RasterLayout
from ecgtrace.page_ink.maps import MAP_PX_PER_MM, PageMaps
from ecgtrace.page_ink.names import FoundName
from ecgtrace.sheet import Sheet
from ecgtrace.types import FloatArray
from ecgtrace.units import LEADS

_SURE = 0.5
_NAME_SURE = 0.8  # of a name, by its score: words of a header that look like one have 0.7 and less
_TWICE = 6  # of the twelve leads are named twice on no page: strips repeat three at the most
_MOST_NAMES = 16  # and a page has no more than 15 names
_APART_MM = 15.0  # of two names; between columns there are 30 and more
_LONGEST_S = 15.0  # of a row: recorders print 10 s
_SEVERAL = 3  # rows above a gap and below it
_GAP_TIMES = 1.8  # of the widest other distance of rows
_EDGE_MM = 1.0  # so near to the edge of the picture a trace runs into it
_INWARD_MM = 4.0  # a trace goes on from there, through
_CROSSES = 0.7  # of that and more,
_ALONG_MM = 10.0  # and not along the edge, as borders do
_SIDES = {"upper": (0.0, -1.0), "lower": (0.0, 1.0), "left": (-1.0, 0.0), "right": (1.0, 0.0)}
_SHORT = 0.85  # of the other columns' length
_HALF = 0.5  # of the rows


def refuse_several(names: Sequence[FoundName]) -> None:
    """
    Refuse two pages in one picture: their leads would be mixed.

    Parameters
    ----------
    names : sequence of FoundName
        In px of the maps.

    Raises
    ------
    PageError
        If half of the twelve leads are named twice.
    """
    sure = [one for one in names if one.score >= _NAME_SURE]
    if len(sure) < _MOST_NAMES:
        return
    twice = 0
    for lead in LEADS:
        at = np.array([(one.x, one.y) for one in sure if one.name == lead])
        far = len(at) > 1 and np.hypot(*(at[1:] - at[0]).T).max() >= _APART_MM * MAP_PX_PER_MM
        twice += bool(far)
    if twice >= _TWICE:
        raise PageError(
            f"more than one page seems to be in the picture: {twice} of the twelve leads are named twice; "
            "cut the pages apart"
        )


def grid_of_halves(
    image: NDArray[np.uint8], find: Callable[[NDArray[np.uint8]], Sheet], error: GridNotFoundError
) -> GridNotFoundError:
    """
    Say better why a picture has no grid: it may have two, of two pages.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
    find : callable
        Finds the sheet of a picture.
    error : GridNotFoundError
        What was raised for the whole picture.

    Returns
    -------
    GridNotFoundError
        `error` itself where not each half has a grid that is beyond doubt.
    """
    height, width = image.shape[:2]
    halves = (
        (image[:, : width // 2], image[:, width // 2 :])
        if width >= height
        else (image[: height // 2], image[height // 2 :])
    )
    for half in halves:
        try:
            if find(np.ascontiguousarray(half)).doubts:  # boxes of a form, bent paper
                return error
        except (GridNotFoundError, PageError):
            return error
    return GridNotFoundError(
        "no grid runs through the whole picture, but each half of it has one: more than one page seems to be "
        "in it; cut the pages apart"
    )


def whole_doubts(
    sheet: Sheet,
    maps: PageMaps,
    layout: RasterLayout,
    source_px: tuple[int, int],
    speed_mm_per_s: float,
) -> tuple[list[str], list[str]]:
    """
    Say what speaks against a picture's being one page and all of it.

    Parameters
    ----------
    sheet : Sheet
    maps : PageMaps
        Of the sheet.
    layout : RasterLayout
        Of the maps.
    source_px : (int, int)
        Height and width of the picture.
    speed_mm_per_s : float

    Returns
    -------
    (list of str, list of str)
        Doubts and notes.
    """
    doubts, notes = _two_pages(layout, speed_mm_per_s), []
    named = {region.name.removeprefix("-") for region in layout.regions} & set(LEADS)
    if 0 < len(named) < len(LEADS):
        missing = ", ".join(lead for lead in LEADS if lead not in named)
        notes.append(f"of the twelve leads {len(named)} are named on the page; not {missing}")
    edges = _edges_met(sheet, maps, source_px)
    for side in ("upper", "lower"):
        if edges[side].any():
            doubts.append(f"a trace runs into the picture's {side} edge: the page may be cut off there")
    for side, column in (("left", 0), ("right", -1)):
        met = [bool((row.ink & edges[side]).any()) for row in layout.rows]
        if np.mean(met) <= _HALF:
            continue
        if len(named) < len(LEADS) or _is_short(layout, column):
            doubts.append(f"the traces run into the picture's {side} edge: the page may be cut off there")
    return doubts, notes


def _two_pages(layout: RasterLayout, speed_mm_per_s: float) -> list[str]:
    doubts = []
    spans = [np.ptp(np.flatnonzero(row.inked)) / MAP_PX_PER_MM / speed_mm_per_s for row in layout.rows]
    if max(spans) > _LONGEST_S:
        doubts.append(
            f"a row is {max(spans):.0f} s long: more than one page may be shown, or the scale is wrong"
        )
    gaps = np.diff([row.zero_y for row in layout.rows])
    doubts += [
        f"{k + 1} rows and {len(gaps) - k} rows stand {gaps[k] / MAP_PX_PER_MM:.0f} mm apart: more than one "
        "page may be in the picture"
        for k in range(_SEVERAL - 1, len(gaps) - _SEVERAL + 1)
        if gaps[k] > _GAP_TIMES * np.delete(gaps, k).max()
    ]
    return doubts


def _is_short(layout: RasterLayout, column: int) -> bool:
    """Tell whether the first or the last column is shorter than the others."""
    lengths: dict[int, list[float]] = {}
    for region in layout.regions:
        if not region.strip:
            lengths.setdefault(region.column, []).append(region.end - region.start)
    medians = [float(np.median(lengths[key])) for key in sorted(lengths)]
    if len(medians) < 2:
        return False
    own = medians.pop(column)
    return own < _SHORT * float(np.median(medians))


def _edges_met(sheet: Sheet, maps: PageMaps, source_px: tuple[int, int]) -> dict[str, NDArray[np.bool_]]:
    """
    Return for each edge of the picture the ink of traces, on the maps, that runs into it.

    Of a turned picture the sheet is larger, its corners made up: what a step to one side leads out of the
    picture is at that edge. A border runs along the edge, and is as long as it.
    """
    ink = maps.trace > _SURE
    y, x = np.nonzero(ink)
    at = np.stack([x, y], axis=1).astype(float)
    reach, close = _INWARD_MM * MAP_PX_PER_MM, _EDGE_MM * MAP_PX_PER_MM
    beyond = {
        side: _outside(sheet, maps, at + np.multiply(step, reach), source_px) for side, step in _SIDES.items()
    }
    found = {}
    for side, step in _SIDES.items():
        across = [other for other, way in _SIDES.items() if np.dot(step, way) == 0]
        near = beyond[side] & ~beyond[across[0]] & ~beyond[across[1]]  # a border ends in a corner
        meets = near & _outside(sheet, maps, at + np.multiply(step, close), source_px)
        band, edge = np.zeros(ink.shape, np.uint8), np.zeros(ink.shape, np.bool_)
        band[y[near], x[near]] = 1
        edge[y[meets], x[meets]] = True
        _, labels, stats, _ = cv2.connectedComponentsWithStats(band, connectivity=8)
        kept = np.zeros(len(stats), np.bool_)
        for k in np.unique(labels[edge]):
            width, height = stats[k, cv2.CC_STAT_WIDTH], stats[k, cv2.CC_STAT_HEIGHT]
            inward, along = (width, height) if step[0] else (height, width)
            kept[k] = inward >= _CROSSES * reach and along <= _ALONG_MM * MAP_PX_PER_MM
        found[side] = np.asarray(kept[labels])
    return found


def _outside(sheet: Sheet, maps: PageMaps, at: FloatArray, source_px: tuple[int, int]) -> NDArray[np.bool_]:
    x, y = sheet.to_source(maps.to_page(at)).T
    height, width = source_px
    return np.asarray((x < 0) | (y < 0) | (x > width - 1) | (y > height - 1))
