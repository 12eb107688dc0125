"""
Tables I and II, and the paper's two numbers without a table: validation IoU and instances without detection.

Each table has a column for every digitizer that ran on the same crops: the baseline, the proposed method with
the shipped network, with the U-Net and with the YOLO that this profile trained, and the ceiling (the true
mask read in place of a network's). A claim holds where ours is at least as good as the paper's number; for
"proposed beats paper-ecg" the paired intervals must leave no doubt.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import OmegaConf

from ecgtrace.errors import DataError
from ecgtrace.evaluation.bootstrap import BootstrapOptions
from ecgtrace.evaluation.rows import read_rows
from ecgtrace.evaluation.subsets import NON_OVERLAP, OVERLAP
from ecgtrace.paper.artefact import Claim, Sources, mapped
from ecgtrace.paper.fig_training import (
    PAPER_IOU,
    PAPER_NO_DETECTION,
    ValidationIou,
    measured_once,
    read_epochs,
    read_facts,
    wilson,
)
from ecgtrace.reporting import pages, tables
from ecgtrace.reporting.paper import PAPER
from ecgtrace.reporting.tables import Comparison, SubsetResult, Summary

TABLE_RUNS = ("evaluate_shipped", "evaluate_unet_paper", "evaluate_yolo")
BASELINE, SHIPPED, CEILING = "baseline", "proposed", "ceiling"
TRAINED, YOLO = "proposed_unet_paper", "proposed_yolo"
_WHAT = {
    BASELINE: "paper-ecg",
    SHIPPED: "proposed, shipped network",
    TRAINED: "proposed, network of this profile",
    YOLO: "proposed with YOLO's mask",
}
_IN_TEX = ("mse_mean", "mse_std", "mse_max", "r_mean", "r_min", "r_std", "snr_median")
_STATISTICS = {statistic.key: statistic for statistic in tables.STATISTICS}
_FEW = 0.2  # leaving out more crops than this share says nothing of a few hard ones


def build_table1(sources: Sources, folder: Path) -> list[Claim]:
    """Build Table I, crops without overlap: see `build_table`."""
    return build_table(sources, folder, NON_OVERLAP, "Table I")


def build_table2(sources: Sources, folder: Path) -> list[Claim]:
    """Build Table II, crops with overlap: see `build_table`."""
    return build_table(sources, folder, OVERLAP, "Table II")


def build_table(sources: Sources, folder: Path, subset: str, name: str) -> list[Claim]:
    """
    Build one of the paper's tables from the rows of three evaluations.

    Parameters
    ----------
    sources : Sources
        With the runs `TABLE_RUNS`.
    folder : Path
        Gets `rows.csv` (the rows of all digitizers on this subset), `table.csv`, `table.md`, `table.tex`.
    subset : str
    name : str
        "Table I", for the claims.

    Returns
    -------
    list of Claim

    Raises
    ------
    DataError
        If the runs saw different crops, or none of the subset.
    """
    rows = merge_rows(sources, TABLE_RUNS, folder / "rows.csv", subset)
    table = tables.results(rows, bootstrap_options(sources))[0]
    note = profile_note(sources)
    with (folder / "table.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["subset", "digitizer", "n", "n_failed", "statistic", "value", "low", "high"])
        writer.writerows(tables.summary_lines(table))
    (folder / "table.md").write_text(_markdown(table, note), encoding="utf-8")
    (folder / "table.tex").write_text(to_latex(table), encoding="utf-8")
    return _table_claims(table, rows, name, note)


def merge_rows(sources: Sources, runs: Sequence[str], path: Path, subset: str | None = None) -> pd.DataFrame:
    """
    Put the rows of several evaluations of the same crops into one file.

    Parameters
    ----------
    sources : Sources
    runs : sequence of str
    path : Path
        The file to write; its folder is made.
    subset : str, optional
        Keep only these rows. By default all.

    Returns
    -------
    DataFrame
        As `read_rows` reads that file, which has numbers to seven digits: half the size, and no table shows
        more than five.

    Raises
    ------
    DataError
        If the runs saw different crops, two hold rows of the same digitizer, or no row is left.
    """
    parts = []
    for run in runs:
        file = sources.run(run) / "rows.csv"
        numbers = read_rows(file).select_dtypes("number").columns  # refuses what is no such file
        part = pd.read_csv(file, dtype=str, keep_default_na=False)
        parts.append(part if subset is None else part[part["subset"] == subset])
        if _crops(parts[-1]) != _crops(parts[0]):
            raise DataError(f"{run} saw other crops than {runs[0]}; make both again with the same settings")
    merged = pd.concat(parts)
    if merged.empty:
        raise DataError(f"{', '.join(runs)} hold no crop of subset {subset}; evaluate some")
    twice = merged[merged.duplicated(["crop_id", "digitizer"])]
    if len(twice):
        raise DataError(f"two of {', '.join(runs)} hold rows of {twice['digitizer'].iloc[0]}; rename one")
    path.parent.mkdir(parents=True, exist_ok=True)
    for name in numbers:
        merged[name] = [f"{float(text):.7g}" if text else "" for text in merged[name]]
    merged.to_csv(path, index=False, lineterminator="\n")
    return read_rows(path)


def bootstrap_options(sources: Sources) -> BootstrapOptions:
    """Return how all artefacts draw their resamples: as evaluations do, with the seed of the reproduction."""
    return BootstrapOptions(seed=int(OmegaConf.select(sources.cfg, "seed", default=0)))


def profile_note(sources: Sources) -> str:
    """Return what the profile says of its sizes; empty where it says nothing."""
    return str(OmegaConf.select(sources.cfg, "profile.note", default="") or "").strip()


def to_latex(table: SubsetResult) -> str:
    """
    Return a table as LaTeX for the package booktabs: the paper's statistics and the SNR.

    A column for each digitizer and, last, the paper's two; intervals stand in small type below the values.
    """
    paper = PAPER.get(table.subset, {})
    names = [*table.summaries, *(f"paper: {name}" for name in paper)]
    n = [str(s.n) for s in table.summaries.values()] + [f"{p['n']:.0f}" for p in paper.values()]
    failed = [str(s.n_failed) for s in table.summaries.values()] + ["" for _ in paper]
    lines = [
        _latex_line(["", *names]),
        r"\midrule",
        _latex_line(["crops", *n]),
        _latex_line(["failed", *failed]),
    ]
    for key in _IN_TEX:
        statistic = _STATISTICS[key]
        form = f"{{:.{statistic.decimals}f}}".format
        values = [_number(s.values[key], form) for s in table.summaries.values()]
        values += [_number(p.get(key, float("nan")), form) for p in paper.values()]
        lines.append(_latex_line([statistic.label, *values]))
        intervals = [_latex_interval(s, key, form) for s in table.summaries.values()]
        if any(intervals):
            lines.append(" & ".join(["", *intervals, *("" for _ in paper)]) + r" \\")
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            r"\begin{table}",
            rf"\caption{{{_latex(tables.title(table))}. {_latex(tables.note(table))}}}",
            rf"\begin{{tabular}}{{l{'r' * len(names)}}}",
            r"\toprule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _table_claims(table: SubsetResult, rows: pd.DataFrame, name: str, note: str) -> list[Claim]:
    paper = PAPER[table.subset]
    claims = []
    for key, label, sign in (("r_mean", "mean r", 1), ("mse_mean", "mean MSE (mV²)", -1)):
        stated = {BASELINE: paper["paper-ecg"], SHIPPED: paper["proposed"], TRAINED: paper["proposed"]}
        for digitizer in (BASELINE, SHIPPED, TRAINED, YOLO):
            if digitizer not in table.summaries:
                continue
            number = stated[digitizer][key] if digitizer in stated else None
            judge = sign if digitizer in (SHIPPED, TRAINED) else 0
            what = f"{name}, {label}, {_WHAT[digitizer]}"
            claims.append(_claim(what, table, rows, digitizer, key, number, judge, note))
    for key, label, sign in (("r_min", "lowest r", 1), ("mse_max", "largest MSE (mV²)", -1)):
        for digitizer in (SHIPPED, TRAINED):
            if digitizer in table.summaries:
                what = f"{name}, {label}, {_WHAT[digitizer]}"
                number = paper["proposed"][key]
                claims.append(_claim(what, table, rows, digitizer, key, number, sign, note))
    beaten = [entry for entry in table.comparisons if entry.digitizer in (SHIPPED, TRAINED)]
    return claims + [_beats(entry, table, name) for entry in beaten]


def _claim(
    what: str,
    table: SubsetResult,
    rows: pd.DataFrame,
    digitizer: str,
    key: str,
    paper: float | None,
    sign: int,
    note: str,
) -> Claim:
    """Compare one number with the paper's; a sign of 0 only sets them side by side."""
    value = table.summaries[digitizer].values[key]
    holds = None if not sign or paper is None else bool(sign * value >= sign * paper)
    why = ""
    if holds is False:
        why = _why(rows, digitizer, key, float(paper or 0), sign)
        why += f"; this network's training is {note}" if digitizer == TRAINED and note else ""
    stated = None if paper is None else f"{paper:.{_STATISTICS[key].decimals}f}"
    return Claim(what, stated, _ours(table.summaries[digitizer], key), holds, why)


def _ours(summary: Summary, key: str) -> str:
    form = f"{{:.{_STATISTICS[key].decimals}f}}".format
    low, high = summary.intervals.get(key, (float("nan"), float("nan")))
    interval = f" [{form(low)}, {form(high)}]" if low == low else ""
    failed = f", {summary.n_failed} of them failed" if summary.n_failed else ""
    return f"{form(summary.values[key])}{interval} (n={summary.n}{failed})"


def _why(rows: pd.DataFrame, digitizer: str, key: str, paper: float, sign: int) -> str:
    """Say which crops make the difference, and what the true mask gives on the same."""
    statistic = _STATISTICS[key]
    form = f"{{:.{statistic.decimals}f}}".format
    part = rows[rows["digitizer"] == digitizer].dropna(subset=[statistic.column])
    ordered = part.sort_values(statistic.column, ascending=sign > 0)
    values = ordered[statistic.column]
    ceiling = rows.loc[rows["digitizer"] == CEILING, statistic.column]
    at_best = f"; with the true mask the same reading gives {form(getattr(ceiling, statistic.how)())}"
    at_best = at_best if len(ceiling) else ""
    most = int(_FEW * len(values))
    for left_out in range(1, most + 1):
        rest = float(getattr(values.iloc[left_out:], statistic.how)())
        if sign * rest >= sign * paper:
            records = list(dict.fromkeys(ordered["record_id"].iloc[:left_out]))
            named = f"record{'s' if len(records) > 1 else ''} {', '.join(records[:4])}"
            named += f" and {len(records) - 4} more" if len(records) > 4 else ""
            return f"because of {left_out} of {len(values)} crops ({named}); without, {form(rest)}{at_best}"
    return f"not because of a few crops: the median of {len(values)} is {form(values.median())}{at_best}"


def _beats(entry: Comparison, table: SubsetResult, name: str) -> Claim:
    """Judge the paper's comparison by the paired intervals of r and of MSE."""
    paper = PAPER[table.subset]
    ours, theirs = paper["proposed"], paper["paper-ecg"]
    doubts = []
    if not entry.r_difference_interval[0] > 0:
        doubts.append("the interval of the difference in r reaches 0 or below")
    if not entry.mse_ratio_interval[1] < 1:
        doubts.append("the interval of the ratio of MSE reaches 1 or above")
    (r_low, r_high), (mse_low, mse_high) = entry.r_difference_interval, entry.mse_ratio_interval
    return Claim(
        f"{name}: {_WHAT[entry.digitizer]}, beats paper-ecg in r and MSE on the same crops",
        f"r {ours['r_mean']:.4f} against {theirs['r_mean']:.4f}, "
        f"MSE {ours['mse_mean']:.4f} against {theirs['mse_mean']:.4f} mV²",
        f"mean r {entry.r_difference:+.4f} [{r_low:+.4f}, {r_high:+.4f}], mean MSE times "
        f"{entry.mse_ratio:.3f} [{mse_low:.3f}, {mse_high:.3f}] (n={table.n_crops}, paired)",
        not doubts,
        " and ".join(doubts),
    )


def _markdown(table: SubsetResult, note: str) -> str:
    lines = [tables.to_markdown(table), *(f"- {tables.sentence(entry)}" for entry in table.comparisons), ""]
    lines.append(
        "`proposed`: the shipped network; `proposed_unet_paper` and `proposed_yolo`: those that this profile "
        f"trained{f' ({note})' if note else ''}; `ceiling` reads the true mask."
    )
    return "\n".join(lines) + "\n"


def build_iou(sources: Sources, folder: Path) -> list[Claim]:
    """
    Build the claim of a validation IoU of 0.87, from the training runs of the U-Net and of YOLO.

    Writes `iou.csv` and `iou.md`: the best epoch of each run. The U-Net's IoU is of pixels at the size that
    the network sees, YOLO's of pixels of the crop.
    """
    rows = pd.DataFrame([_best_epoch(sources.run(run), run) for run in ("unet_paper", "yolo")])
    folder.mkdir(parents=True, exist_ok=True)
    rows.to_csv(folder / "iou.csv", index=False, lineterminator="\n")
    iou = measured_once(sources.run("unet_paper"))
    (folder / "iou.md").write_text(_iou_markdown(rows, iou), encoding="utf-8")
    unet, yolo = rows.to_dict("records")
    low, high = iou.interval
    reached = iou.value >= PAPER_IOU
    why = ""
    if not reached:
        reaches = "the interval reaches it, the value does not"
        where = reaches if high >= PAPER_IOU else "so is the whole interval"
        why = f"below the paper's number, {where}; {profile_note(sources) or 'see the run'}"
    below = bool(yolo["best_val_iou"] < unet["best_val_iou"])
    return [
        Claim(
            "Best validation IoU of the U-Net",
            f"{PAPER_IOU}",
            f"{unet['best_val_iou']:.3f} in epoch {unet['best_epoch']} of {unet['epochs']}; "
            f"its saved weights {iou.value:.3f} [{low:.3f}, {high:.3f}] "
            f"(n={iou.n_windows} windows of {iou.n_crops} crops)",
            reached,
            why,
        ),
        Claim(
            "Best validation IoU of YOLO, below the U-Net's",
            "low, without a number",
            f"{yolo['best_val_iou']:.3f} in epoch {yolo['best_epoch']} of {yolo['epochs']}, "
            f"U-Net {unet['best_val_iou']:.3f}",
            below,
            "" if below else "YOLO's is at least as high here",
        ),
    ]


def _best_epoch(run: Path, name: str) -> dict[str, Any]:
    facts = read_facts(run)
    if not {"best_epoch", "best_val_iou"} <= set(facts):
        raise DataError(f"{run / 'metrics.json'} has no best_val_iou; let the run {name} finish")
    epochs = read_epochs(run / "metrics.csv")
    best = epochs[epochs["epoch"] == facts["best_epoch"]]
    return {
        "run": name,
        "best_epoch": int(facts["best_epoch"]),
        "best_val_iou": float(facts["best_val_iou"]),
        "train_iou_then": float(best["train/iou"].iloc[0]) if len(best) and "train/iou" in best else None,
        "epochs": len(epochs),
        "crops_per_epoch": mapped(facts, "crops_per_epoch"),
        "started_from": mapped(facts, "started_from"),
    }


def _iou_markdown(rows: pd.DataFrame, iou: ValidationIou) -> str:
    head = ["run", "best epoch", "validation IoU", "training IoU then", "epochs", "crops per epoch"]
    cells = [
        [
            row["run"],
            row["best_epoch"],
            f"{row['best_val_iou']:.3f}",
            "" if pd.isna(row["train_iou_then"]) else f"{row['train_iou_then']:.3f}",
            row["epochs"],
            row["crops_per_epoch"],
            row["started_from"],
        ]
        for row in rows.to_dict("records")
    ]
    low, high = iou.interval
    lines = [
        pages.table([*head, "started from"], cells),
        "",
        f"The paper: {PAPER_IOU} (U-Net). The U-Net's saved weights once more on its {iou.n_windows} "
        f"validation windows: {iou.value:.3f}, 95 % bootstrap interval over records [{low:.3f}, {high:.3f}]. "
        "The first epoch is 0; training crops are augmented, validation crops are not.",
    ]
    return "\n".join(lines) + "\n"


def build_no_detection(sources: Sources, folder: Path) -> list[Claim]:
    """
    Build the claim that YOLO finds no signal in 58 % of instances, from the run `yolo`.

    Writes `no_detection.csv`. The interval is Wilson's; it takes instances as independent.
    """
    facts = read_facts(sources.run("yolo"))
    missing = [name for name in ("no_detection_share", "n_val_instances") if name not in facts]
    if missing:
        raise DataError(f"{sources.run('yolo')}/metrics.json has no {', '.join(missing)}; train YOLO again")
    n = int(facts["n_val_instances"])
    count = round(float(facts["no_detection_share"]) * n)
    low, high = wilson(count, n)
    columns = ["missed", "instances", "share", "low", "high"]
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame([[count, n, count / n, low, high]], columns=columns).to_csv(
        folder / "no_detection.csv", index=False, lineterminator="\n"
    )
    holds = low <= PAPER_NO_DETECTION <= high
    side = "fewer" if high < PAPER_NO_DETECTION else "more"
    why = (
        f"{side} are missed here after {mapped(facts, 'epochs')} epochs of "
        f"{mapped(facts, 'crops_per_epoch')} crops, started from: {mapped(facts, 'started_from')}; "
        "the paper states neither its crops nor its threshold of confidence"
    )
    return [
        Claim(
            "YOLO: instances in which no signal is found",
            f"{100 * PAPER_NO_DETECTION:.0f} %",
            f"{100 * count / n:.1f} % [{100 * low:.1f}, {100 * high:.1f}] ({count} of n={n})",
            holds,
            "" if holds else why,
        )
    ]


def _crops(rows: pd.DataFrame) -> set[tuple[str, str, str]]:
    return set(zip(rows["crop_id"], rows["subset"], rows["overlap_px"], strict=True))


def _number(value: float, form: Callable[[float], str]) -> str:
    return form(value) if value == value else ""


def _latex_interval(summary: Summary, key: str, form: Callable[[float], str]) -> str:
    low, high = summary.intervals.get(key, (float("nan"), float("nan")))
    return rf"{{\footnotesize [{form(low)}, {form(high)}]}}" if low == low else ""


def _latex_line(cells: Sequence[str]) -> str:
    return " & ".join(_latex(cell) for cell in cells) + r" \\"


_LATEX: Mapping[str, str] = {"_": r"\_", "%": r"\%", "²": r"\textsuperscript{2}", "&": r"\&", "#": r"\#"}


def _latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)
