"""`refined` on crops whose signal is known, with the true masks in place of the network."""

from dataclasses import replace

import numpy as np
import pytest

from ecgtrace.datasets.drawn import DrawnCrops, Sheet
from ecgtrace.digitization.confidence import FEATURES, Calibration
from ecgtrace.digitization.ink_map import InkMap, TrueMask
from ecgtrace.digitization.path_start import PathStart
from ecgtrace.digitization.refined import RefinedDigitizer
from ecgtrace.drawing.style import PageStyle
from ecgtrace.errors import ConfigError, TraceNotFoundError
from ecgtrace.page_reading.piece import Piece
from ecgtrace.page_reading.piece_segmenter import PieceSegmenter
from ecgtrace.records.sample import SampleRecords


@pytest.fixture(scope="module")
def crop():
    return DrawnCrops(SampleRecords(), PageStyle(), (Sheet("3x4"),), "val", 1, 0, seed=2)[0]


@pytest.fixture(scope="module")
def crossed():
    return DrawnCrops(SampleRecords(), PageStyle(), (Sheet("3x4"),), "all", 0, 1, seed=2)[0]


def channels(crop):
    return np.stack([crop.mask, crop.other_mask]).astype(np.float32)


def snr_db(signal, crop):
    at = np.interp(np.arange(len(crop.signal)) / crop.fs_hz, signal.time_s, signal.amplitude_mv)
    truth = crop.signal - crop.signal.mean()
    error = at - at.mean() - truth
    return 10 * np.log10((truth**2).sum() / (error**2).sum())


def test_reads_what_was_drawn(crop):
    """The true mask's middle of each column gives 10 to 15 dB."""
    signal = RefinedDigitizer(TrueMask(crop.mask))(crop.image)
    assert snr_db(signal, crop) > 28
    assert signal.start_px == pytest.approx(crop.polyline[0, 0], abs=0.3)
    assert len(signal.amplitude_mv) == pytest.approx((len(crop.signal) - 1) * 5 + 1, abs=1)


def test_the_stroke_fit_is_what_helps(crop):
    path_only = RefinedDigitizer(TrueMask(crop.mask), fit=None)(crop.image)
    assert snr_db(path_only, crop) < snr_db(RefinedDigitizer(TrueMask(crop.mask))(crop.image), crop) - 6


def test_ink_of_a_neighbour_is_left_to_it(crossed):
    signal = RefinedDigitizer(TrueMask(channels(crossed)))(crossed.image)
    assert snr_db(signal, crossed) > 25


def test_ink_that_is_known_to_be_its_own_is_read_whatever_the_network_says(crop):
    """The network gives the highest waves to a neighbour."""
    y = np.arange(len(crop.mask))[:, None]
    level = np.median(np.nonzero(crop.mask)[0])
    tips = (crop.mask * (abs(y - level) > 0.4 * crop.px_per_mm * 10)).astype(np.uint8)  # beyond 0.4 mV
    digitizer = RefinedDigitizer(TrueMask(np.stack([crop.mask * (1 - tips), tips]).astype(np.float32)))
    whole = RefinedDigitizer(TrueMask(crop.mask))(crop.image)
    known = PieceSegmenter(digitizer.segmenter, 0, 0, pieces=[Piece(0, 0, tips)])
    cut, told = digitizer(crop.image), replace(digitizer, segmenter=known)(crop.image)
    highest = np.nanmax(abs(whole.amplitude_mv))
    assert np.nanmax(abs(cut.amplitude_mv)) < 0.6 * highest
    assert np.nanmax(abs(told.amplitude_mv)) == pytest.approx(highest, rel=0.02)


def test_a_fit_that_went_astray_does_not_count(crop):
    """On what it took for the samples, the fit fell flat."""

    def flat(density, line, claim, others, fs_hz):
        return replace(line, y_px=np.full(len(line.y_px), np.median(line.y_px)))

    signal = RefinedDigitizer(TrueMask(crop.mask), on_samples=flat)(crop.image)
    assert snr_db(signal, crop) > 28


def test_the_sampling_frequency_changes_the_times_alone(crop):
    dense = RefinedDigitizer(TrueMask(crop.mask), fs_hz=1000.0)(crop.image)
    coarse = RefinedDigitizer(TrueMask(crop.mask), fs_hz=250.0)(crop.image)
    read = np.interp(coarse.time_s, dense.time_s, dense.amplitude_mv)
    assert np.sqrt(np.mean((read - coarse.amplitude_mv) ** 2)) < 0.02
    assert coarse.time_s[-1] == pytest.approx(dense.time_s[-1], abs=0.005)


def test_a_turned_scan_gives_the_same_signal():
    style = PageStyle()
    turned = DrawnCrops(SampleRecords(), _turned(style, 2.0), (Sheet("3x4"),), "val", 1, 0, seed=2)[0]
    signal = RefinedDigitizer(TrueMask(turned.mask))(turned.image)
    assert snr_db(signal, turned) > 12
    # Rows are those of the image as it came.
    column = round(turned.polyline[100, 0])
    assert signal.row_px[column] == pytest.approx(turned.polyline[100, 1], abs=6)


def _turned(style, angle_deg):
    from dataclasses import replace

    return replace(style, degradation=replace(style.degradation, rotation_deg=angle_deg))


def test_what_is_wiped_out_is_not_invented(crop):
    """0.3 s of bare paper within the trace: NaN with confidence 0 there, and nowhere else."""
    image, mask = crop.image.copy(), crop.mask.copy()
    left, right = 400, 400 + round(0.3 * 25 * crop.px_per_mm)
    image[:, left:right] = 255
    mask[:, left:right] = 0
    signal = RefinedDigitizer(TrueMask(mask))(image)
    missing = np.isnan(signal.amplitude_mv)
    assert (signal.confidence[missing] == 0).all() and (signal.confidence[~missing] > 0).all()
    assert missing.sum() / signal.fs_hz == pytest.approx(0.3, abs=0.06)
    assert np.isnan(signal.row_px[left + 10 : right - 10]).all()


def test_doubt_lowers_the_confidence(crop):
    sure = RefinedDigitizer(TrueMask(crop.mask))(crop.image)
    doubtful = crop.mask.astype(np.float32)
    doubtful[:, 300:500] *= 0.55
    signal = RefinedDigitizer(TrueMask(doubtful))(crop.image)
    at = slice(500, 550)
    assert signal.confidence[at].mean() < sure.confidence[at].mean()


def test_without_ink_of_the_target_there_is_no_trace(crop):
    with pytest.raises(TraceNotFoundError, match="found no trace"):
        RefinedDigitizer(TrueMask(np.zeros_like(crop.mask)))(crop.image)


def test_the_calibration_is_a_logistic_function():
    weights = np.zeros(len(FEATURES))
    weights[2] = -2.0
    features = np.zeros((2, len(FEATURES)))
    features[1, 2] = 1.0
    confidence = Calibration(1.0, tuple(weights)).confidence(features)
    np.testing.assert_allclose(confidence, [1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1))])


@pytest.mark.parametrize(
    ("options", "message"),
    [({"fs_hz": 0.0}, "fs_hz"), ({"px_per_mm": -1.0}, "px_per_mm")],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        RefinedDigitizer(**options)


def test_a_calibration_needs_a_weight_for_each_feature():
    with pytest.raises(ConfigError, match="one for each"):
        Calibration(0.0, (1.0,))


def test_a_grid_without_clear_lines_iace_itself():
    ink = np.zeros((40, 100), np.float32)
    ink[20] = 1
    target, strange = np.zeros_like(ink), np.ones_like(ink)
    start = PathStart()
    target[20, :90] = 1
    assert start.likely_unclaimed(InkMap(ink, target), strange) == start.unclaimed
    target[20, 40:] = 0
    assert start.likely_unclaimed(InkMap(ink, target), strange) == pytest.approx(0.5)


def test_a_line_that_is_nowhere_black_counts_as_ink_for_the_path():
    ink = np.full((5, 20), 0.02, np.float32)
    ink[2] = 0.5
    target = np.zeros_like(ink)
    target[2] = 1
    seen = InkMap(ink, target).saturated
    assert (seen[2] == 1).all()
    assert seen[0].max() < 0.05
    np.testing.assert_array_equal(InkMap(2 * ink, target).saturated[2], np.ones(20))
