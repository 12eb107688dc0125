"""Crops come to the network's size and back: planted shapes return to where they were."""

import json

import albumentations as A
import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ecgtrace.errors import ConfigError
from ecgtrace.segmentation.resize import RESIZES, fit_image, from_canvas, place, resize_image, resize_mask
from ecgtrace.segmentation.segmenter import NetworkSegmenter
from ecgtrace.segmentation.weights import WeightsCard, read_card
from ecgtrace.training.augment import OverlaySignal, compose
from ecgtrace.training.dataset import CropDataset
from ecgtrace.types import LeadCrop

CANVAS = (192, 512)
SHAPES = [(205, 1004), (96, 1005), (600, 1004), (64, 300), (800, 200), (192, 512)]


def planted(height, width):
    """Return a picture on white paper, black in two discs and a sloping bar, and where it is black."""
    image = np.full((height, width, 3), 255, np.uint8)
    for x in (0.25, 0.8):
        cv2.circle(image, (int(x * width), height // 2), height // 4, (0, 0, 0), -1)
    cv2.line(image, (int(0.4 * width), 10), (int(0.6 * width), height - 11), (0, 0, 0), 9)
    return image, image[..., 0] == 0


def centre(mask):
    return np.array([axis.mean() for axis in np.nonzero(mask)])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("resize", RESIZES)
def test_a_planted_shape_comes_back(resize, shape):
    """
    To a fraction of a pixel of the canvas in its centre, and with the ink that it had.

    Where stretching shrinks one side and enlarges the other, OpenCV does not average over areas, and shapes
    move by up to a quarter of a pixel; that is how the shipped weights were trained.
    """
    image, ink = planted(*shape)
    canvas = fit_image(image, *CANVAS, resize)
    assert canvas.shape == (*CANVAS, 3)
    back = from_canvas(1 - canvas[..., 0].astype(np.float32) / 255, resize, shape)
    assert back.shape == shape
    found = back >= 0.5
    assert (found & ink).sum() / (found | ink).sum() > 0.9
    px = max(shape[1] / CANVAS[1], shape[0] / CANVAS[0], 1)
    np.testing.assert_allclose(centre(found), centre(ink), atol={"keep": 0.05, "stretch": 0.25}[resize] * px)


@pytest.mark.parametrize("shape", SHAPES)
def test_keeping_the_scale_leaves_a_disc_round(shape):
    image = np.full((*shape, 3), 255, np.uint8)
    cv2.circle(image, (shape[1] // 2, shape[0] // 2), min(shape) // 3, (0, 0, 0), -1)
    across = {}
    for resize in RESIZES:
        rows, columns = np.nonzero(fit_image(image, *CANVAS, resize)[..., 0] < 128)
        across[resize] = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert across["keep"][0] == pytest.approx(across["keep"][1], abs=1)
    if shape != CANVAS:
        assert across["stretch"][0] != pytest.approx(across["stretch"][1], rel=0.05)


def test_kept_crops_fill_one_side_and_lie_in_the_middle():
    rng = np.random.default_rng(0)
    for crop in rng.integers(20, 2000, (200, 2)):
        where = place("keep", tuple(crop), CANVAS)
        assert where.width == CANVAS[1] or where.height == CANVAS[0]
        assert where.height <= CANVAS[0] and where.width <= CANVAS[1]
        factor = min(CANVAS[0] / crop[0], CANVAS[1] / crop[1])
        assert where.height == pytest.approx(max(1, crop[0] * factor), abs=0.5)
        assert where.width == pytest.approx(max(1, crop[1] * factor), abs=0.5)
        below = CANVAS[0] - where.top - where.height
        right = CANVAS[1] - where.left - where.width
        assert below - where.top in (0, 1) and right - where.left in (0, 1)


def test_stretching_is_what_it_was():
    """Weights were trained with this: the whole canvas, OpenCV's area average, and its linear way back."""
    image, _ = planted(205, 1004)
    np.testing.assert_array_equal(fit_image(image, 128, 512), resize_image(image, 128, 512))
    by_opencv = cv2.resize(image, (512, 128), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(fit_image(image, 128, 512), by_opencv)
    logit = np.random.default_rng(0).normal(size=(128, 512)).astype(np.float32)
    back = cv2.resize(logit, (1004, 205), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(from_canvas(logit, "stretch", (205, 1004)), back)


def test_another_way_is_refused():
    with pytest.raises(ConfigError, match="choose one of: stretch, keep"):
        CropDataset([], 64, 64, resize="squeeze")


def lead(shape):
    image, ink = planted(*shape)
    image = np.where(image == 255, np.uint8(200), image)  # grey paper, so that what is laid around shows
    return LeadCrop(image, ink.astype(np.uint8), np.zeros(250), 100.0, "a", "a", "II", "3x4", 15.6)


def test_paper_around_a_crop_is_clean_and_without_ink():
    """Whatever the augmentation does; it reaches all of the crop itself."""
    crops = [lead((205, 1004)), lead((260, 1004))]
    noise = compose([A.GaussNoise(std_range=(0.2, 0.2), p=1.0), OverlaySignal(height_px=30, p=1.0)])
    sample = CropDataset(crops, *CANVAS, noise, resize="keep")[0]
    rows, columns = place("keep", (205, 1004), CANVAS).on_canvas
    inside = np.zeros(CANVAS, bool)
    inside[rows, columns] = True
    assert (sample["image"].numpy()[:, ~inside] == 1).all()
    assert (sample["mask"].numpy()[0][~inside] == 0).all()
    assert (sample["image"].numpy()[:, inside] != 1).mean() > 0.9
    clean = CropDataset(crops, *CANVAS, resize="keep")[0]
    torch.testing.assert_close(sample["mask"], clean["mask"])
    ink = clean["image"].numpy()[0] < 0.4
    assert (ink & (clean["mask"].numpy()[0] == 1)).sum() / ink.sum() > 0.95


def test_a_strip_of_another_lead_enters_at_the_edge_of_the_crop():
    dark = np.zeros((100, 1004, 3), np.uint8)
    crops = [
        lead((205, 1004)),
        LeadCrop(dark, dark[..., 0], np.zeros(250), 100.0, "b", "b", "II", "3x4", 15.6),
    ]
    overlay = compose([OverlaySignal(height_px=30, p=1.0)])
    where = place("keep", (205, 1004), CANVAS)
    seen = set()
    for seed in range(16):  # the other crop, and the edge, are drawn
        image = CropDataset(crops, *CANVAS, overlay, seed=seed, resize="keep")[0]["image"].numpy()[0]
        black = np.flatnonzero((image == 0).all(axis=1))
        if len(black):
            seen.add((black[0], black[-1]))
    assert seen == {
        (where.top, where.top + 29),
        (where.top + where.height - 30, where.top + where.height - 1),
    }


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize(
    ("shape", "duration_s"), [((205, 1004), 2.5), ((205, 4004), 10.0), ((700, 1004), 2.5)]
)
def test_inference_puts_ink_where_it_is(resize, shape, duration_s, monkeypatch):
    """A network that knows black from white: what comes out at the crop's size lies on what is black."""
    image, ink = planted(*shape)
    card = WeightsCard("unet", "resnet18", *CANVAS, 2.5, "random", resize=resize)
    monkeypatch.setattr(NetworkSegmenter, "card", card)
    monkeypatch.setattr(
        NetworkSegmenter, "_logits", lambda self, small: 20 * (0.5 - small[None, ..., 0] / np.float32(255))
    )
    probability = NetworkSegmenter()(image, duration_s)
    assert probability.shape == shape
    found = probability >= 0.5
    assert (found & ink).sum() / (found | ink).sum() > 0.9
    np.testing.assert_allclose(centre(found), centre(ink), atol=1)


def test_weights_that_do_not_say_were_trained_on_stretched_crops(tmp_path):
    card = {"network": "unet", "encoder": "resnet18", "height": 64, "width": 128, "window_s": 2.5}
    path = tmp_path / "old.safetensors"
    metadata = {"format": "ecgtrace-weights-1", "card": json.dumps({**card, "started_from": "random"})}
    save_file({"a": torch.zeros(1)}, path, metadata=metadata)
    assert read_card(path).resize == "stretch"


def test_a_thin_line_stays_in_the_mask_where_a_smaller_share_counts():
    """Three px of twelve: a quarter of a pixel of the result."""
    mask = np.zeros((48, 48), np.uint8)
    mask[17:20] = 1
    assert resize_mask(mask, 4, 4).sum() == 0
    assert resize_mask(mask, 4, 4, 0.2)[1].all()
