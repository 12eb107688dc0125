"""One lead of a page: its piece of the picture cut out and read, in px of the sheet."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from ecgtrace.digitization.ink import runs
from ecgtrace.digitization.ink_map import Segmenter
from ecgtrace.digitization.refined import RefinedDigitizer
from ecgtrace.digitization.verdict import is_straight
from ecgtrace.layout.regions import LeadRegion
from ecgtrace.page_ink.maps import PageMaps
from ecgtrace.page_reading.other_rows import OtherRows
from ecgtrace.page_reading.piece import Piece
from ecgtrace.page_reading.piece_segmenter import PieceSegmenter
from ecgtrace.page_reading.pulse_edge import Behind
from ecgtrace.types import FloatArray, GridScale, LeadSignal

_PAD_Y_MM = 1.5  # above and below the ink that the map shows: thin peaks are weak on it
_CUT_MM = 1.2  # a whole wave stays as far from the piece's edge as the pad is, less half a line
_TOUCH_MM = 0.25  # and one that ends within has its whole line there: seven in ten that reach on are misread
_MORE_MM, _TRIES = 6.0, 6  # 3 cm at the most: from row to row, and half of it again
_PAD_X_MM = 1.5  # beside a lead where paper is
_BEYOND_S = 0.01  # behind the end that the maps show, to a quarter of a millimetre, a trace may go on
_LOST_MM = 4.0  # of a trace beside a bar or a name that the maps may lack
_BESIDE_MM = 0.4  # where the next lead is
_ALONE_MM, _SPECK_MM = 2.5, 2.0  # of bare paper between a trace and what stands alone, and of that
_BEHIND_PX = 0.5  # the soft edge of a pulse's line


@dataclass(frozen=True, eq=False)
class ReadLead:
    """
    A lead as it was read from its piece of the page.

    Attributes
    ----------
    region : LeadRegion
    signal : LeadSignal
        Its `start_px` and `row_px` are in px of the sheet, `row_px` from column `left` on.
    left : int
        Column of the sheet where the piece begins.
    top : int
    zero_px : float or None
        Column of the sheet where its time begins, where a pulse tells (`pulse_edge`).
    after_pulse : bool
        Whether the picture shows the end of a pulse before it.
    pulse_behind : bool
        Whether a pulse stands right behind its end, whose foot may seem to be the trace's.
    begin_hidden : bool
        Whether print hides the trace before where it seems to begin.
    """

    region: LeadRegion
    signal: LeadSignal = field(repr=False)
    left: int
    top: int
    zero_px: float | None = None
    after_pulse: bool = False
    pulse_behind: bool = False
    begin_hidden: bool = False

    @property
    def time0_px(self) -> float:
        """Column of the sheet where its time begins."""
        return self.start_px if self.zero_px is None else self.zero_px

    @property
    def start_px(self) -> float:
        """Column of the sheet where its trace begins."""
        return self.signal.start_px + self.left

    @property
    def end_px(self) -> float:
        """Column of the sheet where its trace ends."""
        per_sample = self.signal.speed_mm_per_s * self.signal.scale.px_per_mm_x / self.signal.fs_hz
        return self.start_px + (len(self.signal.amplitude_mv) - 1) * per_sample

    def last_px(self, px_per_s: float) -> float:
        """Return the column where it ends: before the next lead, and not far beyond the ink of the maps."""
        beyond = self.region.end + _BEYOND_S * px_per_s
        return min(self.end_px, beyond if np.isinf(self.region.until) else self.region.until)

    @property
    def begin_px(self) -> float:
        """Return the column where it begins: not before the lead to its left has ended."""
        return self.start_px if self.region.column == 0 else max(self.start_px, self.region.start)

    @property
    def path(self) -> FloatArray:
        """Its centre line on the sheet, shape (n, 2), where it was read."""
        columns = np.flatnonzero(np.isfinite(self.signal.row_px))
        return np.stack([columns + self.left, self.signal.row_px[columns] + self.top], axis=1).astype(float)

    def stretched(self, times: float) -> "ReadLead":
        """Return it at a scale of so many times as many px per mm."""
        signal, old = self.signal, self.signal.scale
        scale = replace(old, px_per_mm_x=times * old.px_per_mm_x, px_per_mm_y=times * old.px_per_mm_y)
        mv = signal.amplitude_mv / times
        return replace(self, signal=replace(signal, amplitude_mv=mv, fs_hz=times * signal.fs_hz, scale=scale))


def read_lead(
    digitizer: RefinedDigitizer,
    image: NDArray[np.uint8],
    region: LeadRegion,
    scale: GridScale,
    beside: tuple[bool, bool],
    pulse: Behind | None = None,
    others: OtherRows | None = None,
    pieces: Sequence[Piece] = (),
    whose: Callable[[int, int], Segmenter] | None = None,
) -> ReadLead:
    """
    Read a lead.

    Parameters
    ----------
    digitizer : RefinedDigitizer
    image : ndarray of uint8, shape (height, width, 3)
        The sheet.
    region : LeadRegion
        In px of the sheet.
    scale : GridScale
        Of the sheet.
    beside : tuple of bool
        Whether another lead ends where it begins, and whether another follows.
    pulse : Behind, optional
        The pulse before it.
    others : OtherRows, optional
        What is known to be ink of other rows.
    pieces : sequence of Piece, optional
        Ink that hangs on its trace and that no lead follows: it is taken for this one's.
    whose : callable, optional
        From left and top of a piece to what tells its ink from that of others. By default the digitizer's own
        segmenter, which sees one lead at a time: ink of other rows is erased for it.

    Raises
    ------
    TraceNotFoundError
        If the network finds no ink of a trace there.
    """
    pads = (
        0.0 if beside[0] else _PAD_X_MM * scale.px_per_mm_x,
        (_BESIDE_MM if beside[1] else _PAD_X_MM) * scale.px_per_mm_x,
    )
    height, width = image.shape[:2]
    # Near a bar or a name the maps lose the trace: the picture has it up to where the next lead begins.
    end = min(region.until, region.end + _LOST_MM * scale.px_per_mm_x) if beside[1] else region.end
    left, right = max(0, round(region.start - pads[0])), min(width, round(end + pads[1]) + 1)
    if pulse is not None:
        left = max(left, math.ceil(pulse.ink_end_px + _BEHIND_PX))
    pad, near, more = (mm * scale.px_per_mm_y for mm in (_PAD_Y_MM, _CUT_MM, _MORE_MM))
    top, bottom = max(0, round(region.top - pad)), min(height, round(region.bottom + pad) + 1)
    fixed = replace(digitizer, grid=lambda _: scale, px_per_mm=None, deskew=False)
    up = down = False
    for _ in range(_TRIES):
        top, bottom = max(0, round(top - up * more)), min(height, round(bottom + down * more))
        piece = np.ascontiguousarray(image[top:bottom, left:right])
        network = whose(left, top) if whose else digitizer.segmenter
        told = PieceSegmenter(network, left, top, None if whose else others, pieces)
        signal = replace(fixed, segmenter=told)(piece)
        # A wave that ends at the piece's edge goes on: the maps gave its end to another row, or to none.
        above = top > 0 and float(np.nanmin(signal.row_px)) < near
        below = bottom < height and float(np.nanmax(signal.row_px)) > len(piece) - 1 - near
        # But what goes on may be others' ink that it melts with.
        up, down = above, below
        if others is not None:
            at = left + np.arange(len(signal.row_px), dtype=float)
            up &= not others.go_on(at[signal.row_px < near], top - more / 2, top)
            down &= not others.go_on(at[signal.row_px > len(piece) - 1 - near], bottom - 1, bottom + more / 2)
        if not (up or down):
            break
    signal = _without_specks(signal, scale)
    touch = _TOUCH_MM * scale.px_per_mm_y
    above &= float(np.nanmin(signal.row_px)) < touch
    below &= float(np.nanmax(signal.row_px)) > len(piece) - 1 - touch
    cut = "its waves reach the edge of what was taken for its row" if above or below else ""
    # Of the checks of a single lead the others suppose that nothing else is in its picture.
    doubts = filter(None, (is_straight(signal, piece), cut))
    read = ReadLead(region, replace(signal, doubts=(*signal.doubts, *doubts)), left, top)
    if pulse is None:
        return read
    return replace(read, zero_px=pulse.zero_of(read.start_px, scale), after_pulse=pulse.edge_seen)


def _without_specks(signal: LeadSignal, scale: GridScale) -> LeadSignal:
    """Leave out what stands alone behind the end of a trace, or before its begin: a letter, a bar."""
    per_sample_mm = signal.speed_mm_per_s / signal.fs_hz
    pieces = runs(np.isfinite(signal.amplitude_mv))
    is_speck = np.diff(pieces, axis=1).ravel() * per_sample_mm <= _SPECK_MM
    is_apart = (pieces[1:, 0] - pieces[:-1, 1]) * per_sample_mm >= _ALONE_MM
    low, high = 0, len(pieces)
    while high - low > 1 and is_speck[high - 1] and is_apart[high - 2]:
        high -= 1
    while high - low > 1 and is_speck[low] and is_apart[low]:
        low += 1
    if high - low == len(pieces):
        return signal
    first = int(pieces[low, 0]) if low else 0
    last = int(pieces[high - 1, 1]) if high < len(pieces) else len(signal.amplitude_mv)
    per_sample_px = per_sample_mm * scale.px_per_mm_x
    start = signal.start_px + first * per_sample_px
    row = signal.row_px.copy()
    at = np.arange(len(row))
    row[(at < start - 1) | (at > start + (last - first) * per_sample_px)] = np.nan
    return replace(
        signal,
        amplitude_mv=signal.amplitude_mv[first:last],
        confidence=signal.confidence[first:last],
        row_px=row,
        start_px=start,
    )


def on_axis(
    lead: ReadLead, origin_px: float, fs_hz: float, n: int, span_px: tuple[float, float]
) -> LeadSignal:
    """
    Put a lead on the page's time axis.

    Parameters
    ----------
    lead : ReadLead
    origin_px : float
        Column of the sheet where the page's time is 0.
    fs_hz : float
    n : int
        Samples of the axis.
    span_px : tuple of float
        What lies outside of these columns is not this lead's.

    Returns
    -------
    LeadSignal
        NaN where the page does not show the lead, or it was not recovered.
    """
    signal = lead.signal
    per_s = signal.speed_mm_per_s * signal.scale.px_per_mm_x
    own_s = (lead.start_px - origin_px) / per_s + np.arange(len(signal.amplitude_mv)) / signal.fs_hz
    low, high = ((x - origin_px) / per_s for x in span_px)
    axis = np.arange(n) / fs_hz
    mv, confidence = np.full(n, np.nan), np.zeros(n)
    known = np.isfinite(signal.amplitude_mv)
    if known.sum() < 2:
        return replace(signal, amplitude_mv=mv, confidence=confidence, fs_hz=fs_hz)
    tolerance = 0.5 / fs_hz
    inside = (axis >= max(own_s[0], low) - tolerance) & (axis <= min(own_s[-1], high) + tolerance)
    at = np.clip(axis[inside], own_s[0], own_s[-1])
    # Samples lie between those of the piece: a cubic keeps the QRS, whose peaks a straight line would cut.
    mv[inside] = PchipInterpolator(own_s[known], signal.amplitude_mv[known])(at)
    gap = np.interp(at, own_s, (~known).astype(float)) > 0
    mv[np.flatnonzero(inside)[gap]] = np.nan
    confidence[inside] = np.interp(at, own_s, signal.confidence)
    confidence[np.isnan(mv)] = 0.0
    return replace(signal, amplitude_mv=mv, confidence=confidence, fs_hz=fs_hz)


def to_sheet(region: LeadRegion, maps: PageMaps) -> LeadRegion:
    """Return a region in px of the sheet of one in px of the maps."""
    corners = [(region.start, region.top), (region.end, region.bottom), (region.until, region.zero_y)]
    (start, top), (end, bottom), (until, zero_y) = maps.to_page(np.array(corners)).tolist()
    return replace(region, start=start, end=end, until=until, top=top, bottom=bottom, zero_y=zero_y)
