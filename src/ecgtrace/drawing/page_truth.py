"""
What a network is to see on a whole page: of each target pixel what ink it is, and how far its zero line is.

Targets have their own resolution, coarser than the picture's. A trace is drawn at least one target pixel
wide, so that it stays one line: at 4 px/mm, ink is thinner than that.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.drawing.page_plan import TEXT, TRACE, PagePlan
from ecgtrace.drawing.page_render import Matrix, word_box, words, words_ink
from ecgtrace.drawing.page_words import OTHER_LEADS
from ecgtrace.drawing.render import add_stroke
from ecgtrace.types import FloatArray
from ecgtrace.units import LEADS

TARGET_PX_PER_MM = 4.0
# A quarter: a line one px wide covers half of each of two px that it runs between, and more than this of the
# pixels along its middle on any slope.
COVERED = 64
NAME_CLASSES = (*LEADS, "-aVR", "other")


@dataclass(frozen=True)
class NameBox:
    """A printed lead name: its class, one of `NAME_CLASSES`, and its box in target px."""

    name: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, eq=False)
class PageTargets:
    """
    Truth of a whole page at the resolution of a network.

    Attributes
    ----------
    classes : ndarray of uint8, shape (height, width)
        0 nothing, 1 a trace, 2 a calibration pulse, 3 a bar between columns or the jump from one column to
        the next, 4 text, frames and other print. A trace wins, then the smaller number.
    row_offset_mm : ndarray of float32, shape (height, width)
        Where there is ink of the traces of one row alone: how far *below* this pixel the zero line of its row
        is, in mm (negative: above). NaN elsewhere.
    names : tuple of NameBox
        Names that lie on the picture; x and y are the middle of the box.
    px_per_mm : float
        Of the targets.
    """

    classes: NDArray[np.uint8]
    row_offset_mm: NDArray[np.float32]
    names: tuple[NameBox, ...]
    px_per_mm: float


@dataclass(frozen=True, eq=False)
class RowInk:
    """
    The ink of one row of traces, shape (height, width) of bool, and its zero line.

    In px of the targets: at column x it lies at `zero_y + slope * x`.
    """

    ink: NDArray[np.bool_]
    zero_y: float
    slope: float


def page_targets(
    plan: PagePlan,
    matrix: Matrix,
    size: tuple[int, int],
    px_per_mm_x: float,
    px_per_mm_y: float,
    target_px_per_mm: float = TARGET_PX_PER_MM,
) -> PageTargets:
    """
    Draw the targets of a page.

    Parameters
    ----------
    plan : PagePlan
    matrix : ndarray of float, shape (2, 3)
        From px of the plan to px of the picture (`Scan.matrix`).
    size : tuple of int
        (width, height) of the picture.
    px_per_mm_x, px_per_mm_y : float
        What the picture's resolution is taken to be: the picture is resampled from it to the targets'. An
        error of it stays in the targets, whose mm are those of the resampled picture.
    target_px_per_mm : float, optional

    Returns
    -------
    PageTargets
        Of shape (round(height * target / px_per_mm_y), round(width * target / px_per_mm_x)).
    """
    whole, (width, height) = _placed(matrix, size, px_per_mm_x, px_per_mm_y, target_px_per_mm)
    box = (0, 0, width, height)
    shrink = _shrink(whole)

    classes = np.zeros((height, width), np.uint8)
    classes[_warped(words_ink(plan), whole, (width, height)) >= COVERED] = TEXT
    for kind in sorted({stroke.kind for stroke in plan.strokes}, reverse=True):
        ink = np.zeros((height, width), np.uint8)
        for stroke in plan.strokes:
            if stroke.kind == kind:
                add_stroke(ink, _mapped(stroke.polyline, whole), max(stroke.width_px * shrink, 1.0), box)
        classes[ink >= COVERED] = kind

    offset = np.full((height, width), np.nan, np.float32)
    rows_here = np.zeros((height, width), np.uint8)
    for row in _row_inks(plan, whole, (width, height)):
        y, x = np.nonzero(row.ink)
        offset[y, x] = (row.zero_y + row.slope * x - y) / target_px_per_mm
        rows_here += row.ink
    classes[rows_here > 0] = TRACE
    offset[rows_here != 1] = np.nan
    return PageTargets(classes, offset, _names(plan, whole, (width, height)), target_px_per_mm)


def row_inks(
    plan: PagePlan,
    matrix: Matrix,
    size: tuple[int, int],
    px_per_mm_x: float,
    px_per_mm_y: float,
    target_px_per_mm: float,
) -> tuple[list[RowInk], NDArray[np.bool_]]:
    """
    Draw the ink of each row of a page, and what is printed beside traces.

    Parameters
    ----------
    plan, matrix, size, px_per_mm_x, px_per_mm_y, target_px_per_mm
        As of `page_targets`.

    Returns
    -------
    (list of RowInk, ndarray of bool, shape (height, width))
        From the top; and names, pulses, bars, all other print.
    """
    whole, (width, height) = _placed(matrix, size, px_per_mm_x, px_per_mm_y, target_px_per_mm)
    shrink = _shrink(whole)
    printed = _warped(words_ink(plan), whole, (width, height))
    for stroke in plan.strokes:
        line = _mapped(stroke.polyline, whole)
        add_stroke(printed, line, max(stroke.width_px * shrink, 1.0), (0, 0, width, height))
    return _row_inks(plan, whole, (width, height)), printed >= COVERED


def _placed(
    matrix: Matrix, size: tuple[int, int], px_per_mm_x: float, px_per_mm_y: float, target_px_per_mm: float
) -> tuple[Matrix, tuple[int, int]]:
    """Return the map from px of the plan to those of the targets, and the targets' (width, height)."""
    scale = np.array([target_px_per_mm / px_per_mm_x, target_px_per_mm / px_per_mm_y])
    width, height = (round(v) for v in (np.array(size) * scale).tolist())
    # Pixel k of the picture reaches from k - 0.5 to k + 0.5.
    whole = matrix * scale[:, None]
    whole[:, 2] += 0.5 * scale - 0.5
    return whole, (width, height)


def _row_inks(plan: PagePlan, whole: Matrix, size: tuple[int, int]) -> list[RowInk]:
    width, height = size
    line_px = max(plan.style.line_width_px * _shrink(whole), 1.0)
    rows = []
    for row in sorted({trace.row for trace in plan.traces}):
        own = [trace for trace in plan.traces if trace.row == row]
        ink = np.zeros((height, width), np.uint8)
        for trace in own:
            add_stroke(ink, _mapped(trace.polyline, whole), line_px, (0, 0, width, height))
        zero = _mapped(np.array([[0.0, own[0].zero_y], [float(plan.width), own[0].zero_y]]), whole)
        slope = float((zero[1, 1] - zero[0, 1]) / (zero[1, 0] - zero[0, 0]))
        rows.append(RowInk(ink >= COVERED, float(zero[0, 1] - slope * zero[0, 0]), slope))
    return rows


def name_class(name: str) -> str:
    """Return the class of a lead's name: itself, or "other"."""
    return "other" if name in OTHER_LEADS else name


def _shrink(matrix: Matrix) -> float:
    """What a stroke's width becomes: the plan's px are square, and the axes differ by a percent or two."""
    return float(np.sqrt(np.abs(np.linalg.det(matrix[:, :2]))))


def _mapped(points: FloatArray, matrix: Matrix) -> FloatArray:
    return points @ matrix[:, :2].T + matrix[:, 2]


def _warped(ink: NDArray[np.uint8], matrix: Matrix, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Map ink to the targets, each pixel the mean of what it covers: letters are thin strokes, too."""
    shrink = _shrink(matrix)
    factor = max(1, round(1 / shrink))
    if factor > 1:
        height, width = (-(-n // factor) * factor for n in ink.shape)
        padded = cv2.copyMakeBorder(
            ink, 0, height - ink.shape[0], 0, width - ink.shape[1], cv2.BORDER_CONSTANT, value=0
        )
        small = cv2.resize(padded, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
        ink = np.asarray(small, np.uint8)
        matrix = np.concatenate(
            [matrix[:, :2] * factor, matrix[:, 2:] + matrix[:, :2].sum(1, keepdims=True) * (factor - 1) / 2],
            axis=1,
        )
    return np.asarray(cv2.warpAffine(ink, matrix, size, flags=cv2.INTER_LINEAR), np.uint8)


def _names(plan: PagePlan, matrix: Matrix, size: tuple[int, int]) -> tuple[NameBox, ...]:
    boxes = []
    names = [text for text, is_name in words(plan) if is_name]
    for label, text in zip(plan.names, names, strict=True):
        x0, y0, x1, y1 = word_box(text, plan.style)
        # A box counts from corners, a polyline from the middle of the first pixel.
        middle = _mapped(np.array([[(x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2]]), matrix)[0]
        if 0 <= middle[0] < size[0] and 0 <= middle[1] < size[1]:
            width, height = (x1 - x0) * matrix[0, 0], (y1 - y0) * matrix[1, 1]
            kind = name_class(plan.traces[label.trace].cell.name)
            boxes.append(NameBox(kind, float(middle[0]), float(middle[1]), float(width), float(height)))
    return tuple(boxes)
