"""A picture to check a result by eye: the trace laid on the image, the signal below."""

import textwrap
from pathlib import Path

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator
from numpy.typing import NDArray

from ecgtrace.digitization.ink import runs
from ecgtrace.recording import Recording
from ecgtrace.types import LeadSignal
from ecgtrace.units import MV_PER_LARGE_SQUARE, S_PER_LARGE_SQUARE

_TRACE_COLOUR = "#E69F00"  # Okabe and Ito's: safe for colour-blind readers, seen on ink and on paper
_SIGNAL_COLOUR = "#0072B2"
_LOST_COLOUR = "#CC79A7"  # behind stretches that were not recovered
_DOUBT_COLOUR = "#D55E00"
_LEAD_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")  # neighbours differ
_LINE_LENGTH = 130  # characters of the smallest print across the picture
_DPI = 130
_WIDTH_INCH, _PAGE_WIDTH_INCH = 10.0, 14.0
_MAX_WIDTH_PX = 4000  # of the image as drawn; more cannot be seen at this size


def draw_overlay(rgb: NDArray[np.uint8], signal: LeadSignal, title: str, path: Path) -> None:
    """
    Write a PNG with the image and the trace found in it, and the signal below.

    Doubts stand above it in words, notes in small print. Stretches where the trace was not recovered are
    tinted, in the image and in the signal.

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
    for begin, end in _lost_px(signal):
        picture.axvspan(begin - 0.5, end - 0.5, color=_LOST_COLOUR, alpha=0.35, linewidth=0)
    picture.axvline(signal.start_px, color=_TRACE_COLOUR, linewidth=0.8, linestyle=":")
    square = ", square assumed" if signal.scale.square_assumed else ""
    picture.set_title(
        f"{title}: {signal.scale.px_per_mm_x:.3f} x {signal.scale.px_per_mm_y:.3f} px/mm "
        f"(confidence {signal.scale.confidence:.2f}{square})",
        fontsize=9,
        loc="left",
        parse_math=False,
    )
    lost = "; tinted: not recovered" if np.isnan(signal.amplitude_mv).any() else ""
    picture.set_xlabel(f"x (px); dotted: time 0{lost}", fontsize=8)
    picture.set_ylabel("y (px)", fontsize=8)

    for begin, end in runs(np.isnan(signal.amplitude_mv)):
        below.axvspan(begin / signal.fs_hz, end / signal.fs_hz, color=_LOST_COLOUR, alpha=0.35, linewidth=0)
    below.plot(signal.time_s, signal.amplitude_mv, color=_SIGNAL_COLOUR, linewidth=1.0)
    if signal.time_s[-1] <= 12:  # of longer ones the squares would be a grey field
        below.xaxis.set_minor_locator(MultipleLocator(S_PER_LARGE_SQUARE))
        below.grid(color="0.9", linewidth=0.6, which="both")
    if np.nanmax(np.abs(signal.amplitude_mv), initial=0.0) <= 5:
        below.yaxis.set_major_locator(MultipleLocator(MV_PER_LARGE_SQUARE))
    below.margins(x=0)
    below.set_xlabel("time (s)", fontsize=8)
    below.set_ylabel("amplitude (mV),\nmedian subtracted", fontsize=8)
    verdict = f"{signal.status}: {'; '.join(signal.doubts)}" if signal.doubts else signal.status
    if signal.notes:
        verdict = f"{verdict} ({'; '.join(signal.notes)})"
    figure.suptitle(
        textwrap.fill(verdict, _LINE_LENGTH),
        x=0.01,
        ha="left",
        fontsize=9,
        color=_DOUBT_COLOUR if signal.doubts else "black",
        parse_math=False,
    )
    figure.savefig(path, dpi=_DPI)


def _lost_px(signal: LeadSignal) -> NDArray[np.int64]:
    """Columns without a trace between its first and its last, as begins and ends."""
    shown = np.isfinite(signal.row_px)
    inside = np.flatnonzero(shown)
    missing = ~shown
    if len(inside):
        missing[: inside[0]] = False
        missing[inside[-1] :] = False
    return runs(missing)


def draw_page_overlay(
    rgb: NDArray[np.uint8], recording: Recording, per_px: float, title: str, path: Path
) -> None:
    """
    Write a PNG with the picture of a page, the trace of each lead laid on it in a colour with its name.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)
    recording : Recording
        What was read of it.
    per_px : float
        The recording's units in a pixel: points, where the page is a rendering of vectors.
    title : str
    path : Path
    """
    height, width = rgb.shape[:2]
    size = (_PAGE_WIDTH_INCH, _PAGE_WIDTH_INCH * height / width + 0.8)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.imshow(rgb, extent=(0, width * per_px, height * per_px, 0), interpolation="antialiased")
    for index, lead in enumerate(recording.leads):
        colour = _LEAD_COLOURS[index % len(_LEAD_COLOURS)]
        for line in lead.paths:
            axes.plot(line[:, 0], line[:, 1], color=colour, linewidth=0.8)
            axes.annotate(
                lead.name, line[0], xytext=(0, 14), textcoords="offset points", color=colour, fontsize=8
            )
    axes.set_axis_off()
    verdict = f"{title}: {recording.layout}, {recording.status}"
    lines = [verdict, *textwrap.wrap("; ".join((*recording.doubts, *recording.notes)), _LINE_LENGTH)]
    axes.set_title("\n".join(lines), fontsize=8, loc="left")
    figure.savefig(path, dpi=_DPI)
