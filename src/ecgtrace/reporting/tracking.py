"""
Where a run is logged: `logger=wandb|csv|none`.

Training, evaluation and reproduction log through the same few methods of `run_log.RunLog`, so none of them
knows what stands behind it. What a run consists of is said in one place: `log_training`, `log_evaluation`
and `log_reproduction` of `Tracker` read the files of a run folder, whichever model filled it.
"""

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from ecgtrace.errors import ConfigError
from ecgtrace.reporting.run_log import RunLog
from ecgtrace.reporting.tables import SubsetResult, as_metrics, grid

_WANDB_MODES = ("offline", "online", "disabled", "shared")
# The choices among conf/'s groups that tell runs apart.
_TAGGED = ("model", "augmentation", "training", "digitizer", "subset", "data", "signals", "profile")


class Tracker:
    """Log nothing; the files in the run folder are written all the same."""

    def run(self, folder: Path, job_type: str, facts: Mapping[str, Any]) -> AbstractContextManager[RunLog]:
        """
        Open a run that is closed at the end of the `with` block, as failed where that raises.

        Parameters
        ----------
        folder : Path
            The run folder; everything logged stays inside. A second run in it goes on with the first.
        job_type : str
            "train", "validate", "evaluate" or "reproduce".
        facts : mapping
            As `ecgtrace.provenance.provenance(cfg)` gives them, and any others.

        Returns
        -------
        context manager of RunLog
        """
        return _nothing()

    def log_training(self, run: RunLog, folder: Path, metrics: Mapping[str, Any]) -> None:
        """
        Log what a finished training left in its folder.

        Parameters
        ----------
        run : RunLog
            Still open.
        folder : Path
            With `metrics.csv`; where they are there, also `weights.safetensors`, `confusion.csv` and
            pictures in `figures/`.
        metrics : mapping
            What `metrics.json` holds.
        """
        facts = _weights_facts(metrics)
        run.log_summary(flat_numbers(metrics))
        run.log_table("table/epochs", pd.read_csv(folder / "metrics.csv"))
        if (folder / "confusion.csv").is_file():
            run.log_confusion_matrix(pd.read_csv(folder / "confusion.csv"))
        _log_figures(run, folder / "figures")
        names = ("metrics.csv", "metrics.json", "confusion.csv", ".hydra/config.yaml")
        run.log_files("training", "training", _present(folder, names), facts)
        weights = folder / "weights.safetensors"
        if weights.is_file():
            run.log_weights(weights, _card(weights) | facts)

    def log_evaluation(self, tables: Sequence[SubsetResult], facts: dict[str, Any], folder: Path) -> None:
        """
        Log a finished evaluation as one run.

        Parameters
        ----------
        tables : sequence of SubsetResult
            One table each, and all numbers in the summary as `subset/digitizer/statistic`.
        facts : dict
            What `provenance.json` holds.
        folder : Path
            Its `rows.csv` becomes a table and, with the files of `tables/`, an artefact; the pictures of
            `figures/` are logged.
        """
        with self.run(folder, "evaluate", facts) as run:
            for table in tables:
                header, lines = grid(table)
                run.log_table(
                    f"table/{table.subset}", pd.DataFrame(lines, columns=["statistic", *header[1:]])
                )
            run.log_summary(flat_metrics(tables))
            rows = folder / "rows.csv"
            if rows.is_file():
                # Names and messages stay text, even where they look like numbers.
                run.log_table("table/rows", pd.read_csv(rows, dtype={"record_id": str, "crop_id": str}))
            _log_figures(run, folder / "figures")
            names = [
                "rows.csv",
                "metrics.json",
                "provenance.json",
                "report.html",
                *_below(folder / "tables", folder),
            ]
            run.log_files("evaluation", "evaluation", _present(folder, names), _without_config(facts))

    def log_pages(self, metrics: Mapping[str, Any], facts: dict[str, Any], folder: Path) -> None:
        """
        Log a finished evaluation of whole pages as one run.

        Parameters
        ----------
        metrics : mapping
            What `metrics.json` holds, in the summary as `pages/digitizer/statistic`.
        facts : dict
            What `provenance.json` holds.
        folder : Path
            Its `rows.csv` becomes a table and, with the files of `tables/`, an artefact.
        """
        with self.run(folder, "evaluate", facts) as run:
            run.log_summary(flat_pages(metrics))
            rows = folder / "rows.csv"
            text = ("record_id", "crop_id", "message", "rather", "layout_read", "printer", "layout")
            run.log_table("table/rows", pd.read_csv(rows, dtype=dict.fromkeys(text, str)))
            names = ["rows.csv", "metrics.json", "provenance.json", *_below(folder / "tables", folder)]
            run.log_files("evaluation", "evaluation", _present(folder, names), _without_config(facts))

    def log_reproduction(self, folder: Path, claims: pd.DataFrame, facts: Mapping[str, Any]) -> None:
        """
        Log a folder of artefacts of the paper as one run.

        Parameters
        ----------
        folder : Path
            Every PNG below it is logged as picture, every CSV as table, each under its path in the folder;
            all files but those of wandb make up the artefact. Run folders inside are left out.
        claims : DataFrame
            The index, a line for each claim.
        facts : mapping
            As `provenance(cfg)` gives them.
        """
        with self.run(folder, "reproduce", facts) as run:
            run.log_table("table/index", claims)
            _log_figures(run, folder)
            names = _below(folder, folder)
            for name in names:
                if name.endswith(".csv") and (folder / name).stat().st_size:
                    run.log_table(f"table/{name.removesuffix('.csv')}", pd.read_csv(folder / name))
            if "holds" in claims:
                holds = claims["holds"]
                run.log_summary({"claims": len(claims), "claims_that_hold": int((holds == True).sum())})  # noqa: E712
            run.log_files("reproduction", "reproduction", _present(folder, names), _without_config(facts))


@dataclass(frozen=True)
class NoTracker(Tracker):
    """Log nothing; the files in the run folder are written all the same."""


@dataclass(frozen=True)
class CsvTracker(Tracker):
    """
    Log to CSV files in the run folder.

    Every training and every artefact writes its numbers as CSV by itself; an evaluation's summary is added.
    """

    def log_evaluation(self, tables: Sequence[SubsetResult], facts: dict[str, Any], folder: Path) -> None:
        """Write every number of `metrics.json` as a line `name,value` of `metrics.csv`."""
        self._write(flat_metrics(tables), folder)

    def log_pages(self, metrics: Mapping[str, Any], facts: dict[str, Any], folder: Path) -> None:
        """Write every number of `metrics.json` as a line `name,value` of `metrics.csv`."""
        self._write(flat_pages(metrics), folder)

    @staticmethod
    def _write(numbers: Mapping[str, float], folder: Path) -> None:
        with (folder / "metrics.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["name", "value"])
            writer.writerows(numbers.items())


@dataclass(frozen=True)
class WandbTracker(Tracker):
    """
    Log to Weights & Biases.

    Attributes
    ----------
    project : str
    mode : str
        `offline` keeps everything in the run folder (`wandb sync FOLDER` uploads it later) and needs no
        account; `online` as wandb defines it; `disabled` logs nothing. The environment variable `WANDB_MODE`
        is the default of `conf/logger/wandb.yaml`.
    group : str or None
        By default the runs of a sweep (`-m`) are a group, named after the sweep's folder.
    """

    project: str = "ecgtrace"
    mode: str = "offline"
    group: str | None = None

    def __post_init__(self) -> None:
        if self.mode not in _WANDB_MODES:
            raise ConfigError(f"logger.mode must be one of {', '.join(_WANDB_MODES)}, got '{self.mode}'")

    def run(self, folder: Path, job_type: str, facts: Mapping[str, Any]) -> AbstractContextManager[RunLog]:
        """Open a run; see `Tracker.run`."""
        if self.mode == "disabled":
            return _nothing()
        from ecgtrace.reporting.wandb_run import wandb_run  # wandb is slow to import

        config = {**(facts.get("config") or {}), "provenance": _without_config(facts)}
        return wandb_run(
            folder,
            project=self.project,
            mode=self.mode,
            group=self.group or _sweep(),
            job_type=job_type,
            config=config,
            tags=[job_type, *_choices()],
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


def flat_numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """
    Return the numbers at the top of a mapping; provenance and the like are left out.

    Examples
    --------
    >>> flat_numbers({"best_epoch": 3, "started_from": "random", "last": {"lr": 0.1}})
    {'best_epoch': 3}
    """
    return {
        name: value
        for name, value in metrics.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def flat_pages(metrics: Mapping[str, Any]) -> dict[str, float]:
    """
    Return the numbers of an evaluation of whole pages, by `pages/digitizer/statistic`.

    Examples
    --------
    >>> flat_pages({"page": {"n": 3, "snr_mean": 30.5, "kaggle": None}})
    {'pages/page/n': 3, 'pages/page/snr_mean': 30.5}
    """
    return {
        f"pages/{digitizer}/{name}": value
        for digitizer, numbers in metrics.items()
        for name, value in flat_numbers(numbers).items()
    }


@contextmanager
def _nothing() -> Iterator[RunLog]:
    yield RunLog()


def _sweep() -> str | None:
    """Name the sweep that this job is one of, after its folder."""
    if not HydraConfig.initialized() or HydraConfig.get().mode != RunMode.MULTIRUN:
        return None
    return Path(HydraConfig.get().sweep.dir).name


def _choices() -> list[str]:
    """Say which files of conf/ were chosen, as "model=unet"."""
    if not HydraConfig.initialized():
        return []
    choices = HydraConfig.get().runtime.choices
    # wandb takes tags of up to 64 characters.
    return [f"{group}={choices[group]}"[:64] for group in _TAGGED if choices.get(group)]


def _without_config(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if name != "config"}


def _weights_facts(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Choose what must be known of weights wherever they go."""
    facts = {**metrics.get("provenance", {}), **metrics}
    names = (
        "started_from", "best_epoch", "best_val_iou", "epochs", "commit", "dirty", "data_fingerprint", "seed"
    )  # fmt: skip
    return {name: facts[name] for name in names if name in facts}


def _card(weights: Path) -> dict[str, Any]:
    """Return the card in the header of a weights file of any network, less the history of its training."""
    from safetensors import safe_open  # with its tensors of numpy; torch is slow to import

    with safe_open(weights, framework="numpy") as file:
        card = json.loads(file.metadata()["card"])
    return {name: value for name, value in card.items() if name != "training"}


def _log_figures(run: RunLog, folder: Path) -> None:
    for name in _below(folder, folder):
        if name.endswith(".png"):
            run.log_figure(f"figure/{name.removesuffix('.png')}", folder / name)


def _below(folder: Path, root: Path) -> list[str]:
    """
    Return the files below a folder by their path from `root`.

    Without wandb's, hidden ones, and those of run folders inside, which are runs of their own.
    """
    names: list[str] = []
    for path, folders, files in os.walk(folder):
        folders[:] = [
            name
            for name in folders
            if name != "wandb" and not name.startswith(".") and not Path(path, name, ".hydra").is_dir()
        ]
        names += [Path(path, name).relative_to(root).as_posix() for name in files if not name.startswith(".")]
    return sorted(names)


def _present(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    return {name: folder / name for name in names if (folder / name).is_file()}
