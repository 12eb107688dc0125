"""
Does the confidence of a sample mean something?

A confidence is meant as the probability that its sample lies within 0.05 mV of the truth. Over many samples
this can be counted: of those with confidence around c, a share c should. `STUDY` is what
experiments/reliability/run.py runs; `calibration.fit` is what it does with fit=true.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf

from ecgtrace.datasets.drawn import DrawnCrops
from ecgtrace.errors import ConfigError
from ecgtrace.evaluation import bootstrap
from ecgtrace.evaluation.align import DEFAULT_ALIGN, AlignOptions
from ecgtrace.evaluation.bootstrap import BootstrapOptions
from ecgtrace.evaluation.runner import CropSource, describe_error, digitize_crop
from ecgtrace.evaluation.subsets import NON_OVERLAP, OVERLAP
from ecgtrace.reporting import pages
from ecgtrace.studies import common, study
from ecgtrace.studies.conditions import changed_style
from ecgtrace.studies.judging import judge, judge_failed
from ecgtrace.studies.study import Report, Study
from ecgtrace.types import FloatArray, LeadCrop

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_log = logging.getLogger(__name__)

NAME = "reliability"
FIGURE = "reliability"
ENTERING, CROSSING, DAMAGED = "entering", "crossing", "damaged"
SUBSETS = {
    NON_OVERLAP: "without overlap",
    OVERLAP: "with overlap",
    ENTERING: "that other leads enter",
    CROSSING: "that other leads cross",
    DAMAGED: "of damaged pages",
}
TEXT = ("crop_id", "record_id", "subset", "digitizer")
_COUNTS = ("n", "n_right", "n_missing", "n_high", "n_high_right", "confidence_sum")
COLUMNS = (*TEXT, "bin", *_COUNTS)
_HIGH = 0.9
_LEAST_SHOWN = 50
# Okabe and Ito's colours; markers differ too, so that a grey print stays readable.
_SERIES = {
    NON_OVERLAP: ("#0072B2", "o"),
    OVERLAP: ("#D55E00", "D"),
    ENTERING: ("#E69F00", "D"),
    CROSSING: ("#D55E00", "^"),
    DAMAGED: ("#000000", "s"),
}


@dataclass(frozen=True)
class Counting:
    """
    The score: for each bin of confidence, how many samples of a crop are in it, and how many are right.

    Attributes
    ----------
    tolerance_mv, bin_width : float
    align : AlignOptions
    """

    tolerance_mv: float = 0.05
    bin_width: float = 0.05
    align: AlignOptions = DEFAULT_ALIGN
    columns: tuple[str, ...] = COLUMNS
    text: Sequence[str] = TEXT

    @property
    def rows_each(self) -> int:
        """How many bins there are."""
        return round(1 / self.bin_width)

    def rows(self, crop: LeadCrop, index: int, arm: str, digitizer: Any) -> list[dict[str, Any]]:
        """Digitize a crop and count; the samples of one that fails are not recovered."""
        try:
            signal = digitize_crop(digitizer, crop)
            confidence, right, _ = judge(crop, signal, self.tolerance_mv, self.align)
        except Exception as error:  # any failure of a crop must not end the study
            _log.warning("%s: %s", crop.crop_id, describe_error(error))
            confidence, right = judge_failed(crop, digitizer.fs_hz)
        counts = count_by_bin(confidence, right, self.bin_width)
        what = {"record_id": crop.record_id, "subset": kind_of(crop)}
        return [{**what, **line} for line in counts.reset_index().to_dict("records")]

    def unread(
        self, source: CropSource, index: int, arm: str, digitizer: Any, error: Exception
    ) -> list[dict[str, Any]]:
        """A crop that cannot be read has no samples."""
        _log.warning("%s: %s", source.crop_id(index), describe_error(error))
        return []


def kind_of(crop: LeadCrop) -> str:
    """Tell a crop without ink of others, one that others enter, and one that they cross."""
    if crop.overlap_px == 0:
        return NON_OVERLAP
    return CROSSING if crop.crossings > 0 else ENTERING


def count_by_bin(confidence: FloatArray, right: NDArray[np.bool_], bin_width: float) -> pd.DataFrame:
    """Count samples, those that are right, and the sum of confidences, for each bin of confidence."""
    n_bins = round(1 / bin_width)
    index = np.minimum((confidence / bin_width + 1e-9).astype(int), n_bins - 1)
    frame = pd.DataFrame({"bin": index, "right": right, "confidence": confidence})
    frame["missing"] = confidence == 0
    frame["high"] = confidence >= _HIGH
    frame["high_right"] = frame["high"] & right
    counts = frame.groupby("bin").agg(
        n=("right", "size"),
        n_right=("right", "sum"),
        n_missing=("missing", "sum"),
        n_high=("high", "sum"),
        n_high_right=("high_right", "sum"),
        confidence_sum=("confidence", "sum"),
    )
    return counts.reindex(pd.RangeIndex(n_bins, name="bin"), fill_value=0)


def summarize(counts: pd.DataFrame, bin_width: float, options: BootstrapOptions) -> pd.DataFrame:
    """
    Sum up the bins of all crops of a subset, with intervals; the last lines are those of `high` confidence.

    Parameters
    ----------
    counts : DataFrame
        The rows of `Counting`; where they have a `page`, those of a damaged one are the subset `damaged`.
    bin_width : float
    options : BootstrapOptions

    Returns
    -------
    DataFrame
        `subset` ("all" too), `bin` (its lower edge, or "high": confidence of 0.9 or more), `n`,
        `share_of_samples`, `confidence` (mean), `right` (share within the tolerance, with interval),
        `n_missing`.
    """
    lines = []
    counts = counts[counts["n"] > 0]
    for subset in [*subsets_of(counts), "all"]:
        part = counts if subset == "all" else counts[counts["subset"] == subset]
        crop_ids, resamples = common.resamples(part, options)
        total = int(part["n"].sum())
        parts: list[tuple[Any, pd.DataFrame, str, str]] = [
            (round(int(b) * bin_width, 6), group, "n", "n_right") for b, group in part.groupby("bin")
        ]
        parts.append(("high", part, "n_high", "n_high_right"))
        for name, group, n_key, right_key in parts:
            per_crop = group.groupby("crop_id")[[n_key, right_key]].sum().reindex(crop_ids, fill_value=0)
            n, right = (per_crop[key].to_numpy(float) for key in (n_key, right_key))
            with np.errstate(invalid="ignore", divide="ignore"):
                share = (resamples @ right) / (resamples @ n)
            low, high = bootstrap.percentile_interval(share, options.level)
            mean = group["confidence_sum"].sum() / max(group["n"].sum(), 1)
            lines.append(
                {
                    "subset": subset,
                    "bin": name,
                    "n": int(n.sum()),
                    "share_of_samples": n.sum() / total,
                    "confidence": mean if name != "high" else float("nan"),
                    "right": right.sum() / n.sum() if n.sum() else float("nan"),
                    "right_low": low,
                    "right_high": high,
                    "n_missing": int(group["n_missing"].sum()) if name != "high" else 0,
                }
            )
    return pd.DataFrame(lines)


def calibration_error(summary: pd.DataFrame, subset: str) -> float:
    """Mean distance of confidence and share, weighted by samples (Naeini et al., AAAI 2015)."""
    part = summary[(summary["subset"] == subset) & (summary["bin"] != "high")]
    return float((part["n"] * (part["confidence"] - part["right"]).abs()).sum() / part["n"].sum())


def figure(summary: pd.DataFrame, bin_width: float, tolerance_mv: float) -> "Figure":
    """
    Share within the tolerance against confidence, and below it how many samples have which.

    Bins of few samples are left out above, and samples that were not recovered are no claim.
    """
    from ecgtrace.reporting import print_style

    drawn = print_style.new_figure((4.2, 5.0))
    above, below = drawn.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color=print_style.PALE, linewidth=1, zorder=0)
    shown = subsets_of(summary)
    for place, name in enumerate(shown):
        colour, marker = _SERIES[name]
        side = 0.0 if len(shown) == 1 else 2 * place / (len(shown) - 1) - 1
        bins = summary[(summary["subset"] == name) & (summary["bin"] != "high")]
        part = bins[bins["n"] - bins["n_missing"] >= _LEAST_SHOWN]
        # Rounding may leave the share a hair outside of its interval.
        ends = part[["right_low", "right_high"]].to_numpy(float).T
        error = np.maximum(np.abs(ends - part["right"].to_numpy(float)), 0)
        above.errorbar(
            part["confidence"],
            part["right"],
            error,
            fmt=marker,
            markersize=4,
            linewidth=1,
            color=colour,
            label=SUBSETS[name],
        )
        middle = bins["bin"].astype(float) + bin_width * (0.5 + 0.3 * side)
        below.bar(middle, bins["share_of_samples"], width=0.8 * bin_width / len(shown), color=colour)
    above.set_ylabel(f"share within {tolerance_mv:g} mV, with interval")
    above.set_ylim(0, 1.03)
    above.legend(loc="upper left")
    below.set_yscale("log")
    below.set_ylabel("share of samples")
    below.set_xlabel(f"confidence (above: bins of {_LEAST_SHOWN} samples or more)")
    below.set_xlim(0, 1)
    for axis in (above, below):
        print_style.open_frame(axis)
    return drawn


def to_markdown(summary: pd.DataFrame, tolerance_mv: float) -> str:
    """Return the headline for each subset."""
    lines = []
    for subset in [*subsets_of(summary), "all"]:
        part = summary[summary["subset"] == subset]
        high = part[part["bin"] == "high"].iloc[0]
        bins = part[part["bin"] != "high"]
        total = bins["n"].sum()
        low = bins[bins["bin"].astype(float) < _HIGH - 1e-9]
        n_low = (low["n"] - low["n_missing"]).sum()
        claimed, found = ((low[key] * low["n"]).sum() / max(n_low, 1) for key in ("confidence", "right"))
        lines.append(
            [
                SUBSETS.get(subset, "all crops"),
                str(int(total)),
                f"{100 * high['share_of_samples']:.1f} %",
                "{:.2f} [{:.2f}, {:.2f}] %".format(*(100 * high[["right", "right_low", "right_high"]])),
                f"{100 * n_low / total:.2f} %",
                f"{100 * claimed:.0f} %, {100 * found:.0f} %" if n_low else "",
                f"{100 * (bins['right'] * bins['n']).sum() / total:.2f} %",
                f"{100 * bins['n_missing'].sum() / total:.2f} %",
                f"{calibration_error(summary, subset):.4f}",
            ]
        )
    head = [
        "crops",
        "samples",
        f"confidence {_HIGH:g} or more",
        f"of these within {tolerance_mv:g} mV",
        f"below {_HIGH:g}",
        "of these claimed, found",
        f"of all within {tolerance_mv:g} mV",
        "not recovered",
        "calibration error",
    ]
    return pages.table(head, lines)


def sources_of(cfg: DictConfig) -> dict[str, CropSource]:
    """
    Return the crops of each kind of page in `cfg.pages`.

    Raises
    ------
    ConfigError
        If the crops are not drawn, or a page is not written as it should be.
    """
    crops = instantiate(cfg.data, _convert_="object")
    if not isinstance(crops, DrawnCrops):
        raise ConfigError("reliability is measured on drawn crops: leave data=drawn")
    sources: dict[str, CropSource] = {}
    for entry in cfg.pages:
        if set(entry) - {"printer"} != {"name", "style"}:
            raise ConfigError(f"pages: each has name and style, and may have printer, got {entry}")
        style = changed_style(crops.style, OmegaConf.to_container(entry.style, resolve=True))
        printer = instantiate(entry.get("printer"), _convert_="object")
        sources[entry.name] = replace(crops, style=style, printer=printer)
    return sources


def report(rows: pd.DataFrame, cfg: DictConfig, page_folder: Path) -> Report:
    """Return the table and the figure."""
    from ecgtrace.reporting import print_style

    rows = by_subset(rows)
    summary = summarize(rows, cfg.bin_width, instantiate(cfg.bootstrap))

    def draw(folder: Path) -> None:
        with print_style.print_style():
            print_style.save(figure(summary, cfg.bin_width, cfg.tolerance_mv), folder, FIGURE)

    crops = rows.assign(crop_id=rows["page"] + "/" + rows["crop_id"]) if "page" in rows else rows
    context = {
        "table": to_markdown(summary, cfg.tolerance_mv),
        "tolerance_mv": f"{cfg.tolerance_mv:g}",
        "sizes": study.sizes(crops, SUBSETS),
        "pages": [str(entry.name) for entry in cfg.get("pages", [])],
    }
    return Report(summary, context, draw)


def by_subset(rows: pd.DataFrame) -> pd.DataFrame:
    """Call the crops of a damaged page `damaged`, whatever else is in them, and each page's crops its own."""
    if "page" not in rows:
        return rows
    damaged = rows["page"].str.startswith(DAMAGED)
    return rows.assign(
        subset=rows["subset"].where(~damaged, DAMAGED), crop_id=rows["page"] + "/" + rows["crop_id"]
    )


def subsets_of(rows: pd.DataFrame) -> list[str]:
    """Return the subsets that a table has crops of, in the order of the tables."""
    present = set(rows["subset"])
    return [name for name in SUBSETS if name in present]


def one_arm(cfg: DictConfig) -> study.Arms:
    """Build the configured digitizer."""
    digitizer = instantiate(cfg.digitizer)
    return {digitizer.name: cfg.digitizer}, {digitizer.name: digitizer}


def counting(cfg: DictConfig) -> Counting:
    """Return the score."""
    return Counting(cfg.tolerance_mv, cfg.bin_width, instantiate(cfg.align))


STUDY = Study(
    NAME,
    report,
    arms=one_arm,
    score=counting,
    sources=sources_of,
    part="page",
    columns=COLUMNS,
    text=TEXT,
)
