"""What every training logs, whichever model it trains."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from lightning.pytorch.loggers.logger import rank_zero_experiment
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from ecgtrace.provenance import fingerprint, provenance
from ecgtrace.reporting.run_log import RunLog
from ecgtrace.reporting.tracking import NoTracker, Tracker
from ecgtrace.training.epoch_log import FolderlessLogger

# Where data lies and how it is loaded changes no crop.
_NOT_DATA = ("root", "progress", "batch_size", "num_workers")
Result = dict[str, Any]  # what `metrics.json` holds


@contextmanager
def training_run(cfg: DictConfig) -> Iterator[RunLog]:
    """
    Open the run of a training; the tables, pictures and weights in its folder are logged at the end.

    A training does all its work in the block, and leaves `metrics.csv` and `metrics.json`.

    Parameters
    ----------
    cfg : DictConfig
        As `conf/train.yaml`.

    Yields
    ------
    RunLog
        Takes `log_epoch` while the training goes on. The first of several processes logs; the others are
        given one that does nothing.
    """
    first = rank_zero_only.rank == 0  # type: ignore[attr-defined]  # set when Lightning is imported
    tracker: Tracker = instantiate(cfg.logger) if first else NoTracker()
    folder = Path(cfg.output_dir)
    job_type = "validate" if cfg.validate_only else "train"
    with tracker.run(folder, job_type, provenance(cfg)) as run:
        yield run
        if first and not cfg.validate_only:
            tracker.log_training(run, folder, json.loads((folder / "metrics.json").read_text()))


def tracked(train: Callable[[DictConfig, RunLog], Result]) -> Callable[[DictConfig], Result]:
    """Give a training the run that it logs to (`training_run`): what is left takes its configuration."""

    @wraps(train)
    def fit(cfg: DictConfig) -> Result:
        with training_run(cfg) as run:
            return train(cfg, run)

    return fit


def data_fingerprint(cfg: DictConfig, data: Mapping[str, Any]) -> str:
    """
    Return a hash of the crops that a training sees, before augmentation.

    Parameters
    ----------
    cfg : DictConfig
        As `conf/train.yaml`.
    data : mapping
        `cfg.training`, instantiated.

    Returns
    -------
    str
        Equal wherever the data lies; another for other records, files, settings of the crops, or seed.
    """
    contents = [_content(data[split]) for split in ("train", "val")]
    return fingerprint([contents, _data_alone(OmegaConf.to_container(cfg.training, resolve=True)), cfg.seed])


class RunLogger(FolderlessLogger):
    """
    Hand Lightning's metrics to a run.

    Lightning logs an epoch in parts, and the learning rate without its epoch: it is kept for the next part.

    Parameters
    ----------
    run : RunLog
    """

    def __init__(self, run: RunLog) -> None:
        super().__init__()
        self.run = run
        self._without_epoch: dict[str, float] = {}

    @property
    @rank_zero_experiment
    def experiment(self) -> RunLog:
        """The run."""
        return self.run

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Log metrics of an epoch."""
        self._without_epoch |= {name: float(value) for name, value in metrics.items()}
        if "epoch" in metrics:
            self.run.log_epoch(self._without_epoch)
            self._without_epoch = {}


def _content(crops: Any) -> str | None:
    """Return a hash of the records or files behind crops, where they have one."""
    source: Any = crops if hasattr(crops, "fingerprint") else getattr(crops, "records", None)
    return source.fingerprint() if hasattr(source, "fingerprint") else None


def _data_alone(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _data_alone(item) for key, item in value.items() if key not in _NOT_DATA}
    return [_data_alone(item) for item in value] if isinstance(value, list) else value
