"""Pulses whose ink on the maps hangs together with lines of the grid."""

import numpy as np
import pytest

from ecgtrace.page_ink.maps import MAP_PX_PER_MM, NAME_CLASSES, PageMaps
from ecgtrace.page_reading.calibrate import find_pulses

SHAPE = (240, 200)
LEFT, TOP = 60, 80


def maps(width_mm: float = 5.0, height_mm: float = 10.0, grid: tuple[float, ...] = (), foot_mm: float = 1.0):
    """A pulse, and upright lines of the grid so many mm right of its first leg, from top to bottom."""
    pulse = np.zeros(SHAPE, np.float32)
    right, base = LEFT + round(width_mm * MAP_PX_PER_MM), TOP + round(height_mm * MAP_PX_PER_MM)
    foot = round(foot_mm * MAP_PX_PER_MM)
    pulse[TOP, LEFT : right + 1] = pulse[TOP : base + 1, [LEFT, right]] = 1
    pulse[base, LEFT - foot : LEFT + 1] = pulse[base, right : right + foot + 1] = 1
    for mm in grid:
        pulse[10:230, LEFT + round(mm * MAP_PX_PER_MM)] = 1
    blank = np.zeros(SHAPE, np.float32)
    heat = np.zeros((len(NAME_CLASSES), *SHAPE), np.float32)
    return PageMaps(blank, pulse, blank, blank, blank, heat)


@pytest.mark.parametrize("grid", [(1.5,), (3.0,), (1.25, 3.75)])
@pytest.mark.parametrize("height_mm", [5.0, 10.0, 20.0])
def test_a_line_of_the_grid_makes_no_pulse_higher(grid, height_mm):
    [clean], [pulse] = (
        find_pulses(maps(height_mm=height_mm)),
        find_pulses(maps(height_mm=height_mm, grid=grid)),
    )
    assert pulse.height == pytest.approx(height_mm, abs=0.4)
    assert pulse.width == pytest.approx(5.0, abs=0.4)
    assert (pulse.x, pulse.end_x) == pytest.approx((clean.x, clean.end_x), abs=0.3)
    assert pulse.base_y == pytest.approx(clean.base_y, abs=0.3)


def test_legs_of_two_lengths_are_no_pulse_within():
    """Then the whole of it is measured, as before: who looks at it sees that it is no pulse."""
    planted = maps(grid=(2.0,))
    planted.pulse[TOP + 20 :, LEFT] = 0
    [pulse] = find_pulses(planted)
    assert pulse.height > 40
