"""Ink of other rows beside a lead: what is taken out of the picture that its network sees."""

import numpy as np
import pytest
from test_layout import Planted  # the same planted maps

from ecgtrace.layout.rows import find_rows
from ecgtrace.page_ink.maps import MAP_PX_PER_MM
from ecgtrace.page_reading.other_rows import other_rows

PX = MAP_PX_PER_MM
SHEET_PX = 2.0  # of the sheet to one px of the maps


@pytest.fixture(scope="module")
def planted():
    """Rows 12 mm apart; waves of the lower one reach through the upper."""
    page = Planted()
    page.trace(10, 200, 40, wave_mm=0.5)
    page.trace(10, 200, 52, wave_mm=4)
    return page


def drawn(planted):
    """Return the sheet of the maps: black where a trace is."""
    ink = planted.parts["trace"].repeat(2, axis=0).repeat(2, axis=1)
    return np.repeat(np.where(ink > 0, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def rows_of(planted):
    maps = planted.maps()
    maps = type(maps)(**{**vars(maps), "page_px": (SHEET_PX, SHEET_PX)})
    return other_rows(find_rows(maps), maps)


def ink_mm(picture, row_mm):
    """Length of dark ink within 1 mm of a height."""
    near = slice(round((row_mm - 1) * PX * 2), round((row_mm + 1) * PX * 2))
    return (picture[near, ..., 0] < 128).any(axis=0).sum() / (2 * PX)


def test_level_ink_of_other_rows_is_erased_and_the_own_stays(planted):
    upper, lower = rows_of(planted)
    sheet = drawn(planted)
    assert ink_mm(sheet, 40) == pytest.approx(190, abs=2)
    seen = lower.erased(sheet, 0, 0)
    assert ink_mm(seen, 40) < 30  # where waves of the lower row cross it, what is theirs stays
    assert (seen[44 * 8 :] == sheet[44 * 8 :]).all()
    seen = upper.erased(sheet, 0, 0)
    assert (seen[: 43 * 8][sheet[: 43 * 8] == 0] == 0).all()


def test_a_piece_of_the_page_is_the_page_there(planted):
    """Whatever column and row a piece begins at."""
    lower = rows_of(planted)[1]
    whole = lower.on_piece(0, 0, (1200, 2160))
    np.testing.assert_allclose(lower.on_piece(101, 203, (300, 400)), whole[203:503, 101:501], atol=1e-6)
    assert whole.max() == 1


def test_where_a_trace_goes_on_votes_tell_whose_it_is(planted):
    """Above the upper row's zero line the lower row's waves are its own, and the upper row is another's."""
    upper, lower = rows_of(planted)
    wave = np.flatnonzero(drawn(planted)[round(38 * PX * 2), :, 0] == 0).astype(float)
    assert len(wave) and not lower.go_on(wave, 37 * PX * 2, 39 * PX * 2)
    assert upper.go_on(wave, 37 * PX * 2, 38.5 * PX * 2)
    assert not upper.go_on(np.array([]), 0, 10)


def test_one_row_has_no_others():
    page = Planted()
    page.trace(10, 200, 40)
    (only,) = rows_of(page)
    assert not only.ink.any()
    sheet = drawn(page)
    assert only.erased(sheet, 0, 0) is sheet
