"""A lead that a page shows twice, as II and its strip: where one reading is lost, the other may be sure."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, uniform_filter1d

from ecgtrace.page_reading.axis import PlacedLead
from ecgtrace.types import FloatArray, LeadSignal

_LOST, _SURE = 0.5, 0.8  # confidence, of the one and of the other
_OVER_S = 0.04  # confidence is that of so much: no single samples change places
_SHORTEST_S = 1.0  # of common time
_ALIKE = 0.9  # correlation where both are sure: else they are two leads, or one is read wrong
_FARTHEST_S, _STEP_S = 0.02, 0.001  # by so much one may be read early: two px at 150 dpi


def merged(part: PlacedLead, others: Sequence[PlacedLead]) -> LeadSignal:
    """
    Take for each sample of a lead the reading that is sure where its own is lost.

    Parameters
    ----------
    part : PlacedLead
        The longest reading.
    others : sequence of PlacedLead
        Of the same lead, on the same axis.

    Returns
    -------
    LeadSignal
        That of `part` where no other reading is alike, on the time and at the level of `part`.
    """
    signal = part.signal
    time_s = np.arange(len(signal.amplitude_mv)) / signal.fs_hz
    shown = (time_s >= part.start_s) & (time_s <= part.end_s)
    for other in others:
        signal = _with(signal, other.signal, shown)
    return signal


def _with(own: LeadSignal, other: LeadSignal, shown: NDArray[np.bool_]) -> LeadSignal:
    fs_hz = own.fs_hz
    sure_own = _about(own, fs_hz)
    about = np.ones(2 * round(_OVER_S * fs_hz) // 2 + 1, np.bool_)
    lost = binary_dilation(sure_own < _LOST, about) & (own.confidence < _LOST)
    wanted = shown & (lost | ~np.isfinite(own.amplitude_mv))
    if not (wanted & (_about(other, fs_hz) >= _SURE)).any():
        return own
    known = np.isfinite(own.amplitude_mv) & (sure_own >= _LOST)
    best: tuple[float, LeadSignal] | None = None
    for lag_s in np.arange(-_FARTHEST_S, _FARTHEST_S + _STEP_S / 2, _STEP_S):
        late = moved(other, lag_s * fs_hz)
        both = known & np.isfinite(late.amplitude_mv) & (_about(late, fs_hz) >= _SURE)
        if both.sum() < _SHORTEST_S * fs_hz:
            continue
        alike = _correlation(own.amplitude_mv[both], late.amplitude_mv[both])
        if best is None or alike > best[0]:
            level = float(np.median(own.amplitude_mv[both] - late.amplitude_mv[both]))
            best = (alike, replace(late, amplitude_mv=late.amplitude_mv + level))
    if best is None or best[0] < _ALIKE:
        return own
    late = best[1]
    taken = wanted & np.isfinite(late.amplitude_mv) & (_about(late, fs_hz) >= _SURE)
    return replace(
        own,
        amplitude_mv=np.where(taken, late.amplitude_mv, own.amplitude_mv),
        confidence=np.where(taken, late.confidence, own.confidence),
    )


def _about(signal: LeadSignal, fs_hz: float) -> FloatArray:
    known = np.where(np.isfinite(signal.amplitude_mv), signal.confidence, 0.0)
    return np.asarray(uniform_filter1d(known, max(1, round(_OVER_S * fs_hz))))


def moved(signal: LeadSignal, by: float) -> LeadSignal:
    """Shift a signal by so many samples, and a fraction of one; what lies beside a gap is lost."""
    at = np.arange(len(signal.amplitude_mv)) - by
    index = np.arange(len(at))
    values = np.interp(at, index, signal.amplitude_mv, left=np.nan, right=np.nan)
    confidence = np.where(np.isfinite(values), np.interp(at, index, signal.confidence), 0.0)
    return replace(signal, amplitude_mv=values, confidence=confidence)


def _correlation(a: FloatArray, b: FloatArray) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / max(float(np.sqrt((a * a).sum() * (b * b).sum())), 1e-12))
