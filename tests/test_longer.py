"""Leads that go on beyond what the maps show of them, and columns whose leads end at other times."""

import cv2
import numpy as np
import pytest
from test_left_over import DarkInk

from ecgtrace.digitization.refined import RefinedDigitizer
from ecgtrace.layout.regions import LeadRegion
from ecgtrace.page_reading.axis import PlacedLead
from ecgtrace.page_reading.lead import ReadLead, read_lead
from ecgtrace.page_reading.longer import goes_further, made_longer
from ecgtrace.page_reading.ragged import ragged_ends
from ecgtrace.types import GridScale, LeadSignal
from ecgtrace.vector.lines import Pulse

PX = 8.0
SCALE = GridScale(PX, PX, 1.0)
LEFT, RIGHT, BASE, WIDTH = 100, 700, 150, 800
ALONE = (False, False)


def sheet():
    image = np.full((300, WIDTH, 3), 255, np.uint8)
    x = np.arange(LEFT, RIGHT + 1)
    y = BASE - 60 * np.exp(-(((x - 400) / 6.0) ** 2))
    cv2.polylines(image, [np.stack([x, y], axis=1).astype(np.int32)], False, (0, 0, 0), 3, cv2.LINE_AA)
    return image


def read(start, end):
    region = LeadRegion("I", 0, 0, start, end, BASE - 70, BASE + 10, BASE)
    return read_lead(RefinedDigitizer(DarkInk()), sheet(), region, SCALE, ALONE)


def longer(lead, beside=ALONE, pulses=()):
    return made_longer(lead, beside, WIDTH, pulses, SCALE)


def test_a_lead_that_is_read_whole_is_not_read_again():
    assert longer(read(LEFT, RIGHT)) is None


def test_a_lead_is_followed_beyond_what_the_maps_show():
    """They lack 10 mm of its begin and 5 mm of its end; it is read again until it ends."""
    lead = read(LEFT + 80, RIGHT - 40)
    for _ in range(2):
        region = longer(lead)
        assert region is not None
        again = read(region.start, region.end)
        assert goes_further(again, lead, SCALE)
        lead = again
    assert longer(lead) is None
    assert (lead.start_px, lead.end_px) == pytest.approx((LEFT, RIGHT), abs=2.5)


def test_no_lead_goes_on_into_a_pulse_or_another_lead():
    lead = read(LEFT + 80, RIGHT - 40)
    base_mm = BASE / PX
    own = Pulse(x=10.0, end_x=20.0, base_y=base_mm, height=10.0, width=5.0)
    assert longer(lead, pulses=[own]).start == 160
    other = Pulse(x=10.0, end_x=20.0, base_y=base_mm + 20, height=10.0, width=5.0)
    assert longer(lead, pulses=[other]).start == LEFT + 80 - 8 * PX
    beside = longer(lead, beside=(True, False))
    assert (beside.start, beside.end) == (lead.region.start, RIGHT - 40 + 8 * PX)
    assert longer(lead, beside=(True, True)) is None


def test_a_lead_that_ends_before_others_of_its_column_is_a_doubt():
    """Two of four end alike, the last of them: what one shows of its last 0.3 s was not read."""

    def placed(row, end_s, column=0):
        region = LeadRegion(f"V{row + 1}", row, column, 0, 10, 0, 10, 5)
        signal = LeadSignal(np.zeros(10), 500.0, np.ones(10), SCALE, np.full(10, 5.0), start_px=0.0)
        return PlacedLead(ReadLead(region, signal, 0, 0), signal, 0.0, end_s)

    ends = [placed(0, 2.498), placed(1, 2.47), placed(2, 2.38), placed(3, 2.17), placed(4, 5.0, 1)]
    assert ragged_ends(ends) == ["V4: it ends 0.31 s before others of its column"]
