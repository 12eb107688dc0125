"""The page of a study on another program's crops holds what its rows say, and says by value what holds."""

import json
from pathlib import Path

import pytest
from drawn_by_hand import write_rows
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from test_reporting import row

from ecgtrace.errors import DataError
from ecgtrace.evaluation.rows import read_rows
from ecgtrace.studies import other_programs, study

ROOT = Path(__file__).resolve().parents[1]
FACTS = {
    **{"command": "python run.py data.root=/some/where publish=true", "commit": "a" * 40, "dirty": False},
    **{"date_utc": "2026-01-02T03:04:05", "cores": 2, "cpu": "a CPU"},
}


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
    write_rows(tmp_path / "rows.csv", entries)
    return read_rows(tmp_path / "rows.csv")


def page_of(cfg, rows, facts, folder):
    """Make the page; cells are not padded here, so that they can be looked for."""
    (folder / "provenance.json").write_text(json.dumps({**facts, "config": OmegaConf.to_container(cfg)}))
    (folder / study.TEMPLATE).write_text((ROOT / "experiments" / "reference" / study.TEMPLATE).read_text())
    rows.to_csv(folder / "rows.csv", index=False)
    study.rewrite(other_programs.REFERENCE, folder)
    page = (folder / study.PAGE).read_text()
    return "\n".join(" ".join(line.split()) for line in page.splitlines())


def lines_of(page, start):
    return [line for line in page.splitlines() if line.startswith(f"| {start}")]


def test_demands_are_judged_by_the_value(rows, tmp_path):
    """Mean r is 0.9, below 0.97; the median of 4, 8, 90 ms is 8 and holds, though its interval reaches 90."""
    page = page_of(config("pages_other"), rows, FACTS, tmp_path)
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
    page = page_of(config("pages_other"), rows, FACTS, tmp_path)
    assert "3 crops of 2 records.\n" in page and "at commit aaaaaaa on 2026-01-02, 2 cores of a CPU." in page
    assert "python run.py data.root=DIR publish=true\n" in page and "/some" not in page
    (first, *_) = lines_of(page, "00000_hr")
    assert first == "| 00000_hr | baseline | 1 | 0 | 0 | 0 | 0.9000 | 30.0 | 30.0 | 4.0 |"
    dirty = page_of(config("pages_other"), rows, FACTS | {"dirty": True}, tmp_path)
    assert "with changes that were not committed" in dirty
    for line in page.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")


def test_crops_that_others_cross_are_told_one_by_one(rows, tmp_path):
    page = page_of(config("reference"), rows, FACTS, tmp_path)
    part = page.partition("## Crop by crop: others cross")[2]
    assert [line.split("|")[1].strip() for line in part.splitlines() if line.startswith("| 0")] == [
        "00001_hr_01_V1"
    ]
    assert "0.9000, 30.0 dB" in part


def test_an_earlier_state_stands_beside(rows, tmp_path):
    before = {"rows": "before.csv", "digitizer": "refined", "name": "refined, before"}
    rows.assign(snr_db=10.0).to_csv(tmp_path / "before.csv", index=False)
    page = page_of(config("pages_other", before=before), rows, FACTS, tmp_path)
    assert "| | baseline | refined | refined, before |" in page
    assert lines_of(page, "SNR median (dB)")[0].count("10.0 [10.0, 10.0]") == 1
    rows.iloc[:2].to_csv(tmp_path / "before.csv", index=False)
    with pytest.raises(DataError, match="about other crops"):
        page_of(config("pages_other", before=before), rows, FACTS, tmp_path)
