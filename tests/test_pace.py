"""How wide and how frequent beats are, and what it says of the paper's speed: planted beats."""

from dataclasses import replace

import numpy as np
import pytest

from ecgtrace.digitization.pace import Pace, pace
from ecgtrace.page_reading.calibrate import at_double_speed, half_pace_doubt
from ecgtrace.recording import Calibration, RecordedLead
from ecgtrace.types import GridScale, LeadSignal
from ecgtrace.vector.calibration import ASSUMED

FS_HZ = 500.0


def beats(rate_bpm: float, qrs_s: float, seconds: float = 5.0) -> np.ndarray:
    """A QRS of two triangles that takes so long, and a T wave."""
    time_s = np.arange(round(seconds * FS_HZ)) / FS_HZ
    phase = (time_s - 0.3) % (60 / rate_bpm)
    x = np.array([0, 0.25, 0.5, 0.75, 1.0]) * qrs_s
    qrs = np.interp(phase, x, [0, 1.0, 0, -0.5, 0], left=0, right=0)
    return qrs + 0.2 * np.exp(-0.5 * ((phase - 0.35 * 60 / rate_bpm - qrs_s) / 0.05) ** 2)


@pytest.mark.parametrize(("rate_bpm", "qrs_s"), [(60, 0.09), (110, 0.08), (40, 0.16)])
def test_rate_and_width_of_planted_beats(rate_bpm, qrs_s):
    """Seen in several leads, each shown for a part of the time."""
    lead = beats(rate_bpm, qrs_s)
    parts = [lead.copy(), -0.5 * lead]
    parts[0][: len(lead) // 2] = np.nan
    parts[1][len(lead) // 2 :] = np.nan
    found = pace(parts, FS_HZ)
    assert found.rate_bpm == pytest.approx(rate_bpm, rel=0.02)
    assert found.qrs_s == pytest.approx(qrs_s, abs=0.02)


def test_a_slow_heart_alone_and_a_wide_complex_alone_are_plausible():
    """Bradycardia is; a bundle branch block is; a heart at half its speed has both."""
    assert not Pace(0.07, 38.0).is_half and not Pace(0.13, 70.0).is_half
    assert Pace(0.13, 38.0).is_half


def test_without_two_beats_nothing_is_told():
    """Nor of a line, nor of nothing."""
    assert pace([beats(50, 0.1, 1.0)], FS_HZ) is None
    assert pace([np.zeros(5000)], FS_HZ) is None
    assert pace([np.full(5000, np.nan)], FS_HZ) is None and pace([], FS_HZ) is None


def recorded(values) -> list[RecordedLead]:
    signal = LeadSignal(values, FS_HZ, np.ones(len(values)), GridScale(8.0, 8.0, 1.0), np.zeros(3))
    return [RecordedLead("II", signal, 0.0, len(values) / FS_HZ)]


def test_fifty_millimetres_are_taken_where_nothing_tells_and_no_heart_beats_so():
    """And it is said why; what is told stands, and a heart that may beat so does as well."""
    found = Calibration(8.0, 8.0, 25.0, 10.0, "grid lines", ASSUMED, "pulse")
    doubts = ["the speed is not on the page; 25 mm/s was taken", "another"]
    slow = recorded(np.interp(np.arange(2500) / 2, np.arange(2500), beats(72, 0.09)))
    faster, said, notes = at_double_speed((found, doubts, ["note"]), slow)
    assert faster == replace(found, speed_mm_per_s=50.0)
    assert said[0] == "another" and "50 mm/s was taken" in said[1] and "36 times a minute" in said[1]
    assert notes == ["note"]
    assert at_double_speed((found, doubts, []), recorded(beats(72, 0.09))) is None
    assert at_double_speed((replace(found, speed_from="text"), doubts, []), slow) is None


def test_a_pulse_s_speed_at_which_no_heart_beats_is_a_doubt():
    """A pulse of 0.1 s at 50 mm/s is as wide as one of 0.2 s at 25; print and options are not doubted."""
    found = Calibration(8.0, 8.0, 25.0, 10.0, "grid lines", "pulse", "pulse")
    slow = recorded(np.interp(np.arange(2500) / 2, np.arange(2500), beats(72, 0.09)))
    assert "36 times a minute" in half_pace_doubt(found, slow)
    assert half_pace_doubt(found, recorded(beats(72, 0.09))) == ""
    assert half_pace_doubt(replace(found, speed_from="text"), slow) == ""
    assert half_pace_doubt(replace(found, speed_mm_per_s=50.0), slow) == half_pace_doubt(found, []) == ""
