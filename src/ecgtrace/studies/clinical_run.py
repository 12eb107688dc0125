"""
Does it matter to a cardiologist? The study: arms, rows and page.

`STUDY` is what experiments/clinical/run.py runs; `clinical` measures, `bland_altman` sums up.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from ecgtrace.errors import ConfigError
from ecgtrace.evaluation import arms
from ecgtrace.evaluation.align import DEFAULT_ALIGN, AlignOptions
from ecgtrace.evaluation.runner import CropSource, DigitizerLike, describe_error, digitize_crop
from ecgtrace.evaluation.subsets import UNKNOWN, subset_of
from ecgtrace.studies import beats, bland_altman, clinical
from ecgtrace.studies.beats import DEFAULT_MEASURE, MEASURES, MeasureOptions
from ecgtrace.studies.study import Arms, Report, Study
from ecgtrace.types import LeadCrop

FIGURE = "bland_altman"
CONTROL = "control"
UNREAD = "unread"
TEXT = ("crop_id", "record_id", "lead", "subset", "digitizer", "measure", "status", "message")
COLUMNS = (
    *("crop_id", "record_id", "lead", "subset", "digitizer", "measure"),
    *("truth", "digitized", "difference", "n_beats", "n_missed", "status", "message"),
)


@dataclass(frozen=True)
class Control:
    """
    The truth itself with noise on its samples, measured as a digitizer is.

    What it shows is how much of a difference is the measuring's own.

    Attributes
    ----------
    noise_mv : float
        Standard deviation of the white noise, in mV.
    seed : int
        Of the noise.
    """

    noise_mv: float
    seed: int = 0
    model: str = ""

    def __post_init__(self) -> None:
        if self.noise_mv < 0:
            raise ConfigError(f"control_noise_mv must not be negative, got {self.noise_mv}")


@dataclass(frozen=True)
class Measuring:
    """
    The score: a row for each measure of a crop and arm; a crop that cannot be read has them as `unread`.

    Attributes
    ----------
    align : AlignOptions
    measure : MeasureOptions
    """

    align: AlignOptions = DEFAULT_ALIGN
    measure: MeasureOptions = DEFAULT_MEASURE
    columns: tuple[str, ...] = COLUMNS
    text: Sequence[str] = TEXT
    rows_each: int = len(MEASURES)

    def rows(self, crop: LeadCrop, index: int, arm: str, digitizer: Any) -> list[dict[str, Any]]:
        """Measure truth and reading of a crop."""
        what = {"record_id": crop.record_id, "lead": crop.lead, "subset": subset_of(crop)}
        return [{**what, **asdict(one)} for one in self._compare(crop, index, digitizer)]

    def unread(
        self, source: CropSource, index: int, arm: str, digitizer: Any, error: Exception
    ) -> list[dict[str, Any]]:
        """Say that a crop could not be read."""
        subset = source.subset(index) if hasattr(source, "subset") else UNKNOWN
        what = dict.fromkeys(COLUMNS, "") | {"subset": subset, "n_beats": 0, "n_missed": 0}
        what |= {"status": UNREAD, "message": describe_error(error)}
        return [{**what, "measure": one.name} for one in MEASURES]

    def _compare(
        self, crop: LeadCrop, index: int, digitizer: DigitizerLike | Control
    ) -> list[clinical.Comparison]:
        if isinstance(digitizer, Control):
            noise = np.random.default_rng([digitizer.seed, index]).normal(size=len(crop.signal))
            read_mv, fs_hz = crop.signal + digitizer.noise_mv * noise, crop.fs_hz
        else:
            try:
                digitized = digitize_crop(digitizer, crop)
            except Exception as error:  # a lead that could not be digitized is a row
                return clinical.compare_failed(crop.signal, crop.fs_hz, describe_error(error), self.measure)
            read_mv, fs_hz = digitized.amplitude_mv, digitized.fs_hz
        return clinical.compare(crop.signal, crop.fs_hz, read_mv, fs_hz, self.align, self.measure)


def measuring(cfg: DictConfig) -> Measuring:
    """Return the score; NeuroKit2 has to be there before anything is begun."""
    beats.load_neurokit()
    return Measuring(instantiate(cfg.align), instantiate(cfg.measure))


def arms_and_control(cfg: DictConfig) -> Arms:
    """Compose and build the digitizers of `cfg.digitizers`, and the control."""
    configs = arms.compose_each("clinical", cfg.digitizers)
    built: dict[str, Any] = arms.build(configs)
    if cfg.control_noise_mv is not None:
        configs[CONTROL] = OmegaConf.create({"noise_mv": cfg.control_noise_mv, "seed": cfg.seed})
        built[CONTROL] = Control(cfg.control_noise_mv, cfg.seed)
    return configs, built


def report(rows: pd.DataFrame, cfg: DictConfig, page_folder: Path) -> Report:
    """Return the table of bias and limits of agreement, and the figure."""
    from ecgtrace.reporting.figures import save  # matplotlib, which workers do not need

    summary = bland_altman.summarize(rows, instantiate(cfg.bootstrap))
    names = [*cfg.digitizers, *([] if cfg.control_noise_mv is None else [CONTROL])]
    context = {"table": bland_altman.to_markdown(summary), "digitizers": list(cfg.digitizers)}
    return Report(
        summary, context, lambda folder: save(bland_altman.plot(rows, summary, names), folder / FIGURE)
    )


def _neurokit_version() -> dict[str, str]:
    try:
        return {"neurokit2": metadata.version("neurokit2")}
    except metadata.PackageNotFoundError:
        return {}


STUDY = Study(
    "clinical",
    report,
    arms=arms_and_control,
    score=measuring,
    keys=("data", "align", "measure"),
    columns=COLUMNS,
    text=TEXT,
    versions=_neurokit_version(),
)
