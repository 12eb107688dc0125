"""Each check speaks where its fault is planted, and is silent on a lead that was read well."""

import cv2
import numpy as np
import pytest
from planted_picture import BASE_PX, LEFT_PX, LINE_PX, PX_PER_MM, SHIFT, grid, lead, wave_mv

from ecgtrace import Digitizer
from ecgtrace.digitization.lead_count import page_doubt, refuse_page, refuse_upright, runs_per_column
from ecgtrace.digitization.left_over import second_lead, unread_waves
from ecgtrace.digitization.verdict import CHECKS, heart_rate_bpm, judged, message
from ecgtrace.errors import ConfigError, GridNotFoundError, InputImageError
from ecgtrace.reading import Paper, digitize_picture
from ecgtrace.types import GridScale, LeadSignal

SCALE = GridScale(PX_PER_MM, PX_PER_MM, 1.0)


def planted(mv=wave_mv, seconds=2.5, base_px=BASE_PX, width=810):
    """The signal that is drawn by `lead`, as a perfect digitizer would give it."""
    time_s = np.arange(0, seconds, 0.002)
    amplitude = np.asarray(mv(time_s), np.float64) + 0 * time_s
    rows = np.full(width, np.nan)
    columns = np.arange(LEFT_PX, min(width, int(LEFT_PX + seconds * 25 * PX_PER_MM)))
    rows[columns] = base_px - 10 * PX_PER_MM * np.asarray(mv((columns - LEFT_PX) / 25 / PX_PER_MM))
    return LeadSignal(amplitude, 500.0, np.ones_like(amplitude), SCALE, rows, LEFT_PX)


def doubts(signal, image=None):
    return judged(signal, lead() if image is None else image).doubts


def changed(signal, **fields):
    return LeadSignal(**{**signal.__dict__, **fields})


def two_rows(beyond_mm):
    """The lead, and another whose zero line lies below its own by so much; the box is cut below both."""
    paper = grid(height=int(BASE_PX + beyond_mm * PX_PER_MM) + 60)
    image = lead(paper)
    time_s = np.arange(0, 2.5, 0.002)
    y = BASE_PX + beyond_mm * PX_PER_MM - 0.7 * wave_mv(time_s + 0.3) * 10 * PX_PER_MM
    points = np.stack([LEFT_PX + time_s * 25 * PX_PER_MM, y], axis=1)
    cv2.polylines(
        image, [np.rint(points * 2**SHIFT).astype(np.int32)], False, (0, 0, 0), LINE_PX, cv2.LINE_AA, SHIFT
    )
    return image


def test_a_lead_that_was_read_well_has_no_doubts():
    judgement = judged(planted(), lead())
    assert judgement.doubts == () and judgement.status == "ok" and message(judgement) == ""


def test_doubts_of_the_scale_count_and_what_is_assumed_is_told():
    scale = GridScale(PX_PER_MM, PX_PER_MM, 0.5, assumptions=("lines 1 mm apart",), doubts=("evenly ruled",))
    judgement = judged(changed(planted(), scale=scale), lead())
    assert judgement.status == "doubtful" and message(judgement) == "evenly ruled; lines 1 mm apart"
    square = judged(changed(planted(), scale=GridScale(PX_PER_MM, PX_PER_MM, 1.0, True)), lead())
    assert square.status == "ok" and message(square).startswith("square pixels: ")


def test_judging_twice_changes_nothing():
    once = judged(planted(seconds=0.2), lead())
    assert judged(once, lead()).doubts == once.doubts


FAULTS = {
    "the trace covers 1": lambda: changed(
        planted(), row_px=np.where(np.arange(810) < 120, planted().row_px, np.nan)
    ),
    "the signal is 0.20 s short": lambda: planted(seconds=0.202),
    "20.0 s are longer than a row": lambda: planted(
        lambda t: wave_mv(np.mod(t, 2.5)), seconds=20, width=6050
    ),
    "the waves are 13.9 mV high": lambda: changed(planted(), amplitude_mv=11 * planted().amplitude_mv),
    "a heart rate of 10 per minute": lambda: planted(
        lambda t: np.exp(-(((np.mod(t, 6) - 3) / 0.03) ** 2)), seconds=18, width=5430
    ),
    "no heart beat stands out": lambda: planted(lambda t: 0.5 * np.sin(2 * np.pi * 1.5 * t)),
    "the trace is a straight line": lambda: planted(lambda t: 0.01 * t),
    "the trace runs along the picture's edge for": lambda: planted(base_px=258),
    "low confidence (0.40 on average)": lambda: changed(
        planted(), confidence=np.full(len(planted().amplitude_mv), 0.4)
    ),
    "only 80% of the signal": lambda: changed(
        planted(),
        amplitude_mv=np.where(np.arange(1250) < 250, np.nan, planted().amplitude_mv),
        confidence=np.where(np.arange(1250) < 250, 0.0, 1.0),
    ),
}


@pytest.mark.parametrize("words", FAULTS)
def test_a_planted_fault_is_told(words):
    assert any(reason.startswith(words) for reason in doubts(FAULTS[words]())), doubts(FAULTS[words]())


def test_each_check_is_planted_somewhere():
    """Two leads, left-out waves and pages have tests of their own."""
    assert len(CHECKS) == len(FAULTS) + 3


@pytest.mark.parametrize("rate_bpm", [40, 75, 180, 240])
def test_the_heart_rate_is_that_of_the_beats(rate_bpm):
    apart_s = 60 / rate_bpm
    signal = planted(lambda t: np.exp(-(((np.mod(t, apart_s) - apart_s / 2) / 0.015) ** 2)), 8, width=2430)
    assert heart_rate_bpm(signal) == pytest.approx(rate_bpm, rel=0.02)


def test_noise_and_two_beats_have_no_heart_rate():
    assert heart_rate_bpm(planted(seconds=1.0)) is None


# Several leads -----------------------------------------------------------------------------------------


def test_a_second_lead_in_the_box_is_told():
    beyond_mm, covered = second_lead(two_rows(15), planted())
    assert 10 < beyond_mm < 15 and covered > 0.6
    assert any("second lead below" in reason for reason in doubts(planted(), two_rows(15)))


def test_a_neighbour_that_a_loose_box_takes_in_is_none():
    """Its zero line lies 3 mm beyond the lead's lowest wave, where a hand may cut."""
    image = two_rows(6)[: BASE_PX + int(6.5 * PX_PER_MM)]
    assert second_lead(image, planted()) is None


def test_a_stretch_of_another_lead_is_none():
    """A third of the width is what a neighbouring column may show in a loose box."""
    image = two_rows(15)
    image[BASE_PX + int(5 * PX_PER_MM) :, 280:] = grid(height=300)[0 : len(image) - 260, 280:]
    assert second_lead(image, planted()) is None


def test_printed_words_below_are_no_lead():
    image = lead(grid(height=420))
    for x in range(20, 700, 330):
        cv2.putText(image, "25 mm/s  10 mm/mV", (x, 370), cv2.FONT_HERSHEY_SIMPLEX, 1, (0, 0, 0), 2)
    assert second_lead(image, planted()) is None


def test_waves_that_the_trace_leaves_out_are_told():
    """Two spikes of 6 mm stand on the flat stretches of the trace, and a third where names stand."""
    image = lead()
    for x in (LEFT_PX + 60, 330, 590):
        y = int(planted().row_px[x])
        spike = np.array([[x - 5, y], [x, y - 72], [x + 5, y]], np.int32)
        cv2.polylines(image, [spike], False, (0, 0, 0), LINE_PX, cv2.LINE_AA)
    assert len(unread_waves(image, planted())) == 2
    assert any("2 waves beside the trace" in reason for reason in doubts(planted(), image))
    assert unread_waves(lead(), planted()) == []


def test_a_neighbours_wave_across_the_trace_is_none():
    image = two_rows(13)
    peak = np.array([[500, 350], [510, 60], [520, 350]], np.int32)
    cv2.polylines(image, [peak], False, (0, 0, 0), LINE_PX, cv2.LINE_AA)
    assert unread_waves(image, planted()) == []


def page(rows=4):
    return np.tile(lead(), (rows, 1, 1))


def test_a_page_is_refused_before_it_is_read():
    def never(image, mask=None):
        raise AssertionError("the digitizer was called")

    never.name, never.find_scale = "never", lambda image: SCALE
    with pytest.raises(
        InputImageError,
        match=r"whole page with several leads \(4 traces .*87 mm high\); read it with content=page",
    ):
        digitize_picture(never, page())


def test_a_page_whose_grid_is_not_found_says_so():
    def lost(image, mask=None):
        raise GridNotFoundError("no grid")

    lost.name, lost.find_scale = "lost", lost
    with pytest.raises(
        GridNotFoundError,
        match="no grid; if it is a page with several leads, read it with content=page, or cut out one",
    ):
        digitize_picture(lost, page())
    assert page_doubt(page(), PX_PER_MM) and not page_doubt(lead(), PX_PER_MM)


def test_two_rows_and_a_dark_grid_are_no_page():
    """Three runs in a column are a page on high paper alone."""
    refuse_page(two_rows(15), lambda image: SCALE)
    dark = lead(grid(minor=60, major=40))
    refuse_page(dark, lambda image: SCALE)
    refuse_page(page(), lambda image: GridScale(4 * PX_PER_MM, 4 * PX_PER_MM, 1.0))
    assert runs_per_column(lead()) == 1


def test_a_lead_from_top_to_bottom_is_refused():
    with pytest.raises(InputImageError, match="turn the picture by 90 degrees"):
        refuse_upright(np.ascontiguousarray(np.rot90(lead())))
    refuse_upright(lead())
    refuse_upright(lead()[:, 100:320])  # one beat, higher than wide


# Speed and gain ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("speed", "gain"), [(50.0, 10.0), (12.5, 20.0), (25.0, 5.0)])
def test_speed_and_gain_are_those_of_the_paper(speed, gain):
    """The same picture, another paper: the rate stays, times and amplitudes scale."""
    plain = Digitizer.from_pretrained("baseline")(lead())
    other = Digitizer.from_pretrained("baseline", speed_mm_per_s=speed, gain_mm_per_mv=gain)(lead())
    assert other.fs_hz == 500 and (other.speed_mm_per_s, other.gain_mm_per_mv) == (speed, gain)
    assert other.time_s[-1] == pytest.approx(plain.time_s[-1] * 25 / speed, abs=0.005)
    assert np.ptp(other.amplitude_mv) == pytest.approx(np.ptp(plain.amplitude_mv) * 10 / gain, rel=0.02)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((30, 10), r"speed must be one of 12\.5, 25, 50, 100 \(mm/s\), got 30"),
        ((25, 0), r"gain must be one of 2\.5, 5, 10, 20, 40 \(mm/mV\), got 0"),
        (("fast", 10), "got fast"),
        ((True, 10), "got True"),
    ],
)
def test_what_no_recorder_has_is_refused(values, words):
    with pytest.raises(ConfigError, match=words):
        Paper(*values)
    with pytest.raises(ConfigError, match=words):
        Digitizer.from_pretrained("baseline", speed_mm_per_s=values[0], gain_mm_per_mv=values[1])


def test_a_digitizer_without_a_rate_cannot_take_a_speed():
    def custom(image, mask=None):
        return planted()

    custom.name = "custom"
    with pytest.raises(ConfigError, match="custom has no fs_hz; leave speed out"):
        Digitizer(custom, Paper(speed_mm_per_s=50.0))
