"""Which instances a detector finds, misses, and makes up: Figure 4 of the paper."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ecgtrace.types import FloatArray

BOX_IOU = 0.45  # above it, a detection is of this instance; Ultralytics' default
LABELS = ("signal", "background")


@dataclass
class Confusion:
    """
    Counts over crops that hold one instance each.

    Attributes
    ----------
    found, missed : int
        Instances with and without a detection whose box agrees with theirs.
    false : int
        Detections of nothing, or of an instance that another detection found better.
    empty : int
        Crops without any detection; part of `missed`.
    """

    found: int = 0
    missed: int = 0
    false: int = 0
    empty: int = 0

    @property
    def n(self) -> int:
        """Number of instances."""
        return self.found + self.missed

    @property
    def missed_share(self) -> float:
        """Share of instances that were not found."""
        return self.missed / max(self.n, 1)

    def add(self, boxes: FloatArray, truth: FloatArray) -> None:
        """
        Count one crop.

        Parameters
        ----------
        boxes : ndarray of float, shape (n, 4)
            x0, y0, x1, y1 of the detections that are confident enough.
        truth : ndarray of float, shape (4,)
            The instance's own.
        """
        hit = bool(len(boxes)) and bool((box_iou(boxes, truth) > BOX_IOU).any())
        self.found += hit
        self.missed += not hit
        self.false += len(boxes) - hit
        self.empty += not len(boxes)

    def table(self) -> pd.DataFrame:
        """Return rows of `predicted`, `true`, `count` and `share_of_true`."""
        counts = {
            ("signal", "signal"): self.found,
            ("signal", "background"): self.false,
            ("background", "signal"): self.missed,
            ("background", "background"): 0,
        }
        totals = {"signal": self.n, "background": self.false}
        rows = [
            {"predicted": p, "true": t, "count": count, "share_of_true": count / max(totals[t], 1)}
            for (p, t), count in counts.items()
        ]
        return pd.DataFrame(rows)


def box_iou(boxes: FloatArray, truth: FloatArray) -> FloatArray:
    """
    Return the intersection over union of boxes with one box.

    Examples
    --------
    >>> box_iou(np.array([[0, 0, 2, 2], [5, 5, 6, 6]]), np.array([1, 0, 3, 2])).round(3).tolist()
    [0.333, 0.0]
    """
    low, high = np.maximum(boxes[:, :2], truth[:2]), np.minimum(boxes[:, 2:], truth[2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (truth[2:] - truth[:2]).prod()
    return np.asarray(shared / np.maximum(areas - shared, 1e-9))


def by_threshold(
    found: Iterable[tuple[FloatArray, FloatArray, FloatArray]], levels: Iterable[float]
) -> pd.DataFrame:
    """
    Return `Confusion.table` at several confidences, with the column `confidence`.

    Parameters
    ----------
    found : iterable of (boxes, confidence, truth)
        One for each crop.
    levels : iterable of float
    """
    crops, tables = list(found), []
    for level in levels:
        counts = Confusion()
        for boxes, confidence, truth in crops:
            counts.add(boxes[confidence >= level], truth)
        tables.append(counts.table().assign(confidence=level))
    return pd.concat(tables, ignore_index=True)
