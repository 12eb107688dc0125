"""
How well drawn pages could be read by whoever knew where each trace's middle lies in every column of pixels.

    python scripts/page_ceiling.py signals=ptbxl signals.root=DIR [seed=112]

Of each lead of the set `drawn` of conf/pages.yaml the true signal is averaged over the columns of pixels of
its picture and laid back onto its samples by a cubic, as whole pages are. What this loses no reading of one
row per column can have: waves narrower than a pixel, muscle noise. Only a line that was drawn from few
samples, 100 to the second, can be read better: by its vertices.
"""

import sys
from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from scipy.interpolate import PchipInterpolator
from tqdm import tqdm

from ecgtrace.evaluation.metrics import snr_db
from ecgtrace.types import FloatArray
from ecgtrace.units import MM_PER_INCH

CONF = Path(__file__).resolve().parents[1] / "conf"


def by_columns(mv: FloatArray, px_per_sample: float) -> FloatArray:
    """
    Return a signal as its means over columns of pixels tell it.

    Examples
    --------
    >>> ramp = np.arange(100.0)
    >>> bool(np.abs(by_columns(ramp, 0.5) - ramp)[4:-4].max() < 0.3)
    True
    """
    x = np.arange(len(mv)) * px_per_sample
    fine = np.arange(0.0, x[-1], 0.05)
    column = np.floor(fine).astype(int)
    mean = np.bincount(column, np.interp(fine, x, mv)) / np.bincount(column)
    middle = np.arange(len(mean)) + 0.5
    return np.asarray(PchipInterpolator(middle, mean)(np.clip(x, middle[0], middle[-1])), np.float64)


def main() -> None:
    """Print the mean and the median over leads."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("pages", sys.argv[1:])
    pages = instantiate(cfg.sets.drawn.data, _convert_="object")
    found = []
    for index in tqdm(range(len(pages)), disable=not cfg.progress):
        page = pages[index]
        px_per_sample = page.dpi / MM_PER_INCH * page.speed_mm_per_s / page.fs_hz
        for mv in page.signals:
            known = np.flatnonzero(np.isfinite(mv))
            shown = mv[known[0] : known[-1] + 1]
            found.append(snr_db(shown, by_columns(shown, px_per_sample)))
    mean, median = np.mean(found), np.median(found)
    print(f"{len(pages)} pages, {len(found)} leads: mean {mean:.1f} dB, median {median:.1f} dB")


if __name__ == "__main__":
    main()
