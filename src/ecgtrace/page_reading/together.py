"""Whether the beats of the columns are those of the strip below them: all leads show one heart."""

from collections.abc import Sequence

import numpy as np

from ecgtrace.digitization.pace import steepness
from ecgtrace.page_reading.axis import PlacedLead
from ecgtrace.types import FloatArray

_BLUR_S = 0.02  # QRS complexes of different leads have their peaks within so much of each other
_FARTHEST_S = 0.4  # less than the time between beats, mostly
_APART_S = 0.12  # a QRS complex: leads are steepest in different parts of it
_STEP_S = 0.004
_MEETS = 0.5  # correlation of beats that are the same
_ALIKE, _TIMES = 0.6, 2.0  # correlation where beats meet, and against that where they should
_LEAST_S = 1.0  # of a column: a beat


def beats_told(leads: Sequence[PlacedLead], fs_hz: float) -> tuple[list[str], list[str]]:
    """
    Say which columns have their beats at other times than the strips.

    Then a column was put at a wrong time, or cut where it does not begin; or all columns show the same
    seconds of the heart, as some recorders print them, which is no doubt.

    Parameters
    ----------
    leads : sequence of PlacedLead
        On one axis.
    fs_hz : float

    Returns
    -------
    (list of str, list of str)
        Doubts and notes.
    """
    strips = [part for part in leads if part.lead.region.strip]
    columns = sorted({part.lead.region.column for part in leads if not part.lead.region.strip})
    if not strips or len(columns) < 2:
        return [], []
    heart = _steepness(strips, fs_hz)
    doubts, same = [], []
    for number, column in enumerate(columns, start=1):
        own = [part for part in leads if part.lead.region.column == column and not part.lead.region.strip]
        steep = _steepness(own, fs_hz)
        alike = _alike_by_lag(steep, heart, fs_hz)
        meets = _near(alike)
        if not alike or meets >= _MEETS:
            continue
        begin = round(float(np.median([part.start_s for part in own])) * fs_hz)
        if begin > 0 and _near(_alike_by_lag(steep[begin:], heart[: len(heart) - begin], fs_hz)) >= _ALIKE:
            same.append(str(number))
            continue
        apart_s = max(alike, key=lambda lag_s: alike[lag_s])
        if alike[apart_s] >= max(_ALIKE, _TIMES * meets):
            late = "late" if apart_s > 0 else "early"
            told = f"the beats of column {number} come {abs(apart_s) * 1000:.0f} ms {late}"
            doubts.append(f"{told} against the strip")
    notes = [f"by their beats, columns {', '.join(same)} show the same seconds as the first"] if same else []
    return doubts, notes


def _steepness(parts: Sequence[PlacedLead], fs_hz: float) -> FloatArray:
    return steepness([part.signal.amplitude_mv for part in parts], fs_hz, _BLUR_S)


def _alike_by_lag(column: FloatArray, heart: FloatArray, fs_hz: float) -> dict[float, float]:
    """Return by how much seconds a column may come late how its beats then correlate with the strip's."""
    known = np.flatnonzero(np.isfinite(column))
    reach = round(_FARTHEST_S * fs_hz)
    found = {}
    for lag in range(-reach, reach + 1, max(1, round(_STEP_S * fs_hz))):
        at = known[(known - lag >= 0) & (known - lag < len(heart))]
        at = at[np.isfinite(heart[at - lag])]
        if len(at) >= _LEAST_S * fs_hz and np.ptp(column[at]) > 0 and np.ptp(heart[at - lag]) > 0:
            found[lag / fs_hz] = float(np.corrcoef(column[at], heart[at - lag])[0, 1])
    return found


def _near(alike: dict[float, float]) -> float:
    return max((value for lag_s, value in alike.items() if abs(lag_s) <= _APART_S), default=0.0)
