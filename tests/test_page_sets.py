"""Pages with their truth from folders: what is taken, where it stands in time, what is refused."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from pdf_by_hand import pdf
from planted_pages import LEADS, as_3x4, heart
from wfdb_by_hand import write_record

from ecgtrace.documents.source import SourcePage
from ecgtrace.errors import DataError
from ecgtrace.evaluation.page_sample import PageSample, PageSet
from ecgtrace.page_sets.boxes import read_boxes
from ecgtrace.page_sets.folder import PageFolder
from ecgtrace.page_sets.kaggle import KagglePages
from ecgtrace.page_sets.reference import ReferencePages
from ecgtrace.page_sets.vector import RenderedPdfs

ROOT = Path(__file__).resolve().parents[1]


def picture(path, shape=(60, 80)):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((*shape, 3), 200, np.uint8))


# A folder ------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """Two pages of one record and one without truth; of the first all is told, of the second nothing."""
    truth = as_3x4(heart(fs_hz=100), 100)
    for name in ("00001_a", "00001_b-w"):
        write_record(tmp_path, name, truth, fs_hz=100, steps_per_mv=5000)  # up to 6.5 mV
    picture(tmp_path / "00001_a.png")
    picture(tmp_path / "00001_b-w.jpg")
    picture(tmp_path / "00002_a.png")
    lead = {"lead_bounding_box": {"0": [10, 5], "1": [10, 25], "2": [2, 25], "3": [2, 5]}}
    boxes = [
        {**lead, "lead_name": name, "start_sample": 0, "end_sample": 250 if name != "II" else 1000}
        for name in ("I", "aVR", "II")
    ]
    boxes[1]["lead_bounding_box"] = {"0": [11, 26], "1": [11, 45], "2": [1, 45], "3": [1, 26]}
    told = json.dumps({"x_grid": 20.0, "leads": boxes})
    for name in ("00001_a", "00001_b-w"):
        (tmp_path / f"{name}.boxes.json").write_text(told)
    (tmp_path / "index.csv").write_text("file,layout,dpi,printer\n00001_a.png,3x4+1,100,a machine\n")
    return tmp_path


def test_a_folder_gives_pages_that_have_their_truth(folder):
    pages = PageFolder(str(folder), printer="unknown")
    assert [pages.crop_id(index) for index in range(len(pages))] == ["00001_a", "00001_b-w"]
    first, second = pages
    assert (first.layout, first.dpi, first.printer, first.record_id) == ("3x4+1", 100, "a machine", "00001")
    assert first.names == LEADS and first.fs_hz == 100
    np.testing.assert_allclose(first.signals, as_3x4(heart(fs_hz=100), 100), atol=2e-4)
    assert first.truth("aVR").start_s == 2.5 and first.truth("II").duration_s == 10
    assert second.printer == "unknown" and second.dpi == pytest.approx(20 / 5 * 25.4)
    assert not second.boxes  # damaged: they are not those of this picture


def test_boxes_stand_at_the_times_of_their_columns(folder):
    boxes = next(iter(PageFolder(str(folder)))).boxes
    assert set(boxes) == {"I", "aVR", "II"}
    assert boxes["I"][0].box == (5, 2, 25, 10) and boxes["I"][0].start_s == 0
    assert (boxes["aVR"][0].start_s, boxes["aVR"][0].end_s) == (2.5, 5.0)
    assert (boxes["II"][0].start_s, boxes["II"][0].end_s) == (0.0, 10.0)


def test_patterns_choose_files(folder):
    assert len(PageFolder(str(folder), without="*-w.*")) == 1
    assert len(PageFolder(str(folder), only="*.jpg")) == 1
    with pytest.raises(DataError, match="holds no picture or PDF with its truth"):
        len(PageFolder(str(folder), only="*.webp"))


def test_what_is_broken_is_told_when_it_is_asked_for(folder):
    pages = PageFolder(str(folder))
    before = pages.fingerprint()
    (folder / "00001_a.png").write_bytes(b"no picture")
    (folder / "00001_b-w.boxes.json").write_text("{}")
    assert PageFolder(str(folder)).fingerprint() != before
    with pytest.raises(DataError, match="00001_a"):
        _ = pages[0]
    with pytest.raises(DataError, match="boxes of leads"):
        _ = pages[1]
    with pytest.raises(DataError, match="there is no folder"):
        len(PageFolder(str(folder / "nowhere")))


def test_two_pictures_of_one_truth_are_refused(folder):
    picture(folder / "00001_a.webp")
    with pytest.raises(DataError, match="several files for the truth of 00001_a"):
        len(PageFolder(str(folder)))


def test_later_pages_of_a_document_have_their_own_truth(tmp_path):
    truth = as_3x4(heart(fs_hz=100), 100)
    (tmp_path / "ecg.pdf").write_bytes(pdf([b"0 0 m 10 10 l S", b"0 0 m 20 20 l S"]))
    for name in ("ecg", "ecg-p2"):
        write_record(tmp_path, name, truth, fs_hz=100, steps_per_mv=5000)
    pages = list(PageFolder(str(tmp_path)))
    assert [(page.page_id, page.page.number, page.page.vectors is None) for page in pages] == [
        ("ecg", 1, False),
        ("ecg-p2", 2, False),
    ]


def test_columns_of_one_row_are_counted_by_their_right_ends(tmp_path):
    """Two columns of 5 s show the same 5 s; the axis has the right one behind the left."""
    signals = {"I": np.full(1000, np.nan), "V1": np.full(1000, np.nan)}
    signals["I"][:500] = signals["V1"][500:] = 1.0
    leads = [
        {
            "lead_name": name,
            "start_sample": 0,
            "end_sample": 500,
            "lead_bounding_box": {"0": [9, x], "1": [9, x + 50], "2": [1, x + 50], "3": [1, x]},
        }
        for name, x in (("V1", 60), ("I", 5))
    ]
    path = tmp_path / "page.boxes.json"
    path.write_text(json.dumps({"x_grid": 10.0, "leads": leads}))
    found = read_boxes(path, signals, 100.0)
    assert found.layout == "1x2" and found.boxes["V1"][0].start_s == 5.0 and found.boxes["I"][0].start_s == 0
    assert found.overlaps == {"V1": False, "I": False}


# The competition's download ------------------------------------------------------------------------


def write_kaggle(root, columns, fs_hz=100):
    """Write one record with two pictures."""
    (root / "train" / "7").mkdir(parents=True)
    (root / "train.csv").write_text(f"id,fs,sig_len\n7,{fs_hz},{len(columns[0])}\n")
    lines = [",".join(LEADS)]
    lines += [",".join("" if np.isnan(v) else f"{v:.6f}" for v in line) for line in np.transpose(columns)]
    (root / "train" / "7" / "7.csv").write_text("\n".join(lines) + "\n")
    for number in ("0001", "0005"):
        picture(root / "train" / "7" / f"7-{number}.png")


def at_the_beginning(shown):
    """Move what is shown of each lead to the first row, as a file without the page's axis has it."""
    moved = np.full_like(shown, np.nan)
    for row, values in enumerate(shown):
        known = values[np.isfinite(values)]
        moved[row, : len(known)] = known
    return moved


@pytest.mark.parametrize("form", ["on the axis", "at the beginning", "whole"])
def test_kaggle_puts_each_lead_where_the_page_shows_it(tmp_path, form):
    whole = heart(fs_hz=100)
    shown = as_3x4(whole, 100)
    write_kaggle(
        tmp_path, {"on the axis": shown, "at the beginning": at_the_beginning(shown), "whole": whole}[form]
    )
    pages = KagglePages(str(tmp_path))
    assert [pages.crop_id(index) for index in range(len(pages))] == ["7-0001", "7-0005"]
    assert [page.printer for page in pages] == ["drawn", "photo of the print"]
    np.testing.assert_allclose(pages[0].signals, shown, atol=1e-6)
    assert pages[0].layout == "3x4+1" and pages[0].record_id == "7" and pages[0].fs_hz == 100


def test_kaggle_chooses_conditions_and_records(tmp_path):
    write_kaggle(tmp_path, as_3x4(heart(fs_hz=100), 100))
    assert len(KagglePages(str(tmp_path), conditions=(5,))) == 1  # Hydra reads 0005 as a number
    with pytest.raises(DataError, match=r"no ID/ID-0001\.png"):
        len(KagglePages(str(tmp_path), n_records=0))


def test_kaggle_says_what_is_missing(tmp_path):
    with pytest.raises(DataError, match=r"train\.csv cannot be read"):
        len(KagglePages(str(tmp_path)))
    write_kaggle(tmp_path, as_3x4(heart(fs_hz=100), 100))
    pages = KagglePages(str(tmp_path))
    (tmp_path / "train" / "7" / "7.csv").write_text("I,II\n1,2\n")
    with pytest.raises(DataError, match="a column for each of twelve leads"):
        _ = pages[0]


# Others --------------------------------------------------------------------------------------------


def test_reference_pages_begin_a_column_where_the_one_before_ends(tmp_path):
    """10 px/mm: the second column's box begins 260 px further right, 1.04 s; the first is 1 s long."""
    picture(tmp_path / "pages" / "1_3by4.jpg", (100, 1000))
    header = "name,ecg_id,fmt,lead,overlap,pixels_per_large_square\n"
    lines = [f"1_3by4_lead_{k},38,3by4,{k},{kind},50\n" for k, kind in ((3, "crossing"), (0, "none"))]
    (tmp_path / "index.csv").write_text(header + "".join(lines))
    (tmp_path / "page-labels").mkdir()
    (tmp_path / "page-labels" / "1_3by4.txt").write_text(
        "0 0.225 0.5 0.25 0.2\n1 0.1 0.1 0.01 0.01\n0 0.485 0.5 0.25 0.2\n4 0.4 0.1 0.01 0.01"
    )
    (tmp_path / "signals").mkdir()
    for k in (0, 3):
        (tmp_path / "signals" / f"1_3by4_lead_{k}.json").write_text(json.dumps([float(k)] * 99 + [1.0]))
    (page,) = ReferencePages(str(tmp_path))
    assert page.names == ("I", "aVR") and page.layout == "3x4" and page.record_id == "00038"
    assert page.truth("I").start_s == 0 and page.truth("aVR").start_s == 1.0
    assert page.boxes["aVR"][0].box == pytest.approx((360, 40, 610, 60))
    assert page.overlaps == {"I": False, "aVR": True} and page.page.dpi is None


def test_rendered_pdfs_need_vectors_that_are_beyond_doubt(tmp_path):
    (tmp_path / "empty.pdf").write_bytes(pdf([b"0 0 m 10 10 l S"]))
    pages = RenderedPdfs(str(tmp_path), dpis=(100,))
    assert pages.crop_id(0) == "empty-100dpi"
    with pytest.raises(DataError, match="no vector traces"):
        _ = pages[0]
    with pytest.raises(DataError, match="holds no PDF"):
        len(RenderedPdfs(str(tmp_path), without="*.pdf"))


@pytest.fixture(scope="module")
def drawn():
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        cfg = compose("evaluate", ["data=pages", "data.n_pages=3", "data.dpi=[100,110]", "split=val"])
    return instantiate(cfg.data, _convert_="object")


def test_drawn_pages_are_samples(drawn):
    """The truth of a sample is that of the page; each lead has boxes inside the picture, at its times."""
    for index, page in enumerate(drawn):
        assert page.page_id == drawn.crop_id(index)
        assert page.page.dpi in (None, page.dpi)  # stated where the paper shows no scale
        height, width = page.page.image.shape[:2]
        for name in page.names:
            truth = page.truth(name)
            first = min(page.boxes[name], key=lambda part: part.start_s)
            assert first.start_s == pytest.approx(truth.start_s, abs=0.002)
            x0, _, x1, y1 = first.box
            assert -1 <= x0 < x1 <= width and y1 <= height
            per_s = page.dpi / 25.4 * page.speed_mm_per_s
            assert x1 - x0 == pytest.approx(per_s * (first.end_s - first.start_s), rel=0.05)
    assert len({drawn.crop_id(index) for index in range(3)}) == 3


def test_a_drawn_page_is_named_as_it_is_printed(drawn):
    """Over a layout of one lead in rows, and one whose aVR is printed upside down."""
    from dataclasses import replace

    from ecgtrace.datasets.drawn_pages import PageRegion

    page = replace(
        drawn._pages[0], leads=("aVR",), names=("-aVR",), signals=np.ones((1, 9)), layout="rows3",
        regions=(PageRegion("aVR", "-aVR", 0, 0, False, 0.0, 1.0, 1, 2, 3, 4, (2.0, 2.0), 0.5, 0),),
    )  # fmt: skip
    one = replace(drawn, seed=1)
    object.__setattr__(one, "_pages", [page])
    sample = one[0]
    assert sample.names == ("aVR",) and sample.layout == "rows3"
    assert sample.overlaps == {"aVR": True} and sample.boxes["aVR"][0].box == (1, 2, 3, 4)


@pytest.mark.parametrize("data", ["page_folder", "kaggle", "reference_pages", "rendered_pdfs", "pages"])
def test_data_of_pages_brings_its_digitizer(data):
    given = [] if data == "pages" else ["data.root=nowhere"]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        cfg = compose("evaluate", [f"data={data}", *given])
        other = compose("evaluate", [f"data={data}", *given, "digitizer=baseline"])
    assert isinstance(instantiate(cfg.data, _convert_="object"), PageSet)
    assert cfg.digitizer.name == "page" and other.digitizer.name == "baseline"


# What a page with truth must be ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": ("I",)}, "1 names for signals"),
        ({"names": ("I", "I")}, "must differ"),
        ({"signals": np.array([[1.0, 2.0], [np.nan, np.nan]])}, "shows nothing of II"),
        ({"fs_hz": 0.0}, "fs_hz must be positive"),
        ({"overlaps": {"V1": True}}, "has boxes of V1"),
    ],
)
def test_a_sample_checks_itself(change, message):
    given = {"signals": np.ones((2, 2)), "names": ("I", "II"), "fs_hz": 100.0}
    with pytest.raises(ValueError, match=message):
        PageSample("a", "1", SourcePage(np.zeros((4, 4, 3), np.uint8)), **{**given, **change})
