"""Each format is read back by a library that is not ours."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from ecgtrace.documents.read import read_page
from ecgtrace.errors import ConfigError
from ecgtrace.recording import Check, RecordedLead, Recording
from ecgtrace.types import GridScale, LeadSignal
from ecgtrace.units import LEADS
from ecgtrace.writers.formats import check_formats, files_of, write

FS_HZ = 500.0


def lead(name, mv, start=0.0, end=2.0):
    sure = np.where(np.isnan(mv), 0.0, 0.9)
    signal = LeadSignal(mv, FS_HZ, sure, GridScale(3.0, 3.0, 1.0), row_px=np.zeros(0))
    return RecordedLead(name, signal, start, end, ((1.0, 2.0, 3.0, 4.0),), "text")


@pytest.fixture
def recording():
    """Three leads of 2.1 s, one of them shown in its second half alone; the first one is large."""
    rng = np.random.default_rng(4)
    one, two, three = rng.normal(0, (4.0, 0.5, 0.1), (1050, 3)).T
    two[:525] = np.nan
    leads = (lead("I", one), lead("V2", two, 1.05, 2.098), lead("V7", three))
    return Recording(leads, "3x1", method="vector", notes=("a note",))


def same(found, recording, atol):
    np.testing.assert_array_equal(np.isnan(found), np.isnan(recording.signal_mv))
    np.testing.assert_allclose(found, recording.signal_mv, atol=atol)


def test_wfdb(tmp_path, recording):
    wfdb = pytest.importorskip("wfdb")
    write(recording, tmp_path / "page-p2", ["wfdb"])
    read = wfdb.rdrecord(str(tmp_path / "page-p2"))
    assert (read.sig_name, read.fs, read.units) == (["I", "V2", "V7"], FS_HZ, ["mV"] * 3)
    assert read.fmt == ["16"] * 3 and read.sig_len == 1050
    same(read.p_signal.T, recording, 1 / 2000 / 2 * 1.001)  # the large lead: 2000 steps for a mV
    np.testing.assert_allclose(read.p_signal[:, 2], recording["V7"].signal.amplitude_mv, atol=5.001e-5)
    digital = wfdb.rdrecord(str(tmp_path / "page-p2"), physical=False)
    sums = [int(np.sum(row, dtype=np.int64)) & 0xFFFF for row in digital.d_signal.T]
    assert [int(value) & 0xFFFF for value in digital.checksum] == sums


def test_wfdb_of_a_name_that_it_does_not_allow(tmp_path, recording):
    wfdb = pytest.importorskip("wfdb")
    header, _ = write(recording, tmp_path / "page (1).pdf-p1", ["wfdb"])
    assert wfdb.rdrecord(str(header.with_suffix(""))).sig_name == ["I", "V2", "V7"]
    assert {path.name for path in tmp_path.iterdir()} < {
        path.name for path in files_of(tmp_path / "page (1).pdf-p1")
    }


def test_csv(tmp_path, recording):
    """The twelve leads, shown or not, then others; empty where not shown."""
    write(recording, tmp_path / "page", ["csv"])
    with (tmp_path / "page.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == ("time_s", *LEADS, "V7")
    assert [float(row["time_s"]) for row in rows] == recording.time_s.tolist()
    assert {row["II"] for row in rows} == {""}
    found = np.array([[float(row[name] or "nan") for row in rows] for name in recording.names])
    same(found, recording, 5.001e-6)
    with (tmp_path / "page.confidence.csv").open(newline="") as file:
        sure = [row["V2"] for row in csv.DictReader(file)]
    assert sure[524:526] == ["", "0.900"]


def test_edf(tmp_path, recording):
    pyedflib = pytest.importorskip("pyedflib")
    (path,) = write(recording, tmp_path / "page", ["edf"])
    with pyedflib.EdfReader(str(path)) as file:
        assert file.getSignalLabels() == ["ECG I", "ECG V2", "ECG V7"]
        assert {file.getPhysicalDimension(k) for k in range(3)} == {"mV"}
        assert [file.getSampleFrequency(k) for k in range(3)] == [FS_HZ] * 3
        low = [file.getDigitalMinimum(k) for k in range(3)]
        found = np.stack([file.readSignal(k)[:1050] for k in range(3)])
        missing = np.stack([file.readSignal(k, digital=True)[:1050] == low[k] for k in range(3)])
        onset, length, text = file.readAnnotations()
    found[missing] = np.nan
    same(found, recording, 4e-4)
    assert (onset[1], round(float(length[1]), 3), text[1]) == (1.05, 1.048, "V2 shown")


def test_dicom(tmp_path, recording):
    """By pydicom, and by our own reader of other machines' objects."""
    pydicom = pytest.importorskip("pydicom")
    twelve = replace(recording, leads=recording.leads[:2])
    for name, written, uid in (("all", recording, "9.1.2"), ("twelve", twelve, "9.1.1")):
        (path,) = write(written, tmp_path / name, ["dicom"])
        read = pydicom.dcmread(path)
        assert str(read.SOPClassUID).endswith(uid)
        group = read.WaveformSequence[0]
        assert float(group.SamplingFrequency) == FS_HZ
        found = read.waveform_array(0).T / 1000
        padding = np.frombuffer(group.WaveformPaddingValue, "<i2")[0] * float(
            group.ChannelDefinitionSequence[0].ChannelSensitivity
        )
        found[found == padding / 1000] = np.nan
        same(found, written, 5.001e-4)
        again = read_page(path).recording
        assert again.names == written.names and again.fs_hz == FS_HZ
        same(again.signal_mv, written, 5.001e-4)


def test_formats_that_are_none():
    for names in (["pdf"], [], None, 3):
        with pytest.raises(ConfigError, match="formats must be"):
            check_formats(names)


def test_a_recording_checks_itself(recording):
    first, second, third = recording.leads
    for leads in ((second, first), (first, first), (first, replace(first, name="II", signal=shorter(first)))):
        with pytest.raises(ValueError, match=r"leads must|names of leads"):
            Recording(leads)
    for leads, failure in (((), ""), ((third,), "nothing was read")):
        with pytest.raises(ValueError, match="or a reason"):
            Recording(leads, failure=failure)
    assert Recording((), failure="no page").status == "failed"
    assert replace(recording, doubts=("odd",)).status == "doubtful" and recording.status == "ok"
    assert replace(recording, checks=(Check("x", 1.0, 2.0, "mV", True),)).message == "a note"


def shorter(one):
    mv = one.signal.amplitude_mv[:-1]
    return replace(one.signal, amplitude_mv=mv, confidence=one.signal.confidence[:-1])
