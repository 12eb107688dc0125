"""
Crops that the data set authors' own program drew, with its masks and signals.

Ours are drawn by a program of ours, in the style of theirs; these tell whether that makes a difference.
A folder holds `index.csv` (name, record, layout, lead, overlap, pixels per large square), `crops/` and
`masks/` as PNG, and `signals/` as JSON lists in mV at 100 Hz.
"""

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ecgtrace.datasets.folder_files import PUBLISHED_FS_HZ, UNKNOWN_OVERLAP_PX, read_mask, read_signal
from ecgtrace.drawing.style import PageStyle
from ecgtrace.errors import DataError, EcgTraceError
from ecgtrace.evaluation.subsets import NON_OVERLAP, OVERLAP
from ecgtrace.images import read_picture
from ecgtrace.types import LeadCrop
from ecgtrace.units import LARGE_SQUARE_MM, LEADS

INDEX = "index.csv"
_COLUMNS = {"name", "ecg_id", "fmt", "lead", "overlap", "pixels_per_large_square"}
# What another lead does in a crop: (pixels of its ink, crossings). How many, the folder does not say.
_OVERLAP = {"none": (0, 0), "entering": (UNKNOWN_OVERLAP_PX, 0), "crossing": (UNKNOWN_OVERLAP_PX, 1)}


@dataclass(frozen=True)
class ReferenceCrops(Sequence[LeadCrop]):
    """
    All crops of the folder, in the order of its index.

    Parameters
    ----------
    root : str
        The folder.

    Raises
    ------
    DataError
        On first use, if the folder is not laid out so. A broken crop raises when it is asked for, alone.

    Notes
    -----
    `crossings` is 1 where another lead crosses the target, whatever their number; `overlap_px` is 1 where one
    enters. `start_px` is half a line's width inside the first column of the mask, to about a pixel (2.6 ms):
    the masks went through JPEG.
    """

    root: str

    @property
    def name(self) -> str:
        """Where the crops come from."""
        return f"reference/{Path(self.root).resolve().name}"

    def fingerprint(self) -> str:
        """Return a hash of the index and of the contents of all files."""
        digest = hashlib.blake2b(digest_size=6)
        for line in self._lines:
            digest.update(repr(sorted(line.items())).encode())
            for path in self._files(line["name"]):
                digest.update(path.read_bytes() if path.is_file() else b"")
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self._lines)

    def crop_id(self, index: int) -> str:
        """Return the id of a crop without reading it."""
        return self._lines[index]["name"]

    def subset(self, index: int) -> str:
        """Return the subset of a crop without reading it."""
        return NON_OVERLAP if self._lines[index]["overlap"] == "none" else OVERLAP

    def __getitem__(self, index: int) -> LeadCrop:  # type: ignore[override]
        line = self._lines[index]
        picture, mask_path, signal_path = self._files(line["name"])
        try:
            image = read_picture(picture).rgb
        except EcgTraceError as error:
            raise DataError(str(error)) from error
        mask = read_mask(mask_path)
        try:
            overlap_px, crossings = _OVERLAP[line["overlap"]]
            px_per_mm = float(line["pixels_per_large_square"]) / LARGE_SQUARE_MM
            lead = LEADS[int(line["lead"])]
        except (KeyError, ValueError, IndexError) as error:
            raise DataError(f"{INDEX} of {self.root}: the line of {line['name']} holds {error}") from error
        columns = np.flatnonzero(mask.any(axis=0))
        if not columns.size:
            raise DataError(f"{mask_path} holds no ink")
        return LeadCrop(
            image=image,
            mask=mask,
            signal=read_signal(signal_path),
            fs_hz=PUBLISHED_FS_HZ,
            crop_id=line["name"],
            record_id=line["ecg_id"].zfill(5),
            lead=lead,
            layout=line["fmt"].replace("by", "x"),
            px_per_mm=px_per_mm,
            overlap_px=overlap_px,
            crossings=crossings,
            start_px=float(columns[0]) - 0.5 + PageStyle().line_width_mm * px_per_mm / 2,
        )

    def _files(self, name: str) -> tuple[Path, Path, Path]:
        root = Path(self.root).expanduser()
        return (
            root / "crops" / f"{name}.png",
            root / "masks" / f"{name}.png",
            root / "signals" / f"{name}.json",
        )

    @cached_property
    def _lines(self) -> list[dict[str, str]]:
        return read_index(self.root, "crops/, masks/, signals/")


def read_index(root: str, beside: str) -> list[dict[str, str]]:
    """
    Read the index of the reference: a line for each lead.

    Parameters
    ----------
    root : str
        The folder.
    beside : str
        What else it must hold, for the message.

    Raises
    ------
    DataError
        If there is none, or columns are missing.
    """
    path = Path(root).expanduser() / INDEX
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read ({error}); data.root must hold it and {beside}") from error
    if not lines or not _COLUMNS <= set(lines[0]):
        raise DataError(f"{path} must have columns {', '.join(sorted(_COLUMNS))}, and a line for each lead")
    return lines
