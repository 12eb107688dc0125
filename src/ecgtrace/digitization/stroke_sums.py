"""The compiled sums over pixels that a stroke and its fit rest on; `stroke` calls them."""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ecgtrace.types import FloatArray

REACH_EDGES = 3.0  # so many softnesses from its edge, a stroke covers 0.1 % of a pixel
_SLACK = 1e-6  # px, so that rounding leaves no pixel between two segments
_FAR = 5.5  # softnesses from the edge where a pixel is covered, or not, to 2e-8
_PER_EDGE = 128  # steps of the table of the edge: straight lines between them are right to 4e-6


def _edge_table() -> FloatArray:
    """Return cover and its slope at even steps across an edge: erfc for each pixel takes far longer."""
    z = np.arange(-_FAR, _FAR + 1.5 / _PER_EDGE, 1 / _PER_EDGE)
    cover = [0.5 * math.erfc(value / math.sqrt(2)) for value in z.tolist()]
    return np.stack([np.array(cover), np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)], axis=1)


_EDGE = _edge_table()


class Canvas(NamedTuple):
    """What `find_nearest` writes on, made once for many strokes: nothing is wiped in between."""

    squared: FloatArray  # distance of a pixel to the centre line
    segment: NDArray[np.int32]
    place: FloatArray  # on the segment, 0 to 1
    turn: NDArray[np.int32]  # when the pixel was last written
    pixels: NDArray[np.int32]  # row and column of those written

    @classmethod
    def of(cls, shape: tuple[int, int]) -> "Canvas":
        """Return one for an image of this shape."""
        size = shape[0] * shape[1]
        return cls(
            np.empty(shape),
            np.empty(shape, np.int32),
            np.empty(shape),
            np.zeros(shape, np.int32),
            np.empty((size, 2), np.int32),
        )


@njit(cache=True, fastmath=True, nogil=True)
def find_nearest(px, py, reach, now, squared, segment, place, turn, pixels):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """
    Find the point of a polyline that is nearest to each pixel within reach; return how many there are.

    Segment by segment: a steep wave is tall, but each of its segments is narrow. Of a row of pixels a segment
    sees those alone that lie beside it, or in the wedge outside of its bend to the next: to all others a
    vertex of its neighbours is as near.
    """
    height, width = squared.shape
    limit = reach * reach
    n = 0
    last = len(px) - 2
    for k in range(last + 1):
        ax, ay, bx, by = px[k], py[k], px[k + 1], py[k + 1]
        dx, dy = bx - ax, by - ay
        scale = 1.0 / (dx * dx + dy * dy)
        slope = dy / dx
        following = slope if k == last else (py[k + 2] - by) / (px[k + 2] - bx)
        left = max(0.0, min(ax, bx) - reach)
        right = min(width - 1.0, max(ax, bx) + reach)
        top = max(0, math.ceil(min(ay, by) - reach))
        bottom = min(height - 1, math.floor(max(ay, by) + reach))
        for r in range(top, bottom + 1):
            begin, end = left, right
            if k > 0:
                begin = max(begin, ax - (r - ay) * slope - _SLACK)
            if k < last:
                lean = min(slope, following) if r > by else max(slope, following)
                end = min(end, bx - (r - by) * lean + _SLACK)
            for c in range(math.ceil(begin), math.floor(end) + 1):
                t = ((c - ax) * dx + (r - ay) * dy) * scale
                t = min(max(t, 0.0), 1.0)
                ex, ey = c - ax - t * dx, r - ay - t * dy
                d = ex * ex + ey * ey
                if d >= limit:
                    continue
                if turn[r, c] != now:
                    turn[r, c] = now
                    pixels[n, 0], pixels[n, 1] = r, c
                    n += 1
                elif d >= squared[r, c]:
                    continue
                squared[r, c], segment[r, c], place[r, c] = d, k, t
    return n


@njit(cache=True, fastmath=True, nogil=True, inline="always")
def _edge_at(z):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Return what is covered so many softnesses from an edge, and how fast that falls."""
    if z <= -_FAR:
        return 1.0, 0.0
    if z >= _FAR:
        return 0.0, 0.0
    at = (z + _FAR) * _PER_EDGE
    i = int(at)
    t = at - i
    covered = _EDGE[i, 0] + t * (_EDGE[i + 1, 0] - _EDGE[i, 0])
    return covered, _EDGE[i, 1] + t * (_EDGE[i + 1, 1] - _EDGE[i, 1])


@njit(cache=True, fastmath=True, nogil=True)
def cover(out, n_vertices, half_width, cap, edge, joins, n, squared, segment, place, pixels):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Write what a stroke covers of each of the pixels that `find_nearest` listed."""
    for i in range(n):
        r, c = pixels[i]
        k, t = segment[r, c], place[r, c]
        at_end = (k == 0 and t == 0.0) or (k == n_vertices - 2 and t == 1.0)
        at_join = joins and (t == 0.0 or t == 1.0)
        radius = cap if at_end or at_join else half_width
        out[r, c] = _edge_at((math.sqrt(squared[r, c]) - radius) / edge)[0]


@njit(cache=True, fastmath=True, nogil=True)
def _add(normal, gradient, i, nx, ny, t, w, residual):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Add one pixel, whose model grows by n as its segment's point at t moves, to the normal equations."""
    j = (nx * (1 - t), ny * (1 - t), nx * t, ny * t)
    for a in range(4):
        gradient[i + a] += w * j[a] * residual
        for b in range(a + 1):
            normal[i + b, a - b] += w * j[a] * j[b]


@njit(cache=True, fastmath=True, nogil=True)
def accumulate(  # type: ignore[no-untyped-def]
    ink,
    claim,
    others,
    px,
    py,
    half_width,
    cap,
    edge,
    darkness,
    joins,
    normal,
    gradient,
    shape_normal,
    shape_gradient,
    now,
    squared,
    segment,
    place,
    turn,
    pixels,
):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """
    Sum the normal equations of all pixels; return the cost.

    The unknowns are x and y of the vertices by turns. A pixel mixes the two ends of one segment, so that of
    each column `normal` holds the diagonal and the three below it. `shape_*` are those of half-width, cap,
    edge, darkness, and x of the two ends.
    """
    n = len(px)
    cost = 0.0
    for i in range(
        find_nearest(px, py, half_width + REACH_EDGES * edge, now, squared, segment, place, turn, pixels)
    ):
        r, c = pixels[i]
        k, t = segment[r, c], place[r, c]
        d = math.sqrt(squared[r, c])
        at_start = k == 0 and t == 0.0
        at_end = k == n - 2 and t == 1.0
        is_round = at_start or at_end or (joins and (t == 0.0 or t == 1.0))
        z = (d - (cap if is_round else half_width)) / edge
        cover, fall = _edge_at(z)
        left = 1.0 - others[r, c]
        model = darkness * (1.0 - left * (1.0 - cover))
        residual = ink[r, c] - model
        # Paper speaks against the stroke wherever it lies; ink speaks for it as far as it is its own.
        w = claim[r, c] if residual > 0 else 1.0
        bell = darkness * left * fall / edge  # - d model / d d
        cost += w * residual * residual
        nx, ny = 0.0, 0.0
        if d > 1e-9:
            nx = (c - px[k] - t * (px[k + 1] - px[k])) / d
            ny = (r - py[k] - t * (py[k + 1] - py[k])) / d
        _add(normal, gradient, 2 * k, bell * nx, bell * ny, t, w, residual)
        j = (
            0.0 if is_round else bell,
            bell if is_round else 0.0,
            bell * z,
            model / darkness,
            bell * nx if at_start else 0.0,
            bell * nx if at_end else 0.0,
        )
        for a in range(6):
            shape_gradient[a] += w * j[a] * residual
            for b in range(a + 1):
                shape_normal[a, b] += w * j[a] * j[b]
    return cost
