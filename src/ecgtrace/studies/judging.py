"""Which samples of a crop are right, beside the confidence that each was given."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ecgtrace.digitization.confidence import Calibration
from ecgtrace.evaluation.align import AlignOptions, find_lag, sample_at
from ecgtrace.evaluation.runner import CropSource, describe_error
from ecgtrace.types import FloatArray, LeadCrop, LeadSignal

_log = logging.getLogger(__name__)


class Judged(NamedTuple):
    """The samples of one crop: confidence, whether each lies within the tolerance, and its features."""

    crop: LeadCrop
    confidence: FloatArray
    right: NDArray[np.bool_]
    features: FloatArray


class Recorder:
    """
    Stands in for a calibration, and keeps the features that the digitizer asks it about.

    So a fit sees the very features that the confidence will rest on, whatever comes before them.
    """

    def __init__(self, calibration: Calibration) -> None:
        self.calibration = calibration
        self.features: FloatArray | None = None

    def confidence(self, features: FloatArray) -> FloatArray:
        """Return what the calibration says."""
        self.features = features
        return self.calibration.confidence(features)


def judge(
    crop: LeadCrop, signal: LeadSignal, tolerance_mv: float, align: AlignOptions
) -> tuple[FloatArray, NDArray[np.bool_], NDArray[np.bool_]]:
    """
    Compare each sample with the truth.

    Parameters
    ----------
    crop : LeadCrop
    signal : LeadSignal
    tolerance_mv : float
    align : AlignOptions
        The lag is removed as in evaluation, then the median of the difference.

    Returns
    -------
    confidence : ndarray of float, shape (n_inside,)
        0 where the sample was not recovered.
    right : ndarray of bool, shape (n_inside,)
        Whether it lies within the tolerance; False where it was not recovered.
    inside : ndarray of bool, shape (n_samples,)
        Of the signal's samples, those within the truth's time: the others are left out above.
    """
    lag_s = find_lag(signal.amplitude_mv, signal.fs_hz, crop.signal, crop.fs_hz, align)
    at = signal.time_s - lag_s
    inside = (at >= -0.5 / crop.fs_hz) & (at <= (len(crop.signal) - 0.5) / crop.fs_hz)
    truth, _ = sample_at(crop.signal, crop.fs_hz, at)
    error = signal.amplitude_mv - truth
    error = error - np.nanmedian(error)
    right = np.abs(np.where(np.isnan(error), np.inf, error)) <= tolerance_mv
    return signal.confidence[inside], right[inside], inside


def judge_failed(crop: LeadCrop, fs_hz: float) -> tuple[FloatArray, NDArray[np.bool_]]:
    """
    Give a crop that was not digitized the samples that it should have: not recovered, so none is right.

    Parameters
    ----------
    crop : LeadCrop
    fs_hz : float
        Sampling frequency of the digitizer in Hz.

    Returns
    -------
    confidence : ndarray of float, shape (n_samples,)
    right : ndarray of bool, shape (n_samples,)
    """
    count = int((len(crop.signal) - 1) / crop.fs_hz * fs_hz + 1e-6) + 1
    return np.zeros(count), np.zeros(count, dtype=bool)


def judge_all(
    source: CropSource,
    digitizer: Any,
    tolerance_mv: float,
    align: AlignOptions,
    name: str = "",
    progress: bool = False,
) -> Iterator[Judged]:
    """
    Digitize every crop, with the features behind each confidence; those that fail are left out.

    Yields
    ------
    Judged
        Of the samples that were recovered.
    """
    recorder = Recorder(digitizer.calibration)
    asked = replace(digitizer, calibration=recorder)
    for index in tqdm(range(len(source)), desc=name, unit="crop", disable=not progress):
        crop = source[index]
        recorder.features = None
        try:
            signal = asked(crop.image)
            confidence, right, inside = judge(crop, signal, tolerance_mv, align)
        except Exception as error:  # any failure of a crop must not end the fit
            _log.warning("%s: %s", crop.crop_id, describe_error(error))
            continue
        claimed = confidence > 0
        if recorder.features is not None and claimed.any():
            yield Judged(crop, confidence[claimed], right[claimed], recorder.features[inside][claimed])
