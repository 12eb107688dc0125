"""The proposed digitizer reads planted masks."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from ecgtrace.datasets.drawn import DrawnCrops, Sheet
from ecgtrace.digitization.ink_map import TrueMask
from ecgtrace.digitization.proposed import (
    ProposedDigitizer,
    centre_on_runs,
    column_centres,
    column_confidence,
    likely_ink,
)
from ecgtrace.drawing.style import PageStyle
from ecgtrace.errors import ConfigError, GridNotFoundError, TraceNotFoundError
from ecgtrace.images import read_image
from ecgtrace.records.sample import SampleRecords
from ecgtrace.types import GridScale

CONF = Path(__file__).resolve().parents[1] / "conf"


@pytest.fixture(scope="module")
def crop():
    crops = DrawnCrops(SampleRecords(), PageStyle(), (Sheet("3x4"),), "val", 1, 0, seed=2)
    return crops[0]


def test_rows_are_the_exact_middle_of_their_run():
    ink = np.zeros((12, 4), bool)
    ink[2:5, 0] = ink[3:7, 1] = ink[0:2, 2] = ink[9:12, 3] = True
    ink[8, 0] = True  # another run of the same column
    rows = centre_on_runs(ink, np.array([3.0, 5.0, 1.0, 11.0]))
    np.testing.assert_array_equal(rows, [3, 4.5, 0.5, 10])
    assert np.isnan(centre_on_runs(ink, np.array([np.nan, 5, 1, 11]))[0])


def test_reads_a_true_mask(crop):
    """The middle of the columns cannot follow a steep QRS, but gets near it: the ceiling of the method."""
    signal = ProposedDigitizer(TrueMask(crop.mask))(crop.image)
    truth = np.interp(signal.time_s, np.arange(len(crop.signal)) / crop.fs_hz, crop.signal)
    assert signal.time_s[-1] == pytest.approx((len(crop.signal) - 1) / crop.fs_hz, abs=0.01)
    assert np.corrcoef(truth, signal.amplitude_mv)[0, 1] > 0.95
    assert np.median(np.abs(truth - np.median(truth) - signal.amplitude_mv)) < 0.01
    assert signal.scale.px_per_mm_x == pytest.approx(crop.px_per_mm, rel=0.005)


def test_time_zero_is_where_the_trace_begins(crop):
    signal = ProposedDigitizer(TrueMask(crop.mask))(crop.image)
    assert signal.start_px == pytest.approx(crop.polyline[0, 0], abs=0.75)


def test_moving_the_ink_down_moves_nothing_in_the_signal(crop):
    image = np.pad(crop.image, ((7, 0), (0, 0), (0, 0)), mode="edge")
    mask = np.pad(crop.mask, ((7, 0), (0, 0)))
    px = crop.px_per_mm
    moved = ProposedDigitizer(TrueMask(mask), px_per_mm=px)(image)
    plain = ProposedDigitizer(TrueMask(crop.mask), px_per_mm=px)(crop.image)
    np.testing.assert_allclose(moved.amplitude_mv, plain.amplitude_mv, atol=1e-9)
    np.testing.assert_allclose(moved.row_px, plain.row_px + 7)


def test_the_network_is_told_how_long_the_lead_is(crop):
    """And its probability, not a threshold of ours, is the confidence."""
    seen = {}

    def segmenter(image, duration_s):
        seen["duration_s"] = duration_s
        return crop.mask * np.float32(0.75)

    signal = ProposedDigitizer(segmenter)(crop.image)
    assert seen["duration_s"] == pytest.approx(crop.image.shape[1] / crop.px_per_mm / 25, rel=0.005)
    assert np.median(signal.confidence) == pytest.approx(0.75)


def test_px_per_mm_overrides_the_grid(crop):
    blank = np.full_like(crop.image, 255)
    with pytest.raises(GridNotFoundError):
        ProposedDigitizer(TrueMask(crop.mask))(blank)
    signal = ProposedDigitizer(TrueMask(crop.mask), px_per_mm=15.64)(blank)
    assert signal.scale == GridScale(15.64, 15.64, 1.0)


def test_a_network_that_finds_nothing_is_said_so(crop):
    unsure = np.full(crop.mask.shape, 0.05, np.float32)
    with pytest.raises(TraceNotFoundError, match="found no trace"):
        ProposedDigitizer(lambda image, duration_s: unsure)(crop.image)


def test_without_network_the_way_out_is_named(crop):
    with pytest.raises(ConfigError, match="give it a segmenter"):
        ProposedDigitizer()(crop.image)
    with pytest.raises(ConfigError, match="fs_hz must be positive"):
        ProposedDigitizer(fs_hz=0)


def test_confidence_is_the_probability_on_the_path():
    probability = np.array([[0.2, 0.9], [0.7, 0.1]])
    np.testing.assert_array_equal(column_confidence(probability, np.array([1.0, np.nan])), [0.7, 0])


def test_reference_masks_give_the_reference_signals(shared):
    """Mean r of at least 0.97 over the reference crops without overlap, read from the authors' own masks."""
    folder = shared / "reference"
    with (folder / "index.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["overlap"] == "none"][::4]
    correlations = []
    for row in rows:
        image = read_image(folder / "crops" / f"{row['name']}.png")
        mask = read_image(folder / "masks" / f"{row['name']}.png")[..., 0] > 100
        truth = np.array(json.loads((folder / "signals" / f"{row['name']}.json").read_text()))
        signal = ProposedDigitizer(TrueMask(mask), fs_hz=100)(image)
        n = min(len(truth), len(signal.amplitude_mv))
        correlations.append(np.corrcoef(truth[:n], signal.amplitude_mv[:n])[0, 1])
    assert np.mean(correlations) >= 0.97


READINGS = {
    "proposed": ProposedDigitizer(),
    "proposed_fixed_threshold": ProposedDigitizer(threshold=likely_ink),
    "proposed_column_centre": ProposedDigitizer(path=column_centres),
    "proposed_plain": ProposedDigitizer(threshold=likely_ink, path=column_centres),
}


@pytest.mark.parametrize("name", READINGS)
def test_each_reading_is_the_file_of_its_name(name):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("evaluate", [f"digitizer={name}", "digitizer.segmenter=null"])
    made = instantiate(cfg.digitizer, _convert_="object")
    assert made.name == name
    for part in ("threshold", "path"):
        have, want = getattr(made, part), getattr(READINGS[name], part)
        assert (have and have.func) is want


def test_two_readings_part_where_the_ink_does():
    """A trace in row 4, and a blot below it in columns 5 and 6: the path passes it, the mean does not."""
    ink = np.zeros((30, 12), bool)
    ink[4] = ink[24, 5:7] = True
    on_trace = np.full(12, 4.0)
    np.testing.assert_array_equal(READINGS["proposed"].find_rows(ink), on_trace)
    np.testing.assert_array_equal(READINGS["proposed_fixed_threshold"].find_rows(ink), on_trace)
    between = on_trace.copy()
    between[5:7] = 14
    np.testing.assert_array_equal(READINGS["proposed_column_centre"].find_rows(ink), between)
    np.testing.assert_array_equal(READINGS["proposed_plain"].find_rows(ink), between)


def test_two_thresholds_part_where_the_network_is_unsure():
    """Of a trace seen with 0.35 to 0.60, Otsu finds all, and a threshold at 0.5 the better part."""
    probability = np.full((30, 104), 0.01, np.float32)
    probability[10:13] = np.linspace(0.35, 0.60, 104)
    trace = probability > 0.1
    for name in ("proposed", "proposed_column_centre"):
        np.testing.assert_array_equal(READINGS[name].find_ink(probability), trace)
    for name in ("proposed_fixed_threshold", "proposed_plain"):
        np.testing.assert_array_equal(READINGS[name].find_ink(probability), probability >= 0.5)
        with pytest.raises(TraceNotFoundError):
            READINGS[name].find_ink(0.8 * probability)


@pytest.mark.parametrize("name", READINGS)
def test_every_reading_gives_a_clean_line_alike(crop, name):
    """In a mask that holds the trace alone, all agree but in steep columns."""
    signal = replace(READINGS[name], segmenter=TrueMask(crop.mask))(crop.image)
    reference = ProposedDigitizer(TrueMask(crop.mask))(crop.image)
    assert len(signal.amplitude_mv) == len(reference.amplitude_mv)
    assert np.median(np.abs(signal.amplitude_mv - reference.amplitude_mv)) < 0.002
