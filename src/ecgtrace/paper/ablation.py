"""
What the paper claims but never showed: one thing changed at a time, with paired intervals.

Four groups of arms: augmentation, resizing, the reading of the network's mask, and what the encoder starts
from. Within a group every arm is compared with the reference on the same crops and the same resamples of
records. A crop that failed counts in an arm's own numbers as everywhere (r = 0, SNR = 0 dB, MSE = variance of
the truth). Differences come twice: on the crops that both arms digitized, and on all of them, failures as
above. Each network was trained once, so an interval covers the crops and not the training's own randomness.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecgtrace.evaluation import bootstrap
from ecgtrace.evaluation.bootstrap import BootstrapOptions, Counts
from ecgtrace.evaluation.rows import FAILED
from ecgtrace.evaluation.subsets import NON_OVERLAP, OVERLAP
from ecgtrace.paper.artefact import Claim, Sources
from ecgtrace.paper.fig_training import read_facts
from ecgtrace.paper.paper_tables import bootstrap_options, merge_rows, profile_note
from ecgtrace.reporting import pages, print_style

ONE_SEED = "one training per arm: the interval covers the crops, not the training's own randomness"
NOT_TO_BE_HAD = "not to be had here"
_NOT_RUN = "not run in this profile"
_SUBSETS = {NON_OVERLAP: "without overlap", OVERLAP: "with overlap"}
_SUMMARISED = (
    ("r_mean", "r", "mean", bootstrap.mean),
    ("snr_median", "snr_db", "median", bootstrap.median),
    ("mse_mean", "mse_mv2", "mean", bootstrap.mean),
)
_RANDOM_START = "unet_random_start"
WITHOUT_OVERLAY = "paper without OverlaySignal"
# By the arm that goes without it: what the paper chose.
_CHOICES = {
    WITHOUT_OVERLAY: "OverlaySignal helps",
    "basic": "The paper's augmentation against flips, rotation, noise and blur",
    "none": "The paper's augmentation against none",
    "scale kept": "Stretching to a fixed size against keeping the scale",
    "fixed threshold, Viterbi": "Adaptive threshold against a fixed one",
    "adaptive threshold, column centre": "Viterbi against the column's centre",
    "fixed threshold, column centre": "Adaptive threshold and Viterbi against neither",
    "random": "Starting from ImageNet's weights against a random start",
}


@dataclass(frozen=True)
class Arm:
    """
    One way of doing it.

    Attributes
    ----------
    group, name : str
    digitizer : str
        Its name in the rows; empty where there is nothing to read.
    run : str
        Evaluation.
    training : str
        Run that trained its network; empty for the shipped one.
    reference : bool
        Whether the others of the group are compared with it.
    note : str
        Why there are no numbers.
    """

    group: str
    name: str
    digitizer: str = ""
    run: str = ""
    training: str = ""
    reference: bool = False
    note: str = ""


def _trained(group: str, name: str, training: str, reference: bool = False) -> Arm:
    return Arm(group, name, f"proposed_{training}", f"evaluate_{training}", training, reference)


def _reading(name: str, digitizer: str, reference: bool = False) -> Arm:
    return Arm("reading", name, digitizer, "evaluate_reading", "", reference)


AUGMENTATION = (
    _trained("augmentation", "paper", "unet_paper", reference=True),
    _trained("augmentation", WITHOUT_OVERLAY, "unet_paper_without_overlay"),
    _trained("augmentation", "basic", "unet_basic"),
    _trained("augmentation", "none", "unet_none"),
)
RESIZE = (
    _trained("resize", "stretched to a fixed size", "unet_paper", reference=True),
    _trained("resize", "scale kept", "unet_keep_scale"),
)
READING = (
    _reading("adaptive threshold, Viterbi", "proposed", reference=True),
    _reading("fixed threshold, Viterbi", "proposed_fixed_threshold"),
    _reading("adaptive threshold, column centre", "proposed_column_centre"),
    _reading("fixed threshold, column centre", "proposed_plain"),
)


def start_arms(started_from: str, has_random: bool) -> tuple[Arm, ...]:
    """
    Return the arms of the encoder's start: what can be compared depends on what could be fetched.

    Parameters
    ----------
    started_from : str
        Of the run `unet_paper`, as its `metrics.json` says.
    has_random : bool
        Whether the run `evaluate_unet_random_start` is there: the same training, started at random.
    """
    group = "encoder start"
    if started_from != "imagenet":
        asked = started_from.startswith("random (imagenet")
        missing = Arm(group, "ImageNet", note=NOT_TO_BE_HAD if asked else _NOT_RUN)
        return (_trained(group, "random", "unet_paper", reference=True), missing)
    reference = _trained(group, "ImageNet", "unet_paper", reference=True)
    if has_random:
        return (reference, _trained(group, "random", _RANDOM_START))
    return (reference, Arm(group, "random", note=_NOT_RUN))


def build_ablation(sources: Sources, folder: Path) -> list[Claim]:
    """
    Compare the arms of each group.

    Writes `rows.csv` (all rows), `ablation.csv` (a line per arm and subset), `ablation.md`, and the forest
    plot `ablation.pdf` and `.png`.

    Parameters
    ----------
    sources : Sources
        With the evaluations `evaluate_unet_*` and `evaluate_reading`, and the trainings `unet_*`. Arms whose
        evaluation is not among them are lines without numbers; references must be there.
    folder : Path

    Returns
    -------
    list of Claim

    Raises
    ------
    DataError
        If the evaluations saw different crops, or a run is not whole.
    """
    started_from = str(read_facts(sources.run("unet_paper")).get("started_from", "not recorded"))
    start = start_arms(started_from, f"evaluate_{_RANDOM_START}" in sources.folders)
    arms = tuple(_if_run(arm, sources) for arm in (*AUGMENTATION, *RESIZE, *READING, *start))
    runs = list(dict.fromkeys(arm.run for arm in arms if arm.run))
    rows = merge_rows(sources, runs, folder / "rows.csv")
    options = bootstrap_options(sources)
    table = compare(rows, arms, options)
    iou = {arm.training: _best_iou(sources, arm.training) for arm in arms}
    table.insert(table.columns.get_loc("r_mean"), "best_val_iou", table["training"].map(iou))
    table.to_csv(folder / "ablation.csv", index=False, lineterminator="\n")
    (folder / "ablation.md").write_text(to_markdown(table, options, profile_note(sources)), encoding="utf-8")
    with print_style.print_style():
        print_style.save(forest(table), folder, "ablation")
    return _claims(table, started_from)


def _if_run(arm: Arm, sources: Sources) -> Arm:
    """Return an arm without numbers where this profile leaves its run out."""
    there = not arm.run or arm.run in sources.folders
    return arm if there else Arm(arm.group, arm.name, note=_NOT_RUN)


def compare(rows: pd.DataFrame, arms: Sequence[Arm], options: BootstrapOptions) -> pd.DataFrame:
    """
    Summarise each arm, and compare it with the reference of its group.

    Parameters
    ----------
    rows : DataFrame
        As `ecgtrace.evaluation.rows.read_rows` gives them; every arm has read the same crops.
    arms : sequence of Arm
        One reference in each group.
    options : BootstrapOptions

    Returns
    -------
    DataFrame
        A line per arm and subset. `X_difference` is the arm's minus the reference's mean of `r`, `snr_db` or
        `mse_mv2` on the `n_pairs` crops that both digitized; `X_difference_all` on all crops, failures as
        r = 0. `_low` and `_high` are the ends of an interval. NaN where there is nothing to compare.
    """
    lines = []
    for subset in [name for name in _SUBSETS if name in set(rows["subset"])]:
        part = rows[rows["subset"] == subset]
        crops = part.drop_duplicates("crop_id").sort_values("crop_id")
        counts = bootstrap.draw_resamples(list(crops["crop_id"]), list(crops["record_id"]), options)
        by_digitizer = {
            name: own.set_index("crop_id").reindex(crops["crop_id"])
            for name, own in part.groupby("digitizer", sort=False)
        }
        references = {arm.group: arm for arm in arms if arm.reference}
        for arm in arms:
            line: dict[str, Any] = {
                "group": arm.group,
                "arm": arm.name,
                "reference": arm.reference,
                "digitizer": arm.digitizer,
                "training": arm.training,
                "note": arm.note,
                "subset": subset,
            }
            if arm.digitizer:
                ours = by_digitizer[arm.digitizer]
                line |= _summary(ours, counts, options.level)
                if not arm.reference:
                    reference = by_digitizer[references[arm.group].digitizer]
                    line |= _differences(ours, reference, counts, options.level)
            lines.append(line)
    order = {name: place for place, name in enumerate(dict.fromkeys(arm.group for arm in arms))}
    return pd.DataFrame(lines).sort_values(
        "group", key=lambda g: g.map(order), kind="stable", ignore_index=True
    )


def _summary(ours: pd.DataFrame, counts: Counts, level: float) -> dict[str, Any]:
    line: dict[str, Any] = {
        "n": int(ours["status"].notna().sum()),
        "n_failed": int((ours["status"] == FAILED).sum()),
    }
    for key, column, how, resampled in _SUMMARISED:
        values = ours[column]
        low, high = bootstrap.percentile_interval(resampled(values.to_numpy(float), counts), level)
        line |= {key: float(getattr(values, how)()), f"{key}_low": low, f"{key}_high": high}
    return line


def _differences(ours: pd.DataFrame, reference: pd.DataFrame, counts: Counts, level: float) -> dict[str, Any]:
    both = ((ours["status"] != FAILED) & (reference["status"] != FAILED)).to_numpy()
    line: dict[str, Any] = {"n_pairs": int(both.sum())}
    for key, column in (("r", "r"), ("snr", "snr_db"), ("mse", "mse_mv2")):
        gain = ours[column].to_numpy(float) - reference[column].to_numpy(float)
        line |= _mean_with_interval(f"{key}_difference", np.where(both, gain, np.nan), counts, level)
        line |= _mean_with_interval(f"{key}_difference_all", gain, counts, level)
    return line


def _mean_with_interval(key: str, values: np.ndarray, counts: Counts, level: float) -> dict[str, float]:
    known = values[np.isfinite(values)]
    low, high = bootstrap.percentile_interval(bootstrap.mean(values, counts), level)
    return {key: float(known.mean()) if known.size else float("nan"), f"{key}_low": low, f"{key}_high": high}


def _best_iou(sources: Sources, training: str) -> float:
    return float(read_facts(sources.run(training))["best_val_iou"]) if training else float("nan")


def to_markdown(table: pd.DataFrame, options: BootstrapOptions, note: str) -> str:
    """Return a table per subset, and what its numbers mean."""
    head = ["group", "arm", "crops", "failed", "mean r", "median SNR (dB)", "mean MSE (mV²)"]
    head += ["best validation IoU", "difference in r", "difference in r, failures as 0"]
    head += ["difference in SNR (dB)"]
    blocks = []
    for subset in dict.fromkeys(table["subset"]):
        lines = [_cells(line) for line in table[table["subset"] == subset].to_dict("records")]
        blocks.append(f"#### Crops {_SUBSETS[subset]}\n\n{pages.table(head, lines, n_text=2)}")
    explained = (
        f"In brackets: {100 * options.level:g} % percentile bootstrap intervals, {options.n_resamples} "
        f"resamples of records, the same for all arms (seed {options.seed}). "
        "Differences: arm less reference, means over the crops that both digitized; then over all crops, a "
        "failed one as r = 0, which is also how it enters an arm's own r. "
        "Augmentation, resize and encoder start: networks of this profile"
        f"{f' ({note})' if note else ''}, validation IoU at the size that the network sees, which differs "
        f"between the arms of resize; {ONE_SEED}. Reading: the shipped network's mask."
    )
    return "\n\n".join([*blocks, explained]) + "\n"


def _cells(line: dict[str, Any]) -> list[str]:
    name = f"{line['arm']} (reference)" if line["reference"] else line["arm"]
    if line["note"]:
        return [line["group"], name, line["note"], *[""] * 8]
    return [
        line["group"],
        name,
        f"{line['n']:.0f}",
        f"{line['n_failed']:.0f}",
        pages.cell(line, "r_mean", ".4f"),
        pages.cell(line, "snr_median", ".1f"),
        pages.cell(line, "mse_mean", ".4f"),
        "" if pd.isna(line["best_val_iou"]) else f"{line['best_val_iou']:.3f}",
        pages.cell(line, "r_difference", "+.4f"),
        pages.cell(line, "r_difference_all", "+.4f"),
        pages.cell(line, "snr_difference", "+.2f"),
    ]


def forest(table: pd.DataFrame) -> Figure:
    """
    Draw the differences in r with their intervals: a row of panels per group, a column per subset.

    Filled where the interval leaves 0 out. Groups have scales of their own, subsets share them.
    """
    compared = table[table["n_pairs"].notna()]
    groups = list(dict.fromkeys(compared["group"]))
    subsets = list(dict.fromkeys(table["subset"]))
    n_arms = [compared[compared["group"] == group]["arm"].nunique() for group in groups]
    heights = [n + 1.1 for n in n_arms]
    figure = print_style.new_figure((print_style.TWO_COLUMNS_INCH, 0.31 * sum(heights) + 0.75))
    panels = figure.subplots(len(groups), len(subsets), squeeze=False, sharex="row", height_ratios=heights)
    for group, row in zip(groups, panels, strict=True):
        for subset, axis in zip(subsets, row, strict=True):
            part = table[(table["group"] == group) & (table["subset"] == subset)]
            _forest_panel(axis, part, named=subset == subsets[0])
    for subset, axis in zip(subsets, panels[0], strict=True):
        n = int(table.loc[table["subset"] == subset, "n"].max())
        axis.annotate(
            f"Crops {_SUBSETS[subset]} (n = {n})",
            (0, 1),
            xytext=(0, 15),
            xycoords="axes fraction",
            textcoords="offset points",
            fontweight="bold",
        )
    figure.supxlabel(
        "difference in mean r to the reference (no unit) with 95 % interval; below 0: worse than that\n"
        "filled: the interval leaves 0 out; (n): so many crops failed in one of both and are left out",
        fontsize=7,
    )
    return figure


def _forest_panel(axis: Axes, part: pd.DataFrame, named: bool) -> None:
    reference = part[part["reference"]].iloc[0]
    lines = part[part["n_pairs"].notna()].to_dict("records")
    axis.axvline(0, color=print_style.BLACK, linewidth=0.8, linestyle=(0, (3, 2)))
    for place, line in enumerate(lines):
        if not line["n_pairs"]:
            axis.annotate("no crop that both digitized", (0, place), ha="center", va="center", fontsize=6.5)
            continue
        low, high, value = line["r_difference_low"], line["r_difference_high"], line["r_difference"]
        clear = low > 0 or high < 0
        axis.plot([low, high], [place, place], color=print_style.BLACK, linewidth=1.2, solid_capstyle="butt")
        axis.plot(
            value,
            place,
            "o",
            color=print_style.BLACK,
            markerfacecolor=print_style.BLACK if clear else "white",
            markersize=4.5,
        )
        lost = int(line["n"] - line["n_pairs"])
        text = f"{value:+.4f}".replace("-", "\N{MINUS SIGN}") + (f" ({lost})" if lost else "")
        axis.annotate(
            text,
            (value, place),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=6.5,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )
    names = [line["arm"].replace(", ", ",\n").replace(" without ", "\nwithout ") for line in lines]
    axis.set_yticks(range(len(lines)), names if named else [""] * len(lines))
    axis.set_ylim(len(lines) - 0.5, -0.75)
    axis.tick_params(axis="y", length=0)
    axis.margins(x=0.2)
    axis.locator_params(axis="x", nbins=5)
    axis.set_title(
        f"{reference['group']}, reference: {reference['arm']}, r {reference['r_mean']:.3f}", fontsize=7
    )
    print_style.open_frame(axis)
    axis.spines["left"].set_visible(False)


def _claims(table: pd.DataFrame, started_from: str) -> list[Claim]:
    """Turn each difference round: is what the paper does better than the arm without it?"""
    lines = table[table["n_pairs"].notna()].to_dict("records")
    claims = [_claim(line, what) for arm, what in _CHOICES.items() for line in lines if line["arm"] == arm]
    missing = table[table["note"] != ""].drop_duplicates("arm").to_dict("records")
    return claims + [
        Claim(
            _CHOICES.get(line["arm"], _CHOICES["random"]),
            "claimed, without a number" if line["arm"] == WITHOUT_OVERLAY else "used, not compared",
            f"{line['arm']}: {line['note']}",
            None,
            f"the networks of this profile started from: {started_from}"
            if line["group"] == "encoder start"
            else "",
        )
        for line in missing
    ]


def _claim(line: dict[str, Any], what: str) -> Claim:
    claimed = line["arm"] == WITHOUT_OVERLAY and line["subset"] == OVERLAP
    gains = [turned(line, key) for key in ("r_difference", "r_difference_all")]
    paired, whole = (f"{value:+.4f} [{low:+.4f}, {high:+.4f}]" for value, low, high in gains)
    lost = int(line["n"] - line["n_pairs"])
    ours = f"mean r {paired} (n={line['n_pairs']:.0f}, paired)" if line["n_pairs"] else "no crop in common"
    ours += f"; with the {lost} that failed in one of them as r = 0: {whole}" if lost else ""
    holds = all(low > 0 for _, low, _ in gains)
    reasons = [] if holds else [_doubt(gains)]
    reasons += [ONE_SEED] if line["training"] else []
    return Claim(
        f"{what}, crops {_SUBSETS[line['subset']]}",
        "claimed, without a number" if claimed else "used, not compared",
        ours,
        holds,
        "; ".join(reasons),
    )


def turned(line: dict[str, Any], key: str) -> tuple[float, float, float]:
    """Return what the reference gains over the arm, with its interval."""
    return -line[key], -line[f"{key}_high"], -line[f"{key}_low"]


def _doubt(gains: Sequence[tuple[float, float, float]]) -> str:
    if any(np.isnan(value) for value, _, _ in gains):
        return "no crop was digitized by both"
    if any(high < 0 for _, _, high in gains):
        return "it is the other way round: the interval lies below 0"
    return "the interval includes 0: no difference is shown"
