"""What an evaluation knows of one crop and one digitizer: a CSV row."""

from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd

from ecgtrace.evaluation.row_file import read
from ecgtrace.types import DOUBTFUL, FAILED, OK

__all__ = ["COLUMNS", "DOUBTFUL", "FAILED", "OK", "TEXT", "Row", "read_rows"]


@dataclass(frozen=True)
class Row:
    """
    What is known about one crop and one digitizer.

    None becomes an empty field. A crop that failed has `status` failed, `r` 0, `snr_db` 0 and the variance
    of its truth as `mse_mv2`; the last is None if not even the truth could be read. A crop that the digitizer
    read with doubts is `doubtful`, has them in `doubts`, and is scored as it was read.

    `lag_ms` is what alignment removed (positive: the signal was late); `time0_error_ms` is where the signal's
    time 0 lies against the begin of the truth in the picture (`metrics.time0_error_ms`).
    """

    crop_id: str
    record_id: str
    lead: str
    layout: str
    subset: str
    overlap_px: int | None
    crossings: int | None
    digitizer: str
    model: str
    status: str
    message: str
    doubts: str
    mse_mv2: float | None
    r: float
    snr_db: float
    lag_ms: float | None
    time0_error_ms: float | None
    coverage: float
    grid_error_x: float | None
    grid_error_y: float | None
    n_samples: int | None
    fs_hz: float | None
    seconds: float | None


COLUMNS = tuple(field.name for field in fields(Row))
TEXT = (
    *("crop_id", "record_id", "lead", "layout", "subset", "digitizer", "model"),
    *("status", "message", "doubts"),
)


def read_rows(path: Path) -> pd.DataFrame:
    """
    Read a rows file of `evaluate.py`; text columns stay text, so record 00123 keeps its zeros.

    Raises
    ------
    DataError
        If the file is missing or lacks a column.
    """
    return read(path, COLUMNS, TEXT)
