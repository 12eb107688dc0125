"""What looks like a row, a column or a name on a page and is none: frames, strips, numbers, pieces."""

from dataclasses import replace

import numpy as np
import pytest
from test_layout import STANDARD, Planted, page  # the same planted maps

from ecgtrace.layout.breaks import rows_of_several
from ecgtrace.layout.full_rows import with_usual_rows
from ecgtrace.layout.names import names_of_rows, without_seconds
from ecgtrace.layout.regions import find_regions
from ecgtrace.layout.rows import Row, find_rows
from ecgtrace.page_ink.maps import MAP_PX_PER_MM

PX = round(MAP_PX_PER_MM)
SIX = (*STANDARD[0], *STANDARD[1])


def one_column(names=SIX, *, wave_mm=2.0, apart_mm=25) -> Planted:
    planted = Planted(height_mm=60 + apart_mm * len(names))
    for row, name in enumerate(names):
        zero = 30 + apart_mm * row
        planted.trace(10, 260, zero, wave_mm)
        if name:
            planted.name(name, 13, zero - 8)
    return planted


def line(planted: Planted, y_mm: float, begin_mm: float, end_mm: float, bent_mm: float = 0.0) -> None:
    """Draw a line that is taken for a trace, bent as a bow."""
    for x in range(round(begin_mm * PX), round(end_mm * PX)):
        along = (x / PX - begin_mm) / (end_mm - begin_mm)
        y = round((y_mm + bent_mm * np.sin(np.pi * along)) * PX)
        planted.parts["trace"][y : y + 2, x] = 1
        planted.offset[y : y + 2, x] = y_mm - y / PX


def words(planted: Planted, y_mm: float, *begin_mm: float) -> None:
    """Let words of 12 mm touch a line that is taken for a trace, as one with it."""
    for begin in begin_mm:
        part = np.s_[round(y_mm * PX) : round((y_mm + 6) * PX), round(begin * PX) : round((begin + 12) * PX)]
        planted.parts["trace"][part] = 1
        planted.offset[part] = -np.arange(6 * PX)[:, None] / PX


def test_a_lead_of_low_waves_is_no_line():
    """R waves of 2.4 mm once in 20 mm, as of a lead at 5 mm/mV: most of its columns run level."""
    planted = one_column(("II", "", "", ""), wave_mm=0.6)
    planted.trace(100, 120, 55, wave_mm=5.0)  # one row has more
    planted.trace(180, 200, 55, wave_mm=5.0)
    assert sum(0.5 < row.straightness_mm < 0.9 for row in find_rows(planted.maps())) == 3
    assert len(find_regions(planted.maps(), planted.names).rows) == 4


@pytest.mark.parametrize(("begin_mm", "end_mm"), [(4, 266), (20, 250)])
def test_the_frame_below_a_header_is_no_lead(begin_mm, end_mm):
    """A word of the header is taken for a name, and stands above the frame as names do above their rows."""
    planted = one_column()
    line(planted, 14, begin_mm, end_mm)
    planted.name("II", 14, 6)
    layout = find_regions(planted.maps(), planted.names)
    assert layout.name == "6x1"
    assert [region.name for region in layout.regions] == list(SIX)


def test_a_frame_that_letters_touch_is_no_lead():
    """As far from the last row as rows are apart; with a word of the footer that is taken for a name."""
    planted = one_column()
    line(planted, 180, 12, 258)
    words(planted, 180, 20, 36, 120)
    planted.name("V2", 110, 172)
    assert find_rows(planted.maps())[-1].straightness_mm > 0.9  # it is no straight line
    assert find_regions(planted.maps(), planted.names).name == "6x1"


def test_a_bent_frame_is_no_lead():
    planted = one_column()
    line(planted, 180, 12, 258, bent_mm=1.2)
    assert find_rows(planted.maps())[-1].straightness_mm > 0.5
    assert find_regions(planted.maps(), planted.names).name == "6x1"
    last = one_column((*SIX, ""))  # a lead whose name was not read is one
    assert len(find_regions(last.maps(), last.names).rows) == 7


def test_without_names_a_line_longer_than_all_rows_is_no_lead():
    planted = one_column(("", "", ""))
    line(planted, 105, 6, 264, bent_mm=1.2)
    assert len(find_regions(planted.maps(), planted.names).rows) == 3


def test_the_share_of_a_row_on_one_line():
    """By hand: of 100 columns 80 lie on a line that leans by 1 in 20, the others 3 mm above it."""
    ink = np.zeros((200, 100), np.bool_)
    x = np.arange(100)
    y = 150 - np.rint(x / 20).astype(int) - 3 * PX * (x % 5 == 2)
    ink[y, x] = True
    assert Row(150.0, ink).share_on_line == pytest.approx(0.8, abs=0.01)


def test_two_readings_at_one_place_are_one_name():
    """They make no column, and the better one counts."""
    planted = one_column()
    planted.name("aVF", 15.5, 30 + 25 * 5 - 8, share=0.6)
    layout = find_regions(planted.maps(), planted.names)
    assert layout.name == "6x1"
    rows = find_rows(planted.maps())
    assert [[name.name for name in own] for own in names_of_rows(planted.names, rows, PX)] == [
        [name] for name in SIX
    ]


def test_bars_through_a_strip_make_no_columns_of_it():
    """Bars run through all rows, and the name of the strip was not read: four rows of four are not usual."""
    planted = page()
    planted.names.pop()
    for column in (1, 2, 3):
        x = round((10 + 62.5 * column) * PX)
        planted.parts["bar"][20 * PX : 128 * PX, x - 1 : x + 1] = 1
        planted.parts["trace"][115 * PX : 125 * PX, x - 1 : x + 1] = 0
    assert find_regions(planted.maps(), planted.names).name == "3x4+1"


def test_columns_of_which_few_names_were_read():
    """Two of three columns have a name in one row alone; they part the page in four as recorders do."""
    planted = page(bars=False, strip=False)
    unread = {"aVL", "aVF", "V2", "V3"}
    planted.names = [name for name in planted.names if name.name not in unread]
    assert find_regions(planted.maps(), planted.names).name == "3x4"


def test_columns_that_some_rows_show_part_rows_equally():
    """No name was read, and one break is shown by one of three rows alone."""
    planted = Planted()
    for row in range(3):
        planted.trace(10, 260, 30 + 30 * row, wave_mm=0.25)
    for column in (1, 2, 3):
        x = round((10 + 62.5 * column) * PX)
        for row in {1: (0, 1), 2: (2,), 3: (0, 1, 2)}[column]:
            y = (30 + 30 * row) * PX
            planted.parts["bar"][y - 4 * PX : y + 4 * PX, x - 1 : x + 1] = 1
    assert find_regions(planted.maps(), planted.names).name == "3x4"


def test_a_piece_between_two_traces_is_no_row():
    """One trace comes near another, then that one near the first, and both vote for a line between theirs."""
    planted = one_column([""] * 8, wave_mm=0.9, apart_mm=10)
    for row, off, begin, end in ((3, 3, 90, 130), (4, -3, 130, 180)):
        zero = 30 + 10 * row
        band = np.s_[round((zero - 9) * PX) : round((zero + 2.5) * PX), begin * PX : end * PX]
        planted.parts["trace"][band] = 0
        for x in range(begin * PX, end * PX):
            y = round((zero + off - 0.8 * np.sin(x / PX)) * PX)
            planted.parts["trace"][y, x] = 1
            planted.offset[y, x] = 65 - y / PX
    assert len(find_rows(planted.maps())) == 9
    rows = find_regions(planted.maps(), planted.names).rows
    assert len(rows) == 8 and all(row.inked[12 * PX : 258 * PX].mean() > 0.98 for row in rows)


def test_numbers_of_seconds_are_no_names():
    """They are read now as one name, now as another, none of them well; the name itself stays."""
    planted = one_column(("I", "I"))
    for row in (0, 1):
        for second, name in ((1, "I"), (2, "V2"), (3, "V3"), (5, "V5"), (8, "II")):
            planted.name(name, 10 + 25 * second, 30 + 25 * row - 14, share=0.6)
    assert [(name.name, name.x / PX) for name in without_seconds(planted.names)] == [("I", 13), ("I", 13)]
    assert {region.name for region in find_regions(planted.maps(), planted.names).regions} <= {"I", ""}


def test_names_of_columns_are_no_seconds():
    """At 50 mm/s columns of 2.5 s are five seconds of 25 mm apart; and a page of twelve names well read."""
    assert without_seconds(page().names) == page().names
    wide = Planted(width_mm=540)
    for column, names in enumerate(STANDARD):
        for row, name in enumerate(names):
            wide.name(name, 13 + 125 * column, 30 + 30 * row, share=0.7)
    assert without_seconds(wide.names) == wide.names


def test_a_wave_that_is_read_as_a_second_name_makes_no_column():
    """A name of a later column that was read well does, though the other rows have none."""
    planted = one_column(("V1", "II", "V5"))
    planted.name("I", 65, 30 + 25 - 8, share=0.6)
    rows = find_rows(planted.maps())
    assert rows_of_several(names_of_rows(planted.names, rows, PX), PX) == []
    planted.name("V2", 135, 30 + 25 - 8, share=0.9)
    assert rows_of_several(names_of_rows(planted.names, rows, PX), PX) == [1]


def test_edges_of_pulses_that_are_read_as_names_do_not_lead_names_astray():
    """They stand at the height of the rows, the names above them: both are as near to a row as any."""
    planted = one_column(apart_mm=25)
    for row in range(6):
        planted.name("II", 4.5, 30 + 25 * row, share=0.7)
    rows = find_rows(planted.maps())
    assert [[name.name for name in own] for own in names_of_rows(planted.names, rows, PX)] == [
        [name] for name in SIX
    ]


@pytest.mark.parametrize(
    ("shown", "n_full"),
    [
        ([[0, 0, 0], [1, 1, 1], [0, 0, 0], [0, 0, 0]], 3),  # three rows of four columns, and a strip
        ([[1, 1, 1], [1, 1, 0], [0, 1, 1]], 3),
        ([[1, 1], [1, 1], [1, 0], [0, 1], [0, 0]], 4),  # four of three, and a strip
        ([[1, 1, 1], [0, 0, 0], [0, 0, 0], [1, 1, 1]], 2),  # the last shows as many as the first: who knows
        ([[1], [0], [0]], 1),  # a break of one row may be anything
    ],
)
def test_rows_without_names_show_as_many_columns_as_is_usual(shown, n_full):
    found = with_usual_rows([[bool(one) for one in row] for row in shown])
    assert sum(all(row) for row in found) == n_full


def test_columns_of_which_the_first_names_were_not_read():
    """No row has two names; those of the second column stand below each other."""
    planted = Planted(height_mm=180)
    for column, names in enumerate((SIX, ("V1", "V2", "V3", "V4", "V5", "V6"))):
        for row, name in enumerate(names):
            begin, zero = 10 + 125 * column, 25 + 25 * row
            planted.trace(begin, begin + 123, zero)
            if (row < 3) == bool(column):
                planted.name(name, begin + 3, zero - 8)
    assert find_regions(planted.maps(), planted.names).name == "6x2"


def test_names_nearer_to_the_row_above_belong_to_the_row_that_order_gives_them():
    """The picture is cut above the names of the first row; the others stand 10 mm below the row above."""
    planted = page()
    planted.names = [
        replace(name, y=name.y - 12 * PX)
        for name in planted.names
        if name.name not in ("I", "aVR", "V1", "V4")
    ]
    layout = find_regions(planted.maps(), planted.names)
    assert layout.name == "3x4+1"
    named = [region.name for region in layout.regions]
    assert named[4:] == ["II", "aVL", "V2", "V5", "III", "aVF", "V3", "V6", "II"]
    assert not {"II", "aVL", "V2", "V5"} & set(named[:4])


def test_a_level_row_whose_names_are_cut_off_is_no_frame():
    """Its traces run level but for few waves; the names of the others are those of lower rows."""
    planted = page()
    planted.names = [name for name in planted.names if name.name not in ("I", "aVR", "V1", "V4")]
    planted.parts["trace"][20 * PX : 40 * PX] = 0
    line(planted, 30, 10, 260)
    words(planted, 30, 60, 150)
    assert find_rows(planted.maps())[0].share_on_line > 0.75
    assert find_regions(planted.maps(), planted.names).name == "3x4+1"
