"""What is no page of an ECG, or not one whole page, is refused or doubted, and why is said."""

import json
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest
from planted_pages import heart
from ruled_paper import paper

from ecgtrace.api import Digitizer
from ecgtrace.batch import BatchOptions, digitize_file
from ecgtrace.digitization.beats import NO_BEAT, NO_HEART, narrow_waves
from ecgtrace.digitization.verdict import require_lead, shows_no_beat
from ecgtrace.errors import GridNotFoundError, PageError, TraceNotFoundError
from ecgtrace.inputs import InputFile
from ecgtrace.layout.regions import LeadRegion, RasterLayout
from ecgtrace.layout.rows import Row
from ecgtrace.page_ink.maps import MAP_PX_PER_MM, NAME_CLASSES, PageMaps
from ecgtrace.page_ink.names import FoundName
from ecgtrace.page_reading.heart import require_heart
from ecgtrace.page_reading.mirror import names_score, refuse_mirrored
from ecgtrace.page_reading.read import PageReader
from ecgtrace.page_reading.seen import Seen
from ecgtrace.page_reading.whole import grid_of_halves, refuse_several, whole_doubts
from ecgtrace.page_sets.not_pages import CASES, NotPages
from ecgtrace.sheet import Sheet, find_sheet
from ecgtrace.sheet.mapping import PlaneMap
from ecgtrace.studies import not_pages, study
from ecgtrace.types import GridScale, LeadSignal
from ecgtrace.units import LEADS

FS_HZ = 100.0
HEIGHT, WIDTH = 400, 1000  # of maps: 100 x 250 mm
BY_NAME = {case.name: case for case in CASES}


# Beats ---------------------------------------------------------------------------------------------


def wide_and_narrow(rate_hz=1.2, seconds=10.0):
    """A QRS complex of 0.08 s, 1 mV, and a T wave of 0.25 s, 0.3 mV, at each beat."""
    t = np.arange(round(seconds * FS_HZ)) / FS_HZ
    beat = (t * rate_hz) % 1 / rate_hz
    qrs = np.maximum(0, 1 - np.abs(beat - 0.2) / 0.04)
    return qrs + 0.3 * np.exp(-0.5 * ((beat - 0.45) / 0.06) ** 2)


@pytest.mark.parametrize("rate_hz", [0.5, 0.8, 1.2, 2.0, 3.0])
def test_beats_stand_out(rate_hz):
    assert narrow_waves(wide_and_narrow(rate_hz), FS_HZ) > NO_HEART


@pytest.mark.parametrize("rate_hz", [0.3, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0])
def test_a_sine_has_no_beats(rate_hz):
    t = np.arange(1000) / FS_HZ
    assert narrow_waves(np.sin(2 * np.pi * rate_hz * t + 0.4), FS_HZ) < 1.05 * NO_BEAT


def test_steps_and_noise_have_no_beats():
    t = np.arange(1000) / FS_HZ
    assert narrow_waves(1.0 * (t % 2 > 1), FS_HZ) < NO_BEAT
    for seed in range(5):
        noise = np.convolve(np.random.default_rng(seed).normal(0, 1, 1000), np.hanning(7), "same")
        assert narrow_waves(noise, FS_HZ) < NO_HEART


def test_what_must_not_matter():
    """Height, sign, rate of samples, and what is not known before and behind."""
    mv = wide_and_narrow()
    found = narrow_waves(mv, FS_HZ)
    padded = np.concatenate([np.full(300, np.nan), mv, np.full(200, np.nan)])
    finer = np.interp(np.arange(0, 9.9, 0.002), np.arange(1000) / FS_HZ, mv)
    assert narrow_waves(-3 * mv, FS_HZ) == pytest.approx(found, rel=0.1)
    assert narrow_waves(padded, FS_HZ) == pytest.approx(found, rel=1e-6)
    assert narrow_waves(finer, 500.0) == pytest.approx(found, rel=0.1)
    assert narrow_waves(mv[:100], FS_HZ) is None


@pytest.mark.parametrize("seed", range(3))
def test_planted_leads_have_beats(seed):
    """Of leads whose waves are all as wide as T waves most lie above what doubts one lead."""
    values = [narrow_waves(lead, 200.0) for lead in heart(seed)]
    assert np.median(values) > NO_BEAT


def test_a_plot_of_a_sine_is_a_doubt():
    def signal(mv):
        return LeadSignal(mv, FS_HZ, np.ones(len(mv)), GridScale(8.0, 8.0, 1.0), np.zeros(10))

    image = np.zeros((10, 10, 3), np.uint8)
    assert "no heart beat" in shows_no_beat(signal(np.sin(np.arange(1000) / 15)), image)
    assert not shows_no_beat(signal(wide_and_narrow()), image)


def test_a_short_line_without_beats_is_no_lead():
    def signal(mv, share):
        row_px = np.where(np.arange(1000) < 1000 * share, 5.0, np.nan)
        return LeadSignal(mv, FS_HZ, np.ones(len(mv)), GridScale(8.0, 8.0, 1.0), row_px)

    image = np.zeros((10, 1000, 3), np.uint8)
    with pytest.raises(TraceNotFoundError, match="covers 30"):
        require_lead(signal(np.sin(np.arange(300) / 15), 0.3), image)
    require_lead(signal(np.sin(np.arange(900) / 15), 0.9), image)  # doubtful
    require_lead(signal(wide_and_narrow(seconds=3), 0.3), image)


# Traces that are no heart's ------------------------------------------------------------------------


def layout_of(mv, names=("",), n_rows=3):
    """Rows 30 mm apart, each with the curve; one piece for each."""
    x = np.arange(len(mv)) + 20
    rows, regions = [], []
    for k in range(n_rows):
        zero = 80 + 120 * k
        y = np.rint(zero - np.asarray(mv) * 10 * MAP_PX_PER_MM).astype(int)
        ink = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.polylines(ink, [np.stack([x, y], axis=1).astype(np.int32)], False, 1, 1)
        rows.append(Row(float(zero), ink > 0))
        name = names[k % len(names)]
        regions.append(LeadRegion(name, k, 0, x[0], x[-1], y.min(), y.max(), zero))
    return RasterLayout(f"{n_rows}x1", tuple(regions), tuple(rows))


SINE = 0.5 * np.sin(2 * np.pi * 0.9 * np.arange(900) / FS_HZ)


def test_curves_without_beats_and_names_are_refused():
    with pytest.raises(PageError, match="no heart beat stands out"):
        require_heart(layout_of(SINE))
    with pytest.raises(PageError, match="one line"):
        require_heart(layout_of(0 * SINE, n_rows=1))
    with pytest.raises(PageError, match="3 pieces of lines"):
        require_heart(layout_of(wide_and_narrow(seconds=0.9)))  # too short to hold a beat
    require_heart(layout_of(SINE, names=("I", "II", "III")))  # it is read, and doubted then
    require_heart(layout_of(wide_and_narrow(seconds=9)))
    require_heart(RasterLayout("", (), ()))


# Two pages -----------------------------------------------------------------------------------------


def names_of_page(left=0.0, score=0.8, leads=LEADS):
    """Names in 3 rows and 4 columns, in px of the maps."""
    return [
        FoundName(lead, score, left + 250.0 * (k // 3), 60.0 + 120 * (k % 3)) for k, lead in enumerate(leads)
    ]


def test_two_sets_of_names_are_two_pages():
    with pytest.raises(PageError, match="more than one page"):
        refuse_several(names_of_page() + names_of_page(1200.0))
    strips = [FoundName(lead, 0.5, 0.0, 500.0 + 100 * k) for k, lead in enumerate(("II", "V1", "V5"))]
    refuse_several(names_of_page() + strips)
    refuse_several(names_of_page() + names_of_page(1200.0, score=0.4))  # nothing that was read
    refuse_several(names_of_page() + names_of_page(1200.0, score=0.7))  # words of a header, some of them
    refuse_several(names_of_page() + names_of_page(20.0))  # the same letters read twice


def test_each_half_with_a_grid_of_its_own_is_said():
    """The second page's lines do not go on from the first one's."""
    two = np.hstack([paper(6.0, width=700, height=600), paper(6.0, width=700, height=600, phase=(0.9, 0.2))])
    error = GridNotFoundError("none")
    assert "more than one page" in str(grid_of_halves(two, find_sheet, error))
    half = two.copy()
    half[:, 700:] = 255
    assert grid_of_halves(half, find_sheet, error) is error


# Mirror images -------------------------------------------------------------------------------------


def maps_with(names, trace=None):
    blank = np.zeros((HEIGHT, WIDTH), np.float32)
    heat = np.zeros((len(NAME_CLASSES), HEIGHT, WIDTH), np.float32)
    for one in names:
        heat[NAME_CLASSES.index(one.name), int(one.y), int(one.x)] = one.score
    trace = blank if trace is None else trace.astype(np.float32)
    return PageMaps(trace, blank, blank, blank, blank, heat)


def sheet_of(image=None):
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8) if image is None else image
    return Sheet(image, 4.0, 4.0, PlaneMap.identity(), 0.0, 0.01, "grid lines", grid_confirmed=True)


@pytest.mark.parametrize("axis", [0, 1])
def test_names_that_can_be_read_in_a_mirror_alone(axis):
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[10, 20] = 255
    there = np.flip(image, axis)
    alike = [FoundName(name, 0.6, 100.0, 60.0 + 120 * k) for k, name in enumerate(("I", "II", "III"))]
    asked = []

    def network(seen, *_):
        asked.append(seen)
        return maps_with(names_of_page(score=0.6) if np.array_equal(seen, there) else alike)

    flipped = partial(PageReader(network, None)._flipped, sheet_of(image))
    with pytest.raises(PageError, match="mirror image"):
        refuse_mirrored(seen(alike), flipped)
    assert asked
    asked.clear()
    refuse_mirrored(seen(names_of_page(score=0.6)), flipped)
    assert not asked  # enough names were read
    refuse_mirrored(seen(alike), lambda _: seen(alike))
    refuse_mirrored(seen([]), lambda _: seen(alike))


def seen(names, letters=(0.0, 0.0)):
    """Return a page of which so many letters can be read, of so many."""
    return Seen(sheet_of(), maps_with([]), names, SimpleNamespace(letters=letters))


def test_print_that_cannot_be_read_tells_a_mirror_image():
    """Where as many names are read by chance as a page may have; not where a page has no other print."""
    some, more = names_of_page(score=0.5), names_of_page(score=0.7)
    upside_down, mirror = seen(some, (48.0, 50.0)), seen(more, (48.0, 50.0))
    with pytest.raises(PageError, match="mirror image"):
        refuse_mirrored(seen(some, (18.0, 45.0)), lambda axis: mirror if axis else upside_down)
    refuse_mirrored(seen(some, (40.0, 45.0)), lambda _: mirror)
    refuse_mirrored(seen(some, (2.0, 10.0)), lambda _: seen(more, (12.0, 12.0)))
    refuse_mirrored(seen(names_of_page(score=0.9), (18.0, 45.0)), lambda _: mirror)


def test_numbers_that_can_be_read_are_no_mirror_image():
    """Numbers of beats are taken for letters in a mirror; without names only they tell."""
    mirror = seen(names_of_page(score=0.6), (2.0, 14.0))
    one = [FoundName("I", 0.98, 100.0, 60.0)]
    refuse_mirrored(seen(one, (8.0, 8.0)), lambda _: mirror)
    with pytest.raises(PageError, match="mirror image"):
        refuse_mirrored(seen(one, (6.0, 14.0)), lambda _: mirror)


def test_a_name_read_again_and_again_counts_once():
    assert names_score([FoundName("aVL", 0.5, 10.0 * k, 0.0) for k in range(9)]) == 0.5
    assert names_score(names_of_page(score=0.5)) == 6.0


# Cut off -------------------------------------------------------------------------------------------


def page_maps(left=40, right=960, wave_top=None, wave_bottom=None, border=False):
    """Three flat traces at 20, 50 and 80 mm, with one steep wave to a height of the maps."""
    ink = np.zeros((HEIGHT, WIDTH), np.uint8)
    levels = (80, 200, 320)
    for level in levels:
        cv2.line(ink, (left, level), (right, level), 1, 2)
    if wave_top is not None:
        cv2.line(ink, (500, 80), (500, wave_top), 1, 2)
    if wave_bottom is not None:
        cv2.line(ink, (500, 320), (500, wave_bottom), 1, 2)
    if border:
        cv2.rectangle(ink, (0, 0), (WIDTH - 1, HEIGHT - 1), 1, 1)
    rows = []
    for level in levels:
        own = np.zeros_like(ink)
        own[max(0, level - 60) : level + 60] = ink[max(0, level - 60) : level + 60]
        rows.append(Row(float(level), own > 0))
    return maps_with([], ink), rows


def doubts_of(maps, rows, names=LEADS[:3], columns=None, sheet=None, speed=25.0, source=(HEIGHT, WIDTH)):
    edges = columns or ((40, 960),)
    regions = tuple(
        LeadRegion(name, k % 3, k // 3, *edges[k // 3], 0, 1, rows[k % 3].zero_y)
        for k, name in enumerate(names)
    )
    layout = RasterLayout("", regions, tuple(rows))
    return whole_doubts(sheet or sheet_of(), maps, layout, source, speed)


def test_a_whole_page_is_no_doubt():
    assert doubts_of(*page_maps(wave_top=12, wave_bottom=390), names=LEADS, columns=[(40, 960)] * 4) == (
        [],
        [],
    )
    doubts, notes = doubts_of(*page_maps())
    assert doubts == []
    assert "3 are named on the page; not aVR" in notes[0]


@pytest.mark.parametrize(("wave", "side"), [({"wave_top": 0}, "upper"), ({"wave_bottom": 399}, "lower")])
def test_a_wave_that_runs_into_an_edge_is_a_doubt(wave, side):
    assert doubts_of(*page_maps(**wave))[0] == [
        f"a trace runs into the picture's {side} edge: the page may be cut off there"
    ]


def test_a_border_of_the_picture_is_no_trace():
    assert doubts_of(*page_maps(border=True))[0] == []


@pytest.mark.parametrize(("ends", "side"), [({"left": 0}, "left"), ({"right": 999}, "right")])
def test_traces_that_run_out_of_the_picture_are_a_doubt_where_leads_lack(ends, side):
    cut = [f"the traces run into the picture's {side} edge: the page may be cut off there"]
    maps, rows = page_maps(**ends)
    assert doubts_of(maps, rows)[0] == cut
    equal = [(0, 250), (250, 500), (500, 750), (750, 999)]
    assert doubts_of(maps, rows, names=LEADS, columns=equal)[0] == []  # paper cut where its traces end
    short = [(0, 100), (100, 400), (400, 700), (700, 999)]
    short = short if side == "left" else [(a, b) for a, b in ((0, 300), (300, 600), (600, 900), (900, 999))]
    assert doubts_of(maps, rows, names=LEADS, columns=short)[0] == cut


def test_the_edges_are_those_of_the_picture_not_of_the_sheet():
    """The picture goes on for 20 mm around what was laid straight."""
    moved = PlaneMap(np.array([[1.0, 0, 80], [0, 1, 80], [0, 0, 1]]))
    sheet = replace(sheet_of(), mapping=moved)
    source = (HEIGHT + 160, WIDTH + 160)
    assert doubts_of(*page_maps(wave_top=0, left=0), sheet=sheet, source=source)[0] == []


def test_rows_too_long_or_in_two_groups_are_a_doubt():
    assert "23 s long" in doubts_of(*page_maps(), speed=10.0)[0][0]
    levels = [40, 60, 80, 200, 220, 240]
    rows = [Row(float(y), np.pad(np.ones((1, 500), bool), ((y, HEIGHT - y - 1), (40, 460)))) for y in levels]
    found = doubts_of(maps_with([]), rows, columns=[(40, 540)])[0]
    assert found == ["3 rows and 3 rows stand 30 mm apart: more than one page may be in the picture"]
    assert doubts_of(maps_with([]), [*rows[:3], rows[-1]], columns=[(40, 540)])[0] == []  # a strip


# The set of pictures -------------------------------------------------------------------------------


def test_the_pictures_are_drawn_the_same_each_time_and_differ():
    assert len(CASES) >= 40 and len(BY_NAME) == len(CASES)
    seen = set()
    for case in CASES:
        image = case.draw()
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
        seen.add(image.tobytes())
        assert set(case.wanted) == {"page", "auto"}
    assert len(seen) == len(CASES)
    assert np.array_equal(BY_NAME["noise"].draw(), BY_NAME["noise"].draw())
    assert len(NotPages(("text", "noise"))) == 2


def test_a_verdict_is_right_if_it_is_wanted_and_says_why():
    mirrored = BY_NAME["page, mirrored"]
    assert not_pages.is_right(mirrored, "page", "failed", "the page is a mirror image")
    assert not not_pages.is_right(mirrored, "page", "failed", "no grid")
    assert not not_pages.is_right(mirrored, "page", "ok", "a mirror image")
    assert not_pages.is_right(BY_NAME["page"], "auto", "ok", "")
    assert not not_pages.is_right(BY_NAME["text"], "page", "failed", "")


def test_the_page_of_the_study_says_what_its_rows_say(tmp_path):
    score = not_pages.VerdictScore()
    source = NotPages(("text", "page, mirrored"))
    rows = []
    for index, answer in enumerate([("failed", "no trace", "page"), ("ok", "", "page")]):
        for arm in ("page", "auto"):
            (row,) = score.rows(source[index], index, arm, lambda image, answer=answer: answer)
            rows.append(row | {"crop_id": source.crop_id(index), "digitizer": arm})
    pd.DataFrame(rows).to_csv(tmp_path / "rows.csv", index=False)
    facts = {
        "command": "python run.py",
        "commit": "a" * 40,
        "dirty": False,
        "date_utc": "2026-01-02T03:04:05",
    }
    (tmp_path / "provenance.json").write_text(json.dumps({**facts, "cores": 2, "cpu": "a CPU", "config": {}}))
    template = "experiments/not_pages/" + study.TEMPLATE
    (tmp_path / study.TEMPLATE).write_text((study.Path(__file__).parents[1] / template).read_text())
    study.rewrite(not_pages.STUDY, tmp_path)
    page = " ".join((tmp_path / study.PAGE).read_text().split())
    assert "1 pages without an ECG, 1 pages that are cut" in page
    assert "| Pictures that show no ECG | page | 1 of 1 |" in page
    assert "| page, mirrored | page | failed | ok | **no** | |" in page


# Whole pictures, with the networks -----------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "blank paper, red",
        "bar chart",
        "breathing, three rows",
        "page, mirrored",
        "two pages one above the other",
        "upper part of a page",
    ],
)
def test_pictures_that_are_no_page_get_the_verdict_they_should(name, tmp_path):
    case = BY_NAME[name]
    cv2.imwrite(str(tmp_path / "picture.png"), case.draw()[..., ::-1])
    item = InputFile(tmp_path / "picture.png", "picture")
    digitizer = Digitizer.from_pretrained()._digitizer
    result = digitize_file(item, digitizer, tmp_path, BatchOptions(content="page", progress=False))
    assert not_pages.is_right(case, "page", result.status, result.message), result.message


def test_letters_that_can_be_read_are_no_mirror_image():
    """Many specks and numbers may look like names in it: but not where letters are lost by it."""
    few = [FoundName("II", 0.98, 100.0, 60.0 + 120 * k) for k in range(7)] + [FoundName("V5", 0.6, 9.0, 9.0)]
    mirror = seen(names_of_page(score=0.7), (0.0, 160.0))
    refuse_mirrored(seen(few, (166.0, 166.0)), lambda _: mirror)
    refuse_mirrored(seen(few, (46.0, 127.0)), lambda _: mirror)
    with pytest.raises(PageError, match="mirror image"):
        refuse_mirrored(seen(few, (46.0, 127.0)), lambda _: seen(mirror.names, (120.0, 127.0)))
