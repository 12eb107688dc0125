"""
What reads a page in an evaluation: a page digitizer the whole, a lead's digitizer what true boxes cut out.

The second is told where each lead lies, how it is called, when it begins and how speed and gain are: it tells
what the digitizing of leads is worth when all of that is given.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ecgtrace.errors import EcgTraceError
from ecgtrace.evaluation.page_sample import PageSample, TrueBox
from ecgtrace.evaluation.runner import DigitizerLike, model_name
from ecgtrace.reading import Paper, digitize_picture
from ecgtrace.recording import Calibration, RecordedLead, Recording, lead_order
from ecgtrace.types import LeadSignal
from ecgtrace.units import MM_PER_INCH

# By the rule: a hand does not cut along the ink. Crops of the published set are cut at 0, of LUDB at 0 to 2.
_MARGIN_MM = 1.0


_Part = tuple[TrueBox, LeadSignal]


class PageReader(Protocol):
    """What is evaluated on pages; it may also have `model`, as a digitizer."""

    @property
    def name(self) -> str:
        """Return what rows and tables call it."""

    @property
    def finds_layout(self) -> bool:
        """Tell whether it finds the layout; else it was told it."""

    def can_read(self, sample: PageSample) -> bool:
        """Tell whether the page has what this reader needs; a page without it leaves no row."""

    def read(self, sample: PageSample) -> Recording:
        """Read a page; raises an `EcgTraceError` if it cannot be."""


@dataclass(frozen=True)
class WholePage:
    """
    A page digitizer, which is given the page alone.

    Attributes
    ----------
    digitizer : object
        With `read(page)`, as `page_digitizer.PageDigitizer`.
    """

    digitizer: Any

    @property
    def name(self) -> str:
        """Name of the digitizer."""
        return str(self.digitizer.name)

    @property
    def model(self) -> str:
        """Name of its network."""
        return model_name(self.digitizer)

    @property
    def finds_layout(self) -> bool:
        """Tell that it finds the layout."""
        return True

    def can_read(self, sample: PageSample) -> bool:
        """Tell that any page will do."""
        return True

    def read(self, sample: PageSample) -> Recording:
        """Read a page."""
        return self.digitizer.read(sample.page)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class CutByBoxes:
    """
    A lead's digitizer, which is given the pictures that true boxes cut out, each side moved out.

    Attributes
    ----------
    digitizer : DigitizerLike
    margin_mm : float
        How far; 0 where the resolution of a page is not known.
    """

    digitizer: DigitizerLike
    margin_mm: float = _MARGIN_MM

    @property
    def name(self) -> str:
        """Name of the digitizer."""
        return self.digitizer.name

    @property
    def model(self) -> str:
        """Name of its network."""
        return model_name(self.digitizer)

    @property
    def finds_layout(self) -> bool:
        """Tell that it is told the layout."""
        return False

    def can_read(self, sample: PageSample) -> bool:
        """Tell whether the page is a picture with boxes."""
        return bool(sample.boxes) and sample.page.image is not None

    def read(self, sample: PageSample) -> Recording:
        """
        Read each lead of a page from its longest box, and from those at other times.

        A part that cannot be read is left out, and makes the page doubtful.
        """
        image = sample.page.image
        assert image is not None  # as `can_read` says
        paper = Paper(sample.speed_mm_per_s, sample.gain_mm_per_mv)
        found: dict[str, list[_Part]] = {}
        doubts = []
        for name, boxes in sample.boxes.items():
            for part in _apart(boxes):
                try:
                    signal = digitize_picture(self.digitizer, self._cut(image, part, sample.dpi), paper)
                except EcgTraceError as error:
                    doubts.append(f"{name} was not read: {error}")
                else:
                    found.setdefault(name, []).append((part, signal))
                    doubts += [f"{name}: {doubt}" for doubt in signal.doubts]
        if not found:
            return Recording((), failure="; ".join(doubts) or "there is no box")
        ends = [_first(*one) + len(one[1].amplitude_mv) for parts in found.values() for one in parts]
        leads = tuple(_placed(name, found[name], max(ends)) for name in sorted(found, key=lead_order))
        calibration = Calibration(
            speed_mm_per_s=sample.speed_mm_per_s, gain_mm_per_mv=sample.gain_mm_per_mv, speed_from="given"
        )
        return Recording(leads, sample.layout, calibration, doubts=tuple(doubts), method="boxes", unit="px")

    def _cut(self, image: NDArray[np.uint8], part: TrueBox, dpi: float | None) -> NDArray[np.uint8]:
        out = 0.0 if dpi is None else self.margin_mm * dpi / MM_PER_INCH
        height, width = image.shape[:2]
        x0, y0, x1, y1 = part.box
        left, top = max(int(np.floor(x0 - out)), 0), max(int(np.floor(y0 - out)), 0)
        right, bottom = min(int(np.ceil(x1 + out)), width - 1), min(int(np.ceil(y1 + out)), height - 1)
        return np.ascontiguousarray(image[top : bottom + 1, left : right + 1])


def page_reader(digitizer: Any) -> PageReader:
    """Make a reader of pages of a digitizer: of a page's the whole, of a lead's by true boxes."""
    return WholePage(digitizer) if hasattr(digitizer, "read") else CutByBoxes(digitizer)


def _first(part: TrueBox, signal: LeadSignal) -> int:
    return round(part.start_s * signal.fs_hz)


def _apart(boxes: Sequence[TrueBox]) -> list[TrueBox]:
    """Choose the longest boxes that share no time, such as rows in which one lead goes on."""
    chosen: list[TrueBox] = []
    for part in sorted(boxes, key=lambda part: part.start_s - part.end_s):
        if all(part.start_s >= one.end_s or part.end_s <= one.start_s for one in chosen):
            chosen.append(part)
    return sorted(chosen, key=lambda part: part.start_s)


def _placed(name: str, parts: Sequence[_Part], n_samples: int) -> RecordedLead:
    """Lay the parts of a lead on the axis of its page; where one runs on into the next, the next is kept."""
    amplitude_mv, confidence = np.full(n_samples, np.nan), np.zeros(n_samples)
    for part, signal in parts:
        place = slice(_first(part, signal), _first(part, signal) + len(signal.amplitude_mv))
        amplitude_mv[place], confidence[place] = signal.amplitude_mv, signal.confidence
    (first, _), (last, signal) = parts[0], parts[-1]
    on_page = replace(signal, amplitude_mv=amplitude_mv, confidence=confidence)
    end_s = last.start_s + len(signal.amplitude_mv) / signal.fs_hz
    return RecordedLead(name, on_page, first.start_s, end_s, tuple(part.box for part, _ in parts), "none")
