"""
Compare digitizers with the truth, on crops or on whole pages: rows, tables, figures and a report.

`main` is what `evaluate.py` calls with its configuration.
"""

import json
import logging
from pathlib import Path
from typing import Any

import pandas as pd
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig

from ecgtrace.errors import ConfigError
from ecgtrace.evaluation import arms, runner
from ecgtrace.evaluation.bootstrap import BootstrapOptions
from ecgtrace.evaluation.page_readers import page_reader
from ecgtrace.evaluation.page_run import PageEvaluation
from ecgtrace.evaluation.page_sample import PageSet
from ecgtrace.evaluation.run import Evaluation
from ecgtrace.evaluation.runner import ROWS, CropSource, DigitizerLike, RunOptions, Score
from ecgtrace.evaluation.subsets import ALL
from ecgtrace.provenance import provenance
from ecgtrace.reporting import digitized_pages, figures, page_tables, report, tables
from ecgtrace.reporting.tracking import Tracker

_log = logging.getLogger(__name__)

METRICS = "metrics.json"


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
    folder = Path(cfg.output_dir)
    options = RunOptions(resume=cfg.resume, workers=cfg.workers, progress=cfg.progress)
    align = instantiate(cfg.align)
    score: Score = Evaluation(align, cfg.subset.name)
    bootstrap: BootstrapOptions = instantiate(cfg.bootstrap)
    shown = Path(cfg.digitized_pages) if cfg.digitized_pages else None
    if shown:
        digitized_pages.find(shown)  # raises now what the report would raise in the end
    configs, digitizers = _digitizers(cfg)
    tracker = instantiate(cfg.logger)
    # "object": nodes that are dataclasses reach the source as such, not as configurations of them.
    source: CropSource = instantiate(cfg.data, _convert_="object")
    if len(source) == 0:
        raise ConfigError("there is no crop to evaluate; look at data and subset")
    arms: dict[str, Any] = dict(digitizers)
    if isinstance(source, PageSet):
        _refuse_subset(cfg)
        score = PageEvaluation(align)
        arms = {name: page_reader(digitizer) for name, digitizer in digitizers.items()}
    facts = provenance(cfg) | runner.data_facts(cfg, source, ("data", "subset", "align"))
    facts |= runner.arm_facts(configs, digitizers)
    complete = options.resume and runner.is_done(source, arms, score, folder / ROWS)
    keep = options.resume and _has_rows(folder)
    runner.begin(folder, facts, keep, complete, "start a new folder")

    rows = runner.run(source, arms, score, folder / ROWS, options)
    if isinstance(source, PageSet):
        return _report_pages(rows, bootstrap, folder, facts, tracker)
    results = tables.results(rows, bootstrap)
    (folder / METRICS).write_text(json.dumps(tables.as_metrics(results), indent=2) + "\n", encoding="utf-8")
    tables.write_tables(results, folder / "tables")
    if cfg.figures:
        figures.write_figures(rows, source, digitizers, folder / "figures", align)
    report_path = report.write_report(folder, shown)
    tracker.log_evaluation(results, facts, folder)
    print(tables.to_text(results))
    print(f"rows: {folder / ROWS}\nreport: {report_path}")
    return tables.as_metrics(results)


def _report_pages(
    rows: pd.DataFrame, bootstrap: BootstrapOptions, folder: Path, facts: dict[str, Any], tracker: Tracker
) -> dict[str, Any]:
    """Write tables and numbers of whole pages, and log them."""
    if rows.empty:
        raise ConfigError(
            "no page has what the digitizer needs: one of single leads needs boxes; try digitizer=page"
        )
    found = page_tables.summaries(rows, bootstrap)
    metrics = page_tables.as_metrics(found)
    (folder / METRICS).write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    page_tables.write(found, bootstrap, folder / "tables")
    tracker.log_pages(metrics, facts, folder)
    print(page_tables.to_markdown(found))
    print(f"rows: {folder / ROWS}\ntable: {folder / 'tables' / 'pages.md'}")
    return metrics


def _refuse_subset(cfg: DictConfig) -> None:
    """Refuse to leave leads out of pages: tables of pages tell overlapping leads apart themselves."""
    if cfg.subset.name != ALL:
        raise ConfigError(f"data is of whole pages; leave subset={cfg.subset.name} out")


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
