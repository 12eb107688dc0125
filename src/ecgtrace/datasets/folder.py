"""Crops read from disk, in the layout of the published dataset (`folder_files`)."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ecgtrace.datasets.folder_files import (
    PUBLISHED_FS_HZ,
    CropFiles,
    facts_in_name,
    find_crops,
    fingerprint_of,
    join_index,
    overlap_folders,
    read_crop,
    without_clash,
)
from ecgtrace.datasets.index import INDEX
from ecgtrace.errors import ConfigError, DataError
from ecgtrace.evaluation.subsets import ALL, NON_OVERLAP, OVERLAP, keeps
from ecgtrace.records.splits import SPLITS, hashed_split
from ecgtrace.segmentation.resize import windows
from ecgtrace.types import LeadCrop

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FolderCrops(Sequence[LeadCrop]):
    """
    The crops of an overlap set on disk, for evaluation.

    Parameters
    ----------
    root : str
        Holds `with-overlap/` and `without-overlap/` (or one of them), and perhaps `index.csv`.
    n_non_overlap, n_overlap : int or None
        At most so many of each, the first ones; None is all.
    wanted : {"all", "overlap", "non_overlap"}
        Leaves the crops of the other folder out.
    fs_hz : float
        Of the signals, where there is no `index.csv`.

    Raises
    ------
    DataError
        On first use, if the root is not laid out so. A broken crop raises when it is asked for, alone.

    Notes
    -----
    Order: that of `index.csv`; crops that it does not name, and all where there is none, follow by
    name, those without overlap first.
    """

    root: str
    n_non_overlap: int | None = None
    n_overlap: int | None = None
    wanted: str = "all"
    fs_hz: float = PUBLISHED_FS_HZ

    def __post_init__(self) -> None:
        keeps(self.wanted, ALL)  # raises for an unknown subset
        for name in ("n_non_overlap", "n_overlap"):
            if (getattr(self, name) or 0) < 0:
                raise ConfigError(f"data.{name} must not be negative")
        if self.fs_hz <= 0:
            raise ConfigError(f"data.fs_hz must be positive, got {self.fs_hz}")

    @property
    def name(self) -> str:
        """Where the crops come from."""
        return f"folder/{Path(self.root).resolve().name}"

    def fingerprint(self) -> str:
        """Return a hash of the names and contents of all files, whatever the folder is called."""
        return fingerprint_of(self._crops)

    def __len__(self) -> int:
        return len(self._crops)

    def crop_id(self, index: int) -> str:
        """Return the id of a crop without reading it."""
        return self._crops[index].crop_id

    def subset(self, index: int) -> str:
        """Return the subset that the folder of a crop stands for, without reading it."""
        return OVERLAP if self._crops[index].overlapping else NON_OVERLAP

    def __getitem__(self, index: int) -> LeadCrop:  # type: ignore[override]
        return read_crop(self._crops[index], self.fs_hz)

    @cached_property
    def _crops(self) -> tuple[CropFiles, ...]:
        root = Path(self.root).expanduser()
        folders = overlap_folders(root)
        found = [
            files for overlapping, folder in folders.items() for files in find_crops(folder, overlapping)
        ]

        def lies_in(facts: Mapping[str, str]) -> tuple[Path, bool | None]:
            overlapping = facts["overlap_px"] != "0"
            return folders.get(overlapping, root), overlapping

        found = join_index(without_clash(found), root / INDEX, lies_in)
        quotas = {
            False: 0 if self.wanted == OVERLAP else self.n_non_overlap,
            True: 0 if self.wanted == NON_OVERLAP else self.n_overlap,
        }
        kept = [files for overlapping in quotas for files in _first(found, overlapping, quotas[overlapping])]
        if not kept:
            raise DataError(f"{root} holds no crop of subset {self.wanted}; choose another subset or root")
        wanted = {files.crop_id for files in kept}
        return tuple(files for files in found if files.crop_id in wanted)


@dataclass(frozen=True)
class FolderTraining(Sequence[LeadCrop]):
    """
    The crops of one split of a segmentation set on disk, for training and validation.

    Every crop is read once at the start. One that is broken is left out: all of them are counted in
    one warning, and the first is named.

    Parameters
    ----------
    root : str
        Holds `train/` and `val/`, each a folder of crops; or is one folder of crops itself, as the
        published set is. Then records go to the splits by a keyed hash of their names
        (`records.splits.hashed_split`), as that set does not tell its patients.
    split : {"train", "val"}
        The test split is refused.
    window_s : float or None
        Longer leads are parted into windows of about this length, each an item of its own; None leaves
        them whole.
    fs_hz : float
        Of the signals, where there is no `index.csv`.
    progress : bool
        Show a progress bar while reading.
    """

    root: str
    split: str = "train"
    window_s: float | None = 2.5
    fs_hz: float = PUBLISHED_FS_HZ
    progress: bool = False

    def __post_init__(self) -> None:
        if self.split == "test":
            raise ConfigError("the test split is for evaluate.py alone; train on split=train")
        if self.split not in SPLITS:
            raise ConfigError(f"unknown split {self.split!r}; choose train or val")

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, index: int) -> LeadCrop:  # type: ignore[override]
        files, part = self._parts[index]
        crop = read_crop(files, self.fs_hz)
        if part is None:
            return crop
        left, right = part
        width, samples = crop.image.shape[1], len(crop.signal)
        shown = slice(round(left / width * samples), round(right / width * samples))
        return replace(
            crop,
            image=np.ascontiguousarray(crop.image[:, left:right]),
            mask=np.ascontiguousarray(crop.mask[:, left:right]),
            signal=crop.signal[shown],
            start_px=None,
        )

    def fingerprint(self) -> str:
        """Return a hash of the names and contents of the files of all usable crops."""
        return fingerprint_of({files.crop_id: files for files, _ in self._parts}.values())

    @property
    def broken(self) -> tuple[str, ...]:
        """One line for each crop that is left out."""
        return self._checked[1]

    @property
    def _parts(self) -> list[tuple[CropFiles, tuple[int, int] | None]]:
        return self._checked[0]

    @cached_property
    def _checked(self) -> tuple[list[tuple[CropFiles, tuple[int, int] | None]], tuple[str, ...]]:
        files = self._find()
        with ThreadPoolExecutor() as pool:  # decoding releases Python's lock
            read = pool.map(self._check, files)
            results = list(
                tqdm(read, total=len(files), unit="crop", desc=self.split, disable=not self.progress)
            )
        broken = tuple(result for result in results if isinstance(result, str))
        parts = [
            (its_files, part)
            for its_files, result in zip(files, results, strict=True)
            if not isinstance(result, str)
            for part in result
        ]
        if not parts:
            first = broken[0] if broken else "there are none"
            raise DataError(f"{self.root} holds no usable crop of split {self.split}: {first}")
        if broken:
            _log.warning(
                "%d of %d crops of split %s are left out, the first because: %s",
                len(broken),
                len(files),
                self.split,
                broken[0],
            )
        return parts, broken

    def _check(self, files: CropFiles) -> list[tuple[int, int] | None] | str:
        """Return the windows of a crop, or what is wrong with it."""
        try:
            crop = read_crop(files, self.fs_hz)
        except DataError as error:
            return str(error)
        if self.window_s is None:
            return [None]
        return list(windows(crop.image.shape[1], len(crop.signal) / crop.fs_hz, self.window_s))

    def _find(self) -> list[CropFiles]:
        root = Path(self.root).expanduser()
        if not root.is_dir():
            raise DataError(f"there is no folder {root}; python generate.py sets=[segmentation] writes one")
        if (root / self.split).is_dir():

            def lies_in(facts: Mapping[str, str]) -> tuple[Path, bool | None] | None:
                return (root / self.split, None) if facts["split"] == self.split else None

            return join_index(find_crops(root / self.split), root / INDEX, lies_in)
        found = join_index(find_crops(root), root / INDEX, lambda facts: (root, None))
        return [files for files in found if _split_of(files) == self.split]


def _split_of(files: CropFiles) -> str:
    """Return the split that the index says, or that the name of the record gives."""
    return files.facts["split"] if files.facts else hashed_split(facts_in_name(files.stem)[0])


def _first(found: list[CropFiles], overlapping: bool, number: int | None) -> list[CropFiles]:
    return [files for files in found if files.overlapping is overlapping][:number]
