"""A table of options for single files of a folder: what it says counts before what the run says."""

import csv
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecgtrace.api import check_number, with_scale
from ecgtrace.errors import ConfigError
from ecgtrace.inputs import InputFile
from ecgtrace.page_files import CONTENTS, LEAD
from ecgtrace.reading import DigitizerLike
from ecgtrace.vector.page_choice import PageChoice

FILE = "file"
COLUMNS = ("layout", "leads", "speed", "gain", "content", "px_per_mm")
_NUMBERS = ("speed", "gain", "px_per_mm")
_SHOWN = 3


@dataclass(frozen=True)
class FileOptions:
    """
    How one input is read.

    Attributes
    ----------
    content : {"auto", "page", "lead"}
    choice : PageChoice
    own : str
        What of it the table says; empty where the run says all.

    Raises
    ------
    ConfigError
        If the two do not go together.
    """

    content: str
    choice: PageChoice
    own: str = ""

    def __post_init__(self) -> None:
        if self.content not in CONTENTS:
            raise ConfigError(f"content must be one of {', '.join(CONTENTS)}, got {self.content}")
        if self.content == LEAD and self.choice.says_page:
            raise ConfigError("layout and leads are of pages; leave them out, or content=lead")


def read_table(
    path: Path, inputs: Sequence[InputFile], source: Path, run: FileOptions, digitizer: DigitizerLike
) -> dict[InputFile, FileOptions]:
    """
    Read a table of options: a row for each file, empty cells say what the run says.

    `file` is written as `source` of summary.csv, as the path in the folder, as the name, with or without its
    ending, or as `name` of summary.csv, which for a page of several is the page alone. A row that names fewer
    inputs counts before one that names more.

    Parameters
    ----------
    path : Path
        A CSV with the column `file` and any of `COLUMNS`.
    inputs : sequence of InputFile
    source : Path
        Folder of the inputs, or the one file.
    run : FileOptions
    digitizer : callable
        What reads leads: it must take what is said of them.

    Returns
    -------
    dict of InputFile to FileOptions
        Of those that the table names. Rows of files that are not there are told on stderr.

    Raises
    ------
    ConfigError
        If the table cannot be read, has an unknown column or a bad value, or names a file twice.
    """
    keys = _keys(inputs, source if source.is_dir() else source.parent)
    rows: list[tuple[frozenset[InputFile], dict[str, str], str]] = []
    missing = []
    for line, cells in _rows(path):
        where = f"{path.name}, line {line}"
        named = _named(cells.pop(FILE), keys, where)
        if named:
            rows.append((named, cells, where))
        else:
            missing.append(where)
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        print(f"warning: no such file in the input: {'; '.join(missing[:_SHOWN])}{more}", file=sys.stderr)
    said: dict[InputFile, dict[str, str]] = {}
    told: dict[InputFile, str] = {}
    before: dict[frozenset[InputFile], str] = {}
    for named, cells, where in sorted(rows, key=lambda row: -len(row[0])):  # the more exact one last
        if named in before:
            raise ConfigError(f"{where}: the file stands in {before[named]} already")
        before[named] = where
        for item in named:
            said[item] = said.get(item, {}) | cells
            told[item] = where
    return {item: _options(cells, told[item], run, digitizer) for item, cells in said.items() if cells}


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Return the lines of a table by number, with the cells that are not empty."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise ConfigError(f"per_file: {path} cannot be read ({reason})") from None
    header = text.partition("\n")[0]
    reader = csv.DictReader(text.splitlines(), delimiter=";" if ";" in header else ",", skipinitialspace=True)
    columns = [str(name).strip() for name in reader.fieldnames or ()]
    reader.fieldnames = columns
    unknown = [name for name in columns if name not in (FILE, *COLUMNS)]
    if unknown or FILE not in columns or len(set(columns)) < len(columns):
        raise ConfigError(
            f"{path.name}: columns must be {FILE} and any of {', '.join(COLUMNS)}, got {', '.join(columns)}"
        )
    rows = []
    for row in reader:
        if None in row:
            raise ConfigError(
                f"{path.name}, line {reader.line_num}: more cells than columns; put spaces between names, "
                "or all in quotes"
            )
        cells = {name: cell.strip() for name, cell in row.items() if cell and cell.strip()}
        if cells and FILE not in cells:
            raise ConfigError(f"{path.name}, line {reader.line_num}: no {FILE} is named")
        if cells:
            rows.append((reader.line_num, cells))
    return rows


def _keys(inputs: Sequence[InputFile], folder: Path) -> list[dict[str, frozenset[InputFile]]]:
    """Return what an input may be called, the exact names before those that several files may have."""
    kinds: tuple[Callable[[InputFile], tuple[str, ...]], ...] = (
        lambda item: (str(item.source), item.source.relative_to(folder).as_posix(), item.name),
        lambda item: (item.source.relative_to(folder).with_suffix("").as_posix(),),
        lambda item: (item.source.name,),
        lambda item: (item.source.stem,),
    )
    found = []
    for kind in kinds:
        names: dict[str, set[InputFile]] = {}
        for item in inputs:
            for name in kind(item):
                names.setdefault(name, set()).add(item)
        found.append({name: frozenset(items) for name, items in names.items()})
    return found


def _named(name: str, keys: Sequence[Mapping[str, frozenset[InputFile]]], where: str) -> frozenset[InputFile]:
    """Return the inputs, pages of one file, that a row names; none where there are none."""
    for names in keys:
        items = names.get(name)
        if items is None:
            continue
        files = {str(item.source) for item in items}
        if len(files) > 1:
            raise ConfigError(
                f"{where}: {name} is each of {', '.join(sorted(files)[:_SHOWN])}; write one of them"
            )
        return items
    return frozenset()


def _options(cells: Mapping[str, str], where: str, run: FileOptions, digitizer: DigitizerLike) -> FileOptions:
    """Turn the cells of a row into options."""
    values: dict[str, str | float] = {name: cell for name, cell in cells.items() if name != "content"}
    content = cells.get("content", run.content)
    try:
        for name in _NUMBERS:
            if name in values:
                values[name] = _number(name, cells[name])
        if "px_per_mm" in values:
            check_number(values["px_per_mm"], "px_per_mm", 0.1, 1000.0)
        own = FileOptions(content, PageChoice.of(**values)).choice
        choice = own.over(run.choice.for_paper_alone if content == LEAD else run.choice)
        choice.or_standard.ready(with_scale(digitizer, choice.px_per_mm))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    return FileOptions(content, choice, repr(sorted(cells.items())))


def _number(name: str, cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise ConfigError(f"{name} must be a number, got {cell}") from None
