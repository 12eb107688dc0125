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

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ecgtrace.digitization.stroke_steps import take_steps
from ecgtrace.digitization.stroke_sums import REACH_EDGES, Canvas, cover, find_nearest
from ecgtrace.types import FloatArray

_TOUCHED = 0.05  # of a pixel
_REACH = 0.4  # of the distance of two vertices, that one may leave its place along x


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
    corner_per_noise, most_corner_weight : float
        The corner's cost is at least so many times the noise of the picture, and at the most so high: what is
        likeliest weighs a prior by the variance of what it is weighed against.
    """

    coarse_edges_px: tuple[float, ...] = (2.0, 1.0)
    coarse_steps: int = 12
    steps: int = 60
    corner_weight: float = 0.001
    tether_weight: float = 0.3
    tolerance: float = 1e-4
    corner_per_noise: float = 1.0
    most_corner_weight: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "coarse_edges_px", tuple(self.coarse_edges_px))  # YAML has lists

    def for_noise(self, noise: float) -> "FitOptions":
        """Return the options for a picture with so much noise (`noise_of`)."""
        weight = min(self.corner_per_noise * noise, self.most_corner_weight)
        return replace(self, corner_weight=max(self.corner_weight, weight))


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
    fit = _Fit((ink, claim, others), options, stroke, free_ends)
    final_edge = stroke.edge_px
    for edge in options.coarse_edges_px:
        if edge > final_edge:
            stroke = fit(replace(stroke, edge_px=edge), options.coarse_steps, is_free=False)
    return fit(replace(stroke, edge_px=final_edge), options.steps, is_free=True)


class _Fit:
    """Takes steps from a stroke; what they share is made once."""

    def __init__(
        self,
        data: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]],
        options: FitOptions,
        start: Stroke,
        free_ends: tuple[bool, bool],
    ) -> None:
        self._data, self._options = data, options
        self._grid = start.x_px.copy()
        self._ends = (float(start.y_px[0]), float(start.y_px[-1]))
        self._held = (not free_ends[0], not free_ends[1])
        self._canvas = Canvas.of((data[0].shape[0], data[0].shape[1]))
        self._turn = 0

    def __call__(self, stroke: Stroke, steps: int, is_free: bool) -> Stroke:
        x, y = (np.array(values, np.float64) for values in (stroke.x_px, stroke.y_px))
        shape = np.array([stroke.half_width_px, stroke.cap_px, stroke.edge_px, stroke.darkness])
        self._turn = take_steps(
            self._data,
            x,
            y,
            shape,
            stroke.joins,
            self._grid,
            self._ends,
            self._held,
            (float(self._options.corner_weight), float(self._options.tether_weight)),
            _REACH * float(np.diff(self._grid[:3]).min()),
            float(self._options.tolerance),
            steps,
            is_free,
            self._turn,
            tuple(self._canvas),
        )
        half_width, cap, edge, darkness = shape.tolist()
        return replace(
            stroke, x_px=x, y_px=y, half_width_px=half_width, cap_px=cap, edge_px=edge, darkness=darkness
        )


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
    squares, coverage = _residual(ink, stroke, claim, others)
    return float(squares[(coverage > 0) | (others > 0)].sum())  # other ink is no stroke's that could reach it


def unexplained(
    ink: NDArray[np.float32],
    stroke: Stroke,
    claim: NDArray[np.float32],
    others: NDArray[np.float32],
) -> float:
    """Return the same as `misfit`, with the ink that the stroke does not come near."""
    return float(_residual(ink, stroke, claim, others)[0].sum())


def noise_of(
    ink: NDArray[np.float32],
    stroke: Stroke,
    claim: NDArray[np.float32],
    others: NDArray[np.float32],
) -> float:
    """Return the mean square of what `misfit` sums, over the pixels that the stroke touches."""
    squares, coverage = _residual(ink, stroke, claim, others)
    return float(squares[(coverage > 0) | (others > 0)].sum()) / max(1, int((coverage > _TOUCHED).sum()))


def _residual(
    ink: NDArray[np.float32],
    stroke: Stroke,
    claim: NDArray[np.float32],
    others: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return for each pixel the square of what a stroke leaves unexplained, and the stroke's coverage."""
    coverage = stroke.coverage((ink.shape[0], ink.shape[1]))
    residual = ink - stroke.darkness * (1 - (1 - others) * (1 - coverage))
    return np.where(residual > 0, claim, np.float32(1)) * residual**2, coverage
