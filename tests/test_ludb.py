"""LUDB comes in mV and in the field's order, for the test and for nothing else."""

import numpy as np
import pytest
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue
from test_records import CONF, planted_mv
from wfdb_by_hand import write_record

from ecgtrace.datasets.drawn import DrawnCrops, Sheet
from ecgtrace.datasets.training import TrainingCrops
from ecgtrace.drawing.style import PageStyle
from ecgtrace.errors import ConfigError, DataError
from ecgtrace.records import Ludb
from ecgtrace.units import LEADS

NAMES = tuple(lead.lower() for lead in LEADS)


@pytest.fixture
def ludb(tmp_path):
    """Return three records as LUDB writes them: lower case, a number for a name, steps of their own."""
    for number, steps_per_mv in (("2", 700), ("11", 1800), ("101", 2400)):
        write_record(tmp_path, f"data/{number}", planted_mv(5000), leads=NAMES, steps_per_mv=steps_per_mv)
    (tmp_path / "data" / "2.i").write_bytes(b"the waves of lead I, as cardiologists see them")
    (tmp_path / "data" / "7.hea").write_text("a header without its signal\n")
    return Ludb(str(tmp_path))


def test_records_are_in_mv_and_in_order(ludb):
    """Three digits, or record 11 would come before record 2; 1/700 mV is the coarsest step."""
    assert ludb.split_ids("test") == ("002", "011", "101")
    record = ludb.load("002")
    assert record.leads == LEADS and record.fs_hz == 500 and record.signal.shape == (12, 5000)
    np.testing.assert_allclose(record.signal, planted_mv(5000), atol=0.5 / 700 + 1e-9)


def test_leads_in_another_order_are_put_right(tmp_path):
    write_record(tmp_path, "data/1", planted_mv(5000)[::-1], leads=NAMES[::-1])
    np.testing.assert_allclose(Ludb(str(tmp_path)).load("001").signal, planted_mv(5000), atol=1e-4)


@pytest.mark.parametrize("split", ["train", "val", "all"])
def test_any_other_split_is_refused(ludb, split):
    with pytest.raises(ConfigError, match=rf"external test: split={split} of it does not exist"):
        ludb.split_ids(split)


@pytest.mark.parametrize("split", ["train", "val", "all", "test"])
def test_nobody_trains_on_it(ludb, split):
    with pytest.raises(ConfigError, match=r"external test|for evaluate\.py alone"):
        TrainingCrops(ludb, PageStyle(), split=split)[0]


def test_crops_are_drawn_of_it(ludb):
    style = PageStyle(px_per_mm=4.0)
    crops = DrawnCrops(ludb, style, (Sheet("3x4"),), "test", n_non_overlap=2, n_overlap=0)
    assert len(crops) == 2 and crops.name == "ludb/test"
    assert {crops[index].record_id for index in range(2)} <= {"002", "011", "101"}


def test_a_folder_without_records_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match="dataset=ludb"):
        Ludb(str(tmp_path)).split_ids("test")


def test_an_unknown_record_is_an_error_with_examples(ludb):
    with pytest.raises(DataError, match=r"no record '2' in .* 3 records are 002, 011, 101"):
        ludb.load("2")


def test_fingerprint_is_of_the_content_alone(ludb, tmp_path):
    before = ludb.fingerprint()
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (tmp_path / "data").rename(moved / "data")
    assert Ludb(str(moved)).fingerprint() == before
    write_record(moved, "data/2", planted_mv(5000) + 0.01, leads=NAMES, steps_per_mv=700)
    assert Ludb(str(moved)).fingerprint() != before


def test_config_wants_a_root():
    config = OmegaConf.load(CONF / "ludb.yaml")
    with pytest.raises((InstantiationException, MissingMandatoryValue), match="root"):
        instantiate(config)
    assert instantiate(config, root="somewhere") == Ludb("somewhere")


def test_the_developers_part_loads(shared):
    """118 of the 200 records, each twelve leads of 10 s with amplitudes of a heart."""
    if not (shared / "ludb").is_dir():
        pytest.skip("the developers' part of LUDB is not here")
    source = Ludb(str(shared / "ludb"))
    assert len(source.split_ids("test")) == 118
    for record_id in source.split_ids("test")[::20]:
        record = source.load(record_id)
        assert record.duration_s == 10
        span = np.ptp(record.signal, axis=1)
        assert (span > 0.05).all() and (span < 20).all()
