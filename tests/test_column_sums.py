"""Columns without names, bars and gaps: the sums of their limb leads tell where they end."""

import numpy as np
import pytest
from test_layout import Planted

from ecgtrace.layout.algebra import LIMB
from ecgtrace.layout.column_sums import columns_by_sums
from ecgtrace.layout.columns import Break, signs_of
from ecgtrace.layout.orders import ORDERS
from ecgtrace.layout.regions import find_regions
from ecgtrace.layout.rows import Row
from ecgtrace.page_ink.maps import MAP_PX_PER_MM

PX = round(MAP_PX_PER_MM)
BEGIN, LENGTH = 10, 240  # mm
APART = 30


def heart() -> dict[str, np.ndarray]:
    """Leads of ten seconds by px of the maps, in mm: limb leads of two sources, chest leads of four."""
    rng = np.random.default_rng(5)
    x = np.arange(LENGTH * PX) / PX
    beats = np.arange(7.0, LENGTH, 19.0)

    def wave(at: float, width: float) -> np.ndarray:
        return np.exp(-(((x[:, None] - beats - at) / width) ** 2) / 2).sum(axis=1)

    sources = np.stack([wave(0, 0.9), wave(6, 2.0), wave(-4, 1.2), wave(1.4, 0.7)])
    limb = np.array([[8, 3, 1, -2], [5, -2, 1.5, -3]]) @ sources
    leads = {name: weights @ limb for name, weights in LIMB.items()}
    return leads | {f"V{k}": rng.normal(size=4) * (6, 3, 1, 4) @ sources for k in range(1, 7)}


def rows_of(columns, widths_mm, *, level_mm=0.4, frame=False, strip="") -> list[Row]:
    """Rows of columns of these leads, so wide; each begins at a level of its own."""
    leads, rng = heart(), np.random.default_rng(2)
    lines = []
    for k in range(len(columns[0])):
        edges = np.cumsum([0, *widths_mm]) * PX
        parts = [
            leads[column[k]][low:high] + level_mm * rng.normal()
            for column, low, high in zip(columns, edges[:-1], edges[1:], strict=True)
        ]
        lines.append(np.concatenate(parts))
    if strip:
        lines.append(leads[strip])
    lines = ([np.zeros(LENGTH * PX)] if frame else []) + lines
    return [row_of(line, 25 + APART * k, len(lines)) for k, line in enumerate(lines)]


def row_of(line_mm: np.ndarray, zero_mm: float, n: int) -> Row:
    """Draw a line of ink, its steep parts without gaps."""
    ink = np.zeros(((40 + APART * n) * PX, (BEGIN + LENGTH + 20) * PX), np.bool_)
    y = np.rint((zero_mm - line_mm) * PX).astype(int)
    for x in range(1, len(y)):
        low, high = sorted((y[x - 1], y[x]))
        ink[low : high + 2, BEGIN * PX + x] = True
    return Row(zero_mm * PX, ink)


def told(rows: list[Row], breaks: list[Break] | None = None):
    maps = Planted(height_mm=rows[0].ink.shape[0] / PX, width_mm=rows[0].ink.shape[1] / PX).maps()
    spans = [(float(x[0]), float(x[-1])) for x in (np.flatnonzero(row.inked) for row in rows)]
    return columns_by_sums(rows, [signs_of(row, maps) for row in rows], spans, breaks or [], PX)


@pytest.mark.parametrize("form", [(3, 4), (6, 2), (4, 3)])
@pytest.mark.parametrize("which", [0, 1])
def test_equal_columns_of_usual_orders(form, which):
    order = ORDERS[form][which]
    width = LENGTH // form[1]
    found = told(rows_of(order, [width] * form[1], strip="II"))
    assert (found.first, found.n_rows, found.doubts) == (0, form[0], [])
    wanted = [BEGIN + width * k for k in range(1, form[1])]
    assert [one.x / PX for one in found.breaks] == pytest.approx(wanted, abs=1.5)


def test_two_columns_of_unequal_width_are_a_doubt():
    found = told(rows_of(ORDERS[6, 2][0], [90, 150], level_mm=3.0))
    assert [one.x / PX for one in found.breaks] == pytest.approx([BEGIN + 90], abs=2.5)
    assert "they may begin elsewhere" in found.doubts[0]


def test_no_columns_where_no_sum_holds_or_one_holds_throughout():
    chest = (("V1", "V2", "V3"), ("V4", "V5", "V6"), ("I", "V2", "V5"), ("aVF", "V1", "V4"))
    assert told(rows_of(chest, [60] * 4)) is None
    six = (*ORDERS[6, 1][0],)
    assert told(rows_of(six, [LENGTH])) is None
    assert told(rows_of(ORDERS[3, 1][0], [LENGTH])) is None


def test_a_frame_above_is_no_row():
    found = told(rows_of(ORDERS[3, 4][0], [60] * 4, frame=True))
    assert (found.first, found.n_rows) == (1, 3)


def test_what_else_tells_must_agree():
    rows = rows_of(ORDERS[3, 4][0], [60] * 4)
    assert told(rows, [Break((BEGIN + 119) * PX, 0.4)]) is not None
    assert told(rows, [Break((BEGIN + 90) * PX, 0.9)]) is None


def test_a_page_without_names_is_cut_where_its_sums_end():
    rows = rows_of(ORDERS[3, 4][0], [60] * 4, frame=True, strip="II")
    planted = Planted(height_mm=rows[0].ink.shape[0] / PX, width_mm=rows[0].ink.shape[1] / PX)
    for row in rows:
        y, x = np.nonzero(row.ink)
        planted.parts["trace"][y, x] = 1.0
        planted.offset[y, x] = row.zero_y / PX - y / PX
    layout = find_regions(planted.maps(), [])
    assert layout.name == "3x4+1"
    assert any("sums of the limb leads" in note for note in layout.notes)
    begins = sorted(
        {region.column: region.start / PX for region in layout.regions if not region.strip}.items()
    )
    assert [x for _, x in begins] == pytest.approx([10, 70, 130, 190], abs=1.5)
