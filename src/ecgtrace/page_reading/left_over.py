"""Ink of traces that no lead of the page explains: a wave that was cut off, a row that was not read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.layout.regions import LeadRegion
from ecgtrace.page_ink.maps import MAP_PX_PER_MM, PageMaps
from ecgtrace.page_reading.lead import ReadLead
from ecgtrace.page_reading.piece import Piece
from ecgtrace.types import FloatArray, GridScale

# By eye on drawn pages, as is what has no other source below.
_LIKELY = 0.3  # of the maps, about ink: thin tips are weak on them
_ABOUT_MM = 0.5  # of the maps' px, their soft edge on the picture
_SURE, _FULL = 0.5, 0.8  # as of the ink of one lead (`digitization.ink_map`)
_DARK = 0.6  # of full ink: lines of a grid are paler
_MOSTLY = 0.3  # of a piece, where the maps are sure
_PAPER_MM = 4.0  # in which there is paper without a line of the grid
_SOFT_PX = 2.0  # of a line beside its width: its edges, and how far a path may lie beside its middle
_SLIVER = 0.5  # of a line's width: what is narrower lies along a trace
_HIGH_MM = 3.5  # names and small print are lower
_HANGS_MM = 2.0  # of a trace's path to ink that is its own: the path turns before it
_WAVE_MM = 4.0  # to either side of a piece: the wave that it is part of
_SAME_MM, _ELSE = 0.5, 0.02  # apart, and the share of the columns beside
_BESIDE_MM = 1.5  # about where a lead begins or ends: bars and pulses stand there
_RUNS_MM, _RUNS = 80.0, 0.45  # of a stretch so much is dark: a line of the grid, dashed ones too, or a bar
_GRID_MM, _OFF_MM = 5.0, 0.3  # of lines of a grid from each other; of any line, where it leans
_BARRED_MM = 10.0  # of a line the maps call a bar
_ALONG, _MOST = 1.25, 0.6  # of a line's width; of a piece, which lies so near, or in a line that runs on
_COLOUR = 60  # of 255, between two colours less their grey


@dataclass(frozen=True, eq=False)
class TraceInk:
    """
    Ink of traces in the picture's own pixels.

    Attributes
    ----------
    ink : ndarray of uint8, shape (height, width)
        Of the sheet; 1 where there is some.
    sure : ndarray of bool, shape (height, width)
        Whether the maps are sure of a trace; about it lie its edges, and the grid.
    line_px : float
        Width of a line.
    dark : ndarray of uint8, shape (height, width)
        1 where the sheet is as dark as traces.
    image : ndarray of uint8, shape (height, width, 3)
        The sheet, RGB.
    maps : PageMaps
        Of it.
    """

    ink: NDArray[np.uint8]
    sure: NDArray[np.bool_]
    line_px: float
    dark: NDArray[np.uint8]
    image: NDArray[np.uint8]
    maps: PageMaps

    @cached_property
    def runs_on(self) -> NDArray[np.uint8]:
        """
        1 where an upright line runs on far above and below: of a dark grid, or a bar.

        The waves of one beat in rows one below the other run on as far; but beside them stands no other line
        as far away as those of a grid, and the maps show no bar in them.
        """
        px_x, px_y = (MAP_PX_PER_MM * step for step in self.maps.page_px)
        about = cv2.dilate(self.dark, np.ones((1, 3), np.uint8)).astype(np.float32)
        share = cv2.blur(about, (1, 2 * round(_RUNS_MM / 2 * px_y) + 1))
        lines = (share >= _RUNS).astype(np.uint8)
        off = 2 * round(_OFF_MM * px_x) + 1
        beside = np.zeros((1, 2 * round(_GRID_MM * px_x) + off), np.uint8)
        beside[0, :off] = beside[0, -off:] = 1
        bars = cv2.resize(self.maps.bar, self.dark.shape[::-1]) > _LIKELY
        barred = (bars.sum(axis=0) >= _BARRED_MM * px_y).astype(np.uint8)[None]
        known = (cv2.dilate(lines, beside) > 0) | (cv2.dilate(barred, np.ones((1, off), np.uint8)) > 0)
        return np.where(known, lines, np.uint8(0))


def trace_ink(image: NDArray[np.uint8], maps: PageMaps) -> TraceInk:
    """
    Tell which px of a sheet have ink of traces: where the maps see some, and the picture is as dark.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
        The sheet, RGB.
    maps : PageMaps
        Of it.
    """
    height, width = image.shape[:2]
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, maps.trace.shape[::-1], interpolation=cv2.INTER_AREA)
    beside = 2 * round(_PAPER_MM / 2 * MAP_PX_PER_MM) + 1
    paper = cv2.blur(cv2.dilate(small, np.ones((beside, beside), np.uint8)), (beside, beside))
    darkness = cv2.subtract(cv2.resize(paper, (width, height)), grey)
    traces = cv2.resize(maps.trace, (width, height))
    sure = np.asarray(traces > _SURE)
    if not sure.any():
        return TraceInk(np.zeros_like(grey), sure, 1.0, np.zeros_like(grey), image, maps)
    across, up = (2 * round(_ABOUT_MM * MAP_PX_PER_MM * step) + 1 for step in maps.page_px)
    near = cv2.dilate((traces > _LIKELY).astype(np.uint8), np.ones((up, across), np.uint8))
    # Of the px that the maps call a trace some are the paper beside it.
    full = float(np.quantile(darkness[sure], _FULL))
    dark = (darkness > _DARK * full).astype(np.uint8)
    ink = np.where(near > 0, dark, np.uint8(0))
    return TraceInk(ink, sure, _line_px(ink), dark, image, maps)


def _line_px(ink: NDArray[np.uint8]) -> float:
    """Return the width of lines: traces run level mostly, and a column crosses them there straight."""
    change = np.diff(np.pad(ink, ((1, 1), (0, 0))).astype(np.int8), axis=0).T
    highs = np.nonzero(change == -1)[1] - np.nonzero(change == 1)[1]
    return float(np.median(highs)) if len(highs) else 1.0


def unread_ink(traces: TraceInk, leads: Sequence[ReadLead], scale: GridScale) -> list[Piece]:
    """
    Find ink of traces, between where the leads begin and end, that none of them follows.

    Parameters
    ----------
    traces : TraceInk
    leads : sequence of ReadLead
        At least one.
    scale : GridScale
        Of the sheet.

    Returns
    -------
    list of Piece
        The highest first.
    """
    rest = traces.ink.copy()
    edges = []
    for lead in leads:
        path = np.rint(lead.path * 8).astype(np.int32)
        cv2.polylines(rest, [path], False, 0, round(traces.line_px + _SOFT_PX), shift=3)
        edges += [float(lead.path[0, 0]), float(lead.path[-1, 0])]
    reach = _BESIDE_MM * scale.px_per_mm_x
    columns = np.arange(rest.shape[1])
    near = np.abs(columns[:, None] - np.array(edges)).min(axis=1) <= reach
    rest[:, near | (columns < min(edges)) | (columns > max(edges))] = 0
    _, labels, stats, _ = cv2.connectedComponentsWithStats(rest, connectivity=8)
    found = []
    for label, (x, y, width, height, area) in enumerate(stats.tolist()):
        high = height >= _HIGH_MM * scale.px_per_mm_y
        if label and high and area >= _SLIVER * traces.line_px * height:
            box = np.s_[y : y + height, x : x + width]
            part = labels[box] == label
            if traces.sure[box][part].mean() >= _MOSTLY:
                found.append(Piece(x, y, part.astype(np.uint8)))
    return sorted(found, key=lambda piece: -piece.height)


def lost_waves(pieces: Sequence[Piece], traces: TraceInk, leads: Sequence[ReadLead]) -> list[Piece]:
    """
    Leave out pieces of `unread_ink` that are no waves, though a lead was read again for them.

    Dark lines of the grid and bars, which run on; marks in a colour that no trace has; and what lies close
    along a lead's path: where both flanks of a narrow wave melt, ink is left between them.
    """
    along = np.zeros_like(traces.ink)
    for lead in leads:
        path = np.rint(lead.path * 8).astype(np.int32)
        cv2.polylines(along, [path], False, 1, round(2 * (_ALONG * traces.line_px + 1)), shift=3)
    colours = np.array([_colour(traces.image[_on_path(lead.path, along.shape)]) for lead in leads])
    found = []
    for piece in pieces:
        height, width = piece.ink.shape
        box = traces.image[piece.y : piece.y + height, piece.x : piece.x + width]
        apart = np.abs(colours - _colour(box[piece.ink > 0])).max(axis=1)
        is_line = max(piece.share_of(along), piece.share_of(traces.runs_on)) >= _MOST
        if not is_line and apart.min() <= _COLOUR:
            found.append(piece)
    return found


def _on_path(path: FloatArray, shape: tuple[int, ...]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    x, y = np.rint(path).astype(np.intp).T
    return np.clip(y, 0, shape[0] - 1), np.clip(x, 0, shape[1] - 1)


def _colour(px: NDArray[np.uint8]) -> FloatArray:
    """Return the colour of px, shape (n, 3), less their grey: how red and how blue they are, shape (2,)."""
    red, green, blue = np.median(px.astype(float), axis=0)
    return np.array([red - green, blue - green])


def hanging_on(lead: ReadLead, pieces: Sequence[Piece], scale: GridScale) -> list[Piece]:
    """
    Return the pieces that hang on a lead's trace.

    Parameters
    ----------
    lead : ReadLead
    pieces : sequence of Piece
        As of `unread_ink`.
    scale : GridScale
        Of the sheet.
    """
    reach = np.array([_HANGS_MM * scale.px_per_mm_x, _HANGS_MM * scale.px_per_mm_y])
    path = lead.path
    found = []
    for piece in pieces:
        low = np.array([piece.x, piece.y])
        high = low + piece.ink.shape[::-1]
        if np.all((path + reach >= low) & (path - reach <= high), axis=1).any():
            found.append(piece)
    return found


def made_higher(region: LeadRegion, pieces: Sequence[Piece]) -> LeadRegion:
    """Return a lead's region, in px of the sheet, made high enough for pieces of ink."""
    return replace(
        region,
        top=min(region.top, *(piece.y for piece in pieces)),
        bottom=max(region.bottom, *(piece.y + piece.height for piece in pieces)),
    )


def same_elsewhere(old: ReadLead, new: ReadLead, pieces: Sequence[Piece], scale: GridScale) -> bool:
    """
    Tell whether a second reading of a lead goes where the first went, but for where pieces of ink are.

    Parameters
    ----------
    old, new : ReadLead
    pieces : sequence of Piece
        For which it was read again.
    scale : GridScale
        Of the sheet.
    """
    about = _WAVE_MM * scale.px_per_mm_x
    x, y = old.path.T
    is_beside = np.ones(len(x), np.bool_)
    for piece in pieces:
        is_beside &= (x < piece.x - about) | (x > piece.x + piece.ink.shape[1] + about)
    if not is_beside.any():
        return True
    apart = np.abs(np.interp(x, *new.path.T) - y)[is_beside]
    return bool(np.mean(apart > _SAME_MM * scale.px_per_mm_y) <= _ELSE)
