"""A confidence that means what it says, and one that does not."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drawn_by_hand import HandSource
from hydra import compose, initialize_config_dir

from ecgtrace.digitization.confidence import FEATURES, Calibration
from ecgtrace.errors import ConfigError, TraceNotFoundError
from ecgtrace.evaluation.align import AlignOptions
from ecgtrace.evaluation.bootstrap import BootstrapOptions
from ecgtrace.studies import calibration, judging, reliability, study
from ecgtrace.types import GridScale, LeadSignal

CONF = Path(__file__).resolve().parents[1] / "conf"
BY_TIME = Calibration(0.0, (1.0,) * len(FEATURES))
FEW = BootstrapOptions(n_resamples=50)


def judged_crops(claimed, seed=0, n_crops=40, n_samples=500):
    """Crops whose samples are right with probability 0.2 to 1; `claimed` turns that into a confidence."""
    rng = np.random.default_rng(seed)
    source = HandSource(count=n_crops)
    crops = []
    for index in range(n_crops):
        chance = rng.uniform(0.2, 1, n_samples)
        right = rng.random(n_samples) < chance
        crops.append((source[index], claimed(chance), right))
    return crops


def rows_of(crop, confidence, right):
    counts = reliability.count_by_bin(confidence, right, 0.05).reset_index()
    kind = reliability.kind_of(crop)
    return counts.assign(crop_id=crop.crop_id, record_id=crop.record_id, subset=kind)


def summary_of(judged):
    return reliability.summarize(pd.concat([rows_of(*one) for one in judged]), 0.05, FEW)


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
    found, right, _ = judging.judge(crop, signal, 0.05, AlignOptions())
    assert (~right[found == 0]).all() and (found == 0).sum() == 100
    counts = reliability.count_by_bin(found, right, 0.05)
    assert counts["n_missing"].sum() == 100


def test_an_offset_and_a_delay_change_nothing():
    crop = HandSource()[0]
    at = np.arange(1246) / 500
    amplitude = np.interp(at, np.arange(250) / 100, crop.signal)
    late = np.concatenate([np.full(10, amplitude[0]), amplitude])[:1246] + 3.0
    for values in (amplitude, late):
        signal = LeadSignal(values, 500.0, np.ones(1246), GridScale(4.0, 4.0, 1.0), np.zeros(1))
        assert judging.judge(crop, signal, 0.05, AlignOptions())[1].mean() > 0.99


def test_planted_coefficients_are_found():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40_000, len(FEATURES)))
    weights = np.array([1.0, -2.0, 0.5, 0.0, 0.0, 1.5, -1.0])
    right = rng.random(len(features)) < 1 / (1 + np.exp(-(0.7 + features @ weights)))
    fitted, loss = calibration.fit_calibration(features, right, np.ones(len(right)), 1e-9)
    assert fitted.intercept == pytest.approx(0.7, abs=0.06)
    np.testing.assert_allclose(fitted.weights, weights, atol=0.08)
    entropy = calibration.fit_calibration(features * 0, right, np.ones(len(right)), 1e-9)[1]
    assert loss < entropy


@dataclass(frozen=True)
class Planted:
    """Returns the truth and a tenth of a second around it, with a gap; a feature is the sample's time."""

    calibration: Calibration = BY_TIME
    fails: bool = False
    fs_hz: float = 500.0
    name: str = "planted"

    def __call__(self, image, mask=None):
        if self.fails:
            raise TraceNotFoundError("no trace")
        at = np.arange(-50, 1246 + 50) / 500  # 0.1 s before the truth begins, 0.1 s after it ends
        values = np.interp(at, np.arange(250) / 100, HandSource().signal(0))
        features = np.repeat(at[:, None], len(FEATURES), axis=1)
        confidence = self.calibration.confidence(features)
        values[600:610], confidence[600:610] = np.nan, 0
        return LeadSignal(values, 500.0, confidence, GridScale(4.0, 4.0, 1.0), np.zeros(1))


def settings(*options):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("reliability", ["progress=false", *options])


def test_the_fit_sees_the_features_of_the_samples_that_it_judges():
    """Samples before and after the truth, and those that were not recovered, go with their features."""
    (judged,) = judging.judge_all(HandSource(count=1), Planted(), 0.05, AlignOptions())
    times = judged.features[:, 0]
    assert len(times) == len(judged.right) == len(judged.confidence)
    assert times[0] == pytest.approx(-0.004, abs=0.0021) and times[-1] == pytest.approx(2.494, abs=0.0041)
    assert not np.any((times > 1.0995) & (times < 1.1185))  # the gap, at 600 / 500 - 0.1 s
    np.testing.assert_allclose(judged.confidence, 1 / (1 + np.exp(-len(FEATURES) * times)))


def test_a_crop_that_fails_counts_as_not_recovered():
    crop = HandSource(count=1)[0]
    rows = pd.DataFrame(reliability.Counting().rows(crop, 0, "planted", Planted(fails=True)))
    assert len(rows) == reliability.Counting().rows_each == 20
    assert rows[["n", "n_missing", "n_right"]].sum().tolist() == [1246, 1246, 0]


def test_crossing_and_damaged_crops_are_told_apart():
    """Whatever is in them, crops of damaged pages are damaged; the same crop of two pages is two."""
    crop = HandSource()[1]
    assert [
        reliability.kind_of(replace(crop, overlap_px=n, crossings=m)) for n, m in ((0, 0), (9, 0), (9, 2))
    ] == [
        "non_overlap",
        "entering",
        "crossing",
    ]
    rows = pd.DataFrame({"page": ["published", "damaged_scan"], "crop_id": "a", "subset": "crossing"})
    told = reliability.by_subset(rows)
    assert list(told["subset"]) == ["crossing", "damaged"]
    assert list(told["crop_id"]) == ["published/a", "damaged_scan/a"]


def test_each_kind_of_page_draws_its_own():
    sources = reliability.sources_of(settings())
    assert list(sources) == ["published", "printers", "damaged_scan", "damaged_turned"]
    assert all(source.split == "val" and source.box_jitter_mm == 2 for source in sources.values())
    assert sources["printers"].printer is not None and sources["published"].printer is None
    assert sources["damaged_scan"].style.degradation.blur_px == 1


def test_fit_needs_a_digitizer_with_a_calibration(tmp_path):
    cfg = settings("fit=true", "split=val", "digitizer=baseline", f"output_dir={tmp_path / 'out'}")
    with pytest.raises(ConfigError, match="digitizer=refined"):
        calibration.fit(cfg)


def test_the_table_tells_what_low_confidences_are_worth():
    """Confidence 0.6 of 30 % right, and 0.95 of all right: the first is claimed and found apart."""
    crop = HandSource()[0]
    confidence = np.repeat([0.6, 0.95, 0.0], [100, 300, 100])
    right = np.arange(500) < 30
    right[100:400] = True
    summary = summary_of([(crop, confidence, right)])
    (line,) = [x for x in reliability.to_markdown(summary, 0.05).splitlines() if "all crops" in x]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[1:3] == ["500", "60.0 %"]
    assert cells[4:8] == ["20.00 %", "60 %, 30 %", "66.00 %", "20.00 %"]
    assert float(cells[8]) == pytest.approx((0.3 * 100 + 0.05 * 300) / 500)


def test_the_figure_shows_each_bin_once():
    summary = summary_of(judged_crops(lambda chance: chance))
    above, below = reliability.figure(summary, 0.05, 0.05).axes
    subset = reliability.subsets_of(summary)[1]
    bins = summary[(summary["subset"] == subset) & (summary["bin"] != "high")]
    heights = [bar.get_height() for bar in below.containers[1]]
    np.testing.assert_allclose(heights, bins["share_of_samples"])
    shown = above.containers[1].lines[0].get_xydata()
    np.testing.assert_allclose(shown, bins[["confidence", "right"]])


def test_the_test_split_is_not_fitted_on(tmp_path):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("reliability", ["fit=true", "split=test", f"output_dir={tmp_path}"])
    with pytest.raises(ConfigError, match="split=val"):
        calibration.fit(cfg)


def test_on_a_drawn_crop(tmp_path):
    """From the command line's configuration to the table beside the page."""
    page = tmp_path / "page"
    page.mkdir()
    (page / study.TEMPLATE).write_text("{{ sizes }}\n{{ table }}")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        options = ["subset.n_overlap=0", "subset.n_non_overlap=1", "digitizer=baseline", "publish=true"]
        pages = "pages=[{name: published, style: {}}, {name: damaged, style: {degradation: {grey: true}}}]"
        options += [pages, "progress=false", f"output_dir={tmp_path / 'out'}"]
        cfg = compose("reliability", options)
    summary = study.run(reliability.STUDY, cfg, page)
    assert summary["n"].max() > 1000
    assert set(summary["subset"]) == {"non_overlap", "damaged", "all"}
    text = (page / "README.md").read_text()
    assert text.startswith("1 crops without overlap, 1 crops of damaged pages (1 record)")
    assert "calibration error" in text
    assert (page / "reliability.png").is_file()
