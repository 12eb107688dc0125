"""
Run digitizers over crops and leave one row per crop and digitizer.

`Evaluation` makes the rows, `evaluate_many` has the runner do it; what `evaluate.py` makes of them is in
`studies.evaluate`.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ecgtrace.digitization.verdict import judged
from ecgtrace.evaluation import metrics, runner
from ecgtrace.evaluation.align import DEFAULT_ALIGN, AlignOptions
from ecgtrace.evaluation.rows import COLUMNS, DOUBTFUL, FAILED, OK, TEXT, Row
from ecgtrace.evaluation.runner import (
    CropSource,
    DigitizerLike,
    RunOptions,
    describe_error,
    digitize_crop,
    model_name,
)
from ecgtrace.evaluation.subsets import ALL, UNKNOWN, keeps, subset_of
from ecgtrace.types import LeadCrop


@dataclass(frozen=True)
class Evaluation:
    """
    The score of an evaluation: a `Row` for each crop and digitizer.

    Attributes
    ----------
    align : AlignOptions
    subset : {"all", "overlap", "non_overlap"}
        Crops of the other subset leave no row.
    """

    align: AlignOptions = DEFAULT_ALIGN
    subset: str = ALL
    columns: tuple[str, ...] = COLUMNS
    text: Sequence[str] = TEXT
    rows_each: int = 1

    def __post_init__(self) -> None:
        keeps(self.subset, ALL)  # raises for an unknown subset

    def rows(self, crop: LeadCrop, index: int, arm: str, digitizer: DigitizerLike) -> list[dict[str, Any]]:
        """Return the row of a crop; none where it belongs to another subset."""
        if not keeps(self.subset, subset_of(crop)):
            return []
        return [asdict(_score_row(crop, crop.crop_id, arm, digitizer, self.align))]

    def unread(
        self, source: CropSource, index: int, arm: str, digitizer: DigitizerLike, error: Exception
    ) -> list[dict[str, Any]]:
        """Return the row of a crop that cannot be read: it failed."""
        return [asdict(_unread_row(source, index, arm, digitizer, error))]


def evaluate_many(
    source: CropSource,
    digitizers: Mapping[str, DigitizerLike],
    rows_path: Path,
    options: RunOptions = RunOptions(),  # noqa: B008 - frozen
    score: Evaluation = Evaluation(),
) -> pd.DataFrame:
    """
    Give every digitizer the same crops: `runner.run` with the rows of an evaluation.

    Returns
    -------
    DataFrame
        Columns as `Row`. A crop that cannot be read or digitized is a row with `status` failed and a message,
        whatever the exception.
    """
    return runner.run(source, digitizers, score, rows_path, options)


def _score_row(crop: LeadCrop, crop_id: str, name: str, digitizer: DigitizerLike, align: AlignOptions) -> Row:
    began = time.perf_counter()
    seconds = None
    scores = None
    message = doubts = ""
    try:
        digitized = judged(digitize_crop(digitizer, crop), crop.image)
        seconds = time.perf_counter() - began
        scores = metrics.score(crop, digitized, align)
        doubts = " ".join("; ".join(digitized.doubts).split())
    except Exception as error:  # any failure is a row
        seconds = time.perf_counter() - began if seconds is None else seconds
        message = describe_error(error)
    return Row(
        crop_id=crop_id,
        record_id=crop.record_id,
        lead=crop.lead,
        layout=crop.layout,
        subset=subset_of(crop),
        overlap_px=int(crop.overlap_px),
        crossings=int(crop.crossings),
        digitizer=name,
        model=model_name(digitizer),
        status=FAILED if scores is None else DOUBTFUL if doubts else OK,
        message=message,
        doubts=doubts,
        mse_mv2=scores.mse_mv2 if scores else metrics.failed_mse_mv2(crop.signal),
        r=scores.r if scores else metrics.FAILED_R,
        snr_db=scores.snr_db if scores else metrics.FAILED_SNR_DB,
        lag_ms=1000 * scores.lag_s if scores else None,
        time0_error_ms=scores.time0_error_ms if scores else None,
        coverage=scores.coverage if scores else 0.0,
        grid_error_x=scores.grid_error_x if scores else None,
        grid_error_y=scores.grid_error_y if scores else None,
        n_samples=len(crop.signal),
        fs_hz=float(crop.fs_hz),
        seconds=seconds,
    )


def _unread_row(source: CropSource, index: int, name: str, digitizer: DigitizerLike, error: Exception) -> Row:
    subset = source.subset(index) if hasattr(source, "subset") else UNKNOWN
    return Row(
        crop_id=source.crop_id(index),
        record_id="",
        lead="",
        layout="",
        subset=subset,
        overlap_px=None,
        crossings=None,
        digitizer=name,
        model=model_name(digitizer),
        status=FAILED,
        message=describe_error(error),
        doubts="",
        mse_mv2=None,
        r=metrics.FAILED_R,
        snr_db=metrics.FAILED_SNR_DB,
        lag_ms=None,
        time0_error_ms=None,
        coverage=0.0,
        grid_error_x=None,
        grid_error_y=None,
        n_samples=None,
        fs_hz=None,
        seconds=None,
    )
