"""What the leads of a page must obey: limb-lead algebra, a strip like its short lead, a heart rate."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ecgtrace.digitization.verdict import heart_rate_bpm
from ecgtrace.recording import Check, RecordedLead
from ecgtrace.types import FloatArray, LeadSignal

SHORTEST_S = 1.0  # of common time
LIMIT_MV = 0.05  # rms; rounding to 0.1 mm, the coarsest seen, makes 0.005
LIMIT_SHARE = 0.1  # of the rms of the leads, for large ones
_SLOWEST_BPM, _FASTEST_BPM = 20.0, 300.0
_HIGHEST_MV = 10.0

# What sums to zero: Einthoven and Goldberger, and the augmented leads from two others.
ALGEBRA: tuple[tuple[str, dict[str, float]], ...] = (
    ("I + III = II", {"I": 1, "III": 1, "II": -1}),
    ("aVR + aVL + aVF = 0", {"aVR": 1, "aVL": 1, "aVF": 1}),
    ("aVR = -(I + II)/2", {"aVR": 1, "I": 0.5, "II": 0.5}),
    ("aVF = (II + III)/2", {"aVF": 1, "II": -0.5, "III": -0.5}),
)


def algebra(leads: dict[str, FloatArray], fs_hz: float) -> list[Check]:
    """
    Check the sums of limb leads where all of a sum are shown at the same time.

    A constant is left out of each: a page does not tell where 0 mV is.

    Parameters
    ----------
    leads : dict of str to ndarray
        mV on one axis, NaN where not shown.
    fs_hz : float

    Returns
    -------
    list of Check
        The root mean square of each sum in mV.
    """
    checks = []
    for name, weights in ALGEBRA:
        if not weights.keys() <= leads.keys():
            continue
        terms = np.stack([weight * leads[lead] for lead, weight in weights.items()])
        both = np.isfinite(terms).all(axis=0)
        if both.sum() < SHORTEST_S * fs_hz:
            continue
        terms = terms[:, both] - np.median(terms[:, both], axis=1, keepdims=True)
        rms = float(np.sqrt(np.mean(terms.sum(axis=0) ** 2)))
        limit = max(LIMIT_MV, LIMIT_SHARE * float(np.sqrt(np.mean(terms**2))))
        checks.append(Check(name, round(rms, 5), round(limit, 5), "mV", rms <= limit))
    return checks


def strip_agrees(name: str, short: FloatArray, strip: FloatArray, fs_hz: float) -> Check | None:
    """Check that a lead in its column is the same as in its strip; None where they share no time."""
    both = np.isfinite(short) & np.isfinite(strip)
    if both.sum() < SHORTEST_S * fs_hz:
        return None
    apart = short[both] - strip[both]
    rms = float(np.sqrt(np.mean((apart - np.median(apart)) ** 2)))
    limit = max(LIMIT_MV, LIMIT_SHARE * float(np.std(strip[both])))
    return Check(f"{name} in its column and in its strip", round(rms, 5), round(limit, 5), "mV", rms <= limit)


def heart_rate(leads: Sequence[RecordedLead]) -> Check | None:
    """Check the median heart rate of the leads; None where no beats stand out."""
    rates = [rate for lead in leads if (rate := heart_rate_bpm(_shown(lead.signal))) is not None]
    if not rates:
        return None
    rate = float(np.median(rates))
    limit = _FASTEST_BPM if rate > _SLOWEST_BPM else _SLOWEST_BPM
    return Check("heart rate", round(rate, 1), limit, "1/min", _SLOWEST_BPM <= rate <= _FASTEST_BPM)


def height(leads: Sequence[RecordedLead]) -> Check:
    """Check that no lead has waves higher than a heart makes."""
    mv = max(float(np.nanmax(v) - np.nanmin(v)) for v in (lead.signal.amplitude_mv for lead in leads))
    return Check("highest waves", round(mv, 3), _HIGHEST_MV, "mV", mv <= _HIGHEST_MV)


def _shown(signal: LeadSignal) -> LeadSignal:
    """Return a signal without the times at which the page does not show it."""
    known = np.flatnonzero(np.isfinite(signal.amplitude_mv))
    part = slice(int(known[0]), int(known[-1]) + 1)
    return replace(signal, amplitude_mv=signal.amplitude_mv[part], confidence=signal.confidence[part])
