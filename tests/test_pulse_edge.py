"""Where a lead begins behind a calibration pulse."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from ecgtrace.layout.regions import LeadRegion
from ecgtrace.page_reading.axis import column_origins
from ecgtrace.page_reading.lead import ReadLead
from ecgtrace.page_reading.pulse_edge import pulse_before
from ecgtrace.types import GridScale, LeadSignal
from ecgtrace.vector.lines import Pulse

PX = 8.0
SCALE = GridScale(PX, PX, 1.0)
BASE_MM, HEIGHT_MM, LEFT_MM, WIDTH_MM = 30.0, 10.0, 20.0, 5.0


def page(edge_mm: float, foot_mm: float = 0.0, gap_mm: float = 0.0, line_mm: float = 0.3):
    """Draw a pulse on a 5 mm grid whose falling edge stands at `edge_mm`, and a trace behind it."""
    fine = 8
    image = np.full((50 * 8 * fine, 80 * 8 * fine, 3), 255, np.uint8)
    per_mm = PX * fine
    for mm in range(0, 80, 5):
        cv2.line(image, (round(mm * per_mm), 0), (round(mm * per_mm), len(image)), (220, 190, 190), fine)
        cv2.line(image, (0, round(mm * per_mm)), (image.shape[1], round(mm * per_mm)), (220, 190, 190), fine)
    left, top = edge_mm - WIDTH_MM, BASE_MM - HEIGHT_MM
    pulse = [(left, BASE_MM), (left, top), (edge_mm, top), (edge_mm, BASE_MM), (edge_mm + foot_mm, BASE_MM)]
    begin = edge_mm + foot_mm + gap_mm
    x = np.arange(begin, 78, 0.05)
    trace = np.stack([x, BASE_MM - 3 * np.exp(-((x - begin - 20) ** 2))], axis=1)
    for points in (pulse, trace):
        line = np.rint(np.array(points) * per_mm).astype(np.int32)
        cv2.polylines(image, [line], False, (20, 20, 20), round(line_mm * per_mm))
    small = cv2.resize(image, None, fx=1 / fine, fy=1 / fine, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), begin


def found(edge_mm: float, start_mm: float, end_mm: float):
    """What the maps would show: a region that begins at `start_mm`, a pulse that ends at `end_mm`."""
    region = LeadRegion("I", 0, 0, start_mm * PX, 70 * PX, 0, 400, BASE_MM * PX)
    return region, [Pulse(edge_mm - WIDTH_MM - 0.2, end_mm, BASE_MM, HEIGHT_MM, WIDTH_MM)]


@pytest.mark.parametrize("edge_mm", [24.9, 25.03, 26.31])
@pytest.mark.parametrize("off_mm", [-0.25, 0.3])
def test_a_lead_that_touches_its_pulse_begins_at_the_falling_edge(edge_mm, off_mm):
    image, _ = page(edge_mm)
    region, pulses = found(edge_mm, edge_mm + 0.4, edge_mm + off_mm)
    behind = pulse_before(image, region, pulses, SCALE)
    # Fine px are eight to one: the middle of the first is at (1 - 8) / 16 px.
    assert behind.zero_px == pytest.approx(edge_mm * PX - 7 / 16, abs=0.25)
    assert edge_mm * PX < behind.ink_end_px < edge_mm * PX + 3


def test_a_gap_or_a_foot_leaves_the_begin_to_the_trace():
    image, begin = page(25.0, gap_mm=2.0)
    behind = pulse_before(image, *found(25.0, begin, 25.2), SCALE)
    assert behind.zero_of(begin * PX, SCALE) is None
    assert behind.ink_end_px < begin * PX
    image, begin = page(25.0, foot_mm=2.0, gap_mm=1.5)
    behind = pulse_before(image, *found(25.0, begin, 27.2), SCALE)
    assert behind.zero_px is None
    assert 27 * PX < behind.ink_end_px < begin * PX


@pytest.mark.parametrize("taken_mm", [0.9, 1.5])
def test_what_maps_take_for_the_foot_of_a_footless_pulse_is_the_trace(taken_mm):
    """They call the first of the trace a pulse; with a foot before its rising edge there is one behind."""
    image, _ = page(25.0)
    region, [pulse] = found(25.0, 25.3 + taken_mm, 25.0 + taken_mm)
    behind = pulse_before(image, region, [pulse], SCALE)
    assert behind.zero_px == pytest.approx(25.0 * PX - 7 / 16, abs=0.25)
    footed = Pulse(pulse.x - 1.5, pulse.end_x, BASE_MM, HEIGHT_MM, WIDTH_MM)
    behind = pulse_before(image, region, [footed], SCALE)
    assert behind.zero_px == pytest.approx(pulse.end_x * PX)


def test_a_pulse_of_another_row_or_far_away_tells_nothing():
    image, _ = page(25.0)
    region, pulses = found(25.0, 25.2, 25.1)
    other = [Pulse(pulses[0].x, pulses[0].end_x, BASE_MM + 20, HEIGHT_MM, WIDTH_MM)]
    assert pulse_before(image, region, other, SCALE) is None
    far, pulses = found(25.0, 40.0, 25.1)
    assert pulse_before(image, far, pulses, SCALE) is None


@pytest.mark.parametrize(("with_gap", "zero_px"), [(0, 200.0), (1, 200.0), (2, 208.0), (4, 208.0)])
def test_leads_begin_with_their_pulses_or_all_with_a_gap(with_gap, zero_px):
    """One of four may have been read from where it is thick enough; of two the foot was read."""
    leads = []
    for row in range(4):
        region = LeadRegion("I", row, 0, 202.0, 700.0, 0, 10, 5)
        signal = LeadSignal(np.zeros(1000), 500.0, np.ones(1000), SCALE, np.full(500, 5.0), start_px=0.0)
        is_gap = row < with_gap
        lead = ReadLead(region, signal, left=208 if is_gap else 202, top=0, after_pulse=True)
        leads.append(lead if is_gap else replace(lead, zero_px=200.0))
    assert column_origins(leads, PX, 25.0)[0] == zero_px


def test_leads_lost_in_several_places_behind_their_pulses_show_no_gap():
    """Four of six touch their pulses; two begin where print ends, each elsewhere."""
    leads = []
    for row, start in enumerate([202, 202, 230, 202, 212, 202]):
        region = LeadRegion("I", row, 0, 202.0, 700.0, 0, 10, 5)
        signal = LeadSignal(np.zeros(1000), 500.0, np.ones(1000), SCALE, np.full(500, 5.0), start_px=0.0)
        zero = 200.0 if start == 202 else None
        leads.append(ReadLead(region, signal, left=start, top=0, zero_px=zero, after_pulse=True))
    assert column_origins(leads, PX, 25.0)[0] == 200.0


def test_names_that_hide_begins_behind_pulses_move_no_time():
    """Two of five begin in sight, within the width of a line; a name in italics hides a little less."""
    leads = []
    for row, start in enumerate([208, 240, 205, 240, 230]):
        region = LeadRegion("I", row, 0, 202.0, 700.0, 0, 10, 5)
        signal = LeadSignal(np.zeros(1000), 500.0, np.ones(1000), SCALE, np.full(500, 5.0), start_px=0.0)
        leads.append(ReadLead(region, signal, left=start, top=0, after_pulse=True))
    assert column_origins(leads, PX, 25.0)[0] == 206.5
    free = [replace(lead, after_pulse=False) for lead in leads]
    assert column_origins(free, PX, 25.0)[0] == 230


def test_a_lead_read_from_right_behind_its_pulse_s_ink_begins_with_it():
    image, _ = page(25.0)
    behind = pulse_before(image, *found(25.0, 25.9, 25.4), SCALE)
    assert behind.edge_seen
    assert behind.zero_of(behind.ink_end_px + 0.2 * PX, SCALE) == behind.zero_px
    assert behind.zero_of(behind.ink_end_px + 0.8 * PX, SCALE) is None


def test_pulses_tell_where_time_begins_and_not_what_is_left_of_the_leads():
    """The pulses' lines hide the first of each lead, whose length is still that of the other columns."""
    leads = []
    for column in range(4):
        begin = 200.0 + column * 500
        end = begin + 496 - (column == 0) * 2
        region = LeadRegion("I", 0, column, begin, end, 0, 10, 5, np.inf if column == 3 else begin + 500)
        n = round((end - begin) / (25 * PX) * 500) + 1
        signal = LeadSignal(np.zeros(n), 500.0, np.ones(n), SCALE, np.full(500, 5.0), start_px=0.0)
        zero = 197.0 if column == 0 else None
        leads.append(ReadLead(region, signal, left=round(begin) + 2 * (column == 0), top=0, zero_px=zero))
        leads[-1] = replace(leads[-1], after_pulse=column == 0)
    assert column_origins(leads, PX, 25.0)[0] == 197.0


def test_time_zero_is_where_the_pulses_end():
    leads = []
    for row in range(3):
        region = LeadRegion("I", row, 0, 202.0, 700.0, 0, 10, 5)
        signal = LeadSignal(np.zeros(1000), 500.0, np.ones(1000), SCALE, np.full(500, 5.0), start_px=0.0)
        leads.append(ReadLead(region, signal, left=203 + row, top=0, zero_px=200.0))
    assert column_origins(leads, PX, 25.0)[0] == 200.0
