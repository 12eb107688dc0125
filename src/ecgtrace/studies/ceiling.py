"""
What does the reading cost? Ways to read the same crops, from the true mask to the picture alone.

A reading is a digitizer. Those here are the plain ones; conf/ceiling.yaml puts them beside `ceiling` and
`refined`. `STUDY` is what experiments/ceiling/run.py runs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig

from ecgtrace.digitization.postprocess import ink_extent
from ecgtrace.digitization.proposed import column_centres
from ecgtrace.digitization.refined import RefinedDigitizer
from ecgtrace.digitization.scale import find_scale
from ecgtrace.errors import ConfigError, TraceNotFoundError
from ecgtrace.reporting import pages
from ecgtrace.studies import common, study
from ecgtrace.studies.study import Report, Study
from ecgtrace.types import GridScale, LeadSignal
from ecgtrace.units import GAIN_MM_PER_MV, PAPER_SPEED_MM_PER_S, px_to_s

_TIME_TOLERANCE_SAMPLES = 1e-6  # rounding must not lose the last sample


@dataclass(frozen=True)
class ColumnMiddle:
    """
    Read a mask by the middle of each column: the mean row of its ink.

    Each sample is read at its own place, linearly between the columns; nothing is fitted and nothing is
    corrected but the place of time 0.

    Attributes
    ----------
    segmenter : object
        With `channels(image, duration_s)`; its first channel is read. Not needed when each call
        brings a mask.
    fs_hz : float
        Sampling frequency of the result in Hz.
    half_line_width : bool
        Time 0 lies half a line width inside the ink (`postprocess.ink_extent`), and the last sample as far
        before its end; false: they lie in the first and in the last column with ink.
    min_probability : float
        From here on, a pixel is ink.
    px_per_mm : float or None
        Overrides the detection of the grid.
    uses_true_mask : bool
        Evaluation then hands over the true mask.
    name : str
        Name of the digitizer in tables.
    """

    segmenter: Any = None
    fs_hz: float = 500.0
    half_line_width: bool = True
    min_probability: float = 0.5
    px_per_mm: float | None = None
    uses_true_mask: bool = False
    name: str = "column_middle"
    grid: Callable[[NDArray[np.uint8]], GridScale] = field(default=find_scale)

    def __post_init__(self) -> None:
        if self.fs_hz <= 0:
            raise ConfigError(f"fs_hz must be positive, got {self.fs_hz:g}")

    @property
    def model(self) -> str:
        """Name of the network and hash of its weights; "true mask" where there is none."""
        return str(getattr(self.segmenter, "model", "true mask" if self.segmenter is None else "custom"))

    def __call__(self, image: NDArray[np.uint8], mask: NDArray[Any] | None = None) -> LeadSignal:
        """
        Digitize one crop.

        Parameters
        ----------
        image : ndarray of uint8, shape (height, width, 3)
            RGB.
        mask : ndarray of number, shape (height, width), optional
            Takes the place of the network's.

        Returns
        -------
        LeadSignal
            NaN where the column next to a sample holds no ink.

        Raises
        ------
        TraceNotFoundError
            If the mask holds no ink.
        """
        scale = self.grid(image) if self.px_per_mm is None else GridScale(self.px_per_mm, self.px_per_mm, 1.0)
        if mask is None:
            if self.segmenter is None:
                raise ConfigError("this digitizer has no network; pass a mask with each image")
            duration_s = px_to_s(image.shape[1], scale.px_per_mm_x)
            mask = self.segmenter.channels(image, duration_s=duration_s)[0]
        ink = np.asarray(mask) >= self.min_probability
        rows = column_centres(ink)
        columns = np.flatnonzero(np.isfinite(rows))
        if not len(columns):
            raise TraceNotFoundError("the mask holds no ink; look at the crop's picture")
        first, last = ink_extent(ink) if self.half_line_width else (float(columns[0]), float(columns[-1]))
        sample_px = PAPER_SPEED_MM_PER_S * scale.px_per_mm_x / self.fs_hz
        n = int((last - first) / sample_px + _TIME_TOLERANCE_SAMPLES) + 1
        at = first + np.arange(n) * sample_px
        amplitude = -np.interp(at, columns, rows[columns]) / (GAIN_MM_PER_MV * scale.px_per_mm_y)
        nearest = np.clip(np.rint(at).astype(int), 0, len(rows) - 1)
        known = np.isfinite(rows[nearest])
        amplitude[~known] = np.nan
        return LeadSignal(
            amplitude_mv=amplitude - (np.nanmedian(amplitude) if known.any() else 0.0),
            fs_hz=float(self.fs_hz),
            confidence=known.astype(np.float64),
            scale=scale,
            row_px=rows,
            start_px=first,
        )


@dataclass(frozen=True)
class StrokeOnMask:
    """
    Fit the drawn stroke of `refined` to the true mask, as if it were the picture's ink.

    Of the picture it takes the scale alone. The half-width of the line is fitted with the rest, not known.

    Attributes
    ----------
    refined : RefinedDigitizer
        Whose path and fit are used; it needs no network.
    uses_true_mask : bool
    name : str
        Name of the digitizer in tables.
    """

    refined: RefinedDigitizer = field(default_factory=RefinedDigitizer)
    uses_true_mask: bool = True
    name: str = "stroke_on_mask"

    @property
    def model(self) -> str:
        """Say that there is no network."""
        return "true mask"

    def __call__(self, image: NDArray[np.uint8], mask: NDArray[Any] | None = None) -> LeadSignal:
        """
        Digitize one crop; arguments as for any digitizer, but there must be a mask.

        Raises
        ------
        ConfigError
            Without a mask.
        """
        if mask is None:
            raise ConfigError("this digitizer reads masks; pass one with each image")
        scale = self.refined.find_scale(image)
        ink = np.asarray(mask) > 0
        drawn = np.repeat(np.where(ink, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
        on_mask = replace(self.refined, px_per_mm=None, grid=lambda _: scale)
        return on_mask(drawn, mask=ink.astype(np.float32))


def report(rows: pd.DataFrame, cfg: DictConfig, page_folder: Path) -> Report:
    """Return a table for each subset."""
    what, _ = study.arms_of(cfg, "readings")
    summary = common.summarize(rows, list(what), instantiate(cfg.bootstrap))
    head = ["reading", "failed", "MSE (mV²)", "r", "mean SNR (dB)", "median SNR (dB)"]
    tables = []
    for subset, part in summary.groupby("subset", sort=False):
        lines = [_line(line, what) for line in part.to_dict("records")]
        tables.append(
            (f"Crops {common.SUBSETS[str(subset)]} (n={part['n'].max()})", pages.table(head, lines))
        )
    return Report(summary, {"tables": tables})


def _line(line: Mapping[Any, Any], what: Mapping[str, str]) -> list[str]:
    return [
        what[line["digitizer"]],
        str(line["n_failed"]),
        pages.cell(line, "mse_mean", ".5f"),
        pages.cell(line, "r_mean", ".4f"),
        pages.cell(line, "snr_mean", ".1f"),
        pages.cell(line, "snr_median", ".1f"),
    ]


STUDY = Study("ceiling", report, arms=partial(study.listed_arms, key="readings"))
