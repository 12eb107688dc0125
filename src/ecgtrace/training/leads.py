"""Training of the lead network: `python train.py model=lead`."""

from functools import partial
from pathlib import Path
from typing import Any

import lightning
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor
from torch.utils.data import DataLoader

from ecgtrace.page_ink import lead_network
from ecgtrace.page_ink.lead_unet import CHANNELS, LeadUNet
from ecgtrace.page_ink.unet import as_input
from ecgtrace.page_ink.weights import load_page_network
from ecgtrace.page_ink.weights import resolve as page_weights
from ecgtrace.reporting.run_log import RunLog
from ecgtrace.training.averaged import AveragedModule, started, train
from ecgtrace.training.datamodule import one_thread
from ecgtrace.training.fresh import FreshSampler
from ecgtrace.training.lead_crops import LeadCrops
from ecgtrace.training.losses import BceDiceLoss
from ecgtrace.training.tracked import tracked

_LIKELIER = 0.0  # logit of what is likelier than not


class LeadModule(AveragedModule):
    """
    Train the lead network.

    Parameters
    ----------
    network : LeadUNet
    loss : BceDiceLoss
    *others, **schedule
        As `AveragedModule`.
    """

    def __init__(self, network: LeadUNet, loss: BceDiceLoss, *others: Any, **schedule: Any) -> None:
        super().__init__(network, *others, **schedule)
        self.loss = loss
        self._shared, self._either = torch.zeros(len(CHANNELS)), torch.zeros(len(CHANNELS))

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        """Return the loss of a batch."""
        image = self.lit(batch)
        logits = self.network(image, batch["hints"].float())
        with torch.autocast(self.device.type, enabled=False):
            loss: Tensor = self.loss(logits, batch["truth"].float())
        self.log("train/loss", loss.detach(), on_step=False, on_epoch=True, batch_size=len(image))
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        """Count what the mean of the weights gets right of a batch."""
        seen = self.mean(as_input(batch["image"]), batch["hints"].float()).float() > _LIKELIER
        truth = batch["truth"].bool()
        self._shared += (seen & truth).sum((0, 2, 3)).cpu()
        self._either += (seen | truth).sum((0, 2, 3)).cpu()

    def on_validation_epoch_start(self) -> None:
        """Begin to count anew."""
        self._shared, self._either = torch.zeros(len(CHANNELS)), torch.zeros(len(CHANNELS))

    def on_validation_epoch_end(self) -> None:
        """Log IoU over all crops as one picture."""
        iou = (self._shared / self._either.clamp(min=1)).tolist()
        self.log_dict({f"val/iou_{name}": value for name, value in zip(CHANNELS, iou, strict=True)})


@tracked
def fit(cfg: DictConfig, run: RunLog) -> dict[str, Any]:
    """
    Train the lead network with Lightning, and leave its weights in the run folder.

    Parameters
    ----------
    cfg : DictConfig
        As `conf/train.yaml` with `model=lead`. The test split is never opened.
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
        instantiate(model.network),
        cfg.init_from,
        lambda file: lead_network.load_lead_network(Path(file)),
    )
    if cfg.init_from is None and model.start_from_page is not None:
        path = page_weights(model.start_from_page)
        network.start_from(load_page_network(path)[0])
        started_from = Path(path).name
    module = LeadModule(
        network.to(memory_format=torch.channels_last),
        instantiate(model.loss),
        instantiate(model.light),
        instantiate(model.optimizer),
        **model.schedule,
    )
    facts = {"started_from": started_from, "batch_size": data["batch_size"]}
    save = lead_network.save_lead_weights
    return train(cfg, run, module, _loaders(cfg, data), save, "val/iou_target", facts)


def _loaders(cfg: DictConfig, data: dict[str, Any]) -> tuple[DataLoader[Any], DataLoader[Any]]:
    batch_size, workers = data["batch_size"], data["num_workers"]
    lanes = max(1, workers)
    # A whole number of rounds through the lanes, or an epoch would begin with another worker's pages.
    size = -(-data["size"] // (batch_size * lanes)) * batch_size * lanes
    crops = partial(LeadCrops, maps=data["maps"], height=cfg.model.height, width=cfg.model.width)
    seen = crops(
        data["train"],
        seed=cfg.seed,
        batch_size=batch_size,
        lanes=lanes,
        per_page=data["per_page"],
        pool=data["pool"],
        size=size,
    )
    # Each page of validation gives its crops one after the other.
    per_page = min(data["per_page"], data["val_size"])
    held_out = crops(data["val"], per_page=per_page, pool=1, size=data["val_size"])
    loader = partial(DataLoader, num_workers=workers, worker_init_fn=one_thread)
    return (
        loader(
            seen,
            batch_size=batch_size,
            sampler=FreshSampler(size),
            persistent_workers=workers > 0,
            prefetch_factor=3 if workers else None,
        ),
        loader(held_out, batch_size=per_page),
    )
