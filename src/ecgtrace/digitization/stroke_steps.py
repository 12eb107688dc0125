"""The compiled steps of the fit of a stroke, whose sums over pixels are those of `stroke_sums`."""

import math

import numpy as np
from numba import njit

from ecgtrace.digitization.stroke_sums import accumulate

_BANDS = 5  # the diagonal and the four below it: a bend mixes three vertices
_BEND_PX = 0.15  # bends below it are squared, above it their absolute value counts
_SHORTEST_PX = 0.1  # of a segment at an end
_SHARE = 0.45  # of the way to the next vertex
_HELD = 1e6
_TRIALS = 6  # each damped more than the one before
_compiled = njit(cache=True, fastmath=True, nogil=True)


@_compiled
def _copy(source, to):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Copy a vector. Assigning to slices takes numba seconds to compile."""
    for i in range(len(source)):
        to[i] = source[i]


@_compiled
def _clear(matrix, right):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for i in range(len(right)):
        right[i] = 0.0
        for j in range(matrix.shape[1]):
            matrix[i, j] = 0.0


@_compiled
def _sums(  # type: ignore[no-untyped-def]
    data, x, y, shape, joins, grid, weights, normal, gradient, shape_normal, shape_gradient, now, canvas
):  # pragma: no cover - compiled  # fmt: skip
    """Write the normal equations of vertices and shape; return the cost with that of the priors."""
    _clear(normal, gradient)
    _clear(shape_normal, shape_gradient)
    ink, claim, others = data
    cost = accumulate(
        ink, claim, others, x, y, shape[0], shape[1], shape[2], shape[3], joins,
        normal, gradient, shape_normal, shape_gradient, now, *canvas,
    )  # fmt: skip
    corner, tether = weights
    for i in range(1, len(x) - 1):
        bend, _, _ = _bend(x, y, i)
        cost += 2 * corner * math.sqrt(bend * bend + _BEND_PX * _BEND_PX)
        cost += tether * (x[i] - grid[i]) ** 2
    return cost


@_compiled
def _bend(x, y, i):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """How far an inner vertex lies off the chord of its neighbours, and the shares of these in the chord."""
    before = (x[i + 1] - x[i]) / (x[i + 1] - x[i - 1])
    after = 1 - before
    return before * y[i - 1] + after * y[i + 1] - y[i], before, after


@_compiled
def _solve(bands, right):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """
    Solve a symmetric banded system in place; tell whether it is positive definite.

    `bands[i, k]` is the matrix at (i + k, i). Both are longer by the bands, with nothing there.
    """
    n = len(right) - _BANDS + 1
    for i in range(n):
        pivot = bands[i, 0]
        if pivot <= 0:
            return False
        for k in range(1, _BANDS):
            factor = bands[i, k] / pivot
            for m in range(k, _BANDS):
                bands[i + k, m - k] -= factor * bands[i, m]
            right[i + k] -= factor * right[i]
            bands[i, k] = factor
    for i in range(n - 1, -1, -1):
        value = right[i] / bands[i, 0]
        for k in range(1, _BANDS):
            value -= bands[i, k] * right[i + k]
        right[i] = value
    return True


@_compiled
def _clip(value, low, high):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    return min(max(value, low), high)


@_compiled
def _move(  # type: ignore[no-untyped-def]
    x, y, half_width, grid, ends, weights, reach, is_free, normal, gradient, damping, bands, right, to_x, to_y
):  # pragma: no cover - compiled  # fmt: skip
    """Write the vertices after one step of them."""
    n = len(x)
    corner, tether = weights
    for i in range(len(gradient)):
        right[i] = gradient[i]
        for j in range(_BANDS):
            bands[i, j] = normal[i, j]
    for i in range(1, n - 1):
        bend, before, after = _bend(x, y, i)
        weight = 2 * corner / math.sqrt(bend * bend + _BEND_PX * _BEND_PX)
        factors = (before, -1.0, after)
        for a in range(3):
            row = 2 * (i - 1 + a) + 1
            right[row] -= factors[a] * weight * bend
            for b in range(a + 1):
                bands[2 * (i - 1 + b) + 1, 2 * (a - b)] += factors[a] * factors[b] * weight
    for i in range(n):
        if i == 0 or i == n - 1 or not is_free:  # the ends move with the shape
            bands[2 * i, 0] += _HELD
        else:
            bands[2 * i, 0] += tether
            right[2 * i] -= tether * (x[i] - grid[i])
    for i in range(2 * n):
        bands[i, 0] += damping * (bands[i, 0] + 1.0) + 1e-4
    if not _solve(bands, right):
        _copy(x, to_x)
        _copy(y, to_y)
        return
    limit = 4.0 if is_free else 20.0
    for i in range(n):
        to_x[i] = x[i] + _clip(right[2 * i], -0.3, 0.3)
        to_y[i] = y[i] + _clip(right[2 * i + 1], -limit, limit)
    # Vertices keep their order: those of a line that was fitted before may be close to each other.
    for i in range(1, n - 1):
        left, right = grid[i] - _SHARE * (grid[i] - grid[i - 1]), grid[i] + _SHARE * (grid[i + 1] - grid[i])
        to_x[i] = _clip(to_x[i], max(left, grid[i] - reach), min(right, grid[i] + reach))
    to_x[0] = min(to_x[0], to_x[1] - _SHORTEST_PX)
    to_x[n - 1] = max(to_x[n - 1], to_x[n - 2] + _SHORTEST_PX)
    # The ends stay near their start: nothing but a corner would keep them from other print beside them.
    leeway = half_width + 1
    to_y[0] = _clip(to_y[0], ends[0] - leeway, ends[0] + leeway)
    to_y[n - 1] = _clip(to_y[n - 1], ends[1] - leeway, ends[1] + leeway)


@_compiled
def _reshape(x, shape, held, normal, gradient, to_x, to_shape):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Write width, cap, edge, darkness and the two ends after one step of them."""
    n = len(x)
    matrix, step = np.empty((6, 6)), np.empty(6)
    for a in range(6):
        for b in range(6):
            matrix[a, b] = normal[max(a, b), min(a, b)]
        matrix[a, a] += 0.01 * normal[a, a] + 1e-3
        step[a] = gradient[a]
    for a in range(4, 6):
        if held[a - 4]:
            for b in range(6):
                matrix[a, b] = matrix[b, a] = 0.0
            matrix[a, a] = 1.0
            step[a] = 0.0
    # Eliminated by hand: LAPACK takes numba seconds to compile. The matrix is positive definite.
    for a in range(6):
        for b in range(a + 1, 6):
            factor = matrix[b, a] / matrix[a, a]
            for c in range(a, 6):
                matrix[b, c] -= factor * matrix[a, c]
            step[b] -= factor * step[a]
    for a in range(5, -1, -1):
        for b in range(a + 1, 6):
            step[a] -= matrix[a, b] * step[b]
        step[a] /= matrix[a, a]
    for a in range(6):
        step[a] = _clip(step[a], -0.3, 0.3)
    _copy(x, to_x)
    to_x[0] = min(x[0] + step[4], x[1] - _SHORTEST_PX)
    to_x[n - 1] = max(x[n - 1] + step[5], x[n - 2] + _SHORTEST_PX)
    half_width = _clip(shape[0] + step[0], 0.3, 30.0)
    to_shape[0] = half_width
    to_shape[1] = _clip(shape[1] + step[1], half_width - 0.4, half_width + 0.1)
    to_shape[2] = _clip(shape[2] + step[2], 0.2, 6.0)
    to_shape[3] = _clip(shape[3] + step[3], 0.3, 1.3)


@_compiled
def take_steps(  # type: ignore[no-untyped-def]
    data, x, y, shape, joins, grid, ends, held, weights, reach, tolerance, steps, is_free, now, canvas
):  # pragma: no cover - compiled  # fmt: skip
    """
    Take damped Gauss-Newton steps until none helps, vertices and shape by turns; return the last turn.

    Parameters
    ----------
    data : tuple of ndarray of float32, shape (height, width)
        Ink, claim, others, as of `stroke.fit_stroke`.
    x, y, shape : ndarray of float
        The stroke, which is changed: its vertices; half-width, cap, edge and darkness.
    joins : bool
    grid : ndarray of float
        Where the vertices lie along x, within `reach`.
    ends : tuple of float
        Rows of the two ends at the start.
    held : tuple of bool
        Whether the ends stay where they are along x.
    weights : tuple of float
        Of corners and of the tether.
    reach, tolerance : float
    steps : int
    is_free : bool
        Whether the shape is fitted, too, and vertices move along x.
    now : int
        The canvas has no turn above it.
    canvas : tuple of ndarray
        As of `stroke_sums.Canvas`.
    """
    n = len(x)
    rows = 2 * n + _BANDS - 1
    normal, gradient = np.zeros((rows, _BANDS)), np.zeros(rows)
    other_normal, other_gradient = np.zeros((rows, _BANDS)), np.zeros(rows)
    sums, other_sums = (np.zeros((6, 6)), np.zeros(6)), (np.zeros((6, 6)), np.zeros(6))
    bands, right = np.empty((rows, _BANDS)), np.empty(rows)
    to_x, to_y, to_shape = np.empty(n), np.empty(n), np.empty(4)
    damping = 1e-3
    now += 1
    cost = _sums(data, x, y, shape, joins, grid, weights, normal, gradient, sums[0], sums[1], now, canvas)
    for _ in range(steps):
        before = cost
        for _ in range(_TRIALS):
            _move(
                x, y, shape[0], grid, ends, weights, reach, is_free, normal, gradient, damping,
                bands, right, to_x, to_y,
            )  # fmt: skip
            now += 1
            trial = _sums(
                data, to_x, to_y, shape, joins, grid, weights,
                other_normal, other_gradient, other_sums[0], other_sums[1], now, canvas,
            )  # fmt: skip
            if trial <= cost:
                cost = trial
                _copy(to_x, x)
                _copy(to_y, y)
                normal, other_normal = other_normal, normal
                gradient, other_gradient = other_gradient, gradient
                sums, other_sums = other_sums, sums
                damping = max(damping / 5, 1e-7)
                break
            damping *= 8
        if is_free:
            _reshape(x, shape, held, sums[0], sums[1], to_x, to_shape)
            now += 1
            trial = _sums(
                data, to_x, y, to_shape, joins, grid, weights,
                other_normal, other_gradient, other_sums[0], other_sums[1], now, canvas,
            )  # fmt: skip
            if trial <= cost:
                cost = trial
                _copy(to_x, x)
                _copy(to_shape, shape)
                normal, other_normal = other_normal, normal
                gradient, other_gradient = other_gradient, gradient
                sums, other_sums = other_sums, sums
        if before - cost < tolerance * cost:
            break
    return now
