"""A picture to check a result by eye: the trace laid on the image, the signal below."""

from pathlib import Path

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator
from numpy.typing import NDArray

from ecgtrace.types import LeadSignal
from ecgtrace.units import MV_PER_LARGE_SQUARE, S_PER_LARGE_SQUARE

_TRACE_COLOUR = "#E69F00"  # Okabe and Ito's: safe for colour-blind readers, seen on ink and on paper
_SIGNAL_COLOUR = "#0072B2"
_DPI = 130
_WIDTH_INCH = 10.0
_MAX_WIDTH_PX = 4000  # of the image as drawn; more cannot be seen at this size


def draw_overlay(rgb: NDArray[np.uint8], signal: LeadSignal, title: str, path: Path) -> None:
    """
    Write a PNG with the image and the trace found in it, and the signal below.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)
    signal : LeadSignal
        What was digitized from it.
    title : str
    path : Path
    """
    height, width = rgb.shape[:2]
    picture_inch = float(np.clip(_WIDTH_INCH * height / width, 1.0, 6.0))
    figure = Figure(figsize=(_WIDTH_INCH, picture_inch + 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    picture, below = figure.subplots(2, 1, height_ratios=[picture_inch, 2.2])

    shown = rgb
    if width > _MAX_WIDTH_PX:
        size = (_MAX_WIDTH_PX, max(1, round(height * _MAX_WIDTH_PX / width)))
        shown = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    # The extent keeps the pixels of the file as the unit, centres at whole numbers.
    picture.imshow(shown, extent=(-0.5, width - 0.5, height - 0.5, -0.5), interpolation="antialiased")
    picture.plot(np.arange(len(signal.row_px)), signal.row_px, color=_TRACE_COLOUR, linewidth=1.2)
    picture.axvline(signal.start_px, color=_TRACE_COLOUR, linewidth=0.8, linestyle=":")
    square = ", square assumed" if signal.scale.square_assumed else ""
    picture.set_title(
        f"{title}: {signal.scale.px_per_mm_x:.3f} x {signal.scale.px_per_mm_y:.3f} px/mm "
        f"(confidence {signal.scale.confidence:.2f}{square})",
        fontsize=9,
        loc="left",
        parse_math=False,
    )
    picture.set_xlabel("x (px); dotted: time 0", fontsize=8)
    picture.set_ylabel("y (px)", fontsize=8)

    below.plot(signal.time_s, signal.amplitude_mv, color=_SIGNAL_COLOUR, linewidth=1.0)
    if signal.time_s[-1] <= 12:  # of longer ones the squares would be a grey field
        below.xaxis.set_minor_locator(MultipleLocator(S_PER_LARGE_SQUARE))
        below.grid(color="0.9", linewidth=0.6, which="both")
    if np.nanmax(np.abs(signal.amplitude_mv), initial=0.0) <= 5:
        below.yaxis.set_major_locator(MultipleLocator(MV_PER_LARGE_SQUARE))
    below.margins(x=0)
    below.set_xlabel("time (s)", fontsize=8)
    below.set_ylabel("amplitude (mV),\nmedian subtracted", fontsize=8)
    figure.savefig(path, dpi=_DPI)
