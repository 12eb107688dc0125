"""
What a page gives: leads on one time axis, how time and voltage were found, and what was checked.

Frozen dataclasses that check themselves, as those of `types`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ecgtrace.types import DOUBTFUL, FAILED, OK, FloatArray, GridScale, LeadSignal
from ecgtrace.units import LEADS

Box = tuple[float, float, float, float]


def lead_order(name: str) -> tuple[int, str]:
    """
    Sort leads as the field does, others behind them by name.

    Examples
    --------
    >>> sorted(["V1", "unknown_1", "aVR", "II", "aVL"], key=lead_order)
    ['II', 'aVR', 'aVL', 'V1', 'unknown_1']
    """
    return (LEADS.index(name) if name in LEADS else len(LEADS), name)


@dataclass(frozen=True, eq=False)
class RecordedLead:
    """
    A lead of a page.

    Attributes
    ----------
    name : str
        Of the field, as `units.LEADS`; or as printed (`V3R`); or `unknown_k`: no name was found.
    signal : LeadSignal
        On the time axis of the page, NaN where the page does not show the lead.
    start_s, end_s : float
        Time of the first and the last point shown, on the page's axis and not rounded to samples.
    boxes : tuple of (x0, y0, x1, y1)
        Where its trace lies, in the recording's `unit`; several where it goes on in further rows.
    name_from : {"text", "file", "option", "algebra", "order and algebra", "none"}
        Where the name was read; or the user's (`layout.given`), or what told it (`layout.by_algebra`).
    paths : tuple of ndarray of float, shape (n, 2)
        Its trace on the page, one for each box, in the recording's `unit`.
    """

    name: str
    signal: LeadSignal
    start_s: float
    end_s: float
    boxes: tuple[Box, ...] = ()
    name_from: str = "none"
    paths: tuple[FloatArray, ...] = field(repr=False, default=())

    def __post_init__(self) -> None:
        if not self.name or any(letter.isspace() for letter in self.name):
            raise ValueError(f"a lead's name has no spaces, got {self.name!r}")
        if not self.start_s <= self.end_s:
            raise ValueError(f"lead {self.name} begins at {self.start_s} s and ends at {self.end_s} s")
        if np.isnan(self.signal.amplitude_mv).all():
            raise ValueError(f"lead {self.name} has no samples")

    @classmethod
    def without_page(
        cls, name: str, amplitude_mv: FloatArray, fs_hz: float, name_from: str = "file"
    ) -> "RecordedLead":
        """Return a lead that no page was read for: sure of each sample that it has, its scale is 1."""
        known = np.flatnonzero(np.isfinite(amplitude_mv))
        sure = np.isfinite(amplitude_mv).astype(float)
        signal = LeadSignal(amplitude_mv, fs_hz, sure, GridScale(1.0, 1.0, 1.0), row_px=np.zeros(0))
        first, last = (known[0], known[-1]) if len(known) else (0, 0)  # without samples it is refused
        return cls(name, signal, float(first / fs_hz), float(last / fs_hz), name_from=name_from)


@dataclass(frozen=True)
class Calibration:
    """
    What time and voltage rest on.

    Attributes
    ----------
    per_mm_x, per_mm_y : float or None
        The recording's units (px, pt) per millimetre of paper; None where signals came without paper.
    speed_mm_per_s, gain_mm_per_mv : float or None
    scale_from, speed_from, gain_from : str
        Where each was read, in words.
    """

    per_mm_x: float | None = None
    per_mm_y: float | None = None
    speed_mm_per_s: float | None = None
    gain_mm_per_mv: float | None = None
    scale_from: str = ""
    speed_from: str = ""
    gain_from: str = ""


@dataclass(frozen=True)
class Check:
    """
    A check of a recording.

    Attributes
    ----------
    name : str
    value, limit : float
    unit : str
    ok : bool
    """

    name: str
    value: float
    limit: float
    unit: str
    ok: bool


@dataclass(frozen=True, eq=False)
class Recording:
    """
    What was read of one page.

    Attributes
    ----------
    leads : tuple of RecordedLead
        In the field's order, names unique, all on one axis: equally many samples at one rate.
    layout : str
        Rows x columns and rhythm strips, as `3x4+1`; `rows4`, one lead over four rows; `signals` where there
        was no page.
    calibration : Calibration
    checks : tuple of Check
    doubts : tuple of str
        Why it may be wrong: with any, the verdict is `doubtful`.
    notes : tuple of str
        What was assumed or left out.
    failure : str
        Why nothing was read; then there are no leads.
    method : str
        How it was read: `vector`, or `signals`.
    unit : str
        Of places on the page: `pt` (1/72 inch from the top left corner of the page as shown) or `px`.
    page, page_count : int
        Which page of the file, from 1, and how many it has.
    stage_seconds : mapping of str to float
        How long each stage of the reading took (`stages`); together the whole.
    """

    leads: tuple[RecordedLead, ...] = field(repr=False)
    layout: str = ""
    calibration: Calibration = Calibration()
    checks: tuple[Check, ...] = ()
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    failure: str = ""
    method: str = ""
    unit: str = "pt"
    page: int = 1
    page_count: int = 1
    stage_seconds: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if bool(self.leads) == bool(self.failure):
            raise ValueError("a recording has leads, or a reason why it has none")
        names = [lead.name for lead in self.leads]
        if len(set(names)) < len(names):
            raise ValueError(f"names of leads must differ, got {names}")
        if names != sorted(names, key=lead_order):
            raise ValueError(f"leads must be in the field's order, got {names}")
        axes = {(len(lead.signal.amplitude_mv), lead.signal.fs_hz) for lead in self.leads}
        if len(axes) > 1:
            raise ValueError(f"leads must share one time axis, got {sorted(axes)}")

    @property
    def status(self) -> str:
        """The verdict: `ok`, `doubtful` or `failed`."""
        if self.failure:
            return FAILED
        return DOUBTFUL if self.doubts else OK

    @property
    def message(self) -> str:
        """Reasons and notes in one line, the reasons first."""
        return " ".join("; ".join(filter(None, (self.failure, *self.doubts, *self.notes))).split())

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the leads."""
        return tuple(lead.name for lead in self.leads)

    @property
    def fs_hz(self) -> float:
        """Sampling frequency in Hz; 0 where nothing was read."""
        return self.leads[0].signal.fs_hz if self.leads else 0.0

    @property
    def time_s(self) -> FloatArray:
        """Time of each sample in seconds; 0 is where the first traces of the page begin."""
        return self.leads[0].signal.time_s if self.leads else np.zeros(0)

    @property
    def signal_mv(self) -> FloatArray:
        """Amplitudes in mV, shape (n_leads, n_samples); NaN where not shown or not recovered."""
        return np.stack([lead.signal.amplitude_mv for lead in self.leads])

    def __getitem__(self, name: str) -> RecordedLead:
        for lead in self.leads:
            if lead.name == name:
                return lead
        raise KeyError(f"no lead {name}; there are {', '.join(self.names) or 'none'}")
