"""From a file to a table: what comes out is what was drawn, and one bad picture stops nothing."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import pytest
from PIL import Image
from planted_picture import LEFT_PX, LINE_PX, PX_PER_MM, ROOT, SECONDS, command, lead, summary_of, wave_mv

from ecgtrace import Digitizer
from ecgtrace.batch import BatchOptions, describe, digitize_files
from ecgtrace.cli import quoted_paths
from ecgtrace.digitization.baseline import BaselineDigitizer
from ecgtrace.errors import ConfigError, TraceNotFoundError, WeightsError
from ecgtrace.inputs import InputFile, find_inputs
from ecgtrace.outputs import COLUMNS, read_signal, write_signal
from ecgtrace.types import GridScale, LeadSignal

QUIET = BatchOptions(progress=False)


@dataclass
class Counting:
    """A digitizer that is quick and counts its calls; its first sample is the grey level of a pixel."""

    name: str = "counting"
    model: str = "hand-1"
    calls: list = field(default_factory=list)

    def __call__(self, image):
        level = float(image[0, 0, 0])
        self.calls.append(level)
        if level == 13:
            raise TraceNotFoundError("no luck")
        if level == 66:
            raise ZeroDivisionError("a\ndefect")
        values = np.sin(np.arange(500) / 40)
        values[:2] = level / 100, np.nan
        sure = np.where(np.isnan(values), 0.0, 1.0)
        rows = 10 + 4 * np.sin(np.arange(image.shape[1]) / 4)
        return LeadSignal(values, 500.0, sure, GridScale(4.0, 4.0, 1.0), rows, 0.0)


def write_pictures(folder, levels):
    """Pictures that pass the check; the first pixel tells them apart."""
    for name, level in levels.items():
        image = np.full((20, 40), 255, np.uint8)
        image[10, 2:38] = 0
        image[0, 0] = level
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / name)


# The numbers --------------------------------------------------------------------------------------


def test_a_planted_signal_comes_back(tmp_path):
    """Time 0 is where the trace begins, to 2 ms; amplitudes within 3 % of the peak."""
    Image.fromarray(lead()).save(tmp_path / "lead.png")
    digitize_files(find_inputs(tmp_path / "lead.png"), BaselineDigitizer(), tmp_path / "out", QUIET)
    table = read_signal(tmp_path / "out" / "lead.csv")
    truth = wave_mv(table["time_s"])
    truth -= np.median(truth)
    assert np.corrcoef(table["amplitude_mv"], truth)[0, 1] > 0.99
    assert np.ptp(table["amplitude_mv"]) == pytest.approx(np.ptp(truth), rel=0.03)
    shifted = [
        np.corrcoef(table["amplitude_mv"], wave_mv(table["time_s"] + lag))[0, 1] for lag in (-0.004, 0.004)
    ]
    assert max(shifted) < np.corrcoef(table["amplitude_mv"], truth)[0, 1]
    assert table["time_s"][0] == 0 and table["time_s"][-1] == pytest.approx(SECONDS, abs=0.01)
    facts = json.loads((tmp_path / "out" / "lead.json").read_text())
    assert facts["px_per_mm_x"] == pytest.approx(PX_PER_MM, rel=0.01)
    assert facts["status"] == "ok" and facts["sampling_rate_hz"] == 500 and facts["digitizer"] == "baseline"
    assert facts["n_samples"] == len(truth) and facts["recovered"] == 1


def variants(folder):
    """One picture, saved in ways that must not matter."""
    rgb = lead()
    grey = rgb[..., 0]
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(rgb).save(folder / "rgb.png")
    Image.fromarray(grey).save(folder / "grey.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(folder / "grey16.png")
    Image.fromarray(np.dstack([rgb * 0, 255 - grey])).save(
        folder / "alpha.png"
    )  # black ink, more or less clear
    Image.fromarray(np.rot90(rgb)).save(folder / "turned.png", exif=exif)
    Image.fromarray(rgb).save(folder / "page.tif")


def test_how_a_picture_is_saved_does_not_matter(tmp_path):
    variants(tmp_path)
    out = tmp_path / "out"
    results = digitize_files(find_inputs(tmp_path), BaselineDigitizer(), out, QUIET)
    assert [result.status for result in results] == ["ok"] * 6
    signals = {result.name: (out / f"{result.name}.csv").read_text() for result in results}
    assert {name for name, text in signals.items() if text != signals["rgb"]} == set()


def test_the_table_parses_back(tmp_path):
    """Times exactly, amplitudes to 0.01 microvolt; a sample that is not known is an empty cell."""
    rng = np.random.default_rng(0)
    amplitude = rng.normal(size=700)
    confidence = rng.uniform(0.0001, 1, size=700)
    amplitude[3:9], confidence[3:9] = np.nan, 0
    signal = LeadSignal(amplitude, 360.0, confidence, GridScale(4.0, 4.0, 1.0), np.zeros(9))
    write_signal(signal, tmp_path / "a.csv")
    table = read_signal(tmp_path / "a.csv")
    np.testing.assert_array_equal(table["time_s"], signal.time_s)
    np.testing.assert_allclose(table["amplitude_mv"], amplitude, rtol=0, atol=0.5001e-5)
    np.testing.assert_allclose(table["confidence"], confidence, rtol=0, atol=1e-3)
    np.testing.assert_array_equal(table["confidence"] == 0, np.isnan(amplitude))


def test_the_table_as_text(tmp_path):
    scale = GridScale(4.0, 4.0, 1.0)
    values = np.array([-1e-9, np.nan, -1.234567])
    write_signal(LeadSignal(values, 500.0, np.array([1, 0, 0.25]), scale, np.zeros(9)), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == (
        b"time_s,amplitude_mv,confidence\n0.0,0.00000,1.000\n0.002,,0\n0.004,-1.23457,0.250\n"
    )


# Finding and naming inputs ------------------------------------------------------------------------


def names(folder, **options):
    return {item.source.relative_to(folder).as_posix(): item.name for item in find_inputs(folder, **options)}


def test_inputs_of_a_folder(tmp_path):
    for name in (
        "b.PNG",
        "a.jpeg",
        "c.txt",
        ".hidden.png",
        "a.overlay.png",
        "sub/d.tif",
        ".git/e.png",
        "f.png/x",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert names(tmp_path) == {"a.jpeg": "a", "b.PNG": "b"}
    assert names(tmp_path, recursive=True) == {"a.jpeg": "a", "b.PNG": "b", "sub/d.tif": "sub/d"}
    assert find_inputs(tmp_path / "c.txt") == [InputFile(tmp_path / "c.txt", "c")]


def test_names_that_would_clash_keep_their_ending(tmp_path):
    """`a` in two formats; a file called like one of those; the summary's own name; capitals."""
    for name in ("a.png", "a.jpg", "a.png.bmp", "summary.png", "B.png", "b.jpg", "sub/a.png", "c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert names(tmp_path, recursive=True) == {
        "a.jpg": "a.jpg",
        "a.png": "a.png",
        "a.png.bmp": "a.png.bmp",
        "summary.png": "summary.png",
        "B.png": "B.png",
        "b.jpg": "b.jpg",
        "sub/a.png": "sub/a",
        "c.png": "c",
    }


# The loop -----------------------------------------------------------------------------------------


def test_every_input_leaves_a_row_and_a_note(tmp_path):
    write_pictures(tmp_path, {"a.png": 50, "b.png": 13, "c.png": 66, "sub/a.png": 70})
    (tmp_path / "d.png").write_bytes(b"")
    out = tmp_path / "out"
    inputs = find_inputs(tmp_path, recursive=True)
    results = digitize_files(inputs, Counting(), out, QUIET)
    assert [(result.name, result.status, result.message) for result in results] == [
        ("a", "ok", ""),
        ("b", "failed", "no luck"),
        ("c", "failed", "ZeroDivisionError: a defect"),
        ("d", "failed", "d.png is empty (0 bytes); copy or export it again"),
        ("sub/a", "ok", ""),
    ]
    written = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert written == {
        "a.csv",
        "a.json",
        "b.json",
        "c.json",
        "d.json",
        "sub/a.csv",
        "sub/a.json",
        "summary.csv",
    }
    header, *rows = (out / "summary.csv").read_text().splitlines()
    assert tuple(header.split(",")) == COLUMNS and len(rows) == 5
    assert read_signal(out / "sub" / "a.csv")["amplitude_mv"][0] == 0.7
    failed = json.loads((out / "b.json").read_text())
    assert failed["status"] == "failed" and failed["px_per_mm_x"] is None and failed["model"] == "hand-1"


def test_a_failure_leaves_no_old_result(tmp_path):
    write_pictures(tmp_path, {"a.png": 50})
    inputs, out = find_inputs(tmp_path), tmp_path / "out"
    digitize_files(inputs, Counting(), out, QUIET)
    assert (out / "a.csv").exists()
    write_pictures(tmp_path, {"a.png": 13})
    digitize_files(inputs, Counting(), out, QUIET)
    assert not (out / "a.csv").exists()


def test_the_number_of_threads_does_not_matter(tmp_path):
    write_pictures(tmp_path, {f"{level:03d}.png": level for level in range(60, 80)})
    inputs = find_inputs(tmp_path)
    for workers in (1, 4):
        digitize_files(
            inputs, Counting(), tmp_path / f"{workers}", BatchOptions(workers=workers, progress=False)
        )
    for item in inputs:
        if item.name != "066":
            one, four = ((tmp_path / f"{workers}" / f"{item.name}.csv").read_bytes() for workers in (1, 4))
            assert one == four
    rows = [list(summary_of(tmp_path / workers)) for workers in ("1", "4")]
    assert rows[0] == rows[1] == [f"{level:03d}.png" for level in range(60, 80)]


def test_resume_leaves_out_what_is_done_and_unchanged(tmp_path):
    """Done again: a failure, a changed picture, one whose table is gone, one cut off before its note."""
    write_pictures(tmp_path, {f"{level}.png": level for level in (10, 11, 12, 13, 14, 15)})
    inputs, out, counting = find_inputs(tmp_path), tmp_path / "out", Counting()
    options = BatchOptions(resume=True, progress=False, settings="s1")

    def run(options):
        counting.calls.clear()
        results = digitize_files(inputs, counting, out, options)
        assert [result.status for result in results].count("failed") == 1
        assert len(summary_of(out)) == 6
        return counting.calls

    assert run(options) == [10, 11, 12, 13, 14, 15]
    before = (out / "summary.csv").read_text()
    assert run(options) == [13]
    strip = [line.rpartition(",")[0] for line in before.splitlines()]
    assert [line.rpartition(",")[0] for line in (out / "summary.csv").read_text().splitlines()] == strip
    write_pictures(tmp_path, {"11.png": 21})
    os.utime(tmp_path / "11.png", ns=(1, 1))
    (out / "14.csv").unlink()
    (out / "15.json").unlink()
    assert run(options) == [21, 13, 14, 15]
    assert run(options) == [13]
    assert run(BatchOptions(resume=True, progress=False, settings="s2")) == [10, 21, 12, 13, 14, 15]
    assert run(BatchOptions(progress=False, settings="s2")) == [10, 21, 12, 13, 14, 15]


def test_what_is_doubtful_is_done_too(tmp_path):
    class Flat(Counting):
        def __call__(self, image, mask=None):
            return replace(super().__call__(image), row_px=np.full(image.shape[1], 8.0))

    write_pictures(tmp_path, {"10.png": 10})
    flat, options = Flat(), BatchOptions(resume=True, progress=False)
    for _ in range(2):
        (result,) = digitize_files(find_inputs(tmp_path), flat, tmp_path / "out", options)
        assert result.status == "doubtful" and result.message.startswith("the trace is a straight line")
    assert flat.calls == [10]


def test_files_of_another_origin_are_kept(tmp_path):
    """A folder may hold a table or a label file beside each picture, called like it."""
    write_pictures(tmp_path, {"a.png": 50, "b.png": 51, "c.png": 52})
    (tmp_path / "a.csv").write_text("truth\n")
    (tmp_path / "b.json").write_text('{"label": 1}')
    results = digitize_files(find_inputs(tmp_path), Counting(), tmp_path, QUIET)
    assert [result.status for result in results] == ["failed", "failed", "ok"]
    assert (
        results[0].message
        == "a.csv or .json is there already and not of our making; choose another output_dir"
    )
    assert (tmp_path / "a.csv").read_text() == "truth\n"
    assert (tmp_path / "b.json").read_text() == '{"label": 1}'
    again = digitize_files(find_inputs(tmp_path), Counting(), tmp_path, QUIET)
    assert [result.status for result in again] == ["failed", "failed", "ok"]


def test_a_summary_of_another_origin_is_kept(tmp_path):
    write_pictures(tmp_path, {"a.png": 50})
    (tmp_path / "summary.csv").write_text("patient,summary\n")
    with pytest.raises(ConfigError, match=r"summary\.csv is not of our making"):
        digitize_files(find_inputs(tmp_path), Counting(), tmp_path, QUIET)
    assert (tmp_path / "summary.csv").read_text() == "patient,summary\n"


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupt_leaves_a_summary_of_what_was_done(tmp_path, workers):
    class Interrupted(Counting):
        def __call__(self, image):
            if image[0, 0, 0] == 12:
                raise KeyboardInterrupt
            return super().__call__(image)

    write_pictures(tmp_path, {f"{level}.png": level for level in (10, 11, 12, 14)})
    with pytest.raises(KeyboardInterrupt):
        digitize_files(
            find_inputs(tmp_path),
            Interrupted(),
            tmp_path / "out",
            BatchOptions(workers=workers, progress=False),
        )
    assert list(summary_of(tmp_path / "out")) == ["10.png", "11.png"]


def test_an_overlay_shows_picture_and_trace(tmp_path):
    """The trace's colour lies on the picture; and the overlay is no input of the next run."""
    Image.fromarray(lead()).save(tmp_path / "a.png")
    options = BatchOptions(overlays=True, progress=False)
    digitize_files(find_inputs(tmp_path), BaselineDigitizer(), tmp_path, options)
    pixels = cv2.cvtColor(cv2.imread(str(tmp_path / "a.overlay.png")), cv2.COLOR_BGR2RGB).astype(int)
    orange = np.abs(pixels - (0xE6, 0x9F, 0x00)).max(axis=2) < 40
    rows, columns = np.nonzero(orange)
    assert columns.max() - columns.min() > 0.7 * pixels.shape[1] and rows.max() < 0.75 * pixels.shape[0]
    assert [item.source.name for item in find_inputs(tmp_path)] == ["a.png"]


def test_an_error_is_one_line():
    assert describe(TraceNotFoundError("no\n  trace")) == "no trace"
    assert describe(KeyError()) == "KeyError"
    assert describe(MemoryError()).startswith("not enough memory; ")
    assert len(describe(ValueError("x" * 1000))) == 300


# The command --------------------------------------------------------------------------------------


def test_one_bad_file_of_ten(tmp_path, monkeypatch, capfd):
    for index in range(10):
        Image.fromarray(lead()).save(tmp_path / f"{index}.png")
    (tmp_path / "4.png").write_bytes((tmp_path / "4.png").read_bytes()[:300])
    out = tmp_path / "out"
    arguments = [f"input={tmp_path}", f"output_dir={out}", "digitizer=baseline"]
    code, text, errors = command(arguments, monkeypatch, capfd)
    assert code == 1
    assert text.splitlines()[-2:] == ["9 ok, 0 doubtful, 1 failed", f"summary: {out / 'summary.csv'}"]
    assert f"failed: {tmp_path / '4.png'}: 4.png is damaged or cut short" in errors
    assert "10/10" in errors and "Traceback" not in errors
    assert sorted(path.stem for path in out.glob("*.csv")) == [*"012356789", "summary"]
    assert len(list(out.glob("*.json"))) == 10
    assert [row["status"] for row in summary_of(out).values()].count("ok") == 9
    code, text, _ = command([*arguments, "resume=true", "progress=false"], monkeypatch, capfd)
    assert code == 1 and text.splitlines()[-2] == "9 ok, 0 doubtful, 1 failed"


def test_options_reach_the_digitizer(tmp_path, monkeypatch, capfd):
    """A name that Hydra's grammar would not take; rate; no folder of our own beside the user's."""
    (tmp_path / "in").mkdir()
    Image.fromarray(lead()).save(tmp_path / "in" / "lead (1), it's.png")
    monkeypatch.chdir(tmp_path)
    arguments = ["input=in/lead (1), it's.png", "output_dir=out", "digitizer=baseline", "digitizer.fs_hz=100"]
    code, _, _ = command(arguments, monkeypatch, capfd)
    assert code == 0
    table = read_signal(tmp_path / "out" / "lead (1), it's.csv")
    np.testing.assert_array_equal(table["time_s"][:3], [0, 0.01, 0.02])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_without_an_output_dir_a_run_folder_is_made(tmp_path, monkeypatch, capfd):
    Image.fromarray(lead()).save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    code, text, _ = command(["input=a.png", "digitizer=baseline"], monkeypatch, capfd)
    assert code == 0
    (summary,) = tmp_path.glob("runs/digitize/*/summary.csv")
    assert text.splitlines()[-1] == f"summary: {summary.relative_to(tmp_path)}"


def test_paths_are_quoted_for_hydra():
    assert quoted_paths(
        ["input='a b'", "output_dir=${x}", "digitizer.fs_hz=1", "weights=null", "--help"]
    ) == [
        "input='a b'",
        "output_dir=${x}",
        "digitizer.fs_hz=1",
        "weights=null",
        "--help",
    ]
    assert quoted_paths(["-m", "input=a,b"]) == ["-m", "input=a,b"]


def test_as_the_shell_runs_it(tmp_path):
    """The exit code of the process, and its last lines."""
    Image.fromarray(lead()).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    arguments = [
        f"input={tmp_path}",
        f"output_dir={tmp_path / 'out'}",
        "digitizer=baseline",
        "progress=false",
    ]
    done = subprocess.run(
        [sys.executable, str(ROOT / "digitize.py"), *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout == f"1 ok, 0 doubtful, 1 failed\nsummary: {tmp_path / 'out' / 'summary.csv'}\n"
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"failed: {tmp_path / 'b.png'}: b.png is not a picture; these are read: ")


# Python -------------------------------------------------------------------------------------------


def test_the_digitizer_takes_files_arrays_and_pictures(tmp_path):
    rgb = lead()
    Image.fromarray(rgb).save(tmp_path / "a.png")
    digitizer = Digitizer.from_pretrained("baseline", fs_hz=250)
    assert digitizer.name == "baseline" and digitizer.model == ""
    first = digitizer(rgb)
    assert first.fs_hz == 250
    sources = (
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
        Image.fromarray(rgb),
        rgb[..., 0],
        rgb.astype(np.uint16) * 257,
    )
    for image in sources:
        np.testing.assert_array_equal(digitizer(image).amplitude_mv, first.amplitude_mv)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "proposal"}, "no digitizer 'proposal'; choose one of: refined, proposed, baseline"),
        ({"name": "baseline", "fs_hz": -1}, "fs_hz must be a number from 1 to 10000, got -1"),
        ({"name": "baseline", "fs_hz": "abc"}, "got abc"),
        ({"name": "baseline", "fs_hz": float("nan")}, "got nan"),
        ({"px_per_mm": 0}, "px_per_mm must be a number from 0.1 to 1000, got 0"),
    ],
)
def test_wrong_arguments(arguments, words):
    with pytest.raises(ConfigError, match=words):
        Digitizer.from_pretrained(**arguments)


def test_the_package_is_light_and_needs_no_configuration_files(tmp_path):
    """`baseline` works without torch, and from a folder that has no conf."""
    code = (
        "import sys, ecgtrace\n"
        "assert not {'numpy', 'torch', 'cv2'} & set(sys.modules)\n"
        "ecgtrace.Digitizer.from_pretrained('baseline')\n"
        "assert not {'torch', 'hydra', 'pandas', 'matplotlib'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """
    Weights of a small network that sees a band of ink from its second row to its last but one.

    The last features are 1 everywhere; the final 3 x 3 sum finds fewer of them along the edges.
    """
    torch = pytest.importorskip("torch")
    from ecgtrace.segmentation.unet import UNet
    from ecgtrace.segmentation.weights import WeightsCard, save_weights

    network = UNet("resnet18", encoder_weights=None)
    last = [m for m in network.network.decoder.modules() if isinstance(m, torch.nn.BatchNorm2d)][-1]
    head = network.network.segmentation_head[0]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.fill_(1.0)
        head.weight.fill_(1 / head.in_channels)
        head.bias.fill_(-7.5)  # 9 - 7.5 inside, 6 - 7.5 along the edges
    path = tmp_path_factory.mktemp("weights") / "band.safetensors"
    save_weights(network, WeightsCard("unet", "resnet18", 64, 64, 2.5, "random"), path)
    return path


def test_proposed_runs_a_network_from_a_file(tmp_path, monkeypatch, capfd, weights):
    """A band of ink gives a flat line along the middle, at full length; two threads give the same."""
    for name in ("a.png", "b.png"):
        Image.fromarray(lead()).save(tmp_path / name)
    out = tmp_path / "out"
    arguments = [
        f"input={tmp_path}",
        f"output_dir={out}",
        f"weights={weights}",
        "workers=2",
        "digitizer=proposed",
    ]
    code, _, errors = command(arguments, monkeypatch, capfd)
    assert code == 0, errors
    facts = json.loads((out / "a.json").read_text())
    assert facts["digitizer"] == "proposed" and facts["model"].startswith("unet:")
    assert facts["started_from"] == "random"
    assert facts["px_per_mm_x"] == pytest.approx(PX_PER_MM, rel=0.005)
    assert (out / "a.csv").read_bytes() == (out / "b.csv").read_bytes()

    digitizer = Digitizer.from_pretrained("proposed", weights=str(weights), px_per_mm=PX_PER_MM)
    assert digitizer.model == facts["model"]
    signal = digitizer(tmp_path / "a.png")
    np.testing.assert_allclose(signal.row_px[20:-20], (lead().shape[0] - 1) / 2)
    np.testing.assert_allclose(signal.amplitude_mv, 0, atol=1e-9)


def test_px_per_mm_is_taken_as_given(tmp_path, monkeypatch, capfd, weights):
    """Paper without a grid, which fails without the number."""
    blank = np.full((260, 810, 3), 255, np.uint8)
    Image.fromarray(lead(blank)).save(tmp_path / "a.png")
    arguments = [f"input={tmp_path}", f"output_dir={tmp_path / 'out'}", f"weights={weights}"]
    arguments.append("digitizer=proposed")
    assert command(arguments, monkeypatch, capfd)[0] == 1
    code, _, errors = command([*arguments, "px_per_mm=12"], monkeypatch, capfd)
    assert code == 0, errors
    row = summary_of(tmp_path / "out")["a.png"]
    assert float(row["px_per_mm_x"]) == float(row["px_per_mm_y"]) == 12


def test_weights_of_the_package():
    """They find a planted trace; a package built without them says so."""
    from ecgtrace.segmentation.weights import resolve

    if not resolve("shipped").is_file():
        with pytest.raises(WeightsError, match="no weights at"):
            Digitizer.from_pretrained()
        return
    signal = Digitizer.from_pretrained()(lead())
    truth = wave_mv(signal.time_s)
    known = np.isfinite(signal.amplitude_mv)
    assert known.mean() > 0.9
    assert np.corrcoef(signal.amplitude_mv[known], truth[known])[0, 1] > 0.9
    assert signal.start_px == pytest.approx(LEFT_PX, abs=2 * LINE_PX)
