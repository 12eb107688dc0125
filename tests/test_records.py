"""Records come back as they were written, in mV and in the field's order, or with a clear error."""

import dataclasses
import logging
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue
from wfdb_by_hand import write_record

from ecgtrace.errors import ConfigError, DataError
from ecgtrace.records import PtbXl, SampleRecords, sample
from ecgtrace.units import LEADS

CONF = Path(__file__).resolve().parents[1] / "conf" / "signals"


# --- PTB-XL's layout --------------------------------------------------------------------------


def planted_mv(n_samples: int = 1000) -> np.ndarray:
    """Return lead k as a ramp from k to k + 0.5 mV: any exchange of leads or units shows."""
    return np.arange(12)[:, None] * 0.1 + np.linspace(0, 0.5, n_samples)


def write_table(root: Path, *names: str, header="filename_hr") -> PtbXl:
    (root / "ptbxl_database.csv").write_text("\n".join([header, *names]) + "\n")
    return PtbXl(str(root))


def one_record(root: Path, signal_mv: np.ndarray | None = None, **how) -> PtbXl:
    write_record(root, "records500/00000/00007_hr", planted_mv() if signal_mv is None else signal_mv, **how)
    return write_table(root, "records500/00000/00007_hr")


@pytest.mark.parametrize(("unit", "per_mv"), [("mV", 1.0), ("V", 1e-3), ("uV", 1e3), ("NV", 1e6)])
def test_load_gives_mv_whatever_the_unit(tmp_path, unit, per_mv):
    record = one_record(tmp_path, unit=unit, per_mv=per_mv).load("00007")
    np.testing.assert_allclose(record.signal, planted_mv(), atol=0.5 / 20_000)
    assert (record.record_id, record.fs_hz, record.leads, record.duration_s) == ("00007", 500.0, LEADS, 2.0)


def test_leads_are_put_in_the_fields_order(tmp_path):
    """The file holds them backwards, with AVR for aVR and a channel that is no lead between."""
    names = [lead.upper() for lead in reversed(LEADS)]
    names.insert(3, "PLETH")
    signal = np.insert(planted_mv()[::-1], 3, -1.0, axis=0)
    record = one_record(tmp_path, signal, leads=names).load("00007")
    assert record.leads == ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
    np.testing.assert_allclose(record.signal, planted_mv(), atol=0.5 / 20_000)


def test_fs_hz_picks_the_files(tmp_path):
    write_record(tmp_path, "lr/00007_lr", planted_mv(200), fs_hz=100)
    write_record(tmp_path, "hr/00007_hr", planted_mv(1000))
    source = write_table(tmp_path, "lr/00007_lr,hr/00007_hr", header="filename_lr,filename_hr")
    assert source.load("00007").signal.shape == (12, 1000)
    assert dataclasses.replace(source, fs_hz=100).load("00007").signal.shape == (12, 200)


def test_nan_is_an_error_that_names_lead_and_record(tmp_path):
    signal = planted_mv()
    signal[4, 500] = np.nan
    with pytest.raises(DataError, match="00007_hr holds NaN in aVL"):
        one_record(tmp_path, signal).load("00007")


def test_a_missing_lead_is_named(tmp_path):
    with pytest.raises(DataError, match="lacks V5, V6; it names its leads I, II"):
        one_record(tmp_path, planted_mv()[:10], leads=LEADS[:10]).load("00007")


def test_a_doubled_lead_is_refused(tmp_path):
    with pytest.raises(DataError, match="lead V6 twice"):
        one_record(tmp_path, np.vstack([planted_mv(), planted_mv()[:1]]), leads=(*LEADS, "v6")).load("00007")


def test_an_unknown_unit_is_refused(tmp_path):
    with pytest.raises(DataError, match="in 'mmHg'"):
        one_record(tmp_path, unit="mmHg").load("00007")


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_micro_sign_is_not_taken_for_volts(tmp_path, encoding):
    """In wfdb 4.3.1 the sign is skipped in silence, and amplitudes come out 1,000,000 times too large."""
    source = one_record(tmp_path, unit="uV", per_mv=1e3)
    header = tmp_path / "records500/00000/00007_hr.hea"
    text = header.read_text()
    header.write_bytes((text + "# M\u00fcller\n").encode(encoding))
    np.testing.assert_allclose(source.load("00007").signal, planted_mv(), atol=0.5 / 20_000)
    header.write_bytes(text.replace("/uV", "/\u00b5V").encode(encoding))
    with pytest.raises(DataError, match="write a unit of microvolt as uV"):
        source.load("00007")


def test_another_sampling_frequency_is_refused(tmp_path):
    with pytest.raises(DataError, match="sampled at 250 Hz, but fs_hz=500"):
        one_record(tmp_path, fs_hz=250).load("00007")


@pytest.mark.parametrize("suffix", [".dat", ".hea"])
@pytest.mark.parametrize("keep", [0.0, 0.5])
def test_a_truncated_file_is_an_error(tmp_path, suffix, keep):
    source = one_record(tmp_path)
    path = tmp_path / f"records500/00000/00007_hr{suffix}"
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(DataError, match="00007_hr"):
        source.load("00007")


def test_missing_files_are_left_out_and_counted(tmp_path, caplog):
    one_record(tmp_path)
    source = write_table(tmp_path, "gone/00001_hr", "records500/00000/00007_hr", "gone/00002_hr")
    with caplog.at_level(logging.WARNING):
        assert source.split_ids("all") == ("00007",)
    assert "2 of 3 records are left out" in caplog.text


def test_all_files_missing_is_an_error(tmp_path):
    with pytest.raises(
        DataError, match=r"none of the 1 records .*python -m ecgtrace.records.download root=DIR"
    ):
        write_table(tmp_path, "gone/00001_hr").split_ids("all")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no ptbxl_database.csv"),
        (b"", "not a readable csv"),
        (b"\xff\xfe\x00\x81", "not a readable csv"),
        (b"filename_hr\n", "lists no records"),
        (b"filename_lr\n1_lr\n", "no column filename_hr"),
    ],
)
def test_a_bad_folder_says_what_to_do(tmp_path, content, message):
    if content is not None:
        (tmp_path / "ptbxl_database.csv").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        PtbXl(str(tmp_path)).split_ids("train")
    assert "https://physionet.org/content/ptb-xl/1.0.3/" in str(caught.value)
    assert "signals=sample" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_record_is_an_error_with_examples(tmp_path):
    with pytest.raises(DataError, match=r"no record '7'.*00007"):
        one_record(tmp_path).load("7")


def test_a_record_listed_twice_is_an_error(tmp_path):
    one_record(tmp_path)
    with pytest.raises(DataError, match="00007 is listed twice"):
        write_table(tmp_path, *["records500/00000/00007_hr"] * 2).split_ids("all")


def test_only_two_sampling_frequencies_exist():
    with pytest.raises(ConfigError, match="got 250"):
        PtbXl("anywhere", fs_hz=250)


@pytest.mark.parametrize("ecg_id", ["7", "7.0", "00007"])
def test_the_id_is_the_same_with_and_without_its_column(tmp_path, ecg_id):
    """A table without ecg_id must split as the one with it does."""
    without = one_record(tmp_path)
    with_id = write_table(tmp_path, f"{ecg_id},records500/00000/00007_hr", header="ecg_id,filename_hr")
    assert with_id.split_ids("all") == without.split_ids("all") == ("00007",)


def test_fingerprint_is_of_the_content_alone(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    for number in (1, 2):
        write_record(here, f"{number:05d}_hr", planted_mv() * number)
    first = write_table(here, "00001_hr", "00002_hr").fingerprint()
    shutil.copytree(here, there)
    assert write_table(there, "00002_hr", "00001_hr").fingerprint() == first
    assert write_table(there, "00002_hr").fingerprint() != first
    changed = planted_mv()
    changed[0, 3] += 0.01
    write_record(there, "00001_hr", changed)
    assert write_table(there, "00001_hr", "00002_hr").fingerprint() != first


def test_the_developers_records_are_twelve_lead_ecgs(shared):
    """Einthoven's law binds the file's own leads, to the 1 uV that they are rounded to."""
    source = PtbXl(str(shared / "ptb-xl"))
    for record_id in source.split_ids("test"):
        record = source.load(record_id)
        assert record.signal.shape == (12, 5000)
        lead = dict(zip(record.leads, record.signal, strict=True))
        np.testing.assert_allclose(lead["III"], lead["II"] - lead["I"], atol=0.003)
        np.testing.assert_allclose(lead["aVR"], -(lead["I"] + lead["II"]) / 2, atol=0.003)
        np.testing.assert_allclose(lead["aVL"], (lead["I"] - lead["III"]) / 2, atol=0.003)


# --- the sample -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def records():
    source = SampleRecords()
    return [source.load(record_id) for record_id in source.split_ids("all")]


@pytest.mark.parametrize("extreme", [0, 1, -1, 2**15 - 1, -(2**15)])
def test_packing_loses_nothing(extreme):
    """Steps over the whole range of 16 bits wrap around and come back."""
    signals = np.random.default_rng(0).integers(-(2**15), 2**15, size=(3, 8, 50)).astype(np.int16)
    signals[1, 2, 10:20] = extreme
    signals[1, 2, 20] = -(2**15)
    packed = sample.pack(signals)
    assert packed.dtype == np.uint8
    np.testing.assert_array_equal(sample.unpack(packed), signals)


def test_the_file_is_small_and_packed_as_the_code_packs():
    assert sample.PATH.stat().st_size < 2.5e6
    with np.load(sample.PATH) as file:
        np.testing.assert_array_equal(sample.pack(sample.unpack(file["planes"])), file["planes"])


def test_each_record_tells_its_origin():
    with np.load(sample.PATH) as file:
        n_records = len(file["ids"])
        assert len(np.unique(file["draw"])) == n_records
        assert int(file["seed"]) > 0
        assert str(file["generator"]).startswith("deepfake-ecg 1.")
        assert "MIT" in str(file["license"])
        assert str(file["unit"]) == "uV"
        assert file["leads"].tolist() == ["I", "II", "V1", "V2", "V3", "V4", "V5", "V6"]


def test_sizes_and_splits_of_the_sample():
    source = SampleRecords()
    parts = {split: source.split_ids(split) for split in ("train", "val", "test")}
    assert {split: len(ids) for split, ids in parts.items()} == {"train": 42, "val": 6, "test": 12}
    assert sorted(sum(parts.values(), ())) == list(source.split_ids("all"))
    assert len(set(source.split_ids("all"))) == 60


def test_sample_records_are_twelve_leads_of_ten_seconds(records):
    for record in records:
        assert record.signal.shape == (12, 5000)
        assert record.leads == LEADS
        assert (record.fs_hz, record.duration_s) == (500.0, 10.0)


def test_sample_obeys_einthoven_and_goldberger(records):
    """The augmented leads add up to zero, and aVF is the mean of II and III."""
    for record in records:
        lead = dict(zip(record.leads, record.signal, strict=True))
        np.testing.assert_allclose(lead["I"] + lead["III"], lead["II"], atol=1e-12)
        np.testing.assert_allclose(lead["aVR"] + lead["aVL"] + lead["aVF"], 0, atol=1e-12)
        np.testing.assert_allclose(lead["aVF"], (lead["II"] + lead["III"]) / 2, atol=1e-12)
        np.testing.assert_allclose(lead["aVL"], (lead["I"] - lead["III"]) / 2, atol=1e-12)


def test_sample_amplitudes_are_those_of_a_heart(records):
    for record in records:
        ranges_mv = np.ptp(record.signal, axis=1)
        assert 0.3 < ranges_mv.max() < 8
        assert np.abs(record.signal).max() <= 4
        assert ranges_mv.min() > 0.05, "a flat lead"
        assert np.abs(np.median(record.signal, axis=1)).max() < 0.5


def test_sample_hearts_beat_30_to_200_times_a_minute(records):
    """Count how often the steepest lead's slope passes half its maximum, after 0.3 s of rest."""
    for record in records:
        slope = np.abs(np.diff(record.signal, axis=1)).sum(axis=0)
        above = np.flatnonzero(slope > slope.max() / 2)
        beats = 1 + int((np.diff(above) > 0.3 * record.fs_hz).sum())
        assert 30 <= 6 * beats <= 200, record.record_id


def test_sample_records_differ(records):
    """No two draws are copies: the correlation of lead II stays well below 1 at every lag."""
    spectra = [np.fft.rfft(record.signal[1] - record.signal[1].mean(), 16384) for record in records]
    energies = [np.sum((record.signal[1] - record.signal[1].mean()) ** 2) for record in records]
    for i in range(len(records)):
        for j in range(i):
            lagged = np.fft.irfft(spectra[i] * np.conj(spectra[j]))
            assert lagged.max() / np.sqrt(energies[i] * energies[j]) < 0.95, (i, j)


def test_augmented_leads_by_hand():
    eight = np.arange(8.0)[:, None] + 1.0  # I = 1, II = 2, V1 = 3 ... V6 = 8
    np.testing.assert_array_equal(sample.twelve_leads(eight)[:, 0], [1, 2, 1, -1.5, 0, 1.5, 3, 4, 5, 6, 7, 8])


def test_an_unknown_sample_record_lists_the_valid_ones():
    with pytest.raises(DataError, match="no sample record 'x'; choose sample-000 to sample-059"):
        SampleRecords().load("x")


def test_a_broken_sample_file_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(sample, "PATH", tmp_path / "sample.npz")
    for content in (None, b"", b"PK\x03\x04 no zip"):
        if content is not None:
            sample.PATH.write_bytes(content)
        sample._stored.cache_clear()
        with pytest.raises(DataError, match="install ecgtrace anew"):
            SampleRecords().split_ids("all")
    sample._stored.cache_clear()


def test_a_loaded_record_is_the_callers_own():
    """Changing it must not change what the next caller gets."""
    source = SampleRecords()
    source.load("sample-000").signal[:] = 0
    assert np.ptp(source.load("sample-000").signal) > 0.3


def test_sample_fingerprint_is_stable():
    """Record of the shipped file."""
    assert SampleRecords().fingerprint() == "5891d59fa016"


def test_quality_rule_of_the_script():
    from scripts.make_sample_records import heart_rate_bpm, reason_to_reject

    beat = np.zeros(5000)
    beat[250::500] = 1.0  # one each second
    good = np.tile(np.convolve(beat, np.hanning(31), mode="same"), (8, 1))
    assert heart_rate_bpm(good) == 60
    assert reason_to_reject(good) == ""
    assert reason_to_reject(good * 4.5) == "amplitude 4.5 mV"
    assert reason_to_reject(good * 0.2).startswith("no lead has a QRS")
    assert "beats per minute" in reason_to_reject(good * (np.arange(5000) < 2000))
    kicked = good.copy()
    kicked[3, -1] = 0.5
    assert reason_to_reject(kicked) == "jump of 0.50 mV at an end"


def test_the_script_makes_the_shipped_records():
    """Other processors round otherwise, by 1 uV at the most seen; 5 uV is a tenth of a pen's width."""
    pytest.importorskip("deepfakeecg", reason="the generator is a development dependency")
    torch = pytest.importorskip("torch")
    from scripts.make_sample_records import select

    n_threads = torch.get_num_threads()
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the generator calls a deprecated initialiser
        signals_uv, draws = select(3)
    torch.set_num_threads(n_threads)
    with np.load(sample.PATH) as file:
        assert file["draw"][:3].tolist() == draws
        np.testing.assert_allclose(signals_uv, sample.unpack(file["planes"])[:3], atol=5)


# --- configuration ----------------------------------------------------------------------------


def test_config_builds_the_sample():
    assert instantiate(OmegaConf.load(CONF / "sample.yaml")) == SampleRecords()


def test_config_of_ptbxl_wants_a_root():
    config = OmegaConf.load(CONF / "ptbxl.yaml")
    with pytest.raises((InstantiationException, MissingMandatoryValue), match="root"):
        instantiate(config)
    assert instantiate(config, root="somewhere") == PtbXl("somewhere", 500)
