"""The pipeline: what is done is not done again, what was cut off goes on, a failure loses nothing else."""

import json
import os
import time
from pathlib import Path

import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from ecgtrace.errors import ConfigError
from ecgtrace.paper import ablation, index, paper_tables, pipeline
from ecgtrace.paper import runs as runs_module
from ecgtrace.paper.artefact import Artefact, Claim
from ecgtrace.paper.artefacts import ARTEFACTS
from ecgtrace.paper.runs import (
    Run,
    RunFailedError,
    State,
    execute,
    make_runs,
    move_aside,
    needed,
    progress,
    state,
)
from ecgtrace.reporting import pages

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def hydra_conf():
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        yield


@pytest.fixture
def cfg(tmp_path):
    return compose("reproduce", [f"output_dir={tmp_path}/out", "progress=false", "logger=none"])


def finish(run):
    """Leave what a finished run leaves."""
    config = run.folder / ".hydra" / "config.yaml"
    config.parent.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(compose(run.entry, list(run.options)), config)
    name = {"train": "metrics.json", "evaluate": "report.html"}[run.entry]
    (run.folder / name).write_text("{}")


def age(folder, seconds):
    """Make all files of a folder older."""
    for path in folder.rglob("*"):
        then = path.stat().st_mtime - seconds
        os.utime(path, (then, then))


def test_every_artefact_of_the_paper_is_there():
    figures = {f"fig{n}" for n in (1, 3, 4, 5, 6, 7, 8, 9)}
    assert figures | {"table1", "table2", "iou", "no_detection", "ablation"} == set(ARTEFACTS)


@pytest.mark.parametrize("profile", ["quick", "cpu", "t4"])
def test_the_runs_of_every_profile_compose(profile, tmp_path):
    """Each run's command is a valid one, and writes where the pipeline looks."""
    cfg = compose("reproduce", [f"profile={profile}", f"output_dir={tmp_path}"])
    runs = make_runs(cfg)
    needs = {need for artefact in ARTEFACTS.values() for need in artefact.needs}
    assert needs <= set(runs)
    for run in runs.values():
        compose(run.entry, list(run.options))
        assert f"hydra.run.dir={tmp_path}/{run.name}" in run.command


@pytest.mark.parametrize("profile", ["quick", "cpu", "t4"])
def test_every_evaluation_measures_what_its_name_in_the_tables_says(profile, tmp_path):
    """The paper's tables and arms are of the paper's method, whatever evaluate.py's default digitizer is."""
    cfg = compose("reproduce", [f"profile={profile}", f"output_dir={tmp_path}"])
    measured = {}
    for run in make_runs(cfg).values():
        if run.entry != "evaluate":
            continue
        options = list(run.options)
        assert any(option.startswith("digitizer=") for option in options), f"{run.name} names no digitizer"
        composed = compose("evaluate", options)
        others = [compose("evaluate", [f"digitizer={name}"]).digitizer for name in composed.compare]
        for config in (composed.digitizer, *others):
            measured[run.name, config.get("name", "baseline")] = config
    kinds = {key: config._target_.rpartition(".")[2] for key, config in measured.items()}
    assert kinds == {
        key: "BaselineDigitizer" if key[1] == paper_tables.BASELINE else "ProposedDigitizer" for key in kinds
    }
    segmenters = {
        key: config.segmenter._target_ for key, config in measured.items() if config.get("segmenter")
    }
    assert {key[1] for key, target in segmenters.items() if "Yolo" in target} == {paper_tables.YOLO}
    printed = {
        ("evaluate_shipped", name)
        for name in (paper_tables.BASELINE, paper_tables.SHIPPED, paper_tables.CEILING)
    }
    printed |= {("evaluate_unet_paper", paper_tables.TRAINED), ("evaluate_yolo", paper_tables.YOLO)}
    arms = (
        *ablation.AUGMENTATION,
        *ablation.RESIZE,
        *ablation.READING,
        *ablation.start_arms("imagenet", True),
    )
    printed |= {(arm.run, arm.digitizer) for arm in arms}
    assert printed == set(measured)


def test_the_t4_profile_is_the_papers_recipe(tmp_path):
    cfg = compose("reproduce", ["profile=t4", f"output_dir={tmp_path}"])
    unet = compose("train", list(make_runs(cfg)["unet_paper"].options))
    assert (unet.trainer.max_epochs, unet.training.train.size, unet.training.batch_size) == (20, 20000, 16)
    assert unet.model.network.encoder_weights == "imagenet"


def test_where_imagenet_can_be_had_its_worth_is_measured(tmp_path, capsys):
    cfg = compose("reproduce", ["profile=t4", f"output_dir={tmp_path}", "artefact=ablation", "dry_run=true"])
    assert pipeline.main(cfg, ROOT) == 0
    planned = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert {"unet_random_start", "evaluate_unet_random_start"} <= set(planned)


def test_a_run_comes_after_those_it_needs(cfg):
    runs = make_runs(cfg)
    names = list(runs)
    assert names.index("unet_none") < names.index("evaluate_unet_none")
    weights = f"digitizer.segmenter.weights={cfg.output_dir}/unet_none/weights.safetensors"
    assert weights in runs["evaluate_unet_none"].options
    assert [run.name for run in needed(["evaluate_unet_none"], runs)] == ["unet_none", "evaluate_unet_none"]


def test_a_circle_is_refused(cfg):
    cfg.runs.unet_none.options = ["init_from={unet_basic}/weights.safetensors"]
    cfg.runs.unet_basic.options = ["init_from={unet_none}/weights.safetensors"]
    with pytest.raises(ConfigError, match="circle"):
        make_runs(cfg)


def test_the_states_of_a_run(cfg):
    runs = make_runs(cfg)
    run = runs["unet_none"]
    assert state(run, runs) is State.TO_DO
    finish(run)
    assert state(run, runs) is State.DONE
    (run.folder / "metrics.json").unlink()
    assert state(run, runs) is State.BEGUN


def test_a_run_made_with_other_settings_is_stale(cfg):
    runs = make_runs(cfg)
    finish(runs["unet_none"])
    cfg.seed = 1
    again = make_runs(cfg)
    assert state(again["unet_none"], again) is State.STALE


def test_a_run_that_rests_on_a_younger_one_is_stale(cfg):
    runs = make_runs(cfg)
    finish(runs["unet_none"])
    finish(runs["evaluate_unet_none"])
    age(runs["unet_none"].folder, 10)
    assert state(runs["evaluate_unet_none"], runs) is State.DONE
    age(runs["evaluate_unet_none"].folder, 20)
    assert state(runs["evaluate_unet_none"], runs) is State.STALE


def test_old_results_are_kept(tmp_path):
    for number in (1, 2):
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "rows.csv").write_text(str(number))
        move_aside(tmp_path / "run")
    assert (tmp_path / "run.old1" / "rows.csv").read_text() == "1"
    assert (tmp_path / "run.old2" / "rows.csv").read_text() == "2"


def script(tmp_path, text):
    """A run whose entry point is a small script."""
    (tmp_path / "train.py").write_text(text)
    return Run("r", "train", (), tmp_path / "out" / "r", (), 1.0)


def test_a_run_that_fails_says_its_last_error(tmp_path):
    run = script(tmp_path, "import sys; print('error: no signals there'); print('bye'); sys.exit(1)")
    with pytest.raises(RunFailedError, match=r"^no signals there \(all of it: "):
        execute(run, tmp_path, lambda text: None)


def test_a_run_that_leaves_nothing_failed(tmp_path):
    with pytest.raises(RunFailedError, match="it printed nothing"):
        execute(script(tmp_path, ""), tmp_path, lambda text: None)


def test_the_parent_is_told_how_far_a_run_is(tmp_path):
    run = script(
        tmp_path,
        "import pathlib, time\n"
        "folder = pathlib.Path(__file__).parent / 'out' / 'r'\n"
        "folder.mkdir(parents=True)\n"
        "(folder / 'metrics.csv').write_text('epoch,val/iou\\n0,0.1\\n1,0.25\\n')\n"
        "time.sleep(0.6)\n"
        "(folder / 'metrics.json').write_text('{}')\n",
    )
    told = []
    seconds = execute(run, tmp_path, told.append)
    assert "2 epochs, val IoU 0.250" in told
    assert 0.6 < seconds < 30
    assert progress(run) == "2 epochs, val IoU 0.250"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="the kernel's help is Linux's")
def test_a_run_does_not_outlive_its_reproduction(tmp_path):
    """Killed, a reproduction leaves no orphan that would write beside the next one."""
    marker = tmp_path / "alive"
    run = script(
        tmp_path,
        f"import pathlib, time\nwhile True:\n    pathlib.Path({str(marker)!r}).touch(); time.sleep(0.02)\n",
    )
    parent = os.fork()
    if parent == 0:
        try:
            execute(run, tmp_path, lambda text: None)
        finally:
            os._exit(0)
    while not marker.exists():
        time.sleep(0.02)
    os.kill(parent, 9)
    os.waitpid(parent, 0)
    time.sleep(0.3)
    marker.unlink()
    time.sleep(0.3)
    assert not marker.exists()


@pytest.fixture
def small(cfg, monkeypatch):
    """Three artefacts over three runs, all quick."""
    cfg.runs = {
        "good": {"entry": "train", "kind": "unet", "options": ["augmentation=none"]},
        "bad": {"entry": "train", "kind": "unet", "options": ["augmentation=basic"]},
        "uses_bad": {
            "entry": "evaluate",
            "kind": "evaluate",
            "options": ["digitizer.segmenter.weights={bad}/weights.safetensors"],
        },
    }
    done = []

    def do(run, root, tell):
        done.append(run.name)
        if run.name == "bad":
            raise RunFailedError("disk full")
        finish(run)
        return 1.0

    built = []

    def build(sources, folder):
        built.append(folder.name)
        (folder / "rows.csv").write_text("a\n1\n")
        return [Claim(f"{folder.name} | claim", "1.0", "0.9 [0.8, 1.0]", False, "because")]

    artefacts = (
        Artefact("one", "One", ("good",), build),
        Artefact("two", "Two", ("uses_bad",), build),
        Artefact("three", "Three", (), build),
    )
    monkeypatch.setattr(pipeline, "execute", do)
    monkeypatch.setattr(pipeline, "ARTEFACTS", {a.name: a for a in artefacts})
    return cfg, done, built


def test_a_failed_run_costs_only_what_needs_it(small, capsys):
    cfg, done, built = small
    assert pipeline.main(cfg, ROOT) == 1
    assert (done, built) == (["good", "bad"], ["one", "three"])
    claims = pd.read_csv(Path(cfg.output_dir) / "claims.csv", keep_default_na=False)
    assert list(claims.columns) == index.COLUMNS
    row = claims[claims["artefact"] == "two"].iloc[0]
    assert row["why"] == "could not be made: uses_bad: needs bad, which failed"
    assert "2 of 3 artefacts are there" in capsys.readouterr().out


def test_what_is_done_is_not_done_again(small, capsys):
    cfg, done, built = small
    cfg.artefact = "one,three"
    assert pipeline.main(cfg, ROOT) == 0
    done.clear(), built.clear(), capsys.readouterr()
    assert pipeline.main(cfg, ROOT) == 0
    assert (done, built) == ([], [])
    assert "nothing to do, all 2 artefacts are there" in capsys.readouterr().out
    cfg.rebuild = True
    assert pipeline.main(cfg, ROOT) == 0
    assert (done, built) == ([], ["one", "three"])


def test_a_dry_run_does_nothing(small, capsys):
    cfg, done, built = small
    cfg.dry_run = True
    assert pipeline.main(cfg, ROOT) == 0
    assert (done, built) == ([], [])
    out = capsys.readouterr().out
    assert "good" in out and "to do" in out and "expected:" in out


def test_a_new_run_has_its_artefacts_drawn_again(small):
    cfg, done, built = small
    cfg.artefact = "one,three"
    pipeline.main(cfg, ROOT)
    built.clear()
    cfg.runs.good.options = ["augmentation=paper"]
    assert pipeline.main(cfg, ROOT) == 0
    assert (done, built) == (["good", "good"], ["one"])
    assert (Path(cfg.output_dir) / "good.old1").is_dir()


def test_a_builder_that_breaks_is_a_line_of_the_index(small, monkeypatch):
    cfg, _, _ = small

    def broken(sources, folder):
        raise KeyError("val/iou")

    artefacts = {"one": Artefact("one", "One", ("good",), broken), "three": pipeline.ARTEFACTS["three"]}
    monkeypatch.setattr(pipeline, "ARTEFACTS", artefacts)
    assert pipeline.main(cfg, ROOT) == 1
    text = (Path(cfg.output_dir) / "index.md").read_text()
    assert "could not be made: KeyError: 'val/iou'" in text
    assert "three \\| claim" in text


def test_a_wrong_name_lists_all(cfg):
    cfg.artefact = "fig77"
    with pytest.raises(ConfigError, match="artefact=fig77 is unknown; choose all or of table1, table2"):
        pipeline.main(cfg, ROOT)


def test_two_reproductions_do_not_share_a_folder(small, monkeypatch):
    from filelock import FileLock

    cfg, _, _ = small
    monkeypatch.setattr(pipeline, "_LOCK_WAIT_S", 0.1)
    Path(cfg.output_dir).mkdir(parents=True)
    with FileLock(Path(cfg.output_dir) / ".lock"), pytest.raises(ConfigError, match="another reproduction"):
        pipeline.main(cfg, ROOT)


def test_small_files_are_published(small, tmp_path):
    cfg, _, _ = small
    cfg.artefact, cfg.publish = "one", str(tmp_path / "experiments")
    pipeline.main(cfg, ROOT)
    names = {str(p.relative_to(tmp_path / "experiments")) for p in (tmp_path / "experiments").rglob("*.*")}
    assert {"index.md", "claims.csv", "artefacts/one/rows.csv", "runs/good/metrics.json"} <= names
    assert json.loads((tmp_path / "experiments" / "provenance.json").read_text())["seed"] == 0


def test_a_claim_that_does_not_hold_says_why():
    with pytest.raises(ValueError, match="say why"):
        Claim("r", "0.9", "0.8", False)


def test_signals_of_the_command_line_reach_every_run(cfg, monkeypatch):
    class Fake:
        class overrides:
            task = ["profile=quick", "signals=ptbxl", "signals.root=DIR", "seed=3"]  # noqa: RUF012

        @staticmethod
        def initialized():
            return True

        @classmethod
        def get(cls):
            return cls

    monkeypatch.setattr(runs_module, "HydraConfig", Fake)
    run = make_runs(cfg)["unet_none"]
    assert [o for o in run.options if "signals" in o] == ["signals=ptbxl", "signals.root=DIR"]
    assert compose("train", list(run.options)).signals.root == "DIR"


def test_the_pages_of_experiments_agree_with_their_claims():
    """experiments/README.md is written by `publish`, and nobody has typed into it."""
    page = (ROOT / "experiments" / "README.md").read_text()
    folders = [path.parent for path in (ROOT / "experiments").glob("*/claims.csv")]
    for folder in folders:
        table = pd.read_csv(folder / "claims.csv", keep_default_na=False, dtype=str)
        assert f"<!-- claims {folder.name} -->" in page
        assert pages.between_marks(page, f"claims {folder.name}", index.claims_table(table)) == page
