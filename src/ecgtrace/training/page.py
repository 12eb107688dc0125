"""Training of the page network: `python train.py model=page`."""

from functools import partial
from typing import Any

import lightning
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch.utils.data import DataLoader

from ecgtrace.page_ink.weights import load_page_network, resolve, save_page_weights
from ecgtrace.reporting.run_log import RunLog
from ecgtrace.training.averaged import started, train
from ecgtrace.training.datamodule import one_thread
from ecgtrace.training.fresh import FreshSampler
from ecgtrace.training.page_module import PageModule
from ecgtrace.training.page_tiles import PageTiles, ValidationTiles
from ecgtrace.training.tracked import tracked


@tracked
def fit(cfg: DictConfig, run: RunLog) -> dict[str, Any]:
    """
    Train the page network with Lightning, and leave its weights in the run folder.

    Parameters
    ----------
    cfg : DictConfig
        As `conf/train.yaml` with `model=page`. The test split is never opened.
    run : RunLog
        Given by `tracked.tracked`.

    Returns
    -------
    dict
        As `averaged.train`.
    """
    lightning.seed_everything(cfg.seed, workers=True, verbose=False)
    data = instantiate(cfg.model.pages, _convert_="object")
    model = cfg.model
    network, started_from = started(
        instantiate(model.network), cfg.init_from, lambda file: load_page_network(resolve(file))
    )
    module = PageModule(
        network.to(memory_format=torch.channels_last),
        instantiate(model.loss),
        instantiate(model.light),
        instantiate(model.optimizer),
        **model.schedule,
    )
    facts = {"started_from": started_from, "batch_size": data["batch_size"]}
    return train(cfg, run, module, _loaders(cfg, data), save_page_weights, "val/iou_trace", facts)


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
        DataLoader, num_workers=workers, worker_init_fn=one_thread, pin_memory=torch.cuda.is_available()
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
