"""What the text of a page says of speed and gain."""

import re
from collections.abc import Iterable

from ecgtrace.vector.printed import gains_mm_per_mv, speeds_mm_per_s

_UNITS = re.compile(r"mm|hz|/s|m/m|/mv", re.IGNORECASE)
# What a recognizer makes of "mm/" behind a number, and of "mV" behind it.
_MILLIMETRES = re.compile(r"(?<=\d)(\s*)(?:[mnr]{2,4}|m(?=/m))\s*/", re.IGNORECASE)
_MILLIVOLT = re.compile(r"(?<=mm/)(?:[mnr]{1,2}[VvYyUW])")


def is_of_scale(line: str) -> bool:
    """
    Tell whether a line may be part of one that tells speed, gain and filters.

    Examples
    --------
    >>> [is_of_scale(line) for line in ("0.05-150 Hz", "n/s 10mm/mV", "Age 54", "Sinus rhythm")]
    [True, True, False, False]
    """
    return _UNITS.search(line) is not None


def scale_told(lines: Iterable[str]) -> str:
    """
    Return the lines that tell speed or gain, joined; no line is read once both are told.

    Other lines, which may name a person, are forgotten.

    Examples
    --------
    >>> scale_told(["Page 1 of 1", "25mm/s", "10 mm/mV 40 Hz", "50 mm/s"])
    '25mm/s; 10 mm/mV 40 Hz'
    >>> scale_told(["25mm/s", "20mm/mY"]), scale_told(["50mmm/s5nm/nv"]), scale_told(["10m/my"])
    ('25mm/s; 20mm/mV', '50mm/s5mm/mV', '10mm/mV')
    """
    told: list[str] = []
    speed = gain = False
    for read in lines:
        line = _MILLIVOLT.sub("mV", _MILLIMETRES.sub(r"\1mm/", read))
        says_speed, says_gain = bool(speeds_mm_per_s(line)), bool(gains_mm_per_mv(line))
        if says_speed or says_gain:
            told.append(line)
        speed, gain = speed or says_speed, gain or says_gain
        if speed and gain:
            break
    return "; ".join(told)
