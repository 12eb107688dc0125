"""Ink that no lead follows, and what only looks like it: grids, bars, logos, ink between two flanks."""

import cv2
import numpy as np
import pytest
from planted_picture import PX_PER_MM
from planted_picture import lead as planted_lead

from ecgtrace.digitization.refined import RefinedDigitizer
from ecgtrace.layout.regions import LeadRegion
from ecgtrace.page_ink.maps import NAME_CLASSES, PageMaps
from ecgtrace.page_reading.lead import ReadLead, read_lead
from ecgtrace.page_reading.left_over import lost_waves, trace_ink, unread_ink
from ecgtrace.page_reading.other_rows import OtherRows
from ecgtrace.types import GridScale, LeadSignal

PX = 8.0  # px per mm of the sheet, twice those of the maps
SCALE = GridScale(PX, PX, 1.0)
HEIGHT, WIDTH, BASE = 800, 880, 400
REGION = LeadRegion("I", 0, 0, 40, 840, 0, 10, 5)
TRACE = (0, 0, 0)


def sheet():
    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    image[BASE - 1 : BASE + 2, 40:840] = TRACE
    return image


def maps_of(image, beside=0):
    """Maps that take black for a trace, and what lies up to `beside` of their px beside it."""
    black = (image.max(axis=2) < 60).astype(np.uint8)
    small = cv2.resize(black, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
    about = cv2.dilate(small, np.ones((2 * beside + 1, 2 * beside + 1), np.uint8))
    blank = np.zeros(small.shape, np.float32)
    heat = np.zeros((len(NAME_CLASSES), *small.shape), np.float32)
    return PageMaps(about.astype(np.float32), blank, blank, blank, blank, heat, (2.0, 2.0))


def along(row_px):
    signal = LeadSignal(np.zeros(len(row_px)), 500.0, np.ones(len(row_px)), SCALE, row_px, start_px=0.0)
    return ReadLead(REGION, signal, left=40, top=0)


def unread_mm(image, maps, leads=None):
    leads = leads or [along(np.full(800, float(BASE)))]
    traces = trace_ink(image, maps)
    return [piece.height / PX for piece in lost_waves(unread_ink(traces, leads, SCALE), traces, leads)]


def test_a_wave_is_missed():
    image = sheet()
    image[BASE - 80 : BASE, 400:403] = TRACE
    assert unread_mm(image, maps_of(image)) == [pytest.approx(9.7, abs=0.3)]


@pytest.mark.parametrize("dash_px", [0, 5])
def test_a_dark_grid_beside_a_trace_is_no_wave(dash_px):
    """As dark as the trace, and so near that the maps are not sure; whole or dashed."""
    image = sheet()
    image[BASE - 80 : BASE, 410:413] = TRACE  # a wave that is followed
    maps = maps_of(image, beside=4)
    for x in (378, 418, 458):
        image[:, x : x + 3] = TRACE
        for top in range(0, HEIGHT, 8) if dash_px else ():
            image[top : top + 8 - dash_px, x : x + 3] = 255
    path = np.full(800, float(BASE))
    path[369:374] = (BASE, BASE - 80, BASE - 80, BASE - 80, BASE)
    assert unread_mm(image, maps, [along(path)]) == []


def test_a_bar_through_all_rows_is_no_wave():
    """The maps see a bar in a part of it, and a trace in the rest."""
    image = sheet()
    image[40:760, 500:504] = TRACE
    maps = maps_of(image)
    maps.bar[60:120, 250:252] = 1
    assert unread_mm(image, maps) == []


def test_waves_of_one_beat_in_rows_below_each_other_are_waves():
    """Where rows stand close their tips make a line from top to bottom, which is neither grid nor bar."""
    image = sheet()
    image[40:760, 500:504] = TRACE
    assert unread_mm(image, maps_of(image))


def test_a_coloured_mark_is_no_wave():
    """A logo in another colour than the traces, which the maps take for one; in theirs it is told."""
    for colour, found in (((200, 0, 30), 0), (TRACE, 1)):
        image = sheet()
        maps = maps_of(image)
        maps.trace[100:130, 100:110] = 1
        image[200:260, 200:220] = colour
        assert len(unread_mm(image, maps)) == found


def test_traces_may_have_several_colours():
    """Leads of each colour that a page has are traces."""
    image = sheet()
    image[599:602, 40:840] = (0, 0, 200)
    image[BASE - 80 : BASE, 400:403] = image[520:599, 600:603] = (0, 0, 200)
    maps = maps_of(image)
    maps.trace[:] = cv2.resize((image[..., 0] < 60).astype(np.float32), (WIDTH // 2, HEIGHT // 2))
    leads = [along(np.full(800, float(y))) for y in (BASE, 600)]
    assert len(unread_mm(image, maps, leads)) == 2


def test_ink_between_the_flanks_of_a_wave_is_none_of_its_own():
    """It may be read again for it, but if that does not help no wave was lost."""
    image = sheet()
    image[BASE - 80 : BASE, 396:407] = TRACE
    path = np.full(800, float(BASE))
    path[356:368] = [BASE, *[BASE - 80.0] * 10, BASE]
    path[358:366] = BASE - 80
    lead, maps = along(path), maps_of(image)
    traces = trace_ink(image, maps)
    assert len(unread_ink(traces, [lead], SCALE)) == 1
    assert unread_mm(image, maps, [lead]) == []


class DarkInk:
    """A segmenter for a picture without a grid: what is dark is the trace's."""

    model = "dark ink"

    def channels(self, image, duration_s=None):
        return (image[None, ..., 0] < 128).astype(np.float32)


@pytest.mark.parametrize(("short_mm", "doubted"), [(-0.2, True), (0.5, False), (1.0, False)])
def test_only_a_wave_that_reaches_the_edge_may_be_cut(short_mm, doubted):
    """Where ink of others goes on above, the piece is not made higher; waves that end before it are whole."""
    image = planted_lead(np.full((400, 810, 3), 255, np.uint8))
    dark = np.argwhere(image[..., 0] < 128)
    (top, left), (bottom, right) = dark.min(axis=0), dark.max(axis=0)
    pad_mm = 1.5
    first = top + (pad_mm - short_mm) * PX_PER_MM
    region = LeadRegion("I", 0, 0, left, right, first, bottom, 200)
    nothing = np.zeros(image.shape[:2], np.uint8)
    others = OtherRows(nothing, np.ones(nothing.shape, np.int8), (1.0, 1.0))
    scale = GridScale(PX_PER_MM, PX_PER_MM, 1.0)
    read = read_lead(RefinedDigitizer(DarkInk()), image, region, scale, (False, False), others=others)
    assert any("reach the edge" in doubt for doubt in read.signal.doubts) == doubted
