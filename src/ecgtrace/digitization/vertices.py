"""
Find the samples of a plotted line: it bends at them, and they lie at even distances along x.

A plotted ECG is a polyline with one vertex per sample. How far these are apart is nowhere printed, but the
bends of a line that was fitted with vertices much closer than that fall on a comb, and the comb gives the
place of the samples, time 0 among them, far more exactly than the end of the ink does. A line without such
a comb (drawn by hand, or with samples closer than about half of its width) has none.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ecgtrace.digitization.stroke import Stroke
from ecgtrace.types import FloatArray

_BIN_PX = 0.1
_OVERSAMPLING = 8
_LARGEST_BEND = 1.0  # px per px; steeper ones count no more when combs are sought: no one QRS shall decide
_STEEPEST_BEND = 6.0  # when a comb is put right: these places are the most exact
_ROBUST_PX = 0.15
_ROUNDS = 3


class Comb(NamedTuple):
    """
    Where the samples of a line lie along x.

    Attributes
    ----------
    spacing_px : float
    phase_px : float
        x of one of them.
    """

    spacing_px: float
    phase_px: float

    def nearest(self, x_px: float) -> float:
        """Return x of the sample next to a place."""
        return self.phase_px + round((x_px - self.phase_px) / self.spacing_px) * self.spacing_px

    def lay(self, line: Stroke) -> Stroke:
        """Return the line with its vertices on the comb, from the sample next to its beginning."""
        first, last = self.nearest(line.x_px[0]), self.nearest(line.x_px[-1])
        n = max(3, round((last - first) / self.spacing_px) + 1)
        x = first + np.arange(n) * self.spacing_px
        y = np.interp(x, line.x_px, line.y_px).astype(np.float64)
        return replace(line, x_px=np.asarray(x, np.float64), y_px=y)


def bends(line: Stroke) -> FloatArray:
    """Return by how much the slope changes at each inner vertex, shape (n_vertices - 2,)."""
    return np.asarray(np.diff(np.diff(line.y_px) / np.diff(line.x_px)), np.float64)


def find_combs(line: Stroke, smallest_px: float, largest_px: float, count: int = 4) -> Iterator[Comb]:
    """
    Yield combs that the bends of a line may fall on, the likeliest first.

    These are the peaks of the spectrum of the bends along x.

    Parameters
    ----------
    line : Stroke
        With vertices closer than half of `smallest_px`.
    smallest_px, largest_px : float
        Range of the spacing.
    count : int, optional

    Yields
    ------
    Comb
        Rough: within a small part of its spacing over the whole line.
    """
    x, weight = line.x_px[1:-1], np.minimum(np.abs(bends(line)), _LARGEST_BEND)
    at = np.rint((x - x[0]) / _BIN_PX).astype(int)
    n = 1 << int(np.ceil(np.log2((at[-1] + 1) * _OVERSAMPLING)))
    spectrum = np.abs(np.fft.rfft(np.bincount(at, weights=weight), n))
    frequency = np.fft.rfftfreq(n, _BIN_PX)
    spectrum[(frequency < 1 / largest_px) | (frequency > 1 / smallest_px)] = 0
    lobe = int(1.5 * n * _BIN_PX / (x[-1] - x[0] + 1))  # of one peak
    for _ in range(count):
        peak = int(np.argmax(spectrum))
        if spectrum[peak] <= 0:
            return
        spacing = float(1 / frequency[peak])
        total = (weight * np.exp(2j * np.pi * x / spacing)).sum()
        yield Comb(spacing, float(np.angle(total) / (2 * np.pi) * spacing))
        spectrum[max(0, peak - lobe) : peak + lobe + 1] = 0


def put_right(comb: Comb, line: Stroke) -> tuple[Comb, float]:
    """
    Put a comb where the vertices of a line are that was fitted on it, free along x.

    Parameters
    ----------
    comb : Comb
    line : Stroke
        One vertex for each sample.

    Returns
    -------
    Comb
    float
        How far vertices lie off it, as a share of its spacing: the median by how sharply the line bends
        there, since a vertex on a straight stretch lies anywhere.
    """
    x, weight = line.x_px[1:-1], np.minimum(np.abs(bends(line)), _STEEPEST_BEND) ** 2 + 1e-12
    number = np.rint((x - comb.phase_px) / comb.spacing_px)
    design = np.stack([np.ones_like(number), number], axis=1)
    root = np.sqrt(weight)
    off = np.zeros_like(x)
    for _ in range(_ROUNDS):
        (phase, spacing), *_ = np.linalg.lstsq(design * root[:, None], x * root, rcond=None)
        off = np.abs(x - phase - number * spacing)
        root = np.sqrt(weight / (1 + (off / _ROBUST_PX) ** 2))
    order = np.argsort(off)
    share = np.cumsum(weight[order])
    median = off[order][np.searchsorted(share, share[-1] / 2)]
    return Comb(float(spacing), float(phase)), float(median / comb.spacing_px)
