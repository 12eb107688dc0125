"""Training of the paper's network: `python train.py model=unet`."""

import json
import logging
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import torch
from hydra.utils import instantiate
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint, TQDMProgressBar
from omegaconf import DictConfig

from ecgtrace.errors import ConfigError
from ecgtrace.provenance import provenance
from ecgtrace.reporting.run_log import RunLog
from ecgtrace.segmentation.weights import CHANNELS, WeightsCard, load_weights, resolve, save_weights
from ecgtrace.training.datamodule import CropDataModule
from ecgtrace.training.epoch_log import EpochCsvLogger
from ecgtrace.training.module import SegmentationModule
from ecgtrace.training.tracked import RunLogger, data_fingerprint, tracked

_log = logging.getLogger(__name__)


@tracked
def fit(cfg: DictConfig, run: RunLog) -> dict[str, Any]:
    """
    Train a segmentation network with Lightning, and leave the best weights in the run folder.

    Parameters
    ----------
    cfg : DictConfig
        As `conf/train.yaml`. The test split is never opened.
    run : RunLog
        Given by `tracked.tracked`.

    Returns
    -------
    dict
        What `metrics.json` holds: best epoch and its metrics, what training started from, provenance.
        With `validate_only`, the metrics of the weights in `init_from`.

    Notes
    -----
    The folder gets `last.ckpt` and `best.ckpt` (Lightning's, for going on), `weights.safetensors`
    (the best by validation IoU), `metrics.csv` (a row per epoch) and `metrics.json`. A folder that
    already holds `last.ckpt` is gone on with, from the end of the last whole epoch.
    """
    folder = Path(cfg.output_dir)
    lightning.seed_everything(cfg.seed, workers=True, verbose=False)
    data = instantiate(cfg.training, _convert_="object")
    network = instantiate(cfg.model.network)
    datamodule = CropDataModule(
        data["train"],
        data["val"],
        cfg.model.height,
        cfg.model.width,
        instantiate(cfg.augmentation, _convert_="object"),
        batch_size=data["batch_size"],
        fresh=data["fresh"],
        num_workers=data["num_workers"],
        seed=cfg.seed,
        resize=cfg.model.resize,
        channels=network.channels,
        mask_share=cfg.model.mask_share,
    )
    started_from = network.started_from
    if cfg.init_from is not None:
        card = load_weights(network, resolve(cfg.init_from), fit_head=True)
        started_from = f"{Path(cfg.init_from).name} ({card.started_from})"
    facts = {"started_from": started_from, "data_fingerprint": data_fingerprint(cfg, data)}
    run.log_facts(facts)
    module = SegmentationModule(
        network.to(memory_format=torch.channels_last),
        instantiate(cfg.model.loss),
        instantiate(cfg.model.optimizer),
        **cfg.model.schedule,
    )
    keep = partial(ModelCheckpoint, folder, save_on_train_epoch_end=True, enable_version_counter=False)
    best = keep(filename="best", monitor="val/iou", mode="max")
    # Not `save_last` of the other: that saves only epochs that are the best so far.
    last = keep(filename="last", monitor=None)
    trainer = instantiate(
        cfg.trainer,
        callbacks=[best, last, *_keep_epochs(cfg, folder), LearningRateMonitor("epoch"), *_progress(cfg)],
        logger=[EpochCsvLogger(folder / "metrics.csv"), RunLogger(run)],
        default_root_dir=folder,
        enable_progress_bar=cfg.progress,
        log_every_n_steps=10,
    )
    if cfg.validate_only:
        return dict(trainer.validate(module, datamodule, verbose=True)[0])
    resumed = folder / "last.ckpt"
    trainer.fit(module, datamodule, ckpt_path=str(resumed) if resumed.is_file() else None)
    return _finish(cfg, folder, trainer, datamodule, module, best, facts)


def _finish(
    cfg: DictConfig,
    folder: Path,
    trainer: lightning.Trainer,
    datamodule: CropDataModule,
    module: SegmentationModule,
    best: ModelCheckpoint,
    facts: dict[str, str],
) -> dict[str, Any]:
    if trainer.interrupted:
        raise KeyboardInterrupt
    if not best.best_model_path:
        raise ConfigError("no epoch was trained; set trainer.max_epochs to 1 or more")
    checkpoint = torch.load(best.best_model_path, map_location="cpu", weights_only=False)
    module.load_state_dict(checkpoint["state_dict"])
    metrics = {
        "best_epoch": int(checkpoint["epoch"]),
        "best_val_iou": float(best.best_model_score or 0),
        "last": {name: float(value) for name, value in sorted(trainer.callback_metrics.items())},
        "epochs": trainer.current_epoch,
        "crops_per_epoch": len(datamodule.train),
        **facts,
        "provenance": provenance(cfg),
    }
    card = WeightsCard(
        network=str(module.network.name),
        encoder=str(module.network.encoder_name),
        height=cfg.model.height,
        width=cfg.model.width,
        window_s=cfg.model.window_s,
        started_from=facts["started_from"],
        training={k: v for k, v in metrics.items() if k != "started_from"},
        resize=cfg.model.resize,
        channels=tuple(getattr(module.network, "channels", CHANNELS[:1])),
    )
    if trainer.is_global_zero:
        save_weights(module.network, card, folder / "weights.safetensors")
        (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
        _log.info("best validation IoU %.4f; weights in %s", metrics["best_val_iou"], folder)
    return metrics


def _keep_epochs(cfg: DictConfig, folder: Path) -> list[ModelCheckpoint]:
    """Keep the weights of epochs that a figure needs."""
    if not cfg.keep_every_n_epochs:
        return []
    return [
        _KeptEpochs(
            folder / "epochs",
            filename="{epoch}",
            every_n_epochs=cfg.keep_every_n_epochs,
            save_top_k=-1,
            save_weights_only=True,
            save_on_train_epoch_end=True,
        )
    ]


class _KeptEpochs(ModelCheckpoint):
    """Has a key of its own in checkpoints: by Lightning's, every epoch kept is the same as the last one."""

    @property
    def state_key(self) -> str:
        return "KeptEpochs"


def _progress(cfg: DictConfig) -> list[TQDMProgressBar]:
    return [TQDMProgressBar(refresh_rate=10)] if cfg.progress else []
