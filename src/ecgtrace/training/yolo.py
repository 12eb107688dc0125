"""
Training of the second model of the paper, YOLO11n-seg: `python train.py model=yolo`.

Ultralytics is imported only where it is needed: it is optional, and under AGPL-3.0.
"""

import json
import logging
import threading
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf
from torch import Tensor
from tqdm import tqdm

from ecgtrace.datasets.windowed import WindowedCrops
from ecgtrace.errors import ConfigError, WeightsError
from ecgtrace.provenance import provenance
from ecgtrace.reporting.run_log import RunLog
from ecgtrace.segmentation import yolo_runtime
from ecgtrace.segmentation.weights import (
    WeightsCard,
    load_weights,
    resolve,
    save_weights,
)
from ecgtrace.segmentation.yolo import NETWORK, YoloSegmenter
from ecgtrace.segmentation.yolo_canvas import STRIDE_PX, Canvas
from ecgtrace.segmentation.yolo_network import CONFIDENCE, Detector, build_network, probability, to_crop
from ecgtrace.training.epoch_log import EpochCsvLogger
from ecgtrace.training.tracked import data_fingerprint, training_run
from ecgtrace.training.yolo_confusion import Confusion, by_threshold
from ecgtrace.training.yolo_data import export
from ecgtrace.types import FloatArray

_RELEASE = "https://github.com/ultralytics/assets/releases/download/v8.3.0/"
_FETCH_S = 10.0  # to reach the server; without a network it fails at once
_LEVELS = (0.001, 0.1, CONFIDENCE, 0.5)
_log = logging.getLogger(__name__)


def fit(cfg: DictConfig) -> dict[str, Any]:
    """
    Train YOLO, and leave the best weights in the run folder.

    `cfg.augmentation` is of the U-Net alone: the paper gave YOLO none of its own, only Ultralytics' in
    `model.hyper`. Every epoch goes through the same crops, the first `training.train.size` of the source:
    files that Ultralytics reads. The best epoch is that of the greatest IoU over the pixels of all
    validation windows, as for the U-Net, and early stopping goes by it too; Ultralytics' own choice is by
    mAP.

    Parameters
    ----------
    cfg : DictConfig
        As `conf/train.yaml` with `model=yolo`. The test split is never opened.

    Returns
    -------
    dict
        What `metrics.json` holds. With `validate_only`, the metrics of the weights in `init_from`.

    Notes
    -----
    The folder gets `data/` (the crops), `yolo/weights/` (`last.pt` and `best.pt`, Ultralytics', for going
    on), `weights.safetensors`, `metrics.csv` (a row per epoch), `metrics.json`, `confusion.csv` (at
    Ultralytics' thresholds) and `confusion_by_confidence.csv`. A folder that already holds `last.pt` is gone
    on with, after its last whole epoch: from the smoothed weights in half precision, as Ultralytics resumes,
    and so not to the last digit as an uninterrupted run.
    """
    canvas = _canvas(cfg)
    _device(cfg)
    folder = Path(cfg.output_dir)
    yolo_runtime.load(folder / "yolo" / "settings")
    with training_run(cfg) as run:
        return _fit(cfg, folder, canvas, run)


def _canvas(cfg: DictConfig) -> Canvas:
    height, width = cfg.model.height, cfg.model.width
    if height % STRIDE_PX or width % STRIDE_PX or not 0 < height <= width:
        raise ConfigError(
            f"model.height={height} and model.width={width} must be multiples of {STRIDE_PX}, "
            "height at most width"
        )
    return Canvas(height, width)


def _fit(cfg: DictConfig, folder: Path, canvas: Canvas, run: RunLog) -> dict[str, Any]:
    data = instantiate(cfg.training, _convert_="object")
    val = WindowedCrops(data["val"], cfg.model.window_s)
    if cfg.validate_only:
        return _validate_only(cfg, val)
    fingerprinted = data_fingerprint(cfg, data)
    initial, started_from = _start(cfg, folder)
    dataset = export(
        data["train"], val, folder / "data", canvas, {"data_fingerprint": fingerprinted}, cfg.progress
    )
    facts = {"started_from": started_from, "data_fingerprint": fingerprinted}
    run.log_facts(facts)
    _train(cfg, folder, canvas, dataset, initial, run)
    return _finish(cfg, folder, canvas, val, len(data["train"]), facts)


def _train(
    cfg: DictConfig,
    folder: Path,
    canvas: Canvas,
    dataset: Path,
    initial: dict[str, Tensor] | None,
    run: RunLog,
) -> None:
    from ecgtrace.training import yolo_trainer

    own = folder / "yolo"
    last = own / "weights" / "last.pt"
    hyper: dict[str, Any] = OmegaConf.to_container(cfg.model.hyper, resolve=True)  # type: ignore[assignment]
    if last.is_file() and yolo_trainer.finished(_checkpoint(last), hyper["epochs"], hyper["patience"]):
        return
    device, amp = _device(cfg)
    options = {
        **hyper,
        "model": f"{cfg.model.architecture}.yaml",
        "pretrained": False,  # `initial` has them
        "data": str(dataset),
        "imgsz": canvas.width,
        "rect": not canvas.is_square,
        "mosaic": hyper["mosaic"] if canvas.is_square else 0.0,
        "batch": cfg.training.batch_size,
        "workers": cfg.training.num_workers,
        "device": device,
        "amp": amp,
        "seed": cfg.seed,
        "save_dir": str(own),
        "exist_ok": True,
        "plots": False,  # they would fetch a font
        "verbose": False,
        "resume": str(last) if last.is_file() else False,
    }
    table = EpochCsvLogger(folder / "metrics.csv")

    def report(row: dict[str, float]) -> None:
        table.log_metrics(row)
        run.log_epoch(row)
        _log.info("epoch %d: loss %.3f, validation IoU %.4f", row["epoch"], row["train/loss"], row["val/iou"])

    with yolo_trainer.on_our_terms(bfloat16=amp == "bf16"):
        trainer = yolo_trainer.Trainer(overrides=options)
        trainer.canvas, trainer.initial, trainer.on_epoch = canvas, initial, report
        if cfg.progress:
            _show_progress(trainer)
        trainer.train()


def _device(cfg: DictConfig) -> tuple[str, str | bool]:
    """Translate the settings of Lightning's trainer."""
    strategy = OmegaConf.select(cfg, "trainer.strategy", default="auto")
    if strategy != "auto" or cfg.trainer.devices not in (1, "auto"):
        raise ConfigError("model=yolo trains on one device; leave out trainer=ddp and set trainer.devices=1")
    on_gpu = cfg.trainer.accelerator != "cpu" and torch.cuda.is_available()
    precision = str(cfg.trainer.precision)
    if precision.startswith("bf16"):
        return "0" if on_gpu else "cpu", "bf16"
    return ("0", precision.startswith("16")) if on_gpu else ("cpu", False)


def _show_progress(trainer: Any) -> None:
    bars: list[Any] = []

    def begin(t: Any) -> None:
        bars.append(tqdm(total=len(t.train_loader), desc=f"epoch {t.epoch}", leave=False))

    trainer.add_callback("on_train_epoch_start", begin)
    trainer.add_callback("on_train_batch_end", lambda t: bars[-1].update())
    trainer.add_callback("on_train_epoch_end", lambda t: bars.pop().close())


def _start(cfg: DictConfig, folder: Path) -> tuple[dict[str, Tensor] | None, str]:
    """Return what training starts from, and its name."""
    note = folder / "yolo" / "started_from.txt"
    if (folder / "yolo" / "weights" / "last.pt").is_file() and note.is_file():
        return None, note.read_text()
    initial, name = _initial(cfg, folder)
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(name)
    return initial, name


def _initial(cfg: DictConfig, folder: Path) -> tuple[dict[str, Tensor] | None, str]:
    if cfg.init_from is not None:
        network = build_network(cfg.model.architecture)
        card = load_weights(network, resolve(cfg.init_from))
        return network.state_dict(), f"{Path(cfg.init_from).name} ({card.started_from})"
    if not cfg.model.pretrained:
        return None, "random"
    name = f"{cfg.model.architecture}.pt"
    if cfg.model.weights is not None:
        path = Path(cfg.model.weights)
        if not path.is_file():
            raise ConfigError(
                f"model.weights={path} is not there; it is Ultralytics' {name}, or null to fetch it"
            )
        return _pretrained(cfg.model.architecture, path), f"pretrained ({path.name})"
    try:
        path = _fetch(name, folder / "yolo")
    except OSError as error:  # what urllib raises without a network
        _log.warning("%s could not be fetched (%s); starting at random", name, error)
        return None, f"random ({name} could not be fetched)"
    return _pretrained(cfg.model.architecture, path), f"pretrained ({name})"


def _fetch(name: str, folder: Path) -> Path:
    """
    Download a file of Ultralytics' release.

    Raises
    ------
    OSError
        If the server is not reached within seconds.
    """
    path = folder / name
    if path.is_file():
        return path
    answer: list[Any] = []

    def ask() -> None:
        try:
            answer.append(urllib.request.urlopen(_RELEASE + name, timeout=_FETCH_S))
        except (OSError, ValueError) as error:
            answer.append(error)

    # In a thread, since a look-up of the server's name cannot be given a time limit.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_FETCH_S)
    if not answer:
        raise TimeoutError(f"no answer within {_FETCH_S:g} s")
    if isinstance(answer[0], Exception):
        raise OSError(str(answer[0])) from answer[0]
    part = path.with_suffix(".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    with answer[0] as response:
        part.write_bytes(response.read())
    return part.replace(path)


def _pretrained(architecture: str, path: Path) -> dict[str, Tensor]:
    """Return the weights of a network for one class, those of a file wherever they fit."""
    try:
        source = _checkpoint(path)["model"].float().state_dict()
    except Exception as error:  # torch.load raises many kinds for a file that is none of these
        raise WeightsError(f"{path} holds no weights of Ultralytics: {str(error).splitlines()[0]}") from None
    own: dict[str, Tensor] = build_network(architecture).state_dict()
    fitting = {k: v for k, v in source.items() if k in own and own[k].shape == v.shape}
    if len(fitting) < len(own) / 2:
        raise WeightsError(f"{path} holds weights of another network than {architecture}")
    return {**own, **fitting}


def _checkpoint(path: Path) -> dict[str, Any]:
    """Read a .pt file of Ultralytics: its network is rebuilt from known classes alone."""
    from ultralytics.nn.tasks import torch_safe_load

    return torch_safe_load(str(path), safe_only=True)[0]


def _validate_only(cfg: DictConfig, val: WindowedCrops) -> dict[str, Any]:
    if cfg.init_from is None:
        raise ConfigError("validate_only=true needs weights: init_from=.../weights.safetensors")
    metrics, _ = _measure(YoloSegmenter(str(cfg.init_from)).detector, val)
    return metrics


def _measure(
    detector: Detector, val: WindowedCrops
) -> tuple[dict[str, Any], list[tuple[FloatArray, FloatArray, FloatArray]]]:
    """Return metrics on the validation windows, and each window's boxes, confidences and true box."""
    shared = either = per_crop = 0.0
    counts, found = Confusion(), []
    for crop in val:
        instances, shape, where = detector.find(crop.image, min(_LEVELS))
        boxes = to_crop(instances.boxes, where, crop.mask.shape)
        confidence = instances.confidence.cpu().numpy().astype(float)
        truth = _box(crop.mask)
        found.append((boxes, confidence, truth))
        counts.add(boxes[confidence >= CONFIDENCE], truth)
        united = probability(instances.above(CONFIDENCE), shape, where, crop.mask.shape)
        ink, mask = united >= 0.5, crop.mask.astype(bool)
        shared, either = shared + float((ink & mask).sum()), either + float((ink | mask).sum())
        per_crop += float((ink & mask).sum() / max((ink | mask).sum(), 1))
    metrics = {
        "val/iou": shared / max(either, 1.0),
        "val/iou_per_crop": per_crop / max(counts.n, 1),
        "no_detection_share": counts.missed_share,
        "nothing_found_share": counts.empty / max(counts.n, 1),
        "n_val_instances": counts.n,
    }
    return metrics, found


def _box(mask: NDArray[np.uint8]) -> FloatArray:
    """Return the box x0, y0, x1, y1 of a mask in px."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], float)


def _finish(
    cfg: DictConfig, folder: Path, canvas: Canvas, val: WindowedCrops, n_train: int, facts: dict[str, str]
) -> dict[str, Any]:
    weights = folder / "yolo" / "weights"
    best, last = _checkpoint(weights / "best.pt"), _checkpoint(weights / "last.pt")
    rows = EpochCsvLogger(folder / "metrics.csv").rows
    metrics: dict[str, Any] = {
        "best_epoch": int(best["epoch"]),
        "best_val_iou": rows[int(best["epoch"])]["val/iou"],
        "last": rows[int(last["epoch"])],
        "epochs": int(last["epoch"]) + 1,
        "crops_per_epoch": n_train,
        **facts,
        "ultralytics": last["version"],
        "provenance": provenance(cfg),
    }
    network = build_network(cfg.model.architecture)
    network.load_state_dict({k: v.float() for k, v in best["ema"].state_dict().items()})
    measured, found = _measure(Detector(network.eval(), canvas), val)
    metrics["best"] = {name: value for name, value in measured.items() if name.startswith("val/")}
    metrics |= {name: value for name, value in measured.items() if not name.startswith("val/")}
    table = by_threshold(found, _LEVELS)
    table.to_csv(folder / "confusion_by_confidence.csv", index=False)
    table[table["confidence"] == CONFIDENCE].drop(columns="confidence").to_csv(
        folder / "confusion.csv", index=False
    )
    card = WeightsCard(
        network=NETWORK,
        encoder=cfg.model.architecture,
        height=canvas.height,
        width=canvas.width,
        window_s=cfg.model.window_s,
        started_from=facts["started_from"],
        training={k: v for k, v in metrics.items() if k != "started_from"},
        resize="keep",
    )
    save_weights(network, card, folder / "weights.safetensors")
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    _log.info("best validation IoU %.4f; weights in %s", metrics["best_val_iou"], folder)
    return metrics
