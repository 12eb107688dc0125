"""
How well traces obey the sums of the limb leads.

All six limb leads are sums of two: II = I + III, aVR = -(I + II)/2, aVL = (I - III)/2, aVF = (II + III)/2
(Einthoven; Goldberger). So k of them that are shown together lie in a plane, and which plane depends on which
lead is which: what lies outside of it is what their names leave unexplained.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from ecgtrace.types import FloatArray

# Each lead as a sum of I and II.
LIMB: dict[str, tuple[float, float]] = {
    "I": (1.0, 0.0),
    "II": (0.0, 1.0),
    "III": (-1.0, 1.0),
    "aVR": (-0.5, -0.5),
    "aVL": (1.0, -0.5),
    "aVF": (-0.5, 1.0),
    "-aVR": (0.5, 0.5),
}
_BLUR_S = 0.008  # keeps the QRS, and makes a misfit in time of 4 ms cost less than half as much
_COMPARED_HZ = 125.0
_SHORTEST_S = 1.0  # of common time: a beat
_MOSTLY = 0.6  # of a window: a trace with more gaps than that would take its time from the others
_ROUNDED_MV = 0.005  # 0.1 mm at 20 mm/mV, to which some programs round: less is not told from 0


@dataclass(frozen=True, eq=False)
class Window:
    """
    A time at which the same traces are shown.

    Attributes
    ----------
    traces : tuple of int
        Which, in ascending order.
    covariance : ndarray of float, shape (n_traces, n_traces)
        mV², where none of them has a gap.
    n : int
        Number of samples.
    """

    traces: tuple[int, ...]
    covariance: FloatArray = field(repr=False)
    n: int


def windows(traces: Mapping[int, FloatArray], fs_hz: float) -> list[Window]:
    """
    Find the times at which the same traces are shown, each of one second and more.

    Parameters
    ----------
    traces : mapping of int to ndarray of float, shape (n_samples,)
        mV on one axis, NaN where not shown. Each may have an offset of its own.
    fs_hz : float

    Returns
    -------
    list of Window
    """
    keys = sorted(key for key, values in traces.items() if np.isfinite(values).any())
    if not keys:
        return []
    step = max(1, int(fs_hz / _COMPARED_HZ))
    values = np.stack([_smooth(traces[key], fs_hz)[::step] for key in keys])
    shortest = _SHORTEST_S * fs_hz / step
    shown = np.zeros(values.shape, np.bool_)
    for row, own in zip(shown, np.isfinite(values), strict=True):
        where = np.flatnonzero(own)
        if len(where):
            row[where[0] : where[-1] + 1] = True
    found = []
    patterns, which = np.unique(shown, axis=1, return_inverse=True)
    for k, pattern in enumerate(patterns.T):
        times = np.flatnonzero(which.ravel() == k)
        if not pattern.any() or len(times) < shortest:
            continue
        part = values[:, times]
        used = [i for i in np.flatnonzero(pattern) if np.isfinite(part[i]).mean() >= _MOSTLY]
        part = part[used]
        part = part[:, np.isfinite(part).all(axis=0)]
        if len(used) and part.shape[1] >= shortest:
            covariance = np.atleast_2d(np.cov(part, bias=True))
            found.append(Window(tuple(keys[i] for i in used), covariance, part.shape[1]))
    return found


def fits(
    shown: Sequence[Window], names: Sequence[str], chosen: NDArray[np.int_]
) -> tuple[NDArray[np.int_], FloatArray]:
    """
    Tell how well several ways of giving leads to traces fit.

    Parameters
    ----------
    shown : sequence of Window
    names : sequence of str
        Limb leads, as `LIMB`.
    chosen : ndarray of int, shape (n_ways, n_names)
        The trace that each name is given to; a trace that is not chosen is no limb lead.

    Returns
    -------
    (ndarray of int, ndarray of float), each of shape (n_ways,)
        How many sums the names claim; and the root mean square of what a sum leaves, weighted so that reading
        errors of one size count alike in each, as a share of the traces' own. Infinite without a sum.
    """
    relations = np.zeros(len(chosen), int)
    left, weight, power, counted = np.zeros((4, len(chosen)))
    for window in shown:
        place = np.full(max(int(chosen.max(initial=0)), *window.traces) + 1, -1)
        place[list(window.traces)] = np.arange(len(window.traces))
        where = place[chosen]
        groups, group = np.unique(where >= 0, axis=0, return_inverse=True)
        for k, inside in enumerate(groups):
            own = np.flatnonzero(group.ravel() == k)
            beyond, rank = outside(tuple(name for name, is_in in zip(names, inside, strict=True) if is_in))
            claimed = int(inside.sum()) - rank
            if not claimed:
                continue
            at = where[own][:, inside]
            covariance = window.covariance[at[:, :, None], at[:, None, :]]
            relations[own] += claimed
            left[own] += window.n * np.maximum((covariance * beyond).sum(axis=(1, 2)), 0.0)
            weight[own] += window.n * claimed
            power[own] += window.n * np.trace(covariance, axis1=1, axis2=2)
            counted[own] += window.n * inside.sum()
    left_mv2 = left / np.maximum(weight, 1) + _ROUNDED_MV**2
    share = np.sqrt(left_mv2 / np.maximum(power / np.maximum(counted, 1), _ROUNDED_MV**2))
    return relations, np.where(relations > 0, share, np.inf)


@cache
def outside(names: tuple[str, ...]) -> tuple[NDArray[np.float64], int]:
    """Return the projection of so named leads onto what no heart makes, and the rank of what one does."""
    weights = np.array([LIMB[name] for name in names]).reshape(-1, 2)
    return np.eye(len(names)) - weights @ np.linalg.pinv(weights), int(np.linalg.matrix_rank(weights))


def _smooth(values: FloatArray, fs_hz: float) -> FloatArray:
    """Blur, gaps left out and left as they are."""
    known = np.isfinite(values)
    sigma = _BLUR_S * fs_hz
    total = gaussian_filter1d(np.where(known, values, 0.0), sigma)
    weight = gaussian_filter1d(known.astype(float), sigma)
    return np.where(known, total / np.maximum(weight, 1e-9), np.nan)


def alike(strip: FloatArray, lead: FloatArray, fs_hz: float) -> float | None:
    """Return the rms of what is left between two traces as a share of the first; None without common time."""
    strip, lead = _smooth(strip, fs_hz), _smooth(lead, fs_hz)
    both = np.isfinite(strip) & np.isfinite(lead)
    if both.sum() < _SHORTEST_S * fs_hz:
        return None
    own = strip[both]
    return float(np.std(own - lead[both]) / max(float(np.std(own)), _ROUNDED_MV))


def joined(strip: FloatArray, lead: FloatArray) -> FloatArray:
    """Return a strip with its gaps filled by the lead that it repeats, whose offset may be another."""
    both = np.isfinite(strip) & np.isfinite(lead)
    return np.where(np.isfinite(strip), strip, lead + np.median((strip - lead)[both]))
