"""
Check where the paper is found, and its scale, on pages of many kinds.

    python scripts/check_sheet.py [drawn=N] [seed=0] [pages_other=DIR] [reference=DIR] [pdf=DIR]
                                  [pictures=DIR] [out=DIR] [list=1]

Prints a table with a row for each source: how many pages were right, wrong without a word, and refused; the
error of the scale and of the turn; how far places on the paper lie from where they truly are, as the 95th
percentile of each page; the time.

`drawn` pages are drawn from the sample records in the style of each printer of conf/printer, then turned by
any angle and put in perspective by up to 5 %. `pages_other` and `reference` are folders of pages as other
programs draw them, with `index.csv`; `pdf` is one of vector PDFs, whose own lines tell the truth, drawn at
150, 200 and 300 dpi. For `pictures` nobody knows the truth: what is found is printed, and with `out` a cross
is drawn over each crossing of 5 mm lines, to be looked at.
"""

import csv
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from numpy.typing import NDArray

from ecgtrace.datasets.drawn import Sheet as Layout
from ecgtrace.documents.pdf import count_pages, draw, read_vectors
from ecgtrace.drawing.render import draw as draw_page
from ecgtrace.errors import EcgTraceError
from ecgtrace.images import read_picture
from ecgtrace.records import SampleRecords
from ecgtrace.sheet import Sheet, find_sheet
from ecgtrace.sheet.mapping import project
from ecgtrace.types import FloatArray
from ecgtrace.units import LARGE_SQUARE_MM, MM_PER_INCH
from ecgtrace.vector.grid import find_scale

Image = NDArray[np.uint8]

CONF = Path(__file__).resolve().parents[1] / "conf"
LAYOUTS = (Layout("3x4"), Layout("6x2"), Layout("12x1"), Layout("3x4", rhythm=True))
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".bmp")
DPI = (150.0, 200.0, 300.0)
PERSPECTIVE = 0.05  # of the distance of opposite corners
RIGHT = 0.01  # of the scale
POINTS = 15


@dataclass(frozen=True, eq=False)
class Item:
    """
    A picture, with the truth about it.

    `to_mm` leads from px to true mm of paper, None where there is no grid to be found; `box_mm` holds the
    corners of the paper; of a page that is not `placed`, only the scale is known.
    """

    name: str
    image: Image
    to_mm: FloatArray | None
    box_mm: FloatArray | None = None
    placed: bool = True


@dataclass
class Row:
    """What came of the pages of a source."""

    source: str
    n: int = 0
    right: int = 0
    doubted: int = 0
    wrong: int = 0
    refused: int = 0
    no_grid: int = 0
    scale: list[float] = field(default_factory=list)
    turn: list[float] = field(default_factory=list)
    place: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def cells(self) -> dict[str, object]:
        """Return the row as it is printed."""

        def high(values: list[float], q: float) -> str:
            return f"{np.quantile(values, q):.3f}" if values else ""

        return {
            "source": self.source,
            "pages": self.n,
            "right": self.right,
            "with doubt": self.doubted,
            "wrong": self.wrong,
            "refused": self.refused,
            "no grid, refused": self.no_grid,
            "scale off, median %": high(self.scale, 0.5),
            "worst %": high(self.scale, 1),
            "turn off, worst deg": high(self.turn, 1),
            "place off, median mm": high(self.place, 0.5),
            "worst mm": high(self.place, 1),
            "s, median": high(self.seconds, 0.5),
            "s, worst": high(self.seconds, 1),
        }


def errors(item: Item, sheet: Sheet) -> tuple[float, float, float]:
    """
    Compare a sheet with the truth.

    Returns
    -------
    scale : float
        Larger share by which a scale is off, of both axes.
    turn_deg : float
        How far the paper is turned in the rectified picture, modulo quarters.
    place_mm : float
        95th percentile over the page of how far places are off, the origin and quarters set aside.
    """
    assert item.to_mm is not None
    height, width = item.image.shape[:2]
    x, y = np.meshgrid(np.linspace(0, width - 1, POINTS), np.linspace(0, height - 1, POINTS))
    source = np.column_stack([x.ravel(), y.ravel()])
    true = project(item.to_mm, source)
    if item.box_mm is not None:
        lies = (true >= item.box_mm[0]).all(axis=1) & (true <= item.box_mm[1]).all(axis=1)
        true, source = true[lies], source[lies]
    found = sheet.from_source(source)
    found = found / (sheet.px_per_mm_x, sheet.px_per_mm_y)
    true, found = true - true.mean(axis=0), found - found.mean(axis=0)
    fit, *_ = np.linalg.lstsq(found, true, rcond=None)
    angle = float(np.degrees(np.arctan2(fit[0, 1] - fit[1, 0], fit[0, 0] + fit[1, 1])))
    quarter = round(angle / 90)
    turned = found @ np.linalg.matrix_power(np.array([[0.0, 1.0], [-1.0, 0.0]]), quarter % 4)
    scale = float(np.abs(np.linalg.svd(fit, compute_uv=False) - 1).max())
    off = np.hypot(*(turned - true).T)
    return scale, abs(angle - 90 * quarter), float(np.quantile(off, 0.95))


def drawn(printer: str, n: int, seed: int) -> Iterator[Item]:
    """Draw pages in the style of a printer, turned and in perspective."""
    with initialize_config_dir(str(CONF), version_base=None):
        source = instantiate(compose("generate", overrides=[f"+printer={printer}"]).printer)
    records = SampleRecords()
    ids = records.split_ids("val") + records.split_ids("train")
    for i in range(n):
        rng = np.random.default_rng([seed, i])
        style = source.draw_style(rng)
        degradation = style.degradation
        # The page is turned here, with its truth.
        object.__setattr__(degradation, "rotation_deg", 0.0)
        plan = LAYOUTS[i % len(LAYOUTS)].plan(records.load(ids[i % len(ids)]), style)
        page = draw_page(plan, rng=rng)
        height, width = page.shape[:2]
        matrix, size = warp(width, height, float(rng.uniform(0, 360)), rng)
        paper = [float(v) for v in np.median(page[::8, ::8].reshape(-1, 3), axis=0)]
        image = cv2.warpPerspective(page, matrix, size, flags=cv2.INTER_CUBIC, borderValue=paper)
        name = f"{printer} {i} {width}x{height}"
        scale = style.px_per_mm
        box = np.array([[0.0, 0.0], [width / scale, height / scale]])
        to_mm = np.diag([1 / scale, 1 / scale, 1.0]) @ np.linalg.inv(matrix)
        colours = [c for c in (style.grid_major, style.grid_minor) if c is not None]
        level = degradation.bilevel
        ruled = any(level is None or np.dot((0.299, 0.587, 0.114), c) < 255 * level for c in colours)
        yield Item(name, np.asarray(image, np.uint8), to_mm if ruled else None, box)


def warp(
    width: int, height: int, angle_deg: float, rng: np.random.Generator
) -> tuple[FloatArray, tuple[int, int]]:
    """Turn a page by an angle and move its corners; return the matrix and the size of the picture."""
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
    moved = corners + rng.uniform(-0.5, 0.5, (4, 2)) * PERSPECTIVE * np.array([width, height])
    angle = np.radians(angle_deg)
    moved = moved @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved -= moved.min(axis=0)
    size = tuple(int(v) for v in np.ceil(moved.max(axis=0)))
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), moved.astype(np.float32))
    return np.asarray(matrix, np.float64), (size[0], size[1])


def pages_other(root: Path, wrinkled: bool) -> Iterator[Item]:
    """Pages of another program, straight; those turned and wrinkled have the same scale."""
    with (root / "index.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if (row["file"].endswith(".jpg")) == wrinkled:
                dpi = float(row["dpi"])
                image = read_picture(root / row["file"]).rgb
                matrix = np.diag([MM_PER_INCH / dpi, MM_PER_INCH / dpi, 1.0])
                yield Item(row["file"], image, None if row["no_grid"] == "1" else matrix, None, not wrinkled)


def reference(root: Path) -> Iterator[Item]:
    """Pages of the published data set's own generator."""
    with (root / "index.csv").open(encoding="utf-8") as file:
        rows = {row["name"].split("_lead")[0]: row for row in csv.DictReader(file)}
    for name, row in sorted(rows.items()):
        scale = float(row["pixels_per_large_square"]) / LARGE_SQUARE_MM
        image = read_picture(root / "pages" / f"{name}.jpg").rgb
        yield Item(name, image, np.diag([1 / scale, 1 / scale, 1.0]))


def pdfs(root: Path, dpi: float) -> Iterator[Item]:
    """Pages of vector PDFs, drawn."""
    for path in sorted(root.glob("*.pdf")):
        for number in range(1, count_pages(path, path.name) + 1):
            image = draw(path, path.name, number, dpi).image
            vectors = read_vectors(path, path.name, number).vectors
            assert image is not None and vectors is not None
            scale = find_scale(vectors)
            x, y = (per_mm / 72 * dpi for per_mm in (scale.per_mm_x, scale.per_mm_y))
            yield Item(f"{path.stem} p{number} {dpi:g} dpi", image, np.diag([1 / x, 1 / y, 1.0]))


def check(source: str, items: Iterator[Item], tell: bool) -> Row:
    """Find the sheet of each page and compare it with the truth."""
    row = Row(source)
    for item in items:
        row.n += 1
        start = time.perf_counter()
        try:
            sheet = find_sheet(item.image)
        except EcgTraceError as error:
            row.seconds.append(time.perf_counter() - start)
            row.refused += item.to_mm is not None
            row.no_grid += item.to_mm is None
            if tell and item.to_mm is not None:
                print(f"    refused: {source}, {item.name}: {error}")
            continue
        row.seconds.append(time.perf_counter() - start)
        if item.to_mm is None:
            row.wrong += not sheet.doubts
            continue
        scale, turn, place = errors(item, sheet)
        if scale > RIGHT:
            row.doubted += bool(sheet.doubts)
            row.wrong += not sheet.doubts
        else:
            row.right += 1
            row.doubted += bool(sheet.doubts)
            row.scale.append(100 * scale)
            if item.placed:
                row.turn.append(turn)
                row.place.append(place)
        off = scale > 0.003 or (item.placed and (turn > 0.05 or place > 0.15))
        if tell and (off or sheet.doubts):
            print(
                f"    {source}, {item.name}: scale off by {100 * scale:.2f} %, turn by {turn:.3f} deg, place "
                f"{place:.2f} mm; {sheet.px_per_mm_x:.3f} {sheet.px_per_mm_y:.3f} px per mm, residual "
                f"{sheet.residual_mm:.3f} mm, {sheet.scale_from}; {sheet.doubts} {sheet.notes}"
            )
    return row


def look(path: Path, out: Path | None) -> None:
    """Print what is found of a picture, and draw the lattice over it."""
    image = read_picture(path).rgb
    start = time.perf_counter()
    try:
        sheet = find_sheet(image)
    except EcgTraceError as error:
        print(f"    {path.name}: {error}")
        return
    seconds = time.perf_counter() - start
    print(
        f"    {path.name} {image.shape[1]}x{image.shape[0]}: {sheet.px_per_mm_x:.3f} "
        f"{sheet.px_per_mm_y:.3f} px per mm, turned by {sheet.turn_deg:.2f} deg, {sheet.width_mm:.0f} x "
        f"{sheet.height_mm:.0f} mm, residual {sheet.residual_mm:.3f} mm, {sheet.scale_from}, {seconds:.2f} s;"
        f" {sheet.doubts} {sheet.notes}"
    )
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(out / f"{path.stem}.png"), overlay(image, sheet)[..., ::-1])


def overlay(image: Image, sheet: Sheet) -> Image:
    """Draw a cross of 2 mm wherever the lattice has a crossing of 5 mm lines."""
    origin = sheet.origin_px
    height, width = sheet.image.shape[:2]
    scale = np.array([sheet.px_per_mm_x, sheet.px_per_mm_y])
    first = np.ceil((-np.array(origin)) / scale / LARGE_SQUARE_MM)
    last = np.floor((np.array([width, height]) - origin) / scale / LARGE_SQUARE_MM)
    result = image.copy()
    for i in np.arange(first[0], last[0] + 1):
        for j in np.arange(first[1], last[1] + 1):
            middle = np.array([i, j]) * LARGE_SQUARE_MM
            for arm in ((1.0, 0.0), (0.0, 1.0)):
                ends = np.array([middle - arm, middle + np.array(arm)]) * scale + origin
                a, b = (tuple(round(v * 16) for v in end) for end in sheet.to_source(ends))
                cv2.line(result, a, b, (0, 0, 255), 1, cv2.LINE_AA, 4)
    return result


def main() -> None:
    """Check all sources that were given."""
    options = dict(argument.split("=", 1) for argument in sys.argv[1:])
    tell, n, seed = options.get("list") == "1", int(options.get("drawn", 0)), int(options.get("seed", 0))
    rows = []
    if n:
        names = sorted(path.stem for path in (CONF / "printer").glob("*.yaml") if path.stem != "mixed")
        rows += [check(f"drawn: {name}", drawn(name, n, seed), tell) for name in names]
    if "pages_other" in options:
        root = Path(options["pages_other"])
        rows.append(check("other program", pages_other(root, False), tell))
        rows.append(check("other program, wrinkled", pages_other(root, True), tell))
    if "reference" in options:
        rows.append(check("reference", reference(Path(options["reference"])), tell))
    if "pdf" in options:
        rows += [check(f"PDF at {dpi:g} dpi", pdfs(Path(options["pdf"]), dpi), tell) for dpi in DPI]
    if rows:
        print(pd.DataFrame([row.cells() for row in rows]).to_markdown(index=False))
    if "pictures" in options:
        out = Path(options["out"]) if "out" in options else None
        for path in sorted(Path(options["pictures"]).iterdir()):
            if path.suffix.lower() in PICTURES:
                look(path, out)


if __name__ == "__main__":
    main()
