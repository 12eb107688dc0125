"""
The files of crops in the layout of the published dataset: found, read and checked.

A folder of crops holds `image/`, `mask-png/` or `mask-bmp/`, and `signal-json/`, with the same
stems in each. The published overlap set has two such folders, `with-overlap/` and
`without-overlap/` (doi 10.5281/zenodo.15484519, https://github.com/rezakarbasi/
ecg-image-and-signal-dataset); `ecgtrace.datasets.export` writes the same layout, plus `index.csv`.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.datasets.index import read_index, row_from_text
from ecgtrace.errors import DataError
from ecgtrace.types import FloatArray, LeadCrop
from ecgtrace.units import LEADS, PAPER_SPEED_MM_PER_S, s_to_px

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
        record_id, lead, layout = facts_in_name(files.stem)
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


def _by_stem(folder: Path, suffixes: tuple[str, ...]) -> dict[str, tuple[Path, ...]]:
    found: dict[str, tuple[Path, ...]] = {}
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in suffixes and not path.name.startswith("."):
                found[path.stem] = (*found.get(path.stem, ()), path)
    return found


def overlap_folders(root: Path) -> dict[bool, Path]:
    """Return the two folders of an overlap set by whether their crops overlap."""
    if not root.is_dir():
        raise DataError(f"there is no folder {root}; data.root must hold {_LAYOUT_HINT}")
    named = {False: root / WITHOUT_OVERLAP, True: root / WITH_OVERLAP}
    there = {overlapping: folder for overlapping, folder in named.items() if folder.is_dir()}
    if not there:
        near = [path for path in sorted(root.iterdir()) if (path / WITH_OVERLAP).is_dir()]
        meant = f"; did you mean data.root={near[0]}?" if near else ""
        raise DataError(f"{root} must hold {_LAYOUT_HINT}{meant}")
    return there


def without_clash(found: list[CropFiles]) -> list[CropFiles]:
    """Give crops that share their stem with one of the other folder a longer id."""
    stems = [files.stem for files in found]
    shared = {stem for stem in stems if stems.count(stem) > 1} if len(set(stems)) < len(stems) else set()
    return [
        replace(files, crop_id=f"{files.folder.name}/{files.stem}") if files.stem in shared else files
        for files in found
    ]


def join_index(
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


def _only(files: CropFiles, paths: tuple[Path, ...], kind: str) -> Path:
    if not paths:
        raise DataError(f"{files.folder} has no {kind} file for {files.stem}; add it or remove this crop")
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths)
        raise DataError(f"{files.folder} has several {kind} files for one crop ({names}); keep one")
    return paths[0]


def fingerprint_of(crops: Iterable[CropFiles]) -> str:
    """Return a hash of the content of all files of the crops."""
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


def facts_in_name(stem: str) -> tuple[str, str, str]:
    """Take record, lead and layout from a name such as `699_3by4_lead_10`."""
    match = _NAME.fullmatch(stem)
    if match is None:
        return stem, "", ""
    number = int(match["lead"])
    lead = LEADS[number] if number < len(LEADS) else _RHYTHM_LEAD
    return match["record"], lead, f"{match['rows']}x{match['columns']}"
