"""
The paper's two tables from rows, with intervals, beside the paper's own numbers.

Standard deviations have n - 1 below the sum of squares; the paper does not say which it used, and with
n = 100 the two differ by half a percent. Extremes carry no interval: the bootstrap cannot draw a value worse
than the worst one seen, so an interval for a maximum would mislead.
"""

import csv
import html
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecgtrace.evaluation import bootstrap
from ecgtrace.evaluation.bootstrap import DEFAULT_BOOTSTRAP, BootstrapOptions
from ecgtrace.evaluation.derived import MISREAD_DB, READ_DB, with_derived
from ecgtrace.evaluation.rows import DOUBTFUL, FAILED
from ecgtrace.evaluation.subsets import ALL, NON_OVERLAP, OVERLAP
from ecgtrace.reporting import pages
from ecgtrace.reporting.paper import PAPER, SOURCE
from ecgtrace.types import FloatArray

Interval = tuple[float, float]

TITLES = {
    NON_OVERLAP: "Crops without overlap (the paper's Table I)",
    OVERLAP: "Crops with overlap (the paper's Table II)",
    ALL: "All crops",
    "unknown": "Crops that could not be read",
}
# First in a table, in this order; others follow as they come.
_FIRST = ("baseline", "proposed", "ceiling", "refined")
_REFERENCE = "baseline"


@dataclass(frozen=True)
class Statistic:
    """One line of a table: a summary of one column of the rows, or of one that `evaluation.derived` adds."""

    key: str
    label: str
    column: str
    how: str
    decimals: int


STATISTICS = (
    Statistic("mse_mean", "MSE mean (mV²)", "mse_mv2", "mean", 4),
    Statistic("mse_std", "MSE std (mV²)", "mse_mv2", "std", 4),
    Statistic("mse_max", "MSE max (mV²)", "mse_mv2", "max", 4),
    Statistic("r_mean", "r mean", "r", "mean", 4),
    Statistic("r_min", "r min", "r", "min", 4),
    Statistic("r_std", "r std", "r", "std", 4),
    Statistic("snr_median", "SNR median (dB)", "snr_db", "median", 1),
    Statistic("snr_mean", "SNR mean (dB)", "snr_db", "mean", 1),
    Statistic("read_share", f"{READ_DB:g} dB or more (share)", "read", "mean", 3),
    Statistic("ok_misread", f"ok, yet below {MISREAD_DB:g} dB (share)", "ok_misread", "mean", 3),
    Statistic("time0_error_median", "absolute time 0 error, median (ms)", "abs_time0_error_ms", "median", 1),
    Statistic(
        "time0_error_p95", "absolute time 0 error, 95th percentile (ms)", "abs_time0_error_ms", "p95", 1
    ),
    Statistic("lag_median", "absolute lag removed, median (ms)", "abs_lag_ms", "median", 1),
    Statistic("lag_p95", "absolute lag removed, 95th percentile (ms)", "abs_lag_ms", "p95", 1),
    Statistic("scale_found", "scale within 1 % (share)", "scale_found", "mean", 3),
    Statistic("mse_median", "MSE median (mV²)", "mse_mv2", "median", 5),
    Statistic("r_median", "r median", "r", "median", 4),
    Statistic("coverage_mean", "coverage mean", "coverage", "mean", 3),
    Statistic("seconds_median", "time per crop, median (s)", "seconds", "median", 3),
)
_RESAMPLED: dict[str, Callable[[FloatArray, bootstrap.Counts], FloatArray]] = {
    "mean": bootstrap.mean,
    "std": bootstrap.std,
    "median": bootstrap.median,
    "p95": partial(bootstrap.quantile, share=0.95),
}


@dataclass(frozen=True)
class Summary:
    """
    One digitizer on one subset.

    Attributes
    ----------
    n, n_failed, n_doubtful : int
    values : dict of str to float
        By the key of each of `STATISTICS`; NaN where there is no number.
    intervals : dict of str to (float, float)
        Of those statistics that have one.
    """

    n: int
    n_failed: int
    n_doubtful: int
    values: dict[str, float]
    intervals: dict[str, Interval]


@dataclass(frozen=True)
class Comparison:
    """A digitizer against the baseline on the same crops and the same resamples."""

    digitizer: str
    reference: str
    r_difference: float
    r_difference_interval: Interval
    mse_ratio: float
    mse_ratio_interval: Interval


@dataclass(frozen=True)
class SubsetResult:
    """The table of one subset: a summary for each digitizer, and the comparisons."""

    subset: str
    n_crops: int
    n_records: int
    options: BootstrapOptions
    summaries: dict[str, Summary]
    comparisons: list[Comparison] = field(default_factory=list)


def results(rows: pd.DataFrame, options: BootstrapOptions = DEFAULT_BOOTSTRAP) -> list[SubsetResult]:
    """
    Summarise rows by subset and digitizer.

    Parameters
    ----------
    rows : DataFrame
        As `ecgtrace.evaluation.rows.read_rows` gives them.
    options : BootstrapOptions, optional
        All digitizers of a subset share the resamples.

    Returns
    -------
    list of SubsetResult
        Without overlap, with overlap, any other; then all crops together where there is more than one subset.
    """
    present = list(dict.fromkeys(rows["subset"]))
    order = [name for name in (NON_OVERLAP, OVERLAP) if name in present]
    order += [name for name in present if name not in order]
    tables = [_subset_result(name, rows[rows["subset"] == name], options) for name in order]
    if len(order) > 1:
        tables.append(_subset_result(ALL, rows, options))
    return tables


def as_metrics(tables: Sequence[SubsetResult]) -> dict[str, Any]:
    """
    Return the results as plain numbers for JSON, by subset and digitizer.

    A statistic without a value is None; `KEY_low` and `KEY_high` are the ends of its interval.
    """
    out: dict[str, Any] = {}
    for table in tables:
        block: dict[str, Any] = {"n_crops": table.n_crops, "n_records": table.n_records, "digitizers": {}}
        for name, summary in table.summaries.items():
            numbers: dict[str, Any] = {
                "n": summary.n,
                "n_failed": summary.n_failed,
                "n_doubtful": summary.n_doubtful,
            }
            for key, value in summary.values.items():
                numbers[key] = _plain(value)
                if key in summary.intervals:
                    low, high = summary.intervals[key]
                    numbers |= {f"{key}_low": _plain(low), f"{key}_high": _plain(high)}
            block["digitizers"][name] = numbers
        block["comparisons"] = [
            {
                "digitizer": entry.digitizer,
                "reference": entry.reference,
                "r_difference": _plain(entry.r_difference),
                "r_difference_low": _plain(entry.r_difference_interval[0]),
                "r_difference_high": _plain(entry.r_difference_interval[1]),
                "mse_ratio": _plain(entry.mse_ratio),
                "mse_ratio_low": _plain(entry.mse_ratio_interval[0]),
                "mse_ratio_high": _plain(entry.mse_ratio_interval[1]),
            }
            for entry in table.comparisons
        ]
        out[table.subset] = block
    return out


def grid(table: SubsetResult) -> tuple[list[str], list[list[str]]]:
    """
    Lay a table out as text: a column for each digitizer, then the paper's two.

    Returns
    -------
    header : list of str
    lines : list of list of str
        The first cell of each names the statistic.
    """
    paper = PAPER.get(table.subset, {})
    header = ["", *table.summaries, *(f"paper: {name}" for name in paper)]
    lines = [
        ["crops", *(str(s.n) for s in table.summaries.values()), *(f"{p['n']:.0f}" for p in paper.values())]
    ]
    lines.append(["failed", *(str(s.n_failed) for s in table.summaries.values()), *("" for _ in paper)])
    lines.append(["doubtful", *(str(s.n_doubtful) for s in table.summaries.values()), *("" for _ in paper)])
    for statistic in STATISTICS:
        cells = [_cell(summary, statistic) for summary in table.summaries.values()]
        stated = [
            f"{numbers[statistic.key]:.{statistic.decimals}f}" if statistic.key in numbers else ""
            for numbers in paper.values()
        ]
        lines.append([statistic.label, *cells, *stated])
    return header, lines


def to_markdown(table: SubsetResult) -> str:
    """Return a table as GitHub Markdown, with its title and the note on the intervals."""
    header, lines = grid(table)
    return f"### {title(table)}\n\n{pages.table(header, lines)}\n\n{note(table)}\n"


def to_html(table: SubsetResult) -> str:
    """Return a table as an HTML `figure` that needs no script and no style to be readable."""
    header, lines = grid(table)
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in header)
    body = "\n".join(
        f'<tr><th scope="row">{html.escape(cells[0])}</th>'
        + "".join(f"<td>{_breakable(cell)}</td>" for cell in cells[1:])
        + "</tr>"
        for cells in lines
    )
    return (
        f"<figure><table><caption>{html.escape(title(table))}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>{body}</tbody></table>\n<figcaption>{html.escape(note(table))}</figcaption></figure>"
    )


def to_text(tables: Sequence[SubsetResult]) -> str:
    """Return all tables for a terminal, columns aligned."""
    blocks = []
    for table in tables:
        header, lines = grid(table)
        widths = [max(len(row[column]) for row in (header, *lines)) for column in range(len(header))]
        text = [title(table)]
        for cells in (header, *lines):
            rest = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
            text.append("  ".join([cells[0].ljust(widths[0]), *rest]).rstrip())
        text += [sentence(entry) for entry in table.comparisons]
        blocks.append("\n".join(text))
    return "\n\n".join(blocks)


def write_tables(tables: Sequence[SubsetResult], folder: Path) -> None:
    """
    Write each table as Markdown and HTML, and all numbers, unrounded, as one CSV.

    Files: `SUBSET.md`, `SUBSET.html`, `summary.csv` (one line per subset, digitizer and statistic; the
    paper's are there under the digitizer names `paper: paper-ecg` and `paper: proposed`).
    """
    folder.mkdir(parents=True, exist_ok=True)
    for table in tables:
        (folder / f"{table.subset}.md").write_text(to_markdown(table), encoding="utf-8")
        (folder / f"{table.subset}.html").write_text(to_html(table) + "\n", encoding="utf-8")
    with (folder / "summary.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["subset", "digitizer", "n", "n_failed", "statistic", "value", "low", "high"])
        writer.writerows(line for table in tables for line in summary_lines(table))


def summary_lines(table: SubsetResult) -> list[list[Any]]:
    """Return the lines of `summary.csv` for one table, the paper's numbers last."""
    lines: list[list[Any]] = []
    for name, summary in table.summaries.items():
        for key, value in summary.values.items():
            ends = [_plain(end) for end in summary.intervals.get(key, (np.nan, np.nan))]
            lines.append([table.subset, name, summary.n, summary.n_failed, key, _plain(value), *ends])
    for name, numbers in PAPER.get(table.subset, {}).items():
        for key, value in numbers.items():
            if key != "n":
                lines.append(
                    [table.subset, f"paper: {name}", int(numbers["n"]), None, key, value, None, None]
                )
    return lines


def title(table: SubsetResult) -> str:
    """Return what the table is about, in words."""
    return TITLES.get(table.subset, table.subset)


def note(table: SubsetResult) -> str:
    """Return what the brackets mean and where the paper's columns come from."""
    drawn = f"{table.n_records} records" if table.options.unit == "record" else f"{table.n_crops} crops"
    text = (
        f"In brackets: {100 * table.options.level:g} % percentile bootstrap interval, "
        f"{table.options.n_resamples} resamples of {drawn}, shared by all columns "
        f"(seed {table.options.seed}). Failed crops count as r = 0, SNR = 0 dB and MSE = variance of the "
        "truth; of time 0 and lag they have none. Doubtful crops count as they were read. Time 0 error: "
        "where the signal begins in the picture, against the truth; lag: what alignment removed before the "
        "rest was compared. Std has n - 1."
    )
    if table.subset in PAPER:
        text += f" Paper: {SOURCE}; on its own crops, not on these."
    return text


def sentence(entry: Comparison) -> str:
    """Return a comparison in one sentence."""
    r_low, r_high = entry.r_difference_interval
    mse_low, mse_high = entry.mse_ratio_interval
    return (
        f"{entry.digitizer} against {entry.reference}, same crops: mean r {entry.r_difference:+.4f} "
        f"[{r_low:+.4f}, {r_high:+.4f}], mean MSE times {entry.mse_ratio:.3f} [{mse_low:.3f}, {mse_high:.3f}]"
    )


def in_table_order(digitizers: Iterable[str]) -> list[str]:
    """Return the distinct names: baseline, proposed, ceiling, refined, then any others as they come."""
    present = dict.fromkeys(digitizers)
    return [*(name for name in _FIRST if name in present), *(name for name in present if name not in _FIRST)]


def _subset_result(name: str, rows: pd.DataFrame, options: BootstrapOptions) -> SubsetResult:
    digitizers = in_table_order(rows["digitizer"])
    crops = rows.drop_duplicates("crop_id").sort_values("crop_id")
    # A crop that could not be read has no record; it is a unit of its own.
    records = crops["record_id"].where(crops["record_id"] != "", crops["crop_id"])
    counts = bootstrap.draw_resamples(list(crops["crop_id"]), list(records), options)
    by_digitizer = {
        digitizer: rows[rows["digitizer"] == digitizer].set_index("crop_id").reindex(crops["crop_id"])
        for digitizer in digitizers
    }
    return SubsetResult(
        subset=name,
        n_crops=len(crops),
        n_records=records.nunique(),
        options=options,
        summaries={digitizer: _summary(part, counts, options) for digitizer, part in by_digitizer.items()},
        comparisons=[
            _comparison(digitizer, by_digitizer, counts, options)
            for digitizer in digitizers
            if _REFERENCE in by_digitizer and digitizer != _REFERENCE
        ],
    )


def _summary(part: pd.DataFrame, counts: bootstrap.Counts, options: BootstrapOptions) -> Summary:
    values, intervals = {}, {}
    part = with_derived(part)
    for statistic in STATISTICS:
        column = part[statistic.column].astype(float)
        values[statistic.key] = float(
            column.quantile(0.95) if statistic.how == "p95" else getattr(column, statistic.how)()
        )
        if statistic.how in _RESAMPLED and statistic.column != "seconds":
            samples = _RESAMPLED[statistic.how](column.to_numpy(), counts)
            intervals[statistic.key] = bootstrap.percentile_interval(samples, options.level)
    return Summary(
        n=int(part["status"].notna().sum()),
        n_failed=int((part["status"] == FAILED).sum()),
        n_doubtful=int((part["status"] == DOUBTFUL).sum()),
        values=values,
        intervals=intervals,
    )


def _comparison(
    name: str, parts: dict[str, pd.DataFrame], counts: bootstrap.Counts, options: BootstrapOptions
) -> Comparison:
    ours, theirs = parts[name], parts[_REFERENCE]
    gain = (ours["r"] - theirs["r"]).to_numpy(float)
    both = ours["mse_mv2"].notna() & theirs["mse_mv2"].notna()
    mse, mse_reference = (part["mse_mv2"].where(both).to_numpy(float) for part in (ours, theirs))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = bootstrap.mean(mse, counts) / bootstrap.mean(mse_reference, counts)
        ratio = np.float64(mse[both].sum()) / np.float64(mse_reference[both].sum())
    return Comparison(
        digitizer=name,
        reference=_REFERENCE,
        r_difference=float(pd.Series(gain).mean()),
        r_difference_interval=bootstrap.percentile_interval(bootstrap.mean(gain, counts), options.level),
        mse_ratio=float(ratio),
        mse_ratio_interval=bootstrap.percentile_interval(ratios, options.level),
    )


def _cell(summary: Summary, statistic: Statistic) -> str:
    value = summary.values[statistic.key]
    if np.isnan(value):
        return ""
    text = f"{value:.{statistic.decimals}f}"
    if statistic.key in summary.intervals:
        low, high = summary.intervals[statistic.key]
        if np.isfinite(low):
            text += f" [{low:.{statistic.decimals}f}, {high:.{statistic.decimals}f}]"
    return text


def _breakable(cell: str) -> str:
    """Let a narrow column break before the interval and nowhere else."""
    value, space, interval = html.escape(cell).partition(" [")
    return f'{value} <span class="interval">[{interval}</span>' if space else value


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
