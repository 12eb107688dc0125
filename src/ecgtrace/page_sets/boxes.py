"""
Boxes of leads as ECG-image-kit writes them beside its pages, `NAME.boxes.json`.

See `datasets.page_leads`, which cuts single leads by them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecgtrace.errors import DataError
from ecgtrace.evaluation.page_sample import TrueBox
from ecgtrace.recording import Box
from ecgtrace.types import FloatArray
from ecgtrace.units import LARGE_SQUARE_MM, MM_PER_INCH

BOXES = ".boxes.json"
_TOUCH_S = 0.04  # a small square: columns that meet do not overlap
_LEADS = 12


@dataclass(frozen=True)
class PageBoxes:
    """
    What the file tells of a page.

    Attributes
    ----------
    layout : str
        As `recording.Recording.layout`.
    dpi : float
    boxes : dict of str to tuple of TrueBox
    overlaps : dict of str to bool
        Whether the box of another lead reaches into a lead's own, where it is read from.
    """

    layout: str
    dpi: float
    boxes: dict[str, tuple[TrueBox, ...]]
    overlaps: dict[str, bool]


def read_boxes(path: Path, signals: Mapping[str, FloatArray], fs_hz: float) -> PageBoxes:
    """
    Read the boxes of a page.

    Parameters
    ----------
    path : Path
    signals : mapping of str to ndarray of float, shape (n_samples,)
        The truth of the page on its axis, which tells where columns begin.
    fs_hz : float

    Raises
    ------
    DataError
        If the file is not laid out so, or names a lead that the truth lacks.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        dpi = float(told["x_grid"]) / LARGE_SQUARE_MM * MM_PER_INCH
        entries = [
            (str(entry["lead_name"]), int(entry["end_sample"]) - int(entry["start_sample"]), _box(entry))
            for entry in told["leads"]
        ]
        shown = {name: np.flatnonzero(np.isfinite(signals[name])) / fs_hz for name, _, _ in entries}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} cannot be read as boxes of leads ({error!r}); copy it anew") from error
    shortest = min(n for _, n, _ in entries) / fs_hz
    # Right ends of columns are the same in all rows; a box may begin with a pulse.
    ends = _distinct([box[2] for _, n, box in entries if n / fs_hz <= shortest])
    parts: dict[str, list[TrueBox]] = {}
    for name, n, box in entries:
        duration_s = n / fs_hz
        column = int(np.argmin(np.abs(np.array(ends) - box[2]))) if duration_s <= shortest else 0
        start_s = column * shortest if len(shown[name]) > n else float(shown[name][0])
        parts.setdefault(name, []).append(TrueBox(box, start_s, start_s + duration_s))
    columns = len(ends)
    n_strips = max(len(entries) - _LEADS, 0)
    rows = (len(entries) - n_strips) // columns
    layout = f"{rows}x{columns}" + (f"+{n_strips}" if n_strips else "")
    return PageBoxes(layout, dpi, {name: tuple(found) for name, found in parts.items()}, overlaps_of(parts))


def overlaps_of(parts: Mapping[str, list[TrueBox]]) -> dict[str, bool]:
    """
    Tell for each lead whether another box reaches into its longest, at the same time.

    Boxes around the ink are what is known, so a corner of a box that holds no ink counts, too.
    """
    boxes = [(name, part) for name, found in parts.items() for part in found]
    longest = {name: max(found, key=lambda part: part.end_s - part.start_s) for name, found in parts.items()}
    return {
        name: any(_reaches(own, other) for _, other in boxes if other is not own)
        for name, own in longest.items()
    }


def _reaches(own: TrueBox, other: TrueBox) -> bool:
    left, top, right, bottom = own.box
    x0, y0, x1, y1 = other.box
    px = _TOUCH_S * (right - left) / (own.end_s - own.start_s)
    return min(right, x1) - max(left, x0) > px and y0 <= bottom and y1 >= top


def _distinct(values: list[float]) -> list[float]:
    """Return the values that differ by more than a tenth of their range."""
    ordered = sorted(values)
    apart = max((ordered[-1] - ordered[0]) / 10, 1.0)
    groups = [ordered[0]]
    for value in ordered[1:]:
        if value - groups[-1] > apart:
            groups.append(value)
    return groups


def _box(entry: dict[str, Any]) -> Box:
    """Corners are [y, x]."""
    y, x = np.array([entry["lead_bounding_box"][key] for key in "0123"], float).T
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())
