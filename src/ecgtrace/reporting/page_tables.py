"""
Tables of pages: what the rows of an evaluation of whole pages come to, by digitizer and by kind of page.

`PageSummary` is the work; every number comes from the rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecgtrace.evaluation import bootstrap
from ecgtrace.evaluation.bootstrap import BootstrapOptions, Counts
from ecgtrace.evaluation.page_rows import LEAD, PAGE, SILENT_DB
from ecgtrace.evaluation.page_scores import EXTRA, MISSING
from ecgtrace.evaluation.page_snr import KAGGLE_CAP, kaggle_score_db
from ecgtrace.evaluation.subsets import NON_OVERLAP, OVERLAP
from ecgtrace.reporting import pages
from ecgtrace.types import DOUBTFUL, FAILED, OK, FloatArray

GOOD_DB = 20.0  # of a page: the error has a tenth of the amplitude

_Resampled = Callable[[FloatArray, Counts], FloatArray]


@dataclass(frozen=True)
class PageStatistic:
    """
    A line of the tables.

    Attributes
    ----------
    key : str
        In `summary.csv` and `metrics.json`.
    label : str
    decimals : int
    kind : {"lead", "page"}
        Rows that it is taken of.
    values : callable
        From these rows to a number for each, NaN where one does not count.
    how : {"sum", "mean", "median", "p95", "kaggle"}
        All but "sum" have intervals, unless the statistic is of time.
    """

    key: str
    label: str
    decimals: int
    kind: str
    values: Callable[[pd.DataFrame], pd.Series]
    how: str


def _column(name: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda rows: rows[name].astype(float)


def _is(name: str, *values: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda rows: rows[name].isin(values).astype(float)


def _of_truth(name: str, subset: str = "") -> Callable[[pd.DataFrame], pd.Series]:
    """Values of leads that their pages show, extra ones left out."""

    def values(rows: pd.DataFrame) -> pd.Series:
        kept = (rows["found"] != EXTRA) & ((rows["subset"] == subset) if subset else True)
        return rows[name].astype(float).where(kept)

    return values


def _silent(rows: pd.DataFrame) -> pd.Series:
    return ((rows["status"] == OK) & (rows["snr_db"] < SILENT_DB)).astype(float)


def _wrong_ok(rows: pd.DataFrame) -> pd.Series:
    return ((rows["status"] == OK) & (rows["rather"] != "")).astype(float)


def _uncapped_db(rows: pd.DataFrame) -> pd.Series:
    ratio = rows["kaggle_ratio"].astype(float)
    return 10 * np.log10(ratio.where(ratio > 0))  # a page that could not be opened has none


STATISTICS = (
    PageStatistic(FAILED, "pages failed", 0, PAGE, _is("status", FAILED), "sum"),
    PageStatistic(DOUBTFUL, "pages doubtful", 0, PAGE, _is("status", DOUBTFUL), "sum"),
    PageStatistic("silent", f"silent failures: ok, below {SILENT_DB:g} dB", 0, PAGE, _silent, "sum"),
    PageStatistic("layout_ok", "layout right (share of pages)", 3, PAGE, _column("layout_ok"), "mean"),
    PageStatistic("names_ok", "names right (share of leads)", 4, LEAD, _of_truth("names_ok"), "mean"),
    PageStatistic(
        "wrong", "leads under a wrong name", 0, LEAD, lambda r: (r["rather"] != "").astype(float), "sum"
    ),
    PageStatistic("wrong_ok", "of them on pages that are ok", 0, LEAD, _wrong_ok, "sum"),
    PageStatistic("missing", "leads not read", 0, LEAD, _is("found", MISSING), "sum"),
    PageStatistic("extra", "leads that the page does not show", 0, LEAD, _is("found", EXTRA), "sum"),
    PageStatistic("snr_mean", "SNR, mean over leads (dB)", 1, LEAD, _of_truth("snr_db"), "mean"),
    PageStatistic("snr_median", "SNR, median (dB)", 1, LEAD, _of_truth("snr_db"), "median"),
    PageStatistic(
        "snr_fine_mean",
        "SNR, mean, lag removed to a fraction of a sample (dB)",
        1,
        LEAD,
        _of_truth("snr_fine_db"),
        "mean",
    ),
    PageStatistic(
        "snr_median_overlap",
        "SNR, median, ink of others in the box (dB)",
        1,
        LEAD,
        _of_truth("snr_db", OVERLAP),
        "median",
    ),
    PageStatistic(
        "snr_median_non_overlap",
        "SNR, median, no other ink (dB)",
        1,
        LEAD,
        _of_truth("snr_db", NON_OVERLAP),
        "median",
    ),
    PageStatistic(
        "snr_as_read_median",
        "SNR, median, no lag removed (dB)",
        1,
        LEAD,
        _of_truth("snr_as_read_db"),
        "median",
    ),
    PageStatistic(
        "good",
        f"pages of {GOOD_DB:g} dB or more (share)",
        3,
        PAGE,
        lambda r: (r["snr_db"] >= GOOD_DB).astype(float),
        "mean",
    ),
    PageStatistic(
        "challenge_mean", "Challenge 2024 SNR, mean (dB)", 1, LEAD, _of_truth("challenge_db"), "mean"
    ),
    PageStatistic(
        "kaggle", "Kaggle 2025 score, at most 25.84 (dB)", 2, PAGE, _column("kaggle_ratio"), "kaggle"
    ),
    PageStatistic(
        "kaggle_uncapped", "the same per image, not capped, mean (dB)", 1, PAGE, _uncapped_db, "mean"
    ),
    PageStatistic("r_mean", "r, mean", 4, LEAD, _of_truth("r"), "mean"),
    PageStatistic("rmse_median", "RMSE, median (mV)", 4, LEAD, _of_truth("rmse_mv"), "median"),
    PageStatistic(
        "time0_median",
        "error of time 0, median (ms)",
        1,
        LEAD,
        lambda r: r["time0_error_ms"].astype(float).abs(),
        "median",
    ),
    PageStatistic(
        "time0_p95",
        "its 95th percentile (ms)",
        1,
        LEAD,
        lambda r: r["time0_error_ms"].astype(float).abs(),
        "p95",
    ),
    PageStatistic("coverage_mean", "coverage, mean", 3, LEAD, _of_truth("coverage"), "mean"),
    PageStatistic("seconds_median", "seconds per page, median", 2, PAGE, _column("seconds"), "median"),
    PageStatistic("seconds_p95", "their 95th percentile", 2, PAGE, _column("seconds"), "p95"),
)
OF_GROUPS = ("failed", "doubtful", "silent", "layout_ok", "names_ok", "wrong", "snr_mean", "snr_median")
_BY_KEY = {statistic.key: statistic for statistic in STATISTICS}


def _kaggle(values: FloatArray, counts: Counts) -> FloatArray:
    return 10 * np.log10(np.maximum(bootstrap.mean(np.minimum(values, KAGGLE_CAP), counts), 1e-12))


_HOW: dict[str, tuple[Callable[[FloatArray], Any], _Resampled | None]] = {
    "sum": (np.sum, None),
    "mean": (np.mean, bootstrap.mean),
    "median": (np.median, bootstrap.median),
    "p95": (partial(np.quantile, q=0.95), partial(bootstrap.quantile, share=0.95)),
    "kaggle": (kaggle_score_db, _kaggle),
}


@dataclass(frozen=True)
class PageSummary:
    """
    One digitizer on some pages.

    Attributes
    ----------
    n_pages, n_leads, n_records : int
        Leads that the pages show.
    values : dict of str to float
        By the key of each of `STATISTICS`; NaN where there is no number.
    intervals : dict of str to (float, float)
    """

    n_pages: int
    n_leads: int
    n_records: int
    values: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]

    @classmethod
    def of(cls, rows: pd.DataFrame, options: BootstrapOptions) -> "PageSummary":
        """
        Summarise the rows of one digitizer.

        Parameters
        ----------
        rows : DataFrame
            As `page_rows.read_page_rows` gives them. A page that could not be opened has no leads, and counts
            0 by Kaggle's rules.
        options : BootstrapOptions
            With records as the unit, all pages and leads of a record are drawn together.
        """
        kinds = {kind: rows[rows["kind"] == kind] for kind in (LEAD, PAGE)}
        kinds[PAGE] = kinds[PAGE].assign(kaggle_ratio=kinds[PAGE]["kaggle_ratio"].fillna(0.0))
        counts = {kind: _resamples(part, options) for kind, part in kinds.items()}
        values: dict[str, float] = {}
        intervals: dict[str, tuple[float, float]] = {}
        for statistic in STATISTICS:
            column = statistic.values(kinds[statistic.kind]).to_numpy(float)
            known = column[np.isfinite(column)]
            one, resampled = _HOW[statistic.how]
            values[statistic.key] = float(one(known)) if known.size else float("nan")
            if resampled is not None and known.size and not statistic.key.startswith("seconds"):
                samples = resampled(column, counts[statistic.kind])
                intervals[statistic.key] = bootstrap.percentile_interval(samples, options.level)
        shown = kinds[LEAD]["found"] != EXTRA
        records = set(kinds[PAGE]["record_id"]) - {""}
        return cls(len(kinds[PAGE]), int(shown.sum()), len(records), values, intervals)

    def cell(self, key: str, interval: bool = True) -> str:
        """Return a value as a table shows it; empty where there is none."""
        value, form = self.values[key], f".{_BY_KEY[key].decimals}f"
        if np.isnan(value):
            return ""
        low, high = self.intervals.get(key, (float("nan"), float("nan")))
        return (
            f"{value:{form}} [{low:{form}}, {high:{form}}]" if interval and low == low else f"{value:{form}}"
        )


def label(key: str) -> str:
    """Return what a statistic is called in tables."""
    return _BY_KEY[key].label


def summaries(rows: pd.DataFrame, options: BootstrapOptions) -> dict[str, PageSummary]:
    """Summarise each digitizer, in the order of the rows; each has the pages that it could be given."""
    return {
        str(name): PageSummary.of(rows[rows["digitizer"] == name], options)
        for name in dict.fromkeys(rows["digitizer"])
    }


def to_markdown(found: Mapping[str, PageSummary]) -> str:
    """Return the table: a line for each statistic, a column for each digitizer."""
    lines = [["pages", *(str(one.n_pages) for one in found.values())]]
    lines.append(["leads that they show", *(str(one.n_leads) for one in found.values())])
    for statistic in STATISTICS:
        cells = [one.cell(statistic.key) for one in found.values()]
        if any(cells):
            lines.append([statistic.label, *cells])
    return pages.table(["", *found], lines)


def groups(
    rows: pd.DataFrame, group: pd.Series, options: BootstrapOptions, keys: Sequence[str] = OF_GROUPS
) -> str:
    """
    Return a table with a line for each group of pages and digitizer.

    Parameters
    ----------
    rows : DataFrame
    group : Series of str
        Of each row; those of an empty name are left out.
    options : BootstrapOptions
    keys : sequence of str, optional
        Of `STATISTICS`.
    """
    lines = []
    for name in sorted(set(group) - {""}):
        for digitizer, one in summaries(rows[group == name], options).items():
            lines.append([name, digitizer, str(one.n_pages), *(one.cell(key, False) for key in keys)])
    return pages.table(["", "digitizer", "pages", *map(label, keys)], lines, n_text=2)


def as_metrics(found: Mapping[str, PageSummary]) -> dict[str, Any]:
    """Return the numbers for JSON, by digitizer; `KEY_low` and `KEY_high` are the ends of an interval."""
    out: dict[str, Any] = {}
    for name, one in found.items():
        numbers: dict[str, Any] = {"n": one.n_pages, "n_leads": one.n_leads, "n_records": one.n_records}
        for key, value in one.values.items():
            numbers[key] = _plain(value)
            if key in one.intervals:
                low, high = one.intervals[key]
                numbers |= {f"{key}_low": _plain(low), f"{key}_high": _plain(high)}
        out[name] = numbers
    return out


def summary_lines(found: Mapping[str, PageSummary]) -> list[dict[str, Any]]:
    """Return the lines of `summary.csv`: one for each digitizer and statistic."""
    return [
        {
            "digitizer": name,
            "n": one.n_pages,
            "n_leads": one.n_leads,
            "statistic": key,
            "value": _plain(value),
            "low": _plain(one.intervals[key][0]) if key in one.intervals else None,
            "high": _plain(one.intervals[key][1]) if key in one.intervals else None,
        }
        for name, one in found.items()
        for key, value in one.values.items()
    ]


def note(options: BootstrapOptions) -> str:
    """Say how the numbers are taken."""
    return (
        f"In brackets: {100 * options.level:g} % percentile bootstrap intervals, {options.n_resamples} "
        f"resamples of {options.unit}s, the same for all (seed {options.seed}). A lead that was not read "
        "counts 0 dB and r = 0. Before SNR, r and RMSE are taken, the lag is removed that the configuration "
        "allows (`align`), unless the line says otherwise; the error of time 0 is the lag against the page's "
        "own axis, looked for up to 0.4 s. A lead is under a wrong name if another lead's truth fits it, r "
        "at least 0.9, and leaves less than half of the variance unexplained that its own truth leaves. "
        "Kaggle's and the Challenge's numbers are by their own rules and compare with nothing else."
    )


def write(found: Mapping[str, PageSummary], options: BootstrapOptions, folder: Path) -> None:
    """Write `pages.md` and `summary.csv`."""
    folder.mkdir(parents=True, exist_ok=True)
    text = f"{to_markdown(found)}\n\n{note(options)}\n"
    (folder / "pages.md").write_text(text, encoding="utf-8")
    table = pd.DataFrame(summary_lines(found))
    table.to_csv(folder / "summary.csv", index=False, lineterminator="\n", float_format="%.6g")


def _resamples(rows: pd.DataFrame, options: BootstrapOptions) -> Counts:
    ids = list(rows["crop_id"])
    # A page that could not be opened has no record; it is a unit of its own.
    records = list(rows["record_id"].where(rows["record_id"] != "", rows["crop_id"]))
    return bootstrap.draw_resamples(ids, records, options) if ids else np.zeros((options.n_resamples, 0), int)


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
