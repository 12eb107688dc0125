"""
What a reader of an ECG measures, on the truth and on a digitized signal of the same lead.

Both are brought to one rate in the same way and measured by the same steps (`beats`); `compare` pairs the
beats.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ecgtrace.evaluation.align import DEFAULT_ALIGN, AlignOptions, find_lag
from ecgtrace.studies.beats import (
    DEFAULT_MEASURE,
    HEART_RATE,
    NO_BEAT,
    OF_BEATS,
    Beat,
    Line,
    MeasureOptions,
    Reading,
    delineate,
    find_peaks,
    is_inverted,
    read_beat,
    read_line,
    waves_only,
)
from ecgtrace.types import FloatArray

OK = "ok"
NOT_MEASURED = "not_measured"
NOT_ON_TRUTH = "not_on_truth"
MISSED_BEAT = "beat not found"
TOO_FEW_BEATS = "fewer than two neighbouring beats"


@dataclass(frozen=True)
class Comparison:
    """
    One measure on the truth and on a digitized signal.

    Attributes
    ----------
    measure : str
    truth, digitized, difference : float or None
        Medians over the beats that both give; digitized minus truth.
    n_beats, n_missed : int
        Beats that give the measure on the truth, and those of them that do not on the digitized signal.
    status : {"ok", "not_measured", "not_on_truth"}
        `not_measured`: the truth gives it in some beat, the digitized signal in none of these.
    message : str
        The most frequent reason where the status is not ok.
    """

    measure: str
    truth: float | None
    digitized: float | None
    difference: float | None
    n_beats: int
    n_missed: int
    status: str
    message: str


def compare(
    truth_mv: FloatArray,
    truth_fs_hz: float,
    digitized_mv: FloatArray,
    digitized_fs_hz: float,
    align: AlignOptions = DEFAULT_ALIGN,
    options: MeasureOptions = DEFAULT_MEASURE,
) -> list[Comparison]:
    """
    Measure a digitized signal and its truth.

    The beats of the truth decide which beats are compared: a beat that the digitized signal lacks is counted
    as missed, and one that it has too many is left out, so that it does not hide how well the others were
    read. The heart rate is that of all its beats.

    Parameters
    ----------
    truth_mv : ndarray of float, shape (n_truth,)
        Finite.
    truth_fs_hz : float
    digitized_mv : ndarray of float, shape (n_samples,)
        With any offset and any lag that `align` allows; NaN where nothing was recovered.
    digitized_fs_hz : float
    align : AlignOptions, optional
        The lag is that of the evaluation.
    options : MeasureOptions, optional

    Returns
    -------
    list of Comparison
        One for each of `MEASURES`, in their order.
    """
    rate_hz = options.fs_hz
    n_samples = int(np.floor((len(truth_mv) - 1) / truth_fs_hz * rate_hz + 1e-9)) + 1
    truth = read_line(truth_mv, truth_fs_hz, 0.0, n_samples, options)
    inverted = is_inverted(truth, options)
    true_peaks, trouble = find_peaks(truth, inverted, options)
    true_beats, more_trouble = delineate(truth, true_peaks, inverted, options)
    on_truth = "; ".join(filter(None, [trouble, more_trouble]))

    missing = "the digitizer returned no sample"
    rate: Reading = missing
    own = np.full(len(true_peaks), -1)
    beats: list[Beat] = []
    line = None
    if np.isfinite(digitized_mv).any():
        lag_s = find_lag(digitized_mv, digitized_fs_hz, truth_mv, truth_fs_hz, align)
        line = read_line(digitized_mv, digitized_fs_hz, lag_s, n_samples, options)
        peaks, trouble = find_peaks(line, inverted, options)
        rate = _heart_rate(line, peaks)
        own = _matching(true_peaks, peaks, options.match_s * rate_hz + 1e-9)
        # NeuroKit2 adapts to the distances of all peaks, so that one too many or too few would blind it for
        # every beat: where the truth has a peak that is missing here, its place holds the rhythm.
        places = np.where(own >= 0, peaks[own] if len(peaks) else true_peaks, true_peaks)
        beats, more_trouble = delineate(line, places, inverted, options)
        missing = "; ".join(filter(None, [trouble, more_trouble]))

    readings: list[tuple[dict[str, Reading], dict[str, Reading]]] = []
    n_lost = 0
    for n, beat in enumerate(true_beats):
        if not 0 <= beat.peak < n_samples:
            continue
        n_lost += own[n] < 0
        theirs: dict[str, Reading] = dict.fromkeys((m.name for m in OF_BEATS), MISSED_BEAT)
        if line is not None and own[n] >= 0:
            theirs = read_beat(line, beats[n], options)
        readings.append((waves_only(read_beat(truth, beat, options), options), theirs))
    comparisons = [_compare_rates(_heart_rate(truth, true_peaks), rate, len(readings), int(n_lost))]
    for measure in OF_BEATS:
        pairs = [(ours[measure.name], theirs[measure.name]) for ours, theirs in readings]
        comparisons.append(_compare_beats(measure.name, pairs))
    return [_with_trouble(one, on_truth, missing) for one in comparisons]


def compare_failed(
    truth_mv: FloatArray, truth_fs_hz: float, message: str, options: MeasureOptions = DEFAULT_MEASURE
) -> list[Comparison]:
    """Compare with a lead that could not be digitized: `not_measured` wherever the truth gives a measure."""
    nothing = np.full(len(truth_mv), np.nan)
    found = compare(truth_mv, truth_fs_hz, nothing, truth_fs_hz, options=options)
    return [
        Comparison(c.measure, None, None, None, c.n_beats, c.n_missed, c.status, message)
        if c.status == NOT_MEASURED
        else c
        for c in found
    ]


def _heart_rate(line: Line, peaks: NDArray[np.int_]) -> Reading:
    """Return 60 s over the median distance of neighbouring beats, without distances that hold a gap."""
    inside = peaks[(peaks >= 0) & (peaks < len(line.amplitude_mv))]
    apart = [b - a for a, b in pairwise(inside) if line.known[a : b + 1].all()]
    return float(60 * line.fs_hz / np.median(apart)) if apart else TOO_FEW_BEATS


def _matching(wanted: NDArray[np.int_], peaks: NDArray[np.int_], reach: float) -> NDArray[np.int_]:
    """Return the index of the nearest peak within reach of each wanted one, -1 where there is none."""
    if len(peaks) == 0:
        return np.full(len(wanted), -1)
    apart = np.abs(wanted[:, None] - peaks[None, :])
    return np.where(apart.min(axis=1) <= reach, apart.argmin(axis=1), -1)


def _compare_rates(truth: Reading, digitized: Reading, n_beats: int, n_missed: int) -> Comparison:
    name = HEART_RATE.name
    if isinstance(truth, str):
        return Comparison(name, None, None, None, n_beats, n_missed, NOT_ON_TRUTH, truth)
    if isinstance(digitized, str):
        return Comparison(name, truth, None, None, n_beats, n_missed, NOT_MEASURED, digitized)
    return Comparison(name, truth, digitized, digitized - truth, n_beats, n_missed, OK, "")


def _compare_beats(name: str, readings: Sequence[tuple[Reading, Reading]]) -> Comparison:
    """Compare the readings (truth, digitized) of the beats of the truth."""
    on_truth = [(t, d) for t, d in readings if not isinstance(t, str)]
    if not on_truth:
        why = _most_frequent([t for t, _ in readings if isinstance(t, str)]) or NO_BEAT
        return Comparison(name, None, None, None, 0, 0, NOT_ON_TRUTH, why)
    both = [(t, d) for t, d in on_truth if not isinstance(d, str)]
    n_missed = len(on_truth) - len(both)
    if not both:
        why = _most_frequent([d for _, d in on_truth if isinstance(d, str)])
        truth = float(np.median([t for t, _ in on_truth]))
        return Comparison(name, truth, None, None, len(on_truth), n_missed, NOT_MEASURED, why)
    truth, digitized = (float(np.median(values)) for values in zip(*both, strict=True))
    return Comparison(name, truth, digitized, digitized - truth, len(on_truth), n_missed, OK, "")


def _most_frequent(reasons: Sequence[str]) -> str:
    return Counter(reasons).most_common(1)[0][0] if reasons else ""


def _with_trouble(one: Comparison, on_truth: str, on_digitized: str) -> Comparison:
    """Add to a reason what NeuroKit2 could not do at all."""
    trouble = {NOT_ON_TRUTH: on_truth, NOT_MEASURED: on_digitized}.get(one.status, "")
    if not trouble or trouble == one.message:
        return one
    message = " ".join(f"{one.message}: {trouble}".split())[:300]
    return Comparison(
        one.measure, one.truth, one.digitized, one.difference, one.n_beats, one.n_missed, one.status, message
    )
