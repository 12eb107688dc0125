"""
What is each part of `refined` worth? Arms that go without one part, against the whole, crop by crop.

All arms read the same crops with the same network. `STUDY` is what experiments/ablation_refined/run.py runs.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from hydra.utils import instantiate
from omegaconf import DictConfig

from ecgtrace.evaluation.bootstrap import BootstrapOptions
from ecgtrace.evaluation.rows import FAILED
from ecgtrace.reporting import pages
from ecgtrace.studies import common, study
from ecgtrace.studies.study import Report, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = "ablation_refined"


def compare(rows: pd.DataFrame, names: Sequence[str], options: BootstrapOptions) -> pd.DataFrame:
    """
    Summarise each arm, and say what the first gains over it.

    Parameters
    ----------
    rows : DataFrame
        As `ecgtrace.evaluation.rows.read_rows` gives them; every arm has read the same crops.
    names : sequence of str
        Of the arms, the whole first.
    options : BootstrapOptions

    Returns
    -------
    DataFrame
        As `common.summarize`, and for each arm but the first: `gain_mean` and `gain_median`, of the crops'
        SNR with the first less that with the arm, in dB, over all crops, a failed one as 0 dB;
        `n_better`, in how many crops it is positive; `gain_mean_both` and `gain_median_both` over the
        `n_both` crops that neither failed on. `_low` and `_high` are the ends of an interval.
    """
    summary = common.summarize(rows, names, options)
    lines = []
    for subset in common.subsets_of(rows):
        part = rows[rows["subset"] == subset]
        crop_ids, counts = common.resamples(part, options)
        of = {name: part[part["digitizer"] == name].set_index("crop_id").reindex(crop_ids) for name in names}
        whole = of[names[0]]
        for name in names[1:]:
            gain = (whole["snr_db"] - of[name]["snr_db"]).to_numpy(float)
            both = ((whole["status"] != FAILED) & (of[name]["status"] != FAILED)).to_numpy()
            line: dict[str, Any] = {"subset": subset, "digitizer": name}
            line |= {"n_better": int((gain > 0).sum()), "n_both": int(both.sum())}
            for suffix, values in (("", gain), ("_both", np.where(both, gain, np.nan))):
                for how in ("mean", "median"):
                    line |= common.with_interval(f"gain_{how}{suffix}", values, how, counts, options)
            lines.append(line)
    return summary.merge(pd.DataFrame(lines), on=["subset", "digitizer"], how="left")


def report(rows: pd.DataFrame, cfg: DictConfig, page_folder: Path) -> Report:
    """Return a table for each subset, and the figure of the gains."""
    from ecgtrace.reporting import print_style

    what, _ = study.arms_of(cfg)
    options = instantiate(cfg.bootstrap)
    summary = compare(rows, list(what), options)

    def draw(folder: Path) -> None:
        with print_style.print_style():
            print_style.save(figure(summary, what, options.level), folder, FIGURE)

    return Report(summary, {"tables": tables(summary, what), "whole": next(iter(what))}, draw)


def tables(summary: pd.DataFrame, what: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return title and table of each subset."""
    whole = next(iter(what))
    head = ["arm", "failed", "MSE (mV²)", "r", "median SNR (dB)"]
    head += [f"{how} gain of {whole} (dB)" for how in ("mean", "median")] + [f"{whole} better in"]
    found = []
    for subset, part in summary.groupby("subset", sort=False):
        lines = [_line(line, what) for line in part.to_dict("records")]
        found.append((f"Crops {common.SUBSETS[str(subset)]} (n={part['n'].max()})", pages.table(head, lines)))
    return found


def _line(line: Mapping[Any, Any], what: Mapping[str, str]) -> list[str]:
    return [
        what[line["digitizer"]],
        str(line["n_failed"]),
        pages.cell(line, "mse_mean", ".5f"),
        pages.cell(line, "r_mean", ".4f"),
        pages.cell(line, "snr_median", ".1f"),
        pages.cell(line, "gain_mean", "+.2f"),
        pages.cell(line, "gain_median", "+.2f"),
        "" if pd.isna(line["n_better"]) else f"{line['n_better']:.0f} of {line['n']}",
    ]


def figure(summary: pd.DataFrame, what: Mapping[str, str], level: float) -> "Figure":
    """Show what the whole gains over each arm: a panel for each subset, mean and median with intervals."""
    from ecgtrace.reporting import print_style

    names = list(what)[1:]
    subsets = list(dict.fromkeys(summary["subset"]))
    shown = print_style.new_figure((print_style.TWO_COLUMNS_INCH, 1.1 + 0.36 * len(names)))
    panels = shown.subplots(1, len(subsets), sharex=True, sharey=True, squeeze=False)[0]
    for axis, subset in zip(panels, subsets, strict=True):
        part = summary[summary["subset"] == subset].set_index("digitizer")
        axis.axvline(0, color=print_style.BLACK, linewidth=0.8, linestyle=(0, (3, 2)))
        for how, shift, colour, marker in (
            ("mean", -0.13, print_style.BLUE, "o"),
            ("median", 0.13, print_style.ORANGE, "D"),
        ):
            for place, name in enumerate(names):
                line, key = part.loc[name], f"gain_{how}"
                ends = [line[f"{key}_low"], line[f"{key}_high"]]
                axis.plot(ends, [place + shift] * 2, color=colour, linewidth=1.2, solid_capstyle="butt")
                axis.plot(
                    line[key],
                    place + shift,
                    marker,
                    color=colour,
                    linestyle="",
                    markersize=4,
                    label=how if place == 0 else None,
                )
        axis.set_title(f"Crops {common.SUBSETS[subset]} (n = {part['n'].max()})", fontweight="bold")
        axis.grid(axis="x", color="0.9", linewidth=0.5)
        axis.set_axisbelow(True)
        print_style.open_frame(axis)
        axis.spines["left"].set_visible(False)
        axis.tick_params(axis="y", length=0)
    panels[0].set_yticks(range(len(names)), [what[name].replace("`", "") for name in names])
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    panels[-1].legend(loc="best")
    shown.supxlabel(
        f"gain in SNR of {next(iter(what))} over each arm (dB), with {100 * level:g} % interval; "
        "right of 0: the part helps",
        fontsize=7,
    )
    return shown


STUDY = Study("ablation_refined", report)
