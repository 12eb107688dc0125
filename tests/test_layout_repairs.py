"""Layouts of pages with ink that is no lead's, pieces that wandered off, and names that were not read."""

from dataclasses import replace

import numpy as np
import pytest
from test_layout import STANDARD, Planted, page  # the same planted maps

from ecgtrace.layout.breaks import find_breaks
from ecgtrace.layout.columns import RowSigns
from ecgtrace.layout.regions import find_regions
from ecgtrace.page_ink.maps import MAP_PX_PER_MM
from ecgtrace.page_ink.names import FoundName
from ecgtrace.page_ink.no_trace import without_what_is_none

PX = round(MAP_PX_PER_MM)
STANDARD_LIMB = ("I", "II", "III", "aVR", "aVL", "aVF")
CHEST = ("V1", "V2", "V3", "V4", "V5", "V6")


def six_by_two(strips: int = 1, unread: tuple[str, ...] = ()) -> Planted:
    """Plant limb leads beside chest leads with a bar between them, and strips of II below."""
    planted = Planted(height_mm=30 + 22 * (6 + strips))
    for column, names in enumerate((STANDARD_LIMB, CHEST)):
        for row, name in enumerate(names):
            begin, zero = 10 + 125 * column, 25 + 22 * row
            planted.trace(begin, begin + 124, zero)
            if name not in unread:
                planted.name(name, begin + 3, zero - 8)
    x = round(135 * PX)
    planted.parts["bar"][15 * PX : 145 * PX, x - 1 : x + 1] = 1
    for strip in range(strips):
        planted.trace(10, 260, 25 + 22 * (6 + strip))
        planted.name("II", 13, 17 + 22 * (6 + strip))
    return planted


def regions(planted: Planted):
    return find_regions(without_what_is_none(planted.maps()), planted.names)


@pytest.mark.parametrize("unread", [("V3",), ("V6",), ("V1", "V3"), ("aVF", "V6"), ("I", "V5")])
def test_a_row_whose_second_name_was_not_read_is_no_strip(unread):
    """Strips stand below the columns, and repeat a lead."""
    layout = regions(six_by_two(unread=unread))
    assert layout.name == "6x2+1"
    names = [region.name for region in layout.regions if not region.strip]
    assert names == [name for pair in zip(STANDARD_LIMB, CHEST, strict=True) for name in pair]


def test_strips_stay_strips():
    """Whose names stand above, too."""
    assert regions(six_by_two(strips=3)).name == "6x2+3"
    assert regions(page()).name == "3x4+1"


def test_a_column_without_names_is_told_by_its_bars():
    """Its names are those of the usual order."""
    planted = page()
    planted.names = [name for name in planted.names if name.name not in STANDARD[1]]
    layout = regions(planted)
    assert layout.name == "3x4+1"
    assert [region.name for region in layout.regions[:4]] == ["I", "aVR", "V1", "V4"]


@pytest.mark.parametrize("y_mm", [4, 46, 140])
def test_a_rule_across_the_page_is_no_row(y_mm):
    """Neither above the leads, nor between them, nor below; a broken one as little."""
    planted = page()
    row = round(y_mm * PX)
    planted.parts["trace"][row : row + 2, 8 * PX : 262 * PX] = 1
    planted.parts["trace"][row : row + 2, 100 * PX : 104 * PX] = 0
    planted.offset[row : row + 2] = 0
    layout = regions(planted)
    assert layout.name == "3x4+1"
    assert y_mm == 4 or any("straight line" in note for note in layout.notes)  # one is the paper's edge


@pytest.mark.parametrize(("flat", "n_rows"), [(0, 6), (3, 7), (6, 6)])
def test_a_line_as_far_as_rows_are_apart_is_a_lead_between_rows_alone(flat, n_rows):
    """Above or below rows that have names, a lead without waves would have one, too."""
    planted = Planted(height_mm=190)
    for row, name in enumerate((*STANDARD_LIMB, "V1")):
        zero = 20 + 25 * row
        planted.trace(10, 260, zero, wave_mm=0.0 if row == flat else 2.0)
        if row != flat:
            planted.name(name, 13, zero - 7)
    assert len(regions(planted).rows) == n_rows


@pytest.mark.parametrize("pulse_mm", [0.0, 5.0])
def test_a_column_without_names_is_told_by_gaps_with_a_pulse_in_them(pulse_mm):
    """Two gaps are one break."""
    planted = Planted(width_mm=300)
    for column, names in enumerate(STANDARD):
        for row, name in enumerate(names):
            begin, zero = 10 + 71 * column, 30 + 30 * row
            planted.trace(begin, begin + 61, zero)
            if column < 3:
                planted.trace(begin + 63, begin + 63 + pulse_mm, zero, wave_mm=0.1)
                planted.name(name, begin + 3, zero - 7)
    layout = regions(planted)
    assert layout.name == "3x4"
    begins = [region.start / PX for region in layout.regions[:4]]
    assert begins == pytest.approx([10, 81, 152, 223], abs=9)


def test_a_lead_without_waves_that_has_a_name_is_one():
    """As of an electrode that fell off."""
    planted = page()
    planted.parts["trace"][100 * PX :] = 0
    planted.parts["trace"][120 * PX, 10 * PX : 260 * PX] = 1
    planted.offset[120 * PX] = 0
    assert regions(planted).name == "3x4+1"


def test_a_piece_that_wandered_off_belongs_to_its_row():
    """V2 drifts by more than half of the distance of rows, and its end votes for a row of its own."""
    planted = page(strip=False)
    x = np.arange(150 * PX, 190 * PX)
    rows = np.round((60 - 13 * np.arange(len(x)) / len(x)) * PX).astype(int)
    planted.parts["trace"][40 * PX : 75 * PX, 150 * PX : 190 * PX] = 0
    for y, column in zip(rows, x, strict=True):
        planted.parts["trace"][y : y + 2, column] = 1
        # The network takes the last third for a row at 47 mm.
        planted.offset[y : y + 2, column] = (47 if column > 176 * PX else 60) - y / PX
    layout = regions(planted)
    assert layout.name == "3x4"
    (lead,) = (region for region in layout.regions if region.name == "V2")
    assert lead.top / PX == pytest.approx(47, abs=1)


def test_upright_rules_are_bars():
    """A frame at the right, and a bar through all rows; waves above each other stay traces."""
    planted = page(bars=False)
    for x_mm in (135, 265):
        planted.parts["trace"][10 * PX : 145 * PX, round(x_mm * PX)] = 1
    maps = without_what_is_none(planted.maps())
    assert maps.bar[80 * PX, 135 * PX] == 1 and maps.trace[80 * PX, 135 * PX] == 0
    assert maps.trace[80 * PX, 265 * PX] == 0
    layout = find_regions(maps, planted.names)
    assert layout.name == "3x4+1"
    assert layout.regions[2].start / PX == pytest.approx(135, abs=0.5)
    stacked = Planted()
    for row in range(8):  # QRS complexes of eight rows make a run of 50 mm that leans as waves do
        for k in range(7 * PX):
            x = 100 * PX + 2 * row + k // (2 * PX)
            stacked.parts["trace"][(20 + 6 * row) * PX + k, x : x + 3] = 1
    assert without_what_is_none(stacked.maps()).trace.sum() == stacked.parts["trace"].sum()


def test_the_desk_beside_the_paper_is_no_trace():
    """A dark block, and the thin end of a wedge between paper and edge."""
    planted = page()
    planted.parts["trace"][:, : 3 * PX] = 1
    planted.parts["trace"][147 * PX : 147 * PX + 3, 20 * PX : 120 * PX] = 1
    maps = without_what_is_none(planted.maps())
    assert not maps.trace[:, : 3 * PX].any() and not maps.trace[147 * PX :].any()
    assert maps.trace[:, 4 * PX : 265 * PX][: 145 * PX].sum() > 0
    assert find_regions(maps, planted.names).name == "3x4+1"


def test_the_edge_of_a_pulse_is_no_i():
    """Nor is a bar; an I in print is."""
    planted = page(strip=False)
    (first,) = (name for name in planted.names if name.name == "I")
    for row in range(3):
        zero = 30 + 30 * row
        x = round(5 * PX)
        planted.parts["pulse"][round((zero - 10) * PX) : zero * PX, x : x + 2] = 1
        planted.names.append(replace(first, x=5.0 * PX, y=(zero - 7.0) * PX))
    layout = regions(planted)
    assert [region.name for region in layout.regions] == [
        STANDARD[column][row] for row in range(3) for column in range(4)
    ]


def test_a_name_printed_on_its_trace_is_no_gap():
    """
    Between columns are 2 mm of paper; names 6 mm behind them hide the trace of two columns of three.

    The first column's traces seem to begin 3 mm late, as where a name covers their beginning.
    """
    planted = page(strip=False)
    for part in ("bar", "text"):
        planted.parts[part][:] = 0
    planted.names = []
    for column, names in enumerate(STANDARD):
        begin = 10 + 62.5 * column
        planted.parts["trace"][
            :, round(begin * PX) - 8 * (column > 0) : round(begin * PX) + 12 * (not column)
        ] = 0
        for row, name in enumerate(names):
            planted.name(name, begin + 7.5, 30 + 30 * row)  # 3 mm wide
        if column != 2:
            hidden = slice(round((begin + 6) * PX), round((begin + 9) * PX))
            planted.parts["trace"][:, hidden] = 0
    layout = regions(planted)
    starts = [region.start / PX for region in layout.regions[1:4]]
    assert starts == pytest.approx([71.5, 134, 196.5], abs=1)
    assert not layout.doubts


@pytest.mark.parametrize("above_mm", [3.0, 9.0])
def test_names_may_stand_nearer_to_the_trace_above(above_mm):
    """Rows are 10 mm apart: 9 mm above its own, a name is 1 mm below the one before."""
    planted = Planted(height_mm=160)
    names = (*STANDARD_LIMB, *CHEST)
    for row, name in enumerate(names):
        planted.trace(15, 260, 30 + 10 * row, wave_mm=0.8)
        planted.name(name, 12, 30 + 10 * row - above_mm)
    layout = regions(planted)
    assert [region.name for region in layout.regions] == list(names)


def test_a_first_column_without_names_is_told_beside_a_frame():
    """Frames and pulses beside the first and the last column are no further columns."""
    planted = page()
    planted.names = [name for name in planted.names if name.name not in STANDARD[0] or name.y > 110 * PX]
    for x in (2, 268):
        planted.parts["bar"][20 * PX : 130 * PX, x * PX : x * PX + 2] = 1
    layout = regions(planted)
    assert layout.name == "3x4+1"
    starts = [region.start / PX for region in layout.regions[:4]]
    assert starts == pytest.approx([10, 72.5, 135, 197.5], abs=0.5)


def test_two_names_on_one_trace_are_one_column():
    """Of rows of one lead, one has its name twice, 8 mm apart, as where print beside it is taken for one."""
    planted = Planted(height_mm=120)
    for row, name in enumerate(STANDARD_LIMB):
        planted.trace(15, 260, 20 + 18 * row)
        planted.name(name, 18, 12 + 18 * row)
    planted.name("II", 26, 12 + 18)
    layout = regions(planted)
    assert layout.name == "6x1" and [region.name for region in layout.regions] == list(STANDARD_LIMB)


def test_rows_whose_begin_a_name_hides_begin_with_the_one_that_shows_it():
    """Names lie on the traces of the first and the third row, from where these begin."""
    planted = page(bars=False, strip=False)
    planted.parts["trace"][:] = planted.parts["text"][:] = 0
    planted.offset[:] = 0
    planted.names = []
    for column, names in enumerate(STANDARD):
        for row, name in enumerate(names):
            zero, begin = 30 + 30 * row, 10 + 62.5 * column
            planted.parts["trace"][zero * PX, round(begin * PX) : round((begin + 62.5) * PX)] = 1
            planted.name(name, begin + 2, zero - 8)
            if not column and row != 1:
                hidden = np.s_[(zero - 1) * PX : (zero + 1) * PX, 10 * PX : (18 if row else 15) * PX]
                planted.parts["trace"][hidden], planted.parts["text"][hidden] = 0, 1
    layout = regions(planted)
    firsts = [region.start / PX for region in layout.regions if region.column == 0]
    assert firsts == pytest.approx([10, 10, 10], abs=0.5)
    starts = [region.start / PX for region in layout.regions if region.row == 1]
    assert starts == pytest.approx([10, 72.5, 135, 197.5], abs=1)


@pytest.mark.parametrize(("late_mm", "is_doubt"), [(0.0, False), (3.0, True)])
def test_breaks_that_one_row_of_three_shows_are_a_doubt(late_mm, is_doubt):
    """But where the columns are equal by them."""
    begins = [10.0, *(10 + 62.5 * k + late_mm for k in (1, 2, 3))]
    named = [
        [
            FoundName(names[row], 1.0, (begin + 3) * PX, 0.0)
            for names, begin in zip(STANDARD, begins, strict=True)
        ]
        for row in range(3)
    ]
    nothing = np.zeros(270 * PX)
    gap = nothing.copy()
    for begin in begins[1:]:
        gap[round((begin - 1) * PX) : round(begin * PX)] = 1
    signs = [RowSigns(nothing, gap if row == 0 else nothing, nothing) for row in range(3)]
    breaks, doubts, _ = find_breaks(named, signs, [(10 * PX, 260 * PX)] * 3, PX)
    assert [found.x / PX for found in breaks] == pytest.approx(begins[1:], abs=1)
    assert all(0 < found.evidence < 0.5 for found in breaks)
    assert any("few rows show" in doubt for doubt in doubts) == is_doubt


def test_rows_below_those_of_twelve_leads_are_strips():
    """No name is printed; the bar goes through the strip, too, whose trace jumps there as those above do."""
    planted = six_by_two(strips=1)
    planted.names = []
    planted.parts["text"][:] = 0
    x = round(135 * PX)
    planted.parts["bar"][15 * PX : 167 * PX, x - 1 : x + 1] = 1
    planted.parts["trace"][:, x - 2 * PX : x + 2 * PX] = 0
    assert regions(planted).name == "6x2+1"
