"""The baseline: its grid estimate, the digitizer as a whole, and what the original program finds."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from ecgtrace.digitization.autocorrelation import (
    autocorrelation,
    column_profile,
    dark_pixels,
    decide_square_mm,
    estimate_grid_by_autocorrelation,
    first_peak,
    paper_profile,
    refine_peak,
    row_profile,
)
from ecgtrace.digitization.baseline import BaselineDigitizer
from ecgtrace.errors import GridNotFoundError, TraceNotFoundError

MAJOR, MINOR = (191, 128, 128), (255, 237, 237)


def draw(px_per_mm=8.0, seconds=2.5, minor=MINOR, major=MAJOR, height_mm=30, signal_mv=None, margin_px=15):
    """Paper with grid lines at exact places, and a trace if a signal (500 Hz, mV) is given."""
    width = round(seconds * 25 * px_per_mm) + 2 * margin_px
    height = round(height_mm * px_per_mm)
    image = np.full((height, width, 3), 255, dtype=np.uint8)
    for colour, thickness, mm in ((minor, 1, 1.0), (major, 2, 5.0)):
        for axis, size in ((1, width), (0, height)):
            for position in np.arange(0.5 * mm, size / px_per_mm, mm) * px_per_mm:
                line = slice(round(position), round(position) + thickness)
                image[(slice(None), line) if axis else (line, slice(None))] = colour
    if signal_mv is not None:
        x = margin_px + np.arange(len(signal_mv)) / 500 * 25 * px_per_mm
        y = height / 2 - np.asarray(signal_mv) * 10 * px_per_mm
        points = np.round(np.stack([x, y], axis=1) * 16).astype(np.int32)
        cv2.polylines(image, [points], False, (0, 0, 0), 3, cv2.LINE_AA, 4)
    return image


def ecg(seconds=2.5):
    """Return a beat of 1 s or so by Gaussians, in mV at 500 Hz."""
    t = np.arange(int(seconds * 500)) / 500
    phase = t % 0.87
    bumps = (
        (0.15, 0.2, 0.03),
        (-0.12, 0.35, 0.02),
        (1.0, 0.4, 0.02),
        (-0.2, 0.45, 0.02),
        (0.3, 0.65, 0.05),
    )
    return sum(height * np.exp(-(((phase - centre) / width) ** 2)) for height, centre, width in bumps)


@pytest.mark.parametrize("n", [40, 41, 250])
def test_autocorrelation_is_pearson_r_lag_by_lag(n):
    profile = np.random.default_rng(n).integers(0, 900, n)
    expected = [np.corrcoef(profile[: n - lag], profile[lag:])[0, 1] for lag in range(n // 2)]
    np.testing.assert_allclose(autocorrelation(profile), expected, atol=1e-12)
    np.testing.assert_allclose(autocorrelation(3 * profile + 1000), expected, atol=1e-12)


def test_autocorrelation_of_a_constant_is_unknown():
    assert np.isnan(autocorrelation(np.full(20, 7))).all()
    assert first_peak(autocorrelation(np.full(20, 7))) is None
    assert len(autocorrelation(np.array([3]))) == 0


def test_peak_between_lags():
    lags = np.arange(40)
    strength = np.cos(2 * np.pi * lags / 17.3)
    assert first_peak(strength) == 17
    assert refine_peak(strength, 17) == pytest.approx(17.3, abs=0.05)
    assert refine_peak(strength[:19], 17) == 17.0  # no two values on its right
    assert first_peak(0.2 * strength) is None


def test_dark_pixels_are_told_from_the_tone_of_the_paper():
    grey = np.full((10, 10), 200, dtype=np.uint8)
    grey[0, :3] = (180, 181, 0)  # scaled by 255 / 200: 229.5 rounds to 230 (even), 230.8 to 231
    dark = dark_pixels(grey)
    assert dark[0, :3].tolist() == [1, 0, 1]
    assert dark.sum() == 2
    assert column_profile(dark)[:4].tolist() == [1, 0, 1, 0]
    assert row_profile(dark)[:2].tolist() == [2, 0]


@pytest.mark.parametrize("px_per_mm", [4.0, 7.87, 11.81, 15.64])
def test_planted_scale_is_found(px_per_mm):
    scale = estimate_grid_by_autocorrelation(draw(px_per_mm, signal_mv=ecg()))
    assert scale.px_per_mm_x == pytest.approx(px_per_mm, rel=0.006)
    assert scale.px_per_mm_y == scale.px_per_mm_x
    assert scale.square_assumed
    assert 0.3 <= scale.confidence <= 1


@pytest.mark.parametrize("px_per_mm", [4.0, 7.87, 15.64])
def test_one_millimetre_lines_are_told_from_five(px_per_mm):
    image = draw(px_per_mm, minor=(255, 190, 190), signal_mv=ecg())  # dark enough to make the first peak
    peak = first_peak(autocorrelation(column_profile(dark_pixels(image))))
    assert peak == pytest.approx(px_per_mm, abs=0.6)
    assert estimate_grid_by_autocorrelation(image).px_per_mm_x == pytest.approx(px_per_mm, rel=0.03)
    by_hand = estimate_grid_by_autocorrelation(image, square_mm=5.0)
    assert by_hand.px_per_mm_x == pytest.approx(px_per_mm / 5, rel=0.03)


def test_a_beat_every_five_squares_does_not_pass_for_a_thick_line():
    image = draw(8.0, seconds=6)
    image[20:150, 25::200] = 0  # a stroke every fifth large square, exactly on a line
    image[20:150, 26::200] = 0
    profile = paper_profile(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    assert decide_square_mm(profile, 40.0) == 5.0
    assert decide_square_mm(profile, 8.0) == 1.0


def test_ten_lines_are_needed_to_tell_one_from_five():
    profile = np.full(101, 250.0)
    profile[5::10] = 220
    profile[15::50] = 150
    assert decide_square_mm(profile, 10.0) == 1.0
    assert decide_square_mm(profile[:-1], 10.0) == 5.0  # nine periods and a half
    assert decide_square_mm(np.where(profile < 200, 220, profile), 10.0) == 5.0  # lines all alike


def test_rows_are_asked_where_columns_are_silent():
    image = draw(8.0, height_mm=60)
    image = np.repeat(image[:, 40:41], 300, axis=1)  # horizontal lines alone
    assert estimate_grid_by_autocorrelation(image).px_per_mm_x == pytest.approx(8.0, rel=0.005)


def test_no_grid_is_said_so():
    plain = np.full((120, 400, 3), 255, dtype=np.uint8)
    with pytest.raises(GridNotFoundError, match="400 x 120 px"):
        estimate_grid_by_autocorrelation(plain)
    with pytest.raises(GridNotFoundError, match="black"):
        estimate_grid_by_autocorrelation(np.zeros_like(plain))


def test_signal_is_recovered_in_millivolt_and_seconds():
    truth = ecg()
    result = BaselineDigitizer()(draw(15.6, signal_mv=truth))
    n = min(len(truth), len(result.amplitude_mv))
    assert n >= 0.97 * len(truth)  # the path ends in the last 20 columns
    assert result.fs_hz == 500
    assert result.start_px == pytest.approx(15, abs=0.6)
    error = result.amplitude_mv[:n] - (truth - np.median(truth))[:n]
    assert np.sqrt(np.mean(error**2)) < 0.02
    assert np.corrcoef(result.amplitude_mv[:n], truth[:n])[0, 1] > 0.99
    # The centre of a run lies below the tip of a narrow peak, so peaks are lowered, never raised.
    assert -0.12 < result.amplitude_mv.max() - (1.0 - np.median(truth)) <= 0.01
    assert np.median(result.confidence) == 1.0


def test_the_sampling_frequency_is_the_one_asked_for():
    slow = BaselineDigitizer(fs_hz=100.0)(draw(8.0, signal_mv=ecg()))
    assert len(slow.amplitude_mv) == pytest.approx(250, abs=8)


def test_a_bridged_gap_is_marked():
    image = draw(8.0, signal_mv=np.zeros(1250))
    clean = draw(8.0)
    image[:, 300:420] = clean[:, 300:420]
    result = BaselineDigitizer()(image)
    middle = np.abs(result.start_px + result.time_s * 200 - 360) < 40
    assert (result.confidence[middle] <= 0.1).all()
    assert (result.confidence[middle] > 0).all()
    assert np.median(result.confidence[~middle]) == 1.0
    np.testing.assert_allclose(result.amplitude_mv[middle], 0, atol=0.02)


def test_failures_are_named():
    plain = np.full((120, 400, 3), 255, dtype=np.uint8)
    with pytest.raises(TraceNotFoundError, match="no ink"):
        BaselineDigitizer()(plain)
    plain[60:63] = 0
    with pytest.raises(GridNotFoundError):
        BaselineDigitizer()(plain)


def test_config_builds_the_defaults():
    file = Path(__file__).resolve().parents[1] / "conf" / "digitizer" / "baseline.yaml"
    assert instantiate(OmegaConf.load(file)) == BaselineDigitizer()


def test_agrees_with_the_original_program(shared):
    """
    Rows and grid that paper-ecg itself records for 78 crops of the dataset authors' generator.

    `shared/reference/paper-ecg/NAME.json`: one row per column, rounded to three decimals, null where
    it finds none, and the length of a large square in px.
    """
    folder = shared / "reference"
    baseline = BaselineDigitizer()
    crops = sorted((folder / "crops").glob("*.png"))
    assert len(crops) == 78
    for crop in crops:
        recorded = json.loads((folder / "paper-ecg" / f"{crop.stem}.json").read_text())
        expected = np.array([np.nan if row is None else row for row in recorded["row_px"]], dtype=float)
        image = cv2.cvtColor(cv2.imread(str(crop)), cv2.COLOR_BGR2RGB)
        rows = baseline.find_rows(baseline.find_ink(image))
        expected = np.pad(expected, (0, len(rows) - len(expected)), constant_values=np.nan)
        np.testing.assert_array_equal(np.isnan(rows), np.isnan(expected), err_msg=crop.stem)
        known = ~np.isnan(expected)
        assert np.mean(np.abs(rows - expected)[known] <= 1) >= 0.99, crop.stem
        scale = estimate_grid_by_autocorrelation(image)
        assert 5 * scale.px_per_mm_x == pytest.approx(recorded["grid_px"], rel=0.005), crop.stem
