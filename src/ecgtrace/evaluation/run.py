"""
Run digitizers over crops and leave one row per crop and digitizer.

`Evaluation` makes the rows, `evaluate_many` has the runner do it; `main` is what `evaluate.py` calls with its
configuration.
"""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig

from ecgtrace.digitization.verdict import judged
from ecgtrace.errors import ConfigError
from ecgtrace.evaluation import arms, metrics, runner
from ecgtrace.evaluation.align import DEFAULT_ALIGN, AlignOptions
from ecgtrace.evaluation.bootstrap import BootstrapOptions
from ecgtrace.evaluation.rows import COLUMNS, DOUBTFUL, FAILED, OK, TEXT, Row
from ecgtrace.evaluation.runner import (
    ROWS,
    CropSource,
    DigitizerLike,
    RunOptions,
    describe_error,
    digitize_crop,
    model_name,
)
from ecgtrace.evaluation.subsets import ALL, UNKNOWN, keeps, subset_of
from ecgtrace.provenance import provenance
from ecgtrace.types import LeadCrop

_log = logging.getLogger(__name__)

METRICS = "metrics.json"


@dataclass(frozen=True)
class Evaluation:
    """
    The score of an evaluation: a `Row` for each crop and digitizer.

    Attributes
    ----------
    align : AlignOptions
    subset : {"all", "overlap", "non_overlap"}
        Crops of the other subset leave no row.
    """

    align: AlignOptions = DEFAULT_ALIGN
    subset: str = ALL
    columns: tuple[str, ...] = COLUMNS
    text: Sequence[str] = TEXT
    rows_each: int = 1

    def __post_init__(self) -> None:
        keeps(self.subset, ALL)  # raises for an unknown subset

    def rows(self, crop: LeadCrop, index: int, arm: str, digitizer: DigitizerLike) -> list[dict[str, Any]]:
        """Return the row of a crop; none where it belongs to another subset."""
        if not keeps(self.subset, subset_of(crop)):
            return []
        return [asdict(_score_row(crop, crop.crop_id, arm, digitizer, self.align))]

    def unread(
        self, source: CropSource, index: int, arm: str, digitizer: DigitizerLike, error: Exception
    ) -> list[dict[str, Any]]:
        """Return the row of a crop that cannot be read: it failed."""
        return [asdict(_unread_row(source, index, arm, digitizer, error))]


def evaluate_many(
    source: CropSource,
    digitizers: Mapping[str, DigitizerLike],
    rows_path: Path,
    options: RunOptions = RunOptions(),  # noqa: B008 - frozen
    score: Evaluation = Evaluation(),
) -> pd.DataFrame:
    """
    Give every digitizer the same crops: `runner.run` with the rows of an evaluation.

    Returns
    -------
    DataFrame
        Columns as `Row`. A crop that cannot be read or digitized is a row with `status` failed and a message,
        whatever the exception.
    """
    return runner.run(source, digitizers, score, rows_path, options)


def main(cfg: DictConfig) -> dict[str, Any]:
    """
    Evaluate as configured: rows, tables, figures, report, log.

    Parameters
    ----------
    cfg : DictConfig
        As `conf/evaluate.yaml`. Everything is written into `cfg.output_dir`.

    Returns
    -------
    dict
        What `metrics.json` holds.

    Raises
    ------
    ConfigError
        If a value is out of range, or if `resume` meets rows of another configuration.
    """
    # Imported here: figures pull in matplotlib, which workers do not need.
    from ecgtrace.reporting import figures, report, tables

    folder = Path(cfg.output_dir)
    options = RunOptions(resume=cfg.resume, workers=cfg.workers, progress=cfg.progress)
    score = Evaluation(instantiate(cfg.align), cfg.subset.name)
    bootstrap: BootstrapOptions = instantiate(cfg.bootstrap)
    configs, digitizers = _digitizers(cfg)
    tracker = instantiate(cfg.logger)
    # "object": nodes that are dataclasses reach the source as such, not as configurations of them.
    source: CropSource = instantiate(cfg.data, _convert_="object")
    if len(source) == 0:
        raise ConfigError("there is no crop to evaluate; look at data and subset")
    facts = provenance(cfg) | runner.data_facts(cfg, source, ("data", "subset", "align"))
    facts |= runner.arm_facts(configs, digitizers)
    complete = options.resume and runner.is_done(source, digitizers, score, folder / ROWS)
    keep = options.resume and _has_rows(folder)
    runner.begin(folder, facts, keep, complete, "start a new folder")

    rows = evaluate_many(source, digitizers, folder / ROWS, options, score)
    results = tables.results(rows, bootstrap)
    (folder / METRICS).write_text(json.dumps(tables.as_metrics(results), indent=2) + "\n", encoding="utf-8")
    tables.write_tables(results, folder / "tables")
    if cfg.figures:
        figures.write_figures(rows, source, digitizers, folder / "figures", score.align)
    report_path = report.write_report(folder)
    tracker.log_evaluation(results, facts, folder)
    print(tables.to_text(results))
    print(f"rows: {folder / ROWS}\nreport: {report_path}")
    return tables.as_metrics(results)


def _score_row(crop: LeadCrop, crop_id: str, name: str, digitizer: DigitizerLike, align: AlignOptions) -> Row:
    began = time.perf_counter()
    seconds = None
    scores = None
    message = doubts = ""
    try:
        digitized = judged(digitize_crop(digitizer, crop), crop.image)
        seconds = time.perf_counter() - began
        scores = metrics.score(crop, digitized, align)
        doubts = " ".join("; ".join(digitized.doubts).split())
    except Exception as error:  # any failure is a row
        seconds = time.perf_counter() - began if seconds is None else seconds
        message = describe_error(error)
    return Row(
        crop_id=crop_id,
        record_id=crop.record_id,
        lead=crop.lead,
        layout=crop.layout,
        subset=subset_of(crop),
        overlap_px=int(crop.overlap_px),
        crossings=int(crop.crossings),
        digitizer=name,
        model=model_name(digitizer),
        status=FAILED if scores is None else DOUBTFUL if doubts else OK,
        message=message,
        doubts=doubts,
        mse_mv2=scores.mse_mv2 if scores else metrics.failed_mse_mv2(crop.signal),
        r=scores.r if scores else metrics.FAILED_R,
        snr_db=scores.snr_db if scores else metrics.FAILED_SNR_DB,
        lag_ms=1000 * scores.lag_s if scores else None,
        time0_error_ms=scores.time0_error_ms if scores else None,
        coverage=scores.coverage if scores else 0.0,
        grid_error_x=scores.grid_error_x if scores else None,
        grid_error_y=scores.grid_error_y if scores else None,
        n_samples=len(crop.signal),
        fs_hz=float(crop.fs_hz),
        seconds=seconds,
    )


def _unread_row(source: CropSource, index: int, name: str, digitizer: DigitizerLike, error: Exception) -> Row:
    subset = source.subset(index) if hasattr(source, "subset") else UNKNOWN
    return Row(
        crop_id=source.crop_id(index),
        record_id="",
        lead="",
        layout="",
        subset=subset,
        overlap_px=None,
        crossings=None,
        digitizer=name,
        model=model_name(digitizer),
        status=FAILED,
        message=describe_error(error),
        doubts="",
        mse_mv2=None,
        r=metrics.FAILED_R,
        snr_db=metrics.FAILED_SNR_DB,
        lag_ms=None,
        time0_error_ms=None,
        coverage=0.0,
        grid_error_x=None,
        grid_error_y=None,
        n_samples=None,
        fs_hz=None,
        seconds=None,
    )


def _digitizers(cfg: DictConfig) -> tuple[dict[str, DictConfig], dict[str, DigitizerLike]]:
    """Compose and build the digitizer and those that it is compared with, by name."""
    # Options of the digitizer are not of those that it is compared with.
    own = ("digitizer=", "digitizer.", "compare=")
    others = [arms.compose_digitizer("evaluate", name, "compare", own) for name in cfg.compare]
    configs: dict[str, DictConfig] = {}
    digitizers: dict[str, DigitizerLike] = {}
    for config in [cfg.digitizer, *others]:
        digitizer: DigitizerLike = instantiate(config)
        if digitizer.name in digitizers:
            raise ConfigError(
                f"two digitizers are named '{digitizer.name}'; name each once in digitizer and compare"
            )
        configs[digitizer.name], digitizers[digitizer.name] = config, digitizer
    return configs, digitizers


def _has_rows(folder: Path) -> bool:
    """Tell whether there is something to go on with; say so where a folder was meant and not named."""
    if (folder / ROWS).is_file():
        return True
    # A folder that was named may be begun with this very call; one that Hydra named by the time, not.
    named = HydraConfig.initialized() and any(
        text.startswith("hydra.run.dir=") for text in HydraConfig.get().overrides.hydra
    )
    (_log.info if named else _log.warning)(
        "resume: %s has no rows yet; name the earlier folder with hydra.run.dir=FOLDER", folder
    )
    return False
