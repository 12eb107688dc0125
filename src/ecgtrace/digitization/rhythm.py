"""
Do rows of a page show the same time, or does each go on where the one above ended? By their beats.

Beats of simultaneous leads fall at the same times and have different shapes; those of one lead that goes on
have one shape, fall anywhere, and the last beat of a row is followed in the next row after as long as any.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.signal import find_peaks

from ecgtrace.types import FloatArray

BEAT_WIDTH_S = 0.08  # of a QRS complex
_CLOSEST_BEATS_S = 0.25  # 240 per minute
_BEAT_HEIGHT = 0.5  # of that of high beats, of which a tenth are higher still
_REACH_S = 0.06  # QRS complexes of one beat are steepest within so much of each other, wide ones too
_BEFORE_S, _BEHIND_S, _SHIFT_S = 0.2, 0.4, 0.04  # of a beat about where it is steepest

# Limits by 120 records of PTB-XL, as rows of three and six leads at once, and as 2 to 6 rows of one lead,
# 2.5 to 10 s each.
_APART = 0.5  # of 1,000 pairs of leads that are alike and of one time 999 agree better than 0.56
_TOGETHER = 0.5  # 99 % of the pages of simultaneous leads agree better, by the median of their pairs
_ALIKE = 0.5  # rms left between two mean beats, of the larger's own: one lead 0.4, three leads 0.56, at 95 %
_MOST = 0.75  # of the rows: one of four may be spoilt by the patient's moving
_LEAST_RR, _LARGEST_RR = 0.8, 1.25  # of the 5th and of the 95th percentile of the others
_GOES_ON = 0.8  # of the joints: one of five may be misread


@dataclass(frozen=True)
class RowsRhythm:
    """
    What the beats of rows say. Neither `together` nor `apart` where they do not tell.

    Attributes
    ----------
    together : bool
        Beats of the rows fall at the same times.
    alike : bool
        Beats of most rows have one shape.
    apart : bool
        Of rows that are alike, two, at least, have beats at other times.
    goes_on : bool
        From the last beat of a row to the first of the next it is as long as from beat to beat.
    """

    together: bool
    alike: bool
    apart: bool
    goes_on: bool


def slope_energy(amplitude_mv: FloatArray, fs_hz: float) -> FloatArray:
    """
    Return the squared slope averaged over 80 ms, whose peaks are steep waves [1]_.

    Parameters
    ----------
    amplitude_mv : ndarray of float, shape (n,)
        Finite.
    fs_hz : float

    References
    ----------
    .. [1] Pan J, Tompkins WJ. A real-time QRS detection algorithm. IEEE Trans Biomed Eng 1985;32(3):230-236.
       https://doi.org/10.1109/TBME.1985.325532
    """
    return _averaged(np.gradient(amplitude_mv) ** 2, fs_hz)


def rows_rhythm(rows: Sequence[FloatArray], fs_hz: float) -> RowsRhythm:
    """
    Compare the beats of rows.

    Parameters
    ----------
    rows : sequence of ndarray of float, shape (n_samples,)
        At least two, in mV, from the top of the page, each from the rows' common left edge on and as long
        as its row; NaN where it was not recovered.
    fs_hz : float

    Returns
    -------
    RowsRhythm
        All False where a row has no sample.
    """
    known = [np.isfinite(row) for row in rows]
    if any(one.sum() < 2 for one in known):
        return RowsRhythm(False, False, False, False)
    filled = [np.interp(np.arange(len(r)), np.flatnonzero(k), r[k]) for r, k in zip(rows, known, strict=True)]
    steep = [np.sqrt(slope_energy(row, fs_hz)) for row in filled]
    means = [_mean_beat(row, slope, fs_hz) for row, slope in zip(filled, steep, strict=True)]
    agree, left = np.ones((2, len(rows), len(rows)))
    for i, k in combinations(range(len(rows)), 2):
        agree[i, k] = agree[k, i] = _agreement(steep[i], steep[k], fs_hz)
        left[i, k] = left[k, i] = _difference(means[i], means[k], fs_hz)
    np.fill_diagonal(left, 0.0)
    like = left <= _ALIKE
    own = like[int(like.sum(axis=1).argmax())]  # rows like the one that most are like
    alike = own.mean() >= _MOST
    return RowsRhythm(
        together=float(np.median(agree[np.triu_indices(len(rows), 1)])) >= _TOGETHER,
        alike=bool(alike),
        apart=bool(alike and agree[np.ix_(own, own)].min() <= _APART),
        goes_on=_goes_on(filled, fs_hz),
    )


def _averaged(squares: FloatArray, fs_hz: float) -> FloatArray:
    # A running sum leaves tiny negative numbers behind high waves.
    return np.asarray(np.maximum(uniform_filter1d(squares, max(1, round(BEAT_WIDTH_S * fs_hz))), 0.0))


def _beats(steep: FloatArray, fs_hz: float) -> NDArray[np.int64]:
    peaks, _ = find_peaks(steep, distance=max(1, round(_CLOSEST_BEATS_S * fs_hz)))
    if not len(peaks):
        return peaks
    return np.asarray(peaks[steep[peaks] > _BEAT_HEIGHT * np.quantile(steep[peaks], 0.9)])


def _agreement(one: FloatArray, other: FloatArray, fs_hz: float) -> float:
    """Correlate where two rows are steep, at the shift within the reach that fits best."""
    n = min(len(one), len(other))
    one, other = one[:n] - one[:n].mean(), other[:n] - other[:n].mean()
    power = float(np.sqrt((one**2).sum() * (other**2).sum()))
    if power <= 0:
        return 0.0
    return max(float((a * b).sum()) for a, b in _shifted(one, other, _REACH_S * fs_hz)) / power


def _shifted(one: FloatArray, other: FloatArray, reach: float) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield what two arrays of one length share at each shift within the reach."""
    n, most = len(one), min(round(reach), len(one) - 1)
    for k in range(-most, most + 1):
        yield one[max(0, k) : n + min(0, k)], other[max(0, -k) : n - max(0, k)]


def _mean_beat(row: FloatArray, steep: FloatArray, fs_hz: float) -> FloatArray | None:
    """Return the median of the beats of a row; None where it has no whole beat."""
    before, behind = round(_BEFORE_S * fs_hz), round(_BEHIND_S * fs_hz)
    whole = [at for at in _beats(steep, fs_hz) if before <= at <= len(row) - behind]
    if not whole:
        return None
    beats = np.stack([row[at - before : at + behind] for at in whole])
    return np.asarray(np.median(beats - np.median(beats, axis=1, keepdims=True), axis=0))


def _difference(one: FloatArray | None, other: FloatArray | None, fs_hz: float) -> float:
    """Return the rms of what is left between two mean beats, as a share of the larger's own."""
    if one is None or other is None:
        return float("inf")
    own = max(float(np.std(one)), float(np.std(other)), 1e-6)
    left = (float(np.sqrt(np.mean((a - b) ** 2))) for a, b in _shifted(one, other, _SHIFT_S * fs_hz))
    return min(left) / own


def _goes_on(rows: Sequence[FloatArray], fs_hz: float) -> bool:
    """Tell whether beats follow each other over the ends of rows as they do within them."""
    # Slopes row by row: a step from one to the next is none.
    steep = np.sqrt(_averaged(np.concatenate([np.gradient(row) ** 2 for row in rows]), fs_hz))
    beats = _beats(steep, fs_hz)
    joints = np.cumsum([len(row) for row in rows])[:-1]
    over = [[a < joint <= b for joint in joints] for a, b in pairwise(beats)]
    if len(over) < 1:
        return False
    across, rr = np.array(over), np.diff(beats)
    inner = rr[~across.any(axis=1)]
    if len(inner) < 2:
        return False
    low, high = np.quantile(inner, (0.05, 0.95))
    fits = (rr >= _LEAST_RR * low) & (rr <= _LARGEST_RR * high)
    return float(np.mean([bool((fits & across[:, k]).any()) for k in range(len(joints))])) >= _GOES_ON
