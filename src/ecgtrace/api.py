"""The tool as a Python object; needs no configuration files, so it works from an installed wheel."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from ecgtrace.documents import read as documents
from ecgtrace.errors import ConfigError, GridNotFoundError, PageError
from ecgtrace.images import Picture, as_rgb, picture_of, read_picture
from ecgtrace.page_files import read_file_page
from ecgtrace.page_reading.build import page_reader
from ecgtrace.reading import STANDARD, DigitizerLike, Paper, digitize_picture
from ecgtrace.recording import Recording
from ecgtrace.types import LeadSignal
from ecgtrace.vector.page_choice import NOTHING, PageChoice

NAMES = ("refined", "proposed", "baseline")
MAX_FS_HZ = 10_000.0  # far above any ECG recorder; a slip of the keyboard must not fill the memory


class Digitizer:
    """
    Digitize pictures of one ECG lead each.

    Parameters
    ----------
    digitizer : callable
        From an RGB uint8 array to a `LeadSignal`. `from_pretrained` makes one.
    paper : Paper, optional
        Speed and gain of pictures of one lead; by default 25 mm/s and 10 mm/mV.
    choice : PageChoice, optional
        What overrides what pages say of themselves.

    Examples
    --------
    A sine of 1 mV and 2 Hz, drawn at 8 px/mm; the grid is known, so it need not be drawn:

    >>> import cv2
    >>> image = np.full((200, 500, 3), 255, np.uint8)
    >>> x = np.arange(20, 420)
    >>> y = 100 - 80 * np.sin(2 * np.pi * 2 * (x - 20) / 200)
    >>> points = np.stack([x, np.rint(y)], axis=1).astype(np.int32)
    >>> _ = cv2.polylines(image, [points], False, (0, 0, 0), 3)
    >>> from ecgtrace.digitization.proposed import ProposedDigitizer
    >>> def dark_is_ink(image, duration_s):
    ...     return (image[..., 0] < 128).astype(np.float32)
    >>> digitizer = Digitizer(ProposedDigitizer(dark_is_ink, px_per_mm=8.0))
    >>> signal = digitizer(image)
    >>> print(f"{signal.time_s[-1]:.1f} s, {np.ptp(signal.amplitude_mv):.1f} mV from peak to peak")
    2.0 s, 2.0 mV from peak to peak
    """

    def __init__(
        self, digitizer: DigitizerLike, paper: Paper = STANDARD, choice: PageChoice = NOTHING
    ) -> None:
        paper.ready(digitizer)  # raises where it cannot take the speed
        self._digitizer = digitizer
        self._paper = paper
        self._choice = choice

    @classmethod
    def from_pretrained(
        cls,
        name: str = "refined",
        weights: str = "shipped",
        fs_hz: float = 500.0,
        px_per_mm: float | None = None,
        device: str = "auto",
        speed_mm_per_s: float | None = None,
        gain_mm_per_mv: float | None = None,
        layout: str | None = None,
        leads: str | Sequence[str] | None = None,
    ) -> "Digitizer":
        """
        Make a digitizer with trained weights.

        Parameters
        ----------
        name : {"refined", "proposed", "baseline"}, optional
            `baseline` needs no weights.
        weights : str, optional
            "shipped" for those of the package, or the path of a file that `train.py` wrote.
        fs_hz : float, optional
            Sampling frequency of the signals in Hz.
        px_per_mm : float, optional
            Scale of the pictures, where it is known; by default it is found in each. A digitizer that
            has no use for it refuses it.
        device : str, optional
            Where the network runs; "auto" takes a GPU where there is one.
        speed_mm_per_s, gain_mm_per_mv : float, optional
            Of the paper, one of `reading.SPEEDS_MM_PER_S` and `reading.GAINS_MM_PER_MV`. By default pages
            say it themselves, and single leads are taken for 25 mm/s and 10 mm/mV.
        layout : str, optional
            Of pages: rows x columns and strips, as "3x4+1", or "rows4" for one lead over four rows. By
            default it is found.
        leads : str or sequence of str, optional
            Of pages: the names of their leads, column by column from top to bottom, strips last, as
            "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6 II". By default they are read.

        Raises
        ------
        ConfigError
            If `name` is unknown or a number is out of its range.
        WeightsError
            If the weights are missing, or were made for another network.
        """
        check_fs(fs_hz, "fs_hz")
        if px_per_mm is not None:
            check_number(px_per_mm, "px_per_mm", 0.1, 1000.0)
        choice = PageChoice.of(speed_mm_per_s, gain_mm_per_mv, layout, leads, px_per_mm)
        paper = choice.or_standard
        if name in ("refined", "proposed"):
            from ecgtrace.digitization.proposed import ProposedDigitizer
            from ecgtrace.digitization.refined import RefinedDigitizer
            from ecgtrace.segmentation.segmenter import NetworkSegmenter  # torch is slow to import

            segmenter = NetworkSegmenter(weights, device)
            _ = segmenter.model  # reads the weights: better now than at the first picture
            kind = RefinedDigitizer if name == "refined" else ProposedDigitizer
            return cls(kind(segmenter, fs_hz=fs_hz, px_per_mm=px_per_mm), paper, choice)
        if name == "baseline":
            from ecgtrace.digitization.baseline import BaselineDigitizer

            return cls(with_scale(BaselineDigitizer(fs_hz=fs_hz), px_per_mm), paper, choice)
        raise ConfigError(f"there is no digitizer '{name}'; choose one of: {', '.join(NAMES)}")

    def __call__(self, image: str | Path | Image | NDArray) -> LeadSignal:
        """
        Digitize the picture of one lead.

        Parameters
        ----------
        image : str, Path, PIL image, or ndarray
            A file; or pixels as `images.as_rgb` takes them: grey, RGB (not BGR) or with alpha.

        Returns
        -------
        LeadSignal
            In mV; time 0 is where the trace begins. `status` is `doubtful` where something speaks against
            it, which `doubts` says in words; `notes` says what was assumed.

        Raises
        ------
        InputImageError
            If it cannot be read as a picture, or does not show one lead.
        GridNotFoundError, TraceNotFoundError
            If it shows no grid, or no trace.
        """
        picture = load(image)
        signal = digitize_picture(self._digitizer, picture.rgb, self._paper)
        return dataclasses.replace(signal, notes=(*picture.notes, *signal.notes))

    def read(
        self, path: str | Path, layout: str | None = None, leads: str | Sequence[str] | None = None
    ) -> list[Recording]:
        """
        Read all pages of a file: a picture or a scan of a page, a PDF, a DICOM object.

        Parameters
        ----------
        path : str or Path
        layout, leads : optional
            As of `from_pretrained`, for this file.

        Returns
        -------
        list of Recording
            One for each page. Of a page that was not read `status` is `failed` and `failure` says why. Pages
            that are pictures are read by the digitizer `refined` alone.

        Raises
        ------
        InputImageError
            If the file is missing, encrypted or broken.
        ConfigError
            If there is no such layout or lead.
        """
        path = Path(path)
        choice = PageChoice.of(layout=layout, leads=leads).over(self._choice)
        recordings = []
        count = documents.count_pages(path)
        reader = page_reader(self._digitizer)
        for number in range(1, count + 1):
            try:
                recordings.append(read_file_page(path, number, choice, reader))
            except (PageError, GridNotFoundError) as error:
                recordings.append(Recording((), failure=str(error), page=number, page_count=count))
        return recordings

    @property
    def name(self) -> str:
        """Name of the method."""
        return self._digitizer.name

    @property
    def model(self) -> str:
        """Name of the network and hash of its weights; empty where there is none."""
        return str(getattr(self._digitizer, "model", ""))


def load(image: str | Path | Image | NDArray) -> Picture:
    """Read a file, or take over pixels, as RGB."""
    if isinstance(image, str | Path):
        return read_picture(image)
    if isinstance(image, Image):
        return picture_of(image)
    return Picture(as_rgb(image))


def with_scale(digitizer: Any, px_per_mm: float | None) -> Any:
    """
    Return a copy of a digitizer that takes the scale as given.

    Raises
    ------
    ConfigError
        If this digitizer always finds the scale itself.
    """
    if px_per_mm is None:
        return digitizer
    if not hasattr(digitizer, "px_per_mm"):
        raise ConfigError(f"digitizer {digitizer.name} finds the scale itself; leave px_per_mm out")
    return dataclasses.replace(digitizer, px_per_mm=float(px_per_mm))


def check_fs(value: Any, name: str) -> None:
    """Raise `ConfigError` unless a value is a plausible sampling frequency in Hz."""
    check_number(value, name, 1.0, MAX_FS_HZ)


def check_number(value: Any, name: str, low: float, high: float) -> None:
    """Raise `ConfigError` unless a value is a number from `low` to `high`."""
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not low <= value <= high:
        raise ConfigError(f"{name} must be a number from {low:g} to {high:g}, got {value}")
