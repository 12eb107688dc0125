"""Speed and gain of a page: by option, by its text, by its pulses; told where they differ."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecgtrace.reading import GAINS_MM_PER_MV, SPEEDS_MM_PER_S, Paper
from ecgtrace.recording import Calibration
from ecgtrace.units import GAIN_MM_PER_MV, PAPER_SPEED_MM_PER_S
from ecgtrace.vector.grid import PaperScale
from ecgtrace.vector.lines import Pulse
from ecgtrace.vector.printed import gains_mm_per_mv, speeds_mm_per_s

ASSUMED = "assumed"  # where nothing tells a speed or a gain
_PULSE_MV = 1.0  # of every recorder
_PULSE_S = 0.2  # of most
_PULSE = 0.03  # share of a gain, of a speed


@dataclass(frozen=True)
class PaperChoice:
    """Speed (mm/s) and gain (mm/mV) that the user gives; None leaves them to the page."""

    speed_mm_per_s: float | None = None
    gain_mm_per_mv: float | None = None

    def __post_init__(self) -> None:
        _ = self.or_standard  # raises where no recorder has the value

    @property
    def or_standard(self) -> Paper:
        """The paper of a single lead, which says nothing itself: 25 mm/s and 10 mm/mV where not given."""
        return Paper(
            PAPER_SPEED_MM_PER_S if self.speed_mm_per_s is None else self.speed_mm_per_s,
            GAIN_MM_PER_MV if self.gain_mm_per_mv is None else self.gain_mm_per_mv,
        )


AS_PRINTED = PaperChoice()


def find_calibration(
    scale: PaperScale,
    text: str,
    pulses: Sequence[Pulse],
    given: PaperChoice,
    tolerance: float = _PULSE,
    pulse_speeds: Sequence[float] = SPEEDS_MM_PER_S,
) -> tuple[Calibration, list[str], list[str]]:
    """
    Decide on speed and gain.

    An option decides; then printed text; then the calibration pulse, whose height is 1 mV and whose width is
    0.2 s with most recorders; then 25 mm/s and 10 mm/mV, which is a doubt. What disagrees is a doubt, too.

    Parameters
    ----------
    scale : PaperScale
    text : str
        All that is printed on the page and could be read.
    pulses : sequence of Pulse
        In units of the scale; of NaN height where only its width is known.
    given : PaperChoice
    tolerance : float, optional
        Share by which a pulse may be off a gain or a speed.
    pulse_speeds : sequence of float, optional
        Speeds in mm/s that the width of a pulse may tell.

    Returns
    -------
    (Calibration, list of str, list of str)
        With doubts and notes.
    """
    doubts: list[str] = []
    notes: list[str] = []
    whole = [pulse.height / scale.per_mm_y for pulse in pulses if np.isfinite(pulse.height)]
    heights = _values(whole, GAINS_MM_PER_MV, tolerance)
    # What is as high as no gain is no pulse, or one in part: its width tells no speed.
    known = [
        p
        for p in pulses
        if not np.isfinite(p.height) or _values([p.height / scale.per_mm_y], GAINS_MM_PER_MV, tolerance)
    ]
    widths = _values([p.width / scale.per_mm_x / _PULSE_S for p in known], pulse_speeds, tolerance)
    gain, gain_from = _decide(
        "gain", "mm/mV", given.gain_mm_per_mv, gains_mm_per_mv(text), heights, GAIN_MM_PER_MV, doubts, notes
    )
    speeds = speeds_mm_per_s(text)
    # A pulse may be of any width: it speaks where no letters do, and against these never.
    speed, speed_from = _decide(
        "speed",
        "mm/s",
        given.speed_mm_per_s,
        speeds,
        () if speeds else widths,
        PAPER_SPEED_MM_PER_S,
        doubts,
        notes,
    )
    if whole and not heights:
        mm = float(np.median(whole))
        doubts.append(f"the calibration pulse is {mm:.1f} mm high, which is no gain of a recorder")
    source = scale.source
    if not scale.confirmed:
        if heights and gain in heights and "pulse" in gain_from and "text" in gain_from:
            source += ", confirmed by the height of the pulse"
        else:
            doubts.append("no grid: the scale is the size that the page has in the file")
    found = Calibration(scale.per_mm_x, scale.per_mm_y, speed, gain, source, speed_from, gain_from)
    return found, doubts, notes


def _values(measured: Sequence[float], known: Sequence[float], share: float) -> tuple[float, ...]:
    hits = (value for mm in measured for value in known if abs(mm / value - 1) <= share)
    return tuple(dict.fromkeys(hits))


def _decide(
    what: str,
    unit: str,
    given: float | None,
    printed: Sequence[float],
    pulses: Sequence[float],
    usual: float,
    doubts: list[str],
    notes: list[str],
) -> tuple[float, str]:
    said = {"text": printed, "pulse": pulses}
    told = [(source, values) for source, values in said.items() if values]
    if given is not None:
        against = [f"{source} {_list(values, unit)}" for source, values in told if given not in values]
        if against:
            notes.append(f"the {what} given is {given:g} {unit}; the page says: {', '.join(against)}")
        return float(given), "option"
    if not told:
        doubts.append(f"the {what} is not on the page; {usual:g} {unit} was taken")
        return usual, ASSUMED
    source, values = told[0]
    value = values[0]
    if len(values) > 1:
        doubts.append(f"the page has several {what}s: {_list(values, unit)}; {value:g} was taken")
    agreeing = [name for name, other in told if value in other]
    for name, other in told:
        if value not in other:
            doubts.append(f"the {what} is {value:g} {unit} by {source} and {_list(other, unit)} by {name}")
    return value, " and ".join(agreeing)


def _list(values: Sequence[float], unit: str) -> str:
    return f"{', '.join(f'{value:g}' for value in values)} {unit}"
