"""Crops: overlap and crossings planted by hand, purity, quotas, the augmentations."""

import csv
import json
from dataclasses import replace

import albumentations as A
import cv2
import numpy as np
import pytest
import torch

from ecgtrace.datasets.cut import crop_box, crossings, cut, overlap
from ecgtrace.datasets.drawn import DrawnCrops, Sheet
from ecgtrace.datasets.training import TrainingCrops, kind
from ecgtrace.datasets.windowed import WindowedCrops
from ecgtrace.drawing.degrade import Degradation
from ecgtrace.drawing.layout import LAYOUTS, lay_out
from ecgtrace.drawing.render import draw_parts, others_ink
from ecgtrace.drawing.style import PageStyle
from ecgtrace.errors import ConfigError
from ecgtrace.records.sample import SampleRecords
from ecgtrace.segmentation.resize import resize_mask
from ecgtrace.training.augment import AddVerticalLines, OverlaySignal, compose
from ecgtrace.training.datamodule import CropDataModule, EpochShuffle
from ecgtrace.training.dataset import CropDataset
from ecgtrace.training.fresh import FreshSampler
from ecgtrace.types import Record
from ecgtrace.units import LEADS

STYLE = PageStyle(px_per_mm=6)


def page_with(second_row):
    """Return a 3x1 page: lead I is flat but for 1 mV at 5 s, II is given, III is flat."""
    signal = np.zeros((12, 1000))
    signal[0, 500:520] = 1.0
    signal[1] = second_row
    return lay_out(Record("planted", signal, 100.0, LEADS), "3x1", STYLE)


def pulse(height_mv, start=200, stop=230):
    row = np.zeros(1000)
    row[start:stop] = height_mv
    return row


@pytest.mark.parametrize(
    ("height_mv", "expected", "crosses"),
    [
        (0.0, "none", 0),  # rows are 15 mm, 1.5 mV, apart
        (1.0, "none", 0),  # ends 5 mm below the zero line of lead I, whose box ends 0.96 mm below it
        (1.45, "entering", 0),
        (2.0, "crossing", 2),  # up through lead I and down again
    ],
)
def test_overlap_of_planted_neighbours(height_mv, expected, crosses):
    plan = page_with(pulse(height_mv))
    overlap_px, found = overlap(plan, 0)
    assert found == crosses == crossings(plan, 0)
    assert (overlap_px > 0) == (expected != "none")
    assert kind(plan, 0) == expected
    crop = cut(plan, 0, "c")
    assert (crop.overlap_px, crop.crossings) == (overlap_px, crosses)


def test_ink_before_the_trace_begins_is_no_overlap():
    """The last sample of the neighbouring column may end inside the padding."""
    style = replace(STYLE, column_gap_mm=0.5)
    plan = lay_out(Record("flat", np.zeros((12, 1000)), 100.0, LEADS), "3x4", style)
    crop = cut(plan, 5, "c")
    assert crop.other_mask.sum() > 0
    assert crop.overlap_px == 0


def test_categories_agree_with_the_reference(shared):
    """None, entering or crossing for 77 of the 78 crops; in one a corner of 15 px of ink is in dispute."""
    folder = shared / "reference"
    with (folder / "index.csv").open() as file:
        rows = list(csv.DictReader(file))
    wrong = []
    for page in {row["name"].split("_lead")[0] for row in rows}:
        mine = sorted((r for r in rows if r["name"].startswith(page + "_lead")), key=lambda r: int(r["lead"]))
        layout = {"3by1": "3x1", "3by4": "3x4"}[mine[0]["fmt"]]
        leads = tuple(lead for column in LAYOUTS[layout] for lead in column)
        signal = np.array([json.loads((folder / "signals" / f"{r['name']}.json").read_text()) for r in mine])
        style = PageStyle(px_per_mm=float(mine[0]["pixels_per_large_square"]) / 5)
        # Their pages show the first 2.5 s in every column.
        plan = lay_out(
            Record(page, signal, 100.0, leads), layout, style, starts_s=(0.0,) * len(LAYOUTS[layout])
        )
        for target, row in enumerate(mine):
            overlap_px, crosses = overlap(plan, target)
            found = "none" if not overlap_px else "crossing" if crosses else "entering"
            if found != row["overlap"]:
                wrong.append((row["name"], overlap_px))
    assert len(wrong) <= 1
    assert all(overlap_px <= 15 for _, overlap_px in wrong)


def test_a_crop_is_its_trace_plus_padding():
    plan = page_with(pulse(2.0))
    crop = cut(plan, 0, "c")
    rows, columns = np.nonzero(crop.mask)
    half_line = STYLE.line_width_px / 2
    pad = STYLE.px(STYLE.crop_padding_mm)
    for gap in (
        rows[0],
        crop.mask.shape[0] - 1 - rows[-1],
        columns.min(),
        crop.mask.shape[1] - 1 - columns.max(),
    ):
        assert gap == pytest.approx(pad - half_line, abs=1.5)
    # The stroke's centre line is where the ink is: mean row of the ink of a flat stretch.
    flat = crop.mask[:, 300:400]
    row = (flat * np.arange(len(flat))[:, None]).sum() / flat.sum()
    assert row == pytest.approx(crop.polyline[80, 1], abs=0.51)  # whole pixels


def turned(plan, angle_deg, **changes):
    """Return a page laid on the scanner askew."""
    degradation = Degradation(rotation_deg=angle_deg)
    return replace(plan, style=replace(plan.style, degradation=degradation, **changes))


# Strokes of 5 px: of thinner ones, a mask of whole pixels holds more or less ink by chance.
BARE = {"grid_major": None, "grid_minor": None, "lead_names": False, "line_width_mm": 5 / 6}


@pytest.mark.parametrize("angle_deg", [-3.0, 1.0, 20.0])
def test_a_turned_page_shows_a_flat_lead_as_a_slope(angle_deg):
    """Counter-clockwise: a flat line of 250 mm rises by tan(angle) of its columns to the right."""
    plan = turned(page_with(np.zeros(1000)), angle_deg, **BARE)
    crop = cut(replace(plan, labels=()), 2, "c")
    columns = np.arange(20, crop.image.shape[1] - 20)  # without its round ends
    nearby = cv2.dilate(crop.mask, np.ones((9, 1), np.uint8))  # with the grey edge of the stroke
    ink = ((255.0 - crop.image[..., 0]) * nearby)[:, columns]
    row = (ink * np.arange(len(ink))[:, None]).sum(axis=0) / ink.sum(axis=0)
    slope = -np.tan(np.radians(angle_deg))
    np.testing.assert_allclose(row, row[0] + slope * (columns - columns[0]), atol=0.12)
    # OpenCV's strokes lie an eighth of a pixel low, turned or not.
    np.testing.assert_allclose(row, np.interp(columns, *crop.polyline.T), atol=0.2)
    assert np.ptp(crop.polyline[:, 0]) == pytest.approx(249.75 * 6 * np.cos(np.radians(angle_deg)))
    np.testing.assert_array_equal(crop.signal, np.zeros(1000))


@pytest.mark.parametrize("angle_deg", [-3.0, 1.0])
def test_truth_turns_with_the_picture(angle_deg):
    """Masks, centre line and dark pixels tell of the same ink, that of neighbours included."""
    crop = cut(replace(turned(page_with(pulse(2.0)), angle_deg, **BARE), labels=()), 0, "c")
    dark = crop.image[..., 0] < 128
    known = (crop.mask | crop.other_mask) > 0
    assert crop.other_mask.sum() > 100
    assert (dark & known).sum() > 0.995 * (dark | known).sum()
    # Points along the centre line, not only its corners.
    along = np.arange(0, len(crop.polyline) - 1, 0.1)
    x, y = (
        np.rint(np.interp(along, np.arange(len(crop.polyline)), axis)).astype(int) for axis in crop.polyline.T
    )
    assert crop.mask[y, x].all() and dark[y, x].all()
    straight = cut(turned(page_with(pulse(2.0)), 0.0, **BARE), 0, "c")
    assert np.count_nonzero(crop.mask) == pytest.approx(np.count_nonzero(straight.mask), rel=0.05)
    assert crop.crossings == straight.crossings == 2


def test_a_turned_crop_is_its_trace_plus_padding():
    crop = cut(turned(page_with(pulse(0.5)), 3.0), 0, "c")
    pad = STYLE.px(STYLE.crop_padding_mm)
    np.testing.assert_allclose(crop.polyline.min(axis=0), pad, atol=0.51)
    np.testing.assert_allclose(
        np.array(crop.mask.shape[::-1]) - 1 - crop.polyline.max(axis=0), pad, atol=0.51
    )


def test_paper_grid_and_neighbours_reach_the_edges_of_a_turned_crop():
    plan = replace(turned(page_with(np.zeros(1000)), 3.0, paper=(210, 220, 230), **BARE), labels=())
    crop = cut(plan, 1, "c")  # the box of the tilted lead is so high that its neighbours run into it
    away = cv2.dilate(crop.mask | crop.other_mask, np.ones((7, 7), np.uint8)) == 0
    assert away.mean() > 0.8 and away[0].any() and away[-1].any()
    assert (crop.image[away] == (210, 220, 230)).all()
    lined = cut(turned(page_with(np.zeros(1000)), 3.0, grid_minor=None), 1, "c").image
    for edge in (lined[0], lined[-1], lined[:, 0], lined[:, -1]):
        assert ((edge[:, 0] > 150) & (edge[:, 1] < 180)).any()  # pink, and no ink
    high = cut(turned(page_with(np.zeros(1000)), 6.0), 1, "c")
    assert high.other_mask.any(axis=0)[:30].any() and high.other_mask.any(axis=0)[-30:].any()


@pytest.mark.parametrize("jpeg_quality", [None, 75])
def test_subsets_know_the_ink_beside_a_turned_lead(jpeg_quality):
    """A quota is filled by `overlap`, a row tells that of `cut`: they must agree to the pixel."""
    record = SampleRecords().load(SampleRecords().split_ids("test")[0])
    degradation = Degradation(rotation_deg=3.0, jpeg_quality=jpeg_quality)
    plan = lay_out(record, "3x4", replace(STYLE, degradation=degradation))
    found = [(cut(plan, i, "c").overlap_px, cut(plan, i, "c").crossings) for i in range(12)]
    assert found == [overlap(plan, i) for i in range(12)]
    assert any(overlap_px for overlap_px, _ in found)
    for target in range(12):  # every grey level, which is more than the masks tell
        box = crop_box(plan, target)
        np.testing.assert_array_equal(others_ink(plan, target, box), draw_parts(plan, target, box)[2])


def test_noise_comes_after_the_turning():
    """A scanner's noise is not smoothed by it."""
    plan = turned(page_with(np.zeros(1000)), 3.0, paper=(128, 128, 128), **BARE)
    noisy = replace(plan.style, degradation=replace(plan.style.degradation, noise_std=10.0))
    crop = cut(replace(plan, style=noisy, labels=()), 1, "c", np.random.default_rng(0))
    away = cv2.dilate(crop.mask | crop.other_mask, np.ones((7, 7), np.uint8)) == 0
    assert crop.image[away].std() == pytest.approx(10.0, rel=0.02)


def test_zero_median_leads_are_drawn():
    """The authors' generator leaves them out."""
    plan = page_with(np.zeros(1000))
    assert cut(plan, 2, "c").mask.sum() > 1000


@pytest.fixture(scope="module")
def crops():
    return DrawnCrops(SampleRecords(), STYLE, (Sheet("3x4"), Sheet("3x1")), "test", 6, 5, seed=3)


def test_quotas_are_filled_and_crops_are_pure(crops):
    drawn = [crops[i] for i in range(len(crops))]
    assert sum(c.overlap_px > 0 for c in drawn) == 5
    assert sum(c.overlap_px == 0 for c in drawn) == 6
    assert [c.crop_id for c in drawn] == [crops.crop_id(i) for i in range(len(crops))]
    assert len({c.crop_id for c in drawn}) == len(drawn)
    again = DrawnCrops(SampleRecords(), STYLE, (Sheet("3x4"), Sheet("3x1")), "test", 6, 5, seed=3)[7]
    np.testing.assert_array_equal(again.image, drawn[7].image)
    other = DrawnCrops(SampleRecords(), STYLE, (Sheet("3x4"), Sheet("3x1")), "test", 6, 5, seed=4)
    assert [other.crop_id(i) for i in range(len(other))] != [c.crop_id for c in drawn]


def test_crops_come_from_their_split(crops):
    assert {c.record_id for c in crops} <= set(SampleRecords().split_ids("test"))


def test_a_sheet_that_starts_later_wraps_around():
    record = Record("count", np.tile(np.arange(1000.0) / 1000, (12, 1)), 100.0, LEADS)
    plan = Sheet("3x4", start_s=5.0).plan(record, STYLE)
    assert [trace.start_s for trace in plan.traces[::3]] == [5.0, 7.5, 0.0, 2.5]


@pytest.fixture(scope="module")
def training():
    return TrainingCrops(SampleRecords(), STYLE, size=64, seed=1)


def test_training_crops_are_pure_and_endless(training):
    for index in (0, 5, 1_000_003):
        first, again = training[index], training[index]
        np.testing.assert_array_equal(first.image, again.image)
        np.testing.assert_array_equal(first.mask, again.mask)
        assert first.mask.any()


def test_training_crops_have_the_wanted_kinds(training):
    """Of 60 crops 40 % are to be crossed by another lead; chance and flat records move that a little."""
    crossing = TrainingCrops(SampleRecords(), STYLE, kinds={"none": 0.6, "crossing": 0.4}, seed=2)
    share = np.mean([crossing[i].crossings > 0 for i in range(60)])
    assert 0.2 < share < 0.6


def test_training_refuses_the_test_split():
    with pytest.raises(ConfigError, match=r"for evaluate\.py alone"):
        TrainingCrops(SampleRecords(), STYLE, split="test")


def test_long_leads_are_cut_into_windows(crops):
    long = [c for c in crops if len(c.signal) == 1000][:1] or pytest.fail("no 10 s lead among the crops")
    parts = WindowedCrops(long)
    assert len(parts) == 4
    np.testing.assert_array_equal(np.hstack([p.mask for p in parts]), long[0].mask)


def test_mask_is_ink_where_half_is_covered():
    mask = np.zeros((4, 8), np.uint8)
    mask[:, :3] = 1
    np.testing.assert_array_equal(resize_mask(mask, 2, 4)[0], [1, 1, 0, 0])


def test_overlay_leaves_the_mask_and_darkens_one_edge():
    image = np.full((100, 80, 3), 200, np.uint8)
    image[50] = 0
    strip = np.full((60, 40, 3), 90, np.uint8)
    pipeline = compose([OverlaySignal(height_px=30, p=1.0)])
    edges = set()
    for seed in range(12):
        pipeline.set_random_seed(seed)
        out = pipeline(image=image, mask=image[..., 0], overlay_image=strip)
        np.testing.assert_array_equal(out["mask"], image[..., 0])
        dark = np.flatnonzero((out["image"] == 90).all(axis=(1, 2)))
        assert len(dark) == 30
        edges.add((dark[0], dark[-1]))
        assert (out["image"][50] == 0).all()  # ink of the target stays
    assert edges == {(0, 29), (70, 99)}


def test_vertical_lines_are_black_and_leave_the_mask():
    image = np.full((20, 300, 3), 255, np.uint8)
    pipeline = compose([AddVerticalLines(n_lines=2, width_px=3, p=1.0)])
    pipeline.set_random_seed(0)
    out = pipeline(image=image, mask=image[..., 0])
    black = (out["image"] == 0).all(axis=(0, 2))
    assert black.sum() == 6
    np.testing.assert_array_equal(out["mask"], image[..., 0])


def test_augmented_crops_depend_on_seed_and_index_alone(training):
    augmentation = compose([A.HorizontalFlip(p=0.5), OverlaySignal(p=0.5), A.GaussNoise(p=1.0)])
    dataset = CropDataset(training, 32, 128, augmentation, seed=5)
    once = dataset[3]
    dataset[4]
    again = dataset[3]
    torch.testing.assert_close(once, again, rtol=0, atol=0)
    moved = CropDataset(training, 32, 128, augmentation, seed=6)[3]
    assert not torch.equal(moved["image"], once["image"])


def test_flips_move_image_and_mask_together(training):
    plain = CropDataset(training, 32, 128)[2]
    flipped = CropDataset(training, 32, 128, compose([A.HorizontalFlip(p=1.0)]))[2]
    torch.testing.assert_close(flipped["image"], plain["image"].flip(-1))
    torch.testing.assert_close(flipped["mask"], plain["mask"].flip(-1))


def test_epochs_see_fresh_crops_and_a_resumed_run_the_same_ones():
    sampler = FreshSampler(4)
    seen = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        seen += list(sampler)
    assert seen == list(range(12))
    shares = [FreshSampler(4, rank, 2) for rank in range(2)]
    for share in shares:
        share.set_epoch(1)
    assert sorted(index for share in shares for index in share) == [4, 5, 6, 7]


def test_shuffled_epochs_depend_on_seed_and_epoch_alone():
    def order(epoch, seed=0):
        sampler = EpochShuffle(10, seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(2) == order(2)
    assert order(2) != order(3)
    assert order(2) != order(2, seed=1)
    assert sorted(order(2)) == list(range(10))


def test_batches_have_the_contracted_shape(training, crops):
    module = CropDataModule(training, crops, 32, 128, batch_size=2, num_workers=0)
    batch = next(iter(module.train_dataloader()))
    assert batch["image"].shape == (2, 3, 32, 128)
    assert batch["mask"].shape == (2, 1, 32, 128)
    assert set(batch["mask"].unique().tolist()) <= {0.0, 1.0}
    assert 0 <= batch["image"].min() <= batch["image"].max() <= 1


def test_boxes_are_whole_pixels_around_the_centre_line():
    plan = page_with(pulse(0.5))
    x0, y0, x1, y1 = crop_box(plan, 1)
    low, high = plan.traces[1].polyline.min(axis=0), plan.traces[1].polyline.max(axis=0)
    pad = STYLE.px(STYLE.crop_padding_mm)
    np.testing.assert_allclose([x0, y0], low - pad, atol=0.5)
    np.testing.assert_allclose([x1 - 1, y1 - 1], high + pad, atol=0.5)
