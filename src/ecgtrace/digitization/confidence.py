"""How far each sample of a trace can be trusted: from what the image says of it to a probability."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from ecgtrace.digitization.ink_map import InkMap
from ecgtrace.digitization.stroke import Stroke
from ecgtrace.errors import ConfigError
from ecgtrace.types import FloatArray

FEATURES = ("doubt", "support", "hidden", "missing", "surplus", "elsewhere", "steepness")
SUPPORT = FEATURES.index("support")


@dataclass(frozen=True)
class Calibration:
    """
    From the features of a sample to the probability that it lies within 0.05 mV of the truth.

    A logistic function. Its numbers, and the command that fitted them, stand in conf/digitizer/refined.yaml;
    the defaults are the same, for those who call Python (a test holds the two together).

    Attributes
    ----------
    intercept : float
    weights : tuple of float
        One for each of `FEATURES`.
    """

    intercept: float = 5.661
    weights: tuple[float, ...] = (-0.382, 0.523, -0.464, -0.539, -0.272, -1.148, -3.191)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", tuple(self.weights))
        if len(self.weights) != len(FEATURES):
            raise ConfigError(f"calibration.weights: give one for each of {', '.join(FEATURES)}")

    def confidence(self, features: FloatArray) -> FloatArray:
        """Return the probability of each sample, shape (n_samples,)."""
        logit = self.intercept + features @ np.asarray(self.weights)
        return np.asarray(1 / (1 + np.exp(-np.clip(logit, -30, 30))), np.float64)


def features(line: Stroke, ink: InkMap, others: NDArray[np.float32], sample_px: FloatArray) -> FloatArray:
    """
    Describe how well the image speaks for each sample; what the confidence rests on.

    Parameters
    ----------
    line : Stroke
        The trace.
    ink : InkMap
    others : ndarray of float32, shape (height, width)
        Share of each pixel that other strokes explain.
    sample_px : ndarray of float, shape (n_samples,)
        Column of each sample, evenly spaced.

    Returns
    -------
    ndarray of float, shape (n_samples, 7)
        In the order of `FEATURES`, each in [0, 1] or so: means over the stretch of centre line that is
        nearest to the sample in time.
    """
    density = np.minimum(ink.density, 1)
    x, y, weight = _points_along(line)
    at = sample_px
    step = at[1] - at[0] if len(at) > 1 else 1.0
    nearest = np.clip(np.rint((x - at[0]) / step).astype(int), 0, len(at) - 1)
    model = 1 - (1 - line.coverage(density.shape)) * (1 - others)
    size = 2 * round(line.half_width_px + 2) + 1
    missing = cv2.blur(np.maximum(density - model, 0) * np.maximum(ink.target, 0.2), (size, size))
    surplus = cv2.blur(np.maximum(model - density, 0), (size, size))
    reach = cv2.dilate(model, np.ones((5, 5), np.uint8))
    elsewhere = (ink.target * density * (1 - reach)).sum(axis=0) / (2 * line.half_width_px)
    elsewhere = np.convolve(elsewhere, np.ones(size) / size, mode="same")
    steep = np.abs(np.gradient(line.y_px, line.x_px))
    per_point = [
        1 - _read(ink.target, x, y),
        _read(density, x, y) * (1 - _read(others, x, y)),
        _read(others, x, y),
        _read(missing, x, y) * 5,
        _read(surplus, x, y) * 5,
        np.log1p(np.interp(x, np.arange(len(elsewhere)), elsewhere)),
        np.log1p(np.interp(x, line.x_px, steep)) / 3,
    ]
    total = np.bincount(nearest, weights=weight, minlength=len(at))
    known = np.flatnonzero(total > 0)
    table = np.empty((len(at), len(FEATURES)))
    for i, values in enumerate(per_point):
        mean = np.bincount(nearest, weights=weight * values, minlength=len(at))[known] / total[known]
        table[:, i] = np.interp(np.arange(len(at)), known, mean)
    return table


def _points_along(line: Stroke) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Points of the centre line at most 1 px apart, and the length that each stands for."""
    length = np.hypot(np.diff(line.x_px), np.diff(line.y_px))
    parts = np.maximum(1, np.ceil(length)).astype(int)
    index = np.repeat(np.arange(len(parts)), parts)
    place = (np.arange(len(index)) - np.repeat(np.cumsum(parts) - parts, parts) + 0.5) / parts[index]
    x = line.x_px[index] + place * np.diff(line.x_px)[index]
    y = line.y_px[index] + place * np.diff(line.y_px)[index]
    return x, y, length[index] / parts[index]


def _read(values: NDArray[np.float32], x: FloatArray, y: FloatArray) -> FloatArray:
    """Read a map at points, bilinearly; the edge is held outside."""
    return map_coordinates(values, [y, x], order=1, mode="nearest").astype(np.float64)
