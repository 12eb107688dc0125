"""
How far a digitized lead is from its truth.

The metrics are those of the paper (mean squared error in mV^2 and Pearson's r) and the
signal-to-noise ratio. All compare two arrays of the same length on the same time axis;
`ecgtrace.evaluation.align` puts them there.
"""

from dataclasses import dataclass

import numpy as np

from ecgtrace.errors import TraceNotFoundError
from ecgtrace.evaluation.align import DEFAULT_ALIGN, AlignOptions, align
from ecgtrace.types import FloatArray, LeadCrop, LeadSignal
from ecgtrace.units import px_to_s

# What a lead that was not digitized counts: uncorrelated, and as wrong as a flat line.
FAILED_R = 0.0
FAILED_SNR_DB = 0.0
BEST_SNR_DB = 100.0  # an error of 1e-5 of the signal: less than any picture can tell


@dataclass(frozen=True)
class Scores:
    """
    The metrics of one crop; units in the names, formulas at the functions of this module.

    Attributes
    ----------
    mse_mv2, r, snr_db : float
    lag_s : float
        Lag removed, positive where the digitized signal was late.
    time0_error_ms : float or None
        None where scale or begin of the truth are not known.
    coverage : float
        Share of the truth's samples that were digitized, in (0, 1].
    grid_error_x, grid_error_y : float or None
        None where the true scale is not known.
    """

    mse_mv2: float
    r: float
    snr_db: float
    lag_s: float
    time0_error_ms: float | None
    coverage: float
    grid_error_x: float | None
    grid_error_y: float | None


def centred(signal: FloatArray) -> FloatArray:
    """Subtract the median, as the paper does: a crop does not tell where 0 mV is."""
    return signal - np.median(signal)


def mse_mv2(truth: FloatArray, digitized: FloatArray) -> float:
    """
    Mean squared error after the median of each signal is subtracted.

    ``mean((digitized - median(digitized) - truth + median(truth))**2)``

    Parameters
    ----------
    truth, digitized : ndarray of float, shape (n_samples,)
        In mV, finite.

    Returns
    -------
    float
        In mV^2, from 0 (equal up to an offset) without an upper end; an error of the gain by
        a factor g of a perfect shape gives (g - 1)^2 times the power of the truth.

    Examples
    --------
    >>> mse_mv2(np.array([0.0, 0.0, 1.0, 0.0]), np.array([5.0, 5.0, 5.5, 5.0]))
    0.0625
    """
    return float(np.mean((centred(digitized) - centred(truth)) ** 2))


def pearson_r(truth: FloatArray, digitized: FloatArray) -> float:
    """
    Pearson's correlation coefficient.

    ``sum(t * d) / sqrt(sum(t**2) * sum(d**2))`` with the mean of each signal subtracted.

    Parameters
    ----------
    truth, digitized : ndarray of float, shape (n_samples,)
        Finite.

    Returns
    -------
    float
        No unit, in [-1, 1]: 1 for the same shape whatever the gain and the offset, 0 for
        shapes that have nothing in common, -1 for the truth upside down. Where either
        signal is constant the ratio is 0/0; it is defined as 0 here, so that a flat line
        never counts as a success.
    """
    # A constant whose mean is rounded is left with a spread near 1e-16 of its level.
    if _is_constant(truth) or _is_constant(digitized):
        return 0.0
    t = truth - truth.mean()
    d = digitized - digitized.mean()
    return float(np.clip(np.sum(t * d) / np.sqrt(np.sum(t**2) * np.sum(d**2)), -1.0, 1.0))


def snr_db(truth: FloatArray, digitized: FloatArray) -> float:
    """
    Signal-to-noise ratio: power of the truth over power of the error.

    ``10 * log10(sum(t**2) / sum((d - t)**2))`` with the median of each signal subtracted, so
    the error is that of `mse_mv2`.

    Parameters
    ----------
    truth, digitized : ndarray of float, shape (n_samples,)
        In mV, finite.

    Returns
    -------
    float
        In dB, at most 100. 0 where the error is as strong as the signal (a flat line gives 0), 20
        where it is a tenth of it in amplitude; 100 stands for no error too, so that means stay finite.
        For a constant truth the ratio says nothing and is defined as 0.
    """
    if _is_constant(truth):
        return 0.0
    t = centred(truth)
    error = np.sum((centred(digitized) - t) ** 2)
    if error == 0:
        return BEST_SNR_DB
    return min(float(10 * np.log10(np.sum(t**2) / error)), BEST_SNR_DB)


def grid_error(found_px_per_mm: float, true_px_per_mm: float | None) -> float | None:
    """
    Relative error of the scale, ``found / true - 1``.

    Returns
    -------
    float or None
        No unit, over -1: 0 for the true scale, 0.01 where a millimetre was taken for 1 % too
        many pixels (times and amplitudes then come out 1 % too small), 4 where a
        large square was taken for a small one. None where the true scale is not known.
    """
    return None if true_px_per_mm is None else found_px_per_mm / true_px_per_mm - 1


def time0_error_ms(start_px: float, crop: LeadCrop) -> float | None:
    """
    Where the recovered signal begins, against where the truth does, in time of the paper at its true scale.

    This is what alignment hides: the times of a signal that begins 75 ms early are all 75 ms too large. It
    is measured in the picture, so it does not end at the largest lag, and a wrong scale does not stretch it.

    Parameters
    ----------
    start_px : float
        Column of time 0, as `LeadSignal.start_px`.
    crop : LeadCrop

    Returns
    -------
    float or None
        In ms, of either sign: negative where time 0 was put before the trace begins (on its name, a pulse,
        the column before), positive where its first part was lost. None where the crop does not tell its
        scale or the begin of its trace.
    """
    true_px = crop.start_px
    if true_px is None and crop.polyline is not None:
        true_px = float(crop.polyline[0, 0])
    if true_px is None or crop.px_per_mm is None:
        return None
    return 1000 * px_to_s(start_px - true_px, crop.px_per_mm)


def score(crop: LeadCrop, digitized: LeadSignal, options: AlignOptions = DEFAULT_ALIGN) -> Scores:
    """
    Compare a digitized lead with the truth of its crop.

    The lag is removed, then the digitized signal is resampled to the truth's rate and compared over the
    whole length of the truth; what is missing is filled as `align` says.

    Parameters
    ----------
    crop : LeadCrop
    digitized : LeadSignal
    options : AlignOptions, optional

    Returns
    -------
    Scores

    Raises
    ------
    TraceNotFoundError
        If no sample of the truth was digitized.
    """
    if not np.isfinite(digitized.amplitude_mv).any():
        raise TraceNotFoundError("the digitizer returned no sample; look at the crop's picture")
    aligned = align(digitized.amplitude_mv, digitized.fs_hz, crop.signal, crop.fs_hz, options)
    if not aligned.covered.any():
        raise TraceNotFoundError(
            "the digitized samples lie outside the truth's time; look at the crop's picture"
        )
    return Scores(
        mse_mv2=mse_mv2(crop.signal, aligned.signal),
        r=pearson_r(crop.signal, aligned.signal),
        snr_db=snr_db(crop.signal, aligned.signal),
        lag_s=aligned.lag_s,
        time0_error_ms=time0_error_ms(digitized.start_px, crop),
        coverage=aligned.coverage,
        grid_error_x=grid_error(digitized.scale.px_per_mm_x, crop.px_per_mm),
        grid_error_y=grid_error(digitized.scale.px_per_mm_y, crop.px_per_mm),
    )


def failed_mse_mv2(truth: FloatArray) -> float:
    """Return what a lead that was not digitized counts in mV^2: the variance of the truth."""
    return float(np.var(truth))


def _is_constant(signal: FloatArray) -> bool:
    return bool(np.ptp(signal) <= 1e-12 * max(1.0, float(np.abs(signal).max())))
