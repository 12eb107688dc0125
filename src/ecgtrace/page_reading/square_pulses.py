"""Calibration pulses by their shape, on paper without a grid: two upright strokes under one flat top."""

from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.types import FloatArray
from ecgtrace.vector.lines import Pulse

# In mm of a guessed scale, which may be off by a half.
_LEAST_HIGH, _WIDE, _THICK = 2.5, (1.5, 16.0), 1.6
_LEVEL = 0.4  # of two tops, of two feet
_TOP = 0.9  # of the flat top is inked
_BESIDE = 1.5  # of the roof to either side, which is bare
_INSIDE = 0.05  # of what lies between the strokes is inked: a wave that crosses, a speck
_CLOSED = 0.5  # a box has a line at its bottom, too
_EVEN_MM = 4.0  # across: paper is seen within so much of any ink
_COLUMN_MM, _ROWS = 4.0, 3  # pulses of so many rows stand so near, on a page that is turned a little
_PALE = 0.85  # of the paper's light: ink of a thin pen
_BARE = 0.15  # covered no more
_ALIKE = 0.08  # pulses of a page


def square_pulses(image: NDArray[np.uint8], px_per_mm: float) -> list[Pulse]:
    """
    Find calibration pulses of a page that has no grid.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
        RGB, the right way up; dark on light. Light is divided out where no pulse is seen otherwise; then
        three rows must show one.
    px_per_mm : float
        About; only pulses of 2.5 to 45 mm are looked for.

    Returns
    -------
    list of Pulse
        In px, from middle to middle of their lines; those that are alike, most of them. Empty where none is.
    """
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    _, ink = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    found = _alike(grey, ink, px_per_mm)
    if not found:
        even = _even(grey, px_per_mm)
        ink = (even < _PALE * 255).astype(np.uint8)
        solid = max(2, round(_THICK * px_per_mm))  # as the edge of the desk is
        ink -= cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((solid, solid), np.uint8))
        found = _below_each_other(_alike(even, ink, px_per_mm), px_per_mm)
    return found


def _below_each_other(pulses: list[Pulse], px_per_mm: float) -> list[Pulse]:
    """Return pulses that stand at one place of several rows, as no noise of paper does; or none."""
    columns = [[one for one in pulses if abs(one.x - pulse.x) <= _COLUMN_MM * px_per_mm] for pulse in pulses]
    longest: list[Pulse] = max(columns, key=len, default=[])
    column = sorted(longest, key=lambda pulse: pulse.base_y)
    apart = all(above.base_y < below.base_y - below.height for above, below in pairwise(column))
    return column if len(column) >= _ROWS and apart else []


def _even(grey: NDArray[np.uint8], px_per_mm: float) -> NDArray[np.uint8]:
    """Divide light out: of a photo, whose desk is darker than its ink, and paper in a shadow."""
    reach = round(_EVEN_MM * px_per_mm) | 1
    paper = cv2.blur(cv2.dilate(grey, np.ones((reach, reach), np.uint8)), (reach, reach))
    return np.asarray(cv2.divide(grey, np.maximum(paper, 1), scale=255))


def _alike(grey: NDArray[np.uint8], ink: NDArray[Any], px_per_mm: float) -> list[Pulse]:
    """Return the pulses of a grey picture that are alike, most of them."""
    paper, dark = np.median(grey), np.median(grey[ink > 0]) if ink.any() else 0.0
    covered = np.clip((paper - grey) / max(1.0, paper - dark), 0, 1)
    length = max(3, round(_LEAST_HIGH * px_per_mm))
    upright = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((length, 1), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(upright, connectivity=8)
    strokes = [tuple(map(int, one[: cv2.CC_STAT_AREA])) for one in stats[1:]]
    strokes = sorted(one for one in strokes if one[2] <= _THICK * px_per_mm)
    found: list[Pulse] = []
    for k, left in enumerate(strokes):
        for right in strokes[k + 1 :]:
            if right[0] - left[0] > _WIDE[1] * px_per_mm:
                break  # they stand from left to right
            pulse = _pulse(ink, covered, left, right, px_per_mm)
            found += [] if pulse is None else [pulse]
    alike = [
        [
            one
            for one in found
            if abs(one.height / p.height - 1) <= _ALIKE and abs(one.width / p.width - 1) <= 2 * _ALIKE
        ]
        for p in found
    ]
    return max(alike, key=len, default=[])


def _pulse(
    ink: NDArray[Any],
    covered: FloatArray,
    left: tuple[int, ...],
    right: tuple[int, ...],
    px_per_mm: float,
) -> Pulse | None:
    """Return the pulse that two strokes make, (x, y, width, height) each; None where they make none."""
    level = _LEVEL * px_per_mm
    (x0, y0, w0, h0), (x1, y1, w1, h1) = left, right
    if x1 - x0 - w0 < _WIDE[0] * px_per_mm or abs(y0 - y1) > level or abs(y0 + h0 - y1 - h1) > level:
        return None
    thick = (w0 + w1) / 2
    top, bottom = min(y0, y1), max(y0 + h0, y1 + h1)
    between = ink[:, x0 + w0 : x1]
    flat = between[max(0, round(top - level / 2)) : round(top + thick + level)].any(axis=0).mean()
    inside = between[round(top + thick + level) + 1 : round(bottom - thick - level)]
    floor = between[round(bottom - thick - level) : round(bottom + level)].any(axis=0).mean()
    if flat < _TOP or floor > _CLOSED or not inside.size or inside.mean() > _INSIDE:
        return None
    roof_at = np.s_[max(0, round(top - level / 2)) : round(top + thick + level)]
    beside = round(_BESIDE * px_per_mm)
    goes_on = [
        ink[roof_at, max(0, x) : max(0, x) + beside].any(axis=0).mean() for x in (x0 - beside, x1 + w1)
    ]
    if min(goes_on) > _TOP:  # a level trace between two waves that point down
        return None
    near = round(thick) + 1
    rows = np.s_[top + round(thick + level) : bottom - round(thick + level)]
    left_x = _middle(covered[rows, max(0, x0 - near) : x0 + w0 + near].mean(axis=0))
    right_x = _middle(covered[rows, max(0, x1 - near) : x1 + w1 + near].mean(axis=0))
    width = (x1 - near + right_x) - (max(0, x0 - near) + left_x)
    # The roof by its profile. A stroke ends with the lower edge of its foot, which is as thick as the roof,
    # or with a cap as far below the zero line.
    above = max(0, round(top - near))
    roof = covered[above : top + round(thick) + near, x0 + w0 + 1 : x1 - 1].mean(axis=1)
    lowest = np.s_[bottom - 2 * near : bottom + near]
    ends = [_until_bare(covered[lowest, x : x + w].max(axis=1), near) for x, w in ((x0, w0), (x1, w1))]
    end = bottom - 2 * near + float(np.mean(ends)) - 0.5 - roof.sum() / 2
    height = end - (above + _middle(roof))
    return Pulse(
        x=float(x0), end_x=float(x1 + w1), base_y=float(bottom - thick / 2), height=height, width=float(width)
    )


def _until_bare(profile: FloatArray, near: int) -> float:
    """Return how much is covered down to the first bare row below a stroke: another may stand close."""
    profile = np.minimum(profile / max(float(np.median(profile[:near])), _BARE), 1)  # as dark as the stroke
    bare = np.flatnonzero(profile[2 * near :] < _BARE)
    return float(profile[: 2 * near + bare[0] + 1 if len(bare) else None].sum())


def _middle(profile: FloatArray) -> float:
    """Return the mean place of what is covered."""
    return float((profile * np.arange(len(profile))).sum() / max(profile.sum(), 1e-9))
