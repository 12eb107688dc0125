"""Training by the clock, of a network whose running mean of weights is what is kept."""

import copy
import json
import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import lightning
import torch
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, TQDMProgressBar
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from ecgtrace.errors import ConfigError
from ecgtrace.page_ink.unet import as_input
from ecgtrace.provenance import provenance
from ecgtrace.reporting.run_log import RunLog
from ecgtrace.training.epoch_log import EpochCsvLogger
from ecgtrace.training.page_light import PageLight
from ecgtrace.training.tracked import RunLogger

_log = logging.getLogger(__name__)
Save = Callable[[Any, dict[str, Any], Path], None]


class AveragedModule(lightning.LightningModule):
    """
    Keep a running mean of the weights of a network, and end a run when its time is over.

    Parameters
    ----------
    network : nn.Module
    light : PageLight
        What training changes of pictures.
    optimizer : callable
        From parameters to an optimizer.
    warmup : float
        Share of the run in which the learning rate rises from 0; then it falls as a half cosine.
    seconds : float, optional
        How long to train, on whatever machine: what is done is the share of this time, and the run ends with
        it. By default the trainer's number of steps decides.
    mean_steps : float
        Over how many steps, about, the mean of the weights goes; fewer at the beginning.
    """

    def __init__(
        self,
        network: nn.Module,
        light: PageLight,
        optimizer: Callable[..., Optimizer],
        warmup: float = 0.03,
        seconds: float | None = None,
        mean_steps: float = 200.0,
    ) -> None:
        super().__init__()
        self.network, self.mean = network, copy.deepcopy(network).requires_grad_(False).eval()
        self.light, self.make_optimizer = light, optimizer
        self.warmup, self.seconds, self.mean_steps = warmup, seconds, mean_steps
        self.spent_s = 0.0
        self._since: float | None = None

    def lit(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the pictures of a batch as the network takes them, each in another light."""
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            return self.light(as_input(batch["image"])).contiguous(memory_format=torch.channels_last)

    def share_done(self) -> float:
        """Return how much of the run is behind, in [0, 1]."""
        if self.seconds:
            return min(1.0, self.clock_s() / self.seconds)
        return min(1.0, self.global_step / max(1, int(self.trainer.estimated_stepping_batches)))

    def clock_s(self) -> float:
        """Return how long this run has trained, before an interruption too, in s."""
        return self.spent_s + (time.monotonic() - self._since if self._since else 0.0)

    def on_train_start(self) -> None:
        """Start the clock."""
        self._since = time.monotonic()

    def on_train_batch_start(self, batch: Any, batch_index: int) -> None:
        """Set the learning rate."""
        factor = half_cosine(self.share_done(), self.warmup)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = group["initial_lr"] * factor

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_index: int) -> None:
        """Take the weights into their mean; end where the time is over."""
        keep = min(1 - 1 / self.mean_steps, (self.global_step + 1) / (self.global_step + 10))
        with torch.no_grad():
            mean, own = self.mean.state_dict(), self.network.state_dict()
            floats = [name for name, value in own.items() if value.is_floating_point()]
            torch._foreach_lerp_([mean[n] for n in floats], [own[n] for n in floats], 1 - keep)
        if self.seconds and self.share_done() >= 1:
            self.trainer.should_stop = True

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the time spent."""
        checkpoint["spent_s"] = self.clock_s()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on where the clock stood."""
        self.spent_s = float(checkpoint["spent_s"])

    def configure_optimizers(self) -> Optimizer:
        """Return the optimizer; the rate is set step by step."""
        optimizer = self.make_optimizer(self.network.parameters())
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
        return optimizer


def half_cosine(done: float, warmup: float) -> float:
    """
    Return the factor of the learning rate when a share of the run is done.

    Examples
    --------
    >>> [round(half_cosine(done, 0.1), 3) for done in (0.0, 0.05, 0.1, 0.55, 1.0)]
    [0.01, 0.5, 1.0, 0.5, 0.0]
    """
    if done < warmup:
        return max(0.01, done / warmup)
    return 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))


def started(network: Any, init_from: str | None, load: Callable[[str], tuple[Any, Any]]) -> tuple[Any, str]:
    """Return the network to train, that of `init_from` where it is given, and what to call its start."""
    if init_from is None:
        return network, "random"
    return load(init_from)[0].train(), Path(init_from).name


def train(
    cfg: DictConfig,
    run: RunLog,
    module: AveragedModule,
    loaders: tuple[DataLoader[Any], DataLoader[Any]],
    save: Save,
    score: str,
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """
    Train a module with Lightning, and leave its weights in the run folder.

    Parameters
    ----------
    cfg : DictConfig
        As `conf/train.yaml`.
    run : RunLog
    module : AveragedModule
    loaders : tuple of DataLoader
        Of training and of validation.
    save : callable
        Writes a network and facts about its training to a path.
    score : str
        The validation metric that tables show.
    facts : mapping
        What the weights' card says beside metrics, steps and time.

    Returns
    -------
    dict
        What `metrics.json` holds: the metrics of the last validation, steps, time, provenance. With
        `validate_only`, the metrics of the weights that the module has.

    Notes
    -----
    The folder gets `weights.safetensors` after each validation (the running mean of the weights), `last.ckpt`
    for going on, `metrics.csv` (a row per epoch) and `metrics.json`. A folder that already holds `last.ckpt`
    is gone on with, from the end of the last whole epoch.
    """
    folder = Path(cfg.output_dir)
    run.log_facts(dict(facts))
    last = ModelCheckpoint(
        folder, filename="last", monitor=None, save_on_train_epoch_end=True, enable_version_counter=False
    )
    bar = [TQDMProgressBar(refresh_rate=10)] if cfg.progress else []
    trainer = instantiate(
        cfg.trainer,
        callbacks=[_KeepWeights(folder, save, facts), last, *bar],
        logger=[EpochCsvLogger(folder / "metrics.csv"), RunLogger(run)],
        default_root_dir=folder,
        enable_progress_bar=cfg.progress,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
    )
    if cfg.validate_only:
        seen = trainer.validate(module, loaders[1], verbose=True)[0]
        return {**seen, "val/iou": seen[score]}  # by this name sweeps and `train.py` ask for it
    resumed = folder / "last.ckpt"
    trainer.fit(module, *loaders, ckpt_path=str(resumed) if resumed.is_file() else None)
    if trainer.interrupted:
        raise KeyboardInterrupt
    metrics = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
    if score not in metrics:
        raise ConfigError("no epoch was trained; set trainer.max_epochs to 1 or more")
    done = {
        "best_val_iou": metrics[score],  # of the last validation: a mean of weights has no best epoch
        "best_epoch": trainer.current_epoch - 1,
        "last": metrics,
        "steps": trainer.global_step,
        "seconds": round(module.clock_s(), 1),
        **facts,
        "provenance": provenance(cfg),
    }
    if trainer.is_global_zero:
        save(module.mean, done, folder / "weights.safetensors")
        (folder / "metrics.json").write_text(json.dumps(done, indent=2) + "\n")
        _log.info("%s %.4f; weights in %s", score, metrics[score], folder)
    return done


class _KeepWeights(Callback):
    """Write the mean of the weights after each validation: a run that is cut off leaves what it had."""

    def __init__(self, folder: Path, save: Save, facts: Mapping[str, Any]) -> None:
        self.folder, self.save, self.facts = folder, save, facts

    def on_validation_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if trainer.is_global_zero and trainer.state.fn == "fit":
            assert isinstance(module, AveragedModule)
            facts = {"epoch": trainer.current_epoch, "steps": trainer.global_step, **self.facts}
            self.save(module.mean, facts, self.folder / "weights.safetensors")
