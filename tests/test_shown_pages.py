"""Pages to show: what generate.py writes, what the report says of them, and commands of README and make."""

import io
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from PIL import Image
from planted_pages import FS_HZ, as_3x4, heart, recording

from ecgtrace.datasets.export import export
from ecgtrace.datasets.whole_pages import WholePageSet
from ecgtrace.documents.read import read_page
from ecgtrace.errors import ConfigError, DataError
from ecgtrace.page_sets.folder import PageFolder
from ecgtrace.records.sample import SampleRecords
from ecgtrace.reporting import digitized_pages
from ecgtrace.reporting.report import write_report
from ecgtrace.units import LEADS
from ecgtrace.vector.read import read_vectors
from ecgtrace.writers import csv_table, wfdb_record
from scripts.draw_readme_page import write_page

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
RECORDS = SampleRecords()
TEST = RECORDS.split_ids("test")


# Pages on disk ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A picture, small, and a PDF."""
    folder = tmp_path_factory.mktemp("pages")
    made = export(WholePageSet(RECORDS, "test", {"png": 1, "pdf": 1}, dpi=75), folder, progress=False)
    assert made.failed == ()
    return folder / "whole-pages"


def test_a_page_and_its_truth(written):
    """A4 at 75 dpi; aVL is the record from 2.5 to 5 s, II all of it, and nothing stands elsewhere."""
    with Image.open(written / f"{TEST[0]}.png") as picture:
        assert picture.size == (877, 621)
    pages = PageFolder(str(written))
    assert [pages.crop_id(index) for index in range(len(pages))] == list(TEST[:2])
    for page, record_id in zip(pages, TEST[:2], strict=True):
        truth, record = dict(zip(page.names, page.signals, strict=True)), RECORDS.load(record_id)
        assert (tuple(truth), page.fs_hz) == (LEADS, 500.0)
        for lead, (first, last) in {"aVL": (1250, 2500), "II": (0, 5000), "V6": (3750, 5000)}.items():
            expected = np.full(5000, np.nan)
            expected[first:last] = record.signal[LEADS.index(lead), first:last]
            np.testing.assert_allclose(truth[lead], expected, atol=1e-4)


def test_a_pdf_gives_back_what_it_was_drawn_from(written):
    """Layout, speed and gain as printed, each lead above 60 dB."""
    found = read_vectors(read_page(written / f"{TEST[1]}.pdf"))
    assert (found.status, found.layout, found.names) == ("ok", "3x4+1", LEADS), found.message
    (page,) = PageFolder(str(written), only="*.pdf")
    scores = digitized_pages.score_page(page, found).of_truth
    assert min(score.snr_db for score in scores) > 60


def test_the_picture_is_what_the_pdf_shows(written, tmp_path):
    """Ink of one lies on ink of the other: both are drawn from one plan."""
    from ecgtrace.documents.read import draw_page

    made = WholePageSet(RECORDS, "test", {"pdf": 1}, dpi=75)
    made.write(0, tmp_path)
    of_pdf = draw_page(tmp_path / f"{TEST[0]}.pdf", dpi=75.0).image[:621, :877].max(axis=2)
    with Image.open(written / f"{TEST[0]}.png") as picture:
        of_png = np.asarray(picture).max(axis=2)
    # Of the rows of the page: letters differ.
    dark_pdf, dark_png = (image[170:560, 90:850] < 120 for image in (of_pdf, of_png))
    assert dark_png.sum() > 2000
    near = np.array([np.roll(dark_pdf, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]).any(0)
    assert (dark_png & near).sum() > 0.95 * dark_png.sum()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"n_pages": {"svg": 1}}, "png and pdf"),
        ({"n_pages": {"png": 0}}, "not all zero"),
        ({"dpi": 5}, "dpi"),
    ],
)
def test_pages_that_cannot_be_are_refused(changes, said):
    with pytest.raises(ConfigError, match=said):
        WholePageSet(**{"records": RECORDS, "split": "test", "n_pages": {"png": 1}, **changes})


def test_more_pages_than_records_are_refused():
    with pytest.raises(ConfigError, match=f"has {len(TEST)} records"):
        _ = WholePageSet(RECORDS, "test", {"png": 99}).item_ids


# The report ---------------------------------------------------------------------------------------


PNG = io.BytesIO()
Image.new("L", (1, 1)).save(PNG, "png")


def digitized(folder, spoil=None, **changes):
    """Write a page, its truth, and what `digitize.py` would leave of it; `spoil` changes the leads."""
    source = folder / "in" / "a.png"
    source.parent.mkdir(parents=True)
    Image.new("RGB", (60, 40), "white").save(source)
    true = dict(zip(LEADS, as_3x4(heart()), strict=True))
    wfdb_record.write(recording(true), source.with_suffix(""))
    out = folder / "out"
    out.mkdir()
    leads = {name: row.copy() for name, row in true.items()}
    if spoil:
        spoil(leads)
    csv_table.write(recording(leads), out / "a")
    (out / "a.overlay.png").write_bytes(PNG.getvalue())
    note = {
        "source": str(source), "name": "a", "content": "page", "status": "doubtful", "message": "<b> is odd",
        "layout": "3x4+1", "digitizer": "network", "seconds": 12.34, "sampling_rate_hz": FS_HZ, "page": 1,
    }  # fmt: skip
    (out / "a.json").write_text(json.dumps(note | changes))
    return out


def cells(page):
    """Return the SNR of each lead as the report's table has it."""
    head, body = re.search(r"SNR of each lead.*?<tr>(.*?)</tr>.*?<tr>(.*?)</tr>", page, re.DOTALL).groups()
    names, values = re.findall("<th>(.*?)</th>", head), re.findall("<td>(.*?)</td>", body)
    return dict(zip(names, map(float, values), strict=True))


def spoil(leads):
    """V1 with a tenth of its amplitude too much: 20 dB; V2 not read."""
    leads["V1"] *= 1.1
    del leads["V2"]


def test_a_page_in_the_report(tmp_path):
    page = digitized_pages.section(digitized(tmp_path, spoil))
    found = cells(page)
    assert list(found) == list(LEADS)
    assert found["V1"] == pytest.approx(20.0, abs=0.1)
    assert found["V2"] == 0.0
    assert min(found[lead] for lead in LEADS if lead not in ("V1", "V2")) > 60
    assert "<dt>verdict</dt><dd>doubtful</dd>" in page and "&lt;b&gt; is odd" in page and "<b> is" not in page
    assert "<dt>seconds</dt><dd>12.3</dd>" in page and "3x4+1" in page
    assert page.count('src="data:image/png;base64,') == 2  # overlay and leads
    mean = np.mean(list(found.values()))
    assert f"<dd>{mean:.1f} dB over 12 leads" in page


def test_the_plot_shows_the_table(tmp_path):
    """Each line is a lead of the CSV at its time; of V2, which was not read, the truth alone."""
    out = digitized(tmp_path, spoil)
    page = digitized_pages.read(out / "a.json")
    (axis,) = digitized_pages.leads_figure(page).axes
    read = [line for line in axis.lines if line.get_label() == "digitized"]
    true = [line for line in axis.lines if line.get_label() == "truth"]
    assert (len(read), len(true)) == (11, 12)
    _, table = csv_table.read(out / "a.csv")
    for lead, values in table.items():
        known = np.flatnonzero(np.isfinite(values))
        wave = values[known] - np.median(values[known])
        assert any(
            len(line.get_xdata()) == len(known)
            and np.allclose(line.get_xdata(), known / FS_HZ)
            and np.allclose(np.diff(line.get_ydata()), np.diff(wave), atol=1e-6)
            for line in read
        ), lead
    assert {text.get_text().split()[0] for text in axis.texts} == {*LEADS, "1"}


def test_leads_that_share_no_time_share_a_row(tmp_path):
    page = digitized_pages.read(digitized(tmp_path) / "a.json")
    drawn = [digitized_pages._Drawn.of(page, lead) for lead in LEADS]
    rows = [[lead.name for lead in row] for row in digitized_pages._rows(drawn)]
    assert rows == [["I", "aVR", "V1", "V4"], ["III", "aVL", "V2", "V5"], ["aVF", "V3", "V6"], ["II"]]


def test_a_page_that_failed_and_one_without_truth(tmp_path):
    """Neither has numbers, and both say why."""
    failed = digitized(tmp_path / "a", status="failed", message="no grid", layout=None, sampling_rate_hz=None)
    (failed / "a.csv").unlink()
    (failed / "a.overlay.png").unlink()
    page = digitized_pages.section(failed)
    assert "no grid" in page and "img" not in page
    assert set(cells(page).values()) == {0.0}
    out = digitized(tmp_path / "b")
    (tmp_path / "b" / "in" / "a.hea").unlink()
    page = digitized_pages.section(out)
    assert "not known" in page and "SNR of each" not in page and page.count("img") == 2


def test_a_table_that_is_cut_off_is_told(tmp_path):
    out = digitized(tmp_path)
    (out / "a.csv").write_text("nothing\n")
    with pytest.raises(DataError, match=r"a\.csv is no table"):
        digitized_pages.section(out)


def test_a_folder_without_pages_is_refused(tmp_path):
    (tmp_path / "lead.json").write_text('{"content": "lead"}')
    with pytest.raises(ConfigError, match="holds no page"):
        digitized_pages.find(tmp_path)


def test_the_report_has_pages_only_where_asked_for(tmp_path):
    from test_reporting import make_rows, write_rows

    out = digitized(tmp_path)
    write_rows(tmp_path / "run" / "rows.csv", make_rows())
    assert "Whole pages" not in write_report(tmp_path / "run").read_text()
    page = write_report(tmp_path / "run", out).read_text()
    assert page.index("Whole pages") < page.index("What was done")
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)


def test_evaluate_puts_them_there_or_refuses_at_once(tmp_path):
    from test_evaluate import config

    from ecgtrace.studies.evaluate import main

    out = digitized(tmp_path)
    main(config(tmp_path / "run", data={"count": 2}, digitized_pages=str(out)))
    assert "Whole pages" in (tmp_path / "run" / "report.html").read_text()
    with pytest.raises(ConfigError, match="holds no page"):
        main(config(tmp_path / "other", digitized_pages=str(tmp_path / "none")))
    assert not (tmp_path / "other" / "rows.csv").exists()


# Commands and pictures ----------------------------------------------------------------------------


def commands(text, known):
    """Return entry point and overrides of each command of `known` in a text, one a line."""
    found = []
    for line in text.splitlines():
        match = re.search(
            r"^\s*(?:\$ ecgtrace |\$ python |\$\(BIN\)/python )(\w+)(?:\.py)?(?: (.*))?$",
            line.split(" # ")[0].rstrip(),
        )
        if match and match[1] in known:
            words = shlex.split((match[2] or "").replace("$(REPORT)", "runs/report"))
            found.append((match[1], words))
    return found


def test_what_make_run_does():
    """Pages are generated, digitized and put into the report, from one folder to the next; all composes."""
    text = (ROOT / "Makefile").read_text()
    found = commands(text, ("generate", "digitize", "evaluate"))
    assert [entry for entry, _ in found] == ["generate", "digitize", "digitize", "evaluate"]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        made, pages, leads, report = (
            compose(entry, [word for word in words if not word.startswith("hydra.")])
            for entry, words in found
        )
    assert pages.input == f"{made.output_dir}/{WholePageSet.folder}"
    assert (pages.content, pages.overlays) == ("page", True)
    assert leads.input.startswith(made.output_dir)
    assert report.digitized_pages == pages.output_dir
    assert set(made.sets) == {"whole_pages", "overlap"}


def test_commands_of_the_readme_compose():
    found = commands((ROOT / "README.md").read_text(), ("generate", "digitize", "evaluate"))
    assert len(found) > 10
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        for entry, words in found:
            plain = [word for word in words if not word.startswith(("hydra.", "-"))]
            if "-m" not in words:
                compose(entry, plain)


def test_the_readme_begins_with_a_page(tmp_path):
    """The page that its first command reads is the one that is drawn today, and its pictures are small."""
    text = (ROOT / "README.md").read_text()
    pictures = re.findall(r"\]\((docs/images/\S+?)\)", text)
    assert pictures[:2] == ["docs/images/page.png", "docs/images/page_read.png"]
    assert f"input={pictures[0]}" in text.split("## ")[0]
    assert all((ROOT / name).stat().st_size <= 400_000 for name in pictures[:2])
    with Image.open(ROOT / pictures[0]) as shown, Image.open(write_page(tmp_path)) as drawn:
        assert shown.size == (2339, 1654)
        apart = np.asarray(shown.convert("RGB"), int) - np.asarray(drawn.convert("RGB"), int)
    assert np.abs(apart).mean() < 0.5  # letters depend on the version of FreeType
