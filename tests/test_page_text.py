"""The printed speed and gain: where lines of text stand, what they say, and what a reader makes of it."""

import cv2
import numpy as np
import pytest

from ecgtrace.drawing.lettering import FONTS, print_text, text_box
from ecgtrace.page_ink.maps import MAP_PX_PER_MM, NAME_CLASSES, PageMaps
from ecgtrace.page_ink.names import FoundName
from ecgtrace.page_reading.calibrate import calibrate
from ecgtrace.page_text.lines import cut_lines, lines_of_text, not_among, without_grid
from ecgtrace.page_text.names import read_again
from ecgtrace.page_text.page_print import PagePrint
from ecgtrace.page_text.recognizer import TextRecognizer
from ecgtrace.page_text.scale import scale_told
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
    said = [scale_told([recognizer.read(printed(text, font, capital_px))[0]]) for font in FONTS]
    told = [(speeds_mm_per_s(line), gains_mm_per_mv(line)) for line in said]
    assert sum(values == ((speed,), (gain,)) for values in told) >= len(FONTS) - 1, said
    assert all(speeds in ((), (speed,)) and gains in ((), (gain,)) for speeds, gains in told), said


def test_a_line_in_colour_is_read(recognizer):
    """Blue ink on pink paper."""
    line = printed("25 mm/s")
    coloured = np.where(line < 128, np.uint8([30, 40, 160]), np.uint8([250, 215, 220])).astype(np.uint8)
    text, score = recognizer.read(coloured)
    assert text == "25 mm/s" and score > 0.9


def test_noise_is_no_letters(recognizer):
    """A page drops lines of a score below 0.5."""
    noise = np.random.default_rng(0).integers(90, 160, (40, 300, 3)).astype(np.uint8)
    assert recognizer.read(noise)[1] < 0.5


def test_each_line_of_a_page_is_read_once():
    """
    Whatever is asked of it, and however often: letters of the longest, then what tells the scale.

    Where that is not all told, three lines that tell a part are looked at again, to the left and the right.
    What is hardly read is read once more without the grid.
    """
    boxes = [(10, 100 + 5 * k, 20 + k, 102 + 5 * k) for k in range(9)]
    said = [
        ("25 mm/s", 0.4),
        ("Name", 0.6),
        *[("10 mm/mV", 0.9)] * 7,
    ]  # the lowest is longest
    asked = []

    def read(line):
        asked.append(line.shape)
        return said[len(asked) - 1] if len(asked) <= len(said) else ("", 0.0)

    page = PagePrint(np.zeros((148 * 12, 210 * 12, 3), np.uint8), maps_with(boxes, (3.0, 3.0)), read)
    assert page.letters == page.letters == (6 * 8.0, 6 * 8.0 + 7 + 4)
    assert len(asked) == 8
    assert page.scale_told == "; ".join(["10 mm/mV"] * 7)  # what was hardly read tells nothing
    assert len(asked) == 9 + 3 + 3 * 2 * 2  # of the nine, three are hardly read
    blind = PagePrint(page.image, page.maps, None)
    assert blind.letters == (0.0, 0.0) and blind.scale_told == ""


def test_a_word_beside_one_that_tells_the_gain_is_read_though_the_map_lacks_it(recognizer):
    """Of "50 mm/s  10 mm/mV", faint and small, the map of text showed the second half alone."""
    line = printed("50 mm/s  10 mm/mV", "sans", 22.0)
    image = np.full((148 * 12, 210 * 12, 3), 240, np.uint8)
    top, left = 1600, 700
    image[top : top + line.shape[0], left : left + line.shape[1]] = line
    half = left + round(0.55 * line.shape[1])
    box = tuple(v / 12 for v in (half, top + 9, left + line.shape[1] - 9, top + line.shape[0] - 9))
    page = PagePrint(image, maps_with([box], (3.0, 3.0)), recognizer.read)
    assert speeds_mm_per_s(page.scale_told) == (50,)
    assert gains_mm_per_mv(page.scale_told) == (10,)


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


def found(name: str, score: float, x_mm: float = 50.0, y_mm: float = 50.0) -> FoundName:
    """Return a name that the name network read, what is left of it evenly shared."""
    scores = np.full(len(NAME_CLASSES), (1 - score) / (len(NAME_CLASSES) - 1))
    scores[NAME_CLASSES.index(name)] = score
    return FoundName(name, score, x_mm * MAP_PX_PER_MM, y_mm * MAP_PX_PER_MM, tuple(scores))


def again(names, said):
    """Let the recognizer say so of names, in their order."""
    answers = iter(said)
    page = np.full((148 * 12, 210 * 12, 3), 255, np.uint8)
    read = read_again(names, page, maps_with([], (3.0, 3.0)), lambda line: next(answers))
    assert not list(answers)
    return {(name.x, name.y): name for name in read}


@pytest.mark.parametrize(
    ("network", "text", "name"),
    [
        (("V5", 0.64), (":C6", 0.95), "V6"),
        (("aVR", 0.96), ("-aVR", 0.97), "-aVR"),
        (("aVF", 1.0), ("aVr", 0.86), "aVF"),  # not sure enough against what the network is sure of
        (("V4", 1.0), ("M4", 0.95), "V4"),  # a wave crosses the V
        (("II", 0.9), ("11", 0.97), "II"),
        (("II", 0.9), ("H", 0.97), "II"),
        (("aVL", 0.8), ("VL", 0.99), "aVL"),  # its a is cut off
        (("V2", 0.97), ("62", 1.0), None),
        (("III", 0.52), ("HF", 1.0), None),
        (("aVF", 0.92), ("aVF)", 0.98), None),  # of a finding: "(II, III, aVF)"
        (("other", 0.48), ("Vent.", 0.99), None),
        (("V2", 0.5), ("62", 0.6), "V2"),  # could not be read
    ],
)
def test_names_are_read_twice(network, text, name):
    """By the name network and as text."""
    (kept,) = again([found(*network)], [text]).values() or [None]
    assert (kept and kept.name) == name


def test_a_scale_of_seconds_names_no_lead():
    """1 and 11 look like I and II; where there are many numbers they are numbers, too."""
    marks = [found("V2", 0.9, 10.0 + 25 * k, 20.0) for k in range(6)]
    first, lead = found("I", 0.9, 5.0, 20.0), found("I", 0.9, 5.0, 40.0)
    said = [*((str(k), 0.99) for k in range(2, 8)), ("1", 0.97), ("1", 0.6)]
    assert [name.y for name in again([*marks, first, lead], said).values()] == [lead.y]
    assert len(again([first, lead], said[-2:])) == 2


def test_the_print_about_a_name_is_what_is_read():
    """A word of the map, of whatever size; where it shows none, as much as a name has."""
    sizes = []
    maps = maps_with([(47, 49, 53, 52)], (3.0, 3.0))
    page = np.full((148 * 12, 210 * 12, 3), 255, np.uint8)

    def read(line):
        sizes.append(line.shape)
        return "", 0.0

    read_again([found("V1", 0.9), found("V2", 0.9, 100.0)], page, maps, read)
    assert sizes[0][:2] == pytest.approx((12 * (3 + 1.2), 12 * (6 + 1.2)), abs=6)
    assert sizes[1][:2] == pytest.approx((12 * (3.5 + 1.2), 12 * (7 + 1.2)), abs=6)


def test_a_rule_is_no_part_of_the_line_that_touches_it():
    """A frame's lower side, 150 mm long, runs along the top of what is printed below it."""
    maps = maps_with([(20, 140, 170, 140.6), (60, 140.5, 80, 142.5)])
    (box,) = lines_of_text(maps) / MAP_PX_PER_MM
    assert box[[0, 2]] == pytest.approx([60 - 0.7, 80 + 0.7], abs=0.6)


def test_letters_far_apart_are_a_faint_line():
    """Of thin print on a grid the map shows the first letter and the last."""
    maps = maps_with([(20, 140, 22, 142), (38, 140, 40, 142), (100, 140, 130, 142)])
    known = lines_of_text(maps)
    assert len(known) == 1
    (box,) = not_among(lines_of_text(maps, faint=True), known) / MAP_PX_PER_MM
    assert box[[0, 2]] == pytest.approx([20 - 0.7, 40 + 0.7], abs=0.3)


def test_print_on_a_grid_is_read(recognizer):
    """Lines of the grid as dark as letters, each millimetre: with them hardly a letter is read."""
    line = np.full((48, 352, 3), (205, 235, 205), np.uint8)
    for px in range(3):
        line[:, px::12] = line[4 + px :: 12] = (150, 90, 50)
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(line, "50 mm/s  5 mm/mV", (10, 36), font, 1.05, (70, 80, 140), 2, cv2.LINE_AA)
    assert scale_told([recognizer.read(line)[0]]) == ""
    text, score = recognizer.read(without_grid(line))
    assert score > 0.9
    told = scale_told([text])
    assert (speeds_mm_per_s(told), gains_mm_per_mv(told)) == ((50.0,), (5.0,))
