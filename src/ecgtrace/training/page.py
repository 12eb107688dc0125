"""Training of the page network: `python train.py model=page`."""

import json
import logging
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import lightning
import torch
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, TQDMProgressBar
from omegaconf import DictConfig
from torch.utils.data import DataLoader

from ecgtrace.errors import ConfigError
from ecgtrace.page_ink.unet import PageUNet
from ecgtrace.page_ink.weights import load_page_network, resolve, save_page_weights
from ecgtrace.provenance import provenance
from ecgtrace.reporting.run_log import RunLog
from ecgtrace.training.epoch_log import EpochCsvLogger
from ecgtrace.training.fresh import FreshSampler
from ecgtrace.training.page_module import PageModule
from ecgtrace.training.page_tiles import PageTiles, ValidationTiles
from ecgtrace.training.tracked import RunLogger, training_run

_log = logging.getLogger(__name__)


def fit(cfg: DictConfig) -> dict[str, Any]:
    """
    Train the page network with Lightning, and leave its weights in the run folder.

    Parameters
    ----------
    cfg : DictConfig
        As `conf/train.yaml` with `model=page`. The test split is never opened.

    Returns
    -------
    dict
        What `metrics.json` holds: the metrics of the last validation, steps, pages drawn, provenance.
        With `validate_only`, the metrics of the weights in `init_from`.

    Notes
    -----
    The folder gets `weights.safetensors` after each validation (the running mean of the weights), `last.ckpt`
    for going on, `metrics.csv` (a row per epoch) and `metrics.json`. A folder that already holds `last.ckpt`
    is gone on with, from the end of the last whole epoch.
    """
    with training_run(cfg) as run:
        return _train(cfg, run)


def _train(cfg: DictConfig, run: RunLog) -> dict[str, Any]:
    folder = Path(cfg.output_dir)
    lightning.seed_everything(cfg.seed, workers=True, verbose=False)
    data = instantiate(cfg.model.pages, _convert_="object")
    model = cfg.model
    started_from = "random"
    network = instantiate(model.network)
    if cfg.init_from is not None:
        network, _ = load_page_network(resolve(cfg.init_from))
        network.train()
        started_from = Path(cfg.init_from).name
    run.log_facts({"started_from": started_from})
    module = PageModule(
        network.to(memory_format=torch.channels_last),
        instantiate(model.loss),
        instantiate(model.light),
        instantiate(model.optimizer),
        **model.schedule,
    )
    train, val = _loaders(cfg, data)
    keep = _KeepWeights(folder, {"started_from": started_from})
    last = ModelCheckpoint(
        folder, filename="last", monitor=None, save_on_train_epoch_end=True, enable_version_counter=False
    )
    trainer = instantiate(
        cfg.trainer,
        callbacks=[keep, last, *([TQDMProgressBar(refresh_rate=10)] if cfg.progress else [])],
        logger=[EpochCsvLogger(folder / "metrics.csv"), RunLogger(run)],
        default_root_dir=folder,
        enable_progress_bar=cfg.progress,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
    )
    if cfg.validate_only:
        return dict(trainer.validate(module, val, verbose=True)[0])
    resumed = folder / "last.ckpt"
    trainer.fit(module, train, val, ckpt_path=str(resumed) if resumed.is_file() else None)
    if trainer.interrupted:
        raise KeyboardInterrupt
    metrics = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
    if "val/iou_trace" not in metrics:
        raise ConfigError("no epoch was trained; set trainer.max_epochs to 1 or more")
    done = {
        "best_val_iou": metrics[
            "val/iou_trace"
        ],  # of the last validation: a mean of weights has no best epoch
        "best_epoch": trainer.current_epoch - 1,
        "last": metrics,
        "steps": trainer.global_step,
        "tiles": trainer.global_step * data["batch_size"],
        "seconds": round(module.clock_s(), 1),
        "started_from": started_from,
        "provenance": provenance(cfg),
    }
    if trainer.is_global_zero:
        save_page_weights(module.mean, done, folder / "weights.safetensors")
        (folder / "metrics.json").write_text(json.dumps(done, indent=2) + "\n")
        _log.info("validation IoU of the trace %.4f; weights in %s", metrics["val/iou_trace"], folder)
    return done


class _KeepWeights(Callback):
    """Write the mean of the weights after each validation: a run that is cut off leaves what it had."""

    def __init__(self, folder: Path, facts: dict[str, Any]) -> None:
        self.folder, self.facts = folder, facts

    def on_validation_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if trainer.is_global_zero and trainer.state.fn == "fit":
            assert isinstance(module, PageModule)
            assert isinstance(module.mean, PageUNet)
            facts = {"epoch": trainer.current_epoch, "steps": trainer.global_step, **self.facts}
            save_page_weights(module.mean, facts, self.folder / "weights.safetensors")


def _loaders(cfg: DictConfig, data: dict[str, Any]) -> tuple[DataLoader[Any], DataLoader[Any]]:
    height, width, batch_size, workers = (
        cfg.model.height,
        cfg.model.width,
        data["batch_size"],
        data["num_workers"],
    )
    lanes = max(1, workers)
    # A whole number of rounds through the lanes, or an epoch would begin with another worker's pages.
    size = -(-data["size"] // (batch_size * lanes)) * batch_size * lanes
    tiles = PageTiles(
        data["train"],
        height,
        width,
        cfg.seed,
        batch_size,
        lanes,
        data["tiles_per_page"],
        data["pool"],
        data["turned"],
        size,
    )
    seen = ValidationTiles(data["val"], height, width, data["val_size"])
    loader = partial(
        DataLoader, num_workers=workers, worker_init_fn=_one_thread, pin_memory=torch.cuda.is_available()
    )
    return (
        loader(
            tiles,
            batch_size=batch_size,
            sampler=FreshSampler(size),
            persistent_workers=workers > 0,
            prefetch_factor=3 if workers else None,
        ),
        loader(seen, batch_size=min(batch_size, 8)),
    )


def _one_thread(worker: int) -> None:
    cv2.setNumThreads(1)  # as PyTorch does for its own in a worker
