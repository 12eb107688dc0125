"""What generate.py writes is what was drawn, in the published layout, without its defects."""

import csv
import json
from collections.abc import Iterable
from dataclasses import fields, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from hydra.utils import instantiate

from ecgtrace.datasets import crop_files, published_sets
from ecgtrace.datasets import export as exporting
from ecgtrace.datasets.crop_files import signal_json
from ecgtrace.datasets.cut import cut, overlap
from ecgtrace.datasets.drawn import DrawnCrops, Sheet
from ecgtrace.datasets.export import export, main
from ecgtrace.datasets.folder import FolderCrops, FolderTraining
from ecgtrace.datasets.index import read_index
from ecgtrace.datasets.page_list import Pages
from ecgtrace.datasets.published_sets import DetectionSet, DigitizationSet, OverlapSet, SegmentationSet
from ecgtrace.drawing.degrade import Degradation
from ecgtrace.drawing.layout import lay_out, resample
from ecgtrace.drawing.render import draw, traces_ink
from ecgtrace.drawing.style import PageStyle
from ecgtrace.drawing.yolo_labels import CLASSES
from ecgtrace.errors import ConfigError, DataError
from ecgtrace.evaluation.run import evaluate_many
from ecgtrace.evaluation.runner import RunOptions
from ecgtrace.records import SampleRecords
from ecgtrace.types import Record
from ecgtrace.units import LEADS

ROOT = Path(__file__).resolve().parents[1]
SMALL = PageStyle(px_per_mm=5.0, degradation=Degradation(noise_std=2.0, jpeg_quality=75))
PAGES = Pages(SampleRecords(), SMALL, rhythm=True)
COUNTS = {"train": 2, "val": 1, "test": 1}
CROPS = {"train": 20, "val": 4, "test": 2}
SHEETS = (Sheet("3x4"), Sheet("3x1"))
DRAWN = DrawnCrops(SampleRecords(), SMALL, SHEETS, "test", n_non_overlap=3, n_overlap=3)


class FewRecords:
    """Records that the test makes itself."""

    name = "few"

    def __init__(self, records: Iterable[Record], broken=()):
        self.records = {record.record_id: record for record in records}
        self.broken = broken

    def split_ids(self, split):
        return tuple(self.records)

    def load(self, record_id):
        if record_id in self.broken:
            raise DataError(f"record {record_id} is broken")
        return self.records[record_id]

    def fingerprint(self):
        return "few"


def sets():
    return [
        DigitizationSet(PAGES, COUNTS),
        DetectionSet(PAGES, COUNTS),
        SegmentationSet(PAGES, CROPS),
        OverlapSet(DRAWN),
    ]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """All four sets, small, from one process."""
    folder = tmp_path_factory.mktemp("sets")
    for disk_set in sets():
        assert export(disk_set, folder, progress=False).failed == ()
    return folder


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def index_of(folder):
    with (folder / "index.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def picture(path):
    return cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)


def record_of(name):
    """Return the signals of a sample record as the published pages show them: 100 Hz."""
    record = SampleRecords().load(name)
    return resample(record.signal, record.fs_hz, 100.0)


# Layout -------------------------------------------------------------------------------------------


def test_the_published_layout(written):
    """README and make_dataset.py of rezakarbasi/ecg-image-and-signal-dataset give folders and names."""
    names = set(contents(written))
    leads = range(13)  # 3x4 with a rhythm strip
    assert {"digitization-dataset/0_3by4/0_3by4.jpg"} | {
        f"digitization-dataset/0_3by4/0_3by4_lead_{k}.json" for k in leads
    } <= names
    for split, page in (("train", "0_3by4"), ("train", "1_3by1"), ("val", "2_3by4"), ("test", "3_3by4")):
        assert f"detection-dataset/{split}/images/{page}.jpg" in names
        assert f"detection-dataset/{split}/labels/{page}.txt" in names
    crop = "segmentation/{}/{}/{}_lead_{}.{}"
    kinds = (("image", "png"), ("mask-png", "png"), ("mask-bmp", "bmp"), ("signal-json", "json"))
    for kind, suffix in kinds:
        assert {crop.format("train", kind, "0_3by4", k, suffix) for k in leads} <= names
    parts = {tuple(name.split("/")[1:3]) for name in names if name.startswith("overlap-dataset/w")}
    assert parts == {(part, kind) for part in ("with-overlap", "without-overlap") for kind, _ in kinds}
    assert not [name for name in names if ".tmp" in name or ".progress" in name]


def test_counts(written):
    for folder, number in (("segmentation", 26), ("overlap-dataset", 6)):
        assert len(index_of(written / folder)) == number
    splits = [row["split"] for row in index_of(written / "segmentation")]
    assert {split: splits.count(split) for split in CROPS} == CROPS


# What was drawn is what is read -------------------------------------------------------------------


def test_every_field_comes_back(written):
    crops = FolderCrops(str(written / "overlap-dataset"))
    assert len(crops) == len(DRAWN) == 6
    for drawn, read in zip(DRAWN, crops, strict=True):
        for field in fields(drawn):
            if field.name in ("polyline", "other_mask", "printed_mask"):  # known of drawn crops alone
                continue
            a, b = getattr(drawn, field.name), getattr(read, field.name)
            np.testing.assert_array_equal(a, b, err_msg=field.name)
            assert type(a) is type(b)


@pytest.mark.parametrize("image_format", ["bmp", "webp"])
def test_other_lossless_formats(tmp_path, image_format):
    export(OverlapSet(replace(DRAWN, n_overlap=1, n_non_overlap=1), image_format), tmp_path, progress=False)
    for drawn, read in zip(
        replace(DRAWN, n_overlap=1, n_non_overlap=1),
        FolderCrops(str(tmp_path / "overlap-dataset")),
        strict=True,
    ):
        np.testing.assert_array_equal(drawn.image, read.image)


def test_scores_from_a_folder_are_those_drawn_on_the_fly(tmp_path):
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        overrides = ["seed=3", "subset.n_overlap=3", "subset.n_non_overlap=2"]
        generate = compose("generate", overrides)
        evaluate = compose("evaluate", [*overrides, "digitizer=baseline"])
        ceiling = compose("evaluate", ["digitizer=ceiling"]).digitizer
        folder = compose("evaluate", ["data=folder", f"data.root={tmp_path / 'overlap-dataset'}"])
    digitizers = {"baseline": instantiate(evaluate.digitizer), "ceiling": instantiate(ceiling)}
    export(instantiate(generate.overlap, _convert_="object"), tmp_path, progress=False)
    options = RunOptions(progress=False)
    drawn = instantiate(evaluate.data, _convert_="object")
    on_the_fly = evaluate_many(drawn, digitizers, tmp_path / "a.csv", options)
    from_disk = evaluate_many(instantiate(folder.data), digitizers, tmp_path / "b.csv", options)
    assert len(on_the_fly) == 10 and (on_the_fly["status"] != "failed").all()
    assert (on_the_fly["subset"] == "overlap").sum() == 6
    assert from_disk.drop(columns="seconds").equals(on_the_fly.drop(columns="seconds"))


def test_a_page_is_saved_once(tmp_path):
    """The page's own JPEG and the file's are one and the same, not one upon the other."""
    pages = replace(PAGES, style=replace(SMALL, degradation=Degradation(jpeg_quality=75)))
    disk_set = DigitizationSet(pages, {"train": 1})
    export(disk_set, tmp_path, progress=False)
    image = picture(tmp_path / "digitization-dataset" / "0_3by4" / "0_3by4.jpg")
    inner = slice(16, -32)  # blocks at the edge end with the page, or go on where a part is drawn
    drawn = draw(pages.plan(disk_set.specs[0]))
    np.testing.assert_array_equal(image[inner, inner], drawn[inner, inner])


# Defects of the original that must not be here ------------------------------------------------------


def yolo_boxes(folder, split, page):
    """Read a label file, in px of the image that it belongs to."""
    height, width = picture(folder / split / "images" / f"{page}.jpg").shape[:2]
    lines = (folder / split / "labels" / f"{page}.txt").read_text().splitlines()
    for line in lines:
        kind, *shares = line.split()
        x, y, w, h = np.array(shares, float) * (width, height, width, height)
        yield int(kind), np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2])


@pytest.mark.parametrize(("split", "number"), [("train", 0), ("train", 1), ("test", 3)])
def test_yolo_boxes_hold_the_ink_and_nothing_more(written, split, number):
    spec = DetectionSet(PAGES, COUNTS).specs[number]
    plan = PAGES.plan(spec)
    boxes = [box for kind, box in yolo_boxes(written / "detection-dataset", split, spec.name) if kind == 0]
    assert len(boxes) == len(plan.traces)
    for target, (x0, y0, x1, y1) in enumerate(boxes):
        ink = traces_ink(plan, (0, 0, plan.width, plan.height), (target,)) > 0
        columns, rows = np.flatnonzero(ink.any(axis=0)), np.flatnonzero(ink.any(axis=1))
        edges = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
        assert np.abs(edges - (x0, y0, x1, y1)).max() <= 1.0


def test_yolo_boxes_of_names_hold_their_ink(written):
    spec = DetectionSet(PAGES, COUNTS).specs[0]
    lossless = replace(SMALL, degradation=Degradation())
    plan = PAGES.plan(spec, lossless)
    boxes = [(k, box) for k, box in yolo_boxes(written / "detection-dataset", "train", spec.name) if k]
    assert [CLASSES[kind] for kind, _ in boxes] == [*LEADS, "II"]
    bare = replace(plan, labels=(), traces=plan.traces[:1])
    for label, (_, (x0, y0, x1, y1)) in zip(plan.labels, boxes, strict=True):
        named = draw(replace(bare, labels=(label,)))
        y, x = np.nonzero((named != draw(bare)).any(axis=2))
        assert len(x) > 20
        assert x0 <= x.min() and x.max() + 1 <= x1 and y0 <= y.min() and y.max() + 1 <= y1
        assert (x1 - x0) * (y1 - y0) < 6 * len(x)  # and little else


def test_names_and_signals_belong_together(written):
    """There, aVR and aVL are swapped, and every column shows the same 2.5 s."""
    folder = written / "digitization-dataset"
    rows = [row for row in index_of(folder) if row["crop_id"].startswith("0_3by4")]
    assert [row["lead"] for row in rows] == [*LEADS, "II"]
    truth = record_of(rows[0]["record_id"])
    for k, lead in enumerate(LEADS):
        samples = json.loads((folder / "0_3by4" / f"0_3by4_lead_{k}.json").read_text())
        first = 250 * (k // 3)
        np.testing.assert_array_equal(samples, truth[LEADS.index(lead), first : first + 250])
    strip = json.loads((folder / "0_3by4" / "0_3by4_lead_12.json").read_text())
    np.testing.assert_array_equal(strip, truth[1])


def test_masks_are_lossless_in_both_formats(written):
    folder = written / "segmentation" / "train"
    disk_set = SegmentationSet(PAGES, CROPS)
    for index in (0, 7, 14):
        spec, target = disk_set.specs[index]
        mask = cut(PAGES.plan(spec, disk_set.style(spec)), target, "x").mask * 255
        for kind, suffix in (("mask-png", "png"), ("mask-bmp", "bmp")):
            path = folder / kind / f"{spec.name}_lead_{target}.{suffix}"
            read = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            assert read.ndim == 2
            np.testing.assert_array_equal(read, mask)


def test_a_lead_whose_median_is_zero_is_drawn(tmp_path):
    signal = np.zeros((12, 1000))
    signal[:, 100:110] = 1.0
    records = FewRecords([Record("r", signal, 100.0, LEADS)])
    disk_set = SegmentationSet(Pages(records, SMALL, ("3x4",)), {"train": 12}, dense=0)
    export(disk_set, tmp_path, progress=False)
    crops = FolderTraining(str(tmp_path / "segmentation"))
    assert len(crops) == 12
    for crop in crops:
        assert 0.9 * crop.image.shape[1] < crop.mask.any(axis=0).sum() and crop.mask.mean() < 0.5


def test_no_record_is_in_two_splits(written):
    for folder in ("segmentation", "detection-dataset", "digitization-dataset"):
        found = {(row["record_id"], row["split"]) for row in index_of(written / folder)}
        assert len({record for record, _ in found}) == len(found)
        assert all(record in SampleRecords().split_ids(split) for record, split in found)


def test_500_hz(tmp_path):
    pages = replace(PAGES, style=replace(SMALL, fs_hz=None), rhythm=False)
    export(SegmentationSet(pages, {"train": 1}), tmp_path, progress=False)
    (crop,) = FolderTraining(str(tmp_path / "segmentation"))
    assert crop.fs_hz == 500.0
    np.testing.assert_array_equal(crop.signal, SampleRecords().load(crop.record_id).signal[0, :1250])


@pytest.mark.parametrize("px_per_mm", [3.3, 11.0])
def test_no_size_is_tied_to_a_resolution(tmp_path, px_per_mm):
    pages = Pages(SampleRecords(), PageStyle(px_per_mm=px_per_mm), ("6x2",))
    export(DetectionSet(pages, {"train": 1}), tmp_path, progress=False)
    plan = pages.plan(DetectionSet(pages, {"train": 1}).specs[0])
    boxes = [box for k, box in yolo_boxes(tmp_path / "detection-dataset", "train", "0_6by2") if k == 0]
    for trace, box in zip(plan.traces, boxes, strict=True):
        middle = (trace.polyline.min(axis=0) + trace.polyline.max(axis=0)) / 2 + 0.5
        np.testing.assert_allclose((box[:2] + box[2:]) / 2, middle, atol=1e-3)


def test_the_index_counts_what_overlaps(written):
    disk_set = SegmentationSet(PAGES, CROPS)
    rows = read_index(written / "segmentation" / "index.csv")
    for index in (1, 4, 8):
        spec, target = disk_set.specs[index]
        row = rows[disk_set.item_ids[index]]
        plan = lay_out(
            SampleRecords().load(spec.record_id), spec.sheet.layout, disk_set.style(spec), rhythm=True
        )
        assert (int(row["overlap_px"]), int(row["crossings"])) == overlap(plan, target)


def test_dense_pages_stand_closer():
    loose, close = (SegmentationSet(PAGES, {"train": 100}, dense=dense) for dense in (0.0, 1.0))
    assert {loose.style(spec).row_spacing_mm for spec, _ in loose.specs} == {15.0}
    spacings = {close.style(spec).row_spacing_mm for spec, _ in close.specs}
    assert len(spacings) > 5 and all(5.0 <= spacing <= 15.0 for spacing in spacings)


def test_pages_of_a_split_differ_until_it_is_used_up(tmp_path):
    pages = list(Pages(SampleRecords(), SMALL, ("3x4", "3x1", "6x2")).of_split("val"))
    n_records = len(SampleRecords().split_ids("val"))
    assert len(pages) == len(set(pages)) == n_records * (4 + 1 + 2)
    assert len({record_id for record_id, _ in pages[:n_records]}) == n_records
    with pytest.raises(ConfigError, match=f"1000 pages .* give only {n_records * 5}"):
        export(DetectionSet(Pages(SampleRecords(), SMALL), {"val": 1000}), tmp_path, progress=False)
    assert not list(tmp_path.iterdir())


def test_signals_keep_every_digit():
    samples = np.random.default_rng(0).normal(size=50)
    np.testing.assert_array_equal(json.loads(signal_json(samples)), samples)


# Interruption, repetition, refusal --------------------------------------------------------------------


def test_two_workers_write_what_one_does(written, tmp_path):
    disk_set = SegmentationSet(PAGES, CROPS)
    export(disk_set, tmp_path, workers=2, progress=False)
    assert contents(tmp_path / disk_set.folder) == contents(written / disk_set.folder)


@pytest.mark.parametrize("number", range(4))
def test_a_run_that_was_cut_off_goes_on(written, tmp_path, monkeypatch, number):
    disk_set = sets()[number]
    folder = tmp_path / disk_set.folder
    calls, write = [], exporting.write_bytes

    def cut_off(path, content):
        calls.append(path)
        if len(calls) > 8:  # in the midst of an item
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(f".{path.name}.tmp").write_bytes(content[:10])
            raise KeyboardInterrupt
        write(path, content)

    for module in (exporting, published_sets, crop_files):
        monkeypatch.setattr(module, "write_bytes", cut_off)
    with pytest.raises(KeyboardInterrupt):
        export(disk_set, tmp_path, progress=False)
    monkeypatch.undo()
    with (folder / ".progress.jsonl").open("a") as journal:
        journal.write('{"item": "2_3b')  # a torn line
    assert contents(folder) != contents(written / disk_set.folder)
    export(disk_set, tmp_path, progress=False)
    assert contents(folder) == contents(written / disk_set.folder)


def test_what_is_there_is_left_and_what_is_missing_comes_back(written, tmp_path):
    disk_set = OverlapSet(DRAWN)
    first = export(disk_set, tmp_path, progress=False)
    folder = tmp_path / disk_set.folder
    lost = next((folder / "with-overlap" / "mask-bmp").iterdir())
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("image/*")}
    lost.unlink()
    second = export(disk_set, tmp_path, progress=False)
    assert (first.n_written, second.n_written) == (6, 1)
    assert contents(folder) == contents(written / disk_set.folder)
    untouched = [path for path, time in times.items() if path.stat().st_mtime_ns == time]
    assert len(untouched) == 5


@pytest.mark.parametrize(
    "other",
    [
        OverlapSet(replace(DRAWN, seed=1)),
        OverlapSet(replace(DRAWN, style=replace(SMALL, px_per_mm=6.0))),
        OverlapSet(replace(DRAWN, n_overlap=2)),
        OverlapSet(DRAWN, image_format="bmp"),
    ],
)
def test_another_config_is_refused(written, other):
    before = contents(written)
    with pytest.raises(ConfigError, match="begun with another configuration") as caught:
        export(other, written, progress=False)
    assert "\n" not in str(caught.value)
    assert contents(written) == before


def test_a_folder_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "overlap-dataset").mkdir()
    (tmp_path / "overlap-dataset" / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match=r"holds files that generate\.py did not write"):
        export(OverlapSet(DRAWN), tmp_path, progress=False)
    assert contents(tmp_path) == {"overlap-dataset/thesis.txt": b"years of work"}
    (tmp_path / "file").write_text("")
    with pytest.raises((ConfigError, NotADirectoryError)):
        export(OverlapSet(DRAWN), tmp_path / "file", progress=False)


def test_a_broken_record_costs_its_own_items_alone(tmp_path):
    good = SampleRecords()
    records = FewRecords((good.load(f"sample-00{i}") for i in range(3)), broken=("sample-001",))
    disk_set = DetectionSet(Pages(records, SMALL, ("3x4",)), {"train": 3})
    summary = export(disk_set, tmp_path, progress=False)
    assert len(summary.failed) == 1 and "sample-001 is broken" in summary.failed[0]
    assert len(list((tmp_path / "detection-dataset" / "train" / "images").iterdir())) == 2
    assert {row["record_id"] for row in index_of(tmp_path / "detection-dataset")} == {
        "sample-000",
        "sample-002",
    }


# Configuration ----------------------------------------------------------------------------------------


def composed(*overrides):
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose("generate", list(overrides))


def test_the_overlap_set_is_what_an_evaluation_draws():
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        drawn = instantiate(compose("evaluate").data, _convert_="object")
    assert instantiate(composed().overlap, _convert_="object").crops == drawn


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sets=[detektion]", "sets: detektion chosen; choose of digitization"),
        ("workers=0", "workers must be at least 1"),
        ("detection.counts={train: -1}", "negative"),
        ("detection.counts={train: 9999}", "lower the count"),
        ("page_jpeg_quality=0", "1..100"),
        ("pages.layouts=[4x3]", "choose of 3x1"),
    ],
)
def test_wrong_usage_is_said_before_anything_is_written(tmp_path, override, message):
    cfg = composed(f"output_dir={tmp_path / 'out'}", "sets=[detection]", "progress=false", override)
    with pytest.raises(Exception, match=message) as caught:
        main(cfg)
    cause = caught.value.__cause__ or caught.value
    assert isinstance(cause, ConfigError) or isinstance(caught.value, ConfigError)
    assert not list(tmp_path.rglob("*.jpg"))


def test_a_split_that_does_not_exist():
    with pytest.raises(ConfigError, match="no split dev"):
        DetectionSet(PAGES, {"dev": 3})


def test_a_misspelt_key_is_refused():
    with pytest.raises(HydraException, match="worker"):
        composed("worker=3")


def test_main_says_at_the_end_what_could_not_be_drawn(tmp_path, monkeypatch, capsys):
    load = SampleRecords.load

    def broken(self, record_id):
        if record_id == "sample-000":
            raise DataError("record sample-000 is broken")
        return load(self, record_id)

    monkeypatch.setattr(SampleRecords, "load", broken)
    split = next(s for s in ("train", "val", "test") if "sample-000" in SampleRecords().split_ids(s))
    number = len(SampleRecords().split_ids(split))
    overrides = (f"detection.counts={{{split}: {number}, train: 1}}", "page.px_per_mm=3", "workers=1")
    if split == "train":
        overrides = (f"detection.counts={{train: {number}, val: 0, test: 0}}", *overrides[1:])
    cfg = composed(f"output_dir={tmp_path}", "sets=[detection]", "progress=false", *overrides)
    with pytest.raises(DataError, match="1 items could not be drawn, the others are written"):
        main(cfg)
    assert "items" in capsys.readouterr().out
