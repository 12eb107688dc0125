"""How wide QRS complexes are and how often they come: what tells at which speed the paper ran."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from ecgtrace.types import FloatArray

_SMOOTH_S, _BLUR_S = 0.004, 0.008
_STEEP, _TOP = 0.5, 99.5  # of the steepest, a QRS complex is at least half as steep
_QRS, _GAP_S = 0.25, 0.03  # of its steepest part it ends; notches are shorter
_APART_S, _REACH_S = 0.3, 0.3
_FEWEST = 2
# Of 187 records of PTB-XL (training split, 5 s each) none has both; drawn at 50 mm/s and read as 25 mm/s, 147
# of them have (scripts/check_pace.py).
_WIDE_S, _SLOW_BPM = 0.10, 50.0


@dataclass(frozen=True)
class Pace:
    """Median width of QRS complexes in s, as steep as a quarter of their steepest, and beats per minute."""

    qrs_s: float
    rate_bpm: float

    @property
    def is_half(self) -> bool:
        """Whether both are what a heart shows at half of its speed."""
        return self.qrs_s > _WIDE_S and self.rate_bpm < _SLOW_BPM


def pace(leads: Sequence[FloatArray], fs_hz: float) -> Pace | None:
    """
    Measure the beats that leads show together.

    Parameters
    ----------
    leads : sequence of ndarray of float, shape (n_samples,)
        In mV on one axis; NaN where not shown.
    fs_hz : float

    Returns
    -------
    Pace or None
        None where fewer than two beats stand out.
    """
    steep = steepness(leads, fs_hz, _BLUR_S)
    if not np.isfinite(steep).any():
        return None
    least = _STEEP * np.nanpercentile(steep, _TOP)
    steep = np.nan_to_num(steep)
    peaks, _ = find_peaks(steep, height=least, distance=max(1, round(_APART_S * fs_hz)))
    if len(peaks) < _FEWEST:
        return None
    widths = [_width_s(steep, int(peak), fs_hz) for peak in peaks]
    return Pace(float(np.median(widths)), 60 * fs_hz / float(np.median(np.diff(peaks))))


def steepness(leads: Sequence[FloatArray], fs_hz: float, blur_s: float) -> FloatArray:
    """
    Return how steep leads are in the mean, each in units of its own deviation.

    Parameters
    ----------
    leads : sequence of ndarray of float, shape (n_samples,)
        In mV on one axis; NaN where not shown.
    fs_hz : float
    blur_s : float
        Leads have their steepest parts within so much of each other.

    Returns
    -------
    ndarray of float, shape (n_samples,)
        NaN where none is shown.
    """
    total = np.zeros(max((len(lead) for lead in leads), default=0))
    count = np.zeros(len(total))
    for lead in leads:
        known = np.flatnonzero(np.isfinite(lead))
        if len(known) < _APART_S * fs_hz:
            continue
        shown = slice(int(known[0]), int(known[-1]) + 1)
        mv = np.interp(np.arange(shown.start, shown.stop), known, lead[known])
        slope = np.abs(np.gradient(gaussian_filter1d(mv, _SMOOTH_S * fs_hz)))
        total[shown] += slope / max(float(slope.std()), 1e-9)
        count[shown] += 1
    blurred = gaussian_filter1d(total / np.maximum(count, 1), blur_s * fs_hz)
    return np.where(count > 0, blurred, np.nan)


def _width_s(steep: FloatArray, peak: int, fs_hz: float) -> float:
    reach, gap = round(_REACH_S * fs_hz), max(1, round(_GAP_S * fs_hz))
    first = max(0, peak - reach)
    above = np.flatnonzero(steep[first : peak + reach] > _QRS * steep[peak]) + first
    parts = np.split(above, np.flatnonzero(np.diff(above) > gap) + 1)
    (own,) = (part for part in parts if part[0] <= peak <= part[-1])
    return float(own[-1] - own[0]) / fs_hz
