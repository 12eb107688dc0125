"""Differences between arms, with planted gains, failures and crops."""

import json

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from ecgtrace.errors import DataError
from ecgtrace.evaluation.bootstrap import BootstrapOptions
from ecgtrace.evaluation.rows import COLUMNS
from ecgtrace.paper import ablation
from ecgtrace.paper.artefact import Sources

N_RECORDS, LEADS = 12, 3
N = N_RECORDS * LEADS
OPTIONS = BootstrapOptions(400, seed=3)
TRAINED = ("unet_paper", "unet_none", "unet_basic", "unet_paper_without_overlay", "unet_keep_scale")
READINGS = ("proposed", "proposed_fixed_threshold", "proposed_column_centre", "proposed_plain")
# What each crop is worth, whatever reads it: far more than the arms differ.
HARDNESS = 0.2 * np.random.default_rng(0).random(N)


def rows(digitizer, gain, subset="overlap", failed=()):
    table = pd.DataFrame({name: [""] * N for name in COLUMNS})
    table["crop_id"] = [f"{subset}_{i:02}" for i in range(N)]
    table["record_id"] = [f"{i // LEADS:05}" for i in range(N)]
    table["subset"], table["digitizer"], table["status"], table["overlap_px"] = subset, digitizer, "ok", "0"
    table["r"], table["mse_mv2"] = 0.8 - HARDNESS + gain, 0.002
    table["snr_db"] = 10 + 100 * np.asarray(gain)
    table.loc[list(failed), ["status", "r", "snr_db"]] = ["failed", 0.0, 0.0]
    return table


def sources(root, gains=None, failed=None, started_from="random (imagenet could not be fetched)"):
    gains, failed = gains or {}, failed or {}

    def both(digitizer):
        return [
            rows(digitizer, gains.get(digitizer, 0.0), subset, failed.get(digitizer, ()))
            for subset in ("non_overlap", "overlap")
        ]

    evaluations = {f"evaluate_{name}": both(f"proposed_{name}") for name in TRAINED}
    evaluations["evaluate_reading"] = [part for name in READINGS for part in both(name)]
    for name, parts in evaluations.items():
        (root / name).mkdir(parents=True)
        pd.concat(parts).to_csv(root / name / "rows.csv", index=False)
    for place, name in enumerate(TRAINED):
        (root / name).mkdir()
        facts = {"best_val_iou": 0.5 + place / 10, "started_from": started_from}
        (root / name / "metrics.json").write_text(json.dumps(facts))
    cfg = OmegaConf.create({"seed": 3, "profile": {"note": "reduced to nothing"}})
    return Sources(cfg, {path.name: path for path in root.iterdir()})


@pytest.fixture(autouse=True, scope="module")
def few_resamples():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ablation, "bootstrap_options", lambda found: OPTIONS)
        yield


@pytest.fixture(scope="module")
def built(few_resamples, tmp_path_factory):
    """The paper's augmentation brings 0.02 over none, and 0.01 +- 0.05 by record over keeping the scale."""
    folder = tmp_path_factory.mktemp("built")
    by_record = np.repeat(np.tile([-0.05, 0.05], N_RECORDS // 2), LEADS)
    found = sources(
        folder / "runs",
        gains={
            "proposed_unet_none": -0.02,
            "proposed_unet_keep_scale": by_record - 0.01,
            "proposed_column_centre": 0.03,
        },
        failed={"proposed_unet_basic": (4, 20)},
    )
    claims = ablation.build_ablation(found, folder / "out")
    table = pd.read_csv(folder / "out" / "ablation.csv", keep_default_na=False, na_values=[""])
    return claims, table.set_index(["group", "arm", "subset"]), folder / "out"


def find(claims, *words):
    (claim,) = [c for c in claims if all(word in c.what for word in words)]
    return claim


def test_a_gain_alike_on_all_crops_has_no_width(built):
    """Paired: the crops differ by ten times as much, and none of that is in the interval."""
    _, table, _ = built
    line = table.loc[("augmentation", "none", "overlap")]
    for key in ("r_difference", "r_difference_low", "r_difference_high"):
        assert line[key] == pytest.approx(-0.02, abs=1e-6)
    assert line["snr_difference"] == pytest.approx(-2.0)
    assert line["r_mean_high"] - line["r_mean_low"] > 0.02
    assert line["best_val_iou"] == pytest.approx(0.6)


def test_a_gain_that_varies_by_record_has_the_width_of_the_records(built):
    """12 records at +-0.05: a standard error of 0.05 / sqrt(12), and 1.96 of them on each side."""
    _, table, _ = built
    line = table.loc[("resize", "scale kept", "overlap")]
    assert line["r_difference"] == pytest.approx(-0.01, abs=1e-6)
    width = line["r_difference_high"] - line["r_difference_low"]
    assert width == pytest.approx(2 * 1.96 * 0.05 / np.sqrt(N_RECORDS), rel=0.2)


def test_crops_that_failed_are_left_out_of_one_difference_and_zero_in_the_other(built):
    """Without a gain, what is left is what failed: two crops' own r over the number of crops."""
    claims, table, _ = built
    line = table.loc[("augmentation", "basic", "overlap")]
    assert (line["n"], line["n_failed"], line["n_pairs"]) == (N, 2, N - 2)
    assert line["r_difference"] == pytest.approx(0, abs=1e-9)
    lost = (0.8 - HARDNESS[4]) + (0.8 - HARDNESS[20])
    assert line["r_difference_all"] == pytest.approx(-lost / N, abs=1e-6)
    assert line["r_mean"] == pytest.approx((0.8 - HARDNESS).mean() - lost / N, abs=1e-6)
    claim = find(claims, "against flips", "with overlap")
    assert (
        f"(n={N - 2}, paired); with the 2 that failed in one of them as r = 0: +{lost / N:.4f}" in claim.ours
    )


def test_claims_hold_where_the_interval_says_so(built):
    claims, _, _ = built
    none = find(claims, "against none", "with overlap")
    assert none.holds is True and none.ours.startswith("mean r +0.0200 [+0.0200, +0.0200]")
    assert none.why == ablation.ONE_SEED
    keep = find(claims, "Stretching", "with overlap")
    assert keep.holds is False and "no difference is shown" in keep.why and ablation.ONE_SEED in keep.why
    overlay = find(claims, "OverlaySignal helps", "with overlap")
    assert (overlay.holds, overlay.paper) == (False, "claimed, without a number")
    centre = find(claims, "Viterbi against the column's centre", "with overlap")
    assert centre.holds is False and centre.why.startswith("it is the other way round")
    assert ablation.ONE_SEED not in centre.why  # no training differs there


def test_failures_alone_do_not_make_a_claim(built):
    """On the crops that both digitized nothing differs; that two failed is no proof either."""
    claims, _, _ = built
    assert find(claims, "against flips", "with overlap").holds is False


def test_imagenet_that_could_not_be_had_is_a_row_without_numbers(built):
    claims, table, folder = built
    line = table.loc[("encoder start", "ImageNet", "overlap")]
    assert line["note"] == "not to be had here" and np.isnan(line["r_mean"])
    assert find(claims, "ImageNet").holds is None
    text = " ".join((folder / "ablation.md").read_text().split())
    assert "| encoder start | ImageNet | not to be had here |" in text
    assert table.loc[("encoder start", "random", "overlap")]["reference"]


@pytest.mark.parametrize(
    ("started_from", "has_random", "arms"),
    [
        ("imagenet", True, [("ImageNet", True, ""), ("random", False, "")]),
        ("imagenet", False, [("ImageNet", True, ""), ("random", False, "not run in this profile")]),
        ("random", False, [("random", True, ""), ("ImageNet", False, "not run in this profile")]),
    ],
)
def test_the_arms_of_the_start(started_from, has_random, arms):
    made = ablation.start_arms(started_from, has_random)
    assert [(arm.name, arm.reference, arm.note) for arm in made] == arms


def test_the_files_of_the_ablation(built):
    _, table, folder = built
    wanted = {"rows.csv", "ablation.csv", "ablation.md", "ablation.pdf", "ablation.png"}
    assert {path.name for path in folder.iterdir()} == wanted
    assert (folder / "ablation.pdf").read_bytes().startswith(b"%PDF")
    lines = [line for line in (folder / "ablation.md").read_text().splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1
    assert len(lines) == len(table) + 4


def test_all_arms_see_the_same_resamples(tmp_path):
    """The same rows under another name give the same interval to the last digit."""
    parts = [rows("a", 0.0), rows("b", 0.01), rows("c", 0.01)]
    parts[1]["r"] += HARDNESS**2
    parts[2]["r"] += HARDNESS**2
    arms = [ablation.Arm("g", name, name, "run", reference=name == "a") for name in "abc"]
    table = ablation.compare(pd.concat(parts).sample(frac=1, random_state=1), arms, OPTIONS).set_index("arm")
    for key in ("r_mean_low", "r_mean_high", "r_difference_low", "r_difference_high"):
        assert table.loc["b", key] == table.loc["c", key]
    gain = 0.01 + HARDNESS**2
    assert table.loc["b", "r_difference"] == pytest.approx(gain.mean())
    assert table.loc["b", "r_difference_low"] < gain.mean() < table.loc["b", "r_difference_high"]


def test_an_arm_that_digitized_nothing_is_still_shown(tmp_path):
    found = sources(tmp_path / "runs", failed={"proposed_unet_none": range(N)})
    claims = ablation.build_ablation(found, tmp_path / "out")
    claim = find(claims, "against none", "with overlap")
    assert claim.holds is False and claim.why.startswith("no crop was digitized by both")
    assert claim.ours.startswith(f"no crop in common; with the {N} that failed in one of them as r = 0: +")


def test_arms_that_saw_other_crops_are_not_compared(tmp_path):
    found = sources(tmp_path / "runs")
    path = found.run("evaluate_unet_basic") / "rows.csv"
    pd.read_csv(path).iloc[:-1].to_csv(path, index=False)
    with pytest.raises(DataError, match="evaluate_unet_basic saw other crops"):
        ablation.build_ablation(found, tmp_path / "out")
