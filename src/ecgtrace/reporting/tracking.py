"""
Where the numbers of a run are logged: `logger=wandb|csv|none`.

A tracker logs an evaluation as one run; training reads its settings, so that both share `conf/logger/`.
wandb is imported only where it is used.
"""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgtrace.errors import ConfigError
from ecgtrace.reporting.tables import SubsetResult, as_metrics, grid

_WANDB_MODES = ("offline", "online", "disabled", "shared")


@dataclass(frozen=True)
class NoTracker:
    """Log nothing; the files in the run folder are written all the same."""

    def log_evaluation(self, tables: Sequence[SubsetResult], facts: dict[str, Any], folder: Path) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class CsvTracker:
    """Log to CSV files in the run folder."""

    def log_evaluation(self, tables: Sequence[SubsetResult], facts: dict[str, Any], folder: Path) -> None:
        """Write every number of `metrics.json` as a line `name,value` of `metrics.csv`."""
        with (folder / "metrics.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["name", "value"])
            writer.writerows(flat_metrics(tables).items())


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

    def __post_init__(self) -> None:
        if self.mode not in _WANDB_MODES:
            raise ConfigError(f"logger.mode must be one of {', '.join(_WANDB_MODES)}, got '{self.mode}'")

    def log_evaluation(self, tables: Sequence[SubsetResult], facts: dict[str, Any], folder: Path) -> None:
        """Log all metrics and the table of each subset as one run."""
        import wandb

        # wandb would print a banner of several lines.
        os.environ.setdefault("WANDB_SILENT", "true")
        run = wandb.init(
            project=self.project,
            mode=self.mode,  # type: ignore[arg-type]  # checked on construction
            group=self.group,
            job_type="evaluate",
            dir=folder,
            config=facts,
            settings=wandb.Settings(silent=True),
        )
        for table in tables:
            header, lines = grid(table)
            columns: list[str | int] = ["statistic", *header[1:]]
            run.log({f"table/{table.subset}": wandb.Table(columns=columns, data=lines)})
        run.summary.update(flat_metrics(tables))
        run.finish()


def flat_metrics(tables: Sequence[SubsetResult]) -> dict[str, float]:
    """Return all numbers by `subset/digitizer/statistic`; those without a value are left out."""
    return {
        f"{subset}/{digitizer}/{key}": value
        for subset, block in as_metrics(tables).items()
        for digitizer, numbers in block["digitizers"].items()
        for key, value in numbers.items()
        if value is not None
    }
