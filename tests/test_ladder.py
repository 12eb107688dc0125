"""Pulses of close rows that touch each other: what of it is no trace, and what it tells of speed and gain."""

from dataclasses import replace

import numpy as np
import pytest
from test_layout import Planted  # the same planted maps

from ecgtrace.layout.ladder import without_ladders
from ecgtrace.layout.regions import find_regions
from ecgtrace.layout.rows import find_rows
from ecgtrace.page_ink.maps import MAP_PX_PER_MM
from ecgtrace.page_reading.calibrate import calibrate
from ecgtrace.sheet.mapping import PlaneMap
from ecgtrace.sheet.sheet import Sheet
from ecgtrace.vector.lines import Pulse
from ecgtrace.vector.page_choice import NOTHING

PX = round(MAP_PX_PER_MM)
ROWS = 12
PITCH_MM = 8


def planted(width_mm: int = 5, right: bool = False, cut: bool = False) -> Planted:
    """Plant twelve traces from 20 to 250 mm, and pulses 10 mm high beside them, one on the other."""
    page = Planted(height_mm=130)
    first = 5 if cut else 25
    left = 254 if right else 12
    for row in range(ROWS):
        zero = first + PITCH_MM * row
        page.trace(20, 250, zero, wave_mm=0.5)
        for y in (zero, zero - 10):
            if y >= 0:
                page.parts["trace"][y * PX, left * PX : (left + width_mm) * PX + 1] = 1
                page.offset[y * PX, left * PX : (left + width_mm) * PX + 1] = zero - y
    bottom = (first + PITCH_MM * (ROWS - 1)) * PX
    for x in (left, left + width_mm):
        page.parts["trace"][max(0, first - 10) * PX : bottom + 1, x * PX] = 1
    return page


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("width_mm", [5, 10])
def test_what_stands_before_or_behind_the_traces_is_left_out(width_mm, right):
    page = planted(width_mm, right)
    begins = [np.flatnonzero(row.inked)[[0, -1]] / PX for row in find_rows(page.maps())]
    assert any(begin < 15 or end > 252 for begin, end in begins)  # or nothing would be tested
    rows, _, uppermost = without_ladders(find_rows(page.maps()), page.maps())
    assert len(rows) == ROWS
    for row in rows:
        begin, end = np.flatnonzero(row.inked)[[0, -1]] / PX
        assert begin == pytest.approx(20 if width_mm == 5 or right else 23, abs=1) and end <= 250
    assert uppermost is not None
    assert (uppermost.width, uppermost.height) == pytest.approx((width_mm, 10), abs=0.5)


def test_a_zero_line_above_the_picture_hides_no_ladder():
    """Of a row that the picture's edge cuts, votes meet above it."""
    page = planted()
    first, *others = find_rows(page.maps())
    rows, _, uppermost = without_ladders([replace(first, zero_y=-6.0), *others], page.maps())
    assert uppermost is not None and len(rows) == ROWS
    assert all(np.flatnonzero(row.inked)[0] >= 19 * PX for row in rows)


def test_the_layout_knows_the_pulse():
    page = planted()
    layout = find_regions(page.maps(), page.names)
    assert layout.name == f"{ROWS}x1"
    assert layout.ladder is not None and layout.ladder.width == pytest.approx(5, abs=0.5)


def test_rows_far_apart_or_without_pulses_are_left_alone():
    page = Planted(height_mm=130)
    for row in range(ROWS):
        page.trace(20, 250, 25 + PITCH_MM * row, wave_mm=0.5)
    rows = find_rows(page.maps())
    kept, _, uppermost = without_ladders(rows, page.maps())
    assert uppermost is None and all((a.ink == b.ink).all() for a, b in zip(kept, rows, strict=True))
    few = find_rows(planted().maps())[:4]
    assert without_ladders(few, planted().maps())[::2] == (few, None)


def test_beats_that_all_rows_show_at_once_are_no_pulses():
    """Their ink joins through all rows, too, but it is broader, and there are no two a pulse apart."""
    page = Planted(height_mm=130)
    for row in range(ROWS):
        page.trace(20, 250, 25 + PITCH_MM * row, wave_mm=0.5)
    for beat in (24, 46, 68):
        page.parts["trace"][25 * PX : 113 * PX, beat * PX - 3 : beat * PX + 4] = 1
        page.offset[25 * PX : 113 * PX, beat * PX - 3 : beat * PX + 4] = 0
    rows = find_rows(page.maps())
    kept, _, uppermost = without_ladders(rows, page.maps())
    assert uppermost is None and sum(row.ink.sum() for row in kept) == sum(row.ink.sum() for row in rows)


def test_a_ladder_that_the_picture_cuts_tells_the_speed_alone():
    page = planted(10, cut=True)
    _, _, uppermost = without_ladders(find_rows(page.maps()), page.maps())
    assert uppermost is not None and np.isnan(uppermost.height)
    sheet = Sheet(
        image=np.zeros((10, 10, 3), np.uint8),
        px_per_mm_x=8.0,
        px_per_mm_y=8.0,
        mapping=PlaneMap.identity(),
        turn_deg=0.0,
        residual_mm=0.0,
        scale_from="grid lines 1 mm apart",
        grid_confirmed=True,
    )
    found, doubts, _ = calibrate(sheet, [Pulse(*uppermost)], NOTHING)
    assert (found.speed_mm_per_s, found.speed_from) == (50.0, "pulse")
    assert found.gain_from == "assumed" and doubts == ["the gain is not on the page; 10 mm/mV was taken"]
