"""
What the figures of the paper share: the crops that they show, and the axes of a crop.

A crop is shown on axes of time and amplitude, so that picture, mask and signal of one lead can stand below
each other: 1 s of paper is 25 mm, 1 mV is 10 mm, and 0 mV is the line that the lead was drawn around.
"""

from collections.abc import Sequence

import matplotlib.ticker
import numpy as np
from hydra.utils import instantiate
from matplotlib.axes import Axes
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf

from ecgtrace.datasets.drawn import DrawnCrops, Sheet
from ecgtrace.types import LeadCrop
from ecgtrace.units import GAIN_MM_PER_MV, PAPER_SPEED_MM_PER_S, px_to_mv, px_to_s

_DEFAULT_FIGURE_CROPS = 24
_SHEETS = (("3x4", 0.0), ("3x1", 0.0), ("3x4", 2.5), ("3x4", 5.0))  # as conf/data/drawn.yaml
_WINDOW_S = 2.5
_MIN_OTHER_INK = 0.1


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
