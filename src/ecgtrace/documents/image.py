"""Pages of a picture file: one, or those of a TIFF."""

from pathlib import Path

from PIL import Image

from ecgtrace.documents.source import SourcePage
from ecgtrace.errors import InputImageError
from ecgtrace.images import picture_of, read_picture

_FEWEST_DPI = 50.0  # 72 and 96 are what programs write that know none; less is nonsense
_SCREEN_DPI = (72.0, 96.0)


def count_pages(path: Path) -> int:
    """Return how many pages a TIFF has, 1 for any other file. Frames of an animation are no pages."""
    try:
        with Image.open(path) as image:
            return int(getattr(image, "n_frames", 1)) if image.format == "TIFF" else 1
    except Exception:  # said when it is read
        return 1


def read_page(path: Path, number: int = 1) -> SourcePage:
    """
    Read a page of a picture file.

    Raises
    ------
    InputImageError
        As `images.read_picture`; or if there is no such page.
    """
    count = count_pages(path)
    if not 1 <= number <= count:
        raise InputImageError(f"{path.name} has {count} pages; there is no page {number}")
    if count == 1:
        picture = read_picture(path)
        return SourcePage(picture.rgb, _dpi(path), notes=picture.notes)
    with Image.open(path) as image:
        image.seek(number - 1)
        frame = image.copy()
    picture = picture_of(frame)
    return SourcePage(picture.rgb, _dpi(path), number=number, count=count, notes=picture.notes)


def _dpi(path: Path) -> float | None:
    """Return the resolution that a file tells; None where it tells none, or that of a screen."""
    with Image.open(path) as image:
        x, y = (float(value) for value in image.info.get("dpi", (0, 0)))
    known = x == y and x >= _FEWEST_DPI and round(x) not in _SCREEN_DPI
    return x if known else None
