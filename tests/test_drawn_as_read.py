"""Whole pages, drawn and read again: the wrong way up, without a grid, at another speed."""

from dataclasses import replace

import numpy as np
import pytest

from ecgtrace.digitization.refined import RefinedDigitizer
from ecgtrace.drawing.page_layouts import page_layout
from ecgtrace.drawing.page_plan import plan_page
from ecgtrace.drawing.page_render import Scan, draw_picture
from ecgtrace.drawing.page_words import Text
from ecgtrace.drawing.usual_page import usual_page
from ecgtrace.errors import GridNotFoundError
from ecgtrace.page_reading.build import page_reader
from ecgtrace.page_reading.no_grid import STRETCHES
from ecgtrace.page_reading.square_pulses import square_pulses
from ecgtrace.records.sample import SampleRecords
from ecgtrace.segmentation.segmenter import NetworkSegmenter
from ecgtrace.units import LEADS

DPI = 200.0


@pytest.fixture(scope="module")
def record():
    records = SampleRecords()
    return records.load(records.split_ids("all")[0])


@pytest.fixture(scope="module")
def reader():
    return page_reader(RefinedDigitizer(NetworkSegmenter("shipped", "cpu")))


def without_grid(design):
    return replace(design, grid_area_mm=None, style=replace(design.style, grid_major=None, grid_minor=None))


def picture(record, design, turn_deg=0.0):
    return draw_picture(plan_page(record, design), Scan(turn_deg=turn_deg), np.random.default_rng(0))


def agreement(record, lead) -> float:
    """Return r of a lead with the record, over what is shown, at the best of lags up to 60 ms."""
    n = round(len(lead.signal.amplitude_mv) * record.fs_hz / lead.signal.fs_hz)
    at = np.arange(n) / record.fs_hz
    read = np.interp(at, lead.signal.time_s, np.nan_to_num(lead.signal.amplitude_mv, nan=0.0))
    own = record.signal[record.leads.index(lead.name)][:n]
    inside = (at[: len(own)] > lead.start_s + 0.1) & (at[: len(own)] < lead.end_s - 0.1)
    reach = round(0.06 * record.fs_hz)
    lags = range(-reach, reach + 1)
    return max(np.corrcoef(np.roll(read, k)[: len(own)][inside], own[inside])[0, 1] for k in lags)


def check(record, recording, least=0.95):
    assert {lead.name for lead in recording.leads} == set(LEADS)
    assert np.median([agreement(record, lead) for lead in recording.leads]) > least


@pytest.mark.parametrize("turn_deg", [0.0, 0.8])
def test_a_page_without_a_grid_has_the_scale_of_its_pulses(record, reader, turn_deg):
    """And says so."""
    recording = reader(picture(record, without_grid(usual_page("1", DPI)), turn_deg))
    found = recording.calibration
    assert found.scale_from in STRETCHES
    assert any("no grid confirms the scale" in doubt for doubt in recording.doubts)
    for scale in (found.per_mm_x, found.per_mm_y):
        assert scale == pytest.approx(DPI / 25.4, rel=0.012)
    assert recording.layout == "3x4+1"
    if not turn_deg:  # 1 % of the scale and the foot of a pulse move the last column by 0.2 s
        check(record, recording, 0.9)


def test_a_page_without_grid_and_pulses_is_refused(record, reader):
    """Nothing tells the scale."""
    with pytest.raises(GridNotFoundError, match="px_per_mm"):
        reader(picture(record, replace(without_grid(usual_page("1", DPI)), pulses="none")))


def test_rows_of_one_lead_are_turned_upright_by_their_print(record, reader):
    """Its one name, I, can be read upside down as well, and tells nothing of a page on its side."""
    layout = page_layout("3x1", order=("I", "II", "III"))
    design = replace(usual_page("1", DPI), layout=layout, row_zero_mm=(0.0, 33.0, 66.0))
    page = picture(record, design)
    for turns in (1, 2):
        recording = reader(np.ascontiguousarray(np.rot90(page, turns)))
        assert recording.layout == "3x1"
        assert [lead.name for lead in recording.leads] == ["I", "II", "III"]
        assert np.median([agreement(record, lead) for lead in recording.leads]) > 0.95


def test_speed_and_gain_that_are_printed_alone_are_read(record, reader):
    """50 mm/s and 5 mm/mV, without a pulse."""
    design = usual_page("1", DPI)
    words = Text("50 mm/s   5 mm/mV   0.05-150 Hz", 12.0, 200.0, 2.4, design.style.font)
    design = replace(
        design,
        layout=page_layout("6x2", row_s=5.0),
        row_zero_mm=tuple(21.0 * row for row in range(6)),
        pulses="none",
        speed_mm_per_s=50.0,
        gain_mm_per_mv=5.0,
        texts=(words,),
    )
    recording = reader(picture(record, design))
    found = recording.calibration
    assert (found.speed_mm_per_s, found.gain_mm_per_mv) == (50, 5)
    assert (found.speed_from, found.gain_from) == ("text", "text")
    check(record, recording)


def test_pulses_are_measured_to_a_fraction_of_a_pixel(record):
    """10 mm x 5 mm at 200 dpi; no box of a table, no letter and no wave is one."""
    image = picture(record, without_grid(usual_page("1", DPI)))
    pulses = square_pulses(image, 6.0)
    assert len(pulses) == 4
    for pulse in pulses:
        assert pulse.height == pytest.approx(10 * DPI / 25.4, abs=0.3)
        assert pulse.width == pytest.approx(5 * DPI / 25.4, abs=0.3)
    assert not square_pulses(picture(record, replace(without_grid(usual_page("1", DPI)), pulses="none")), 6.0)
    boxes = np.full((400, 400, 3), 255, np.uint8)
    for x in (50, 150, 250):
        boxes[50:130, x : x + 3] = boxes[50:130, x + 40 : x + 43] = 0
        boxes[50:53, x : x + 43] = boxes[127:130, x : x + 43] = 0
    assert not square_pulses(boxes, 6.0)
