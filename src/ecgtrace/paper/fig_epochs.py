"""Figure 7: what the U-Net takes for the trace early in training, and at the end."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.patches import Patch
from numpy.typing import NDArray

from ecgtrace.errors import DataError
from ecgtrace.evaluation import bootstrap
from ecgtrace.paper import crop_axes
from ecgtrace.paper.artefact import Claim, Sources, format_interval, mapped
from ecgtrace.paper.fig_training import read_facts
from ecgtrace.reporting import print_style
from ecgtrace.segmentation.segmenter import NetworkSegmenter
from ecgtrace.segmentation.unet import UNet
from ecgtrace.segmentation.weights import read_card, save_weights
from ecgtrace.types import LeadCrop

EARLY_EPOCH = 3  # the paper's; its last is 19, and both count from 0
_INK = 0.5  # probability from which on a pixel counts as ink, as in training
_CLEAN = 0.05  # a share of other leads' ink that is as good as none; the paper shows a picture, no number
_DENSE = 0.25  # of the target's ink: other leads do more than to enter
_PREFIX = "network."


@dataclass(frozen=True)
class Checkpoint:
    """The weights that an epoch ended with."""

    epoch: int
    path: Path


def fig7(sources: Sources, folder: Path) -> list[Claim]:
    """
    Figure 7: the prediction of an early epoch and of the last, on the same crop with overlap.

    Epoch 3 as in the paper, or the earliest that was kept. Both epochs see all validation crops with
    overlap. Shown is the one in which the *early* epoch takes in most ink of other leads: what the last
    one does there was not looked at. Writes `fig7.csv`: IoU and share of the other leads' ink taken in, by
    crop and epoch. What is said of all crops carries bootstrap intervals over records.
    """
    run = sources.run("unet_paper")
    epochs = choose_epochs(run)
    crops = crop_axes.validation_crops(sources.cfg)
    with tempfile.TemporaryDirectory() as scratch:
        segmenters = {c.epoch: segmenter_of(c, run, Path(scratch)) for c in epochs}
        rows = pd.DataFrame([_row(crop, epoch, s) for crop in crops for epoch, s in segmenters.items()])
        print_style.save_rows(rows, folder, "fig7")
        shown = choose_crop(rows, epochs[0].epoch)
        crop = next(crops[i] for i in range(len(crops)) if crops.crop_id(i) == shown)
        predictions = {epoch: predict(s, crop) for epoch, s in segmenters.items()}
    with print_style.print_style():
        _draw(crop, predictions, folder)
    facts = read_facts(run)
    trained = f"{mapped(facts, 'epochs')} epochs of {mapped(facts, 'crops_per_epoch')} crops"
    return _claims(rows, [c.epoch for c in epochs], shown, trained)


def choose_epochs(run: Path) -> tuple[Checkpoint, ...]:
    """
    Find the checkpoints to compare: epoch 3, or the earliest that is there, and the last.

    Raises
    ------
    DataError
        If the run kept none.
    """
    kept = []
    for path in (run / "epochs").glob("epoch=*.ckpt"):
        number = path.stem.partition("=")[2]
        if number.isdigit():
            kept.append(Checkpoint(int(number), path))
    if not kept:
        raise DataError(f"{run / 'epochs'} holds no checkpoint; train with keep_every_n_epochs=4")
    kept.sort(key=lambda c: c.epoch)
    early = next((c for c in kept if c.epoch == EARLY_EPOCH), kept[0])
    return (early, kept[-1]) if kept[-1].epoch > early.epoch else (early,)


def segmenter_of(checkpoint: Checkpoint, run: Path, scratch: Path) -> NetworkSegmenter:
    """
    Make a segmenter of a training checkpoint.

    Parameters
    ----------
    checkpoint : Checkpoint
    run : Path
        Its training run, whose `weights.safetensors` says how the network is used.
    scratch : Path
        Folder for the weights in the form that `NetworkSegmenter` reads.
    """
    card = read_card(run / "weights.safetensors")
    state = torch.load(checkpoint.path, map_location="cpu", weights_only=True)["state_dict"]
    network = UNet(card.encoder, encoder_weights=None)
    network.load_state_dict({k.removeprefix(_PREFIX): v for k, v in state.items() if k.startswith(_PREFIX)})
    path = scratch / f"epoch_{checkpoint.epoch}.safetensors"
    save_weights(network, card, path)
    return NetworkSegmenter(str(path), precision="float32")


def predict(segmenter: NetworkSegmenter, crop: LeadCrop) -> NDArray[np.bool_]:
    """Return the pixels that a network takes for ink of the target, at the crop's own size."""
    duration_s = len(crop.signal) / crop.fs_hz
    return np.asarray(segmenter(crop.image, duration_s=duration_s) >= _INK)


def iou(ink: NDArray[np.bool_], mask: NDArray[np.uint8]) -> float:
    """Return intersection over union of a prediction with the true mask; 1 where both are empty."""
    truth = mask > 0
    either = int((ink | truth).sum())
    return float((ink & truth).sum() / either) if either else 1.0


def share_taken_in(ink: NDArray[np.bool_], crop: LeadCrop) -> float:
    """
    Return the share of the other leads' ink that a prediction takes for the target's.

    Pixels where both share ink belong to the target and do not count. 0 where there is no other ink.
    """
    other = _only_others(crop)
    return float((ink & other).sum() / other.sum()) if other.any() else 0.0


def choose_crop(rows: pd.DataFrame, early: int) -> str:
    """Return the id of the crop in which the early epoch takes in most pixels of other leads' ink."""
    early_rows = rows[rows["epoch"] == early].sort_values(["other_px_taken_in", "crop_id"])
    return str(early_rows.iloc[-1]["crop_id"])


def _only_others(crop: LeadCrop) -> NDArray[np.bool_]:
    if crop.other_mask is None:
        raise ValueError(f"{crop.crop_id} does not tell the ink of other leads")
    return np.asarray((crop.other_mask > 0) & (crop.mask == 0))


def _row(crop: LeadCrop, epoch: int, segmenter: NetworkSegmenter) -> dict[str, object]:
    ink = predict(segmenter, crop)
    other = _only_others(crop)
    return {
        "crop_id": crop.crop_id,
        "record_id": crop.record_id,
        "epoch": epoch,
        "iou": iou(ink, crop.mask),
        "target_px": int(crop.mask.sum()),
        "other_px": int(other.sum()),
        "other_px_taken_in": int((ink & other).sum()),
        "share_taken_in": share_taken_in(ink, crop),
    }


def _claims(rows: pd.DataFrame, epochs: Sequence[int], shown: str, trained: str) -> list[Claim]:
    """Say how much ink of other leads is taken in early and late, and whether training lessens it."""
    table = rows.pivot(index="crop_id", columns="epoch", values="share_taken_in")
    crops = rows.drop_duplicates("crop_id").set_index("crop_id").loc[table.index]
    counts = bootstrap.draw_resamples(crops.index.tolist(), crops["record_id"].tolist())

    def stated(values: pd.Series) -> tuple[str, tuple[float, float]]:
        interval = bootstrap.percentile_interval(bootstrap.mean(values.to_numpy(float), counts))
        return format_interval(float(values.mean()), interval), interval

    early, last = epochs[0], epochs[-1]
    ignores = f"the U-Net's last epoch ignores the interfering trace (Figure 7, epoch {last})"
    at_last, last_interval = stated(table[last])
    if early == last:
        return [
            Claim(ignores, None, f"only this epoch was kept; takes in {at_last}, {len(table)} crops", None)
        ]
    at_early, _ = stated(table[early])
    fall, fall_interval = stated(table[early] - table[last])
    falls, clean = fall_interval[0] > 0, last_interval[1] <= _CLEAN
    dense = crops["other_px"] > _DENSE * crops["target_px"]
    return [
        Claim(
            "an early epoch takes in part of an interfering trace, later ones less (Figure 7)",
            "epoch 3 takes in a part (one crop)",
            f"share of other leads' ink taken in: epoch {early} {at_early}, epoch {last} less by {fall}; "
            f"{len(table)} crops with overlap; in the one shown {_percent(table.loc[shown, early])}",
            falls,
            "" if falls else f"from epoch {early} to {last} the share does not fall beyond chance",
        ),
        Claim(
            ignores,
            "epoch 19 takes in none (one crop)",
            f"share of other leads' ink taken in: {at_last}, {len(table)} crops with overlap; under "
            f"{_percent(_CLEAN)} in {int((table[last] < _CLEAN).sum())} of them; in the one shown "
            f"{_percent(table.loc[shown, last])}",
            clean,
            ""
            if clean
            else f"trained for {trained}; it still takes in {_mean_percent(table.loc[dense, last])} where "
            f"other leads have more than a quarter of the target's ink ({int(dense.sum())} crops), "
            f"{_mean_percent(table.loc[~dense, last])} elsewhere",
        ),
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _mean_percent(shares: pd.Series) -> str:
    return _percent(float(shares.mean())) if len(shares) else "nothing"


def _paint(ink: NDArray[np.bool_], crop: LeadCrop) -> NDArray[np.uint8]:
    """Colour a prediction by what it took for ink; of different grey, too."""
    truth, other = crop.mask > 0, _only_others(crop)
    picture = np.full((*ink.shape, 3), 255, np.uint8)
    for pixels, colour in (
        (truth & ~ink, print_style.SKY),
        (ink & ~truth & ~other, print_style.PALE),
        (ink & other, print_style.ORANGE),
        (ink & truth, print_style.BLACK),
    ):
        picture[pixels] = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return picture


def _draw(crop: LeadCrop, predictions: dict[int, NDArray[np.bool_]], folder: Path) -> None:
    panel = crop_axes.panel_inch(crop, 3.2)
    figure = print_style.new_figure((print_style.TWO_COLUMNS_INCH, 2 * panel + 1.3))
    axes = figure.subplots(2, 2, sharex=True, sharey=True)
    crop_axes.show(axes[0, 0], crop, crop.image)
    print_style.letter(axes[0, 0], "a", f"crop of lead {crop.lead}")
    truth = np.where(crop.mask[..., None] > 0, 0, 255).astype(np.uint8).repeat(3, axis=2)
    truth[_only_others(crop)] = 200
    crop_axes.show(axes[0, 1], crop, truth)
    print_style.letter(axes[0, 1], "b", "true mask (black), other leads (grey)")
    for axis, which, (epoch, ink) in zip(axes[1], "cd", predictions.items(), strict=False):
        crop_axes.show(axis, crop, _paint(ink, crop))
        taken = _percent(share_taken_in(ink, crop))
        print_style.letter(
            axis, which, f"epoch {epoch}: IoU {iou(ink, crop.mask):.2f}, other ink taken in {taken}"
        )
    for axis in axes[1, len(predictions) :]:
        axis.set_axis_off()
    for axis in axes[:, 0]:
        axis.set_ylabel("amplitude (mV)")
    for axis in axes[1]:
        axis.set_xlabel("time (s)")
    handles = [
        Patch(color=print_style.BLACK, label="found"),
        Patch(color=print_style.ORANGE, label="taken in from other leads"),
        Patch(color=print_style.PALE, label="taken in, no trace"),
        Patch(color=print_style.SKY, label="missed"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    print_style.save(figure, folder, "fig7")
