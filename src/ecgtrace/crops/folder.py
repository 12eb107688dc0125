"""
Crops read from disk, in the layout of the published dataset.

A folder of crops holds `image/`, `mask-png/` or `mask-bmp/`, and `signal-json/`, with the same
stems in each. The published overlap set has two such folders, `with-overlap/` and
`without-overlap/` (doi 10.5281/zenodo.15484519, https://github.com/rezakarbasi/
ecg-image-and-signal-dataset); `ecgtrace.crops.export` writes the same layout, plus `index.csv`.
"""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ecgtrace.crops.index import INDEX, read_index, row_from_text
from ecgtrace.errors import ConfigError, DataError
from ecgtrace.evaluation.subsets import ALL, NON_OVERLAP, OVERLAP, keeps
from ecgtrace.records.splits import SPLITS, hashed_split
from ecgtrace.types import FloatArray, LeadCrop
from ecgtrace.units import LEADS, PAPER_SPEED_MM_PER_S, s_to_px

_log = logging.getLogger(__name__)

IMAGE, MASK_PNG, MASK_BMP, SIGNAL = "image", "mask-png", "mask-bmp", "signal-json"
WITH_OVERLAP, WITHOUT_OVERLAP = "with-overlap", "without-overlap"
PUBLISHED_FS_HZ = 100.0
UNKNOWN_OVERLAP_PX = 1  # the folder says that there is some; how much, nobody wrote down

_IMAGE_SUFFIXES = (".png", ".bmp", ".jpg", ".jpeg", ".webp")
_MASK_THRESHOLD = 100  # of 255; the published masks went through JPEG, and this is how its authors cut them
_MAX_INK_SHARE = 0.5  # a line covers far less; the published set's faulty masks are white all over
_MAX_MV = 50.0
_DURATION_S = (0.5, 60.0)
_PX_PER_MM = (1.0, 80.0)  # 25 to 2000 dpi
_PADDING_MM = 5.0  # how much wider than its signal a crop may be, at most
_WIDTH_TOLERANCE = 0.1

_LAYOUT_HINT = (
    f"{WITH_OVERLAP}/ and {WITHOUT_OVERLAP}/, each with {IMAGE}/, {MASK_PNG}/ (or {MASK_BMP}/) and {SIGNAL}/"
)
_NAME = re.compile(r"(?P<record>.+)_(?P<rows>\d+)by(?P<columns>\d+)_lead_(?P<lead>\d+)")
_RHYTHM_LEAD = "II"


@dataclass(frozen=True)
class CropFiles:
    """
    The files of one crop, found but not read.

    Attributes
    ----------
    crop_id, stem : str
        The same, but where `with-overlap/` and `without-overlap/` share a stem.
    folder : Path
        Holds `image/` and the rest.
    images, masks, signals : tuple of Path
        Files with this stem; a whole crop has one of each.
    overlapping : bool or None
        What the name of the folder says.
    facts : mapping of str to str, or None
        The crop's line of `index.csv`.
    index_path : Path or None
        Where that line stands.
    """

    crop_id: str
    stem: str
    folder: Path
    images: tuple[Path, ...] = ()
    masks: tuple[Path, ...] = ()
    signals: tuple[Path, ...] = ()
    overlapping: bool | None = None
    facts: Mapping[str, str] | None = None
    index_path: Path | None = None


def find_crops(folder: Path, overlapping: bool | None = None) -> list[CropFiles]:
    """
    List the crops of a folder.

    A stem that stands in only some of the subfolders is listed too: reading it raises, so that a
    missing file is seen.

    Parameters
    ----------
    folder : Path
    overlapping : bool or None
        Passed on.

    Returns
    -------
    list of CropFiles
        Sorted by stem.

    Raises
    ------
    DataError
        If the folder lacks a subfolder.
    """
    has_masks = (folder / MASK_PNG).is_dir() or (folder / MASK_BMP).is_dir()
    if not ((folder / IMAGE).is_dir() and (folder / SIGNAL).is_dir() and has_masks):
        raise DataError(f"{folder} is no folder of crops; it must hold {_LAYOUT_HINT.split('each with ')[1]}")
    images = _by_stem(folder / IMAGE, _IMAGE_SUFFIXES)
    signals = _by_stem(folder / SIGNAL, (".json",))
    masks = _by_stem(folder / MASK_BMP, (".bmp",)) | _by_stem(folder / MASK_PNG, (".png",))
    return [
        CropFiles(
            crop_id=stem,
            stem=stem,
            folder=folder,
            images=images.get(stem, ()),
            masks=masks.get(stem, ()),
            signals=signals.get(stem, ()),
            overlapping=overlapping,
        )
        for stem in sorted(images.keys() | masks.keys() | signals.keys())
    ]


def read_crop(files: CropFiles, fs_hz: float = PUBLISHED_FS_HZ) -> LeadCrop:
    """
    Read one crop and make sure that its parts belong together.

    Parameters
    ----------
    files : CropFiles
    fs_hz : float, optional
        Sampling frequency of the signal where no index tells it. By default 100 Hz, as published.

    Returns
    -------
    LeadCrop
        Without an index: `px_per_mm` None; `overlap_px` 1 (unknown, but some) where the folder says that
        there is overlap, else 0; `crossings` 0; record, layout and lead from names of the form
        `<record>_<rows>by<columns>_lead_<number>`, leads numbered in the order of `units.LEADS`.

    Raises
    ------
    DataError
        If a file is missing, double, unreadable or contradicts another one.
    """
    row = None
    if files.facts is not None and files.index_path is not None:
        row = row_from_text(files.facts, files.index_path)
    image_path = _only(files, files.images, IMAGE)
    image = _decode(image_path)
    mask_path = _only(files, files.masks, f"{MASK_PNG} or {MASK_BMP}")
    mask = read_mask(mask_path)
    if mask.shape != image.shape[:2]:
        raise DataError(
            f"{mask_path} is {mask.shape[1]} x {mask.shape[0]} px but its image is {image.shape[1]} x "
            f"{image.shape[0]} px; both must be cut from the same box"
        )
    signal_path = _only(files, files.signals, SIGNAL)
    signal = read_signal(signal_path)
    if row is not None:
        fs_hz = row.fs_hz
    _check_length(signal_path, len(signal) / fs_hz, image.shape[1], row.px_per_mm if row else None)
    if row is None:
        record_id, lead, layout = _facts_in_name(files.stem)
        return LeadCrop(
            image=image,
            mask=mask,
            signal=signal,
            fs_hz=fs_hz,
            crop_id=files.crop_id,
            record_id=record_id,
            lead=lead,
            layout=layout,
            overlap_px=UNKNOWN_OVERLAP_PX if files.overlapping else 0,
        )
    if files.overlapping is not None and files.overlapping != (row.overlap_px > 0):
        raise DataError(
            f"{files.index_path} says overlap_px={row.overlap_px} of {files.stem}, which lies in "
            f"{files.folder.name}; move its files or correct that line"
        )
    return LeadCrop(
        image=image,
        mask=mask,
        signal=signal,
        fs_hz=fs_hz,
        crop_id=files.crop_id,
        record_id=row.record_id,
        lead=row.lead,
        layout=row.layout,
        px_per_mm=row.px_per_mm,
        overlap_px=row.overlap_px,
        crossings=row.crossings,
        start_px=row.start_px,
    )


def read_mask(path: Path) -> NDArray[np.uint8]:
    """
    Read a mask: light on dark, one channel or three, {0, 255}, {0, 1} or grey in between.

    The published masks were saved as JPEG before they were cut, so that grey stands around the
    line: a pixel is ink above 100 of 255, which is how their authors make the BMP files. Those hold
    the values 0 and 1; in a mask whose greatest value is 1, every 1 is ink.

    Returns
    -------
    ndarray of uint8, shape (height, width)
        {0, 1}.

    Raises
    ------
    DataError
        If it cannot be read, or if most of it is ink: no trace does that, and some published masks are
        white all over by mistake.
    """
    value = _decode(path).max(axis=2)
    mask = (value > (_MASK_THRESHOLD if value.max() > 1 else 0)).astype(np.uint8)
    if mask.mean() > _MAX_INK_SHARE:
        raise DataError(
            f"{path} is {mask.mean():.0%} ink; a mask is white where the trace is, black elsewhere"
        )
    return mask


def read_signal(path: Path) -> FloatArray:
    """
    Read a signal: a JSON list of numbers in mV.

    Raises
    ------
    DataError
        If the file is anything else, holds NaN or infinity, or amplitudes that cannot be mV.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as JSON ({error}); copy or write it anew") from error
    if not isinstance(values, list) or not values or not all(_is_number(value) for value in values):
        raise DataError(f"{path} is no list of numbers; a signal is one JSON list of amplitudes in mV")
    try:
        signal = np.asarray(values, np.float64)
    except OverflowError:
        signal = np.full(1, np.inf)
    bad = np.flatnonzero(~np.isfinite(signal))
    if bad.size:
        raise DataError(
            f"{path}: sample {bad[0]} of {len(signal)} is NaN or infinite, and {bad.size - 1} more; "
            "remove this crop or mend its signal"
        )
    if np.ptp(signal) > _MAX_MV:
        raise DataError(f"{path} spans {np.ptp(signal):.0f} mV, which no ECG does; is it in microvolt?")
    return signal


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
        return _digest(self._crops)

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
        folders = _overlap_folders(root)
        found = [
            files for overlapping, folder in folders.items() for files in find_crops(folder, overlapping)
        ]

        def lies_in(facts: Mapping[str, str]) -> tuple[Path, bool | None]:
            overlapping = facts["overlap_px"] != "0"
            return folders.get(overlapping, root), overlapping

        found = _join_index(_unique(found), root / INDEX, lies_in)
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
        return _digest({files.crop_id: files for files, _ in self._parts}.values())

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
        from ecgtrace.segmentation.resize import windows

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

            return _join_index(find_crops(root / self.split), root / INDEX, lies_in)
        found = _join_index(find_crops(root), root / INDEX, lambda facts: (root, None))
        return [files for files in found if _split_of(files) == self.split]


def _by_stem(folder: Path, suffixes: tuple[str, ...]) -> dict[str, tuple[Path, ...]]:
    found: dict[str, tuple[Path, ...]] = {}
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in suffixes and not path.name.startswith("."):
                found[path.stem] = (*found.get(path.stem, ()), path)
    return found


def _overlap_folders(root: Path) -> dict[bool, Path]:
    if not root.is_dir():
        raise DataError(f"there is no folder {root}; data.root must hold {_LAYOUT_HINT}")
    named = {False: root / WITHOUT_OVERLAP, True: root / WITH_OVERLAP}
    there = {overlapping: folder for overlapping, folder in named.items() if folder.is_dir()}
    if not there:
        near = [path for path in sorted(root.iterdir()) if (path / WITH_OVERLAP).is_dir()]
        meant = f"; did you mean data.root={near[0]}?" if near else ""
        raise DataError(f"{root} must hold {_LAYOUT_HINT}{meant}")
    return there


def _unique(found: list[CropFiles]) -> list[CropFiles]:
    """Give crops that share their stem with one of the other folder a longer id."""
    stems = [files.stem for files in found]
    shared = {stem for stem in stems if stems.count(stem) > 1} if len(set(stems)) < len(stems) else set()
    return [
        replace(files, crop_id=f"{files.folder.name}/{files.stem}") if files.stem in shared else files
        for files in found
    ]


def _join_index(
    found: list[CropFiles],
    path: Path,
    lies_in: Callable[[Mapping[str, str]], tuple[Path, bool | None] | None],
) -> list[CropFiles]:
    """
    Add what the index says, in its order.

    A crop that stands in the index alone becomes one without files, so that it is missed; `lies_in` says
    in which folder it should be, or None where it is no concern of the caller's.
    """
    if not path.is_file():
        return found
    index = read_index(path)
    crops = {files.crop_id: files for files in found}
    for crop_id, facts in index.items():
        place = lies_in(facts)
        if crop_id in crops:
            crops[crop_id] = replace(crops[crop_id], facts=facts, index_path=path)
        elif place is not None:
            folder, overlapping = place
            crops[crop_id] = CropFiles(
                crop_id, crop_id, folder, overlapping=overlapping, facts=facts, index_path=path
            )
    order = {crop_id: number for number, crop_id in enumerate(index)}
    return sorted(crops.values(), key=lambda files: order.get(files.crop_id, len(order)))


def _split_of(files: CropFiles) -> str:
    """Return the split that the index says, or that the name of the record gives."""
    return files.facts["split"] if files.facts else hashed_split(_facts_in_name(files.stem)[0])


def _first(found: list[CropFiles], overlapping: bool, number: int | None) -> list[CropFiles]:
    return [files for files in found if files.overlapping is overlapping][:number]


def _only(files: CropFiles, paths: tuple[Path, ...], kind: str) -> Path:
    if not paths:
        raise DataError(f"{files.folder} has no {kind} file for {files.stem}; add it or remove this crop")
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths)
        raise DataError(f"{files.folder} has several {kind} files for one crop ({names}); keep one")
    return paths[0]


def _digest(crops: Iterable[CropFiles]) -> str:
    digest = hashlib.blake2b(digest_size=6)
    for files in crops:
        digest.update(f"\n{files.crop_id} {files.overlapping} {files.facts}".encode())
        for path in (*files.images, *files.masks, *files.signals):
            digest.update(f"\n{path.parent.name}/{path.name}\n".encode())
            digest.update(_bytes(path))
    return digest.hexdigest()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _decode(path: Path) -> NDArray[np.uint8]:
    """Return an image as RGB, whatever it holds."""
    content = _bytes(path)
    image = None
    if content:
        try:
            image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
        except cv2.error:
            image = None
    if image is None:
        raise DataError(f"{path} cannot be read as an image ({len(content)} bytes); copy or write it anew")
    return np.asarray(image, np.uint8)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_length(path: Path, duration_s: float, width_px: int, px_per_mm: float | None) -> None:
    """Refuse a signal that cannot be the one in an image of this width."""
    low, high = _DURATION_S
    if not low <= duration_s <= high:
        raise DataError(f"{path} lasts {duration_s:g} s; a lead on paper lasts {low:g} to {high:g} s")
    if px_per_mm is None:
        implied = width_px / duration_s / PAPER_SPEED_MM_PER_S
        if not _PX_PER_MM[0] <= implied <= _PX_PER_MM[1]:
            raise DataError(
                f"{path} lasts {duration_s:g} s, but its image is {width_px} px wide; look at fs_hz and at "
                "whether the two belong together"
            )
        return
    drawn_px = s_to_px(duration_s, px_per_mm)
    least_px, most_px = (1 - _WIDTH_TOLERANCE) * drawn_px, (1 + _WIDTH_TOLERANCE) * drawn_px
    if not least_px <= width_px <= most_px + _PADDING_MM * px_per_mm:
        raise DataError(
            f"{path} lasts {duration_s:g} s, which is {drawn_px:.0f} px on this paper, but its image is "
            f"{width_px} px wide; the two do not belong together"
        )


def _facts_in_name(stem: str) -> tuple[str, str, str]:
    """Take record, lead and layout from a name such as `699_3by4_lead_10`."""
    match = _NAME.fullmatch(stem)
    if match is None:
        return stem, "", ""
    number = int(match["lead"])
    lead = LEADS[number] if number < len(LEADS) else _RHYTHM_LEAD
    return match["record"], lead, f"{match['rows']}x{match['columns']}"
