"""
Many records in one small file: for a machine that is lent for minutes and has no database.

`scripts/pack_records.py` writes such a file from any source of records.
"""

import functools
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecgtrace.errors import DataError
from ecgtrace.records.sample import STORED_LEADS, UV_PER_MV, SampleRecords, Stored, pack, read_packed
from ecgtrace.records.splits import RecordSource
from ecgtrace.units import LEADS


@dataclass(frozen=True)
class PackedRecords(SampleRecords):
    """
    Records of a file that `write_packed` wrote: twelve leads, each record with its split.

    Parameters
    ----------
    path : str
    """

    path: str

    @property
    def name(self) -> str:
        """Return the name of the source."""
        return Path(self.path).stem

    def _stored(self) -> Stored:
        return _read(self.path)


@functools.lru_cache(maxsize=2)
def _read(path: str) -> Stored:
    try:
        return read_packed(Path(path))
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path} holds no packed records ({error}); scripts/pack_records.py makes such a file"
        ) from error


def write_packed(records: RecordSource, splits: tuple[str, ...], path: Path, step_uv: int = 5) -> int:
    """
    Write the records of some splits to a file.

    Parameters
    ----------
    records : RecordSource
        All at one sampling frequency and of one length.
    splits : tuple of str
    path : Path
    step_uv : int, optional
        Samples are rounded to multiples of it. 5 uV is 0.05 mm on paper, and what most recorders store.

    Returns
    -------
    int
        How many records were written.

    Raises
    ------
    DataError
        If records differ in length or sampling frequency.
    """
    chosen = [(split, key) for split in splits for key in records.split_ids(split)]
    loaded = [records.load(key) for _, key in chosen]
    if len({(record.fs_hz, record.signal.shape[1]) for record in loaded}) != 1:
        raise DataError("records of one file must have one length and one sampling frequency")
    rows = [LEADS.index(lead) for lead in STORED_LEADS]
    uv = np.stack([record.signal[rows] for record in loaded]) * UV_PER_MV
    rounded = np.clip(np.rint(uv / step_uv) * step_uv, -32000, 32000).astype(np.int16)
    np.savez_compressed(
        path,
        planes=pack(rounded),
        ids=np.array([key for _, key in chosen]),
        splits=np.array([split for split, _ in chosen]),
        fs_hz=np.array(loaded[0].fs_hz),
        leads=np.array(STORED_LEADS),
        unit=np.array("uV"),
        source=np.array(f"{records.name} {records.fingerprint()}"),
    )
    return len(chosen)
