"""
The way through the ink that a plotted line can have taken: straight from sample to sample, from tip to tip.

`ink_path` finds the cheapest way pixel by pixel. Where other leads run through the crop, that way may change
from one trace to another wherever their ink touches. Four things that it does not know tell them apart:

* A plotted line is straight between its samples, and its centre lies half a width inside the ink. A leap from
  one steep wave to the next is seldom both.
* A crop is cut as closely as its lead: the target alone reaches the same distance from all four edges. So it
  passes the row that lies so far below the upper edge, and that above the lower one.
* Ink that leaves the crop at the top or at the bottom is another lead's, back to where it meets more ink.
* Leads lie above each other. Where all of them are flat and apart, the target is always the same one from the
  top; only a baseline that wanders over another changes that.

The way through the places of the samples that breaks these least, where the network says that the ink is the
target's, is found by dynamic programming over pairs of rows [1]_: what a bend costs depends on two segments.

References
----------
.. [1] Viterbi A. Error bounds for convolutional codes and an asymptotically optimum decoding algorithm.
       IEEE Trans Inf Theory 1967;13(2):260-269. https://doi.org/10.1109/TIT.1967.1054010
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from ecgtrace.digitization.ink import runs
from ecgtrace.digitization.stroke import Stroke
from ecgtrace.types import FloatArray, GridScale

_INK = 0.5
_BARE = 4.0  # cost of a px of centre line on bare paper
_SLACK_PX = 1.0  # so much nearer to the edge of the ink than half a width, a centre line costs nothing
_SEGMENT_LIMIT = 14.0  # a segment that costs more than this, and so much for each px, is none
_LIMIT_PER_PX = 0.03
_STRANGE = 0.1  # cost of a px of a strand that leaves the crop
_EVIDENCE_PX = 12.0  # of a segment; a steep wave says no more of whose it is than a flat stretch
_LEAST_LIKELY = 0.03
_UNCLAIMED = 0.1
_BEND_PX = 10.0  # changes of slope smaller than this are noise
_MISSING_TIP = 1000.0  # more than all else together, but for a leap over much bare paper
_EVEN_MM = 0.12  # margins that differ by less are the same
_TIP_PX = 2.0
_WIDEST_MARGIN_MM = 2.5
_LONG_PIECE = 0.25  # of the longest
_THIN_SHARE = 0.3
_SEEN_PX = 1.5  # lines as wide as this on the network's canvas are told apart as well as wider ones
_MOST_PAIRS, _MOST_SEGMENTS = 2 * 10**7, 3 * 10**6  # more are no picture of lines; tall crops have 1e6
_FLAT = 3.0  # a run of ink of more widths than this is a steep wave, or several lines


@dataclass(frozen=True)
class PathCosts:
    """
    What a way through the ink pays for.

    Attributes
    ----------
    evidence : float
        Weight of minus the logarithm of the probability that the ink is the target's, for each px of a
        segment up to 12.
    bend : float
        Of a slope that turns over at a sample; smaller changes cost their share.
    rank : float
        Of a sample on another line of those that lie above each other, by their order from the top.
    """

    evidence: float = 0.3
    bend: float = 1.0
    rank: float = 16.0


DEFAULT_COSTS = PathCosts()


@dataclass(frozen=True, eq=False)
class Scene:
    """
    The ink of a crop, as ways through it see it.

    Attributes
    ----------
    ground : ndarray of float32, shape (height, width)
        Cost of a px of centre line, by how deep in the ink it lies.
    doubt : ndarray of float32, shape (height, width)
        Minus the logarithm of the probability that the ink is the target's, as far as the network can tell.
    depth : ndarray of float32, shape (height, width)
        Distance to the edge of the ink in px.
    width_px : float
        Of the line.
    margin_px : float or None
        Bare paper on all four sides of the target's ink, if they agree; else nothing is known of its tips.
    extent : tuple of int
        First and last column with ink.
    own : ndarray of bool, shape (height, width)
        Ink that the network gives to the target.
    trust : float
        In (0, 1]: how far the network can tell.
    """

    ground: NDArray[np.float32]
    doubt: NDArray[np.float32]
    depth: NDArray[np.float32]
    width_px: float
    margin_px: float | None
    extent: tuple[int, int]
    own: NDArray[np.bool_]
    trust: float


class VertexPath(NamedTuple):
    """Rows of the centre line at the samples, shape (n_samples,), and what they cost."""

    y_px: FloatArray
    cost: float


def thin_width(ink: NDArray[np.bool_]) -> float:
    """
    Estimate the width of a line from all ink, steep waves and thick crossings among it.

    The shorter of the two runs of ink, along the row and along the column, that go through a pixel is as
    long as the line is wide, or longer; a low quantile of it is taken.

    Parameters
    ----------
    ink : ndarray of bool, shape (height, width)

    Returns
    -------
    float
        Width in px, at least 1.

    Examples
    --------
    A flat line two rows thick that goes on as a wall of three columns:

    >>> ink = np.zeros((30, 40), bool)
    >>> ink[14:16, :30] = ink[:, 30:33] = True
    >>> thin_width(ink)
    2.0
    """
    if not ink.any():
        return 1.0
    shorter = np.minimum(_run_length(ink), _run_length(ink.T).T)[ink]
    return float(max(np.quantile(shorter, _THIN_SHARE), 1.0))


def _run_length(ink: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Length of the vertical run of ink through each pixel."""
    index = np.arange(len(ink))[:, None]
    above = np.maximum.accumulate(np.where(ink, -1, index), axis=0)
    below = np.minimum.accumulate(np.where(ink, len(ink), index)[::-1], axis=0)[::-1]
    return np.asarray(below - above - 1, np.int64)


def look(
    dark: NDArray[np.float32],
    target: NDArray[np.float32],
    other: NDArray[np.float32] | None,
    scale: GridScale,
    closely_cut: bool = True,
    shrunk: float = 1.0,
) -> Scene:
    """
    Describe the ink of a crop.

    Parameters
    ----------
    dark : ndarray of float32, shape (height, width)
        Ink density, 1 where the line is darkest.
    target, other : ndarray of float32, shape (height, width)
        Probability of ink of the target, and of the neighbours where it is known.
    scale : GridScale
    closely_cut : bool, optional
        Whether the edges of the crop may say where the target lies.
    shrunk : float, optional
        Height of a px of the crop on the network's canvas. Of a line thinner than 1.5 px there, the network
        knows less whose it is: its word counts with the square.

    Returns
    -------
    Scene
    """
    ink = dark > _INK
    width_px = thin_width(ink)
    half = width_px / 2
    depth = np.asarray(cv2.distanceTransform(ink.astype(np.uint8), cv2.DIST_L2, 5), np.float32)
    shallow = np.clip(half - _SLACK_PX - depth, 0, None) / half
    ground = np.where(ink, _BARE * shallow**2, _BARE).astype(np.float32)
    strange = 1 - (target if other is None else other)
    likely = target + (1 - target) * np.float32(_UNCLAIMED) * strange
    trust = float(np.clip(width_px * shrunk / _SEEN_PX, 0.1, 1) ** 2)
    doubt = (-np.log(np.clip(likely, _LEAST_LIKELY, 1)) * trust).astype(np.float32)
    extent = _extent(ink)
    margin = _margin(ink, extent, width_px, scale) if closely_cut else None
    if margin is not None:
        ground += np.float32(_STRANGE) * leaving(ink, width_px)
    own = (dark * target > _INK) & ink
    return Scene(ground, doubt, depth, width_px, margin, extent, own, trust)


def _extent(ink: NDArray[np.bool_]) -> tuple[int, int]:
    """First and last column of the long pieces of ink: names and separators between leads are short."""
    n, _, stats, _ = cv2.connectedComponentsWithStats(ink.astype(np.uint8), connectivity=8)
    if n < 2:
        return 0, ink.shape[1] - 1
    left, width = stats[1:, cv2.CC_STAT_LEFT], stats[1:, cv2.CC_STAT_WIDTH]
    long = width >= _LONG_PIECE * width.max()
    return int(left[long].min()), int((left + width)[long].max() - 1)


def _margin(
    ink: NDArray[np.bool_], extent: tuple[int, int], width_px: float, scale: GridScale
) -> float | None:
    """Return the bare paper left and right where both agree and ink comes as near above and below."""
    left, right = extent[0], ink.shape[1] - 1 - extent[1]
    even = abs(left - right) <= max(2.0, _EVEN_MM * scale.px_per_mm_x)
    close = 2 < min(left, right) and max(left, right) < _WIDEST_MARGIN_MM * scale.px_per_mm_x
    if not (even and close):
        return None
    margin = float(max(left, right))
    return margin if all(ink[rows].any() for rows in _tip_rows(margin, width_px, len(ink))) else None


def _tip_rows(margin_px: float, width_px: float, height: int) -> tuple[slice, slice]:
    """Rows where the centre line of the target turns back, at the top and at the bottom."""
    first = margin_px + width_px / 2 - 0.5 - _TIP_PX
    size = math.floor(2 * _TIP_PX) + 1
    top = max(0, math.ceil(first))
    bottom = min(height, math.floor(height - 1 - first) + 1)
    return slice(top, top + size), slice(max(0, bottom - size), bottom)


def leaving(ink: NDArray[np.bool_], width_px: float) -> NDArray[np.bool_]:
    """
    Mark the strands of ink that leave a picture at the top or at the bottom.

    A strand is followed row by row while it is no wider than the line; over a crossing as far as it goes on
    straight behind it.

    Parameters
    ----------
    ink : ndarray of bool, shape (height, width)
    width_px : float
        Of the line.

    Returns
    -------
    ndarray of bool, shape (height, width)

    Examples
    --------
    A line leaves at the top and crosses another, which does not; a block of ink below ends it:

    >>> ink = np.zeros((30, 30), bool)
    >>> ink[:, 8:10] = ink[14:16, 4:26] = ink[24:, 4:26] = True
    >>> leaving(ink, 2.0)[:, 8].nonzero()[0].tolist() == [*range(14), *range(16, 24)]
    True
    >>> bool(leaving(ink, 2.0)[:, 15].any())
    False
    """
    marked = np.zeros(ink.shape, np.bool_)
    _mark_leaving(np.ascontiguousarray(ink), float(width_px), marked)
    return marked


@njit(cache=True)
def _run_at(ink, r, x):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Return the run of ink of a row at a place, or one within 2 px of it; (-1, -1) where there is none."""
    width = ink.shape[1]
    at = int(x + 0.5)
    for step in (0, -1, 1, -2, 2):
        c = at + step
        if 0 <= c < width and ink[r, c]:
            low, high = c, c
            while low > 0 and ink[r, low - 1]:
                low -= 1
            while high < width - 1 and ink[r, high + 1]:
                high += 1
            return low, high
    return -1, -1


@njit(cache=True)
def _follow(ink, row, x, step, line_width, marked):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Mark one strand from the edge on."""
    height = ink.shape[0]
    seen_x, seen_row = np.zeros(height), np.zeros(height)
    n, skipped = 0, 0
    slope = 0.0
    while 0 <= row < height:
        expected = x + slope * step if n > 0 else x
        low, high = _run_at(ink, row, expected)
        centre = (low + high) / 2
        is_strand = low >= 0 and high - low + 1 <= 1.5 * line_width + 1
        if is_strand and n > 3 and abs(centre - expected) > 2.0 + 0.15 * skipped:
            is_strand = False
        if is_strand:
            seen_x[n], seen_row[n] = centre, row
            n += 1
            marked[row, low : high + 1] = True
            x, skipped = centre, 0
            k = min(n, 16)
            if k >= 4:
                mean_row, mean_x = seen_row[n - k : n].mean(), seen_x[n - k : n].mean()
                off = seen_row[n - k : n] - mean_row
                slope = (off * (seen_x[n - k : n] - mean_x)).sum() / (off * off).sum()
        else:
            skipped += 1
            if n < 8 or skipped > 2.5 * line_width + 2 or low < 0:
                return
            x = expected
        row += step


@njit(cache=True)
def _mark_leaving(ink, line_width, marked):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    height, width = ink.shape
    for row, step in ((0, 1), (height - 1, -1)):
        c = 0
        while c < width:
            if ink[row, c]:
                last = c
                while last < width - 1 and ink[row, last + 1]:
                    last += 1
                if last - c + 1 <= 1.8 * line_width + 2:
                    _follow(ink, row, (c + last) / 2, step, line_width, marked)
                c = last + 1
            c += 1


@njit(cache=True, fastmath=True)
def _segment(ground, doubt, x0, y0, x1, y1, spacing, limit):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Return the cost of a straight segment on the ground, its mean doubt, and its length."""
    height, width = ground.shape
    dx, dy = x1 - x0, y1 - y0
    length = math.sqrt(dx * dx + dy * dy)
    n = max(2, math.ceil(length / spacing))
    cost, unsure = 0.0, 0.0
    for k in range(1, n + 1):
        r = min(max(int(y0 + k / n * dy + 0.5), 0), height - 1)
        c = min(max(int(x0 + k / n * dx + 0.5), 0), width - 1)
        cost += ground[r, c] * length / n
        unsure += doubt[r, c]
        if cost > limit + _LIMIT_PER_PX * length:
            return cost, unsure / k, length
    return cost, unsure / n, length


@njit(cache=True)
def _find_segments(ground, doubt, xs, rows, start, kept, spacing, evidence):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """
    List the segments between neighbouring samples that lie in ink.

    `kept` holds one node for each sample: segments between these are listed wherever they lie, so that there
    is always a way.
    """
    n = len(xs)
    room = 1 << 16
    left, right, cost = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room)
    begin = np.zeros(n, np.int64)
    m = 0
    for i in range(n - 1):
        begin[i] = m
        for a in range(start[i], start[i + 1]):
            for b in range(start[i + 1], start[i + 2]):
                always = a == kept[i] and b == kept[i + 1]
                limit = 1e9 if always else _SEGMENT_LIMIT
                price, unsure, length = _segment(
                    ground, doubt, xs[i], rows[a], xs[i + 1], rows[b], spacing, limit
                )
                if price > limit + _LIMIT_PER_PX * length:
                    continue
                if m >= _MOST_SEGMENTS:
                    return left[:0], right[:0], cost[:0], begin
                if m >= room:
                    room *= 2
                    left = np.concatenate((left, np.empty(room - m, np.int32)))
                    right = np.concatenate((right, np.empty(room - m, np.int32)))
                    cost = np.concatenate((cost, np.empty(room - m)))
                left[m], right[m] = a, b
                cost[m] = price + evidence * unsure * min(length, _EVIDENCE_PX)
                m += 1
    begin[n - 1] = m
    return left[:m].copy(), right[:m].copy(), cost[:m].copy(), begin


@njit(cache=True)
def _bend_cost(before, after, bend):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    return bend * abs(after - before) / (abs(before) + abs(after) + _BEND_PX)


@njit(cache=True)
def _cheapest_way(left, right, cost, begin, rows, zone, off_rank, bend):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """
    Return the nodes of the cheapest way, and its cost.

    A state is a segment and which of the two tips (bits of `zone`) the way has passed.
    """
    n, m = len(begin), len(left)
    total = np.full((m, 4), 1e15)
    previous, previous_state = np.full((m, 4), -1, np.int64), np.zeros((m, 4), np.int8)
    for e in range(begin[0], begin[1]):
        total[e, zone[left[e]] | zone[right[e]]] = cost[e] + off_rank[left[e]] + off_rank[right[e]]
    # Segments by the node where they end.
    first = np.zeros(len(rows) + 1, np.int64)
    for e in range(m):
        first[right[e] + 1] += 1
    first = np.cumsum(first)
    filled, ending = first.copy(), np.empty(m, np.int64)
    for e in range(m):
        ending[filled[right[e]]] = e
        filled[right[e]] += 1
    for i in range(1, n - 1):
        for e in range(begin[i], begin[i + 1]):
            a = left[e]
            after = rows[right[e]] - rows[a]
            passed = zone[right[e]]
            for q in range(first[a], first[a + 1]):
                p = ending[q]
                step = cost[e] + off_rank[right[e]] + _bend_cost(rows[a] - rows[left[p]], after, bend)
                for s in range(4):
                    value = total[p, s] + step
                    if value < total[e, s | passed]:
                        total[e, s | passed] = value
                        previous[e, s | passed], previous_state[e, s | passed] = p, s
    best, edge, state = 1e18, -1, 0
    for e in range(begin[n - 2], begin[n - 1]):
        for s in range(4):
            value = total[e, s] + _MISSING_TIP * ((1 - (s & 1)) + (1 - (s >> 1)))
            if value < best:
                best, edge, state = value, e, s
    nodes = np.empty(n, np.int64)
    nodes[n - 1] = right[edge]
    for i in range(n - 2, -1, -1):
        nodes[i] = left[edge]
        edge, state = previous[edge, state], previous_state[edge, state]
    return nodes, best


def find_vertices(
    scene: Scene, x_px: FloatArray, usual_y_px: FloatArray, costs: PathCosts = DEFAULT_COSTS
) -> VertexPath:
    """
    Find the rows of the samples of a plotted line.

    Parameters
    ----------
    scene : Scene
    x_px : ndarray of float, shape (n_samples,)
        Columns of the samples, three or more, evenly spaced.
    usual_y_px : ndarray of float, shape (n_samples,)
        A way that always exists, whatever it costs.
    costs : PathCosts, optional

    Returns
    -------
    VertexPath
        The usual way at infinite cost where there is too much ink to look through.
    """
    height, width = scene.depth.shape
    half = scene.width_px / 2
    lowest = 0.0 if scene.margin_px is None else max(0.0, scene.margin_px - _TIP_PX)
    deep = max(0.8, half - 1.3)
    rows: list[float] = []
    start, kept = [0], []
    for x, usual in zip(x_px, np.rint(usual_y_px), strict=True):
        column = scene.depth[:, int(np.clip(np.rint(x), 0, width - 1))] >= deep
        here = [r for r in _node_rows(column, scene.width_px) if lowest <= r <= height - 1 - lowest]
        here = sorted({*here, float(usual)})
        kept.append(len(rows) + here.index(float(usual)))
        rows += here
        start.append(len(rows))
    node_rows, edges = np.asarray(rows), np.asarray(start)
    zone = _zones(scene, node_rows)
    n_nodes = np.diff(edges)
    if (n_nodes[1:] * n_nodes[:-1]).sum() > _MOST_PAIRS:
        return VertexPath(np.asarray(usual_y_px, np.float64), np.inf)
    spacing = max(1.5, 0.3 * scene.width_px)
    left, right, cost, begin = _find_segments(
        scene.ground, scene.doubt, x_px, node_rows, edges, np.asarray(kept), spacing, costs.evidence
    )
    if not len(left):
        return VertexPath(np.asarray(usual_y_px, np.float64), np.inf)
    ranks = _ranks(scene, x_px, np.repeat(np.arange(len(x_px)), np.diff(edges)), node_rows)
    ways = (
        _cheapest_way(
            left,
            right,
            cost,
            begin,
            node_rows,
            zone,
            costs.rank * ((ranks >= 0) & (ranks != rank)),
            costs.bend,
        )
        for rank in range(max(1, int(ranks.max()) + 1))
    )
    nodes, total = min(ways, key=lambda way: float(way[1]))
    return VertexPath(node_rows[nodes], float(total))


def _ranks(scene: Scene, x_px: FloatArray, column: NDArray[np.int64], rows: FloatArray) -> NDArray[np.int64]:
    """
    Say which line from the top each row lies on, where all lines lie apart; -1 elsewhere.

    How many lines there are is what most columns with nothing but flat lines say. One is none to choose from.
    """
    width = scene.depth.shape[1]
    flat: dict[int, NDArray[np.int64]] = {}
    for i, x in enumerate(np.clip(np.rint(x_px), 0, width - 1).astype(int)):
        lines = runs(scene.depth[:, x] > 0)
        length = lines[:, 1] - lines[:, 0]
        if len(lines) and length.max() <= _FLAT * scene.width_px and length.min() > scene.width_px / 2:
            flat[i] = lines
    ranks = np.full(len(rows), -1, np.int64)
    counts = np.bincount([len(lines) for lines in flat.values()]) if flat else np.zeros(1, int)
    n_lines = int(counts.argmax())
    if n_lines < 2:
        return ranks
    for node in np.flatnonzero(np.isin(column, [i for i, lines in flat.items() if len(lines) == n_lines])):
        middle = flat[int(column[node])].mean(axis=1) - 0.5
        ranks[node] = int(np.argmin(np.abs(middle - rows[node])))
    return ranks


def _node_rows(column: NDArray[np.bool_], width_px: float) -> list[float]:
    """Rows of a column that the centre line may pass; every few of them in the run of a steep wave."""
    rows: list[float] = []
    for low, high in runs(column):
        step = 1 if high - low <= 3 * width_px else max(3, round(0.6 * width_px))
        rows += [float(r) for r in range(low, high, step)]
        if (high - 1 - low) % step:
            rows.append(float(high - 1))
    return rows


def _zones(scene: Scene, rows: FloatArray, leeway_px: float = _TIP_PX) -> NDArray[np.int8]:
    """Bit 1 where a row is that of the upper tip, bit 2 for the lower one; both where nothing tells."""
    if scene.margin_px is None:
        return np.full(len(rows), 3, np.int8)
    tip = scene.margin_px + scene.width_px / 2 - 0.5
    off_top, off_bottom = np.abs(rows - tip), np.abs(len(scene.depth) - 1 - rows - tip)
    return (off_top <= leeway_px).astype(np.int8) | ((off_bottom <= leeway_px).astype(np.int8) << 1)


def price(
    scene: Scene,
    x_px: FloatArray,
    y_px: FloatArray,
    costs: PathCosts = DEFAULT_COSTS,
    line: Stroke | None = None,
) -> float:
    """
    Say what a given way costs, by the rules of `find_vertices`.

    Parameters
    ----------
    scene, x_px, costs
        As for `find_vertices`.
    y_px : ndarray of float, shape (n_samples,)
    line : Stroke, optional
        The fitted line that the rows were read from. Whether it passes the tips is then seen between the
        samples, too, and it may stay away from them by 1.5 widths: a rough fit rounds tips off.

    Returns
    -------
    float
    """
    spacing = max(1.5, 0.3 * scene.width_px)
    total = _price(scene.ground, scene.doubt, x_px, y_px, spacing, costs.evidence, costs.bend)
    zones = _zones(scene, y_px) if line is None else _zones(scene, line.y_px, 1.5 * scene.width_px)
    passed = int(np.bitwise_or.reduce(zones))
    ranks = _ranks(scene, x_px, np.arange(len(x_px)), y_px)
    ranks = ranks[ranks >= 0]
    other_rank = costs.rank * (len(ranks) - np.bincount(ranks).max()) if len(ranks) else 0.0
    return float(total + other_rank + _MISSING_TIP * (2 - passed.bit_count()))


def left_aside(scene: Scene, line: Stroke, way: Stroke) -> float:
    """
    Say how much of the target's ink a way leaves unexplained that a line explains.

    Parameters
    ----------
    scene : Scene
    line, way : Stroke

    Returns
    -------
    float
        Length of line in px, less what the way explains and the line does not; times `Scene.trust`.
    """
    shape = (scene.own.shape[0], scene.own.shape[1])
    radius = scene.width_px / 2 + 1
    explained = [
        int((scene.own & (Stroke(part.x_px, part.y_px, radius, radius, 0.3).coverage(shape) > _INK)).sum())
        for part in (line, way)
    ]
    return scene.trust * (explained[0] - explained[1]) / scene.width_px


@njit(cache=True)
def _price(ground, doubt, xs, ys, spacing, evidence, bend):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    total = 0.0
    for i in range(len(xs) - 1):
        cost, unsure, length = _segment(ground, doubt, xs[i], ys[i], xs[i + 1], ys[i + 1], spacing, 1e9)
        total += cost + evidence * unsure * min(length, _EVIDENCE_PX)
        if i > 0:
            total += _bend_cost(ys[i] - ys[i - 1], ys[i + 1] - ys[i], bend)
    return total


def relabel(
    line: Stroke, target: NDArray[np.float32], other: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """
    Give the ink under a line to the target, where the network gives it to a neighbour alone.

    Ink that the network gives to both stays both's: a crossing.

    Parameters
    ----------
    line : Stroke
    target, other : ndarray of float32, shape (height, width)

    Returns
    -------
    target, other : ndarray of float32, shape (height, width)
    """
    wide = Stroke(line.x_px, line.y_px, line.half_width_px + 1, line.half_width_px + 1, 0.3)
    under = wide.coverage((target.shape[0], target.shape[1])) > _INK
    mine = under & (target < _INK)
    return (
        np.where(mine, np.float32(0.95), target).astype(np.float32),
        np.where(mine, np.float32(0), other).astype(np.float32),
    )
