"""
A page with its truth: what an evaluation of whole pages iterates over.

Frozen dataclasses that check themselves, as those of `types`; what yields them is in `page_sets`.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ecgtrace.documents.source import SourcePage
from ecgtrace.recording import Box
from ecgtrace.types import FloatArray
from ecgtrace.units import GAIN_MM_PER_MV, PAPER_SPEED_MM_PER_S


@dataclass(frozen=True)
class TrueBox:
    """
    Where a page shows a lead, or a part of it.

    Attributes
    ----------
    box : (x0, y0, x1, y1)
        Around its ink, in px of the picture, both ends included. Of a first column it may hold the
        calibration pulse, too.
    start_s, end_s : float
        Time of its first and last sample on the axis of the page.
    """

    box: Box
    start_s: float
    end_s: float


@dataclass(frozen=True, eq=False)
class PageSample:
    """
    A page with its truth.

    Attributes
    ----------
    page_id : str
        Unique in its set.
    record_id : str
        Pages of one record are not independent.
    page : SourcePage
        What a reader is given: a picture, or vectors.
    signals : ndarray of float, shape (n_leads, n_samples)
        In mV on the time axis of the page: 0 s where its first traces begin, each column where the one
        before it ends, whatever gap the paper has between them (of vector PDFs, as `vector` reads them). NaN
        where the page does not show a lead. A lead in a column and in a strip has the strip's extent.
    fs_hz : float
    names : tuple of str
        One for each row of `signals`, unique; `unknown_k` where nobody knows.
    layout : str
        As `recording.Recording.layout`; empty where it is not known.
    printer : str
        Who drew it, for tables; empty where it is not known.
    dpi : float or None
        True resolution of the picture, for tables.
    speed_mm_per_s, gain_mm_per_mv : float
        Of the paper.
    boxes : mapping of str to tuple of TrueBox
        By lead; empty where they are not known.
    overlaps : mapping of str to bool
        Whether ink of other leads lies in a lead's box; leads of which that is not known are left out.
    names_printed : bool
        False: the page names no lead. A lead that is then read as `unknown_k` is scored against the truth
        that it fits best.
    """

    page_id: str
    record_id: str
    page: SourcePage = field(repr=False)
    signals: FloatArray = field(repr=False)
    fs_hz: float
    names: tuple[str, ...]
    layout: str = ""
    printer: str = ""
    dpi: float | None = None
    speed_mm_per_s: float = PAPER_SPEED_MM_PER_S
    gain_mm_per_mv: float = GAIN_MM_PER_MV
    boxes: Mapping[str, tuple[TrueBox, ...]] = field(default_factory=dict)
    overlaps: Mapping[str, bool] = field(default_factory=dict)
    names_printed: bool = True

    def __post_init__(self) -> None:
        if self.signals.ndim != 2 or len(self.signals) != len(self.names):
            raise ValueError(f"{len(self.names)} names for signals of shape {self.signals.shape}")
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"{self.page_id}: names of leads must differ, got {self.names}")
        empty = [n for n, row in zip(self.names, self.signals, strict=True) if not np.isfinite(row).any()]
        if empty or not self.names:
            raise ValueError(f"{self.page_id} shows nothing of {', '.join(empty) or 'any lead'}")
        if not self.fs_hz > 0:
            raise ValueError(f"fs_hz must be positive, got {self.fs_hz}")
        strange = (set(self.boxes) | set(self.overlaps)) - set(self.names)
        if strange:
            raise ValueError(f"{self.page_id} has boxes of {', '.join(sorted(strange))}, but no truth")

    def truth(self, name: str) -> "Shown":
        """Return what the page shows of a lead."""
        return Shown.of(self.signals[self.names.index(name)], self.fs_hz)


@dataclass(frozen=True, eq=False)
class Shown:
    """
    The part of a signal between its first and its last known sample.

    Attributes
    ----------
    signal : ndarray of float, shape (n_samples,)
        In mV, finite: gaps are bridged by straight lines.
    known : ndarray of bool, shape (n_samples,)
        False in the gaps.
    start_s : float
        Time of its first sample on the axis of the page.
    fs_hz : float
    """

    signal: FloatArray
    known: NDArray[np.bool_]
    start_s: float
    fs_hz: float

    @classmethod
    def of(cls, signal: FloatArray, fs_hz: float) -> "Shown":
        """Cut a signal down to what is known of it; at least one sample must be finite."""
        places = np.flatnonzero(np.isfinite(signal))
        part = signal[places[0] : places[-1] + 1].astype(float)
        known = np.isfinite(part)
        index = np.arange(len(part))
        filled = np.interp(index, index[known], part[known])
        return cls(filled, known, float(places[0] / fs_hz), fs_hz)

    @property
    def duration_s(self) -> float:
        """From its first to behind its last sample, in s."""
        return len(self.signal) / self.fs_hz


class PageSet:
    """
    Pages with their truth: a source of the runner whose items are `PageSample`.

    A set may also have `name` and `fingerprint()`, as `runner.CropSource` says.
    """

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of pages."""

    @abstractmethod
    def __getitem__(self, index: int) -> PageSample:
        """Return a page; raises `DataError` if this one is broken."""

    @abstractmethod
    def crop_id(self, index: int) -> str:
        """Return the page's unique name without reading it; the runner's rows call every item so."""

    def __iter__(self) -> Iterator[PageSample]:
        return (self[index] for index in range(len(self)))
