"""Training from the command line: what it leaves, how it refuses, and that a killed run resumes exactly."""

import json
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_dir
from safetensors.numpy import load_file

from ecgtrace import training
from ecgtrace.segmentation.resize import windows
from ecgtrace.segmentation.weights import read_card
from ecgtrace.training.epoch_log import EpochCsvLogger
from ecgtrace.training.module import SegmentationModule

ROOT = Path(__file__).resolve().parents[1]

TINY = [
    "model.network.encoder=resnet18",
    "model.network.encoder_weights=null",
    "model.height=32",
    "model.width=64",
    "page.px_per_mm=4",
    "training.train.size=8",
    "training.val.n_non_overlap=2",
    "training.val.n_overlap=2",
    "training.batch_size=4",
    "training.num_workers=0",
    "trainer=cpu",
    "trainer.max_epochs=3",
    "logger=none",
    "progress=false",
]


def run_tiny(folder, *overrides):
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        cfg = compose("train", [*TINY, f"output_dir={folder}", *overrides])
        return training.main(cfg)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, run_tiny(folder)


@pytest.mark.filterwarnings("ignore")  # Lightning's own, on small runs
def test_a_run_leaves_its_rows_weights_and_facts(uninterrupted):
    folder, metrics = uninterrupted
    rows = pd.read_csv(folder / "metrics.csv")
    assert rows["epoch"].tolist() == [0, 1, 2]
    for name in ("train/loss", "train/iou", "val/loss", "val/iou", "val/iou_per_crop"):
        assert rows[name].notna().all()
    assert json.loads((folder / "metrics.json").read_text())["best_val_iou"] == metrics["best_val_iou"]
    assert metrics["best_val_iou"] == pytest.approx(rows["val/iou"].max(), abs=1e-6)
    assert metrics["started_from"] == "random"
    card = read_card(folder / "weights.safetensors")
    assert (card.encoder, card.height, card.width) == ("resnet18", 32, 64)
    assert card.training["best_epoch"] == rows["val/iou"].idxmax()


@pytest.mark.filterwarnings("ignore")
def test_training_starts_from_given_weights(uninterrupted, tmp_path):
    """With a learning rate of 0 they come out as they went in, and what they started from is recorded."""
    folder, _ = uninterrupted
    weights = folder / "weights.safetensors"
    overrides = [f"init_from={weights}", "model.optimizer.lr=0.0", "trainer.max_epochs=1"]
    metrics = run_tiny(tmp_path, *overrides, "trainer.precision=32-true")
    assert metrics["started_from"] == "weights.safetensors (random)"
    before, after = load_file(weights), load_file(tmp_path / "weights.safetensors")
    trained = [name for name in before if name.endswith("weight")]
    assert trained
    for name in trained:
        np.testing.assert_array_equal(before[name], after[name])


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_metrics(uninterrupted, tmp_path):
    """Killed without warning after its first epoch, and started again with the same command."""
    folder, _ = uninterrupted
    command = [sys.executable, "train.py", *TINY, f"hydra.run.dir={tmp_path}"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not (tmp_path / "last.ckpt").is_file() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    resumed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert resumed.returncode == 0, resumed.stderr[-2000:]

    names = ["epoch", "train/loss", "train/iou", "val/loss", "val/iou"]
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "metrics.csv")[names], pd.read_csv(folder / "metrics.csv")[names]
    )
    ours, theirs = load_file(tmp_path / "weights.safetensors"), load_file(folder / "weights.safetensors")
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name])


@pytest.mark.filterwarnings("ignore")
def test_every_epoch_can_be_resumed_from(uninterrupted):
    """Not only those that were the best so far."""
    folder, metrics = uninterrupted
    last = torch.load(folder / "last.ckpt", map_location="cpu", weights_only=False)
    best = torch.load(folder / "best.ckpt", map_location="cpu", weights_only=False)
    assert last["epoch"] == 2
    assert best["epoch"] == metrics["best_epoch"]


def test_an_epoch_that_is_trained_again_replaces_its_row(tmp_path):
    path = tmp_path / "metrics.csv"
    log = EpochCsvLogger(path)
    log.log_metrics({"epoch": 0, "val/iou": 0.1})
    log.log_metrics({"epoch": 0, "train/iou": 0.2})
    log.log_metrics({"epoch": 1, "val/iou": 0.3})
    EpochCsvLogger(path).log_metrics({"epoch": 1, "val/iou": 0.4})
    rows = pd.read_csv(path)
    assert rows["val/iou"].tolist() == [0.1, 0.4]
    assert rows["train/iou"].iloc[0] == 0.2


def test_iou_by_hand():
    """Crop 1: 1 of 3 pixels in either; crop 2: nothing in either, which is agreement."""
    module = SegmentationModule(torch.nn.Identity(), torch.nn.Identity(), torch.optim.Adam)
    logits = torch.full((2, 1, 1, 4), -9.0)
    logits[0, 0, 0, :2] = 9.0
    mask = torch.zeros(2, 1, 1, 4)
    mask[0, 0, 0, 1:3] = 1
    module._count(logits, mask, "val")
    shared, either, per_crop, n = module._counts["val"].tolist()
    assert (shared, either, n) == (1, 3, 2)
    assert per_crop == pytest.approx(1 / 3 + 1)


def test_windows_tile_the_width():
    for width, duration_s in ((4003, 10.0), (999, 2.4), (5000, 12.6), (10, 0.1)):
        parts = windows(width, duration_s)
        assert parts[0][0] == 0
        assert parts[-1][1] == width
        assert all(a[1] == b[0] for a, b in pairwise(parts))
        assert len(parts) == max(1, round(duration_s / 2.5))


def test_wrong_usage_is_one_line():
    done = subprocess.run(
        [sys.executable, "train.py", "model.hieght=64"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.strip().count("\n") == 0
    assert "height" in done.stderr


@pytest.mark.parametrize(("known", "precision"), [({"avx512_bf16": True}, "bf16-mixed"), ({}, "32-true")])
def test_a_cpu_trains_in_bfloat16_where_it_computes_in_it(known, precision, monkeypatch):
    """Emulated bfloat16 took minutes for an epoch of 160 crops."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known)
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        cfg = compose("train", [*TINY, "output_dir=unused"])
    cfg.model.fit = {"_target_": "builtins.dict", "_partial_": True}
    assert training.main(cfg)["trainer"]["precision"] == precision
