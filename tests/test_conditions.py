"""The study of conditions: planted rows and their summary, what a condition changes, going on, usage."""

import json
import sys
from dataclasses import fields, replace
from pathlib import Path

import hydra
import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import instantiate

from ecgtrace import cli
from ecgtrace.drawing.style import PageStyle
from ecgtrace.errors import ConfigError
from ecgtrace.evaluation import runner
from ecgtrace.evaluation.bootstrap import BootstrapOptions
from ecgtrace.evaluation.rows import COLUMNS
from ecgtrace.studies import conditions
from ecgtrace.studies import study as machinery
from ecgtrace.studies.conditions import Condition

ROOT = Path(__file__).resolve().parents[1]
CONF = ROOT / "conf"
FEW = BootstrapOptions(n_resamples=200)
PLAIN, GREY = Condition("published", "published"), Condition("grey", "scan")


def config(*overrides):
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("conditions", list(overrides))


def run(folder, *overrides):
    """Do the study; digitizers are composed while Hydra still knows the project's files."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return machinery.run(conditions.STUDY, compose("conditions", list(overrides)), folder)


def planted(condition, subset, digitizer, snr_db, r=0.5, mse_mv2=0.1, status="ok"):
    """Return a row for each value of the SNR."""
    count = len(snr_db)
    return pd.DataFrame(
        {
            "condition": condition,
            "crop_id": [f"crop{i}" for i in range(count)],
            "record_id": [f"{i:05d}" for i in range(count)],
            "subset": subset,
            "digitizer": digitizer,
            "status": status,
            "snr_db": snr_db,
            "r": r,
            "mse_mv2": mse_mv2,
            "seconds": np.arange(count) + 1.0,
        }
    )


def planted_rows():
    """Two conditions, one subset: `refined` is better once by SNR, twice by r and never by MSE."""
    failed = planted("grey", "overlap", "refined", [0.0], r=0.0, mse_mv2=0.9, status="failed")
    rows = [
        planted("published", "overlap", "refined", [10.0, 14.0, 30.0], r=0.9),
        planted("published", "overlap", "baseline", [9.0, 13.0, 31.0], r=0.8),
        planted("grey", "overlap", "refined", [12.0, 16.0], r=0.9),
        failed.assign(crop_id="other"),
        planted("grey", "overlap", "baseline", [12.0, 12.0, 0.0], mse_mv2=[0.1, 0.1, 0.0]),
    ]
    return pd.concat(rows, ignore_index=True)


def test_summary_of_planted_rows():
    summary = conditions.summarize(planted_rows(), [PLAIN, GREY], ["refined", "baseline"], FEW)
    assert list(summary["condition"]) == ["published"] * 2 + ["grey"] * 2
    assert list(summary["digitizer"]) == ["refined", "baseline"] * 2
    assert set(summary["group"]) == {"published", "scan"}
    summary = summary.set_index(["condition", "digitizer"])
    refined = summary.loc[("grey", "refined")]
    assert (refined["n"], refined["n_failed"], refined["n_as_first"]) == (3, 1, 2)
    assert refined["median_snr_db"] == 12.0  # of 0, 12, 16: the failure counts
    assert refined["mean_r"] == pytest.approx((0.9 + 0.9 + 0) / 3)
    assert refined["mean_mse_mv2"] == pytest.approx((0.1 + 0.1 + 0.9) / 3)
    assert refined["median_seconds"] == 1.0
    assert summary.loc[("published", "baseline"), "median_snr_db"] == 13.0


def test_verdicts_name_the_cells_that_are_not_better():
    summary = conditions.summarize(planted_rows(), [PLAIN, GREY], ["refined", "baseline"], FEW)
    snr, r, mse = conditions.verdicts(summary, ["refined", "baseline"])
    assert (snr.n_better, snr.n, snr.reference) == (1, 2, "baseline")
    assert snr.others == ("grey, overlap (12.0 against 12.0)",)  # equal is not better
    assert (r.n_better, r.others) == (2, ())
    assert (mse.n_better, len(mse.others)) == (0, 2)  # equal in one, larger in the other
    # r is 0.9 against 0.8 in every crop of the first cell: whatever is drawn, it is better.
    assert (r.n_sure, r.n_against) == (1, 0)
    assert (snr.n_sure, snr.n_against) == (0, 0)
    text = " ".join(conditions.verdict_table([snr, r, mse]).split())
    assert "| baseline | median SNR (dB) | 1 of 2 | 0 | 0 | grey, overlap (12.0 against 12.0) |" in text
    text = " ".join(conditions.table(summary, ["refined", "baseline"]).split())
    assert "| published | 3 | **14.0** [10.0, 30.0] | 13.0 [9.0, 31.0] | **0.9000** | 0.8000 |" in text
    assert "| 1, 0 |" in text


def test_the_figure_shows_each_median_where_its_condition_stands():
    summary = conditions.summarize(planted_rows(), [PLAIN, GREY], ["refined", "baseline"], FEW)
    (axis,) = conditions.figure(summary, ["refined", "baseline"]).axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["published", "grey"]
    points = {line.get_label(): line.get_xydata().tolist() for line in axis.get_lines()[:2]}
    assert points == {"refined": [[14, 0], [12, 1]], "baseline": [[13, 0], [12, 1]]}


def test_each_condition_changes_one_thing_of_the_published_page():
    cfg = config()
    base = instantiate(cfg.page)
    known = conditions.conditions_of(cfg)
    assert known[0].style(base) == base
    by_name = {condition.name: condition.style(base) for condition in known}
    assert len(set(by_name.values())) == len(known)
    for condition in known[1:]:
        changed = {
            one.name
            for one in fields(base)
            if getattr(by_name[condition.name], one.name) != getattr(base, one.name)
        }
        assert changed == set(condition.page)
        assert len(changed - {"grid_minor"}) <= 1
    for width_px in range(1, 7):
        assert by_name[f"line_{width_px}_px"].line_width_px == pytest.approx(width_px, abs=1e-4)
    assert by_name["turned_3_deg"].degradation == replace(base.degradation, rotation_deg=3.0)


def test_conditions_can_be_chosen():
    chosen = conditions.conditions_of(config("condition=[grey,published]"))
    assert [condition.name for condition in chosen] == ["published", "grey"]


@pytest.mark.parametrize(
    ("argument", "parts"),
    [
        ("condition=[gray]", ["no gray", "grid_grey"]),
        ("condition=[]", ["choose all or of published"]),
        ("conditions=[{name: a, group: b, page: {px_per_m: 4}}]", ["condition a", "Did you mean px_per_mm"]),
        (
            "conditions=[{name: a, group: b, page: {px_per_mm: -4}}]",
            ["condition a", "must be positive, got -4"],
        ),
        ("conditions=[{name: a, group: b, page: {px_per_mm: many}}]", ["condition a", "str"]),
        (
            "conditions=[{name: a, group: b, page: {degradation: {rotation_deg: 90}}}]",
            ["condition a", "-45..45"],
        ),
        ("conditions=[{name: a, group: b, page: {degradation: 3}}]", ["condition a", "mapping"]),
        ("conditions=[{name: a, grp: b}]", ["grp", "name, group and page"]),
        ("conditions=[{name: a, group: b},{name: a, group: b}]", ["a is there twice"]),
        ("conditions=[{name: a/b, group: b}]", ["cannot be named 'a/b'"]),
        ("digitizers=[basline]", ["basline", "baseline"]),
        ("digitizers=[baseline,baseline]", ["once"]),
        ("n_overlaps=3", ["Did you mean n_overlap"]),
    ],
)
def test_wrong_usage_is_one_line_and_nothing_is_begun(monkeypatch, tmp_path, capfd, argument, parts):
    GlobalHydra.instance().clear()
    out = tmp_path / "out"
    arguments = ["digitizers=[baseline]", argument, f"output_dir={out}", f"hydra.run.dir={tmp_path / 'log'}"]
    monkeypatch.setattr(sys, "argv", ["run.py", *arguments, "hydra/job_logging=disabled"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    (tmp_path / machinery.TEMPLATE).write_text("{{ verdicts }}")
    task = cli.one_line_errors(lambda cfg: machinery.run(conditions.STUDY, cfg, tmp_path))
    with pytest.raises(SystemExit) as stop:
        cli.run(hydra.main(config_path=str(CONF), config_name="conditions", version_base="1.3")(task))
    text = capfd.readouterr().err
    assert stop.value.code == 2
    assert text.startswith("error: ") and text.count("\n") == 1, text
    for part in parts:
        assert part in text
    assert not out.exists()


SMALL = ("digitizers=[baseline]", "n_overlap=1", "n_non_overlap=1", "page.px_per_mm=6", "progress=false")


def test_a_run_leaves_its_files_and_goes_on(tmp_path, monkeypatch):
    """Begun with one condition, gone on with a second, of which one row was lost."""
    options = [*SMALL, f"output_dir={tmp_path / 'run'}", "bootstrap.n_resamples=20"]
    (tmp_path / machinery.TEMPLATE).write_text(
        "{{ sizes }}{% for title, table in tables %}{{ table }}{% endfor %}"
    )
    read = []
    score_crop = runner.score_crop

    def counted(source, index, arms, score):
        read.append(source.crop_id(index))
        return score_crop(source, index, arms, score)

    monkeypatch.setattr(runner, "score_crop", counted)
    run(tmp_path, *options, "condition=published")
    first = run(tmp_path, *options, "condition=[published,grey]")
    assert len(read) == 4  # those of the first condition once
    assert list(first["condition"]) == ["published"] * 2 + ["grey"] * 2
    assert list(first["subset"]) == ["non_overlap", "overlap"] * 2
    assert (first["n"] == 1).all() and (first["n_as_first"] == 1).all()
    assert (first["mean_r"] > 0.8).all()
    rows = pd.read_csv(tmp_path / "run" / "rows.csv")
    assert tuple(rows.columns) == ("condition", *COLUMNS) and len(rows) == 4
    for name in ("summary.csv", "provenance.json", "README.md", "conditions.png", "conditions.pdf"):
        assert (tmp_path / "run" / name).stat().st_size > 100
    facts = json.loads((tmp_path / "run" / "provenance.json").read_text())
    assert [call["command"] for call in facts["earlier_calls"]]
    assert list(facts["data_fingerprints"]) == ["published", "grey"]

    # A run that was killed: the rows of the last crop are not there.
    path = tmp_path / "run" / "parts" / "grey.csv"
    kept = path.read_text().splitlines(keepends=True)[:2]
    path.write_text("".join(kept))
    again = run(tmp_path, *options, "condition=[published,grey]")
    assert len(read) == 5
    assert path.read_text().startswith("".join(kept))  # its seconds, too: not done twice
    pd.testing.assert_frame_equal(again.drop(columns="median_seconds"), first.drop(columns="median_seconds"))

    with pytest.raises(ConfigError, match=r"\(published, grey changed\); restart=true"):
        run(tmp_path, *options, "condition=[published,grey]", "seed=1")
    restarted = run(tmp_path, *options, "condition=grey", "seed=1", "restart=true")
    assert list(restarted["condition"]) == ["grey"] * 2


def test_a_changed_style_is_that_of_the_page():
    """Lists become tuples, None stays None, the rest is untouched."""
    base = PageStyle(px_per_mm=7)
    style = Condition("a", "b", {"grid_major": [1, 2, 3], "grid_minor": None}).style(base)
    assert style == replace(base, grid_major=(1, 2, 3), grid_minor=None)
