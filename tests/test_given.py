"""Layout and names that the user gives: what of a page is read by them, and what is told."""

from dataclasses import replace

import numpy as np
import pytest
from test_layout import PX, STANDARD, Planted, page

from ecgtrace.errors import ConfigError, PageError
from ecgtrace.layout.given import parse_layout, parse_leads
from ecgtrace.layout.regions import find_regions
from ecgtrace.units import LEADS
from ecgtrace.vector.page_choice import PageChoice

GIVEN = parse_layout("3x4+1")


def flat(columns: tuple[float, ...] = (), rows: int = 3, strip: bool = True) -> Planted:
    """Rows of straight lines without names from 10 to 260 mm; gaps of 1 mm before the columns given."""
    planted = Planted()
    for row in range(rows + strip):
        zero = 30 + 30 * row
        planted.trace(10, 260, zero, wave_mm=0)
        for x_mm in columns if row < rows else ():
            planted.parts["trace"][:, round((x_mm - 1) * PX) : round(x_mm * PX)][
                round((zero - 5) * PX) : round((zero + 5) * PX)
            ] = 0
    return planted


def found(planted: Planted, layout: str | None = None, leads: str = ""):
    given = None if layout is None else parse_layout(layout)
    return find_regions(planted.maps(), planted.names, given, parse_leads(leads) if leads else ())


def begins_mm(layout, row: int = 0) -> list[float]:
    return [region.start / PX for region in layout.regions if region.row == row]


def named(layout) -> dict[tuple[int, int], str]:
    return {(region.row, region.column): region.name for region in layout.regions}


@pytest.mark.parametrize("text", ["3x4+1", "6x2", "12x1", "6x1", "3x1", "4x3", "12x1+3", "6X2"])
def test_layouts_are_written_as_they_are_named(text):
    assert parse_layout(text).name == text.lower()


@pytest.mark.parametrize("text", ["3", "3x", "0x4", "3x4+", "3,4", "17x1", "16x1+1", "3x13", "", None])
def test_what_is_no_layout(text):
    with pytest.raises(ConfigError, match="3x4"):
        parse_layout(text)


def test_places_go_column_by_column_and_strips_come_last():
    assert parse_layout("2x2+1").places == ((0, 0), (1, 0), (0, 1), (1, 1), (2, 0))


@pytest.mark.parametrize("names", ["I,IV", "--I", ["I", None], 3, "I ?II"])
def test_what_is_no_lead(names):
    with pytest.raises(ConfigError, match="leads"):
        parse_leads(names)


def test_as_many_names_as_the_layout_has_leads():
    twelve = list(LEADS)
    assert PageChoice.of(layout="3x4+1", leads=twelve).leads == LEADS  # the strip's may be left out
    assert len(PageChoice.of(layout="3x4+1", leads=[*twelve, "II"]).leads) == 13
    for leads in (twelve[:11], [*twelve, "II", "V1"]):
        with pytest.raises(ConfigError, match=f"{len(leads)} names for layout=3x4\\+1"):
            PageChoice.of(layout="3x4+1", leads=leads)
    with pytest.raises(ConfigError, match="V1 given twice"):
        PageChoice.of(layout="3x1", leads="V1 ? V1")


def test_a_choice_over_another():
    run = PageChoice.of(speed=50.0, layout="6x2", leads=LEADS)
    own = PageChoice.of(gain=5.0, layout="12x1")
    assert own.over(run).given == {
        "speed_mm_per_s": 50.0,
        "gain_mm_per_mv": 5.0,
        "layout": "12x1",
        "leads": list(LEADS),
    }


# Rows and columns -----------------------------------------------------------------------------------


def test_rows_without_names_or_breaks_are_cut_into_equal_parts_which_is_told():
    """250 mm in four: 62.5 mm each."""
    assert found(flat()).name == "4x1"
    layout = found(flat(), "3x4+1")
    assert layout.name == "3x4+1" and len(layout.regions) == 13
    for row in range(3):
        assert begins_mm(layout, row) == pytest.approx([10, 72.5, 135, 197.5], abs=0.5)
    assert begins_mm(layout, 3) == pytest.approx([10], abs=0.5)
    assert [region.strip for region in layout.regions] == [False] * 12 + [True]
    assert not layout.doubts
    assert layout.notes == ("3 of 3 columns begin where equal parts do: nothing parts them",)


def test_breaks_that_are_found_count_before_equal_parts():
    layout = found(flat((76, 139)), "3x4+1")
    assert begins_mm(layout) == pytest.approx([10, 76, 139, 197.5], abs=1.0)
    assert any(note.startswith("1 of 3") for note in layout.notes)
    both = found(flat((76, 139, 201)), "3x4+1")
    assert begins_mm(both) == pytest.approx([10, 76, 139, 201], abs=1.0)
    assert not both.notes


def test_a_break_far_from_equal_parts_is_no_column():
    assert begins_mm(found(flat((160,), strip=False), "3x2")) == pytest.approx([10, 135], abs=0.5)


def test_a_jump_near_equal_parts_is_a_column_s_begin():
    """Of 3 mm at 75 mm, in both rows; jumps alone, without names, make no column."""
    planted = flat(rows=2, strip=False)
    x = round(75 * PX)
    for part in (planted.parts["trace"], planted.offset):
        part[:, x:] = np.roll(part[:, x:], round(3 * PX), axis=0)
    planted.offset[:, x:][planted.parts["trace"][:, x:] > 0] = -3
    assert found(planted).name == "2x1"
    layout = found(planted, "2x4")
    assert begins_mm(layout, 1) == pytest.approx([10, 75, 135, 197.5], abs=0.5)
    assert any(note.startswith("2 of 3") for note in layout.notes)


def test_columns_that_names_tell_stay_where_these_are():
    """The first column is 100 mm wide, the second 150; nothing else parts them."""
    planted = flat(strip=False)
    for row in range(3):
        for x_mm, name in ((13, STANDARD[0][row]), (113, STANDARD[1][row])):
            planted.name(name, x_mm, 22 + 30 * row)
    assert begins_mm(found(planted, "3x2")) == pytest.approx([10, 110], abs=1.0)


def test_a_layout_that_is_there_changes_nothing():
    planted = page()
    alone, told = found(planted), found(planted, "3x4+1")
    assert told.regions == alone.regions and told.notes == alone.notes and not told.doubts


def test_one_column_is_not_cut_at_bars():
    planted = flat(strip=False)
    for x_mm in (72.5, 135):
        x = round(x_mm * PX)
        planted.parts["bar"][80:420, x - 1 : x + 1] = 1
    assert found(planted).name == "3x4"  # of columns of 62.5, 62.5 and 125 mm the last is two
    layout = found(planted, "3x1")
    assert layout.name == "3x1" and not any(region.strip for region in layout.regions)


def test_of_too_many_rows_those_with_the_most_ink_are_kept():
    planted = page()
    planted.trace(30, 220, 8)  # a header that the network takes for a trace
    assert found(planted).name != "3x4+1"
    layout = found(planted, "3x4+1")
    assert layout.name == "3x4+1" and not layout.doubts
    assert named(layout)[0, 0] == "I" and named(layout)[3, 0] == "II"
    assert any("5 rows were found" in note for note in layout.notes)
    assert len(layout.left_out) == 1 and round(layout.left_out[0].zero_y / PX) == 8
    maps = planted.maps()
    rest = maps.without([row.ink for row in layout.left_out])
    assert rest.trace[: 14 * 4].sum() == 0 and (rest.trace[14 * 4 :] == maps.trace[14 * 4 :]).all()


def test_a_row_as_long_as_the_others_is_left_out_with_a_doubt():
    layout = found(flat(rows=3, strip=True), "3x4")
    assert len(layout.rows) == 3
    assert any("4 rows were found" in doubt for doubt in layout.doubts)


def test_too_few_rows_are_a_doubt_and_nothing_is_guessed():
    """One of four rows is missing: which one nobody knows, so no name is given."""
    planted = page(strip=False)
    layout = found(planted, "3x4+1", " ".join(["V6", *LEADS[1:11], "I", "II"]))
    assert layout.name == "3x4" and named(layout) == named(found(planted))
    assert layout.doubts == ("layout=3x4+1 has 4 rows, and 3 were found: it was not used",)


def test_a_lead_that_is_not_there_is_a_doubt_and_moves_no_name():
    planted = flat((135,), strip=False)
    planted.parts["trace"][: 45 * 4, 135 * 4 :] = 0  # the first row ends after its first column
    layout = found(planted, "3x2", "I II III V1 V2 V3")
    assert named(layout) == {(0, 0): "I", (1, 0): "II", (2, 0): "III", (1, 1): "V2", (2, 1): "V3"}
    assert layout.doubts == ("no trace in row 1, column 2 of 3x2",)


# Names ----------------------------------------------------------------------------------------------

OTHERS = "aVL I -aVR II aVF III V1 V2 V3 V4 V5 V6"


def test_names_given_stand_column_by_column():
    layout = found(flat(), "3x4+1", f"{OTHERS} V1")
    at = named(layout)
    assert [at[0, 0], at[1, 0], at[2, 0], at[0, 1]] == ["aVL", "I", "-aVR", "II"]
    assert at[2, 3] == "V6" and at[3, 0] == "V1"
    assert {region.name_from for region in layout.regions} == {"option"}
    assert not layout.doubts


def test_rows_whose_names_or_number_are_given_are_not_one_lead():
    assert found(flat()).sole is not None
    assert found(flat(), leads="I II III V1").sole is None
    assert found(flat(), "4x1").sole is None


def test_names_need_no_layout_where_as_many_traces_are_found():
    layout = found(page(), leads=OTHERS)
    assert named(layout)[1, 0] == "I" and named(layout)[3, 0] == "II"  # the strip as it was read
    assert {(r.name_from, r.strip) for r in layout.regions} == {("option", False), ("text", True)}
    assert any("aVL reads I" in note for note in layout.notes) and not layout.doubts


@pytest.mark.parametrize("count", [11, 14])
def test_another_number_of_names_is_a_doubt_and_none_is_used(count):
    planted = page()
    layout = found(planted, leads=" ".join((OTHERS.split() * 2)[:count]))
    assert named(layout) == named(found(planted))
    assert layout.doubts == (f"leads= has {count} names for 13 traces (3x4+1): names are as read",)


def test_a_name_that_is_not_known_stays_so():
    layout = found(page(), leads="? " + OTHERS.split(" ", 1)[1])
    first = layout.regions[0]
    assert (first.name, first.name_from) == ("", "option")


def test_a_layout_alone_names_nothing():
    assert set(named(found(flat(), "3x4+1")).values()) == {""}
    planted = page()
    planted.names = planted.names[:2]  # I and II of the first column
    at = named(found(planted, "3x4+1"))
    assert (at[0, 0], at[1, 0], at[2, 0], at[0, 1]) == ("I", "II", "", "")


def test_names_given_are_kept_in_the_recording():
    """A lead that none of the twelve is, too; what is not known is no doubt."""
    from test_page_reading import NO_CHOICE, SHEET, beats, lead

    from ecgtrace.page_reading.calibrate import calibrate
    from ecgtrace.page_reading.read import assemble

    def read(name: str, row: int, phase: float, name_from: str = "option"):
        one = lead(name, 0, 80, beats(0, 4, phase), row)
        return replace(one, region=replace(one.region, name_from=name_from))

    def recording(*leads):
        layout = replace(
            found(flat()), regions=tuple(one.region for one in leads), name="3x1", doubts=(), sole=None
        )
        return assemble(SHEET, layout, leads, calibrate(SHEET, [], NO_CHOICE), [], [], 500.0)

    given = recording(read("V3R", 0, 0.0), read("-aVR", 1, 0.1), read("", 2, 0.2))
    assert [(one.name, one.name_from) for one in given.leads] == [
        ("aVR", "option"),
        ("V3R", "option"),
        ("unknown_1", "option"),
    ]
    assert not any("name" in doubt for doubt in given.doubts)
    np.testing.assert_allclose(
        given["aVR"].signal.amplitude_mv[100:1900], -beats(0, 4, 0.1)[100:1900], atol=0.01
    )
    as_read = recording(read("I", 0, 0.0, "text"), read("II", 1, 0.1, "text"), read("", 2, 0.2, "text"))
    assert any("no name that could be read" in doubt for doubt in as_read.doubts)
    wrong = recording(read("I", 0, 0.0), read("II", 1, 0.1), read("III", 2, 0.2))
    assert any("I + III = II" in doubt for doubt in wrong.doubts)


def test_the_scale_that_is_given_is_the_sheet_s():
    """A blank page without a grid has no other."""
    from ecgtrace.page_reading.read import NO_TRACES, PageReader

    seen = []

    def network(image, px_per_mm_x, px_per_mm_y):
        seen.append((px_per_mm_x, px_per_mm_y))
        return Planted().maps()

    with pytest.raises(PageError, match=NO_TRACES):
        PageReader(network, None)(np.full((400, 600, 3), 255, np.uint8), None, PageChoice(px_per_mm=8.5))
    assert seen[0] == (8.5, 8.5)


def test_a_strip_whose_name_is_given_is_that():
    from test_page_reading import PX as SHEET_PX
    from test_page_reading import beats, lead

    from ecgtrace.page_reading.axis import place_leads
    from ecgtrace.page_reading.strips import name_strips

    for name, expected, name_from in (("V3R", "V3R", "option"), ("", "I", "text")):
        strip = lead(name, 0, 80, beats(0, 10), 1, strip=True)
        strip = replace(strip, region=replace(strip.region, name_from="option"))
        leads = [lead("I", 0, 80, beats(0, 2.498), 0, until=580), strip]
        region = name_strips(place_leads(leads, SHEET_PX, 25.0, 500.0))[0][-1].lead.region
        assert (region.name, region.name_from) == (expected, name_from)
