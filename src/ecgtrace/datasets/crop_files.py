"""A crop as files: image, masks and signal, each there as a whole or not at all."""

import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.datasets.folder_files import IMAGE, MASK_BMP, MASK_PNG, SIGNAL
from ecgtrace.datasets.index import IndexRow
from ecgtrace.errors import ConfigError, DataError
from ecgtrace.types import FloatArray, LeadCrop

IMAGE_FORMATS = ("png", "bmp", "jpg", "webp")
_LOSSLESS_WEBP = 101  # OpenCV's quality for WebP; above 100 means without loss


def write_crop(crop: LeadCrop, folder: Path, image_format: str = "png", jpeg_quality: int = 95) -> None:
    """
    Write image, both masks and signal of a crop.

    Masks have one channel, 0 and 255, in both formats.
    """
    if Path(crop.crop_id).name != crop.crop_id:
        raise DataError(f"{crop.crop_id!r} cannot be the name of a file; rename the record")
    mask = crop.mask * np.uint8(255)
    image, png, bmp, values = crop_files(crop.crop_id, image_format)
    write_bytes(folder / image, encode(crop.image, image_format, jpeg_quality))
    write_bytes(folder / png, encode(mask, "png"))
    write_bytes(folder / bmp, encode(mask, "bmp"))
    write_bytes(folder / values, signal_json(crop.signal))


def crop_files(crop_id: str, image_format: str) -> list[str]:
    """Return the files of a crop: image, mask as PNG and as BMP, signal."""
    return [
        f"{IMAGE}/{crop_id}.{image_format}",
        f"{MASK_PNG}/{crop_id}.png",
        f"{MASK_BMP}/{crop_id}.bmp",
        f"{SIGNAL}/{crop_id}.json",
    ]


def index_row(crop: LeadCrop, split: str) -> IndexRow:
    """Return a crop's line of the index."""
    if crop.px_per_mm is None:
        raise DataError(f"the scale of {crop.crop_id} is unknown; only drawn crops can be written")
    return IndexRow(
        crop_id=crop.crop_id,
        record_id=crop.record_id,
        lead=crop.lead,
        layout=crop.layout,
        px_per_mm=crop.px_per_mm,
        fs_hz=crop.fs_hz,
        overlap_px=crop.overlap_px,
        crossings=crop.crossings,
        split=split,
        start_px=crop.start_px,
    )


def signal_json(samples: FloatArray) -> bytes:
    """Return samples as a bare JSON list; every digit is kept."""
    return json.dumps([float(value) for value in samples]).encode()


def encode(image: NDArray[np.uint8], image_format: str, jpeg_quality: int = 95) -> bytes:
    """Return an RGB image, or a mask of one channel, as the bytes of a file."""
    options: list[int] = []
    if image_format == "jpg":
        options = [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality]
    elif image_format == "webp":
        options = [cv2.IMWRITE_WEBP_QUALITY, _LOSSLESS_WEBP]
    _, data = cv2.imencode(f".{image_format}", image[..., ::-1] if image.ndim == 3 else image, options)
    return bytes(data.tobytes())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file that is either there as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(content)
    temporary.replace(path)


def check_quality(quality: int) -> None:
    """Raise `ConfigError` unless a quality is one of JPEG."""
    if not 1 <= quality <= 100:
        raise ConfigError(f"jpeg_quality must lie in 1..100, got {quality}")


def check_format(image_format: str, jpeg_quality: int) -> None:
    """Raise `ConfigError` unless images can be written so."""
    if image_format not in IMAGE_FORMATS:
        raise ConfigError(f"image_format={image_format} is unknown; choose one of {', '.join(IMAGE_FORMATS)}")
    check_quality(jpeg_quality)
