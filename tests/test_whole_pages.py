"""Whole drawn pages: everything stands where the test has planned it."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from ecgtrace.datasets.drawn_pages import DrawnPages, page_regions, page_signals
from ecgtrace.datasets.page_training import ScanMix, TrainingPages
from ecgtrace.drawing.page_design import PageDesign
from ecgtrace.drawing.page_designer import PageDesigner
from ecgtrace.drawing.page_layouts import KINDS, PageLayout, page_layout, usual_order
from ecgtrace.drawing.page_plan import BAR, PULSE, TRACE, plan_page
from ecgtrace.drawing.page_render import Scan, draw_picture
from ecgtrace.drawing.page_truth import page_targets
from ecgtrace.drawing.printers import Printer
from ecgtrace.drawing.style import PageStyle
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
    assert one.image.shape != pages[8].image.shape


def test_targets_have_the_size_that_the_told_resolution_gives():
    pages = TrainingPages(SampleRecords(), Printer(), px_per_mm=(5.0, 6.0))
    page = pages[1]
    height, width = page.image.shape[:2]
    assert page.targets.classes.shape == (
        round(height * 4 / page.px_per_mm_y),
        round(width * 4 / page.px_per_mm_x),
    )


def test_a_page_tells_its_gain_and_its_scale():
    """Where they are unusual: by a pulse or a line; without grid and pulse the file states the resolution."""
    rng = np.random.default_rng(3)
    designer = PageDesigner(gains_mm_per_mv={5.0: 1.0}, no_header=1.0)
    designs = [designer.draw(rng, 10.0) for _ in range(60)]
    silent = [one for one in designs if one.pulses == "none"]
    assert silent and len(silent) < 60
    for one in silent:
        assert any("5 mm/mV" in text.text or "5mm/mV" in text.text for text in one.texts)


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


def test_truth_stands_on_the_axis_of_the_page():
    """3x4: column k from 2.5 k s; II in the strip over all 10 s, and not in its column."""
    leads, names, signals = page_signals(plan_page(levels(), design(page_layout("3x4", strips=("II",)))))
    assert leads == names == LEADS
    assert signals.shape == (12, 5000)
    assert np.isfinite(signals[1]).all()
    shown = np.isfinite(signals[LEADS.index("V2")])
    assert (np.flatnonzero(shown)[0], np.flatnonzero(shown)[-1]) == (2500, 3749)
    np.testing.assert_allclose(signals[7][shown], 0.7)


def test_truth_of_an_inverted_lead_is_the_right_way_up():
    layout = page_layout("6x1", order=usual_order("6x1", cabrera=True))
    leads, names, signals = page_signals(plan_page(levels(), design(layout)))
    assert (leads[3], names[3]) == ("aVR", "-aVR")
    np.testing.assert_allclose(signals[3], 0.3)


def test_truth_between_drawn_samples_is_the_line():
    """Drawn at 100 Hz: a sample that falls between two drawn ones lies on the stroke between them."""
    record = SampleRecords().load("sample-002")
    page = design(page_layout("3x1"))
    plan = plan_page(record, replace(page, style=replace(page.style, fs_hz=100.0)))
    signal, truth = plan.traces[0].signal, page_signals(plan)[2][0]
    np.testing.assert_allclose(truth[:4996:5], signal)
    np.testing.assert_allclose(truth[2:4990:5], signal[:-1][:998] * 0.6 + signal[1:][:998] * 0.4)


def test_rows_of_one_lead_are_one_signal():
    ramp = np.tile(np.linspace(0, 1, 5000), (12, 1))
    plan = plan_page(Record("ramp", ramp, FS_HZ, LEADS), design(page_layout("rows", 2.5, n_rows=4)))
    leads, _, signals = page_signals(plan)
    assert leads == ("II",)
    np.testing.assert_allclose(signals[0], ramp[1])


def test_regions_lie_on_the_turned_picture():
    """Lead I is flat: its box is as high as the line and as what 250 mm rise by at 1 degree."""
    scan, plan = Scan(turn_deg=1.0), plan_page(levels(), design(page_layout("3x1")))
    region = page_regions(plan, scan.matrix(plan)[0])[0]
    fall = 2499.5 * np.sin(np.deg2rad(1))
    assert region.y1 - region.y0 == pytest.approx(fall + 3, abs=0.5)
    (x0, y0), (x1, y1) = region.zero_line
    assert (x1 - x0, y0 - y1) == pytest.approx((2499.5 * np.cos(np.deg2rad(1)), fall), abs=1.0)
    assert (region.overlap_mm2, region.crossings) == (0, 0)


def test_ink_of_another_row_is_told():
    """One peak of II, 3 mV = 30 mm high, from a row 20 mm below, crosses I twice with 10 mm of ink beyond."""
    signal = np.zeros((12, 5000))
    signal[1, 2500] = 3.0
    plan = plan_page(Record("peak", signal, FS_HZ, LEADS), design(page_layout("3x1")))
    first, second, third = page_regions(plan, Scan().matrix(plan)[0])
    assert (first.crossings, second.crossings, third.crossings) == (2, 2, 0)
    assert first.overlap_mm2 > 0 and second.overlap_mm2 > 0
    assert third.overlap_mm2 == 0


def test_drawn_pages_are_a_function_of_seed_and_number():
    pages = DrawnPages(SampleRecords(), {"plain": Printer()}, "val", n_pages=4, dpi=(100, 110), seed=1)
    again = DrawnPages(SampleRecords(), {"plain": Printer()}, "val", n_pages=4, dpi=(100, 110), seed=1)
    one, two = pages[2], again[2]
    np.testing.assert_array_equal(one.image, two.image)
    np.testing.assert_array_equal(one.signals, two.signals)
    assert one.page_id == pages.page_id(2)
    assert one.image.shape != pages[3].image.shape
    assert 100 <= one.px_per_mm * 25.4 <= 110
    assert [page.page_id for page in pages] == [pages.page_id(k) for k in range(4)]


@pytest.mark.parametrize("index", range(6))
def test_the_picture_is_dark_where_the_truth_says(index):
    """From signal, scale, speed, gain and zero line alone, the place of each sample; its pixel is ink."""
    sharp = {"blurred": 0.0, "noisy": 0.0, "jpeg": 0.0, "antialias": 1.0}
    printer = Printer(lines={"none": 1.0}, fs_hz={500.0: 1.0}, line_width_mm=(0.25, 0.5), **sharp)
    scans = ScanMix(shaded=0.0)
    pages = DrawnPages(SampleRecords(), {"plain": printer}, "val", 6, dpi=(150, 150), scans=scans, seed=5)
    page = pages[index]
    darkness = 255 - page.image.min(axis=2)
    for lead, signal in zip(page.leads, page.signals, strict=True):
        for region in page.shown(lead):
            times_s = np.arange(round(region.start_s * 500) + 1, round(region.end_s * 500) - 2) / 500
            values = signal[np.rint(times_s * 500).astype(int)] * (-1 if region.name == "-aVR" else 1)
            begin = np.array(region.zero_line[0])
            along = np.array(region.zero_line[1]) - begin
            along /= np.linalg.norm(along)
            up = np.array([along[1], -along[0]])
            mm = page.speed_mm_per_s * (times_s - region.start_s)
            x, y = begin[:, None] + page.px_per_mm * (
                mm * along[:, None] + page.gain_mm_per_mv * values * up[:, None]
            )
            inside = (y > 0) & (y < len(darkness) - 1)
            ink = darkness[np.rint(y[inside]).astype(int), np.rint(x[inside]).astype(int)]
            assert np.mean(ink > 60) > 0.97, (lead, page.layout)


def test_a_page_without_grid_and_pulse_states_its_resolution():
    """As the file of a scan does; where the paper shows a scale, it states none."""
    records = SampleRecords()
    plain = {"plain": Printer(lines={"none": 1.0})}
    ruled = {"ruled": Printer()}
    none, one = {"none": 1.0}, {"left": 1.0}

    def stated(printers, pulses):
        return DrawnPages(records, printers, "all", 1, designer=PageDesigner(pulses=pulses))[0].stated_dpi

    page = DrawnPages(records, plain, "all", 1, designer=PageDesigner(pulses=none))[0]
    assert page.stated_dpi == pytest.approx(25.4 * page.px_per_mm)
    assert stated(plain, one) is None and stated(ruled, none) is None
