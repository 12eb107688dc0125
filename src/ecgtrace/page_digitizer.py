"""The digitizer of whole pages, as `conf/digitizer/page.yaml` names it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ecgtrace.documents.source import SourcePage
from ecgtrace.errors import ConfigError
from ecgtrace.page_files import read_recording
from ecgtrace.page_reading.build import page_reader
from ecgtrace.page_reading.read import PageReader
from ecgtrace.recording import Recording
from ecgtrace.vector.page_choice import PageChoice


@dataclass(frozen=True)
class PageDigitizer:
    """
    Read pages whole: find their leads, names and calibration, and read each lead.

    Attributes
    ----------
    digitizer : callable, optional
        Reads the leads of pages that are pictures; without it these are refused.
    weights : str
        Of the page network.
    lead_weights : str or None
        Of a lead network (`train.py model=lead`); by default the digitizer's own network tells leads' ink.
    speed_mm_per_s, gain_mm_per_mv : float or None
        Override what a page says of itself.
    name : str
    """

    digitizer: Any = None
    weights: str = "shipped"
    lead_weights: str | None = None
    speed_mm_per_s: float | None = None
    gain_mm_per_mv: float | None = None
    name: str = "page"

    def __post_init__(self) -> None:
        _ = self.choice  # raises for a speed or gain that no recorder has

    @property
    def choice(self) -> PageChoice:
        """Speed and gain that were given."""
        return PageChoice(self.speed_mm_per_s, self.gain_mm_per_mv)

    def read(self, page: SourcePage) -> Recording:
        """
        Read a page.

        Raises
        ------
        PageError
            If it cannot be read as an ECG.
        """
        return read_recording(page, self.choice, self._reader)

    @cached_property
    def _reader(self) -> PageReader | None:
        return page_reader(self.digitizer, self.weights, lead_weights=self.lead_weights)

    def __call__(self, image: NDArray[np.uint8]) -> NoReturn:
        """Refuse the picture of one lead, as which a lead's digitizer is called."""
        raise ConfigError(f"digitizer {self.name} reads whole pages; choose another for pictures of one lead")
