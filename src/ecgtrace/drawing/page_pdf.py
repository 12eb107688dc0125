"""From the plan of a whole page to a vector PDF, as programs of machines write them: lines and letters."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure

from ecgtrace.drawing.layout import Bounds
from ecgtrace.drawing.page_plan import PagePlan
from ecgtrace.drawing.page_render import words
from ecgtrace.types import FloatArray
from ecgtrace.units import LARGE_SQUARE_MM, MM_PER_INCH, POINTS_PER_INCH

Colour = str | tuple[float, ...]  # as matplotlib takes them

_CAPITAL = 0.729  # height of a capital of DejaVu Sans, in sizes of the font


class PdfPage:
    """A page to draw on; lengths in mm of paper from its upper left corner, y down."""

    def __init__(self, width_mm: float, height_mm: float) -> None:
        self.figure = Figure(figsize=(width_mm / MM_PER_INCH, height_mm / MM_PER_INCH))
        FigureCanvasPdf(self.figure)
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, width_mm), ylim=(height_mm, 0))
        self.axes.axis("off")

    def line(self, points_mm: FloatArray, colour: Colour, width_mm: float) -> None:
        """Draw a line through points, shape (n, 2); NaN lifts the pen."""
        width = width_mm / MM_PER_INCH * POINTS_PER_INCH
        self.axes.plot(*points_mm.T, color=colour, linewidth=width, solid_capstyle="butt")

    def letters(
        self, x_mm: float, y_mm: float, text: str, size_pt: float, colour: Colour = "black", turn: float = 0
    ) -> None:
        """Write from the left end of a baseline, turned counter-clockwise by `turn` degrees."""
        written = self.axes.text(x_mm, y_mm, text, fontsize=size_pt, color=colour, parse_math=False)
        written.set(rotation=turn, rotation_mode="anchor", ha="left", va="baseline")


@contextmanager
def pdf_page(
    target: Path | IO[bytes], width_mm: float, height_mm: float, outlines: bool = False
) -> Iterator[PdfPage]:
    """
    Open a page, and write it at the end with all vertices of its lines; the same drawing is the same file.

    Parameters
    ----------
    target : Path or file
    width_mm, height_mm : float
    outlines : bool, optional
        Letters as outlines (Type 3) in place of a typeface (Type 42).
    """
    own: dict[Any, Any] = {
        "path.simplify": False,
        "pdf.fonttype": 3 if outlines else 42,
        "font.family": "DejaVu Sans",
    }
    with mpl.rc_context(own):
        page = PdfPage(width_mm, height_mm)
        yield page
        page.figure.savefig(target, format="pdf", metadata={"CreationDate": None})


def draw_pdf(plan: PagePlan, target: Path | IO[bytes]) -> None:
    """
    Draw a whole page as vectors, in the size of the paper.

    Parameters
    ----------
    plan : PagePlan
        Its typefaces all become DejaVu Sans; a degradation has nothing to degrade.
    target : Path or file
    """
    design, style = plan.design, plan.style
    with pdf_page(target, design.width_mm, design.height_mm) as page:
        area = plan.grid_area or (0.0, 0.0, float(plan.width), float(plan.height))
        phase = style.margins_mm[2] % LARGE_SQUARE_MM if plan.grid_area is None else 0.0
        x0, y0, x1, y1 = (value / style.px_per_mm for value in area)
        minor, major = style.grid_width_mm, style.grid_major_width_mm or style.grid_width_mm
        for step, colour, width in (
            (1.0, style.grid_minor, minor),
            (LARGE_SQUARE_MM, style.grid_major, major),
        ):
            if colour is not None:
                for lines in ruled((x0, y0 + phase % step, x1, y1), step):
                    page.line(lines, _rgb(colour), width)
        for stroke in plan.strokes:
            mm = style.px_per_mm
            page.line(stroke.polyline / mm, _rgb(stroke.ink), stroke.width_px / mm)
        for text, _ in words(plan):
            size = text.height_mm / _CAPITAL / MM_PER_INCH * POINTS_PER_INCH
            page.letters(text.x_mm, text.y_mm, text.text, size, _rgb(text.ink))
        for trace in plan.traces:
            page.line(trace.polyline / style.px_per_mm, _rgb(style.ink), style.line_width_mm)


def ruled(area_mm: Bounds, step_mm: float) -> tuple[FloatArray, FloatArray]:
    """Return the lines of a grid from edge to edge of an area: those down and those across, a path each."""
    x0, y0, x1, y1 = area_mm
    x, y = (np.arange(low, high + 0.1 * step_mm, step_mm) for low, high in ((x0, x1), (y0, y1)))
    return _joined(x, np.full(len(x), y0), x, np.full(len(x), y1)), _joined(
        np.full(len(y), x0), y, np.full(len(y), x1), y
    )


def _joined(x0: FloatArray, y0: FloatArray, x1: FloatArray, y1: FloatArray) -> FloatArray:
    """Join lines to one path, the pen lifted between them."""
    lift = np.full(len(x0), np.nan)
    return np.stack([np.stack([x0, x1, lift], 1).ravel(), np.stack([y0, y1, lift], 1).ravel()], axis=1)


def _rgb(ink: tuple[int, int, int]) -> Colour:
    return tuple(value / 255 for value in ink)
