"""
Sixty records that come with the package, drawn by a neural network from noise.

Nobody's heart made them, so they may be shipped and need no download. They serve for
trying things out and for tests; results to report belong on PTB-XL. `scripts/
make_sample_records.py` makes the file.
"""

import functools
import hashlib
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgtrace.errors import DataError
from ecgtrace.records.splits import check_split
from ecgtrace.types import FloatArray, Record
from ecgtrace.units import LEADS

PATH = Path(__file__).parent / "data" / "sample.npz"
STORED_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
UV_PER_MV = 1000.0


@dataclass(frozen=True)
class SampleRecords:
    """
    The records shipped with the package: twelve leads, 10 s, 500 Hz.

    The split of each record is written in the file. There are no patients behind the
    records, each is a draw of its own.
    """

    @property
    def name(self) -> str:
        """Return the name of the source."""
        return "sample"

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

        Examples
        --------
        >>> SampleRecords().split_ids("test")[:2]
        ('sample-004', 'sample-009')
        """
        check_split(split)
        stored = self._stored()
        return tuple(
            key
            for key, its_split in zip(stored.ids, stored.splits, strict=True)
            if split in ("all", its_split)
        )

    def load(self, record_id: str) -> Record:
        """
        Return one record.

        Parameters
        ----------
        record_id : str
            One of `split_ids("all")`.

        Returns
        -------
        Record
            The twelve leads in the order of `units.LEADS`, in mV.

        Raises
        ------
        DataError
            If there is no such record.
        """
        stored = self._stored()
        if record_id not in stored.ids:
            raise DataError(
                f"no {self.name} record {record_id!r}; choose {stored.ids[0]} to {stored.ids[-1]}"
            )
        eight_uv = stored.signals_uv[stored.ids.index(record_id)]
        return Record(record_id, twelve_leads(eight_uv / UV_PER_MV), stored.fs_hz, LEADS)

    def _stored(self) -> "Stored":
        return _stored()

    def fingerprint(self) -> str:
        """Return a hash of ids, splits and samples, the same on every machine."""
        stored = self._stored()
        digest = hashlib.blake2b(repr((stored.ids, stored.splits, stored.fs_hz)).encode(), digest_size=6)
        digest.update(stored.signals_uv.astype("<i2").tobytes())
        return digest.hexdigest()


def twelve_leads(eight: FloatArray) -> FloatArray:
    """
    Add the four limb leads that follow from I and II.

    Einthoven: III = II - I. Goldberger: aVR = -(I + II)/2, aVL = I - II/2, aVF = II - I/2.

    Parameters
    ----------
    eight : ndarray of float, shape (8, n_samples)
        I, II, V1 to V6.

    Returns
    -------
    ndarray of float, shape (12, n_samples)
        In the order of `units.LEADS`, in the unit of `eight`.

    References
    ----------
    .. [1] Malmivuo, J., & Plonsey, R. (1995). Bioelectromagnetism, chapter 15: 12-lead ECG
       system. Oxford University Press. https://www.bem.fi/book/15/15.htm

    Examples
    --------
    >>> eight = np.zeros((8, 1))
    >>> eight[:2, 0] = 1.0, 0.5
    >>> twelve_leads(eight)[:6, 0]
    array([ 1.  ,  0.5 , -0.5 , -0.75,  0.75,  0.  ])
    """
    lead_i, lead_ii = eight[0], eight[1]
    limb = [
        lead_i,
        lead_ii,
        lead_ii - lead_i,
        -(lead_i + lead_ii) / 2,
        lead_i - lead_ii / 2,
        lead_ii - lead_i / 2,
    ]
    return np.concatenate([np.stack(limb), eight[2:]])


def pack(signals_uv: NDArray[np.int16]) -> NDArray[np.uint8]:
    """
    Prepare signals for compression; `unpack` undoes it exactly.

    Three steps that turn smooth signals into many zero bytes: differences along time;
    zigzag code, so that small differences of either sign become small numbers; low and
    high bytes apart. Deflate then needs 1.79 MB for the shipped records instead of 2.78 MB.

    Parameters
    ----------
    signals_uv : ndarray of int16, shape (n_records, n_leads, n_samples)

    Returns
    -------
    ndarray of uint8, shape (2, n_records, n_leads, n_samples)
        Low bytes, high bytes.

    Examples
    --------
    >>> pack(np.array([[[5, 3, 600]]], dtype=np.int16))[:, 0, 0]
    array([[ 10,   3, 170],
           [  0,   0,   4]], dtype=uint8)
    """
    # In 16 bits the differences wrap around, and so does their sum in `unpack`: no value is lost.
    steps = np.diff(signals_uv, axis=-1, prepend=np.int16(0))
    zigzag = ((steps << 1) ^ (steps >> 15)).view(np.uint16)
    return np.stack([(zigzag & 0xFF).astype(np.uint8), (zigzag >> 8).astype(np.uint8)])


def unpack(planes: NDArray[np.uint8]) -> NDArray[np.int16]:
    """
    Undo `pack`.

    Parameters
    ----------
    planes : ndarray of uint8, shape (2, n_records, n_leads, n_samples)

    Returns
    -------
    ndarray of int16, shape (n_records, n_leads, n_samples)
    """
    zigzag = planes[0] | (planes[1].astype(np.uint16) << 8)
    steps = ((zigzag >> 1) ^ (0 - (zigzag & 1))).view(np.int16)
    return np.cumsum(steps, axis=-1, dtype=np.int16)


@dataclass(frozen=True, eq=False)
class Stored:
    """Records as a file holds them."""

    ids: tuple[str, ...]
    splits: tuple[str, ...]
    fs_hz: float
    signals_uv: NDArray[np.int16]


@functools.cache
def _stored() -> Stored:
    """Read the shipped file, once in a process."""
    try:
        return read_packed(PATH)
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"the sample records {PATH} are missing or broken ({error}); install ecgtrace anew"
        ) from error


def read_packed(path: Path) -> Stored:
    """Read a file of packed records; what is wrong with it is raised as it comes."""
    # Opened here, since np.load leaves a file open where it turns out not to be a ZIP archive.
    with path.open("rb") as stream, np.load(stream) as file:
        return Stored(
            ids=tuple(file["ids"].tolist()),
            splits=tuple(file["splits"].tolist()),
            fs_hz=float(file["fs_hz"]),
            signals_uv=unpack(file["planes"]),
        )
