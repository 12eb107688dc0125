"""
Beats of one lead and what a reader of an ECG measures on them, found with NeuroKit2 [1]_.

The steps are written down where they are taken: `read_line`, `find_peaks`, `delineate`, `read_beat`.

References
----------
.. [1] Makowski, D., et al. (2021). NeuroKit2: A Python toolbox for neurophysiological signal processing.
   Behavior Research Methods, 53(4), 1689-1696. https://doi.org/10.3758/s13428-020-01516-y
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import scipy.ndimage
import scipy.signal
from numpy.typing import NDArray

from ecgtrace.errors import ConfigError
from ecgtrace.evaluation.align import sample_at
from ecgtrace.types import FloatArray

# What a beat gives for a measure: the number, or why there is none.
Reading = float | str
NO_ONSET = "QRS onset not found"
NO_OFFSET = "QRS end not found"
NO_T_END = "end of T not found"
AT_EDGE = "reaches past the edge of the crop"
IN_GAP = "lies in a gap of the signal"
NO_R = "no R wave"
NO_S = "no S wave"
NO_BEAT = "no beat found"


@dataclass(frozen=True)
class Measure:
    """A measure: its name in rows, and its title and unit in tables and figures."""

    name: str
    title: str
    unit: str


HEART_RATE = Measure("heart_rate_per_min", "heart rate", "1/min")
QRS = Measure("qrs_ms", "QRS duration", "ms")
QT = Measure("qt_ms", "QT", "ms")
R = Measure("r_mv", "R amplitude", "mV")
S = Measure("s_mv", "S amplitude", "mV")
ST = Measure("st_mv", "ST level", "mV")
MEASURES = (HEART_RATE, QRS, QT, R, S, ST)
OF_BEATS = MEASURES[1:]
# Marks further from the peak are of another wave.
_QRS_HALF_S = 0.12
_T_END_S = (0.15, 0.65)
# R is looked for a little past the peak, which the filter may have moved.
_PAST_PEAK_S = 0.01


@dataclass(frozen=True)
class MeasureOptions:
    """
    How a lead is measured; the same for truth and digitized signals.

    Attributes
    ----------
    fs_hz : int
        Rate to which both are brought.
    match_s : float
        A beat of the digitized signal is that of the truth if their R peaks are at most so far apart.
    max_gap_s : float
        Longer gaps are no part of any measurement. Shorter than a QRS complex, so that none is bridged.
    mirror_s : float
        NeuroKit2 delineates nothing with fewer than four R peaks, drops beats in the first 0.3 s and searches
        windows that may begin before the signal; so each end is continued by its own mirror image, of this
        length.
    lowpass_hz : float
        Butterworth filter of order 2, forth and back, for looking for waves; amplitudes are read without it.
        Above it, a pixel of the scan moves the onset of a wave.
    min_steepness : float
        An R peak whose steepest slope is less than this share of the median of all is a T wave or noise.
    min_deflection_mv : float
        An R or S wave is one from this height on, on the truth: half a small square.
    isoelectric_s : float
        The isoelectric level is the median of the signal over so long before the QRS onset.
    st_after_j_s, st_width_s : float
        The ST level is the mean over `st_width_s` around `st_after_j_s` after the end of the QRS.
    """

    fs_hz: int = 500
    match_s: float = 0.075
    max_gap_s: float = 0.04
    mirror_s: float = 5.0
    lowpass_hz: float = 40.0
    min_steepness: float = 0.3
    min_deflection_mv: float = 0.05
    isoelectric_s: float = 0.02
    st_after_j_s: float = 0.06
    st_width_s: float = 0.012

    def __post_init__(self) -> None:
        if not 250 <= self.fs_hz <= 2000:
            raise ConfigError(f"fs_hz must lie in [250, 2000], got {self.fs_hz}")
        if not 0 < self.lowpass_hz < self.fs_hz / 2:
            raise ConfigError(f"lowpass_hz must lie between 0 and half of fs_hz, got {self.lowpass_hz}")
        # NeuroKit2 takes peaks closer than 0.3 s for one; beyond half of that a match would not be unique.
        if not 0 < self.match_s < 0.15:
            raise ConfigError(f"match_s must lie between 0 and 0.15 s, got {self.match_s}")


DEFAULT_MEASURE = MeasureOptions()


@dataclass(frozen=True, eq=False)
class Line:
    """
    A lead on the time axis of its truth.

    Attributes
    ----------
    amplitude_mv : ndarray of float, shape (n_samples,)
        Finite; gaps bridged.
    known : ndarray of bool, shape (n_samples,)
        False inside gaps longer than `MeasureOptions.max_gap_s`.
    fs_hz : float
    """

    amplitude_mv: FloatArray
    known: NDArray[np.bool_]
    fs_hz: float


@dataclass(frozen=True)
class Beat:
    """
    A beat, in samples of its `Line`.

    Attributes
    ----------
    peak : int
        The largest deflection of the QRS complex: R, or S (QS) in an inverted lead.
    onset, offset, t_end : int or None
        Begin and end of the QRS complex, end of the T wave; None where not found. They may lie outside the
        line.
    inverted : bool
        Whether the peak points down.
    """

    peak: int
    onset: int | None
    offset: int | None
    t_end: int | None
    inverted: bool = False


def load_neurokit() -> ModuleType:
    """
    Import NeuroKit2, which only this study needs.

    Raises
    ------
    ConfigError
        If it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import neurokit2
    except ImportError as error:
        raise ConfigError(
            f"this study measures with NeuroKit2, which cannot be imported ({error}); "
            "pip install 'ecgtrace[clinical]'"
        ) from error
    return neurokit2


def read_line(
    signal_mv: FloatArray,
    fs_hz: float,
    lag_s: float,
    n_samples: int,
    options: MeasureOptions = DEFAULT_MEASURE,
) -> Line:
    """
    Bring a signal to the common rate, on the time axis of its truth.

    Samples are joined by straight lines, for the truth as for the digitized signal: a page shows its samples
    so, and no digitizer can know what was between them. (A band-limited interpolation would give the truth R
    peaks that were
    never drawn.)

    Parameters
    ----------
    signal_mv : ndarray of float, shape (n,)
        At least one sample finite.
    fs_hz : float
    lag_s : float
        How late it is, in seconds.
    n_samples : int
        Length of the result.
    options : MeasureOptions, optional

    Returns
    -------
    Line
    """
    times_s = np.arange(n_samples) / options.fs_hz + lag_s
    # Rounded to 1 us: a lag must not move the samples by the rounding of its last bit.
    amplitude_mv, known = sample_at(signal_mv, fs_hz, np.round(times_s, 6))
    longest = int(np.floor(options.max_gap_s * options.fs_hz + 1e-9))
    gaps, n_gaps = scipy.ndimage.label(~known)
    sizes = np.bincount(gaps, minlength=n_gaps + 1)
    sizes[0] = 0
    return Line(amplitude_mv, sizes[gaps] <= longest, options.fs_hz)


def is_inverted(line: Line, options: MeasureOptions = DEFAULT_MEASURE) -> bool:
    """Tell whether QRS complexes mostly point down, as in aVR; asked of the truth alone, for both signals."""
    nk = load_neurokit()
    mirrored, _ = _mirrored(line, options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bool(nk.ecg_invert(mirrored, sampling_rate=int(line.fs_hz))[1])


def find_peaks(
    line: Line, inverted: bool, options: MeasureOptions = DEFAULT_MEASURE
) -> tuple[NDArray[np.int_], str]:
    """
    Find the peaks of QRS complexes.

    NeuroKit2's own method on the signal cleaned by its own method, without peaks that are not steep.

    Parameters
    ----------
    line : Line
    inverted : bool
        Whether the peaks point down.
    options : MeasureOptions, optional

    Returns
    -------
    peaks : ndarray of int, shape (n_peaks,)
        Samples of the line, rising; those of its mirror images are below 0 and beyond its end.
    trouble : str
        Why there is none, else empty.
    """
    nk = load_neurokit()
    mirrored, n_before = _mirrored(line, options)
    none = np.zeros(0, dtype=int)
    if np.ptp(mirrored) == 0:
        return none, "the signal is flat"
    upright = -mirrored if inverted else mirrored
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            cleaned = nk.ecg_clean(upright, sampling_rate=int(line.fs_hz))
            peaks = nk.ecg_peaks(cleaned, sampling_rate=int(line.fs_hz))[1]["ECG_R_Peaks"]
        except Exception as error:  # it raises many kinds on signals that it does not expect
            return none, f"NeuroKit2 found no peaks ({type(error).__name__}: {error})"
    peaks = _steep(np.asarray(peaks, dtype=int), _smooth(upright, line.fs_hz, options), line.fs_hz, options)
    return peaks - n_before, "" if len(peaks) else NO_BEAT


def delineate(
    line: Line, peaks: NDArray[np.int_], inverted: bool, options: MeasureOptions = DEFAULT_MEASURE
) -> tuple[list[Beat], str]:
    """
    Find where the waves around each peak begin and end.

    The begin of the QRS and the end of T by NeuroKit2's `cwt`, the end of the QRS by its `dwt`. On crops of
    2.5 s the onset of `dwt`, which looks for a Q wave after a P wave, and its end of T jump to other waves
    when a noise of 0.01 mV is added, about three times as far as those of `cwt`; and `cwt` finds the end of
    the QRS in half of the beats only.

    Parameters
    ----------
    line : Line
    peaks : ndarray of int, shape (n_peaks,)
        As from `find_peaks`, with those of the mirror images.
    inverted : bool
        Whether the peaks point down.
    options : MeasureOptions, optional

    Returns
    -------
    beats : list of Beat, length n_peaks
    trouble : str
        What NeuroKit2 could not do, else empty.
    """
    nk = load_neurokit()
    if len(peaks) == 0:
        return [], ""
    mirrored, n_before = _mirrored(line, options)
    smooth = _smooth(-mirrored if inverted else mirrored, line.fs_hz, options)
    trouble = []
    marks: dict[str, Mapping[str, Any]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for method in ("cwt", "dwt"):
            try:
                marks[method] = nk.ecg_delineate(
                    smooth, peaks + n_before, sampling_rate=int(line.fs_hz), method=method
                )[1]
            except Exception as error:  # it raises many kinds where there is little to see
                marks[method] = {}
                trouble.append(f"{method} of NeuroKit2 failed ({type(error).__name__}: {error})")

    def near(method: str, key: str, low_s: float, high_s: float, peak: int, last: bool) -> int | None:
        """Find by time: NeuroKit2 may drop elements, so that the n-th mark need not be of the n-th beat."""
        at = np.asarray(marks[method].get(key, []), dtype=float) - n_before
        at = at[(at > peak + low_s * line.fs_hz) & (at < peak + high_s * line.fs_hz)]
        return None if at.size == 0 else int(at.max() if last else at.min())

    beats = []
    for peak in (int(peak) for peak in peaks):
        onset = near("cwt", "ECG_R_Onsets", -_QRS_HALF_S, 0.0, peak, True)
        offset = near("dwt", "ECG_R_Offsets", 0.0, _QRS_HALF_S, peak, False)
        t_end = near("cwt", "ECG_T_Offsets", *_T_END_S, peak, False)
        beats.append(Beat(peak, onset, offset, t_end, inverted))
    return beats, "; ".join(trouble)


def read_beat(line: Line, beat: Beat, options: MeasureOptions = DEFAULT_MEASURE) -> dict[str, Reading]:
    """
    Read the measures of one beat.

    Amplitudes are against the isoelectric level, the median of the last 20 ms before the QRS. R: the largest
    value from the onset of the QRS to its peak. S: the smallest between that and the end of the QRS
    (negative); where QRS complexes point down, the peak itself, be it S or QS. ST: at J + 60 ms, J the end of
    the QRS. QT: from the begin of the QRS to the end of T.

    Returns
    -------
    dict
        By `Measure.name`: the number, or why there is none.
    """
    onset, offset = beat.onset, beat.offset
    if onset is None:
        return dict.fromkeys((m.name for m in OF_BEATS), NO_ONSET)

    def span(first: int, last: int) -> str:
        """Say what hinders reading from `first` to `last`, both included."""
        if first < 0 or last >= len(line.amplitude_mv):
            return AT_EDGE
        return "" if line.known[first : last + 1].all() else IN_GAP

    signal = line.amplitude_mv
    found: dict[str, Reading] = dict.fromkeys((m.name for m in OF_BEATS), NO_OFFSET)
    found[QT.name] = NO_T_END
    if beat.t_end is not None:
        found[QT.name] = span(onset, beat.t_end) or _ms(beat.t_end - onset, line)

    before = onset - max(1, round(options.isoelectric_s * line.fs_hz))
    past_peak = beat.peak + round(_PAST_PEAK_S * line.fs_hz)
    trouble = span(before, past_peak)
    if trouble:
        return found | dict.fromkeys((R.name, S.name, ST.name, QRS.name), trouble)
    level = float(np.median(signal[before:onset]))
    top = onset + int(np.argmax(signal[onset : past_peak + 1]))
    found[R.name] = float(signal[top]) - level
    if offset is None:
        return found

    found[QRS.name] = span(onset, offset) or _ms(offset - onset, line)
    # R may be absent in an inverted lead, and is then no place to begin at.
    first = onset if beat.inverted else top
    found[S.name] = span(before, offset) or float(signal[first : max(offset, top) + 1].min()) - level
    middle = offset + round(options.st_after_j_s * line.fs_hz)
    half = round(options.st_width_s * line.fs_hz / 2)
    found[ST.name] = (
        span(before, middle + half) or float(np.mean(signal[middle - half : middle + half + 1])) - level
    )
    return found


def _ms(n_samples: int, line: Line) -> float:
    return n_samples / line.fs_hz * 1000


def _mirrored(line: Line, options: MeasureOptions) -> tuple[FloatArray, int]:
    """Return the signal with its mirror images at both ends, median 0, and how many samples lie before it."""
    n_before = round(options.mirror_s * line.fs_hz)
    signal = line.amplitude_mv - np.median(line.amplitude_mv)
    return np.pad(signal, n_before, mode="reflect"), n_before


def _smooth(mirrored: FloatArray, fs_hz: float, options: MeasureOptions) -> FloatArray:
    filter_ = scipy.signal.butter(2, options.lowpass_hz, fs=fs_hz, output="sos")
    return np.asarray(scipy.signal.sosfiltfilt(filter_, mirrored))


def _steep(
    peaks: NDArray[np.int_], smooth: FloatArray, fs_hz: float, options: MeasureOptions
) -> NDArray[np.int_]:
    """Keep the peaks as steep as the others; NeuroKit2 takes T waves and noise for R peaks."""
    if len(peaks) == 0:
        return peaks
    slope = np.abs(np.gradient(smooth))
    width = round(0.06 * fs_hz)
    steepest = np.array([slope[max(0, peak - width) : peak + width + 1].max() for peak in peaks])
    return peaks[steepest >= options.min_steepness * np.median(steepest)]


def waves_only(readings: dict[str, Reading], options: MeasureOptions) -> dict[str, Reading]:
    """On the truth, a wave lower than half a small square is none."""
    readings = dict(readings)
    for name, sign, reason in ((R.name, 1, NO_R), (S.name, -1, NO_S)):
        value = readings[name]
        if not isinstance(value, str) and sign * value < options.min_deflection_mv:
            readings[name] = reason
    return readings
