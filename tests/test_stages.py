"""Seconds of each stage of a reading: nested stages add up, and so do those of a page that is a picture."""

import json
import time
from threading import Barrier

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from planted_picture import LINE_PX, PX_PER_MM, SHIFT, grid, wave_mv

from ecgtrace.digitization.refined import RefinedDigitizer
from ecgtrace.page_files import read_file_page
from ecgtrace.page_ink.maps import MAP_PX_PER_MM, NAME_CLASSES, PageMaps
from ecgtrace.page_ink.network import to_map_scale
from ecgtrace.page_reading.read import PageReader
from ecgtrace.stages import stage, watching
from ecgtrace.vector.page_choice import PageChoice
from ecgtrace.writers import json_note

ZERO_MM = (20.0, 45.0)


class DarkIsTrace:
    """Stands for the page network: what is dark is a trace, of the row whose zero line is nearest."""

    model = "dark"

    def __call__(self, image, px_per_mm_x, px_per_mm_y):
        trace = (to_map_scale(image, px_per_mm_x, px_per_mm_y)[..., 0] < 150).astype(np.float32)
        below_mm = np.array(ZERO_MM) - np.arange(len(trace))[:, None] / MAP_PX_PER_MM
        offset_mm = below_mm[np.arange(len(trace)), np.abs(below_mm).argmin(axis=1)]
        none = np.zeros_like(trace)
        return PageMaps(
            trace,
            none,
            none,
            none,
            np.repeat(offset_mm[:, None], trace.shape[1], axis=1).astype(np.float32),
            np.zeros((len(NAME_CLASSES), *trace.shape), np.float32),
            (image.shape[1] / trace.shape[1], image.shape[0] / trace.shape[0]),
        )


class DarkIsTarget:
    """Stands for the network of crops."""

    model = "dark"

    def channels(self, image, duration_s=None):
        dark = (image[..., 0] < 150).astype(np.float32)
        return np.stack([dark, np.zeros_like(dark)])


def reader():
    return PageReader(DarkIsTrace(), RefinedDigitizer(DarkIsTarget()))


def page():
    """Two rows of 6 s, one above the other."""
    image = grid(height=round(65 * PX_PER_MM), width=round(180 * PX_PER_MM))
    time_s = np.arange(0, 6, 0.002)
    for zero_mm in ZERO_MM:
        x = (15 + 25 * time_s) * PX_PER_MM
        y = (zero_mm - 10 * wave_mv(time_s % 2.5)) * PX_PER_MM
        points = np.rint(np.stack([x, y], axis=1) * 2**SHIFT).astype(np.int32)
        cv2.polylines(image, [points], False, (0, 0, 0), LINE_PX, cv2.LINE_AA, SHIFT)
    return image


class Clock:
    """Stands for the clock; it goes on when it is told."""

    def __init__(self, monkeypatch):
        self.now = 5.0
        monkeypatch.setattr("ecgtrace.stages.perf_counter", lambda: self.now)

    def wait(self, seconds):
        self.now += seconds


def test_a_stage_inside_of_another_is_taken_off_it(monkeypatch):
    clock = Clock(monkeypatch)
    with watching() as watch:
        with stage("outer"):
            clock.wait(2)
            with stage("inner"):
                clock.wait(5)
            clock.wait(1)
        clock.wait(3)
    assert watch.seconds == {"outer": 3, "inner": 5, "rest": 3}


def test_nobody_need_watch():
    with stage("alone") as watch:
        assert watch is None


def test_threads_share_the_seconds_that_were_waited_for_them(monkeypatch):
    clock = Clock(monkeypatch)
    with watching() as watch:
        with stage("leads"):
            clock.wait(4)
    watch.spread("leads", [{"fit": 3.0, "path": 1.0}, {"fit": 0.0, "path": 4.0}])
    assert watch.seconds == {"rest": 0, "fit": 1.5, "path": 2.5}


def test_the_stages_of_a_page_add_up_to_the_whole(tmp_path):
    Image.fromarray(page()).save(tmp_path / "page.png")
    begin = time.perf_counter()
    recording = read_file_page(tmp_path / "page.png", 1, PageChoice(25.0, 10.0), reader())
    whole_s = time.perf_counter() - begin
    assert len(recording.leads) == 2
    seconds = recording.stage_seconds
    expected = ("file", "sheet", "page_ink", "layout", "crops_ink", "density", "path", "fit", "samples")
    assert set(expected) <= set(seconds)
    assert all(seconds[name] > 0 for name in expected)
    assert sum(seconds.values()) == pytest.approx(whole_s, rel=0.05, abs=0.1)
    assert seconds["rest"] < 0.3 * whole_s  # what is slow has a name
    told = json.loads(json.dumps(json_note.facts(recording)))["stage_seconds"]
    assert sum(told.values()) == pytest.approx(whole_s, rel=0.05, abs=0.1)


class Together(DarkIsTarget):
    """Goes on only when two leads are at it."""

    def __init__(self):
        self.meet = Barrier(2, timeout=120)

    def channels(self, image, duration_s=None):
        self.meet.wait()
        return super().channels(image, duration_s)


def test_two_leads_are_read_at_a_time_where_the_network_has_two_threads():
    before = torch.get_num_threads()
    choice = PageChoice(25, 10)
    try:
        torch.set_num_threads(1)
        one_by_one = reader()(page(), given=choice)
        torch.set_num_threads(2)
        together = PageReader(DarkIsTrace(), RefinedDigitizer(Together()))(page(), given=choice)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(together.signal_mv, one_by_one.signal_mv)
