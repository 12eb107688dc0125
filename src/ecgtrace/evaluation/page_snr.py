"""
The signal-to-noise ratios of two competitions, by their own rules.

They are not comparable with each other, nor with `metrics.snr_db`: each aligns, centres and punishes what is
missing in its own way.

References
----------
.. [1] George B. Moody PhysioNet Challenge 2024, scoring code, functions `align_signals` and `compute_snr`:
   https://github.com/physionetchallenges/evaluation-2024
.. [2] PhysioNet - Digitization of ECG Images, Kaggle 2025, metric:
   https://www.kaggle.com/code/metric/physionet-ecg-signal-extraction-metric
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage, signal

from ecgtrace.evaluation.metrics import BEST_SNR_DB
from ecgtrace.types import FloatArray

# Kaggle's [2]_.
KAGGLE_MAX_LAG_S = 0.2
KAGGLE_CAP = 384.0  # of the linear ratio of an image: 25.84 dB
# The Challenge's [1]_.
CHALLENGE_LEVELS = 256
CHALLENGE_SIGMA = 0.5  # of the smoothing, in levels and samples
CHALLENGE_MAX_LAG_S = 0.5
CHALLENGE_MAX_OFFSET_MV = 1.0


@dataclass(frozen=True)
class Power:
    """
    Sums over a lead, or over the leads of an image.

    Attributes
    ----------
    signal, noise : float
        In mV² times samples.
    """

    signal: float
    noise: float

    def __add__(self, other: "Power") -> "Power":
        return Power(self.signal + other.signal, self.noise + other.noise)

    @property
    def ratio(self) -> float:
        """
        Signal over noise, linear and not capped, but at `BEST_SNR_DB`, so that means stay finite.

        Examples
        --------
        >>> Power(6.0, 1.5).ratio
        4.0
        """
        best = 10 ** (BEST_SNR_DB / 10)
        if self.noise == 0:
            return best
        return min(self.signal / self.noise, best)


def kaggle_power(truth: FloatArray, digitized: FloatArray, fs_hz: float) -> Power:
    """
    Signal and noise of a lead as Kaggle's metric sums them up.

    Both are centred by their means; the whole lag of at most 0.2 s with the largest correlation is removed,
    the smallest of equals; what the shift vacates is lost. The offset that leaves the least error is
    subtracted, then what is lost becomes 0 and costs the truth's square. The truth is not centred.

    Parameters
    ----------
    truth : ndarray of float, shape (n_samples,)
        What the image shows of a lead, in mV, finite.
    digitized : ndarray of float, shape (n_samples,)
        In mV. A submission has no gaps, so NaN are filled by straight lines, at the ends by the nearest
        sample; a lead that was not read is all 0.
    fs_hz : float

    Returns
    -------
    Power

    Examples
    --------
    A lead that was not read leaves the truth less its mean as noise:

    >>> kaggle_power(np.array([0.0, 0.0, 3.0, 1.0]), np.full(4, np.nan), 500)
    Power(signal=10.0, noise=6.0)
    """
    filled = _filled(digitized)
    lag = _kaggle_lag(truth, filled, int(fs_hz * KAGGLE_MAX_LAG_S))
    moved = np.full(len(truth), np.nan)
    ours = filled[max(-lag, 0) : len(filled) - max(lag, 0)]
    moved[max(lag, 0) : max(lag, 0) + len(ours)] = ours
    # Brent's search for the offset has this minimum in closed form.
    moved -= np.nanmean(moved - truth)
    noise = truth - np.where(np.isfinite(moved), moved, 0.0)
    return Power(float(np.sum(truth**2)), float(np.sum(noise**2)))


def kaggle_score_db(ratios: FloatArray) -> float:
    """
    Score of a set of images: the mean of their linear ratios, each capped at 384, in dB.

    Parameters
    ----------
    ratios : ndarray of float, shape (n_images,)
        Signal over noise of all leads of an image together.

    Examples
    --------
    One image without error and one of noise alone are 3 dB below the best of 25.84:

    >>> round(kaggle_score_db(np.array([1e9, 0.0])), 2)
    22.83
    """
    mean = float(np.mean(np.minimum(ratios, KAGGLE_CAP)))
    return max(10 * float(np.log10(mean)), -KAGGLE_CAP) if mean > 0 else -KAGGLE_CAP


def challenge_snr_db(truth: FloatArray, digitized: FloatArray, fs_hz: float) -> float:
    """
    Signal-to-noise ratio of a lead as the Challenge of 2024 computes it.

    Both signals become pictures of 256 levels, slightly smoothed; the shift in time and amplitude with which
    the pictures agree best is removed if it is at most 0.5 s and 1 mV, else nothing is. The ratio of the mean
    squares of truth and error over the samples that both have, in dB, is multiplied by the share of the
    truth's samples that are among them.

    Parameters
    ----------
    truth, digitized : ndarray of float, shape (n_samples,)
        On one axis, in mV, NaN where unknown; the truth is not centred.
    fs_hz : float

    Returns
    -------
    float
        In dB, at most 100; 0 where nothing was digitized.

    Examples
    --------
    Half of the samples without an error count half of the best:

    >>> truth = np.array([1.0, -1.0, 0.5, 2.0])
    >>> challenge_snr_db(truth, np.array([1.0, -1.0, np.nan, np.nan]), 500.0)
    50.0
    """
    if not np.isfinite(digitized).any():
        return 0.0
    lag, offset_mv = _challenge_shift(truth, digitized)
    if abs(lag) <= CHALLENGE_MAX_LAG_S * fs_hz and abs(offset_mv) <= CHALLENGE_MAX_OFFSET_MV:
        digitized = _moved(digitized, lag) - offset_mv
    known = np.isfinite(truth)
    both = known & np.isfinite(digitized)
    if not both.any():
        return 0.0
    power, noise = float(np.mean(truth[both] ** 2)), float(np.mean((truth - digitized)[both] ** 2))
    if power == 0:
        return 0.0
    snr = BEST_SNR_DB if noise == 0 else min(10 * float(np.log10(power / noise)), BEST_SNR_DB)
    return snr * float(both.sum() / known.sum())


def _filled(digitized: FloatArray) -> FloatArray:
    known = np.flatnonzero(np.isfinite(digitized))
    if not known.size:
        return np.zeros(len(digitized))
    return np.interp(np.arange(len(digitized)), known, digitized[known])


def _kaggle_lag(truth: FloatArray, filled: FloatArray, reach: int) -> int:
    """Return by how many samples the digitized signal has to move to the right."""
    correlation = signal.correlate(truth - truth.mean(), filled - filled.mean(), "full")
    lags = signal.correlation_lags(len(truth), len(filled), "full")
    near = np.abs(lags) <= reach
    correlation, lags = correlation[near], lags[near]
    best = np.flatnonzero(correlation == correlation.max())
    return int(lags[best[np.argmin(np.abs(lags[best]))]])


def _challenge_shift(truth: FloatArray, digitized: FloatArray) -> tuple[int, float]:
    """Return lag in samples and offset in mV of the digitized signal by the best match of the pictures."""
    known = np.flatnonzero(np.isfinite(truth) | np.isfinite(digitized))
    ours, theirs = digitized[known[0] : known[-1] + 1], truth[known[0] : known[-1] + 1]
    low = min(np.nanmin(ours), np.nanmin(theirs))
    high = max(np.nanmax(ours), np.nanmax(theirs))
    if high == low:
        return 0, 0.0
    pictures = [_levels(part, low, high) for part in (theirs, ours)]
    shape = [fft.next_fast_len(2 * size - 1, real=True) for size in pictures[0].shape]
    spectra = [fft.rfft2(picture, shape) for picture in pictures]
    # Of a picture with itself the best match is always without a shift, so it is not computed.
    match = fft.irfft2(np.conj(spectra[0]) * spectra[1], shape)
    level, lag = (
        int(place - n) if place > n // 2 else int(place)
        for place, n in zip(np.unravel_index(int(np.argmax(match)), match.shape), match.shape, strict=True)
    )
    return lag, float(level / (CHALLENGE_LEVELS - 1) * (high - low))


def _levels(values: FloatArray, low: float, high: float) -> FloatArray:
    """Draw a signal: a column for each sample, a row for each level."""
    picture = np.zeros((CHALLENGE_LEVELS, len(values)), np.float32)
    known = np.flatnonzero(np.isfinite(values))
    rows = np.round((CHALLENGE_LEVELS - 1) * (values[known] - low) / (high - low)).astype(int)
    picture[rows, known] = 1
    return ndimage.gaussian_filter(picture, CHALLENGE_SIGMA)


def _moved(values: FloatArray, lag: int) -> FloatArray:
    """Take a lag away: positive where the signal was late. What is vacated is NaN."""
    moved = np.full(len(values), np.nan)
    if lag >= 0:
        moved[: len(values) - lag] = values[lag:]
    else:
        moved[-lag:] = values[: len(values) + lag]
    return moved
