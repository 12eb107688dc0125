"""
What the figures of the paper share: print style, files, crops and axes of a crop.

A crop is shown on axes of time and amplitude, so that picture, mask and signal of one lead can stand below
each other: 1 s of paper is 25 mm, 1 mV is 10 mm, and 0 mV is the line that the lead was drawn around.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import matplotlib.ticker
import numpy as np
import pandas as pd
from hydra.utils import instantiate
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from ecgtrace.crops.drawn import DrawnCrops, Sheet
from ecgtrace.types import LeadCrop
from ecgtrace.units import GAIN_MM_PER_MV, PAPER_SPEED_MM_PER_S, px_to_mv, px_to_s

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
_DEFAULT_FIGURE_CROPS = 24
_SHEETS = (("3x4", 0.0), ("3x1", 0.0), ("3x4", 2.5), ("3x4", 5.0))  # as conf/data/drawn.yaml
_WINDOW_S = 2.5
_MIN_OTHER_INK = 0.1


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


def validation_crops(cfg: DictConfig, count: int | None = None) -> DrawnCrops:
    """
    Draw crops with overlap from the records of the validation split.

    The records that chose the best epoch, so what is shown on them is no test; but only `evaluate.py`
    opens that split.

    Parameters
    ----------
    cfg : DictConfig
        With `signals`, `page`, `seed` and `profile.n_figure_crops`.
    count : int, optional
        By default `profile.n_figure_crops`.

    Raises
    ------
    DataError
        If the split holds no such crop.
    """
    if count is None:
        count = int(OmegaConf.select(cfg, "profile.n_figure_crops", default=_DEFAULT_FIGURE_CROPS))
    return DrawnCrops(
        records=instantiate(cfg.signals, _convert_="object"),
        style=instantiate(cfg.page, _convert_="object"),
        sheets=tuple(Sheet(layout, start_s) for layout, start_s in _SHEETS),
        split="val",
        n_non_overlap=0,
        n_overlap=count,
        seed=int(cfg.seed),
    )


def sample_crop(crops: Sequence[LeadCrop]) -> LeadCrop:
    """
    Choose the crop to show where any would do.

    The first of one column of a 3x4 page (2.5 s) whose trace another one crosses, and in which the ink of
    other leads is at least a tenth of the target's; where there is none, the crop with most ink of others.
    """
    most: LeadCrop | None = None
    for crop in crops:
        if _is_short(crop) and crop.crossings and crop.overlap_px >= _MIN_OTHER_INK * crop.mask.sum():
            return crop
        if most is None or (_is_short(crop), crop.overlap_px) > (_is_short(most), most.overlap_px):
            most = crop
    assert most is not None  # a source without a crop raises on its own
    return most


def _is_short(crop: LeadCrop) -> bool:
    return len(crop.signal) / crop.fs_hz < 1.5 * _WINDOW_S


def extent(crop: LeadCrop) -> tuple[float, float, float, float]:
    """
    Return the edges of a crop in seconds and millivolt.

    Parameters
    ----------
    crop : LeadCrop
        With its true scale and its centre line.

    Returns
    -------
    left, right, bottom, top : float
        Time 0 is the first sample; 0 mV is the lead's zero line. For `Axes.imshow`.
    """
    if crop.px_per_mm is None or crop.polyline is None:
        raise ValueError(f"{crop.crop_id} has no scale or no centre line")
    height, width = crop.mask.shape
    scale = crop.px_per_mm
    zero_row = float(np.median(crop.polyline[:, 1] + crop.signal * GAIN_MM_PER_MV * scale))
    start = float(crop.polyline[0, 0])
    left, right = px_to_s(-0.5 - start, scale), px_to_s(width - 0.5 - start, scale)
    return left, right, px_to_mv(zero_row - height + 0.5, scale), px_to_mv(zero_row + 0.5, scale)


def show(axis: Axes, crop: LeadCrop, picture: NDArray[np.uint8]) -> None:
    """
    Draw a picture of a crop on axes of time and amplitude, millimetres of paper equal in both.

    Parameters
    ----------
    axis : Axes
    crop : LeadCrop
    picture : ndarray of uint8, shape (height, width, 3) or (height, width)
        Of the size of the crop; without colours, {0, 1} with 1 drawn black.
    """
    shown = picture if picture.ndim == 3 else np.repeat(255 * (1 - picture[..., None]), 3, axis=2)
    axis.imshow(shown, extent=extent(crop), aspect=aspect(), interpolation="antialiased")
    time_axis(axis)


def aspect() -> float:
    """Return the length of 1 mV on paper over that of 1 s."""
    return GAIN_MM_PER_MV / PAPER_SPEED_MM_PER_S


def time_axis(axis: Axes) -> None:
    """Mark every 0.5 s and 0.5 mV, two and a half large squares and one."""
    axis.xaxis.set_major_locator(matplotlib.ticker.MultipleLocator(0.5))
    axis.yaxis.set_major_locator(matplotlib.ticker.MultipleLocator(0.5))


def panel_inch(crop: LeadCrop, width_inch: float) -> float:
    """Return how high a crop is drawn that is drawn so wide, in inches, within reason."""
    height, width = crop.mask.shape
    return float(np.clip(width_inch * height / width, 0.5, 3.0))


def format_interval(value: float, interval: tuple[float, float], digits: int = 3) -> str:
    """
    Write a number with its interval.

    Examples
    --------
    >>> format_interval(0.5, (0.41, 0.63), 2)
    '0.50 (95 % interval 0.41 to 0.63)'
    """
    low, high = interval
    return f"{value:.{digits}f} (95 % interval {low:.{digits}f} to {high:.{digits}f})"


def mapped(facts: Mapping[str, object], name: str) -> str:
    """Return a fact of a run as text; "not recorded" where it is missing."""
    value = facts.get(name)
    return "not recorded" if value is None else str(value)
