"""
How digitizers stand pages of other resolutions, strokes, grids and worse scans.

Each condition changes one thing of the published page and draws the crops anew; rows are those of an
evaluation. `STUDY` is what experiments/conditions/run.py runs.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from ecgtrace.datasets.drawn import DrawnCrops
from ecgtrace.drawing.style import PageStyle
from ecgtrace.errors import ConfigError
from ecgtrace.evaluation import arms, bootstrap
from ecgtrace.evaluation.bootstrap import BootstrapOptions
from ecgtrace.evaluation.rows import FAILED
from ecgtrace.evaluation.runner import CropSource
from ecgtrace.reporting import pages
from ecgtrace.studies import common, study
from ecgtrace.studies.study import Report, Study
from ecgtrace.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ALL = "all"
FIGURE = "conditions"

# Okabe and Ito's, safe for colour-blind readers; the shape tells digitizers apart in a grey print.
_SERIES = (("#D55E00", "o"), ("#0072B2", "s"), ("#000000", "^"), ("#009E73", "D"), ("#CC79A7", "v"))


@dataclass(frozen=True)
class Condition:
    """
    One thing changed of the page.

    Attributes
    ----------
    name : str
        Letters, digits, `_`, `-` and `.`: files are named by it.
    group : str
        Conditions of one group stand together in the figure.
    page : mapping
        Attributes of `PageStyle` and their values; a mapping for `degradation` changes a part of it.
    """

    name: str
    group: str
    page: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", str(self.name)):
            raise ConfigError(f"a condition cannot be named '{self.name}'; use letters, digits, _ - .")

    def style(self, base: PageStyle) -> PageStyle:
        """
        Return the changed style.

        Raises
        ------
        ConfigError
            If the style has no such attribute, or refuses the value.
        """
        try:
            return changed_style(base, self.page)
        except (ConfigError, TypeError, ValueError) as error:
            raise ConfigError(f"condition {self.name}: {error}") from error


@dataclass(frozen=True)
class Metric:
    """A column of the summary by which digitizers are compared, and what it is of a column of the rows."""

    column: str
    of: str
    how: str
    label: str
    higher_is_better: bool
    decimals: int


METRICS = (
    Metric("median_snr_db", "snr_db", "median", "median SNR (dB)", True, 1),
    Metric("mean_r", "r", "mean", "mean r", True, 4),
    Metric("mean_mse_mv2", "mse_mv2", "mean", "mean MSE (mV²)", False, 5),
)


def conditions_of(cfg: DictConfig) -> list[Condition]:
    """
    Return the conditions that are asked for, in the order of the configuration.

    Raises
    ------
    ConfigError
        If `cfg.condition` names one that is not there, or if two have one name.
    """
    known: dict[str, Condition] = {}
    entries: Any = OmegaConf.to_container(cfg.conditions, resolve=True)
    for entry in entries:
        try:
            condition = Condition(**entry)
        except TypeError as error:
            raise ConfigError(f"conditions: {error}; each has name, group and page, got {entry}") from error
        if condition.name in known:
            raise ConfigError(f"conditions: {condition.name} is there twice")
        known[condition.name] = condition
    wanted = [cfg.condition] if isinstance(cfg.condition, str) else list(cfg.condition)
    if wanted == [ALL]:
        wanted = list(known)
    unknown = [str(name) for name in wanted if name not in known]
    if unknown or not wanted:
        raise ConfigError(
            f"condition: there is no {', '.join(unknown) or 'name'}; choose all or of {', '.join(known)}"
        )
    return [condition for name, condition in known.items() if name in wanted]


def sources(cfg: DictConfig) -> dict[str, CropSource]:
    """
    Return the crops of each condition.

    Each draws its own with the same seed, so in the same order; which subset a crop falls into may change
    with the condition, and with it the choice.

    Raises
    ------
    ConfigError
        If the crops are not drawn, or a condition is refused.
    """
    crops = instantiate(cfg.data, _convert_="object")
    if not isinstance(crops, DrawnCrops):
        raise ConfigError("conditions are drawn: leave data=drawn")
    return {c.name: replace(crops, style=c.style(crops.style)) for c in conditions_of(cfg)}


def named_arms(cfg: DictConfig) -> study.Arms:
    """Compose and build the digitizers of `cfg.digitizers`, each with a network of its own: seconds count."""
    configs = arms.compose_each("conditions", cfg.digitizers)
    return configs, arms.build(configs)


def summarize(
    rows: pd.DataFrame, conditions: Sequence[Condition], names: Sequence[str], options: BootstrapOptions
) -> pd.DataFrame:
    """
    Summarise the rows of each condition, subset and digitizer.

    Parameters
    ----------
    rows : DataFrame
        Rows of an evaluation after `condition`. What failed counts as its row says: r 0, SNR 0 dB, as MSE the
        variance of the truth.
    conditions : sequence of Condition
    names : sequence of str
        Of the digitizers; the first is held against the others.
    options : BootstrapOptions
        Of the intervals; all digitizers of a cell, a condition and a subset, share the resamples.

    Returns
    -------
    DataFrame
        `condition`, `group`, `subset`, `digitizer`, `n`, `n_failed`, `n_as_first` (how many of these crops
        the first condition has in this subset, too), `median_snr_db`, `mean_r`, `mean_mse_mv2`, each with the
        ends of its interval, `median_seconds`; and for each digitizer but the first, as `lead_` of each of
        `METRICS` with interval, by how much the first is better.
    """
    present = set(rows["subset"])
    subsets = [*common.subsets_of(rows), *sorted(present - set(common.SUBSETS))]
    lines = []
    for condition in conditions:
        for subset in subsets:
            cell = rows[(rows["condition"] == condition.name) & (rows["subset"] == subset)]
            if cell.empty:
                continue
            crop_ids, counts = common.resamples(cell, options)
            is_first = (rows["condition"] == conditions[0].name) & (rows["subset"] == subset)
            of_first = set(zip(rows.loc[is_first, "crop_id"], rows.loc[is_first, "digitizer"], strict=True))
            whole: dict[str, Any] = {}
            for name in names:
                part = cell[cell["digitizer"] == name].set_index("crop_id").reindex(crop_ids)
                line: dict[str, Any] = {
                    "condition": condition.name,
                    "group": condition.group,
                    "subset": subset,
                    "digitizer": name,
                    "n": int(part["status"].notna().sum()),
                    "n_failed": int((part["status"] == FAILED).sum()),
                    "n_as_first": sum((i, name) in of_first for i in part.index[part["status"].notna()]),
                }
                if not line["n"]:
                    continue
                for metric in METRICS:
                    values = part[metric.of].to_numpy(float)
                    line |= common.with_interval(metric.column, values, metric.how, counts, options)
                    drawn = common.RESAMPLED[metric.how](values, counts)
                    if name == names[0]:
                        whole[metric.column] = (line[metric.column], drawn)
                    elif whole:
                        line |= _lead(metric, whole[metric.column], (line[metric.column], drawn), options)
                line["median_seconds"] = float(part["seconds"].median())
                lines.append(line)
    return pd.DataFrame(lines)


def _lead(
    metric: "Metric",
    one: tuple[float, FloatArray],
    other: tuple[float, FloatArray],
    options: BootstrapOptions,
) -> dict[str, float]:
    sign = 1 if metric.higher_is_better else -1
    key = f"lead_{metric.column}"
    low, high = bootstrap.percentile_interval(sign * (one[1] - other[1]), options.level)
    return {key: sign * (one[0] - other[0]), f"{key}_low": low, f"{key}_high": high}


@dataclass(frozen=True)
class Verdict:
    """
    In how many cells, each a condition and a subset, one digitizer is better than another by a metric.

    Attributes
    ----------
    digitizer, reference : str
    metric : Metric
    n_better, n : int
    n_sure : int
        Cells where the whole interval of the difference says so.
    n_against : int
        Cells where the whole interval says the opposite.
    others : tuple of str
        The cells where it is not better, each with both values.
    """

    digitizer: str
    reference: str
    metric: Metric
    n_better: int
    n: int
    n_sure: int
    n_against: int
    others: tuple[str, ...]


def verdicts(summary: pd.DataFrame, names: Sequence[str]) -> list[Verdict]:
    """Hold the first digitizer against each of the others by each of `METRICS`."""
    found = []
    first = summary[summary["digitizer"] == names[0]].set_index(["condition", "subset"])
    for reference in names[1:]:
        theirs = summary[summary["digitizer"] == reference].set_index(["condition", "subset"])
        for metric in METRICS:
            lead = theirs.get(f"lead_{metric.column}")
            if lead is None:
                continue
            low, high = (theirs[f"lead_{metric.column}_{end}"] for end in ("low", "high"))
            others = tuple(
                f"{_plain(where[0])}, {_plain(where[1])} "
                f"({first.loc[where, metric.column]:.{metric.decimals}f} against "
                f"{theirs.loc[where, metric.column]:.{metric.decimals}f})"
                for where in lead.index[~(lead > 0)]
            )
            counts = (int((lead > 0).sum()), len(lead), int((low > 0).sum()), int((high < 0).sum()))
            found.append(Verdict(names[0], reference, metric, *counts, others))
    return found


def report(rows: pd.DataFrame, cfg: DictConfig, page_folder: Path) -> Report:
    """Return the verdicts, a table for each subset, and the figure."""
    from ecgtrace.reporting.figures import save  # matplotlib, which workers do not need

    names, conditions = [str(name) for name in cfg.digitizers], conditions_of(cfg)
    summary = summarize(rows, conditions, names, instantiate(cfg.bootstrap))
    seconds = summary.groupby("digitizer", sort=False)["median_seconds"].median()
    context = {
        "first": names[0],
        "n_conditions": summary["condition"].nunique(),
        "cells": len(summary[["condition", "subset"]].drop_duplicates()),
        "per_cell": f"{summary['n'].min()} to {summary['n'].max()}"
        if summary["n"].nunique() > 1
        else f"{summary['n'].max()}",
        "verdicts": verdict_table(verdicts(summary, names)),
        "tables": [
            (str(_plain(subset)).capitalize(), table(part, names))
            for subset, part in summary.groupby("subset", sort=False)
        ],
        "seconds": ", ".join(f"{name} {value:.2f}" for name, value in seconds.items()),
        "sizes": study.sizes(rows.assign(crop_id=rows["condition"] + "/" + rows["crop_id"])),
    }
    return Report(summary, context, lambda folder: save(figure(summary, names), folder / FIGURE))


def verdict_table(compared: Sequence[Verdict]) -> str:
    """Return the verdicts as a table; empty without any."""
    if not compared:
        return ""
    lines = [
        [
            v.reference,
            v.metric.label,
            f"{v.n_better} of {v.n}",
            v.n_sure,
            v.n_against,
            "; ".join(v.others),
        ]
        for v in compared
    ]
    head = ["better than", "by", "in", "the interval says so in", "and the opposite in", "not better in"]
    return pages.table(head, lines, n_text=2)


def table(part: pd.DataFrame, names: Sequence[str]) -> str:
    """Return the table of one subset; the best value of a condition is bold, SNR has its interval."""
    shown = [name for name in names if name in set(part["digitizer"])]
    columns = [f"{metric.label}: {name}" for metric in METRICS for name in shown]
    lines = []
    for condition, rows in part.groupby("condition", sort=False):
        of = rows.set_index("digitizer").reindex(shown)
        cells = [str(_plain(condition)), str(int(of["n"].max()))]
        for metric in METRICS:
            values = of[metric.column]
            best = values.max() if metric.higher_is_better else values.min()
            for name in shown:
                text = f"{values[name]:.{metric.decimals}f}"
                bold = f"**{text}**" if values[name] == best and len(shown) > 1 else text
                ends = [of.loc[name, f"{metric.column}_{end}"] for end in ("low", "high")]
                cells.append(f"{bold} [{ends[0]:.1f}, {ends[1]:.1f}]" if metric is METRICS[0] else bold)
        lines.append([*cells, ", ".join(f"{count:.0f}" for count in of["n_failed"])])
    return pages.table(["condition", "n", *columns, f"failed: {', '.join(shown)}"], lines)


def figure(summary: pd.DataFrame, names: Sequence[str]) -> "Figure":
    """Show the median SNR: conditions down, a panel for each subset, a colour for each digitizer."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    conditions = list(dict.fromkeys(summary["condition"]))
    groups = summary.drop_duplicates("condition")["group"].to_numpy()
    subsets = list(dict.fromkeys(summary["subset"]))
    shown = Figure(figsize=(9.0, 1.5 + 0.27 * len(conditions)), layout="constrained")
    FigureCanvasAgg(shown)
    axes = shown.subplots(1, len(subsets), sharex=True, sharey=True, squeeze=False)[0]
    for axis, subset in zip(axes, subsets, strict=True):
        part = summary[summary["subset"] == subset]
        for place, name in enumerate(names):
            colour, marker = _SERIES[place % len(_SERIES)]
            mine = part[part["digitizer"] == name]
            rows = [conditions.index(condition) for condition in mine["condition"]]
            # The first on top of the others, where they are equal.
            axis.plot(
                mine["median_snr_db"],
                rows,
                linestyle="",
                marker=marker,
                markersize=6,
                color=colour,
                alpha=0.9,
                label=name,
                zorder=3 + len(names) - place,
            )
        for boundary in np.flatnonzero(groups[1:] != groups[:-1]):
            axis.axhline(boundary + 0.5, color="0.6", linewidth=0.6)
        n = part.groupby("condition")["n"].max()
        size = f"{n.min()}" if n.min() == n.max() else f"{n.min()} to {n.max()}"
        axis.set_title(f"{_plain(subset)} (n = {size} each)", fontsize=10)
        axis.set_xlabel("median SNR (dB), higher is better")
        axis.grid(color="0.9", linewidth=0.6)
        axis.set_axisbelow(True)
    axes[0].set_yticks(range(len(conditions)), [_plain(name) for name in conditions])
    axes[0].set_ylim(len(conditions) - 0.5, -0.5)
    handles, labels = axes[0].get_legend_handles_labels()
    shown.legend(handles, labels, loc="outside upper center", ncols=len(names), frameon=False)
    return shown


def changed_style(value: Any, changes: Any) -> Any:
    """Return a dataclass with other values, also in the dataclasses that it holds."""
    known = [one.name for one in fields(value)]
    new = {}
    for name, change in changes.items():
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            meant = f" Did you mean {near[0]}?" if near else ""
            raise ConfigError(
                f"a {type(value).__name__} has no '{name}'.{meant} It has {', '.join(sorted(known))}"
            )
        old = getattr(value, name)
        if is_dataclass(old) and not isinstance(change, Mapping):
            raise ConfigError(f"{name} is changed by a mapping, got {change}")
        new[name] = (
            changed_style(old, change) if isinstance(change, Mapping) and is_dataclass(old) else change
        )
    return replace(value, **new)


def _plain(name: Any) -> str:
    return str(name).replace("_", " ")


STUDY = Study(
    "conditions",
    report,
    arms=named_arms,
    sources=sources,
    part="condition",
    columns=("condition", *study.EVALUATED),
    text=("condition", *study.Study.text),
)
