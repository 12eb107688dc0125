"""Leads in mV from a WFDB record, whatever order, case and unit its header has."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ecgtrace.errors import DataError
from ecgtrace.types import FloatArray
from ecgtrace.units import LEADS

if TYPE_CHECKING:
    import wfdb

_CANONICAL = {lead.casefold(): lead for lead in LEADS}
_MV_PER_UNIT = {"mv": 1.0, "v": 1e3, "uv": 1e-3, "nv": 1e-6}


def with_suffix(stem: Path, suffix: str) -> Path:
    """Add a suffix to a stem that may hold a dot itself."""
    return stem.with_name(stem.name + suffix)


def is_there(stem: Path) -> bool:
    """Tell whether both files of a record are there."""
    return all(with_suffix(stem, suffix).is_file() for suffix in (".hea", ".dat"))


def read_mv(stem: Path, fs_hz: float, mend: str) -> FloatArray:
    """
    Read a WFDB record whole.

    Parameters
    ----------
    stem : Path
        Of the record's files, without suffix.
    fs_hz : float
        What it has to be sampled at.
    mend : str
        What to do about a record that holds NaN, for the message.

    Returns
    -------
    ndarray of float, shape (12, n_samples)
        In mV, leads in the order of `units.LEADS`, whatever order, case and unit the file has.

    Raises
    ------
    DataError
        If the file is broken, is sampled at another frequency, lacks a lead, has an unknown unit, or holds
        NaN.
    """
    record = _read(stem)
    if record.fs != fs_hz:
        raise DataError(
            f"{stem} is sampled at {record.fs} Hz, but fs_hz={fs_hz}; set signals.fs_hz to what it holds"
        )
    rows = _rows_of_leads(record.sig_name, stem)
    missing = [lead for lead in LEADS if lead not in rows]
    if missing:
        raise DataError(f"{stem} lacks {', '.join(missing)}; it names its leads {', '.join(record.sig_name)}")
    signal = _in_mv(record, [rows[lead] for lead in LEADS], stem)
    bad = [lead for lead, samples in zip(LEADS, signal, strict=True) if not np.isfinite(samples).all()]
    if bad:
        raise DataError(f"{stem} holds NaN in {', '.join(bad)}; {mend}")
    return signal


def read_page_truth(stem: Path) -> tuple[dict[str, FloatArray], float]:
    """
    Read what a page shows: the leads that are there, over the page's time axis.

    Parameters
    ----------
    stem : Path
        Of the record's files, without suffix.

    Returns
    -------
    signals : dict of str to ndarray of float, shape (n_samples,)
        In mV, by lead, in the field's order; NaN where the page does not show a lead.
    fs_hz : float

    Raises
    ------
    DataError
        If the files are missing or broken, name a lead twice, or have an unknown unit.
    """
    record = _read(stem)
    rows = _rows_of_leads(record.sig_name, stem)
    found = [lead for lead in LEADS if lead in rows]
    signals = _in_mv(record, [rows[lead] for lead in found], stem)
    return dict(zip(found, signals, strict=True)), float(record.fs)


def _read(stem: Path) -> "wfdb.Record":
    with warnings.catch_warnings():
        # wfdb 4.3.1 calls DataFrame.set_index(inplace=True) on import, which pandas 3.1 deprecates.
        warnings.filterwarnings("ignore", message="The inplace keyword", category=DeprecationWarning)
        import wfdb  # where a record is read: packed and generated ones need none
    if not is_there(stem):
        raise DataError(f"{stem}.hea or {stem}.dat is missing; fetch the record anew")
    _refuse_non_ascii(with_suffix(stem, ".hea"))
    try:
        return wfdb.rdrecord(str(stem))
    except Exception as error:  # wfdb lets whatever its parser met pass: KeyError, AttributeError, ...
        raise DataError(
            f"{stem} cannot be read as a WFDB record ({first_line(error)}); fetch it anew"
        ) from error


def _in_mv(record: "wfdb.Record", rows: list[int], stem: Path) -> FloatArray:
    to_mv = [_mv_per_unit(record.units[row], stem) for row in rows]
    return np.ascontiguousarray(record.p_signal[:, rows].T * np.array(to_mv)[:, None])


def _refuse_non_ascii(header: Path) -> None:
    """Keep microvolt from being read as volt: wfdb drops letters beyond ASCII, the micro sign too."""
    lines = header.read_bytes().splitlines()
    if not all(line.isascii() for line in lines if not line.startswith(b"#")):
        raise DataError(f"{header} has letters beyond ASCII; write a unit of microvolt as uV")


def _rows_of_leads(names: list[str], stem: Path) -> dict[str, int]:
    """Return the channel of each lead that is there; channels that are no lead are passed over."""
    channels: dict[str, int] = {}
    for channel, name in enumerate(names):
        lead = _CANONICAL.get(name.strip().casefold())
        if lead in channels:
            raise DataError(f"{stem} has lead {lead} twice")
        if lead is not None:
            channels[lead] = channel
    return channels


def _mv_per_unit(unit: str, stem: Path) -> float:
    try:
        return _MV_PER_UNIT[unit.strip().casefold()]
    except KeyError as error:
        raise DataError(f"{stem} gives its amplitudes in {unit!r}; known are V, mV, uV and nV") from error


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, or its type where it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]
