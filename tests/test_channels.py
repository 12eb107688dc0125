"""A network may mark the neighbours' ink beside the target's."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ecgtrace.datasets.drawn import DrawnCrops, Sheet
from ecgtrace.datasets.windowed import WindowedCrops
from ecgtrace.drawing.style import PageStyle
from ecgtrace.errors import ConfigError, DataError, WeightsError
from ecgtrace.records.sample import SampleRecords
from ecgtrace.segmentation.segmenter import NetworkSegmenter
from ecgtrace.segmentation.unet import UNet
from ecgtrace.segmentation.weights import CHANNELS, WeightsCard, load_weights, save_weights
from ecgtrace.training.dataset import CropDataset
from ecgtrace.training.losses import dice_loss


@pytest.fixture(scope="module")
def crop():
    return DrawnCrops(SampleRecords(), PageStyle(), (Sheet("3x4"),), "all", 0, 1, seed=2)[0]


def saved(network, path, channels):
    card = WeightsCard("unet", "resnet18", 64, 128, 2.5, "random", channels=channels)
    save_weights(network, card, path)
    return path


def test_the_second_channel_is_all_other_ink(crop):
    item = CropDataset([crop], *crop.mask.shape, channels=CHANNELS)[0]
    np.testing.assert_array_equal(item["mask"][0], crop.mask)
    np.testing.assert_array_equal(item["mask"][1], crop.other_mask | crop.printed_mask)
    assert (crop.printed_mask > crop.other_mask).any()
    assert CropDataset([crop], *crop.mask.shape)[0]["mask"].shape[0] == 1


def test_windows_keep_both_masks(crop):
    long = replace(crop, signal=np.tile(crop.signal, 4))
    windows = WindowedCrops([long])
    joined = np.concatenate([windows[i].other_mask for i in range(len(windows))], axis=1)
    assert len(windows) > 1
    np.testing.assert_array_equal(joined, crop.other_mask)


def test_crops_that_do_not_know_their_neighbours_are_refused(crop):
    data = CropDataset([replace(crop, other_mask=None)], 32, 64, channels=CHANNELS)
    with pytest.raises(DataError, match="channels="):
        data[0]


def test_unknown_channels_are_refused():
    with pytest.raises(ConfigError, match="choose"):
        UNet("resnet18", None, channels=["other"])


def test_the_first_channel_comes_from_a_network_of_one(tmp_path):
    """The image's logits of the target are the same; those of the neighbours are new."""
    one, two = UNet("resnet18", None).eval(), UNet("resnet18", None, CHANNELS).eval()
    path = saved(one, tmp_path / "one.safetensors", CHANNELS[:1])
    load_weights(one, path)  # the same rounding to half precision
    with pytest.raises(WeightsError, match="another network"):
        load_weights(two, path)
    load_weights(two, path, fit_head=True)
    image = torch.rand(1, 3, 64, 128, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(two(image)[:, :1], one(image), atol=1e-4, rtol=1e-4)
        assert two(image).shape[1] == 2
    narrow = UNet("resnet18", None)
    load_weights(narrow, saved(two, tmp_path / "two.safetensors", CHANNELS), fit_head=True)
    with torch.inference_mode():
        torch.testing.assert_close(narrow.eval()(image), two(image)[:, :1], atol=1e-3, rtol=1e-3)


def test_dice_judges_each_channel_by_itself():
    """One perfect and one empty where all is ink: 0 and nearly 1."""
    target = torch.zeros(1, 2, 8, 8)
    target[:, :, :4] = 1
    logits = torch.where(target > 0, 20.0, -20.0)
    logits[:, 1] = -20.0
    assert dice_loss(logits, target).item() == pytest.approx((0 + 1 - 1 / 33) / 2, abs=1e-3)


def test_a_segmenter_gives_all_channels(tmp_path):
    path = saved(UNet("resnet18", None, CHANNELS), tmp_path / "two.safetensors", CHANNELS)
    segmenter = NetworkSegmenter(str(path), precision="float32")
    image = np.random.default_rng(0).integers(0, 255, (50, 300, 3), dtype=np.uint8)
    both = segmenter.channels(image, duration_s=5.0)
    assert both.shape == (2, 50, 300)
    np.testing.assert_array_equal(segmenter(image, duration_s=5.0), both[0])
    assert segmenter.card.channels == CHANNELS


def test_the_shipped_network_marks_both():
    assert tuple(NetworkSegmenter().card.channels) == CHANNELS
