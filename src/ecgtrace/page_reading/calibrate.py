"""Speed and gain of a page that is a picture: by option, by its pulses, by what recorders use."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ecgtrace.page_ink.maps import MAP_PX_PER_MM, PageMaps
from ecgtrace.reading import GAINS_MM_PER_MV, SPEEDS_MM_PER_S
from ecgtrace.units import GAIN_MM_PER_MV, PAPER_SPEED_MM_PER_S
from ecgtrace.vector.calibration import PaperChoice

_SURE = 0.5
_HEIGHT_MM = 0.6  # of a gain; a line is 0.2 to 0.5 mm wide, and a pixel of the maps 0.25 mm
_WIDTH_MM = 0.7
_LEAST_MM = (1.5, 1.8)  # width and height of what can be a pulse: 0.2 s at 12.5 mm/s, 1 mV at 2.5 mm/mV
_PULSE_S, _PULSE_MV = 0.2, 1.0


@dataclass(frozen=True)
class MapPulse:
    """A calibration pulse on the maps, in mm: where it begins and ends, how wide its top is, its height."""

    x_mm: float
    end_mm: float
    top_mm: float
    height_mm: float


@dataclass(frozen=True)
class PaperFound:
    """Speed and gain, where each was read, and what speaks against it."""

    speed_mm_per_s: float
    gain_mm_per_mv: float
    speed_from: str
    gain_from: str
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def find_pulses(maps: PageMaps) -> list[MapPulse]:
    """Find the calibration pulses of a page: connected ink of a pulse that is as high as one can be."""
    marked = maps.pulse > _SURE
    labels, count = ndimage.label(marked, structure=np.ones((3, 3)))
    pulses = []
    for rows, columns in ndimage.find_objects(labels, count):
        height_mm = (rows.stop - rows.start - 1) / MAP_PX_PER_MM
        width_mm = (columns.stop - columns.start - 1) / MAP_PX_PER_MM
        if width_mm < _LEAST_MM[0] or height_mm < _LEAST_MM[1]:
            continue
        part = marked[rows, columns]
        upper = part[: max(1, round(0.25 * part.shape[0]))].any(axis=0)
        top = np.flatnonzero(upper)
        # Lines are about two pixels thick on the maps: from middle to middle it is one line less.
        thick = float(np.median(part.sum(axis=0))) / MAP_PX_PER_MM if part.any() else 0.0
        pulses.append(
            MapPulse(
                columns.start / MAP_PX_PER_MM,
                columns.stop / MAP_PX_PER_MM,
                float(top[-1] - top[0]) / MAP_PX_PER_MM - min(thick, 0.5) / 2,
                height_mm - min(thick, 0.5) / 2,
            )
        )
    return pulses


def find_paper(pulses: Sequence[MapPulse], given: PaperChoice) -> PaperFound:
    """
    Decide on speed and gain.

    An option decides; then the pulse, whose height is 1 mV and whose width is 0.2 s with most recorders; then
    25 mm/s and 10 mm/mV, which is a doubt, as on a page of vectors: another speed or gain looks the same.
    """
    doubts: list[str] = []
    notes: list[str] = []
    gain, gain_from = _decide(
        "gain",
        "mm/mV",
        given.gain_mm_per_mv,
        [p.height_mm / _PULSE_MV for p in pulses],
        GAINS_MM_PER_MV,
        _HEIGHT_MM,
        GAIN_MM_PER_MV,
        doubts,
        notes,
    )
    # Few recorders print another width than 0.2 s; those that do print half of it at 25 mm/s.
    tops = [p.top_mm for p in pulses]
    speeds = _nearest([top / _PULSE_S for top in tops], SPEEDS_MM_PER_S, _WIDTH_MM / _PULSE_S)
    if given.speed_mm_per_s is not None:
        if speeds and given.speed_mm_per_s not in speeds:
            notes.append(
                f"the speed given is {given.speed_mm_per_s:g} mm/s; the pulse would be "
                f"{np.median(tops) / given.speed_mm_per_s:.2f} s wide"
            )
        return PaperFound(given.speed_mm_per_s, gain, "option", gain_from, tuple(doubts), tuple(notes))
    if speeds == [50.0]:
        speed, speed_from = 50.0, "pulse"
    elif 25.0 in speeds:
        speed, speed_from = PAPER_SPEED_MM_PER_S, "pulse"
    else:
        speed, speed_from = PAPER_SPEED_MM_PER_S, "assumed"
        doubts.append(f"the speed is not told by a pulse; {PAPER_SPEED_MM_PER_S:g} mm/s was taken")
    return PaperFound(speed, gain, speed_from, gain_from, tuple(doubts), tuple(notes))


def _decide(
    what: str,
    unit: str,
    given: float | None,
    measured: Sequence[float],
    known: Sequence[float],
    tolerance: float,
    usual: float,
    doubts: list[str],
    notes: list[str],
) -> tuple[float, str]:
    values = _nearest(measured, known, tolerance)
    if given is not None:
        if values and given not in values:
            said = ", ".join(f"{value:g}" for value in values)
            notes.append(f"the {what} given is {given:g} {unit}; the page's pulse says {said}")
        return float(given), "option"
    if not values:
        doubts.append(f"the {what} is not told by a pulse; {usual:g} {unit} was taken")
        return usual, "assumed"
    if len(values) > 1:
        said = ", ".join(f"{value:g}" for value in values)
        doubts.append(f"the page has pulses of several {what}s: {said} {unit}; {values[0]:g} was taken")
    return values[0], "pulse"


def _nearest(measured: Sequence[float], known: Sequence[float], tolerance: float) -> list[float]:
    """Return the known values that are measured, the most frequent first."""
    hits: dict[float, int] = {}
    for value in measured:
        near = min(known, key=lambda one: abs(one - value))
        if abs(near - value) <= tolerance:
            hits[near] = hits.get(near, 0) + 1
    most = max(hits.values(), default=0)
    return sorted((v for v in hits if hits[v] > 0.25 * most), key=lambda v: -hits[v])
