"""Which way a page is up: planted looks at a sheet turned four ways."""

from dataclasses import replace

import numpy as np
import pytest
from test_layout import Planted

from ecgtrace.page_ink.maps import NAME_CLASSES
from ecgtrace.page_ink.names import FoundName
from ecgtrace.page_reading.seen import Seen
from ecgtrace.page_reading.upright import row_length_mm, upright
from ecgtrace.sheet import Sheet
from ecgtrace.sheet.mapping import PlaneMap

SHEET = Sheet(np.zeros((60, 90, 3), np.uint8), 1.0, 1.0, PlaneMap.identity(), 0.0, 0.01, "grid lines", True)


def rows(long: bool):
    """Maps of three long rows, or of what a page on its side shows: many short ones."""
    planted = Planted(100, 150)
    if long:
        for zero in (30, 60, 90):
            planted.trace(10, 90, zero)
    else:
        for k in range(12):
            for x in (20, 50, 80):
                planted.trace(x, x + 6, 12 + 11 * k)
    return planted.maps()


LONG, SHORT = rows(True), rows(False)


class Print:
    """So many letters can be read, of so many."""

    def __init__(self, sure, every):
        self.letters = (sure, every)


UPRIGHT, ASKEW, BARE = Print(40.0, 42.0), Print(2.0, 12.0), Print(0.0, 0.0)


def look_at(up: int, names=(), spurious=(), prints=(UPRIGHT, ASKEW)):
    """Return how a page looks that is upright after so many quarters; names are read then, others else."""
    seen = []

    def look(sheet):
        turns = quarters(sheet)
        seen.append(turns)
        lies = (turns - up) % 2 == 0
        read = names if turns == up else spurious
        found = [FoundName(name, score, 10.0, 10.0, (0.0,) * len(NAME_CLASSES)) for name, score in read]
        return Seen(sheet, LONG if lies else SHORT, found, prints[turns != up])

    return look, seen


def quarters(sheet) -> int:
    return round(-sheet.turn_deg / 90) % 4


@pytest.mark.parametrize("up", [0, 1, 2, 3])
def test_print_and_rows_tell_without_names(up):
    look, _ = look_at(up)
    assert quarters(upright(SHEET, look).sheet) == up


@pytest.mark.parametrize("up", [0, 1, 2, 3])
def test_spurious_names_turn_no_page(up):
    """Letters on their side are taken for more names than rows of one lead have."""
    look, _ = look_at(up, [("I", 0.9)], [("I", 0.8), ("V4", 0.6), ("aVR", 0.5)])
    assert quarters(upright(SHEET, look).sheet) == up


def test_names_tell_where_nothing_else_is_printed():
    look, _ = look_at(2, [("V1", 0.9), ("V2", 0.9)], [("I", 0.9)], (BARE, BARE))
    assert quarters(upright(SHEET, look).sheet) == 2


def test_names_that_look_alike_upside_down_turn_no_page():
    """I, II and III are read a little better the wrong way up."""
    names, upside_down = (list(zip(("I", "II", "III"), (p, p, p), strict=True)) for p in (0.97, 0.99))
    look, _ = look_at(0, names, upside_down, (BARE, BARE))
    assert upright(SHEET, look).sheet is SHEET


def test_a_page_whose_names_can_be_read_is_looked_at_once():
    look, seen = look_at(0, [("V1", 1.0), ("V2", 1.0), ("aVR", 1.0)], prints=(BARE, BARE))
    assert upright(SHEET, look).sheet is SHEET
    assert seen == [0]


def test_print_that_can_be_read_is_upright_whatever_rows_say():
    """Long waves are taken for rows where those of the page are short."""
    as_it_lies = Print(79.0, 104.0)
    look, seen = look_at(1, prints=(ASKEW, as_it_lies))  # so that its rows are short as it lies
    assert upright(SHEET, look).sheet is SHEET
    assert seen == [0]


def test_rows_of_a_page_on_its_side_are_short():
    assert row_length_mm(LONG) > 70 and row_length_mm(SHORT) < 30
    assert row_length_mm(replace(LONG, trace=np.zeros_like(LONG.trace))) == 0
