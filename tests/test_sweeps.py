"""Sweeps: every launcher for real, failing jobs, one table, a search that goes on, two processes as one."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import lightning
import numpy as np
import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from ecgtrace.reporting.wandb_offline import find_runs, read_run
from ecgtrace.training.datamodule import CropDataModule, EpochShuffle
from ecgtrace.training.module import SegmentationModule

ROOT = Path(__file__).resolve().parents[1]
LIGHT = ROOT / "tests" / "light_training.py"
TINY = [
    "experiment=quick",
    "trainer.max_epochs=1",
    "training.train.size=4",
    "training.val.n_non_overlap=1",
    "training.val.n_overlap=1",
    "model.network.encoder=timm-mobilenetv3_small_minimal_100",
    "model.height=32",
    "model.width=64",
]


def call(script, *options, cwd=ROOT, **variables):
    environment = {k: v for k, v in os.environ.items() if k not in ("HYDRA_FULL_ERROR", "OMP_NUM_THREADS")}
    return subprocess.run(
        [sys.executable, str(script), *options],
        cwd=cwd,
        env={**environment, **variables},
        capture_output=True,
        text=True,
    )


def options(group):
    return sorted(path.stem for path in (ROOT / "conf" / group).glob("*.yaml"))


def composed(*overrides):
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose("train", list(overrides), return_hydra_config=True)


def trials_of(storage):
    """Read a study as it lies on disk: (state, value, parameters) of each trial, in order."""
    with sqlite3.connect(storage) as db:
        values = dict(db.execute("SELECT trial_id, value FROM trial_values"))
        trials = db.execute("SELECT trial_id, state FROM trials ORDER BY number").fetchall()
        found = db.execute("SELECT trial_id, param_name, param_value FROM trial_params").fetchall()
    parameters = {trial: {name: value for at, name, value in found if at == trial} for trial, _ in trials}
    return [(state, values.get(trial), parameters[trial]) for trial, state in trials]


def errors(done):
    return [line for line in done.stderr.splitlines() if line.startswith("error: ")]


@pytest.mark.parametrize("launcher", options("launcher"))
def test_launchers_compose_with_options_that_they_take(launcher):
    """Slurm cannot be run without a cluster; its options are those of submitit's executor."""
    cfg = composed(f"launcher={launcher}").hydra.launcher
    assert launcher.split("_")[0] in cfg._target_
    if launcher == "submitit_slurm":
        from submitit.slurm.slurm import SlurmExecutor

        known = SlurmExecutor._valid_parameters() | {"timeout_min", "tasks_per_node", "name"}
        known |= {
            "_target_",
            "submitit_folder",
            "max_num_timeout",
            "gpus_per_node",
            "mem_gb",
            "cpus_per_task",
        }
        assert set(cfg) <= known
        assert cfg.max_num_timeout > 0


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [None, *(x for x in options("launcher") if x != "submitit_slurm")])
def test_a_failing_job_is_a_row_and_the_others_are_done(launcher, tmp_path):
    chosen = [] if launcher is None else [f"launcher={launcher}"]
    arguments = ["-m", "seed=0,1,2,3", f"hydra.sweep.dir={tmp_path}/sweep", *chosen]
    done = call(LIGHT, *arguments, cwd=tmp_path, RAY_USAGE_STATS_ENABLED="0")
    if launcher == "ray" and "timed out during startup" in done.stderr:
        # Its limit of 15 s cannot be set: https://github.com/ray-project/ray/issues/65983
        pytest.skip("this machine is too busy for Ray, which gives its own processes 15 s to start")
    assert done.returncode == 1, done.stderr
    rows = pd.read_csv(tmp_path / "sweep" / "sweep.csv").sort_values("job")
    assert rows["job"].tolist() == [0, 1, 2, 3]
    assert rows["status"].tolist() == ["done", "failed", "failed", "done"]
    assert rows["best_epoch"].dropna().tolist() == [0, 3]
    assert rows["error"].tolist()[1:3] == ["seed 1 is refused", "ZeroDivisionError: seed 2"]
    assert (rows["seconds"] >= 0).all()
    for row in rows[rows["status"] == "done"].to_dict("records"):
        metrics = json.loads((tmp_path / "sweep" / row["folder"] / "metrics.json").read_text())
        assert metrics["best_val_iou"] == row["best_val_iou"]
        if launcher is not None and launcher != "joblib":
            assert metrics["threads"] == "1"
    said = errors(done)
    assert len(said) == 3
    assert any("seed=1" in line and line.endswith("seed 1 is refused") for line in said)
    log = next((tmp_path / "sweep").glob("2_*/*.log")).read_text()
    assert "Traceback" in log  # of a defect, in the log of its job


def test_a_single_run_leaves_no_table(tmp_path):
    done = call(LIGHT, "seed=1", f"hydra.run.dir={tmp_path}/run", cwd=tmp_path)
    assert (done.returncode, errors(done)) == (1, ["error: seed 1 is refused"])
    assert not [*tmp_path.rglob("job.json"), *tmp_path.rglob("sweep.csv")]


@pytest.mark.slow
def test_a_search_that_was_killed_goes_on(tmp_path):
    """Killed in its second trial of four: that one is tried again, then two more, and then none."""
    (tmp_path / "cut_off").write_text("1")
    search = ["-m", "hparams_search=unet_optuna", "hydra.sweeper.n_trials=4"]
    assert call(LIGHT, *search, cwd=tmp_path).returncode == -9
    storage = tmp_path / "runs/hparams_search/unet_optuna.db"
    first, cut_off = trials_of(storage)
    assert (first[0], cut_off[0]) == ("COMPLETE", "RUNNING")

    assert call(LIGHT, *search, cwd=tmp_path).returncode == 0
    trials = trials_of(storage)
    assert [state for state, *_ in trials] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE", "COMPLETE"]
    assert trials[2][2] == cut_off[2]
    complete = [(value, found["model.optimizer.lr"]) for state, value, found in trials if state == "COMPLETE"]
    assert len({rate for _, rate in complete}) == 4  # a sampler that began anew proposes the first again
    for value, rate in complete:
        assert value == pytest.approx(1 / (1 + abs(rate - 0.003)))

    assert call(LIGHT, *search, cwd=tmp_path).returncode == 0
    assert trials_of(storage) == trials
    rows = pd.read_csv(tmp_path / "runs" / "hparams_search" / "unet_optuna" / "sweep.csv")
    assert sorted(rows["status"]) == ["done"] * 4 + ["running"]  # the killed one never came to say otherwise
    best = (tmp_path / "runs/hparams_search/unet_optuna/optimization_results.yaml").read_text()
    assert str(max(value for value, _ in complete)) in best


def test_a_trial_that_fails_stops_the_search(tmp_path):
    done = call(LIGHT, "-m", "hparams_search=unet_optuna", "seed=1", cwd=tmp_path)
    assert done.returncode == 1
    assert errors(done) == ["error: seed 1 is refused"]


@pytest.mark.parametrize("search", options("hparams_search"))
def test_searches_maximise_what_validation_says(search):
    """Each parameter is one that its model has; no split but these two is in the config of a trial."""
    model = search.split("_")[0]
    cfg = composed(f"hparams_search={search}", f"model={model}")
    assert cfg.hydra.sweeper.direction == "maximize"
    assert cfg.hydra.sweeper.storage.endswith(f"runs/hparams_search/{search}.db")
    assert (cfg.training.train.split, cfg.training.val.split) == ("train", "val")
    for name in cfg.hydra.sweeper.params:
        composed(f"model={model}", f"{name}=1")  # refuses a key that is not there


@pytest.mark.slow
def test_a_sweep_of_trainings_through_joblib(tmp_path):
    """Real trainings; one cannot begin. The W&B runs of those that can are one group."""
    sweep = ["launcher=joblib", "init_from=nowhere.safetensors,null", f"hydra.sweep.dir={tmp_path}/tried"]
    done = call("train.py", "-m", *TINY, *sweep, "logger=wandb", WANDB_MODE="offline")
    assert done.returncode == 1
    rows = pd.read_csv(tmp_path / "tried" / "sweep.csv").sort_values("job")
    assert rows["status"].tolist() == ["failed", "done"]
    assert "nowhere.safetensors" in rows["error"].iloc[0]
    folder = tmp_path / "tried" / rows["folder"].iloc[1]
    assert json.loads((folder / "metrics.json").read_text())["best_val_iou"] == rows["best_val_iou"].iloc[1]
    assert (folder / "weights.safetensors").is_file()
    runs = [read_run(run) for at in (tmp_path / "tried").iterdir() for run in find_runs(at)]
    assert runs
    assert {run.group for run in runs} == {"tried"}


@pytest.mark.slow
def test_a_sweep_of_trainings_through_submitit(tmp_path):
    sweep = ["launcher=submitit_local", "augmentation=none,basic", f"hydra.sweep.dir={tmp_path}/sweep"]
    done = call("train.py", "-m", *TINY, *sweep, "logger=none")
    assert done.returncode == 0, done.stderr[-2000:]
    rows = pd.read_csv(tmp_path / "sweep" / "sweep.csv").sort_values("job")
    assert rows["status"].tolist() == ["done", "done"]
    assert rows["folder"].tolist() == ["0_unet_none", "1_unet_basic"]
    assert rows["best_val_iou"].between(0, 1).all()
    assert list((tmp_path / "sweep" / ".submitit").glob("*/*_result.pkl"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Lightning's own, on small runs
def test_two_processes_train_one_model(tmp_path):
    """What they agree on is what one process finds of the weights that they saved."""
    ddp = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "training.train.size=8"]
    overrides = [*TINY, *ddp, "trainer.max_epochs=2"]
    done = call("train.py", *overrides, f"hydra.run.dir={tmp_path}", "logger=wandb", WANDB_MODE="offline")
    assert done.returncode == 0, done.stderr[-2000:]
    rows = pd.read_csv(tmp_path / "metrics.csv")
    assert rows["epoch"].tolist() == [0, 1]
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["best_val_iou"] == pytest.approx(rows["val/iou"].max(), abs=1e-6)
    assert len(find_runs(tmp_path)) == 1
    assert (tmp_path / "weights.safetensors").is_file()

    cfg = composed(*overrides)
    network = instantiate(cfg.model.network)
    module = SegmentationModule(network, instantiate(cfg.model.loss), torch.optim.Adam)
    last = torch.load(tmp_path / "last.ckpt", map_location="cpu", weights_only=False)
    module.load_state_dict(last["state_dict"])
    data = instantiate(cfg.training, _convert_="object")
    datamodule = CropDataModule(
        data["train"], data["val"], cfg.model.height, cfg.model.width, batch_size=2, num_workers=0
    )
    trainer = lightning.Trainer(
        accelerator="cpu", devices=1, logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    (alone,) = trainer.validate(module, datamodule, verbose=False)
    for name in ("val/iou", "val/iou_per_crop", "val/loss"):
        assert alone[name] == pytest.approx(rows[name].iloc[1], abs=1e-6), name


def test_two_processes_share_a_shuffled_epoch():
    shares = [EpochShuffle(7, seed=3, rank=rank, world=2) for rank in (0, 1)]
    for share in shares:
        share.set_epoch(2)
    seen = [list(share) for share in shares]
    assert [len(share) for share in shares] == [3, 3] == [len(part) for part in seen]
    alone = EpochShuffle(7, seed=3)
    alone.set_epoch(2)
    np.testing.assert_array_equal(np.transpose(seen).ravel(), list(alone)[:6])
