"""Where a lead begins behind a calibration pulse."""

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
    assert behind.zero_px is None
    assert behind.ink_end_px < begin * PX
    image, begin = page(25.0, foot_mm=2.0, gap_mm=1.5)
    behind = pulse_before(image, *found(25.0, begin, 27.2), SCALE)
    assert behind.zero_px is None
    assert 27 * PX < behind.ink_end_px < begin * PX


def test_a_pulse_of_another_row_or_far_away_tells_nothing():
    image, _ = page(25.0)
    region, pulses = found(25.0, 25.2, 25.1)
    other = [Pulse(pulses[0].x, pulses[0].end_x, BASE_MM + 20, HEIGHT_MM, WIDTH_MM)]
    assert pulse_before(image, region, other, SCALE) is None
    far, pulses = found(25.0, 40.0, 25.1)
    assert pulse_before(image, far, pulses, SCALE) is None


def test_time_zero_is_where_the_pulses_end():
    leads = []
    for row in range(3):
        region = LeadRegion("I", row, 0, 202.0, 700.0, 0, 10, 5)
        signal = LeadSignal(np.zeros(1000), 500.0, np.ones(1000), SCALE, np.full(500, 5.0), start_px=0.0)
        leads.append(ReadLead(region, signal, left=203 + row, top=0, zero_px=200.0))
    assert column_origins(leads, PX, 25.0)[0] == 200.0
