"""Tables and claims built from planted run folders."""

import json

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from ecgtrace.errors import DataError
from ecgtrace.evaluation.bootstrap import BootstrapOptions
from ecgtrace.evaluation.rows import COLUMNS
from ecgtrace.paper import paper_tables
from ecgtrace.paper.artefact import Sources
from ecgtrace.paper.fig_training import ValidationIou

N_RECORDS, LEADS = 10, 4


def rows(digitizer, r, mse, subset="non_overlap", failed=()):
    """Return rows of 10 records x 4 leads; `r` and `mse` are numbers or a value per crop."""
    n = N_RECORDS * LEADS
    table = pd.DataFrame({name: [""] * n for name in COLUMNS})
    table["crop_id"] = [f"{subset}_{i:02}" for i in range(n)]
    table["record_id"] = [f"{i // LEADS:05}" for i in range(n)]
    table["subset"], table["digitizer"], table["status"] = subset, digitizer, "ok"
    table["overlap_px"] = "0"
    table["r"], table["mse_mv2"], table["snr_db"] = np.broadcast_to(r, n), np.broadcast_to(mse, n), 10.0
    table.loc[list(failed), ["status", "r", "snr_db"]] = ["failed", 0.0, 0.0]
    return table


def sources(root, runs, **facts):
    for name, table in runs.items():
        (root / name).mkdir()
        pd.concat(table if isinstance(table, list) else [table]).to_csv(root / name / "rows.csv", index=False)
    for name, metrics in facts.items():
        (root / name).mkdir()
        (root / name / "metrics.json").write_text(json.dumps(metrics))
    cfg = OmegaConf.create({"seed": 3, "profile": {"note": "reduced to nothing"}})
    return Sources(cfg, {path.name: path for path in root.iterdir()})


def three(root, **changes):
    """Ours: r 0.95 against 0.90, MSE 0.002 against 0.004; YOLO fails twice."""
    parts = {
        "evaluate_shipped": [
            rows("proposed", 0.97, 0.0009),
            rows("baseline", 0.90, 0.004),
            rows("ceiling", 0.98, 0.0005),
        ],
        "evaluate_unet_paper": rows("proposed_unet_paper", 0.95, 0.002),
        "evaluate_yolo": rows("proposed_yolo", 0.80, 0.01, failed=(0, 1)),
    }
    return sources(root, parts | changes)


@pytest.fixture(autouse=True, scope="module")
def few_resamples():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            paper_tables, "bootstrap_options", lambda found: BootstrapOptions(200, seed=found.cfg.seed)
        )
        yield


@pytest.fixture(scope="module")
def made(few_resamples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    (folder / "runs").mkdir()
    claims = paper_tables.build_table1(three(folder / "runs"), folder / "out")
    return {claim.what: claim for claim in claims}, folder / "out"


def find(claims, *words):
    (claim,) = [c for what, c in claims.items() if all(word in what for word in words)]
    return claim


def test_a_claim_holds_where_ours_is_at_least_as_good(made):
    """The paper's Table I: r 0.9644 and MSE 0.0010; the trained network's 0.95 and 0.002 are worse."""
    claims, _ = made
    shipped, trained = (find(claims, "mean r", name) for name in ("shipped", "of this profile"))
    assert (shipped.paper, shipped.ours, shipped.holds) == ("0.9644", "0.9700 [0.9700, 0.9700] (n=40)", True)
    assert trained.holds is False
    assert "median of 40 is 0.9500; with the true mask the same reading gives 0.9800" in trained.why
    assert trained.why.endswith("training is reduced to nothing")
    assert find(claims, "mean MSE", "shipped").holds is True
    assert find(claims, "mean MSE", "of this profile").holds is False
    assert find(claims, "mean r", "paper-ecg").holds is None
    assert find(claims, "mean r", "paper-ecg").paper == "0.9366"


def test_failures_are_counted_and_enter_as_zero(made):
    claims, folder = made
    yolo = find(claims, "mean r", "YOLO")
    assert yolo.ours.startswith(f"{0.8 * 38 / 40:.4f} [") and yolo.ours.endswith("(n=40, 2 of them failed)")
    table = pd.read_csv(folder / "table.csv").set_index(["digitizer", "statistic"])
    assert table.loc[("proposed_yolo", "r_mean"), "n_failed"] == 2
    assert table.loc[("proposed_yolo", "r_mean"), "value"] == pytest.approx(0.76)
    assert table.loc[("paper: proposed", "r_mean"), "value"] == 0.9644


def test_the_comparison_with_paper_ecg_is_paired(made):
    claims, _ = made
    beats = find(claims, "beats", "shipped")
    assert beats.holds is True
    assert "+0.0700 [+0.0700, +0.0700]" in beats.ours and "times 0.225 [0.225, 0.225]" in beats.ours


def test_a_comparison_in_doubt_does_not_hold(tmp_path):
    """Half of the records better by 0.1, half worse: the mean may be anything."""
    by_record = np.repeat([0.8, 1.0] * (N_RECORDS // 2), LEADS)
    (tmp_path / "runs").mkdir()
    found = three(tmp_path / "runs", evaluate_unet_paper=rows("proposed_unet_paper", by_record, 0.001))
    claims = {c.what: c for c in paper_tables.build_table1(found, tmp_path / "out")}
    claim = find(claims, "beats", "of this profile")
    assert claim.holds is False
    assert claim.why == "the interval of the difference in r reaches 0 or below"


def test_the_crops_that_spoil_a_number_are_named(tmp_path):
    """Three crops of one record carry the error: 37 of 0.0005 and 3 of 0.5."""
    mse = np.full(40, 0.0005)
    mse[[8, 9, 11]] = 0.5
    (tmp_path / "runs").mkdir()
    found = three(tmp_path / "runs", evaluate_unet_paper=rows("proposed_unet_paper", 0.99, mse))
    claims = {c.what: c for c in paper_tables.build_table1(found, tmp_path / "out")}
    claim = find(claims, "mean MSE", "of this profile")
    assert claim.why.startswith("because of 3 of 40 crops (record 00002); without, 0.0005")


def test_the_files_of_a_table(made):
    _, folder = made
    assert {path.name for path in folder.iterdir()} == {"rows.csv", "table.csv", "table.md", "table.tex"}
    merged = pd.read_csv(folder / "rows.csv")
    assert len(merged) == 5 * 40
    text = (folder / "table.md").read_text()
    assert "| r mean | 0.9000 [0.9000, 0.9000] | 0.9700 [0.9700, 0.9700]" in " ".join(text.split())
    tex = (folder / "table.tex").read_text()
    lines = tex.splitlines()
    header = next(line for line in lines if "baseline" in line)
    assert r"proposed\_unet\_paper" in header
    body = lines[lines.index(r"\midrule") + 1 : lines.index(r"\bottomrule")]
    assert {line.count("&") for line in [header, *body]} == {7}
    assert all(line.endswith(r"\\") for line in [header, *body])
    assert r"\begin{tabular}{lrrrrrrr}" in lines
    assert not set(tex) - set(map(chr, range(128)))
    assert not [line for line in lines[1:] if "_" in line.replace(r"\_", "")]


def test_only_the_tables_own_crops_count(tmp_path):
    """Table II takes the crops with overlap, of all runs."""
    (tmp_path / "runs").mkdir()
    both = {
        name: [rows(d, 0.9, 0.01) for d in digitizers]
        + [rows(d, 0.97, 0.002, subset="overlap") for d in digitizers]
        for name, digitizers in {
            "evaluate_shipped": ["proposed", "baseline", "ceiling"],
            "evaluate_unet_paper": ["proposed_unet_paper"],
            "evaluate_yolo": ["proposed_yolo"],
        }.items()
    }
    claims = paper_tables.build_table2(sources(tmp_path / "runs", both), tmp_path / "out")
    claims = {c.what: c for c in claims}
    assert find(claims, "Table II, mean r", "shipped").ours == "0.9700 [0.9700, 0.9700] (n=40)"
    assert find(claims, "Table II, mean r", "shipped").holds is True


def test_runs_on_other_crops_are_not_put_together(tmp_path):
    (tmp_path / "runs").mkdir()
    found = three(tmp_path / "runs", evaluate_yolo=rows("proposed_yolo", 0.8, 0.01).iloc[:-1])
    with pytest.raises(DataError, match="evaluate_yolo saw other crops than evaluate_shipped"):
        paper_tables.build_table1(found, tmp_path / "out")


def test_a_digitizer_that_comes_twice_is_refused(tmp_path):
    (tmp_path / "runs").mkdir()
    found = three(tmp_path / "runs", evaluate_yolo=rows("proposed", 0.8, 0.01))
    with pytest.raises(DataError, match="hold rows of proposed"):
        paper_tables.build_table1(found, tmp_path / "out")


def trainings(root, unet, yolo):
    facts = {"best_epoch": 1, "crops_per_epoch": 8, "started_from": "random"}
    found = sources(root, {}, unet_paper=facts | {"best_val_iou": unet}, yolo=facts | {"best_val_iou": yolo})
    for name, best in (("unet_paper", unet), ("yolo", yolo)):
        epochs = pd.DataFrame({"epoch": [0, 1, 2], "train/iou": [0.1, 0.6, 0.7], "val/iou": [0.2, best, 0.1]})
        epochs.to_csv(found.run(name) / "metrics.csv", index=False)
    return found


@pytest.mark.parametrize(
    ("value", "interval", "why"),
    [
        (0.85, (0.80, 0.88), "the interval reaches it, the value does not"),
        (0.85, (0.80, 0.86), "so is the whole interval"),
        (0.87, (0.80, 0.90), None),
    ],
)
def test_the_iou_holds_by_its_value_and_not_by_its_interval(tmp_path, monkeypatch, value, interval, why):
    (tmp_path / "runs").mkdir()
    found = trainings(tmp_path / "runs", 0.85, 0.4)
    monkeypatch.setattr(paper_tables, "measured_once", lambda run: ValidationIou(value, interval, 9, 5))
    unet, yolo = paper_tables.build_iou(found, tmp_path / "out")
    assert unet.ours.startswith("0.850 in epoch 1 of 3")
    assert (unet.paper, unet.holds, yolo.holds) == ("0.87", why is None, True)
    assert why in unet.why if why else unet.why == ""
    table = pd.read_csv(tmp_path / "out" / "iou.csv")
    assert table["train_iou_then"].tolist() == [0.6, 0.6]
    assert table["best_val_iou"].tolist() == [0.85, 0.4]


def test_a_yolo_that_is_better_is_said_so(tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    found = trainings(tmp_path / "runs", 0.5, 0.9)
    monkeypatch.setattr(paper_tables, "measured_once", lambda run: ValidationIou(0.5, (0.4, 0.6), 9, 5))
    assert paper_tables.build_iou(found, tmp_path / "out")[1].holds is False


@pytest.mark.parametrize(("missed", "holds"), [(58, True), (50, True), (40, False), (75, False)])
def test_the_share_without_detection_has_wilsons_interval(tmp_path, missed, holds):
    """Of 100, Wilson's interval of 58 is 48.2 to 67.2 % (Newcombe 1998 gives the formula)."""
    (tmp_path / "runs").mkdir()
    facts = {"no_detection_share": missed / 100, "n_val_instances": 100}
    found = sources(tmp_path / "runs", {}, yolo=facts)
    (claim,) = paper_tables.build_no_detection(found, tmp_path / "out")
    assert claim.holds is holds and claim.paper == "58 %"
    assert f"({missed} of n=100)" in claim.ours
    if missed == 58:
        assert claim.ours.startswith("58.0 % [48.2, 67.2]")
    if not holds:
        assert claim.why.startswith("fewer" if missed < 58 else "more")
    assert pd.read_csv(tmp_path / "out" / "no_detection.csv")["missed"].tolist() == [missed]


def test_a_run_that_did_not_count_is_refused(tmp_path):
    (tmp_path / "runs").mkdir()
    found = sources(tmp_path / "runs", {}, yolo={"best_val_iou": 0.5})
    with pytest.raises(DataError, match="train YOLO again"):
        paper_tables.build_no_detection(found, tmp_path / "out")
