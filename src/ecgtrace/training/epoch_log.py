"""One row per epoch in a CSV file that survives interruptions."""

from argparse import Namespace
from pathlib import Path
from typing import Any

import pandas as pd
from lightning.pytorch.loggers.logger import Logger, rank_zero_experiment
from lightning.pytorch.utilities import rank_zero_only


class FolderlessLogger(Logger):
    """Answers what Lightning asks of every logger, for those that have no folder of their own."""

    @property
    def name(self) -> str:
        """Lightning asks for it; this logger has no folders of its own."""
        return ""

    @property
    def version(self) -> str:
        """Lightning asks for it; this logger has no versions."""
        return ""

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """The configuration is kept by Hydra, and by the run."""


class EpochCsvLogger(FolderlessLogger):
    """
    Keep `metrics.csv`: one row per epoch, all metrics of the epoch in it.

    Lightning's own CSVLogger deletes the file of a run that is resumed, and spreads an epoch over
    several rows. Here an epoch that is trained again after an interruption replaces its row.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.rows: dict[int, dict[str, float]] = {}
        self._waiting: dict[str, float] = {}
        if path.is_file():
            for row in pd.read_csv(path).to_dict("records"):
                self.rows[int(row.pop("epoch"))] = {str(k): v for k, v in row.items() if pd.notna(v)}

    @property
    @rank_zero_experiment
    def experiment(self) -> "EpochCsvLogger":
        """Itself."""
        return self

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Merge metrics into the row of their epoch and write the file."""
        self._waiting |= {name: float(value) for name, value in metrics.items() if name != "epoch"}
        if "epoch" not in metrics:  # Lightning logs the learning rate so, at the start of an epoch
            return
        self.rows.setdefault(int(metrics["epoch"]), {}).update(self._waiting)
        self._waiting = {}
        table = pd.DataFrame([{"epoch": epoch, **row} for epoch, row in sorted(self.rows.items())])
        table = table[["epoch", *sorted(set(table.columns) - {"epoch"})]]
        part = self.path.with_suffix(".part")
        table.to_csv(part, index=False)
        part.replace(self.path)
