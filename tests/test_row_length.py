"""Where time begins by the length of rows, and whether columns and strips beat together: planted leads."""

from dataclasses import replace

import numpy as np
import pytest

from ecgtrace.layout.regions import LeadRegion
from ecgtrace.page_reading.axis import column_origins, place_leads
from ecgtrace.page_reading.lead import ReadLead
from ecgtrace.page_reading.row_length import equal_columns, origins_by_length
from ecgtrace.page_reading.together import beats_told
from ecgtrace.types import GridScale, LeadSignal

PX = 8.0
PER_S = 25 * PX
SCALE = GridScale(PX, PX, 1.0)
BEGIN, ROW_S = 100.0, 9.996  # the last sample of ten seconds lies between 2 and 10 ms before their end


def heart(start_s, length_s, fs_hz=500.0):
    """Beats at uneven times: one heart."""
    times = np.array([0.5, 1.3, 2.2, 2.9, 3.8, 4.5, 5.4, 6.3, 7.0, 7.9, 8.6, 9.5])
    axis = start_s + np.arange(round(length_s * fs_hz)) / fs_hz
    return np.exp(-0.5 * ((axis[:, None] - times) / 0.012) ** 2).sum(axis=1) + 0.02 * np.sin(axis)


def lead(row, column, begin_px, start_s, length_s, until=np.inf, strip=False, seen_px=None):
    """Plant a lead that is drawn from `begin_px` on and seen from `seen_px` on."""
    seen_px = begin_px if seen_px is None else seen_px
    hidden_s = (seen_px - begin_px) / PER_S
    values = heart(start_s + hidden_s, length_s - hidden_s)
    end = begin_px + length_s * PER_S - PER_S / 500
    region = LeadRegion("I", row, column, seen_px, end, 0, 10, 5, until, 1.0, strip)
    signal = LeadSignal(values, 500.0, np.ones(len(values)), SCALE, np.full(4000, 5.0), start_px=0.0)
    return ReadLead(region, signal, left=int(seen_px), top=0)


def page(gap_mm=0.0, hidden_mm=(0.0, 0.0, 0.0), strip_hidden_mm=0.0, columns=4, strip=True):
    """Three rows of columns with bare paper between, and a strip; names hide begins of the first column."""
    length = 9.998 / columns
    leads = []
    for column in range(columns):
        begin = BEGIN + column * (10 / columns * PER_S + gap_mm * PX)
        until = np.inf if column == columns - 1 else begin + 10 / columns * PER_S
        for row in range(3):
            seen = begin + (hidden_mm[row] if column == 0 else 0) * PX
            leads.append(lead(row, column, begin, column * 10 / columns, length, until, seen_px=seen))
    if strip:
        leads.append(lead(3, 0, BEGIN, 0.0, 9.998, strip=True, seen_px=BEGIN + strip_hidden_mm * PX))
    return leads


@pytest.mark.parametrize("gap_mm", [0.0, 0.4, 2.0, 10.0, 17.0])
@pytest.mark.parametrize("hidden_mm", [(0.0, 0.0, 0.0), (3.0, 5.0, 7.0)])
def test_a_strip_tells_begin_and_gaps(gap_mm, hidden_mm):
    """To half a millimetre where all is seen, which is the limit of the row's own length: 5 ms."""
    origins = column_origins(page(gap_mm, hidden_mm, strip_hidden_mm=hidden_mm[0]), PX, 25.0)
    for column in range(4):
        assert origins[column] == pytest.approx(BEGIN + column * gap_mm * PX, abs=0.006 * PER_S)


def test_a_long_name_between_columns_is_no_bare_paper():
    """It hides where the leads of one column begin; the other columns meet. They end at no whole tenths."""
    leads = []
    for column in range(4):
        begin, until = BEGIN + column * 2.46 * PER_S, BEGIN + (column + 1) * 2.46 * PER_S
        seen = begin + (60.0 if column == 1 else 0.0)
        leads += [
            lead(row, column, begin, column * 2.46, 2.46, np.inf if column == 3 else until, seen_px=seen)
            for row in range(3)
        ]
    assert column_origins(leads, PX, 25.0) == dict.fromkeys(range(4), BEGIN)


def test_a_foot_before_a_strip_is_no_time():
    """Rows seem to begin 2 mm early."""
    early = [lead(row, 0, BEGIN - 2 * PX, -0.08, 10.078) for row in range(3)]
    assert column_origins(early, PX, 25.0)[0] == pytest.approx(BEGIN, abs=0.006 * PER_S)


def test_rows_of_other_lengths_are_left_alone():
    """Of 9.6 s, and of ten seconds with a pulse behind, whose foot may be the row's."""
    short = [lead(row, 0, BEGIN, 0.0, 9.6) for row in range(3)]
    assert column_origins(short, PX, 25.0)[0] == BEGIN
    assert not origins_by_length(short, BEGIN, PX, PER_S)
    one_late = [lead(row, 0, BEGIN, 0.0, 9.7, seen_px=BEGIN + (12.0 if row == 2 else 0)) for row in range(4)]
    assert column_origins(one_late, PX, 25.0)[0] == BEGIN
    feet = [replace(lead(row, 0, BEGIN, 0.0, 10.05), pulse_behind=True) for row in range(3)]
    assert column_origins(feet, PX, 25.0)[0] == BEGIN


def test_rows_whose_begin_print_hides_tell_no_begin():
    """Five of six, by names of several widths; the paper is 8.8 s long, which tells nothing."""
    names_px = (45.0, 56.0, 66.0, 0.0, 54.0, 54.0)
    leads = [lead(row, 0, BEGIN, 0.0, 8.786, seen_px=BEGIN + px) for row, px in enumerate(names_px)]
    leads = [replace(one, begin_hidden=px > 0) for one, px in zip(leads, names_px, strict=True)]
    assert column_origins(leads, PX, 25.0)[0] == pytest.approx(BEGIN, abs=0.006 * PER_S)
    blind = [replace(one, begin_hidden=False) for one in leads]
    assert column_origins(blind, PX, 25.0)[0] > BEGIN + 50


@pytest.mark.parametrize("foot_mm", [0.0, 1.0, 2.0, 3.5])
def test_no_time_passes_in_a_pulse_between_columns(foot_mm):
    """Columns of 2.5 s, 6 mm apart for a pulse, whose foot lengthens the trace before it."""
    leads = []
    for column in range(4):
        begin = BEGIN + column * (2.5 * PER_S + 6 * PX)
        length = 2.498 + (column < 3) * foot_mm * PX / PER_S
        until = np.inf if column == 3 else begin + 2.5 * PER_S + 6 * PX
        leads += [lead(row, column, begin, 2.5 * column, length, until) for row in range(3)]
    leads = [replace(one, pulse_behind=one.region.column < 3) for one in leads]
    origins = column_origins(leads, PX, 25.0)
    for column in range(4):
        assert origins[column] == pytest.approx(BEGIN + 6 * column * PX, abs=0.006 * PER_S)


def test_without_a_strip_gaps_must_be_seen():
    """Rows of 10.3 s are no rows of ten seconds with gaps of 2.5 mm that nothing shows."""
    with_gaps = origins_by_length(page(2.5, strip=False), BEGIN, PX, PER_S)
    assert with_gaps[3] == pytest.approx(BEGIN + 7.5 * PX, abs=0.006 * PER_S)
    long = []
    for column in range(4):
        begin = BEGIN + column * 2.575 * PER_S
        until = np.inf if column == 3 else begin + 2.575 * PER_S
        long += [lead(row, column, begin, 2.575 * column, 2.573, until) for row in range(3)]
    assert len(origins_by_length(long, BEGIN, PX, PER_S)) < 4


def placed(shift_s):
    """Columns of one page, the third at a wrong time."""
    leads = page()
    moved = []
    for one in leads:
        if one.region.column == 2:
            left = one.left + round(shift_s * PER_S)
            region = replace(one.region, start=float(left), until=np.inf)
            one = replace(one, left=left, region=region)
        moved.append(one)
    return place_leads(moved, PX, 25.0, 500.0)


def test_columns_beat_with_their_strip():
    """Within a tenth of a second."""
    assert beats_told(placed(0.0), 500.0) == ([], [])


@pytest.mark.parametrize("shift_s", [-0.3, 0.2])
def test_a_column_at_a_wrong_time_is_a_doubt(shift_s):
    """It says which, and by how much."""
    (doubt,), notes = beats_told(placed(shift_s), 500.0)
    assert not notes
    assert "column 3" in doubt and f"{abs(shift_s) * 1000:.0f} ms" in doubt
    assert ("late" if shift_s > 0 else "early") in doubt


def test_columns_that_show_the_same_seconds_are_noted():
    """As some recorders print them: each column shows the first seconds of the strip."""
    leads = [lead(3, 0, BEGIN, 0.0, 9.998, strip=True)]
    for column in range(4):
        begin = BEGIN + column * 2.5 * PER_S
        until = np.inf if column == 3 else begin + 2.5 * PER_S
        leads += [lead(row, column, begin, 0.0, 2.498, until) for row in range(3)]
    doubts, notes = beats_told(place_leads(leads, PX, 25.0, 500.0), 500.0)
    assert not doubts
    assert notes == ["by their beats, columns 2, 3, 4 show the same seconds as the first"]


def shortened(one, by_mm):
    """Plant a lead whose last millimetres were not read."""
    n = len(one.signal.amplitude_mv) - round(by_mm * PX / PER_S * 500)
    mv, confidence = one.signal.amplitude_mv[:n], one.signal.confidence[:n]
    signal = replace(one.signal, amplitude_mv=mv, confidence=confidence)
    return replace(one, region=replace(one.region, end=one.region.end - by_mm * PX), signal=signal)


def test_ends_that_were_lost_move_no_begin_that_all_rows_show():
    """Four rows begin in one place; the strip was read 2.2 mm too short, the last column 1 mm."""
    leads = page()
    leads[9:] = [shortened(one, 1.0) for one in leads[9:12]] + [shortened(leads[-1], 2.2)]
    assert column_origins(leads, PX, 25.0)[0] == BEGIN
    # Where the maps have ink before all of them, as a pulse's foot, columns of 2.5 s tell.
    before = [replace(one, region=replace(one.region, start=one.region.start - 1.5 * PX)) for one in leads]
    assert column_origins(before, PX, 25.0)[0] == BEGIN
    hidden = [
        replace(one, left=one.left + round(mm * PX)) if one.region.column == 0 else one
        for one, mm in zip(leads, (2.0, 3.0, 4.0, *[0] * 9, 2.5), strict=True)
    ]
    assert column_origins(hidden, PX, 25.0)[0] < BEGIN  # names hide begins: the end is all that tells


def test_the_end_of_a_pulse_tells_more_than_the_length_of_rows():
    """Names hide two of three begins, and ends were lost: the third stands right behind its pulse."""
    leads = [lead(row, 0, BEGIN, 0.0, 9.92, seen_px=BEGIN + (row > 0) * 4 * PX) for row in range(3)]
    assert column_origins(leads, PX, 25.0)[0] < BEGIN - PX
    leads[0] = replace(leads[0], zero_px=BEGIN, after_pulse=True)
    leads[1:] = [replace(one, begin_hidden=True) for one in leads[1:]]
    assert column_origins(leads, PX, 25.0)[0] == BEGIN


@pytest.mark.parametrize("columns", [2, 4])
def test_columns_of_one_length_tell_more_than_their_strip(columns):
    """
    In each the leads begin and end together and are as long: where the strip seems to begin, 3 mm before
    them, and to end, counts for nothing. A lead of each column may be spoilt.
    """
    leads = page(gap_mm=5.5, columns=columns)
    strip = leads[-1]
    region = replace(strip.region, start=strip.region.start - 3 * PX, end=strip.region.end - 1.5 * PX)
    leads[-1] = replace(strip, region=region, left=strip.left - 3 * round(PX))
    for k in range(0, len(leads) - 1, 3):
        leads[k] = replace(leads[k], left=leads[k].left + 20)
    origins = column_origins(leads, PX, 25.0)
    for column in range(columns):
        assert origins[column] == pytest.approx(BEGIN + column * 5.5 * PX, abs=0.003 * PER_S)


@pytest.mark.parametrize(("column", "told"), [(3, True), (1, False)])
def test_ends_of_the_last_column_may_be_lost(column, told):
    """By 0.5 to 1.5 mm, in each row another length; within the page each column must end where it does."""
    leads = page(gap_mm=11.8)
    for k in range(3):
        leads[3 * column + k] = shortened(leads[3 * column + k], 0.5 * (k + 1))
    origins = equal_columns(leads, PX, PER_S)
    assert bool(origins) == told
    for number, origin in origins.items():
        assert origin == pytest.approx(BEGIN + 11.8 * PX * number, abs=0.003 * PER_S)


def test_columns_that_are_too_short_are_not_of_one_length():
    """A name hides 4 mm of each lead: 2.34 s are no quarter of ten."""
    leads = [replace(one, left=one.left + 4 * round(PX)) for one in page(2.0, strip=False)]
    signals = [one.signal for one in leads]
    n = len(signals[0].amplitude_mv) - round(4 * PX / PER_S * 500)
    cut = [replace(s, amplitude_mv=s.amplitude_mv[:n], confidence=s.confidence[:n]) for s in signals]
    short = [replace(one, signal=signal) for one, signal in zip(leads, cut, strict=True)]
    assert equal_columns(short, PX, PER_S) == {}
    assert len(equal_columns(page(2.0, strip=False), PX, PER_S)) == 4


def test_a_column_is_as_long_as_the_next_where_its_own_ends_differ():
    """Two columns of 5 s; the first of the leads before them ends where it does, others 3 to 6 mm later."""
    leads = page(gap_mm=12.0, columns=2, strip=False)
    for k, more_mm in enumerate((0.0, 3.0, 6.0)):
        more = round(more_mm * PX / PER_S * 500)
        signal = leads[k].signal
        longer = np.pad(signal.amplitude_mv, (0, more), mode="edge")
        region = replace(leads[k].region, end=leads[k].region.end + more_mm * PX, until=2000.0)
        signal = replace(signal, amplitude_mv=longer, confidence=np.ones(len(longer)))
        leads[k] = replace(leads[k], region=region, signal=signal)
    assert column_origins(leads, PX, 25.0)[1] == pytest.approx(BEGIN + 12 * PX, abs=0.006 * PER_S)


@pytest.mark.parametrize("hidden", [0, 2])
def test_names_that_hide_begins_are_no_bare_paper(hidden):
    """The first column was read to 3.25 s of 3.33, names hide 6 mm of the next: no time stands still."""
    leads = [one for one in page(columns=3, strip=False) if one.region.column < 2]
    for k, one in enumerate(leads):
        n = len(one.signal.amplitude_mv) - round(0.08 * 500) * (one.region.column == 0)
        signal = replace(
            one.signal, amplitude_mv=one.signal.amplitude_mv[:n], confidence=one.signal.confidence[:n]
        )
        leads[k] = replace(one, signal=signal)
        if one.region.column == 1:
            leads[k] = replace(leads[k], left=one.left + 6 * round(PX), begin_hidden=one.region.row < hidden)
    step = column_origins(leads, PX, 25.0)[1] - BEGIN
    assert step == 0 if hidden else step > 6 * PX
