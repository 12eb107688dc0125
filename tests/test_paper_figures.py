"""The figures of the paper: what they say is checked on planted runs, how they look by size and type."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_dir
from matplotlib.text import Text
from omegaconf import OmegaConf
from PIL import Image

from ecgtrace.errors import DataError
from ecgtrace.paper import crop_axes, fig_epochs, fig_samples, fig_training, paper_figures
from ecgtrace.paper.artefact import Sources
from ecgtrace.paper.fig_training import ValidationIou
from ecgtrace.records.sample import SampleRecords
from ecgtrace.reporting import print_style
from ecgtrace.segmentation.segmenter import NetworkSegmenter
from ecgtrace.segmentation.unet import UNet
from ecgtrace.segmentation.weights import WeightsCard, save_weights
from ecgtrace.types import LeadCrop

ROOT = Path(__file__).resolve().parents[1]
CARD = WeightsCard("unet", "resnet18", 32, 64, 2.5, "random")
INCH_WIDE = {
    "fig1": 3.5,
    "fig3": 7.2,
    "fig4": 3.5,
    "fig5": 7.2,
    "fig6": 7.2,
    "fig7": 7.2,
    "fig8": 7.2,
    "fig9": 3.5,
}

TWICE = ("fig4", "fig7")  # one of lines and text, one of pictures and networks


def write_epochs(path, **columns):
    table = pd.DataFrame({name.replace("_", "/"): values for name, values in columns.items()})
    table.insert(0, "epoch", range(len(table)))
    table.to_csv(path, index=False)


def write_facts(folder, **facts):
    known = {"epochs": 12, "crops_per_epoch": 160, "started_from": "random"}
    (folder / "metrics.json").write_text(json.dumps(known | facts))


def write_confusion(path, found, missed, invented=1):
    rows = [("signal", "signal", found), ("background", "signal", missed), ("signal", "background", invented)]
    pd.DataFrame(rows, columns=["predicted", "true", "count"]).to_csv(path, index=False)


def random_network(seed):
    torch.manual_seed(seed)
    return UNet("resnet18", None).eval()


def write_checkpoint(network, path):
    path.parent.mkdir(exist_ok=True)
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3}, path)


@pytest.fixture
def no_drawing(monkeypatch):
    for name in ("_draw_confusion", "_draw_curves"):
        monkeypatch.setattr(fig_training, name, lambda *a: None)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Runs as training leaves them, with networks that know nothing."""
    root = tmp_path_factory.mktemp("runs")
    unet, yolo = root / "unet_paper", root / "yolo"
    (unet / ".hydra").mkdir(parents=True)
    yolo.mkdir()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        train = compose("train", ["page.px_per_mm=6", "model.height=32", "model.width=64", "seed=3"])
        cfg = compose("evaluate", ["page.px_per_mm=6", "seed=3"])
    train.training.val.n_non_overlap, train.training.val.n_overlap = 1, 2
    OmegaConf.save(train, unet / ".hydra" / "config.yaml")
    for epoch, network in ((1, random_network(1)), (3, random_network(3)), (5, random_network(5))):
        write_checkpoint(network, unet / "epochs" / f"epoch={epoch}.ckpt")
    save_weights(random_network(5), CARD, unet / "weights.safetensors")
    curve = {"train_loss": [2.0, 1.0, 0.8], "val_loss": [99.0, 1.0, 0.5], "train_iou": [0.1, 0.5, 0.6]}
    write_epochs(unet / "metrics.csv", **curve, val_iou=[0.2, 0.7, 0.6])
    write_facts(unet)
    write_epochs(yolo / "metrics.csv", train_loss=[6.0, 5.0], val_loss=[7.0, 6.0], val_iou=[0.0, 0.3])
    write_facts(yolo, no_detection_share=0.5, n_val_instances=10)
    write_confusion(yolo / "confusion.csv", 5, 5)
    profile = {"name": "test", "model": {"height": 64, "width": 128}, "n_figure_crops": 3}
    config = OmegaConf.create({"signals": cfg.signals, "page": cfg.page, "seed": 3, "profile": profile})
    return Sources(config, {"unet_paper": unet, "yolo": yolo})


def hand_crop(crop_id="hand", target_rows=(4,), other_rows=(), **changes):
    """A crop of 10 x 20 px with horizontal lines; 2.5 s."""
    mask, other = np.zeros((2, 10, 20), np.uint8)
    mask[list(target_rows)] = 1
    other[list(other_rows)] = 1
    crop = LeadCrop(
        image=np.full((10, 20, 3), 255, np.uint8),
        mask=mask,
        signal=np.zeros(250),
        fs_hz=100.0,
        crop_id=crop_id,
        record_id="r",
        lead="II",
        layout="3x4",
        px_per_mm=2.0,
        overlap_px=int(other.sum()),
        other_mask=other,
    )
    return replace(crop, **changes)


# All of them --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(sources, tmp_path_factory):
    """Every figure, some of them twice; and the figures themselves."""
    drawn = {}
    asked = set()
    split_ids, save = SampleRecords.split_ids, print_style.save
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            SampleRecords, "split_ids", lambda self, split: asked.add(split) or split_ids(self, split)
        )
        patch.setattr(
            print_style, "save", lambda figure, *a: drawn.setdefault(a[1], figure) and save(figure, *a)
        )
        folders = [tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")]
        claims = [
            {name: paper_figures.FIGURES[name](sources, folder / name) for name in names}
            for folder, names in zip(folders, (paper_figures.FIGURES, TWICE), strict=True)
        ]
    return folders, claims, drawn, asked


@pytest.mark.parametrize("name", paper_figures.FIGURES)
def test_every_figure_fits_a_column_and_comes_with_its_numbers(built, name):
    folder = built[0][0] / name
    width = INCH_WIDE[name]
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", (folder / f"{name}.pdf").read_bytes())
    assert float(box.group(1)) == pytest.approx(72 * width, abs=0.1)
    assert float(box.group(2)) < 72 * 9
    with Image.open(folder / f"{name}.png") as picture:
        assert picture.width == round(300 * width)
    assert len(pd.read_csv(folder / f"{name}.csv")) > 0


def test_the_same_runs_give_the_same_bytes(built):
    (first, second), (claims, again), _, _ = built
    names = sorted(path.relative_to(second) for path in second.rglob("*.*"))
    assert len(names) == 3 * len(TWICE)
    assert [n for n in names if (first / n).read_bytes() != (second / n).read_bytes()] == []
    assert {name: claims[name] for name in TWICE} == again
    assert all(claims.values())


@pytest.mark.parametrize("name", paper_figures.FIGURES)
def test_no_text_is_too_small_and_outer_axes_name_their_unit(built, name):
    figure = built[2][name]
    texts = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    assert min(t.get_fontsize() for t in texts) >= 7
    labels = {a.get_xlabel() for a in figure.axes} | {a.get_ylabel() for a in figure.axes}
    expected = (
        {"true class", "predicted class"} if name == "fig4" else {label for label in labels if "(" in label}
    )
    assert labels - {""} == expected and len(expected) >= 2


def test_lines_of_one_panel_differ_without_colour(built):
    for name in ("fig5", "fig6", "fig9"):
        for axis in built[2][name].axes:
            looks = [(line.get_linestyle(), line.get_linewidth()) for line in axis.lines]
            assert len(set(looks)) == len(looks)


def test_the_test_split_stays_closed(built):
    assert built[3] == {"train", "val"}


def test_every_figure_says_what_it_needs():
    assert set(paper_figures.NEEDS) == set(paper_figures.TITLES) == set(paper_figures.FIGURES)


@pytest.mark.parametrize("name", ["fig4", "fig5", "fig6", "fig7", "fig9"])
def test_an_unfinished_run_is_one_clear_error(sources, tmp_path, name):
    empty = Sources(sources.cfg, {"unet_paper": tmp_path, "yolo": tmp_path})
    with pytest.raises(Exception, match=re.escape(str(tmp_path))):
        paper_figures.FIGURES[name](empty, tmp_path / "out")


# Crops --------------------------------------------------------------------------------------------


def test_axes_of_a_crop_are_seconds_and_millivolt(sources):
    """Every vertex of the drawn line lies where its time and its amplitude say."""
    for crop in crop_axes.validation_crops(sources.cfg):
        left, right, bottom, top = crop_axes.extent(crop)
        height, width = crop.mask.shape
        x, y = crop.polyline.T
        time_s = left + (x + 0.5) / width * (right - left)
        np.testing.assert_allclose(time_s, np.arange(len(x)) / crop.fs_hz, atol=1e-9)
        np.testing.assert_allclose(top - (y + 0.5) / height * (top - bottom), crop.signal, atol=1e-9)


def test_the_sample_is_the_first_short_crossed_crop_with_enough_ink():
    long = hand_crop("long", other_rows=(1,), crossings=3, signal=np.zeros(1000))
    uncrossed = hand_crop("uncrossed", other_rows=(1, 2))
    touched = hand_crop("touched", crossings=1, overlap_px=1)  # 1 px of other ink to 20 px of the target's
    crossed = [hand_crop(name, other_rows=(1,), crossings=2) for name in ("first", "second")]
    assert crop_axes.sample_crop([long, uncrossed, touched, *crossed]).crop_id == "first"
    assert crop_axes.sample_crop([long, touched, uncrossed]).crop_id == "uncrossed"
    assert crop_axes.sample_crop([long]).crop_id == "long"


# Figure 3 -----------------------------------------------------------------------------------------


def test_what_an_augmentation_changed_is_counted_from_the_nearer_edge():
    image, mask = np.full((10, 8, 3), 255, np.uint8), np.zeros((10, 8), np.uint8)
    after, other = image.copy(), mask.copy()
    after[7:9, 2:5] = 0
    other[0, 0] = 1
    row = fig_samples._changes("x", (image, mask), (after, other))
    assert row == {
        "augmentation": "x",
        "image_px_changed": 6,
        "rows_changed": 2,
        "rows_from_edge": 3,
        "columns_changed": 3,
        "mask_px_changed": 1,
    }


def test_figure_3_shows_a_strip_of_30_px_and_two_lines_of_3_px(built):
    folders, (claims, _), _, _ = built
    rows = pd.read_csv(folders[0] / "fig3" / "fig3.csv").set_index("augmentation")
    assert rows.loc["none", "image_px_changed"] == 0
    assert 15 < rows.loc["OverlaySignal", "rows_from_edge"] <= 30
    assert rows.loc["OverlaySignal", "columns_changed"] > 128 / 3
    assert 3 <= rows.loc["AddVerticalLines", "columns_changed"] <= 6
    assert (rows["mask_px_changed"] == 0).all()
    assert claims["fig3"][0].holds


# Figure 4 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missed", "n", "holds"), [(58, 100, True), (5, 10, True), (20, 100, False), (90, 100, False)]
)
def test_58_percent_holds_where_the_interval_contains_it(no_drawing, tmp_path, missed, n, holds):
    write_confusion(tmp_path / "confusion.csv", n - missed, missed)
    write_facts(tmp_path, no_detection_share=missed / n, n_val_instances=n)
    (claim,) = fig_training.fig4(Sources(OmegaConf.create(), {"yolo": tmp_path}), tmp_path / "out")
    assert claim.holds is holds
    assert claim.ours.endswith(f"{missed} of {n}") and claim.ours.startswith(f"{100 * missed // n} %")
    if not holds:
        assert claim.why.startswith("fewer" if missed < 58 else "more")
        assert "12 epochs of 160 crops, started from: random" in claim.why


def test_confusion_is_normalised_over_the_true_class(no_drawing, tmp_path):
    write_confusion(tmp_path / "confusion.csv", 3, 1, invented=2)
    write_facts(tmp_path, no_detection_share=0.25, n_val_instances=4)
    fig_training.fig4(Sources(OmegaConf.create(), {"yolo": tmp_path}), tmp_path)
    rows = pd.read_csv(tmp_path / "fig4.csv").set_index(["predicted", "true"])["share_of_true"]
    assert rows["signal", "signal"] == 0.75 and rows["background", "signal"] == 0.25
    assert rows["signal", "background"] == 1 and rows["background", "background"] == 0


@pytest.mark.parametrize("line", ["ecg,signal,1", "signal,signal,4"])
def test_a_strange_confusion_matrix_is_refused(tmp_path, line):
    path = tmp_path / "confusion.csv"
    path.write_text(f"predicted,true,count\nsignal,signal,3\n{line}\n")
    with pytest.raises(DataError, match="each pair of signal and background once"):
        fig_training.read_confusion(path)


# Figures 5 and 6 ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("unet_iou", "holds"), [(0.4, True), (0.2, False)])
def test_yolo_is_compared_with_the_unet_of_the_same_profile(no_drawing, tmp_path, unet_iou, holds):
    folders = {name: tmp_path / name for name in ("yolo", "unet_paper")}
    for name, iou in (("yolo", 0.3), ("unet_paper", unet_iou)):
        folders[name].mkdir()
        write_epochs(folders[name] / "metrics.csv", val_iou=[0.1, iou, 0.15], val_loss=[1, 2, 3])
        write_facts(folders[name])
    (claim,) = fig_training.fig5(Sources(OmegaConf.create(), folders), tmp_path)
    assert claim.ours == f"0.300 in epoch 1 of 3; U-Net {unet_iou:.3f}"
    assert claim.holds is holds


@pytest.mark.parametrize(("value", "holds"), [(0.87, True), (0.86, False)])
def test_figure_6_reaches_the_paper_by_its_value(no_drawing, tmp_path, monkeypatch, value, holds):
    """The interval reaches 0.9 either way."""
    write_epochs(
        tmp_path / "metrics.csv", val_iou=[0.1, 0.2], train_iou=[0.1, 0.2], val_loss=[2, 1], train_loss=[2, 1]
    )
    iou = ValidationIou(value, (0.8, 0.9), 9, 5)
    monkeypatch.setattr(fig_training, "measured_once", lambda run: iou)
    monkeypatch.setattr(fig_training, "_why_unet", lambda run, epochs: "too short")
    claim = fig_training.fig6(Sources(OmegaConf.create(), {"unet_paper": tmp_path}), tmp_path)[0]
    assert claim.holds is holds and claim.why == ("" if holds else "too short")


@pytest.mark.parametrize(("last", "holds"), [(0.54, True), (0.5, True), (0.6, False)])
def test_a_validation_loss_that_rises_again_is_overfitting(last, holds):
    rows = pd.DataFrame({"epoch": [0, 1, 2], "val/loss": [1, 0.5, last], "val/iou": 0.5})
    claim = fig_training._overfitting(rows.assign(**{"train/loss": 0.4, "train/iou": 0.6}))
    assert claim.holds is holds
    if not holds:
        assert claim.why == "the validation loss rose by 20 % after epoch 1"


def test_epochs_cut_off_before_their_validation_are_left_out(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,train/loss,val/iou,val/loss\n0,1,0.5,1\n1,0.9,,\n")
    assert fig_training.read_epochs(path)["epoch"].tolist() == [0]
    path.write_text("epoch,train/loss,val/iou\n0,1,\n")
    with pytest.raises(DataError, match="no whole epoch"):
        fig_training.read_epochs(path)


def test_iou_is_that_of_pixels_pooled_over_windows(sources, monkeypatch):
    """Who takes everything for ink reaches the share of ink; whoever answers with the truth, 1."""
    monkeypatch.setattr(
        fig_training, "NetworkSegmenter", lambda *a, **k: lambda image: np.ones(image.shape[:2])
    )
    masks = []
    original = fig_training.CropDataset.__getitem__

    def remembering(self, index):
        sample = original(self, index)
        masks.append(sample["mask"].numpy())
        return sample

    monkeypatch.setattr(fig_training.CropDataset, "__getitem__", remembering)
    iou = fig_training.validation_iou(sources.run("unet_paper"))
    assert iou.value == pytest.approx(np.mean(masks))
    assert (iou.n_windows, iou.n_crops) == (len(masks), 3)
    assert iou.interval[0] <= iou.value <= iou.interval[1]
    answers = iter(list(masks))
    monkeypatch.setattr(fig_training, "NetworkSegmenter", lambda *a, **k: lambda image: next(answers)[0])
    assert fig_training.validation_iou(sources.run("unet_paper")).value == 1.0


# Figure 7 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kept", "chosen"), [((3, 7, 11, 19), [3, 19]), ((0, 9, 10), [0, 10]), ((3,), [3]), ((7, 5), [5, 7])]
)
def test_epoch_3_or_the_earliest_and_the_last(tmp_path, kept, chosen):
    (tmp_path / "epochs").mkdir()
    for epoch in kept:
        (tmp_path / "epochs" / f"epoch={epoch}.ckpt").touch()
    (tmp_path / "epochs" / "epoch=last.ckpt").touch()
    assert [c.epoch for c in fig_epochs.choose_epochs(tmp_path)] == chosen


def test_without_a_checkpoint_it_says_how_to_keep_one(tmp_path):
    with pytest.raises(DataError, match="keep_every_n_epochs=4"):
        fig_epochs.choose_epochs(tmp_path)


def test_a_checkpoint_predicts_as_the_network_that_it_was_made_from(sources, tmp_path):
    run = sources.run("unet_paper")
    image = np.random.default_rng(0).integers(0, 255, (40, 90, 3)).astype(np.uint8)
    checkpoint = next(c for c in fig_epochs.choose_epochs(run) if c.epoch == 3)
    found = fig_epochs.segmenter_of(checkpoint, run, tmp_path)(image)
    for seed in (3, 5):
        save_weights(random_network(seed), CARD, tmp_path / "own.safetensors")
        own = NetworkSegmenter(str(tmp_path / "own.safetensors"), precision="float32")(image)
        assert np.array_equal(found, own) == (seed == 3)


def test_other_leads_ink_taken_in_by_hand():
    """Of 40 px of others 20 lie on the target as well; 5 of the other 20 are taken in."""
    crop = hand_crop(target_rows=(4,), other_rows=(4, 7))
    ink = np.zeros((10, 20), bool)
    ink[4, :10] = ink[7, :5] = ink[0, :3] = True
    assert fig_epochs.share_taken_in(ink, crop) == 0.25
    assert fig_epochs.iou(ink, crop.mask) == 10 / 28
    assert fig_epochs.share_taken_in(ink, hand_crop()) == 0
    painted = fig_epochs._paint(ink, crop)
    colours = {
        name: tuple(painted[at]) for name, at in {"found": (4, 0), "other": (7, 0), "paper": (9, 9)}.items()
    }
    assert colours == {"found": (0, 0, 0), "other": (213, 94, 0), "paper": (255, 255, 255)}
    assert tuple(painted[4, 15]) == (86, 180, 233) and tuple(painted[0, 0]) == (200, 200, 200)


def test_the_crop_is_chosen_by_the_early_epoch_alone():
    rows = pd.DataFrame(
        [("a", 3, 10), ("a", 19, 500), ("b", 3, 30), ("b", 19, 0), ("c", 3, 20), ("c", 19, 90)],
        columns=["crop_id", "epoch", "other_px_taken_in"],
    )
    assert fig_epochs.choose_crop(rows, 3) == "b"


@pytest.mark.parametrize(
    ("early", "last", "holds"),
    [(0.5, 0.0, [True, True]), (0.5, 0.2, [True, False]), (0.3, 0.3, [False, False])],
)
def test_claims_on_planted_shares(early, last, holds):
    """20 crops of 10 records; half have much ink of others, and the last epoch errs there alone."""
    rows = []
    for i in range(20):
        dense = i % 2
        ids = {
            "crop_id": f"c{i:02d}",
            "record_id": f"r{i // 2}",
            "target_px": 100,
            "other_px": 60 if dense else 10,
        }
        rows += [{**ids, "epoch": 3, "share_taken_in": early + 0.01 * (i % 3)}]
        rows += [
            {
                **ids,
                "epoch": 19,
                "share_taken_in": 2 * last * dense if last != early else early + 0.01 * (i % 3),
            }
        ]
    first, second = fig_epochs._claims(pd.DataFrame(rows), [3, 19], "c01", "20 epochs of 160 crops")
    assert [first.holds, second.holds] == holds
    assert f"epoch 3 {early + 0.01 * np.mean([i % 3 for i in range(20)]):.3f}" in first.ours
    if last == 0.2:
        assert "takes in 40 % where other leads have more than a quarter" in second.why
        assert "(10 crops), 0 % elsewhere" in second.why and "under 5 % in 10 of them" in second.ours


def test_one_checkpoint_alone_claims_nothing():
    rows = pd.DataFrame(
        {
            "crop_id": ["a"],
            "record_id": ["r"],
            "epoch": [0],
            "share_taken_in": [0.1],
            "target_px": 9,
            "other_px": 9,
        }
    )
    (claim,) = fig_epochs._claims(rows, [0], "a", "")
    assert claim.holds is None
