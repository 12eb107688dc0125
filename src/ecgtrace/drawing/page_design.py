"""What one whole page looks like: `page_designer` draws such designs at random."""

from dataclasses import dataclass, field

from ecgtrace.drawing.layout import Bounds
from ecgtrace.drawing.page_extras import Extra
from ecgtrace.drawing.page_layouts import PageLayout
from ecgtrace.drawing.page_words import NameStyle, Text
from ecgtrace.drawing.style import Color, PageStyle
from ecgtrace.errors import ConfigError
from ecgtrace.units import GAIN_MM_PER_MV, PAPER_SPEED_MM_PER_S

_PULSES = ("none", "left", "right", "one", "columns")
_BARS = ("none", "cells", "full", "dashed")


@dataclass(frozen=True)
class PageDesign:
    """
    A whole page without its signals; lengths in mm of paper, from the upper left corner of the page.

    Attributes
    ----------
    style : PageStyle
        Colours, widths, letters, resolution. Its row spacing and margins are not used, but for the height of
        the grid's lines, which is that of `margins_mm[2]`.
    layout : PageLayout
    width_mm, height_mm : float
    left_mm, top_mm : float
        Begin of the first traces; the zero line of the first row.
    row_zero_mm : tuple of float
        Zero lines, below that of the first row.
    speed_mm_per_s, gain_mm_per_mv : float
    column_gap_mm : float
    name_style : NameStyle
    names : {"all", "first row", "none"}
        Which cells are named.
    bars : {"none", "cells", "full", "dashed"}
        Nothing between columns; the style's dashes about each zero line; a line from the first row to the
        last, whole or dashed.
    bar_ink : tuple of int or None
        Where it is another than the traces'.
    bar_reach_mm : float
        How far a line over all rows goes beyond the outer zero lines.
    joined : bool
        The line goes on from one column to the next, with a jump.
    pulses : {"none", "left", "right", "one", "columns"}
        Before each row, behind each row, before one row, before each cell.
    pulse_row : int
        Of the one pulse.
    pulse_width_mm : float
    texts : tuple of Text
    frames_mm : tuple of (x0, y0, x1, y1)
        Boxes of lines.
    frame_width_mm : float
    frame_ink : tuple of int or None
    extras : tuple of Extra
        Handwriting, logos and the like.
    grid_area_mm : tuple of float or None
        Where the grid is printed, grown to whole large squares; None: everywhere.
    """

    style: PageStyle
    layout: PageLayout
    width_mm: float
    height_mm: float
    left_mm: float
    top_mm: float
    row_zero_mm: tuple[float, ...]
    speed_mm_per_s: float = PAPER_SPEED_MM_PER_S
    gain_mm_per_mv: float = GAIN_MM_PER_MV
    column_gap_mm: float = 0.0
    name_style: NameStyle = field(default_factory=NameStyle)
    names: str = "all"
    bars: str = "none"
    bar_ink: Color | None = None
    bar_reach_mm: float = 10.0
    joined: bool = False
    pulses: str = "none"
    pulse_row: int = 0
    pulse_width_mm: float = 5.0
    texts: tuple[Text, ...] = ()
    frames_mm: tuple[Bounds, ...] = ()
    frame_width_mm: float = 0.3
    frame_ink: Color | None = None
    extras: tuple[Extra, ...] = ()
    grid_area_mm: Bounds | None = None

    def __post_init__(self) -> None:
        if len(self.row_zero_mm) != len(self.layout.rows):
            raise ConfigError(f"{len(self.row_zero_mm)} zero lines for {len(self.layout.rows)} rows")
        if self.pulses not in _PULSES or self.bars not in _BARS:
            raise ConfigError(f"pulses={self.pulses} of {_PULSES} and bars={self.bars} of {_BARS}")
        for name in ("width_mm", "height_mm", "speed_mm_per_s", "gain_mm_per_mv"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}")

    def named(self, row: int) -> bool:
        """Say whether the cells of a row are named."""
        return self.names == "all" or (self.names == "first row" and row == 0)
