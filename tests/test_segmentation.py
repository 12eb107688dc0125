"""Losses by hand, weights there and back, the network as a function of a picture."""

import math
from dataclasses import replace

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from safetensors.torch import save_file
from torch.fx.experimental.optimization import fuse

from ecgtrace.errors import WeightsError
from ecgtrace.segmentation.segmenter import NetworkSegmenter
from ecgtrace.segmentation.unet import FROM_FILE, UNet
from ecgtrace.segmentation.weights import WeightsCard, load_weights, read_card, resolve, save_weights
from ecgtrace.training.losses import BceDiceLoss, dice_loss
from ecgtrace.training.module import trapezoid

CARD = WeightsCard("unet", "resnet18", 64, 128, 2.5, "random", {"best_val_iou": 0.5})


def logits_of(probability):
    p = torch.tensor(probability, dtype=torch.float64)
    return torch.log(p / (1 - p)).reshape(1, 1, 1, -1)


def test_dice_by_hand():
    """2 * (0.9 + 0.8) + 1 over 0.9 + 0.8 + 0.3 + 0.1 + 2 + 1."""
    target = torch.tensor([1.0, 1, 0, 0]).reshape(1, 1, 1, 4)
    loss = dice_loss(logits_of([0.9, 0.8, 0.3, 0.1]), target, smooth_px=1.0)
    assert loss.item() == pytest.approx(1 - 4.4 / 5.1)


def test_dice_of_an_empty_target_punishes_invented_ink():
    """There, the Dice of smp gives 0 for any prediction."""
    target = torch.zeros(1, 1, 10, 10)
    nothing = dice_loss(torch.full((1, 1, 10, 10), -30.0), target).item()
    everything = dice_loss(torch.full((1, 1, 10, 10), 30.0), target).item()
    assert nothing == pytest.approx(0, abs=1e-6)
    assert everything == pytest.approx(1 - 1 / 101)


def test_dice_averages_crops_not_pixels():
    """A crop with much ink must not outweigh one with little."""
    logits = torch.full((2, 1, 1, 100), -30.0)
    target = torch.zeros(2, 1, 1, 100)
    target[0] = 1  # missed altogether: loss 1 - 1 / 101
    assert dice_loss(logits, target).item() == pytest.approx((1 - 1 / 101) / 2, abs=1e-6)


def test_loss_is_the_weighted_sum():
    logits, target = logits_of([0.8, 0.4]), torch.tensor([1.0, 0]).reshape(1, 1, 1, 2)
    bce = -(math.log(0.8) + math.log(0.6)) / 2
    dice = 1 - (1.6 + 1) / (1.2 + 1 + 1)
    assert BceDiceLoss(0.3, 0.7)(logits, target).item() == pytest.approx(0.3 * bce + 0.7 * dice, rel=1e-6)


def test_learning_rate_without_warmup_and_decay_is_constant():
    assert {trapezoid(step, 100, 0, 0) for step in range(100)} == {1.0}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return UNet("resnet18", encoder_weights=None).eval()


@pytest.fixture
def weights(network, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(network, CARD, path)
    return path


def test_weights_come_back_in_half_precision(network, weights):
    other = UNet("resnet18", encoder_weights=None).eval()
    assert load_weights(other, weights) == CARD == read_card(weights)
    image = torch.rand(1, 3, 64, 128)
    with torch.inference_mode():
        torch.testing.assert_close(other(image), network(image), rtol=0.02, atol=0.02)
    half = 2 * sum(p.numel() for p in network.parameters())
    assert half < weights.stat().st_size < 1.02 * half


def test_weights_of_another_network_are_refused(weights, tmp_path):
    with pytest.raises(WeightsError, match="weights of another network"):
        load_weights(UNet("resnet34", encoder_weights=None), weights)
    foreign = tmp_path / "foreign.safetensors"
    save_file({"a": torch.zeros(3)}, foreign)
    with pytest.raises(WeightsError, match=r"was not written by ecgtrace's train\.py"):
        read_card(foreign)
    text = tmp_path / "text.safetensors"
    text.write_text("no weights")
    with pytest.raises(WeightsError, match="not a safetensors file"):
        read_card(text)
    with pytest.raises(WeightsError, match="no weights at"):
        read_card(tmp_path / "missing.safetensors")
    with pytest.raises(WeightsError, match="there are: unet"):
        resolve("shipped:vit")


def test_a_hub_that_cannot_be_reached_is_recorded(monkeypatch, caplog):
    original = smp.Unet

    def offline(*args, **kwargs):
        if kwargs["encoder_weights"] is not None:
            raise OSError("no route to host\nmore")
        return original(*args, **kwargs)

    monkeypatch.setattr(smp, "Unet", offline)
    assert UNet("resnet18").started_from == "random (imagenet could not be fetched)"
    assert "no route to host; starting at random" in caplog.text


def test_a_file_is_read_by_the_same_network_without_smp():
    """Of the shipped weights, logit for logit, as the segmenter fuses them too."""
    channels = read_card(resolve("shipped")).channels
    networks = [UNet("resnet34", start, channels) for start in (None, FROM_FILE)]
    image = torch.from_numpy(np.random.default_rng(0).random((1, 3, 64, 96), np.float32))
    for network in networks:
        load_weights(network, resolve("shipped"))
    with torch.inference_mode():
        of_smp, own = (network.eval()(image) for network in networks)
        fused = [fuse(network)(image) for network in networks]
    assert not isinstance(networks[1].network, smp.Unet)
    assert torch.equal(own, of_smp)
    assert torch.equal(*fused)


def test_normalisation_is_imagenets(network):
    grey = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1).expand(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(network(grey), network.network(torch.zeros(1, 3, 64, 64)))


def test_segmenter_gives_a_probability_at_the_size_of_the_picture(weights):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (75, 203, 3)).astype(np.uint8)
    segmenter = NetworkSegmenter(str(weights), device="cpu")
    probability = segmenter(image)
    assert probability.shape == (75, 203)
    assert probability.dtype == np.float32
    assert 0 <= probability.min() < probability.max() <= 1
    assert segmenter.model.startswith("unet:")


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 0.005), ("bfloat16", 0.05)])
def test_segmenter_computes_what_the_network_does(network, weights, precision, tolerance):
    """Folding and half precision of the file move a probability by little, bfloat16 by a few hundredths."""
    image = np.random.default_rng(0).integers(0, 255, (64, 128, 3)).astype(np.uint8)
    with torch.inference_mode():
        expected = torch.sigmoid(network(torch.from_numpy(image)[None].permute(0, 3, 1, 2) / 255))[0, 0]
    segmenter = NetworkSegmenter(str(weights), device="cpu", precision=precision)
    np.testing.assert_allclose(segmenter(image), expected, atol=tolerance)


def test_long_leads_are_seen_through_windows(weights):
    """A picture of 5 s gives the same as its two halves."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (75, 400, 3)).astype(np.uint8)
    segmenter = NetworkSegmenter(str(weights), device="cpu")
    whole = segmenter(image, duration_s=5.0)
    halves = [segmenter(np.ascontiguousarray(half)) for half in (image[:, :200], image[:, 200:])]
    np.testing.assert_array_equal(whole, np.hstack(halves))


def test_weights_of_another_kind_of_network_are_refused(network, tmp_path):
    path = tmp_path / "yolo.safetensors"
    save_weights(network, replace(CARD, network="yolo"), path)
    with pytest.raises(WeightsError, match="holds a yolo; this segmenter runs a unet"):
        NetworkSegmenter(str(path))(np.zeros((64, 64, 3), np.uint8))
