"""
Columns that neither names nor bars nor gaps tell: they end where the sums of their limb leads do.

I + III = II holds as long as the first column goes on, aVR + aVL + aVF = 0 as long as the second does; at the
end of a column both the sum and its level break. Columns without limb leads are as wide as the others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from ecgtrace.layout.algebra import LIMB, outside
from ecgtrace.layout.columns import Break, RowSigns, shared_signs
from ecgtrace.layout.orders import ORDERS
from ecgtrace.layout.rows import Row
from ecgtrace.types import FloatArray

_BLUR_MM = 0.6  # the middle of a steep stroke's ink is no lead's amplitude
_STEP_MM = 0.5
_FIRST = round(5.0 / _STEP_MM)  # steps; before it may be the foot of a pulse
_SHORTEST_MM = 20.0  # of a column: 0.8 s
_FITS = 0.25  # of the traces' own rms may be left by a sum; right ones leave 0.03 to 0.2, by eye
_BROKEN, _TIMES = 0.35, 2.2  # of it is left behind their column, and times as much as in it
_PRICE = 0.1  # of the traces' power that a sum may leave before its column is better shorter
_CLEAR = 0.6  # of the best's gain another order may reach
_NEAR_MM, _BEAT_MM = 5.0, 20.0  # between two beats a sum tells no better where it ends
_EQUAL_MM = 4.0  # ends of rows have a pulse's foot before them, or a speck behind
# How much the gain of sums, and a mm between ends and columns, count beside the rows that show a break.
_BY_GAIN, _BY_MM = 2.0, 0.05
_SEEN = 0.8  # of the rows show a break that no sum overrules
_SHOWN, _UNEQUAL = 0.4, 0.3  # of the rows show a break that no sum tells, so far from the middle
_LEAST_GAIN = 0.7  # of the best, by columns of one width
_EVEN = (6, 4, 3)  # rows of several columns that stand over strips


@dataclass(frozen=True)
class Columns:
    """
    Columns of a page.

    Attributes
    ----------
    first, n_rows : int
        So many rows have them from this on; straight lines of the paper stand above, strips below.
    breaks : list of Break
        Where they begin, the first apart.
    doubts, notes : list of str
    """

    first: int
    n_rows: int
    breaks: list[Break]
    doubts: list[str]
    notes: list[str]


@dataclass(frozen=True)
class _Fit:
    """Columns of an order that have sums: these, where they end, in steps, and what is gained by that."""

    sums: tuple["_Sums", ...]
    ends: tuple[int, ...]
    gain: float

    def gain_at(self, ends: NDArray[np.int_]) -> float:
        """Return what is gained with other ends."""
        edges = np.concatenate([[_FIRST], ends])
        own = zip(self.sums, edges[:-1, None], edges[1:, None], strict=True)
        return sum(float(one.gain(first, last)[0]) for one, first, last in own)


class _Sums:
    """What the sums of a column's leads leave of rows between any two places."""

    def __init__(self, rows_mm: FloatArray, names: Sequence[str]):
        at = [k for k, name in enumerate(names) if name in LIMB]
        self.projection, rank = outside(tuple(names[k] for k in at))
        self.n, self.claimed = len(at), len(at) - rank
        x = rows_mm[at].T
        self._sum = np.concatenate([np.zeros((1, self.n)), np.cumsum(x, axis=0)])
        products = x[:, :, None] * x[:, None, :]
        self._products = np.concatenate([np.zeros((1, self.n, self.n)), np.cumsum(products, axis=0)])

    def gain(self, begin: NDArray[np.int_], end: NDArray[np.int_]) -> FloatArray:
        """Return what is gained by a column there, in mm² times steps: negative where its sum fails."""
        left, power = self._left(begin, end)
        return _PRICE * power - left

    def share(self, begin: int, end: int) -> float:
        """Return the rms of what the sum leaves there as a share of a trace's own."""
        left, power = self._left(np.array([begin]), np.array([end]))
        return float(np.sqrt(left[0] / max(float(power[0]), 1e-9)))

    def _left(self, begin: NDArray[np.int_], end: NDArray[np.int_]) -> tuple[FloatArray, FloatArray]:
        """Return the energy that a sum leaves, and a trace's, less their means, in mm² times steps."""
        total = self._sum[end] - self._sum[begin]
        n = np.maximum(end - begin, 1)[..., None, None]
        scatter = self._products[end] - self._products[begin] - total[..., :, None] * total[..., None, :] / n
        left = np.maximum((scatter * self.projection).sum(axis=(-1, -2)), 0) / max(self.claimed, 1)
        return left, np.trace(scatter, axis1=-2, axis2=-1) / max(self.n, 1)


def columns_by_sums(
    rows: Sequence[Row],
    signs: Sequence[RowSigns],
    spans: Sequence[tuple[float, float]],
    breaks: Sequence[Break],
    per_mm: float,
) -> Columns | None:
    """
    Find where columns begin by the sums of the limb leads in usual orders.

    Parameters
    ----------
    rows : sequence of Row
        From the top; strips below.
    signs : sequence of RowSigns
        Of the same rows.
    spans : sequence of (float, float)
        Where they begin and end, in px of the maps.
    breaks : sequence of Break
        What else tells: each that most rows show must be one of the columns'.
    per_mm : float

    Returns
    -------
    Columns or None
        None where the sums of no order hold, those of two do, or clear breaks stand elsewhere.
    """
    clear = [one for one in breaks if one.evidence >= _SEEN]
    for first in range(1 + len([*takewhile(lambda row: row.is_straight, rows)])):
        found = _columns(rows[first:], signs[first:], spans[first:], clear, per_mm)
        if found is not None:
            return replace(found, first=first)
    return None


def _columns(
    rows: Sequence[Row],
    signs: Sequence[RowSigns],
    spans: Sequence[tuple[float, float]],
    clear: Sequence[Break],
    per_mm: float,
) -> Columns | None:
    if len(rows) < min(_EVEN):
        return None
    begin, end = (float(x) for x in np.median(spans, axis=0))
    step = _STEP_MM * per_mm
    places = np.arange(begin, end, step)
    if end - begin < 2 * _SHORTEST_MM * per_mm:
        return None
    lines = gaussian_filter1d([row.bridged for row in rows], _BLUR_MM * per_mm, axis=1)
    rows_mm = -lines[:, places.astype(int)] / per_mm
    fits = []
    for count in dict.fromkeys((len(rows), *(n for n in _EVEN if n < len(rows)))):
        for order in _orders(count):
            fit = _fit(rows_mm[:count], order)
            if fit is not None:
                fits.append((fit, count, len(order)))
    most = max((fit.gain for fit, *_ in fits), default=0.0)
    fits = [one for one in fits if one[0].gain > _CLEAR * most]
    if not fits:
        return None
    # The first leads of a column of six are those of one of three, too: more rows tell more. But of three and
    # four rows that is right by whose ends the columns are equal: the fourth may be a strip.
    shared = {n: shared_signs(signs[:n], per_mm) for _, n, _ in fits}
    fits.sort(key=lambda one: (one[1], one[0].gain), reverse=True)
    for best, count, columns in fits:
        if any(n == count and _are_apart((best, columns), (other, form)) for other, n, form in fits):
            if count == fits[0][1]:
                return None
            continue
        equal = _equal(best, columns, (begin, end), shared[count], per_mm)
        if equal and _are_among(clear, equal, per_mm):
            note = "columns were told by the sums of the limb leads, and are equal"
            return Columns(0, count, equal, [], [note])
    best, count, columns = fits[0]
    breaks = [_likely(best, number, clear, shared[count], begin, per_mm) for number in range(len(best.ends))]
    breaks += _one_more(breaks, (begin, end), shared[count]) if len(breaks) < columns - 1 else []
    if len(breaks) < columns - 1 or not _are_among(clear, breaks, per_mm):
        return None
    doubt = "columns were told by the sums of the limb leads alone: they may begin elsewhere"
    return Columns(0, count, breaks, [doubt], [])


def _are_apart(one: tuple[_Fit, int], other: tuple[_Fit, int]) -> bool:
    """Tell whether two fits give other columns, or end them elsewhere."""
    return one[1] != other[1] or max(np.abs(np.subtract(one[0].ends, other[0].ends))) > 1


def _are_among(clear: Sequence[Break], breaks: Sequence[Break], per_mm: float) -> bool:
    """Tell whether breaks that rows show are among those that were told."""
    return all(any(abs(one.x - own.x) <= _NEAR_MM * per_mm for own in breaks) for one in clear)


def _orders(count: int) -> Iterator[tuple[tuple[str, ...], ...]]:
    for (rows, columns), orders in ORDERS.items():
        if rows == count and columns > 1:
            yield from orders


def _fit(rows_mm: FloatArray, order: Sequence[Sequence[str]]) -> _Fit | None:
    """Return where the columns of an order end that gain most by its sums; None where these do not hold."""
    sums = tuple(_Sums(rows_mm, names) for names in order[:2])
    n, shortest = rows_mm.shape[1] - 1, round(_SHORTEST_MM / _STEP_MM)
    ends = np.arange(shortest, n - shortest)
    if not sums[0].claimed or not len(ends):
        return None
    gains = sums[0].gain(np.full_like(ends, _FIRST), ends)
    if not sums[1].claimed:
        sums, found = sums[:1], [int(ends[np.argmax(gains)])]
    else:
        first, second = np.meshgrid(ends, np.append(ends, n), indexing="ij")
        more = sums[1].gain(np.minimum(first, second), second)
        total = np.where(second - first >= shortest, gains[:, None] + more, -np.inf)
        i, j = np.unravel_index(int(np.argmax(total)), total.shape)
        found = [int(ends[i]), int(second[i, j])]
    worst = max(one.share(*edges) for one, edges in zip(sums, pairwise([_FIRST, *found]), strict=True))
    # What holds to the end of the rows, but for noise, has no column behind it.
    least = max(_BROKEN, _TIMES * sums[0].share(_FIRST, found[0]))
    if worst > _FITS or found[-1] == n or sums[0].share(found[0], n) < least:
        return None
    fit = _Fit(sums, tuple(found), 0.0)
    return replace(fit, gain=fit.gain_at(np.array(found)))


def _equal(
    fit: _Fit, columns: int, span: tuple[float, float], shared: FloatArray, per_mm: float
) -> list[Break]:
    """Return the breaks between columns of one width that rows show best; empty where sums contradict."""
    step, slack = _STEP_MM * per_mm, _EQUAL_MM * per_mm
    usual = (span[1] - span[0]) / columns
    best, score = [], -np.inf
    for width in np.arange(usual - slack / 2, usual + slack / 2, 0.5):
        for first in np.arange(span[0] + width - slack, span[0] + width + slack, 0.5):
            breaks = first + width * np.arange(columns - 1)
            before, behind = first - width - span[0], breaks[-1] + width - span[1]
            if max(abs(before), abs(behind)) > slack:
                continue
            gain = fit.gain_at(np.rint((breaks[: len(fit.ends)] - span[0]) / step).astype(int)) / fit.gain
            away_mm = min(abs(before), abs(behind)) / per_mm  # one of the two may be no trace's end
            seen = float(shared[np.rint(breaks).astype(int)].mean())
            value = seen + _BY_GAIN * gain - _BY_MM * away_mm
            if gain >= _LEAST_GAIN and value > score:
                best, score = breaks.tolist(), value
    return [Break(float(x), float(shared[round(x)])) for x in best]


def _likely(
    fit: _Fit, number: int, clear: Sequence[Break], shared: FloatArray, begin: float, per_mm: float
) -> Break:
    """Return where a column ends that may end anywhere between two beats, by what the rows show there."""
    best, score = fit.ends[number], -np.inf
    step = _STEP_MM * per_mm
    for one in clear:
        if -_BEAT_MM <= (one.x - begin - best * step) / per_mm <= _NEAR_MM:
            return one
    earliest = max(_FIRST + 1, best - round(_BEAT_MM / _STEP_MM))
    for end in range(earliest, best + round(_NEAR_MM / _STEP_MM)):
        ends = np.array(fit.ends)
        ends[number] = end
        if (np.diff(ends) <= 0).any():
            continue
        gain = fit.gain_at(ends) / fit.gain
        value = float(shared[round(begin + end * step)]) + _BY_GAIN * gain
        if gain >= _LEAST_GAIN and value > score:
            best, score = end, value
    x = begin + best * step
    return Break(float(x), float(shared[round(x)]))


def _one_more(breaks: Sequence[Break], span: tuple[float, float], shared: FloatArray) -> list[Break]:
    """Return the end of the last column but one, which has no sum, where rows show one; or nothing."""
    x = breaks[-1].x
    rest = (span[1] - x) / 2  # the last two columns, not equal
    low, high = round(x + (1 - _UNEQUAL) * rest), round(x + (1 + _UNEQUAL) * rest)
    at = low + int(np.argmax(shared[low:high]))
    return [Break(float(at), float(shared[at]))] if shared[at] >= _SHOWN else []
