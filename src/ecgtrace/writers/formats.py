"""The formats that a recording can be written in."""

import importlib
import importlib.util
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgtrace.errors import ConfigError
from ecgtrace.recording import Recording
from ecgtrace.writers import wfdb_record


@dataclass(frozen=True)
class Format:
    """A format: the module that writes it, the endings of its files, and the package that it needs."""

    module: str
    suffixes: tuple[str, ...]
    needs: str = ""


FORMATS = {
    "csv": Format("ecgtrace.writers.csv_table", (".csv", ".confidence.csv")),
    "wfdb": Format("ecgtrace.writers.wfdb_record", (".hea", ".dat")),
    "edf": Format("ecgtrace.writers.edf", (".edf",), "pyedflib"),
    "dicom": Format("ecgtrace.writers.dicom_waveform", (".dcm",), "pydicom"),
}
DEFAULT = ("csv", "wfdb")


def files_of(stem: Path) -> tuple[Path, ...]:
    """Return all files that a recording of that name may be written to, whatever the formats."""
    plain = [suffix for name, form in FORMATS.items() if name != "wfdb" for suffix in form.suffixes]
    return (*(stem.with_name(stem.name + suffix) for suffix in plain), *wfdb_record.paths(stem))


def check_formats(names: Any) -> tuple[str, ...]:
    """
    Return names of formats, each once; a single one may be given as text.

    Raises
    ------
    ConfigError
        If one is unknown, none is given, or a package is missing.

    Examples
    --------
    >>> check_formats(["wfdb", "csv", "wfdb"])
    ('wfdb', 'csv')
    """
    given = [names] if isinstance(names, str) else names
    if not isinstance(given, Iterable):
        raise ConfigError(f"formats must be a list of {', '.join(FORMATS)}, got {names}")
    chosen = tuple(dict.fromkeys(str(name) for name in given))
    unknown = [name for name in chosen if name not in FORMATS]
    if unknown or not chosen:
        raise ConfigError(f"formats must be of {', '.join(FORMATS)}; got {', '.join(unknown) or 'none'}")
    for name in chosen:
        needs = FORMATS[name].needs
        if needs and importlib.util.find_spec(needs) is None:
            raise ConfigError(f"formats={name} needs {needs}: pip install 'ecgtrace[formats]'")
    return chosen


def write(recording: Recording, stem: Path, formats: Sequence[str] = DEFAULT) -> tuple[Path, ...]:
    """
    Write a recording in several formats.

    Parameters
    ----------
    recording : Recording
    stem : Path
        Path of the files without their endings.
    formats : sequence of str
        Of `FORMATS`.

    Returns
    -------
    tuple of Path
        The files written.
    """
    files: list[Path] = []
    for name in formats:
        files.extend(importlib.import_module(FORMATS[name].module).write(recording, stem))
    return tuple(files)
