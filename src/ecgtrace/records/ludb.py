"""
Records of LUDB, the external test: another hospital, other recorders, other patients than PTB-XL.

Kalyakulina, A. I., Yusipov, I. I., Moskalenko, V. A., et al. (2020). LUDB: a new open-access
validation tool for electrocardiogram delineation algorithms. IEEE Access, 8, 186181-186190,
https://doi.org/10.1109/ACCESS.2020.3029211; the files are at
https://physionet.org/content/ludb/1.0.1/ (ODC-BY 1.0).
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ecgtrace.errors import ConfigError, DataError
from ecgtrace.records.splits import check_split
from ecgtrace.records.wfdb_leads import is_there, read_mv, with_suffix
from ecgtrace.types import Record
from ecgtrace.units import LEADS

FOLDER = "data"
FS_HZ = 500.0
HOW_TO_GET = (
    "download LUDB with `python -m ecgtrace.records.download root=DIR dataset=ludb`, or unpack it by hand "
    "from https://physionet.org/content/ludb/1.0.1/, and pass that folder as signals.root=DIR"
)


@dataclass(frozen=True)
class Ludb:
    """
    A folder in LUDB's layout: `data/1.hea`, `data/1.dat` and so on; 12 leads, 10 s, 500 Hz.

    All of it is the test split, and nothing else can be had of it: what is trained or chosen on these
    records would make the external test one more development test. Records that are not there are not
    missed, so a part of the data set is a data set.

    Parameters
    ----------
    root : str
        The folder.

    Notes
    -----
    The folder is read on first use, so that building the source from a config is free. LUDB does not tell
    its patients; each record counts as one.
    """

    root: str

    @property
    def name(self) -> str:
        """Return the name of the source."""
        return "ludb"

    def split_ids(self, split: str) -> tuple[str, ...]:
        """
        Return the ids of all records, by number.

        Parameters
        ----------
        split : str
            `test` alone; `all` is refused too, since it takes in training.

        Raises
        ------
        ConfigError
            For any other split.
        DataError
            If the folder holds no record.
        """
        check_split(split)
        if split != "test":
            raise ConfigError(
                f"LUDB is the external test: split={split} of it does not exist, and nothing is trained or "
                "tuned on it; use split=test with evaluate.py, or signals=ptbxl"
            )
        return tuple(self._stems)

    def load(self, record_id: str) -> Record:
        """
        Read one record.

        Parameters
        ----------
        record_id : str
            One of `split_ids("test")`.

        Returns
        -------
        Record
            The twelve leads in the order of `units.LEADS`, in mV; the files name them in lower case.

        Raises
        ------
        DataError
            If there is no such record, its file is broken, is not sampled at 500 Hz, lacks a lead, has an
            unknown unit, or holds NaN.
        """
        if record_id not in self._stems:
            raise DataError(
                f"no record {record_id!r} in {self.root}; its {len(self._stems)} records are "
                f"{', '.join(list(self._stems)[:4])}, ..."
            )
        signal = read_mv(self._stems[record_id], FS_HZ, "remove the record's files or fetch them anew")
        return Record(record_id, signal, FS_HZ, LEADS)

    def fingerprint(self) -> str:
        """Return a hash of ids and headers (which hold a checksum of each lead), wherever the folder is."""
        digest = hashlib.blake2b(self.name.encode(), digest_size=6)
        for key, stem in self._stems.items():
            digest.update(f"\n{key}\n".encode())
            digest.update(with_suffix(stem, ".hea").read_bytes())
        return digest.hexdigest()

    @cached_property
    def _stems(self) -> dict[str, Path]:
        """Where each record lies, by its number in three digits, sorted."""
        folder = Path(self.root).expanduser() / FOLDER
        stems = {
            path.stem.zfill(3): path.with_suffix("")
            for path in folder.glob("*.hea")
            if path.stem.isdecimal() and is_there(path.with_suffix(""))
        }
        if not stems:
            raise DataError(f"{folder} holds no record (1.hea and 1.dat, and so on); {HOW_TO_GET}")
        return dict(sorted(stems.items()))
