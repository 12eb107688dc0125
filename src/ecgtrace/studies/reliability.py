"""
Does the confidence of a sample mean something? And the fit that makes it mean it.

A confidence is meant as the probability that its sample lies within 0.05 mV of the truth. Over many samples
this can be counted: of those with confidence around c, a share c should. `STUDY` is what
experiments/reliability/run.py runs; `fit` is what it does with fit=true.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf
from tqdm import tqdm

from ecgtrace.crops.drawn import DrawnCrops
from ecgtrace.digitization.refined import FEATURES, Calibration
from ecgtrace.errors import ConfigError, DataError
from ecgtrace.evaluation import bootstrap
from ecgtrace.evaluation.align import DEFAULT_ALIGN, AlignOptions, find_lag, sample_at
from ecgtrace.evaluation.bootstrap import BootstrapOptions
from ecgtrace.evaluation.runner import CropSource, describe_error, digitize_crop
from ecgtrace.evaluation.subsets import NON_OVERLAP, OVERLAP
from ecgtrace.provenance import provenance
from ecgtrace.reporting import pages
from ecgtrace.studies import common, study
from ecgtrace.studies.conditions import changed_style
from ecgtrace.studies.study import Report, Study
from ecgtrace.types import FloatArray, LeadCrop, LeadSignal

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


class Judged(NamedTuple):
    """The samples of one crop: confidence, whether each lies within the tolerance, and its features."""

    crop: LeadCrop
    confidence: FloatArray
    right: NDArray[np.bool_]
    features: FloatArray


class Recorder:
    """
    Stands in for a calibration, and keeps the features that the digitizer asks it about.

    So a fit sees the very features that the confidence will rest on, whatever comes before them.
    """

    def __init__(self, calibration: Calibration) -> None:
        self.calibration = calibration
        self.features: FloatArray | None = None

    def confidence(self, features: FloatArray) -> FloatArray:
        """Return what the calibration says."""
        self.features = features
        return self.calibration.confidence(features)


def judge(
    crop: LeadCrop, signal: LeadSignal, tolerance_mv: float, align: AlignOptions
) -> tuple[FloatArray, NDArray[np.bool_], NDArray[np.bool_]]:
    """
    Compare each sample with the truth.

    Parameters
    ----------
    crop : LeadCrop
    signal : LeadSignal
    tolerance_mv : float
    align : AlignOptions
        The lag is removed as in evaluation, then the median of the difference.

    Returns
    -------
    confidence : ndarray of float, shape (n_inside,)
        0 where the sample was not recovered.
    right : ndarray of bool, shape (n_inside,)
        Whether it lies within the tolerance; False where it was not recovered.
    inside : ndarray of bool, shape (n_samples,)
        Of the signal's samples, those within the truth's time: the others are left out above.
    """
    lag_s = find_lag(signal.amplitude_mv, signal.fs_hz, crop.signal, crop.fs_hz, align)
    at = signal.time_s - lag_s
    inside = (at >= -0.5 / crop.fs_hz) & (at <= (len(crop.signal) - 0.5) / crop.fs_hz)
    truth, _ = sample_at(crop.signal, crop.fs_hz, at)
    error = signal.amplitude_mv - truth
    error = error - np.nanmedian(error)
    right = np.abs(np.where(np.isnan(error), np.inf, error)) <= tolerance_mv
    return signal.confidence[inside], right[inside], inside


def judge_failed(crop: LeadCrop, fs_hz: float) -> tuple[FloatArray, NDArray[np.bool_]]:
    """
    Give a crop that was not digitized the samples that it should have: not recovered, so none is right.

    Parameters
    ----------
    crop : LeadCrop
    fs_hz : float
        Sampling frequency of the digitizer in Hz.

    Returns
    -------
    confidence : ndarray of float, shape (n_samples,)
    right : ndarray of bool, shape (n_samples,)
    """
    count = int((len(crop.signal) - 1) / crop.fs_hz * fs_hz + 1e-6) + 1
    return np.zeros(count), np.zeros(count, dtype=bool)


def fit_calibration(
    features: FloatArray, right: NDArray[np.bool_], weight: FloatArray, penalty: float
) -> tuple[Calibration, float]:
    """
    Fit the logistic function from features to the probability of being right, by Newton's method.

    Parameters
    ----------
    features : ndarray of float, shape (n_samples, n_features)
    right : ndarray of bool, shape (n_samples,)
    weight : ndarray of float, shape (n_samples,)
    penalty : float
        On the squared weights, not on the intercept, in units of the mean log loss.

    Returns
    -------
    calibration : Calibration
    log_loss : float
        Weighted mean, without the penalty.
    """
    x = np.column_stack([np.ones(len(features)), features])
    share = weight / weight.sum()
    ridge = np.diag([1e-9, *np.full(features.shape[1], penalty)])
    beta = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
        gradient = x.T @ (share * (right - p)) - ridge @ beta
        curvature = (x * (share * np.maximum(p * (1 - p), 1e-6))[:, None]).T @ x + ridge
        step = np.linalg.solve(curvature, gradient)
        beta += np.clip(step, -3, 3)
        if np.abs(step).max() < 1e-8:
            break
    p = np.clip(1 / (1 + np.exp(-x @ beta)), 1e-12, 1 - 1e-12)
    loss = -float(np.sum(share * np.where(right, np.log(p), np.log(1 - p))))
    return Calibration(float(beta[0]), tuple(float(v) for v in beta[1:])), loss


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


def fit(cfg: DictConfig) -> Calibration:
    """
    Fit the calibration on the configured crops, each of the same weight, and print it as YAML.

    Samples that were not recovered are left out: their confidence is 0 whatever is fitted.

    Raises
    ------
    ConfigError
        If the test split is to be fitted on, or a digitizer that has nothing to fit.
    DataError
        If no crop was digitized.
    """
    if cfg.split == "test":
        raise ConfigError("fit=true on the test split would make its numbers worthless; leave split=val")
    digitizer: Any = instantiate(cfg.digitizer)
    if not hasattr(digitizer, "calibration"):
        raise ConfigError(f"fit=true: {digitizer.name} has no calibration; choose digitizer=refined")
    sources = sources_of(cfg)
    judged = [
        one
        for name, source in sources.items()
        for one in judge_all(source, digitizer, cfg.tolerance_mv, instantiate(cfg.align), name, cfg.progress)
    ]
    if not judged:
        raise DataError("no crop of the split was digitized, so there is nothing to fit")
    features = np.concatenate([one.features for one in judged])
    right = np.concatenate([one.right for one in judged])
    weight = np.concatenate([np.full(len(one.right), 1 / len(one.right)) for one in judged])
    before = np.clip(digitizer.calibration.confidence(features), 1e-12, 1 - 1e-12)
    loss_before = -np.sum(weight * np.where(right, np.log(before), np.log(1 - before))) / weight.sum()
    calibration, loss = fit_calibration(features, right, weight, cfg.penalty)
    facts = provenance(cfg)
    command = facts["command"].replace(" run.py", f" experiments/{NAME}/run.py", 1)
    crops = pd.Series([kind_of(one.crop) for one in judged]).value_counts()
    print(f"log loss {loss_before:.4f} before, {loss:.4f} after")
    print(f"# by {study.printed_command({'command': command})}")
    state = f"{str(facts['commit'])[:7]}{' with changes' if facts['dirty'] else ''}"
    print(f"# at commit {state}: {len(right)} samples of")
    print("# " + ", ".join(f"{count} crops {SUBSETS[name]}" for name, count in crops.items()))
    print("calibration:")
    print("  _target_: ecgtrace.digitization.refined.Calibration")
    print(f"  intercept: {calibration.intercept:.3f}")
    print(f"  weights: [{', '.join(f'{w:.3f}' for w in calibration.weights)}]  # {', '.join(FEATURES)}")
    return calibration


def judge_all(
    source: CropSource,
    digitizer: Any,
    tolerance_mv: float,
    align: AlignOptions,
    name: str = "",
    progress: bool = False,
) -> Iterator[Judged]:
    """
    Digitize every crop, with the features behind each confidence; those that fail are left out.

    Yields
    ------
    Judged
        Of the samples that were recovered.
    """
    recorder = Recorder(digitizer.calibration)
    asked = replace(digitizer, calibration=recorder)
    for index in tqdm(range(len(source)), desc=name, unit="crop", disable=not progress):
        crop = source[index]
        recorder.features = None
        try:
            signal = asked(crop.image)
            confidence, right, inside = judge(crop, signal, tolerance_mv, align)
        except Exception as error:  # any failure of a crop must not end the fit
            _log.warning("%s: %s", crop.crop_id, describe_error(error))
            continue
        claimed = confidence > 0
        if recorder.features is not None and claimed.any():
            yield Judged(crop, confidence[claimed], right[claimed], recorder.features[inside][claimed])


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
