"""How a page looks: every length in millimetre of paper, every colour as RGB."""

from dataclasses import dataclass, field
from typing import overload

from ecgtrace.drawing.degrade import Degradation
from ecgtrace.drawing.lettering import FONTS
from ecgtrace.errors import ConfigError
from ecgtrace.types import FloatArray

Color = tuple[int, int, int]

Dashes = tuple[tuple[float, float], ...]


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
    antialias : bool
        False draws ink as old plotters do: a pixel is covered or it is not.
    crop_padding_mm : float
        A crop is the bounding box of the target's centre line plus this on each side.
    ink, paper, grid_major, grid_minor : tuple of int
        RGB; `grid_minor=None` or `grid_major=None` leaves these lines out.
    grid_width_mm : float
        Width of all grid lines.
    grid_major_width_mm : float or None
        Width of the lines 5 mm apart, where it is another.
    grid_dots : bool
        Print a dot on each crossing of the 1 mm lines in place of these lines.
    snap_grid : bool
        Put grid lines on whole pixels, as screen renderers do.
    lead_names, separators, calibration_pulse : bool
        What is printed beside the traces.
    separator_dashes_mm : tuple of (float, float)
        From where to where, below the zero line, each dash of a separator goes.
    separator_width_mm : float or None
        Where it is not the width of the traces.
    pulse_gap_mm, pulse_width_mm, pulse_foot_mm : float
        Between pulse and trace; of its plateau; of the flat line before and after the plateau.
    pulse_at_end : bool
        Behind the last column in place of before the first.
    font : str
        One of `lettering.FONTS`.
    name_height_mm, name_offset_mm, name_indent_mm : float
        Height of capitals; baseline above the zero line (below where negative); from the begin of the trace.
    name_ink : tuple of int or None
        RGB, where names have another colour than the traces.
    degradation : Degradation
        What scanning and saving do to the page.
    """

    px_per_mm: float = 15.64
    fs_hz: float | None = 100.0
    row_spacing_mm: float = 15.0
    column_gap_mm: float = 1.0
    margins_mm: tuple[float, float, float, float] = (16.25, 15.0, 30.0, 30.0)
    line_width_mm: float = 0.311
    antialias: bool = True
    crop_padding_mm: float = 0.96
    ink: Color = (0, 0, 0)
    paper: Color = (255, 255, 255)
    grid_major: Color | None = (191, 128, 128)
    grid_minor: Color | None = (255, 237, 237)
    grid_width_mm: float = 0.311
    grid_major_width_mm: float | None = None
    grid_dots: bool = False
    snap_grid: bool = True
    lead_names: bool = True
    separators: bool = True
    calibration_pulse: bool = False
    separator_dashes_mm: Dashes = ((-3.1, -0.9), (0.9, 3.1))  # as measured on the published pages
    separator_width_mm: float | None = None
    pulse_gap_mm: float = 2.0
    pulse_width_mm: float = 5.0  # 0.2 s at 25 mm/s
    pulse_foot_mm: float = 1.0
    pulse_at_end: bool = False
    font: str = "simplex"
    name_height_mm: float = 2.7
    name_offset_mm: float = 10.0
    name_indent_mm: float = 0.2
    name_ink: Color | None = None
    degradation: Degradation = field(default_factory=Degradation)

    def __post_init__(self) -> None:
        for name in ("ink", "paper", "grid_major", "grid_minor", "name_ink", "margins_mm"):
            value = getattr(self, name)
            if value is not None:  # lists from YAML, made hashable: styles are keys of a cache
                object.__setattr__(self, name, tuple(value))
        object.__setattr__(self, "separator_dashes_mm", tuple(map(tuple, self.separator_dashes_mm)))
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

    @property
    def separator_width_px(self) -> float:
        """Width of the stroke of the separators in pixels."""
        return self.px(self.separator_width_mm or self.line_width_mm)
