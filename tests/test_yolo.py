"""YOLO: labels, confusion and geometry by planted answers; a tiny training, resumed and used."""

import json
import os
import pickle
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_dir
from torch import nn
from torch.nn import functional

from ecgtrace import training
from ecgtrace.digitization.proposed import ProposedDigitizer
from ecgtrace.errors import ConfigError, DataError, TraceNotFoundError, WeightsError
from ecgtrace.segmentation import yolo_runtime
from ecgtrace.segmentation.resize import Place
from ecgtrace.segmentation.weights import WeightsCard, read_card, save_weights
from ecgtrace.segmentation.yolo import YoloSegmenter
from ecgtrace.segmentation.yolo_canvas import Canvas
from ecgtrace.segmentation.yolo_network import Detector, Instances, build_network, probability
from ecgtrace.training import yolo
from ecgtrace.training.yolo_confusion import Confusion, by_threshold
from ecgtrace.training.yolo_data import fill, label, polygon

# Ultralytics and the libraries below it warn of what is not ours to change (deprecated calls, small batches).
pytestmark = pytest.mark.filterwarnings("ignore")

ROOT = Path(__file__).resolve().parents[1]
SQUARE, FLAT = Canvas(640, 640), Canvas(256, 640)
QUICK = ["model=yolo", "experiment=quick", "training.train.size=4", "training.val.n_non_overlap=2"]
QUICK += ["training.val.n_overlap=2", "logger=none"]


def trace(height=240, width=1000, seed=0, gap=False):
    """Return a mask of one line, 5 px wide, with steep deflections."""
    rng = np.random.default_rng(seed)
    x = np.arange(0, width, 8)
    y = height / 2 + np.cumsum(rng.normal(0, 4, len(x))).clip(-40, 40)
    y[::23] = rng.uniform(10, height - 10, len(y[::23]))
    mask = np.zeros((height, width), np.uint8)
    cv2.polylines(mask, [np.stack([x, y], 1).astype(np.int32)], False, 1, 5)
    if gap:
        mask[:, 400:404] = 0
    return mask


def iou(a, b):
    return np.count_nonzero(a & b) / np.count_nonzero(a | b)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("gap", [False, True])
def test_a_polygon_gives_its_mask_back(seed, gap):
    """Filled as Ultralytics fills it; only holes, and a line across each gap, are new."""
    mask = trace(seed=seed, gap=gap)
    assert iou(fill(polygon(mask), *mask.shape), mask) > 0.97


@pytest.mark.parametrize("canvas", [SQUARE, FLAT])
@pytest.mark.parametrize("shape", [(240, 1000), (600, 900), (61, 455)])
def test_a_label_lies_where_its_image_is_drawn(canvas, shape):
    """Ultralytics' own reading of the label, on the image that is exported with it."""
    from ultralytics.data.utils import polygon2mask

    mask = trace(*shape)
    image = np.repeat(255 * (1 - mask)[..., None], 3, axis=2)
    drawn = canvas.draw(image)
    words = label(mask, canvas).split()
    points = np.array(words[1:], float).reshape(-1, 2) * drawn.shape[1::-1]
    read = polygon2mask(drawn.shape[:2], [points.ravel()], downsample_ratio=1).astype(bool)
    assert words[0] == "0"
    assert drawn.shape[:2] == canvas.size(shape)
    assert max(drawn.shape) == 640
    rows, columns = np.nonzero(drawn[..., 0] < 80)  # darker than the grey around the crop
    assert read[rows, columns].mean() > 0.95
    far = cv2.dilate((drawn[..., 0] < 240).astype(np.uint8) * (drawn[..., 0] != 114), np.ones((5, 5))) == 0
    assert not read[far].any()


def test_parts_are_joined_where_they_are_nearest():
    mask = np.zeros((20, 40), np.uint8)
    mask[5:8, 2:10] = mask[5:8, 14:20] = mask[12:15, 30:38] = 1
    joined = fill(polygon(mask), 20, 40)
    assert (joined >= mask).all()
    assert np.count_nonzero(joined - mask) <= 4 + 11  # two lines of one pixel's width


def test_an_empty_mask_is_refused():
    with pytest.raises(DataError, match="empty mask"):
        polygon(np.zeros((4, 4), np.uint8))


def test_long_outlines_keep_below_what_ultralytics_resamples():
    noisy = trace(400, 3000)
    noisy[np.random.default_rng(0).random(noisy.shape) < 0.003] = 1
    assert len(polygon(noisy)) < 1000


def test_confusion_by_hand():
    """Found; missed for want of overlap, with a false one; nothing at all; found twice."""
    truth = np.array([0.0, 0, 10, 10])
    crops = [[[0, 0, 10, 9]], [[8, 8, 20, 20]], [], [[0, 0, 10, 10], [1, 0, 10, 10]]]
    counts = Confusion()
    for boxes in crops:
        counts.add(np.array(boxes, float).reshape(-1, 4), truth)
    assert (counts.found, counts.missed, counts.false, counts.empty) == (2, 2, 2, 1)
    table = counts.table().set_index(["predicted", "true"])
    assert table.loc[("background", "signal"), "share_of_true"] == 0.5
    assert table.loc[("signal", "background"), "share_of_true"] == 1.0


def test_confusion_is_that_of_ultralytics():
    from ultralytics.utils.metrics import ConfusionMatrix

    rng = np.random.default_rng(0)
    ours, theirs = [], ConfusionMatrix(names={0: "signal"})
    for n in rng.integers(0, 4, 40):
        truth = np.array([10, 10, 90, 40.0])
        boxes = truth + rng.normal(0, 12, (n, 4))
        confidence = rng.random(n)
        ours.append((boxes, confidence, truth))
        theirs.process_batch(
            {"bboxes": torch.tensor(boxes), "conf": torch.tensor(confidence), "cls": torch.zeros(n)},
            {"bboxes": torch.tensor(truth)[None], "cls": torch.zeros(1)},
        )
    table = by_threshold(ours, [0.25])
    assert table["count"].tolist() == theirs.matrix.astype(int).ravel().tolist()


def one_channel(logits, boxes, confidence):
    """Return instances whose masks are all the same logits."""
    n = len(boxes)
    coefficients = torch.zeros(n, 32)
    coefficients[:, 0] = 1
    prototypes = torch.zeros(32, *logits.shape)
    prototypes[0] = logits
    return Instances(
        torch.tensor(boxes, dtype=torch.float), torch.tensor(confidence), coefficients, prototypes
    )


def test_instances_count_by_their_confidence_and_inside_their_boxes():
    """A crop of 20 x 40 px in an input of 32 x 64 px, resized by 0.8 into rows 8 to 24, columns 16 to 48."""
    found = one_channel(torch.full((8, 16), 20.0), [[16, 8, 32, 24], [32, 16, 48, 24]], [0.8, 0.2])
    united = probability(found, (32, 64), Place(8, 16, 16, 32), (20, 40))
    expected = np.zeros((20, 40), np.float32)
    expected[:, :20] = 1
    expected[10:, 20:] = 0.25
    np.testing.assert_allclose(united, expected, atol=1e-6)


def test_nothing_found_is_zero():
    found = one_channel(torch.zeros(8, 16), np.zeros((0, 4)), np.zeros(0, np.float32))
    assert not probability(found, (32, 64), Place(0, 0, 32, 64), (20, 40)).any()


class SeesDark(nn.Module):
    """Output like the network's: one instance everywhere, whose mask is what is darker than grey."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, image):
        height, width = image.shape[2:]
        dark = functional.avg_pool2d(0.2 - image[:, :1], 4) * 60
        rows = torch.zeros(1, 4 + 1 + 32, 1)
        rows[0, :5, 0] = torch.tensor([width / 2, height / 2, width, height, 0.9])
        rows[0, 5] = 1
        return (rows, torch.cat([dark, torch.zeros(1, 31, *dark.shape[2:])], 1)), None


@pytest.mark.parametrize("canvas", [SQUARE, FLAT])
@pytest.mark.parametrize("shape", [(240, 1000), (130, 333), (700, 400)])
def test_the_mask_comes_back_to_where_the_ink_is(canvas, shape):
    height, width = shape
    ink = np.zeros(shape, bool)
    ink[height // 4 : height // 2, width // 8 : width // 3] = True
    image = np.where(ink, 0, 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    assert iou(Detector(SeesDark(), canvas).segment(image) >= 0.5, ink) > 0.85


def test_without_the_package_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "ultralytics", raising=False)
    with pytest.raises(ConfigError, match=r"AGPL-3\.0.*pip install 'ecgtrace\[yolo\]'"):
        yolo_runtime.load()


def config(folder, *overrides):
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose("train", [*QUICK, f"output_dir={folder}", *overrides])


@pytest.mark.parametrize("broken", ["refuses", "hangs"])
def test_weights_that_cannot_be_fetched_are_done_without(broken, monkeypatch, tmp_path, caplog):
    def urlopen(*args, **kwargs):
        if broken == "hangs":
            time.sleep(60)
        raise urllib.request.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    monkeypatch.setattr(yolo, "_FETCH_S", 0.2)
    cfg = config(tmp_path, "model.pretrained=true")
    began = time.monotonic()
    start = yolo._start(cfg, tmp_path)
    assert time.monotonic() - began < 30
    assert start == (None, "random (yolo11n-seg.pt could not be fetched)")
    assert "could not be fetched" in caplog.text


def test_pretrained_weights_of_a_local_file_are_taken_where_they_fit(tmp_path):
    """A file such as Ultralytics releases: the pickled network, here of 80 classes as theirs."""
    yolo_runtime.load()
    from ultralytics.nn.tasks import SegmentationModel

    torch.manual_seed(1)
    released = SegmentationModel("yolo11n-seg.yaml", nc=80, verbose=False)
    torch.save({"model": released.half(), "train_args": {}}, tmp_path / "yolo11n-seg.pt")
    cfg = config(tmp_path, "model.pretrained=true", f"model.weights={tmp_path / 'yolo11n-seg.pt'}")
    weights, name = yolo._start(cfg, tmp_path)
    assert name == "pretrained (yolo11n-seg.pt)"
    same = [k for k, v in released.state_dict().items() if torch.equal(weights[k].half(), v)]
    assert "model.0.conv.weight" in same
    assert len(same) > 0.9 * len(weights)
    build_network().load_state_dict(weights)


class Evil:
    """Runs code when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    torch.save({"model": Evil(tmp_path / "ran")}, tmp_path / "evil.pt", pickle_module=pickle)
    with pytest.raises(WeightsError, match="no weights of Ultralytics"):
        yolo._pretrained("yolo11n-seg", tmp_path / "evil.pt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.height=100", "multiples of 32"),
        ("trainer.devices=2", "one device"),
        ("model.weights=nowhere.pt", "nowhere.pt is not there"),
        ("validate_only=true", "init_from"),
    ],
)
def test_wrong_options_are_named(override, message, tmp_path):
    cfg = config(tmp_path, override, "model.pretrained=true")
    with pytest.raises(ConfigError, match=message):
        training.main(cfg)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """One epoch from the command line, with a home and a temporary folder of its own."""
    folder = tmp_path_factory.mktemp("yolo")
    home, run = folder / "home", folder / "run"
    home.mkdir()
    known = {k: v for k, v in os.environ.items() if not k.startswith(("YOLO", "XDG", "ULTRALYTICS"))}
    command = [sys.executable, "train.py", *QUICK, "model.hyper.epochs=1", f"hydra.run.dir={run}"]
    own = {"HOME": str(home), "MPLCONFIGDIR": str(folder / "matplotlib")}
    done = subprocess.run(command, cwd=ROOT, env=known | own, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    return run, home, done


def test_a_run_keeps_to_its_folder(trained):
    run, home, done = trained
    assert list(home.rglob("*")) == []
    assert {p.name for p in run.iterdir()} >= {"metrics.csv", "metrics.json", "weights.safetensors", "data"}
    assert (run / "yolo" / "settings" / "Ultralytics" / "settings.json").is_file()
    assert "Ultralytics" not in done.stdout + done.stderr  # its banner and its tables


def test_a_run_leaves_its_rows_and_facts(trained):
    run, _, _ = trained
    rows = pd.read_csv(run / "metrics.csv")
    assert rows["epoch"].tolist() == [0]
    for stage in ("train", "val"):
        parts = rows[[f"{stage}/{name}_loss" for name in ("box", "seg", "cls", "dfl")]]
        np.testing.assert_allclose(rows[f"{stage}/loss"], parts.sum(axis=1))
        assert (parts > 0).all(axis=None)
    facts = json.loads((run / "metrics.json").read_text())
    assert facts["started_from"] == "random"
    assert facts["crops_per_epoch"] == 4
    assert facts["n_val_instances"] == len(list((run / "data" / "val" / "images").iterdir()))
    counts = pd.read_csv(run / "confusion.csv").set_index(["predicted", "true"])["count"]
    assert counts[:, "signal"].sum() == facts["n_val_instances"]
    assert counts["background", "signal"] / facts["n_val_instances"] == facts["no_detection_share"]
    assert pd.read_csv(run / "confusion_by_confidence.csv")["confidence"].nunique() == 4
    card = read_card(run / "weights.safetensors")
    assert (card.network, card.encoder, card.height, card.width) == ("yolo", "yolo11n-seg", 64, 128)


def test_the_same_command_goes_on_and_then_has_nothing_to_do(trained):
    run, _, _ = trained
    first = pd.read_csv(run / "metrics.csv").iloc[0]
    metrics = training.main(config(run, "model.hyper.epochs=2"))
    assert metrics["epochs"] == 2
    rows = pd.read_csv(run / "metrics.csv")
    assert rows["epoch"].tolist() == [0, 1]
    pd.testing.assert_series_equal(rows.iloc[0], first)
    saved = (run / "yolo" / "weights" / "last.pt").stat().st_mtime_ns
    again = training.main(config(run, "model.hyper.epochs=2"))
    assert (run / "yolo" / "weights" / "last.pt").stat().st_mtime_ns == saved
    assert again["best_val_iou"] == metrics["best_val_iou"]


def test_the_weights_segment_a_crop(trained, capsys):
    run, _, _ = trained
    segmenter = YoloSegmenter(str(run / "weights.safetensors"), confidence=1e-6)
    image = np.full((90, 400, 3), 255, np.uint8)
    image[40:45] = 0
    united = segmenter(image, duration_s=5.0)
    assert (united.shape, united.dtype) == ((90, 400), np.float32)
    assert 0 < united.max() <= 1
    np.testing.assert_array_equal(united[:, :200], segmenter(image[:, :200], duration_s=2.5))
    assert segmenter.model.startswith("yolo:")
    assert capsys.readouterr() == ("", "")


def test_nothing_found_is_a_failure_with_a_reason(trained):
    run, _, _ = trained
    nothing = YoloSegmenter(str(run / "weights.safetensors"), confidence=0.999)
    digitizer = ProposedDigitizer(nothing, px_per_mm=8.0)
    with pytest.raises(TraceNotFoundError):
        digitizer(np.full((90, 400, 3), 255, np.uint8))
    assert digitizer.model == nothing.model


def test_validation_alone_gives_the_iou_of_the_training(trained):
    run, _, _ = trained
    facts = json.loads((run / "metrics.json").read_text())
    cfg = config(run, "validate_only=true", f"init_from={run / 'weights.safetensors'}")
    assert yolo._fit(cfg, run, yolo._canvas(cfg), None)["val/iou"] == pytest.approx(
        facts["best"]["val/iou"], abs=1e-9
    )


def test_weights_of_another_network_are_refused(trained, tmp_path):
    card = WeightsCard("unet", "resnet34", 64, 128, 2.5, "random")
    save_weights(nn.Linear(1, 1), card, tmp_path / "unet.safetensors")
    with pytest.raises(WeightsError, match="model=unet"):
        _ = YoloSegmenter(str(tmp_path / "unet.safetensors")).model


def test_importing_it_changes_nothing_for_others():
    """Left alone it replaces Pillow's `open`, NumPy's printing, OpenCV's threads and OMP_NUM_THREADS."""
    code = (
        "import os, cv2, numpy as np, torch\n"
        "from PIL import Image\n"
        "def seen():\n"
        "    keys = {k for k in os.environ if not k.startswith(('YOLO_', 'ULTRALYTICS_'))}\n"
        "    functions = (Image.open, torch.save, cv2.imread, cv2.imwrite)\n"
        "    return functions, cv2.getNumThreads(), str(np.array([0.5, 1.0])), str(torch.tensor(0.5)), keys\n"
        "before = seen()\n"
        "from ecgtrace.training import yolo_trainer\n"
        "assert seen() == before, (before, seen())\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
