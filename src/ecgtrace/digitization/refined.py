"""The digitizer that explains the ink: path through it, then the drawn stroke fitted to the image itself."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.digitization.grid import detect_grid
from ecgtrace.digitization.ink import ink_density
from ecgtrace.digitization.ink_path import cheapest_path, expected_rows, reach_tips
from ecgtrace.digitization.stroke import FitOptions, Stroke, fit_stroke
from ecgtrace.errors import ConfigError, TraceNotFoundError
from ecgtrace.types import FloatArray, GridScale, LeadSignal
from ecgtrace.units import GAIN_MM_PER_MV, PAPER_SPEED_MM_PER_S, px_to_s

_SURE = 0.5
_MIN_NEIGHBOUR_PX = 6  # narrower blots of the neighbours' ink are not fitted
_DENSEST_PX = 0.6  # vertices are not closer than this: the image says no more


class Explained(NamedTuple):
    """What the digitizer found in a crop, before it is read off."""

    target: Stroke
    neighbours: tuple[Stroke, ...]
    ink: NDArray[np.float32]
    probability: NDArray[np.float32]
    others: NDArray[np.float32]


@dataclass(frozen=True)
class RefinedDigitizer:
    """
    Digitize a crop by explaining its ink.

    1. The network tells the ink of the target and that of the neighbours (two channels; both may be on).
    2. A path through ink that is the target's (`ink_path.cheapest_path`), and the expected row of the ink
       around it, start the fit.
    3. The stroke that was drawn is fitted to the ink density of the image (`stroke.fit_stroke`): the vertices
       of its centre line, width, edge, darkness, beginning and end.
    4. The neighbours are fitted in the same way to their ink, and the target once more with their share of
       each pixel explained.
    5. The signal is read off the centre line; time 0 is its first point.

    Attributes
    ----------
    segmenter : object
        With `channels(image, duration_s)` (`segmentation.segmenter`); not needed when each call brings a mask.
    fs_hz : float
        Sampling frequency of the result in Hz. Vertices stand at the samples, or at every second, third, ...
        of them where the paper is scanned coarser than that.
    px_per_mm : float or None
        Overrides the detection of the grid.
    fit : FitOptions
    expectation, stroke, joint : bool
        Parts that can be left out, to see what each is worth: the start at the expected row instead of the
        middle of the path; the fit of the stroke; that of the neighbours.
    name : str
        Name of the digitizer in tables.
    """

    segmenter: Any = None
    fs_hz: float = 500.0
    px_per_mm: float | None = None
    fit: FitOptions = FitOptions()
    expectation: bool = True
    stroke: bool = True
    joint: bool = True
    second_channel: bool = True
    uses_true_mask: bool = False
    name: str = "refined"
    grid: Callable[[NDArray[np.uint8]], GridScale] = field(default=detect_grid)

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
        scale = self.find_scale(image)
        if mask is None:
            if self.segmenter is None:
                raise ConfigError("this digitizer has no network; pass a mask with each image")
            channels = self.segmenter.channels(image, duration_s=px_to_s(image.shape[1], scale.px_per_mm_x))
        else:
            channels = np.asarray(mask, np.float32)
            channels = channels if channels.ndim == 3 else channels[None]
        found = self.explain(image, channels, scale)
        return self.read_off(found, scale, image.shape[1])

    def find_scale(self, image: NDArray[np.uint8]) -> GridScale:
        """Find the scale of the paper (`grid.detect_grid`), unless `px_per_mm` gives it."""
        if self.px_per_mm is not None:
            return GridScale(self.px_per_mm, self.px_per_mm, confidence=1.0)
        return self.grid(image)

    def explain(
        self, image: NDArray[np.uint8], channels: NDArray[np.float32], scale: GridScale
    ) -> Explained:
        """
        Fit the target's stroke, and those of its neighbours.

        Parameters
        ----------
        image : ndarray of uint8, shape (height, width, 3)
        channels : ndarray of float32, shape (n_channels, height, width)
            Probability of ink of the target, and, where it is known, of the neighbours.
        scale : GridScale

        Returns
        -------
        Explained

        Raises
        ------
        TraceNotFoundError
            If no ink is likely to be the target's.
        """
        ink = ink_density(image)
        target = channels[0]
        other = channels[1] if len(channels) > 1 and self.second_channel else None
        own = np.minimum(ink, 1) * target
        first, last = _extent(own)
        enter, leave = cheapest_path(own[:, first : last + 1])
        width_px = _line_width(ink, target)
        if self.expectation:
            rows = expected_rows(own[:, first : last + 1], enter, leave, width_px / 2 + 1)
        else:
            rows = (enter + leave) / 2
        rows = reach_tips(own[:, first : last + 1], rows, width_px / 2)
        columns = np.arange(first, last + 1, dtype=np.float64)
        start, end = first - 0.5 + width_px / 2, last + 0.5 - width_px / 2
        free = (first > 0, last < ink.shape[1] - 1)
        start, end = start if free[0] else float(first), end if free[1] else float(last)
        end = max(end, start + 2)
        step_px = self._step_px(scale)
        line = Stroke(*_grid_line(columns, rows, start, end, step_px), width_px / 2, width_px / 2, 0.4, 1.0)
        nothing = np.zeros_like(ink)
        if not self.stroke:
            return Explained(line, (), ink, target, nothing)
        claim = _claim(target, other, width_px)
        line = fit_stroke(ink, line, claim, None, self.fit, free)
        line = _again(line, step_px)
        others = nothing
        neighbours: tuple[Stroke, ...] = ()
        if self.joint and other is not None:
            neighbours = self._neighbours(ink, other, line)
            for neighbour in neighbours:
                np.maximum(others, neighbour.coverage(ink.shape) * np.float32(0.98), out=others)
        final = replace(self.fit, coarse_edges_px=())
        line = fit_stroke(ink, line, claim, others, final, free)
        return Explained(line, neighbours, ink, target, others)

    def _step_px(self, scale: GridScale) -> float:
        sample_px = PAPER_SPEED_MM_PER_S * scale.px_per_mm_x / self.fs_hz
        return sample_px * max(1, int(np.ceil(_DENSEST_PX / sample_px)))

    def _neighbours(self, ink: NDArray[np.float32], other: NDArray[np.float32], line: Stroke) -> tuple[Stroke, ...]:
        """Fit a stroke to each stretch of the neighbours' ink, with the target's share explained."""
        covered = line.coverage(ink.shape) * np.float32(0.98)
        n, labels, stats, _ = cv2.connectedComponentsWithStats(
            ((ink > _SURE) & (other > _SURE)).astype(np.uint8), connectivity=8
        )
        strokes = []
        for label in range(1, n):
            left, top, width, height, area = (int(v) for v in stats[label])
            if width < _MIN_NEIGHBOUR_PX or area < 3 * line.half_width_px**2:
                continue
            pad = int(np.ceil(line.half_width_px + 3))
            rows = slice(max(0, top - pad), min(ink.shape[0], top + height + pad))
            cols = slice(max(0, left - pad), min(ink.shape[1], left + width + pad))
            part = (labels[rows, cols] == label).astype(np.float32)
            reach = cv2.dilate(part, np.ones((5, 5), np.uint8))
            inside = np.flatnonzero(part.any(axis=0))
            enter, leave = cheapest_path((part * np.minimum(ink[rows, cols], 1))[:, inside[0] : inside[-1] + 1])
            columns = np.arange(inside[0], inside[-1] + 1, dtype=np.float64)
            x, y = _grid_line(columns, (enter + leave) / 2, columns[0], columns[-1], 1.5)
            start = replace(line, x_px=x, y_px=y)
            options = replace(self.fit, steps=10, coarse_steps=6)
            stroke = fit_stroke(ink[rows, cols], start, reach, covered[rows, cols], options, (True, True))
            strokes.append(replace(stroke, x_px=stroke.x_px + cols.start, y_px=stroke.y_px + rows.start))
        return tuple(strokes)

    def read_off(self, found: Explained, scale: GridScale, width: int) -> LeadSignal:
        """Read the samples off the centre line."""
        line = found.target
        sample_px = PAPER_SPEED_MM_PER_S * scale.px_per_mm_x / self.fs_hz
        n = int((line.x_px[-1] - line.x_px[0]) / sample_px + 0.25) + 1
        at = line.x_px[0] + np.arange(n) * sample_px
        amplitude = -np.interp(at, line.x_px, line.y_px) / (GAIN_MM_PER_MV * scale.px_per_mm_y)
        columns = np.arange(width, dtype=np.float64)
        rows = np.interp(columns, line.x_px, line.y_px)
        rows[(columns < line.x_px[0] - 0.5) | (columns > line.x_px[-1] + 0.5)] = np.nan
        return LeadSignal(
            amplitude_mv=amplitude - np.median(amplitude),
            fs_hz=float(self.fs_hz),
            confidence=np.ones(n),
            scale=scale,
            row_px=rows,
            start_px=float(line.x_px[0]),
        )


def _extent(own: NDArray[np.float32]) -> tuple[int, int]:
    """First and last column with ink of the target."""
    columns = np.flatnonzero(own.max(axis=0) > _SURE)
    if not len(columns):
        raise TraceNotFoundError("the network found no trace; crop one lead, dark on light paper")
    return int(columns[0]), int(columns[-1])


def _line_width(ink: NDArray[np.float32], target: NDArray[np.float32]) -> float:
    """Estimate the width of the line where it runs flat: the lower quartile of the ink per column."""
    near = cv2.dilate(target, np.ones((5, 1), np.uint8))
    thick = (np.minimum(ink, 1) * (near > _SURE) * (ink > 0.2)).sum(axis=0)
    thick = thick[thick > 0.7]
    return float(np.quantile(thick, 0.2)) if len(thick) else 2.0


def _grid_line(
    columns: FloatArray, rows: FloatArray, start: float, end: float, step_px: float
) -> tuple[FloatArray, FloatArray]:
    """Read rows at even steps from start to end."""
    n = max(3, int((end - start) / step_px + 0.5) + 1)
    x = start + np.arange(n) * step_px
    x[-1] = max(end, x[-2] + 0.3 * step_px)
    return x, np.interp(x, columns, rows)


def _again(line: Stroke, step_px: float) -> Stroke:
    """Lay the vertices at even steps from the beginning that the fit found."""
    x, y = _grid_line(line.x_px, line.y_px, line.x_px[0], line.x_px[-1], step_px)
    return replace(line, x_px=x, y_px=y)


def _claim(
    target: NDArray[np.float32], other: NDArray[np.float32] | None, width_px: float
) -> NDArray[np.float32]:
    """How far the ink of each pixel is the target's: its edges belong to it, too."""
    size = 2 * round(width_px / 4 + 1) + 1
    near = cv2.dilate(target, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    if other is None:
        return np.asarray(near, np.float32)
    return np.asarray(near * (1 - other * (1 - target)), np.float32)
