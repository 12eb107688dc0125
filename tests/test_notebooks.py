"""Every notebook runs top to bottom, and is stored as a reader should see it; what notebooks call works."""

import base64
import io
import json
import re
import socket
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from ecgtrace import Digitizer
from ecgtrace.errors import DataError, EcgTraceError
from ecgtrace.evaluation.metrics import score
from ecgtrace.example import EXAMPLE, draw_example
from ecgtrace.outputs import read_signal
from ecgtrace.reporting.notebook import (
    ecg_paper_figure,
    enter_checkout,
    run_command,
    show_artefacts,
    small_png,
    training_figure,
)
from ecgtrace.types import GridScale, LeadSignal
from scripts.execute_notebooks import NOTEBOOKS, ROOT, SETTINGS_TAG, execute, strip

NAMES = ("01_quickstart", "02_train_on_t4", "03_reproduce_paper", "04_worst_cases")
MOST_BYTES, MOST_PICTURE_BYTES = 600_000, 150_000


def stored(name):
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


def code_of(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def pictures_of(notebook):
    return [
        base64.b64decode(output.data["image/png"])
        for cell in code_of(notebook)
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]


def printed_by(notebook):
    streams = [output for cell in code_of(notebook) for output in cell.outputs if "text" in output]
    return "".join(output.text for output in streams)


# As stored ----------------------------------------------------------------------------------------


def test_all_notebooks_are_tested():
    assert sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_begins_with_what_it_does_how_long_it_takes_and_what_it_needs(name):
    first, settings = stored(name).cells[:2]
    assert first.cell_type == "markdown" and first.source.startswith("# ")
    assert re.findall(r"^\*\*(\w+)\.\*\*", first.source, re.MULTILINE) == ["What", "Time", "Needs"]
    assert settings.metadata.tags == [SETTINGS_TAG]
    assert re.match(r"REPOSITORY = None  # Colab only", settings.source)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_stored_as_executed_and_small(name):
    notebook = stored(name)
    assert notebook.metadata.kernelspec.name == "python3"
    assert [cell.execution_count for cell in code_of(notebook)] == [*range(1, len(code_of(notebook)) + 1)]
    assert not any("execution" in cell.metadata for cell in notebook.cells)
    assert not any(output.output_type == "error" for cell in code_of(notebook) for output in cell.outputs)
    assert pictures_of(notebook), "no picture to see"
    assert max(map(len, pictures_of(notebook))) < MOST_PICTURE_BYTES
    assert (NOTEBOOKS / f"{name}.ipynb").stat().st_size < MOST_BYTES


@pytest.mark.parametrize("name", NAMES)
def test_it_tells_nothing_of_the_machine_it_ran_on(name):
    text = (NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8")
    text = re.sub(r'"image/png": "[^"]*"', "", text)
    folders = [f"/{name}/" for name in ("home", "root", "Users", "tmp", "work")]
    folders += ["site-packages", str(ROOT), str(Path.home())]
    machine = [socket.gethostname()] if len(socket.gethostname()) > 5 else []
    assert [word for word in (*folders, *machine) if word in text and len(word) > 1] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_stored_as_stripping_leaves_it(name):
    assert strip(stored(name)) == stored(name)


# Executed -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_quickstart_runs(tmp_path):
    notebook = execute(NOTEBOOKS / "01_quickstart.ipynb", {"OUTPUT_DIR": str(tmp_path)})
    signal = read_signal(tmp_path / "example.csv")
    assert np.ptp(signal["amplitude_mv"]) == pytest.approx(np.ptp(draw_example().signal), rel=0.2)
    assert json.loads((tmp_path / "example.json").read_text())["status"] == "ok"
    assert (tmp_path / "summary.csv").is_file() and (tmp_path / "example.overlay.png").is_file()
    assert len(pictures_of(notebook)) == len(pictures_of(stored("01_quickstart"))) == 5


@pytest.mark.slow
def test_training_runs(tmp_path):
    notebook = execute(NOTEBOOKS / "02_train_on_t4.ipynb", {"RUN_DIR": str(tmp_path)})
    for checkpoint in tmp_path.glob("*.ckpt"):
        checkpoint.unlink()  # 300 MB each, and pytest keeps folders for a while
    assert pd.read_csv(tmp_path / "metrics.csv")["epoch"].tolist() == [0, 1]
    assert json.loads((tmp_path / "metrics.json").read_text())["started_from"].startswith("shipped")
    assert (tmp_path / "weights.safetensors").is_file()
    assert "best: epoch" in printed_by(notebook)
    assert len(pictures_of(notebook)) == len(pictures_of(stored("02_train_on_t4"))) == 2


@pytest.mark.slow
def test_reproduction_is_shown(quick_reproduction):
    """The finished one is shared with other tests, so there is nothing to do but to show it."""
    notebook = execute(NOTEBOOKS / "03_reproduce_paper.ipynb", {"REPRODUCTION_DIR": str(quick_reproduction)})
    assert "nothing to do" in printed_by(notebook)
    drawn = list((quick_reproduction / "artefacts").glob("*/*.png"))
    assert len(pictures_of(notebook)) == len(drawn) > 0


@pytest.mark.slow
def test_worst_cases_run(tmp_path):
    settings = {"N_RECORDS": 1, "CROPS_PER_RECORD": 2, "OUTPUT_DIR": str(tmp_path)}
    notebook = execute(NOTEBOOKS / "04_worst_cases.ipynb", settings)
    assert (
        len(pictures_of(notebook)) == 1 + 2 + 2 + 1
    )  # one record figure: the pictures of the published rows are not shipped
    assert "rows: " in printed_by(notebook) and " columns" in printed_by(notebook)


# The example --------------------------------------------------------------------------------------


def test_the_example_is_as_drawn():
    """The file was made by scripts/make_example_picture.py."""
    with Image.open(EXAMPLE) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    np.testing.assert_allclose(pixels.astype(int), draw_example().image.astype(int), atol=2)
    assert EXAMPLE.stat().st_size < 60_000


def test_the_example_needs_more_than_its_darkest_path():
    crop = draw_example()
    assert crop.overlap_px > 1000
    assert score(crop, Digitizer.from_pretrained("baseline")(EXAMPLE)).r < 0.7


# What notebooks call ------------------------------------------------------------------------------


def test_the_checkout_is_found_from_below(monkeypatch, tmp_path):
    monkeypatch.chdir(NOTEBOOKS)
    assert enter_checkout() == ROOT == Path.cwd()
    with pytest.raises(DataError, match="needs a checkout of ecgtrace"):
        enter_checkout(tmp_path)


def test_a_command_prints_and_a_failing_one_raises(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    run_command("python -c", "\"import os, sys; print(os.path.join(os.getcwd(), 'x'), sys.prefix)\"", "")
    command, output = capsys.readouterr().out.splitlines()
    assert command.startswith("$ python -c ")
    assert output == f"x {sys.prefix}", "this Python, and paths relative to the working folder"
    lines = "\"print('1\\n2\\n3')\""
    run_command("python -c", lines, last_lines=2)
    assert capsys.readouterr().out.splitlines()[-2:] == ["2", "3"]
    with pytest.raises(EcgTraceError, match=r"exit code 3 of: python -c .*\nlast words"):
        run_command("python -c \"print('last words'); raise SystemExit(3)\"")


def test_a_small_picture_keeps_its_shape_and_colours(tmp_path):
    """A thin orange line on a paper of many shades stays orange: a plain median cut is off by 109."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(150, 256, (100, 300, 3)).astype(np.uint8)
    pixels[50] = (230, 159, 0)
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    whole = Image.open(io.BytesIO(small_png(tmp_path / "wide.png")))
    assert whole.size == (300, 100)
    line = np.asarray(whole.convert("RGB"))[50].astype(int)
    assert np.abs(line - (230, 159, 0)).max() < 30
    assert Image.open(io.BytesIO(small_png(tmp_path / "wide.png", width_px=150))).size == (150, 50)
    assert Image.open(io.BytesIO(small_png(Figure(figsize=(3, 2))))).size == (300, 200)


def test_squares_of_ecg_paper_are_square():
    """2.5 s from -0.45 to 1.25 mV: 0.2 s and 0.5 mV are as long as each other, and there is room."""
    time_s = np.arange(1250) / 500
    wave = 0.4 + 0.85 * np.sin(2 * np.pi * time_s)
    signal = LeadSignal(wave, 500.0, np.ones(1250), GridScale(10, 10, 1.0), np.zeros(10))
    figure = ecg_paper_figure(signal)
    figure.canvas.draw()
    (axis,) = figure.axes
    across, up = axis.transData.transform([[0.2, 0], [0, 0.5]]) - axis.transData.transform([0, 0])
    assert across[0] == pytest.approx(up[1])
    assert axis.get_xlim() == pytest.approx((0, 2.6)) and axis.get_ylim() == pytest.approx((-1.0, 1.5))


def test_curves_of_a_training():
    metrics = pd.DataFrame({"epoch": [0, 1], "train/loss": [0.5, 0.4], "val/loss": [0.6, 0.3]})
    loss, iou = training_figure(metrics).axes
    drawn = {line.get_label(): line.get_xydata().tolist() for line in loss.lines}
    assert drawn == {"training": [[1, 0.5], [2, 0.4]], "validation": [[1, 0.6], [2, 0.3]]}
    assert not iou.lines


def test_artefacts_are_shown_in_order(tmp_path, monkeypatch):
    """Heading, tables, figures; what is no artefact, and what is for printing, is left out."""
    import IPython.display as ipython

    shown = []
    monkeypatch.setattr(ipython, "display", lambda item: shown.append(item.data))
    for name in ("table1", "fig1"):
        (tmp_path / name).mkdir()
    (tmp_path / "claims.csv").write_text("artefact\n")
    (tmp_path / "table1" / "table1.md").write_text("| a |")
    for suffix in ("png", "pdf"):
        Figure().savefig(tmp_path / "fig1" / f"fig1.{suffix}")
    show_artefacts(tmp_path)
    assert [item if isinstance(item, str) else item[1:4] for item in shown] == [
        "### fig1",
        b"PNG",
        "### table1",
        "| a |",
    ]


def test_no_artefacts_to_show(tmp_path):
    with pytest.raises(DataError, match=r"holds no artefacts; python reproduce.py makes them"):
        show_artefacts(tmp_path)
