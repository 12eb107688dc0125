"""What the text of a page says of speed and gain."""

from collections.abc import Iterable

from ecgtrace.vector.printed import gains_mm_per_mv, speeds_mm_per_s


def scale_told(lines: Iterable[str]) -> str:
    """
    Return the lines that tell speed or gain, joined; no line is read once both are told.

    Other lines, which may name a person, are forgotten.

    Examples
    --------
    >>> scale_told(["Page 1 of 1", "25mm/s", "10 mm/mV 40 Hz", "50 mm/s"])
    '25mm/s; 10 mm/mV 40 Hz'
    """
    told: list[str] = []
    speed = gain = False
    for line in lines:
        says_speed, says_gain = bool(speeds_mm_per_s(line)), bool(gains_mm_per_mv(line))
        if says_speed or says_gain:
            told.append(line)
        speed, gain = speed or says_speed, gain or says_gain
        if speed and gain:
            break
    return "; ".join(told)
