"""From a document to files: a row for every page, and nothing pretended."""

import csv
import json
import shutil

import numpy as np
import pytest
from drawn_documents import ROWS_6X1, Drawing, draw, record, snr_db, truth
from pdf_by_hand import pdf
from PIL import Image
from planted_picture import command, lead

from ecgtrace import Digitizer
from ecgtrace.digitization.baseline import BaselineDigitizer
from ecgtrace.writers.formats import files_of

QUIET = ["digitizer=baseline", "progress=false", "workers=1"]
LIMBS = Drawing(rows=ROWS_6X1, speed=50, row_mm=22, duration_s=4.0)


def joined(path, *parts):
    """One file of the pages of others."""
    import pypdfium2

    document = pypdfium2.PdfDocument.new()
    for part in parts:
        document.import_pages(pypdfium2.PdfDocument(part))
    document.save(path)
    for part in parts:
        part.unlink()


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    """A document of three pages, of which the last is a scan."""
    drawn = tmp_path_factory.mktemp("drawn")
    draw(drawn / "a.pdf", record(1), Drawing())
    draw(drawn / "b.pdf", record(2), LIMBS)
    Image.fromarray(np.tile(lead(), (4, 1, 1))).save(drawn / "c.pdf")
    joined(drawn / "ecg.pdf", *(drawn / f"{name}.pdf" for name in "abc"))
    return drawn / "ecg.pdf"


@pytest.fixture
def folder(tmp_path, document):
    """The document, and the picture of a lead."""
    inputs = tmp_path / "in"
    inputs.mkdir()
    shutil.copy(document, inputs)
    Image.fromarray(lead()).save(inputs / "lead.png")
    return inputs


def run(folder, monkeypatch, capfd, *arguments):
    out = folder.parent / "out"
    code, said, errors = command(
        [f"input={folder}", f"output_dir={out}", *QUIET, *arguments], monkeypatch, capfd
    )
    with (out / "summary.csv").open(newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    return code, rows, out, said + errors


def test_a_row_and_files_for_every_page(folder, monkeypatch, capfd):
    code, rows, out, said = run(folder, monkeypatch, capfd)
    assert code == 1 and "3 ok, 0 doubtful, 1 failed" in said
    assert {name: (row["status"], row["content"]) for name, row in rows.items()} == {
        "ecg-p1": ("ok", "page"),
        "ecg-p2": ("ok", "page"),
        "ecg-p3": ("failed", "page"),
        "lead": ("ok", "lead"),
    }
    assert "no vector traces" in rows["ecg-p3"]["message"]
    assert (rows["ecg-p1"]["layout"], rows["ecg-p2"]["layout"]) == ("3x4+1", "6x1")
    assert rows["ecg-p2"]["lead_names"] == "I II III aVR aVL aVF"
    assert float(rows["ecg-p2"]["speed_mm_per_s"]) == 50 and rows["ecg-p2"]["digitizer"] == "vector"
    left = {path.name for path in out.iterdir()} - {"summary.csv", "lead.csv", "lead.json", "ecg-p3.json"}
    ends = (".csv", ".confidence.csv", ".hea", ".dat", ".json")
    assert left == {f"ecg-p{page}{end}" for page in (1, 2) for end in ends}


def test_what_is_written_is_what_was_drawn(folder, monkeypatch, capfd):
    """WFDB by its own library, and the places in the JSON."""
    wfdb = pytest.importorskip("wfdb")
    _, _, out, _ = run(folder, monkeypatch, capfd)
    for page, drawing in ((1, Drawing()), (2, LIMBS)):
        true = truth(record(page), drawing)
        read = wfdb.rdrecord(str(out / f"ecg-p{page}"))
        assert set(read.sig_name) == set(true)
        found = dict(zip(read.sig_name, read.p_signal.T, strict=True))
        assert min(snr_db(found[name], true[name]) for name in true) > 45
    note = json.loads((out / "ecg-p1.json").read_text())
    assert (note["page"], note["page_count"], note["unit"]) == (1, 3, "pt")
    third = {entry["name"]: entry for entry in note["leads"]}["V1"]
    assert (third["start_s"], third["first_sample"], third["n_samples"]) == (
        pytest.approx(5, abs=1e-4),
        2500,
        1250,
    )
    assert third["boxes"][0][0] == pytest.approx((20 + 125) * 72 / 25.4, abs=0.02)
    assert note["calibration"]["speed_from"] == "text" and all(check["ok"] for check in note["checks"])


def test_resume_leaves_out_pages_that_are_complete(folder, monkeypatch, capfd):
    _, _, out, _ = run(folder, monkeypatch, capfd)

    def ages():
        return {path.name: path.stat().st_mtime_ns for path in out.glob("ecg-p*.json")}

    before = ages()
    (out / "ecg-p2.dat").unlink()
    code, rows, _, _ = run(folder, monkeypatch, capfd, "resume=true")
    changed = {name for name, age in ages().items() if age != before[name]}
    assert changed == {"ecg-p2.json", "ecg-p3.json"} and code == 1 and len(rows) == 4
    assert (out / "ecg-p2.dat").is_file()
    before = ages()
    run(folder, monkeypatch, capfd, "resume=true", "formats=[csv]")  # other settings
    assert set(ages()) == set(before) and all(ages()[name] != before[name] for name in before)
    assert not list(out.glob("*.dat"))  # nothing old stays


def test_content_says_what_an_input_is(folder, monkeypatch, capfd):
    """A lead may come in a PDF; a picture taken for a page is nothing for a digitizer of leads."""
    for name in ("ecg.pdf", "lead.png"):
        (folder / name).unlink()
    Image.fromarray(lead()).save(folder / "lead.pdf", resolution=254)
    Image.fromarray(lead()).save(folder / "page.png")
    _, rows, _, _ = run(folder, monkeypatch, capfd, "content=lead")
    assert {row["status"] for row in rows.values()} == {"ok"}
    assert "the PDF's embedded picture" in rows["lead"]["message"]
    _, rows, _, _ = run(folder, monkeypatch, capfd, "content=page")
    assert {row["status"] for row in rows.values()} == {"failed"}
    assert "take digitizer=refined" in rows["page"]["message"]


def test_speed_and_gain_that_are_given_count(folder, monkeypatch, capfd):
    _, rows, _, _ = run(folder, monkeypatch, capfd, "gain=5")
    assert float(rows["ecg-p1"]["gain_mm_per_mv"]) == 5 and "the page says" in rows["ecg-p1"]["message"]
    assert float(rows["lead"]["gain_mm_per_mv"]) == 5 and float(rows["lead"]["speed_mm_per_s"]) == 25


def test_nothing_of_another_origin_is_overwritten(folder, monkeypatch, capfd):
    out = folder.parent / "out"
    out.mkdir()
    (out / "ecg-p1.hea").write_text("truth 1 500 10\n")
    _, rows, _, _ = run(folder, monkeypatch, capfd)
    assert rows["ecg-p1"]["status"] == "failed" and "not of our making" in rows["ecg-p1"]["message"]
    assert (out / "ecg-p1.hea").read_text() == "truth 1 500 10\n" and rows["ecg-p2"]["status"] == "ok"


def test_the_input_is_not_overwritten(tmp_path, monkeypatch, capfd):
    """A DICOM object read and written in one folder."""
    pytest.importorskip("pydicom")
    draw(tmp_path / "ecg.pdf", record(), Drawing())
    arguments = [f"output_dir={tmp_path}", *QUIET, "formats=dicom"]
    assert command([f"input={tmp_path / 'ecg.pdf'}", *arguments], monkeypatch, capfd)[0] == 0
    (tmp_path / "ecg.json").unlink()
    before = (tmp_path / "ecg.dcm").read_bytes()
    assert command([f"input={tmp_path / 'ecg.dcm'}", *arguments], monkeypatch, capfd)[0] == 1
    assert (tmp_path / "ecg.dcm").read_bytes() == before


def test_overlays_of_pages(folder, monkeypatch, capfd):
    _, _, out, _ = run(folder, monkeypatch, capfd, "overlays=true", "formats=[csv]")
    assert {path.name for path in out.glob("*.overlay.png")} == {
        "ecg-p1.overlay.png",
        "ecg-p2.overlay.png",
        "lead.overlay.png",
    }
    shown = np.asarray(Image.open(out / "ecg-p1.overlay.png").convert("RGB")).astype(int)
    assert (np.ptp(shown, axis=2) > 100).mean() > 0.002  # traces in colour


def test_read_gives_a_recording_per_page(folder):
    digitizer = Digitizer(BaselineDigitizer())
    found = digitizer.read(folder / "ecg.pdf")
    assert [recording.status for recording in found] == ["ok", "ok", "failed"]
    assert [(recording.page, recording.page_count) for recording in found] == [(1, 3), (2, 3), (3, 3)]
    assert "no vector traces" in found[2].failure and found[2].leads == ()
    true = truth(record(1), Drawing())
    assert snr_db(found[0]["V4"].signal.amplitude_mv, true["V4"]) > 45
    assert [recording.status for recording in digitizer.read(folder / "lead.png")] == ["failed"]


def test_files_are_cleared_before_a_page_fails(tmp_path, monkeypatch, capfd):
    """No result of an earlier run stays beside a failure."""
    folder = tmp_path / "in"
    folder.mkdir()
    draw(folder / "ecg.pdf", record(), Drawing())
    run(folder, monkeypatch, capfd)
    (folder / "ecg.pdf").write_bytes(pdf([b""]))
    _, rows, out, _ = run(folder, monkeypatch, capfd)
    assert rows["ecg"]["status"] == "failed"
    assert not any(path.exists() for path in files_of(out / "ecg"))


# Pages of real machines -----------------------------------------------------------------------------

# Layout, leads, mm/s, and the seconds that the page shows; read off the pages by eye.
REAL = {
    ("cardiosoft-6x1-50mm-per-s", 1): ("6x1", "I II III aVR aVL aVF", 50, 5.0),
    ("cardiosoft-6x1-50mm-per-s", 2): ("6x1", "V1 V2 V3 V4 V5 V6", 50, 5.0),
    ("cardiosoft-6x1-50mm-per-s", 3): ("3x1", "V7 V3R V4R", 50, 5.0),
    ("mortara-3x4-ii-drawn", 1): ("3x4+1", "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6", 25, 10.0),
    ("muse-3x4-ii", 1): ("3x4+1", "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6", 25, 10.0),
    ("one-lead-60s-rows-blue", 1): ("rows4", "unknown_1", 25, 32.0),
    ("schiller-6x1-overlapping-rows", 1): ("6x1", "I II III aVR aVL aVF", 25, 10.0),
    ("schiller-6x1-overlapping-rows", 2): ("6x1", "V1 V2 V3 V4 V5 V6", 25, 10.0),
}


@pytest.fixture
def real(shared):
    if not (shared / "pages-real" / "pdf").is_dir():
        pytest.skip("the developers' pages of real machines are not here")
    return shared / "pages-real" / "pdf"


def test_pages_of_real_machines(real):
    digitizer = Digitizer(BaselineDigitizer())
    for name in {name for name, _ in REAL}:
        for number, found in enumerate(digitizer.read(real / f"{name}.pdf"), start=1):
            layout, leads, speed, seconds = REAL[name, number]
            assert found.status == "ok", found.message
            assert (found.layout, set(found.names)) == (layout, set(leads.split()))
            assert found.calibration.speed_mm_per_s == speed and found.calibration.gain_mm_per_mv == 10
            if name.startswith(("cardiosoft", "muse", "schiller")):  # these draw pulses
                assert found.calibration.gain_from == "text and pulse"
            assert len(found.time_s) / found.fs_hz == pytest.approx(seconds, abs=0.01)


def test_a_page_drawn_from_a_dicom_waveform(real):
    """Drawn through a low pass of 40 Hz, so alike and not the same."""
    pytest.importorskip("pydicom")
    digitizer = Digitizer(BaselineDigitizer())
    (signals,) = digitizer.read(real / "mortara-12-lead.dcm")
    (page,) = digitizer.read(real / "mortara-3x4-ii-drawn.pdf")
    assert (signals.fs_hz, signals.layout, len(signals.leads)) == (1000, "signals", 12)
    for drawn in page.leads:
        mv = drawn.signal.amplitude_mv
        at = np.flatnonzero(np.isfinite(mv))[:-1]
        assert np.corrcoef(mv[at], signals[drawn.name].signal.amplitude_mv[2 * at])[0, 1] > 0.9


def test_what_is_taken_for_a_page_where_nobody_says(tmp_path, monkeypatch, capfd):
    """Several traces one above the other; neither one lead, nor one that stands upright."""
    (tmp_path / "in").mkdir()
    pictures = {
        "page": np.tile(lead(), (4, 1, 1)),
        "lead": lead(),
        "upright": np.ascontiguousarray(np.rot90(lead())),
    }
    for name, picture in pictures.items():
        Image.fromarray(picture).save(tmp_path / "in" / f"{name}.png")
    _, rows, _, _ = run(tmp_path / "in", monkeypatch, capfd, "digitizer=refined")
    assert {name: row["content"] for name, row in rows.items()} == {
        "page": "page",
        "lead": "lead",
        "upright": "lead",
    }
    assert rows["page"]["status"] != "ok"  # it has neither names nor a pulse
    _, rows, _, _ = run(tmp_path / "in", monkeypatch, capfd, "digitizer=refined", "content=lead")
    assert rows["page"]["status"] == "failed" and "read it with content=page" in rows["page"]["message"]
