"""Rows of known traces become the millivolts that they were drawn from."""

import numpy as np
import pytest

from ecgtrace.digitization.postprocess import (
    BRIDGED_CONFIDENCE,
    estimate_line_width,
    ink_extent,
    rows_to_signal,
)
from ecgtrace.errors import TraceNotFoundError
from ecgtrace.types import GridScale


def ecg(time_s):
    """Return beats of about 1.2 mV, one per 0.8 s, with P, QRS, T; smooth, in mV."""
    beat = time_s % 0.8
    waves = [
        (0.12, 0.18, 0.025),
        (-0.15, 0.28, 0.010),
        (1.2, 0.31, 0.012),
        (-0.3, 0.34, 0.010),
        (0.3, 0.55, 0.05),
    ]
    return sum(a * np.exp(-0.5 * ((beat - m) / s) ** 2) for a, m, s in waves)


def planted_rows(signal_mv, fs_hz, scale, start_px, width):
    """Return the row of the polyline through the samples in each column, NaN outside it."""
    x = start_px + np.arange(len(signal_mv)) / fs_hz * 25 * scale.px_per_mm_x
    y = 100 - signal_mv * 10 * scale.px_per_mm_y
    columns = np.arange(width)
    rows = np.interp(columns, x, y)
    rows[(columns < x[0]) | (columns > x[-1])] = np.nan
    return rows, x[-1]


@pytest.mark.parametrize("px_per_mm", [4.0, 8.3, 15.64, 24.0])
@pytest.mark.parametrize("fs_hz", [100, 500])
def test_a_drawn_signal_comes_back(px_per_mm, fs_hz):
    """A wrong unit, sign, start or axis fails; so does a low-pass that lowers the R peak."""
    scale = GridScale(px_per_mm, 1.1 * px_per_mm, 1.0)
    truth = ecg(np.arange(int(2.5 * fs_hz)) / fs_hz)
    rows, end_px = planted_rows(truth, fs_hz, scale, start_px=17.3, width=int(90 * px_per_mm))
    signal = rows_to_signal(rows, scale, fs_hz, start_px=17.3, end_px=end_px)
    assert signal.amplitude_mv.shape == truth.shape
    assert np.abs(signal.amplitude_mv - (truth - np.median(truth))).max() < 0.06  # of a 1.5 mV QRS
    assert np.sqrt(np.mean((signal.amplitude_mv - (truth - np.median(truth))) ** 2)) < 0.012
    assert (signal.confidence == 1).all()


def test_whole_pixel_rows_give_less_error_than_reading_off_a_column():
    """Four columns per sample share in each sample: rounding noise must shrink, not stay."""
    scale = GridScale(15.64, 15.64, 1.0)
    truth = ecg(np.arange(250) / 100)
    rows, end_px = planted_rows(truth, 100, scale, start_px=20.4, width=1100)
    rows = np.round(rows)
    signal = rows_to_signal(rows, scale, 100, start_px=20.4, end_px=end_px)
    x = 20.4 + np.arange(250) * 0.25 * 15.64
    read_off = -np.interp(x, np.flatnonzero(np.isfinite(rows)), rows[np.isfinite(rows)]) / 156.4
    rmse = [np.std(s - truth) for s in (signal.amplitude_mv, read_off)]
    assert rmse[0] < 0.6 * rmse[1]


def test_hand_computed_scale():
    """8 px/mm across, 4 px/mm up: 10 px down in 200 px of a straight line are -0.25 mV in 1 s."""
    rows = np.linspace(50, 60, 201)
    signal = rows_to_signal(rows, GridScale(8.0, 4.0, 1.0), 100, start_px=0)
    assert len(signal.amplitude_mv) == 101
    np.testing.assert_allclose(signal.amplitude_mv, np.linspace(0.125, -0.125, 101), atol=1e-9)


def test_time_zero_moves_with_start():
    rows = np.full(400, 30.0)
    rows[100] = 10.0
    peak = [
        int(np.argmax(rows_to_signal(rows, GridScale(4.0, 4.0, 1.0), 100, start_px=start).amplitude_mv))
        for start in (0, 40)
    ]
    assert peak == [100, 60]


def test_frequencies_that_the_rate_cannot_hold_are_not_folded():
    """A 90 Hz ripple of 0.1 mV read off at 100 Hz would come out as 10 Hz of 0.1 mV."""
    scale = GridScale(24.0, 24.0, 1.0)
    columns = np.arange(1500)
    rows = 100 - 0.1 * 240 * np.sin(2 * np.pi * 90 * columns / 600)
    signal = rows_to_signal(rows, scale, 100, start_px=0)
    assert np.abs(signal.amplitude_mv[10:-10]).max() < 0.035


@pytest.mark.parametrize("fs_hz", [100, 500])
def test_a_short_gap_is_bridged_and_a_long_one_is_not(fs_hz):
    """At 8 px/mm 0.1 s are 20 px."""
    rows = np.linspace(10, 40, 601)
    rows[100:115] = np.nan
    rows[300:400] = np.nan
    signal = rows_to_signal(rows, GridScale(8.0, 8.0, 1.0), fs_hz, start_px=0)
    x = signal.time_s * 200
    bridged = (x > 99.01) & (x < 114.99)
    missing = (x > 299.01) & (x < 399.99)
    np.testing.assert_array_equal(np.isnan(signal.amplitude_mv), missing)
    assert (signal.confidence[missing] == 0).all()
    assert (signal.confidence[bridged] == BRIDGED_CONFIDENCE).all()
    assert (signal.confidence[~bridged & ~missing] == 1).all()
    slope = np.polyfit(x[~missing], signal.amplitude_mv[~missing], 1)[0]
    np.testing.assert_allclose(slope, -30 / 600 / 80, rtol=1e-6)


def test_the_ends_take_the_nearest_row():
    rows = np.full(200, np.nan)
    rows[20:180] = 33.0
    rows[20] = 13.0
    signal = rows_to_signal(rows, GridScale(4.0, 4.0, 1.0), 100, start_px=15.0, end_px=184.0)
    assert np.isfinite(signal.amplitude_mv).all()
    np.testing.assert_allclose(signal.amplitude_mv[:5], 0.5, atol=1e-9)
    far = rows_to_signal(rows, GridScale(4.0, 4.0, 1.0), 100, start_px=5.0)
    assert np.isnan(far.amplitude_mv[:5]).all()  # 0.15 s before the ink is no end of a stroke


def test_confidence_of_the_columns_reaches_the_samples():
    rows = np.full(101, 20.0)
    column_confidence = np.linspace(0, 1, 101)
    signal = rows_to_signal(rows, GridScale(4.0, 4.0, 1.0), 50, start_px=0, confidence=column_confidence)
    np.testing.assert_allclose(signal.confidence[1:], np.linspace(0, 1, 51)[1:], atol=1e-9)
    assert 0 < signal.confidence[0] <= 0.01  # 0 would say that the sample is missing


def test_the_last_sample_lies_at_or_before_the_end():
    scale = GridScale(4.0, 4.0, 1.0)
    rows = np.full(251, 20.0)
    assert len(rows_to_signal(rows, scale, 100, 0, end_px=249.0).amplitude_mv) == 250
    assert len(rows_to_signal(rows, scale, 100, 0, end_px=248.9).amplitude_mv) == 249
    # Rounding must not lose the last of n samples of 1.025 px.
    lengths = [
        len(rows_to_signal(rows, GridScale(4.1, 4.1, 1.0), 100, 0.3, end_px=0.3 + n * 1.025).amplitude_mv)
        for n in range(1, 240)
    ]
    assert lengths == list(range(2, 241))


@pytest.mark.parametrize("n_columns", [1, 2, 3])
def test_a_trace_of_a_few_columns(n_columns):
    rows = np.full(50, np.nan)
    rows[10 : 10 + n_columns] = 5.0
    signal = rows_to_signal(rows, GridScale(4.0, 4.0, 1.0), 500, start_px=10)
    np.testing.assert_allclose(signal.amplitude_mv, 0, atol=1e-9)


def test_no_trace():
    scale = GridScale(4.0, 4.0, 1.0)
    with pytest.raises(TraceNotFoundError, match="no column holds a trace"):
        rows_to_signal(np.full(10, np.nan), scale, 100, 0)
    with pytest.raises(TraceNotFoundError, match="before it starts"):
        rows_to_signal(np.full(10, 3.0), scale, 100, start_px=20)
    for function in (ink_extent, estimate_line_width):
        with pytest.raises(TraceNotFoundError, match="no ink"):
            function(np.zeros((5, 5)))


def test_wrong_arguments():
    scale = GridScale(4.0, 4.0, 1.0)
    with pytest.raises(ValueError, match="fs_hz must be positive"):
        rows_to_signal(np.ones(10), scale, 0, 0)
    with pytest.raises(ValueError, match="differ in shape"):
        rows_to_signal(np.ones(10), scale, 100, 0, confidence=np.ones(9))


@pytest.mark.parametrize("line_width_px", [1, 2, 5, 9])
def test_ink_begins_half_a_line_width_before_the_trace(line_width_px):
    """A brush as wide as the line, moved along a flat line with one spike."""
    y, x = np.mgrid[:120, :300].astype(float)
    mask = np.zeros((120, 300), dtype=bool)
    path_x = np.linspace(30, 250, 4401)
    path_y = 80 - 60 * np.clip(1 - np.abs(path_x - 140) / 12, 0, None)
    for px, py in zip(path_x[::10], path_y[::10], strict=True):
        mask |= (x - px) ** 2 + (y - py) ** 2 <= (line_width_px / 2) ** 2
    assert estimate_line_width(mask) == pytest.approx(line_width_px, abs=1)
    start_px, end_px = ink_extent(mask)
    assert start_px == pytest.approx(30, abs=0.5)
    assert end_px == pytest.approx(250, abs=0.5)


def test_ink_narrower_than_the_line_gives_its_middle():
    mask = np.zeros((20, 20))
    mask[2:18, 7:10] = 1
    assert ink_extent(mask) == (8.0, 8.0)
