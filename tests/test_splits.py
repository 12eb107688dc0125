"""Nobody stands in two splits, and nobody moves when the company changes."""

from collections import Counter
from pathlib import Path

import pytest

from ecgtrace.errors import ConfigError, DataError
from ecgtrace.records import SPLITS, PtbXl
from ecgtrace.records.splits import check_no_shared_owner, check_split, hashed_split, official_split


def write_table(root: Path, rows: list[dict[str, object]]) -> PtbXl:
    """Write a PTB-XL table and an empty file for each record: splits need no signals."""
    root.mkdir(exist_ok=True)
    lines = [",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]
    (root / "ptbxl_database.csv").write_text("\n".join(lines) + "\n")
    for row in rows:
        for suffix in (".hea", ".dat"):
            (root / f"{row['filename_hr']}{suffix}").touch()
    return PtbXl(str(root))


def row(ecg_id: int, **columns: object) -> dict[str, object]:
    return {"ecg_id": ecg_id, "filename_hr": f"{ecg_id:05d}_hr", **columns}


def splits_of(source: PtbXl) -> dict[str, str]:
    return {record_id: split for split in SPLITS for record_id in source.split_ids(split)}


def test_the_hash_has_not_changed():
    """Record of the day the key was fixed; a change would move training records into the test split."""
    first_ids = [f"record {number:05d}" for number in range(1, 13)]
    letters = "".join(hashed_split(owner)[1] for owner in first_ids)  # tRain, vAl, tEst
    assert letters == "rrrrerrerrrr"
    assert hashed_split("patient 15709") == "train"


def test_shares_are_80_10_10():
    """With 20,000 names the standard error of a share of 0.1 is 0.002."""
    counts = Counter(hashed_split(f"patient {number}") for number in range(20_000))
    assert counts["train"] / 20_000 == pytest.approx(0.8, abs=0.01)
    assert counts["val"] / 20_000 == pytest.approx(0.1, abs=0.01)
    assert counts["test"] / 20_000 == pytest.approx(0.1, abs=0.01)


def test_official_folds():
    assert [official_split(fold) for fold in range(1, 11)] == ["train"] * 8 + ["val", "test"]


@pytest.mark.parametrize("fold", [0, 11, -1])
def test_there_are_ten_folds(fold):
    with pytest.raises(DataError, match=f"got {fold}"):
        official_split(fold)


def test_unknown_split_lists_the_choices():
    with pytest.raises(ConfigError, match=r"unknown split 'valid'; choose one of train, val, test, all"):
        check_split("valid")


def test_owner_in_two_splits_is_named():
    check_no_shared_owner([("patient 1", "train"), ("patient 2", "val"), ("patient 1", "train")])
    with pytest.raises(DataError, match="patient 1 has records in both train and test"):
        check_no_shared_owner([("patient 1", "train"), ("patient 2", "val"), ("patient 1", "test")])


def test_strat_fold_decides_where_it_stands(tmp_path):
    rows = [row(number, strat_fold=1 + number % 10) for number in range(100)]
    source = write_table(tmp_path, rows)
    assert [len(source.split_ids(split)) for split in SPLITS] == [80, 10, 10]
    assert all(int(record_id) % 10 == 8 for record_id in source.split_ids("val"))
    assert all(int(record_id) % 10 == 9 for record_id in source.split_ids("test"))


def test_a_patient_stays_together_without_folds(tmp_path):
    """Five records of each of 80 patients; hashing records instead would part nearly all of them."""
    rows = [row(number, patient_id=f"{1000 + number // 5}.0") for number in range(400)]
    splits = splits_of(write_table(tmp_path, rows))
    assert len(splits) == 400
    patients: dict[int, set[str]] = {}
    for record_id, split in splits.items():
        patients.setdefault(int(record_id) // 5, set()).add(split)
    assert all(len(its_splits) == 1 for its_splits in patients.values())
    assert set(splits.values()) == set(SPLITS)


def test_a_patient_in_two_folds_is_refused(tmp_path):
    rows = [row(1, patient_id="7.0", strat_fold=3), row(2, patient_id="7", strat_fold=10)]
    with pytest.raises(DataError, match="patient 7 has records in both train and test"):
        write_table(tmp_path, rows).split_ids("all")


def test_a_record_without_patient_is_not_thrown_together_with_others(tmp_path):
    """Empty patient ids must not become one patient with the name ''."""
    rows = [row(number, patient_id="") for number in range(200)]
    assert set(splits_of(write_table(tmp_path, rows)).values()) == set(SPLITS)


@pytest.mark.parametrize("fold", ["", "x", "nan", "11"])
def test_a_bad_fold_is_an_error(tmp_path, fold):
    with pytest.raises(DataError, match="strat_fold"):
        write_table(tmp_path, [row(1, strat_fold=fold)]).split_ids("all")


def test_neither_order_nor_company_matters(tmp_path):
    rows = [row(number) for number in range(1, 301)]
    whole = splits_of(write_table(tmp_path / "whole", rows))
    source = write_table(tmp_path / "part", rows[200:50:-3])
    part = splits_of(source)
    assert len(part) == 50
    assert part.items() <= whole.items()
    assert list(source.split_ids("all")) == sorted(part)


def test_each_record_is_in_exactly_one_split(tmp_path):
    source = write_table(tmp_path, [row(number) for number in range(300)])
    parts = [source.split_ids(split) for split in SPLITS]
    assert sum(map(len, parts)) == len(set().union(*parts)) == 300
    assert set().union(*parts) == set(source.split_ids("all"))


def test_an_empty_split_says_what_there_is(tmp_path):
    source = write_table(tmp_path, [row(number, strat_fold=1) for number in range(3)])
    with pytest.raises(DataError, match=r"the test split of .* is empty \(train 3, val 0, test 0\)"):
        source.split_ids("test")


def test_split_sizes_of_the_developers_records(shared):
    """240 records without folds or patients; val and test hold at least 24 each."""
    source = PtbXl(str(shared / "ptb-xl"))
    assert [len(source.split_ids(split)) for split in (*SPLITS, "all")] == [187, 28, 25, 240]
    assert splits_of(source) == splits_of(PtbXl(str(shared / "ptb-xl"), fs_hz=100))
