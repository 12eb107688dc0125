"""Pages of ECGs that are cut, doubled, turned or seen in a window, and single leads: drawn from a sample."""

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.drawing.page_design import PageDesign
from ecgtrace.drawing.page_layouts import page_layout
from ecgtrace.drawing.page_plan import plan_page
from ecgtrace.drawing.page_render import Scan, draw_picture
from ecgtrace.drawing.page_words import Text
from ecgtrace.drawing.style import PageStyle
from ecgtrace.page_sets.no_ecg import PX_PER_MM, write
from ecgtrace.records import SampleRecords

Image = NDArray[np.uint8]

_LEFT_MM, _TOP_MM, _ROW_MM = 22.0, 60.0, 34.0
_WIDTH_MM, _HEIGHT_MM = 297.0, 210.0


@lru_cache(maxsize=8)
def _drawn(px_per_mm: float, record: int) -> Image:
    records = SampleRecords()
    signal = records.load(records.split_ids("val")[record])
    style = PageStyle(
        px_per_mm=px_per_mm,
        grid_major=(232, 150, 150),
        grid_minor=(246, 212, 212),
        grid_width_mm=0.2,
        font="sans",
        name_offset_mm=9.0,
    )
    texts = (
        Text("ID 000000   10:14", 15, 12, 3, "sans", (0, 0, 0)),
        Text("25 mm/s   10 mm/mV   0.05-150 Hz", 15, 202, 2.5, "sans", (0, 0, 0)),
    )
    layout = page_layout("3x4", strips=("II",))
    design = PageDesign(
        style=style,
        layout=layout,
        width_mm=_WIDTH_MM,
        height_mm=_HEIGHT_MM,
        left_mm=_LEFT_MM,
        top_mm=_TOP_MM,
        row_zero_mm=tuple(_ROW_MM * k for k in range(4)),
        pulses="left",
        bars="cells",
        texts=texts,
    )
    return draw_picture(plan_page(signal, design), Scan(), np.random.default_rng(0))


def page(px_per_mm: float = PX_PER_MM, record: int = 0) -> Image:
    """Draw a page of 3x4 leads and a strip, as most recorders print them."""
    return _drawn(px_per_mm, record).copy()


def lead() -> Image:
    """Cut the strip of a page out, as a hand does."""
    return page()[_px(_TOP_MM + 2.55 * _ROW_MM) : _px(_TOP_MM + 3.4 * _ROW_MM), _px(_LEFT_MM - 1) :]


def part(x0: float, y0: float, x1: float, y1: float) -> Image:
    """Cut a part out of a page; limits are shares of its width and height."""
    image = page()
    height, width = image.shape[:2]
    return image[round(y0 * height) : round(y1 * height), round(x0 * width) : round(x1 * width)]


def side_by_side() -> Image:
    """Lay two pages beside each other."""
    return np.hstack([page(), page(record=1)])


def one_above_the_other() -> Image:
    """Lay two pages one above the other."""
    return np.vstack([page(), page(record=1)])


def at_two_scales() -> Image:
    """Lay a page beside one copied at 7/10 of its size."""
    large, small = page(), page(0.7 * PX_PER_MM, 1)
    under = np.full((large.shape[0], small.shape[1], 3), 255, np.uint8)
    under[: len(small)] = small
    return np.hstack([large, under])


def apart() -> Image:
    """Lay two pages on a dark table, with a gap."""
    gap = np.full((len(page()), _px(25), 3), 70, np.uint8)
    return np.hstack([gap, page(), gap, page(record=1), gap])


def in_a_window() -> Image:
    """Show a page in the window of a viewer."""
    own = page()
    height, width = own.shape[:2]
    image = np.full((height + 160, width + 300, 3), 45, np.uint8)
    image[:60] = 225
    image[110 : 110 + height, 250 : 250 + width] = own
    for k, word in enumerate(("File", "Edit", "View", "Tools", "Help")):
        write(image, word, 3 + 18 * k, 6.5, 2.4)
    for k in range(8):
        cv2.rectangle(image, (20, 120 + 70 * k), (220, 175 + 70 * k), (90, 90, 90), -1)
    return image


ODD_PAGES: dict[str, Callable[[], Image]] = {
    "page": page,
    "page upside down": lambda: np.ascontiguousarray(page()[::-1, ::-1]),
    "page on its side": lambda: np.ascontiguousarray(np.rot90(page())),
    "page in a window": in_a_window,
    "page, mirrored": lambda: np.ascontiguousarray(page()[:, ::-1]),
    "page, mirrored and upside down": lambda: np.ascontiguousarray(page()[::-1]),
    "upper part of a page": lambda: part(0, 0, 1, 0.5),
    "lower part of a page": lambda: part(0, 0.46, 1, 1),
    "left part of a page": lambda: part(0, 0, 0.4, 1),
    "right part of a page": lambda: part(0.4, 0, 1, 1),
    "two pages side by side": side_by_side,
    "two pages one above the other": one_above_the_other,
    "two pages at two scales": at_two_scales,
    "two pages on a table": apart,
    "lead": lead,
    "lead on its side": lambda: np.ascontiguousarray(np.rot90(lead())),
}


def _px(mm: float) -> int:
    return round(mm * PX_PER_MM)
