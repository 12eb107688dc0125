"""`NAME.csv`: a column for each lead in mV; `NAME.confidence.csv`: the same for its confidence."""

from pathlib import Path

import numpy as np

from ecgtrace.errors import DataError
from ecgtrace.recording import Recording
from ecgtrace.types import FloatArray
from ecgtrace.units import LEADS

TIME = "time_s"
AMPLITUDE_DECIMALS, CONFIDENCE_DECIMALS = 5, 3  # 0.01 microvolt


def columns_of(recording: Recording) -> tuple[str, ...]:
    """Return the leads of the table: the twelve, shown or not, then others that the page has."""
    return (*LEADS, *(name for name in recording.names if name not in LEADS))


def write(recording: Recording, stem: Path) -> tuple[Path, ...]:
    """
    Write amplitudes and confidences; a cell is empty where a lead is not shown or was not recovered.

    Times read back as the same numbers; amplitudes have 5 decimals (0.01 microvolt), confidences 3.
    """
    names = columns_of(recording)
    n = len(recording.time_s)
    mv, sure = np.full((len(names), n), np.nan), np.full((len(names), n), np.nan)
    for lead in recording.leads:
        row = names.index(lead.name)
        mv[row] = lead.signal.amplitude_mv
        sure[row] = np.where(np.isnan(mv[row]), np.nan, lead.signal.confidence)
    amplitudes, confidences = (stem.with_name(stem.name + end) for end in (".csv", ".confidence.csv"))
    _write(amplitudes, names, recording.time_s, mv, AMPLITUDE_DECIMALS)
    _write(confidences, names, recording.time_s, sure, CONFIDENCE_DECIMALS)
    return amplitudes, confidences


def read(path: Path) -> tuple[FloatArray, dict[str, FloatArray]]:
    """
    Read back a table that `write` wrote.

    Returns
    -------
    times_s : ndarray of float, shape (n_samples,)
    columns : dict of str to ndarray of float, shape (n_samples,)
        By lead, those that have a value; NaN for an empty cell.

    Raises
    ------
    DataError
        If the file is missing or is no such table.
    """
    try:
        header, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
        names = header.split(",")
        if names[0] != TIME or not lines:
            raise ValueError("it has no time, or no samples")
        table = np.genfromtxt(lines, delimiter=",", ndmin=2)
        if table.shape[1] != len(names):
            raise ValueError("its lines are not as long as its first")
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no table of leads ({error}); digitize the page anew") from error
    leads = dict(zip(names[1:], table.T[1:], strict=True))
    return table[:, 0], {name: values for name, values in leads.items() if np.isfinite(values).any()}


def _write(path: Path, names: tuple[str, ...], times: FloatArray, values: FloatArray, decimals: int) -> None:
    lines = [",".join((TIME, *names))]
    rounded = np.round(values, decimals) + 0.0  # makes -0.0 to 0.0
    for t, row in zip(times, rounded.T, strict=True):
        cells = ("" if np.isnan(value) else f"{value:.{decimals}f}" for value in row)
        lines.append(f"{float(t)!r},{','.join(cells)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
