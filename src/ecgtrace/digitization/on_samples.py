"""The last fit of a line that was drawn from sample to sample, with its vertices on the samples."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ecgtrace.digitization.stroke import FitOptions, Stroke, fit_stroke, misfit
from ecgtrace.digitization.vertices import Comb, bends, find_combs, put_right

_LEAST_BEND = 0.2  # px per px: pixels give a straight line smaller ones
_LOOSE_FIT = FitOptions(coarse_edges_px=(), steps=15, tolerance=1e-3)
_HELD_FIT = FitOptions(coarse_edges_px=(), steps=30, tether_weight=1e3)
_NO_END = (False, False)


@dataclass(frozen=True)
class OnSamples:
    """
    Fit a line with its vertices where it was drawn with them, if the image tells where.

    Attributes
    ----------
    longest_s : float
        Between samples; those of 25 Hz.
    off_comb : float
        Share of its spacing that the vertices of a true comb stay within.
    worse : float
        Largest factor of what is left unexplained: there are fewer vertices to explain it with.
    fewest_bends : int
        That a comb is told by.
    """

    longest_s: float = 0.04
    off_comb: float = 0.015
    worse: float = 2.0
    fewest_bends: int = 8

    def __call__(
        self,
        density: NDArray[np.float32],
        line: Stroke,
        claim: NDArray[np.float32],
        others: NDArray[np.float32],
        fs_hz: float,
    ) -> Stroke | None:
        """
        Return the fitted line, None where no comb is told.

        Parameters
        ----------
        density, claim, others
            As for `stroke.fit_stroke`.
        line : Stroke
            Its first and last vertex are near the first and the last sample.
        fs_hz : float
            So many steps of its vertices are a second.
        """
        step_px = float(np.median(np.diff(line.x_px)))
        longest_px = step_px * max(4.0, self.longest_s * fs_hz)
        fine = misfit(density, line, claim, others)
        best: tuple[float, Comb, Stroke] | None = None
        for comb in find_combs(line, 2 * step_px, longest_px):
            start = replace(comb.lay(line), joins=True)
            fitted = fit_stroke(density, start, claim, others, _LOOSE_FIT, _NO_END)
            comb, off = put_right(comb, fitted)
            worse = misfit(density, fitted, claim, others) / fine
            seen = np.count_nonzero(np.abs(bends(fitted)) > _LEAST_BEND)
            if off > self.off_comb or worse > self.worse or seen < self.fewest_bends:
                continue
            if best is None or off * worse < best[0]:
                best = (off * worse, comb, fitted)
            if off < self.off_comb / 2 and worse < 0.8 * self.worse:
                break
        if best is None:
            return None
        _, comb, fitted = best
        fitted = fit_stroke(density, comb.lay(fitted), claim, others, _LOOSE_FIT, _NO_END)
        comb, _ = put_right(comb, fitted)
        return fit_stroke(density, comb.lay(fitted), claim, others, _HELD_FIT, _NO_END)
