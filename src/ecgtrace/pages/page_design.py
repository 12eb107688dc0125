"""What one whole page looks like, and how such designs are drawn at random."""

from dataclasses import dataclass, field, replace

import numpy as np

from ecgtrace.errors import ConfigError
from ecgtrace.pages.layout import PULSE_HEIGHT_MM, Bounds
from ecgtrace.pages.page_layouts import LayoutMix, PageLayout, choose
from ecgtrace.pages.page_words import (
    OTHER_LEADS,
    NameStyle,
    Text,
    draw_footer,
    draw_header,
    draw_name_style,
    scale_text,
)
from ecgtrace.pages.printers import Printer, Range, StyleSource
from ecgtrace.pages.style import Color, PageStyle
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


@dataclass(frozen=True)
class PageDesigner:
    """
    Draws designs of whole pages. Ranges are by eye on the pages of eight machines, and wider.

    Attributes
    ----------
    printer : StyleSource
        Draws colours, widths and letters.
    layouts : LayoutMix
    px_per_mm : tuple of float or None
        Pages are drawn at a resolution from here, evenly by factor; None: the printer's.
    speeds_mm_per_s, gains_mm_per_mv : dict of float to float
        Share of each.
    rows_height_mm : tuple of float
        From the first to the last zero line, shared among the rows.
    row_spacing_mm : tuple of float
        Least and largest.
    uneven_rows, joined, no_names, other_leads, framed, part_ruled, no_header, faint : float
        Share of pages with rows spaced unevenly; columns that go over into each other; no names; some leads
        beyond the twelve in place of chest leads; a frame; a grid on a part of the page alone; no header; ink
        that is half gone.
    """

    printer: StyleSource = field(default_factory=Printer)
    layouts: LayoutMix = field(default_factory=LayoutMix)
    px_per_mm: Range | None = None
    speeds_mm_per_s: dict[float, float] = field(default_factory=lambda: {25.0: 0.87, 50.0: 0.13})
    gains_mm_per_mv: dict[float, float] = field(default_factory=lambda: {10.0: 0.86, 5.0: 0.08, 20.0: 0.06})
    rows_height_mm: Range = (75.0, 165.0)
    row_spacing_mm: Range = (8.0, 40.0)
    uneven_rows: float = 0.15
    joined: float = 0.3
    no_names: float = 0.04
    other_leads: float = 0.0
    framed: float = 0.25
    part_ruled: float = 0.45
    no_header: float = 0.25
    faint: float = 0.0

    def draw(self, rng: np.random.Generator, record_s: float) -> PageDesign:
        """
        Return the design of one page.

        Parameters
        ----------
        rng : numpy.random.Generator
        record_s : float
            Length of the record that it will show.
        """
        style = self._style(rng)
        speed = float(choose(self.speeds_mm_per_s, rng))
        gain = float(choose(self.gains_mm_per_mv, rng))
        layout = self._layout(rng, speed, record_s)
        row_zero_mm = self._row_zeros(len(layout.rows), rng)
        spacing_mm = float(np.diff(row_zero_mm).min()) if len(row_zero_mm) > 1 else 30.0
        pulses = str(choose({"left": 0.5, "none": 0.2, "right": 0.1, "one": 0.12, "columns": 0.08}, rng))
        pulse_width_mm = style.pulse_width_mm if speed == PAPER_SPEED_MM_PER_S else 2 * style.pulse_width_mm
        pulse_mm = pulse_width_mm + 2 * style.pulse_foot_mm + style.pulse_gap_mm
        before = rng.random() < (0.35 if layout.n_columns == 1 else 0.08)  # names left of the traces
        style = self._placed_names(style, spacing_mm, before, rng)
        joined = bool(rng.random() < self.joined)
        gap_mm = 0.0 if joined else style.column_gap_mm
        if before and layout.n_columns > 1:
            gap_mm += 4 * style.name_height_mm
        elif not joined and rng.random() < 0.12:
            gap_mm += float(rng.uniform(1, 8))
        if pulses == "columns":
            gap_mm, joined = gap_mm + pulse_mm + 1.0, False
        left_mm = float(rng.uniform(3, 18)) + (pulse_mm if pulses in ("left", "one", "columns") else 0)
        left_mm += max(0.0, -style.name_indent_mm)
        right_mm = float(rng.uniform(3, 20)) + (pulse_mm if pulses == "right" else 0)
        content_mm = layout.row_s * speed + gap_mm * (layout.n_columns - 1)
        width_mm = left_mm + content_mm + right_mm
        # Above the first zero line there is room for a pulse, or nearly so; below the last for an S wave.
        above_mm = max(0.6 * spacing_mm, PULSE_HEIGHT_MM * gain / GAIN_MM_PER_MV) + float(rng.uniform(0, 14))
        below_mm = max(0.4 * spacing_mm, 5.0) + float(rng.uniform(2, 12))
        header_mm = 0.0 if rng.random() < self.no_header else float(rng.uniform(8, 45))
        footer_mm = 0.0 if rng.random() < self.no_header else float(rng.uniform(4, 14))
        top_mm = header_mm + above_mm
        rows_end_mm = top_mm + row_zero_mm[-1] + below_mm
        height_mm = rows_end_mm + footer_mm
        area = (left_mm - min(left_mm - 2, pulse_mm + 3), header_mm, width_mm - 2.0, rows_end_mm)
        part = bool(rng.random() < self.part_ruled and width_mm > area[2])
        framed = bool(rng.random() < self.framed)
        names = "none" if rng.random() < self.no_names else "all"
        if names == "all" and layout.name.startswith("rows") and rng.random() < 0.6:
            names = "first row"
        texts = self._texts(style, (width_mm, height_mm), (header_mm, footer_mm), (speed, gain), rng)
        bars = self._bars(style, joined, rng)
        return PageDesign(
            style=style,
            layout=layout,
            width_mm=width_mm,
            height_mm=height_mm,
            left_mm=left_mm,
            top_mm=top_mm,
            row_zero_mm=row_zero_mm,
            speed_mm_per_s=speed,
            gain_mm_per_mv=gain,
            column_gap_mm=gap_mm,
            name_style=draw_name_style(rng),
            names=names,
            bars=bars,
            bar_ink=style.name_ink if rng.random() < 0.4 else None,
            bar_reach_mm=float(rng.uniform(0.2, 0.8)) * spacing_mm,
            joined=joined,
            pulses=pulses,
            pulse_row=int(rng.integers(len(layout.rows))),
            pulse_width_mm=pulse_width_mm,
            texts=texts,
            frames_mm=(area,) if framed else (),
            frame_width_mm=float(rng.uniform(0.15, 0.6)),
            frame_ink=style.grid_major if rng.random() < 0.5 else None,
            grid_area_mm=area if part else None,
        )

    def _style(self, rng: np.random.Generator) -> PageStyle:
        style = self.printer.draw_style(rng)
        # The phase of the grid against the rows; no machine puts each zero line on a line of the paper.
        margins = (0.0, 0.0, float(rng.uniform(0, 5)), 0.0)
        px_per_mm = style.px_per_mm
        if self.px_per_mm is not None:
            px_per_mm = float(np.exp(rng.uniform(*np.log(self.px_per_mm))))
        if rng.random() < self.faint:
            share = float(rng.uniform(0.2, 0.6))
            red, green, blue = (
                round(a + (b - a) * share) for a, b in zip(style.ink, style.paper, strict=True)
            )
            style = replace(style, ink=(red, green, blue))
        degradation = replace(style.degradation, rotation_deg=0.0)
        return replace(style, px_per_mm=px_per_mm, margins_mm=margins, degradation=degradation)

    def _layout(self, rng: np.random.Generator, speed: float, record_s: float) -> PageLayout:
        layout = self.layouts.draw(rng, speed, record_s)
        if rng.random() >= self.other_leads:
            return layout
        renamed = {
            lead: str(rng.choice(OTHER_LEADS))
            for lead in ("V1", "V2", "V3", "V4", "V5", "V6")
            if rng.random() < 0.5
        }
        rows = tuple(
            tuple(replace(cell, name=renamed.get(cell.name, cell.name)) for cell in row)
            for row in layout.rows
        )
        return replace(layout, rows=rows)

    def _row_zeros(self, n_rows: int, rng: np.random.Generator) -> tuple[float, ...]:
        least, largest = self.row_spacing_mm
        spacing = float(np.clip(rng.uniform(*self.rows_height_mm) / max(n_rows, 3), least, largest))
        steps = np.full(n_rows - 1, spacing)
        if rng.random() < self.uneven_rows:
            steps *= rng.uniform(0.8, 1.3, n_rows - 1)
        return (0.0, *np.cumsum(steps).tolist())

    def _placed_names(
        self, style: PageStyle, spacing_mm: float, before: bool, rng: np.random.Generator
    ) -> PageStyle:
        """Keep names within their row; of close rows they are small, and left of the trace where asked."""
        height_mm = min(style.name_height_mm, 0.35 * spacing_mm)
        offset_mm = float(np.clip(style.name_offset_mm, -0.45 * spacing_mm, 0.75 * spacing_mm))
        indent_mm = style.name_indent_mm
        if before:
            indent_mm, offset_mm = -4 * height_mm, float(rng.uniform(-1.5, 1.0)) * height_mm
        return replace(style, name_height_mm=height_mm, name_offset_mm=offset_mm, name_indent_mm=indent_mm)

    def _bars(self, style: PageStyle, joined: bool, rng: np.random.Generator) -> str:
        if rng.random() < 0.12:
            return "full" if rng.random() < 0.6 else "dashed"
        return "cells" if style.separators and not (joined and rng.random() < 0.5) else "none"

    def _texts(
        self,
        style: PageStyle,
        size_mm: tuple[float, float],
        bands_mm: tuple[float, float],
        scale: tuple[float, float],
        rng: np.random.Generator,
    ) -> tuple[Text, ...]:
        (width_mm, height_mm), (header_mm, footer_mm) = size_mm, bands_mm
        texts = draw_header(width_mm, 2.0, header_mm, style.ink, rng) if header_mm else []
        told = scale_text(*scale, rng) if rng.random() < 0.75 else ""
        if footer_mm:
            baseline_mm = height_mm - float(rng.uniform(0.2, 0.6)) * footer_mm
            texts += draw_footer(width_mm, baseline_mm, told, style.ink, rng)
        return tuple(texts)
