"""
Make the sample records that come with the package.

    python scripts/make_sample_records.py [OUTPUT.npz]

needs the development dependency `deepfake-ecg` (MIT), the generator of Thambawita et al.
(2021), DeepFake electrocardiograms, https://doi.org/10.1038/s41598-021-01295-2. It draws
eight-lead ECGs in microvolt, 10 s at 500 Hz, from uniform noise, so a seed and the number
of the draw say all about a record. Draws that fail `reason_to_reject` are passed over.

The same seed gives the same file with the same versions of torch and of the generator on
the same kind of processor; elsewhere single samples may differ by 1 uV, since a network's
sums are rounded differently and the generator truncates them to whole microvolts.
"""

import argparse
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

from ecgtrace.records.sample import PATH, STORED_LEADS, UV_PER_MV, pack

SEED = 20250612  # any number
N_RECORDS = 60
FS_HZ = 500

# Quality rule. Real 12-lead ECGs seldom pass 4 mV, and where no lead has a QRS of 0.3 mV
# the draw shows no heart.
MAX_AMPLITUDE_MV = 4.0
MIN_QRS_RANGE_MV = 0.3
MIN_RATE_BPM, MAX_RATE_BPM = 30, 200
# The generator's last layers see zeros beyond the ends, which can kick the first and last samples.
EDGE_S, MAX_EDGE_RANGE_MV = 0.02, 0.4


def main() -> None:
    """Draw, select and write the records."""
    parser = argparse.ArgumentParser(description="Make the sample records that come with ecgtrace.")
    parser.add_argument("output", nargs="?", type=Path, default=PATH)
    output = parser.parse_args().output
    signals_uv, draws = select(N_RECORDS)
    write(output, signals_uv, draws)
    print(
        f"{output}: {len(draws)} records out of {draws[-1] + 1} draws, {output.stat().st_size / 1e6:.2f} MB"
    )


def select(n_records: int) -> tuple[NDArray[np.int16], list[int]]:
    """Draw until `n_records` pass the quality rule; return signals in uV and numbers of the draws."""
    import torch  # here, for the same reason as the generator below

    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # more threads add up in another order
    accepted: list[NDArray[np.int16]] = []
    draws: list[int] = []
    draw = 0
    while len(accepted) < n_records:
        signal_uv = generate_one(draw)
        reason = reason_to_reject(signal_uv / UV_PER_MV)
        if reason:
            print(f"draw {draw} rejected: {reason}")
        else:
            accepted.append(signal_uv)
            draws.append(draw)
        draw += 1
    return np.stack(accepted), draws


def generate_one(draw: int) -> NDArray[np.int16]:
    """Return the next draw of the generator, shape (8, 5000), in uV; it writes text files only."""
    import deepfakeecg  # here, so that the quality rule can be tested without the generator

    with tempfile.TemporaryDirectory() as folder:
        deepfakeecg.generate(1, folder, start_id=draw)
        signal_uv = np.loadtxt(Path(folder) / f"{draw}.asc", dtype=np.int64).T
    limits = np.iinfo(np.int16)
    return np.clip(signal_uv, limits.min, limits.max).astype(np.int16)


def reason_to_reject(signal_mv: NDArray[np.floating]) -> str:
    """
    Judge a draw by simple measures.

    Parameters
    ----------
    signal_mv : ndarray of float, shape (8, n_samples)
        In mV, sampled at `FS_HZ`.

    Returns
    -------
    str
        Empty where the draw is good.
    """
    largest_mv = float(np.abs(signal_mv).max())
    if largest_mv > MAX_AMPLITUDE_MV:
        return f"amplitude {largest_mv:.1f} mV"
    range_mv = float(np.ptp(signal_mv, axis=1).max())
    if range_mv < MIN_QRS_RANGE_MV:
        return f"no lead has a QRS, largest range {range_mv:.2f} mV"
    edge = round(EDGE_S * FS_HZ)
    edge_mv = float(
        max(np.ptp(signal_mv[:, :edge], axis=1).max(), np.ptp(signal_mv[:, -edge:], axis=1).max())
    )
    if edge_mv > MAX_EDGE_RANGE_MV:
        return f"jump of {edge_mv:.2f} mV at an end"
    rate_bpm = heart_rate_bpm(signal_mv)
    if not MIN_RATE_BPM <= rate_bpm <= MAX_RATE_BPM:
        return f"{rate_bpm:.0f} beats per minute"
    return ""


def heart_rate_bpm(signal_mv: NDArray[np.floating]) -> float:
    """Return beats per minute: peaks, at least 0.25 s apart, of the leads' summed steepness."""
    steepness = np.abs(np.diff(signal_mv, axis=1)).sum(axis=0)
    smooth = np.convolve(steepness, np.ones(FS_HZ // 10), mode="same")
    peaks, _ = find_peaks(smooth, height=smooth.max() / 3, distance=FS_HZ // 4)
    return 60.0 * len(peaks) / (signal_mv.shape[1] / FS_HZ)


def split_of(index: int) -> str:
    """Give every tenth record to validation and two of ten to the test: 42, 6 and 12 of 60."""
    return {0: "val", 4: "test", 9: "test"}.get(index % 10, "train")


def write(output: Path, signals_uv: NDArray[np.int16], draws: list[int]) -> None:
    """Write the records with all that is known of their origin, without pickles."""
    output.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        output,
        planes=pack(signals_uv),
        ids=np.array([f"sample-{index:03d}" for index in range(len(draws))]),
        splits=np.array([split_of(index) for index in range(len(draws))]),
        fs_hz=np.array(FS_HZ),
        leads=np.array(STORED_LEADS),
        unit=np.array("uV"),
        draw=np.array(draws),
        seed=np.array(SEED),
        generator=np.array(f"deepfake-ecg {version('deepfake-ecg')}, torch {version('torch')}"),
        origin=np.array("https://doi.org/10.1038/s41598-021-01295-2"),
        license=np.array("MIT; (c) 2021 Vajira Thambawita (generator); no patient data"),
        made_by=np.array("scripts/make_sample_records.py"),
    )


if __name__ == "__main__":
    main()
