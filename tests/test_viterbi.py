"""The cheapest path through runs of ink: planted traces, costs by hand, a plain second implementation."""

import math
from itertools import pairwise

import numpy as np
import pytest

from ecgtrace.digitization.viterbi import (
    bridge_gaps,
    cheapest_path,
    run_centres,
    step_cost,
    trace_rows,
)


def ink_of(rows, height=60, thickness=1):
    """Ink of a trace: `thickness` pixels around each row; NaN leaves a column empty."""
    ink = np.zeros((height, len(rows)), dtype=bool)
    for column, row in enumerate(rows):
        if not np.isnan(row):
            top = round(row) - thickness // 2
            ink[top : top + thickness, column] = True
    return ink


def plain_path(columns, rows, width, end_columns=20, weight=0.5):
    """The definition, node by node, without tables and windows."""
    nodes = [[] for _ in range(width)]
    for column, row in zip(columns.tolist(), rows.tolist(), strict=True):
        nodes[column].append(row)
    best = {}
    for x in range(width):
        before = next((c for c in range(x - 1, -1, -1) if nodes[c]), None)
        for y in nodes[x]:
            if before is None:
                best[x, y] = (0.0, None, 0.0)
                continue
            costs = [
                step_cost(x - before, y - row, best[before, row][2], weight) + best[before, row][0]
                for row in nodes[before]
            ]
            chosen = nodes[before][costs.index(min(costs))]
            direction = math.degrees(math.atan2(y - chosen, x - before))
            best[x, y] = (min(costs), (before, chosen), direction)
    last = max(columns.tolist())
    ends = [node for node in best if node[0] >= min(max(width - end_columns, 0), last)]
    node = min(ends, key=lambda candidate: best[candidate][0])
    path = []
    while node is not None:
        path.append(node)
        node = best[node][1]
    return path[::-1], min(best[end][0] for end in ends)


def cost_of(path):
    """Cost of a path of (x, y), recomputed step by step."""
    total, direction = 0.0, 0.0
    for (x0, y0), (x1, y1) in pairwise(path):
        total += step_cost(x1 - x0, y1 - y0, direction)
        direction = math.degrees(math.atan2(y1 - y0, x1 - x0))
    return total


def test_run_centres_by_hand():
    column = np.array([1, 1, 0, 1, 1, 1, 0, 1, 0, 1, 1], dtype=bool)[:, None]
    ink = np.hstack([np.zeros((11, 1), dtype=bool), column])
    columns, rows = run_centres(ink)
    # Rows 0-1 have their lower middle at 1, rows 3-5 theirs at 4, row 7 is alone; 9-10 touch the bottom.
    assert columns.tolist() == [1, 1, 1]
    assert rows.tolist() == [1, 4, 7]
    assert run_centres(ink, keep_bottom_runs=True)[1].tolist() == [1, 4, 7, 10]


def test_step_cost_by_hand():
    assert step_cost(1, 0) == 0.5
    # A step of 3 across and 4 down is 5 long and points 53.13 degrees down.
    assert step_cost(3, 4) == pytest.approx(0.5 * 5 + 0.5 * math.degrees(math.asin(0.8)) / 180)
    # From 45 degrees down to 45 degrees up is a turn of 90 of 180 degrees.
    assert step_cost(1, -1, 45.0) == pytest.approx(0.5 * math.sqrt(2) + 0.5 * 0.5)
    assert step_cost(1, -1, 45.0) == pytest.approx(step_cost(1, 1, -45.0))
    assert step_cost(3, 4, 10.0, distance_weight=1.0) == 5.0


def test_path_and_cost_by_hand():
    # One node in column 0, two in column 1 as far above as below, one in columns 2 and 3. The upper way is
    # kept among equals: two steps of sqrt(2), turns of 45 and 90 degrees; then a level step, a turn of 45.
    columns, rows = np.array([0, 1, 1, 2, 3]), np.array([5, 4, 6, 5, 5])
    path = cheapest_path(columns, rows, 4, end_columns=1)
    assert path.tolist() == [0, 1, 3, 4]
    cost = 0.5 * (2 * math.sqrt(2) + 1) + 0.5 * (45 + 90 + 45) / 180
    assert cost_of(list(zip(columns[path], rows[path], strict=True))) == pytest.approx(cost)
    # The start, at no cost, is the cheapest end if all columns are among the last 20.
    assert cheapest_path(columns, rows, 4).tolist() == [0]


def test_change_of_direction_decides_between_equal_distances():
    # From row 10 down to 11; then up to 10 (a turn of 90 degrees) or on down to 12 (no turn); then to 11,
    # a turn of 90 either way. All distances are the same.
    columns, rows = np.array([0, 1, 2, 2, 3]), np.array([10, 11, 10, 12, 11])
    assert rows[cheapest_path(columns, rows, 4, end_columns=1)].tolist() == [10, 11, 12, 11]
    # Without weight on direction the two are equal, and the upper one is kept.
    path = cheapest_path(columns, rows, 4, end_columns=1, distance_weight=1.0)
    assert rows[path].tolist() == [10, 11, 10, 11]


def test_plain_implementation_agrees_on_noise():
    rng = np.random.default_rng(3)
    for height, density in ((12, 0.2), (40, 0.08), (80, 0.35), (80, 0.01), (200, 0.5)):
        ink = rng.random((height, 60)) < density
        ink[:, 20:26] = False
        columns, rows = run_centres(ink)
        path = cheapest_path(columns, rows, 60)
        nodes = list(zip(columns[path].tolist(), rows[path].tolist(), strict=True))
        plain, cost = plain_path(columns, rows, 60)
        assert cost_of(nodes) == pytest.approx(cost, abs=1e-9)
        # Ties can fall either way by a rounding error, so a few nodes may differ, the cost not.
        assert np.mean([a == b for a, b in zip(nodes, plain, strict=False)]) > 0.9


@pytest.mark.parametrize("thickness", [1, 3, 5])
def test_planted_trace_is_found(thickness):
    x = np.arange(400)
    truth = np.round(30 + 12 * np.sin(x / 25) - 14 * np.exp(-(((x - 200) / 6) ** 2)))
    traced = trace_rows(ink_of(truth, thickness=thickness), end_columns=1)
    np.testing.assert_array_equal(traced, truth)


def test_specks_do_not_distract():
    x = np.arange(300)
    truth = np.round(30 + 10 * np.sin(x / 20))
    ink = ink_of(truth, thickness=3)
    rng = np.random.default_rng(0)
    specks = rng.random(ink.shape) < 0.01
    specks[np.abs(np.arange(60)[:, None] - truth) < 6] = False
    specks[:, 0] = False
    np.testing.assert_array_equal(trace_rows(ink | specks, end_columns=1), truth)


def test_moving_the_picture_moves_the_trace():
    rng = np.random.default_rng(1)
    ink = ink_of(np.round(30 + 10 * np.sin(np.arange(200) / 15)), thickness=3) | (
        rng.random((60, 200)) < 0.03
    )
    ink[-1] = False
    traced = trace_rows(ink)
    lower = np.vstack([np.zeros((17, 200), dtype=bool), ink])
    np.testing.assert_array_equal(trace_rows(lower), traced + 17)
    later = np.hstack([np.zeros((60, 9), dtype=bool), ink])
    np.testing.assert_array_equal(trace_rows(later)[9:], traced)
    assert np.isnan(trace_rows(later)[:9]).all()


def test_gap_is_nan_and_its_bridge_is_straight():
    truth = np.full(60, 20.0)
    truth[30:] = 26.0
    truth[24:30] = np.nan
    traced = trace_rows(ink_of(truth), end_columns=1)
    np.testing.assert_array_equal(traced, truth)
    bridged = bridge_gaps(traced)
    # Seven steps from column 23 (row 20) to column 30 (row 26).
    np.testing.assert_allclose(bridged[23:31], 20 + np.arange(8) * 6 / 7)
    np.testing.assert_array_equal(bridged[~np.isnan(truth)], truth[~np.isnan(truth)])


def test_gap_is_crossed_to_the_nearer_run():
    ink = np.zeros((60, 50), dtype=bool)
    ink[30, :20] = True
    ink[[27, 50], 25:] = True  # after the gap, one trace near the old row and one far away
    assert trace_rows(ink, end_columns=1)[25:].tolist() == [27.0] * 25


def test_ends_are_those_of_paper_ecg():
    # Cost grows with each column, so a trace that reaches the edge ends at the first of the last 20.
    traced = trace_rows(ink_of(np.full(100, 10.0)))
    assert np.flatnonzero(~np.isnan(traced)).tolist() == list(range(81))
    # Where the last 20 columns are empty, it ends where the ink does.
    ink = ink_of(np.full(100, 10.0))
    ink[:, 60:] = False
    ink[:, :7] = False
    assert np.flatnonzero(~np.isnan(trace_rows(ink))).tolist() == list(range(7, 60))


def test_nothing_to_trace():
    assert np.isnan(trace_rows(np.zeros((20, 30), dtype=bool))).all()
    assert np.isnan(bridge_gaps(np.full(4, np.nan))).all()
    assert len(cheapest_path(np.zeros(0, dtype=int), np.zeros(0, dtype=int), 5)) == 0
    with pytest.raises(ValueError, match="end_columns=0"):
        trace_rows(np.ones((4, 4), dtype=bool), end_columns=0)
