"""
Records of PTB-XL, or of any folder laid out as PTB-XL is.

Wagner et al. (2020), PTB-XL, a large publicly available electrocardiography dataset,
Scientific Data 7, 154, https://doi.org/10.1038/s41597-020-0495-6; the files are at
https://physionet.org/content/ptb-xl/1.0.3/ (CC BY 4.0).
"""

import hashlib
import logging
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from ecgtrace.errors import ConfigError, DataError
from ecgtrace.records.splits import SPLITS, check_no_shared_owner, check_split, hashed_split, official_split
from ecgtrace.records.wfdb_leads import first_line, is_there, read_mv, with_suffix
from ecgtrace.types import Record
from ecgtrace.units import LEADS

_log = logging.getLogger(__name__)

DATABASE_CSV = "ptbxl_database.csv"
HOW_TO_GET = (
    "download PTB-XL with `python -m ecgtrace.records.download root=DIR`, or unpack it by hand from "
    "https://physionet.org/content/ptb-xl/1.0.3/, and pass that folder as signals.root=DIR; "
    "or use signals=sample, which needs no download"
)

_FILE_COLUMN = {100: "filename_lr", 500: "filename_hr"}


@dataclass(frozen=True)
class _Entry:
    """A row of the table: where the record lies, whose it is, and in which split."""

    stem: Path
    patient_id: str | None
    split: str

    def owner(self, record_id: str) -> str:
        return _owner(record_id, self.patient_id)


@dataclass(frozen=True)
class PtbXl:
    """
    A folder in PTB-XL's layout: `ptbxl_database.csv` and the WFDB files that it names.

    The table must have `filename_lr` (100 Hz) or `filename_hr` (500 Hz), whichever
    `fs_hz` asks for, and may have `ecg_id`, `patient_id` and `strat_fold`. Where
    `strat_fold` stands, the splits are the official ones (1 to 8, 9, 10); else a keyed
    hash of the patient, or of the record where patients are unknown, gives 80/10/10.
    Rows whose files are missing are left out, and their number is logged.

    Parameters
    ----------
    root : str
        The folder.
    fs_hz : int, optional
        500 or 100. By default 500.

    Raises
    ------
    ConfigError
        If `fs_hz` is neither.

    Notes
    -----
    The table is read on first use, so that building the source from a config is free.
    """

    root: str
    fs_hz: int = 500

    def __post_init__(self) -> None:
        if self.fs_hz not in _FILE_COLUMN:
            raise ConfigError(
                f"PTB-XL is stored at 100 and 500 Hz; fs_hz must be one of them, got {self.fs_hz}"
            )

    @property
    def name(self) -> str:
        """Return the name of the source."""
        return "ptbxl"

    def split_ids(self, split: str) -> tuple[str, ...]:
        """
        Return the ids of the records of a split, sorted.

        Parameters
        ----------
        split : str
            `train`, `val`, `test` or `all`.

        Raises
        ------
        ConfigError
            If there is no such split.
        DataError
            If the folder cannot be used, or the split is empty.
        """
        check_split(split)
        ids = tuple(key for key, entry in self._entries.items() if split in ("all", entry.split))
        if not ids:
            sizes = Counter(entry.split for entry in self._entries.values())
            held = ", ".join(f"{name} {sizes[name]}" for name in SPLITS)
            raise DataError(
                f"the {split} split of {self.root} is empty ({held}); add records, or use split=all"
            )
        return ids

    def load(self, record_id: str) -> Record:
        """
        Read one record.

        Parameters
        ----------
        record_id : str
            One of `split_ids("all")`.

        Returns
        -------
        Record
            The twelve leads in the order of `units.LEADS`, in mV, whatever order, case
            and unit the file has.

        Raises
        ------
        DataError
            If there is no such record, its file is broken, is sampled at another
            frequency, lacks a lead, has an unknown unit, or holds NaN.
        """
        entry = self._entries.get(record_id)
        if entry is None:
            raise DataError(_unknown_id(record_id, tuple(self._entries), self.root))
        signal = read_mv(entry.stem, self.fs_hz, f"leave the record out of {DATABASE_CSV} or repair it")
        return Record(record_id, signal, float(self.fs_hz), LEADS, entry.patient_id)

    def fingerprint(self) -> str:
        """
        Return a hash of the records: ids, splits and headers (which hold a checksum of each lead).

        It depends neither on the folder's place nor on times of files, so the same records
        give the same twelve characters on every machine.
        """
        digest = hashlib.blake2b(f"{self.name} {self.fs_hz}".encode(), digest_size=6)
        for key, entry in self._entries.items():
            digest.update(f"\n{key} {entry.split} {entry.patient_id}\n".encode())
            digest.update(with_suffix(entry.stem, ".hea").read_bytes())
        return digest.hexdigest()

    @cached_property
    def _entries(self) -> dict[str, _Entry]:
        """Rows of the table whose files are there, by record id, sorted."""
        root = Path(self.root).expanduser()
        table = _read_table(root, _FILE_COLUMN[self.fs_hz])
        there = [is_there(root / name) for name in table[_FILE_COLUMN[self.fs_hz]]]
        missing = len(table) - sum(there)
        if missing == len(table):
            raise DataError(
                f"{root} holds none of the {missing} records that its {DATABASE_CSV} lists; {HOW_TO_GET}"
            )
        if missing:
            _log.warning(
                "%s: %d of %d records are left out, their files are missing", root, missing, len(table)
            )
        entries = _entries_of(table[there], root, _FILE_COLUMN[self.fs_hz])
        check_no_shared_owner((entry.owner(key), entry.split) for key, entry in entries.items())
        return entries


def _owner(record_id: str, patient_id: str | None) -> str:
    return f"record {record_id}" if patient_id is None else f"patient {patient_id}"


def _unknown_id(record_id: str, ids: tuple[str, ...], where: str) -> str:
    return (
        f"no record {record_id!r} in {where}; its {len(ids)} records are {ids[0]}, {', '.join(ids[1:4])}, ..."
    )


def _read_table(root: Path, file_column: str) -> pd.DataFrame:
    """Read the csv as text and check that it can be used."""
    path = root / DATABASE_CSV
    if not path.is_file():
        raise DataError(f"no {DATABASE_CSV} in {root}; {HOW_TO_GET}")
    wanted = {file_column, "ecg_id", "patient_id", "strat_fold"}
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, usecols=lambda name: name in wanted)
    except (OSError, ValueError) as error:  # pandas' parser and decoding errors are ValueErrors
        raise DataError(f"{path} is not a readable csv ({first_line(error)}); {HOW_TO_GET}") from error
    if file_column not in table:
        raise DataError(f"{path} has no column {file_column}, which names the files; {HOW_TO_GET}")
    if table.empty:
        raise DataError(f"{path} lists no records; {HOW_TO_GET}")
    return table


def _entries_of(table: pd.DataFrame, root: Path, file_column: str) -> dict[str, _Entry]:
    """Turn rows into entries sorted by id, so that the order of the csv does not matter."""
    entries: dict[str, _Entry] = {}
    for row in table.to_dict("records"):
        record_id = _number_or_text(row.get("ecg_id") or _id_of_file(row[file_column]), width=5)
        if record_id in entries:
            raise DataError(
                f"record {record_id} is listed twice in {root / DATABASE_CSV}; remove one of the rows"
            )
        patient_id = _number_or_text(row.get("patient_id", "")) or None
        if "strat_fold" in row:
            split = official_split(_fold(row["strat_fold"], record_id))
        else:
            split = hashed_split(_owner(record_id, patient_id))
        entries[record_id] = _Entry(root / row[file_column], patient_id, split)
    return dict(sorted(entries.items()))


def _id_of_file(filename: str) -> str:
    """Return `00038` for `records500/00000/00038_hr`, which is how PTB-XL writes ecg_id 38."""
    return Path(filename).name.removesuffix("_hr").removesuffix("_lr")


def _number_or_text(text: str, width: int = 0) -> str:
    """Write 38, 38.0 and 00038 alike (PTB-XL's csv holds `patient_id` as a float); keep other text."""
    text = text.strip()
    whole = text.removesuffix(".0")
    return str(int(whole)).zfill(width) if whole.isdecimal() else text


def _fold(text: str, record_id: str) -> int:
    try:
        return int(float(text))
    except ValueError as error:
        raise DataError(
            f"record {record_id} has strat_fold {text!r}; it must be a number from 1 to 10"
        ) from error
