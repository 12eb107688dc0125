"""The digitizer that explains the ink: path through it, then the drawn stroke fitted to the image itself."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from ecgtrace.digitization.ink import ink_density, runs
from ecgtrace.digitization.ink_path import cheapest_path, expected_rows, explaining_path, reach_tips
from ecgtrace.digitization.postprocess import LOWEST_CONFIDENCE
from ecgtrace.digitization.scale import find_scale
from ecgtrace.digitization.skew import Upright, upright
from ecgtrace.digitization.stroke import DEFAULT_FIT, FitOptions, Stroke, fit_stroke, misfit
from ecgtrace.digitization.vertex_path import (
    DEFAULT_COSTS,
    PathCosts,
    Scene,
    find_vertices,
    left_aside,
    look,
    price,
    relabel,
)
from ecgtrace.digitization.vertices import Comb, bends, find_combs, put_right
from ecgtrace.errors import ConfigError, TraceNotFoundError
from ecgtrace.types import FloatArray, GridScale, LeadSignal
from ecgtrace.units import GAIN_MM_PER_MV, PAPER_SPEED_MM_PER_S, px_to_s

_SURE = 0.5
_MIN_NEIGHBOUR_PX = 6  # narrower blots of the neighbours' ink are not fitted
_SEEN = (0.5, 0.7)  # share of ink that the network sees: overlooks the trace, or only print
_OVERLOOKED = 0.5  # likelihood of unclaimed ink where it overlooks the trace
_DENSEST_PX = 0.6  # vertices are not closer than this: the image says no more
_LONGEST_SAMPLE_S = 0.04
_OFF_COMB = 0.015  # share of its spacing that the vertices of a true comb stay within
_LEAST_BEND = 0.2  # px per px: pixels give a straight line smaller ones
_FEWEST_BENDS = 8
_MOST_WAYS = 2  # the second only where the first was sought without a comb
_WORTH = 1.0  # of a px of line, of ink that another way leaves aside
_WAY_MM = 0.25  # distance of the vertices of a way through the ink, where no comb is seen
_WORSE_ON_COMB = 2.0  # factor of what is left unexplained: there are fewer vertices to explain it with
_ROUGH: dict[str, Any] = {"coarse_steps": 8, "steps": 8, "tolerance": 2e-3}
_LOOSE_FIT = FitOptions(coarse_edges_px=(), steps=15, tolerance=1e-3)
_HELD_FIT = FitOptions(coarse_edges_px=(), steps=30, tether_weight=1e3)


FEATURES = ("doubt", "support", "hidden", "missing", "surplus", "elsewhere", "steepness")
_SUPPORT = FEATURES.index("support")
_LEAST_SUPPORT = 0.25  # of the ink under a sample that no neighbour explains
_TIME_TOLERANCE_SAMPLES = 0.25


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

    intercept: float = 5.163
    weights: tuple[float, ...] = (-0.447, 0.885, -0.831, -0.261, -0.306, -0.789, -3.121)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", tuple(self.weights))
        if len(self.weights) != len(FEATURES):
            raise ConfigError(f"calibration.weights: give one for each of {', '.join(FEATURES)}")

    def confidence(self, features: FloatArray) -> FloatArray:
        """Return the probability of each sample, shape (n_samples,)."""
        logit = self.intercept + features @ np.asarray(self.weights)
        return np.asarray(1 / (1 + np.exp(-np.clip(logit, -30, 30))), np.float64)


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
    2. A path through ink that is the target's, and that leaves none of it aside (`ink_path.explaining_path`),
       and the expected row of the ink around it, start the fit.
    3. A way through the ink that is straight from sample to sample, reaches as far up and down as the crop
       is cut for, and stays the same line from the top, takes its place where it is clearly better: there
       the network, or the path, took a neighbour for the target (`vertex_path`).
    4. The stroke that was drawn is fitted to the ink density of the image (`stroke.fit_stroke`): the vertices
       of its centre line, width, edge, darkness, beginning and end.
    5. The neighbours are fitted in the same way to their ink, and the target once more with their share of
       each pixel explained; with its vertices on the samples that it was drawn from, where its bends tell
       how these lie (`vertices.find_combs`), else much closer.
    6. The signal is read off the centre line; time 0 is its first point.

    Attributes
    ----------
    segmenter : object
        With `channels(image, duration_s)` (`segmentation.segmenter`); not needed when calls bring masks.
    fs_hz : float
        Sampling frequency of the result in Hz. Vertices stand at the samples, or at every second, third, ...
        of them where the paper is scanned coarser than that.
    px_per_mm : float or None
        Overrides the detection of the grid.
    fit : FitOptions
    expectation, stroke, joint, second_channel, samples, detours, ways : bool
        Parts that can be left out, to see what each is worth: the start at the expected row instead of the
        middle of the path; the fit of the stroke; that of the neighbours; the network's channel for them;
        the vertices where the line was drawn with them; the path that leaves no ink of the target aside;
        another way through the ink, where it is clearly better.
    least_gain : float
        By how much another way must cost less (`vertex_path`). Below 25, validation crops gained nothing.
    path_costs : PathCosts
    unclaimed : float
        Likelihood, for the path, of ink that the network gives to nobody: it overlooks some where print
        crosses the trace.
    sharpen : float
        Corners come out a little too round where the samples are not known: each point moves away from the
        chord over 1.6 line widths by this share of its distance. Measured on validation crops (+1.6 dB
        without overlap) and on crops of the published dataset's own generator (+0.8 dB).
    deskew : bool
        Whether a scan that lies askew is turned upright first (`skew.find_skew`).
    max_hidden_s : float
        Where no ink speaks for the trace for longer than this, samples are NaN with confidence 0.
    calibration : Calibration
    uses_true_mask : bool
        Evaluation then hands over the true mask in place of the network's probability.
    name : str
        Name of the digitizer in tables.
    """

    segmenter: Any = None
    fs_hz: float = 500.0
    px_per_mm: float | None = None
    fit: FitOptions = DEFAULT_FIT
    expectation: bool = True
    stroke: bool = True
    joint: bool = True
    second_channel: bool = True
    samples: bool = True
    detours: bool = True
    ways: bool = True
    least_gain: float = 25.0
    path_costs: PathCosts = DEFAULT_COSTS
    unclaimed: float = 0.1
    sharpen: float = 0.03
    max_hidden_s: float = 0.06
    deskew: bool = True
    calibration: Calibration = Calibration()
    uses_true_mask: bool = False
    name: str = "refined"
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
        mask : ndarray of number, shape (height, width) or (n_channels, height, width), optional
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
        scan = upright(image) if self.deskew else Upright(image, np.eye(2, 3), 0.0)
        scale = self.find_scale(scan.image)
        if mask is None:
            if self.segmenter is None:
                raise ConfigError("this digitizer has no network; pass a mask with each image")
            duration_s = px_to_s(image.shape[1], scale.px_per_mm_x)
            channels = self.segmenter.channels(scan.image, duration_s=duration_s)
        else:
            channels = np.asarray(mask, np.float32)
            channels = channels if channels.ndim == 3 else channels[None]
            if scan.angle_deg:
                size = (scan.image.shape[1], scan.image.shape[0])
                channels = np.stack([cv2.warpAffine(part, scan.matrix, size) for part in channels])
        canvas = getattr(getattr(self.segmenter, "card", None), "height", None) if mask is None else None
        shrunk = min(1.0, canvas / len(scan.image)) if canvas else 1.0
        found = self.explain(scan.image, channels, scale, not scan.angle_deg, shrunk)
        return self.read_off(found, scale, scan, image.shape[1])

    def find_scale(self, image: NDArray[np.uint8]) -> GridScale:
        """Find the scale of the paper (`scale.find_scale`), unless `px_per_mm` gives it."""
        if self.px_per_mm is not None:
            return GridScale(self.px_per_mm, self.px_per_mm, confidence=1.0)
        return self.grid(image)

    def explain(
        self,
        image: NDArray[np.uint8],
        channels: NDArray[np.float32],
        scale: GridScale,
        closely_cut: bool = True,
        shrunk: float = 1.0,
    ) -> Explained:
        """
        Fit the target's stroke, and those of its neighbours.

        Parameters
        ----------
        image : ndarray of uint8, shape (height, width, 3)
        channels : ndarray of float32, shape (n_channels, height, width)
            Probability of ink of the target, and, where it is known, of the neighbours.
        scale : GridScale
        closely_cut : bool, optional
            Whether the edges of the crop may say where the target lies; not those of a page turned upright.
        shrunk : float, optional
            Height of a px of the crop on the network's canvas, at most 1.

        Returns
        -------
        Explained

        Raises
        ------
        TraceNotFoundError
            If no ink is likely to be the target's.
        """
        ink = ink_density(image, channels.max(axis=0))
        target = channels[0]
        other = channels[1] if len(channels) > 1 and self.second_channel else None
        dark = _saturated(ink, target)
        own = dark * target
        first, last = _extent(own)
        # Ink that is nobody's may be the target's where the network overlooks it.
        strange = 1 - (other if other is not None else target)
        free_ink = np.float32(self._unclaimed(ink, target, strange)) * strange
        likely = dark * (target + (1 - target) * free_ink)
        width_px = _line_width(ink, target)
        part = np.s_[:, first : last + 1]
        if self.detours:
            enter, leave, places = explaining_path(likely[part], own[part], width_px / 2)
        else:
            enter, leave = cheapest_path(likely[part])
            places = {}
        ends = float(enter[0]), float(leave[-1])
        if self.expectation:
            rows = expected_rows(own[part], enter, leave, width_px / 2 + 1)
        else:
            rows = (enter + leave) / 2
        rows[list(places)] = list(places.values())
        rows = reach_tips(own[part], rows, width_px / 2)
        # Half a line width of columns is cut off at each end, but not the rows that the path passes there.
        rows[0], rows[-1] = ends
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
        # Rough where samples are sought: their comb tells itself long before the last tenth of a pixel.
        rough = replace(self.fit, **_ROUGH) if self.samples else self.fit
        line = fit_stroke(ink, line, claim, None, rough, free)
        labelled = other
        if self.ways:
            scene = look(dark, target, other, scale, closely_cut, shrunk)
            for _ in range(_MOST_WAYS):
                way, is_sure = self._better_way(scene, line, scale)
                if way is not None:
                    own_target, labelled = relabel(way, target, nothing if other is None else other)
                    claim = _claim(own_target, labelled, width_px)
                    near = replace(rough, coarse_edges_px=rough.coarse_edges_px[-1:])
                    line = fit_stroke(ink, _again(way, step_px), claim, None, near, free)
                if way is None or is_sure:
                    break
        others = nothing
        neighbours: tuple[Stroke, ...] = ()
        if self.joint and labelled is not None:
            neighbours = self._neighbours(ink, labelled, line)
            for neighbour in neighbours:
                np.maximum(others, neighbour.coverage(ink.shape) * np.float32(0.98), out=others)
        on_samples = self._on_samples(ink, line, claim, others) if self.samples and all(free) else None
        if on_samples is not None:
            return Explained(on_samples, neighbours, ink, target, others)
        final = replace(self.fit, coarse_edges_px=())
        line = fit_stroke(ink, _again(line, step_px), claim, others, final, free)
        return Explained(line, neighbours, ink, target, others)

    def _better_way(self, scene: Scene, line: Stroke, scale: GridScale) -> tuple[Stroke | None, bool]:
        """
        Return a line that goes another way through the ink, if one is clearly better.

        And whether it was sought on a comb that the line itself tells of.
        """
        step_px = float(np.median(np.diff(line.x_px)))
        spacing = _WAY_MM * scale.px_per_mm_x
        combs = find_combs(line, 2 * step_px, 2 * spacing)
        found = next((comb for comb in combs if 0.6 * spacing < comb.spacing_px < 1.4 * spacing), None)
        comb = found or Comb(spacing, float(line.x_px[0]))
        start, end = float(line.x_px[0]), float(line.x_px[-1])
        if scene.margin_px is not None:
            start = scene.extent[0] - 0.5 + scene.width_px / 2
            end = scene.extent[1] + 0.5 - scene.width_px / 2
        first, last = comb.nearest(start), comb.nearest(end)
        n = round((last - first) / comb.spacing_px) + 1
        if n < 3:
            return None, True
        x = np.asarray(first + np.arange(n) * comb.spacing_px, np.float64)
        usual = np.asarray(np.interp(x, line.x_px, line.y_px), np.float64)
        way = find_vertices(scene, x, usual, self.path_costs)
        gain = price(scene, x, usual, self.path_costs, line) - way.cost
        if gain < self.least_gain:
            return None, True
        better = replace(line, x_px=x, y_px=way.y_px)
        if gain - _WORTH * left_aside(scene, line, better) < self.least_gain:
            return None, True
        return better, found is not None

    def _on_samples(
        self,
        ink: NDArray[np.float32],
        line: Stroke,
        claim: NDArray[np.float32],
        others: NDArray[np.float32],
    ) -> Stroke | None:
        """Fit the line with its vertices where it was drawn with them, if the image tells where."""
        step_px = float(np.median(np.diff(line.x_px)))
        longest_px = step_px * max(4.0, _LONGEST_SAMPLE_S * self.fs_hz)
        fine = misfit(ink, line, claim, others)
        best: tuple[float, Comb, Stroke] | None = None
        for comb in find_combs(line, 2 * step_px, longest_px):
            fitted = fit_stroke(
                ink, replace(comb.lay(line), joins=True), claim, others, _LOOSE_FIT, (False, False)
            )
            comb, off = put_right(comb, fitted)
            worse = misfit(ink, fitted, claim, others) / fine
            seen = np.count_nonzero(np.abs(bends(fitted)) > _LEAST_BEND)
            if off > _OFF_COMB or worse > _WORSE_ON_COMB or seen < _FEWEST_BENDS:
                continue
            if best is None or off * worse < best[0]:
                best = (off * worse, comb, fitted)
            if off < _OFF_COMB / 2 and worse < 1.6:
                break
        if best is None:
            return None
        _, comb, fitted = best
        fitted = fit_stroke(ink, comb.lay(fitted), claim, others, _LOOSE_FIT, (False, False))
        comb, _ = put_right(comb, fitted)
        return fit_stroke(ink, comb.lay(fitted), claim, others, _HELD_FIT, (False, False))

    def _unclaimed(
        self, ink: NDArray[np.float32], target: NDArray[np.float32], strange: NDArray[np.float32]
    ) -> float:
        """
        Likelihood of ink that the network gives to nobody.

        Higher where that is much of the ink: the network then overlooks the trace itself, as it does where
        lines are thinner than those it was trained on. Printed names are less.
        """
        dark = (ink > _SURE) & (strange > _SURE)
        seen = int((dark & (target > _SURE)).sum()) / max(int(dark.sum()), 1)
        return float(np.interp(seen, _SEEN, (_OVERLOOKED, self.unclaimed)))

    def _step_px(self, scale: GridScale) -> float:
        sample_px = PAPER_SPEED_MM_PER_S * scale.px_per_mm_x / self.fs_hz
        return sample_px * max(1, int(np.ceil(_DENSEST_PX / sample_px)))

    def _neighbours(
        self, ink: NDArray[np.float32], other: NDArray[np.float32], line: Stroke
    ) -> tuple[Stroke, ...]:
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
            reach = np.asarray(cv2.dilate(part, np.ones((5, 5), np.uint8)), np.float32)
            inside = np.flatnonzero(part.any(axis=0))
            enter, leave = cheapest_path(
                (part * np.minimum(ink[rows, cols], 1))[:, inside[0] : inside[-1] + 1]
            )
            columns = np.arange(inside[0], inside[-1] + 1, dtype=np.float64)
            x, y = _grid_line(columns, (enter + leave) / 2, columns[0], columns[-1], 1.5)
            start = replace(line, x_px=x, y_px=y)
            options = replace(self.fit, steps=10, coarse_steps=6)
            stroke = fit_stroke(ink[rows, cols], start, reach, covered[rows, cols], options, (True, True))
            strokes.append(replace(stroke, x_px=stroke.x_px + cols.start, y_px=stroke.y_px + rows.start))
        return tuple(strokes)

    def read_off(self, found: Explained, scale: GridScale, scan: Upright, width: int) -> LeadSignal:
        """
        Read the samples off the centre line; NaN where nothing on the image speaks for it.

        Parameters
        ----------
        found : Explained
        scale : GridScale
        scan : Upright
            Where the rows of the result are to be given on the image as it came.
        width : int
            Of that image, in px.

        Returns
        -------
        LeadSignal
        """
        line = self._sharpened(found.target)
        at = self._sample_px(found, scale)
        amplitude: FloatArray = -np.interp(at, line.x_px, line.y_px) / (GAIN_MM_PER_MV * scale.px_per_mm_y)
        features = self.features(found, scale)
        confidence = self.calibration.confidence(features)
        hidden = _long_runs(features[:, _SUPPORT] < _LEAST_SUPPORT, round(self.max_hidden_s * self.fs_hz))
        if hidden.all():
            raise TraceNotFoundError("no ink speaks for the trace that was found; check the crop")
        amplitude = amplitude - np.median(amplitude[~hidden])
        amplitude[hidden] = np.nan
        confidence = np.where(hidden, 0.0, np.maximum(confidence, LOWEST_CONFIDENCE))
        columns = np.arange(width, dtype=np.float64)
        x, y = scan.to_scan(line.x_px, line.y_px)
        forward = np.maximum.accumulate(x)  # a steep wave of a turned scan leans back a little
        rows = np.interp(columns, forward, y)
        rows[(columns < x[0] - 0.5) | (columns > x[-1] + 0.5)] = np.nan
        sample_x, _ = scan.to_scan(at, np.interp(at, line.x_px, line.y_px))
        rows[np.isfinite(rows) & (np.interp(columns, np.maximum.accumulate(sample_x), hidden) > 0.5)] = np.nan
        return LeadSignal(
            amplitude_mv=amplitude,
            fs_hz=float(self.fs_hz),
            confidence=confidence,
            scale=scale,
            row_px=rows,
            start_px=float(x[0]),
        )

    def _sample_px(self, found: Explained, scale: GridScale) -> FloatArray:
        """Column of each sample."""
        sample_px = PAPER_SPEED_MM_PER_S * scale.px_per_mm_x / self.fs_hz
        x = found.target.x_px
        n = int((x[-1] - x[0]) / sample_px + _TIME_TOLERANCE_SAMPLES) + 1
        return np.asarray(x[0] + np.arange(n) * sample_px, np.float64)

    def _sharpened(self, line: Stroke) -> Stroke:
        """
        Give back to corners what the fit rounds off.

        A corner between two vertices is cut. Vertices where the line was drawn with them cut none.
        """
        if line.joins:
            return line
        reach = 0.8 * 2 * line.half_width_px
        x, y = line.x_px, line.y_px
        chord = (np.interp(x - reach, x, y) + np.interp(x + reach, x, y)) / 2
        inside = (x - reach > x[0]) & (x + reach < x[-1])
        return replace(line, y_px=np.where(inside, y + self.sharpen * (y - chord), y))

    def features(self, found: Explained, scale: GridScale) -> FloatArray:
        """
        Describe how well the image speaks for each sample; what the confidence rests on.

        Parameters
        ----------
        found : Explained
        scale : GridScale

        Returns
        -------
        ndarray of float, shape (n_samples, 7)
            In the order of `FEATURES`, each in [0, 1] or so: means over the stretch of centre line that is
            nearest to the sample in time.
        """
        line, ink = found.target, np.minimum(found.ink, 1)
        x, y, weight = _points_along(line)
        at = self._sample_px(found, scale)
        step = at[1] - at[0] if len(at) > 1 else 1.0
        nearest = np.clip(np.rint((x - at[0]) / step).astype(int), 0, len(at) - 1)
        model = 1 - (1 - line.coverage(ink.shape)) * (1 - found.others)
        size = 2 * round(line.half_width_px + 2) + 1
        missing = cv2.blur(np.maximum(ink - model, 0) * np.maximum(found.probability, 0.2), (size, size))
        surplus = cv2.blur(np.maximum(model - ink, 0), (size, size))
        reach = cv2.dilate(model, np.ones((5, 5), np.uint8))
        elsewhere = (found.probability * ink * (1 - reach)).sum(axis=0) / (2 * line.half_width_px)
        elsewhere = np.convolve(elsewhere, np.ones(size) / size, mode="same")
        steep = np.abs(np.gradient(line.y_px, line.x_px))
        per_point = [
            1 - _read(found.probability, x, y),
            _read(ink, x, y) * (1 - _read(found.others, x, y)),
            _read(found.others, x, y),
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


def _long_runs(where: NDArray[np.bool_], longest: int) -> NDArray[np.bool_]:
    """
    Mark the runs that are longer than can be bridged.

    Examples
    --------
    >>> _long_runs(np.array([1, 1, 0, 1, 1, 1], dtype=bool), 2).astype(int).tolist()
    [0, 0, 0, 1, 1, 1]
    """
    result = np.zeros_like(where)
    for begin, end in runs(where):
        result[begin:end] = end - begin > longest
    return result


def _extent(own: NDArray[np.float32]) -> tuple[int, int]:
    """First and last column with ink of the target."""
    columns = np.flatnonzero(own.max(axis=0) > _SURE)
    if not len(columns):
        raise TraceNotFoundError("the network found no trace; crop one lead, dark on light paper")
    return int(columns[0]), int(columns[-1])


def _saturated(ink: NDArray[np.float32], target: NDArray[np.float32]) -> NDArray[np.float32]:
    """Ink as the path sees it: a thin or blurred line is nowhere black, and ink all the same."""
    on_line = ink[target > _SURE]
    level = float(np.clip(np.quantile(on_line, 0.8), 0.4, 1)) if len(on_line) else 1.0
    return np.asarray(np.minimum(ink / level, 1), np.float32)


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
    x = np.asarray(start + np.arange(n) * step_px, np.float64)
    x[-1] = max(end, x[-2] + 0.3 * step_px)
    y = np.asarray(np.interp(x, columns, rows), np.float64)
    y[0], y[-1] = rows[0], rows[-1]
    return x, y


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
