"""Pages that are pictures: the time axis, strips, calibration, and what makes a page doubtful."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from planted_picture import PX_PER_MM
from planted_picture import lead as planted_lead

from ecgtrace.digitization.refined import RefinedDigitizer
from ecgtrace.errors import PageError
from ecgtrace.layout.regions import LeadRegion, RasterLayout
from ecgtrace.layout.rows import Row
from ecgtrace.page_ink.maps import MAP_PX_PER_MM, NAME_CLASSES, PageMaps
from ecgtrace.page_reading.axis import column_origins, place_leads
from ecgtrace.page_reading.calibrate import AT_LEAST, calibrate, find_pulses, to_zero_lines, whole_or_shown
from ecgtrace.page_reading.judge import judged_page
from ecgtrace.page_reading.lead import ReadLead, on_axis, read_lead
from ecgtrace.page_reading.left_over import hanging_on, made_higher, trace_ink, unread_ink
from ecgtrace.page_reading.strips import name_strips
from ecgtrace.recording import RecordedLead
from ecgtrace.sheet import Sheet
from ecgtrace.sheet.mapping import PlaneMap
from ecgtrace.types import GridScale, LeadSignal
from ecgtrace.vector.calibration import PaperChoice
from ecgtrace.vector.lines import Pulse

PX = 8.0  # px per mm of the sheet
SCALE = GridScale(PX, PX, 1.0)
PER_S = 25 * PX
NO_CHOICE = PaperChoice()
BLANK = np.full((1200, 2400, 3), 255, np.uint8)
SHEET = Sheet(BLANK, PX, PX, PlaneMap(np.eye(3)), 0.0, 0.01, "grid lines", grid_confirmed=True)


def beats(start_s: float, length_s: float, phase: float = 0.0, fs_hz: float = 500.0) -> np.ndarray:
    t = start_s + np.arange(round(length_s * fs_hz) + 1) / fs_hz
    return np.exp(-(((t + phase) % 0.8 - 0.4) ** 2) / 0.0005) + 0.1 * np.sin(2 * np.pi * t / 3.1 + phase)


def lead(
    name: str,
    column: int,
    start_px: float,
    values: np.ndarray,
    row: int = 0,
    strip: bool = False,
    until: float = np.inf,
) -> ReadLead:
    """Plant a lead that was read from column `start_px` of the sheet on."""
    end = start_px + (len(values) - 1) / 500 * PER_S
    region = LeadRegion(name, row, column, start_px, end, 0, 10, 5, until, 1.0 if name else 0.0, strip)
    signal = LeadSignal(values, 500.0, np.ones(len(values)), SCALE, np.full(2000, 5.0), start_px=0.0)
    return ReadLead(region, signal, left=int(start_px), top=0)


def test_columns_share_the_paper_s_time():
    first = [lead("I", 0, 80, beats(0, 2.498), row, until=580) for row in range(3)]
    second = [lead("V1", 1, 580, beats(2.5, 2.498), row) for row in range(3)]
    origins = column_origins([*first, *second], PX, 25.0)
    assert origins == {0: 80.0, 1: 80.0}


def test_bare_paper_between_columns_is_no_time():
    first = [lead("I", 0, 80, beats(0, 2.498), row, until=620) for row in range(3)]
    second = [lead("V1", 1, 620, beats(2.5, 2.498), row) for row in range(3)]  # 5 mm farther
    origins = column_origins([*first, *second], PX, 25.0)
    assert origins[1] == pytest.approx(620 - 2.5 * PER_S)


def test_one_row_that_begins_late_does_not_move_time_zero():
    rows = [lead("I", 0, x, beats(0, 2.5), row) for row, x in enumerate((80.0, 80.0, 95.0))]
    assert column_origins(rows, PX, 25.0)[0] == 80.0


def test_a_lead_stands_where_its_column_does():
    values = beats(2.5, 2.5)
    part = on_axis(lead("V1", 1, 580, values), 80.0, 500.0, 2600, (580, np.inf))
    known = np.flatnonzero(np.isfinite(part.amplitude_mv))
    assert known[0] == 1250 and known[-1] == 2500
    assert np.allclose(part.amplitude_mv[known], values)
    assert (part.confidence[np.isnan(part.amplitude_mv)] == 0).all()


def test_a_lead_between_samples_keeps_its_peaks():
    values = beats(0, 2.5)
    part = on_axis(lead("I", 0, 80.2, values), 80.0, 500.0, 1300, (0, np.inf))  # half a sample later
    known = np.isfinite(part.amplitude_mv)
    assert np.nanmax(part.amplitude_mv) == pytest.approx(values.max(), abs=0.005)
    assert known.sum() >= 1249


class DarkInk:
    """A segmenter for a picture without a grid: what is dark is the trace's."""

    model = "dark ink"

    def channels(self, image, duration_s=None):
        return (image[None, ..., 0] < 128).astype(np.float32)


@pytest.mark.parametrize("cut_mm", [0.0, 8.0])
def test_a_wave_beyond_what_the_maps_show_is_read_whole(cut_mm):
    """R is 11 mm high; the maps lack its upper 8 mm."""
    image = planted_lead(np.full((400, 810, 3), 255, np.uint8))
    dark = np.argwhere(image[..., 0] < 128)
    (top, left), (bottom, right) = dark.min(axis=0), dark.max(axis=0)
    region = LeadRegion("I", 0, 0, left, right, top + cut_mm * PX_PER_MM, bottom, 200)
    digitizer = RefinedDigitizer(DarkInk())
    scale = GridScale(PX_PER_MM, PX_PER_MM, 1.0)
    read = read_lead(digitizer, image, region, scale, (False, False))
    assert np.nanmax(read.signal.amplitude_mv) == pytest.approx(1.1, abs=0.05)
    assert not read.signal.doubts


def test_a_wave_too_high_to_be_one_is_a_doubt():
    """It goes on 60 mm above what the maps show of it."""
    image = np.full((1000, 810, 3), 255, np.uint8)
    line = np.array([[20, 950], [380, 950], [400, 200], [420, 950], [780, 950]])
    cv2.polylines(image, [line], False, (0, 0, 0), 2, cv2.LINE_AA)
    region = LeadRegion("I", 0, 0, 20, 780, 920, 955, 950)
    scale = GridScale(PX_PER_MM, PX_PER_MM, 1.0)
    read = read_lead(RefinedDigitizer(DarkInk()), image, region, scale, (False, False))
    assert any("reach the edge" in doubt for doubt in read.signal.doubts)
    assert float(np.median(read.path[:, 1])) == pytest.approx(950, abs=0.5)  # where it lies on the sheet


def test_ink_of_a_wave_that_no_lead_follows_is_found():
    """
    On the maps a line along row 100 with a wave 8 mm high upon it, a name 2.5 mm high, a bar at its end.

    The picture has twice as many px, and a line beside the wave that is no trace for the maps.
    """
    ink = np.zeros((200, 440), np.float32)
    ink[100, 20:420] = 1
    ink[68:101, 200] = 1  # the wave
    ink[80:90, 100:110] = 1  # the name
    ink[60:140, 420] = 1  # the bar
    blank = np.zeros_like(ink)
    heat = np.zeros((len(NAME_CLASSES), *ink.shape), np.float32)
    maps = PageMaps(ink, blank, blank, blank, blank, heat, (2.0, 2.0))
    image = np.repeat(np.repeat(255 * (1 - ink), 2, 0), 2, 1).astype(np.uint8)
    image[100:180, 460:462] = 0
    traces = trace_ink(np.stack([image] * 3, axis=2), maps)
    assert traces.line_px == 2
    region = LeadRegion("I", 0, 0, 40, 840, 0, 10, 5)

    def along(row_px: np.ndarray) -> ReadLead:
        n = len(row_px)
        signal = LeadSignal(np.zeros(n), 500.0, np.ones(n), SCALE, row_px, start_px=0.0)
        return ReadLead(region, signal, left=40, top=0)

    flat = along(np.full(800, 200.5))
    [piece] = unread_ink(traces, [flat], SCALE)
    assert (piece.x, piece.y, piece.ink.shape[1]) == (400, 136, 2) and piece.ink.all()
    assert piece.height / 8 == pytest.approx(7.9, abs=0.25)  # less half of the trace's own line
    assert hanging_on(flat, [piece], SCALE) == [piece]
    assert made_higher(region, [piece]) == replace(region, top=0, bottom=136 + piece.height)
    above = replace(piece, y=piece.y - 60)  # of another row
    assert hanging_on(flat, [above], SCALE) == []
    followed = np.full(800, 200.5)
    followed[359:364] = (200.5, 136.5, 136.5, 136.5, 200.5)
    assert unread_ink(traces, [along(followed)], SCALE) == []
    assert any(
        "not followed (up to 8 mm)" in d for d in doubts_of([recorded("I", beats(0, 3))], unread_mm=(8.0,))
    )


def test_a_strip_is_the_lead_that_it_repeats():
    leads = [
        lead("I", 0, 80, beats(0, 2.498, 0.1), 0, until=580),
        lead("II", 0, 80, beats(0, 2.498, 0.0), 1, until=580),
        lead("V1", 1, 580, beats(2.5, 2.498, 0.3), 0),
        lead("V2", 1, 580, beats(2.5, 2.498, 0.2), 1),
        lead("", 0, 80, beats(0, 10, 0.2), 2, strip=True),
    ]
    named, notes = name_strips(place_leads(leads, PX, 25.0, 500.0))
    assert named[-1].lead.region.name == "V2"
    assert "V2" in notes[0]
    leads[-1] = lead("", 0, 80, beats(0, 10, 0.25), 2, strip=True)  # like none of them
    assert name_strips(place_leads(leads, PX, 25.0, 500.0))[0][-1].lead.region.name == ""


def planted_pulse(width_mm: float, height_mm: float) -> PageMaps:
    shape = (200, 400)
    parts = {name: np.zeros(shape, np.float32) for name in ("trace", "pulse", "bar", "text")}
    left, base = 40, 150
    right, top = left + round(width_mm * MAP_PX_PER_MM), base - round(height_mm * MAP_PX_PER_MM)
    parts["pulse"][top : base + 1, [left, right]] = 1
    parts["pulse"][top, left : right + 1] = 1
    heat = np.zeros((len(NAME_CLASSES), *shape), np.float32)
    return PageMaps(**parts, row_offset_mm=np.zeros(shape, np.float32), names=heat)


@pytest.mark.parametrize(
    ("width_mm", "height_mm", "speed", "gain"), [(5, 10, 25, 10), (10, 5, 50, 5), (5, 20, 25, 20)]
)
def test_the_pulse_tells_speed_and_gain(width_mm, height_mm, speed, gain):
    found, doubts, _ = calibrate(SHEET, find_pulses(planted_pulse(width_mm, height_mm)), NO_CHOICE)
    assert (found.speed_mm_per_s, found.gain_mm_per_mv) == (speed, gain)
    assert found.speed_from == found.gain_from == "pulse"
    assert (found.per_mm_x, found.per_mm_y) == (PX, PX)
    assert not doubts


def test_parts_of_pulses_do_not_count_among_whole_ones():
    ten, five, twenty = (Pulse(10, 15, 30, mm, 5.0) for mm in (10.0, 5.0, 20.0))
    for pulses, gain in (((five, five, ten, ten), 10), ((twenty, ten, ten, five), 10)):
        found, doubts, _ = calibrate(SHEET, pulses, NO_CHOICE)
        assert found.gain_mm_per_mv == gain
        assert not doubts
    assert "several gains" in calibrate(SHEET, (five, ten), NO_CHOICE)[1][0]


def test_pulses_are_measured_from_their_top_to_their_row():
    """Of each a part is missing; rows 12 mm apart, 20 mm/mV: a top lies over two zero lines."""
    zero_lines = [40.0, 52.0, 64.0]
    parts = [
        Pulse(10.0, 15.0, zero - 20 + mm, mm, 5.0) for zero, mm in zip(zero_lines, (4, 6, 7), strict=True)
    ]
    assert [pulse.height for pulse in to_zero_lines(parts, zero_lines)] == [20, 20, 20]
    found, doubts, _ = calibrate(SHEET, parts, NO_CHOICE, "", zero_lines)
    assert found.gain_mm_per_mv == 20 and not any("gain" in doubt for doubt in doubts)
    assert not to_zero_lines(parts[:1], [35.0])  # 15 mm are no gain of a recorder


def test_a_pulse_found_whole_keeps_its_height_where_zero_lines_lie_elsewhere():
    """On a page that is turned: its own lies 2 mm off, that of the next row 20 mm below its top."""
    pulse = Pulse(x=10, end_x=15, base_y=55.0, height=5.0, width=5.0)
    found, doubts, _ = calibrate(SHEET, [pulse], NO_CHOICE, "", [57.0, 70.0], AT_LEAST)
    assert (found.gain_mm_per_mv, found.speed_mm_per_s) == (5.0, 25.0) and not doubts


def test_what_is_as_high_as_no_gain_tells_no_speed():
    """A cell of the grid is 10 mm wide, as a pulse at 50 mm/s is."""
    cell = Pulse(x=2, end_x=12, base_y=55.0, height=25.0, width=10.0)
    found, doubts, _ = calibrate(SHEET, [cell] * 3, NO_CHOICE, "10 mm/mV")
    assert (found.gain_mm_per_mv, found.speed_mm_per_s, found.speed_from) == (10.0, 25.0, "assumed")
    assert any("no gain of a recorder" in doubt for doubt in doubts)


def test_a_speed_that_was_not_read_beside_a_gain_is_a_doubt():
    """A pulse of 0.1 s at 50 mm/s is as wide as one of 0.2 s at 25 mm/s."""
    ten = Pulse(x=10, end_x=15, base_y=55.0, height=10.0, width=5.0)
    found, doubts, _ = calibrate(SHEET, [ten] * 3, NO_CHOICE, "10 mm/mV")
    assert found.speed_mm_per_s == 25 and any("no speed could be read" in doubt for doubt in doubts)
    for text in ("25 mm/s 10 mm/mV", ""):
        assert not calibrate(SHEET, [ten] * 3, NO_CHOICE, text)[1]


def test_without_a_pulse_speed_and_gain_are_a_doubt():
    found, doubts, _ = calibrate(SHEET, [], NO_CHOICE)
    assert (found.speed_mm_per_s, found.gain_mm_per_mv) == (25, 10)
    assert len(doubts) == 2
    assert not calibrate(SHEET, [], PaperChoice(50.0, 5.0))[1]


def test_a_narrow_pulse_is_no_slow_paper():
    found, doubts, _ = calibrate(SHEET, [Pulse(10, 13, 30, 10.0, 2.5)], NO_CHOICE)
    assert found.speed_mm_per_s == 25 and len(doubts) == 1


def test_what_is_given_stands_and_what_speaks_against_it_is_said():
    found, _, notes = calibrate(SHEET, [Pulse(10, 15, 30, 10.0, 5.0)], PaperChoice(50.0, 20.0))
    assert (found.speed_mm_per_s, found.gain_mm_per_mv) == (50, 20)
    assert len(notes) == 2
    assert "gain given is 20" in notes[0] and "pulse 10" in notes[0]
    assert "speed given is 50" in notes[1] and "pulse 25" in notes[1]


def recorded(name: str, values: np.ndarray) -> RecordedLead:
    signal = LeadSignal(values, 500.0, np.ones(len(values)), SCALE, np.zeros(10))
    return RecordedLead(name, signal, 0.0, (len(values) - 1) / 500)


def doubts_of(
    leads: list[RecordedLead],
    layout: str = "3x1",
    lost: tuple[str, ...] = (),
    unread_mm: tuple[float, ...] = (),
) -> list[str]:
    regions = tuple(LeadRegion(one.name, k, 0, 0, 1, 0, 1, 0) for k, one in enumerate(leads))
    return judged_page(leads, {}, RasterLayout(layout, regions, ()), lost, unread_mm, 500.0)[1]


def test_a_lead_that_reads_as_a_straight_line_is_a_doubt():
    flat = replace(recorded("I", beats(0, 3)).signal, doubts=("the trace is a straight line",))
    lead_i = replace(recorded("I", beats(0, 3)), signal=flat)
    assert any("I: the trace is a straight line" in doubt for doubt in doubts_of([lead_i]))


def test_limb_leads_that_do_not_add_up_are_a_doubt():
    one, three = beats(0, 3), beats(0, 3, 0.2)
    right = [recorded("I", one), recorded("II", one + three), recorded("III", three)]
    assert doubts_of(right) == []
    swapped = [recorded("I", three + one), recorded("II", one), recorded("III", three)]
    assert any("I + III = II" in doubt for doubt in doubts_of(swapped))


def test_what_was_not_read_and_has_no_name_is_a_doubt():
    leads = [recorded("I", beats(0, 3)), recorded("unknown_1", beats(0, 3, 0.2))]
    assert any("name" in doubt for doubt in doubts_of(leads))
    assert any(
        "not read" in doubt for doubt in doubts_of([recorded("I", beats(0, 3))], lost=("V1: no trace",))
    )
    assert any("columns" in doubt for doubt in doubts_of([recorded("I", beats(0, 3))], layout="4,4,2"))


def test_a_page_without_traces_is_refused():
    from ecgtrace.page_reading.read import _require_page

    with pytest.raises(PageError, match="no trace"):
        _require_page(RasterLayout("", (), ()))
    rows = tuple(Row(float(k), np.ones((2, 2), bool)) for k in range(17))
    pair = (LeadRegion("I", 0, 0, 0, 1, 0, 1, 0), LeadRegion("II", 1, 0, 0, 1, 0, 1, 0))
    _require_page(RasterLayout("2x1", pair, rows[:16]))
    with pytest.raises(PageError, match="17 rows"):
        _require_page(RasterLayout("17x1", pair, rows))
    with pytest.raises(PageError, match="one lead"):
        _require_page(RasterLayout("1x1", (LeadRegion("I", 0, 0, 0, 1, 0, 1, 0),), ()))


def test_a_pulse_wider_than_any_at_the_usual_speed_tells_twice_that():
    """0.15 s at 50 mm/s; one of 0.1 s there is as wide as one of 0.2 s at 25 mm/s."""
    for width_mm, speed in ((7.5, 50), (10.0, 50), (5.0, 25), (14.0, 25)):
        found, doubts, _ = calibrate(SHEET, [Pulse(10, 18, 30, 10.0, width_mm)] * 3, NO_CHOICE)
        assert found.speed_mm_per_s == speed
        assert len(doubts) == (0 if width_mm in (5.0, 10.0) else 1)
    feet = [Pulse(10, 18, 30, 10.0, width_mm) for width_mm in (5.2, 6.5, 7.0)]
    assert calibrate(SHEET, feet, NO_CHOICE)[0].speed_mm_per_s == 25
    assert calibrate(SHEET, [Pulse(10, 18, 30, 10.0, 7.5)], NO_CHOICE)[0].speed_mm_per_s == 25  # one alone


def test_higher_pulses_that_the_maps_show_count_more_than_cells_of_the_grid():
    """Lines of the grid 5 mm apart cut the form of a pulse out of one of 10 mm; one pulse tells nothing."""
    cell, ten, odd = (Pulse(10, 15, 30, mm, 5.0) for mm in (4.7, 10.2, 8.0))
    assert whole_or_shown([cell, cell], [ten, ten, ten, odd]) == ([ten] * 3, False)
    assert whole_or_shown([cell, cell], [ten, odd]) == ([cell, cell], True)
    assert whole_or_shown([ten], [cell, cell]) == ([ten], True)
    assert whole_or_shown([], [odd]) == ([odd], False)
