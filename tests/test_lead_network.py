"""The lead network: what it is told of a page, its weights, its crops, its training, what it reaches."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from numpy.testing import assert_allclose, assert_array_equal

from ecgtrace import training
from ecgtrace.drawing.page_truth import page_targets, row_inks
from ecgtrace.errors import WeightsError
from ecgtrace.page_ink.lead_hints import HINTS, lead_hints
from ecgtrace.page_ink.lead_network import (
    LeadCard,
    LeadNetwork,
    load_lead_network,
    save_lead_weights,
)
from ecgtrace.page_ink.lead_unet import LeadUNet
from ecgtrace.page_ink.maps import INK_CLASSES, MAP_PX_PER_MM, PageMaps
from ecgtrace.page_ink.unet import PageUNet
from ecgtrace.training.lead_crops import LeadCrops, page_crops

ROOT = Path(__file__).resolve().parents[1]
SMALL = (8, 8, 8, 8, 8)
HEIGHT, WIDTH = 96, 160


def maps_of(trace, page_px=(2.0, 2.0), **others):
    nothing = np.zeros(trace.shape, np.float32)
    kinds = {"pulse": nothing, "bar": nothing, "text": nothing, "row_offset_mm": nothing, **others}
    return PageMaps(trace, **kinds, names=np.zeros((14, *trace.shape), np.float32), page_px=page_px)


def two_rows(page_px=(2.0, 2.0)):
    """Maps with a row along y = 20 and one along y = 60, and print in a corner."""
    trace, text = np.zeros((80, 120), np.float32), np.zeros((80, 120), np.float32)
    trace[20], trace[60], text[2:6, 2:10] = 0.9, 0.8, 1.0
    rows = [np.zeros((80, 120), np.bool_) for _ in range(2)]
    rows[0][20], rows[1][60] = True, True
    return maps_of(trace, page_px, text=text), rows


def test_hints_say_which_ink_is_the_rows_and_which_is_not():
    maps, rows = two_rows()
    first, second = lead_hints(maps, rows, [22.0, 60.0])
    told = first.on_piece(0, 0, (160, 240), (80, 120))  # a px of the result to one of the maps
    by_name = dict(zip(HINTS, told, strict=True))
    assert_allclose(by_name["trace"][[20, 60]], np.repeat([[0.9], [0.8]], 120, 1), atol=1e-6)
    assert_array_equal(np.flatnonzero(by_name["own"].any(axis=1)), [20])
    assert_array_equal(np.flatnonzero(by_name["others"].any(axis=1)), [60])
    assert by_name["print"].sum() == 4 * 8
    assert by_name["height"][22, 5] == pytest.approx(0, abs=1e-6)
    assert by_name["height"][2, 5] == pytest.approx(20 / MAP_PX_PER_MM / 20)  # 5 mm above, of 20
    assert second.on_piece(0, 0, (160, 240), (80, 120))[1][60].all()


@pytest.mark.parametrize("page_px", [(2.0, 2.0), (2.93, 1.47)])
@pytest.mark.parametrize(("left", "top"), [(0, 0), (37, 21)])
def test_hints_lie_on_a_piece_where_they_lie_on_the_page(page_px, left, top):
    """A dot of the maps, on any piece of a page of any resolution, at twice the resolution of the maps."""
    trace = np.zeros((80, 120), np.float32)
    trace[40, 60] = 1.0
    maps = maps_of(trace, page_px)
    ((x, y),) = maps.to_page(np.array([[60.0, 40.0]])).tolist()
    shape = (round(60 * page_px[1]), round(90 * page_px[0]))
    size = (round(2 * shape[0] / page_px[1]), round(2 * shape[1] / page_px[0]))
    seen = lead_hints(maps, [trace > 0], [40.0])[0].on_piece(left, top, shape, size)[0]
    rows, columns = np.indices(size)
    at = [float((part * seen).sum() / seen.sum()) for part in (columns, rows)]
    to_page = [(v + 0.5) * n / m - 0.5 for v, n, m in zip(at, shape[::-1], size[::-1], strict=True)]
    assert_allclose(to_page, [x - left, y - top], atol=0.1)


def test_weights_come_back_and_others_are_refused(tmp_path):
    torch.manual_seed(1)
    network, path = LeadUNet(SMALL, blocks=1), tmp_path / "w.safetensors"
    save_lead_weights(network, {"steps": 7}, path)
    loaded, card = load_lead_network(path)
    assert (card.widths, card.blocks, card.training) == (SMALL, 1, {"steps": 7})
    for name, value in network.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, atol=1e-3, rtol=1e-3)
    from ecgtrace import weights_file
    from ecgtrace.page_ink.lead_network import FORMAT

    other = tmp_path / "other.safetensors"
    weights_file.write(network, LeadCard("lead_unet", SMALL, 1, hints=("trace",)), FORMAT, other)
    with pytest.raises(WeightsError, match="train it anew"):
        load_lead_network(other)
    with pytest.raises(WeightsError, match="no lead weights"):
        load_lead_network(tmp_path / "none.safetensors")


def test_large_statistics_come_back_and_what_is_not_finite_is_refused(tmp_path):
    """Half precision ends at 65,504: as infinity a variance switched off the depth of a shipped network."""
    network, path = LeadUNet(SMALL, blocks=1), tmp_path / "w.safetensors"
    network.up[0][0][1].running_var.fill_(1e7)
    save_lead_weights(network, {}, path)
    assert float(load_lead_network(path)[0].up[0][0][1].running_var[0]) == 1e7
    network.whose[0].bias.data.fill_(1e6)
    with pytest.raises(WeightsError, match="not finite"):
        save_lead_weights(network, {}, path)


def test_it_starts_from_what_the_page_network_has_learned():
    torch.manual_seed(0)
    page, lead = PageUNet(SMALL, blocks=1), LeadUNet(SMALL, blocks=1)
    page.down[0][2][0].weight.data.fill_(0.25)
    first, untouched = page.down[0][1][0].weight.data, lead.whose[0].weight.data.clone()
    lead.start_from(page)
    assert (lead.down[0][2][0].weight == 0.25).all()
    torch.testing.assert_close(lead.down[0][1][0].weight[:, : first.shape[1]], first)
    torch.testing.assert_close(lead.whose[0].weight, untouched)


def test_a_piece_is_seen_at_its_own_size(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "tiny.safetensors"
    save_lead_weights(LeadUNet(SMALL, blocks=1), {}, path)
    network = LeadNetwork(str(path), device="cpu")
    maps, rows = two_rows()
    whose = network.on(lead_hints(maps, rows, [20.0, 60.0])[0], 11.8, 11.7)(30, 10)
    channels = whose.channels(np.full((131, 317, 3), 255, np.uint8), duration_s=2.5)
    assert channels.shape == (2, 131, 317)
    assert channels.dtype == np.float32
    assert 0 <= channels.min() <= channels.max() <= 1
    assert whose.model.startswith("lead_unet:")


def config(*overrides):
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose("train", ["model=lead", "printer=mixed", *overrides])


@pytest.fixture(scope="module")
def pages():
    return instantiate(config().model.pages.val, _convert_="object")


def maps_as_drawn(page):
    """Stand for the page network: maps that are what was drawn."""
    targets = page_targets(page.plan, page.matrix, page.size, page.px_per_mm_x, page.px_per_mm_y)
    ink = {kind: (targets.classes == INK_CLASSES.index(kind)).astype(np.float32) for kind in INK_CLASSES[1:]}
    height, width = targets.classes.shape
    page_px = (page.image.shape[1] / width, page.image.shape[0] / height)
    return maps_of(page_px=page_px, **ink, row_offset_mm=np.nan_to_num(targets.row_offset_mm))


def test_ink_of_rows_is_that_of_the_targets(pages):
    page = pages.drawn(2)
    scale = page.px_per_mm_x, page.px_per_mm_y
    rows, printed = row_inks(page.plan, page.matrix, page.size, *scale, MAP_PX_PER_MM)
    classes = page_targets(page.plan, page.matrix, page.size, *scale).classes
    assert len(rows) == len(page.plan.design.layout.rows)
    assert_array_equal(np.any([row.ink for row in rows], axis=0), classes == INK_CLASSES.index("trace"))
    assert_array_equal(
        printed & (classes != INK_CLASSES.index("trace")), classes > INK_CLASSES.index("trace")
    )


def test_crops_show_the_row_that_is_meant(pages):
    page = pages.drawn(2)
    crops = page_crops(page, lambda *_: maps_as_drawn(page), 12, (HEIGHT, WIDTH), np.random.default_rng(0))
    assert len(crops) == 12
    for crop in crops:
        assert crop["image"].shape == (3, HEIGHT, WIDTH)
        target, other = crop["truth"].bool()
        own, others = crop["hints"][HINTS.index("own")], crop["hints"][HINTS.index("others")]
        grey = crop["image"].float().mean(0)
        if target.any():
            assert grey[target].mean() < grey[~target & ~other].mean() - 20  # ink is darker than paper
            assert own[target].float().mean() > 0.6  # hints are of the same row, at the same place
            assert own[other & ~target].float().sum() < own[target].float().sum() / 4
        if (other & ~target).sum() > 300:
            assert others[target & ~other].float().mean() < 0.1


def test_a_crop_depends_on_its_number_alone(pages):
    def crops():
        return LeadCrops(pages, blind, 32, 64, seed=3, batch_size=2, lanes=1, per_page=2, pool=2)

    def blind(image, px_per_mm_x, px_per_mm_y):
        size = round(image.shape[0] * 4 / px_per_mm_y), round(image.shape[1] * 4 / px_per_mm_x)
        trace = np.zeros(size, np.float32)
        trace[size[0] // 2] = 1
        return maps_of(trace)

    forward, again = crops(), crops()
    kept = [forward[index] for index in range(4)]
    for index in (3, 0):
        for name, value in again[index].items():
            torch.testing.assert_close(value, kept[index][name])


TINY = [
    "trainer=cpu",
    "trainer.precision=32-true",
    "logger=none",
    "progress=false",
    "model.network.widths=[8,8,8,8,8]",
    "model.network.blocks=1",
    "model.start_from_page=null",
    "model.height=64",
    "model.width=96",
    "model.pages.size=4",
    "model.pages.val_size=2",
    "model.pages.per_page=2",
    "model.pages.batch_size=2",
    "model.pages.num_workers=0",
]


@pytest.mark.filterwarnings("ignore")  # Lightning's own, on small runs
def test_a_run_leaves_weights_rows_and_facts_and_goes_on(tmp_path):
    def run(epochs):
        return training.main(config(*TINY, f"output_dir={tmp_path}", f"trainer.max_epochs={epochs}"))

    assert run(1)["steps"] == 2
    _, card = load_lead_network(tmp_path / "weights.safetensors")
    assert card.training["steps"] == 2
    assert run(2)["steps"] == 4
    rows = pd.read_csv(tmp_path / "metrics.csv")
    assert rows["epoch"].tolist() == [0, 1]
    assert rows[["train/loss", "val/iou_target", "val/iou_other"]].notna().all(None)
