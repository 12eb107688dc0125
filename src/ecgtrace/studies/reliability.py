"""
Does the confidence of a sample mean something? And the fit that makes it mean it.

A confidence is meant as the probability that its sample lies within 0.05 mV of the truth. Over many samples
this can be counted: of those with confidence around c, a share c should. `main` is what
experiments/reliability/run.py calls.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig
from tqdm import tqdm

from ecgtrace.digitization.refined import FEATURES, Calibration
from ecgtrace.errors import ConfigError, DataError
from ecgtrace.evaluation import bootstrap
from ecgtrace.evaluation.align import AlignOptions, find_lag, sample_at
from ecgtrace.evaluation.bootstrap import BootstrapOptions
from ecgtrace.evaluation.run import CropSource, describe_error
from ecgtrace.evaluation.subsets import subset_of
from ecgtrace.provenance import provenance
from ecgtrace.studies import common
from ecgtrace.types import FloatArray, LeadCrop, LeadSignal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_log = logging.getLogger(__name__)

FIGURE = "reliability"
CROPS = "crops.csv"
PUBLISHED = (CROPS, common.SUMMARY, common.PROVENANCE, f"{FIGURE}.png", f"{FIGURE}.pdf")
_HIGH = 0.9
_LEAST_SHOWN = 50


class Judged(NamedTuple):
    """The samples of one crop: confidence, whether each lies within the tolerance, and its features."""

    crop: LeadCrop
    confidence: FloatArray
    right: NDArray[np.bool_]
    features: FloatArray | None = None


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


def count_by_bin(judged: Judged, bin_width: float) -> pd.DataFrame:
    """Count the samples of a crop, those that are right, and the sum of confidences, by bin of confidence."""
    last = round(1 / bin_width) - 1
    index = np.minimum((judged.confidence / bin_width + 1e-9).astype(int), last)
    frame = pd.DataFrame({"bin": index, "right": judged.right, "confidence": judged.confidence})
    frame["missing"] = judged.confidence == 0
    frame["high"] = judged.confidence >= _HIGH
    frame["high_right"] = frame["high"] & judged.right
    counts = frame.groupby("bin").agg(
        n=("right", "size"),
        n_right=("right", "sum"),
        n_missing=("missing", "sum"),
        n_high=("high", "sum"),
        n_high_right=("high_right", "sum"),
        confidence_sum=("confidence", "sum"),
    )
    counts.insert(0, "subset", subset_of(judged.crop))
    counts.insert(0, "record_id", judged.crop.record_id)
    counts.insert(0, "crop_id", judged.crop.crop_id)
    return counts.reset_index()


def summarize(counts: pd.DataFrame, bin_width: float, options: BootstrapOptions) -> pd.DataFrame:
    """
    Sum up the bins of all crops of a subset, with intervals; the last lines are those of `high` confidence.

    Parameters
    ----------
    counts : DataFrame
        As `count_by_bin` of every crop, one below the other.
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
    for subset in [*common.subsets_of(counts), "all"]:
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
    from ecgtrace.reproduction import fig_print as fp

    drawn = fp.new_figure((4.2, 5.0))
    above, below = drawn.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color=fp.PALE, linewidth=1, zorder=0)
    series = ((common.NON_OVERLAP, fp.BLUE, "o", -1), (common.OVERLAP, fp.ORANGE, "D", 1))
    for name, colour, marker, side in series:
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
            label=f"crops {common.SUBSETS[name]}",
        )
        middle = bins["bin"].astype(float) + bin_width * (0.5 + 0.2 * side)
        below.bar(middle, bins["share_of_samples"], width=0.4 * bin_width, color=colour)
    above.set_ylabel(f"share within {tolerance_mv:g} mV, with interval")
    above.set_ylim(0, 1.03)
    above.legend(loc="upper left")
    below.set_yscale("log")
    below.set_ylabel("share of samples")
    below.set_xlabel(f"confidence (above: bins of {_LEAST_SHOWN} samples or more)")
    below.set_xlim(0, 1)
    for axis in (above, below):
        fp.open_frame(axis)
    return drawn


def to_markdown(summary: pd.DataFrame, tolerance_mv: float, options: BootstrapOptions) -> str:
    """Return the headline for each subset."""
    lines = []
    for subset in [name for name in (*common.SUBSETS, "all") if name in set(summary["subset"])]:
        part = summary[summary["subset"] == subset]
        high = part[part["bin"] == "high"].iloc[0]
        bins = part[part["bin"] != "high"]
        total = bins["n"].sum()
        low = bins[bins["bin"].astype(float) < _HIGH - 1e-9]
        n_low = (low["n"] - low["n_missing"]).sum()
        claimed, found = ((low[key] * low["n"]).sum() / max(n_low, 1) for key in ("confidence", "right"))
        lines.append(
            [
                common.SUBSETS.get(subset, "all crops"),
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
    note = (
        "Claimed: mean confidence; found: share within the tolerance. Calibration error: the distance of the "
        "two over bins of confidence, a mean over samples. "
        f"In brackets: {100 * options.level:g} % percentile bootstrap intervals, {options.n_resamples} "
        f"resamples of {options.unit}s (seed {options.seed})."
    )
    return f"{common.table(head, lines)}\n\n{note}"


def judge_all(cfg: DictConfig, source: CropSource, digitizer: Any) -> Iterator[Judged]:
    """
    Digitize every crop; the samples of those that fail are not recovered.

    Parameters
    ----------
    cfg : DictConfig
        As conf/reliability.yaml. With `fit` the features come along, and samples that
        were not recovered are left out: their confidence is 0 whatever is fitted.
    source : CropSource
    digitizer : object

    Yields
    ------
    Judged
    """
    align: AlignOptions = instantiate(cfg.align)
    recorder = Recorder(digitizer.calibration) if cfg.fit else None
    asked = digitizer if recorder is None else replace(digitizer, calibration=recorder)
    for index in tqdm(range(len(source)), unit="crop", disable=not cfg.progress):
        crop = source[index]
        try:
            signal = asked(crop.image)
            confidence, right, inside = judge(crop, signal, cfg.tolerance_mv, align)
        except Exception as error:  # any failure of a crop must not end the study
            _log.warning("%s: %s", crop.crop_id, describe_error(error))
            if recorder is None:
                yield Judged(crop, *judge_failed(crop, digitizer.fs_hz))
            continue
        if recorder is None or recorder.features is None:
            yield Judged(crop, confidence, right)
        else:
            claimed = confidence > 0
            yield Judged(crop, confidence[claimed], right[claimed], recorder.features[inside][claimed])


def main(cfg: DictConfig, page_folder: Path) -> pd.DataFrame | Calibration:
    """
    Do the study, or with `fit=true` fit the calibration, as configured.

    Parameters
    ----------
    cfg : DictConfig
        As conf/reliability.yaml. Everything is written into `cfg.output_dir`.
    page_folder : Path
        Where `publish=true` puts the results, and whose README.md gets the table.

    Returns
    -------
    DataFrame or Calibration

    Raises
    ------
    ConfigError
        If the test split is to be fitted on, or a digitizer that has nothing to fit.
    """
    if cfg.fit and cfg.split == "test":
        raise ConfigError("fit=true on the test split would make its numbers worthless; add split=val")
    digitizer: Any = instantiate(cfg.digitizer)
    if cfg.fit and not hasattr(digitizer, "calibration"):
        raise ConfigError(f"fit=true: {digitizer.name} has no calibration; choose digitizer=refined")
    source: CropSource = instantiate(cfg.data, _convert_="object")
    folder = Path(cfg.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    facts = provenance(cfg)
    facts["command"] = facts["command"].replace(" run.py", " experiments/reliability/run.py", 1)
    facts["n_crops"], facts["model"] = len(source), str(getattr(digitizer, "model", ""))
    (folder / common.PROVENANCE).write_text(json.dumps(facts, indent=2, default=str) + "\n", encoding="utf-8")
    judged = judge_all(cfg, source, digitizer)
    return (
        _fit(cfg, list(judged), digitizer.calibration)
        if cfg.fit
        else _report(cfg, list(judged), folder, page_folder)
    )


def _fit(cfg: DictConfig, judged: Sequence[Judged], now: Calibration) -> Calibration:
    usable = [j for j in judged if j.features is not None and len(j.right)]
    if not usable:
        raise DataError("no crop of the split was digitized, so there is nothing to fit")
    features = np.concatenate([j.features for j in usable if j.features is not None])
    right = np.concatenate([j.right for j in usable])
    weight = np.concatenate([np.full(len(j.right), 1 / len(j.right)) for j in usable])
    before = np.clip(now.confidence(features), 1e-12, 1 - 1e-12)
    loss_before = -np.sum(weight * np.where(right, np.log(before), np.log(1 - before))) / weight.sum()
    calibration, loss = fit_calibration(features, right, weight, cfg.penalty)
    print(f"{len(usable)} crops, {len(right)} samples; log loss {loss_before:.4f} before, {loss:.4f} after")
    print("calibration:")
    print("  _target_: ecgtrace.digitization.refined.Calibration")
    print(f"  intercept: {calibration.intercept:.3f}")
    print(f"  weights: [{', '.join(f'{w:.3f}' for w in calibration.weights)}]  # {', '.join(FEATURES)}")
    return calibration


def _report(cfg: DictConfig, judged: Sequence[Judged], folder: Path, page_folder: Path) -> pd.DataFrame:
    from ecgtrace.reproduction import fig_print as fp

    logging.getLogger("fontTools").setLevel(logging.WARNING)  # says ten lines for each font of each PDF
    resampling: BootstrapOptions = instantiate(cfg.bootstrap)
    counts = pd.concat([count_by_bin(j, cfg.bin_width) for j in judged], ignore_index=True)
    common.write(counts, folder / CROPS)
    summary = summarize(counts, cfg.bin_width, resampling)
    common.write(summary, folder / common.SUMMARY)
    with fp.print_style():
        fp.save(figure(summary, cfg.bin_width, cfg.tolerance_mv), folder, FIGURE)
    text = to_markdown(summary, cfg.tolerance_mv, resampling)
    print(text)
    if cfg.publish:
        common.publish(folder, PUBLISHED, text, page_folder)
    return summary
