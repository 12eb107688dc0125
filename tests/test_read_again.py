"""Leads beside which ink is left over are read again on higher pieces; what leaves less of it counts."""

from dataclasses import replace

import numpy as np
import pytest

import ecgtrace.page_reading.leads as module
from ecgtrace.digitization.refined import RefinedDigitizer
from ecgtrace.layout.regions import LeadRegion, RasterLayout
from ecgtrace.layout.rows import Row
from ecgtrace.page_ink.maps import NAME_CLASSES, PageMaps
from ecgtrace.page_reading.lead import ReadLead, _without_specks
from ecgtrace.page_reading.leads import read_leads
from ecgtrace.page_reading.left_over import trace_ink
from ecgtrace.sheet import Sheet
from ecgtrace.sheet.mapping import PlaneMap
from ecgtrace.types import GridScale, LeadSignal

SHAPE = (200, 440)  # of the maps, 4 px per mm; the sheet has as many
WAVE, TOP, ZERO = 200, 60, 100
PAD = 6  # beside a lead in its piece, 1.5 mm


@pytest.fixture
def page():
    """A row at 100 with a wave up to 60, of which its votes have but half; another row at 160."""
    trace = np.zeros(SHAPE, np.float32)
    trace[ZERO, 20:420] = trace[TOP : ZERO + 1, WAVE] = trace[160, 20:420] = 1
    blank = np.zeros(SHAPE, np.float32)
    maps = PageMaps(
        trace, blank, blank, blank, blank, np.zeros((len(NAME_CLASSES), *SHAPE), np.float32), (1.0, 1.0)
    )
    inks = np.zeros((2, *SHAPE), np.bool_)
    inks[0, ZERO, 20:420] = inks[0, 80 : ZERO + 1, WAVE] = inks[1, 160, 20:420] = True
    regions = (
        LeadRegion("I", 0, 0, 20, 419, 80, ZERO, ZERO),
        LeadRegion("II", 1, 0, 20, 419, 160, 160, 160),
    )
    rows = (Row(ZERO, inks[0]), Row(160, inks[1]))
    picture = np.full((*SHAPE, 3), 255, np.uint8)
    picture[trace > 0] = 0
    sheet = Sheet(picture, 4.0, 4.0, PlaneMap.identity(), 0.0, 0.0, "grid lines", grid_confirmed=True)
    return sheet, maps, RasterLayout("2x1", regions, rows), trace_ink(picture, maps)


def reader(read, tried):
    """Return what stands for `read_lead`: it follows the wave as far as `read` says of the region."""

    def read_lead(digitizer, image, region, scale, beside, pulse=None, others=None, pieces=(), whose=None):
        tried.append((region.name, region.top, [(piece.x, piece.height) for piece in pieces]))
        row_px = np.full(400 + 2 * PAD, np.nan)
        row_px[PAD:-PAD] = float(region.zero_y)
        at = WAVE - 20 + PAD
        row_px[at - 1 : at + 2] = (region.zero_y, read(region), region.zero_y)
        signal = LeadSignal(np.zeros(2001), 500.0, np.ones(2001), scale, row_px, start_px=float(PAD))
        return ReadLead(region, signal, left=20 - PAD, top=0)

    return read_lead


def heights(page, monkeypatch, read):
    tried = []
    monkeypatch.setattr(module, "read_lead", reader(read, tried))
    leads, lost = read_leads(RefinedDigitizer(), *page)
    assert not lost and [lead.region.name for lead in leads] == ["I", "II"]
    return tried, [float(np.nanmin(lead.signal.row_px)) for lead in leads]


def test_the_lead_that_the_ink_hangs_on_is_read_again(page, monkeypatch):
    def follows(region):
        return region.top if region.name == "I" else region.zero_y

    tried, highest = heights(page, monkeypatch, follows)
    assert [name for name, *_ in tried] == ["I", "II", "I"]
    assert tried[2] == ("I", TOP, [])
    assert highest == [TOP, 160]


def test_a_second_reading_that_explains_no_more_does_not_count(page, monkeypatch):
    """It went elsewhere."""

    def wanders(region):
        return 80.0 if region.name == "I" and region.top == 80 else region.zero_y

    tried, highest = heights(page, monkeypatch, wanders)
    assert highest == [80.0, 160.0]
    # At last it is told that the ink is its own: all of the wave less half of the line that was followed.
    assert tried[2:] == [("I", TOP, []), ("I", TOP, [(WAVE, 80 - TOP - 2)])]


@pytest.mark.parametrize("wanders", [False, True])
def test_a_lead_that_is_told_which_ink_is_its_own_goes_elsewhere_where_it_went(page, monkeypatch, wanders):
    """It follows the wave then; where it also leaves its line for a tenth of its length it does not count."""
    tried = []
    plain = reader(lambda region: 80.0 if region.name == "I" else region.zero_y, tried)

    def read_lead(*args):
        lead = plain(*args)
        if args[7]:  # pieces
            lead.signal.row_px[WAVE - 20 + PAD] = TOP
            lead.signal.row_px[300:340] += 4 * wanders
        return lead

    monkeypatch.setattr(module, "read_lead", read_lead)
    leads, _ = read_leads(RefinedDigitizer(), *page)
    assert tried[-1] == ("I", TOP, [(WAVE, 80 - TOP - 2)])
    assert np.nanmin(leads[0].signal.row_px) == (80 if wanders else TOP)


def test_where_nothing_is_left_over_each_lead_is_read_once(page, monkeypatch):
    def follows(region):
        return float(TOP) if region.name == "I" else region.zero_y

    assert heights(page, monkeypatch, follows) == (
        [("I", 80, []), ("II", 160, [])],
        [60.0, 160.0],
    )


def signal_with(known, start_px=10.0):
    """Plant a signal that is known in these samples; a sample is a pixel, 8 pixels a millimetre."""
    values = np.where(known, 0.5, np.nan)
    fs_hz = 25.0 * 8
    row = np.where(np.r_[np.zeros(10, bool), known], 5.0, np.nan)
    return LeadSignal(values, fs_hz, known.astype(float), GridScale(8, 8, 1.0), row, start_px=start_px)


@pytest.mark.parametrize(("gap_mm", "piece_mm", "is_left_out"), [(5, 1, True), (1, 1, False), (5, 6, False)])
def test_what_stands_alone_behind_a_trace_is_left_out(gap_mm, piece_mm, is_left_out):
    """A letter behind bare paper; not the end of a trace with a gap before it, nor a long piece of one."""
    trace, gap, piece = (
        np.full(mm * 8, is_ink) for mm, is_ink in ((40, True), (gap_mm, False), (piece_mm, True))
    )
    found = _without_specks(signal_with(np.concatenate([trace, gap, piece])), GridScale(8, 8, 1.0))
    assert len(found.amplitude_mv) == len(trace) + (0 if is_left_out else len(gap) + len(piece))
    assert np.isfinite(found.row_px).sum() == len(trace) + (0 if is_left_out else len(piece))
    before = _without_specks(signal_with(np.concatenate([piece, gap, trace])), GridScale(8, 8, 1.0))
    assert before.start_px == 10 + (len(piece) + len(gap) if is_left_out else 0)


def test_samples_that_are_not_known_at_the_ends_stay():
    """Nothing stands alone: where the lead begins and ends is as it was."""
    known = np.concatenate([np.full(30, False), np.full(400, True), np.full(20, False)])
    signal = signal_with(known)
    assert _without_specks(signal, GridScale(8, 8, 1.0)) is signal
    nothing = signal_with(np.full(100, False))
    assert _without_specks(nothing, GridScale(8, 8, 1.0)) is nothing


def test_a_lead_that_goes_on_is_read_until_it_ends(page, monkeypatch):
    """The maps show it from 80 on; it is read from the edge of its piece on, until that lies left of 20."""
    sheet, maps, layout, traces = page
    short = replace(layout.regions[0], start=80)
    tried = []

    def read_lead(digitizer, image, region, scale, beside, *others):
        tried.append((region.name, region.start))
        left = max(0, round(region.start) - PAD)
        start = max(20, left)
        row_px = np.full(420 - left, np.nan)
        row_px[start - left : -PAD] = float(region.zero_y)
        n = round((413 - start) / 100 * 500)
        signal = LeadSignal(np.zeros(n), 500.0, np.ones(n), scale, row_px, start_px=float(start - left))
        return ReadLead(region, signal, left=left, top=0)

    monkeypatch.setattr(module, "read_lead", read_lead)
    layout = replace(layout, regions=(short, layout.regions[1]))
    leads, _ = read_leads(RefinedDigitizer(), sheet, maps, layout, traces)
    assert leads[0].start_px == 20 and leads[1].start_px == 20
    assert [start for name, start in tried if name == "I"][:3] == [80, 48, 16]
