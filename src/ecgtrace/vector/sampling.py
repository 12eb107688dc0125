"""From pieces of traces to samples on the page's time axis."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ecgtrace.types import FloatArray

_EVEN = 0.3  # of their distance: vertices of a series lie so near to equal distances, rounding included
_SAME_RATE = 0.001
_HALF_OPEN = 1e-6  # s


@dataclass(frozen=True, eq=False)
class Samples:
    """
    Samples of a piece.

    Attributes
    ----------
    first : int
        Index of the first on the page's axis.
    mm : ndarray of float
        Height above the page's top turned upside down: larger is up, in mm.
    vertex_hz : float or None
        Rate of its vertices where they lie at equal distances.
    """

    first: int
    mm: FloatArray = field(repr=False)
    vertex_hz: float | None


def even_rate_hz(x_s: FloatArray) -> float | None:
    """
    Return the rate of vertices at equal distances; None where they are not, such as when some are left out.

    Examples
    --------
    >>> even_rate_hz(np.arange(100) / 500 + 0.25)
    500.0
    """
    n = len(x_s)
    if n < 3 or x_s[-1] <= x_s[0]:
        return None
    index = np.arange(n)
    step, first = np.polyfit(index, x_s, 1)
    if np.abs(x_s - first - step * index).max() > _EVEN * step:
        return None
    return float(round(1 / step, 6))


def sample(x_s: FloatArray, y_mm: FloatArray, start_s: float, end_s: float, fs_hz: float) -> Samples:
    """
    Sample a piece of a trace.

    Vertices that stand one for each sample are taken as they are, moved to the nearest time of the axis: by
    half a sample at most. Otherwise the line between the vertices is sampled.

    Parameters
    ----------
    x_s : ndarray of float, shape (n,)
        Times of the vertices on the page's axis.
    y_mm : ndarray of float, shape (n,)
    start_s, end_s : float
        Of the piece; it ends before `end_s` where the trace goes on behind it.
    fs_hz : float
    """
    x_s = np.maximum.accumulate(x_s)
    goes_on = end_s < x_s[-1] - _HALF_OPEN
    inside = (x_s >= start_s - _HALF_OPEN) & (x_s < end_s - _HALF_OPEN if goes_on else x_s <= end_s + 1)
    own = x_s[inside]
    rate = even_rate_hz(own)
    if rate is not None and abs(rate / fs_hz - 1) <= _SAME_RATE:
        first = round((own[0] + np.mean(own - own[0] - np.arange(len(own)) / fs_hz)) * fs_hz)
        return Samples(int(first), y_mm[inside], rate)
    first = int(np.ceil(start_s * fs_hz - _HALF_OPEN * fs_hz))
    last = int(np.floor(min(end_s, x_s[-1]) * fs_hz + _HALF_OPEN * fs_hz))
    if goes_on and last / fs_hz >= end_s - _HALF_OPEN:
        last -= 1
    times = np.arange(first, last + 1) / fs_hz
    return Samples(first, np.interp(times, x_s, y_mm), rate)


def on_axis(parts: Sequence[Samples], n_samples: int) -> FloatArray:
    """Lay samples of one lead on the page's axis; NaN where there are none."""
    axis = np.full(n_samples, np.nan)
    for part in parts:
        low, high = max(part.first, 0), min(part.first + len(part.mm), n_samples)
        axis[low:high] = part.mm[low - part.first : high - part.first]
    return axis
