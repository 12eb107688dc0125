"""What a folder of crops says about each of them, beside the files: `index.csv`."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from math import isfinite
from pathlib import Path

from ecgtrace.errors import DataError

INDEX = "index.csv"


@dataclass(frozen=True)
class IndexRow:
    """
    One crop of a dataset on disk.

    The published dataset has no such table; its signals are bare lists, so that scale, sampling
    frequency and overlap of a crop are lost there.

    Attributes
    ----------
    crop_id : str
        Stem of the crop's files.
    record_id, lead, layout : str
    px_per_mm : float
    fs_hz : float
        Of the signal in the JSON file.
    overlap_px, crossings : int
        As `datasets.cut.overlap` defines them.
    split : str
        `train`, `val`, `test` or `all`: the split of the record.
    start_px : float or None
        Where the trace begins, in px of the crop; None, or no such column in the table, where not known.
    """

    crop_id: str
    record_id: str
    lead: str
    layout: str
    px_per_mm: float
    fs_hz: float
    overlap_px: int
    crossings: int
    split: str
    start_px: float | None = None


COLUMNS = tuple(field.name for field in fields(IndexRow))
_REQUIRED = tuple(field.name for field in fields(IndexRow) if field.default is MISSING)


def write_index(path: Path, rows: Iterable[IndexRow]) -> None:
    """Write the table; an existing one is replaced as a whole."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    temporary.replace(path)


def read_index(path: Path) -> dict[str, dict[str, str]]:
    """
    Read the table.

    Returns
    -------
    dict of str to dict of str to str
        The fields of each crop as text, by crop_id, in the order of the file. A field that cannot
        be understood is the affair of its crop alone: see `row_from_text`.

    Raises
    ------
    DataError
        If the file is no such table, or names a crop twice.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [name for name in _REQUIRED if name not in (reader.fieldnames or ())]
            if missing:
                raise DataError(
                    f"{path} has no column {', '.join(missing)}; write the set anew, or delete the file to "
                    "read the folder as it stands"
                )
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path} cannot be read as a table ({error}); write the set anew, or delete the file"
        ) from error
    table: dict[str, dict[str, str]] = {}
    for row in rows:
        if row["crop_id"] in table:
            raise DataError(f"{path} names {row['crop_id']} twice; keep one of the two lines")
        table[row["crop_id"]] = row
    return table


def row_from_text(text: Mapping[str, str], path: Path) -> IndexRow:
    """
    Turn the fields of a crop into numbers.

    Raises
    ------
    DataError
        Naming the field that is no number, or out of its range.
    """
    values: dict[str, object] = {}
    for field in fields(IndexRow):
        value = text.get(field.name) or ""
        try:
            values[field.name] = _number(value, field.type)
        except ValueError as error:
            raise DataError(
                f"{path}: {field.name} of {text['crop_id']} is {value!r}, which is {error}; correct that line"
            ) from error
    return IndexRow(**values)  # type: ignore[arg-type]


def _number(value: str, kind: object) -> object:
    if kind is str:
        return value
    if kind == float | None and not value:
        return None
    try:
        number = int(value) if kind is int else float(value)
    except ValueError:
        raise ValueError("no whole number" if kind is int else "no number") from None
    if kind is int and number < 0:
        raise ValueError("less than 0")
    if kind is float and not 0 < number < float("inf"):
        raise ValueError("not above 0")
    if not isfinite(number):
        raise ValueError("not finite")
    return number
