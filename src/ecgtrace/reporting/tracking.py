"""
Where the numbers of a run are logged: `logger=wandb|csv|none`.

A tracker logs an evaluation as one run and makes the Lightning logger of a training, so that both
entry points share `conf/logger/`. Lightning and wandb are imported only where they are used.
"""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecgtrace.reporting.tables import SubsetResult, as_metrics, grid

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger


@dataclass(frozen=True)
class NoTracker:
    """Log nothing; the files in the run folder are written all the same."""

    def log_evaluation(self, tables: Sequence[SubsetResult], facts: dict[str, Any], folder: Path) -> None:
        """Do nothing."""

    def lightning_logger(self, folder: Path) -> "Logger | None":
        """Return None."""
        return None


@dataclass(frozen=True)
class CsvTracker:
    """Log to CSV files in the run folder."""

    def log_evaluation(self, tables: Sequence[SubsetResult], facts: dict[str, Any], folder: Path) -> None:
        """Write every number of `metrics.json` as a line `name,value` of `metrics.csv`."""
        with (folder / "metrics.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["name", "value"])
            writer.writerows(flat_metrics(tables).items())

    def lightning_logger(self, folder: Path) -> "Logger":
        """Return Lightning's CSV logger, which writes `metrics.csv` into the folder."""
        from lightning.pytorch.loggers import CSVLogger

        return CSVLogger(save_dir=folder, name="", version="")


@dataclass(frozen=True)
class WandbTracker:
    """
    Log to Weights & Biases.

    Attributes
    ----------
    project : str
    mode : str
        `offline` keeps everything in the run folder (`wandb sync FOLDER` uploads it later) and needs no
        account; `online` and `disabled` as wandb defines them. The environment variable `WANDB_MODE` is
        the default of `conf/logger/wandb.yaml`.
    group : str or None
    """

    project: str = "ecgtrace"
    mode: str = "offline"
    group: str | None = None

    def log_evaluation(self, tables: Sequence[SubsetResult], facts: dict[str, Any], folder: Path) -> None:
        """Log all metrics and the table of each subset as one run."""
        import wandb

        run = self._start(wandb, folder, "evaluate", facts)
        for table in tables:
            header, lines = grid(table)
            columns: list[str | int] = ["statistic", *header[1:]]
            run.log({f"table/{table.subset}": wandb.Table(columns=columns, data=lines)})
        run.summary.update(flat_metrics(tables))
        run.finish()

    def lightning_logger(self, folder: Path) -> "Logger":
        """Return Lightning's logger around a run of this project."""
        import wandb
        from lightning.pytorch.loggers import WandbLogger

        return WandbLogger(experiment=self._start(wandb, folder, "train", {}), save_dir=folder)

    def _start(self, wandb: Any, folder: Path, job_type: str, facts: dict[str, Any]) -> Any:
        # wandb would print a banner of several lines per run.
        os.environ.setdefault("WANDB_SILENT", "true")
        return wandb.init(
            project=self.project,
            mode=self.mode,
            group=self.group,
            job_type=job_type,
            dir=folder,
            config=facts,
            settings=wandb.Settings(silent=True),
        )


def flat_metrics(tables: Sequence[SubsetResult]) -> dict[str, float]:
    """Return all numbers by `subset/digitizer/statistic`; those without a value are left out."""
    return {
        f"{subset}/{digitizer}/{key}": value
        for subset, block in as_metrics(tables).items()
        for digitizer, numbers in block["digitizers"].items()
        for key, value in numbers.items()
        if value is not None
    }
