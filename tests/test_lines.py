"""Rows that are straight lines are no leads."""

from dataclasses import replace

import numpy as np
from test_page_reading import lead

from ecgtrace.digitization.verdict import STRAIGHT
from ecgtrace.layout.given import OPTION
from ecgtrace.layout.regions import RasterLayout
from ecgtrace.layout.strips import are_strips, layout_name
from ecgtrace.page_reading.lines import without_lines


def page(*rows, straight=()):
    """Plant rows of names; those of `straight` are lines."""
    leads = []
    for row, names in enumerate(rows):
        for column, name in enumerate(names):
            one = lead(name, column, 80.0 + 500 * column, np.zeros(1250), row)
            doubts = (STRAIGHT,) if row in straight else ()
            leads.append(replace(one, signal=replace(one.signal, doubts=doubts)))
    where = [one.region.row for one in leads]
    for index, strip in enumerate(are_strips(where)):
        leads[index] = replace(leads[index], region=replace(leads[index].region, strip=strip))
    return leads, RasterLayout(layout_name(where), tuple(one.region for one in leads), ())


def test_a_border_is_left_out_and_the_layout_is_that_of_the_leads():
    names = [(name,) for name in "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6 II".split()]
    leads, layout = without_lines(*page(("",), *names, straight=(0,)))
    assert layout.name == "12x1+1"  # what comes after the twelfth row is a strip
    assert [one.region.name for one in leads] == [name for (name,) in names]
    assert [one.region.strip for one in leads] == [False] * 12 + [True]
    assert [region.strip for region in layout.regions] == [False] * 12 + [True]
    assert "straight line" in layout.notes[0]


def test_a_lead_without_waves_stays_where_a_name_or_a_neighbour_speaks_for_it():
    for rows, straight in (
        ((("I",), ("II",), ("III",)), (1,)),  # a name
        ((("", "V1"), ("", "V2")), (0,)),  # in a row with another
        ((("",), ("",)), (0, 1)),  # nothing else
        ((("",), ("",), ("",)), ()),  # waves
    ):
        leads, layout = page(*rows, straight=straight)
        kept, same = without_lines(leads, layout)
        assert len(kept) == len(leads)
        assert same is layout


def test_a_layout_that_was_given_is_kept():
    leads, layout = page(("I",), ("",), straight=(1,))
    leads[1] = replace(leads[1], region=replace(leads[1].region, name_from=OPTION))
    assert without_lines(leads, layout)[1] is layout
