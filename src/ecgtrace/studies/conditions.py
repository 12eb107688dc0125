"""
How digitizers stand pages of other resolutions, strokes, grids and worse scans.

Each condition changes one thing of the published page and draws the crops of the test split anew; rows are
those of `evaluate.py`. `main` is what experiments/conditions/run.py calls.
"""

import difflib
import json
import logging
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.errors import MissingConfigException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from ecgtrace.crops.drawn import DrawnCrops
from ecgtrace.errors import ConfigError, DataError
from ecgtrace.evaluation.rows import FAILED, read_rows
from ecgtrace.evaluation.run import DigitizerLike, EvaluationOptions, evaluate_many
from ecgtrace.evaluation.subsets import NON_OVERLAP, OVERLAP
from ecgtrace.pages.style import PageStyle
from ecgtrace.provenance import fingerprint, provenance

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_log = logging.getLogger(__name__)

ALL = "all"
ROWS = "rows.csv"
SUMMARY = "summary.csv"
FIGURE = "conditions"
PROVENANCE = "provenance.json"
PUBLISHED = (ROWS, SUMMARY, PROVENANCE, f"{FIGURE}.png", f"{FIGURE}.pdf")
PAGE = "README.md"
_CELLS = "conditions"
_BEGIN, _END = "<!-- table -->", "<!-- end -->"

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
            return _changed(base, self.page)
        except (ConfigError, TypeError, ValueError) as error:
            raise ConfigError(f"condition {self.name}: {error}") from error


@dataclass(frozen=True)
class Metric:
    """A column of the summary by which digitizers are compared."""

    column: str
    label: str
    higher_is_better: bool
    decimals: int

    def is_better(self, one: float, other: float) -> bool:
        """Tell whether the first value is better; equal and missing ones are not."""
        return bool(one > other if self.higher_is_better else one < other)


METRICS = (
    Metric("median_snr_db", "median SNR (dB)", True, 1),
    Metric("mean_r", "mean r", True, 4),
    Metric("mean_mse_mv2", "mean MSE (mV²)", False, 5),
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


def measure(
    conditions: Sequence[Condition],
    crops: DrawnCrops,
    digitizers: Mapping[str, DigitizerLike],
    folder: Path,
    options: EvaluationOptions,
) -> pd.DataFrame:
    """
    Leave the rows of every condition in a file of its own; rows that are there are kept.

    Parameters
    ----------
    conditions : sequence of Condition
    crops : DrawnCrops
        Of the page that the conditions change. Each draws its own with the same seed, so in the same
        order; which subset a crop falls into may change with the condition, and with it the choice.
    digitizers : mapping of str to DigitizerLike
        By the name that the rows carry.
    folder : Path
        Gets `conditions/NAME.csv`, and `conditions/NAME.done` with the names of the digitizers.
    options : EvaluationOptions
        `resume` is taken as true.

    Returns
    -------
    DataFrame
        All rows, columns as `ecgtrace.evaluation.rows.Row` after `condition`.
    """
    sources = {c.name: replace(crops, style=c.style(crops.style)) for c in conditions}
    parts = []
    for number, condition in enumerate(conditions, 1):
        rows_path = folder / _CELLS / f"{condition.name}.csv"
        done_path = rows_path.with_suffix(".done")
        done = done_path.read_text(encoding="utf-8").split() if done_path.is_file() else []
        if rows_path.is_file() and set(digitizers) <= set(done):
            rows = read_rows(rows_path)
        else:
            _log.info("%s, %d of %d", condition.name, number, len(conditions))
            source = sources[condition.name]
            rows = evaluate_many(source, digitizers, rows_path, replace(options, resume=True))
            done_path.write_text("\n".join(dict.fromkeys([*done, *digitizers])) + "\n", encoding="utf-8")
        rows = rows[rows["digitizer"].isin(list(digitizers))]
        rows.insert(0, "condition", condition.name)
        parts.append(rows)
    return pd.concat(parts, ignore_index=True)


def summarize(rows: pd.DataFrame, conditions: Sequence[Condition], names: Sequence[str]) -> pd.DataFrame:
    """
    Summarise the rows of each condition, subset and digitizer.

    Parameters
    ----------
    rows : DataFrame
        As `measure` returns them. What failed counts as its row says: r 0, SNR 0 dB, as MSE the variance
        of the truth.
    conditions : sequence of Condition
    names : sequence of str
        Of the digitizers.

    Returns
    -------
    DataFrame
        `condition`, `group`, `subset`, `digitizer`, `n`, `n_failed`, `n_as_first` (how many of these crops
        the first condition has in this subset, too), `median_snr_db`, `mean_r`, `mean_mse_mv2`,
        `median_seconds`.
    """
    present = set(rows["subset"])
    subsets = [name for name in (NON_OVERLAP, OVERLAP) if name in present]
    subsets += sorted(present - set(subsets))
    lines = []
    for condition in conditions:
        for subset in subsets:
            for name in names:
                mine = rows[(rows["subset"] == subset) & (rows["digitizer"] == name)]
                part = mine[mine["condition"] == condition.name]
                if part.empty:
                    continue
                first = set(mine.loc[mine["condition"] == conditions[0].name, "crop_id"])
                lines.append(
                    {
                        "condition": condition.name,
                        "group": condition.group,
                        "subset": subset,
                        "digitizer": name,
                        "n": len(part),
                        "n_failed": int((part["status"] == FAILED).sum()),
                        "n_as_first": int(part["crop_id"].isin(first).sum()),
                        "median_snr_db": float(part["snr_db"].median()),
                        "mean_r": float(part["r"].mean()),
                        "mean_mse_mv2": float(part["mse_mv2"].mean()),
                        "median_seconds": float(part["seconds"].median()),
                    }
                )
    return pd.DataFrame(lines)


@dataclass(frozen=True)
class Verdict:
    """
    In how many cells, each a condition and a subset, one digitizer is better than another by a metric.

    Attributes
    ----------
    digitizer, reference : str
    metric : Metric
    n_better, n : int
    others : tuple of str
        The cells where it is not, each with both values.
    """

    digitizer: str
    reference: str
    metric: Metric
    n_better: int
    n: int
    others: tuple[str, ...]


def verdicts(summary: pd.DataFrame, names: Sequence[str]) -> list[Verdict]:
    """Hold the first digitizer against each of the others by each of `METRICS`."""
    found = []
    for reference in names[1:]:
        for metric in METRICS:
            table = _by_digitizer(summary, metric.column)
            if not {names[0], reference} <= set(table.columns):
                continue
            pairs = [(where, row[names[0]], row[reference]) for where, row in table.iterrows()]
            others = tuple(
                f"{_plain(condition)}, {_plain(subset)} "
                f"({one:.{metric.decimals}f} against {other:.{metric.decimals}f})"
                for (condition, subset), one, other in pairs
                if not metric.is_better(one, other)
            )
            n_better = len(pairs) - len(others)
            found.append(Verdict(names[0], reference, metric, n_better, len(pairs), others))
    return found


def to_markdown(summary: pd.DataFrame, names: Sequence[str]) -> str:
    """Return the verdicts, then a table for each subset; the best value of a condition is bold."""
    blocks = []
    compared = verdicts(summary, names)
    if compared:
        conditions = _count(summary["condition"].nunique(), "condition")
        subsets = _count(summary["subset"].nunique(), "subset")
        blocks.append(
            f"`{names[0]}` against the others, in {compared[0].n} cells: {conditions}, {subsets}. "
            "Equal counts as not better."
        )
        lines = ["| better than | by | in | not in |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {v.reference} | {v.metric.label} | {v.n_better} of {v.n} | {'; '.join(v.others)} |"
            for v in compared
        ]
        blocks.append("\n".join(lines))
    for subset, part in summary.groupby("subset", sort=False):
        blocks += [f"### {str(_plain(subset)).capitalize()}", _table(part, names)]
    seconds = summary.groupby("digitizer", sort=False)["median_seconds"].median()
    blocks.append(
        "Seconds per crop, the median over conditions of their medians: "
        + ", ".join(f"{name} {value:.2f}" for name, value in seconds.items())
        + "."
    )
    return "\n\n".join(blocks)


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


def main(cfg: DictConfig, page_folder: Path) -> pd.DataFrame:
    """
    Do the study as configured.

    Parameters
    ----------
    cfg : DictConfig
        As conf/conditions.yaml. Everything is written into `cfg.output_dir`.
    page_folder : Path
        Where `publish=true` puts the results, and whose README.md gets the tables.

    Returns
    -------
    DataFrame
        What summary.csv holds.

    Raises
    ------
    ConfigError
        Before anything is drawn, if a value is out of range, or if the folder holds rows of another
        configuration.
    """
    # Imported here: it pulls in what workers do not need.
    from ecgtrace.reporting.figures import save

    folder = Path(cfg.output_dir)
    options = EvaluationOptions(align=instantiate(cfg.align), workers=cfg.workers, progress=cfg.progress)
    conditions = conditions_of(cfg)
    crops = instantiate(cfg.data, _convert_="object")
    if not isinstance(crops, DrawnCrops):
        raise ConfigError("conditions are drawn: leave data=drawn")
    for condition in conditions:  # refuse before the first of many hours
        condition.style(crops.style)
    names = [str(name) for name in cfg.digitizers]
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"digitizers: name each once, and at least one; got [{', '.join(names)}]")
    configs = {name: _compose_digitizer(name) for name in names}
    if cfg.publish:
        _page_with(page_folder, "")
    _start(cfg, folder, crops, conditions, configs)
    digitizers = {name: instantiate(config) for name, config in configs.items()}

    rows = measure(conditions, crops, digitizers, folder, options)
    rows.to_csv(folder / ROWS, index=False, lineterminator="\n", float_format="%.6g")
    summary = summarize(rows, conditions, names)
    summary.to_csv(folder / SUMMARY, index=False, lineterminator="\n", float_format="%.6g")
    picture = save(figure(summary, names), folder / FIGURE)
    text = to_markdown(summary, names)
    print(text)
    print(f"rows: {folder / ROWS}\nfigure: {picture}")
    if cfg.publish:
        publish(folder, text, page_folder)
    return summary


def publish(folder: Path, text: str, page_folder: Path) -> None:
    """Copy the results beside the README that tells of them, and put the tables between its marks."""
    page = _page_with(page_folder, text)
    for name in PUBLISHED:
        shutil.copyfile(folder / name, page_folder / name)
    (page_folder / PAGE).write_text(page, encoding="utf-8")


def with_tables(page: str, text: str) -> str:
    r"""
    Return a page with a text between its marks.

    Raises
    ------
    DataError
        If the page has no such marks.

    Examples
    --------
    >>> with_tables("a\n<!-- table -->\nold\n<!-- end -->\nb\n", "new")
    'a\n<!-- table -->\nnew\n<!-- end -->\nb\n'
    """
    before, mark, rest = page.partition(f"{_BEGIN}\n")
    if not mark or _END not in rest:
        raise DataError(f"the page has no lines {_BEGIN} and {_END} for the tables")
    return f"{before}{mark}{text}\n{_END}{rest.partition(_END)[2]}"


def _page_with(page_folder: Path, text: str) -> str:
    page = page_folder / PAGE
    if not page.is_file():
        raise DataError(f"there is no {page} to put the tables into")
    return with_tables(page.read_text(encoding="utf-8"), text)


def _changed(value: Any, changes: Mapping[str, Any]) -> Any:
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
        new[name] = _changed(old, change) if isinstance(change, Mapping) and is_dataclass(old) else change
    return replace(value, **new)


def _compose_digitizer(name: str) -> DictConfig:
    """Compose `conf/digitizer/NAME.yaml` with the other options of the command line."""
    overrides: list[str] = []
    if HydraConfig.initialized():
        overrides = list(HydraConfig.get().overrides.task)
    if any(text.lstrip("+~").startswith("digitizer=") for text in overrides):
        raise ConfigError("name the digitizers as digitizers=[NAME,NAME]")
    try:
        return compose("conditions", [*overrides, f"digitizer={name}"]).digitizer
    except MissingConfigException as error:
        raise ConfigError(f"digitizers: {' '.join(str(error).split())}") from error


def _start(
    cfg: DictConfig,
    folder: Path,
    crops: DrawnCrops,
    conditions: Sequence[Condition],
    configs: Mapping[str, DictConfig],
) -> None:
    """Write what the rows rest on, after making sure that rows to be kept rest on the same."""
    facts = provenance(cfg)
    facts["command"] = facts["command"].replace(" run.py", " experiments/conditions/run.py", 1)
    data = OmegaConf.to_container(cfg.data, resolve=True)
    plain = [crops.fingerprint(), data, OmegaConf.to_container(cfg.align, resolve=True)]
    facts["fingerprints"] = {
        **{c.name: fingerprint([*plain, dict(c.page)]) for c in conditions},
        **{
            f"digitizer {name}": fingerprint(OmegaConf.to_container(config, resolve=True))
            for name, config in configs.items()
        },
    }
    path = folder / PROVENANCE
    if cfg.restart:
        shutil.rmtree(folder / _CELLS, ignore_errors=True)
        path.unlink(missing_ok=True)
    if path.is_file() and (folder / _CELLS).is_dir():
        before = json.loads(path.read_text(encoding="utf-8"))
        known = before["fingerprints"]
        changed = [
            key for key, value in facts["fingerprints"].items() if known.setdefault(key, value) != value
        ]
        if changed:
            raise ConfigError(
                f"{folder} holds rows of another configuration ({', '.join(changed)} changed); "
                "restart=true forgets them, output_dir=... leaves them alone"
            )
        call = {key: before[key] for key in ("date_utc", "command", "commit", "dirty")}
        facts["earlier_calls"] = [*before.get("earlier_calls", []), call]
        facts["fingerprints"] = known
    (folder / _CELLS).mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(facts, indent=2, default=str) + "\n", encoding="utf-8")


def _by_digitizer(summary: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return a column as a table: condition and subset down, digitizers across, in the same order."""
    table = summary.set_index(["condition", "subset", "digitizer"])[column].unstack("digitizer", sort=False)
    order = summary[["condition", "subset"]].drop_duplicates()
    return table.loc[list(order.itertuples(index=False, name=None))]


def _table(part: pd.DataFrame, names: Sequence[str]) -> str:
    """Return the table of one subset."""
    shown = [name for name in names if name in set(part["digitizer"])]
    columns = [f"{metric.label}: {name}" for metric in METRICS for name in shown]
    head = ["condition", "n", *columns, f"failed: {', '.join(shown)}"]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for condition, rows in part.groupby("condition", sort=False):
        of = rows.set_index("digitizer").reindex(shown)
        cells = [str(_plain(condition)), str(int(of["n"].max()))]
        for metric in METRICS:
            values = of[metric.column]
            best = values.max() if metric.higher_is_better else values.min()
            texts = [f"{value:.{metric.decimals}f}" for value in values]
            cells += [
                f"**{text}**" if value == best and len(shown) > 1 else text
                for text, value in zip(texts, values, strict=True)
            ]
        cells.append(", ".join(f"{count:.0f}" for count in of["n_failed"]))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _plain(name: Any) -> str:
    return str(name).replace("_", " ")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
