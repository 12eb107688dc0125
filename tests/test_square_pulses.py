"""Calibration pulses on bare paper, by their form: drawn here with soft edges, of known size."""

import cv2
import numpy as np
import pytest

from ecgtrace.page_reading.square_pulses import square_pulses

PX = 7.0  # per mm
SHIFT = 4  # cv2 draws at sixteenths of a px


def paper(n: int = 4, pitch_px: float = 80.0, thick: int = 5, ink: int = 40) -> np.ndarray:
    """Pulses 10 mm high and 5 mm wide, one below the other, with feet."""
    image = np.full((round(120 + n * pitch_px), 400), 250, np.uint8)
    for k in range(n):
        x, y = 100.0, 90 + k * pitch_px
        steps = [(-2.5, 0), (0, 0), (0, -10), (5, -10), (5, 0), (7.5, 0)]
        line = np.array([(x + dx * PX, y + dy * PX) for dx, dy in steps])
        points = np.rint(line * 2**SHIFT).astype(np.int32)
        cv2.polylines(image, [points], False, ink, thick, cv2.LINE_AA, SHIFT)
    return np.dstack([image] * 3)


@pytest.mark.parametrize("pitch_px", [80.0, 83.0, 150.0])
@pytest.mark.parametrize(("thick", "ink"), [(3, 40), (6, 110)])
def test_pulses_are_measured_to_their_own_feet(pitch_px, thick, ink):
    """Roofs of those below stand 1.5 mm and more under them."""
    found = square_pulses(paper(4, pitch_px, thick, ink), PX)
    assert found
    assert [one.height for one in found] == pytest.approx([10 * PX] * len(found), abs=0.35)
    assert [one.width for one in found] == pytest.approx([5 * PX] * len(found), abs=0.35)


def test_boxes_and_waves_are_no_pulses():
    image = paper(1)
    cv2.rectangle(image, (200, 20), (235, 90), (40, 40, 40), 3)
    cv2.line(image, (300, 20), (300, 90), (40, 40, 40), 3)
    assert len(square_pulses(image, PX)) == 1


def test_pulses_of_a_thin_pen_on_a_dark_desk():
    """A threshold for the whole picture parts paper from desk, and ink from paper nowhere."""
    light = np.linspace(1.0, 0.7, 400)[None, :, None]
    image = (paper(4, 150.0, 3, 150) * light).astype(np.uint8)
    image = cv2.copyMakeBorder(image, 40, 40, 40, 40, cv2.BORDER_CONSTANT, value=(25, 25, 25))
    found = square_pulses(image, PX)
    assert len(found) == 4
    assert [one.height for one in found] == pytest.approx([10 * PX] * 4, abs=0.5)
    assert [one.width for one in found] == pytest.approx([5 * PX] * 4, abs=0.5)


def test_waves_that_point_down_from_a_level_trace_are_no_pulses():
    """They are alike, there are more of them, and between two the trace is as a roof."""
    image = paper(2, 150.0, 3)
    y = image.shape[0] - 80
    cv2.line(image, (10, y), (390, y), (40, 40, 40), 3)
    for x in range(40, 380, 60):
        cv2.line(image, (x, y), (x, y + 50), (40, 40, 40), 3)
    found = square_pulses(image, PX)
    assert len(found) == 2
    assert [one.height for one in found] == pytest.approx([10 * PX] * 2, abs=0.35)
