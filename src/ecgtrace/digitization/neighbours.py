"""The other ink of a crop, as strokes: what of a pixel they explain, the target need not."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.digitization.ink_map import SURE
from ecgtrace.digitization.ink_path import cheapest_path
from ecgtrace.digitization.stroke import FitOptions, Stroke, fit_stroke, laid_evenly

_LEAST_PX = 6  # narrower blots are not fitted
_STEP_PX = 1.5  # between vertices
_OPAQUE = np.float32(0.98)  # most of a pixel that a stroke explains: all of it leaves nothing to tell by


@dataclass(frozen=True)
class Neighbours:
    """
    Fit a stroke to each stretch of ink that is not the target's.

    Attributes
    ----------
    rounds : int
        So many times the neighbours are fitted beside the target and the target beside them.
    """

    rounds: int = 2

    def __call__(
        self, density: NDArray[np.float32], other: NDArray[np.float32], line: Stroke, fit: FitOptions
    ) -> tuple[Stroke, ...]:
        """
        Return a stroke for each stretch, with the target's share explained.

        Parameters
        ----------
        density, other : ndarray of float32, shape (height, width)
            As of `InkMap`.
        line : Stroke
            The target.
        fit : FitOptions
        """
        covered = line.coverage(density.shape) * _OPAQUE
        marked = ((density > SURE) & (other > SURE)).astype(np.uint8)
        n, labels, stats, _ = cv2.connectedComponentsWithStats(marked, connectivity=8)
        strokes = []
        for label in range(1, n):
            left, top, width, height, area = (int(v) for v in stats[label])
            if width < _LEAST_PX or area < 3 * line.half_width_px**2:
                continue
            pad = int(np.ceil(line.half_width_px + 3))
            rows = slice(max(0, top - pad), min(density.shape[0], top + height + pad))
            cols = slice(max(0, left - pad), min(density.shape[1], left + width + pad))
            part = (labels[rows, cols] == label).astype(np.float32)
            reach = np.asarray(cv2.dilate(part, np.ones((5, 5), np.uint8)), np.float32)
            inside = np.flatnonzero(part.any(axis=0))
            own = part * np.minimum(density[rows, cols], 1)
            enter, leave = cheapest_path(own[:, inside[0] : inside[-1] + 1])
            columns = np.arange(inside[0], inside[-1] + 1, dtype=np.float64)
            x, y = laid_evenly(columns, (enter + leave) / 2, columns[0], columns[-1], _STEP_PX)
            quick = replace(fit, steps=10, coarse_steps=6)
            stroke = fit_stroke(
                density[rows, cols], replace(line, x_px=x, y_px=y), reach, covered[rows, cols], quick
            )
            strokes.append(replace(stroke, x_px=stroke.x_px + cols.start, y_px=stroke.y_px + rows.start))
        return tuple(strokes)


def covered_by(strokes: tuple[Stroke, ...], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return the share of each pixel that strokes explain together, below 1."""
    result = np.zeros(shape, np.float32)
    for stroke in strokes:
        np.maximum(result, stroke.coverage(shape) * _OPAQUE, out=result)
    return result
