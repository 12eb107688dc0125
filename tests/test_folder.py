"""Crops on disk: what is read is what lies there, and one broken item is one failure."""

import json
import logging
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from ecgtrace.datasets.folder import FolderCrops, FolderTraining
from ecgtrace.datasets.folder_files import read_mask, read_signal
from ecgtrace.datasets.index import COLUMNS, IndexRow, read_index, row_from_text, write_index
from ecgtrace.errors import ConfigError, DataError
from ecgtrace.evaluation.run import Evaluation, evaluate_many
from ecgtrace.evaluation.runner import RunOptions
from ecgtrace.records.splits import hashed_split

HEIGHT, WIDTH = 40, 200


def planted(seed=0, parts=1):
    """Return an RGB image, the {0, 1} mask of a line in it, and 2.5 s of signal at 100 Hz per part."""
    rng = np.random.default_rng(seed)
    columns = np.arange(WIDTH * parts)
    rows = (20 + 12 * np.sin(columns / 15 + seed)).astype(int)
    mask = np.zeros((HEIGHT, len(columns)), np.uint8)
    for shift in range(3):
        mask[rows + shift, columns] = 1
    image = rng.integers(150, 256, (*mask.shape, 3), dtype=np.uint8)
    image[mask == 1] = 0
    return image, mask, rng.normal(0, 0.3, 250 * parts)


def put(folder: Path, stem: str, seed=0, suffix=".png", bmp=False, parts=1):
    """Write one crop as the published set holds it."""
    image, mask, signal = planted(seed, parts)
    for name in ("image", "mask-bmp" if bmp else "mask-png", "signal-json"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / "image" / (stem + suffix)), image[..., ::-1])
    if bmp:
        cv2.imwrite(str(folder / "mask-bmp" / f"{stem}.bmp"), np.dstack([mask] * 3))  # {0, 1}, looks black
    else:
        cv2.imwrite(str(folder / "mask-png" / f"{stem}.png"), mask * np.uint8(255))
    (folder / "signal-json" / f"{stem}.json").write_text(json.dumps(signal.tolist()))


@pytest.fixture
def root(tmp_path):
    """Two crops without overlap and three with, no index."""
    for number in range(2):
        put(tmp_path / "set" / "without-overlap", f"69{number}_3by4_lead_0", number)
    for number in range(3):
        put(tmp_path / "set" / "with-overlap", f"69{number}_3by4_lead_10", 10 + number)
    return tmp_path / "set"


def row(crop_id, **changes):
    facts = {
        "record_id": "00069",
        "lead": "aVL",
        "layout": "6x2",
        "px_per_mm": 3.2,
        "fs_hz": 100.0,
        "overlap_px": 0,
        "crossings": 0,
        "split": "test",
    }
    return IndexRow(crop_id, **(facts | changes))


def test_the_published_layout_is_read_without_an_index(root):
    crops = FolderCrops(str(root))
    assert [crops.crop_id(i) for i in range(len(crops))] == [
        *("690_3by4_lead_0", "691_3by4_lead_0"),
        *("690_3by4_lead_10", "691_3by4_lead_10", "692_3by4_lead_10"),
    ]
    image, mask, signal = planted(11)
    crop = crops[3]
    np.testing.assert_array_equal(crop.image, image)
    np.testing.assert_array_equal(crop.mask, mask)
    np.testing.assert_array_equal(crop.signal, signal)
    assert (crop.fs_hz, crop.px_per_mm) == (100.0, None)
    assert (crop.record_id, crop.layout, crop.lead) == ("691", "3x4", "V5")


def test_overlap_comes_from_the_folder_where_nobody_counted_it(root):
    crops = FolderCrops(str(root))
    assert [crop.overlap_px for crop in crops] == [0, 0, 1, 1, 1]
    assert [crops.subset(i) for i in range(5)] == ["non_overlap"] * 2 + ["overlap"] * 3


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".webp", ".jpg", ".PNG"])
def test_image_formats(tmp_path, suffix):
    put(tmp_path / "with-overlap", "1_3by1_lead_2", 4, suffix)
    image = FolderCrops(str(tmp_path))[0].image.astype(int)
    off = np.abs(image - planted(4)[0])
    assert off.max() == 0 if suffix.lower() in (".png", ".bmp") else off.mean() < 30


def test_bmp_masks_of_zeros_and_ones(tmp_path):
    put(tmp_path / "with-overlap", "1_3by1_lead_2", 4, ".bmp", bmp=True)
    np.testing.assert_array_equal(FolderCrops(str(tmp_path))[0].mask, planted(4)[1])


def test_png_masks_with_a_halo_of_jpeg(tmp_path):
    """Grey of 100 and less is halo, more is ink, as the authors cut their masks."""
    mask = np.zeros((4, 5), np.uint8)
    mask[0] = [0, 1, 100, 101, 255]
    cv2.imwrite(str(tmp_path / "m.png"), mask)
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png")[0], [0, 0, 0, 1, 1])


def test_an_index_tells_what_files_cannot(root):
    write_index(
        root / "index.csv",
        [
            row("691_3by4_lead_10", overlap_px=77, crossings=3),
            row("690_3by4_lead_0", split="test"),
        ],
    )
    crops = FolderCrops(str(root))
    order = [crops.crop_id(i) for i in range(len(crops))]
    assert order[:2] == ["691_3by4_lead_10", "690_3by4_lead_0"] and len(order) == 5
    crop = crops[0]
    assert (crop.record_id, crop.lead, crop.layout) == ("00069", "aVL", "6x2")
    assert (crop.px_per_mm, crop.overlap_px, crop.crossings) == (3.2, 77, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"overlap_px": 0}, "overlap_px=0"),
        ({"px_per_mm": 16.0}, "do not belong together"),
        ({"fs_hz": 500.0}, "do not belong together"),
    ],
)
def test_an_index_that_contradicts_the_files(root, changes, message):
    write_index(root / "index.csv", [row("691_3by4_lead_10", **({"overlap_px": 7} | changes))])
    crops = FolderCrops(str(root))
    with pytest.raises(DataError, match=message):
        crops[0]
    assert crops[1].crop_id


def test_a_crop_that_only_the_index_knows_is_missed(root):
    write_index(root / "index.csv", [row("7_3by4_lead_1", overlap_px=7)])
    crops = FolderCrops(str(root))
    assert (crops.crop_id(0), crops.subset(0), len(crops)) == ("7_3by4_lead_1", "overlap", 6)
    with pytest.raises(DataError, match="no image file for 7_3by4_lead_1"):
        crops[0]


@pytest.mark.parametrize("column", [name for name in COLUMNS if name != "start_px"])
def test_an_index_without_a_column(root, column):
    write_index(root / "index.csv", [row("691_3by4_lead_10", overlap_px=7)])
    text = (root / "index.csv").read_text().replace(f"{column},", "x,", 1).replace(f",{column}\n", ",x\n", 1)
    (root / "index.csv").write_text(text)
    with pytest.raises(DataError, match=f"no column {column}"):
        len(FolderCrops(str(root)))


def test_a_bad_field_of_the_index_is_the_affair_of_its_crop(root):
    write_index(root / "index.csv", [row("691_3by4_lead_10", overlap_px=7), row("690_3by4_lead_0")])
    text = (root / "index.csv").read_text().replace("3.2", "wide", 1)
    (root / "index.csv").write_text(text)
    crops = FolderCrops(str(root))
    with pytest.raises(DataError, match="px_per_mm of 691_3by4_lead_10 is 'wide', which is no number"):
        crops[0]
    assert crops[1].px_per_mm == 3.2


BROKEN = {
    "empty image": ("image", b"", "cannot be read as an image"),
    "text named png": ("image", b"not a picture", "cannot be read as an image"),
    "truncated image": ("image", "half", "cannot be read as an image"),
    "missing image": ("image", None, "no image file"),
    "truncated mask": ("mask-png", "half", "cannot be read as an image"),
    "missing mask": ("mask-png", None, "no mask-png or mask-bmp file"),
    "mask of another size": ("mask-png", "small", "20 x 10 px but its image is 200 x 40 px"),
    "white mask": ("mask-png", "white", "100% ink"),
    "missing signal": ("signal-json", None, "no signal-json file"),
    "signal cut short": ("signal-json", b"[0.1, 0.2", "cannot be read as JSON"),
    "signal no list": ("signal-json", b'{"I": [0.1]}', "no list of numbers"),
    "signal of text": ("signal-json", b'["a"]', "no list of numbers"),
    "signal of booleans": ("signal-json", b"[true]", "no list of numbers"),
    "empty signal": ("signal-json", b"[]", "no list of numbers"),
    "nested signal": ("signal-json", b"[" * 100000, "cannot be read as JSON"),
    "binary signal": ("signal-json", b"\xff\xfe\x00", "cannot be read as JSON"),
    "NaN": (
        "signal-json",
        json.dumps([0.0] * 99 + [float("nan")] + [0.0] * 150).encode(),
        "sample 99 of 250",
    ),
    "infinity": ("signal-json", b"[1e999, 0.0]", "infinite"),
    "huge number": ("signal-json", b"[1" + b"0" * 400 + b"]", "infinite"),
    "microvolt": ("signal-json", json.dumps([900.0, -200.0] * 125).encode(), "microvolt"),
    "one sample": ("signal-json", b"[0.1]", "lasts 0.01 s"),
    "an hour": ("signal-json", json.dumps([0.0] * 360000).encode(), "lasts 3600 s"),
    "signal of another picture": ("signal-json", json.dumps([0.0] * 5000).encode(), "200 px wide"),
}


def damage(folder, stem, kind, content):
    path = next((folder / kind).glob(f"{stem}.*"))
    if content is None:
        path.unlink()
    elif content == "half":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif content in ("small", "white"):
        size = (10, 20) if content == "small" else (HEIGHT, WIDTH)
        cv2.imwrite(str(path), np.full(size, 0 if content == "small" else 255, np.uint8))
    else:
        path.write_bytes(content)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_item_raises_alone_and_in_one_line(root, name):
    kind, content, message = BROKEN[name]
    damage(root / "with-overlap", "691_3by4_lead_10", kind, content)
    crops = FolderCrops(str(root))
    assert len(crops) == 5
    with pytest.raises(DataError, match=message) as caught:
        crops[3]
    assert "691_3by4_lead_10" in str(caught.value) and "\n" not in str(caught.value)
    for index in (0, 1, 2, 4):
        assert crops[index].signal.size == 250


def test_two_images_of_one_crop(root):
    put(root / "with-overlap", "691_3by4_lead_10", 1, ".bmp")
    with pytest.raises(DataError, match=r"691_3by4_lead_10\.bmp, 691_3by4_lead_10\.png"):
        FolderCrops(str(root))[3]


class Refusing:
    """A digitizer that never succeeds: rows of whole crops then say so."""

    name = "refusing"

    def __call__(self, image):
        raise DataError("refused")


def test_the_evaluation_makes_a_broken_item_a_row(root, tmp_path):
    damage(root / "with-overlap", "691_3by4_lead_10", "image", b"")
    crops = FolderCrops(str(root), wanted="overlap")
    options, score = RunOptions(progress=False), Evaluation(subset="overlap")
    rows = evaluate_many(crops, {"refusing": Refusing()}, tmp_path / "rows.csv", options, score)
    assert list(rows["subset"]) == ["overlap"] * 3
    assert ["refused" in message for message in rows["message"]] == [True, False, True]
    assert "cannot be read as an image" in rows["message"][1]


def test_one_stem_in_both_folders(root):
    put(root / "without-overlap", "691_3by4_lead_10", 5)
    crops = FolderCrops(str(root))
    ids = [crops.crop_id(i) for i in range(len(crops))]
    assert {"without-overlap/691_3by4_lead_10", "with-overlap/691_3by4_lead_10"} < set(ids)
    assert len(set(ids)) == 6


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ({"n_non_overlap": 1, "n_overlap": 2}, (1, 2)),
        ({"wanted": "overlap"}, (0, 3)),
        ({"wanted": "non_overlap", "n_non_overlap": 1}, (1, 0)),
        ({"n_overlap": 0}, (2, 0)),
    ],
)
def test_quotas(root, options, numbers):
    overlaps = [crop.overlap_px for crop in FolderCrops(str(root), **options)]
    assert (overlaps.count(0), overlaps.count(1)) == numbers


def test_a_root_that_is_laid_out_otherwise(root, tmp_path):
    layout = "with-overlap/ and without-overlap/, each with image/, mask-png/ .* and signal-json/"
    with pytest.raises(DataError, match=f"no folder .*nowhere.*{layout}"):
        len(FolderCrops(str(tmp_path / "nowhere")))
    with pytest.raises(DataError, match=f"{layout}; did you mean data.root={root}"):
        len(FolderCrops(str(tmp_path)))
    shutil.rmtree(root / "with-overlap" / "signal-json")
    with pytest.raises(DataError, match="with-overlap is no folder of crops"):
        len(FolderCrops(str(root)))
    with pytest.raises(DataError, match="no crop of subset overlap"):
        shutil.rmtree(root / "with-overlap")
        len(FolderCrops(str(root), wanted="overlap"))


def test_the_fingerprint_is_of_contents(root, tmp_path):
    before = FolderCrops(str(root)).fingerprint()
    shutil.copytree(root, tmp_path / "elsewhere")
    assert FolderCrops(str(tmp_path / "elsewhere")).fingerprint() == before
    damage(root / "with-overlap", "691_3by4_lead_10", "signal-json", b"[0.5]")
    assert FolderCrops(str(root)).fingerprint() != before


def test_signals_of_whole_numbers_are_numbers(tmp_path):
    (tmp_path / "s.json").write_text("[0, 1, -2]")
    np.testing.assert_array_equal(read_signal(tmp_path / "s.json"), [0.0, 1.0, -2.0])


@pytest.fixture
def training(tmp_path):
    for number in range(4):
        put(tmp_path / "train", f"{number}_3by4_lead_0", number)
    put(tmp_path / "val", "9_3by1_lead_0", 9, parts=4)
    return tmp_path


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_item_does_not_kill_a_training(training, name, caplog):
    kind, content, _ = BROKEN[name]
    damage(training / "train", "2_3by4_lead_0", kind, content)
    crops = FolderTraining(str(training))
    with caplog.at_level(logging.WARNING):
        assert len(crops) == 3
    assert [crop.crop_id[0] for crop in crops] == ["0", "1", "3"]
    assert len(crops.broken) == 1
    assert "1 of 4 crops" in caplog.text and "2_3by4_lead_0" in caplog.text


def test_long_leads_are_parted(training):
    image, mask, signal = planted(9, parts=4)
    parts = list(FolderTraining(str(training), split="val"))
    assert [part.image.shape for part in parts] == [(HEIGHT, WIDTH, 3)] * 4
    np.testing.assert_array_equal(np.concatenate([part.image for part in parts], axis=1), image)
    np.testing.assert_array_equal(np.concatenate([part.mask for part in parts], axis=1), mask)
    np.testing.assert_array_equal(np.concatenate([part.signal for part in parts]), signal)
    (whole,) = FolderTraining(str(training), split="val", window_s=None)
    assert whole.image.shape == image.shape and len(whole.signal) == 1000


def test_the_test_split_is_refused():
    with pytest.raises(ConfigError, match="test split"):
        FolderTraining("anywhere", split="test")


def test_a_set_without_splits_is_parted_by_record(tmp_path):
    """As the published set lies; all leads of a record go to one side."""
    for number in range(20):
        for lead in range(2):
            put(tmp_path, f"{number}_3by4_lead_{lead}", number)
    train, val = (FolderTraining(str(tmp_path), split=split) for split in ("train", "val"))
    records = [{crop.record_id for crop in crops} for crops in (train, val)]
    assert len(train) == 2 * len(records[0]) and len(val) == 2 * len(records[1])
    assert not records[0] & records[1]
    assert all(hashed_split(record) == "val" for record in records[1])


def test_nothing_to_train_on(training, tmp_path):
    for number in range(4):
        damage(training / "train", f"{number}_3by4_lead_0", "image", b"")
    with pytest.raises(DataError, match=r"no usable crop of split train: .*0_3by4_lead_0"):
        len(FolderTraining(str(training)))
    with pytest.raises(DataError, match=r"generate\.py"):
        len(FolderTraining(str(tmp_path / "nowhere")))


@pytest.mark.parametrize(("text", "start_px"), [("-3.25", -3.25), ("", None)])
def test_an_index_may_tell_where_the_trace_begins(tmp_path, text, start_px):
    """Tables written before it could have no such column; those are read as before."""
    path = tmp_path / "index.csv"
    write_index(path, [row("691_3by4_lead_10", start_px=None if text == "" else float(text))])
    assert row_from_text(read_index(path)["691_3by4_lead_10"], path).start_px == start_px
    lines = [line.rpartition(",")[0] for line in path.read_text().splitlines()]
    path.write_text("\n".join(lines) + "\n")
    assert row_from_text(read_index(path)["691_3by4_lead_10"], path).start_px is None
    bad = read_index(path)["691_3by4_lead_10"] | {"start_px": "inf"}
    with pytest.raises(DataError, match="start_px of 691_3by4_lead_10 is 'inf', which is not finite"):
        row_from_text(bad, path)
