"""
One row per column: the cheapest path through the centres of the runs of ink.

The nodes are the middles of the vertical runs of ink. A path steps from a node to one of the nearest
column on the right that holds any ink. A step costs half its length plus half its change of direction,
and dynamic programming finds the cheapest path; this is how paper-ecg extracts a signal [1]_, and the
choices at both ends and in gaps are its own.

References
----------
.. [1] Fortune JD et al. Digitizing ECG image: a new method and open-source software code. Comput
       Methods Programs Biomed 2022;221:106890. https://doi.org/10.1016/j.cmpb.2022.106890
       (program: github.com/Tereshchenkolab/paper-ecg, MIT)
.. [2] Viterbi A. Error bounds for convolutional codes and an asymptotically optimum decoding algorithm.
       IEEE Trans Inf Theory 1967;13(2):260-269. https://doi.org/10.1109/TIT.1967.1054010
"""

import math

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

DISTANCE_WEIGHT = 0.5  # the change of direction weighs the rest; paper-ecg's value
END_COLUMNS = 20  # the path may end in any of the last so many columns; paper-ecg's value

_FEW_PAIRS = 24  # up to here plain Python beats the overhead of array calls


def run_centres(ink: NDArray[np.bool_], keep_bottom_runs: bool = False) -> tuple[IntArray, IntArray]:
    """
    List the centres of the vertical runs of ink.

    A run over the rows a..b has its centre at row (a + b + 1) // 2, so a run of even length has the lower
    of its two middle rows.

    Parameters
    ----------
    ink : ndarray of bool, shape (height, width)
    keep_bottom_runs : bool, optional
        Whether a run that reaches the last row counts. By default `False`: the original overlooks such
        runs (but not those at the top), which spares it some neighbours that enter from below.

    Returns
    -------
    columns, rows : ndarray of int, shape (n_runs,)
        Sorted by column, then by row.

    Examples
    --------
    >>> columns, rows = run_centres(np.array([[0, 1], [1, 1], [0, 1], [0, 0]], dtype=bool))
    >>> columns.tolist(), rows.tolist()
    ([0, 1], [1, 1])
    """
    height, width = ink.shape
    # Transposed, and with a blank row above and below, edges alternate: begin, end, begin, end, ...
    padded = np.zeros((width, height + 2), dtype=bool)
    padded[:, 1:-1] = ink.T
    edges = np.flatnonzero(padded[:, 1:] != padded[:, :-1])
    begin, end = edges[0::2], edges[1::2]
    columns = begin // (height + 1)
    offset = columns * (height + 1)
    begin, end = begin - offset, end - offset
    if not keep_bottom_runs:
        inside = end < height
        columns, begin, end = columns[inside], begin[inside], end[inside]
    return columns, (begin + end) // 2


class _StepTable:
    """
    Half the length, and the direction in degrees, of each step that is `across_px` columns wide.

    Indexed by the change of row; negative changes count from the end, as Python's indices do. The
    scalar functions of `math` are used since those of NumPy may differ in the last bit from one processor
    to the next, and ties between paths would be resolved differently.
    """

    def __init__(self, across_px: int, height: int, distance_weight: float) -> None:
        lengths = [math.sqrt(across_px**2 + rows**2) for rows in range(height)]
        degrees = [math.asin(rows / lengths[rows]) / math.pi * 180 for rows in range(height)]
        costs = [length * distance_weight for length in lengths]
        self.cost_list = costs + costs[:0:-1]
        self.degree_list = degrees + [-angle for angle in degrees[:0:-1]]
        self.cost = np.array(self.cost_list)
        self.degree = np.array(self.degree_list)


def step_cost(
    across_px: float,
    down_px: float,
    last_direction_deg: float = 0.0,
    distance_weight: float = DISTANCE_WEIGHT,
) -> float:
    """
    Cost of one step of the path [1]_.

    ``w * length + (1 - w) * turn / 180`` with the length in px, the turn in degrees, and w the weight of
    the distance. The path search computes this from tables; this function is the definition.

    Parameters
    ----------
    across_px, down_px : float
        The step: columns to the right (positive) and rows down.
    last_direction_deg : float, optional
        Direction of the step before, in degrees below the horizontal. By default `0`, that of a path
        that begins.
    distance_weight : float, optional
        By default `0.5`.

    Returns
    -------
    float

    Examples
    --------
    >>> step_cost(1, 0)
    0.5
    >>> round(step_cost(1, 1), 6)  # 0.5 * sqrt(2) + 0.5 * 45 / 180
    0.832107
    """
    length = math.sqrt(across_px**2 + down_px**2)
    direction_deg = math.asin(down_px / length) / math.pi * 180
    turn = 1 - (180 - abs(direction_deg - last_direction_deg)) / 180
    return length * distance_weight + turn * (1 - distance_weight)


def _step_few(
    rows: list[int],
    last_rows: list[int],
    scores: list[float],
    directions: list[float],
    table: _StepTable,
    turn_weight: float,
) -> tuple[list[float], list[float], list[int]]:
    """Best predecessor of each node where there are few: scores, directions, indices."""
    cost, degree = table.cost_list, table.degree_list
    new_scores, new_directions, chosen = [], [], []
    for row in rows:
        best, best_index = math.inf, 0
        for index, last_row in enumerate(last_rows):
            move = row - last_row
            turn = 1 - (180 - abs(degree[move] - directions[index])) / 180
            total = cost[move] + turn * turn_weight + scores[index]
            if total < best:
                best, best_index = total, index
        new_scores.append(best)
        new_directions.append(degree[row - last_rows[best_index]])
        chosen.append(best_index)
    return new_scores, new_directions, chosen


def _step_many(
    rows: IntArray,
    last_rows: IntArray,
    scores: FloatArray,
    directions: FloatArray,
    table: _StepTable,
    turn_weight: float,
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Do the same with arrays, looking only at predecessors near enough to be the best."""
    n_last = len(last_rows)
    nearest = np.minimum(np.searchsorted(last_rows, rows), n_last - 1)
    # What the nearest costs at most bounds how far away the best one can lie.
    bound = scores[nearest] + table.cost[rows - last_rows[nearest]] + turn_weight
    reachable = table.cost[: len(table.cost) // 2 + 1]  # grows with the change of row
    reach = np.searchsorted(reachable, bound - scores.min() + 1e-9, side="right")
    first = np.searchsorted(last_rows, rows - reach)
    count = int((np.searchsorted(last_rows, rows + reach, side="right") - first).max())
    candidates = np.minimum(first[:, None] + np.arange(count), n_last - 1)

    moves = rows[:, None] - last_rows[candidates]
    turn = 1 - (180 - np.abs(table.degree[moves] - directions[candidates])) / 180
    totals = table.cost[moves] + turn * turn_weight + scores[candidates]
    best = totals.argmin(axis=1)  # the first, so the uppermost, among equals
    each = np.arange(len(rows))
    return totals[each, best], table.degree[moves[each, best]], candidates[each, best]


def cheapest_path(
    columns: IntArray,
    rows: IntArray,
    width: int,
    end_columns: int = END_COLUMNS,
    distance_weight: float = DISTANCE_WEIGHT,
) -> IntArray:
    """
    Find the cheapest path through nodes, by dynamic programming [1]_, [2]_.

    As the original does it:

    - Every node of the first column with ink may be the start, at no cost and with direction 0.
    - Predecessors of a node are the nodes of the nearest column to the left that has any, however far.
      So a path visits every column with ink, from the first to its end.
    - A step costs `step_cost`. A node keeps one best predecessor and the direction from there; the cost of
      a turn is therefore greedy, and the path the best of those, not always the best of all.
    - Among equals the uppermost predecessor wins.
    - The end is the node with the lowest cost in all of the last `end_columns` columns (where these are
      empty, in the last column with ink). Cost grows with each column, so where ink reaches the edge
      the path ends about `end_columns` before it.

    Parameters
    ----------
    columns, rows : ndarray of int, shape (n_nodes,)
        As `run_centres` gives them: sorted by column, then by row.
    width : int
        Number of columns of the image.
    end_columns : int, optional
        By default `20`. With 1 the path goes on to the last column.
    distance_weight : float, optional
        In [0, 1]. By default `0.5`.

    Returns
    -------
    ndarray of int, shape (n_steps,)
        Indices of the nodes of the path, from left to right; empty where there is no node.

    Raises
    ------
    ValueError
        If `end_columns` is below 1 or the weight lies outside [0, 1].
    """
    if end_columns < 1 or not 0 <= distance_weight <= 1:
        raise ValueError(f"end_columns={end_columns} must be at least 1, weight={distance_weight} in [0, 1]")
    if len(columns) == 0:
        return np.zeros(0, dtype=np.int64)
    used, first_node = np.unique(columns, return_index=True)
    bounds = [*first_node.tolist(), len(columns)]
    scores, previous = _score_nodes(used, bounds, rows, distance_weight)

    end_from = min(max(width - end_columns, 0), int(used[-1]))
    first_end = int(np.searchsorted(columns, end_from))
    node = first_end + int(np.argmin(scores[first_end:]))
    path = []
    while node >= 0:
        path.append(node)
        node = previous[node]
    return np.array(path[::-1], dtype=np.int64)


def _score_nodes(
    used: IntArray, bounds: list[int], rows: IntArray, distance_weight: float
) -> tuple[FloatArray, list[int]]:
    """Cost of the best path to each node, and the node before it (-1 at a start)."""
    low = int(rows.min())
    shifted = rows - low
    height = int(shifted.max()) + 1
    row_list = shifted.tolist()
    turn_weight = 1 - distance_weight
    tables: dict[int, _StepTable] = {}
    steps = [0, *np.diff(used).tolist()]

    n_first = bounds[1]
    scores: list[float] = [0.0] * n_first
    directions: list[float] = [0.0] * n_first
    all_scores = list(scores)
    previous = [-1] * n_first
    for index in range(1, len(used)):
        last, start, stop = bounds[index - 1 : index + 2]
        across_px = steps[index]
        if across_px not in tables:
            tables[across_px] = _StepTable(across_px, height, distance_weight)
        table = tables[across_px]
        if (stop - start) * (start - last) <= _FEW_PAIRS:
            scores, directions, chosen = _step_few(
                row_list[start:stop], row_list[last:start], scores, directions, table, turn_weight
            )
        else:
            found = _step_many(
                shifted[start:stop],
                shifted[last:start],
                np.array(scores),
                np.array(directions),
                table,
                turn_weight,
            )
            scores, directions, chosen = (values.tolist() for values in found)
        all_scores += scores
        previous += [last + choice for choice in chosen]
    return np.array(all_scores), previous


def trace_rows(
    ink: NDArray[np.bool_],
    end_columns: int = END_COLUMNS,
    distance_weight: float = DISTANCE_WEIGHT,
    keep_bottom_runs: bool = False,
) -> FloatArray:
    """
    Follow the trace through a binary image, one row per column.

    Parameters
    ----------
    ink : ndarray of bool, shape (height, width)
        True where there is ink: of a thresholded picture, or of a mask.
    end_columns, distance_weight : optional
        See `cheapest_path`.
    keep_bottom_runs : bool, optional
        See `run_centres`.

    Returns
    -------
    ndarray of float, shape (width,)
        Row of the path, 0 on top. NaN where the path has no node: before the first column with ink, after
        the end of the path, and in columns without ink between (`bridge_gaps` fills these alone, as the
        original does). All NaN where there is no ink.

    Examples
    --------
    >>> ink = np.zeros((5, 4), dtype=bool)
    >>> ink[[1, 2, 3], [0, 1, 3]] = True
    >>> trace_rows(ink, end_columns=1).tolist()
    [1.0, 2.0, nan, 3.0]
    """
    ink = np.asarray(ink, dtype=bool)
    columns, rows = run_centres(ink, keep_bottom_runs)
    path = cheapest_path(columns, rows, ink.shape[1], end_columns, distance_weight)
    traced = np.full(ink.shape[1], np.nan)
    traced[columns[path]] = rows[path]
    return traced


def bridge_gaps(row_px: FloatArray) -> FloatArray:
    """
    Fill the gaps between known columns with straight lines.

    Parameters
    ----------
    row_px : ndarray of float, shape (width,)
        Row per column, NaN where unknown.

    Returns
    -------
    ndarray of float, shape (width,)
        A copy. What lies before the first and after the last known column stays NaN.

    Examples
    --------
    >>> bridge_gaps(np.array([np.nan, 4.0, np.nan, 5.0, np.nan])).tolist()
    [nan, 4.0, 4.5, 5.0, nan]
    """
    filled = np.array(row_px, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(filled))
    if len(known):
        inside = np.arange(known[0], known[-1] + 1)
        filled[inside] = np.interp(inside, known, filled[known])
    return filled
