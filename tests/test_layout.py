"""Layout of pages that are pictures: rows, columns and names from planted maps."""

from dataclasses import replace

import numpy as np
import pytest

from ecgtrace.layout.orders import decide_names
from ecgtrace.layout.regions import find_regions
from ecgtrace.layout.rows import find_rows
from ecgtrace.page_ink.maps import MAP_PX_PER_MM, NAME_CLASSES, PageMaps
from ecgtrace.page_ink.names import FoundName

PX = MAP_PX_PER_MM
STANDARD = (("I", "II", "III"), ("aVR", "aVL", "aVF"), ("V1", "V2", "V3"), ("V4", "V5", "V6"))


class Planted:
    """A page of maps on which traces, bars and names are put by hand; mm from the top left corner."""

    def __init__(self, width_mm: float = 270, height_mm: float = 150) -> None:
        shape = (round(height_mm * PX), round(width_mm * PX))
        self.parts = {name: np.zeros(shape, np.float32) for name in ("trace", "pulse", "bar", "text")}
        self.offset = np.zeros(shape, np.float32)
        self.names: list[FoundName] = []

    def trace(self, begin_mm: float, end_mm: float, zero_mm: float, wave_mm: float = 2.0) -> None:
        """Draw a line with a tall wave every 20 mm."""
        for x in range(round(begin_mm * PX), round(end_mm * PX)):
            up = wave_mm * 4 if round(x / PX) % 20 == 7 else wave_mm * np.sin(x / PX)
            zero = round(zero_mm * PX)
            y = round((zero_mm - up) * PX)
            for row in range(min(y, zero), max(y, zero) + 1) if up > wave_mm else (y,):
                self.parts["trace"][row, x] = 1
                self.offset[row, x] = zero_mm - row / PX

    def name(self, name: str, x_mm: float, y_mm: float, share: float = 1.0) -> None:
        """Print a name whose middle is there; what is not read as it goes to the next class."""
        scores = np.zeros(len(NAME_CLASSES))
        kind = NAME_CLASSES.index(name)
        scores[kind], scores[(kind + 1) % 12] = share, 1 - share
        best = NAME_CLASSES[int(scores.argmax())]
        self.names.append(FoundName(best, float(scores.max()), x_mm * PX, y_mm * PX, tuple(scores)))
        y, x = round(y_mm * PX), round(x_mm * PX)
        self.parts["text"][y - 4 : y + 5, x - 6 : x + 7] = 1

    def maps(self) -> PageMaps:
        """Return the maps."""
        heat = np.zeros((len(NAME_CLASSES), *self.offset.shape), np.float32)
        return PageMaps(**self.parts, row_offset_mm=self.offset, names=heat)


def page(bars: bool = True, strip: bool = True, share: float = 1.0) -> Planted:
    planted = Planted()
    for column, names in enumerate(STANDARD):
        for row, name in enumerate(names):
            begin, zero = 10 + 62.5 * column, 30 + 30 * row
            planted.trace(begin, begin + 62.5 - 0.75 * bars, zero)
            planted.name(name, begin + 3, zero - 8, share)
            if bars and column:
                x = round(begin * PX)
                planted.parts["bar"][round((zero - 4) * PX) : round((zero + 4) * PX), x - 1 : x + 1] = 1
    if strip:
        planted.trace(10, 260, 120)
        planted.name("II", 13, 112)
    return planted


def test_rows_keep_waves_that_reach_into_the_next():
    planted = Planted()
    planted.trace(10, 200, 40, wave_mm=2)
    planted.trace(10, 200, 52, wave_mm=6)  # its waves go 24 mm up, through the row above
    rows = find_rows(planted.maps())
    assert [round(row.zero_y / PX) for row in rows] == [40, 52]
    assert rows[1].extent_y(0, 1000)[0] < 30 * PX  # of the lower row, above the upper one's zero line
    assert rows[0].extent_y(0, 1000)[0] > 31 * PX


@pytest.mark.parametrize("bars", [True, False])
def test_a_page_of_three_by_four_and_a_strip(bars):
    planted = page(bars)
    layout = find_regions(planted.maps(), planted.names)
    assert layout.name == "3x4+1"
    by_place = {(region.row, region.column): region for region in layout.regions}
    for column, names in enumerate(STANDARD):
        for row, name in enumerate(names):
            region = by_place[row, column]
            assert region.name == name and not region.strip
            assert region.start / PX == pytest.approx(10 + 62.5 * column, abs=0.5)
    assert by_place[3, 0].name == "II" and by_place[3, 0].strip
    assert not layout.doubts


def test_columns_that_names_alone_tell_are_said():
    planted = page(bars=False, strip=False)
    planted.parts["trace"][:] = 0
    for row in range(3):
        x = np.arange(10 * 4, 260 * 4)
        planted.parts["trace"][(30 + 30 * row) * 4, x] = 1  # a flat line shows no jump
    planted.offset[:] = 0
    layout = find_regions(planted.maps(), planted.names)
    assert layout.name == "3x4"
    assert any("told by names" in note for note in layout.notes)


def test_names_that_do_not_stand_alike_in_all_columns_are_near_equal_parts():
    planted = page(bars=False, strip=False)
    planted.parts["trace"][:] = 0
    for row in range(3):
        planted.parts["trace"][(30 + 30 * row) * 4, 10 * 4 : 260 * 4] = 1
    planted.offset[:] = 0
    planted.names = [
        replace(name, x=name.x - 3 * PX) if name.name in STANDARD[1] else name for name in planted.names
    ]
    layout = find_regions(planted.maps(), planted.names)
    starts = [region.start / PX for region in layout.regions[:4]]
    assert starts == pytest.approx([10, 72.5, 135, 197.5], abs=0.25)
    assert any("near equal parts" in doubt for doubt in layout.doubts)
    planted.names = [
        replace(name, x=name.x - 6 * PX) if name.name in STANDARD[1] else name for name in planted.names
    ]
    assert any("not equal" in doubt for doubt in find_regions(planted.maps(), planted.names).doubts)


def test_a_bar_through_a_strip_does_not_cut_it():
    planted = page()
    for column in (1, 2, 3):
        x = round((10 + 62.5 * column) * PX)
        planted.parts["bar"][:, x - 1 : x + 1] = 1
    assert find_regions(planted.maps(), planted.names).name == "3x4+1"


def test_a_strip_whose_name_was_not_read_is_not_cut_by_a_wave():
    planted = page()
    planted.names = [name for name in planted.names if name.y < 110 * PX]
    x = round((10 + 62.5 * 2) * PX)
    planted.parts["bar"][110 * 4 : 130 * 4, x - 1 : x + 1] = 1  # as if its column began here
    layout = find_regions(planted.maps(), planted.names)
    assert layout.name == "3x4+1"
    assert layout.regions[-1].strip and layout.regions[-1].name == ""


def test_names_that_share_no_column_leave_it_to_the_bars():
    planted = page()
    kept = [name for name in planted.names if name.y > 110 * PX]
    places = {0: (20, 90), 1: (45, 140), 2: (65, 165)}  # two names in each row, none below another
    for row, xs in places.items():
        kept += [replace(planted.names[row], x=x * PX, y=(22 + 30 * row) * PX) for x in xs]
    planted.names = kept
    layout = find_regions(planted.maps(), planted.names)
    assert layout.name.startswith("3x4")


def test_print_at_one_break_of_a_strip_is_no_name():
    planted = page()
    planted.name("V1", 10 + 62.5 * 2 + 3, 112)  # what was taken for one
    layout = find_regions(planted.maps(), planted.names)
    assert layout.name == "3x4+1"
    assert layout.regions[-1].strip and layout.regions[-1].name == "II"


def test_a_break_that_one_row_does_not_show_is_there():
    planted = page(bars=False)
    planted.names = [name for name in planted.names if (name.name, name.y) != ("V2", (60 - 8) * PX)]
    layout = find_regions(planted.maps(), planted.names)
    assert layout.name == "3x4+1"


def test_bare_paper_between_columns_is_no_lead_s():
    planted = Planted()
    for column, names in enumerate((("I", "II"), ("V1", "V2"))):
        for row, name in enumerate(names):
            begin, zero = 10 + 100 * column, 30 + 30 * row
            planted.trace(begin, begin + 80, zero)
            planted.name(name, begin + 3, zero - 8)
    first = next(r for r in find_regions(planted.maps(), planted.names).regions if r.name == "I")
    assert first.end / PX == pytest.approx(90, abs=0.5)
    assert first.until / PX == pytest.approx(110, abs=3)


def shares(name: str, share: float, instead: str) -> list[float]:
    scores = [0.0] * len(NAME_CLASSES)
    scores[NAME_CLASSES.index(name)] += share
    scores[NAME_CLASSES.index(instead)] += 1 - share
    return scores


def places() -> tuple[list[tuple[int, int]], list[str]]:
    return (
        [(row, column) for row in range(3) for column in range(4)],
        [STANDARD[column][row] for row in range(3) for column in range(4)],
    )


def test_an_order_tells_a_name_that_was_read_badly():
    where, names = places()
    scores = [shares(name, 0.9, "II" if name != "II" else "I") for name in names]
    scores[5] = shares(names[5], 0.45, "V2")
    naming = decide_names(where, scores, [False] * 12)
    assert list(naming.names) == names
    assert naming.by_order == 1


def test_a_name_read_well_breaks_the_order():
    where, names = places()
    scores = [shares(name, 0.95, "V1") for name in names]
    scores[0], scores[11] = scores[11], scores[0]  # I and V6 change places
    naming = decide_names(where, scores, [False] * 12)
    assert naming.names[0] == "V6" and naming.names[11] == "I"


def test_no_lead_is_named_twice():
    scores = [shares("V1", 0.9, "V2"), shares("V1", 0.6, "V2")]
    naming = decide_names([(0, 0), (1, 0)], scores, [False, False])
    assert naming.names[0] == "V1" and naming.names[1] != "V1"


def test_names_that_are_guesses_stay_unknown():
    flat = [1 / len(NAME_CLASSES)] * len(NAME_CLASSES)
    naming = decide_names([(0, 0), (1, 0)], [flat, []], [False, False])
    assert naming.names == ("", "")


def test_cabrera_is_told_from_the_usual_order():
    where = [(row, 0) for row in range(6)]
    names = ["aVL", "I", "-aVR", "II", "aVF", "III"]
    scores = [shares(name, 0.6, "V1") for name in names]
    assert list(decide_names(where, scores, [False] * 6).names) == names
