"""II and its strip: one lead, read twice."""

from dataclasses import replace

import numpy as np
import pytest

from ecgtrace.layout.regions import LeadRegion
from ecgtrace.page_reading.axis import PlacedLead
from ecgtrace.page_reading.merge import merged
from ecgtrace.types import GridScale, LeadSignal

FS_HZ = 500.0
TIME_S = np.arange(5000) / FS_HZ


class Read:
    """Of a lead that was read what its place needs."""

    region = LeadRegion("II", 0, 0, 0, 1, 0, 1, 0)


def beats(time_s):
    away = np.abs(time_s % 0.8 - 0.4)
    return 1.2 * np.exp(-((away / 0.012) ** 2)) + 0.2 * np.exp(-(((time_s % 0.8 - 0.6) / 0.05) ** 2))


def placed(amplitude_mv, confidence):
    confidence = np.where(np.isfinite(amplitude_mv), confidence, 0.0)
    signal = LeadSignal(amplitude_mv, FS_HZ, confidence, GridScale(8, 8, 1), np.zeros(5000))
    return PlacedLead(Read(), signal, 0.0, 10.0)


@pytest.mark.parametrize("lag_s", [0.0, 0.004, -0.0075])
def test_a_beat_that_is_lost_in_one_is_taken_from_the_other(lag_s):
    """Which lies a little earlier or later, and at a level of its own."""
    strip, sure = beats(TIME_S), np.full(5000, 0.95)
    lost = (TIME_S > 1.1) & (TIME_S < 1.3)
    strip[lost], sure[lost] = 0.0, 0.3
    lead = np.where(TIME_S < 2.5, beats(TIME_S - lag_s) + 0.05, np.nan)
    found = merged(placed(strip, sure), [placed(lead, 0.95)])
    assert found.amplitude_mv == pytest.approx(beats(TIME_S), abs=0.05)  # 0.5 ms of a steep flank
    assert found.confidence.min() > 0.9


def test_a_gap_is_filled_and_nothing_else_changes():
    strip = beats(TIME_S)
    strip[500:560] = np.nan
    lead = np.where(TIME_S < 2.5, beats(TIME_S) + 0.01 * np.sin(TIME_S), np.nan)
    found = merged(placed(strip, 0.95), [placed(lead, 0.95)])
    assert np.isfinite(found.amplitude_mv).all()
    outside = np.r_[0:480, 580:5000]
    assert np.array_equal(found.amplitude_mv[outside], strip[outside])


def test_another_lead_or_an_unsure_one_is_not_taken():
    strip, sure = beats(TIME_S), np.full(5000, 0.95)
    sure[500:600] = 0.2
    own = placed(strip, sure)
    other = placed(np.where(TIME_S < 2.5, -beats(TIME_S + 0.3), np.nan), 0.95)
    unsure = placed(np.where(TIME_S < 2.5, beats(TIME_S), np.nan), 0.6)
    short = placed(np.where(TIME_S < 0.5, beats(TIME_S), np.nan), 0.95)
    for others in ([other], [unsure], [short], []):
        assert np.array_equal(merged(own, others).amplitude_mv, strip)


def test_nothing_is_added_before_a_lead_begins_or_behind_its_end():
    """The other reading seems to begin a few samples earlier."""
    lead = np.where(TIME_S < 2.5, beats(TIME_S), np.nan)
    strip = np.where((TIME_S > 0.02) & (TIME_S < 9.0), beats(TIME_S), np.nan)
    own = replace(placed(strip, 0.95), start_s=0.022, end_s=8.998)
    assert np.array_equal(merged(own, [placed(lead, 0.95)]).amplitude_mv, strip, equal_nan=True)
