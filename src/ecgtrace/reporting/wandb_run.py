"""A run of Weights & Biases that keeps to its run folder. The only module that imports wandb's client."""

import math
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import wandb

from ecgtrace.errors import ConfigError
from ecgtrace.reporting.run_log import CONFUSION_COLUMNS, RunLog

_ID_FILE = "run-id.txt"


@contextmanager
def wandb_run(folder: Path, mode: str, **options: Any) -> Iterator["WandbRun"]:
    """
    Open a run; close it as finished, or as failed where the block raises.

    Parameters
    ----------
    folder : Path
        Takes `wandb/`: the run, its id, and all that wandb would else put into the home folder. The id stays
        the same whenever a run is opened in the folder.
    mode : {"offline", "online", "shared"}
    **options
        Of `wandb.init`.

    Raises
    ------
    ConfigError
        If wandb cannot start the run, as without a login in the mode `online`.
    """
    home = folder.resolve() / "wandb"
    home.mkdir(parents=True, exist_ok=True)
    with _kept_in(home):
        try:
            run = wandb.init(
                dir=folder,
                id=_id(home),
                name=folder.resolve().name,
                mode=mode,  # type: ignore[arg-type]  # checked by the tracker
                resume="allow",
                # silent: no banner of several lines. create_new: a run that a notebook has open is not ours.
                # console: Hydra keeps the log, and progress bars would fill the run's.
                settings=wandb.Settings(silent=True, reinit="create_new", console="off"),
                **options,
            )
        except wandb.Error as error:
            reason = " ".join(str(error).split())
            raise ConfigError(f"W&B: {reason.rstrip('.')}, or set WANDB_MODE=offline") from error
        run.define_metric("epoch")
        run.define_metric("*", step_metric="epoch")
        log = WandbRun(run, _earlier_epochs(folder) if mode == "offline" else [])
        try:
            yield log
        except BaseException:
            run.finish(exit_code=1)
            raise
        log.complete()
        run.finish()


class WandbRun(RunLog):
    """
    Log to a run of wandb.

    Parameters
    ----------
    run : wandb.Run
    earlier : list of dict
        Epochs of an earlier start, which an offline run cannot ask a server for. Those before the first that
        is logged now are logged first, so that the last offline run in a folder holds the whole curve.
    """

    def __init__(self, run: Any, earlier: list[dict[str, float]]) -> None:
        self._run, self._earlier = run, earlier

    def log_facts(self, facts: Mapping[str, Any]) -> None:
        """Add to the run's configuration, below `provenance`."""
        known = dict(self._run.config.get("provenance", {}))
        self._run.config.update({"provenance": {**known, **facts}}, allow_val_change=True)

    def log_epoch(self, metrics: Mapping[str, float]) -> None:
        """Log numbers at the step of their epoch."""
        epoch = int(metrics["epoch"])
        self._log_earlier(epoch)
        self._run.log({**_finite(metrics), "epoch": epoch}, step=epoch)

    def log_summary(self, metrics: Mapping[str, Any]) -> None:
        """Log numbers of the whole run."""
        self._run.summary.update(dict(metrics))

    def log_table(self, name: str, table: pd.DataFrame) -> None:
        """Log a table."""
        self._log({name: _table(table)})

    def log_figure(self, name: str, path: Path) -> None:
        """Log a picture; wandb copies it into the run."""
        self._log({name: wandb.Image(str(path))})

    def log_confusion_matrix(self, counts: pd.DataFrame) -> None:
        """Log a confusion matrix as `table/confusion` and as wandb's own chart."""
        self.log_table("table/confusion", counts)
        names = {"Predicted": "predicted", "Actual": "true", "nPredictions": "count"}
        chart = wandb.plot_table(
            vega_spec_name="wandb/confusion_matrix/v1",
            data_table=_table(counts[list(CONFUSION_COLUMNS)]),
            fields=names,
            string_fields={"title": "Confusion matrix"},
        )
        self._log({"confusion_matrix": chart})

    def log_files(
        self, name: str, kind: str, paths: Mapping[str, Path], facts: Mapping[str, Any] | None = None
    ) -> None:
        """Log files as an artefact: small ones are copied, so that they may change; weights are not."""
        artifact = wandb.Artifact(name, type=kind, metadata=dict(facts or {}))
        policy: Any = "immutable" if kind == "model" else "mutable"
        for inside, path in paths.items():
            artifact.add_file(str(path.resolve()), name=inside, policy=policy, skip_cache=True)
        self._run.log_artifact(artifact)

    def complete(self) -> None:
        """Log the earlier epochs of a run in which nothing was left to train."""
        self._log_earlier(None)

    def _log(self, values: dict[str, Any]) -> None:
        self._log_earlier(None)
        self._run.log(values)

    def _log_earlier(self, first: int | None) -> None:
        earlier, self._earlier = self._earlier, []
        for row in earlier:
            epoch = int(row["epoch"])
            if first is None or epoch < first:
                self._run.log({**_finite(row), "epoch": epoch}, step=epoch)


def _id(home: Path) -> str:
    """Return the id of the folder's run; drawn at random, as equal paths elsewhere are other runs."""
    path = home / _ID_FILE
    if not path.is_file():
        path.write_text(secrets.token_hex(6) + "\n", encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()


def _earlier_epochs(folder: Path) -> list[dict[str, float]]:
    path = folder / "metrics.csv"
    if not path.is_file():
        return []
    table = pd.read_csv(path)
    # An evaluation's metrics.csv has other columns.
    return (
        [] if "epoch" not in table else [{str(k): v for k, v in r.items()} for r in table.to_dict("records")]
    )


def _finite(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items() if not math.isnan(value)}


def _table(table: pd.DataFrame) -> Any:
    values = table.astype(object).where(table.notna(), None).to_numpy().tolist()
    # Mixed types: a column may hold text and nothing, or whole and broken numbers.
    return wandb.Table(columns=[str(name) for name in table.columns], data=values, allow_mixed_types=True)


@contextmanager
def _kept_in(home: Path) -> Iterator[None]:
    """Let wandb keep its caches beside the run, unless the user said where."""
    wanted = {f"WANDB_{name.upper()}_DIR": str(home / name) for name in ("data", "cache", "config")}
    wanted = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name in wanted:
            os.environ.pop(name, None)
