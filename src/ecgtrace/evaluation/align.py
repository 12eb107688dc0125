"""
Put a digitized signal on the time axis of its truth.

This is the only place in the package where a lag against the truth is removed; a digitizer
never sees the truth.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgtrace.errors import ConfigError
from ecgtrace.types import FloatArray

# Correlations closer than this are a tie; the smaller lag wins.
_TIE = 1e-9


@dataclass(frozen=True)
class AlignOptions:
    """
    How the lag is looked for.

    Attributes
    ----------
    max_lag_s : float
        Largest lag in seconds, to either side. The paper saw 3 to 5 samples at 100 Hz;
        0.2 s leaves room and stays well under the time between two beats.
    subsample : bool
        Refine the lag below one sample of the finer of the two rates.
    """

    max_lag_s: float = 0.2
    subsample: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.max_lag_s <= 1:
            raise ConfigError(f"max_lag_s must lie in [0, 1] s, got {self.max_lag_s}")


DEFAULT_ALIGN = AlignOptions()


@dataclass(frozen=True, eq=False)
class Aligned:
    """
    A digitized signal at the sample times of its truth.

    Attributes
    ----------
    signal : ndarray of float, shape (n_samples,)
        Amplitude in mV, one value per sample of the truth, all finite; offset not removed.
    covered : ndarray of bool, shape (n_samples,)
        False where `signal` had to be filled because nothing was digitized there.
    lag_s : float
        Lag removed, in seconds; positive where the digitized signal was late.
    """

    signal: FloatArray
    covered: NDArray[np.bool_]
    lag_s: float

    @property
    def coverage(self) -> float:
        """Share of the truth's samples, in [0, 1], that a digitized sample stands for."""
        return float(self.covered.mean())


def sample_at(signal: FloatArray, fs_hz: float, times_s: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    """
    Read a signal with gaps at given times.

    Values are interpolated linearly between the finite samples; before the first and after
    the last of them the nearest one is held. No low-pass filter is applied before reading at
    a lower rate: the truth's samples are the corners of the drawn line, and averaging would
    round them off.

    Parameters
    ----------
    signal : ndarray of float, shape (n_samples,)
        NaN or infinite where nothing is known. At least one sample must be finite.
    fs_hz : float
        Its sampling frequency in Hz; the first sample stands at 0 s.
    times_s : ndarray of float, shape (n_times,)
        Times in seconds, any order, inside the signal or not.

    Returns
    -------
    values : ndarray of float64, shape (n_times,)
        All finite.
    known : ndarray of bool, shape (n_times,)
        True where the sample nearest in time exists, at most half a period away, and is finite.

    Examples
    --------
    >>> values, known = sample_at(np.array([0.0, 1.0, np.nan, 3.0]), 10.0, np.array([0.0, 0.2, 0.3, 0.5]))
    >>> values.round(6).tolist(), known.tolist()
    ([0.0, 2.0, 3.0, 3.0], [True, False, True, False])
    """
    finite = np.isfinite(signal)
    position = times_s * fs_hz
    values = np.interp(position, np.flatnonzero(finite), signal[finite])
    nearest = np.floor(position + 0.5 - 1e-9).astype(int)  # 1e-9: rounding of times_s * fs_hz
    inside = (nearest >= 0) & (nearest < len(signal))
    known = inside & finite[np.clip(nearest, 0, len(signal) - 1)]
    return values, known


def find_lag(
    digitized: FloatArray,
    fs_hz: float,
    truth: FloatArray,
    truth_fs_hz: float,
    options: AlignOptions = DEFAULT_ALIGN,
    start_s: float = 0.0,
) -> float:
    """
    Find how late a digitized signal is against its truth.

    The lag is where the cross-correlation of the two is largest, as in the paper, at the
    resolution of the finer of the two rates. Our deviation: at each lag the product is
    divided by the spread of both signals over the samples they share (Pearson's r at that
    lag). Without it, a lag that shifts a wave out of the common part costs nothing, and
    an offset between the signals moves the maximum.

    Parameters
    ----------
    digitized : ndarray of float, shape (n_samples,)
        In any unit with any offset; NaN where nothing was recovered.
    fs_hz : float
        Its sampling frequency in Hz.
    truth : ndarray of float, shape (n_truth,)
        Finite.
    truth_fs_hz : float
        Its sampling frequency in Hz.
    options : AlignOptions, optional
    start_s : float, optional
        Where the first sample of `truth` stands on the axis of `digitized`, whose first stands at 0 s.

    Returns
    -------
    float
        Lag in seconds in [-max_lag_s, max_lag_s], positive where `digitized` is late:
        `digitized(t + lag)` belongs to `truth(t)`. 0 where either signal is constant, and
        the lag nearest to 0 where several are equally good.

    Examples
    --------
    A wave drawn 20 ms late:

    >>> truth = np.sin(2 * np.pi * 1.5 * np.arange(250) / 100)
    >>> late = np.concatenate([[0, 0], truth[:-2]])
    >>> find_lag(late, 100, truth, 100)
    0.02
    """
    rate_hz = max(fs_hz, truth_fs_hz)
    reach = int(np.floor(options.max_lag_s * rate_hz + 1e-9))
    count = int(np.floor((len(truth) - 1) / truth_fs_hz * rate_hz + 1e-9)) + 1
    wanted, _ = sample_at(truth, truth_fs_hz, np.arange(count) / rate_hz)
    found, known = sample_at(digitized, fs_hz, start_s + np.arange(-reach, count + reach) / rate_hz)
    score = _correlation_by_lag(found, known.astype(float), wanted)
    if not np.isfinite(score).any():
        return 0.0
    lags = np.arange(-reach, reach + 1)
    tied = np.flatnonzero(score >= score.max() - _TIE)
    best = int(tied[np.argmin(np.abs(lags[tied]))])
    refined = _parabola_offset(score, best) if options.subsample else 0.0
    return float((lags[best] + refined) / rate_hz)


def align(
    digitized: FloatArray,
    fs_hz: float,
    truth: FloatArray,
    truth_fs_hz: float,
    options: AlignOptions = DEFAULT_ALIGN,
    start_s: float = 0.0,
) -> Aligned:
    """
    Remove the lag of a digitized signal and resample it to the rate of its truth.

    The comparison always spans the whole truth. Where the digitized signal has no sample
    (a gap, or it ends early) the value is interpolated between its neighbours, or the nearest
    one is held at the ends; `Aligned.covered` tells where.

    Parameters
    ----------
    digitized, fs_hz, truth, truth_fs_hz, options, start_s
        As in `find_lag`. At least one sample of `digitized` must be finite.

    Returns
    -------
    Aligned
        With `len(truth)` samples.
    """
    lag_s = find_lag(digitized, fs_hz, truth, truth_fs_hz, options, start_s)
    times_s = start_s + np.arange(len(truth)) / truth_fs_hz + lag_s
    signal, covered = sample_at(digitized, fs_hz, times_s)
    return Aligned(signal=signal, covered=covered, lag_s=lag_s)


def _correlation_by_lag(found: FloatArray, weight: FloatArray, wanted: FloatArray) -> FloatArray:
    """Pearson's r of `wanted` with each window of `found`, -inf where it is not defined."""
    wanted = wanted - wanted.mean()
    known = weight > 0
    found = np.where(known, found - found[known].mean() if known.any() else 0.0, 0.0)
    ones = np.ones_like(wanted)
    count = np.correlate(weight, ones, "valid")
    with np.errstate(divide="ignore", invalid="ignore"):
        sum_found = np.correlate(found, ones, "valid")
        sum_wanted = np.correlate(weight, wanted, "valid")
        spread_found = np.correlate(found**2, ones, "valid") - sum_found**2 / count
        spread_wanted = np.correlate(weight, wanted**2, "valid") - sum_wanted**2 / count
        product = np.correlate(found, wanted, "valid") - sum_found * sum_wanted / count
        score = product / np.sqrt(spread_found * spread_wanted)
    # Rounding leaves a constant signal with a spread of about 1e-16 of its power.
    flat = (spread_found <= 1e-12 * (found**2).sum()) | (spread_wanted <= 1e-12 * (wanted**2).sum())
    # A lag that keeps less than half of the samples is no alignment of the two.
    thin = count < 0.5 * count.max()
    return np.where(np.isfinite(score) & ~flat & ~thin, score, -np.inf)


def _parabola_offset(score: FloatArray, best: int) -> float:
    """Offset of the top of the parabola through a maximum and its neighbours, in [-0.5, 0.5]."""
    if best == 0 or best == len(score) - 1 or not np.isfinite(score[best - 1 : best + 2]).all():
        return 0.0
    before, top, after = score[best - 1 : best + 2]
    bend = before - 2 * top + after
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))
