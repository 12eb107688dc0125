"""One lead over several rows: told from simultaneous leads by names and beats, and put together."""

from dataclasses import replace

import numpy as np
import pytest

from ecgtrace.datasets.drawn_pages import page_signals
from ecgtrace.digitization.rhythm import RowsRhythm, rows_rhythm
from ecgtrace.drawing.page_design import PageDesign
from ecgtrace.drawing.page_layouts import page_layout
from ecgtrace.drawing.page_plan import plan_page
from ecgtrace.drawing.page_render import Scan
from ecgtrace.drawing.page_truth import page_targets
from ecgtrace.drawing.style import PageStyle
from ecgtrace.layout.given import parse_layout
from ecgtrace.layout.one_lead import SoleName, sole_name
from ecgtrace.layout.regions import LeadRegion, find_regions
from ecgtrace.page_ink.maps import NAME_CLASSES, PageMaps
from ecgtrace.page_ink.names import names_found
from ecgtrace.page_reading.axis import PlacedLead
from ecgtrace.page_reading.continued import _is_one_lead, _length_doubts, _row_times
from ecgtrace.page_reading.lead import ReadLead, to_sheet
from ecgtrace.page_reading.read import assemble
from ecgtrace.recording import Calibration
from ecgtrace.sheet import Sheet
from ecgtrace.sheet.mapping import PlaneMap
from ecgtrace.types import GridScale, LeadSignal, Record
from ecgtrace.units import LEADS

FS_HZ = 500.0
PX = 10.0
ROW_S = 5.0
SCALE = GridScale(PX, PX, 1.0)
RNG = np.random.default_rng(5)
SINUS = RNG.normal(0.83, 0.04, 60)  # s from beat to beat
FIBRILLATION = RNG.uniform(0.45, 1.25, 60)
METRONOME = np.full(60, 1.0)  # rows of 5 s begin with the same phase


def ecg(rr_s, seconds=20.0):
    """Twelve leads: one heart's beats, P, QRS and T of other heights in each, on a slow drift."""
    time_s = np.arange(round(seconds * FS_HZ)) / FS_HZ
    from_beats_s = time_s[:, None] - (np.cumsum(rr_s) - 0.5)
    waves = [
        np.exp(-0.5 * ((from_beats_s - lag_s) / width_s) ** 2).sum(axis=1)
        for lag_s, width_s in ((-0.16, 0.025), (0, 0.012), (0.03, 0.012), (0.25, 0.05))
    ]
    rng = np.random.default_rng(1)
    heights_mv = rng.uniform(-1, 1, (12, 4)) * (0.15, 0.6, 0.5, 0.4) + (0.1, 0.5, -0.3, 0)
    return heights_mv @ waves + 0.1 * np.sin(2 * np.pi * time_s / 9)


def drawn(rr_s, kind="rows", names="all", lead="II", signal=None, fs_hz=FS_HZ):
    """Plan a page of rows of 5 s, 25 mm apart."""
    order = (lead,) if kind == "rows" else None
    layout = page_layout(kind, ROW_S, order=order, n_rows=3)
    zeros = tuple(25.0 * row for row in range(len(layout.rows)))
    design = PageDesign(
        style=PageStyle(px_per_mm=PX, fs_hz=fs_hz, line_width_mm=0.3, name_offset_mm=9.0),
        layout=layout,
        row_zero_mm=zeros,
        width_mm=165.0,
        height_mm=60.0 + zeros[-1],
        left_mm=20.0,
        top_mm=30.0,
        names=names,
    )
    return plan_page(Record("planted", ecg(rr_s) if signal is None else signal, FS_HZ, LEADS), design)


def maps_of(plan):
    """Return the maps that a network without fault makes of a page."""
    matrix, size = Scan().matrix(plan)
    found = page_targets(plan, matrix, size, PX, PX)
    heat = np.zeros((len(NAME_CLASSES), *found.classes.shape), np.float32)
    for name in found.names:
        heat[NAME_CLASSES.index(name.name), round(name.y), round(name.x)] = 1
    ink = [(found.classes == kind).astype(np.float32) for kind in (1, 2, 3, 4)]
    height, width = found.classes.shape
    return PageMaps(*ink, np.nan_to_num(found.row_offset_mm), heat, (size[0] / width, size[1] / height))


def read(plan, lost=(), layout=None, leads=()):
    """Read a page by its maps; each lead as it was drawn, less those rows that are lost."""
    maps = maps_of(plan)
    layout = find_regions(maps, names_found(maps), layout and parse_layout(layout), leads)
    leads = []
    for region in layout.regions:
        trace = plan.traces[region.row]
        x, y = trace.polyline.T
        sampled = np.interp(np.arange(x[0], x[-1] + 1e-6, 25 * PX / FS_HZ), x, trace.signal)
        values = sampled - np.median(sampled)
        left, top = int(x[0]) - 5, int(y.min()) - 5
        columns = np.arange(left, int(x[-1]) + 5)
        row_px = np.interp(columns, x, y, left=np.nan, right=np.nan) - top
        signal = LeadSignal(values, FS_HZ, np.ones(len(values)), SCALE, row_px, start_px=x[0] - left)
        if region.row not in lost:
            leads.append(ReadLead(to_sheet(region, maps), signal, left, top))
    blank = np.zeros((plan.height, plan.width, 3), np.uint8)
    sheet = Sheet(blank, PX, PX, PlaneMap(np.eye(3)), 0.0, 0.0, "planted", True)
    calibrated = (Calibration(PX, PX, 25.0, 10.0), (), ())
    return assemble(sheet, layout, leads, calibrated, (), (), FS_HZ)


def left_over_mv(found, plan):
    """Return the rms of what is left between the only lead that was read and the truth; a constant aside."""
    (lead,) = found.leads
    truth = page_signals(plan)[2][0]
    read_mv = lead.signal.amplitude_mv
    assert len(read_mv) == pytest.approx(len(truth), abs=1)
    n = min(len(truth), len(read_mv))
    return float(np.nanstd(read_mv[:n] - truth[:n]))


@pytest.mark.parametrize("names", ["all", "first row", "none"])
@pytest.mark.parametrize("rr_s", [SINUS, FIBRILLATION], ids=["sinus", "fibrillation"])
def test_rows_of_one_lead_are_put_together(names, rr_s):
    plan = drawn(rr_s, names=names)
    found = read(plan)
    assert found.layout == plan.design.layout.name == "rows3"
    assert found.names == (("unknown_1",) if names == "none" else ("II",))
    assert found.status == ("doubtful" if names == "none" else "ok"), found.message
    assert left_over_mv(found, plan) < 0.01  # the drift alone is 0.07
    (lead,) = found.leads
    assert (lead.start_s, lead.end_s) == (0.0, pytest.approx(3 * ROW_S, abs=0.01))
    assert np.isfinite(lead.signal.amplitude_mv).all()
    assert len(lead.boxes) == len(lead.paths) == 3
    for row, (_, top, _, bottom) in enumerate(lead.boxes):
        assert top < PX * (30 + 25 * row) < bottom


def test_rows_drawn_at_a_low_rate_meet():
    """At 100 Hz a row ends 10 ms before the next begins: the line between is bridged."""
    found = read(drawn(SINUS, fs_hz=100.0))
    assert np.isfinite(found["II"].signal.amplitude_mv).all()
    assert found["II"].end_s == pytest.approx(3 * ROW_S - 0.01, abs=0.003)


@pytest.mark.parametrize(("kind", "names"), [("6x1", "none"), ("3x1", "none"), ("6x1", "first row")])
def test_simultaneous_leads_are_not_put_together(kind, names):
    found = read(drawn(SINUS, kind, names))
    assert found.layout == kind and len(found.leads) == int(kind[0])
    assert not any("goes on" in text or "go on" in text for text in (*found.doubts, *found.notes))


def test_simultaneous_leads_of_one_shape_are_not_put_together():
    """As V4 to V6 often are; one name for all of them was misread."""
    alike = ecg(SINUS)
    alike[:] = alike[1] * np.linspace(0.9, 1.1, 12)[:, None]
    assert read(drawn(SINUS, "3x1", "none", signal=alike)).layout == "3x1"
    assert read(drawn(SINUS, "3x1", "first row", signal=alike)).layout == "3x1"


def test_what_beats_do_not_tell_stays_apart_and_is_said():
    """A pacemaker at 60 per minute: rows of 5 s look as if they were simultaneous."""
    found = read(drawn(METRONOME, names="none"))
    assert found.layout == "3x1"
    assert any("kept apart" in doubt for doubt in found.doubts)
    found = read(drawn(METRONOME, names="all"))
    assert found.layout == "rows3"  # here the names tell
    noise = np.random.default_rng(0).normal(0, 0.02, (12, 10000))  # no beats
    found = read(drawn(FIBRILLATION, names="none", signal=noise))
    assert found.layout == "3x1"
    assert any("kept apart" in doubt for doubt in found.doubts)


def test_rows_that_the_user_calls_one_lead_are_put_together():
    """Their beats do not tell; a name that is given counts, one alone."""
    plan = drawn(1.25, names="none")
    assert len(read(plan).leads) == 3
    found = read(plan, layout="rows3")
    assert found.layout == "rows3" and [lead.name for lead in found.leads] == ["unknown_1"]
    assert left_over_mv(found, plan) < 0.01
    assert any("as given" in note for note in found.notes)
    assert [lead.name for lead in read(plan, layout="rows3", leads=("II",)).leads] == ["II"]
    many = read(plan, layout="rows3", leads=("II", "V1"))
    assert any("shows one lead: II was taken" in doubt for doubt in many.doubts)


def test_rows_between_which_time_is_missing_stay_apart():
    """The rhythm is regular, and half a beat is missing between any two rows."""
    regular = ecg(np.full(60, 0.83))
    parts = [regular[:, round(k * 5.415 * FS_HZ) :][:, : round(ROW_S * FS_HZ)] for k in range(3)]
    plan = drawn(SINUS, names="none", signal=np.concatenate(parts, axis=1))
    found = read(plan)
    assert found.layout == "3x1"
    assert any("kept apart" in doubt for doubt in found.doubts)


def test_a_row_that_was_not_read_leaves_its_time_empty():
    plan = drawn(SINUS)
    found = read(plan, lost=(1,))
    (lead,) = found.leads
    mv = lead.signal.amplitude_mv
    assert found.layout == "rows3" and len(lead.boxes) == 2
    first, last = (round(s * FS_HZ) for s in (ROW_S, 2 * ROW_S))
    assert np.isnan(mv[first + 5 : last - 5]).all()
    assert left_over_mv(found, plan) < 0.01
    assert found.status == "doubtful"


def test_a_lead_upside_down_is_turned_in_all_rows():
    plan = drawn(SINUS, lead="aVR")
    turned = tuple(
        replace(trace, cell=replace(trace.cell, name="-aVR"), signal=trace.signal) for trace in plan.traces
    )
    found = read(replace(plan, traces=turned))
    assert found.names == ("aVR",)
    truth = page_signals(plan)[2][0]
    assert np.corrcoef(found["aVR"].signal.amplitude_mv[: len(truth)], -truth)[0, 1] > 0.999


def rows_of(rr_s, n_rows=3, lead=1, gap_s=0.0):
    """Cut a lead into rows of 5 s, with what is lost between them."""
    values = ecg(rr_s, 30.0)[lead]
    starts = [round(k * (ROW_S + gap_s) * FS_HZ) for k in range(n_rows)]
    return [values[start : start + round(ROW_S * FS_HZ)] for start in starts]


def test_beats_tell_rows_that_go_on_from_simultaneous_leads():
    assert rows_rhythm(rows_of(SINUS), FS_HZ) == RowsRhythm(False, True, True, True)
    assert rows_rhythm(rows_of(FIBRILLATION), FS_HZ) == RowsRhythm(False, True, True, True)
    at_once = rows_rhythm(list(ecg(SINUS)[:3, :2500]), FS_HZ)
    assert (at_once.together, at_once.alike, at_once.apart) == (True, False, False)
    assert not rows_rhythm(rows_of(np.full(60, 0.83), gap_s=0.415), FS_HZ).goes_on
    assert rows_rhythm([np.zeros(2500), np.full(2500, np.nan)], FS_HZ) == RowsRhythm(*[False] * 4)


def test_a_step_from_row_to_row_is_no_beat():
    stepped = [row + mv for row, mv in zip(rows_of(SINUS), (0.0, 3.0, -2.0), strict=True)]
    assert rows_rhythm(stepped, FS_HZ) == RowsRhythm(False, True, True, True)


def scores(name, share=1.0, height=1.0):
    found = np.zeros(len(NAME_CLASSES))
    found[NAME_CLASSES.index(name)] = share
    found[NAME_CLASSES.index("V6")] += 1 - share
    return tuple(found * height)


def test_the_only_name_of_a_page():
    sole = sole_name([0, 1, 2], [scores("II")] * 3)
    assert (sole.name, sole.on_all, sole.on_first) == ("II", True, False)
    sole = sole_name([0, 1, 2], [scores("II"), (), scores("I", height=0.2)])  # too faint to be a name
    assert (sole.name, sole.on_all, sole.on_first) == ("II", False, True)
    sole = sole_name([0, 1], [scores("II"), scores("II", 0.55)])  # the second may be another
    assert not sole.on_all and sole.on_first
    assert sole_name([0, 1], [(), ()]).name == ""
    assert sole_name([0, 1, 2], [scores("I"), scores("II"), scores("III")]) is None
    assert sole_name([0, 1, 1], [scores("II")] * 3) is None  # a row of two leads
    assert sole_name([0], [scores("II")]) is None


def test_one_row_of_four_may_be_spoilt():
    """The patient moves: waves of 5 mV in the first row, in no time with the beats."""
    rows = rows_of(SINUS, 4)
    moving = np.cumsum(np.random.default_rng(0).normal(0, 1, 2500)) * 0.15
    rows[0] = rows[0] + moving
    found = rows_rhythm(rows, FS_HZ)
    assert found.alike and found.apart


def row_part(row, start_s=0.0, end_s=9.994, behind=False):
    """Plant a row that was read from `start_s` to `end_s`."""
    values = np.sin(np.arange(round((end_s - start_s) * FS_HZ)))
    region = LeadRegion("II", row, 0, 100.0 + start_s * 25 * PX, 100.0 + end_s * 25 * PX, 0, 10, 5)
    signal = LeadSignal(values, FS_HZ, np.ones(len(values)), SCALE, np.full(4000, 5.0), start_px=0.0)
    return PlacedLead(ReadLead(region, signal, 100, 0, pulse_behind=behind), signal, start_s, end_s)


def test_the_foot_of_a_pulse_makes_no_row_longer():
    """Rows of ten seconds of which two were read from 1 mm before the others on."""
    rows = {row: row_part(row, start_s) for row, start_s in enumerate((0.0, -0.038, 0.0, -0.028))}
    starts = [time.start_s for time in _row_times(rows, 4, 25.0, FS_HZ)]
    assert starts == pytest.approx([0.0, 10.0, 20.0, 30.0])


def test_a_row_whose_begin_was_lost_makes_none_later():
    """The second row was read from 0.5 mm on; from 10 mm on it stands behind a pulse."""
    for late_s, start_s in ((0.02, 20.0), (0.4, 19.6)):
        rows = {row: row_part(row, late_s if row == 1 else 0.0) for row in range(4)}
        assert _row_times(rows, 4, 25.0, FS_HZ)[2].start_s == pytest.approx(start_s)


def test_the_foot_of_a_pulse_behind_the_rows_makes_none_longer():
    """They were read to 1.7 mm behind 250 mm, where pulses stand."""
    rows = {row: row_part(row, end_s=10.068, behind=True) for row in range(4)}
    times = _row_times(rows, 4, 25.0, FS_HZ)
    assert [time.start_s for time in times] == pytest.approx([0.0, 10.0, 20.0, 30.0])
    assert [time.right_s for time in times] == pytest.approx([9.998] * 4)
    assert _length_doubts(times) == []


def test_rows_of_a_length_that_no_recorder_prints_are_a_doubt():
    """Without pulses behind them: 5 rows add up to 0.3 s."""
    times = _row_times({row: row_part(row, end_s=10.068) for row in range(5)}, 5, 25.0, FS_HZ)
    assert times[4].start_s == pytest.approx(40.28)
    (doubt,) = _length_doubts(times)
    assert "10.07 s long" in doubt


@pytest.mark.parametrize(
    ("rows", "goes_on", "joined"), [((2, 4), False, True), ((2,), False, False), ((2,), True, True)]
)
def test_a_name_read_on_two_of_five_rows_is_printed_on_all(rows, goes_on, joined):
    """Beats of one shape at other times are one lead's then; of a name that was read once they must go on."""
    rhythm = RowsRhythm(together=False, alike=True, apart=True, goes_on=goes_on)
    assert _is_one_lead(SoleName("V1", rows, 5), rhythm) == joined
