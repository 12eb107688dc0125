"""
What a sweep (`train.py -m ...`) leaves beside its runs: one table of all jobs.

It imports nothing heavy: Hydra builds it before every run, also before one that ends with a usage error.
"""

import csv
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from hydra.types import RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf

from ecgtrace.cli import EXIT_FAILED, explain
from ecgtrace.errors import EcgTraceError

COLUMNS = ("job", "overrides", "best_val_iou", "best_epoch", "seconds", "status", "error", "folder")

_JOB_FILE = "job.json"

_log = logging.getLogger(__name__)


class SweepTable(Callback):
    """
    Hydra callback that keeps `sweep.csv` in the sweep's folder: a row per job, failed ones included.

    The table is written anew whenever a job ends, so that a sweep that is stopped leaves one, too. Nothing
    happens in single runs.

    Parameters
    ----------
    keep_going : bool, optional
        A job that fails becomes a row; the others are done all the same; and the sweep ends with one line
        per failed job and exit code 1. False leaves it to the sweeper what to do about a failed job: the
        sweeps of `hparams_search` stop. By default True.
    """

    def __init__(self, keep_going: bool = True) -> None:
        self.keep_going = keep_going
        self._started_s = 0.0

    def on_job_start(self, config: DictConfig, *, task_function: TaskFunction, **kwargs: Any) -> None:
        """Note that the job runs; called in the job's own process."""
        if _is_sweep(config):
            self._started_s = time.monotonic()
            _note(config, "running")

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Note how the job ended."""
        if not _is_sweep(config):
            return
        error = ""
        if job_return.status is JobStatus.FAILED:
            error = _one_line(job_return._return_value)
            job_return.return_value = EcgTraceError(error)  # any other may not pass to another process
            if self.keep_going:
                job_return.return_value, job_return.status = None, JobStatus.COMPLETED
        seconds = round(time.monotonic() - self._started_s, 1)
        _note(config, "failed" if error else "done", seconds, error)
        write_sweep_table(_sweep_folder(config))

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Write the table, and leave with 1 if a job failed."""
        folder = _sweep_folder(config)
        # Not those that are "running": they are of an earlier call, which was killed. All of this one ended.
        failed = [row for row in write_sweep_table(folder) if row["status"] == "failed"]
        if not (failed and self.keep_going):
            return
        for row in failed:
            print(f"error: job {row['job']} ({row['overrides']}): {row['error']}", file=sys.stderr)
        print(f"error: {len(failed)} failed, see {folder / 'sweep.csv'}", file=sys.stderr)
        sys.exit(EXIT_FAILED)  # the one way out that Hydra does not catch in a callback


def write_sweep_table(folder: Path) -> list[dict[str, Any]]:
    """
    Write `sweep.csv` from what the jobs below a sweep's folder have left.

    Parameters
    ----------
    folder : Path
        A job is a folder below it with a `job.json`; its result is the `metrics.json` beside.

    Returns
    -------
    list of dict
        The rows, in the order in which the jobs were begun. `best_val_iou` and `best_epoch` are empty where
        a job has no result; `status` is "done", "failed" or "running", which is also that of a job whose
        process was killed; `seconds` is wall time.
    """
    jobs = [(json.loads(path.read_text()), path.parent) for path in folder.rglob(_JOB_FILE)]
    rows = [_row(job, at, folder) for job, at in sorted(jobs, key=lambda j: (j[0]["begun"], j[0]["job"]))]
    # Jobs that end at the same time write to files of their own; the last one to finish writes all.
    part = folder / f".sweep.{os.getpid()}.part"
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    part.replace(folder / "sweep.csv")
    return rows


def _row(job: dict[str, Any], at: Path, folder: Path) -> dict[str, Any]:
    metrics: dict[str, Any] = {}
    if job["status"] == "done" and (at / "metrics.json").is_file():
        metrics = json.loads((at / "metrics.json").read_text())
    found = {"best_val_iou": metrics.get("best_val_iou"), "best_epoch": metrics.get("best_epoch")}
    row = {**job, **found, "folder": at.relative_to(folder).as_posix()}
    return {name: row[name] for name in COLUMNS}


def _note(config: DictConfig, status: str, seconds: float | None = None, error: str = "") -> None:
    path = Path(config.hydra.runtime.output_dir) / _JOB_FILE
    begun = json.loads(path.read_text())["begun"] if status != "running" else time.time()
    job = {
        "job": config.hydra.job.num,
        "overrides": " ".join(config.hydra.overrides.task),
        "begun": begun,
        "seconds": seconds,
        "status": status,
        "error": error,
    }
    part = path.with_suffix(".part")
    part.write_text(json.dumps(job, indent=2) + "\n", encoding="utf-8")
    part.replace(path)


def _one_line(error: Exception) -> str:
    explained = explain(error)
    if explained is not None:
        return explained[0]
    _log.error("this is a defect", exc_info=error)  # into the job's log; the table gets one line of it
    return " ".join(f"{type(error).__name__}: {error}".split())


def _is_sweep(config: DictConfig) -> bool:
    return bool(OmegaConf.select(config, "hydra.mode") == RunMode.MULTIRUN)


def _sweep_folder(config: DictConfig) -> Path:
    return Path(str(config.hydra.sweep.dir))
