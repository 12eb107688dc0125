"""
Agreement of two ways of measuring: bias and limits of agreement [1]_, as table and as picture.

References
----------
.. [1] Bland, J. M., & Altman, D. G. (1986). Statistical methods for assessing agreement between two methods
   of clinical measurement. The Lancet, 327(8476), 307-310. https://doi.org/10.1016/S0140-6736(86)90837-8
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecgtrace.evaluation import bootstrap
from ecgtrace.evaluation.bootstrap import DEFAULT_BOOTSTRAP, BootstrapOptions
from ecgtrace.evaluation.subsets import NON_OVERLAP, OVERLAP
from ecgtrace.reporting import pages
from ecgtrace.studies.beats import MEASURES
from ecgtrace.studies.clinical import NOT_MEASURED, NOT_ON_TRUTH, OK
from ecgtrace.types import FloatArray

# 95 % of a normal distribution lie within so many standard deviations of its mean.
Z_95 = 1.96

SUBSET_TITLES = {NON_OVERLAP: "no overlap", OVERLAP: "overlap"}
# Okabe and Ito's colours; markers differ too, so that a grey print stays readable.
_LOOK = {NON_OVERLAP: ("#0072B2", "o"), OVERLAP: ("#D55E00", "x")}


@dataclass(frozen=True)
class Agreement:
    """
    Differences, digitized minus truth, summed up.

    Attributes
    ----------
    bias, sd : float
        Mean and standard deviation (n - 1) of the differences; NaN without any, or with a single one.
    low, high : float
        The limits of agreement, bias -/+ 1.96 sd.
    """

    bias: float
    sd: float

    @property
    def low(self) -> float:
        """The lower limit of agreement."""
        return self.bias - Z_95 * self.sd

    @property
    def high(self) -> float:
        """The upper limit of agreement."""
        return self.bias + Z_95 * self.sd


def agreement(differences: FloatArray) -> Agreement:
    """
    Sum up differences.

    Examples
    --------
    >>> found = agreement(np.array([1.0, 2.0, 3.0]))
    >>> found.bias, found.sd, round(found.low, 2), round(found.high, 2)
    (2.0, 1.0, 0.04, 3.96)
    """
    n = len(differences)
    return Agreement(
        bias=float(np.mean(differences)) if n else float("nan"),
        sd=float(np.std(differences, ddof=1)) if n > 1 else float("nan"),
    )


def summarize(rows: pd.DataFrame, options: BootstrapOptions = DEFAULT_BOOTSTRAP) -> pd.DataFrame:
    """
    Sum up the rows of the study.

    The limits of agreement take crops as independent, which those of one record are not: they describe the
    crops at hand. The interval of the bias is a bootstrap by record; all digitizers share its resamples.

    Parameters
    ----------
    rows : DataFrame
        Columns as `ecgtrace.studies.clinical_run.COLUMNS`.
    options : BootstrapOptions, optional

    Returns
    -------
    DataFrame
        A row for each subset, digitizer and measure: `n` (measured on both), `n_records` (of these),
        `n_not_measured` (on the truth alone), `n_not_on_truth`, `n_beats` of the truth and `n_missed` of
        them, `bias` with its interval `bias_low`, `bias_high` (NaN where fewer than two records are left),
        `limit_low`, `limit_high`, `median_abs_difference`.
    """
    summary = []
    for subset in SUBSET_TITLES:
        part = rows[rows["subset"] == subset]
        crops = part.drop_duplicates("crop_id")
        crop_ids = list(crops["crop_id"])
        counts = bootstrap.draw_resamples(crop_ids, list(crops["record_id"]), options) if crop_ids else None
        for digitizer in part["digitizer"].unique():
            for measure in MEASURES:
                some = part[(part["digitizer"] == digitizer) & (part["measure"] == measure.name)]
                measured = some[some["status"] == OK]
                differences = measured["difference"].to_numpy(dtype=float)
                found = agreement(differences)
                low = high = float("nan")
                if measured["record_id"].nunique() > 1 and counts is not None:
                    by_crop = measured.set_index("crop_id")["difference"].reindex(crop_ids)
                    means = bootstrap.mean(by_crop.to_numpy(dtype=float), counts)
                    low, high = bootstrap.percentile_interval(means, options.level)
                in_table = some[some["status"].isin([OK, NOT_MEASURED])]
                summary.append(
                    {
                        "subset": subset,
                        "digitizer": digitizer,
                        "measure": measure.name,
                        "unit": measure.unit,
                        "n": len(measured),
                        "n_records": measured["record_id"].nunique(),
                        "n_not_measured": int((some["status"] == NOT_MEASURED).sum()),
                        "n_not_on_truth": int((some["status"] == NOT_ON_TRUTH).sum()),
                        "n_beats": int(in_table["n_beats"].sum()),
                        "n_missed": int(in_table["n_missed"].sum()),
                        "bias": found.bias,
                        "bias_low": low,
                        "bias_high": high,
                        "limit_low": found.low,
                        "limit_high": found.high,
                        "median_abs_difference": float(np.median(np.abs(differences)))
                        if len(differences)
                        else float("nan"),
                    }
                )
    return pd.DataFrame(summary)


def to_markdown(summary: pd.DataFrame) -> str:
    """
    Return the table of a README: a block for each subset, measures down, digitizers across.

    A cell holds bias [95 % interval], the limits of agreement, the median of the absolute difference, and the
    crops measured of those that the truth lets measure.
    """
    blocks = []
    for subset, title in SUBSET_TITLES.items():
        part = summary[summary["subset"] == subset]
        if part.empty:
            continue
        digitizers = list(part["digitizer"].unique())
        lines = []
        for measure in MEASURES:
            some = part[part["measure"] == measure.name].set_index("digitizer")
            cells = [_cell(some.loc[name]) for name in digitizers]
            lines.append([f"{measure.title} ({measure.unit})", *cells])
        blocks.append(pages.table([title, *digitizers], lines, n_text=1 + len(digitizers)))
    return "\n\n".join(blocks)


def _cell(row: pd.Series) -> str:
    asked = int(row["n"] + row["n_not_measured"])
    if not row["n"]:
        return f"0 of {asked}"
    digits = 3 if row["unit"] == "mV" else 1

    def number(value: float, sign: str = "+") -> str:
        # + 0.0 turns the -0.0 of rounding into 0.0
        return f"{round(float(value), digits) + 0.0:{sign}.{digits}f}" if np.isfinite(value) else "-"

    bias = f"{number(row['bias'])} [{number(row['bias_low'])}, {number(row['bias_high'])}]"
    limits = f"{number(row['limit_low'])} to {number(row['limit_high'])}"
    return f"{bias}; {limits}; {number(row['median_abs_difference'], '')}; {int(row['n'])} of {asked}"


def plot(rows: pd.DataFrame, summary: pd.DataFrame, digitizers: Sequence[str]) -> Figure:
    """
    Draw Bland-Altman plots: measures down, digitizers across, the same axes within a row.

    Parameters
    ----------
    rows, summary : DataFrame
        Of the study, and what `summarize` made of them.
    digitizers : sequence of str
        From left to right.

    Returns
    -------
    Figure
        Difference over mean of truth and digitized; full lines: bias, broken lines: limits of agreement.
    """
    figure = Figure(figsize=(3.6 * len(digitizers) + 0.8, 2.3 * len(MEASURES) + 0.6), layout="constrained")
    panels = figure.subplots(len(MEASURES), len(digitizers), sharex="row", sharey="row", squeeze=False)
    for measure, row_of_panels in zip(MEASURES, panels, strict=True):
        for name, axes in zip(digitizers, row_of_panels, strict=True):
            axes.axhline(0, color="#999999", linewidth=0.8, zorder=0)
            for subset, (colour, marker) in _LOOK.items():
                some = rows[
                    (rows["subset"] == subset)
                    & (rows["digitizer"] == name)
                    & (rows["measure"] == measure.name)
                    & (rows["status"] == OK)
                ]
                if some.empty:
                    continue
                axes.scatter(
                    (some["truth"] + some["digitized"]) / 2,
                    some["difference"],
                    s=11,
                    linewidths=0.8,
                    color=colour,
                    marker=marker,
                    alpha=0.7,
                    label=SUBSET_TITLES[subset],
                )
                found = agreement(some["difference"].to_numpy(dtype=float))
                axes.axhline(found.bias, color=colour, linewidth=1.0)
                for limit in (found.low, found.high):
                    if np.isfinite(limit):
                        axes.axhline(limit, color=colour, linewidth=1.0, linestyle=(0, (5, 3)))
            _say_unmeasured(axes, summary, name, measure.name)
        row_of_panels[0].set_ylabel(f"{measure.title} ({measure.unit})\ndigitized - truth")
    for name, axes in zip(digitizers, panels[0], strict=True):
        axes.set_title(name)
    for axes in panels[-1]:
        axes.set_xlabel("mean of truth and digitized")
    handles = {
        label: handle
        for axes in panels.flat
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if handles:
        figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=len(handles))
    return figure


def _say_unmeasured(axes: Axes, summary: pd.DataFrame, digitizer: str, measure: str) -> None:
    """Points that are missing leave no mark in a plot, so their number is written into it."""
    some = summary[(summary["digitizer"] == digitizer) & (summary["measure"] == measure)]
    missing = int(some["n_not_measured"].sum())
    if missing:
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0}
        text = f"not measured: {missing}"
        axes.text(0.99, 0.03, text, transform=axes.transAxes, ha="right", fontsize="small", bbox=box)
