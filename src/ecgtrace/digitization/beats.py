"""Whether narrow waves stand out of a signal, as QRS complexes do: what tells an ECG from other curves."""

import numpy as np
from scipy.ndimage import median_filter

from ecgtrace.types import FloatArray

_WIDEST_S = 0.3  # a median over so much removes waves up to half as long: QRS complexes, few T waves
_TOP = 0.985  # at 30 beats per minute 3 % of the samples and more are QRS complexes
_REST_MV = 0.005  # half the resolution of a scan: a line between beats is never flatter
_CLEAR = 8.0  # times as high as half of what is left: that much and more is as clear as can be
_SHORTEST_S = 1.2  # a beat at 50 per minute

# Where no beat stands out, by 187 records of PTB-XL, 12 leads each, 2.5 s at a time (training split): of
# single pieces 4 in 1,000 are below NO_BEAT, noise most of them; the median of a page's leads is 0.32 and
# more. A sine has up to 0.13, at any rate from 30 to 240 per minute; channels of an EEG 0.1 to 0.25.
NO_BEAT = 0.13
NO_HEART = 0.25


def narrow_waves(amplitude_mv: FloatArray, fs_hz: float) -> float | None:
    """
    Tell how far narrow waves stand out of a signal.

    The height of the narrow waves (what a median over 0.3 s takes away) as a share of the signal's own
    height, times how far they stand out of what lies between them, up to 1. A step, a slow wave and a sine
    have hardly any; noise has them everywhere.

    Parameters
    ----------
    amplitude_mv : ndarray of float, shape (n_samples,)
        NaN where it is not known.
    fs_hz : float

    Returns
    -------
    float or None
        In [0, 1]; None where the signal is too short to tell.

    Examples
    --------
    A triangle of 0.08 s once a second stands out, a sine of 60 per minute does not:

    >>> t = np.arange(500) / 100
    >>> round(narrow_waves(np.maximum(0, 1 - np.abs(t % 1 - 0.5) / 0.04), 100), 1)
    0.8
    >>> round(narrow_waves(np.sin(2 * np.pi * t), 100), 1)
    0.1
    """
    known = np.flatnonzero(np.isfinite(amplitude_mv))
    if len(known) < max(2, _SHORTEST_S * fs_hz):
        return None
    mv = np.interp(np.arange(known[0], known[-1] + 1), known, amplitude_mv[known])
    size = 2 * round(_WIDEST_S * fs_hz / 2) + 1
    # At either end half of the window is made up.
    left = np.abs(mv - median_filter(mv, size))[size // 2 : len(mv) - size // 2]
    height = float(np.ptp(mv))
    if height <= 0:
        return 0.0
    high, rest = float(np.quantile(left, _TOP)), float(np.median(left)) + _REST_MV
    return high / height * min(1.0, high / rest / _CLEAR)
