"""An offline run of Weights & Biases, read back from disk, holds what the files of the run folder hold."""

import base64
import hashlib
import json
import math
import os
import struct
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from matplotlib import pyplot as plt
from omegaconf import OmegaConf
from test_evaluate import config

from ecgtrace.errors import ConfigError, DataError
from ecgtrace.reporting.run_log import RunLog
from ecgtrace.reporting.tables import grid, results
from ecgtrace.reporting.tracking import CsvTracker, NoTracker, Tracker, WandbTracker
from ecgtrace.reporting.wandb_offline import find_runs, messages, read_run
from ecgtrace.studies.evaluate import main as evaluate

ROOT = Path(__file__).resolve().parents[1]
FACTS = {"commit": "0" * 40, "dirty": False, "seed": 3, "config": {"seed": 3, "model": {"height": 32}}}
TINY = [
    "model.network.encoder=timm-mobilenetv3_small_minimal_100",
    "model.network.encoder_weights=null",
    "model.height=32",
    "model.width=64",
    "page.px_per_mm=4",
    "training.train.size=4",
    "training.val.n_non_overlap=1",
    "training.val.n_overlap=1",
    "training.batch_size=2",
    "training.num_workers=0",
    "trainer=cpu",
    "progress=false",
    "logger=wandb",
    "logger.mode=offline",
    "logger.group=tiny",
]


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory):
    """Give wandb a home that must stay empty, and no key."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        for name in [name for name in os.environ if name.startswith(("WANDB_", "XDG_"))]:
            patch.delenv(name)
        yield folder


def png(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    plt.imsave(path, np.full((4, 5, 3), value))
    return path


def md5(path):
    return base64.b64encode(hashlib.md5(path.read_bytes()).digest()).decode()


def finished_runs(folder):
    """Read the runs of a folder; wandb's service closes their files a moment after `finish` returns."""
    deadline = time.monotonic() + 60
    while True:
        runs = [read_run(path) for path in find_runs(folder)]
        if all(run.exit_code is not None for run in runs):
            return runs
        assert time.monotonic() < deadline
        time.sleep(0.05)


def only_run(folder):
    (run,) = finished_runs(folder)
    return run


def same_table(run, name, table):
    """Compare a logged table with a data frame; what is missing there is None here."""
    columns, lines = run.table(name)
    assert columns == list(table.columns)
    expected = table.astype(object).where(table.notna(), None).to_numpy().tolist()
    assert lines == json.loads(json.dumps(expected))


# Trainings ----------------------------------------------------------------------------------------


def train_tiny(folder, *overrides):
    from ecgtrace import training

    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        cfg = compose("train", [*TINY, f"output_dir={folder}", *overrides])
    training.main(cfg)
    return cfg


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train for two epochs, and go on to a third in a second start."""
    folder = tmp_path_factory.mktemp("train")
    train_tiny(folder, "trainer.max_epochs=2")
    cfg = train_tiny(folder, "trainer.max_epochs=3")
    return folder, cfg, finished_runs(folder)


@pytest.mark.filterwarnings("ignore")  # Lightning's own, on small runs
def test_a_training_says_what_it_was(trained):
    folder, cfg, runs = trained
    metrics = json.loads((folder / "metrics.json").read_text())
    run = runs[-1]
    assert (run.project, run.group, run.job_type, run.exit_code) == ("ecgtrace", "tiny", "train", 0)
    for group in ("model", "augmentation", "training", "signals", "trainer", "seed"):
        assert run.config[group] == OmegaConf.to_container(cfg, resolve=True)[group], group
    for name in ("commit", "dirty", "versions", "cpu", "cores", "python", "seed"):
        assert run.config["provenance"][name] == metrics["provenance"][name], name
    assert len(metrics["data_fingerprint"]) == 16
    assert run.config["provenance"]["data_fingerprint"] == metrics["data_fingerprint"]
    assert run.config["provenance"]["started_from"] == "random"
    assert run.summary["best_val_iou"] == metrics["best_val_iou"]


@pytest.mark.filterwarnings("ignore")
def test_the_curves_are_those_of_the_csv_file(trained):
    folder, _, runs = trained
    rows = pd.read_csv(folder / "metrics.csv")
    assert rows["epoch"].tolist() == [0, 1, 2]
    assert {"train/loss", "val/loss", "train/iou", "val/iou", "lr-Adam"} <= set(rows.columns)
    for name in set(rows.columns) - {"epoch"}:
        assert runs[-1].curve(name) == list(zip(rows["epoch"], rows[name], strict=True)), name
    assert runs[-1].metrics == {"epoch": "", "*": "epoch"}
    same_table(runs[-1], "table/epochs", rows)


@pytest.mark.filterwarnings("ignore")
def test_a_resumed_training_goes_on_in_the_same_run(trained):
    """Each start leaves a folder; the last one has the epochs of all, so that it may be uploaded alone."""
    _, _, (first, second) = trained
    assert first.id == second.id
    assert [epoch for epoch, _ in first.curve("val/iou")] == [0, 1]
    assert first.curve("val/iou") == second.curve("val/iou")[:2]


@pytest.mark.filterwarnings("ignore")
def test_the_weights_are_an_artefact_and_no_copy(trained):
    folder, _, runs = trained
    metrics = json.loads((folder / "metrics.json").read_text())
    weights = folder / "weights.safetensors"
    artifact = runs[-1].artifact("model")
    assert artifact.name == "weights-unet"
    file = artifact.files["weights.safetensors"]
    assert (file.digest, file.size) == (md5(weights), weights.stat().st_size)
    assert file.path == weights
    for name in ("best_epoch", "best_val_iou", "started_from", "data_fingerprint"):
        assert artifact.metadata[name] == metrics[name], name
    assert artifact.metadata["commit"] == metrics["provenance"]["commit"]
    assert artifact.metadata["height"] == 32
    large = [path for path in folder.rglob("wandb/**/*") if path.is_file() and path.stat().st_size > 100_000]
    assert large == []
    kept = runs[-1].artifact("training").files
    assert set(kept) == {"metrics.csv", "metrics.json"}
    assert kept["metrics.csv"].path.read_bytes() == (folder / "metrics.csv").read_bytes()


@pytest.mark.filterwarnings("ignore")
def test_nothing_is_left_in_the_home_or_the_environment(trained, home):
    left = list(home.rglob("*wandb*"))
    assert left == []
    # wandb itself notes where its service listens.
    assert {name for name in os.environ if name.startswith("WANDB_")} <= {"WANDB_SERVICE"}


def test_the_data_fingerprint_follows_the_data_alone():
    from hydra.utils import instantiate

    from ecgtrace.training.tracked import data_fingerprint

    def of(*overrides):
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            cfg = compose("train", [*TINY, *overrides])
        return data_fingerprint(cfg, instantiate(cfg.training, _convert_="object"))

    same = of()
    assert of("training.batch_size=4", "augmentation=none", "model.height=64") == same
    changed = [of("seed=1"), of("training.train.size=5"), of("page.px_per_mm=5")]
    assert len({same, *changed}) == 4


# Runs by hand: what a training of any model logs ---------------------------------------------------


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Log a training folder of planted files, epochs 0 and 1 of which are from an earlier start."""
    folder = tmp_path_factory.mktemp("planted")
    earlier = pd.DataFrame({"epoch": [0, 1], "train/loss": [0.9, math.nan], "val/iou": [0.1, 0.2]})
    earlier.to_csv(folder / "metrics.csv", index=False)
    counts = [["ecg", "ecg", 7], ["background", "ecg", 2], ["ecg", "background", 1]]
    pd.DataFrame(counts, columns=["predicted", "true", "count"]).to_csv(folder / "confusion.csv", index=False)
    png(folder / "figures" / "confusion.png", 0.5)
    tracker = WandbTracker(mode="offline", group="g")
    with tracker.run(folder, "train", FACTS) as run:
        run.log_epoch({"epoch": 2, "train/loss": 0.7, "val/iou": math.nan})
        run.log_epoch({"epoch": 2, "val/iou": 0.3})
        tracker.log_training(run, folder, {"best_epoch": 2, "provenance": FACTS})
    return folder, only_run(folder)


@pytest.mark.parametrize("name", ["planted", "evaluated"])
def test_all_that_is_to_be_uploaded_lies_in_the_run_folder(request, name):
    """What `wandb sync` sends, days later: each file of each artefact is there and is what was logged."""
    folder, run = request.getfixturevalue(name)
    files = [file for artifact in run.artifacts for file in artifact.files.values()]
    assert len(files) > 3
    for file in files:
        assert file.path.is_relative_to(folder)
        assert (file.digest, file.size) == (md5(file.path), file.path.stat().st_size)
    for name in run.files:
        assert (run.folder / "files" / name).is_file(), name


def test_an_epoch_is_a_step_and_nan_is_left_out(planted):
    _, run = planted
    assert run.curve("val/iou") == [(0, 0.1), (1, 0.2), (2, 0.3)]
    assert run.curve("train/loss") == [(0, 0.9), (2, 0.7)]
    assert [row["_step"] for row in run.history if "val/iou" in row] == [0, 1, 2]
    same_table(run, "table/epochs", pd.read_csv(planted[0] / "metrics.csv"))


def test_facts_are_configuration(planted):
    _, run = planted
    assert run.config["model"] == {"height": 32}
    assert run.config["provenance"] == {"commit": "0" * 40, "dirty": False, "seed": 3}
    assert run.tags == ["train"]


def test_the_confusion_matrix_is_table_chart_and_picture(planted):
    folder, run = planted
    counts = pd.read_csv(folder / "confusion.csv")
    same_table(run, "table/confusion", counts)
    same_table(run, "confusion_matrix_table", counts)
    chart = run.config["_wandb"]["visualize"]["confusion_matrix"]
    assert "confusion_matrix" in json.dumps(chart)
    assert "nPredictions" in json.dumps(chart)
    assert run.media("figure/confusion").read_bytes() == (folder / "figures" / "confusion.png").read_bytes()
    assert "confusion.csv" in run.artifact("training").files


def test_a_run_that_fails_is_marked(tmp_path, capfd):
    """And keeps what was logged; nothing is printed."""
    with (
        pytest.raises(ZeroDivisionError),
        WandbTracker(mode="offline").run(tmp_path, "train", FACTS) as run,
    ):
        run.log_epoch({"epoch": 0, "loss": 1.5})
        run.log_epoch({"epoch": 1 // 0})
    run = only_run(tmp_path)
    assert run.exit_code == 1
    assert run.curve("loss") == [(0, 1.5)]
    assert capfd.readouterr() == ("", "")


def test_jobs_of_a_sweep_are_a_group():
    overrides = ["hydra.mode=MULTIRUN", "hydra.sweep.dir=runs/train/tried", "augmentation=none"]
    before = HydraConfig.instance().cfg
    try:
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            HydraConfig.instance().set_config(compose("train", overrides, return_hydra_config=True))
        given = {}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ecgtrace.reporting.wandb_run.wandb_run", lambda folder, **kw: given.update(kw))
            WandbTracker(mode="offline").run(Path("unused"), "train", FACTS)
        assert given["group"] == "tried"
        assert {"train", "model=unet", "augmentation=none"} <= set(given["tags"])
    finally:
        HydraConfig.instance().cfg = before


# Evaluations and reproductions ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate")
    wandb = {"_target_": "ecgtrace.reporting.tracking.WandbTracker", "mode": "offline", "group": "g"}
    evaluate(config(folder, data={"count": 4, "broken": [1]}, logger=wandb, figures=True))
    return folder, only_run(folder)


def test_an_evaluation_is_logged_whole(evaluated):
    folder, run = evaluated
    facts = json.loads((folder / "provenance.json").read_text())
    assert (run.job_type, run.group) == ("evaluate", "g")
    assert run.config["bootstrap"]["n_resamples"] == 2000
    for name in ("commit", "data_fingerprint", "digitizer_fingerprints", "models", "versions"):
        assert run.config["provenance"][name] == facts[name], name
    metrics = json.loads((folder / "metrics.json").read_text())
    for subset in ("overlap", "non_overlap", "all"):
        assert run.summary[f"{subset}/baseline/r_mean"] == metrics[subset]["digitizers"]["baseline"]["r_mean"]


def test_an_evaluation_keeps_tables_rows_and_pictures(evaluated):
    folder, run = evaluated
    rows = pd.read_csv(folder / "rows.csv", dtype={"record_id": str, "crop_id": str})
    same_table(run, "table/rows", rows)
    assert set(rows["status"]) == {"ok", "doubtful", "failed"}
    metrics = json.loads((folder / "metrics.json").read_text())
    for table in results(rows.assign(record_id=rows["record_id"].fillna(""))):
        columns, lines = run.table(f"table/{table.subset}")
        header, expected = grid(table)
        assert columns == ["statistic", *header[1:]]
        assert lines[:2] == expected[:2]
        assert [line[0] for line in lines] == [line[0] for line in expected]
        r_mean = next(line for line in lines if line[0] == "r mean")[1]
        assert r_mean.startswith(f"{metrics[table.subset]['digitizers']['baseline']['r_mean']:.4f}")
    pictures = sorted((folder / "figures").glob("*.png"))
    assert pictures
    for path in pictures:
        assert run.media(f"figure/{path.stem}").read_bytes() == path.read_bytes()
    files = run.artifact("evaluation").files
    assert {"rows.csv", "metrics.json", "provenance.json", "report.html", "tables/summary.csv"} <= set(files)
    assert files["rows.csv"].digest == md5(folder / "rows.csv")


def test_a_reproduction_is_logged_whole(tmp_path):
    claims = pd.DataFrame(
        {"what": ["r", "share"], "paper": ["0.9", None], "ours": ["0.8", "58 %"], "holds": [False, None]}
    )
    table = pd.DataFrame({"subset": ["overlap"], "r": [0.5]})
    for name in ("table1", "table2"):
        (tmp_path / name).mkdir()
        table.assign(r=float(name[-1])).to_csv(tmp_path / name / "rows.csv", index=False)
    png(tmp_path / "fig1" / "fig1.png", 0.25)
    (tmp_path / "fig1" / "fig1.pdf").write_bytes(b"%PDF-")
    for name in ("run/.hydra", "run/figures"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("run/last.ckpt", "run/rows.csv", ".lock"):  # a run's own, and hidden
        (tmp_path / name).write_text("a,b\n")
    WandbTracker(mode="offline").log_reproduction(tmp_path, claims, FACTS)
    run = only_run(tmp_path)
    assert run.job_type == "reproduce"
    assert run.config["provenance"]["commit"] == "0" * 40
    same_table(run, "table/index", claims)
    same_table(run, "table/table1/rows", table.assign(r=1.0))
    same_table(run, "table/table2/rows", table.assign(r=2.0))
    assert run.media("figure/fig1/fig1").read_bytes() == (tmp_path / "fig1" / "fig1.png").read_bytes()
    files = {"table1/rows.csv", "table2/rows.csv", "fig1/fig1.png", "fig1/fig1.pdf"}
    assert set(run.artifact("reproduction").files) == files
    assert (run.summary["claims"], run.summary["claims_that_hold"]) == (2, 0)


# Without wandb ------------------------------------------------------------------------------------


@pytest.fixture
def no_wandb(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    monkeypatch.delitem(sys.modules, "ecgtrace.reporting.wandb_run", raising=False)


@pytest.mark.parametrize("tracker", [NoTracker(), CsvTracker(), WandbTracker(mode="disabled")])
def test_other_loggers_need_no_wandb(no_wandb, tmp_path, tracker: Tracker):
    pd.DataFrame({"epoch": [0], "val/iou": [0.5]}).to_csv(tmp_path / "metrics.csv", index=False)
    with tracker.run(tmp_path, "train", FACTS) as run:
        run.log_epoch({"epoch": 0})
        tracker.log_training(run, tmp_path, {"best_epoch": 0})
    assert type(run) is RunLog
    tracker.log_reproduction(tmp_path, pd.DataFrame({"holds": [True]}), FACTS)
    tracker.log_evaluation([], FACTS, tmp_path)
    assert not (tmp_path / "wandb").exists()


def test_the_import_is_blocked_in_the_test_above(no_wandb, tmp_path):
    with pytest.raises(ImportError):
        WandbTracker(mode="offline").run(tmp_path, "train", FACTS)


def test_a_missing_login_is_one_line(tmp_path):
    """Asked for by `online` alone, and told before anything is sent."""
    with pytest.raises(ConfigError, match="WANDB_MODE=offline") as error:
        WandbTracker(mode="online").run(tmp_path, "train", FACTS).__enter__()
    assert "\n" not in str(error.value)


# The reader ---------------------------------------------------------------------------------------


def leveldb_log(texts, block=32768):
    """Write messages as LevelDB's format says, with wandb's header of 7 bytes in the first block."""
    out = bytearray(b":W&B\xe1\xbe\x00")
    for text in texts:
        rest, kind = text, None
        while kind not in (1, 4):
            room = block - len(out) % block
            if room < 7:
                out += bytes(room)
                room = block
            part, rest = rest[: room - 7], rest[room - 7 :]
            kind = {(True, True): 1, (True, False): 2, (False, False): 3, (False, True): 4}[
                kind is None, not rest
            ]
            out += struct.pack("<IHB", 0, len(part), kind) + part
    return bytes(out)


@pytest.mark.parametrize("end", range(8))
def test_messages_are_read_across_blocks(tmp_path, end):
    """The second message ends `end` bytes before a block does; the fourth spans three blocks."""
    texts = [b"first", b"x" * (32768 - 7 - 12 - 7 - end), b"", b"y" * 70_000, b"last"]
    path = tmp_path / "run.wandb"
    path.write_bytes(leveldb_log(texts))
    assert list(messages(path)) == texts
    path.write_bytes(leveldb_log(texts)[:-2])
    assert list(messages(path)) == texts[:-1]


def test_other_folders_and_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="offline-run"):
        read_run(tmp_path)
    (tmp_path / "run-1.wandb").write_bytes(b"something else")
    with pytest.raises(DataError, match="not a log"):
        read_run(tmp_path)


def test_what_is_missing_is_named(planted):
    _, run = planted
    with pytest.raises(DataError, match="there are: run_table, training"):
        run.artifact("evaluation")
    with pytest.raises(DataError, match="figure/none"):
        run.media("figure/none")
