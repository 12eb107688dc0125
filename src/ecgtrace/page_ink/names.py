"""Printed lead names as points: peaks of the heat maps."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ecgtrace.page_ink.maps import MAP_PX_PER_MM, NAME_CLASSES, PageMaps

# A heat map's peak is 1 mm wide; two names stand no closer than one is high.
_APART_MM = 2.0


@dataclass(frozen=True)
class FoundName:
    """
    A lead name that the network read.

    Attributes
    ----------
    name : str
        One of `NAME_CLASSES`.
    score : float
        Height of the peak, in [0, 1].
    x, y : float
        Centre of the printed name, in px of the maps.
    scores : tuple of float
        Of every class of `NAME_CLASSES` there.
    """

    name: str
    score: float
    x: float
    y: float
    scores: tuple[float, ...] = ()


def names_found(maps: PageMaps, least_score: float = 0.3) -> list[FoundName]:
    """
    Return the peaks of the heat maps, the highest first.

    Parameters
    ----------
    maps : PageMaps
    least_score : float, optional
        Lower peaks are left out.

    Returns
    -------
    list of FoundName
        No two within 2 mm: of several readings of one name the best is kept.
    """
    reach = round(_APART_MM * MAP_PX_PER_MM)
    window = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    peaks: list[FoundName] = []
    best = maps.names.max(axis=0)
    for y, x in np.argwhere((best >= least_score) & (best == cv2.dilate(best, window))):
        kind = int(maps.names[:, y, x].argmax())
        near = maps.names[:, max(0, y - 2) : y + 3, max(0, x - 2) : x + 3].max(axis=(1, 2))
        scores = tuple(float(score) for score in near)
        peaks.append(FoundName(NAME_CLASSES[kind], float(best[y, x]), float(x), float(y), scores))
    return each_once(peaks)


def each_once(names: Sequence[FoundName]) -> list[FoundName]:
    """Keep the best of the readings of one name, which lie within 2 mm of each other; the surest first."""
    reach = round(_APART_MM * MAP_PX_PER_MM)
    kept: list[FoundName] = []
    for one in sorted(names, key=lambda name: -name.score):
        if all(max(abs(one.x - k.x), abs(one.y - k.y)) > reach for k in kept):
            kept.append(one)
    return kept
