"""Pages without a grid: the calibration pulse tells the scale, and the rows of traces which way they run."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.layout.rows import Row, find_rows
from ecgtrace.page_ink.maps import MAP_PX_PER_MM, PageMaps
from ecgtrace.page_reading.seen import Seen
from ecgtrace.page_reading.square_pulses import square_pulses
from ecgtrace.reading import GAINS_MM_PER_MV
from ecgtrace.sheet import Sheet
from ecgtrace.sheet.mapping import PlaneMap
from ecgtrace.units import GAIN_MM_PER_MV, PAPER_SPEED_MM_PER_S
from ecgtrace.vector.calibration import PaperChoice
from ecgtrace.vector.printed import gains_mm_per_mv, speeds_mm_per_s

_LONG_MM = 280.0  # of a page: between Letter and what of A4 is printed on; the pulse corrects it
_WRONG = 2.0  # times as long or as short a page is no page: half of A4 is 148 mm wide
_PULSE_S = 0.2
_SPEEDS_MM_PER_S = (25.0, 50.0)
# Logarithm of what height and width of a pulse make of the scale. Pulses of 0.16 to 0.2 s are drawn; speeds
# and gains are apart by factors of two.
_SQUARE = 0.3
_STANDARD = 0.02  # pulses of 0.2 s tell the scale by their width, too: the mean of both is taken
_NARROW = 0.75  # pulses of 0.1 s are drawn, too
_LONG_ROW_MM = 60.0  # rows that tell how the page is turned
_TURN_DEG = 0.05  # less is 0.2 mm from one end of a row to the other
_SLANT_DEG = 0.2  # a page need not be looked at again for less: 0.9 mm from one end of a row to the other
_UNUSUAL = 0.4  # as if the page were half as long again: one recording in ten is not 25 mm/s, 10 mm/mV

PULSE = "the calibration pulse"
SQUARE_PULSE = "height and width of the calibration pulse"
STRETCHES = {PULSE: 0.008, SQUARE_PULSE: 0.006}  # by how much the scale may be off; see `row_length`


def sheet_by_pulses(
    image: NDArray[np.uint8],
    look: Callable[[Sheet], Seen],
    given: PaperChoice,
) -> Sheet | None:
    """
    Find the scale of a page that has no grid.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
        RGB.
    look : callable
        Sees a sheet after turning it the right way up.
    given : PaperChoice
        Speed and gain that count.

    Returns
    -------
    Sheet or None
        With doubts; None where no pulse tells.
    """
    px_per_mm = max(image.shape[:2]) / _LONG_MM
    # A picture that shows no pulse any way up is not looked at by networks, which takes seconds.
    if not any(square_pulses(np.ascontiguousarray(np.rot90(image, turns)), px_per_mm) for turns in range(4)):
        return None
    guess = Sheet(image, px_per_mm, px_per_mm, PlaneMap.identity(), 0.0, float("nan"), "a guess", False)
    seen = look(guess)
    sheet, text = seen.sheet, seen.page_print.scale_told
    rows = find_rows(seen.maps)
    pulses = square_pulses(sheet.image, px_per_mm)
    if not rows or not pulses:
        return None
    height, width = (
        _typical([getattr(pulse, side) for pulse in pulses]) / px_per_mm for side in ("height", "width")
    )
    speeds = [given.speed_mm_per_s] if given.speed_mm_per_s else speeds_mm_per_s(text) or _SPEEDS_MM_PER_S
    gains = [given.gain_mm_per_mv] if given.gain_mm_per_mv else gains_mm_per_mv(text) or GAINS_MM_PER_MV
    known = len(speeds) == len(gains) == 1  # then the pulse may be of any width
    fits = []
    for speed, gain in product(speeds, gains):
        times = height / gain
        unusual = (speed != PAPER_SPEED_MM_PER_S) + (gain != GAIN_MM_PER_MV)
        narrow = float(np.log(times * _PULSE_S * speed / width))
        if known or -_SQUARE <= narrow <= _NARROW:
            cost = abs(np.log(times)) + _UNUSUAL * unusual + (0 if known else max(0.0, narrow - _SQUARE))
            is_square = abs(narrow) <= _STANDARD
            fits.append((cost, times * np.exp(-narrow / 2) if is_square else times, is_square))
    if not fits:
        return None
    _, times, is_square = min(fits)
    told = SQUARE_PULSE if is_square else PULSE
    if abs(np.log(times)) > np.log(_WRONG):
        return None
    px_per_mm *= times
    image, back, turn_deg = _straightened(sheet.image, _turn_deg(rows))
    return Sheet(
        image=image,
        px_per_mm_x=px_per_mm,
        px_per_mm_y=px_per_mm,
        mapping=sheet.mapping.after(back),
        turn_deg=sheet.turn_deg + turn_deg,
        residual_mm=float("nan"),
        scale_from=told,
        grid_confirmed=False,
        doubts=(f"no grid confirms the scale: {told}",),
    )


def straightened(sheet: Sheet, maps: PageMaps) -> Sheet:
    """
    Turn a sheet without a grid so that its rows run level.

    Returns
    -------
    Sheet
        The same where they do.
    """
    turn = _turn_deg(find_rows(maps))
    if abs(turn) < _SLANT_DEG:
        return sheet
    image, back, turn_deg = _straightened(sheet.image, turn)
    return replace(sheet, image=image, mapping=sheet.mapping.after(back), turn_deg=sheet.turn_deg + turn_deg)


def _typical(sizes: list[float]) -> float:
    """Return the mean of the middle half: one that a trace lengthens does not count."""
    ordered = np.sort(sizes)
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def _turn_deg(rows: list[Row]) -> float:
    """Return by how much rows fall to the right."""
    slopes = []
    for row in rows:
        x = np.flatnonzero(row.inked)
        if np.ptp(x) >= _LONG_ROW_MM * MAP_PX_PER_MM:
            slopes.append(np.polyfit(x, row.line[x], 1)[0])
    return float(np.degrees(np.arctan(np.median(slopes)))) if slopes else 0.0


def _straightened(
    image: NDArray[np.uint8], turn_deg: float
) -> tuple[NDArray[np.uint8], NDArray[np.float64], float]:
    """Turn a picture about its middle; with the matrix back."""
    if abs(turn_deg) < _TURN_DEG:
        return image, np.eye(3), 0.0
    height, width = image.shape[:2]
    forth = np.vstack(
        [cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), turn_deg, 1.0), [0, 0, 1]]
    )
    paper = tuple(int(value) for value in np.median(image[::8, ::8].reshape(-1, 3), axis=0))
    turned = cv2.warpAffine(
        image,
        forth[:2],
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=paper,
    )
    return np.asarray(turned, np.uint8), np.linalg.inv(forth), turn_deg
