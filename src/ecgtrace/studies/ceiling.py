"""
What does the reading cost? Ways to read the same crops, from the true mask to the picture alone.

A reading is a digitizer. Those here are the plain ones; conf/ceiling.yaml puts them beside `ceiling` and
`refined`. `main` is what experiments/ceiling/run.py calls.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig

from ecgtrace.digitization.grid import detect_grid
from ecgtrace.digitization.postprocess import ink_extent
from ecgtrace.digitization.proposed import column_centres
from ecgtrace.digitization.refined import RefinedDigitizer
from ecgtrace.errors import ConfigError, TraceNotFoundError
from ecgtrace.evaluation.bootstrap import BootstrapOptions
from ecgtrace.evaluation.run import CropSource, EvaluationOptions, evaluate_many
from ecgtrace.studies import common
from ecgtrace.types import GridScale, LeadSignal
from ecgtrace.units import GAIN_MM_PER_MV, PAPER_SPEED_MM_PER_S, px_to_s

PUBLISHED = (common.ROWS, common.SUMMARY, common.PROVENANCE)
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
    grid: Callable[[NDArray[np.uint8]], GridScale] = field(default=detect_grid)

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


def readings_of(cfg: DictConfig) -> tuple[dict[str, str], dict[str, DictConfig]]:
    """
    Return what each reading does and its configuration, by name, in the order of the table.

    Raises
    ------
    ConfigError
        If two have one name, or one lacks what it does or its digitizer.
    """
    what: dict[str, str] = {}
    configs: dict[str, DictConfig] = {}
    for reading in cfg.readings:
        if set(reading) != {"name", "what", "digitizer"}:
            raise ConfigError(f"readings: each has name, what and digitizer, got {', '.join(reading)}")
        if reading.name in what:
            raise ConfigError(f"readings: {reading.name} is there twice")
        what[reading.name], configs[reading.name] = reading.what, reading.digitizer
    return what, configs


def to_markdown(summary: pd.DataFrame, what: Mapping[str, str], options: BootstrapOptions) -> str:
    """Return a table for each subset, and what its numbers mean."""
    head = ["reading", "failed", "MSE (mV²)", "r", "mean SNR (dB)", "median SNR (dB)"]
    blocks = []
    for subset, part in summary.groupby("subset", sort=False):
        lines = [_line(line, what) for line in part.to_dict("records")]
        blocks += [
            f"### Crops {common.SUBSETS[str(subset)]} (n={part['n'].max()})",
            common.table(head, lines),
        ]
    blocks.append(
        f"MSE, r and SNR are means over crops but for the last column. In brackets: "
        f"{100 * options.level:g} % percentile bootstrap intervals, {options.n_resamples} resamples of "
        f"{options.unit}s, the same for "
        f"all readings (seed {options.seed})."
    )
    return "\n\n".join(blocks)


def _line(line: Mapping[str, Any], what: Mapping[str, str]) -> Sequence[str]:
    return [
        what[line["digitizer"]],
        str(line["n_failed"]),
        common.cell(line, "mse_mean", ".5f"),
        common.cell(line, "r_mean", ".4f"),
        common.cell(line, "snr_mean", ".1f"),
        common.cell(line, "snr_median", ".1f"),
    ]


def main(cfg: DictConfig, page_folder: Path) -> pd.DataFrame:
    """
    Do the study as configured.

    Parameters
    ----------
    cfg : DictConfig
        As conf/ceiling.yaml. Everything is written into `cfg.output_dir`.
    page_folder : Path
        Where `publish=true` puts the results, and whose README.md gets the tables.

    Returns
    -------
    DataFrame
        What summary.csv holds.
    """
    folder = Path(cfg.output_dir)
    options = EvaluationOptions(
        align=instantiate(cfg.align), workers=cfg.workers, progress=cfg.progress, resume=True
    )
    resampling: BootstrapOptions = instantiate(cfg.bootstrap)
    what, configs = readings_of(cfg)
    network = common.SharedNetwork(instantiate(cfg.segmenter))
    digitizers = {name: common.build(config, network) for name, config in configs.items()}
    source: CropSource = instantiate(cfg.data, _convert_="object")
    common.begin(cfg, folder, "ceiling", source, configs, digitizers)

    rows = evaluate_many(source, digitizers, folder / common.ROWS, options)
    summary = common.summarize(rows, list(what), resampling)
    common.write(summary, folder / common.SUMMARY)
    text = to_markdown(summary, what, resampling)
    print(text)
    print(f"rows: {folder / common.ROWS}")
    if cfg.publish:
        common.publish(folder, PUBLISHED, text, page_folder)
    return summary
