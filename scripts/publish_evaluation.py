"""
Publish an evaluation of `refined`: its files into experiments/, its tables into the pages.

    python scripts/publish_evaluation.py RUN_DIR            of the development test: experiments/ptbxl_refined
    python scripts/publish_evaluation.py RUN_DIR external   of the external test: experiments/external

RUN_DIR is what `evaluate.py digitizer=refined compare=[proposed,baseline]`, or `experiment=external`, left.

Tables stand between `<!-- NAME -->` and `<!-- end -->` in README.md, MODEL_CARD.md and experiments/README.md,
where NAME is `evaluation`, `demands` or `external`: no number there is typed. Pictures of crops are not
published: the signals are others'.
"""

import json
import shutil
import sys
from pathlib import Path

import pandas as pd

from ecgtrace.reporting import pages

ROOT = Path(__file__).resolve().parents[1]
FILES = ("metrics.json", "provenance.json", "rows.csv")
TABLES = ("all.md", "non_overlap.md", "overlap.md", "summary.csv")
PAGES = ("README.md", "MODEL_CARD.md", "experiments/README.md")
DIGITIZERS = ("baseline", "proposed", "refined")
SUBSETS = (("non_overlap", "no overlap"), ("overlap", "overlap"))
ROWS = (
    ("mse_mean", "MSE (mV²)"),
    ("r_mean", "r"),
    ("r_min", "worst r"),
    ("snr_mean", "mean SNR (dB)"),
    ("snr_median", "median SNR (dB)"),
)
EXTERNAL_ROWS = (
    ("snr_mean", "mean SNR (dB)"),
    ("snr_median", "median SNR (dB)"),
    ("r_mean", "r"),
    ("mse_mean", "MSE (mV²)"),
    ("time0_error_median", "median of the error of time 0 (ms)"),
    ("time0_error_p95", "its 95th percentile (ms)"),
)
PAPER = {  # Tables I and II of the paper: paper-ecg, proposed
    ("non_overlap", "mse_mean"): ("0.0015", "0.0010"),
    ("non_overlap", "r_mean"): ("0.9366", "0.9644"),
    ("non_overlap", "r_min"): ("0.7838", "0.8572"),
    ("overlap", "mse_mean"): ("0.0178", "0.0029"),
    ("overlap", "r_mean"): ("0.8676", "0.9641"),
    ("overlap", "r_min"): ("0.1897", "0.6256"),
}
DEMANDS = (
    ("non_overlap", "snr_mean", "mean SNR", 38.0, "at least", " dB"),
    ("non_overlap", "r_mean", "r", 0.9995, "at least", ""),
    ("non_overlap", "mse_mean", "MSE", 2e-5, "at most", " mV²"),
    ("non_overlap", "n_failed", "failed", 0, "at most", ""),
    ("overlap", "snr_median", "median SNR", 30.0, "at least", " dB"),
    ("overlap", "r_mean", "r", 0.99, "at least", ""),
    ("overlap", "r_min", "worst r", 0.85, "at least", ""),
    ("overlap", "mse_mean", "MSE", 1e-3, "at most", " mV²"),
)


def number(name: str, value: float) -> str:
    """Format a statistic as its kind is read."""
    if name.startswith("snr"):
        return f"{value:.1f}"
    if name.startswith("time0"):
        return f"{value:.1f}"
    if name.startswith("mse"):
        return f"{value:.4f}" if value >= 0.0005 else f"{value:.1e}"
    return f"{value:g}" if name == "n_failed" else f"{value:.4f}" if value < 0.9995 else f"{value:.5f}"


def cell(statistics: dict[str, float], name: str) -> str:
    """Return a value with its interval, where it has one."""
    text = number(name, statistics[name])
    if f"{name}_low" not in statistics:
        return text
    return f"{text} [{number(name, statistics[f'{name}_low'])}, {number(name, statistics[f'{name}_high'])}]"


def evaluation(metrics: dict) -> str:  # type: ignore[type-arg]
    """Return the table of all digitizers beside the paper's."""
    lines = []
    for subset, title in SUBSETS:
        of = metrics[subset]["digitizers"]
        for name, what in ROWS:
            cells = [cell(of[digitizer], name) for digitizer in DIGITIZERS]
            paper = PAPER.get((subset, name), ("", ""))
            head = f"{title} (n={metrics[subset]['n_crops']}): {what}"
            lines.append([head, *cells, *paper])
    head = ["", "baseline", "proposed", "**refined**", "paper: paper-ecg", "paper: proposed"]
    return pages.table(head, lines, n_text=len(head))


def demands(metrics: dict) -> str:  # type: ignore[type-arg]
    """Return what was wanted of `refined` beside what was found."""
    titles = dict(SUBSETS)
    lines = []
    for subset, name, what, wanted, sense, unit in DEMANDS:
        found = metrics[subset]["digitizers"]["refined"][name]
        holds = found >= wanted if sense == "at least" else found <= wanted
        lines.append(
            [
                f"{titles[subset]}, {what}",
                f"{sense} {wanted:g}{unit}",
                f"{number(name, found)}{unit}",
                "yes" if holds else "no",
            ]
        )
    return pages.table(["demand", "wanted", "found", "holds"], lines, n_text=4)


def external(metrics: dict, rows: pd.DataFrame) -> str:  # type: ignore[type-arg]
    """Return the table of all digitizers, and how their verdicts did."""
    lines = []
    for subset, title in SUBSETS:
        of = metrics[subset]["digitizers"]
        for name, what in EXTERNAL_ROWS:
            cells = [cell(of[digitizer], name) for digitizer in DIGITIZERS]
            lines.append([f"{title} (n={metrics[subset]['n_crops']}): {what}", *cells])
        for what, tells in VERDICTS:
            part = rows[rows["subset"] == subset]
            counts = [str(int(tells(part[part["digitizer"] == name]).sum())) for name in DIGITIZERS]
            lines.append([f"{title}: {what}", *counts])
    head = ["", "baseline", "proposed", "**refined**"]
    return pages.table(head, lines, n_text=len(head))


VERDICTS = (
    ("failed", lambda rows: rows["status"] == "failed"),
    ("doubtful", lambda rows: rows["status"] == "doubtful"),
    ("`ok` below 10 dB", lambda rows: (rows["status"] == "ok") & (rows["snr_db"] < 10)),
    ("`doubtful` above 20 dB", lambda rows: (rows["status"] == "doubtful") & (rows["snr_db"] > 20)),
)


def main() -> None:
    """Copy the files and write the tables."""
    source, is_external = Path(sys.argv[1]), sys.argv[2:] == ["external"]
    folder = ROOT / "experiments" / ("external" if is_external else "ptbxl_refined")
    folder.mkdir(exist_ok=True)
    metrics = json.loads((source / "metrics.json").read_text())
    for name in FILES:
        shutil.copyfile(source / name, folder / name)
    for name in TABLES:
        shutil.copyfile(source / "tables" / name, folder / name)
    if is_external:
        tables = {"external": external(metrics, pd.read_csv(source / "rows.csv"))}
    else:
        tables = {"evaluation": evaluation(metrics), "demands": demands(metrics)}
    for page in PAGES:
        text = (ROOT / page).read_text()
        for mark, table in tables.items():
            if f"<!-- {mark} -->" in text:
                text = pages.between_marks(text, mark, table)
        (ROOT / page).write_text(text)


if __name__ == "__main__":
    main()
