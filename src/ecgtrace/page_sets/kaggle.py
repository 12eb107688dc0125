"""
Training images of "PhysioNet - Digitization of ECG Images", Kaggle 2025, laid out as they are downloaded.

`train.csv` has a line for each record: `id`, `fs` (Hz) and `sig_len`. `train/ID/ID.csv` holds the twelve
leads in mV, a column each; `train/ID/ID-0001.png` and its like are pictures of one and the same page, the
number telling what became of it [1]_. The page is always 3x4 with a strip of lead II, 25 mm/s and 10 mm/mV.

References
----------
.. [1] https://www.kaggle.com/competitions/physionet-ecg-image-digitization/data
"""

import csv
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ecgtrace.documents.read import read_page
from ecgtrace.errors import DataError, EcgTraceError
from ecgtrace.evaluation.page_sample import PageSample, PageSet
from ecgtrace.types import FloatArray
from ecgtrace.units import LEADS

INDEX = "train.csv"
LAYOUT = "3x4+1"
COLUMN_S, PAGE_S = 2.5, 10.0
STRIP = "II"
CONDITIONS = {
    "0001": "drawn",
    "0003": "colour scan",
    "0004": "black and white scan",
    "0005": "photo of the print",
    "0006": "photo of a screen",
    "0009": "photo, stained",
    "0010": "photo, damaged",
    "0011": "colour scan, mouldy",
    "0012": "black and white scan, mouldy",
}
_WRONG_LENGTH_S = 0.02  # rounding of 2.5 s at 250 Hz and the like


@dataclass(frozen=True)
class KagglePages(PageSet):
    """
    The competition's training images, record by record.

    Parameters
    ----------
    root : str
        Folder of the download, with `train.csv` and `train/`.
    conditions : sequence of str
        Numbers of the pictures that are taken, as in `CONDITIONS`; empty takes all that are there.
    n_records : int or None
        The first so many; None takes all.

    Raises
    ------
    DataError
        On first use, if the folder is not laid out so. A broken picture or truth raises when it is asked for.

    Notes
    -----
    A lead's truth is what the page shows: of lead II, the strip, 10 s; of the others the 2.5 s of their
    column, where its samples are taken from if the file has more. A lead of 2.5 s that the file puts at the
    beginning is moved to its column: time 0 is where the page begins.
    """

    root: str
    conditions: tuple[str, ...] = ()
    n_records: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "conditions", tuple(str(number).zfill(4) for number in self.conditions))

    @property
    def name(self) -> str:
        """Where the pages come from."""
        return f"kaggle/{Path(self.root).resolve().name}"

    def fingerprint(self) -> str:
        """Return a hash of the index and of the names and sizes of all files: they are 84 GB."""
        digest = hashlib.blake2b(digest_size=6)
        for record_id, fs_hz, picture in self._pictures:
            for path in (picture, self._truth_path(record_id)):
                size = path.stat().st_size if path.is_file() else 0
                digest.update(f"{path.name} {size} {fs_hz}\n".encode())
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self._pictures)

    def crop_id(self, index: int) -> str:
        """Return the id of a picture: the name of its file."""
        return self._pictures[index][2].stem

    def __getitem__(self, index: int) -> PageSample:
        record_id, fs_hz, path = self._pictures[index]
        signals = _shown(self._truth_path(record_id), fs_hz)
        try:
            page = read_page(path)
        except EcgTraceError as error:
            raise DataError(str(error)) from error
        number = path.stem.rpartition("-")[2]
        return PageSample(
            page_id=path.stem,
            record_id=record_id,
            page=page,
            signals=signals,
            fs_hz=fs_hz,
            names=LEADS,
            layout=LAYOUT,
            printer=CONDITIONS.get(number, number),
            dpi=page.dpi,
        )

    def _truth_path(self, record_id: str) -> Path:
        return Path(self.root).expanduser() / "train" / record_id / f"{record_id}.csv"

    @cached_property
    def _pictures(self) -> tuple[tuple[str, float, Path], ...]:
        root = Path(self.root).expanduser()
        path = root / INDEX
        try:
            with path.open(encoding="utf-8", newline="") as file:
                records = [(line["id"], float(line["fs"])) for line in csv.DictReader(file)]
        except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{path} cannot be read ({error!r}); data.root must hold it, with id and fs, and train/"
            ) from error
        found = [
            (record_id, fs_hz, picture)
            for record_id, fs_hz in records[: self.n_records]
            for picture in sorted((root / "train" / record_id).glob(f"{record_id}-*.png"))
            if not self.conditions or picture.stem.rpartition("-")[2] in self.conditions
        ]
        if not found:
            raise DataError(f"{root / 'train'} holds no ID/ID-0001.png of an id of {INDEX}")
        return tuple(found)


def _shown(path: Path, fs_hz: float) -> FloatArray:
    """Read the truth of a record and put each lead where the page shows it."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        columns = {lead: np.array([float(line[lead] or "nan") for line in lines]) for lead in LEADS}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} cannot be read as a column for each of twelve leads ({error!r})") from error
    n = round(PAGE_S * fs_hz)
    signals = np.full((len(LEADS), n), np.nan)
    for row, lead in enumerate(LEADS):
        # Rows of the page are I aVR V1 V4, and so on: LEADS counts its columns down.
        start_s, length_s = (0.0, PAGE_S) if lead == STRIP else (row // 3 * COLUMN_S, COLUMN_S)
        first, last = round(start_s * fs_hz), round((start_s + length_s) * fs_hz)
        values = columns[lead]
        known = np.flatnonzero(np.isfinite(values))
        if not known.size:
            raise DataError(f"{path} holds nothing of lead {lead}")
        alone = abs(len(known) / fs_hz - length_s) <= _WRONG_LENGTH_S
        if alone and known[0] != first and known[0] == 0:
            values = np.concatenate([np.full(first, np.nan), values])
        part = values[first : min(last, len(values), n)]
        signals[row, first : first + len(part)] = part
        if not np.isfinite(part).any():
            raise DataError(f"{path} holds nothing of lead {lead} between {start_s:g} and {last / fs_hz:g} s")
    return signals
