"""
Crops that no one here drew: what each digitizer makes of another program's pages, beside what is wanted.

`PAGES_OTHER` and `REFERENCE` are what experiments/pages_other and experiments/reference run.
"""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pandas as pd
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from ecgtrace.errors import DataError
from ecgtrace.evaluation import arms
from ecgtrace.evaluation.derived import with_derived
from ecgtrace.evaluation.rows import COLUMNS, DOUBTFUL, FAILED, OK, TEXT, read_rows
from ecgtrace.reporting import pages, tables
from ecgtrace.studies.study import Arms, Report, Study

# Of `tables.STATISTICS`: what the page shows.
SHOWN = (
    *("scale_found", "r_mean", "r_min", "snr_mean", "snr_median", "read_share", "ok_misread"),
    *("time0_error_median", "time0_error_p95", "lag_median", "lag_p95", "coverage_mean"),
)
_LABELS = {statistic.key: statistic for statistic in tables.STATISTICS}
_KINDS = {(False, False): "alone", (True, False): "others enter", (True, True): "others cross"}


def report(rows: pd.DataFrame, cfg: DictConfig, page_folder: Path) -> Report:
    """
    Return the blocks of the page.

    Parameters
    ----------
    rows : DataFrame
        As `ecgtrace.evaluation.rows.read_rows` gives them.
    cfg : DictConfig
        Its `group_by`, `list_crops`, `demands`, `before` and `bootstrap`.
    page_folder : Path
        Where the rows of `before` lie.
    """
    rows = _with_earlier(rows, cfg.before, page_folder)
    all_results = tables.results(rows, instantiate(cfg.bootstrap))
    result = all_results[-1]  # all crops, where there are several subsets
    context = {
        "title": cfg.title,
        "about": str(cfg.about).strip(),
        "sizes": f"{result.n_crops} crops of {result.n_records} records",
        "demands": _demands(cfg.demands, result) if cfg.demands else "",
        "all": _summary(result),
        "note": tables.note(result).partition(" Paper:")[0],
        "group_by": cfg.group_by,
        "groups": _groups(rows, cfg.group_by),
        "list_crops": cfg.list_crops,
        "crops": _crops(rows, cfg.group_by, cfg.list_crops) if cfg.list_crops else "",
    }
    summary = pd.DataFrame(
        [line for one in all_results for line in tables.summary_lines(one)],
        columns=["subset", "digitizer", "n", "n_failed", "statistic", "value", "low", "high"],
    )
    return Report(summary, context)


def shared_arms(cfg: DictConfig) -> Arms:
    """Build the digitizers that the configuration holds, on one network."""
    configs = dict(cfg.digitizers)
    return configs, arms.build(configs, cfg.segmenter)


def _with_earlier(rows: pd.DataFrame, before: DictConfig | None, folder: Path) -> pd.DataFrame:
    """Add the rows of an earlier state as one more digitizer."""
    if before is None:
        return rows
    path = folder / before.rows
    earlier = read_rows(path)
    earlier = earlier[earlier["digitizer"] == before.digitizer].assign(digitizer=before.name)
    if set(earlier["crop_id"]) != set(rows["crop_id"]):
        raise DataError(f"{path} is about other crops; run it again, or set before=null")
    return pd.concat([rows, earlier], ignore_index=True)


def _demands(demands: Sequence[DictConfig], result: tables.SubsetResult) -> str:
    lines = []
    for demand in demands:
        wanted = OmegaConf.to_container(demand)
        assert isinstance(wanted, dict)
        key, digitizer = wanted["statistic"], wanted["digitizer"]
        value = result.summaries[digitizer].values[key]
        # The value decides, not an end of its interval.
        if "at_least" in wanted:
            holds, bound = value >= wanted["at_least"], f"at least {wanted['at_least']:g}"
        else:
            holds, bound = value <= wanted["at_most"], f"at most {wanted['at_most']:g}"
        found = _cell(result.summaries[digitizer], key)
        lines.append([f"{digitizer}: {_LABELS[key].label}", bound, found, "yes" if holds else "no"])
    return pages.table(["demand", "wanted", "found", "holds"], lines)


def _summary(result: tables.SubsetResult) -> str:
    lines = [
        [what, *(str(getattr(summary, f"n_{what}")) for summary in result.summaries.values())]
        for what in (FAILED, DOUBTFUL)
    ]
    lines += [[_LABELS[key].label, *(_cell(s, key) for s in result.summaries.values())] for key in SHOWN]
    return pages.table(["", *result.summaries], lines)


def _cell(summary: tables.Summary, key: str) -> str:
    value, form = summary.values[key], f".{_LABELS[key].decimals}f"
    if value != value:
        return ""
    low, high = summary.intervals.get(key, (float("nan"), float("nan")))
    return f"{value:{form}} [{low:{form}}, {high:{form}}]" if low == low else f"{value:{form}}"


def _group_of(rows: pd.DataFrame, by: str) -> pd.Series:
    if by == "page":
        return rows["crop_id"].str.replace(r"_\d+_[^_]+$", "", regex=True)
    kinds = zip(rows["overlap_px"] > 0, rows["crossings"] > 0, strict=True)
    return pd.Series([_KINDS[bool(some), bool(across)] for some, across in kinds], rows.index)


def _groups(rows: pd.DataFrame, by: str) -> str:
    rows = with_derived(rows).assign(group=_group_of(rows, by))
    lines = []
    names = tables.in_table_order(rows["digitizer"])
    for group, digitizer in product(dict.fromkeys(rows["group"]), names):
        part = rows[(rows["group"] == group) & (rows["digitizer"] == digitizer)]
        lines.append(
            [
                str(group),
                str(digitizer),
                str(len(part)),
                str((part["status"] == FAILED).sum()),
                str((part["status"] == DOUBTFUL).sum()),
                str(int(part["ok_misread"].sum())),
                f"{part['r'].mean():.4f}",
                f"{part['snr_db'].mean():.1f}",
                f"{part['snr_db'].median():.1f}",
                _or_nothing(part["abs_time0_error_ms"].median(), ".1f"),
            ]
        )
    head = ["", "digitizer", "n", "failed", "doubtful", f"ok, below {tables.MISREAD_DB:g} dB"]
    head += ["r", "mean SNR (dB)", "median SNR (dB)", "median time 0 error (ms)"]
    return pages.table(head, lines, n_text=2)


def _crops(rows: pd.DataFrame, by: str, group: str) -> str:
    rows = rows[_group_of(rows, by) == group]
    names = tables.in_table_order(rows["digitizer"])
    of = rows.set_index(["crop_id", "digitizer"])
    lines = []
    for crop_id in dict.fromkeys(rows["crop_id"]):
        found = [of.loc[(crop_id, name)] for name in names]
        cells = [f"{row['r']:.4f}, {row['snr_db']:.1f} dB{_told(row)}" for row in found]
        lines.append([crop_id, str(found[0]["lead"]), *cells])
    return pages.table(["crop", "lead", *(f"{name}: r, SNR" for name in names)], lines, n_text=2)


def _told(row: pd.Series) -> str:
    return "" if row["status"] == OK else f" ({row['status']})"


def _or_nothing(value: float, form: str) -> str:
    return "" if value != value else f"{value:{form}}"


PAGES_OTHER = Study("pages_other", report, arms=shared_arms, columns=COLUMNS, text=TEXT)
REFERENCE = Study("reference", report, arms=shared_arms, columns=COLUMNS, text=TEXT)
