"""Where the fit of a stroke starts: along the cheapest way through ink that is the target's."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgtrace.digitization.ink_map import SURE, InkMap
from ecgtrace.digitization.ink_path import cheapest_path, expected_rows, explaining_path, reach_tips
from ecgtrace.digitization.stroke import Stroke, laid_evenly

_SEEN = (0.5, 0.7)  # share of ink that the network sees: overlooks the trace, or only print
_OVERLOOKED = 0.5  # likelihood of unclaimed ink where it overlooks the trace
_START_EDGE_PX = 0.4  # softness of the edge: anti-aliasing, before the fit says better


@dataclass(frozen=True)
class PathStart:
    """
    Find a line to start from.

    Attributes
    ----------
    detours : bool
        Whether the path goes out of its way to ink of the target that it leaves aside
        (`ink_path.explaining_path`).
    expectation : bool
        Whether rows are the expected ones of the ink around the path, not the path's own.
    unclaimed : float
        Likelihood, for the path, of ink that the network gives to nobody: it overlooks some where print
        crosses the trace.
    """

    detours: bool = True
    expectation: bool = True
    unclaimed: float = 0.1

    def __call__(self, ink: InkMap, step_px: float) -> Stroke:
        """
        Return a line through the target's ink, with vertices `step_px` apart.

        Raises
        ------
        TraceNotFoundError
            If no ink is likely to be the target's.
        """
        dark, width_px = ink.saturated, ink.line_width_px
        first, last = ink.extent
        part = np.s_[:, first : last + 1]
        own = (dark * ink.target)[part]
        likely = self._likelihood(ink, dark)[part]
        places: dict[int, int] = {}
        if self.detours:
            enter, leave, places = explaining_path(likely, own, width_px / 2)
        else:
            enter, leave = cheapest_path(likely)
        ends = float(enter[0]), float(leave[-1])
        rows = (enter + leave) / 2
        if self.expectation:
            rows = expected_rows(own, enter, leave, width_px / 2 + 1)
        rows[list(places)] = list(places.values())
        rows = reach_tips(own, rows, width_px / 2)
        # Half a line width of columns is cut off at each end, but not the rows that the path passes there.
        rows[0], rows[-1] = ends
        start, end = first - 0.5 + width_px / 2, last + 0.5 - width_px / 2
        start, end = start if first > 0 else 0.0, end if last < dark.shape[1] - 1 else float(last)
        columns = np.arange(first, last + 1, dtype=np.float64)
        x, y = laid_evenly(columns, rows, start, max(end, start + 2), step_px)
        return Stroke(x, y, width_px / 2, width_px / 2, _START_EDGE_PX, 1.0)

    def _likelihood(self, ink: InkMap, dark: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of each pixel to be on the path: ink that is nobody's may be the target's, too."""
        strange = np.asarray(1 - (ink.target if ink.other is None else ink.other), np.float32)
        free = np.float32(self.likely_unclaimed(ink, strange)) * strange
        return np.asarray(dark * (ink.target + (1 - ink.target) * free), np.float32)

    def likely_unclaimed(self, ink: InkMap, strange: NDArray[np.float32]) -> float:
        """
        Return the likelihood of ink that the network gives to nobody.

        Higher where that is much of the ink: the network then overlooks the trace itself, as it does where
        lines are thinner than those it was trained on. Printed names are less.
        """
        dark = (ink.density > SURE) & (strange > SURE)
        seen = int((dark & (ink.target > SURE)).sum()) / max(int(dark.sum()), 1)
        return float(np.interp(seen, _SEEN, (_OVERLOOKED, self.unclaimed)))
