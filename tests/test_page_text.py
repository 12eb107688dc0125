"""The printed speed and gain: where lines of text stand, what they say, and what a reader makes of it."""

import numpy as np
import pytest

from ecgtrace.page_ink.maps import MAP_PX_PER_MM, PageMaps
from ecgtrace.page_reading.calibrate import calibrate
from ecgtrace.page_text.lines import cut_lines, lines_of_text
from ecgtrace.page_text.recognizer import TextRecognizer
from ecgtrace.page_text.scale import scale_told
from ecgtrace.pages.lettering import FONTS, print_text, text_box
from ecgtrace.sheet import Sheet
from ecgtrace.sheet.mapping import PlaneMap
from ecgtrace.vector.calibration import AS_PRINTED
from ecgtrace.vector.printed import gains_mm_per_mv, speeds_mm_per_s


@pytest.fixture(scope="module")
def recognizer():
    return TextRecognizer()


def printed(text: str, font: str = "sans", capital_px: float = 20.0) -> np.ndarray:
    """Return a line as it is cut out of a page, dark on light."""
    x0, y0, x1, y1 = text_box(text, font, capital_px, 2.0, 0, 0)
    margin = round(0.35 * (y1 - y0))
    ink = np.zeros((y1 - y0 + 2 * margin, x1 - x0 + 2 * margin), np.uint8)
    print_text(ink, text, font, capital_px, 2.0, margin - x0, margin - y0)
    return np.repeat((240 - 0.9 * ink).astype(np.uint8)[..., None], 3, axis=2)


def maps_with(boxes_mm: list[tuple[float, float, float, float]], page_px=(1.0, 1.0)) -> PageMaps:
    """Return maps of an A5 page whose text covers boxes."""
    shape = (round(148 * MAP_PX_PER_MM), round(210 * MAP_PX_PER_MM))
    empty = np.zeros(shape, np.float32)
    text = empty.copy()
    for box in boxes_mm:
        x0, y0, x1, y1 = (round(side * MAP_PX_PER_MM) for side in box)
        text[y0:y1, x0:x1] = 0.9
    return PageMaps(empty, empty, empty, text, empty, np.zeros((14, *shape), np.float32), page_px)


@pytest.mark.parametrize("capital_px", [10.0, 36.0])
@pytest.mark.parametrize(
    ("text", "speed", "gain"),
    [("25 mm/s  10 mm/mV", 25, 10), ("50mm/s, 20mm/mV", 50, 20), ("25mm/s  5mm/mV  0.05-150 Hz", 25, 5)],
)
def test_speed_and_gain_are_read_in_most_fonts(recognizer, text, speed, gain, capital_px):
    """Of a plotter's single strokes one may be misread, never as another speed or gain."""
    said = [scale_told(recognizer([printed(text, font, capital_px)])) for font in FONTS]
    told = [(speeds_mm_per_s(line), gains_mm_per_mv(line)) for line in said]
    assert sum(values == ((speed,), (gain,)) for values in told) >= len(FONTS) - 1, said
    assert all(speeds in ((), (speed,)) and gains in ((), (gain,)) for speeds, gains in told), said


def test_a_line_in_colour_is_read(recognizer):
    """Blue ink on pink paper."""
    line = printed("25 mm/s")
    coloured = np.where(line < 128, np.uint8([30, 40, 160]), np.uint8([250, 215, 220])).astype(np.uint8)
    assert list(recognizer([coloured])) == ["25 mm/s"]


def test_what_cannot_be_read_is_empty(recognizer):
    """Noise is no letters."""
    noise = np.random.default_rng(0).integers(90, 160, (40, 300, 3)).astype(np.uint8)
    assert list(recognizer([noise])) == [""]


def test_no_line_is_read_once_both_are_told():
    """Each line costs time."""
    lines = iter(["Name: X", "25 mm/s 10 mm/mV", "50 mm/s"])
    assert scale_told(lines) == "25 mm/s 10 mm/mV"
    assert list(lines) == ["50 mm/s"]


def test_lines_are_found_lowest_first():
    """A word of a footer, its neighbour 2 mm on; a header; a name of a lead, which is too short; a frame."""
    maps = maps_with(
        [(10, 140, 18, 142), (20, 140, 30, 142), (10, 5, 60, 8), (50, 70, 53, 73), (90, 20, 150, 60)]
    )
    boxes = lines_of_text(maps) / MAP_PX_PER_MM
    margin = 0.35 * 2
    assert boxes[:, [1, 3]] == pytest.approx(
        np.array([[140 - margin, 142 + margin], [5 - 1.05, 8 + 1.05]]), abs=0.3
    )
    assert boxes[:, [0, 2]] == pytest.approx(
        np.array([[10 - margin, 30 + margin], [10 - 1.05, 60 + 1.05]]), abs=0.3
    )


def test_lines_are_cut_where_they_stand():
    """On a page of 12 px/mm, also at its edge."""
    maps = maps_with([(0, 140, 18, 143)], (3.0, 3.0))
    page = np.zeros((148 * 12, 210 * 12, 3), np.uint8)
    page[140 * 12 : 143 * 12, : 18 * 12] = 200
    (line,) = cut_lines(page, lines_of_text(maps), maps)
    assert abs((line == 200).mean() * line.size - 3 * 18 * 3 * 144) <= 3 * 40  # all of the print is on it
    assert (line == 200).mean() > 0.5


def test_text_tells_speed_and_gain():
    """Where there is no pulse."""
    page = np.full((600, 900, 3), 255, np.uint8)
    sheet = Sheet(page, 8.0, 8.0, PlaneMap(np.eye(3)), 0.0, 0.01, "grid lines", grid_confirmed=True)
    found, doubts, _ = calibrate(sheet, [], AS_PRINTED, "50mm/s; 5 mm/mV")
    assert (found.speed_mm_per_s, found.gain_mm_per_mv) == (50, 5)
    assert (found.speed_from, found.gain_from) == ("text", "text")
    assert not doubts
