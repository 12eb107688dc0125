"""How a page looks: every length in millimetre of paper, every colour as RGB."""

from dataclasses import dataclass, field
from typing import overload

from ecgtrace.errors import ConfigError
from ecgtrace.pages.degrade import Degradation
from ecgtrace.types import FloatArray

Color = tuple[int, int, int]

FONTS = {
    # OpenCV's vector fonts; the height of a capital letter is 21 units of the font at scale 1.
    "simplex": 0,
    "plain": 1,
    "duplex": 2,
    "complex": 3,
    "triplex": 4,
}


@dataclass(frozen=True)
class PageStyle:
    """
    Look and geometry of a page.

    The defaults are those of the published dataset as measured on its pages (arXiv
    2506.06315; 700 dpi, one large square about 78.2 px): `conf/page/published.yaml`
    repeats them, other files in `conf/page` change them.

    Attributes
    ----------
    px_per_mm : float
        Resolution. 15.64 is a large square of 78.2 px.
    fs_hz : float or None
        The signals are resampled to this frequency before they are drawn, with one vertex
        of the polyline per sample; None draws them as recorded.
    row_spacing_mm : float
        Distance of the zero lines of neighbouring rows. At 15 mm, a deflection of more
        than 1.5 mV reaches the next row.
    column_gap_mm : float
        Gap between the columns of a layout.
    margins_mm : tuple of float
        Left, right, above the first zero line, below the last one.
    line_width_mm : float
        Stroke of the traces; drawn to the nearest quarter of a pixel.
    crop_padding_mm : float
        A crop is the bounding box of the target's centre line plus this on each side.
    ink, paper, grid_major, grid_minor : tuple of int
        RGB; `grid_minor=None` or `grid_major=None` leaves these lines out.
    grid_width_mm : float
        Width of all grid lines.
    snap_grid : bool
        Put grid lines on whole pixels, as screen renderers do.
    lead_names, separators, calibration_pulse : bool
        What is printed beside the traces.
    font : str
        One of `FONTS`.
    name_height_mm, name_offset_mm : float
        Height of capitals; baseline above the zero line.
    degradation : Degradation
        What scanning and saving do to the page.
    """

    px_per_mm: float = 15.64
    fs_hz: float | None = 100.0
    row_spacing_mm: float = 15.0
    column_gap_mm: float = 1.0
    margins_mm: tuple[float, float, float, float] = (16.25, 15.0, 30.0, 30.0)
    line_width_mm: float = 0.311
    crop_padding_mm: float = 0.96
    ink: Color = (0, 0, 0)
    paper: Color = (255, 255, 255)
    grid_major: Color | None = (191, 128, 128)
    grid_minor: Color | None = (255, 237, 237)
    grid_width_mm: float = 0.311
    snap_grid: bool = True
    lead_names: bool = True
    separators: bool = True
    calibration_pulse: bool = False
    font: str = "simplex"
    name_height_mm: float = 2.7
    name_offset_mm: float = 10.0
    degradation: Degradation = field(default_factory=Degradation)

    def __post_init__(self) -> None:
        for name in ("ink", "paper", "grid_major", "grid_minor", "margins_mm"):
            value = getattr(self, name)
            if value is not None:  # lists from YAML, made hashable: styles are keys of a cache
                object.__setattr__(self, name, tuple(value))
        if self.font not in FONTS:
            raise ConfigError(f"page.font={self.font} is unknown; choose one of {', '.join(FONTS)}")
        for name in ("px_per_mm", "row_spacing_mm", "line_width_mm", "grid_width_mm"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"page.{name} must be positive, got {getattr(self, name)}")

    @overload
    def px(self, mm: float) -> float: ...

    @overload
    def px(self, mm: FloatArray) -> FloatArray: ...

    def px(self, mm: float | FloatArray) -> float | FloatArray:
        """Convert millimetre of paper to pixels of this page."""
        return mm * self.px_per_mm

    @property
    def line_width_px(self) -> float:
        """Width of the stroke of the traces in pixels."""
        return self.px(self.line_width_mm)
