"""
Crops as files that Ultralytics trains on: images, and the target's mask as one polygon.

A label of YOLO is a list of points; a mask in several parts becomes one closed line that runs from part to
part and back, so that the target stays one instance.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ecgtrace.errors import DataError
from ecgtrace.segmentation.yolo_canvas import Canvas
from ecgtrace.types import FloatArray, LeadCrop

_MAX_POINTS = 990  # Ultralytics resamples a longer line to 1,000 points, which cuts corners
_MAX_PARTS = 100  # a mask from a JPEG has specks; a clean one has one part, or a few
_SPLITS = ("train", "val")


def polygon(mask: NDArray[np.uint8]) -> FloatArray:
    """
    Return the outline of a mask as one closed line.

    Parameters
    ----------
    mask : ndarray of {0, 1}, shape (height, width)

    Returns
    -------
    ndarray of float, shape (n, 2)
        x and y in px, where pixel k reaches from k to k + 1. Parts of the mask are joined where they are
        nearest, by a line there and back; holes are lost, and all but the 100 widest parts.

    Raises
    ------
    DataError
        If the mask is empty.

    Examples
    --------
    >>> mask = np.zeros((6, 9), np.uint8)
    >>> mask[1:3, 2:5] = mask[4, 7] = 1
    >>> polygon(mask).tolist()[:4]
    [[2.5, 1.5], [2.5, 2.5], [4.5, 2.5], [7.5, 4.5]]
    """
    parts, _ = cv2.findContours(
        np.ascontiguousarray(mask, np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    if not parts:
        raise DataError("a training crop has an empty mask; draw or export it again")
    largest = sorted(parts, key=lambda part: -cv2.boundingRect(part)[2])[:_MAX_PARTS]
    largest.sort(key=lambda part: cv2.boundingRect(part)[0])
    lines = [_points(part) for part in largest]
    tolerance_px = 0.5
    while sum(len(line) + 2 for line in lines) > _MAX_POINTS:
        lines = [_points(cv2.approxPolyDP(line, tolerance_px, True)) for line in lines]
        tolerance_px *= 1.5
    joined = lines[0]
    for line in lines[1:]:
        joined = _join(joined, line)
    return joined.astype(float) + 0.5


def _points(contour: Any) -> NDArray[np.int32]:
    return np.asarray(contour, np.int32).reshape(-1, 2)


def _join(line: NDArray[np.int32], other: NDArray[np.int32]) -> NDArray[np.int32]:
    """Put a closed line into another, where the two are nearest."""
    distance = np.linalg.norm(line[:, None].astype(float) - other[None], axis=2)
    i, j = np.unravel_index(int(distance.argmin()), distance.shape)
    return np.concatenate([line[: i + 1], other[j:], other[: j + 1], line[i:]])


def fill(points: FloatArray, height: int, width: int) -> NDArray[np.uint8]:
    """Return the {0, 1} mask of a closed line in px, drawn as Ultralytics draws its labels."""
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [np.floor(points).astype(np.int32)], 1)
    return mask


def label(mask: NDArray[np.uint8], canvas: Canvas) -> str:
    """Return the line of a label file: class 0, then x and y as shares of the exported image."""
    height, width = mask.shape
    where, size = canvas.place((height, width)), canvas.size((height, width))
    points = polygon(mask) * (where.width / width, where.height / height) + (where.left, where.top)
    shares = (points / (size[1], size[0])).ravel()
    return "0 " + " ".join(f"{share:.6f}" for share in shares) + "\n"


def export(
    train: Sequence[LeadCrop],
    val: Sequence[LeadCrop],
    folder: Path,
    canvas: Canvas,
    facts: dict[str, Any],
    progress: bool = False,
) -> Path:
    """
    Write crops as a dataset of Ultralytics; what is there already is left as it is.

    Parameters
    ----------
    train, val : sequence of LeadCrop
        All of each; validation crops as windows.
    folder : Path
        Gets `data.yaml` and `train/` and `val/`, each with `images/` and `labels/`, and `val/masks/` at
        the crops' own size.
    canvas : Canvas
    facts : dict
        What the crops depend on. A folder of other crops is emptied first.
    progress : bool

    Returns
    -------
    Path
        The `data.yaml`.
    """
    text = json.dumps({**facts, "height": canvas.height, "width": canvas.width, "n": [len(train), len(val)]})
    note = folder / "crops.json"
    if folder.is_dir() and not (note.is_file() and note.read_text() == text):
        shutil.rmtree(folder)
    for split, crops in zip(_SPLITS, (train, val), strict=True):
        for kind in ("images", "labels", "masks"):
            (folder / split / kind).mkdir(parents=True, exist_ok=True)
        note.write_text(text)
        for i in tqdm(range(len(crops)), f"crops to {split} on", disable=not progress):
            if not (folder / split / "images" / f"{i:06d}.png").is_file():
                _write(crops[i], folder / split, f"{i:06d}", canvas, with_mask=split == "val")
    data = folder / "data.yaml"
    # Ultralytics takes a relative path as one below its own folder of datasets.
    data.write_text(f"path: {folder.resolve()}\ntrain: train/images\nval: val/images\nnames:\n  0: signal\n")
    return data


def _write(crop: LeadCrop, folder: Path, name: str, canvas: Canvas, with_mask: bool) -> None:
    (folder / "labels" / f"{name}.txt").write_text(label(crop.mask, canvas))
    if with_mask:
        cv2.imwrite(str(folder / "masks" / f"{name}.png"), crop.mask * 255)
    part = folder / "images" / f"{name}.part"
    ok, data = cv2.imencode(".png", canvas.draw(crop.image)[:, :, ::-1])
    assert ok
    part.write_bytes(data.tobytes())
    part.replace(part.with_suffix(".png"))  # last, and at once: the image says that all of the crop is there


def read_mask(image: Path) -> NDArray[np.uint8]:
    """Return the {0, 1} mask, at its crop's own size, of an exported image of the validation split."""
    mask = cv2.imread(str(image.parents[1] / "masks" / image.name), cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise DataError(f"the mask of {image} is missing; remove {image.parents[2]} and train again")
    return np.asarray(mask > 127, np.uint8)
