"""Ends of a trace that a pulse, a bar or the next column stands beside, on lines drawn by hand."""

import numpy as np
import pytest

from ecgtrace.digitization.ends import settle_ends
from ecgtrace.digitization.stroke import Stroke
from ecgtrace.types import GridScale

PX = 8.0  # per mm
SCALE = GridScale(PX, PX, confidence=1.0)
SHAPE = (200, 640)
LEVEL = 140.0


def line_of(points, step_px=0.5):
    x, y = np.array(points, float).T
    at = np.arange(x[0], x[-1] + 1e-9, step_px)
    return Stroke(at, np.interp(at, x, y), 1.2, 1.2, 0.4)


def ink_of(*lines):
    return np.max([line.coverage(SHAPE) for line in lines], axis=0)


def settled(line, *others, scale=SCALE):
    own = ink_of(line)
    ends = settle_ends(line, ink_of(line, *others), own, scale)
    return ends.line, ends.notes


def mirrored(line):
    return Stroke(SHAPE[1] - 1 - line.x_px[::-1], line.y_px[::-1], 1.2, 1.2, 0.4)


BEAT = [(300, LEVEL), (304, LEVEL - 60), (308, LEVEL + 10), (312, LEVEL)]


def test_a_line_alone_stays_as_it_is():
    line = line_of([(40, LEVEL), *BEAT, (600, LEVEL)])
    found, notes = settled(line)
    np.testing.assert_array_equal(found.x_px, line.x_px)
    np.testing.assert_array_equal(found.y_px, line.y_px)
    assert notes == ()


@pytest.mark.parametrize("side", ["start", "end"])
def test_a_pulse_that_runs_into_the_line_is_left_out(side):
    """1 mV high, 5 mm wide, straight before the first sample at 81."""
    top = LEVEL - 10 * PX
    line = line_of([(40, top), (80, top), (82, LEVEL), *BEAT, (600, LEVEL)])
    wanted = 81.0
    if side == "end":
        line, wanted = mirrored(line), SHAPE[1] - 1 - 81.0
    found, notes = settled(line)
    assert notes == (f"a calibration pulse at the {side} was left out",)
    end = found.x_px[0] if side == "start" else found.x_px[-1]
    assert end == pytest.approx(wanted, abs=1.1)


def test_a_wave_at_the_beginning_is_no_pulse():
    """As high, but its top is no plateau, and its flanks are no jumps."""
    line = line_of([(40, LEVEL), (60, LEVEL - 10 * PX), (80, LEVEL), *BEAT, (600, LEVEL)])
    found, notes = settled(line)
    assert notes == () and found.x_px[0] == 40


@pytest.mark.parametrize("side", ["start", "end"])
def test_a_lead_begins_in_the_middle_of_the_bar_beside_it(side):
    """The bar's ink, columns 36 to 44, hides the first half millimetre of the trace."""
    line = line_of([(45.5, LEVEL), *BEAT, (600, LEVEL)])
    bar = Stroke(np.array([40.0, 40.001]), np.array([LEVEL - 40, LEVEL + 40]), 4.0, 0.1, 0.2)
    wanted = 40.0
    if side == "end":
        line, bar, wanted = mirrored(line), mirrored(bar), SHAPE[1] - 1 - 40.0
        bar = Stroke(bar.x_px, bar.y_px, 4.0, 0.1, 0.2)
    found, _ = settled(line, bar)
    end = found.x_px[0] if side == "start" else found.x_px[-1]
    assert end == pytest.approx(wanted, abs=0.6)
    assert found.y_px[0] == found.y_px[-1] == LEVEL


@pytest.mark.parametrize("side", ["start", "end"])
def test_what_a_line_does_within_the_bar_does_not_count(side):
    """It leaves for the bar's ink, columns 36 to 44, and comes back to its own level."""
    line = line_of([(39, LEVEL - 16), (42, LEVEL - 16), (44, LEVEL), *BEAT, (600, LEVEL)])
    bar = Stroke(np.array([40.0, 40.001]), np.array([LEVEL - 40, LEVEL + 40]), 4.0, 0.1, 0.2)
    if side == "end":
        line, bar = mirrored(line), mirrored(bar)
        bar = Stroke(bar.x_px, bar.y_px, 4.0, 0.1, 0.2)
    found, _ = settled(line, bar)
    assert (found.y_px[0], found.y_px[-1]) == pytest.approx((LEVEL, LEVEL), abs=0.5)


def test_what_lies_before_a_bar_is_the_next_columns():
    line = line_of([(20, LEVEL + 8), (60, LEVEL), *BEAT, (600, LEVEL)])
    bar = Stroke(np.array([50.0, 50.001]), np.array([LEVEL - 40, LEVEL + 40]), 2.5, 0.1, 0.2)
    found, _ = settled(line, bar)
    assert found.x_px[0] == pytest.approx(50, abs=0.6)


def test_a_neighbours_steep_wave_is_no_bar():
    """It crosses the trace 3 mm behind the beginning, slanting, from the upper edge on."""
    line = line_of([(40, LEVEL), *BEAT, (600, LEVEL)])
    wave = line_of([(55, 0), (62, LEVEL + 30), (70, 0)])
    found, _ = settled(line, wave)
    assert found.x_px[0] == 40


@pytest.mark.parametrize("side", ["start", "end"])
def test_what_runs_along_a_line_of_the_grid_to_the_edge_is_left_out(side):
    """A dark grid's line, of which 0.6 is left in the ink, goes on at the level where the trace ends."""
    trace = line_of([(60, LEVEL), (80, LEVEL - 4), (100, LEVEL), *BEAT, (580, LEVEL)])
    line = line_of([(0, LEVEL), (80, LEVEL - 4), (100, LEVEL), *BEAT, (580, LEVEL)])
    line = Stroke(
        line.x_px, np.where(line.x_px < 60, LEVEL, np.interp(line.x_px, trace.x_px, trace.y_px)), 1.2, 1.2
    )
    ink = np.maximum(0.6 * ink_of(line_of([(0, LEVEL), (639, LEVEL)])), ink_of(trace))
    wanted = 60.0
    if side == "end":
        line, ink, wanted = mirrored(line), ink[:, ::-1], SHAPE[1] - 1 - 60.0
    scale = GridScale(PX, PX, confidence=1.0, lines_y=(LEVEL - 40, LEVEL, LEVEL + 40))
    found, notes = settle_ends(line, ink, np.ones(SHAPE, np.float32), scale)
    end = found.x_px[0] if side == "start" else found.x_px[-1]
    assert end == pytest.approx(wanted, abs=4)
    assert notes == (f"what ran along a line of the grid at the {side} was left out",)


def test_a_trace_on_a_line_of_the_grid_up_to_the_edge_is_read():
    line = line_of([(0, LEVEL), *BEAT, (639, LEVEL)])
    scale = GridScale(PX, PX, confidence=1.0, lines_y=(LEVEL - 40, LEVEL, LEVEL + 40))
    found, notes = settled(line, scale=scale)
    assert found.x_px[0] == 0 and found.x_px[-1] == 639 and notes == ()
