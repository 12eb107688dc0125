"""
`NAME.hea` and `NAME.dat`: WFDB, format 16, as https://wfdb.io/spec/header-files.htm and signal-files.htm say.

Samples are 16-bit numbers, little-endian, the leads of one time together; -32768 stands for a sample that is
not there. The header is text.
"""

import re
import zlib
from pathlib import Path

import numpy as np

from ecgtrace.recording import Recording

_INVALID = -32768
_LARGEST = 32000  # of 32767
_STEPS_PER_MV = (10_000, 5_000, 2_000, 1_000, 500, 200, 100, 50, 20, 10, 5, 2, 1)


def write(recording: Recording, stem: Path) -> tuple[Path, ...]:
    """
    Write all leads in the order of the recording, in the finest steps that hold their amplitudes.

    The files are named by `paths`.
    """
    header, data = paths(stem)
    name = header.stem
    mv = recording.signal_mv
    steps = np.array([_steps_per_mv(float(np.nanmax(np.abs(row)))) for row in mv])
    numbers = np.rint(np.nan_to_num(mv, nan=0.0) * steps[:, None])
    numbers[np.isnan(mv)] = _INVALID
    samples = numbers.astype("<i2")
    lines = [f"{name} {len(mv)} {recording.fs_hz:.10g} {mv.shape[1]}"]
    for lead, row, step in zip(recording.names, samples, steps, strict=True):
        checksum = int(np.sum(row, dtype=np.int64)) & 0xFFFF
        checksum -= 0x10000 if checksum >= 0x8000 else 0
        lines.append(f"{data.name} 16 {step}/mV 16 0 {row[0]} {checksum} 0 {lead}")
    lines += ["# written by ecgtrace", f"# layout {recording.layout}, {recording.status}"]
    lines += [
        f"# {lead.name} shown from {lead.start_s:.4f} to {lead.end_s:.4f} s" for lead in recording.leads
    ]
    header.write_text("\n".join(lines) + "\n", encoding="ascii", errors="replace", newline="\n")
    data.write_bytes(np.ascontiguousarray(samples.T).tobytes())
    return header, data


def paths(stem: Path) -> tuple[Path, Path]:
    """
    Return where header and data go.

    Names of records have letters, digits, `-` and `_` only. Where the stem has others, `_` stands in their
    place and four digits that tell such names apart behind them.

    Examples
    --------
    >>> [path.name for path in paths(Path("page-p1")) + paths(Path("page (1)"))]
    ['page-p1.hea', 'page-p1.dat', 'page__1__e9cf.hea', 'page__1__e9cf.dat']
    """
    name = re.sub(r"[^A-Za-z0-9_-]", "_", stem.name)
    if name != stem.name:
        name += f"_{zlib.crc32(stem.name.encode(errors='surrogateescape')) & 0xFFFF:04x}"
    return stem.with_name(f"{name}.hea"), stem.with_name(f"{name}.dat")


def _steps_per_mv(largest_mv: float) -> int:
    return next((step for step in _STEPS_PER_MV if step * largest_mv <= _LARGEST), 1)
