"""Rows found in pieces, marks of seconds, names between columns, ends of columns: planted maps and leads."""

from dataclasses import replace

import numpy as np
import pytest
from test_layout import STANDARD, Planted, page
from test_layout_repairs import six_by_two
from test_row_length import BEGIN, PER_S, lead
from test_row_length import PX as SHEET_PX
from test_row_length import page as leads_of_page

from ecgtrace.layout.full_bars import with_full_bars
from ecgtrace.layout.ladder import dark_as_traces, without_ladders
from ecgtrace.layout.one_row import joined_by_lines, name_lines, pulse_lines
from ecgtrace.layout.regions import find_regions
from ecgtrace.layout.rows import Row, find_rows
from ecgtrace.page_ink.maps import MAP_PX_PER_MM
from ecgtrace.page_reading.axis import column_origins, place_leads
from ecgtrace.page_reading.calibrate import AT_LEAST, to_zero_lines, whole, whole_pulses
from ecgtrace.page_reading.row_length import stretch_to_length
from ecgtrace.types import GridScale
from ecgtrace.vector.lines import Pulse

PX = round(MAP_PX_PER_MM)


def test_marks_of_seconds_are_no_names():
    """They look like an I, one beside the other under each row."""
    planted = page()
    for row in range(4):
        for second in range(11):
            planted.name("I", 10 + 25 * second, 44 + 30 * row, 0.9)
    layout = find_regions(planted.maps(), planted.names)
    assert layout.name == "3x4+1"
    assert [r.name for r in layout.regions][:2] == ["I", "aVR"]


def row(zero_mm: float, begin_mm: float, end_mm: float) -> Row:
    ink = np.zeros((150 * PX, 270 * PX), np.bool_)
    ink[round(zero_mm * PX), round(begin_mm * PX) : round(end_mm * PX)] = True
    return Row(zero_mm * PX, ink)


def test_pieces_of_a_row_are_joined_to_the_line_of_its_names():
    """Each row fell into three, at different heights; a strip that stands close is as long as they all."""
    pieces = []
    for zero in (40, 80, 120):
        pieces += [row(zero - 6, 10, 90), row(zero, 80, 170), row(zero + 7, 165, 260)]
    strip = row(140, 10, 260)
    joined = joined_by_lines([*pieces, strip], np.array([35.0, 75.0, 115.0]) * PX)
    assert [one.zero_y / PX for one in joined] == pytest.approx([40, 80, 120, 140], abs=1)
    assert all(one.inked.sum() == 250 * PX for one in joined)


def test_rows_that_stand_apart_are_left_alone():
    rows = [row(zero, 10, 260) for zero in (40, 80, 120)]
    assert joined_by_lines(rows, np.array([35.0, 75.0, 115.0]) * PX) == rows
    close = [row(zero, 10, 260) for zero in (40, 52, 80, 92)]  # each as long as the others
    assert len(joined_by_lines(close, np.array([38.0, 78.0]) * PX)) == 4
    uneven = np.array([10.0, 35.0, 115.0]) * PX  # words of a header
    pieces = [row(34, 10, 90), row(40, 80, 170), row(80, 10, 260)]
    assert joined_by_lines(pieces, uneven) == pieces


def test_lines_are_told_by_names_and_pulses():
    planted = page()
    assert name_lines(planted.names) / PX == pytest.approx([22, 52, 82], abs=0.5)  # a strip has one name
    for zero in (30, 60, 90):
        for x in (3, 8):
            planted.parts["pulse"][(zero - 10) * PX : zero * PX, x * PX] = 1
        planted.parts["pulse"][(zero - 10) * PX, 3 * PX : 8 * PX + 1] = 1
    planted.parts["pulse"][5 * PX : 12 * PX, 200 * PX : 204 * PX] = 1  # what stands alone elsewhere
    assert pulse_lines(planted.maps()) / PX == pytest.approx([30, 60, 90], abs=0.5)


def test_a_single_name_of_a_later_column_makes_no_strip():
    """The first names of the last rows were not read, and their second ones as those of leads above."""
    planted = six_by_two(strips=0, unread=("aVL", "aVF", "V5", "V6"))
    for number, name in ((4, "V3"), (5, "V2")):
        planted.name(name, 138, 17 + 22 * number)
    assert find_regions(planted.maps(), planted.names).name == "6x2"


def test_a_row_whose_votes_part_is_one_row():
    """Between 90 and 180 mm its ink votes for a zero line 14 mm lower, and a part of it for both."""
    planted = page(strip=False)
    planted.offset[40 * PX : 75 * PX, 90 * PX : 180 * PX] += 14
    both = np.s_[61 * PX : 61 * PX + 2, 90 * PX : 110 * PX]
    planted.parts["trace"][both] = 1
    planted.offset[both] = 60 - np.arange(61 * PX, 61 * PX + 2)[:, None] / PX
    assert len(find_rows(planted.maps())) == 4
    assert find_regions(planted.maps(), planted.names).name == "3x4"


def test_bars_of_the_upper_rows_are_columns_where_no_names_are():
    """Three strips below them show none."""
    planted = page(strip=False)
    planted.names = []
    planted.parts["text"][:] = 0
    planted.parts["trace"] = np.pad(planted.parts["trace"], ((0, 80 * PX), (0, 0)))
    planted.offset = np.pad(planted.offset, ((0, 80 * PX), (0, 0)))
    for name in ("pulse", "bar", "text"):
        planted.parts[name] = np.pad(planted.parts[name], ((0, 80 * PX), (0, 0)))
    for zero in (120, 150, 180):
        planted.trace(10, 260, zero)
    assert find_regions(planted.maps(), []).name == "3x4+3"


def test_traces_begin_behind_the_names_that_stand_between_columns():
    """A bar ends a column, 8 mm of bare paper follow."""
    planted = page(strip=False)
    for column in range(1, 4):
        begin = round((10 + 62.5 * column) * PX)
        planted.parts["trace"][:, begin + 1 : begin + 8 * PX] = 0
    maps = planted.maps()
    picture = np.where(maps.trace[..., None] + maps.bar[..., None] > 0.5, 20, 250)
    dark = dark_as_traces(np.repeat(picture, 3, axis=2).astype(np.uint8), maps)
    starts = [r.start / PX for r in find_regions(maps, planted.names, dark=dark).regions if r.row == 0]
    assert starts == pytest.approx([10, 80.5, 143, 205.5], abs=0.75)
    starts = [r.start / PX for r in find_regions(maps, planted.names).regions if r.row == 0]
    assert starts[1] < 75  # what the maps alone tell


def test_a_ladder_that_no_map_shows_is_told_by_the_picture():
    """And beats that all rows show at once are none, though they look like its stiles."""
    planted = Planted(height_mm=130)
    for number in range(12):
        planted.trace(14, 250, 25 + 8 * number, wave_mm=0.5)  # the rungs are taken for traces
    maps = planted.maps()
    picture = np.full((*maps.trace.shape, 3), 250, np.uint8)
    picture[maps.trace > 0.5] = 20
    beats = [40, 62, 84, 106]
    for mm in beats:
        picture[25 * PX : 100 * PX, mm * PX - 1 : mm * PX + 2] = 20
    rows = find_rows(maps)
    untouched, _, none = without_ladders(rows, maps, dark_as_traces(picture, maps))
    assert none is None and len(untouched) == 12
    for mm in (14, 19):
        picture[15 * PX : 113 * PX, mm * PX : mm * PX + 2] = 20
    kept, left, uppermost = without_ladders(rows, maps, dark_as_traces(picture, maps))
    assert uppermost is not None and uppermost.width == pytest.approx(5, abs=0.3)
    assert all(np.flatnonzero(one.inked)[0] > 19 * PX for one in kept)
    assert not left.trace[:, : 19 * PX].any()  # or the rows would get it back


def test_the_first_column_is_as_long_as_the_others():
    """A lead shows where it begins; names hide it on two, which seem to begin together 6 mm later."""
    leads = leads_of_page(gap_mm=3.0, hidden_mm=(0.0, 6.0, 6.0), strip=False)
    assert column_origins(leads, SHEET_PX, 25.0)[0] == pytest.approx(BEGIN, abs=0.006 * PER_S)


def test_a_column_ends_where_the_next_begins():
    """What is read of a name in the gap between them is no signal."""
    leads = leads_of_page(gap_mm=12.0)
    long = []
    for one in leads:
        if one.region.column == 0 and not one.region.strip:
            values = np.pad(one.signal.amplitude_mv, (0, 200), constant_values=0.3)
            signal = replace(one.signal, amplitude_mv=values, confidence=np.ones(len(values)))
            one = replace(
                one, signal=signal, region=replace(one.region, until=one.region.until + 10 * SHEET_PX)
            )
        long.append(one)
    placed = place_leads(long, SHEET_PX, 25.0, 500.0)
    ends = [part.end_s for part in placed if part.lead.region.column == 0 and not part.lead.region.strip]
    assert max(ends) <= 2.51


@pytest.mark.parametrize("times", [0.99, 1.0, 1.01])
def test_rows_of_ten_seconds_correct_the_scale_of_a_pulse(times):
    """Within a thousandth; rows of other lengths do not."""
    leads = leads_of_page(strip=True)
    found = stretch_to_length(leads, SHEET_PX * times, PER_S * times, 0.015)
    assert found == pytest.approx(1 / times, abs=0.001)
    short = [lead(number, 0, BEGIN, 0.0, 9.0) for number in range(3)]
    assert stretch_to_length(short, SHEET_PX, PER_S, 0.015) == 1.0


def test_a_scale_is_corrected_farther_by_rows_alike_than_by_a_strip():
    """A pulse of a few pixels may tell it wrong by a hundredth; one row may be longer by a speck."""
    leads = leads_of_page(strip=True)
    bare = np.zeros((400, 1200), np.bool_)
    for times in (0.99, 1.009):
        found = stretch_to_length(leads, SHEET_PX * times, PER_S * times, 0.006, bare)
        assert found == pytest.approx(1 / times, abs=0.001)
        foot = bare.copy()
        foot[: round(2 * PX), : round(BEGIN / SHEET_PX / times * PX)] = True  # touches all begins
        assert stretch_to_length(leads, SHEET_PX * times, PER_S * times, 0.006, foot) == 1.0
    strip = [lead for lead in leads if lead.region.row == 3]
    assert strip and stretch_to_length(strip, SHEET_PX * 0.99, PER_S * 0.99, 0.006, bare) == 1.0
    assert stretch_to_length(leads, SHEET_PX * 0.975, PER_S * 0.975, 0.006, bare) == 1.0


def test_rows_of_columns_of_several_lengths_tell_no_scale():
    """With bars between them they are 252 mm long."""
    leads = []
    for row in range(3):
        begin, start_s = BEGIN, 0.0
        for column, length_s in enumerate((2.68, 2.47, 2.7, 2.21)):
            end = begin + length_s * PER_S
            until = np.inf if column == 3 else end
            leads.append(lead(row, column, begin, start_s, length_s - 0.002, until))
            begin, start_s = end + 0.2 * SHEET_PX, start_s + length_s
    bare = np.zeros((400, 1200), np.bool_)
    assert stretch_to_length(leads, SHEET_PX, PER_S, 0.006, bare) == 1.0


def test_a_lead_at_another_scale_keeps_its_place():
    one = lead(0, 0, BEGIN, 0.0, 9.998)
    other = one.stretched(1.01)
    assert other.end_px == pytest.approx(one.end_px)
    assert other.signal.scale == GridScale(1.01 * SHEET_PX, 1.01 * SHEET_PX, 1.0)
    assert np.allclose(other.signal.amplitude_mv * 1.01, one.signal.amplitude_mv)


def test_the_columns_of_the_standard_order_were_planted():
    """What the tests above take for granted."""
    assert STANDARD[1] == ("aVR", "aVL", "aVF")


@pytest.mark.parametrize(
    ("zero_mm", "end_mm", "is_row"), [(10, 260, False), (52, 120, False), (52, 260, True)]
)
def test_an_edge_with_a_logo_above_rows_with_names_is_no_row(zero_mm, end_mm, is_row):
    """It stands apart, or is short; where it does neither, it may be a lead whose name was not read."""
    planted = Planted(height_mm=190)
    for number in range(4):
        planted.trace(10, 260, 80 + 28 * number)
        planted.name(("I", "II", "III", "aVR")[number], 13, 72 + 28 * number)
    planted.trace(10, end_mm, zero_mm, wave_mm=1.0)
    layout = find_regions(planted.maps(), planted.names)
    assert layout.name == ("5x1" if is_row else "4x1")


def picture_of(maps) -> np.ndarray:
    """Draw the ink of maps dark on light paper, at their own resolution."""
    ink = np.max([maps.trace, maps.pulse, maps.bar], axis=0) > 0.5
    return np.repeat(np.where(ink, 20, 250)[..., None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("n_bars", [3, 1])
def test_bars_through_all_rows_are_no_traces(n_bars):
    """The maps take them for traces; no name was read."""
    planted = Planted(height_mm=190)
    for zero in (40, 70, 100):
        planted.trace(10, 260, zero)
    for zero in (140, 170):
        planted.trace(10, 260, zero)
    for k in range(1, n_bars + 1):
        x = round((10 + 250 * k / (n_bars + 1)) * PX)
        planted.parts["trace"][25 * PX : 115 * PX, x - 1 : x + 2] = 1
        planted.offset[25 * PX : 115 * PX, x - 1 : x + 2] = 0
    maps = planted.maps()
    layout = find_regions(maps, [], dark=dark_as_traces(picture_of(maps), maps))
    assert layout.name == f"3x{n_bars + 1}+2"
    assert find_regions(maps, []).name != layout.name


def test_lines_of_a_grid_and_beats_are_no_bars():
    planted = Planted()
    for zero in (40, 70, 100):
        planted.trace(10, 260, zero)
    maps = planted.maps()
    rows = find_rows(maps)
    ruled = np.zeros(maps.trace.shape, np.bool_)
    ruled[:, :: 5 * PX] = True
    assert with_full_bars(maps, rows, ruled) is maps
    broad = np.zeros_like(ruled)
    broad[:, 134 * PX : 137 * PX] = True
    assert with_full_bars(maps, rows, broad) is maps
    aside = np.zeros_like(ruled)
    aside[:, 60 * PX : 60 * PX + 2] = True  # a fifth of the rows from their begin
    assert with_full_bars(maps, rows, aside) is maps


def test_a_grid_as_dark_as_paper_allows_is_left_out():
    """Half as dark as traces it counts not; the threshold rises until it does not."""
    planted = Planted()
    planted.trace(10, 260, 40)
    maps = planted.maps()
    picture = np.full((*maps.trace.shape, 3), 250, np.uint8)
    picture[:, ::2] = 80  # 0.74 of the darkness of the trace
    picture[maps.trace > 0.5] = 20
    dark = dark_as_traces(picture, maps)
    assert dark.mean() < 0.1 and dark[maps.trace > 0.5].all()


def pulse_at(planted: Planted, x_mm: float, zero_mm: float, high_mm: float, wide_mm: float = 5) -> None:
    """Draw a pulse that the maps show in no part but its roof, as of a trace."""
    top, left, right = (round(mm * PX) for mm in (zero_mm - high_mm, x_mm, x_mm + wide_mm))
    for x in (left, right):
        planted.parts["bar"][top : round(zero_mm * PX) + 1, x : x + 2] = 1
    planted.parts["bar"][top : top + 2, left : right + 2] = 1


@pytest.mark.parametrize("high_mm", [5, 10, 20])
def test_pulses_are_found_by_their_form(high_mm):
    """Beside the leads, whatever the maps take them for; no wave, no frame and nothing on a lead is one."""
    planted = page()
    for zero in (30, 60, 90):
        pulse_at(planted, 3, zero, high_mm)
    for x in (3, 8):  # a gap under the first roof
        planted.parts["bar"][round((30 - high_mm) * PX) + 2, x * PX : x * PX + 2] = 0
    pulse_at(planted, 100, 92, 10)  # a wave of the third row
    planted.parts["bar"][2 * PX : 3 * PX - 2, 2 * PX : 262 * PX] = 1  # a frame
    planted.parts["bar"][2 * PX : 140 * PX, 262 * PX : 262 * PX + 2] = 1
    maps = planted.maps()
    dark = dark_as_traces(picture_of(maps), maps)
    pulses = whole_pulses(maps, dark, find_regions(maps, planted.names).regions)
    assert [round(one.base_y) for one in pulses] == [30, 60, 90]
    for one in pulses:
        assert (one.width, one.height) == pytest.approx((5, high_mm), abs=0.5)


def test_strips_of_one_column_repeat_a_lead():
    planted = Planted(height_mm=170)
    for number, name in enumerate(("I", "II", "III", "II")):
        planted.trace(10, 260, 30 + 35 * number)
        planted.name(name, 13, 22 + 35 * number)
    layout = find_regions(planted.maps(), planted.names)
    assert layout.name == "3x1+1"
    assert [(one.name, one.strip) for one in layout.regions] == [
        ("I", False),
        ("II", False),
        ("III", False),
        ("II", True),
    ]


def test_twelve_rows_have_their_names_in_order():
    """Their names stand 7 mm below the row above, and 3 mm above their own; the first was not read."""
    planted = Planted(height_mm=200)
    for number, name in enumerate((*STANDARD[0], *STANDARD[1], *STANDARD[2], *STANDARD[3])):
        planted.trace(20, 260, 20 + 13 * number, wave_mm=0.5)
        if number:
            planted.name(name, 23, 20 + 13 * number - 11.5)
    assert [one.name for one in find_regions(planted.maps(), planted.names).regions][1:] == [
        *STANDARD[0][1:],
        *STANDARD[1],
        *STANDARD[2],
        *STANDARD[3],
    ]


def test_a_second_name_in_one_of_twelve_rows_makes_no_column():
    planted = Planted(height_mm=200)
    for number, name in enumerate((*STANDARD[0], *STANDARD[1], *STANDARD[2], *STANDARD[3])):
        planted.trace(20, 260, 20 + 13 * number, wave_mm=0.5)
        planted.name(name, 23, 16 + 13 * number)
    planted.name("I", 120, 16)
    planted.name("V1", 180, 29)
    assert find_regions(planted.maps(), planted.names).name == "12x1"


def test_a_bar_before_the_rows_begins_no_column():
    """As the left side of pulses that touch each other; the names stand behind it, as those of any column."""
    planted = Planted(height_mm=200)
    for number, name in enumerate((*STANDARD[0], *STANDARD[1], *STANDARD[2], *STANDARD[3])):
        planted.trace(30, 260, 20 + 13 * number, wave_mm=0.5)
        planted.name(name, 33, 16 + 13 * number)
    planted.parts["bar"][15 * PX : 165 * PX, 20 * PX : 20 * PX + 2] = 1
    layout = find_regions(planted.maps(), planted.names)
    assert layout.name == "12x1" and all(one.start >= 30 * PX - 1 for one in layout.regions)


def test_pulses_that_touch_those_below_are_as_high_as_those_that_do_not():
    planted = page(strip=False)
    for zero in (30, 40.5, 60, 90, 100.5):  # the second and the last begin where the one above ends
        pulse_at(planted, 3, zero, 10)
    maps = planted.maps()
    leads = find_regions(maps, planted.names).regions
    pulses = whole_pulses(maps, dark_as_traces(picture_of(maps), maps), leads)
    assert len(pulses) == 5
    assert [one.height for one in pulses] == pytest.approx([10] * 5, abs=0.5)
    assert [one.base_y for one in pulses] == pytest.approx([30, 40.5, 60, 90, 100.5], abs=0.75)


@pytest.mark.parametrize("spacing_mm", [20.5, 20.75])
def test_pulses_of_a_column_that_all_touch_are_as_high_as_the_lowest(spacing_mm):
    """Legs go on to the foot of the last; feet stand beside roofs, and one roof is thick with them."""
    planted = page(strip=False)
    zeros = [30 + spacing_mm * k for k in range(4)]
    for zero in zeros:
        pulse_at(planted, 4, zero, 20)
        for x in (2, 9):
            planted.parts["bar"][round(zero * PX) - 1 : round(zero * PX) + 1, x * PX : (x + 2) * PX + 2] = 1
    top = round((zeros[-1] - 20) * PX)
    planted.parts["bar"][top - 3 : top + 2, 3 * PX : 11 * PX] = 1
    maps = planted.maps()
    leads = find_regions(maps, planted.names).regions
    pulses = whole_pulses(maps, dark_as_traces(picture_of(maps), maps), leads)
    assert len(pulses) >= 3
    assert [one.height for one in pulses] == pytest.approx([20] * len(pulses), abs=1)


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [
        ([(8.5, 3.2), (10.0, 5.0), (9.5, 10.0), (10.0, 10.0)], [(9.5, 10.0), (10.0, 10.0)]),  # 50 mm/s
        ([(10.0, 5.0), (10.0, 5.1), (6.0, 5.0), (10.0, 9.8)], [(10.0, 5.0), (10.0, 5.1)]),  # one with a wave
        ([(10.0, 5.0), (5.0, 5.0)], [(10.0, 5.0), (5.0, 5.0)]),  # of two none can be told to be whole
    ],
)
def test_parts_of_pulses_are_lower_or_narrower(sizes, kept):
    pulses = [
        Pulse(x=10, end_x=10 + w, base_y=40 + 30 * k, height=h, width=w) for k, (h, w) in enumerate(sizes)
    ]
    assert [(one.height, one.width) for one in whole(pulses)] == kept


def test_a_name_that_was_misread_makes_no_strip():
    """Of six rows below a header: the last is aVF, read as aVR, and not well."""
    planted = Planted(height_mm=210)
    planted.trace(60, 200, 12)
    for number, name in enumerate(("I", "II", "III", "aVR", "aVL", "aVR")):
        planted.trace(10, 260, 45 + 25 * number)
        planted.name(name, 13, 37 + 25 * number, 0.85 if number == 5 else 1.0)
    assert not any(one.strip for one in find_regions(planted.maps(), planted.names).regions)


def test_legs_that_go_on_below_are_measured_to_the_zero_line_of_a_gain():
    """A zero line lies 2.5 mm below the roof, too: no pulse whose legs are 23 mm long stands on it."""
    pulses = [Pulse(x=18, end_x=23, base_y=123.4 + 17 * k, height=23.4, width=5) for k in range(2)]
    zero_lines = [102.5, 120.0, 137.0]
    assert [one.height for one in to_zero_lines(pulses, zero_lines, AT_LEAST)] == pytest.approx([20, 20])


@pytest.mark.parametrize(("found_mm", "height_mm"), [(3.0, None), (4.0, 20.0), (19.0, 20.0)])
def test_a_speck_is_no_pulse_of_which_the_lower_part_is_missing(found_mm, height_mm):
    """Its top lies 20 mm above a zero line; a fifth of a pulse at least is found."""
    found = to_zero_lines([Pulse(x=5, end_x=7, base_y=36 + found_mm, height=found_mm, width=2)], [56.2])
    assert [one.height for one in found] == ([] if height_mm is None else pytest.approx([height_mm], abs=0.3))


@pytest.mark.parametrize("is_open", [True, False])
def test_cells_of_a_grid_are_no_pulses(is_open):
    """They have a floor; where lines of the grid are lost, one here and there is open, but there are many."""
    planted = page(strip=False)
    for x in range(2, 8, 6) if not is_open else range(262, 268, 6):
        for y in range(6, 140, 7 if is_open else 20):
            pulse_at(planted, x, y + 5, 5)
            if not is_open:
                planted.parts["bar"][(y + 5) * PX : (y + 5) * PX + 2, x * PX : (x + 5) * PX + 2] = 1
    maps = planted.maps()
    leads = find_regions(maps, planted.names).regions
    assert whole_pulses(maps, dark_as_traces(picture_of(maps), maps), leads) == []
