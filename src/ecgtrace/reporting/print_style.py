"""Figures as a journal prints them: colours, fonts, sizes, files."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

ONE_COLUMN_INCH = 3.5
TWO_COLUMNS_INCH = 7.2
# Okabe and Ito's colours: told apart by colour-blind readers, and of different grey when printed.
BLACK, BLUE, ORANGE, SKY, GREEN = "#000000", "#0072B2", "#D55E00", "#56B4E9", "#009E73"
PALE = "#C8C8C8"
_DPI = 300  # of the PNG, and of the pictures inside the PDF
_STYLE: dict[str, object] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so the same file on every machine
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.2,
    "pdf.fonttype": 42,
    "axes.unicode_minus": True,
}


@contextmanager
def print_style() -> Iterator[None]:
    """Draw with the fonts and line widths of a journal, whatever the user's settings of matplotlib are."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)  # type: ignore[arg-type]
        yield


def new_figure(size_inch: tuple[float, float]) -> Figure:
    """Make a figure without pyplot, which would keep it in memory and ask for a display."""
    figure = Figure(figsize=size_inch, layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.04, h_pad=0.03, wspace=0.02)  # type: ignore[union-attr,call-arg]
    return figure


def save(figure: Figure, folder: Path, name: str) -> None:
    """
    Write `NAME.pdf` (vector, no date in it) and `NAME.png`.

    The PNG has a palette of 256 colours: a third of the size, and no difference to be seen on ink and paper.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.pdf", dpi=_DPI, metadata={"CreationDate": None})
    figure.set_layout_engine("none")  # it stays as laid out for the PDF
    with io.BytesIO() as buffer:
        figure.savefig(buffer, format="png", dpi=_DPI)
        with Image.open(buffer) as drawn:
            few = drawn.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    few.save(folder / f"{name}.png", dpi=(_DPI, _DPI), optimize=True)


def save_rows(rows: pd.DataFrame, folder: Path, name: str) -> None:
    """Write the numbers that a figure shows."""
    folder.mkdir(parents=True, exist_ok=True)
    rows.to_csv(folder / f"{name}.csv", index=False, float_format="%.6g", lineterminator="\n")


def letter(axis: Axes, which: str, text: str) -> None:
    """Write the letter of a panel and what it shows above it."""
    axis.set_title(rf"$\mathbf{{{which}}}$  {text}", loc="left")


def open_frame(axis: Axes) -> None:
    """Leave out the frame where it tells nothing."""
    axis.spines[["top", "right"]].set_visible(False)
