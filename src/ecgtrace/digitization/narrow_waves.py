"""
Narrow waves whose flanks melt into one stroke: what a fit makes of them, put right.

A fit that starts a little too low feels no ink above it, and its tip stays millimetres below that of the
wave. And between two flanks that touch, a line that goes up, down and up again covers the same ink as one
that goes up once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from ecgtrace.digitization.ink import runs
from ecgtrace.digitization.ink_map import SURE, InkMap
from ecgtrace.digitization.melted import along_outlines
from ecgtrace.digitization.stroke import FitOptions, Stroke, fit_stroke, unexplained
from ecgtrace.types import FloatArray

_HELD = (False, False)  # the line's ends
_COVERED = 0.3  # of a px: a fitted line has an edge
_GAP_PX = 3  # a fax loses whole rows of a steep stroke
_BEYOND_WIDTHS, _BEYOND_PX = 0.5, 2.0  # ink that goes on for less is the line's own edge
_WIDEST_WIDTHS = 3.5  # two flanks and what is between them; letters are wider
_DIP_PX = 1.5  # smaller ones are the line's own
_DIP_WIDTHS = 1.5  # of the line, from hump to hump


class _Data(NamedTuple):
    """What a stroke is fitted to, as `stroke.fit_stroke` has it."""

    ink: NDArray[np.float32]
    claim: NDArray[np.float32]
    others: NDArray[np.float32]


@dataclass(frozen=True)
class NarrowWaves:
    """
    Fit a line again whose narrow waves went astray.

    1. Where two flanks are one stroke, the line is laid along the outline of their ink (`melted`).
    2. Where its own ink goes on above or below it, it is drawn on to the end of that.
    3. Dips between two humps that no paper shows are filled.

    After each the stroke is fitted once more, and kept where it explains the ink as well.

    Attributes
    ----------
    worse_px, worse : float
        By so many px of ink, and by this share of what it left, a line along the outline may explain less:
        one that wavers fits noise, too.
    dip_px : float
        The same of a dip that is filled, before the fit.
    """

    worse_px: float = 1.0
    worse: float = 0.05
    dip_px: float = 0.5

    def __call__(
        self,
        line: Stroke,
        ink: InkMap,
        claim: NDArray[np.float32],
        others: NDArray[np.float32],
        fit: FitOptions,
    ) -> Stroke:
        """
        Return the line, fitted again where that is needed.

        Parameters
        ----------
        line : Stroke
            Fitted already.
        ink : InkMap
        claim, others
            As for `stroke.fit_stroke`.
        fit : FitOptions
        """
        data = _Data(ink.density, claim, others)

        def fitted(start: Stroke) -> Stroke:
            return fit_stroke(ink.density, start, claim, others, fit, _HELD)

        drawn, spans_px = along_outlines(line, ink, others)
        if spans_px:
            line = self._better(line, fitted(drawn), spans_px, data)
        reaching = with_tips(line, ink, others)
        if reaching is not None:
            line = min((line, fitted(reaching)), key=lambda one: unexplained(ink.density, one, claim, others))
        filled = self._without_dips(line, data)
        return line if filled is None else fitted(filled)

    def _better(
        self, line: Stroke, again: Stroke, spans_px: Sequence[tuple[float, float]], data: _Data
    ) -> Stroke:
        """Take another fit of a line, but between columns where it explains less of the ink."""
        x, y = again.x_px.copy(), again.y_px.copy()
        pad = 2 * line.half_width_px
        low, high = np.minimum(line.y_px, again.y_px), np.maximum(line.y_px, again.y_px)
        for begin, end in spans_px:
            at = np.flatnonzero((line.x_px >= begin - pad) & (line.x_px <= end + pad))
            first, second = _unexplained_near((line, again), data, at, low, high)
            if second > (1 + self.worse) * first + self.worse_px:
                x[at], y[at] = line.x_px[at], line.y_px[at]
        return replace(again, x_px=x, y_px=y)

    def _without_dips(self, line: Stroke, data: _Data) -> Stroke | None:
        """Fill dips between two humps where no paper shows that there is one; None where there is none."""
        step = float(np.median(np.diff(line.x_px)))
        reach = max(2, int(np.ceil(_DIP_WIDTHS * 2 * line.half_width_px / step)))
        filled_line = line
        for sign in (1.0, -1.0):  # waves up, and waves down
            y = filled_line.y_px
            filled = sign * without_dips(sign * y, reach)
            filled[[0, 1, -2, -1]] = y[[0, 1, -2, -1]]  # print may hide a line's end
            for begin, end in runs(np.abs(filled - y) > _DIP_PX):
                trial = filled_line.y_px.copy()
                trial[begin:end] = filled[begin:end]
                other = replace(line, y_px=trial)
                low, high = np.minimum(filled_line.y_px, trial), np.maximum(filled_line.y_px, trial)
                before, after = _unexplained_near(
                    (filled_line, other), data, np.arange(begin, end), low, high
                )
                if after <= before + self.dip_px:
                    filled_line = other
        return None if filled_line is line else filled_line


def with_tips(line: Stroke, ink: InkMap, others: NDArray[np.float32]) -> Stroke | None:
    """
    Draw a line on to the ends of its own ink that goes on above or below it; None where none does.

    Parameters
    ----------
    line : Stroke
    ink : InkMap
    others : ndarray of float32, shape (height, width)
        Coverage by other strokes.

    Returns
    -------
    Stroke or None
        A start for another fit.
    """
    covered = line.coverage((ink.density.shape[0], ink.density.shape[1])) > _COVERED
    left = ink.own & (others < SURE) & ~covered
    if not left.any():
        return None
    width = 2 * line.half_width_px
    beyond = max(_BEYOND_PX, _BEYOND_WIDTHS * width)
    closed = cv2.morphologyEx(left.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((_GAP_PX, 1), np.uint8))
    n, labels, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=8)
    x, y = line.x_px, line.y_px.copy()
    inner = np.arange(1, len(x) - 1)
    for label in range(1, n):
        first, top, across, high, _ = (int(value) for value in stats[label])
        near = (x >= first - width) & (x <= first + across + width)
        if high < beyond or across > _WIDEST_WIDTHS * width or not near.any():
            continue
        up = y[near].min() - line.half_width_px - top
        down = top + high - y[near].max() - line.half_width_px
        beside = (
            slice(max(0, top - _GAP_PX), top + high + _GAP_PX),
            slice(max(0, first - 1), first + across + 1),
        )
        if max(up, down) < beyond or not covered[beside].any():
            continue
        row = top if up > down else top + high - 1
        at = first + float(np.flatnonzero(labels[row, first : first + across] == label).mean())
        inside = (line.half_width_px - 0.5) * (1 if up > down else -1)
        y[inner[np.argmin(np.abs(x[inner] - at))]] = row + inside
    return None if np.array_equal(y, line.y_px) else replace(line, y_px=y)


def without_dips(y: FloatArray, reach: int) -> FloatArray:
    """
    Fill what is narrower than `reach` vertices between two peaks; peaks go up, to smaller rows.

    Examples
    --------
    >>> without_dips(np.array([9.0, 9, 1, 5, 2, 9, 9, 9, 9, 3]), 2).tolist()
    [9.0, 9.0, 1.0, 2.0, 2.0, 9.0, 9.0, 9.0, 9.0, 3.0]
    """
    size = 2 * (reach // 2) + 1
    return np.asarray(maximum_filter1d(minimum_filter1d(y, size), size), np.float64)


def _unexplained_near(
    lines: tuple[Stroke, Stroke], data: _Data, at: NDArray[np.intp], low: FloatArray, high: FloatArray
) -> list[float]:
    """Return what each of two lines leaves unexplained around some of their vertices."""
    if not len(at):
        return [0.0, 0.0]
    x = lines[0].x_px
    pad = 2 * lines[0].half_width_px + 3
    left, right = x[at[0]] - pad, x[at[-1]] + pad
    near = np.flatnonzero((x >= left - pad) & (x <= right + pad))
    part = slice(int(near[0]), int(near[-1]) + 1)
    height, width = data.ink.shape
    cols = slice(max(0, int(left)), min(width, int(right) + 2))
    rows = slice(max(0, int(low[at].min() - pad)), min(height, int(high[at].max() + pad) + 1))
    window = _Data(*(one[rows, cols] for one in data))
    return [
        unexplained(
            window.ink,
            replace(one, x_px=one.x_px[part] - cols.start, y_px=one.y_px[part] - rows.start),
            window.claim,
            window.others,
        )
        for one in lines
    ]
