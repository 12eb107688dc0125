"""What summaries of studies share: subsets, resamples that are those of all arms, values with intervals."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ecgtrace.evaluation import bootstrap
from ecgtrace.evaluation.bootstrap import BootstrapOptions, Counts
from ecgtrace.evaluation.rows import FAILED
from ecgtrace.evaluation.subsets import NON_OVERLAP, OVERLAP
from ecgtrace.types import FloatArray

SUBSETS = {NON_OVERLAP: "without overlap", OVERLAP: "with overlap"}
_SUMMARISED = (
    ("mse_mean", "mse_mv2", "mean"),
    ("r_mean", "r", "mean"),
    ("snr_mean", "snr_db", "mean"),
    ("snr_median", "snr_db", "median"),
)
RESAMPLED = {"mean": bootstrap.mean, "median": bootstrap.median}


def subsets_of(rows: pd.DataFrame) -> list[str]:
    """Return the subsets that a table has crops of, in the order of the tables."""
    present = set(rows["subset"])
    return [name for name in SUBSETS if name in present]


def resamples(part: pd.DataFrame, options: BootstrapOptions) -> tuple[list[str], Counts]:
    """Return the crops of a table in order, and how often each is drawn; the same for all digitizers."""
    crops = part.drop_duplicates("crop_id").sort_values("crop_id")
    ids = list(crops["crop_id"])
    return ids, bootstrap.draw_resamples(ids, list(crops["record_id"]), options)


def with_interval(
    key: str, values: FloatArray, how: str, counts: Counts, options: BootstrapOptions
) -> dict[str, float]:
    """
    Return a mean or median with its interval, as `key`, `key_low` and `key_high`.

    Parameters
    ----------
    key : str
    values : ndarray of float, shape (n_crops,)
        NaN is left out.
    how : {"mean", "median"}
    counts : ndarray of int, shape (n_resamples, n_crops)
    options : BootstrapOptions

    Returns
    -------
    dict of str to float
    """
    known = values[np.isfinite(values)]
    value = float(getattr(np, how)(known)) if known.size else float("nan")
    low, high = bootstrap.percentile_interval(RESAMPLED[how](values, counts), options.level)
    return {key: value, f"{key}_low": low, f"{key}_high": high}


def summarize(rows: pd.DataFrame, names: Sequence[str], options: BootstrapOptions) -> pd.DataFrame:
    """
    Summarise each digitizer on each subset.

    Parameters
    ----------
    rows : DataFrame
        As `ecgtrace.evaluation.rows.read_rows` gives them. What failed counts as its row says: r 0, SNR
        0 dB, as MSE the variance of the truth.
    names : sequence of str
    options : BootstrapOptions

    Returns
    -------
    DataFrame
        `subset`, `digitizer`, `n`, `n_failed`; mean of MSE (mV²), r and SNR (dB), and median of SNR, each
        with the ends of its interval.
    """
    lines = []
    for subset in subsets_of(rows):
        part = rows[rows["subset"] == subset]
        crop_ids, counts = resamples(part, options)
        for name in names:
            mine = part[part["digitizer"] == name].set_index("crop_id").reindex(crop_ids)
            line: dict[str, Any] = {
                "subset": subset,
                "digitizer": name,
                "n": int(mine["status"].notna().sum()),
                "n_failed": int((mine["status"] == FAILED).sum()),
            }
            for key, column, how in _SUMMARISED:
                line |= with_interval(key, mine[column].to_numpy(float), how, counts, options)
            lines.append(line)
    return pd.DataFrame(lines)


def intervals_note(options: BootstrapOptions) -> str:
    """Say what stands in brackets."""
    return (
        f"In brackets: {100 * options.level:g} % percentile bootstrap intervals, {options.n_resamples} "
        f"resamples of {options.unit}s, the same for all (seed {options.seed})."
    )
