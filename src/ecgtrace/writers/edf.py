"""
`NAME.edf`: EDF+C through `pyedflib` (extra `formats`).

EDF has no sample that is not there: where a lead is not shown its digital minimum stands, which no measured
sample takes, and an annotation tells from when to when each lead is shown.
"""

from pathlib import Path

import numpy as np

from ecgtrace.recording import Recording

_DIGITAL_MIN, _DIGITAL_MAX = -32768, 32767
_HEADROOM = 1.02  # the lowest measured sample stays above the digital minimum


def write(recording: Recording, stem: Path) -> tuple[Path, ...]:
    """Write all leads in mV; the last second is filled up, as EDF's records are of one second."""
    import pyedflib

    path = stem.with_name(stem.name + ".edf")
    mv = recording.signal_mv
    limits = [_limit(float(np.nanmax(np.abs(row)))) for row in mv]
    with pyedflib.EdfWriter(str(path), len(mv), file_type=pyedflib.FILETYPE_EDFPLUS) as file:
        file.setEquipment("ecgtrace")
        file.setSignalHeaders(
            [
                {
                    "label": f"ECG {lead}",
                    "dimension": "mV",
                    "sample_frequency": recording.fs_hz,
                    "physical_min": -limit,
                    "physical_max": limit,
                    "digital_min": _DIGITAL_MIN,
                    "digital_max": _DIGITAL_MAX,
                    "transducer": "",
                    "prefilter": "",
                }
                for lead, limit in zip(recording.names, limits, strict=True)
            ]
        )
        file.writeSamples([_digital(row, limit) for row, limit in zip(mv, limits, strict=True)], digital=True)
        for lead in recording.leads:
            file.writeAnnotation(lead.start_s, lead.end_s - lead.start_s, f"{lead.name} shown")
    return (path,)


def _limit(largest_mv: float) -> float:
    """Return a physical maximum that EDF's eight letters hold."""
    return max(0.001, float(np.ceil(largest_mv * _HEADROOM * 1000) / 1000))


def _digital(mv: np.ndarray, limit: float) -> np.ndarray:
    step = 2 * limit / (_DIGITAL_MAX - _DIGITAL_MIN)
    numbers = np.rint((np.nan_to_num(mv, nan=0.0) + limit) / step) + _DIGITAL_MIN
    numbers[np.isnan(mv)] = _DIGITAL_MIN
    return numbers.astype(np.int32)
