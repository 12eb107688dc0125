"""
What the notebooks need besides the package's own functions: commands, small pictures, ECG paper.

IPython is imported where something is displayed; the package itself does without it.
"""

import io
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator
from PIL import Image

from ecgtrace.errors import DataError, EcgTraceError
from ecgtrace.types import LeadSignal
from ecgtrace.units import GAIN_MM_PER_MV, MV_PER_LARGE_SQUARE, PAPER_SPEED_MM_PER_S, S_PER_LARGE_SQUARE

_CHECKOUT_HOLDS = ("train.py", "evaluate.py", "conf")
_LINES_KEPT = 15  # of a command that failed, for the error
_WIDTH_PX = 850
_DPI = 100  # a figure of 8.5 inch is as wide: its letters are not resampled
# Of a picture in a notebook; half the bytes of 256. Maximum coverage keeps the colours of thin lines, which
# the median cut gives up for more shades of the paper; k-means brings the paper back.
_COLOURS = 64
_KMEANS_STEPS = 3
_SMALL_S = S_PER_LARGE_SQUARE / 5
_SMALL_MV = MV_PER_LARGE_SQUARE / 5


def enter_checkout(start: Path | None = None) -> Path:
    """
    Make the folder of the project's checkout the working folder, so that commands work as in the README.

    Parameters
    ----------
    start : Path, optional
        Where to look: in this folder and all above. By default the working folder.

    Returns
    -------
    Path
        The checkout.

    Raises
    ------
    DataError
        If there is none.
    """
    first = (Path.cwd() if start is None else start).resolve()
    for folder in (first, *first.parents):
        if all((folder / name).exists() for name in _CHECKOUT_HOLDS):
            os.chdir(folder)
            return folder
    raise DataError(
        "this notebook needs a checkout of ecgtrace (train.py, conf/); clone it and open the notebook there"
    )


def run_command(*parts: str, last_lines: int | None = None) -> None:
    """
    Run a command of the project with this Python, and print what it prints.

    Paths below the working folder are printed relative to it.

    Parameters
    ----------
    *parts : str
        What one would type, in as many pieces as is convenient: "python train.py model=unet", "seed=1".

    last_lines : int, optional
        Print only so many lines, when it is done. By default all, as they come.

    Raises
    ------
    EcgTraceError
        If it ends with another exit code than 0; `!command` would go on.
    """
    command = " ".join(filter(None, parts))
    print(f"$ {command}", flush=True)
    program, *arguments = shlex.split(command)
    here = f"{Path.cwd()}{os.sep}"
    lines: list[str] = []
    with subprocess.Popen(
        [sys.executable if program == "python" else program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1"},  # else it asks a server for its newest version
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            shown = line.rstrip().replace(here, "")
            if last_lines is None:
                print(shown, flush=True)
            lines.append(shown)
    if process.returncode != 0:
        raise EcgTraceError(
            f"exit code {process.returncode} of: {command}\n" + "\n".join(lines[-_LINES_KEPT:])
        )
    if last_lines:
        print("\n".join(lines[-last_lines:]))


def small_png(picture: Figure | Path, width_px: int = _WIDTH_PX) -> bytes:
    """
    Render a figure, or shrink a picture file, to a PNG that keeps a notebook small.

    Parameters
    ----------
    picture : Figure or Path
    width_px : int, optional
        A wider picture is scaled down to it; a narrower one stays as it is.

    Returns
    -------
    bytes
        A PNG of at most 64 colours.
    """
    if isinstance(picture, Figure):
        rendered = io.BytesIO()
        picture.savefig(rendered, dpi=_DPI)
        image = Image.open(rendered).convert("RGB")
    else:
        image = Image.open(picture).convert("RGB")
    if image.width > width_px:
        height_px = max(1, round(image.height * width_px / image.width))
        image = image.resize((width_px, height_px), Image.Resampling.LANCZOS)
    png = io.BytesIO()
    small = image.quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, _KMEANS_STEPS, dither=Image.Dither.NONE)
    small.save(png, "PNG", optimize=True)
    return png.getvalue()


def show(*pictures: Figure | Path, width_px: int = _WIDTH_PX) -> None:
    """Display figures, or picture files, in a notebook as `small_png` makes them."""
    from IPython.display import Image as Displayed
    from IPython.display import display

    for picture in pictures:
        display(Displayed(small_png(picture, width_px)))


def show_artefacts(folder: Path, width_px: int = _WIDTH_PX) -> None:
    """
    Display the tables and figures of a reproduction, artefact by artefact.

    Parameters
    ----------
    folder : Path
        With a folder for each artefact, as `reproduce.py` leaves them: tables as Markdown, figures as PNG.
    width_px : int, optional
        As for `small_png`.

    Raises
    ------
    DataError
        If there is no artefact.
    """
    from IPython.display import Markdown, display

    artefacts = sorted(path for path in folder.glob("*") if path.is_dir())
    if not artefacts:
        raise DataError(f"{folder} holds no artefacts; python reproduce.py makes them")
    for artefact in artefacts:
        display(Markdown(f"### {artefact.name}"))
        for table in sorted(artefact.glob("*.md")):
            display(Markdown(table.read_text(encoding="utf-8")))
        show(*sorted(artefact.glob("*.png")), width_px=width_px)


def ecg_paper_figure(signal: LeadSignal, heading: str = "") -> Figure:
    """
    Draw a signal as ECG paper shows it: 25 mm/s and 10 mm/mV, so that squares are square.

    Parameters
    ----------
    signal : LeadSignal
        Samples that were not recovered leave a gap.
    heading : str, optional

    Returns
    -------
    Figure
        Small squares are 0.04 s and 0.1 mV, large ones 0.2 s and 0.5 mV. Of signals longer than 12 s only the
        large ones are drawn: small ones would be a grey field.
    """
    long = signal.time_s[-1] > 12
    top, bottom = _to_squares(np.nanmax(signal.amplitude_mv), np.nanmin(signal.amplitude_mv))
    right_s = np.ceil(signal.time_s[-1] / S_PER_LARGE_SQUARE) * S_PER_LARGE_SQUARE
    height_mm, width_mm = (top - bottom) * GAIN_MM_PER_MV, right_s * PAPER_SPEED_MM_PER_S
    width_inch = 8.5
    height_inch = float(np.clip((width_inch - 1.0) * height_mm / width_mm + 0.9, 1.8, 7.0))
    figure = Figure(figsize=(width_inch, height_inch), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    axis.plot(signal.time_s, signal.amplitude_mv, color="#000000", linewidth=1.2)
    axis.set(xlim=(0, right_s), ylim=(bottom, top), aspect=GAIN_MM_PER_MV / PAPER_SPEED_MM_PER_S)
    axis.xaxis.set_major_locator(MultipleLocator(1.0 if long else S_PER_LARGE_SQUARE))
    axis.yaxis.set_major_locator(MultipleLocator(MV_PER_LARGE_SQUARE))
    axis.grid(which="major", color="#D98880", linewidth=0.9)
    if not long:
        axis.xaxis.set_minor_locator(MultipleLocator(_SMALL_S))
        axis.yaxis.set_minor_locator(MultipleLocator(_SMALL_MV))
        axis.grid(which="minor", color="#F5D5D0", linewidth=0.5)
    axis.set_axisbelow(True)
    axis.tick_params(which="both", length=0, labelsize=8)
    axis.set_xlabel("time (s); a large square is 0.2 s", fontsize=9)
    axis.set_ylabel("amplitude (mV),\nmedian subtracted", fontsize=9)
    axis.set_title(heading, fontsize=9, loc="left", parse_math=False)
    return figure


def training_figure(metrics: pd.DataFrame) -> Figure:
    """
    Draw loss and IoU of each epoch.

    Parameters
    ----------
    metrics : DataFrame
        As `metrics.csv` of a training: epoch, train/loss, val/loss, train/iou, val/iou.
    """
    figure = Figure(figsize=(8.5, 3.0), layout="constrained")
    FigureCanvasAgg(figure)
    for axis, name, label in zip(
        figure.subplots(1, 2), ("loss", "iou"), ("loss (no unit)", "IoU (no unit)"), strict=True
    ):
        for part, style, colour in (("train", "--o", "#0072B2"), ("val", "-s", "#D55E00")):
            if f"{part}/{name}" in metrics:
                epochs = metrics["epoch"] + 1
                shown = {"train": "training", "val": "validation"}[part]
                axis.plot(epochs, metrics[f"{part}/{name}"], style, color=colour, markersize=4, label=shown)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.set(xlabel="epoch", ylabel=label)
        axis.grid(color="0.9", linewidth=0.6)
        if axis.lines:
            axis.legend(fontsize=8, frameon=False)
    return figure


def _to_squares(high_mv: float, low_mv: float) -> tuple[float, float]:
    """Widen a range to whole large squares, with at least a small one of room on either side."""
    top = np.ceil((high_mv + _SMALL_MV) / MV_PER_LARGE_SQUARE) * MV_PER_LARGE_SQUARE
    bottom = np.floor((low_mv - _SMALL_MV) / MV_PER_LARGE_SQUARE) * MV_PER_LARGE_SQUARE
    return float(top), float(bottom)
