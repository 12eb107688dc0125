"""The page network: its maps, scale, names, weights, and what it reaches on drawn pages."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from torch.utils.data import default_collate

from ecgtrace.drawing.page_truth import NAME_CLASSES as TAUGHT
from ecgtrace.drawing.page_truth import TARGET_PX_PER_MM
from ecgtrace.errors import ConfigError, WeightsError
from ecgtrace.page_ink.maps import MAP_PX_PER_MM, NAME_CLASSES, PageMaps
from ecgtrace.page_ink.names import names_found
from ecgtrace.page_ink.network import PageNetwork, to_map_scale
from ecgtrace.page_ink.unet import PageUNet, as_input, pad
from ecgtrace.page_ink.weights import load_page_network, resolve, save_page_weights
from ecgtrace.training.page_losses import name_heat
from ecgtrace.training.page_scores import PageScores
from ecgtrace.training.page_tiles import as_tensors, small_page, tile_at

ROOT = Path(__file__).resolve().parents[1]
SMALL = (8, 8, 8, 8, 8)


def empty_maps(height=80, width=120, page_px=(1.0, 1.0)):
    ink = {
        name: np.zeros((height, width), np.float32)
        for name in ("trace", "pulse", "bar", "text", "row_offset_mm")
    }
    return PageMaps(**ink, names=np.zeros((len(NAME_CLASSES), height, width), np.float32), page_px=page_px)


@pytest.fixture
def network(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "tiny.safetensors"
    save_page_weights(PageUNet(SMALL, blocks=1), {"steps": 0}, path)
    return PageNetwork(str(path), device="cpu")


def test_pages_are_drawn_with_the_classes_and_the_scale_that_are_read():
    assert TAUGHT == NAME_CLASSES
    assert TARGET_PX_PER_MM == MAP_PX_PER_MM


def test_maps_have_four_px_per_mm_whatever_the_page_has(network):
    page = np.full((301, 500, 3), 255, np.uint8)  # 50.17 mm x 62.5 mm
    maps = network(page, px_per_mm_x=8.0, px_per_mm_y=6.0)
    assert maps.trace.shape == maps.row_offset_mm.shape == (201, 250)
    assert maps.names.shape == (14, 201, 250)
    assert maps.trace.dtype == maps.names.dtype == np.float32
    assert 0 <= maps.names.min() <= maps.names.max() <= 1
    assert maps.page_px == pytest.approx((2.0, 1.5), rel=0.01)


def test_a_mark_on_the_page_lies_where_the_maps_say(network):
    """A planted dot, brought to the maps' scale, and back by `to_page`."""
    page = np.full((700, 900, 3), 255, np.uint8)
    page[401:410, 601:610] = 0  # centre (605, 405)
    small = to_map_scale(page, 10.0, 7.0)
    y, x = np.average(np.indices(small.shape[:2]).reshape(2, -1), axis=1, weights=255 - small[..., 0].ravel())
    back = network(page, 10.0, 7.0).to_page(np.array([[x, y]]))
    np.testing.assert_allclose(back, [[605, 405]], atol=0.3)


def test_px_of_page_and_maps_undo_each_other():
    maps = empty_maps(page_px=(2.5, 1.25))
    np.testing.assert_allclose(maps.to_page(np.array([[0.0, 0.0]])), [[0.75, 0.125]])
    points = np.array([[3.0, 7.0], [40.5, 2.25]])
    np.testing.assert_allclose(maps.from_page(maps.to_page(points)), points)


@pytest.mark.parametrize("scale", [(0.0, 4.0), (4.0, -1.0), (0.01, 0.01), (400.0, 400.0)])
def test_a_scale_that_no_page_has_is_refused(scale):
    with pytest.raises(ConfigError, match="scale"):
        to_map_scale(np.full((600, 800, 3), 255, np.uint8), *scale)


def test_maps_of_other_shapes_are_refused():
    with pytest.raises(ConfigError, match="names must have shape"):
        PageMaps(**{**vars(empty_maps()), "names": np.zeros((14, 3, 3), np.float32)})


def test_planted_names_are_found_where_they_stand():
    names = torch.tensor([[[6, 30.0, 20.0], [3, 81.0, 50.5], [-1, -1, -1]]])
    heat = torch.nn.functional.interpolate(name_heat(names, (20, 30)), scale_factor=4.0, mode="bilinear")
    maps = PageMaps(**{**vars(empty_maps()), "names": heat[0].numpy()})
    found = sorted(names_found(maps), key=lambda name: name.x)
    assert [name.name for name in found] == ["V1", "aVR"]
    np.testing.assert_allclose([(n.x, n.y) for n in found], [(30, 20), (81, 50.5)], atol=2)
    assert all(name.score > 0.7 for name in found)


def test_of_two_readings_of_one_name_the_better_is_kept():
    maps = empty_maps()
    maps.names[7, 40, 60], maps.names[8, 41, 63], maps.names[8, 40, 90] = 0.9, 0.6, 0.5
    assert [(n.name, n.x) for n in names_found(maps)] == [("V2", 60), ("V3", 90)]
    assert names_found(maps, least_score=0.95) == []


def test_weights_come_back_in_half_precision(tmp_path):
    torch.manual_seed(1)
    network, path = PageUNet(SMALL, blocks=2), tmp_path / "w.safetensors"
    save_page_weights(network, {"steps": 7}, path)
    loaded, card = load_page_network(path)
    assert (card.widths, card.blocks, card.training) == (SMALL, 2, {"steps": 7})
    for name, value in network.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, atol=1e-3, rtol=1e-3)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(WeightsError, match="no page weights"):
        load_page_network(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_bytes(b"no weights at all")
    with pytest.raises(WeightsError, match="not a safetensors file"):
        load_page_network(tmp_path / "text.safetensors")


def test_the_weights_of_a_lead_are_no_page_network():
    from ecgtrace.segmentation.weights import resolve as of_a_lead

    with pytest.raises(WeightsError, match="holds no page network"):
        load_page_network(of_a_lead("shipped"))


def test_padding_continues_the_edge():
    image = torch.rand(1, 3, 40, 64)
    padded = pad(image)
    assert padded.shape == (1, 3, 64, 64)
    torch.testing.assert_close(padded[:, :, 63], image[:, :, 39])
    torch.testing.assert_close(padded[:, :, :40], image)


def test_batch_normalisation_is_folded_without_a_change(network, tmp_path):
    page = (np.random.default_rng(0).random((128, 160, 3)) * 255).astype(np.uint8)
    plain, _ = load_page_network(resolve(network.weights))
    with torch.inference_mode():
        ink = plain(torch.from_numpy(page)[None].permute(0, 3, 1, 2) / 255)[0].softmax(1)[0, 1].numpy()
    np.testing.assert_allclose(network(page, 4.0, 4.0).trace, ink, atol=1e-4)


def test_the_shipped_network_sees_what_its_card_says():
    """A floor that the file of before missed, whose depth an infinity had switched off."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        cfg = compose("train", ["model=page", "printer=mixed"])
    pages = instantiate(cfg.model.pages.val, _convert_="object")
    tiles = default_collate([as_tensors(tile) for tile in map(tile_of(pages), range(12))])
    network, _ = load_page_network(resolve("shipped"))
    scores = PageScores()
    with torch.inference_mode():
        scores.add(network(as_input(tiles["image"])), tiles)
    found = scores.metrics()
    assert found["iou_trace"] > 0.7
    assert found["iou_bar"] > 0.5
    assert found["iou_pulse"] > 0.4
    assert found["names_recall"] > 0.75


def tile_of(pages):
    return lambda index: tile_at(small_page(pages[index]), 0, 40, 416, 640)
