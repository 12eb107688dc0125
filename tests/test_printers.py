"""Printers draw pages of many looks; what they print beside the traces is nobody's ink."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from ecgtrace.datasets.cut import BoxJitter, crop_box, cut
from ecgtrace.datasets.training import TrainingCrops
from ecgtrace.drawing.degrade import Degradation
from ecgtrace.drawing.layout import lay_out
from ecgtrace.drawing.lettering import FONTS, print_text, text_box
from ecgtrace.drawing.printers import BLACK, Hue, MixedPrinters, Printer
from ecgtrace.drawing.render import draw
from ecgtrace.drawing.style import PageStyle
from ecgtrace.errors import ConfigError
from ecgtrace.records.sample import SampleRecords

CONF = Path(__file__).resolve().parents[1] / "conf"
PRINTERS = sorted(path.stem for path in (CONF / "printer").glob("*.yaml"))


@pytest.fixture(scope="module")
def record():
    source = SampleRecords()
    return source.load(source.split_ids("all")[0])


def printer_of(name):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return instantiate(compose("train", [f"printer={name}", "hydra.run.dir=."]).printer)


@pytest.mark.parametrize("name", PRINTERS)
def test_each_printer_draws_pages_that_differ_and_come_again(name, record):
    printer = printer_of(name)
    styles = [printer.draw_style(np.random.default_rng(seed)) for seed in range(12)]
    assert len(set(styles)) > 6
    assert styles[3] == printer.draw_style(np.random.default_rng(3))
    style = replace(styles[0], px_per_mm=6.0)  # small, for time
    plan = lay_out(record, "3x4", style)
    crop = cut(plan, 4, "c", np.random.default_rng(0))
    on_trace, bare = crop.image[crop.mask > 0], crop.image[(crop.mask | crop.printed_mask) == 0]
    assert np.median(on_trace.sum(axis=1, dtype=int)) < np.median(bare.sum(axis=1, dtype=int))


def test_the_mix_holds_every_printer_of_the_group():
    """A new file in conf/printer is to be mixed in, too."""
    assert set(printer_of("mixed").printers) == set(PRINTERS) - {"mixed"}


def test_a_share_of_a_printer_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match=r"shares names \['laser'\]"):
        MixedPrinters({"fax": Printer()}, {"laser": 2.0})


def test_shares_are_kept():
    printers = {"a": Printer(px_per_mm=(5, 5)), "b": Printer(px_per_mm=(9, 9))}
    mixed = MixedPrinters(printers, {"a": 3.0})
    rng = np.random.default_rng(0)
    share = np.mean([mixed.draw_style(rng).px_per_mm < 7 for _ in range(400)])
    assert 0.68 < share < 0.82  # 0.75, three standard deviations


@pytest.mark.parametrize("lines", ["both", "major", "minor", "dots", "dots only", "none"])
def test_a_grid_of_each_kind_has_lines_where_it_should(lines):
    """On the row of a minor line: covered all along, at the crossings alone, or not at all."""
    hue = Hue((0, 0), (1, 1), (0.6, 0.6))
    printer = Printer(
        grid_major=(hue,),
        minor_paleness=(0, 0),
        lines={lines: 1},
        px_per_mm=(10, 10),
        grid_width_mm=(0.1, 0.1),
        major_width=(1, 1),
        snap_grid=1,
        grey=0,
        jpeg=0,
    )
    style = replace(printer.draw_style(np.random.default_rng(0)), degradation=Degradation())
    plan = replace(
        lay_out(SampleRecords().load(SampleRecords().split_ids("all")[0]), "3x1", style),
        traces=(),
        labels=(),
        strokes=(),
    )
    dark = draw(plan, (0, 0, 100, 100))[..., 1] < 128
    per_row = sorted(set(dark.sum(axis=1).tolist()))
    wanted = {
        "both": [10, 100],
        "minor": [10, 100],
        "major": [2, 100],
        "dots": [2, 10, 100],
        "dots only": [0, 10],
        "none": [0],
    }
    assert per_row == wanted[lines]


@pytest.mark.parametrize("font", FONTS)
def test_text_lies_in_its_box_and_capitals_are_as_high_as_asked(font):
    ink = np.zeros((80, 200), np.uint8)
    print_text(ink, "HI", font, 30.0, 2.0, 20, 60)
    rows, columns = np.flatnonzero(ink.max(axis=1) > 100), np.flatnonzero(ink.any(axis=0))
    assert abs(rows[-1] - rows[0] + 1 - 30) <= 3
    x0, y0, x1, y1 = text_box("HI", font, 30.0, 2.0, 20, 60)
    assert x0 <= columns[0] and columns[-1] < x1 and y0 <= rows[0] and rows[-1] < y1
    # Cut off by the edge, it is the same text, cut off.
    part = np.zeros((80, 60), np.uint8)
    print_text(part, "HI", font, 30.0, 2.0, 10, 60)
    np.testing.assert_array_equal(part, ink[:, 10:70])


def test_names_bars_and_pulses_are_no_leads_ink(record):
    style = PageStyle(
        px_per_mm=8.0,
        calibration_pulse=True,
        pulse_gap_mm=0.0,
        separator_width_mm=1.0,
        separator_dashes_mm=((-3, 3),),
        column_gap_mm=0.0,
        name_offset_mm=3.0,
        grid_major=None,
        grid_minor=None,
    )
    plan = lay_out(record, "3x4", style)
    x0, y0, x1, y1 = crop_box(plan, 0)
    crop = cut(plan, 0, "c", box=(x0 - 60, y0 - 20, x1 + 20, y1 + 20))
    dark = crop.image[..., 0] < 128
    known = crop.mask | crop.other_mask | crop.printed_mask
    np.testing.assert_array_equal(dark, known > 0)
    assert crop.printed_mask[:, :50].any() and crop.printed_mask[:, -25:].sum() > 6 * 8 * 6


def test_ink_without_half_tones_is_all_or_nothing(record):
    style = PageStyle(px_per_mm=7.3, antialias=False, grid_major=None, grid_minor=None)
    image = draw(lay_out(record, "3x1", style), (100, 100, 500, 300))
    assert set(np.unique(image)) == {0, 255}


def test_one_bit_pages_are_black_and_white():
    image = np.array([[[200, 200, 200], [90, 90, 90]]], np.uint8)
    levels = [
        Degradation(bilevel=level).apply(image, np.random.default_rng(0))[0, :, 0].tolist()
        for level in (0.3, 0.5, 0.9)
    ]
    assert levels == [[255, 255], [255, 0], [0, 0]]
    with pytest.raises(ConfigError, match="bilevel"):
        Degradation(bilevel=1.0)


def test_a_box_is_moved_on_each_side_alone_within_its_bounds(record):
    plan = lay_out(record, "3x4", PageStyle(px_per_mm=10.0, calibration_pulse=True))
    jitter = BoxJitter(3.0, with_pulse=0.0)
    tight = np.array(crop_box(plan, 5))
    rng = np.random.default_rng(0)
    boxes = np.array([jitter.box(plan, 5, rng) for _ in range(200)])
    # crop_box stands 9.6 px from the centre line; ink ends 1.6 px from it.
    outward = (tight - boxes) * [1, 1, -1, -1] + 9.6 - 1.6
    assert outward.min() > -3.5 and outward.max() < 32.5
    assert (outward.min(axis=0) < 1).all() and (outward.max(axis=0) > 28).all()
    assert np.abs(np.corrcoef(outward.T) - np.eye(4)).max() < 0.25
    assert BoxJitter().box(plan, 5, rng) == tuple(tight)


def test_a_box_may_take_in_the_pulse(record):
    plan = lay_out(record, "3x4", PageStyle(px_per_mm=10.0, calibration_pulse=True))
    rng = np.random.default_rng(0)
    with_pulse = BoxJitter(1.0, with_pulse=1.0)
    pulse_start = plan.strokes[plan.pulses[0]][0, 0]
    assert with_pulse.box(plan, 0, rng)[0] < pulse_start + 4
    assert with_pulse.box(plan, 5, rng)[0] > plan.traces[5].polyline[0, 0] - 20  # no pulse stands there


def test_training_crops_of_printers_come_again_and_differ():
    crops = TrainingCrops(SampleRecords(), PageStyle(), printer=Printer(px_per_mm=(5, 7)), box=BoxJitter(3.0))
    again = TrainingCrops(SampleRecords(), PageStyle(), printer=Printer(px_per_mm=(5, 7)), box=BoxJitter(3.0))
    first, second = crops[0], crops[1]
    np.testing.assert_array_equal(first.image, again[0].image)
    assert first.image.shape != second.image.shape
    assert BLACK.draw(np.random.default_rng(0))[0] <= 0.16 * 255 + 1
