"""The digitizer of the paper: a mask from a network, then grid, threshold, path and signal."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgtrace.digitization.postprocess import ink_extent, rows_to_signal
from ecgtrace.digitization.scale import find_scale
from ecgtrace.digitization.threshold import adaptive_threshold
from ecgtrace.digitization.viterbi import DISTANCE_WEIGHT, trace_rows
from ecgtrace.errors import ConfigError, TraceNotFoundError
from ecgtrace.types import FloatArray, GridScale, LeadSignal
from ecgtrace.units import px_to_s

Segmenter = Callable[..., NDArray[np.float32]]
Threshold = Callable[[NDArray[np.floating]], NDArray[np.bool_]]
Path = Callable[[NDArray[np.bool_]], FloatArray]


@dataclass(frozen=True)
class ProposedDigitizer:
    """
    Digitize a crop as the overlap paper does (arXiv 2506.10617).

    The network's probability of ink of the target takes the place of the picture: adaptive threshold,
    cheapest path through the runs of ink, scale from the grid of the picture.

    Three choices are ours. A node of the path is the exact middle of its run, where the original
    rounds down to a pixel. Time 0 is where the ink begins plus half a line width, which needs no truth
    to compare with. And `postprocess.rows_to_signal` fits the samples to all columns.

    Attributes
    ----------
    segmenter : callable
        From an RGB image and `duration_s` to a probability (height, width); not needed when each call
        brings a mask.
    fs_hz : float
        Sampling frequency of the result in Hz.
    max_factor, min_factor, factor_step : float
        Of the adaptive threshold (`threshold.adaptive_threshold`).
    min_probability : float
        Pixels below it are no ink, whatever the threshold says: Otsu's finds two classes in noise, too.
    distance_weight : float
        Weight of distance against change of direction along the path, in [0, 1].
    end_columns : int
        The path ends in one of the last so many columns with ink. The original has 20, which cuts off
        up to 20 columns of a trace; a mask holds no other ink that a path could end on.
    px_per_mm : float or None
        Overrides the detection of the grid.
    threshold : callable or None
        Takes the place of the adaptive threshold: from a probability to ink (`likely_ink`).
    path : callable or None
        Takes the place of the cheapest path: from ink to a row per column (`column_centres`).
    uses_true_mask : bool
        Evaluation then hands over the true mask: the ceiling of the method.
    name : str
        Name of the digitizer in tables.
    """

    segmenter: Segmenter | None = None
    fs_hz: float = 500.0
    max_factor: float = 1.0
    min_factor: float = 0.6
    factor_step: float = 0.05
    min_probability: float = 0.2
    distance_weight: float = DISTANCE_WEIGHT
    end_columns: int = 1
    px_per_mm: float | None = None
    threshold: Threshold | None = None
    path: Path | None = None
    uses_true_mask: bool = False
    name: str = "proposed"
    grid: Callable[[NDArray[np.uint8]], GridScale] = field(default=find_scale)

    def __post_init__(self) -> None:
        if self.fs_hz <= 0:
            raise ConfigError(f"fs_hz must be positive, got {self.fs_hz:g}")
        if self.px_per_mm is not None and self.px_per_mm <= 0:
            raise ConfigError(f"px_per_mm must be positive, got {self.px_per_mm:g}")

    @property
    def model(self) -> str:
        """Name of the network and hash of its weights; "true mask" where there is none."""
        return str(getattr(self.segmenter, "model", "true mask" if self.segmenter is None else "custom"))

    def __call__(self, image: NDArray[np.uint8], mask: NDArray[Any] | None = None) -> LeadSignal:
        """
        Digitize one crop.

        Parameters
        ----------
        image : ndarray of uint8, shape (height, width, 3)
            RGB.
        mask : ndarray of number, shape (height, width), optional
            Probability in [0, 1], or {0, 1}: takes the place of the network's.

        Returns
        -------
        LeadSignal

        Raises
        ------
        GridNotFoundError
            If no grid stands out.
        TraceNotFoundError
            If the network finds no ink of the target.
        """
        scale = self.find_scale(image)
        probability = self._segment(image, scale) if mask is None else np.asarray(mask, np.float32)
        ink = self.find_ink(probability)
        row_px = self.find_rows(ink)
        start_px, end_px = ink_extent(ink)
        confidence = column_confidence(probability, row_px)
        return rows_to_signal(row_px, scale, self.fs_hz, start_px, end_px, confidence)

    def find_scale(self, image: NDArray[np.uint8]) -> GridScale:
        """Find the scale of the paper (`scale.find_scale`), unless `px_per_mm` gives it."""
        if self.px_per_mm is not None:
            return GridScale(self.px_per_mm, self.px_per_mm, confidence=1.0)
        return self.grid(image)

    def _segment(self, image: NDArray[np.uint8], scale: GridScale) -> NDArray[np.float32]:
        if self.segmenter is None:
            raise ConfigError("this digitizer has no network; pass a mask with each image")
        return self.segmenter(image, duration_s=px_to_s(image.shape[1], scale.px_per_mm_x))

    def find_ink(self, probability: NDArray[np.floating]) -> NDArray[np.bool_]:
        """
        Part ink from the rest of a probability map.

        Raises
        ------
        TraceNotFoundError
            If nothing is as likely as `min_probability`.
        """
        threshold = self.threshold or self._adaptive_ink
        ink = threshold(probability) & (probability >= self.min_probability)
        if not ink.any():
            raise TraceNotFoundError("the network found no trace; crop one lead, dark on light paper")
        return ink

    def find_rows(self, ink: NDArray[np.bool_]) -> FloatArray:
        """Give each column the row of the trace; NaN where there is none."""
        path = self.path or self._cheapest_path
        return path(ink)

    def _adaptive_ink(self, probability: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Part ink from the rest as `adaptive_threshold` parts it in a picture."""
        picture = np.rint(255 * (1 - probability)).astype(np.uint8)
        return adaptive_threshold(picture, self.max_factor, self.min_factor, self.factor_step)

    def _cheapest_path(self, ink: NDArray[np.bool_]) -> FloatArray:
        """Follow the trace (`viterbi.trace_rows`), then take the exact middle of each run on the path."""
        return centre_on_runs(ink, trace_rows(ink, self.end_columns, self.distance_weight, True))


def likely_ink(probability: NDArray[np.floating], min_probability: float = 0.5) -> NDArray[np.bool_]:
    """
    Part ink from the rest at one fixed probability: what the adaptive threshold is compared with.

    Parameters
    ----------
    probability : ndarray of float, shape (height, width)
    min_probability : float, optional
        By default `0.5`: more likely ink than not.

    Returns
    -------
    ndarray of bool, shape (height, width)
    """
    return probability >= min_probability


def column_centres(ink: NDArray[np.bool_]) -> FloatArray:
    """
    Take the mean row of all ink of each column: what the cheapest path is compared with.

    Parameters
    ----------
    ink : ndarray of bool, shape (height, width)

    Returns
    -------
    ndarray of float, shape (width,)
        NaN where a column has no ink.

    Examples
    --------
    The second column has two runs, and its centre lies between them, on neither:

    >>> ink = np.array([[0, 1, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0]], dtype=bool)
    >>> column_centres(ink).tolist()
    [1.5, 1.5, nan]
    """
    count = ink.sum(axis=0)
    total = np.arange(len(ink)) @ ink
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def centre_on_runs(ink: NDArray[np.bool_], row_px: FloatArray) -> FloatArray:
    """
    Move each row to the exact middle of the run of ink that it lies in.

    Parameters
    ----------
    ink : ndarray of bool, shape (height, width)
    row_px : ndarray of float, shape (width,)
        Rows on ink; NaN stays NaN.

    Returns
    -------
    ndarray of float, shape (width,)

    Examples
    --------
    >>> ink = np.array([[1, 0], [1, 1], [0, 1], [0, 1]], dtype=bool)
    >>> centre_on_runs(ink, np.array([1.0, 2.0])).tolist()
    [0.5, 2.0]
    """
    columns = np.flatnonzero(np.isfinite(row_px))
    rows = row_px[columns].astype(int)
    padded = np.pad(ink, ((1, 1), (0, 0)))
    index = np.arange(len(padded))[:, None]
    # For each pixel, the nearest row without ink above it, and the nearest below.
    above = np.maximum.accumulate(np.where(padded, 0, index), axis=0)
    below = np.minimum.accumulate(np.where(padded, len(padded), index)[::-1], axis=0)[::-1]
    centred = np.full(len(row_px), np.nan)
    centred[columns] = (above[rows + 1, columns] + below[rows + 1, columns]) / 2 - 1
    return centred


def column_confidence(probability: NDArray[np.floating], row_px: FloatArray) -> FloatArray:
    """
    Return the network's probability on the path, 0 where there is none.

    Parameters
    ----------
    probability : ndarray of float, shape (height, width)
    row_px : ndarray of float, shape (width,)

    Returns
    -------
    ndarray of float, shape (width,)
    """
    columns = np.flatnonzero(np.isfinite(row_px))
    confidence = np.zeros(len(row_px))
    rows = np.rint(row_px[columns]).astype(int)
    confidence[columns] = np.clip(probability[rows, columns], 0, 1)
    return confidence
