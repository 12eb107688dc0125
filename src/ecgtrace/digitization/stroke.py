"""
Explain ink by a drawn stroke: a polyline with a width, an edge and a darkness, fitted to the image.

The model of a pixel is ``darkness * coverage``, with the coverage of a stroke of half-width h
``(1 - erf((d - h) / (sqrt(2) e))) / 2`` at distance d of the pixel's centre from the polyline and e the
softness of the edge: anti-aliasing, blur of a scanner, compression. The rows of the vertices are found by
Gauss-Newton steps (Levenberg-Marquardt damping [1]_). A pixel depends on the two ends of the segment next to
it alone, so that the normal equations are banded, and a step over a whole lead takes milliseconds.

References
----------
.. [1] Moré JJ. The Levenberg-Marquardt algorithm: implementation and theory. In: Numerical Analysis,
       Lecture Notes in Mathematics 630, 1978. https://doi.org/10.1007/BFb0067700
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, solveh_banded

from ecgtrace.digitization.stroke_sums import REACH_EDGES, Canvas, accumulate, cover, find_nearest
from ecgtrace.types import FloatArray


@dataclass(frozen=True, eq=False)
class Stroke:
    """
    A drawn line.

    Attributes
    ----------
    x_px, y_px : ndarray of float, shape (n_vertices,)
        Vertices of the centre line; (0, 0) is the centre of the first pixel, x grows strictly.
    half_width_px : float
    cap_px : float
        Radius of the round ends. Where it is not half of the line's width, time 0 would be off by the
        difference: OpenCV draws ends 0.1 px smaller.
    joins : bool
        Whether vertices are joined with that radius, too: those of a line whose vertices are the ones that
        were drawn. By default `False`: with half of the line's width.
    edge_px : float
        Standard deviation of the edge's softness.
    darkness : float
        Ink density of a pixel that is covered.
    """

    x_px: FloatArray
    y_px: FloatArray
    half_width_px: float
    cap_px: float
    edge_px: float = 0.5
    darkness: float = 1.0
    joins: bool = False

    def coverage(self, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Return the share of each pixel of an image that the stroke covers."""
        out = np.zeros(shape, np.float32)
        canvas = Canvas.of(shape)
        reach = self.half_width_px + REACH_EDGES * self.edge_px
        n = find_nearest(self.x_px, self.y_px, reach, 1, *canvas)
        shape_of_line = (self.half_width_px, self.cap_px, self.edge_px, self.joins)
        cover(
            out,
            len(self.x_px),
            *shape_of_line,
            n,
            canvas.squared,
            canvas.segment,
            canvas.place,
            canvas.pixels,
        )
        return out


@dataclass(frozen=True)
class FitOptions:
    """
    How a stroke is fitted.

    Attributes
    ----------
    coarse_edges_px : tuple of float
        The edge is held this soft at first, one after the other: a soft edge feels ink from farther away.
    coarse_steps, steps : int
        Largest number of steps at each coarse edge, and at the end with the edge free.
    corner_weight : float
        Prior on smoothness: cost of one px of second difference, in units of squared ink density. It is
        the absolute value that counts, not the square, so that the corner of a QRS costs no more than the
        same bend spread out.
    tether_weight : float
        Cost of one squared px that a vertex leaves its place on an even grid along x, which it does to
        meet the tip of a wave.
    tolerance : float
        The fit ends when a step lowers the cost by no more than this share.
    """

    coarse_edges_px: tuple[float, ...] = (2.0, 1.0)
    coarse_steps: int = 12
    steps: int = 60
    corner_weight: float = 0.001
    tether_weight: float = 0.3
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        object.__setattr__(self, "coarse_edges_px", tuple(self.coarse_edges_px))  # YAML has lists


DEFAULT_FIT = FitOptions()


def fit_stroke(
    ink: NDArray[np.float32],
    stroke: Stroke,
    claim: NDArray[np.float32],
    others: NDArray[np.float32] | None = None,
    options: FitOptions = DEFAULT_FIT,
    free_ends: tuple[bool, bool] = (True, True),
) -> Stroke:
    """
    Fit the vertices' rows, the width, the edge, the darkness and the two ends of a stroke to ink.

    Parameters
    ----------
    ink : ndarray of float32, shape (height, width)
        Ink density: 0 paper, 1 covered.
    stroke : Stroke
        Where the fit starts.
    claim : ndarray of float32, shape (height, width)
        In [0, 1]: how far the ink of a pixel is this stroke's to explain.
    others : ndarray of float32, shape (height, width), optional
        Coverage by other strokes, in [0, 1): ink that they explain already.
    options : FitOptions, optional
    free_ends : tuple of bool, optional
        Whether the first and the last vertex may move along x; not where the image cuts the line.

    Returns
    -------
    Stroke
    """
    ink = np.ascontiguousarray(ink, np.float32)
    claim = np.ascontiguousarray(claim, np.float32)
    others = np.zeros_like(ink) if others is None else np.ascontiguousarray(others, np.float32)
    ends = (float(stroke.y_px[0]), float(stroke.y_px[-1]))
    fit = _Fit(ink, claim, others, options, free_ends, stroke.x_px.copy(), ends, Canvas.of(ink.shape))
    final_edge = stroke.edge_px
    for edge in options.coarse_edges_px:
        if edge > final_edge:
            stroke = fit.run(replace(stroke, edge_px=edge), options.coarse_steps, free=False)
    return fit.run(replace(stroke, edge_px=final_edge), options.steps, free=True)


def laid_evenly(
    columns: FloatArray, rows: FloatArray, start: float, end: float, step_px: float
) -> tuple[FloatArray, FloatArray]:
    """
    Read rows at even steps from start to end: the vertices of a line to fit.

    Parameters
    ----------
    columns, rows : ndarray of float, shape (n,)
        Points of the line, columns growing.
    start, end, step_px : float

    Returns
    -------
    x_px, y_px : ndarray of float, shape (n_vertices,)
        At least three; the last step may be shorter or longer.

    Examples
    --------
    >>> x, y = laid_evenly(np.arange(5.0), np.array([0.0, 0, 4, 0, 0]), 0.0, 4.2, 1.0)
    >>> x.tolist(), y.tolist()
    ([0.0, 1.0, 2.0, 3.0, 4.2], [0.0, 0.0, 4.0, 0.0, 0.0])
    """
    n = max(3, int((end - start) / step_px + 0.5) + 1)
    x = np.asarray(start + np.arange(n) * step_px, np.float64)
    x[-1] = max(end, x[-2] + 0.3 * step_px)
    y = np.asarray(np.interp(x, columns, rows), np.float64)
    y[0], y[-1] = rows[0], rows[-1]
    return x, y


def misfit(
    ink: NDArray[np.float32],
    stroke: Stroke,
    claim: NDArray[np.float32],
    others: NDArray[np.float32],
) -> float:
    """
    Return what a stroke leaves unexplained: the sum of squares that `fit_stroke` lowers, without priors.

    Parameters
    ----------
    ink, claim, others
        As for `fit_stroke`.
    stroke : Stroke

    Returns
    -------
    float
    """
    model = stroke.darkness * (1 - (1 - others) * (1 - stroke.coverage((ink.shape[0], ink.shape[1]))))
    residual = ink - model
    near = model > 0  # ink elsewhere is no stroke's that could reach it
    return float((np.where(residual > 0, claim, 1.0) * residual**2)[near].sum())


@dataclass(frozen=True, eq=False)
class _Fit:
    ink: NDArray[np.float32]
    claim: NDArray[np.float32]
    others: NDArray[np.float32]
    options: FitOptions
    free_ends: tuple[bool, bool]
    grid: FloatArray
    ends: tuple[float, float]
    canvas: Canvas
    turns: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def reach_px(self) -> float:
        """How far a vertex may leave its place on the grid along x."""
        return 0.4 * float(np.diff(self.grid[:3]).min())

    def sums(self, stroke: Stroke) -> tuple[float, FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return cost, and matrix and right side of the normal equations of vertices and shape."""
        n = len(stroke.x_px)
        normal, gradient = np.zeros((5, 2 * n)), np.zeros(2 * n)
        shape_normal, shape_gradient = np.zeros((6, 6)), np.zeros(6)
        cost = accumulate(
            self.ink,
            self.claim,
            self.others,
            stroke.x_px,
            stroke.y_px,
            stroke.half_width_px,
            stroke.cap_px,
            stroke.edge_px,
            stroke.darkness,
            stroke.joins,
            normal,
            gradient,
            shape_normal,
            shape_gradient,
            next(self.turns),
            *self.canvas,
        )
        bends, _, _ = _bends(stroke)
        cost += 2 * self.options.corner_weight * np.sqrt(bends**2 + _BEND_PX**2).sum()
        cost += self.options.tether_weight * ((stroke.x_px - self.grid)[1:-1] ** 2).sum()
        return cost, normal, gradient, shape_normal, shape_gradient

    def run(self, stroke: Stroke, steps: int, free: bool) -> Stroke:
        """Take damped Gauss-Newton steps until none helps; vertices and shape by turns."""
        damping = 1e-3
        sums = self.sums(stroke)
        for _ in range(steps):
            before = sums[0]
            for _ in range(6):  # damp more until a step helps
                trial = self._move(stroke, sums[1], sums[2], damping, free)
                trial_sums = self.sums(trial)
                if trial_sums[0] <= sums[0]:
                    stroke, sums = trial, trial_sums
                    damping = max(damping / 5, 1e-7)
                    break
                damping *= 8
            if free:
                trial = self._reshape(stroke, sums[3], sums[4])
                trial_sums = self.sums(trial)
                if trial_sums[0] <= sums[0]:
                    stroke, sums = trial, trial_sums
            if before - sums[0] < self.options.tolerance * sums[0]:
                break
        return stroke

    def _move(
        self, stroke: Stroke, normal: FloatArray, gradient: FloatArray, damping: float, free: bool
    ) -> Stroke:
        """Return the stroke after one step of its vertices."""
        bands, right = normal.copy(), gradient.copy()
        bends, before, after = _bends(stroke)
        weight = self.options.corner_weight / np.sqrt(bends**2 + _BEND_PX**2)
        factors = (before, -np.ones_like(before), after)
        for i, factor in enumerate(factors):
            right[1 + 2 * i : 1 + 2 * (i + len(bends)) : 2] -= 2 * factor * weight * bends
            for j in range(i + 1):
                at = slice(1 + 2 * j, 1 + 2 * (j + len(bends)), 2)
                bands[2 * (i - j), at] += 2 * factor * factors[j] * weight
        tether = np.full(len(stroke.x_px), self.options.tether_weight if free else _HELD)
        tether[[0, -1]] = _HELD  # the ends move with the shape
        bands[0, ::2] += tether
        right[::2] -= tether * (stroke.x_px - self.grid) * (tether < _HELD)
        bands[0] += damping * (bands[0] + 1.0) + 1e-4
        try:
            step = solveh_banded(bands, right, lower=True)
        except LinAlgError:
            return stroke
        limit = 4.0 if free else 20.0
        x = stroke.x_px + np.clip(step[::2], -0.3, 0.3)
        # Vertices keep their order.
        inner = np.clip(x[1:-1], self.grid[1:-1] - self.reach_px, self.grid[1:-1] + self.reach_px)
        x[1:-1] = inner
        x[0] = min(x[0], x[1] - _SHORTEST_PX)
        x[-1] = max(x[-1], x[-2] + _SHORTEST_PX)
        y = stroke.y_px + np.clip(step[1::2], -limit, limit)
        # The ends stay near their start: nothing but a corner would keep them from other print beside them.
        leeway = stroke.half_width_px + 1
        y[0] = np.clip(y[0], self.ends[0] - leeway, self.ends[0] + leeway)
        y[-1] = np.clip(y[-1], self.ends[1] - leeway, self.ends[1] + leeway)
        return replace(stroke, x_px=x, y_px=y)

    def _reshape(self, stroke: Stroke, normal: FloatArray, gradient: FloatArray) -> Stroke:
        matrix = np.tril(normal) + np.tril(normal, -1).T + np.diag(0.01 * np.diag(normal) + 1e-3)
        held = ~np.array([True, True, True, True, *self.free_ends])
        matrix[held] = matrix[:, held] = 0
        matrix[held, held] = 1
        step = np.clip(np.linalg.solve(matrix, np.where(held, 0, gradient)), -0.3, 0.3)
        x = stroke.x_px.copy()
        x[0] = min(x[0] + step[4], x[1] - _SHORTEST_PX)
        x[-1] = max(x[-1] + step[5], x[-2] + _SHORTEST_PX)
        half_width = float(np.clip(stroke.half_width_px + step[0], 0.3, 30))
        return replace(
            stroke,
            x_px=x,
            half_width_px=half_width,
            cap_px=float(np.clip(stroke.cap_px + step[1], half_width - 0.4, half_width + 0.1)),
            edge_px=float(np.clip(stroke.edge_px + step[2], 0.2, 6)),
            darkness=float(np.clip(stroke.darkness + step[3], 0.3, 1.3)),
        )


def _bends(stroke: Stroke) -> tuple[FloatArray, FloatArray, FloatArray]:
    """How far each inner vertex lies off the chord of its neighbours, and their shares in the chord."""
    x, y = stroke.x_px, stroke.y_px
    before = (x[2:] - x[1:-1]) / (x[2:] - x[:-2])
    after = 1 - before
    return before * y[:-2] + after * y[2:] - y[1:-1], before, after


_BEND_PX = 0.15  # bends below it are squared, above it their absolute value counts
_SHORTEST_PX = 0.1  # of a segment at an end
_HELD = 1e6
