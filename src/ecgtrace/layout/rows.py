"""
Rows of a page: where their zero lines lie, and which ink belongs to each.

Each pixel of a trace says how far from it the zero line of its row lies (`page_ink.PageMaps`), so the rows
are where these votes meet, and a pixel belongs to the row it votes for: a wave that reaches into the next
row still votes for its own.
"""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from ecgtrace.digitization.beats import narrow_waves
from ecgtrace.page_ink.maps import MAP_PX_PER_MM, PageMaps
from ecgtrace.page_ink.no_trace import straightness_mm
from ecgtrace.types import FloatArray
from ecgtrace.units import GAIN_MM_PER_MV, PAPER_SPEED_MM_PER_S

SURE = 0.5  # likelier a trace than not
_BIN_MM = 0.25
_BLUR_MM = 0.8  # of the votes: about how far they scatter; by eye on drawn pages
_CLOSEST_MM = 5.0  # rows are farther apart: the narrowest seen are 8 mm
_LEAST_SHARE = 0.06  # of the votes of the strongest row
_SHORTEST_MM = 12.0  # of ink along x that makes a row; half a second
_FARTHEST_MM = 6.0  # of a vote from its row
_ONE_ROW = 0.7  # of the usual distance of rows: columns of one row may stand at different heights
# Of most columns of a rule: up to 0.5 on drawn pages. A lead of 0.5 mV at 5 mm/mV, whose waves fill few of
# its columns, has 0.55 and more.
_STRAIGHT_MM = 0.5
_SAME = 0.35  # of it: a row on paper that is bent
_BOTH = 0.1  # of the shorter one's columns
_ON_LINE_MM = 0.25  # a px of the maps
_PARTS = 10  # of a row, of which two tell a line


@dataclass(frozen=True, eq=False)
class Row:
    """
    A row of traces.

    Attributes
    ----------
    zero_y : float
        Its zero line, in px of the maps.
    ink : ndarray of bool, shape (height, width)
        Its ink on the maps.
    """

    zero_y: float
    ink: NDArray[np.bool_] = field(repr=False)

    @cached_property
    def inked(self) -> NDArray[np.bool_]:
        """Columns that have ink of the row, shape (width,)."""
        return np.asarray(self.ink.any(axis=0))

    @cached_property
    def line(self) -> FloatArray:
        """Middle of the row's ink in each column, NaN where it has none, shape (width,)."""
        count = self.ink.sum(axis=0)
        rows = np.arange(len(self.ink))[:, None]
        total = (self.ink * rows).sum(axis=0)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    @cached_property
    def bridged(self) -> FloatArray:
        """The same, with straight lines where it has none, shape (width,)."""
        known = np.flatnonzero(self.inked)
        return np.interp(np.arange(len(self.line)), known, self.line[known])

    @cached_property
    def straightness_mm(self) -> float:
        """How far the middle of its ink lies from a straight line, in 19 of 20 columns."""
        return straightness_mm(self.ink)

    @cached_property
    def is_straight(self) -> bool:
        """Whether it is a line without a wave, as a rule or the frame of a page."""
        return self.straightness_mm <= _STRAIGHT_MM

    @cached_property
    def share_on_line(self) -> float:
        """Share of the columns with ink whose middle lies on one straight line, the one with most."""
        x = np.flatnonzero(self.inked)
        y = self.line[x]
        parts = (np.array_split(one, min(_PARTS, len(x))) for one in (x, y))
        ends = np.array([(np.median(a), np.median(b)) for a, b in zip(*parts, strict=True)])
        best = 0.0
        for (x0, y0), (x1, y1) in combinations(ends, 2):
            away = np.abs(y - y0 - (y1 - y0) / (x1 - x0) * (x - x0))
            best = max(best, float(np.mean(away <= _ON_LINE_MM * MAP_PX_PER_MM)))
        return best

    def narrow_waves(self, left: float, right: float) -> float | None:
        """Tell how far beats stand out of it between two columns (`digitization.beats`), as at 10 mm/mV."""
        mv = -self.line[round(left) : round(right) + 1] / (MAP_PX_PER_MM * GAIN_MM_PER_MV)
        return narrow_waves(mv, MAP_PX_PER_MM * PAPER_SPEED_MM_PER_S)

    def extent_y(self, left: float, right: float) -> tuple[int, int] | None:
        """Return the first and last row of the maps with its ink between two columns; None without ink."""
        part = self.ink[:, max(0, round(left)) : round(right) + 1].any(axis=1)
        where = np.flatnonzero(part)
        return (int(where[0]), int(where[-1])) if len(where) else None


def find_rows(maps: PageMaps) -> list[Row]:
    """
    Find the rows of a page, from the top.

    Parameters
    ----------
    maps : PageMaps
        Of an upright page.

    Returns
    -------
    list of Row
        Empty where no ink is a trace's.
    """
    y, x = np.nonzero(maps.trace > SURE)
    if not len(y):
        return []
    per_mm = MAP_PX_PER_MM
    zero = y + maps.row_offset_mm[y, x] * per_mm
    bin_px = _BIN_MM * per_mm
    index = np.clip(np.rint(zero / bin_px).astype(int), 0, int(len(maps.trace) / bin_px) + 1)
    votes = gaussian_filter1d(np.bincount(index, weights=maps.trace[y, x]).astype(float), _BLUR_MM / _BIN_MM)
    padded = np.pad(votes, 1)
    peaks, _ = find_peaks(
        padded, distance=max(1, round(_CLOSEST_MM / _BIN_MM)), height=_LEAST_SHARE * votes.max()
    )
    if not len(peaks):
        return []
    levels = (peaks - 1) * bin_px
    nearest = np.argmin(np.abs(zero[:, None] - levels[None]), axis=1)
    near = np.abs(zero - levels[nearest]) <= _FARTHEST_MM * per_mm
    rows = []
    for k in range(len(levels)):
        own = near & (nearest == k)
        ink = np.zeros(maps.trace.shape, np.bool_)
        ink[y[own], x[own]] = True
        if ink.any(axis=0).sum() >= _SHORTEST_MM * per_mm:
            rows.append(Row(float(np.median(zero[own])), ink))
    return _joined(rows)


def _joined(rows: list[Row]) -> list[Row]:
    """Join neighbours that are one row: closer than rows are and not one above the other, or far closer."""
    if len(rows) < 3:
        return rows
    gap = float(np.median(np.diff([row.zero_y for row in rows])))
    joined = [rows[0]]
    for row in rows[1:]:
        last = joined[-1]
        both = (row.inked & last.inked).sum() / min(row.inked.sum(), last.inked.sum())
        apart = row.zero_y - last.zero_y
        if apart < _SAME * gap or (apart < _ONE_ROW * gap and both < _BOTH):
            joined[-1] = Row((row.zero_y + last.zero_y) / 2, row.ink | last.ink)
        else:
            joined.append(row)
    return joined
