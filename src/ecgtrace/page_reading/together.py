"""Whether the beats of the columns are those of the strip below them: all leads show one heart."""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ecgtrace.page_reading.axis import PlacedLead
from ecgtrace.types import FloatArray

_BLUR_S = 0.02  # QRS complexes of different leads have their peaks within so much of each other
_FARTHEST_S = 0.4  # less than the time between beats, mostly
_APART_S = 0.12  # a QRS complex: leads are steepest in different parts of it
_ALIKE, _TIMES = 0.6, 2.0  # correlation where beats meet, and against that where they should
_LEAST_S = 1.0  # of a column: a beat


def beats_doubts(leads: Sequence[PlacedLead], fs_hz: float) -> list[str]:
    """
    Say which columns have their beats at other times than the strips.

    Then a column was put at a wrong time, or cut where it does not begin.

    Parameters
    ----------
    leads : sequence of PlacedLead
        On one axis.
    fs_hz : float
    """
    strips = [part for part in leads if part.lead.region.strip]
    columns = sorted({part.lead.region.column for part in leads if not part.lead.region.strip})
    if not strips or len(columns) < 2:
        return []
    heart = _steepness(strips, fs_hz)
    doubts = []
    for number, column in enumerate(columns, start=1):
        own = [part for part in leads if part.lead.region.column == column and not part.lead.region.strip]
        apart_s = _apart_s(_steepness(own, fs_hz), heart, fs_hz)
        if abs(apart_s) > _APART_S:
            late = "late" if apart_s > 0 else "early"
            doubts.append(
                f"the beats of column {number} come {abs(apart_s) * 1000:.0f} ms {late} against the strip"
            )
    return doubts


def _steepness(parts: Sequence[PlacedLead], fs_hz: float) -> FloatArray:
    """Return how steep leads are in the mean, each in units of its own deviation; NaN where none is shown."""
    with np.errstate(invalid="ignore"):
        slopes = []
        for part in parts:
            slope = np.abs(np.gradient(part.signal.amplitude_mv))
            slopes.append(slope / max(float(np.nanstd(slope)), 1e-9) if np.isfinite(slope).any() else slope)
        count = np.isfinite(slopes).sum(axis=0)
        total = np.nansum(slopes, axis=0)
    steep = np.where(count > 0, total / np.maximum(count, 1), 0.0)
    blurred = gaussian_filter1d(steep, _BLUR_S * fs_hz)
    return np.where(count > 0, blurred, np.nan)


def _apart_s(column: FloatArray, heart: FloatArray, fs_hz: float) -> float:
    """Return how late the beats of a column come; 0 where they meet, or nothing can be told."""
    known = np.isfinite(column)
    if known.sum() < _LEAST_S * fs_hz:
        return 0.0
    reach = round(_FARTHEST_S * fs_hz)
    found = {}
    for lag in range(-reach, reach + 1, max(1, round(0.004 * fs_hz))):
        at = np.flatnonzero(known)
        at = at[(at - lag >= 0) & (at - lag < len(heart))]
        at = at[np.isfinite(heart[at - lag])]
        if len(at) >= _LEAST_S * fs_hz and np.ptp(column[at]) > 0 and np.ptp(heart[at - lag]) > 0:
            found[lag] = float(np.corrcoef(column[at], heart[at - lag])[0, 1])
    if 0 not in found:
        return 0.0
    best = max(found, key=lambda lag: found[lag])
    if found[best] < _ALIKE or found[best] < _TIMES * found[0]:
        return 0.0
    return best / fs_hz
