"""
Whole pages: what is read of drawn ones, of other programs' and of real machines'; by layout and printer.

`STUDY` is what experiments/pages/run.py runs. Its sets are those whose folders are named, and drawn pages.
"""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from ecgtrace.errors import ConfigError
from ecgtrace.evaluation import arms as arms_module
from ecgtrace.evaluation.bootstrap import BootstrapOptions
from ecgtrace.evaluation.page_readers import page_reader
from ecgtrace.evaluation.page_rows import COLUMNS, PAGE, SILENT_DB, TEXT
from ecgtrace.evaluation.page_run import PageEvaluation
from ecgtrace.evaluation.runner import CropSource, Score
from ecgtrace.reporting import page_tables, pages
from ecgtrace.reporting.page_tables import PageSummary
from ecgtrace.studies.study import Arms, Report, Study
from ecgtrace.types import FAILED, OK

SET = "set"
# Edges in dots per inch between what people call a screenshot, a plain scan, a good one and a fine one.
_DPI_EDGES = (125.0, 175.0, 250.0, 450.0)
_MESSAGE = 120


def report(rows: pd.DataFrame, cfg: DictConfig, page_folder: Path) -> Report:
    """Return the blocks of the page: demands, each set, and the first digitizer's pages by kind."""
    options: BootstrapOptions = instantiate(cfg.bootstrap)
    found = {name: page_tables.summaries(rows[rows[SET] == name], options) for name in _names(rows)}
    drawn = rows[rows[SET] == cfg.by_kind]
    context = {
        "sizes": _sizes(rows),
        "demands": _demands(cfg.demands, found),
        "sets": [
            (name, str(cfg.sets[name].what).strip(), page_tables.to_markdown(found[name])) for name in found
        ],
        "by_kind": cfg.by_kind,
        "kinds": _kinds(drawn, options) if len(drawn) else [],
        "note": page_tables.note(options),
        "listed": _listed(rows),
    }
    lines = [{SET: name, **line} for name, one in found.items() for line in page_tables.summary_lines(one)]
    return Report(pd.DataFrame(lines), context)


def page_arms(cfg: DictConfig) -> Arms:
    """Build the digitizers that the configuration holds: of pages, and of leads cut by true boxes."""
    configs = dict(cfg.digitizers)
    built = arms_module.build(configs, cfg.segmenter)
    return configs, {name: page_reader(digitizer) for name, digitizer in built.items()}


def page_score(cfg: DictConfig) -> Score:
    """Return the score of whole pages."""
    return PageEvaluation(instantiate(cfg.align))


def sources(cfg: DictConfig) -> dict[str, CropSource]:
    """
    Return the sets whose folders are named.

    Raises
    ------
    ConfigError
        If there is none.
    """
    chosen = {
        name: instantiate(one.data, _convert_="object")
        for name, one in cfg.sets.items()
        if one.data.get("root", "") is not None
    }
    if not chosen:
        raise ConfigError("name a folder of at least one set, such as sets.other.data.root=DIR")
    return {str(name): source for name, source in chosen.items()}


def _names(rows: pd.DataFrame) -> list[str]:
    return [str(name) for name in dict.fromkeys(rows[SET])]


def _sizes(rows: pd.DataFrame) -> str:
    """Say how many pages of how many records there are."""
    only = rows[rows["kind"] == PAGE].drop_duplicates([SET, "crop_id"])
    parts = [f"{(only[SET] == name).sum()} {name}" for name in _names(rows)]
    records = only["record_id"][only["record_id"] != ""].nunique()
    return f"{len(only)} pages of {records} records: {', '.join(parts)}"


def _demands(demands: Any, found: Mapping[str, Mapping[str, PageSummary]]) -> str:
    """Hold what is wanted against what was found; the value decides, not an end of its interval."""
    lines = []
    for demand in demands:
        wanted = OmegaConf.to_container(demand)
        assert isinstance(wanted, dict)
        name, digitizer, key = wanted["set"], wanted["digitizer"], wanted["statistic"]
        summary = found.get(name, {}).get(digitizer)
        if summary is None:
            continue
        value = summary.values[key]
        at_least = "at_least" in wanted
        bound = wanted["at_least" if at_least else "at_most"]
        holds = value >= bound if at_least else value <= bound
        what = f"{name}, {digitizer}: {page_tables.label(key)}"
        words = f"{'at least' if at_least else 'at most'} {bound:g}"
        lines.append([what, words, summary.cell(key), "yes" if holds else "no"])
    return pages.table(["demand", "wanted", "found", "holds"], lines) if lines else ""


def _kinds(rows: pd.DataFrame, options: BootstrapOptions) -> list[tuple[str, str]]:
    """Return a table for each way of parting the pages."""
    columns = {"layout": rows["layout"], "printer": rows["printer"], "resolution": _resolutions(rows)}
    return [(name, page_tables.groups(rows, group, options)) for name, group in columns.items()]


def _resolutions(rows: pd.DataFrame) -> pd.Series:
    names = [f"below {_DPI_EDGES[0]:g} dpi"]
    names += [f"{low:g} to {high:g} dpi" for low, high in pairwise(_DPI_EDGES)]
    names += [f"{_DPI_EDGES[-1]:g} dpi and more"]
    dpi = rows["dpi"].astype(float)
    # Numbered, so that tables are in their order.
    places = np.searchsorted(_DPI_EDGES, dpi.fillna(0).to_numpy(), side="right")
    return pd.Series([f"{place + 1}: {names[place]}" for place in places], rows.index).where(dpi.notna(), "")


def _listed(rows: pd.DataFrame) -> str:
    """List the pages to look at: failed, called ok and not, or with a lead under a wrong name."""
    only = rows[rows["kind"] == PAGE]
    silent = (only["status"] == OK) & (only["snr_db"] < SILENT_DB)
    only = only[silent | (only["status"] == FAILED) | (only["n_wrong"].astype(float) > 0)]
    lines = []
    for _, row in only.iterrows():
        wrong = rows[
            (rows["crop_id"] == row["crop_id"])
            & (rows["digitizer"] == row["digitizer"])
            & (rows[SET] == row[SET])
            & (rows["rather"] != "")
        ]
        names = ", ".join(f"{one['lead']} is {one['rather']}" for _, one in wrong.iterrows())
        said = row["message"] if len(row["message"]) <= _MESSAGE else row["message"][:_MESSAGE] + " ..."
        lines.append(
            [row[SET], row["crop_id"], row["digitizer"], row["status"], names, said, f"{row['snr_db']:.1f}"]
        )
    head = [SET, PAGE, "digitizer", "verdict", "wrong names", "message", "SNR (dB)"]
    return pages.table(head, lines, n_text=6) if lines else "None."


STUDY = Study(
    "pages",
    report,
    arms=page_arms,
    score=page_score,
    sources=sources,
    part=SET,
    keys=("sets", "align"),
    columns=(SET, *COLUMNS),
    text=(SET, *TEXT),
)
