"""Leads of another program's pages, and the authors' own crops: box, truth and time 0 are those planted."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from wfdb_by_hand import write_record

from ecgtrace.datasets.page_leads import PageLeads
from ecgtrace.datasets.reference import ReferenceCrops
from ecgtrace.errors import ConfigError, DataError
from ecgtrace.evaluation.metrics import time0_error_ms
from ecgtrace.records.wfdb_leads import read_page_truth
from ecgtrace.units import LEADS

PX_PER_MM = 4.0
PULSE_PX = 20
LEFT = (20, 290)  # where the traces of the two columns begin, in px; 2.5 s are 250 px


def shown(lead):
    """Return what lead number `lead` shows over 5 s at 500 Hz: a ramp of its own."""
    return lead * 0.1 + np.linspace(0, 0.05, 2500)


def write_page(root, name="00007_hr", strip=True, same_window=False):
    """
    Write a page of two columns (I and V1) and a strip of I below, 100 dpi or so.

    The first column's box begins with a pulse. With `same_window`, both columns show the first 2.5 s, and the
    truth has the right one where it stands.
    """
    picture = np.full((200, 600, 3), 255, np.uint8)
    truth = np.full((12, 2500), np.nan)
    v1 = LEADS.index("V1")
    truth[0, : 2500 if strip else 1250] = shown(0)[: 2500 if strip else 1250]
    truth[v1, 1250:] = shown(v1)[:1250] if same_window else shown(v1)[1250:]
    write_record(root, name, truth)
    boxes = {  # x0, y0, x1, y1, samples
        "I": (LEFT[0] - PULSE_PX, 50, LEFT[0] + 249, 70, 0, 1250),
        "V1": (LEFT[1], 40, LEFT[1] + 249, 60, *((0, 1250) if same_window else (1250, 2500))),
    }
    leads = list(boxes.items())
    if strip:
        leads.append(("I", (LEFT[0] - PULSE_PX, 120, LEFT[0] + 499, 140, 0, 2500)))
    told = {"x_grid": 5 * PX_PER_MM, "y_grid": 5 * PX_PER_MM, "leads": []}
    for lead, (x0, y0, x1, y1, first, end) in leads:
        corners = {"0": [y0, x0], "1": [y0, x1], "2": [y1, x1], "3": [y1, x0]}
        told["leads"].append(
            {"lead_name": lead, "lead_bounding_box": corners, "start_sample": first, "end_sample": end}
        )
        cv2.rectangle(picture, (x0, y0), (x1, y1), (0, 0, 0), 1)
    (root / f"{name}.boxes.json").write_text(json.dumps(told))
    cv2.imwrite(str(root / f"{name}.png"), picture)
    lines = ["file,columns", f"{name}.png,2", f"{name}-w.png,2"]
    (root / "index.csv").write_text("\n".join(lines) + "\n")
    return PageLeads(str(root), box_jitter_mm=0.0)


def test_without_jitter_the_ink_fills_the_crop(tmp_path):
    source = write_page(tmp_path)
    assert [source.crop_id(i) for i in range(3)] == ["00007_hr_00_I", "00007_hr_01_V1", "00007_hr_02_I"]
    crop = source[1]
    assert crop.image.shape == (21, 250, 3)
    for edge in (crop.image[0], crop.image[-1], crop.image[:, 0], crop.image[:, -1]):
        assert (edge == 0).all()
    assert (crop.lead, crop.record_id, crop.layout, crop.px_per_mm) == ("V1", "00007", "6x2", PX_PER_MM)


@pytest.mark.parametrize("same_window", [False, True])
def test_the_truth_is_what_the_box_shows(tmp_path, same_window):
    """In a column, in a column whose samples are told by the strip, in the strip."""
    source = write_page(tmp_path, same_window=same_window)
    v1 = shown(LEADS.index("V1"))
    np.testing.assert_allclose(source[0].signal, shown(0)[:1250], atol=1e-4)
    np.testing.assert_allclose(source[1].signal, v1[:1250] if same_window else v1[1250:], atol=1e-4)
    np.testing.assert_allclose(source[2].signal, shown(0), atol=1e-4)
    assert source[0].fs_hz == 500


def test_time_0_is_where_the_trace_begins_and_not_the_pulse(tmp_path):
    """
    Traces begin at a left edge, half a pixel before a centre; boxes in whole pixels leave as much, 5 ms.

    The last sample of 2.5 s lies 249.8 px further right; a pulse is 200 ms.
    """
    source = write_page(tmp_path)
    for index, begin in ((0, PULSE_PX), (1, 0), (2, PULSE_PX)):
        assert time0_error_ms(begin - 0.5, source[index]) == pytest.approx(0, abs=5)
    jittered = replace(source, box_jitter_mm=3.0)
    moved = jittered[1].image.shape[1] - source[1].image.shape[1]
    assert 0 < jittered[1].start_px - source[1].start_px < moved


def test_each_side_moves_out_on_its_own_and_comes_again(tmp_path):
    """3 mm are 12 px; of 200 seeds the sides are spread over all of it, and are not alike."""
    source = write_page(tmp_path)
    grown = []
    for seed in range(200):
        box = replace(source, box_jitter_mm=3.0, seed=seed)._drawn_box(1)
        grown.append(np.abs(np.array(box) - [LEFT[1], 40, LEFT[1] + 249, 60]))
    grown = np.array(grown)
    assert grown.min() >= 0 and grown.max() <= 12
    np.testing.assert_allclose(grown.mean(axis=0), 6.5, atol=0.8)
    assert np.abs(np.corrcoef(grown.T) - np.eye(4)).max() < 0.25
    one, again = (replace(source, box_jitter_mm=3.0, seed=5)[1] for _ in range(2))
    np.testing.assert_array_equal(one.image, again.image)


def test_a_box_at_the_edge_of_the_page_ends_there(tmp_path):
    crop = replace(write_page(tmp_path), box_jitter_mm=3.0)[0]
    assert crop.image.shape[1] <= 270 + 12


def test_neighbours_in_the_box_make_it_overlap(tmp_path):
    """At 0 mm no other box reaches in; the row above is 50 px away, the next column begins behind the end."""
    source = write_page(tmp_path)
    assert [source.subset(i) for i in range(3)] == ["non_overlap"] * 3
    told = json.loads((tmp_path / "00007_hr.boxes.json").read_text())
    for corner in told["leads"][2]["lead_bounding_box"].values():
        corner[0] -= 55
    (tmp_path / "00007_hr.boxes.json").write_text(json.dumps(told))
    near = PageLeads(str(tmp_path), box_jitter_mm=0.0)
    assert [near.subset(i) for i in range(3)] == ["overlap", "non_overlap", "overlap"]
    assert [near[i].overlap_px for i in range(3)] == [1, 0, 1]


def test_damaged_pages_are_left_out(tmp_path):
    """Their boxes are in px of another picture; here there is not even a file."""
    assert len(write_page(tmp_path)) == 3
    with pytest.raises(DataError, match="names no picture"):
        len(PageLeads(str(tmp_path), damaged="*.png"))


def test_a_folder_of_another_kind_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"index\.csv cannot be read"):
        len(PageLeads(str(tmp_path)))
    write_page(tmp_path)
    (tmp_path / "00007_hr.boxes.json").write_text("{}")
    with pytest.raises(DataError, match="cannot be read as boxes of leads"):
        len(PageLeads(str(tmp_path)))
    with pytest.raises(ConfigError, match="box_jitter_mm"):
        PageLeads(str(tmp_path), box_jitter_mm=-1)


def test_a_truth_of_another_length_is_refused(tmp_path):
    source = write_page(tmp_path, strip=False)
    truth = np.full((12, 2500), np.nan)
    truth[0, :1000] = 0.1
    write_record(tmp_path, "00007_hr", truth)
    with pytest.raises(DataError, match="its box shows 1250 samples, its truth has 1000"):
        PageLeads(source.root)[0]


def test_fingerprint_is_of_the_content(tmp_path):
    before = write_page(tmp_path).fingerprint()
    assert write_page(tmp_path).fingerprint() == before
    assert write_page(tmp_path, same_window=True).fingerprint() != before


def test_a_page_may_show_some_leads_only(tmp_path):
    write_record(tmp_path, "few", np.ones((2, 100)), leads=("v1", "I"))
    signals, fs_hz = read_page_truth(tmp_path / "few")
    assert list(signals) == ["I", "V1"] and fs_hz == 500
    with pytest.raises(DataError, match="is missing"):
        read_page_truth(tmp_path / "none")


# The authors' own crops ---------------------------------------------------------------------------


def write_reference(root, overlap="crossing"):
    for name in ("crops", "masks", "signals"):
        (root / name).mkdir()
    picture = np.full((60, 1000, 3), 255, np.uint8)
    mask = np.zeros((60, 1000), np.uint8)
    mask[28:33, 15:990] = 255
    picture[mask > 0] = 0
    cv2.imwrite(str(root / "crops" / "a_3by4_lead_7.png"), picture)
    cv2.imwrite(str(root / "masks" / "a_3by4_lead_7.png"), mask)
    (root / "signals" / "a_3by4_lead_7.json").write_text(json.dumps([0.0, 0.5] * 125))
    head = "name,ecg_id,fmt,lead,overlap,pixels_per_large_square"
    (root / "index.csv").write_text(f"{head}\na_3by4_lead_7,38,3by4,7,{overlap},78.2\n")
    return ReferenceCrops(str(root))


@pytest.mark.parametrize(
    ("overlap", "subset", "numbers"),
    [("none", "non_overlap", (0, 0)), ("entering", "overlap", (1, 0)), ("crossing", "overlap", (1, 1))],
)
def test_a_reference_crop_tells_what_others_do_in_it(tmp_path, overlap, subset, numbers):
    source = write_reference(tmp_path, overlap)
    crop = source[0]
    assert source.subset(0) == subset and (crop.overlap_px, crop.crossings) == numbers
    assert (crop.record_id, crop.lead, crop.layout) == ("00038", "V2", "3x4")
    assert crop.px_per_mm == pytest.approx(15.64) and crop.fs_hz == 100
    # The left edge of column 15 lies at 14.5; a line of 0.311 mm has its centre 2.43 px inside.
    assert crop.start_px == pytest.approx(14.5 + 2.43, abs=0.01)


def test_a_reference_crop_with_an_unknown_word_is_refused_alone(tmp_path):
    source = write_reference(tmp_path, "perhaps")
    assert len(source) == 1
    with pytest.raises(DataError, match="perhaps"):
        source[0]


def test_a_folder_without_the_index_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"crops/, masks/, signals/"):
        len(ReferenceCrops(str(tmp_path)))


def test_the_developers_pages_and_crops_load(shared):
    """Nine clean pages of thirteen leads; 78 crops of which six are crossed."""
    if not (shared / "pages-other").is_dir():
        pytest.skip("the developers' pages are not here")
    pages = PageLeads(str(shared / "pages-other"))
    assert len(pages) == 117
    crop = pages[116]
    assert 0 < crop.start_px < crop.image.shape[1] / 10
    crops = ReferenceCrops(str(shared / "reference"))
    assert len(crops) == 78
    assert sum(crops[i].crossings for i in range(0, 78, 13)) <= 6
