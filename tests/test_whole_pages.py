"""Whole drawn pages: everything stands where the test has planned it."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from ecgtrace.crops.page_training import ScanMix, TrainingPages
from ecgtrace.pages.page_design import PageDesign, PageDesigner
from ecgtrace.pages.page_layouts import KINDS, PageLayout, page_layout, usual_order
from ecgtrace.pages.page_plan import BAR, PULSE, TRACE, plan_page
from ecgtrace.pages.page_render import Scan, draw_picture
from ecgtrace.pages.page_truth import page_targets
from ecgtrace.pages.printers import Printer
from ecgtrace.pages.style import PageStyle
from ecgtrace.records import SampleRecords
from ecgtrace.types import Record
from ecgtrace.units import LEADS

FS_HZ = 500.0


def levels(mv=0.0, seconds=10.0):
    """Twelve flat leads, lead k at k tenths of a millivolt above `mv`."""
    signal = np.repeat(mv + np.arange(12)[:, None] / 10, round(seconds * FS_HZ), axis=1)
    return Record("levels", signal, FS_HZ, LEADS)


def design(layout: PageLayout, **changes):
    """10 px/mm; the first zero line at x 20 mm, y 30 mm; rows 20 mm apart."""
    style = PageStyle(px_per_mm=10.0, fs_hz=FS_HZ, line_width_mm=0.3, name_offset_mm=8.0)
    rows = tuple(20.0 * row for row in range(len(layout.rows)))
    size = {"width_mm": 290.0, "height_mm": 60.0 + rows[-1], "left_mm": 20.0, "top_mm": 30.0}
    return PageDesign(style=style, layout=layout, row_zero_mm=rows, **{**size, **changes})


def targets(plan, scan=None, error=1.0):
    matrix, size = (scan or Scan()).matrix(plan)
    return page_targets(plan, matrix, size, 10.0 * error, 10.0 * error)


def test_offset_to_the_zero_line_by_hand():
    """V1, the 7th lead, runs 0.6 mV = 6 mm above its zero line 30 mm below the page's edge: px 96 of 4/mm."""
    found = targets(plan_page(levels(), design(page_layout("3x4"))))
    x = round((20 + 5.5 * 25) * 4)
    rows = np.flatnonzero(found.classes[:160, x] == TRACE)
    assert rows.mean() == pytest.approx((30 - 6) * 4, abs=0.6)
    np.testing.assert_allclose(found.row_offset_mm[rows, x], 30 - rows / 4, atol=0.13)
    assert np.isnan(found.row_offset_mm[found.classes != TRACE]).all()


def test_a_turned_page_has_turned_targets():
    """The zero line of the first row rises by tan(1.5 deg); flat leads are 0 mm from theirs."""
    flat = Record("flat", np.zeros((12, 5000)), FS_HZ, LEADS)
    found = targets(plan_page(flat, design(page_layout("3x1"))), Scan(turn_deg=1.5))
    y, x = np.nonzero(found.classes == TRACE)
    assert np.abs(found.row_offset_mm[y, x]).max() < 0.3
    first = y < y[x == x.max()].min() + 30
    slope = np.polyfit(x[first & (x > x.max() - 900)], y[first & (x > x.max() - 900)], 1)[0]
    assert slope == pytest.approx(-np.tan(np.deg2rad(1.5)), abs=0.002)


def test_picture_and_targets_agree():
    """The darkest pixel of the picture lies on the target of the trace, turned and with a border too."""
    plan = plan_page(levels(), design(page_layout("3x4"), names="none"))
    plan = replace(
        plan, design=replace(plan.design, style=replace(plan.style, grid_major=None, grid_minor=None))
    )
    scan = Scan(turn_deg=-1.2, border_mm=5.0)
    image = draw_picture(plan, scan, np.random.default_rng(0))
    found = targets(plan, scan)
    y, x = np.nonzero(image[..., 0] < 60)
    hit = found.classes[
        np.rint((y + 0.5) * 0.4 - 0.5).astype(int), np.rint((x + 0.5) * 0.4 - 0.5).astype(int)
    ]
    assert np.mean(hit == TRACE) > 0.96  # the rest is the rim of the line


def test_thin_ink_is_an_unbroken_line():
    """0.1 mm of ink is 0.4 px of the targets; turned, it runs between two rows of them and along one."""
    page = design(page_layout("3x1"), names="none")
    page = replace(page, style=replace(page.style, line_width_mm=0.1))
    found = targets(plan_page(levels(), page), Scan(turn_deg=0.7))
    parts, _ = cv2.connectedComponents((found.classes == TRACE).astype(np.uint8), connectivity=8)
    assert parts - 1 == 3


def test_ink_of_two_rows_has_no_offset():
    """Lead I at 0 mV and lead II 2 mV = 20 mm higher, drawn 20 mm lower, are the same line."""
    signal = np.zeros((12, 5000))
    signal[1] = 2.0
    found = targets(plan_page(Record("met", signal, FS_HZ, LEADS), design(page_layout("3x1"))))
    met = (found.classes == TRACE) & (np.arange(len(found.classes))[:, None] < 130)
    assert met.sum() > 900
    assert np.isnan(found.row_offset_mm[met]).all()


def test_inverted_avr_and_its_name():
    plan = plan_page(levels(), design(page_layout("6x1", order=usual_order("6x1", cabrera=True))))
    trace = plan.traces[2]
    assert (trace.cell.lead, trace.cell.name) == ("aVR", "-aVR")
    np.testing.assert_allclose(trace.signal, -0.3)
    np.testing.assert_allclose(trace.polyline[:, 1], (30 + 40 + 3) * 10)
    assert [box.name for box in targets(plan).names] == ["aVL", "I", "-aVR", "II", "aVF", "III"]


def test_a_name_stands_where_it_is_told():
    """Left end of the baseline 0.2 mm right of the begin, 8 mm above the zero line, capitals 2.7 mm."""
    box = targets(plan_page(levels(), design(page_layout("3x1")))).names[1]
    assert box.name == "II"
    assert box.y == pytest.approx((50 - 8 - 2.7 / 2) * 4, abs=3)
    assert box.x - box.width / 2 == pytest.approx(20.2 * 4, abs=2)


def test_one_lead_goes_on_in_the_next_row():
    ramp = np.tile(np.linspace(0, 1, 5000), (12, 1))
    plan = plan_page(Record("ramp", ramp, FS_HZ, LEADS), design(page_layout("rows", 2.5, n_rows=4)))
    assert [trace.cell.start_s for trace in plan.traces] == [0, 2.5, 5, 7.5]
    np.testing.assert_array_equal(np.concatenate([trace.signal for trace in plan.traces]), ramp[1])
    assert {trace.polyline[0, 0] for trace in plan.traces} == {200.0}


def test_a_longer_page_repeats_the_record_without_a_step():
    wave = np.tile(np.sin(np.arange(5000) / 50), (12, 1))
    plan = plan_page(Record("wave", wave, FS_HZ, LEADS), design(page_layout("rows", 10.0, n_rows=3)))
    shown = np.concatenate([trace.signal for trace in plan.traces])
    assert len(shown) == 15000
    assert np.abs(np.diff(shown)).max() < 0.05


def test_simultaneous_columns_show_the_same_seconds():
    layout = page_layout("6x2", simultaneous=True)
    assert [(cell.start_s, cell.record_start_s) for cell in layout.rows[0]] == [(0, 0), (5, 0)]


def test_speed_and_gain():
    page = design(page_layout("3x1", 5.0), speed_mm_per_s=50.0, gain_mm_per_mv=20.0, pulses="left")
    plan = plan_page(levels(), page)
    second = plan.traces[1].polyline
    np.testing.assert_allclose(second[500] - second[0], [500.0, 0.0])
    np.testing.assert_allclose(second[0], [200.0, (50 - 2) * 10])
    pulses = [stroke for stroke in plan.strokes if stroke.kind == PULSE]
    assert [np.ptp(pulse.polyline[:, 1]) for pulse in pulses] == [200.0] * 3


def test_columns_joined_by_their_jump():
    plan = plan_page(levels(), design(page_layout("3x4"), joined=True))
    jumps = [stroke.polyline for stroke in plan.strokes if stroke.kind == BAR]
    assert len(jumps) == 9
    np.testing.assert_allclose(jumps[0], [[200 + 624.5 - 0 + 0, 300], [825, 300 - 30]], atol=0.6)


@pytest.mark.parametrize("kind", KINDS)
def test_every_layout_is_drawn(kind):
    layout = page_layout(kind, strips=("II",) if kind == "3x4" else ())
    plan = plan_page(levels(), design(layout))
    found = targets(plan)
    rows = {trace.row for trace in plan.traces}
    assert len(rows) == len(layout.rows)
    assert len(plan.traces) == len(layout.cells)
    assert (found.classes == TRACE).sum() > 200 * len(layout.rows)


def test_a_page_is_a_pure_function_of_its_number():
    pages = TrainingPages(SampleRecords(), Printer(), px_per_mm=(4.0, 5.0), seed=3)
    again = TrainingPages(SampleRecords(), Printer(), px_per_mm=(4.0, 5.0), seed=3)
    again[0]
    one, two = pages[7], again[7]
    np.testing.assert_array_equal(one.image, two.image)
    np.testing.assert_array_equal(one.targets.classes, two.targets.classes)
    assert one.targets.names == two.targets.names
    assert not np.array_equal(one.image.shape, pages[8].image.shape)


def test_targets_have_the_size_that_the_told_resolution_gives():
    pages = TrainingPages(SampleRecords(), Printer(), px_per_mm=(5.0, 6.0))
    page = pages[1]
    height, width = page.image.shape[:2]
    assert page.targets.classes.shape == (
        round(height * 4 / page.px_per_mm_y),
        round(width * 4 / page.px_per_mm_x),
    )


def test_designs_of_many_pages_can_be_planned():
    designer, record = PageDesigner(other_leads=0.5), SampleRecords().load("sample-001")
    names = set()
    for index in range(60):
        plan = plan_page(record, designer.draw(np.random.default_rng(index), record.duration_s))
        assert all(trace.polyline[:, 0].max() < plan.width for trace in plan.traces)
        names.add(plan.design.layout.name)
    assert len(names) > 8


def test_scans_are_turned_within_their_range():
    turns = [ScanMix().draw(np.random.default_rng(k)).turn_deg for k in range(200)]
    assert max(map(abs, turns)) <= 1.5
    assert 0.3 < np.mean(np.array(turns) != 0) < 0.7
