"""A confidence that means what it says, and one that does not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drawn_by_hand import HandSource
from hydra import compose, initialize_config_dir

from ecgtrace.digitization.refined import FEATURES
from ecgtrace.errors import ConfigError
from ecgtrace.evaluation.align import AlignOptions
from ecgtrace.evaluation.bootstrap import BootstrapOptions
from ecgtrace.studies import reliability
from ecgtrace.types import GridScale, LeadSignal

CONF = Path(__file__).resolve().parents[1] / "conf"
FEW = BootstrapOptions(n_resamples=50)


def judged_crops(claimed, seed=0, n_crops=40, n_samples=500):
    """Crops whose samples are right with probability 0.2 to 1; `claimed` turns that into a confidence."""
    rng = np.random.default_rng(seed)
    source = HandSource(count=n_crops)
    crops = []
    for index in range(n_crops):
        chance = rng.uniform(0.2, 1, n_samples)
        right = rng.random(n_samples) < chance
        crops.append(reliability.Judged(source[index], claimed(chance), right, None))
    return crops


def summary_of(judged):
    counts = pd.concat([reliability.count_by_bin(j, 0.05) for j in judged], ignore_index=True)
    return reliability.summarize(counts, 0.05, FEW)


def test_a_calibrated_confidence_has_no_error():
    summary = summary_of(judged_crops(lambda chance: chance))
    assert reliability.calibration_error(summary, "all") < 0.02
    high = summary[(summary["subset"] == "all") & (summary["bin"] == "high")].iloc[0]
    assert high["right"] == pytest.approx(0.95, abs=0.01)
    assert high["share_of_samples"] == pytest.approx(0.125, abs=0.01)


def test_an_overconfident_one_has():
    """Confidence 1 where the samples are right in 60 % of cases."""
    summary = summary_of(judged_crops(np.ones_like))
    assert reliability.calibration_error(summary, "all") == pytest.approx(0.4, abs=0.02)


def test_samples_that_were_not_recovered_are_wrong_and_counted():
    crop = HandSource()[0]
    amplitude = np.repeat(crop.signal, 5)[:1246].copy()
    amplitude[100:200] = np.nan
    confidence = np.where(np.isnan(amplitude), 0.0, 0.9)
    signal = LeadSignal(amplitude, 500.0, confidence, GridScale(4.0, 4.0, 1.0), np.zeros(1))
    found, right = reliability.judge(crop, signal, 0.05, AlignOptions())
    assert (~right[found == 0]).all() and (found == 0).sum() == 100
    counts = reliability.count_by_bin(reliability.Judged(crop, found, right, None), 0.05)
    assert counts["n_missing"].sum() == 100


def test_an_offset_and_a_delay_change_nothing():
    crop = HandSource()[0]
    at = np.arange(1246) / 500
    amplitude = np.interp(at, np.arange(250) / 100, crop.signal)
    late = np.concatenate([np.full(10, amplitude[0]), amplitude])[:1246] + 3.0
    for values in (amplitude, late):
        signal = LeadSignal(values, 500.0, np.ones(1246), GridScale(4.0, 4.0, 1.0), np.zeros(1))
        assert reliability.judge(crop, signal, 0.05, AlignOptions())[1].mean() > 0.99


def test_planted_coefficients_are_found():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40_000, len(FEATURES)))
    weights = np.array([1.0, -2.0, 0.5, 0.0, 0.0, 1.5, -1.0])
    right = rng.random(len(features)) < 1 / (1 + np.exp(-(0.7 + features @ weights)))
    calibration, loss = reliability.fit_calibration(features, right, np.ones(len(right)), 1e-9)
    assert calibration.intercept == pytest.approx(0.7, abs=0.06)
    np.testing.assert_allclose(calibration.weights, weights, atol=0.08)
    entropy = reliability.fit_calibration(features * 0, right, np.ones(len(right)), 1e-9)[1]
    assert loss < entropy


def test_the_test_split_is_not_fitted_on(tmp_path):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("reliability", ["fit=true", f"output_dir={tmp_path}"])
    with pytest.raises(ConfigError, match="split=val"):
        reliability.main(cfg, tmp_path)


def test_on_a_drawn_crop(tmp_path):
    """From the command line's configuration to the table beside the page."""
    page = tmp_path / "page"
    page.mkdir()
    (page / "README.md").write_text("<!-- table -->\n<!-- end -->\n")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        options = ["subset.n_overlap=0", "subset.n_non_overlap=1", "digitizer=baseline", "publish=true"]
        cfg = compose("reliability", [*options, "progress=false", f"output_dir={tmp_path / 'out'}"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ecgtrace.digitization.baseline.BaselineDigitizer.model", "", raising=False)
        summary = reliability.main(cfg, page)
    assert summary["n"].max() > 1000
    assert "calibration error" in (page / "README.md").read_text()
    assert (page / "reliability.png").is_file()
