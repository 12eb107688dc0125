"""Tiles of drawn pages, what the page network is trained for, and the training itself."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_dir

from ecgtrace import training
from ecgtrace.datasets.page_training import TrainingPage
from ecgtrace.drawing.page_truth import NameBox, PageTargets
from ecgtrace.errors import ConfigError
from ecgtrace.page_ink.weights import load_page_network
from ecgtrace.records import PackedRecords, SampleRecords
from ecgtrace.records.packed import write_packed
from ecgtrace.training.page_light import PageLight
from ecgtrace.training.page_losses import PageLoss, name_heat
from ecgtrace.training.page_scores import PageScores
from ecgtrace.training.page_tiles import MAX_NAMES, PageTiles, as_tensors, random_tile, small_page, tile_at

ROOT = Path(__file__).resolve().parents[1]


def planted(number=0):
    """A page of 75 mm x 50 mm at 8 px/mm: a straight trace 1 mm above its zero line, and a name."""
    image = np.full((400, 600, 3), 255 - number % 100, np.uint8)
    image[200:204] = 0
    classes, offset = np.zeros((200, 300), np.uint8), np.full((200, 300), np.nan, np.float32)
    classes[100:102], offset[100:102] = 1, 1.0
    return TrainingPage(image, 8.0, 8.0, PageTargets(classes, offset, (NameBox("V1", 80, 40, 10, 8),), 4.0))


class Planted(list):
    def __getitem__(self, number):
        return planted(number)


def test_a_tile_shows_the_page_where_it_was_cut():
    tile = tile_at(small_page(planted()), left=40, top=30, height=96, width=128)
    assert (tile.image[70:72] < 10).all()
    assert (tile.classes[70:72] == 1).all()
    assert tile.offset_mm[70, 0] == 1
    assert np.isnan(tile.offset_mm[0, 0])
    np.testing.assert_array_equal(tile.names, [[6, 40, 10]])


def test_beyond_the_page_its_edge_goes_on_without_ink():
    tile = tile_at(small_page(planted()), left=250, top=150, height=96, width=128)
    assert tile.image.shape == (96, 128, 3)
    assert (tile.image == 255).all()
    assert not tile.classes.any()
    tile = tile_at(small_page(planted()), left=-20, top=90, height=32, width=64)
    assert (tile.image[10, :20] == tile.image[10, 20]).all()
    assert (tile.classes[10] == [0] * 20 + [1] * 44).all()


def test_turned_tiles_keep_ink_truth_and_names_together():
    page = small_page(planted())
    page.image[36:44, 76:84] = 0  # a mark at the name
    for seed in range(40):
        tile = random_tile(page, 160, 256, np.random.default_rng(seed))
        dark = tile.image[..., 0] < 160  # turned, its edge is grey
        on = tile.classes == 1
        if on.sum() > 300:
            assert (dark & on).sum() / on.sum() > 0.9
        _, x, y = tile.names[0]
        if 10 < x < 246 and 10 < y < 150:
            assert dark[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3].all()


def test_a_tile_depends_on_its_number_alone():
    pages = PageTiles(Planted(), 64, 64, seed=3, batch_size=4, lanes=2, tiles_per_page=2, pool=3)
    forward = [pages[index] for index in range(24)]
    again = PageTiles(Planted(), 64, 64, seed=3, batch_size=4, lanes=2, tiles_per_page=2, pool=3)
    for index in reversed(range(24)):
        for name, value in again[index].items():
            torch.testing.assert_close(value, forward[index][name], equal_nan=True)


def test_lanes_share_no_page_and_move_on():
    tiles = PageTiles(Planted(), 64, 64, batch_size=4, lanes=3, tiles_per_page=2, pool=3)
    seen = {lane: [] for lane in range(3)}
    for index in range(240):
        seen[index // 4 % 3].append(tiles.pool.number(index, np.random.default_rng(index)))
    assert all({page % 3 for page in pages} == {lane} for lane, pages in seen.items())
    assert all(len(set(pages)) > 30 for pages in seen.values())  # of 40
    newest = [index // 2 for index in range(80)]
    assert all(0 <= new - page // 3 < 3 for new, page in zip(newest, seen[1], strict=True))


def test_pages_on_their_side_have_ink_but_neither_names_nor_rows():
    tile = PageTiles(Planted(), 192, 192, turned=1.0)[5]
    assert (tile["classes"] == 1).any()
    assert tile["offset_mm"].isnan().all()
    assert (tile["names"][:, 0] == -1).all()


def test_tiles_must_fit_the_network():
    with pytest.raises(ConfigError, match="multiples of 32"):
        PageTiles(Planted(), 100, 128)


def test_names_beyond_the_tile_are_left_out():
    names = as_tensors(tile_at(small_page(planted()), 100, 0, 64, 64))["names"]
    assert names.shape == (MAX_NAMES, 3)
    assert (names[:, 0] == -1).all()


def test_heat_peaks_at_the_name_in_its_class():
    heat = name_heat(
        torch.tensor([[[6.0, 41.5, 21.5], [-1, -1, -1]], [[2, 9.5, 9.5], [2, 9.5, 41.5]]]), (16, 16)
    )
    assert heat[0, 6].argmax() == 5 * 16 + 10
    assert heat[0, 6].max() == pytest.approx(1.0)
    assert heat[0].sum() == heat[0, 6].sum()
    assert (heat[1, 2] > 0.99).sum() == 2


def perfect(tile):
    classes = tile["classes"].long()[None]
    ink = torch.nn.functional.one_hot(classes, 5).permute(0, 3, 1, 2).float() * 40
    heat = name_heat(tile["names"][None], (classes.shape[1] // 4, classes.shape[2] // 4))
    return (
        ink,
        tile["offset_mm"].float().nan_to_num()[None, None] / 10,
        torch.logit(heat.clamp(1e-6, 1 - 1e-6)),
    )


def test_losses_of_a_perfect_answer_are_nothing_and_of_each_mistake_something():
    tile = as_tensors(tile_at(small_page(planted()), 0, 0, 192, 288))
    batch = {name: value[None] for name, value in tile.items()}
    right = perfect(tile)
    loss = PageLoss()
    assert {name: float(part) for name, part in loss(right, batch).items()} == pytest.approx(
        {"ink": 0, "dice": 0, "offset": 0, "names": 0}, abs=1e-3
    )
    ink, offset, names = right
    wrong = loss((ink.roll(5, dims=2), offset + 1, names.roll(1, dims=1)), batch)
    assert all(float(part) > 0.1 for part in wrong.values())


def test_dice_asks_for_a_rare_kind_of_ink_as_for_a_common_one():
    tile = as_tensors(tile_at(small_page(planted()), 0, 0, 192, 288))
    tile["classes"][5:25, 5] = 2  # a little of a pulse beside a trace
    ink, offset, names = perfect(tile)
    batch = {name: value[None] for name, value in tile.items()}
    for kind in (1, 2):
        missed = ink.clone()
        missed[:, kind] = -40  # not found anywhere
        weights = tuple(float(k == kind) for k in range(1, ink.shape[1]))
        found, lost = (
            PageLoss(dice=weights)((answer, offset, names), batch)["dice"] for answer in (ink, missed)
        )
        assert float(found) < 0.01
        assert float(lost) > 0.9


def test_scores_of_a_perfect_answer():
    tile = as_tensors(tile_at(small_page(planted()), 0, 0, 192, 288))
    scores = PageScores()
    scores.add(perfect(tile), {name: value[None] for name, value in tile.items()})
    metrics = scores.metrics()
    assert metrics["iou_trace"] == metrics["names_recall"] == metrics["names_precision"] == 1
    assert metrics["offset_p90_mm"] == pytest.approx(0, abs=1e-3)


def test_light_changes_the_picture_within_its_range():
    torch.manual_seed(0)
    image = torch.full((16, 3, 32, 32), 0.9)
    lit = PageLight()(image)
    assert lit.shape == image.shape
    assert 0 <= lit.min() <= lit.max() <= 1
    assert len({round(float(tile.mean()), 3) for tile in lit}) > 10
    still = PageLight(0, 0, 0, 0, 0, 0, 0, 0.9, 0, 0)(image)
    torch.testing.assert_close(still, image)


def test_packed_records_are_those_that_were_packed(tmp_path):
    source, path = SampleRecords(), tmp_path / "few.npz"
    n = write_packed(source, ("val",), path)
    packed = PackedRecords(str(path))
    assert packed.split_ids("val") == source.split_ids("val")
    assert (n, packed.split_ids("train"), packed.name) == (6, (), "few")
    record = packed.split_ids("val")[2]
    np.testing.assert_allclose(packed.load(record).signal, source.load(record).signal, atol=0.011)


TINY = [
    "model=page",
    "printer=mixed",
    "trainer=cpu",
    "trainer.precision=32-true",
    "logger=none",
    "progress=false",
    "model.network.widths=[8,8,8,8,8]",
    "model.network.blocks=1",
    "model.height=64",
    "model.width=96",
    "model.pages.size=4",
    "model.pages.val_size=2",
    "model.pages.batch_size=2",
    "model.pages.num_workers=0",
]


def run_tiny(folder, *overrides):
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return training.main(compose("train", [*TINY, f"output_dir={folder}", *overrides]))


@pytest.mark.filterwarnings("ignore")  # Lightning's own, on small runs
def test_a_run_leaves_weights_rows_and_facts_and_goes_on(tmp_path):
    metrics = run_tiny(tmp_path, "trainer.max_epochs=1")
    assert metrics["steps"] == 2
    _, card = load_page_network(tmp_path / "weights.safetensors")
    assert card.training["steps"] == 2
    assert json.loads((tmp_path / "metrics.json").read_text())["best_val_iou"] == metrics["best_val_iou"]
    assert run_tiny(tmp_path, "trainer.max_epochs=3")["steps"] == 6
    rows = pd.read_csv(tmp_path / "metrics.csv")
    assert rows["epoch"].tolist() == [0, 1, 2]
    assert rows[["train/loss_ink", "train/loss_names", "val/iou_trace", "val/names_recall"]].notna().all(None)


@pytest.mark.filterwarnings("ignore")
def test_weights_are_validated_without_training(tmp_path):
    metrics = run_tiny(tmp_path, "validate_only=true")
    assert metrics["val/iou"] == metrics["val/iou_trace"]
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.filterwarnings("ignore")
def test_a_run_ends_with_its_time(tmp_path):
    metrics = run_tiny(tmp_path, "trainer.max_epochs=-1", "model.schedule.seconds=1")
    assert metrics["steps"] >= 1
    assert metrics["seconds"] >= 1
    assert "val/iou_trace" in metrics["last"]
