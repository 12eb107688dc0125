"""Leads that repeat a stretch of a strip: planted leads tell when their columns were drawn."""

from dataclasses import replace

import numpy as np
import pytest

from ecgtrace.layout.regions import LeadRegion
from ecgtrace.page_reading.axis import place_leads
from ecgtrace.page_reading.lead import ReadLead
from ecgtrace.page_reading.repeats import column_begins, find_repeat, late_by_strips
from ecgtrace.page_reading.strips import at_their_time, name_strips
from ecgtrace.types import GridScale, LeadSignal
from ecgtrace.vector import checks

PX = 8.0
FS_HZ = 500.0
PER_S = 25 * PX
SCALE = GridScale(PX, PX, 1.0)
BEGIN = 100.0
COLUMN_S, STRIP_S = 2.5, 9.95
ROWS = {0: ("I", "aVR", "V1", "V4"), 1: ("II", "aVL", "V2", "V5"), 2: ("III", "aVF", "V3", "V6")}
KINDS = {name: k for k, name in enumerate(name for names in ROWS.values() for name in names)}


def heart(name, start_s, length_s, regular=False):
    """One heart, whose beats fall at uneven times unless told; each lead has a shape of its own."""
    rng = np.random.default_rng(3)
    uneven = np.arange(0.4, 12, 0.8) + rng.uniform(-0.12, 0.12, 15)
    times = np.arange(0.4, 12, 1.0) if regular else uneven
    shape = np.random.default_rng(100 + KINDS[name]).uniform(-1, 1, 3)
    axis = start_s + np.arange(round(length_s * FS_HZ)) / FS_HZ
    parts = zip(shape, (-0.03, 0.0, 0.035), (0.010, 0.014, 0.02), strict=True)
    beats = sum(a * np.exp(-0.5 * ((axis[:, None] - times - at) / width) ** 2) for a, at, width in parts)
    return np.asarray(beats).sum(axis=1)


def lead(name, column, row, begin_px, values, until=np.inf, strip=False, score=1.0):
    end = begin_px + (len(values) - 1) / FS_HZ * PER_S
    region = LeadRegion(name, row, column, begin_px, end, 0, 10, 5, until, score, strip)
    left = int(begin_px)
    signal = LeadSignal(
        values, FS_HZ, np.ones(len(values)), SCALE, np.full(4000, 5.0), start_px=begin_px - left
    )
    return ReadLead(region, signal, left=left, top=0)


def page(strips=("II", "V1", "V5"), late_s=0.0, same=False, regular=False, hidden_s=0.0):
    """A 3x4 page, each column drawn so much later than the one before it; V2 and V5 begin hidden by print."""
    leads = []
    for column in range(4):
        begin = BEGIN + column * (COLUMN_S + late_s) * PER_S
        until = np.inf if column == 3 else begin + (COLUMN_S + late_s) * PER_S
        for row, names in ROWS.items():
            # Names hide begins, each another length: else equal columns tell their time themselves.
            hide_s = hidden_s + (0.03, 0.05, 0.0)[row] if column else 0.0
            start_s = (0.0 if same else column * COLUMN_S) + hide_s
            values = heart(names[column], start_s, COLUMN_S - hide_s, regular)
            leads.append(lead(names[column], column, row, begin + hide_s * PER_S, values, until))
    for row, name in enumerate(strips, start=3):
        # Its last 50 ms were lost: else its length would tell the columns' time.
        leads.append(lead(name, 0, row, BEGIN, heart(name, 0, STRIP_S, regular), strip=True))
    return leads


def late(leads):
    return late_by_strips(place_leads(leads, PX, 25.0, FS_HZ))


@pytest.mark.parametrize("late_s", [0.0055, 0.02, -0.009])
@pytest.mark.parametrize("strips", [("V1",), ("II", "V1", "V5"), ("aVL",)])
def test_strips_tell_when_columns_were_drawn(strips, late_s):
    """To a tenth of a sample, columns that no strip shows included."""
    found = late(page(strips, late_s))
    placed = place_leads(page(strips, late_s), PX, 25.0, FS_HZ)
    begins = column_begins(placed)
    for column in (1, 2, 3):
        assert begins[column] - found[column] == pytest.approx(column * COLUMN_S, abs=0.0002)


def test_columns_that_stand_right_are_not_moved():
    """Nor are those that are off by a millisecond or two, as strips may be."""
    assert late(page()) == {} == late(page(("aVL",), 0.002))


def test_the_first_column_s_strip_tells_nothing_of_others():
    assert late(page(("II",), 0.025)) == {}


def test_columns_are_put_where_the_strips_say():
    leads = page(late_s=0.02)
    placed = place_leads(leads, PX, 25.0, FS_HZ, late(leads))
    by_name = {part.lead.region.name: part for part in placed if not part.lead.region.strip}
    for name in ("aVR", "V1", "V6"):
        signal = by_name[name].signal
        known = np.flatnonzero(np.isfinite(signal.amplitude_mv))
        wanted = heart(name, 0, 10)[known]
        assert signal.amplitude_mv[known] == pytest.approx(wanted, abs=0.01)


@pytest.mark.parametrize("hidden_s", [0.0, 0.18])
def test_columns_of_the_same_seconds_are_no_contradiction(hidden_s):
    """Their strip shows them at the first column's time; a name may hide where one begins."""
    leads = page(("II", "V1", "V5"), same=True)
    if hidden_s:
        short = page(("II",), same=True, hidden_s=hidden_s)
        leads = [leads[0], *short[1:12], *leads[12:]]
        leads[9] = page(("II",), same=True)[9]  # one of its column is seen whole
    placed = place_leads(leads, PX, 25.0, FS_HZ, late(leads))
    strip = next(p for p in placed if p.lead.region.strip and p.lead.region.name == "V5")
    short = next(p for p in placed if not p.lead.region.strip and p.lead.region.name == "V5")
    apart = checks.strip_agrees("V5", short.signal.amplitude_mv, strip.signal.amplitude_mv, FS_HZ)
    assert apart is not None and not apart.ok
    _, moved = at_their_time([strip, short], column_begins(placed))
    agrees = checks.strip_agrees("V5", moved.signal.amplitude_mv, strip.signal.amplitude_mv, FS_HZ)
    assert agrees is not None and agrees.ok and agrees.value < 0.01


def test_a_strip_without_a_name_is_told_on_a_page_whose_columns_are_late():
    leads = page(("V1",), 0.02)
    leads[-1] = lead("", 0, 3, BEGIN, heart("V1", 0, 10), strip=True, score=0.0)
    named, _ = name_strips(place_leads(leads, PX, 25.0, FS_HZ))
    assert named[-1].lead.region.name == "V1"


def test_a_lead_that_is_another_is_no_repeat():
    """Whatever its name says; and a straight line is found everywhere, which is nowhere."""
    placed = place_leads(page(("V1",)), PX, 25.0, FS_HZ)
    strip = placed[-1].signal
    other = next(p for p in placed if p.lead.region.name == "V5").signal
    found = find_repeat(strip, other, 7.5)
    assert found is None or found.left > 0.3
    flat = np.where(np.isfinite(other.amplitude_mv), 0.0, np.nan)
    assert find_repeat(strip, replace(other, amplitude_mv=flat), 7.5) is None


def test_a_pacemaker_s_columns_stay_at_their_own_time():
    """Beats as even as a clock's are alike at both times: the page's order is kept."""
    leads = page(("V1",), regular=True)
    placed = place_leads(leads, PX, 25.0, FS_HZ)
    strip = placed[-1]
    short = next(p for p in placed if p.lead.region.name == "V1" and not p.lead.region.strip)
    noisy = short.signal.amplitude_mv + np.random.default_rng(0).normal(0, 0.01, len(short.signal.time_s))
    repeat = find_repeat(strip.signal, replace(short.signal, amplitude_mv=noisy), short.start_s)
    assert repeat is not None and not repeat.same
