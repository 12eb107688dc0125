"""
Draw the pictures that the README begins with: a page, and what the README's command makes of it.

    python scripts/draw_readme_page.py docs/images

`page.png` is the first page that `generate.py sets=[whole_pages]` writes. `page_read.png` is the overlay that
the command left of it, above the leads of its CSV. Draw them again when the page network has changed.
"""

import io
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from ecgtrace.datasets.whole_pages import PNG, WholePageSet
from ecgtrace.records.sample import SampleRecords
from ecgtrace.reporting import digitized_pages

_WIDTH_PX = 1300
_COLOURS = 256  # of a palette: a quarter of the size, and no value is off by more than 5 of 255
_OPTIONS = ("content=page", "overlays=true", "progress=false")


def main(folder: Path) -> None:
    """Draw both."""
    with tempfile.TemporaryDirectory() as temporary:
        page = write_page(Path(temporary))
        picture = folder / page.name
        picture.write_bytes(page.read_bytes())
        out = Path(temporary) / "out"
        command = [sys.executable, "-m", "ecgtrace", "digitize", f"input={page}", f"output_dir={out}"]
        subprocess.run([*command, *_OPTIONS], check=True)
        read = digitized_pages.read(out / "page.json")
        assert read.overlay is not None  # as asked for
        leads = digitized_pages.as_png(digitized_pages.leads_figure(read))
        _save(_stacked(Image.open(read.overlay), Image.open(io.BytesIO(leads))), folder / "page_read.png")
    for path in (picture, folder / "page_read.png"):
        print(f"{path}: {path.stat().st_size} bytes")


def write_page(folder: Path) -> Path:
    """Write the page, its truth beside it; return it."""
    pages = WholePageSet(SampleRecords(), "test", {PNG: 1})
    pages.write(0, folder)
    for file in pages.files(pages.item_ids[0], ()):
        (folder / file).rename(folder / f"page{Path(file).suffix}")
    page, header = folder / "page.png", folder / "page.hea"
    header.write_text(header.read_text().replace(pages.item_ids[0], "page"))
    with Image.open(page) as image:
        _save(image.copy(), page)
    return page


def _stacked(*pictures: Image.Image) -> Image.Image:
    """Lay pictures one below the other, as wide as each other."""
    fitted = [
        one.convert("RGB").resize(
            (_WIDTH_PX, round(one.height * _WIDTH_PX / one.width)), Image.Resampling.LANCZOS
        )
        for one in pictures
    ]
    whole = Image.new("RGB", (_WIDTH_PX, sum(one.height for one in fitted)), "white")
    top = 0
    for one in fitted:
        whole.paste(one, (0, top))
        top += one.height
    return whole


def _save(image: Image.Image, path: Path) -> None:
    few = image.convert("RGB").quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
