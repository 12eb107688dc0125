"""
Pictures from files and arrays, all made RGB uint8.

Pillow reads the files: unlike OpenCV it says when a file is cut short, lays out palettes and 16-bit
samples, and tells a camera's orientation.
"""

import threading
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ecgtrace.errors import InputImageError, TraceNotFoundError

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
# A lead of 10 s scanned at 600 dpi has about 12 million. `proposed` takes about 35 bytes for each (measured
# at 30,000 x 1,000 px), so 2.2 GB at the limit.
MAX_PIXELS = 64_000_000
MIN_SIDE_PX = 16  # 5 mm at 76 dpi: narrower than one large square

_MIN_CONTRAST = 24  # grey levels between the paper and what is drawn on it
_SHADOW = 64  # paper darker than this is no paper
_LINE_SHARE = 0.8  # a grid line fills so much of its row or column
_MIN_TRACE_SHARE = 0.05  # a trace shows in at least so many columns
# Filters of warnings belong to the process, so one thread at a time may change them.
_open_lock = threading.Lock()


@dataclass(frozen=True, eq=False)
class Picture:
    """
    A picture and what had to be decided while reading it.

    Attributes
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)
    notes : tuple of str
        What a user should know, such as that only the first frame was read.
    """

    rgb: NDArray[np.uint8]
    notes: tuple[str, ...] = ()


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """
    Read a file as RGB; see `read_picture`.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
    """
    return read_picture(path).rgb


def read_picture(path: str | Path) -> Picture:
    """
    Read a file as RGB, with notes.

    The orientation that a camera noted (EXIF) is applied. Transparent parts show white. 16-bit samples are
    scaled, not clipped. Of an animation or of several pages the first is taken, with a note.

    Parameters
    ----------
    path : str or Path
        The name's ending does not matter: the format is told by the content.

    Raises
    ------
    InputImageError
        If the file is missing, empty, not a picture, damaged, or has more than `MAX_PIXELS` pixels.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise InputImageError(f"{path.name} is a folder, not a picture")
        if path.stat().st_size == 0:
            raise InputImageError(f"{path.name} is empty (0 bytes); copy or export it again")
        with _open(path) as image:
            return _picture(image, path.name)
    except (InputImageError, MemoryError):
        raise
    except FileNotFoundError:
        raise InputImageError(f"there is no file {path.name}") from None
    except UnidentifiedImageError:
        raise InputImageError(
            f"{path.name} is not a picture; these are read: png, jpg, bmp, webp, tiff, gif"
        ) from None
    except OSError as error:
        if error.errno is not None:
            raise InputImageError(f"{path.name} cannot be read ({error.strerror})") from None
        raise _damaged(path.name) from error
    except Exception as error:  # decoders raise all sorts: SyntaxError, struct.error, zlib.error, ...
        raise _damaged(path.name) from error


def picture_of(image: Image.Image) -> Picture:
    """
    Take over a picture that Pillow holds, with notes, as `read_picture` does.

    Raises
    ------
    InputImageError
        As `read_picture`.
    """
    return _picture(image, "the picture")


def as_rgb(array: NDArray) -> NDArray[np.uint8]:
    """
    Make an array of pixels RGB uint8.

    Parameters
    ----------
    array : ndarray of bool, uint8, uint16 or float, shape (height, width) or (height, width, channels)
        One channel is grey, two are grey and alpha, three RGB, four RGB and alpha; not BGR, as OpenCV
        reads it. uint16 spans 0 to 65535, floats 0 to 1. Transparent parts show white.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)

    Raises
    ------
    InputImageError
        If shape, type or range are others, or there are more than `MAX_PIXELS` pixels.

    Examples
    --------
    A black pixel, half transparent on white paper:

    >>> as_rgb(np.array([[[0, 0, 0, 128]]], dtype=np.uint8)).tolist()
    [[[127, 127, 127]]]
    """
    array = np.asarray(array)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 2, 3, 4) or array.size == 0:
        raise InputImageError(
            f"a picture is an array (height, width) or (height, width, 1 to 4 channels), got {array.shape}"
        )
    _check_size(array.shape[1], array.shape[0], "the picture")
    samples = _as_uint8(array)
    colour = samples if samples.shape[2] in (1, 3) else _on_white(samples[..., :-1], samples[..., -1:])
    if colour.shape[2] == 1:
        colour = np.repeat(colour, 3, axis=2)
    return np.ascontiguousarray(colour)


def check_picture(rgb: NDArray[np.uint8]) -> None:
    """
    Refuse a picture that cannot show a trace, whatever the digitizer.

    A network asked for a trace may see one in an empty sheet. So pictures without any contrast are
    refused, and those whose only ink is straight lines from edge to edge, at right angles: an empty grid.
    The check is meant to miss rather than to refuse too much: tilted or noisy empty sheets pass it.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)

    Raises
    ------
    InputImageError
        If a side is shorter than `MIN_SIDE_PX`, or the picture has one colour only.
    TraceNotFoundError
        If it shows a grid and nothing else.
    """
    height, width = rgb.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        raise InputImageError(
            f"{width} x {height} px are too few for a lead: at least {MIN_SIDE_PX} px each way are needed"
        )
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    counts = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel()
    share = np.cumsum(counts) / counts.sum()
    darkest, paper = (int(np.searchsorted(share, part)) for part in (0.001, 0.75))
    if paper - darkest < _MIN_CONTRAST:
        if paper < _SHADOW:
            raise InputImageError("the picture is black; a dark trace on light paper is needed")
        raise InputImageError("the picture is empty: nothing stands out of one even colour")
    # Near the darkest, so that lines paler than a trace do not count: then even a flat trace is not a line.
    if _shows_grid_alone(grey < darkest + (paper - darkest) / 4):
        raise TraceNotFoundError("the picture shows a grid but no trace; crop the lead itself")


def _shows_grid_alone(ink: NDArray[np.bool_]) -> bool:
    """Tell whether taking away the full lines of both directions leaves next to no ink."""
    height, width = ink.shape
    full_columns = cv2.reduce(ink.astype(np.uint8), 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel()
    upright = full_columns >= _LINE_SHARE * height
    if np.count_nonzero(np.diff(upright.astype(np.int8)) != 0) < 3:
        return False  # without two upright lines what lies across may be a flat trace
    level = ink.mean(axis=1) >= _LINE_SHARE
    # Lines are soft at their edges, where few pixels pass the threshold: one px more on each side.
    rest = ink[~_widened(level)][:, ~_widened(upright)]
    return rest.size == 0 or float(rest.any(axis=0).sum()) < _MIN_TRACE_SHARE * width


def _widened(line: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.convolve(line, np.ones(3), "same") > 0


def _open(path: Path) -> Image.Image:
    """Open without decoding; of pictures over Pillow's own limit it raises before their size is known."""
    with _open_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `_check_size` is stricter
        try:
            return Image.open(path)
        except Image.DecompressionBombError:
            raise _too_large(path.name, "it") from None


def _picture(image: Image.Image, name: str) -> Picture:
    _check_size(image.width, image.height, name)
    notes = []
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        image.seek(0)
        notes.append(f"only the first of {frames} frames or pages was read")
    image.load()
    turned = ImageOps.exif_transpose(image)
    return Picture(as_rgb(_samples(turned, name)), tuple(notes))


def _samples(image: Image.Image, name: str) -> NDArray:
    """Return the samples of a decoded picture in a form that `as_rgb` takes."""
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    if image.mode == "I":  # 32 bit, which Pillow also takes for some kinds of 16 bit
        values = np.asarray(image)
        if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
            raise InputImageError(f"{name} has 32-bit grey levels; save it with 8 or 16 bits")
        return values.astype(np.uint16)
    if image.mode == "F":
        return np.asarray(image)
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        return np.asarray(image.convert("RGBA"))
    return np.asarray(image.convert("RGB"))


def _as_uint8(array: NDArray) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint16:
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)  # 65535 = 255 * 257
    if np.issubdtype(array.dtype, np.floating):
        low, high = float(array.min()), float(array.max())
        if 0 <= low and high <= 1:  # false for NaN, too
            return np.rint(array * 255).astype(np.uint8)
        raise InputImageError(f"a picture of floats spans 0 to 1, got {low:g} to {high:g}")
    raise InputImageError(f"a picture holds bool, uint8, uint16 or float, got {array.dtype}")


def _on_white(colour: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    weight = alpha.astype(np.uint32)
    return ((colour * weight + 255 * (255 - weight) + 127) // 255).astype(np.uint8)


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise _too_large(name, f"{width} x {height} px")


def _too_large(name: str, size: str) -> InputImageError:
    limit = f"{MAX_PIXELS / 1e6:.0f} million pixels"
    return InputImageError(f"{name} is too large: {size} exceeds {limit}; crop one lead or scale it down")


def _damaged(name: str) -> InputImageError:
    return InputImageError(f"{name} is damaged or cut short; copy or export it again")
