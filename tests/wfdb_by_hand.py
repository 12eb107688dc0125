"""WFDB records written without wfdb, for tests of what reads them."""

from pathlib import Path

import numpy as np

from ecgtrace.units import LEADS


def write_record(
    root: Path,
    name: str,
    signal_mv: np.ndarray,
    leads=LEADS,
    unit="mV",
    per_mv=1.0,
    fs_hz=500,
    steps_per_mv=20_000,
) -> None:
    """
    Write a WFDB record of format 16 by hand, so that wfdb does not judge its own writing.

    The lowest value of 16 bits stands for a missing sample:
    https://physionet.org/physiotools/wag/signal-5.htm
    """
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    steps = np.where(np.isnan(signal_mv), -(2**15), np.round(np.nan_to_num(signal_mv) * steps_per_mv))
    path.with_name(path.name + ".dat").write_bytes(steps.T.astype("<i2").tobytes())
    lines = [f"{path.name} {len(leads)} {fs_hz} {signal_mv.shape[1]}"]
    for lead, row in zip(leads, steps.astype(int), strict=True):
        checksum = row.sum() % 2**16
        lines.append(
            f"{path.name}.dat 16 {steps_per_mv / per_mv}(0)/{unit} 16 0 {row[0]} {checksum} 0 {lead}"
        )
    path.with_name(path.name + ".hea").write_text("\n".join(lines) + "\n")
