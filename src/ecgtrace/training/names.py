"""Training of the name network: `python train.py model=name`."""

from functools import partial
from typing import Any

import lightning
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader

from ecgtrace.page_ink.name_net import NO_NAME
from ecgtrace.page_ink.name_reader import load_name_network, resolve, save_name_weights
from ecgtrace.page_ink.unet import as_input
from ecgtrace.reporting.run_log import RunLog
from ecgtrace.training.averaged import AveragedModule, started, train
from ecgtrace.training.datamodule import one_thread
from ecgtrace.training.fresh import FreshSampler
from ecgtrace.training.name_patches import NamePatches
from ecgtrace.training.tracked import tracked


class NameModule(AveragedModule):
    """Train the name network by cross-entropy."""

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        """Return the loss of a batch."""
        image = self.lit(batch)
        loss = functional.cross_entropy(self.network(image), batch["classes"], label_smoothing=0.02)
        self.log("train/loss", loss.detach(), on_step=False, on_epoch=True, batch_size=len(image))
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        """Count what the mean of the weights gets right of a batch: names, and what is none."""
        truth = batch["classes"]
        right = self.mean(as_input(batch["image"])).argmax(1) == truth
        for kind, own in (("names", truth != NO_NAME), ("none", truth == NO_NAME)):
            if own.any():
                share = right[own].float().mean()
                self.log(f"val/{kind}_right", share, on_epoch=True, batch_size=int(own.sum()))


@tracked
def fit(cfg: DictConfig, run: RunLog) -> dict[str, Any]:
    """
    Train the name network with Lightning, and leave its weights in the run folder.

    Parameters
    ----------
    cfg : DictConfig
        As `conf/train.yaml` with `model=name`. The test split is never opened.
    run : RunLog
        Given by `tracked.tracked`.

    Returns
    -------
    dict
        As `averaged.train`.
    """
    lightning.seed_everything(cfg.seed, workers=True, verbose=False)
    model = cfg.model
    data = instantiate(model.pages, _convert_="object")
    network, started_from = started(
        instantiate(model.network), cfg.init_from, lambda file: load_name_network(resolve(file))
    )
    module = NameModule(network, instantiate(model.light), instantiate(model.optimizer), **model.schedule)
    facts = {"started_from": started_from, "patches_a_step": data["batch_size"] * data["per_page"]}
    return train(cfg, run, module, _loaders(cfg.seed, data), save_name_weights, "val/names_right", facts)


def _loaders(seed: int, data: dict[str, Any]) -> tuple[DataLoader[Any], DataLoader[Any]]:
    workers, size = data["num_workers"], data["size"]
    seen = NamePatches(data["train"], data["per_page"], seed, size)
    held_out = NamePatches(data["val"], data["per_page"], 0, data["val_size"])
    loader = partial(
        DataLoader,
        batch_size=data["batch_size"],
        num_workers=workers,
        worker_init_fn=one_thread,
        collate_fn=_joined,
        persistent_workers=workers > 0,
    )
    return loader(seen, sampler=FreshSampler(size), drop_last=True), loader(held_out)


def _joined(pages: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([page[name] for page in pages]) for name in pages[0]}
