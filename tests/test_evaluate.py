"""Every crop leaves a row, whatever happens; and the command line says its errors in one line."""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field, make_dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import hydra
import numpy as np
import pytest
from drawn_by_hand import ColumnDigitizer, Crashing, HandSource
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import InstantiationException
from omegaconf import OmegaConf

from ecgtrace import cli
from ecgtrace.digitization.ink_map import TrueMask
from ecgtrace.errors import ConfigError, DataError, GridNotFoundError, WeightsError
from ecgtrace.evaluation import metrics
from ecgtrace.evaluation.rows import COLUMNS, read_rows
from ecgtrace.evaluation.run import Evaluation, evaluate_many
from ecgtrace.evaluation.runner import RunOptions
from ecgtrace.provenance import command_line, git_state, provenance
from ecgtrace.studies.evaluate import main

ROOT = Path(__file__).resolve().parents[1]
QUIET = RunOptions(progress=False)


def both():
    return {
        "baseline": ColumnDigitizer(),
        "ceiling": ColumnDigitizer(name="ceiling", segmenter=TrueMask(), model="hand-1"),
    }


def without_time(rows):
    return rows.drop(columns="seconds")


# Rows ---------------------------------------------------------------------------------------------


def test_a_row_for_every_crop_and_digitizer(tmp_path):
    rows = evaluate_many(HandSource(4), both(), tmp_path / "rows.csv", QUIET)
    assert tuple(rows.columns) == COLUMNS
    assert list(rows["crop_id"]) == [f"hand_{i // 2:03d}" for i in range(8)]
    assert list(rows["digitizer"]) == ["baseline", "ceiling"] * 4
    assert list(rows["record_id"]) == ["00000"] * 4 + ["00001"] * 4
    assert list(rows["subset"][::2]) == ["non_overlap", "overlap"] * 2
    assert list(rows["model"][:2]) == ["", "hand-1"]
    # The mean row of a column leaves waves out where a neighbour's ink is beside them; the verdict says so.
    assert list(rows["status"]) == ["ok", "ok", "doubtful", "ok"] * 2
    assert [bool(doubts) for doubts in rows["doubts"]] == [False, False, True, False] * 2
    assert (rows["n_samples"] == 250).all() and (rows["fs_hz"] == 100).all()
    np.testing.assert_allclose(rows["grid_error_x"], 0.02)
    np.testing.assert_allclose(rows["grid_error_y"], 0)
    assert (rows["seconds"] > 0).all()


def test_the_neighbour_misleads_the_baseline_and_not_the_true_mask(tmp_path):
    """Were the mask not handed on, or handed to both, the two would score alike."""
    rows = evaluate_many(HandSource(4), both(), tmp_path / "rows.csv", QUIET)
    r = rows.set_index(["subset", "digitizer"])["r"].groupby(level=[0, 1]).min()
    assert r["overlap", "ceiling"] > 0.97
    assert r["overlap", "baseline"] < r["overlap", "ceiling"] - 0.01
    assert r["non_overlap", "baseline"] == r["non_overlap", "ceiling"]


def test_failures_are_rows(tmp_path):
    """A crop that cannot be read, one without a trace, and a digitizer with a defect."""
    source = HandSource(4, broken=(1,), blank=(2,))
    rows = evaluate_many(source, {**both(), "crashing": Crashing()}, tmp_path / "rows.csv", QUIET)
    assert len(rows) == 12
    rows = rows.set_index(["crop_id", "digitizer"])

    unread = rows.loc[("hand_001", "baseline")]
    assert unread["status"] == "failed" and unread["r"] == 0 and unread["snr_db"] == 0
    assert unread["message"] == "hand_001: the picture is cut short"
    assert unread["subset"] == "overlap"
    assert np.isnan(unread["mse_mv2"])

    blank = rows.loc[("hand_002", "ceiling")]
    assert blank["status"] == "failed" and blank["coverage"] == 0
    assert blank["message"] == "the picture holds no ink; is it a picture of a lead?"
    assert blank["mse_mv2"] == pytest.approx(np.var(source.signal(2)))
    assert blank["seconds"] > 0

    crashed = rows.loc[("hand_003", "crashing")]
    assert crashed["message"] == "ZeroDivisionError: division by zero"
    assert crashed["mse_mv2"] == pytest.approx(np.var(source.signal(3)))


@dataclass(frozen=True)
class Doubting(ColumnDigitizer):
    """A digitizer that does not trust itself, and says so in two lines."""

    name: str = "doubting"

    def __call__(self, image):
        found = super().__call__(image)
        return replace(found, doubts=("the scale is a guess:\n2 lines", "heart rate 14"), start_px=3.0)


def test_doubts_are_in_the_rows_and_scored_as_read(tmp_path):
    rows = evaluate_many(
        HandSource(1), {"sure": ColumnDigitizer(), "doubting": Doubting()}, tmp_path / "rows.csv", QUIET
    ).set_index("digitizer")
    assert list(rows["status"]) == ["ok", "doubtful"]
    assert rows.loc["sure", "doubts"] == ""
    assert rows.loc["doubting", "doubts"] == "the scale is a guess: 2 lines; heart rate 14"
    assert rows.loc["doubting", "r"] == rows.loc["sure", "r"] > 0.9
    assert rows.loc["doubting", "lag_ms"] == rows.loc["sure", "lag_ms"]


def test_time_0_is_in_the_rows_where_the_crop_tells_it(tmp_path):
    """3 px to the right of a trace that begins in column 0, at 4 px/mm: 30 ms late."""

    class Telling(HandSource):
        def __getitem__(self, index):
            return replace(super().__getitem__(index), start_px=0.0 if index else None)

    rows = evaluate_many(Telling(2), {"doubting": Doubting()}, tmp_path / "rows.csv", QUIET)
    assert np.isnan(rows["time0_error_ms"][0])
    assert rows["time0_error_ms"][1] == pytest.approx(30)


def test_a_subset_leaves_out_the_rest_but_no_failure(tmp_path):
    score = Evaluation(subset="overlap")
    source = HandSource(6, broken=(3,))
    rows = evaluate_many(source, {"b": ColumnDigitizer()}, tmp_path / "rows.csv", QUIET, score)
    assert list(rows["crop_id"]) == ["hand_001", "hand_003", "hand_005"]
    assert list(rows["status"]) == ["doubtful", "failed", "doubtful"]


class Stopping(HandSource):
    """A source during whose fourth crop somebody pulls the plug."""

    def __getitem__(self, index):
        if index == 3:
            raise KeyboardInterrupt
        return super().__getitem__(index)


class Peeking(HandSource):
    """A source that looks at the file while the fourth crop is read."""

    path: ClassVar[Path]
    seen: ClassVar[int] = 0

    def __getitem__(self, index):
        if index == 3:
            Peeking.seen = len(read_rows(self.path))
        return super().__getitem__(index)


def test_rows_are_on_the_disk_as_soon_as_they_are_made(tmp_path):
    """A killed process writes nothing more: three crops of two digitizers are there before the fourth."""
    Peeking.path = tmp_path / "rows.csv"
    evaluate_many(Peeking(4), both(), Peeking.path, QUIET)
    assert Peeking.seen == 6


class Counting(HandSource):
    """A source that remembers what was read."""

    read: ClassVar[list[int]] = []

    def __getitem__(self, index):
        self.read.append(index)
        return super().__getitem__(index)


def test_an_interrupted_run_resumes(tmp_path):
    """What was written is kept, a torn last line is done again, and the file ends up the same."""
    whole = evaluate_many(HandSource(6), both(), tmp_path / "whole.csv", QUIET)
    path = tmp_path / "rows.csv"
    with pytest.raises(KeyboardInterrupt):
        evaluate_many(Stopping(6), both(), path, QUIET)
    assert len(read_rows(path)) == 6
    path.write_text(path.read_text()[:-20])

    Counting.read.clear()
    options = RunOptions(resume=True, progress=False)
    rows = evaluate_many(Counting(6), both(), path, options)
    assert Counting.read == [2, 3, 4, 5]
    assert without_time(rows).equals(without_time(whole))
    assert without_time(read_rows(path)).equals(without_time(whole))


def test_resume_adds_a_digitizer_in_its_place(tmp_path):
    path = tmp_path / "rows.csv"
    evaluate_many(HandSource(2), {"ceiling": both()["ceiling"]}, path, QUIET)
    rows = evaluate_many(HandSource(2), both(), path, RunOptions(resume=True, progress=False))
    whole = evaluate_many(HandSource(2), both(), tmp_path / "whole.csv", QUIET)
    assert without_time(rows).equals(without_time(whole))


def test_without_resume_old_rows_go(tmp_path):
    path = tmp_path / "rows.csv"
    evaluate_many(HandSource(4), both(), path, QUIET)
    assert len(evaluate_many(HandSource(1), both(), path, QUIET)) == 2


def test_workers_give_the_same_rows(tmp_path):
    one = evaluate_many(HandSource(5, broken=(2,)), both(), tmp_path / "one.csv", QUIET)
    options = RunOptions(workers=2, progress=False)
    two = evaluate_many(HandSource(5, broken=(2,)), both(), tmp_path / "two.csv", options)
    assert without_time(one).equals(without_time(two))


def test_rows_of_another_make_are_refused(tmp_path):
    (tmp_path / "rows.csv").write_text("crop_id,r\na,1\n")
    with pytest.raises(DataError, match="has no column"):
        read_rows(tmp_path / "rows.csv")
    with pytest.raises(DataError, match=r"python evaluate\.py"):
        read_rows(tmp_path / "missing.csv")


# The whole run ------------------------------------------------------------------------------------


def config(folder, **changes):
    """Return conf/evaluate.yaml with the tests' own crops and digitizer."""
    cfg = OmegaConf.load(ROOT / "conf" / "evaluate.yaml")
    del cfg["defaults"], cfg["hydra"]
    own = {
        "data": {"_target_": "drawn_by_hand.HandSource", "count": 6},
        "digitizer": {"_target_": "drawn_by_hand.ColumnDigitizer"},
        "subset": OmegaConf.load(ROOT / "conf" / "subset" / "all.yaml"),
        "logger": OmegaConf.load(ROOT / "conf" / "logger" / "csv.yaml"),
        "output_dir": str(folder),
        "progress": False,
        "figures": False,
    }
    return OmegaConf.merge(cfg, own, changes)


def test_a_run_leaves_its_files(tmp_path, capsys):
    result = main(config(tmp_path, figures=True, data={"count": 2}))
    for name in (
        "rows.csv",
        "metrics.json",
        "metrics.csv",
        "provenance.json",
        "report.html",
        "tables/overlap.md",
    ):
        assert (tmp_path / name).stat().st_size > 0, name
    assert json.loads((tmp_path / "metrics.json").read_text()) == result
    assert result["overlap"]["digitizers"]["baseline"]["n"] == 1
    assert len(list((tmp_path / "figures").glob("*.pdf"))) == 4  # two overlays, r, grid
    assert f"report: {tmp_path / 'report.html'}" in capsys.readouterr().out


@dataclass(frozen=True)
class WithCard(ColumnDigitizer):
    """A digitizer whose model says where its weights come from."""

    segmenter: Any = field(
        default_factory=lambda: SimpleNamespace(
            card=make_dataclass("Card", ["started_from"])(started_from="imagenet")
        )
    )

    def __call__(self, image):
        return ColumnDigitizer(self.name)(image)


def test_provenance_tells_where_the_weights_come_from(tmp_path):
    main(config(tmp_path, digitizer={"_target_": "test_evaluate.WithCard", "model": "unet:1"}))
    facts = json.loads((tmp_path / "provenance.json").read_text())
    assert facts["models"] == {"baseline": {"model": "unet:1", "started_from": "imagenet"}}
    assert facts["n_crops"] == 6
    assert "started_from imagenet" in (tmp_path / "report.html").read_text()


def test_figures_do_not_depend_on_a_failure(tmp_path):
    """The worst crop of a subset failed, another cannot be read: pictures are drawn all the same."""
    main(config(tmp_path, figures=True, data={"count": 4, "broken": [1], "blank": [2]}))
    names = {path.stem for path in (tmp_path / "figures").glob("*.png")}
    assert names >= {f"overlay_{rest}" for rest in ("non_overlap_baseline_worst", "overlap_baseline_best")}


def test_resume_refuses_rows_of_another_configuration(tmp_path):
    main(config(tmp_path))
    main(config(tmp_path, resume=True))
    with pytest.raises(ConfigError, match="crops or their scoring changed"):
        main(config(tmp_path, resume=True, data={"count": 4}))
    with pytest.raises(ConfigError, match="baseline changed"):
        main(config(tmp_path, resume=True, digitizer={"model": "other"}))


@pytest.mark.parametrize("mode", ["disabled", "offline"])
def test_wandb_asks_nobody(tmp_path, monkeypatch, mode):
    monkeypatch.setenv("WANDB_MODE", mode)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    main(config(tmp_path, logger=OmegaConf.load(ROOT / "conf" / "logger" / "wandb.yaml")))
    assert list(tmp_path.glob("wandb/offline-run-*")) or mode == "disabled"


def test_bad_values_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="workers"):
        main(config(tmp_path, workers=0))
    with pytest.raises(ConfigError, match="no crop"):
        main(config(tmp_path, data={"count": 0}))
    wandb = {"_target_": "ecgtrace.reporting.tracking.WandbTracker", "mode": "ofline"}
    with pytest.raises(InstantiationException, match="offline, online"):
        main(config(tmp_path, logger=wandb))
    assert not (tmp_path / "rows.csv").exists()


@pytest.fixture
def hand_conf(tmp_path):
    """A configuration folder like the project's, with the tests' own crops and digitizers."""
    cfg = config("runs", progress=False)
    del cfg["data"], cfg["digitizer"], cfg["subset"], cfg["logger"]
    cfg["defaults"] = [
        {"data": "hand"},
        {"digitizer": "baseline"},
        {"subset": "all"},
        {"logger": "none"},
        "_self_",
    ]
    conf = tmp_path / "conf"
    for group in ("data", "digitizer", "subset", "logger"):
        (conf / group).mkdir(parents=True)
    for group in ("subset", "logger"):
        for path in (ROOT / "conf" / group).glob("*.yaml"):
            (conf / group / path.name).write_text(path.read_text())
    OmegaConf.save(cfg, conf / "evaluate.yaml")
    target = "_target_: drawn_by_hand"
    (conf / "data" / "hand.yaml").write_text(f"{target}.HandSource\ncount: 4\n")
    (conf / "digitizer" / "baseline.yaml").write_text(f"{target}.ColumnDigitizer\nname: baseline\n")
    (conf / "digitizer" / "ceiling.yaml").write_text(
        f"{target}.ColumnDigitizer\nname: ceiling\n"
        "segmenter: {_target_: ecgtrace.digitization.ink_map.TrueMask}\n"
    )
    return conf


def test_compare_puts_digitizers_into_one_table(hand_conf, tmp_path):
    with initialize_config_dir(str(hand_conf), version_base="1.3"):
        cfg = compose("evaluate", ["compare=[ceiling]", f"output_dir={tmp_path / 'run'}"])
        result = main(cfg)
        assert list(result["overlap"]["digitizers"]) == ["baseline", "ceiling"]
        (comparison,) = result["overlap"]["comparisons"]
        assert comparison["digitizer"] == "ceiling" and comparison["reference"] == "baseline"
        with pytest.raises(ConfigError, match="named 'baseline'"):
            main(compose("evaluate", ["compare=[baseline]", f"output_dir={tmp_path / 'run'}"]))
        with pytest.raises(ConfigError, match="baseline ceiling"):
            main(compose("evaluate", ["compare=[celing]", f"output_dir={tmp_path / 'run'}"]))


# Command line -------------------------------------------------------------------------------------


def command(hand_conf, monkeypatch, capfd, arguments, task=lambda cfg: None):
    """Run an entry point as the shell would; return its exit code and what stands on stderr."""
    GlobalHydra.instance().clear()
    run_dir = f"hydra.run.dir={hand_conf.parent / 'run'}"
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *arguments, run_dir, "hydra/job_logging=disabled"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    entry = hydra.main(config_path=str(hand_conf), config_name="evaluate", version_base="1.3")(
        cli.one_line_errors(task)
    )
    code = 0
    try:
        cli.run(entry)
    except SystemExit as stop:
        code = stop.code
    return code, capfd.readouterr().err


@pytest.mark.parametrize(
    ("argument", "parts"),
    [
        ("digitizer.nmae=x", ["digitizer.nmae", "Did you mean name"]),
        ("worker=2", ["worker", "Did you mean workers"]),
        ("digitizer=none", ["digitizer/none", "baseline ceiling"]),
        ("digitiser=baseline", ["digitiser"]),
        ("align.max_lag=1", ["align.max_lag", "Did you mean max_lag_s"]),
        ("subset=overlaps", ["subset/overlaps", "all non_overlap overlap"]),
        ("--workers", ["unrecognized arguments: --workers", "key=value"]),
        ("workers", ["'workers'", "key=value"]),
        ("workers=[", ["workers=["]),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(hand_conf, monkeypatch, capfd, argument, parts):
    code, text = command(hand_conf, monkeypatch, capfd, [argument])
    assert code == 2
    assert text.startswith("error: ") and text.count("\n") == 1, text
    for part in parts:
        assert part in text


@pytest.mark.parametrize("multirun", [False, True])
@pytest.mark.parametrize(
    ("error", "code"),
    [(ConfigError("workers\nis 0"), 2), (GridNotFoundError("no grid"), 1), (DataError("no such folder"), 1)],
)
def test_expected_errors_of_a_task_are_one_line(hand_conf, monkeypatch, capfd, error, code, multirun):
    def task(cfg):
        raise error

    arguments = (
        ["-m", f"hydra.sweep.dir={hand_conf.parent}", "hydra/hydra_logging=disabled"] if multirun else []
    )
    got, text = command(hand_conf, monkeypatch, capfd, arguments, task)
    assert got == code
    assert text == f"error: {' '.join(str(error).split())}\n"


def test_options_of_the_digitizer_are_not_handed_to_those_compared(hand_conf, monkeypatch, capfd):
    """Were digitizer.name=mine applied to both, two digitizers would have one name."""
    arguments = ["digitizer=baseline", "digitizer.name=mine", "compare=[ceiling]", "data.count=2"]
    arguments.append(f"output_dir={hand_conf.parent / 'out'}")
    code, text = command(hand_conf, monkeypatch, capfd, arguments, main)
    assert (code, text) == (0, "")
    rows = read_rows(hand_conf.parent / "out" / "rows.csv")
    assert list(rows["digitizer"]) == ["mine", "ceiling"] * 2


def test_a_value_that_must_be_given_is_named(hand_conf, monkeypatch, capfd):
    """Under the name that the user types, not under that of the object which needs it."""
    with (hand_conf / "data" / "hand.yaml").open("a") as file:
        file.write("root: ???\nagain: ${data.root}\n")
    code, text = command(hand_conf, monkeypatch, capfd, [], lambda cfg: cfg.data.again)
    assert (code, text) == (2, "error: these options have no default, set them: data.root=...\n")


def test_a_defect_keeps_its_stack_trace(hand_conf, monkeypatch, capfd):
    def task(cfg):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        command(hand_conf, monkeypatch, capfd, [], task)


def test_an_object_that_cannot_be_built(hand_conf, monkeypatch, capfd):
    def task(cfg):
        hydra.utils.instantiate(cfg.digitizer)

    code, text = command(hand_conf, monkeypatch, capfd, ["+digitizer.extra=1"], task)
    assert code == 2
    assert text.startswith("error: digitizer") and "extra" in text and text.count("\n") == 1


def make_nothing():
    raise WeightsError("the weights are missing; run python train.py")


def test_what_a_constructor_says_is_passed_on(hand_conf, monkeypatch, capfd):
    def task(cfg):
        hydra.utils.instantiate({"_target_": "test_evaluate.make_nothing"})

    code, text = command(hand_conf, monkeypatch, capfd, [], task)
    assert (code, text) == (1, "error: the weights are missing; run python train.py\n")


def test_argparse_is_left_as_it_was(hand_conf, monkeypatch, capfd):
    before = argparse.ArgumentParser.error
    command(hand_conf, monkeypatch, capfd, ["--workers"])
    assert argparse.ArgumentParser.error is before


# Provenance ---------------------------------------------------------------------------------------


def test_provenance_is_json_and_resolved():
    facts = provenance(OmegaConf.create({"seed": 3, "a": {"b": "${seed}"}}))
    again = json.loads(json.dumps(facts))
    assert again["seed"] == 3 and again["config"]["a"]["b"] == 3
    assert again["versions"]["numpy"] == np.__version__
    assert again["cores"] >= 1 and again["date_utc"].endswith("+00:00")


def test_git_state(tmp_path):
    """None outside git; else the commit, and dirty as soon as a tracked file differs."""
    assert git_state(tmp_path) == (None, None)

    def git(*arguments):
        who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a"}
        environment = {**os.environ, **who, "GIT_COMMITTER_EMAIL": "a@b"}
        return subprocess.run(
            ["git", "-C", str(tmp_path), *arguments],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    git("init", "-q")
    (tmp_path / "provenance.py").write_text("1")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    assert git_state(tmp_path) == (git("rev-parse", "HEAD"), False)
    (tmp_path / "provenance.py").write_text("2")
    assert git_state(tmp_path)[1] is True


def test_command_line():
    assert command_line(["/some/where/evaluate.py", "subset=overlap"]) == "python evaluate.py subset=overlap"


def test_where_files_lie_on_a_machine_is_not_told(monkeypatch):
    argv = ["train.py", "-m", "signals.root=/data/clinic/records", f"init_from={ROOT}/a/b.safetensors"]
    monkeypatch.chdir(ROOT)
    assert command_line([*argv, "x=../shared/c"]) == (
        "python train.py -m signals.root=records init_from=a/b.safetensors x=../shared/c"
    )
    cfg = OmegaConf.create({"seed": 1, "a": {"root": "/data/clinic/records", "b": [f"{ROOT}/c", "25 mm/s"]}})
    assert provenance(cfg)["config"]["a"] == {"root": "records", "b": ["c", "25 mm/s"]}


def test_scores_of_a_row_are_those_of_the_metrics(tmp_path):
    """A second way to the same numbers: digitize by hand, score by hand."""
    source = HandSource(2)
    row = evaluate_many(source, {"b": ColumnDigitizer()}, tmp_path / "rows.csv", QUIET).iloc[1]
    scores = metrics.score(source[1], ColumnDigitizer()(source[1].image))
    assert (row["r"], row["mse_mv2"], row["snr_db"]) == (scores.r, scores.mse_mv2, scores.snr_db)
