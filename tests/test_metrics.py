"""Metrics, alignment and intervals give the values worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from ecgtrace.errors import ConfigError, TraceNotFoundError
from ecgtrace.evaluation import bootstrap, metrics
from ecgtrace.evaluation.align import AlignOptions, align, find_lag, sample_at
from ecgtrace.evaluation.bootstrap import BootstrapOptions, draw_resamples, percentile_interval
from ecgtrace.evaluation.subsets import keeps, subset_of
from ecgtrace.types import GridScale, LeadCrop, LeadSignal


def beats(time_s, seed=0):
    """Return a smooth signal in mV with one narrow and one wide wave per beat, no two beats alike."""
    rng = np.random.default_rng(seed)
    signal = np.zeros_like(time_s)
    for beat_s in np.arange(0.3, time_s[-1], 0.83):
        signal += rng.uniform(0.8, 1.3) * np.exp(-(((time_s - beat_s) / 0.02) ** 2))
        signal += rng.uniform(0.1, 0.3) * np.exp(-(((time_s - beat_s - 0.25) / 0.06) ** 2))
    return signal


def crop_of(signal, fs_hz=100.0, px_per_mm=None, overlap_px=0):
    return LeadCrop(
        image=np.full((20, 30, 3), 255, np.uint8),
        mask=np.zeros((20, 30), np.uint8),
        signal=np.asarray(signal, float),
        fs_hz=fs_hz,
        crop_id="crop",
        record_id="record",
        lead="II",
        layout="3x4",
        px_per_mm=px_per_mm,
        overlap_px=overlap_px,
    )


def lead_of(amplitude_mv, fs_hz=500.0, px_per_mm=10.0):
    amplitude_mv = np.asarray(amplitude_mv, float)
    return LeadSignal(
        amplitude_mv=amplitude_mv,
        fs_hz=fs_hz,
        confidence=np.where(np.isnan(amplitude_mv), 0.0, 1.0),
        scale=GridScale(px_per_mm_x=px_per_mm, px_per_mm_y=px_per_mm, confidence=1.0),
        row_px=np.zeros(30),
    )


# Metrics ------------------------------------------------------------------------------------------


def test_mse_by_hand():
    """Medians 0 and 5; differences after them 0, 0, -0.5, 0: mean square 0.25 / 4."""
    assert metrics.mse_mv2(np.array([0, 0, 1.0, 0]), np.array([5, 5, 5.5, 5])) == 0.0625


def test_mse_subtracts_the_median_and_not_the_mean():
    """With means subtracted the spike would leak into all samples and give 0.1875."""
    assert metrics.mse_mv2(np.zeros(4), np.array([0, 0, 0, 1.0])) == 0.25


def test_r_by_hand():
    """(1,2,3) against (1,3,2): covariance sum 1, both spreads 2."""
    assert metrics.pearson_r(np.array([1.0, 2, 3]), np.array([1.0, 3, 2])) == pytest.approx(0.5)


def test_snr_by_hand():
    """Signal 1 + 1, error 0.1^2 + 0.1^2: a ratio of 100."""
    truth = np.array([0, 1.0, 0, -1, 0])
    assert metrics.snr_db(truth, 0.9 * truth) == pytest.approx(20)
    assert metrics.snr_db(truth, np.zeros(5)) == pytest.approx(0)
    assert metrics.snr_db(truth, truth + 3) == metrics.BEST_SNR_DB


@pytest.mark.parametrize("level", [0.0, 0.1, -3.7])
def test_a_constant_has_no_correlation(level):
    """0.1 matters: the mean of equal floats may differ from them, and 1e-17 / 1e-17 is not 0."""
    wave = np.sin(np.arange(50) / 5)
    flat = np.full(50, level)
    assert metrics.pearson_r(flat, wave) == 0
    assert metrics.pearson_r(wave, flat) == 0
    assert metrics.snr_db(flat, wave) == 0


@pytest.mark.parametrize("seed", range(5))
def test_metrics_agree_with_plain_implementations(seed):
    """Oracle: sums in pure Python, and numpy's correlation matrix."""
    rng = np.random.default_rng(seed)
    truth, digitized = rng.normal(size=(2, 101))
    middle_t, middle_d = sorted(truth)[50], sorted(digitized)[50]
    squares = [(d - middle_d - t + middle_t) ** 2 for t, d in zip(truth, digitized, strict=True)]
    power = sum((t - middle_t) ** 2 for t in truth)
    assert metrics.mse_mv2(truth, digitized) == pytest.approx(sum(squares) / 101)
    assert metrics.pearson_r(truth, digitized) == pytest.approx(np.corrcoef(truth, digitized)[0, 1])
    assert metrics.snr_db(truth, digitized) == pytest.approx(10 * np.log10(power / sum(squares)))


@pytest.mark.parametrize("gain", [0.3, 2.0, -1.5])
def test_gain_scales_mse_by_its_square_and_leaves_r(gain):
    rng = np.random.default_rng(1)
    truth, digitized = rng.normal(size=(2, 200))
    assert metrics.mse_mv2(gain * truth, gain * digitized) == pytest.approx(
        gain**2 * metrics.mse_mv2(truth, digitized)
    )
    assert metrics.pearson_r(truth, gain * digitized) == pytest.approx(
        np.sign(gain) * metrics.pearson_r(truth, digitized)
    )


def test_grid_error():
    assert metrics.grid_error(10.1, 10.0) == pytest.approx(0.01)
    assert metrics.grid_error(50.0, 10.0) == pytest.approx(4)
    assert metrics.grid_error(10.0, None) is None


def test_failure_counts_the_variance_of_the_truth():
    """Not the power about the median, which is 0.25 here."""
    assert metrics.failed_mse_mv2(np.array([0, 0, 0, 1.0])) == pytest.approx(0.1875)


# Alignment ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("truth_fs_hz", [100.0, 500.0])
@pytest.mark.parametrize("lag_s", [-0.2, -0.046, -0.002, 0.0, 0.004, 0.05, 0.2])
def test_a_planted_lag_is_found_and_removed(lag_s, truth_fs_hz):
    """Lags of single samples at 500 Hz are found even where the truth has 100 Hz."""
    count = round(10 * truth_fs_hz)
    truth = beats(np.arange(count) / truth_fs_hz)
    # The digitized signal shows at t + lag what the truth shows at t.
    digitized = beats(np.arange(-100, 5100) / 500)
    start = 100 - round(lag_s * 500)
    digitized = digitized[start : start + 5000] if start >= 0 else digitized
    lead = lead_of(1.7 + digitized)
    assert find_lag(lead.amplitude_mv, 500, truth, truth_fs_hz) == pytest.approx(lag_s, abs=1e-9)
    scores = metrics.score(crop_of(truth, truth_fs_hz), lead)
    assert scores.lag_s == pytest.approx(lag_s, abs=1e-9)
    assert scores.r > 0.9999
    assert scores.mse_mv2 < 1e-5


def test_the_sign_of_the_lag():
    """Late, so positive: the peak of the truth at 1.0 s is digitized at 1.03 s."""
    time_s = np.arange(250) / 100
    peak = np.exp(-(((time_s - 1.0) / 0.05) ** 2))
    late = np.exp(-(((time_s - 1.03) / 0.05) ** 2))
    assert find_lag(late, 100, peak, 100) == pytest.approx(0.03)
    assert find_lag(peak, 100, late, 100) == pytest.approx(-0.03)


def test_no_lag_beyond_the_limit():
    time_s = np.arange(1000) / 100
    truth = beats(time_s)
    late = beats(time_s - 0.3)
    assert abs(find_lag(late, 100, truth, 100, AlignOptions(max_lag_s=0.1))) <= 0.1 + 1e-12
    assert find_lag(late, 100, truth, 100, AlignOptions(max_lag_s=0.4)) == pytest.approx(0.3)


def test_subsample_refinement():
    time_s = np.arange(1000) / 100
    late = beats(time_s - 0.0034)
    coarse = find_lag(late, 100, beats(time_s), 100)
    fine = find_lag(late, 100, beats(time_s), 100, AlignOptions(subsample=True))
    assert coarse == 0
    assert fine == pytest.approx(0.0034, abs=0.0006)


def test_flat_signals_have_no_lag():
    wave = beats(np.arange(250) / 100)
    assert find_lag(np.full(250, 0.1), 100, wave, 100) == 0
    assert find_lag(wave, 100, np.full(250, 0.1), 100) == 0


def test_an_offset_does_not_move_the_lag():
    """A plain sum of products would be drawn by the offset to the lag with most samples in common."""
    time_s = np.arange(250) / 100
    assert find_lag(beats(time_s - 0.15) + 50, 100, beats(time_s), 100) == pytest.approx(0.15)


def test_a_pulse_before_the_trace_does_not_move_the_lag():
    """A plain sum of products would lay the 3 mV pulse over the first beat, which is only 0.3 mV high."""
    time_s = np.arange(250) / 100
    truth = sum(0.3 * np.exp(-(((time_s - beat_s) / 0.03) ** 2)) for beat_s in (0.1, 1.1, 1.9))
    digitized = np.concatenate([np.zeros(10), truth])
    digitized[2:8] = 3.0
    assert find_lag(digitized, 100, truth, 100) == pytest.approx(0.1)


def test_of_equal_lags_the_smallest_wins():
    """A sine of 0.1 s fits at -0.2, -0.1, 0, 0.1 and 0.2 s alike."""
    wave = np.sin(2 * np.pi * np.arange(400) / 10)
    assert find_lag(wave, 100, wave[:200], 100) == 0


def test_gaps_are_filled_and_counted():
    """Samples 3..5 of ten are missing: linear from 2 to 6, coverage 7/10."""
    truth = np.arange(10.0)
    digitized = np.arange(10.0) + 7
    digitized[3:6] = np.nan
    aligned = align(digitized, 100, truth, 100, AlignOptions(max_lag_s=0))
    np.testing.assert_allclose(aligned.signal, np.arange(10.0) + 7)
    assert aligned.coverage == pytest.approx(0.7)
    np.testing.assert_array_equal(np.flatnonzero(~aligned.covered), [3, 4, 5])


def test_an_early_end_holds_the_last_value():
    truth = np.array([0, 1, 0, 2, 5, 5.0])
    aligned = align(np.array([0, 1, 0, 2.0]), 100, truth, 100, AlignOptions(max_lag_s=0))
    np.testing.assert_allclose(aligned.signal, [0, 1, 0, 2, 2, 2])
    assert aligned.coverage == pytest.approx(4 / 6)


def test_resampling_reads_the_corners_of_the_drawn_line():
    """No filter: a triangle of one sample at 100 Hz keeps its height when read from 500 Hz."""
    truth = np.zeros(50)
    truth[20] = 1
    drawn = np.interp(np.arange(246) / 5, np.arange(50), truth)
    scores = metrics.score(crop_of(truth), lead_of(drawn))
    assert scores.mse_mv2 == pytest.approx(0, abs=1e-20)
    assert scores.coverage == 1


def test_sample_at_half_a_period():
    """The nearest sample stands for a time at most half a period away."""
    _, known = sample_at(np.array([1.0, 2.0]), 10.0, np.array([-0.06, -0.04, 0.14, 0.16]))
    assert known.tolist() == [False, True, True, False]


@pytest.mark.parametrize(("start_px", "error_ms"), [(20.0, 0.0), (12.5, -30.0), (45.0, 100.0)])
def test_time_0_lies_where_the_picture_has_it(start_px, error_ms):
    """At 10 px/mm a pixel is 4 ms of paper, and 250 px are a second; a wrong scale does not stretch it."""
    planted = replace(crop_of(np.arange(250.0), px_per_mm=10.0), start_px=20.0)
    found = replace(lead_of(np.arange(1250) / 5, px_per_mm=11.0), start_px=start_px)
    assert metrics.score(planted, found).time0_error_ms == pytest.approx(error_ms)
    drawn = replace(planted, start_px=None, polyline=np.stack([20 + np.arange(250.0), np.zeros(250)], axis=1))
    assert metrics.score(drawn, found).time0_error_ms == pytest.approx(error_ms)


def test_time_0_goes_on_where_alignment_ends():
    """A second early: alignment cannot remove it, and the row tells nevertheless."""
    planted = replace(crop_of(beats(np.arange(250) / 100), px_per_mm=10.0), start_px=250.0)
    scores = metrics.score(planted, lead_of(np.r_[np.zeros(500), beats(np.arange(1250) / 500)]))
    assert scores.time0_error_ms == pytest.approx(-1000) and abs(scores.lag_s) <= 0.2


def test_time_0_is_unknown_without_scale_or_begin():
    found = lead_of(np.arange(50.0))
    assert metrics.score(crop_of(np.arange(10.0), px_per_mm=10.0), found).time0_error_ms is None
    assert metrics.score(replace(crop_of(np.arange(10.0)), start_px=3.0), found).time0_error_ms is None


def test_nothing_digitized_is_an_error():
    crop = crop_of(np.arange(10.0))
    with pytest.raises(TraceNotFoundError, match="no sample"):
        metrics.score(crop, lead_of(np.full(50, np.nan)))
    late = np.full(5000, np.nan)
    late[4000:] = 1.0
    with pytest.raises(TraceNotFoundError, match="outside"):
        metrics.score(crop, lead_of(late))


def test_options_out_of_range():
    with pytest.raises(ConfigError, match="max_lag_s"):
        AlignOptions(max_lag_s=-0.1)
    with pytest.raises(ConfigError, match="unit"):
        BootstrapOptions(unit="lead")


# Subsets ------------------------------------------------------------------------------------------


def test_subsets():
    assert subset_of(crop_of([0.0, 1.0], overlap_px=1)) == "overlap"
    assert subset_of(crop_of([0.0, 1.0])) == "non_overlap"
    assert keeps("overlap", "overlap") and not keeps("overlap", "non_overlap")
    assert keeps("all", "overlap") and keeps("overlap", "unknown")
    with pytest.raises(ConfigError, match="choose one of non_overlap, overlap, all"):
        keeps("overlaps", "overlap")


# Bootstrap ----------------------------------------------------------------------------------------


def names(count, per_record=1):
    return [f"c{i:03d}" for i in range(count)], [f"r{i // per_record:03d}" for i in range(count)]


def test_crops_of_a_record_are_drawn_together():
    counts = draw_resamples(*names(12, per_record=3), BootstrapOptions(n_resamples=50))
    np.testing.assert_array_equal(counts[:, 0::3], counts[:, 1::3])
    np.testing.assert_array_equal(counts[:, 0::3], counts[:, 2::3])
    assert (counts.sum(axis=1) == 12).all()
    assert len(np.unique(counts, axis=0)) > 20


def test_a_resample_does_not_depend_on_the_order_of_the_rows():
    crops, records = names(10, per_record=2)
    counts = draw_resamples(crops, records)
    turned = draw_resamples(crops[::-1], records[::-1])
    np.testing.assert_array_equal(counts, turned[:, ::-1])


@pytest.mark.parametrize("statistic", ["mean", "std", "median", "p95"])
def test_statistics_from_counts_equal_numpy_on_the_repeated_values(statistic):
    """Oracle: write each crop as often as it was drawn, then ask numpy."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=9)
    values[4] = np.nan
    counts = rng.integers(0, 4, size=(40, 9))
    plain, ours = {
        "mean": (np.mean, bootstrap.mean),
        "std": (lambda x: np.std(x, ddof=1), bootstrap.std),
        "median": (np.median, bootstrap.median),
        "p95": (lambda x: np.quantile(x, 0.95), lambda *given: bootstrap.quantile(*given, 0.95)),
    }[statistic]
    expected = []
    for row in counts:
        drawn = np.repeat(values, row)
        expected.append(plain(drawn[~np.isnan(drawn)]))
    np.testing.assert_allclose(ours(values, counts), expected, rtol=1e-9, atol=1e-12)


def test_the_interval_covers_a_planted_mean():
    """95 % of intervals shall hold the mean; of 200 that is 190, and below 176 (p < 1e-4) never."""
    rng = np.random.default_rng(0)
    crops, records = names(60, per_record=2)
    hits = 0
    for trial in range(200):
        values = 0.9 + np.repeat(rng.normal(scale=0.1, size=30), 2)
        counts = draw_resamples(crops, records, BootstrapOptions(n_resamples=300, seed=trial))
        low, high = percentile_interval(bootstrap.mean(values, counts))
        hits += low <= 0.9 <= high
    assert hits >= 176


def test_records_give_wider_intervals_than_crops():
    """Twin crops count once: taking them for independent shrinks the interval by sqrt(2)."""
    rng = np.random.default_rng(0)
    crops, records = names(200, per_record=2)
    values = np.repeat(rng.normal(size=100), 2)

    def width(unit):
        low, high = percentile_interval(
            bootstrap.mean(values, draw_resamples(crops, records, BootstrapOptions(unit=unit)))
        )
        return high - low

    assert width("record") / width("crop") == pytest.approx(np.sqrt(2), rel=0.08)


def test_percentiles():
    assert percentile_interval(np.array([np.nan, *range(101)]), 0.9) == pytest.approx((5, 95))
    assert np.isnan(percentile_interval(np.array([np.nan]))).all()
