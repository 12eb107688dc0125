"""Figures of samples: 1 (image, mask, signal), 3 (training pair), 8 (grid), 9 (digitized signal)."""

from collections.abc import Sequence
from pathlib import Path

import albumentations as A
import numpy as np
import pandas as pd
from hydra.utils import instantiate
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ecgtrace.datasets.training import TrainingCrops
from ecgtrace.digitization.proposed import ProposedDigitizer
from ecgtrace.digitization.scale import find_scale
from ecgtrace.drawing.jitter import StyleJitter
from ecgtrace.errors import GridNotFoundError
from ecgtrace.evaluation import bootstrap, metrics
from ecgtrace.evaluation.align import align
from ecgtrace.evaluation.run import Evaluation
from ecgtrace.evaluation.runner import digitize_crop, score_crop
from ecgtrace.paper import crop_axes
from ecgtrace.paper.artefact import Claim, Sources, format_interval
from ecgtrace.reporting import print_style
from ecgtrace.reporting.figures import pick
from ecgtrace.segmentation.segmenter import NetworkSegmenter
from ecgtrace.training.augment import AddVerticalLines, OverlaySignal, compose
from ecgtrace.training.dataset import CropDataset
from ecgtrace.types import GridScale, LeadCrop, LeadSignal
from ecgtrace.units import LARGE_SQUARE_MM

_DARK = 128  # grey level below which a pixel of a strip is ink
_MIN_STRIP_INK = 1 / 3  # of the columns
_TRIES = 200
_ZOOM_MM = 15.0


def fig1(sources: Sources, folder: Path) -> list[Claim]:
    """
    Figure 1: a sample of the data: picture of a lead, mask of its trace, its signal.

    The crop is `crop_axes.sample_crop` of the validation crops with overlap. Writes `fig1.csv`, the signal.
    """
    crop = crop_axes.sample_crop(crop_axes.validation_crops(sources.cfg))
    time_s = np.arange(len(crop.signal)) / crop.fs_hz
    print_style.save_rows(pd.DataFrame({"time_s": time_s, "amplitude_mv": crop.signal}), folder, "fig1")
    with print_style.print_style():
        panel = crop_axes.panel_inch(crop, 2.9)
        figure = print_style.new_figure((print_style.ONE_COLUMN_INCH, 3 * panel + 1.2))
        image, mask, signal = figure.subplots(3, 1, sharex=True, sharey=True)
        crop_axes.show(image, crop, crop.image)
        crop_axes.show(mask, crop, crop.mask)
        signal.plot(time_s, crop.signal, color=print_style.BLACK, linewidth=0.9)
        signal.set_aspect(crop_axes.aspect())
        signal.grid(color="0.88", linewidth=0.5)
        print_style.letter(image, "a", f"crop of lead {crop.lead}")
        print_style.letter(mask, "b", "mask of the target trace")
        print_style.letter(signal, "c", f"signal, {crop.fs_hz:g} Hz")
        signal.set_xlabel("time (s)")
        mask.set_ylabel("amplitude (mV)")
        print_style.save(figure, folder, "fig1")
    others = crop.overlap_px / int(crop.mask.sum())
    return [
        Claim(
            "a sample: image, clean mask, signal (Figure 1)",
            None,
            f"crop {crop.crop_id}: ink of other leads, {100 * others:.0f} % of the target's, is in the "
            f"picture and not in the mask; {crop.crossings} crossings",
            None,
        )
    ]


def fig3(sources: Sources, folder: Path) -> list[Claim]:
    """
    Figure 3: a training pair, and what the paper's own augmentations do to it.

    The crop is the first training crop of the seed that another lead crosses and whose strip adds ink to a
    third of the columns. The augmentations are applied with probability 1 at the network's size, as in
    training. Writes `fig3.csv`: what each of them changed.
    """
    model = sources.cfg.profile.model
    crops = TrainingCrops(
        records=instantiate(sources.cfg.signals, _convert_="object"),
        style=instantiate(sources.cfg.page, _convert_="object"),
        split="train",
        layouts=(("3x4", 1.0),),
        kinds=(("crossing", 1.0),),
        jitter=StyleJitter(probability=0.0),
        seed=int(sources.cfg.seed),
    )
    plain = _Pairs(crops, model.height, model.width, compose(), int(sources.cfg.seed))
    strip = plain.augmented(OverlaySignal(p=1.0))
    lines = plain.augmented(AddVerticalLines(p=1.0))
    index = next((i for i in range(_TRIES) if _strip_ink(plain[i][0], strip[i][0]) >= _MIN_STRIP_INK), 0)
    pairs = {"none": plain[index], "OverlaySignal": strip[index], "AddVerticalLines": lines[index]}
    rows = pd.DataFrame([_changes(name, pairs["none"], pair) for name, pair in pairs.items()])
    print_style.save_rows(rows, folder, "fig3")
    with print_style.print_style():
        _draw_pairs(pairs, folder)
    changed = int(rows["mask_px_changed"].sum())
    strip_row, lines_row = rows.iloc[1], rows.iloc[2]
    return [
        Claim(
            "OverlaySignal lays a strip on the top or bottom edge, AddVerticalLines draws lines; "
            "the mask stays clean (Figure 3)",
            "strip of 30 px, 2 lines of 3 px, mask unchanged",
            f"{strip_row['rows_changed']} rows and {lines_row['columns_changed']} columns changed of "
            f"{model.height} x {model.width} px; {changed} px of the mask changed",
            bool(changed == 0 and strip_row["rows_from_edge"] <= 30 and lines_row["columns_changed"] <= 6),
            "" if changed == 0 else "an augmentation changed the mask",
        )
    ]


class _Pairs:
    """Pictures and masks of training crops as the network sees them."""

    def __init__(
        self, crops: Sequence[LeadCrop], height: int, width: int, augmentation: A.Compose, seed: int
    ) -> None:
        self._arguments = (crops, height, width)
        self._seed = seed
        self._dataset = CropDataset(crops, height, width, augmentation, seed)

    def augmented(self, transform: A.BasicTransform) -> "_Pairs":
        """Return the same crops, changed."""
        return _Pairs(*self._arguments, compose([transform]), self._seed)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        sample = self._dataset[index]
        image = np.rint(255 * sample["image"].numpy().transpose(1, 2, 0)).astype(np.uint8)
        return image, sample["mask"].numpy()[0].astype(np.uint8)


def _strip_ink(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    """Share of the columns that got ink."""
    became = (before.max(axis=2) >= _DARK) & (after.max(axis=2) < _DARK)
    return float(became.any(axis=0).mean())


def _changes(
    name: str,
    before: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    after: tuple[NDArray[np.uint8], NDArray[np.uint8]],
) -> dict[str, object]:
    changed = (before[0] != after[0]).any(axis=2)
    rows = np.flatnonzero(changed.any(axis=1))
    height = len(changed)
    return {
        "augmentation": name,
        "image_px_changed": int(changed.sum()),
        "rows_changed": len(rows),
        # How far from the nearer edge the change reaches.
        "rows_from_edge": int(min(rows.max() + 1, height - rows.min())) if len(rows) else 0,
        "columns_changed": int(changed.any(axis=0).sum()),
        "mask_px_changed": int((before[1] != after[1]).sum()),
    }


def _draw_pairs(pairs: dict[str, tuple[NDArray[np.uint8], NDArray[np.uint8]]], folder: Path) -> None:
    height, width = pairs["none"][0].shape[:2]
    panel = 3.2 * height / width
    figure = print_style.new_figure((print_style.TWO_COLUMNS_INCH, 3 * panel + 1.2))
    axes = figure.subplots(3, 2, sharex=True, sharey=True)
    titles = {
        "none": "training crop",
        "OverlaySignal": "OverlaySignal",
        "AddVerticalLines": "AddVerticalLines",
    }
    for (left, right), which, (name, (image, mask)) in zip(
        axes, ("ab", "cd", "ef"), pairs.items(), strict=True
    ):
        left.imshow(image, interpolation="antialiased")
        right.imshow(1 - mask, cmap="gray", vmin=0, vmax=1, interpolation="antialiased")
        print_style.letter(left, which[0], titles[name])
        changed = int((mask != pairs["none"][1]).sum())
        print_style.letter(
            right, which[1], "its mask" if name == "none" else f"its mask, {changed} px changed"
        )
        left.set_ylabel("row (px)")
    for axis in axes[-1]:
        axis.set_xlabel("column (px)")
    print_style.save(figure, folder, "fig3")


def fig8(sources: Sources, folder: Path) -> list[Claim]:
    """
    Figure 8: the grid lines that were detected, drawn on the picture.

    The crop is that of Figure 1. The error of the scale is measured on all validation crops with overlap;
    writes `fig8.csv` (a row per crop) and `fig8_lines.csv` (the lines drawn).
    """
    crops = crop_axes.validation_crops(sources.cfg)
    rows = pd.DataFrame([_grid_row(crop) for crop in crops])
    print_style.save_rows(rows, folder, "fig8")
    crop = crop_axes.sample_crop(crops)
    scale = find_scale(crop.image)
    lines = [("x", v) for v in scale.lines_x] + [("y", v) for v in scale.lines_y]
    print_style.save_rows(pd.DataFrame(lines, columns=["axis", "position_px"]), folder, "fig8_lines")
    with print_style.print_style():
        _draw_grid(crop, scale, folder)
    errors = 100 * np.abs(rows[["error_x", "error_y"]].to_numpy(float))
    found = int(rows["error_x"].notna().sum())
    return [
        Claim(
            "the grid is found, and gives the scale (Figure 8)",
            None,
            f"found in {found} of {len(rows)} crops with overlap; error of the scale: median "
            f"{np.nanmedian(errors):.2f} %, largest {np.nanmax(errors):.2f} %; taken as square in "
            f"{int(rows['square_assumed'].fillna(False).astype(bool).sum())}"
            if found
            else f"found in none of {len(rows)} crops with overlap",
            None,
        )
    ]


def _grid_row(crop: LeadCrop) -> dict[str, object]:
    facts: dict[str, object] = {"crop_id": crop.crop_id, "px_per_mm": crop.px_per_mm}
    try:
        scale = find_scale(crop.image)
    except GridNotFoundError:
        return facts | dict.fromkeys(("px_per_mm_x", "px_per_mm_y", "error_x", "error_y", "square_assumed"))
    return facts | {
        "px_per_mm_x": scale.px_per_mm_x,
        "px_per_mm_y": scale.px_per_mm_y,
        "error_x": metrics.grid_error(scale.px_per_mm_x, crop.px_per_mm),
        "error_y": metrics.grid_error(scale.px_per_mm_y, crop.px_per_mm),
        "square_assumed": scale.square_assumed,
    }


def _draw_grid(crop: LeadCrop, scale: GridScale, folder: Path) -> None:
    height, width = crop.mask.shape
    zoom = min(height, round(_ZOOM_MM * scale.px_per_mm_y))
    left = width // 2 - zoom // 2
    panel = 4.4 * height / width
    figure = print_style.new_figure((print_style.TWO_COLUMNS_INCH, float(np.clip(panel, 1.5, 3.5)) + 0.6))
    whole, part = figure.subplots(1, 2, width_ratios=[2.2, 1.0])
    for axis, linewidth in ((whole, 0.35), (part, 0.9)):
        axis.imshow(crop.image, interpolation="antialiased")
        axis.vlines(scale.lines_x, -0.5, height - 0.5, colors=print_style.GREEN, linewidth=linewidth)
        axis.hlines(
            scale.lines_y, -0.5, width - 0.5, colors=print_style.GREEN, linewidth=linewidth, linestyles="--"
        )
        axis.set_xlabel("column (px)")
    whole.set_ylabel("row (px)")
    part.set_xlim(left - 0.5, left + zoom - 0.5)
    part.set_ylim(height / 2 + zoom / 2 - 0.5, height / 2 - zoom / 2 - 0.5)
    square = ", square assumed" if scale.square_assumed else ""
    print_style.letter(
        whole, "a", f"lines found: {scale.px_per_mm_x:.2f} px/mm in x, {scale.px_per_mm_y:.2f} in y{square}"
    )
    print_style.letter(part, "b", f"{_ZOOM_MM:g} mm of it ({_ZOOM_MM / LARGE_SQUARE_MM:g} large squares)")
    print_style.save(figure, folder, "fig8")


def fig9(sources: Sources, folder: Path) -> list[Claim]:
    """
    Figure 9: a digitized signal over the truth, aligned as evaluation does.

    The digitizer is the paper's with the weights of the run `unet_paper`. It is given all validation crops
    with overlap, and the one of median r is shown (failed ones count as r = 0), so that the figure is neither
    the best nor the worst. Writes `fig9.csv` (a row per crop) and `fig9_signal.csv` (the curves drawn).
    """
    weights = sources.run("unet_paper") / "weights.safetensors"
    digitizer = ProposedDigitizer(segmenter=NetworkSegmenter(str(weights), precision="float32"))
    crops = crop_axes.validation_crops(sources.cfg)
    rows = pd.DataFrame(
        [
            row
            for i in range(len(crops))
            for row in score_crop(crops, i, {"proposed": digitizer}, Evaluation())
        ]
    )
    print_style.save_rows(rows.drop(columns="seconds"), folder, "fig9")
    shown = pick(rows).get("median", rows.iloc[0])
    crop = next(crops[i] for i in range(len(crops)) if crops.crop_id(i) == shown["crop_id"])
    digitized = digitize_crop(digitizer, crop) if shown["status"] == "ok" else None
    with print_style.print_style():
        _draw_digitized(crop, digitized, shown, len(rows), folder)
    counts = bootstrap.draw_resamples(rows["crop_id"].tolist(), rows["record_id"].tolist())
    r = rows["r"].to_numpy(float)
    interval = bootstrap.percentile_interval(bootstrap.mean(r, counts))
    return [
        Claim(
            "a digitized signal agrees with the truth (Figure 9, one example)",
            None,
            f"the crop of median r: r = {shown['r']:.4f}, MSE = {shown['mse_mv2']:.5f} mV²; mean r of all "
            f"{len(rows)} validation crops with overlap {format_interval(float(r.mean()), interval)}, "
            f"{int((rows['status'] != 'ok').sum())} failed",
            None,
        )
    ]


def _draw_digitized(
    crop: LeadCrop, digitized: LeadSignal | None, row: pd.Series, n_crops: int, folder: Path
) -> None:
    time_s = np.arange(len(crop.signal)) / crop.fs_hz
    curves = pd.DataFrame({"time_s": time_s, "truth_mv": metrics.centred(crop.signal)})
    if digitized is not None:
        aligned = align(digitized.amplitude_mv, digitized.fs_hz, crop.signal, crop.fs_hz)
        curves["digitized_mv"] = metrics.centred(aligned.signal)
        curves["covered"] = aligned.covered
    print_style.save_rows(curves, folder, "fig9_signal")
    panel = crop_axes.panel_inch(crop, 2.8)
    figure = print_style.new_figure((print_style.ONE_COLUMN_INCH, panel + 2.6))
    picture, signal = figure.subplots(2, 1, sharex=True, height_ratios=[panel, 1.5])
    crop_axes.show(picture, crop, crop.image)
    print_style.letter(picture, "a", f"crop of lead {crop.lead}, median $r$ of {n_crops} crops")
    picture.set_ylabel("amplitude (mV)")
    _plot_curves(signal, curves)
    if digitized is None:
        print_style.letter(signal, "b", f"truth; digitizing failed: {row['message'][:60]}")
    else:
        print_style.letter(signal, "b", f"$r$ = {row['r']:.4f}, MSE = {row['mse_mv2']:.5f} mV²")
    figure.legend(*signal.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    print_style.save(figure, folder, "fig9")


def _plot_curves(axis: Axes, curves: pd.DataFrame) -> None:
    axis.plot(curves["time_s"], curves["truth_mv"], color="0.6", linewidth=2.4, label="truth")
    if "digitized_mv" in curves:
        shown = curves["digitized_mv"].where(curves["covered"])
        axis.plot(
            curves["time_s"], shown, color=print_style.BLACK, linewidth=0.9, linestyle="--", label="digitized"
        )
    axis.set_xlabel("time (s)")
    axis.set_ylabel("amplitude (mV),\nmedian subtracted")
    print_style.open_frame(axis)
