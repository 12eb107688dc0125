"""A picture of one lead whose signal is a formula, drawn at a known scale, and ways to run the tool on it."""

import csv
import sys
from pathlib import Path

import cv2
import hydra
import numpy as np
from hydra.core.global_hydra import GlobalHydra

import digitize
from ecgtrace import cli

ROOT = Path(__file__).resolve().parents[1]
PX_PER_MM = 12.0
SECONDS = 2.5
LEFT_PX, BASE_PX = 30, 200
LINE_PX = 2
SHIFT = 4  # OpenCV draws on a raster of 1/16 px


def wave_mv(time_s):
    """Three beats of P, R, S and T: sums of Gaussians, R wider than in life: columns of ink lose peaks."""
    total = np.zeros_like(time_s)
    for beat_s in (0.45, 1.27, 2.06):
        for lag_s, width_s, mv in (
            (-0.17, 0.04, 0.12),
            (0, 0.04, 1.1),
            (0.06, 0.035, -0.25),
            (0.28, 0.07, 0.3),
        ):
            total += mv * np.exp(-(((time_s - beat_s - lag_s) / width_s) ** 2))
    return total


def grid(height=260, width=810, minor=230, major=190):
    """Paper with a line each mm, stronger each 5 mm, in grey levels."""
    image = np.full((height, width, 3), 255, np.uint8)
    for level, step_mm, thickness in ((minor, 1, 1), (major, 5, 2)):
        step = int(step_mm * PX_PER_MM)
        for first in range(thickness):
            image[first::step] = np.minimum(image[first::step], level)
            image[:, first::step] = np.minimum(image[:, first::step], level)
    return image


def lead(paper=None, ink=0):
    """The wave on paper, its first sample at `LEFT_PX`; all channels alike, so grey loses nothing."""
    image = grid() if paper is None else paper.copy()
    time_s = np.arange(0, SECONDS + 1e-9, 0.002)
    x = LEFT_PX + time_s * 25 * PX_PER_MM
    y = BASE_PX - wave_mv(time_s) * 10 * PX_PER_MM
    points = np.rint(np.stack([x, y], axis=1) * 2**SHIFT).astype(np.int32)
    cv2.polylines(image, [points], False, (ink, ink, ink), LINE_PX, cv2.LINE_AA, SHIFT)
    return image


def command(arguments, monkeypatch, capfd):
    """Run `digitize.py` in this process; return its exit code, stdout and stderr."""
    GlobalHydra.instance().clear()
    monkeypatch.setattr(sys, "argv", ["digitize.py", *cli.quoted_paths(arguments)])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    monkeypatch.setattr(digitize, "exit_codes", [])
    entry = hydra.main(config_path=str(ROOT / "conf"), config_name="digitize", version_base="1.3")(
        digitize.main.__wrapped__
    )
    try:
        cli.run(entry)
        code = max(digitize.exit_codes, default=0)
    except SystemExit as stop:
        code = stop.code
    out, err = capfd.readouterr()
    return code, out, err


def summary_of(folder):
    """Return the rows of a summary by the name of their source."""
    with (folder / "summary.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {Path(row["source"]).name: row for row in rows}
