"""`reproduce.py profile=quick` for real: killed in the middle, gone on with, then nothing left to do."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from ecgtrace.paper.artefacts import ARTEFACTS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]


def test_every_artefact_has_its_files(quick_reproduction):
    for name in ARTEFACTS:
        folder = quick_reproduction / "artefacts" / name
        record = json.loads((folder / "artefact.json").read_text())
        assert "failed" not in record, (name, record.get("failed"))
        suffixes = {path.suffix for path in folder.iterdir()}
        assert ".csv" in suffixes, name
        if name.startswith("fig"):
            assert {".pdf", ".png"} <= suffixes, name


def test_the_index_names_command_paper_and_ours(quick_reproduction):
    claims = pd.read_csv(quick_reproduction / "claims.csv", keep_default_na=False)
    assert set(ARTEFACTS) - set(claims["artefact"]) <= {"fig1", "fig3", "fig8"}  # pictures without a number
    assert (claims["command"].str.startswith("python reproduce.py profile=quick artefact=")).all()
    assert claims.loc[claims["holds"] == "no", "why"].str.len().gt(10).all()
    text = (quick_reproduction / "index.md").read_text()
    for artefact in ARTEFACTS.values():
        assert artefact.title in text


def test_the_run_that_was_done_before_the_kill_was_kept(quick_reproduction):
    resumed = (quick_reproduction.parent / "resumed.txt").read_text()
    plan = {line.split()[0]: line.strip() for line in resumed.splitlines() if line.startswith("  ")}
    assert plan["unet_paper"].endswith(" done")
    assert "goes on where it was cut off" in plan["unet_none"]
    assert plan["yolo"].endswith("to do")
    # A resumed training appends to its log; one that was begun anew would have been moved aside.
    assert not list(quick_reproduction.glob("*.old*"))


def test_a_second_call_does_nothing(quick_reproduction):
    before = {path: path.stat().st_mtime for path in (quick_reproduction / "artefacts").rglob("*")}
    command = [sys.executable, "reproduce.py", "profile=quick", f"output_dir={quick_reproduction}"]
    done = subprocess.run([*command, "progress=false"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"nothing to do, all {len(ARTEFACTS)} artefacts are there" in done.stdout
    after = {path: path.stat().st_mtime for path in (quick_reproduction / "artefacts").rglob("*")}
    assert before == after
