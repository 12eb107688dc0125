"""
The verdict on what was read: each check gives a reason in words, or nothing; with any, it is `doubtful`.

A check looks at the picture and at what was read from it, whatever the digitizer. What cannot be a lead at
all is refused before (`images.check_picture`, `lead_count`); here is told what looks like a lead, and may be
read wrongly all the same. "Crops read well" in the comments are those above 20 dB: 75 of 78 of the data set
authors' program, 50 of 80 drawn ones (validation, `printer=mixed data.box_jitter_mm=2`) and 38 of 53 of
ECG-image-kit's pages. `scripts/count_doubts.py` counts how many of them are doubtful.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

from ecgtrace.digitization.beats import NO_BEAT, narrow_waves
from ecgtrace.digitization.ink import runs
from ecgtrace.digitization.lead_count import page_doubt
from ecgtrace.digitization.left_over import second_lead, unread_waves
from ecgtrace.digitization.rhythm import slope_energy
from ecgtrace.errors import TraceNotFoundError
from ecgtrace.types import LeadSignal

_LEAST_SHARE = 0.5  # of the columns; of crops read well 0.86 and more, boxes cut 3 mm too wide among them
_SHORTEST_S = 0.4  # a beat at 150 per minute
_LONGEST_S = 12.0  # what recorders print of a lead in one row is 10 s; a tenth for scales and margins
_LEAST_RECOVERED = 0.9  # of the samples; of crops read well 0.97 and more
_LEAST_CONFIDENCE = 0.85  # mean of the recovered samples; of crops read well 0.96 and more
_HIGHEST_MV = 10.0  # largest waves known reach about half of that
_FLAT_MM, _FLAT_PEAK_MM = 0.8, 1.5  # 95 % of the rows, all of them; of crops read well 1.2 and 2.5 and more
_EDGE_MM, _EDGE_PX = 0.2, 2.0  # so near to the picture's edge a trace lies along it,
_EDGE_RUN_MM = 3.0  # for so long; of crops read well up to 1.4
_SLOWEST_BPM, _FASTEST_BPM = 20.0, 300.0  # atrial flutter is the fastest that is conducted
_BEAT_HEIGHT = 0.25  # of the highest slope energy
_CLOSEST_BEATS_S = 0.15
_FEWEST_BEATS = 3


def judged(signal: LeadSignal, image: NDArray[np.uint8]) -> LeadSignal:
    """
    Return a signal with all that speaks against it, and with what its scale assumes.

    Parameters
    ----------
    signal : LeadSignal
        Its doubts and notes are kept, and come first.
    image : ndarray of uint8, shape (height, width, 3)
        What it was read from.

    Returns
    -------
    LeadSignal
        `status` is `doubtful` if it has doubts.
    """
    found = (reason for check in CHECKS if (reason := check(signal, image)))
    doubts = (*signal.doubts, *signal.scale.doubts, *found)
    notes = (*signal.notes, *signal.scale.assumptions)
    if signal.scale.square_assumed and not any("square" in note for note in notes):
        notes = (*notes, "square pixels: too few lines along one axis to measure")
    return replace(signal, doubts=tuple(dict.fromkeys(doubts)), notes=tuple(dict.fromkeys(notes)))


def require_lead(signal: LeadSignal, image: NDArray[np.uint8]) -> None:
    """
    Refuse what is no lead: a line in a small part of the picture of which no heart beat stands out.

    Raises
    ------
    TraceNotFoundError
    """
    little, no_beat = covers_little(signal, image), shows_no_beat(signal, image)
    if little and no_beat:
        raise TraceNotFoundError(f"no lead was found: {little}, and no heart beat stands out of it")


def message(signal: LeadSignal) -> str:
    """Say doubts and notes in one line, the doubts first; empty where there are none."""
    return " ".join("; ".join((*signal.doubts, *signal.notes)).split())


def covers_little(signal: LeadSignal, image: NDArray[np.uint8]) -> str:
    """Doubt a trace in a small part of the picture: what was followed is a stain, a name or a pulse."""
    share = float(np.isfinite(signal.row_px).mean())
    return "" if share >= _LEAST_SHARE else f"the trace covers {share:.1%} of the picture's width"


def is_short(signal: LeadSignal, image: NDArray[np.uint8]) -> str:
    """Doubt a signal shorter than a beat."""
    s = _duration_s(signal)
    return "" if s >= _SHORTEST_S else f"the signal is {s:.2f} s short"


def is_long(signal: LeadSignal, image: NDArray[np.uint8]) -> str:
    """Doubt a signal longer than a row of a page: 1 mm squares were taken for 5 mm, or speed is another."""
    s = _duration_s(signal)
    return "" if s <= _LONGEST_S else f"{s:.1f} s are longer than a row of a page; check the scale"


def is_high(signal: LeadSignal, image: NDArray[np.uint8]) -> str:
    """Doubt waves that no heart makes."""
    known = signal.amplitude_mv[np.isfinite(signal.amplitude_mv)]
    mv = float(np.ptp(known)) if len(known) else 0.0
    return "" if mv <= _HIGHEST_MV else f"the waves are {mv:.1f} mV high; check the scale"


def is_uncertain(signal: LeadSignal, image: NDArray[np.uint8]) -> str:
    """Doubt a signal whose samples are likely to be wrong."""
    known = np.isfinite(signal.amplitude_mv)
    sure = float(signal.confidence[known].mean()) if known.any() else 0.0
    return "" if sure >= _LEAST_CONFIDENCE else f"low confidence ({sure:.2f} on average)"


def is_incomplete(signal: LeadSignal, image: NDArray[np.uint8]) -> str:
    """Doubt a signal of which much was not recovered."""
    share = float(np.isfinite(signal.amplitude_mv).mean())
    return "" if share >= _LEAST_RECOVERED else f"only {share:.0%} of the signal was recovered"


def is_straight(signal: LeadSignal, image: NDArray[np.uint8]) -> str:
    """Doubt a straight line: a line of the grid, a border or the edge of a margin."""
    known = np.flatnonzero(np.isfinite(signal.row_px))
    if len(known) < 3:
        return "the trace is a single point"
    rows = signal.row_px[known]
    rows = rows - np.polyval(np.polyfit(known, rows, 1), known)  # a line of an askew grid is no wave, either
    low, high = np.quantile(rows, (0.025, 0.975))
    mm = signal.scale.px_per_mm_y
    if high - low >= _FLAT_MM * mm or np.ptp(rows) >= _FLAT_PEAK_MM * mm:
        return ""
    return "the trace is a straight line: a line of the grid or a border, or a lead without waves"


def follows_the_edge(signal: LeadSignal, image: NDArray[np.uint8]) -> str:
    """Doubt a trace along the upper or lower edge: a border, or waves that the crop cuts off."""
    from_edge = np.minimum(signal.row_px, len(image) - 1 - signal.row_px)
    near = from_edge < max(_EDGE_PX, _EDGE_MM * signal.scale.px_per_mm_y)  # False where NaN
    mm = max((end - begin for begin, end in runs(near)), default=0) / signal.scale.px_per_mm_x
    return "" if mm <= _EDGE_RUN_MM else f"the trace runs along the picture's edge for {mm:.0f} mm"


def has_odd_rate(signal: LeadSignal, image: NDArray[np.uint8]) -> str:
    """Doubt a heart rate that is none: the scale of the time axis is wrong."""
    rate = heart_rate_bpm(signal)
    if rate is None or _SLOWEST_BPM <= rate <= _FASTEST_BPM:
        return ""
    return f"a heart rate of {rate:.0f} per minute is not plausible; check the scale"


def shows_no_beat(signal: LeadSignal, image: NDArray[np.uint8]) -> str:
    """Doubt a curve that is no heart's: a plot, a slow wave."""
    found = narrow_waves(signal.amplitude_mv, signal.fs_hz)
    return (
        "" if found is None or found >= NO_BEAT else "no heart beat stands out: look whether this is an ECG"
    )


def is_page(signal: LeadSignal, image: NDArray[np.uint8]) -> str:
    """Doubt one lead of a page whose scale `lead_count.refuse_page` did not find."""
    return page_doubt(image, signal.scale.px_per_mm_y)


def shows_two_leads(signal: LeadSignal, image: NDArray[np.uint8]) -> str:
    """Doubt one of two leads in a picture (`left_over.second_lead`)."""
    second = second_lead(image, signal)
    if second is None:
        return ""
    beyond_mm, covered = second
    side = "below" if beyond_mm > 0 else "above"
    return (
        f"the picture shows a second lead {side} this one, over {covered:.0%} of its width; cut out one lead"
    )


def leaves_waves_out(signal: LeadSignal, image: NDArray[np.uint8]) -> str:
    """Doubt a trace that leaves waves out (`left_over.unread_waves`)."""
    mm = unread_waves(image, signal)
    if not mm:
        return ""
    what = "a wave" if len(mm) == 1 else f"{len(mm)} waves"
    return f"ink of {what} beside the trace was not followed (up to {max(mm):.0f} mm)"


CHECKS: tuple[Callable[[LeadSignal, NDArray[np.uint8]], str], ...] = (
    is_page,
    shows_two_leads,
    leaves_waves_out,
    is_straight,
    covers_little,
    is_short,
    is_long,
    is_high,
    has_odd_rate,
    shows_no_beat,
    follows_the_edge,
    is_uncertain,
    is_incomplete,
)


def heart_rate_bpm(signal: LeadSignal) -> float | None:
    """
    Return the heart rate in beats per minute, by the median distance of the steepest waves.

    Steep waves are where the slope's energy (`rhythm.slope_energy`) has a high peak; no search back, no
    adaptive threshold.

    Parameters
    ----------
    signal : LeadSignal

    Returns
    -------
    float or None
        None where fewer than 3 waves stand out.
    """
    known = np.flatnonzero(np.isfinite(signal.amplitude_mv))
    if len(known) < 2:
        return None
    filled = np.interp(np.arange(len(signal.amplitude_mv)), known, signal.amplitude_mv[known])
    energy = slope_energy(filled, signal.fs_hz)
    apart = max(1, round(_CLOSEST_BEATS_S * signal.fs_hz))
    peaks, _ = find_peaks(energy, distance=apart)
    if len(peaks) < _FEWEST_BEATS:
        return None
    high = peaks[energy[peaks] > _BEAT_HEIGHT * energy[peaks].max()]
    if len(high) < _FEWEST_BEATS:
        return None
    return float(60 * signal.fs_hz / np.median(np.diff(high)))


def _duration_s(signal: LeadSignal) -> float:
    return (len(signal.amplitude_mv) - 1) / signal.fs_hz
