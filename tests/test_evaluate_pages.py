"""Rows of whole pages: failures are rows, a run goes on where it was cut off, tables say what rows say."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from drawn_by_hand import ColumnDigitizer
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf
from planted_pages import PlantedPages, recording, truth_of

from ecgtrace.documents.source import SourcePage
from ecgtrace.errors import ConfigError, PageError, TraceNotFoundError
from ecgtrace.evaluation.bootstrap import BootstrapOptions
from ecgtrace.evaluation.page_readers import CutByBoxes, WholePage, page_reader
from ecgtrace.evaluation.page_rows import LEAD, PAGE, read_page_rows
from ecgtrace.evaluation.page_run import PageEvaluation
from ecgtrace.evaluation.page_sample import TrueBox
from ecgtrace.evaluation.runner import RunOptions, run
from ecgtrace.page_digitizer import PageDigitizer
from ecgtrace.recording import Recording
from ecgtrace.reporting import page_tables
from ecgtrace.studies import pages as page_study
from ecgtrace.studies import study
from ecgtrace.studies.evaluate import main
from ecgtrace.types import GridScale, LeadSignal

ROOT = Path(__file__).resolve().parents[1]
QUIET = RunOptions(progress=False)
KEPT = RunOptions(resume=True, progress=False)


@dataclass(frozen=True)
class Planted:
    """A page digitizer that is handed the truth; pages named in `refused` are no ECG, in `flat` a line."""

    refused: tuple[str, ...] = ()
    flat: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    name: str = "planted"
    model: str = ""
    finds_layout: bool = True

    def can_read(self, sample):
        return True

    def read(self, sample):
        if sample.page_id in self.refused:
            raise PageError("it is\nno ECG")
        leads = truth_of(sample)
        if sample.page_id in self.flat:
            leads = {name: np.where(np.isfinite(row), row[::-1].max(), np.nan) for name, row in leads.items()}
            leads = {name: np.nan_to_num(row) for name, row in leads.items()}
        return recording(leads, doubts=self.doubts)


def rows_of(tmp_path, source, reader, options=QUIET, name="rows.csv"):
    return run(source, {reader.name: reader}, PageEvaluation(), tmp_path / name, options)


def test_a_page_has_a_row_for_each_lead_and_one_of_its_own(tmp_path):
    rows = rows_of(tmp_path, PlantedPages(), Planted())
    assert list(rows["kind"]) == ([LEAD] * 12 + [PAGE]) * 3
    page = rows[rows["kind"] == PAGE].iloc[0]
    assert (page["crop_id"], page["record_id"], page["status"]) == ("00001_a", "00001", "ok")
    assert page["snr_db"] == 100 and page["names_ok"] == 1 and page["layout_ok"] == 1
    assert (page["n_leads"], page["n_missing"], page["n_extra"], page["n_wrong"]) == (12, 0, 0, 0)
    assert page["seconds"] >= 0
    v1 = rows[(rows["lead"] == "V1")].iloc[0]
    assert v1["subset"] == "overlap" and v1["found"] == "read" and np.isnan(v1["seconds"])
    pd.testing.assert_frame_equal(read_page_rows(tmp_path / "rows.csv"), rows)


def test_failures_are_rows(tmp_path):
    source = PlantedPages(broken=("00001_b",))
    rows = rows_of(tmp_path, source, Planted(refused=("00001_a",)))
    pages = rows[rows["kind"] == PAGE].set_index("crop_id")
    assert list(pages["status"]) == ["failed", "failed", "ok"]
    assert pages.loc["00001_a", "message"] == "it is no ECG"
    assert pages.loc["00001_a", "n_missing"] == 12 and pages.loc["00001_a", "snr_db"] == 0
    assert pages.loc["00001_a", "layout_ok"] == 0 and pages.loc["00001_a", "names_ok"] == 0
    assert pages.loc["00001_b", "message"] == "00001_b is cut short"
    leads = rows[(rows["crop_id"] == "00001_a") & (rows["kind"] == LEAD)]
    assert set(leads["found"]) == {"missing"} and set(leads["challenge_db"]) == {0.0}
    assert not len(rows[(rows["crop_id"] == "00001_b") & (rows["kind"] == LEAD)])


def test_any_exception_of_a_reader_is_a_row(tmp_path):
    @dataclass(frozen=True)
    class Breaks(Planted):
        def read(self, sample):
            raise ZeroDivisionError("division by zero")

    rows = rows_of(tmp_path, PlantedPages(), Breaks())
    assert set(rows[rows["kind"] == PAGE]["message"]) == {"ZeroDivisionError: division by zero"}


def test_a_run_that_was_cut_off_goes_on(tmp_path):
    """Rows of the second page lack its own, and a line is torn; both pages are read again."""
    whole = rows_of(tmp_path, PlantedPages(), Planted())
    path = tmp_path / "rows.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: 1 + 13 + 5]) + lines[19][:10])
    again = rows_of(tmp_path, PlantedPages(), Planted(), KEPT)
    pd.testing.assert_frame_equal(again.drop(columns="seconds"), whole.drop(columns="seconds"))
    written = path.read_text()
    rows_of(tmp_path, PlantedPages(), Planted(), KEPT)
    assert path.read_text() == written


def test_a_layout_in_one_column_is_right_with_and_without_a_strip(tmp_path):
    @dataclass(frozen=True)
    class Column(Planted):
        layout: str = "13x1"

        def read(self, sample):
            return recording(truth_of(sample), layout=self.layout)

    @dataclass(frozen=True)
    class Pages(PlantedPages):
        def __getitem__(self, index):
            from planted_pages import sample

            return sample(self.ids[index], layout="12x1+1")

    assert set(rows_of(tmp_path, Pages(), Column())["layout_ok"].dropna()) == {1}
    assert set(rows_of(tmp_path, Pages(), Column(layout="12x1"))["layout_ok"].dropna()) == {0}


# Readers -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Counts:
    """A lead's digitizer: as many samples as the picture has columns, 0.1 mV for each of its rows."""

    name: str = "counts"
    refused_width: int = -1

    def __call__(self, image):
        height, width = image.shape[:2]
        if width == self.refused_width:
            raise TraceNotFoundError("no ink")
        return LeadSignal(
            np.full(width, 0.1 * height), 100.0, np.ones(width), GridScale(1.0, 1.0, 1.0), np.zeros(width)
        )


@pytest.fixture
def plain(monkeypatch):
    """Pictures go to the digitizer as they are cut."""
    monkeypatch.setattr(
        "ecgtrace.evaluation.page_readers.digitize_picture", lambda digitizer, image, paper: digitizer(image)
    )


def boxed(**changes):
    from planted_pages import sample

    boxes = {
        "I": (TrueBox((10, 5, 29, 14), 0.0, 2.5),),
        "II": (TrueBox((10, 5, 19, 14), 0.0, 2.5), TrueBox((10, 20, 49, 39), 0.0, 10.0)),
        "V1": (TrueBox((30, 5, 59, 14), 5.0, 7.5),),
    }
    return sample(**{"boxes": boxes, "dpi": 25.4, **changes})  # 1 px/mm: margins of 1 px


def test_leads_are_cut_by_their_longest_box_and_laid_at_its_time(plain):
    found = CutByBoxes(Counts()).read(boxed())
    assert found.names == ("I", "II", "V1") and found.method == "boxes"
    one, two, v1 = (lead.signal.amplitude_mv for lead in found.leads)
    assert len(one) == len(two) == len(v1) == 500 + 31  # V1's box ends at the picture's edge: one margin
    assert np.isfinite(one).sum() == 22 and one[0] == pytest.approx(1.2)
    assert np.isfinite(two).sum() == 42 and two[0] == pytest.approx(2.1)  # cut at the lower edge
    assert np.flatnonzero(np.isfinite(v1))[0] == 500
    assert np.isfinite(CutByBoxes(Counts(), margin_mm=0).read(boxed())["I"].signal.amplitude_mv).sum() == 20


def test_a_lead_that_is_not_read_makes_the_page_doubtful(plain):
    found = CutByBoxes(Counts(refused_width=22)).read(boxed())
    assert found.names == ("II", "V1") and found.status == "doubtful"
    assert found.message == "I was not read: no ink"


def test_rows_in_which_a_lead_goes_on_are_joined(plain):
    """Two rows of 2.5 s; a third box shows the first seconds again and is not read."""
    boxes = {
        "II": (
            TrueBox((10, 20, 49, 29), 2.5, 5.0),
            TrueBox((10, 5, 29, 14), 0.0, 2.5),
            TrueBox((30, 5, 34, 14), 0.0, 1.0),
        )
    }
    (lead,) = CutByBoxes(Counts()).read(boxed(boxes=boxes)).leads
    known = np.flatnonzero(np.isfinite(lead.signal.amplitude_mv))
    assert list(known) == [*range(22), *range(250, 292)]
    assert len(lead.boxes) == 2 and lead.end_s == pytest.approx(2.92)


def test_boxes_are_needed(tmp_path, plain):
    rows = rows_of(tmp_path, PlantedPages(boxes=False), CutByBoxes(Counts()))
    assert rows.empty
    rows = rows_of(tmp_path, PlantedPages(), CutByBoxes(Counts()))
    assert len(rows) and rows["layout_ok"].isna().all()  # it was told


def test_digitizers_become_readers():
    assert isinstance(page_reader(PageDigitizer()), WholePage)
    assert isinstance(page_reader(ColumnDigitizer()), CutByBoxes)
    assert page_reader(PageDigitizer()).name == "page"


def test_a_page_digitizer_refuses_pictures_of_leads_and_speeds_of_no_recorder():
    with pytest.raises(ConfigError, match="reads whole pages"):
        PageDigitizer()(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ConfigError, match="speed"):
        PageDigitizer(speed_mm_per_s=33)


def test_a_page_digitizer_passes_signals_through():
    from planted_pages import sample

    page = sample()
    given = recording(truth_of(page))
    assert PageDigitizer().read(SourcePage(recording=given)) is given


# Tables --------------------------------------------------------------------------------------------


def test_tables_say_what_the_rows_say(tmp_path):
    source = PlantedPages()
    rows = pd.concat(
        [
            rows_of(tmp_path, source, Planted(name="good"), name="1.csv"),
            rows_of(tmp_path, source, Planted(flat=("00002_a",), name="flat"), name="2.csv"),
            rows_of(tmp_path, source, Planted(flat=("00002_a",), doubts=("x",), name="told"), name="3.csv"),
            rows_of(tmp_path, source, Planted(refused=("00002_a",), name="refuses"), name="4.csv"),
        ]
    )
    found = page_tables.summaries(rows, BootstrapOptions(n_resamples=50))
    values = {name: one.values for name, one in found.items()}
    assert [one["silent"] for one in values.values()] == [0, 1, 0, 0]
    assert [one["failed"] for one in values.values()] == [0, 0, 0, 1]
    assert [one["missing"] for one in values.values()] == [0, 0, 0, 12]
    assert values["refuses"]["snr_mean"] == pytest.approx(100 * 2 / 3)
    assert values["refuses"]["names_ok"] == pytest.approx(2 / 3)
    assert values["refuses"]["good"] == pytest.approx(2 / 3)
    assert values["good"]["kaggle"] == pytest.approx(25.843, abs=1e-3)
    assert values["good"]["snr_median_overlap"] == 100
    assert found["good"].n_leads == 36 and found["good"].n_records == 2
    text = page_tables.to_markdown(found)
    line = next(line for line in text.splitlines() if "silent" in line)
    assert [cell.strip() for cell in line.split("|")[2:-1]] == ["0", "1", "0", "0"]
    metrics = page_tables.as_metrics(found)
    assert metrics["refuses"]["n"] == 3 and metrics["good"]["snr_mean_low"] == 100


def test_a_page_that_was_not_opened_counts_as_nothing_by_kaggles_rules(tmp_path):
    rows = rows_of(tmp_path, PlantedPages(broken=("00001_a",)), Planted())
    (one,) = page_tables.summaries(rows, BootstrapOptions(n_resamples=20)).values()
    assert one.values["kaggle"] == pytest.approx(10 * np.log10(384 * 2 / 3))
    assert one.values["failed"] == 1 and one.n_pages == 3 and one.n_leads == 24


# The whole run -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OfPicture:
    """A page digitizer of one recording, whatever the page."""

    name: str = "planted"
    given: Any = field(default=None)

    def read(self, page):
        from planted_pages import sample

        return recording(truth_of(sample())) if page.image is not None else Recording((), failure="none")


def config(folder, **changes):
    cfg = OmegaConf.load(ROOT / "conf" / "evaluate.yaml")
    del cfg["defaults"], cfg["hydra"]
    own = {
        "data": {"_target_": "planted_pages.PlantedPages"},
        "digitizer": {"_target_": "test_evaluate_pages.OfPicture"},
        "subset": OmegaConf.load(ROOT / "conf" / "subset" / "all.yaml"),
        "logger": OmegaConf.load(ROOT / "conf" / "logger" / "csv.yaml"),
        "bootstrap": {"n_resamples": 20},
        "output_dir": str(folder),
        "progress": False,
    }
    return OmegaConf.merge(cfg, own, changes)


def test_evaluate_reads_pages(tmp_path, capsys):
    result = main(config(tmp_path))
    for name in ("rows.csv", "metrics.json", "metrics.csv", "provenance.json", "tables/pages.md"):
        assert (tmp_path / name).stat().st_size > 0, name
    assert json.loads((tmp_path / "metrics.json").read_text()) == result
    assert result["planted"]["n"] == 3 and result["planted"]["snr_mean"] == 100
    assert "| pages " in capsys.readouterr().out
    main(config(tmp_path, resume=True))
    with pytest.raises(ConfigError, match="crops or their scoring"):
        main(config(tmp_path, resume=True, align={"max_lag_s": 0.1}))


def test_what_does_not_fit_pages_is_refused(tmp_path):
    overlap = OmegaConf.load(ROOT / "conf" / "subset" / "overlap.yaml")
    with pytest.raises(ConfigError, match="leave subset=overlap out"):
        main(config(tmp_path, subset=overlap))
    lead = {"_target_": "drawn_by_hand.ColumnDigitizer"}
    with pytest.raises(ConfigError, match="needs boxes"):
        main(config(tmp_path, digitizer=lead, data={"boxes": False}))


# The study -----------------------------------------------------------------------------------------


@pytest.fixture
def study_config(tmp_path):
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        cfg = compose("pages", [f"output_dir={tmp_path}", "progress=false", "bootstrap.n_resamples=20"])
    OmegaConf.set_struct(cfg, False)
    planted = {"_target_": "planted_pages.PlantedPages"}
    broken = {**planted, "broken": ["00001_a"], "root": "DIR"}
    cfg.sets = {
        "drawn": {"what": "Planted.", "data": planted},
        "other": {"what": "One is broken.", "data": broken},
        "photos": {"what": "Left out.", "data": {**planted, "root": None}},
    }
    cfg.sets.other.data.pop("root")
    cfg.digitizers = {"page": {"_target_": "test_evaluate_pages.OfPicture", "name": "page"}}
    return cfg


def test_the_study_makes_its_page(tmp_path, study_config):
    folder = ROOT / "experiments" / "pages"
    summary = study.run(page_study.STUDY, study_config, folder)
    page = (tmp_path / "README.md").read_text()
    flat = "\n".join(" ".join(line.split()) for line in page.splitlines())
    assert "6 pages of 2 records: 3 drawn, 3 other." in flat
    assert (
        "| drawn, page: layout right (share of pages) | at least 0.99 | 1.000 [1.000, 1.000] | yes |" in flat
    )
    assert "| other | 00001_a | page | failed | | 00001_a is cut short | 0.0 |" in flat
    assert "| 3x4+1 | page | 3 | 0 |" in flat and "| planted | page | 3 | 0 |" in flat
    assert "| 3: 175 to 250 dpi | page | 3 |" in flat
    assert "Set: photos" not in page and "published, page" not in page
    assert set(summary["set"]) == {"drawn", "other"}
    study.rewrite(page_study.STUDY, copied(tmp_path, folder))
    assert (tmp_path / "again" / "README.md").read_text() == page


def copied(tmp_path, folder):
    """Lay rows, provenance and template side by side, as they are published."""
    again = tmp_path / "again"
    again.mkdir()
    for path in (tmp_path / "rows.csv", tmp_path / "provenance.json", folder / study.TEMPLATE):
        (again / path.name).write_bytes(path.read_bytes())
    return again


def test_sets_whose_folders_are_not_named_are_left_out():
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        cfg = compose("pages", ["sets.other.data.root=DIR"])
    assert list(page_study.sources(cfg)) == ["drawn", "other"]
    assert page_study.sources(cfg)["drawn"].split == "val"
    assert isinstance(instantiate(cfg.digitizers.page), PageDigitizer)
