"""The page of a study on another program's crops holds what its rows say, and says by value what holds."""

import json
from pathlib import Path

import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from test_reporting import row

from ecgtrace.errors import DataError
from ecgtrace.evaluation.rows import RowWriter, read_rows
from ecgtrace.studies import other_programs

ROOT = Path(__file__).resolve().parents[1]
FACTS = {"command": "python run.py data.root=/some/where publish=true", "commit": "a" * 40, "dirty": False}


def config(name, **changes):
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        cfg = compose(name, ["data.root=nowhere"])
    return OmegaConf.merge(cfg, {"before": None, **changes})


@pytest.fixture
def rows(tmp_path):
    """Three pages' leads: two read well at 30 dB, one called ok at 2 dB, with a time 0 of 4, 8 and 90 ms."""
    entries = []
    for index, (snr_db, time0_ms) in enumerate([(30.0, 4.0), (30.0, -8.0), (2.0, 90.0)]):
        for name in ("refined", "baseline"):
            entries.append(  # noqa: PERF401
                row(
                    index,
                    name,
                    0.9,
                    crop_id=f"0000{index}_hr_0{index}_V1",
                    snr_db=snr_db,
                    crossings=index % 2,
                    time0_error_ms=time0_ms,
                    grid_error_x=0.001,
                    grid_error_y=0.02 if index else 0.001,
                )
            )
    with RowWriter(tmp_path / "rows.csv", resume=False) as writer:
        writer.write(entries)
    return read_rows(tmp_path / "rows.csv")


def lines_of(page, start):
    return [line for line in page.splitlines() if line.startswith(f"| {start}")]


def test_demands_are_judged_by_the_value(rows, tmp_path):
    """Mean r is 0.9, below 0.97; the median of 4, 8, 90 ms is 8 and holds, though its interval reaches 90."""
    page = other_programs.page(config("pages_other"), rows, FACTS, tmp_path)
    holds = {line.split("|")[1].strip(): line.split("|")[-2].strip() for line in lines_of(page, "refined: ")}
    assert holds == {
        "refined: scale within 1 % (share)": "no",
        "refined: r mean": "no",
        "refined: SNR median (dB)": "yes",
        "refined: 18 dB or more (share)": "no",
        "refined: absolute time 0 error, median (ms)": "yes",
        "refined: absolute time 0 error, 95th percentile (ms)": "no",
        "refined: ok, yet below 5 dB (share)": "no",
    }


def test_the_page_tells_its_sizes_and_its_command(rows, tmp_path):
    page = other_programs.page(config("pages_other"), rows, FACTS, tmp_path)
    assert "3 crops of 2 records; commit aaaaaaaaaaaa. Rows" in page
    assert "python run.py data.root=DIR publish=true\n" in page and "/some" not in page
    (first, *_) = lines_of(page, "00000_hr")
    assert first == "| 00000_hr | baseline | 1 | 0 | 0 | 0 | 0.9000 | 30.0 | 30.0 | 4.0 |"
    dirty = other_programs.page(config("pages_other"), rows, FACTS | {"dirty": True}, tmp_path)
    assert "with uncommitted changes" in dirty
    for line in page.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")


def test_crops_that_others_cross_are_told_one_by_one(rows, tmp_path):
    page = other_programs.page(config("reference"), rows, FACTS, tmp_path)
    part = page.partition("## Crop by crop: others cross")[2]
    assert [line.split("|")[1].strip() for line in part.splitlines() if line.startswith("| 0")] == [
        "00001_hr_01_V1"
    ]
    assert "0.9000, 30.0 dB" in part


def test_an_earlier_state_stands_beside(rows, tmp_path):
    before = {"rows": "before.csv", "digitizer": "refined", "name": "refined, before"}
    rows.assign(snr_db=10.0).to_csv(tmp_path / "before.csv", index=False)
    page = other_programs.page(config("pages_other", before=before), rows, FACTS, tmp_path)
    assert "|  | baseline | refined | refined, before |" in page
    assert lines_of(page, "SNR median (dB)")[0].count("10.0 [10.0, 10.0]") == 1
    rows.iloc[:2].to_csv(tmp_path / "before.csv", index=False)
    with pytest.raises(DataError, match="about other crops"):
        other_programs.page(config("pages_other", before=before), rows, FACTS, tmp_path)


@pytest.mark.parametrize("study", ["pages_other", "reference"])
def test_a_published_page_is_what_its_rows_give(study):
    """Nothing in it was typed: written anew from the committed rows and provenance, it is the same."""
    folder = ROOT / "experiments" / study
    if not (folder / "rows.csv").is_file():
        pytest.skip(f"{study} is not published yet")
    facts = json.loads((folder / "provenance.json").read_text())
    cfg = OmegaConf.create(facts["config"])
    page = other_programs.page(cfg, read_rows(folder / "rows.csv"), facts, folder)
    assert page == (folder / "README.md").read_text()
    assert not facts["dirty"] and facts["n_crops"] == pd.read_csv(folder / "rows.csv")["crop_id"].nunique()
