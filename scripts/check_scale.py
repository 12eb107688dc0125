"""
Check the scale that is found against the true one, on many kinds of paper.

    python scripts/check_scale.py [page_leads=DIR] [reference=DIR] [cases=DIR] [n=20] [seed=0] [list=1]

Prints a line for each source: the share of crops whose scale is within 0.5 % and 1 % of the truth along both
axes, wrong without a word (neither refused nor with a doubt), with a doubt, and refused; `list=1` names the
crops that are wrong. Own crops are drawn from the sample records, `n` for each printer in conf/printer, with
boxes that a hand cuts; DIR are folders as `datasets.page_leads`, `datasets.reference` read them, and one
of single pictures (`cases`), of which those in `CASES` are asked for.
"""

import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from numpy.typing import NDArray

from ecgtrace.datasets.cut import BoxJitter, cut
from ecgtrace.datasets.drawn import Sheet
from ecgtrace.datasets.page_leads import PageLeads
from ecgtrace.datasets.reference import ReferenceCrops
from ecgtrace.digitization.scale import find_scale
from ecgtrace.drawing.printers import StyleSource
from ecgtrace.drawing.style import PageStyle
from ecgtrace.errors import GridNotFoundError
from ecgtrace.images import read_picture
from ecgtrace.records import SampleRecords
from ecgtrace.types import GridScale

Image = NDArray[np.uint8]
Truth = tuple[float, float] | None  # px per mm of x and y; None where there is no grid
Item = tuple[str, Image, Truth]

CONF = Path(__file__).resolve().parents[1] / "conf"
SHEETS = (Sheet("3x4"), Sheet("6x2"), Sheet("12x1"), Sheet("3x4", rhythm=True))
PLAIN, SCAN = (15.64, 15.64), (8.0, 8.0)
EVEN = (5034 / 250, 5034 / 250)  # 5034 px show 10 s, by the sampling rate of their repository
CASES: dict[str, tuple[float, float]] = {
    "pixels-2-to-1.png": (7.82, 15.64),
    "plain.png": PLAIN,
    "upside-down.png": PLAIN,
    "white-on-black.png": PLAIN,
    "fax204x98.png": (204 / 25.4, 98 / 25.4),
    "darkgrid.png": SCAN,
    "fax_grid.tif": SCAN,
    "monitor.png": SCAN,
    "pad_left_black.png": SCAN,
    "even-grid-1.png": EVEN,
    "even-grid-6.png": EVEN,
}


def _resized(factor_x: float, factor_y: float, how: int) -> Callable[[Item], Item]:
    def change(item: Item) -> Item:
        name, image, truth = item
        size = (round(image.shape[1] * factor_x), round(image.shape[0] * factor_y))
        resized = np.asarray(cv2.resize(image, size, interpolation=how), np.uint8)
        true_x, true_y = truth or (1.0, 1.0)
        fx, fy = size[0] / image.shape[1], size[1] / image.shape[0]
        return name, resized, truth and (true_x * fx, true_y * fy)

    return change


def _bilevel(item: Item) -> Item:
    name, image, truth = item
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    level = float(np.random.default_rng(zlib.crc32(name.encode())).uniform(0.65, 0.95)) * np.median(grey)
    return name, np.repeat(np.where(grey < level, 0, 255).astype(np.uint8)[..., None], 3, 2), truth


def _contrast(item: Item) -> Item:
    name, image, truth = item
    level = np.median(image.reshape(-1, 3), axis=0)
    return name, np.clip(level + 4 * (image.astype(float) - level), 0, 255).astype(np.uint8), truth


def _sharpened(item: Item) -> Item:
    name, image, truth = item
    blurred = cv2.GaussianBlur(image, (0, 0), 2)
    return name, np.asarray(cv2.addWeighted(image, 4, blurred, -3, 0), np.uint8), truth


def _padded(item: Item) -> Item:
    name, image, truth = item
    black = image.shape[0] // 4
    return name, np.asarray(cv2.copyMakeBorder(image, 0, 0, black, 0, cv2.BORDER_CONSTANT), np.uint8), truth


CHANGES: dict[str, Callable[[Item], Item]] = {
    "": lambda item: item,
    "x2 linear": _resized(2, 2, cv2.INTER_LINEAR),
    "x2 nearest": _resized(2, 2, cv2.INTER_NEAREST),
    "x3 linear": _resized(3, 3, cv2.INTER_LINEAR),
    "x3 nearest": _resized(3, 3, cv2.INTER_NEAREST),
    "x4 linear": _resized(4, 4, cv2.INTER_LINEAR),
    "x5 nearest": _resized(5, 5, cv2.INTER_NEAREST),
    "x half": _resized(0.5, 1, cv2.INTER_AREA),
    "y half": _resized(1, 0.5, cv2.INTER_AREA),
    "1 bit": _bilevel,
    "contrast": _contrast,
    "sharpened": _sharpened,
    "black beside": _padded,
}


def drawn(printer: StyleSource, n: int, seed: int = 0) -> Iterator[Item]:
    """Draw leads of the sample records, each on a page of its own."""
    records = SampleRecords()
    ids = records.split_ids("val") + records.split_ids("train")
    for i in range(n):
        rng = np.random.default_rng([seed, i])
        style = printer.draw_style(rng)
        sheet = SHEETS[int(rng.integers(len(SHEETS)))]
        plan = sheet.plan(records.load(ids[i % len(ids)]), style)
        target = int(rng.integers(len(plan.traces)))
        crop = cut(plan, target, f"{i}", rng, BoxJitter(3.0).box(plan, target, rng))
        yield f"{i} {sheet.name}", crop.image, (style.px_per_mm, style.px_per_mm) if _ruled(style) else None


def _ruled(style: PageStyle) -> bool:
    """Tell whether lines are left on the page: one bit for each pixel keeps the dark ones alone."""
    colours = [colour for colour in (style.grid_major, style.grid_minor) if colour is not None]
    level = style.degradation.bilevel
    dark = [level is None or np.dot((0.299, 0.587, 0.114), colour) < 255 * level for colour in colours]
    return any(dark)


def outcome(item: Item, scale: GridScale | None) -> tuple[str, float]:
    """Name what came of a crop, and the larger of the two errors."""
    _, _, truth = item
    if scale is None:
        return "refused", np.nan
    if truth is None:
        return ("doubt", np.nan) if scale.doubts else ("wrong", np.nan)
    error = max(abs(scale.px_per_mm_x / truth[0] - 1), abs(scale.px_per_mm_y / truth[1] - 1))
    if error <= 0.01:
        return ("0.5 %" if error <= 0.005 else "1 %"), error
    return ("doubt" if scale.doubts else "wrong"), error


def check(source: str, items: Iterator[Item], tell: bool) -> None:
    """Find the scale of each crop and print the shares."""
    count: Counter[str] = Counter()
    errors, seconds, doubted = [], [], 0
    for item in items:
        start = time.process_time()
        try:
            scale = find_scale(item[1])
        except GridNotFoundError:
            scale = None
        seconds.append(time.process_time() - start)
        what, error = outcome(item, scale)
        what = "no grid" if what == "refused" and item[2] is None else what
        count[what] += 1
        if what in ("0.5 %", "1 %"):
            errors.append(error)
            doubted += bool(scale and scale.doubts)
        elif tell and what != "no grid":
            height, width = item[1].shape[:2]
            found = scale and f"{scale.px_per_mm_x:.3f} {scale.px_per_mm_y:.3f} {scale.confidence:.2f}"
            more = scale and (scale.assumptions, scale.doubts)
            print(f"    {what}: {source} {item[0]} {width}x{height} true {item[2]} found {found} {more}")
    n = sum(count.values())
    if not n:
        return
    good = count["0.5 %"] + count["1 %"] + count["no grid"]
    typical = 100 * float(np.median(errors)) if errors else float("nan")
    print(
        f"{source:28s} n={n:3d}  within 0.5 % {100 * (good - count['1 %']) / n:5.1f}"
        f"  1 % {100 * good / n:5.1f}  wrong {count['wrong']:3d}"
        f"  doubtful {count['doubt']:3d}  refused {count['refused']:3d}"
        f"  right with doubt {doubted:3d}  median {typical:.3f} %"
        f"  {1e3 * np.median(seconds):.0f} ms, at most {1e3 * max(seconds):.0f} ms",
        flush=True,
    )


def changed(items: Callable[[], Iterator[Item]], name: str, step: int, tell: bool) -> None:
    """Check a source as it is, and every `step`-th crop of it changed."""
    for label, change in CHANGES.items():
        every = step if label else 1
        some = (item for i, item in enumerate(items()) if i % every == 0)
        check(f"{name} {label}".strip(), (change(item) for item in some), tell)


def main() -> None:
    """Check all sources that were given."""
    options = dict(argument.split("=", 1) for argument in sys.argv[1:])
    n, tell = int(options.get("n", 20)), options.get("list") == "1"
    seed = int(options.get("seed", 0))
    with initialize_config_dir(str(CONF), version_base=None):
        for name in sorted(path.stem for path in (CONF / "printer").glob("*.yaml")):
            if name == "mixed":
                continue
            config = compose("generate", overrides=[f"+printer={name}"])
            printer = instantiate(config.printer)
            check(f"printer {name}", drawn(printer, n, seed), tell)
    if "page_leads" in options:
        leads = PageLeads(options["page_leads"])
        square = (_truth(crop.crop_id, crop.image, crop.px_per_mm) for crop in leads)
        listed = list(square)
        changed(lambda: iter(listed), "page leads", 4, tell)
    if "reference" in options:
        crops = [
            _truth(crop.crop_id, crop.image, crop.px_per_mm) for crop in ReferenceCrops(options["reference"])
        ]
        changed(lambda: iter(crops), "reference", 2, tell)
    if "cases" in options:
        root = Path(options["cases"])
        check("cases", ((name, read_picture(root / name).rgb, truth) for name, truth in CASES.items()), tell)


def _truth(name: str, image: Image, px_per_mm: float) -> Item:
    return name, image, (px_per_mm, px_per_mm)


if __name__ == "__main__":
    main()
