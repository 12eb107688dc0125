"""
What the stages hand to each other.

Frozen dataclasses that check themselves on construction; their docstrings are the
contracts between the packages. Images are RGB, uint8, row 0 on top. A polyline is
an array of (x, y) in pixels where (0, 0) is the *centre* of the top left pixel.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ecgtrace.units import GAIN_MM_PER_MV, PAPER_SPEED_MM_PER_S

FloatArray = NDArray[np.float64]

# The verdict on an input: read; read, and something speaks against it; not read.
OK, DOUBTFUL, FAILED = "ok", "doubtful", "failed"


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _require_rgb(image: NDArray[np.uint8]) -> None:
    _require(
        image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8,
        f"image must be RGB uint8 of shape (height, width, 3), got {image.dtype} {image.shape}",
    )


@dataclass(frozen=True, eq=False)
class Record:
    """
    A multi-lead ECG.

    Attributes
    ----------
    record_id : str
        Unique in its source.
    signal : ndarray of float, shape (n_leads, n_samples)
        Amplitude in mV. Finite.
    fs_hz : float
        Sampling frequency in Hz.
    leads : tuple of str
        Lead names, in the order of the rows of `signal`.
    patient_id : str or None
        None where the source does not say; then every record counts as a patient.
    """

    record_id: str
    signal: FloatArray
    fs_hz: float
    leads: tuple[str, ...]
    patient_id: str | None = None

    def __post_init__(self) -> None:
        _require(self.signal.ndim == 2, f"signal must be (n_leads, n_samples), got {self.signal.shape}")
        _require(
            len(self.leads) == len(self.signal),
            f"{len(self.leads)} lead names for {len(self.signal)} signals",
        )
        _require(self.fs_hz > 0, f"fs_hz must be positive, got {self.fs_hz}")
        _require(bool(np.isfinite(self.signal).all()), f"record {self.record_id} holds NaN or infinity")

    @property
    def duration_s(self) -> float:
        """Length of the record in seconds."""
        return self.signal.shape[1] / self.fs_hz


@dataclass(frozen=True, eq=False)
class Trace:
    """
    One lead as it was drawn.

    Attributes
    ----------
    lead : str
        Lead name.
    start_s, end_s : float
        The time window of the record that is shown.
    polyline : ndarray of float, shape (n_samples, 2)
        Centre line of the stroke, (x, y) in page pixels, one vertex per sample drawn.
    signal : ndarray of float, shape (n_samples,)
        The samples drawn, in mV.
    fs_hz : float
        Their sampling frequency in Hz.
    """

    lead: str
    start_s: float
    end_s: float
    polyline: FloatArray
    signal: FloatArray
    fs_hz: float

    def __post_init__(self) -> None:
        _require(
            self.polyline.shape == (len(self.signal), 2),
            f"polyline {self.polyline.shape} does not fit {len(self.signal)} samples",
        )


@dataclass(frozen=True, eq=False)
class Page:
    """
    A drawn page and all that is known about it.

    Attributes
    ----------
    image : ndarray of uint8, shape (height, width, 3)
    px_per_mm : float
        True scale; pixels are square when drawn.
    line_width_px : float
        Width of the stroke of the traces.
    traces : tuple of Trace
        In reading order of the layout, the rhythm strip last.
    names : dict of str to tuple of int
        Box (x0, y0, x1, y1) of each printed lead name, by index of the trace as str(index).
    record_id : str
    layout : str
    """

    image: NDArray[np.uint8]
    px_per_mm: float
    line_width_px: float
    traces: tuple[Trace, ...]
    names: dict[int, tuple[int, int, int, int]]
    record_id: str
    layout: str

    def __post_init__(self) -> None:
        _require_rgb(self.image)
        _require(self.px_per_mm > 0, f"px_per_mm must be positive, got {self.px_per_mm}")


@dataclass(frozen=True, eq=False)
class LeadCrop:
    """
    The picture of one lead with its truth.

    Attributes
    ----------
    image : ndarray of uint8, shape (height, width, 3)
    mask : ndarray of uint8, shape (height, width)
        {0, 1}: ink of the target trace alone.
    signal : ndarray of float, shape (n_samples,)
        The truth in mV; its first sample lies where the trace begins.
    fs_hz : float
    crop_id : str
        Unique in its dataset.
    record_id, lead, layout : str
    px_per_mm : float or None
        True scale; None where a dataset on disk does not tell it.
    overlap_px : int
        Pixels of ink of other leads inside the crop.
    crossings : int
        How often the centre line of another trace crosses that of the target.
    polyline : ndarray of float, shape (n_samples, 2), or None
        Centre line of the target in crop pixels; None where only a mask is known.
    other_mask : ndarray of uint8, shape (height, width), or None
        {0, 1}: ink of the other leads; 1 in both masks where they share ink.
    printed_mask : ndarray of uint8, shape (height, width), or None
        {0, 1}: ink of no lead: names, separators, calibration pulses.
    start_px : float or None
        Column of the first sample, which may lie outside of a crop that is cut short; None where it is not
        known.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    signal: FloatArray
    fs_hz: float
    crop_id: str
    record_id: str
    lead: str
    layout: str
    px_per_mm: float | None = None
    overlap_px: int = 0
    crossings: int = 0
    polyline: FloatArray | None = None
    other_mask: NDArray[np.uint8] | None = None
    printed_mask: NDArray[np.uint8] | None = None
    start_px: float | None = None

    def __post_init__(self) -> None:
        _require_rgb(self.image)
        _require(
            self.mask.shape == self.image.shape[:2],
            f"mask {self.mask.shape} and image {self.image.shape[:2]} of {self.crop_id} differ in size",
        )
        _require(bool(np.isfinite(self.signal).all()), f"signal of {self.crop_id} holds NaN or infinity")

    def columns(self, left: int, right: int) -> "LeadCrop":
        """Return the crop seen through a window: picture and masks alone, the rest stays the whole crop's."""

        def part(pixels: NDArray[np.uint8] | None) -> NDArray[np.uint8] | None:
            return None if pixels is None else np.ascontiguousarray(pixels[:, left:right])

        seen = {name: part(getattr(self, name)) for name in ("image", "mask", "other_mask", "printed_mask")}
        return replace(self, polyline=None, **seen)  # type: ignore[arg-type]


@dataclass(frozen=True)
class GridScale:
    """
    The scale of the paper, found in an image.

    Attributes
    ----------
    px_per_mm_x, px_per_mm_y : float
        Pixels per millimetre of paper, along the time and the amplitude axis.
    confidence : float
        In [0, 1]: 1 where all expected lines were found at equal distances.
    square_assumed : bool
        True where one axis had too few lines, so that it copies the other.
    lines_x, lines_y : tuple of float
        Positions in px of the vertical lines (x) and of the horizontal lines (y) that the
        scale rests on, for drawing.
    assumptions : tuple of str
        What the scale takes for granted, such as "square pixels: too few horizontal lines to measure".
    doubts : tuple of str
        Reasons for which a result with this scale cannot be called sure.
    """

    px_per_mm_x: float
    px_per_mm_y: float
    confidence: float
    square_assumed: bool = False
    lines_x: tuple[float, ...] = ()
    lines_y: tuple[float, ...] = ()
    assumptions: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require(self.px_per_mm_x > 0 and self.px_per_mm_y > 0, "px per mm must be positive")
        _require(0 <= self.confidence <= 1, f"confidence must lie in [0, 1], got {self.confidence}")


@dataclass(frozen=True, eq=False)
class LeadSignal:
    """
    A digitized lead.

    Attributes
    ----------
    amplitude_mv : ndarray of float, shape (n_samples,)
        NaN where the signal was not recovered. The median is 0: a crop does not tell where 0 mV is.
    fs_hz : float
        Sampling frequency in Hz.
    confidence : ndarray of float, shape (n_samples,)
        In [0, 1]; 0 exactly where `amplitude_mv` is NaN.
    scale : GridScale
        The scale that the amplitudes and times rest on.
    row_px : ndarray of float, shape (width,)
        Row of the trace in each column of the image, NaN where none was found.
    start_px : float
        Column of time 0.
    doubts : tuple of str
        Why the signal may be wrong although it was read, each a reason with its numbers: with any, the
        verdict is `doubtful`.
    notes : tuple of str
        What was assumed or done to the picture, such as that its pixels were taken for square.
    speed_mm_per_s, gain_mm_per_mv : float
        What the times and amplitudes were computed with.
    """

    amplitude_mv: FloatArray
    fs_hz: float
    confidence: FloatArray
    scale: GridScale
    row_px: FloatArray = field(repr=False)
    start_px: float = 0.0
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    speed_mm_per_s: float = PAPER_SPEED_MM_PER_S
    gain_mm_per_mv: float = GAIN_MM_PER_MV

    def __post_init__(self) -> None:
        _require(
            self.amplitude_mv.shape == self.confidence.shape,
            f"{self.amplitude_mv.shape} amplitudes, {self.confidence.shape} confidences",
        )
        missing = np.isnan(self.amplitude_mv)
        _require(
            bool((self.confidence[missing] == 0).all()),
            "a sample that was not recovered must have confidence 0",
        )

    @property
    def time_s(self) -> FloatArray:
        """Time of each sample in seconds; 0 is where the trace begins."""
        return np.arange(len(self.amplitude_mv)) / self.fs_hz

    @property
    def status(self) -> str:
        """The verdict: `doubtful` where there are doubts, else `ok`. A failure is an exception, no signal."""
        return DOUBTFUL if self.doubts else OK
