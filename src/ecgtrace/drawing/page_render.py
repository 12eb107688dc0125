"""From the plan of a whole page to its picture: paper, grid, ink, light, turn, degradation."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.drawing.lettering import print_text, text_box
from ecgtrace.drawing.page_plan import PagePlan
from ecgtrace.drawing.page_words import Text
from ecgtrace.drawing.render import add_stroke, as_plotted, blend, draw_grid
from ecgtrace.drawing.style import Color, PageStyle
from ecgtrace.types import FloatArray

Matrix = FloatArray  # shape (2, 3), from px of the plan to px of a picture


@dataclass(frozen=True)
class Scan:
    """
    How a page lies in its picture, and in which light.

    Attributes
    ----------
    turn_deg : float
        Counter-clockwise, about the middle of the page; the picture grows to hold all of it.
    border : tuple of int
        RGB of what lies around a turned page, as the lid of the scanner.
    border_mm : float
        Of it to be seen on each side beyond what the turn shows.
    shade : tuple of float
        Light at the four corners, 1 where nothing is lost: upper left, upper right, lower left, lower right.
    """

    turn_deg: float = 0.0
    border: Color = (255, 255, 255)
    border_mm: float = 0.0
    shade: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)

    def matrix(self, plan: PagePlan) -> tuple[Matrix, tuple[int, int]]:
        """Return the map from px of the plan to px of the picture, and the picture's (width, height)."""
        pad = self.border_mm * plan.style.px_per_mm
        middle = ((plan.width - 1) / 2, (plan.height - 1) / 2)
        matrix = np.asarray(cv2.getRotationMatrix2D(middle, self.turn_deg, 1.0), float)
        cos, sin = abs(matrix[0, 0]), abs(matrix[0, 1])
        width = plan.width * cos + plan.height * sin + 2 * pad
        height = plan.width * sin + plan.height * cos + 2 * pad
        size = (int(np.ceil(width - 1e-6)), int(np.ceil(height - 1e-6)))
        matrix[:, 2] += ((size[0] - 1) / 2 - middle[0], (size[1] - 1) / 2 - middle[1])
        return matrix, size


def draw_picture(plan: PagePlan, scan: Scan, rng: np.random.Generator) -> NDArray[np.uint8]:
    """
    Draw a whole page as a scanner gives it.

    Parameters
    ----------
    plan : PagePlan
    scan : Scan
    rng : numpy.random.Generator
        For noise.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        RGB, of the size that `scan.matrix(plan)` gives.
    """
    style = plan.style
    image = _paper(plan)
    for ink, cover in _inks(plan).items():
        blend(image, as_plotted(cover, style), ink)
    if any(value != 1 for value in scan.shade):
        corners = np.array(scan.shade, np.float32).reshape(2, 2)
        light = cv2.resize(corners, (plan.width, plan.height), interpolation=cv2.INTER_LINEAR)
        image = np.asarray(cv2.multiply(image, cv2.merge([light] * 3), dtype=cv2.CV_8U), np.uint8)
    if scan.turn_deg or scan.border_mm:
        matrix, size = scan.matrix(plan)
        image = np.asarray(
            cv2.warpAffine(image, matrix, size, flags=cv2.INTER_CUBIC, borderValue=scan.border), np.uint8
        )
    return style.degradation.apply(image, rng)


def words(plan: PagePlan) -> list[tuple[Text, bool]]:
    """Return all that is written on a page, and whether it is a lead's name."""
    style = plan.style
    scale = 1 / style.px_per_mm
    names = [
        Text(n.text, n.x * scale, n.y * scale, style.name_height_mm, style.font, style.name_ink or style.ink)
        for n in plan.names
    ]
    return [(text, True) for text in names] + [(text, False) for text in plan.texts]


def word_box(text: Text, style: PageStyle) -> tuple[int, int, int, int]:
    """Return the box of a line of text in px of the plan."""
    return text_box(*_lettering(text, style))


def words_ink(plan: PagePlan, ink: Color | None = None) -> NDArray[np.uint8]:
    """Draw what is written, in one colour or in all of them: share of each px of the plan, 0 to 255."""
    cover = np.zeros((plan.height, plan.width), np.uint8)
    for text, _ in words(plan):
        if ink is None or text.ink == ink:
            print_text(cover, *_lettering(text, plan.style))
    return cover


def _lettering(text: Text, style: PageStyle) -> tuple[str, str, float, float, float, float]:
    x, y = style.px(text.x_mm), style.px(text.y_mm)
    return text.text, text.font, style.px(text.height_mm), style.line_width_px, x, y


def _inks(plan: PagePlan) -> dict[Color, NDArray[np.uint8]]:
    """Draw all ink, colour by colour, the traces' last."""
    style, box = plan.style, (0, 0, plan.width, plan.height)
    own: Color = style.ink
    covers = {
        ink: words_ink(plan, ink)
        for ink in dict.fromkeys([text.ink for text, _ in words(plan)] + [s.ink for s in plan.strokes])
        if ink != own
    }
    covers[own] = words_ink(plan, own)
    for stroke in plan.strokes:
        add_stroke(covers[stroke.ink], stroke.polyline, stroke.width_px, box)
    for trace in plan.traces:
        add_stroke(covers[own], trace.polyline, style.line_width_px, box)
    return covers


def _paper(plan: PagePlan) -> NDArray[np.uint8]:
    style = plan.style
    if plan.grid_area is None:
        return draw_grid(style, (0, 0, plan.width, plan.height))
    image = np.empty((plan.height, plan.width, 3), np.uint8)
    image[:] = style.paper
    half = style.px(style.grid_major_width_mm or style.grid_width_mm) / 2
    x0, y0, x1, y1 = plan.grid_area
    left, top = max(0, round(x0 - half)), max(0, round(y0 - half))
    right, bottom = min(plan.width, round(x1 + half) + 1), min(plan.height, round(y1 + half) + 1)
    image[top:bottom, left:right] = draw_grid(style, (left, top, right, bottom))
    return image
