"""The study measures what a test has planted, pairs beats, counts what is missing, and can be cut off."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir

from ecgtrace.errors import ConfigError, DataError, TraceNotFoundError
from ecgtrace.evaluation import arms, row_file
from ecgtrace.evaluation.runner import RunOptions, run
from ecgtrace.studies import bland_altman, study
from ecgtrace.studies.beats import MEASURES, load_neurokit
from ecgtrace.studies.clinical import compare
from ecgtrace.studies.clinical_run import COLUMNS, STUDY, TEXT, Control, Measuring
from ecgtrace.types import LeadCrop

ROOT = Path(__file__).resolve().parents[1]
PEAKS_S = (0.37, 1.17, 1.97)  # 75 per minute


def beats(peaks_s=PEAKS_S, half_s=0.04, t_s=0.27, fs_hz=500, duration_s=2.5):
    """P 0.12 mV, R 1 mV, S -0.4 mV, J and ST 0.15 mV; QRS from `half_s` before to `half_s` after a peak."""
    time_s = np.arange(round(duration_s * fs_hz)) / fs_hz
    signal = np.zeros(len(time_s))
    for peak_s in peaks_s:
        t = time_s - peak_s
        signal += 0.12 * np.exp(-0.5 * ((t + 0.17) / 0.02) ** 2)
        corners = [-half_s, 0, half_s / 2, half_s, 0.2, t_s + 0.09]
        signal += np.interp(t, corners, [0, 1, -0.4, 0.15, 0.15, 0], left=0, right=0)
        signal += 0.3 * np.exp(-0.5 * ((t - t_s) / 0.035) ** 2) * (t > 0.1)
    return signal


def measured(truth, digitized=None, fs_hz=500):
    found = compare(truth, fs_hz, truth if digitized is None else digitized, fs_hz)
    assert [one.measure for one in found] == [measure.name for measure in MEASURES]
    return {one.measure: one for one in found}


# Measuring ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fs_hz", [100, 500])
def test_planted_rate_and_amplitudes(fs_hz):
    found = measured(beats(fs_hz=fs_hz), fs_hz=fs_hz)
    assert found["heart_rate_per_min"].truth == pytest.approx(75, abs=0.1)
    assert found["r_mv"].truth == pytest.approx(1.0, abs=0.001)
    assert found["s_mv"].truth == pytest.approx(-0.4, abs=0.001)
    assert found["st_mv"].truth == pytest.approx(0.15, abs=0.001)
    assert all(one.n_beats == 3 and one.n_missed == 0 for one in found.values())


@pytest.mark.parametrize("fs_hz", [100, 500])
def test_the_truth_itself_differs_in_nothing(fs_hz):
    assert {one.difference for one in measured(beats(fs_hz=fs_hz), fs_hz=fs_hz).values()} == {0.0}


def test_a_wider_qrs_and_a_later_t_wave_are_measured_as_such():
    """Wavelets see waves begin early and end late, about 30 ms for a QRS; how much one is wider is right."""
    narrow, wide = measured(beats(half_s=0.04)), measured(beats(half_s=0.06))
    assert narrow["qrs_ms"].truth == pytest.approx(80 + 32, abs=8)
    assert wide["qrs_ms"].truth - narrow["qrs_ms"].truth == pytest.approx(40, abs=6)
    late = measured(beats(t_s=0.31))
    assert late["qt_ms"].truth - narrow["qt_ms"].truth == pytest.approx(40, abs=8)
    assert narrow["qt_ms"].truth == pytest.approx(400, abs=40)


def test_a_digitized_signal_is_measured_by_itself():
    """Nothing of the truth's marks may reach the digitized signal."""
    found = measured(beats(half_s=0.04), 0.8 * beats(half_s=0.048, t_s=0.29))
    assert found["qrs_ms"].difference == pytest.approx(16, abs=6)
    assert found["r_mv"].difference == pytest.approx(-0.2, abs=0.005)
    assert found["s_mv"].difference == pytest.approx(0.08, abs=0.005)
    assert found["st_mv"].difference == pytest.approx(-0.03, abs=0.005)
    assert found["qt_ms"].difference == pytest.approx(28, abs=10)


@pytest.mark.parametrize("delay_s", [0.02, 0.15])
def test_offset_and_delay_change_nothing(delay_s):
    """Of these, 150 ms is more than two beats may be apart, so that the lag must have been removed."""
    truth = beats()
    late = beats(peaks_s=tuple(peak + delay_s for peak in PEAKS_S), duration_s=2.5 + delay_s) + 0.7
    for one in measured(truth, late).values():
        assert (one.status, one.n_missed) == ("ok", 0)
        assert one.difference == pytest.approx(0, abs=1e-6)


def test_a_lost_beat_is_counted_and_does_not_hide_the_others():
    found = measured(beats(), beats(peaks_s=(0.37, 1.97)))
    assert found["heart_rate_per_min"].difference == pytest.approx(37.5 - 75, abs=0.1)
    for name in ("r_mv", "s_mv", "st_mv", "qrs_ms"):
        assert (found[name].n_beats, found[name].n_missed) == (3, 1)
        assert found[name].difference == pytest.approx(0, abs=8 if name == "qrs_ms" else 0.005)


def test_a_beat_too_many_spoils_the_heart_rate_alone():
    """Left to itself NeuroKit2 then finds no end of any QRS."""
    time_s = np.arange(1250) / 500
    found = measured(beats(), beats() + np.interp(time_s - 1.65, [-0.02, 0, 0.02], [0, 0.9, 0]))
    assert found["heart_rate_per_min"].difference > 10
    for name in ("qrs_ms", "r_mv", "s_mv", "st_mv"):
        assert found[name].n_missed == 0
        assert found[name].difference == pytest.approx(0, abs=4 if name == "qrs_ms" else 0.01)


def test_short_gaps_are_bridged_and_long_ones_are_not():
    truth = beats()
    short, long = truth.copy(), truth.copy()
    short[240:250] = np.nan  # 20 ms of the first ST segment
    long[560:610] = np.nan  # 100 ms with the second R peak
    assert {one.n_missed for one in measured(truth, short).values()} == {0}
    found = measured(truth, long)
    assert (found["r_mv"].n_beats, found["r_mv"].n_missed) == (3, 1)
    assert found["r_mv"].difference == pytest.approx(0, abs=0.005)
    # One distance of neighbours holds the gap, as does the other: nothing is left.
    assert found["heart_rate_per_min"].status == "not_measured"


def test_where_nothing_was_digitized_everything_says_so():
    found = measured(beats(), np.full(1250, np.nan))
    assert {one.status for one in found.values()} == {"not_measured"}
    assert all("no sample" in one.message and one.digitized is None for one in found.values())
    assert found["r_mv"].truth == pytest.approx(1.0, abs=0.001)


@pytest.mark.parametrize("truth", [np.zeros(1250), np.random.default_rng(0).normal(size=40)])
def test_what_the_truth_does_not_show_is_no_fault_of_the_digitizer(truth):
    found = measured(truth)
    assert {one.status for one in found.values()} == {"not_on_truth"}
    assert all(one.message for one in found.values())


def test_an_inverted_lead_has_no_r_wave_but_a_depth():
    upright, inverted = measured(beats()), measured(-beats())
    assert inverted["r_mv"].status == "not_on_truth" and inverted["r_mv"].message == "no R wave"
    assert inverted["s_mv"].truth == pytest.approx(-1.0, abs=0.001)
    assert inverted["qrs_ms"].truth == upright["qrs_ms"].truth


def test_without_neurokit_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "neurokit2", None)
    with pytest.raises(ConfigError, match=r"pip install 'ecgtrace\[clinical\]'"):
        load_neurokit()


# Statistics ---------------------------------------------------------------------------------------


def table(differences, records, status="ok", digitizer="a", measure="qrs_ms"):
    return pd.DataFrame(
        {
            "crop_id": [f"c{n}" for n in range(len(differences))],
            "record_id": records,
            "lead": "II",
            "subset": "overlap",
            "digitizer": digitizer,
            "measure": measure,
            "truth": 100.0,
            "digitized": 100.0 + np.array(differences),
            "difference": differences,
            "n_beats": 3,
            "n_missed": 1,
            "status": status,
            "message": "",
        }
    )[list(COLUMNS)]


def line(summary, measure="qrs_ms", digitizer="a"):
    return summary[(summary["measure"] == measure) & (summary["digitizer"] == digitizer)].iloc[0]


def test_bland_altman_by_hand():
    """-2, 0, 2, 4: mean 1, squares of 9 + 1 + 1 + 9 = 20, over 3, sd 2.582, limits 1 -/+ 5.061."""
    found = line(bland_altman.summarize(table([-2.0, 0.0, 2.0, 4.0], ["r"] * 4)))
    assert (found["n"], found["n_records"], found["bias"]) == (4, 1, 1.0)
    assert found["limit_low"] == pytest.approx(-4.061, abs=0.001)
    assert found["limit_high"] == pytest.approx(6.061, abs=0.001)
    assert found["median_abs_difference"] == 2.0
    assert (found["n_beats"], found["n_missed"]) == (12, 4)
    assert np.isnan(found["bias_low"])  # one record tells nothing of others


def test_the_interval_of_the_bias_resamples_records():
    """Records of 0 and of 2: resamples have mean 0, 1 or 2, and the interval reaches both; by crop not."""
    rows = table([0.0] * 8 + [2.0] * 8, ["r0"] * 8 + ["r1"] * 8)
    found = line(bland_altman.summarize(rows))
    assert (found["bias"], found["bias_low"], found["bias_high"]) == (1.0, 0.0, 2.0)


def test_what_was_not_measured_is_in_the_table():
    lost = table([np.nan] * 2, ["r0", "r1"], "not_measured").assign(crop_id=["x", "y"])
    hidden = table([np.nan], ["r0"], "not_on_truth").assign(crop_id="z", n_beats=0, n_missed=0)
    rows = pd.concat([table([1.0, 3.0], ["r0", "r1"]), lost, hidden])
    summary = bland_altman.summarize(rows)
    found = line(summary)
    assert (found["n"], found["n_not_measured"], found["n_not_on_truth"]) == (2, 2, 1)
    text = bland_altman.to_markdown(summary)
    assert "| QRS duration (ms) | +2.0 [+1.0, +3.0]; -0.8 to +4.8; 2.0; 2 of 4 |" in " ".join(text.split())
    assert " ".join(text.split()).startswith("| overlap | a |")


# The study ----------------------------------------------------------------------------------------


class Source:
    """Four crops, the second cannot be read; the picture tells a digitizer which it is."""

    def __len__(self):
        return 4

    def crop_id(self, index):
        return f"crop{index}"

    def __getitem__(self, index):
        if index == 1:
            raise DataError("the picture is cut short")
        image = np.full((2, 2, 3), index, np.uint8)
        mask = np.zeros((2, 2), np.uint8)
        signal = beats(fs_hz=100)
        return LeadCrop(
            image, mask, signal, 100.0, f"crop{index}", f"{index:05d}", "II", "3x4", overlap_px=index
        )


class Digitizer:
    name = "half"

    def __init__(self):
        self.seen = []

    def __call__(self, image):
        self.seen.append(int(image[0, 0, 0]))
        if self.seen[-1] == 3:
            raise TraceNotFoundError("no ink")
        return SimpleNamespace(amplitude_mv=0.5 * beats(), fs_hz=500.0)


def test_every_crop_leaves_rows_and_none_is_done_twice(tmp_path):
    path, digitizer = tmp_path / "rows.csv", Digitizer()
    both = {"half": digitizer, "control": Control(0.0)}
    rows = run(Source(), both, Measuring(), path, RunOptions(progress=False))
    assert len(rows) == 4 * 2 * 6 and tuple(rows.columns) == COLUMNS
    by = rows.set_index(["crop_id", "digitizer", "measure"])
    assert by.loc[("crop0", "half", "r_mv"), "difference"] == pytest.approx(-0.5, abs=0.01)
    assert by.loc[("crop0", "control", "r_mv"), "difference"] == 0
    assert by.loc[("crop3", "half", "r_mv"), ["status", "message"]].tolist() == ["not_measured", "no ink"]
    assert by.loc[("crop1", "half", "r_mv"), ["status", "message"]].tolist() == [
        "unread",
        "the picture is cut short",
    ]
    assert list(rows["subset"].iloc[[0, -1]]) == ["non_overlap", "overlap"]
    assert list(rows["record_id"].iloc[[0, -1]]) == ["00000", "00003"]

    # Cut off within the last line of the third crop's first digitizer, and before it.
    lines = path.read_text().splitlines(keepends=True)
    for kept in ([*lines[:30], lines[30][:-20]], lines[:28]):
        path.write_text("".join(kept))
        digitizer.seen.clear()
        again = run(Source(), both, Measuring(), path, RunOptions(resume=True, progress=False))
        pd.testing.assert_frame_equal(rows, again)
        assert digitizer.seen == [2, 3]


def composed(folder, *options):
    crops = ["subset.n_non_overlap=1", "subset.n_overlap=1"]
    fixed = ["digitizers=[baseline]", *crops, "progress=false", f"output_dir={folder}"]
    return compose("clinical", [*fixed, *options])


def test_the_study_on_two_sample_crops(tmp_path):
    page, out = tmp_path / "page", tmp_path / "out"
    page.mkdir()
    template = ROOT / "experiments" / "clinical" / study.TEMPLATE
    (page / study.TEMPLATE).write_text(template.read_text())
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        summary = study.run(STUDY, composed(out, "publish=true"), page)
    rows = row_file.read(out / "rows.csv", COLUMNS, TEXT)
    assert len(rows) == 2 * 2 * 6
    assert set(rows["digitizer"]) == {"baseline", "control"}
    assert set(rows["subset"]) == {"non_overlap", "overlap"}
    rates = rows[rows["measure"] == "heart_rate_per_min"]
    assert (rates["status"] == "ok").all() and (rates["difference"].abs() < 1).all()
    assert summary["n"].sum() == (rows["status"] == "ok").sum()
    for name in ("rows.csv", "summary.csv", "bland_altman.png", "bland_altman.pdf"):
        assert (page / name).stat().st_size > 100
    facts = json.loads((page / "provenance.json").read_text())
    assert facts["versions"]["neurokit2"] and facts["n_crops"] == 2
    published = (page / "README.md").read_text()
    assert bland_altman.to_markdown(summary) in published
    assert "1 crops without overlap, 1 crops with overlap" in published

    # Again: nothing is measured. With another measurement: the rows are not mixed.
    before = (out / "rows.csv").stat().st_mtime_ns
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        study.run(STUDY, composed(out), page)
        assert (out / "rows.csv").stat().st_mtime_ns == before
        with pytest.raises(ConfigError, match=r"crops or their scoring changed.*restart=true"):
            study.run(STUDY, composed(out, "measure.lowpass_hz=30"), page)


def test_a_wrong_name_is_one_line(tmp_path):
    command = [sys.executable, str(ROOT / "experiments" / "clinical" / "run.py"), "digitizers=[nope]"]
    done = subprocess.run(
        [*command, f"output_dir={tmp_path}/x"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: digitizers: ") and "nope" in done.stderr
    assert done.stderr.count("\n") == 1


def test_digitizers_are_named_in_a_list(tmp_path, monkeypatch):
    """A single one would be silently left out."""
    overrides = SimpleNamespace(overrides=SimpleNamespace(task=["digitizer=ceiling"]))
    hydra = SimpleNamespace(initialized=lambda: True, get=lambda: overrides)
    monkeypatch.setattr(arms, "HydraConfig", hydra)
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        with pytest.raises(ConfigError, match=r"digitizers=\[NAME,NAME\]"):
            STUDY.arms(composed(tmp_path))
