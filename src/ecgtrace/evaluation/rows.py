"""One CSV row per crop and digitizer, written as the evaluation goes."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import IO

import pandas as pd

from ecgtrace.errors import DataError

OK = "ok"
DOUBTFUL = "doubtful"
FAILED = "failed"


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
_TEXT = (
    *("crop_id", "record_id", "lead", "layout", "subset", "digitizer", "model"),
    *("status", "message", "doubts"),
)


class RowWriter:
    """
    Append rows to a CSV file and flush after each crop, so that a killed run loses at most one.

    Parameters
    ----------
    path : Path
        Made with its folder where absent.
    resume : bool
        Keep the rows that are there (the last one is dropped if it was cut short); else start anew.
    """

    def __init__(self, path: Path, resume: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if resume and path.is_file():
            _drop_torn_line(path)
        else:
            path.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
        self._file: IO[str] = path.open("a", encoding="utf-8", newline="")
        self._writer = csv.DictWriter(self._file, COLUMNS, lineterminator="\n")

    def write(self, rows: Iterable[Row]) -> None:
        """Append the rows of one crop and flush them to the disk."""
        self._writer.writerows(asdict(row) for row in rows)
        self._file.flush()

    def __enter__(self) -> "RowWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


def read_rows(path: Path) -> pd.DataFrame:
    """
    Read a rows file; text columns stay text, so record 00123 keeps its zeros.

    Raises
    ------
    DataError
        If the file is missing or lacks a column.
    """
    if not path.is_file():
        raise DataError(f"there is no {path}; python evaluate.py writes one into its run folder")
    try:
        rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{path} cannot be read as rows: {error}") from error
    missing = [name for name in COLUMNS if name not in rows.columns]
    if missing:
        raise DataError(f"{path} has no column {', '.join(missing)}; was it written by an older version?")
    for name in COLUMNS:
        if name not in _TEXT:
            # Python's float, because pandas' own parser may be off by the last bit.
            rows[name] = [float(text) if text else float("nan") for text in rows[name]]
    return rows


def sort_rows(path: Path, crop_ids: Sequence[str], digitizers: Sequence[str]) -> pd.DataFrame:
    """Put a finished file into the order of the source, as if it had never been interrupted."""
    rows = read_rows(path)
    position = {crop_id: place for place, crop_id in enumerate(crop_ids)}
    names = [*digitizers, *(name for name in rows["digitizer"].unique() if name not in digitizers)]
    order = pd.DataFrame(
        {
            "crop": rows["crop_id"].map(position).fillna(len(position)),
            "digitizer": rows["digitizer"].map(names.index),
        }
    ).sort_values(["crop", "digitizer"], kind="stable")
    with path.open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *(lines[i] for i in order.index)])
    temporary.replace(path)
    return read_rows(path)


def _drop_torn_line(path: Path) -> None:
    """Cut the file after its last line end. Messages hold no line ends, so a line is a row."""
    content = path.read_bytes()
    kept = content[: content.rfind(b"\n") + 1]
    if not kept:
        kept = (",".join(COLUMNS) + "\n").encode()
    if kept != content:
        path.write_bytes(kept)
