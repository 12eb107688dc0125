"""
A CSV of rows that grows crop by crop, survives being cut off, and ends in the order of its source.

The one place that knows how rows lie on the disk: `runner.run` writes them, tables and studies read them.
"""

import csv
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ecgtrace.errors import DataError

KEY = ("crop_id", "digitizer")


@dataclass(frozen=True)
class RowFile:
    """
    A rows file.

    Attributes
    ----------
    path : Path
    columns : tuple of str
        `crop_id` and `digitizer` among them.
    text : collection of str
        Columns that stay text, so that record 00123 keeps its zeros. The others are numbers, NaN where empty.
    rows_each : int
        So many rows a crop and a digitizer have.
    end : (str, str) or None
        Where their number varies: a column, and what it holds in the last of them alone.
    """

    path: Path
    columns: tuple[str, ...]
    text: Collection[str]
    rows_each: int = 1
    end: tuple[str, str] | None = None

    def begin(self, keep: bool) -> None:
        """Make the file; or keep what it holds, less what was cut short."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if keep and self.path.is_file():
            self._repair()
        else:
            self.path.write_text(",".join(self.columns) + "\n", encoding="utf-8")

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add the rows of one crop in one write, so that a killed run loses no more than that crop."""
        block = io.StringIO()
        csv.DictWriter(block, self.columns, lineterminator="\n").writerows(rows)
        with self.path.open("ab", buffering=0) as file:
            file.write(block.getvalue().encode())

    def done(self) -> set[tuple[str, ...]]:
        """Return the crops and digitizers that have their rows."""
        if not self.path.is_file():
            return set()
        rows = self.read()
        return set(zip(*(rows[name] for name in KEY), strict=True))

    def read(self) -> pd.DataFrame:
        """Read the rows as `read` does, every column of this file required."""
        return read(self.path, self.columns, self.text)

    def sort(self, crop_ids: Sequence[str], digitizers: Sequence[str]) -> pd.DataFrame:
        """Put a finished file into the order of the source, as if it had never been cut off; return it."""
        rows = self.read()
        place = {crop_id: number for number, crop_id in enumerate(crop_ids)}
        names = [*digitizers, *(name for name in rows["digitizer"].unique() if name not in digitizers)]
        keys = pd.DataFrame(
            {
                "crop": rows["crop_id"].map(place).fillna(len(place)),
                "digitizer": rows["digitizer"].map(names.index),
            }
        )
        order = keys.sort_values(["crop", "digitizer"], kind="stable").index
        if not order.equals(rows.index):
            with self.path.open(encoding="utf-8", newline="") as file:
                header, *lines = csv.reader(file)
            temporary = self.path.with_suffix(".tmp")
            with temporary.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows([header, *(lines[i] for i in order)])
            temporary.replace(self.path)
        return rows.loc[order].reset_index(drop=True)

    def _repair(self) -> None:
        """Cut off a torn last line (messages hold no line ends), and crops that lack some of their rows."""
        content = self.path.read_bytes()
        kept = content[: content.rfind(b"\n") + 1] or (",".join(self.columns) + "\n").encode()
        if kept != content:
            self.path.write_bytes(kept)
        if self.rows_each > 1 or self.end is not None:
            rows = pd.read_csv(self.path, dtype=str, keep_default_na=False)
            if self.end is not None:
                column, last = self.end
                ended = (rows[column] == last).groupby([rows[name] for name in KEY])
                whole = ended.transform("any")
            else:
                whole = rows.groupby(list(KEY))["crop_id"].transform("size") == self.rows_each
            if not whole.all():
                rows[whole].to_csv(self.path, index=False, lineterminator="\n")


def read(path: Path, columns: Collection[str], text: Collection[str]) -> pd.DataFrame:
    """
    Read a rows file.

    Parameters
    ----------
    path : Path
    columns : collection of str
        Those that must be there; others come along as they are.
    text : collection of str
        Those that stay text.

    Raises
    ------
    DataError
        If the file is missing, is no CSV or lacks a column.
    """
    if not path.is_file():
        raise DataError(f"there is no {path}; python evaluate.py writes one into its run folder")
    try:
        rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{path} cannot be read as rows: {error}") from error
    missing = [name for name in columns if name not in rows.columns]
    if missing:
        raise DataError(f"{path} has no column {', '.join(missing)}; was it written by an older version?")
    for name in columns:
        if name not in text:
            # Python's float, because pandas' own parser may be off by the last bit.
            rows[name] = [float(value) if value else float("nan") for value in rows[name]]
    return rows
