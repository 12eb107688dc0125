"""The digitizer that explains the ink: path through it, then the drawn stroke fitted to the image itself."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.digitization.confidence import SUPPORT, Calibration, features
from ecgtrace.digitization.ends import settle_ends
from ecgtrace.digitization.ink import ink_density, runs
from ecgtrace.digitization.ink_map import InkMap, Segmenter
from ecgtrace.digitization.narrow_waves import NarrowWaves
from ecgtrace.digitization.neighbours import Neighbours, covered_by
from ecgtrace.digitization.on_samples import OnSamples
from ecgtrace.digitization.path_start import PathStart
from ecgtrace.digitization.postprocess import LOWEST_CONFIDENCE
from ecgtrace.digitization.scale import find_scale
from ecgtrace.digitization.skew import Upright, upright
from ecgtrace.digitization.stroke import (
    DEFAULT_FIT,
    FitOptions,
    Stroke,
    fit_stroke,
    laid_evenly,
    noise_of,
)
from ecgtrace.errors import ConfigError, TraceNotFoundError
from ecgtrace.stages import stage
from ecgtrace.types import FloatArray, GridScale, LeadSignal
from ecgtrace.units import GAIN_MM_PER_MV, PAPER_SPEED_MM_PER_S, px_to_s

_DENSEST_PX = 0.6  # vertices are not closer than this: the image says no more
_ROUGH: dict[str, Any] = {"coarse_steps": 8, "steps": 8, "tolerance": 2e-3}
_COVERED = 0.3  # of a px: a fitted line has an edge
_KEPT = 0.95  # of the path's ink: fits of 60 leads of drawn pages kept all of it, or lost over 7 %
_LEAST_SUPPORT = 0.25  # of the ink under a sample that no neighbour explains
_TIME_TOLERANCE_SAMPLES = 0.25
_HELD = (False, False)  # ends: the fit before has found them


class Explained(NamedTuple):
    """What the digitizer found in a crop, before it is read off."""

    target: Stroke
    neighbours: tuple[Stroke, ...]
    ink: InkMap
    others: NDArray[np.float32]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class RefinedDigitizer:
    """
    Digitize a crop by explaining its ink.

    1. The scan is turned upright (`skew`), its scale found (`grid`).
    2. The network tells the ink of the target and that of the neighbours (two channels; both may be on), and
       the picture how much ink there is (`ink`): together an `InkMap`.
    3. A path through ink that is the target's starts the fit (`path_start`).
    4. The stroke that was drawn is fitted to the ink density of the image (`stroke.fit_stroke`): the vertices
       of its centre line, width, edge, darkness, beginning and end.
    5. The neighbours are fitted in the same way to their ink, and the target once more with their share of
       each pixel explained (`neighbours`).
    6. Its ends are settled: no pulse, no bar, no lead of the next column (`ends`).
    7. Its vertices are put on the samples that it was drawn from, where its bends tell how these lie
       (`on_samples`), else much closer. Then it is fitted again, the smoother the more noise it left in the
       picture, and so are narrow waves that went astray (`narrow_waves`).
    8. A fit that covers less of the target's ink than the path went astray: it is done again without samples,
       and without soft edges.
    9. The signal is read off the centre line; time 0 is its first point.

    Attributes
    ----------
    segmenter : Segmenter
        The network; or, for a ceiling, `ink_map.TrueMask`.
    fs_hz : float
        Sampling frequency of the result in Hz. Vertices stand at the samples, or at every second, third, ...
        of them where the paper is scanned coarser than that.
    px_per_mm : float or None
        Overrides the detection of the grid.
    start : PathStart
    fit : FitOptions or None
        None reads the path.
    narrow_waves : NarrowWaves or None
    neighbours : Neighbours or None
    ends : bool
    on_samples : OnSamples or None
        What is None is left out, to see what it is worth.
    sharpen : float
        Corners come out a little too round where the samples are not known: each point moves away from the
        chord over 1.6 line widths by this share of its distance. Measured on validation crops (+1.6 dB
        without overlap) and on crops of the published dataset's own generator (+0.8 dB).
    deskew : bool
        Whether a scan that lies askew is turned upright first (`skew.find_skew`).
    max_hidden_s : float
        Where no ink speaks for the trace for longer than this, samples are NaN with confidence 0.
    calibration : Calibration
    name : str
        Name of the digitizer in tables.
    """

    segmenter: Segmenter | None = None
    fs_hz: float = 500.0
    px_per_mm: float | None = None
    start: PathStart = field(default_factory=PathStart)
    fit: FitOptions | None = DEFAULT_FIT
    narrow_waves: NarrowWaves | None = field(default_factory=NarrowWaves)
    neighbours: Neighbours | None = field(default_factory=Neighbours)
    ends: bool = True
    on_samples: OnSamples | None = field(default_factory=OnSamples)
    sharpen: float = 0.03
    max_hidden_s: float = 0.06
    deskew: bool = True
    calibration: Calibration = field(default_factory=Calibration)
    name: str = "refined"
    grid: Callable[[NDArray[np.uint8]], GridScale] = field(default=find_scale)

    def __post_init__(self) -> None:
        if self.fs_hz <= 0:
            raise ConfigError(f"fs_hz must be positive, got {self.fs_hz:g}")
        if self.px_per_mm is not None and self.px_per_mm <= 0:
            raise ConfigError(f"px_per_mm must be positive, got {self.px_per_mm:g}")

    @property
    def model(self) -> str:
        """Name of the network and hash of its weights."""
        return "" if self.segmenter is None else self.segmenter.model

    def __call__(self, image: NDArray[np.uint8]) -> LeadSignal:
        """
        Digitize one crop.

        Parameters
        ----------
        image : ndarray of uint8, shape (height, width, 3)
            RGB.

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
        ink = self.find_ink(image, scan, scale)
        with stage("fit"):
            found = self.explain(ink, scale)
        with stage("samples"):
            return self.read_off(found, scale, scan, image.shape[1])

    def find_scale(self, image: NDArray[np.uint8]) -> GridScale:
        """Find the scale of the paper (`scale.find_scale`), unless `px_per_mm` gives it."""
        if self.px_per_mm is not None:
            return GridScale(self.px_per_mm, self.px_per_mm, confidence=1.0)
        return self.grid(image)

    def find_ink(self, image: NDArray[np.uint8], scan: Upright, scale: GridScale) -> InkMap:
        """Tell which ink is whose on the picture turned upright."""
        if self.segmenter is None:
            raise ConfigError("this digitizer has no network; give it a segmenter")
        duration_s = px_to_s(image.shape[1], scale.px_per_mm_x)
        with stage("crops_ink"):
            channels = self.segmenter.channels(image, duration_s=duration_s)
        if scan.angle_deg:
            size = (scan.image.shape[1], scan.image.shape[0])
            channels = np.stack([cv2.warpAffine(part, scan.matrix, size) for part in channels])
        other = channels[1] if len(channels) > 1 else None
        with stage("density"):
            return InkMap(ink_density(scan.image, channels.max(axis=0)), channels[0], other)

    def explain(self, ink: InkMap, scale: GridScale) -> Explained:
        """
        Fit the target's stroke, and those of its neighbours.

        Parameters
        ----------
        ink : InkMap
        scale : GridScale

        Returns
        -------
        Explained

        Raises
        ------
        TraceNotFoundError
            If no ink is likely to be the target's.
        """
        with stage("path"):
            line = self.start(ink, self._step_px(scale))
        if self.fit is None:
            return Explained(line, (), ink, np.zeros(ink.density.shape, np.float32))
        # A fit that leaves ink which the path goes through went astray: on what it took for the samples, or
        # drawn away by ink from afar, which soft edges feel.
        evenly = replace(self, on_samples=None)
        held = replace(evenly, fit=replace(self.fit, coarse_edges_px=()))
        least = _KEPT * _covered(line, ink)
        fits = (way._fitted(line, ink, scale) for way in (self, evenly, held))
        first = next(fits)
        return next((one for one in chain([first], fits) if _covered(one.target, ink) >= least), first)

    def _fitted(self, line: Stroke, ink: InkMap, scale: GridScale) -> Explained:
        """Fit the stroke of a line that goes through the target's ink, and those of its neighbours."""
        assert self.fit is not None
        shape = (ink.density.shape[0], ink.density.shape[1])
        others = np.zeros(shape, np.float32)
        step_px = self._step_px(scale)
        first, last = ink.extent
        free = (first > 0, last < shape[1] - 1)  # ends that the picture does not cut
        claim = ink.claim()
        # Rough where samples are sought: their comb tells itself long before the last tenth of a pixel.
        rough = replace(self.fit, **_ROUGH) if self.on_samples else self.fit
        line = fit_stroke(ink.density, line, claim, None, rough, free)
        strokes: tuple[Stroke, ...] = ()
        if self.neighbours is not None and ink.other is not None:
            for turn in range(self.neighbours.rounds):
                if turn and not strokes:
                    break
                if turn:
                    line = _again(line, step_px)
                    line = fit_stroke(
                        ink.density, line, claim, others, replace(rough, coarse_edges_px=()), free
                    )
                strokes = self.neighbours(ink.density, ink.other, line, self.fit)
                others = covered_by(strokes, shape)
        return self._finish(Explained(line, strokes, ink, others), claim, free, scale)

    def _finish(
        self, found: Explained, claim: NDArray[np.float32], free: tuple[bool, bool], scale: GridScale
    ) -> Explained:
        """Fit the target for the last time: with its vertices on its samples, or else much closer."""
        line, density = found.target, found.ink.density
        if self.on_samples is not None and all(free):
            start, notes = self._settle(found, line, scale)
            fitted = self.on_samples(density, start, claim, found.others, self.fs_hz)
            if fitted is not None:
                return found._replace(target=fitted, notes=notes)
        assert self.fit is not None
        line = _again(line, self._step_px(scale))
        sharp = replace(self.fit, coarse_edges_px=())
        line = fit_stroke(density, line, claim, found.others, sharp, free)
        smooth = sharp.for_noise(noise_of(density, line, claim, found.others))
        line = fit_stroke(density, line, claim, found.others, smooth, _HELD)
        if self.narrow_waves is not None:
            line = self.narrow_waves(line, found.ink, claim, found.others, smooth)
        line, notes = self._settle(found, line, scale)
        return found._replace(target=line, notes=notes)

    def _settle(self, found: Explained, line: Stroke, scale: GridScale) -> tuple[Stroke, tuple[str, ...]]:
        if not self.ends:
            return line, ()
        return settle_ends(line, found.ink.density, found.ink.target, scale)

    def _step_px(self, scale: GridScale) -> float:
        sample_px = PAPER_SPEED_MM_PER_S * scale.px_per_mm_x / self.fs_hz
        return sample_px * max(1, int(np.ceil(_DENSEST_PX / sample_px)))

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
        at = self._sample_px(line, scale)
        amplitude: FloatArray = -np.interp(at, line.x_px, line.y_px) / (GAIN_MM_PER_MV * scale.px_per_mm_y)
        table = features(found.target, found.ink, found.others, at)
        confidence = self.calibration.confidence(table)
        hidden = _long_runs(table[:, SUPPORT] < _LEAST_SUPPORT, round(self.max_hidden_s * self.fs_hz))
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
            notes=found.notes,
        )

    def _sample_px(self, line: Stroke, scale: GridScale) -> FloatArray:
        """Column of each sample."""
        sample_px = PAPER_SPEED_MM_PER_S * scale.px_per_mm_x / self.fs_hz
        x = line.x_px
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


def _covered(line: Stroke, ink: InkMap) -> int:
    """Count the px of the target's ink that a line covers."""
    shape = (ink.own.shape[0], ink.own.shape[1])
    return int(np.count_nonzero(ink.own & (line.coverage(shape) > _COVERED)))


def _again(line: Stroke, step_px: float) -> Stroke:
    """Lay the vertices at even steps from the beginning that the fit found."""
    x, y = laid_evenly(line.x_px, line.y_px, line.x_px[0], line.x_px[-1], step_px)
    return replace(line, x_px=x, y_px=y)
