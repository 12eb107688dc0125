"""What a page of experiments says is what rows and provenance say: command, sizes, state of the code."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from ecgtrace.studies import study
from ecgtrace.studies.all_studies import STUDIES

EXPERIMENTS = Path(__file__).resolve().parents[1] / "experiments"
PUBLISHED = [name for name in STUDIES if (EXPERIMENTS / name / "rows.csv").is_file()]
# Of a command: what differs from reader to reader, or changes no row.
LOCAL = ("signals.root", "data.root", "sets.", "progress", "workers", "output_dir", "restart")


def read(name):
    folder = EXPERIMENTS / name
    page = (folder / "README.md").read_text()
    rows = pd.read_csv(folder / "rows.csv", dtype=str, keep_default_na=False)
    if "kind" in rows:  # whole pages: their leads are no crops
        rows = rows[rows["kind"] == "page"]
    return page, rows, json.loads((folder / "provenance.json").read_text())


def options(command):
    return {part for part in command.split() if "=" in part and not part.startswith(LOCAL)}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_printed_command_is_that_of_the_provenance(name):
    page, _, facts = read(name)
    (printed,) = re.findall(rf"^(?:\$ )?(python experiments/{name}/run\.py.*)$", page, flags=re.MULTILINE)
    assert options(printed) == options(facts["command"])
    assert "root=DIR" in printed or ".root=" not in facts["command"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_sizes_in_the_text_are_those_of_the_rows(name):
    page, rows, facts = read(name)
    keys = [key for key in ("condition", "page", "set", "crop_id", "subset") if key in rows]
    crops = rows.drop_duplicates(keys)
    if "damaged" in page and "page" in rows:
        crops = crops.assign(
            subset=crops["subset"].where(~crops["page"].str.startswith("damaged"), "damaged")
        )
    told = [int(number) for number in re.findall(r"(\d+) (?:crops|pages) (?:with|without|that|of)\b", page)]
    counts = crops["subset"].value_counts().tolist()
    assert sorted(told) in (sorted(counts), [len(crops)])
    for number in re.findall(r"\(n=(\d+)\)", page):
        assert int(number) in counts
    if "n_crops" in facts:
        assert facts["n_crops"] == len(crops)
    if name == "conditions":
        sizes = {str(n) for n in crops.groupby(["condition", "subset"]).size()}
        lines = [line.split("|") for line in page.splitlines() if line.startswith("| ")]
        assert {line[2].strip() for line in lines if len(line) > 10} - {"n"} <= sizes


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_page_says_where_its_rows_were_made_with_uncommitted_changes(name):
    page, _, facts = read(name)
    dirty = any(call["dirty"] for call in [facts, *facts.get("earlier_calls", [])])
    assert ("with changes that were not committed" in page) == dirty
    assert facts["commit"][:7] in page


@pytest.mark.parametrize("name", PUBLISHED)
def test_nothing_on_a_page_is_typed(name, tmp_path):
    """Made again from rows, provenance and template, it is the same to the letter."""
    folder = shutil.copytree(EXPERIMENTS / name, tmp_path / name)
    (folder / study.PAGE).unlink()
    study.rewrite(STUDIES[name], folder)
    assert (folder / study.PAGE).read_text() == (EXPERIMENTS / name / study.PAGE).read_text()


def test_every_study_has_its_template_and_its_command():
    folders = {path.parent.name for path in EXPERIMENTS.glob("*/run.py")}
    assert folders == set(STUDIES)
    assert {path.parent.name for path in EXPERIMENTS.glob(f"*/{study.TEMPLATE}")} == folders
