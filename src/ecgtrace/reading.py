"""
From a picture to a signal with its verdict: what the tool does with every picture, whatever the digitizer.

The picture is made ready (`digitization.prepare`), what cannot be one lead is refused, the digitizer reads
it, speed and gain of the paper are applied, and the checks give the verdict (`digitization.verdict`). The
Python API and the command both call `digitize_picture`.
"""

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ecgtrace.digitization.autocorrelation import estimate_grid_by_autocorrelation
from ecgtrace.digitization.lead_count import PAGE_RUNS, refuse_page, refuse_upright, runs_per_column
from ecgtrace.digitization.prepare import prepare
from ecgtrace.digitization.verdict import judged, require_lead
from ecgtrace.errors import ConfigError, GridNotFoundError, PageGridNotFoundError
from ecgtrace.images import check_picture
from ecgtrace.types import LeadSignal
from ecgtrace.units import GAIN_MM_PER_MV, PAPER_SPEED_MM_PER_S

SPEEDS_MM_PER_S = (12.5, 25.0, 50.0, 100.0)  # those that recorders have
GAINS_MM_PER_MV = (2.5, 5.0, 10.0, 20.0, 40.0)


class DigitizerLike(Protocol):
    """A digitizer as the packages below make them; it may also have `model`, the name of its network."""

    @property
    def name(self) -> str:
        """Name of the method."""

    def __call__(self, image: NDArray[np.uint8]) -> LeadSignal:
        """Digitize the picture of one lead."""


@dataclass(frozen=True)
class Paper:
    """
    What a millimetre of the paper stands for.

    Attributes
    ----------
    speed_mm_per_s : float
        One of `SPEEDS_MM_PER_S`.
    gain_mm_per_mv : float
        One of `GAINS_MM_PER_MV`.

    Raises
    ------
    ConfigError
        If a value is another.
    """

    speed_mm_per_s: float = PAPER_SPEED_MM_PER_S
    gain_mm_per_mv: float = GAIN_MM_PER_MV

    def __post_init__(self) -> None:
        for value, name, unit, known in (
            (self.speed_mm_per_s, "speed", "mm/s", SPEEDS_MM_PER_S),
            (self.gain_mm_per_mv, "gain", "mm/mV", GAINS_MM_PER_MV),
        ):
            if isinstance(value, bool) or value not in known:
                choices = ", ".join(f"{number:g}" for number in known)
                raise ConfigError(f"{name} must be one of {choices} ({unit}), got {value}")

    def ready(self, digitizer: DigitizerLike) -> DigitizerLike:
        """
        Return a digitizer whose samples lie where the samples asked for lie on this paper.

        A digitizer counts 25 mm for a second. At 50 mm/s it takes half as many samples for each of its
        seconds, which `applied` then gives their own rate again: nothing is resampled.

        Raises
        ------
        ConfigError
            If the digitizer has no rate that could be set.
        """
        if self.speed_mm_per_s == PAPER_SPEED_MM_PER_S:
            return digitizer
        has_rate = is_dataclass(digitizer) and any(field.name == "fs_hz" for field in fields(digitizer))
        if not has_rate or isinstance(digitizer, type):
            raise ConfigError(f"digitizer {digitizer.name} has no fs_hz; leave speed out")
        settable: Any = digitizer
        slower = PAPER_SPEED_MM_PER_S / self.speed_mm_per_s
        return replace(settable, fs_hz=settable.fs_hz * slower)  # type: ignore[no-any-return]

    def applied(self, signal: LeadSignal) -> LeadSignal:
        """Give the signal of a digitizer that is `ready` the times and amplitudes of this paper."""
        return replace(
            signal,
            fs_hz=signal.fs_hz * self.speed_mm_per_s / PAPER_SPEED_MM_PER_S,
            amplitude_mv=signal.amplitude_mv * (GAIN_MM_PER_MV / self.gain_mm_per_mv),
            speed_mm_per_s=float(self.speed_mm_per_s),
            gain_mm_per_mv=float(self.gain_mm_per_mv),
        )


STANDARD = Paper()


def digitize_picture(digitizer: DigitizerLike, rgb: NDArray[np.uint8], paper: Paper = STANDARD) -> LeadSignal:
    """
    Digitize the picture of one lead and judge the result.

    Parameters
    ----------
    digitizer : callable
        From RGB uint8 (height, width, 3) to a `LeadSignal`.
    rgb : ndarray of uint8, shape (height, width, 3)
    paper : Paper, optional
        By default 25 mm/s and 10 mm/mV.

    Returns
    -------
    LeadSignal
        With doubts and notes; places in px of `rgb`.

    Raises
    ------
    InputImageError
        If the picture cannot be one lead: one colour, a whole page, a lead from top to bottom.
    GridNotFoundError, TraceNotFoundError
        If it shows no grid, or no trace.
    """
    prepared = prepare(rgb)
    check_picture(prepared.image)
    refuse_upright(prepared.image)
    find_scale = getattr(digitizer, "find_scale", estimate_grid_by_autocorrelation)
    refuse_page(prepared.image, find_scale)
    try:
        signal = paper.ready(digitizer)(prepared.image)
    except GridNotFoundError as error:
        if runs_per_column(prepared.image) >= PAGE_RUNS:
            raise PageGridNotFoundError(
                f"{error}; if it is a page with several leads, read it with content=page, or cut out one"
            ) from None
        raise
    read = paper.applied(signal)
    require_lead(read, prepared.image)
    return prepared.to_source(judged(read, prepared.image))
