"""Figures of training: 4 (YOLO's confusion matrix), 5 and 6 (loss and IoU by epoch)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hydra.utils import instantiate
from matplotlib.axes import Axes
from omegaconf import OmegaConf

from ecgtrace.datasets.windowed import WindowedCrops
from ecgtrace.errors import DataError
from ecgtrace.evaluation import bootstrap
from ecgtrace.paper.artefact import Claim, Sources, format_interval, mapped
from ecgtrace.reporting import print_style
from ecgtrace.segmentation.segmenter import NetworkSegmenter
from ecgtrace.training.dataset import CropDataset
from ecgtrace.types import FloatArray

PAPER_IOU = 0.87
PAPER_NO_DETECTION = 0.58
_LABELS = ("signal", "background")
_OVERFIT_PERCENT = 10.0  # a validation loss so far above its least counts as risen again
_Z_95 = 1.959963984540054
_INK = 0.5  # probability from which on a pixel counts as ink, as in training


def fig4(sources: Sources, folder: Path) -> list[Claim]:
    """
    Figure 4: YOLO's confusion matrix, normalised over the true class.

    From `confusion.csv` and `metrics.json` of the run `yolo`. Writes `fig4.csv`. The share without a
    detection carries Wilson's interval [1]_.

    References
    ----------
    .. [1] Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. JASA,
       22(158), 209-212. https://doi.org/10.1080/01621459.1927.10502953
    """
    run = sources.run("yolo")
    counts = read_confusion(run / "confusion.csv")
    share = counts / np.maximum(counts.sum(axis=0, keepdims=True), 1)
    rows = [
        {"predicted": p, "true": t, "count": int(counts[i, j]), "share_of_true": share[i, j]}
        for i, p in enumerate(_LABELS)
        for j, t in enumerate(_LABELS)
    ]
    print_style.save_rows(pd.DataFrame(rows), folder, "fig4")
    with print_style.print_style():
        _draw_confusion(counts, share, folder)
    facts = read_facts(run)
    n = int(facts["n_val_instances"])
    missed = round(float(facts["no_detection_share"]) * n)
    low, high = wilson(missed, n)
    holds = low <= PAPER_NO_DETECTION <= high
    return [
        Claim(
            "YOLO: share of instances without a detection (Figure 4)",
            "58 %",
            f"{100 * missed / n:.0f} % (95 % interval {100 * low:.0f} to {100 * high:.0f}), {missed} of {n}",
            holds,
            "" if holds else _why_yolo(facts, missed / n),
        )
    ]


def _why_yolo(facts: Mapping[str, Any], share: float) -> str:
    side = "fewer" if share < PAPER_NO_DETECTION else "more"
    epochs, crops, start = (mapped(facts, n) for n in ("epochs", "crops_per_epoch", "started_from"))
    return (
        f"{side} instances are missed here; this model was trained for {epochs} epochs of {crops} crops, "
        f"started from: {start}; the paper's for 117 epochs from pretrained weights, on its own set and with "
        "a confidence threshold that it does not state; which of these makes the difference was not measured"
    )


def wilson(count: int, n: int) -> tuple[float, float]:
    """
    Return Wilson's 95 % interval of a share.

    Parameters
    ----------
    count, n : int
        `count` of `n`; `n` is at least 1.

    Examples
    --------
    >>> [round(v, 4) for v in wilson(5, 10)]
    [0.2366, 0.7634]
    >>> [round(v, 4) for v in wilson(0, 10)]
    [0.0, 0.2775]
    """
    if n < 1:
        raise DataError("a share of no instances has no interval; validate on at least one crop")
    p, z2 = count / n, _Z_95**2
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z_95 * np.sqrt(p * (1 - p) / n + z2 / (4 * n**2)) / (1 + z2 / n)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def read_confusion(path: Path) -> FloatArray:
    """
    Read a confusion matrix in long format.

    Parameters
    ----------
    path : Path
        Columns `predicted`, `true`, `count`; labels "signal" and "background"; a pair that is missing is 0.

    Returns
    -------
    ndarray of float, shape (2, 2)
        Counts; rows are predicted, columns true, "signal" first.

    Raises
    ------
    DataError
        If the file is missing, or is no such table.
    """
    table = _read_table(path, ("predicted", "true", "count"))
    strange = (set(table["predicted"]) | set(table["true"])) - set(_LABELS)
    if strange or table.duplicated(["predicted", "true"]).any():
        raise DataError(f"{path} must hold each pair of signal and background once; train YOLO again")
    counts = np.zeros((2, 2))
    for row in table.itertuples():
        counts[_LABELS.index(str(row.predicted)), _LABELS.index(str(row.true))] = row.count  # type: ignore[assignment]
    return counts


def _draw_confusion(counts: FloatArray, share: FloatArray, folder: Path) -> None:
    figure = print_style.new_figure((print_style.ONE_COLUMN_INCH, 2.3))
    axis = figure.subplots()
    axis.imshow(share, cmap="Greys", vmin=0, vmax=1.5, aspect="auto")  # 1.5: no solid black
    for (row, column), value in np.ndenumerate(share):
        empty = counts[:, column].sum() == 0
        percent = "no such case" if empty else f"{100 * value:.0f} %"
        axis.text(
            column,
            row,
            f"{percent}\n{counts[row, column]:.0f} of {counts[:, column].sum():.0f}",
            ha="center",
            va="center",
            color="white" if value > 0.7 else "black",
        )
    axis.set_xticks([0, 1], ["signal", "background"])
    axis.set_yticks([0, 1], ["signal", "background\n(nothing found)"])
    axis.tick_params(length=0)
    axis.set_xlabel("true class")
    axis.set_ylabel("predicted class")
    axis.set_title("share of the true class (%), instances")
    print_style.save(figure, folder, "fig4")


def fig5(sources: Sources, folder: Path) -> list[Claim]:
    """
    Figure 5: YOLO's loss and its IoU on the validation crops, by epoch.

    From `metrics.csv` of the run `yolo`, and of `unet_paper` where that is there, to compare with. Writes
    `fig5.csv`.
    """
    rows = read_epochs(sources.run("yolo") / "metrics.csv")
    print_style.save_rows(rows, folder, "fig5")
    with print_style.print_style():
        _draw_curves(rows, folder, "fig5")
    best = rows.loc[rows["val/iou"].idxmax()]
    ours = f"{best['val/iou']:.3f} in epoch {best['epoch']:.0f} of {len(rows)}"
    if "unet_paper" not in sources.folders:
        return [Claim("YOLO: the IoU remains low (Figure 5)", "number lost", ours, None)]
    unet = float(read_epochs(sources.run("unet_paper") / "metrics.csv")["val/iou"].max())
    holds = bool(best["val/iou"] < unet)
    return [
        Claim(
            "YOLO: the largest IoU on validation crops stays below the U-Net's (Figure 5)",
            f"low (number lost), U-Net {PAPER_IOU}",
            f"{ours}; U-Net {unet:.3f}",
            holds,
            ""
            if holds
            else f"the U-Net of the same profile reached {unet:.3f} only "
            f"({mapped(read_facts(sources.run('unet_paper')), 'crops_per_epoch')} crops per epoch)",
        )
    ]


def fig6(sources: Sources, folder: Path) -> list[Claim]:
    """
    Figure 6: the U-Net's loss and IoU by epoch, training and validation.

    From `metrics.csv` of the run `unet_paper`. The interval of the best IoU comes from the best weights on
    the same validation crops. Writes `fig6.csv`.
    """
    run = sources.run("unet_paper")
    rows = read_epochs(run / "metrics.csv")
    print_style.save_rows(rows, folder, "fig6")
    with print_style.print_style():
        _draw_curves(rows, folder, "fig6")
    best = rows.loc[rows["val/iou"].idxmax()]
    iou = measured_once(run)
    reached = iou.value >= PAPER_IOU
    return [
        Claim(
            "U-Net: largest IoU on validation crops (Figure 6)",
            f"{PAPER_IOU}",
            f"{best['val/iou']:.3f} in epoch {best['epoch']:.0f} of {len(rows)}; its weights once more: "
            f"{format_interval(iou.value, iou.interval)}, {iou.n_windows} windows of {iou.n_crops} crops",
            reached,
            "" if reached else _why_unet(run, len(rows)),
        ),
        _overfitting(rows),
    ]


def _why_unet(run: Path, epochs: int) -> str:
    facts = read_facts(run)
    model = OmegaConf.load(run / ".hydra" / "config.yaml").model
    crops, start = mapped(facts, "crops_per_epoch"), mapped(facts, "started_from")
    return (
        f"trained for {epochs} epochs of {crops} crops, started from: {start}, at {model.height} x "
        f"{model.width} px; the paper: 20 epochs of 20,000 crops from ImageNet weights, at a size that it "
        "does not state"
    )


def _overfitting(rows: pd.DataFrame) -> Claim:
    """Say whether the validation loss rose again, and how far the curves are apart at the end."""
    last = rows.iloc[-1]
    least = rows.loc[rows["val/loss"].idxmin()]
    risen = 100 * float(last["val/loss"] / least["val/loss"] - 1)
    holds = risen <= _OVERFIT_PERCENT
    return Claim(
        "U-Net: training and validation together, no overfitting (Figure 6)",
        "none in 20 epochs",
        f"last epoch: validation loss {last['val/loss']:.3f}, {risen:.0f} % above its least (epoch "
        f"{least['epoch']:.0f}), training loss {last['train/loss']:.3f}; IoU {last['val/iou']:.3f} on "
        f"validation crops, {last['train/iou']:.3f} on augmented training crops",
        holds,
        "" if holds else f"the validation loss rose by {risen:.0f} % after epoch {least['epoch']:.0f}",
    )


@dataclass(frozen=True)
class ValidationIou:
    """
    IoU of a run's best weights on its own validation crops, pixels of all windows pooled.

    Attributes
    ----------
    value : float
    interval : tuple of float
        95 %, bootstrap over records.
    n_windows, n_crops : int
    """

    value: float
    interval: tuple[float, float]
    n_windows: int
    n_crops: int


def validation_iou(run: Path) -> ValidationIou:
    """
    Measure the IoU that a U-Net run logs as `val/iou` once more, with an interval.

    Parameters
    ----------
    run : Path
        Folder of a training run, with `.hydra/config.yaml` and `weights.safetensors`.

    Notes
    -----
    In float32 with the weights as saved (half precision), where training may have computed in bfloat16:
    the third digit may differ.
    """
    cfg = OmegaConf.load(run / ".hydra" / "config.yaml")
    crops = instantiate(cfg.training.val, _convert_="object")
    segmenter = NetworkSegmenter(str(run / "weights.safetensors"), precision="float32")
    windows = WindowedCrops(crops)
    resize = OmegaConf.select(cfg, "model.resize", default="stretch")
    dataset = CropDataset(windows, cfg.model.height, cfg.model.width, resize=resize)
    rows = []
    for index in range(len(dataset)):
        sample = dataset[index]
        image = np.rint(255 * sample["image"].numpy().transpose(1, 2, 0)).astype(np.uint8)
        ink, truth = segmenter(image) >= _INK, sample["mask"].numpy()[0] > 0
        crop = windows[index]
        rows.append((crop.record_id, crop.crop_id, (ink & truth).sum(), (ink | truth).sum()))
    table = pd.DataFrame(rows, columns=["record_id", "crop_id", "shared", "either"])
    counts = bootstrap.draw_resamples([str(i) for i in table.index], table["record_id"].tolist())
    shared, either = table["shared"].to_numpy(float), table["either"].to_numpy(float)
    samples = (counts @ shared) / np.maximum(counts @ either, 1)
    return ValidationIou(
        float(shared.sum() / max(either.sum(), 1)),
        bootstrap.percentile_interval(samples),
        len(table),
        table["crop_id"].nunique(),
    )


def measured_once(run: Path) -> ValidationIou:
    """Return `validation_iou`, which Figure 6 and the claim both need and which takes half a minute."""
    return _measured(run, (run / "weights.safetensors").stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _measured(run: Path, weights_mtime_ns: int) -> ValidationIou:
    return validation_iou(run)


def read_epochs(path: Path) -> pd.DataFrame:
    """
    Read loss and IoU by epoch.

    Returns
    -------
    DataFrame
        Columns `epoch` and those of `train/loss`, `val/loss`, `train/iou`, `val/iou` that are there;
        epochs that were cut off before their validation are left out.

    Raises
    ------
    DataError
        If the file is missing, or is no such table.
    """
    table = _read_table(path, ("epoch", "val/iou"))
    names = [n for n in ("train/loss", "val/loss", "train/iou", "val/iou") if n in table]
    table = table.dropna(subset=["val/iou"])[["epoch", *names]].reset_index(drop=True)
    if table.empty:
        raise DataError(f"{path} holds no whole epoch; let the training go on")
    return table


def read_facts(run: Path) -> dict[str, Any]:
    """Read `metrics.json` of a run."""
    path = run / "metrics.json"
    if not path.is_file():
        raise DataError(f"{path} is missing; let the run finish")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _read_table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); let the run finish") from error
    missing = [name for name in columns if name not in table]
    if missing:
        raise DataError(f"{path} has no column {', '.join(missing)}; make the run again")
    return table


def _draw_curves(rows: pd.DataFrame, folder: Path, name: str) -> None:
    """Loss and IoU side by side; training dashed, validation solid."""
    figure = print_style.new_figure((print_style.TWO_COLUMNS_INCH, 2.4))
    loss, iou = figure.subplots(1, 2)
    series = (
        ("train", "training", print_style.ORANGE, "--", "o"),
        ("val", "validation", print_style.BLUE, "-", "s"),
    )
    for axis, what in ((loss, "loss"), (iou, "iou")):
        for stage, label, colour, style, marker in series:
            column = f"{stage}/{what}"
            if column in rows and rows[column].notna().any():
                every = max(1, len(rows) // 20)
                axis.plot(
                    rows["epoch"],
                    rows[column],
                    label=label,
                    color=colour,
                    linestyle=style,
                    marker=marker,
                    markersize=2.5,
                    markevery=every,
                )
        axis.set_xlabel("epoch (first is 0)")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(color="0.9", linewidth=0.5)
        print_style.open_frame(axis)
    _loss_axis(loss, rows)
    iou.set_ylabel("IoU (no unit)")
    iou.set_ylim(0, 1)
    best = rows.loc[rows["val/iou"].idxmax()]
    iou.annotate(
        f"{best['val/iou']:.3f}",
        (best["epoch"], best["val/iou"]),
        xytext=(0, 7),
        textcoords="offset points",
        ha="center",
        fontsize=7,
    )
    print_style.letter(loss, "a", "loss")
    print_style.letter(iou, "b", "intersection over union")
    loss.legend(loc="upper right")
    print_style.save(figure, folder, name)


def _loss_axis(axis: Axes, rows: pd.DataFrame) -> None:
    """Logarithmic where the first epochs would hide the others."""
    losses = rows[[n for n in ("train/loss", "val/loss") if n in rows]].to_numpy(float)
    losses = losses[np.isfinite(losses)]
    wide = losses.size > 0 and losses.min() > 0 and losses.max() > 20 * losses.min()
    axis.set_yscale("log" if wide else "linear")
    axis.set_ylabel("loss (no unit, logarithmic)" if wide else "loss (no unit)")
    if not wide:
        axis.set_ylim(bottom=0)
