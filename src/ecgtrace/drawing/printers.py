"""
Printers: what the pages of one kind of machine look like, as ranges to draw a page's style from.

`conf/printer` has a file for each. A page of another kind is another file there, and nothing else.
"""

import colorsys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from ecgtrace.drawing.degrade import Degradation
from ecgtrace.drawing.style import Color, PageStyle
from ecgtrace.errors import ConfigError

Range = tuple[float, float]

# How separators may look: dashes from where to where below the zero line, in mm.
_SEPARATORS: dict[str, tuple[tuple[float, float], ...]] = {
    "two dashes": ((-3.1, -0.9), (0.9, 3.1)),
    "bar": ((-3.5, 3.5),),
    "long bar": ((-7.0, 7.0),),
    "tick": ((-5.0, -2.0),),
}


class StyleSource(Protocol):
    """Anything that draws styles of pages."""

    def draw_style(self, rng: np.random.Generator) -> PageStyle:
        """Return the style of one page."""
        ...


@dataclass(frozen=True)
class Hue:
    """
    A range of colours, by hue, saturation and value (HSV).

    Attributes
    ----------
    hue_deg : tuple of float
        May pass 360, as reds do.
    saturation, value : tuple of float
        Ranges in [0, 1].
    """

    hue_deg: Range = (0.0, 360.0)
    saturation: Range = (0.0, 1.0)
    value: Range = (0.0, 1.0)

    def draw(self, rng: np.random.Generator) -> Color:
        """Return a colour, RGB."""
        hue = (rng.uniform(*self.hue_deg) / 360) % 1
        rgb = colorsys.hsv_to_rgb(hue, rng.uniform(*self.saturation), rng.uniform(*self.value))
        r, g, b = (round(255 * channel) for channel in rgb)
        return r, g, b


_THINNEST_PX = 0.8  # of a line: where pixels are coarser, printers draw at least about one

BLACK = Hue((0, 0), (0, 0), (0, 0.16))
WHITE = Hue((0, 0), (0, 0), (1, 1))


@dataclass(frozen=True)
class Printer:
    """
    One kind of machine. Every page draws its own style from these ranges, each evenly.

    Attributes
    ----------
    style : PageStyle
        What nothing below changes.
    grid_major, grid_minor : sequence of Hue
        One is chosen; the minor lines of a page are of the hue of its major ones unless they have hues of
        their own.
    minor_paleness : tuple of float
        Where minor lines have the hue of the major ones: share of the way to the paper. 0 is evenly ruled.
    lines : dict of str to float
        Share of pages with a grid of "both", "major" (5 mm only), "minor" (1 mm alone, evenly), "dots" (major
        lines, and a dot each mm), "dots only", "none".
    paper, ink : sequence of Hue
    names_coloured : float
        Share of pages with names of a colour of their own.
    px_per_mm, line_width_mm, grid_width_mm, major_width : tuple of float
        `major_width` is a factor on the width of the minor lines. No line is thinner than 0.8 px.
    fs_hz : dict of float to float
        Share of pages whose signals are drawn at a frequency.
    separators : dict of str to float
        Share of pages with each of `_SEPARATORS` or "none".
    separator_width_mm, column_gap_mm : tuple of float
    pulse : dict of str to float
        Share of pages with a pulse at the "start", at the "end" or with "none".
    pulse_gap_mm : tuple of float
        0 for half of the pages with a pulse: it goes over into the trace.
    font : sequence of str
    name_offset_mm, name_indent_mm, name_height_mm : tuple of float
    no_names : float
        Share of pages without names.
    antialias, snap_grid, grey, bilevel, jpeg, blurred, noisy : float
        Share of pages.
    bilevel_level, jpeg_quality, blur_px, noise_std : tuple of float
        Of the pages that have it (`drawing.degrade.Degradation`).
    """

    style: PageStyle = field(default_factory=PageStyle)
    grid_major: tuple[Hue, ...] = (Hue((340, 380), (0.3, 0.6), (0.75, 1.0)),)
    grid_minor: tuple[Hue, ...] = ()
    minor_paleness: Range = (0.2, 0.8)
    lines: Mapping[str, float] = field(default_factory=lambda: {"both": 1.0})
    paper: tuple[Hue, ...] = (WHITE,)
    ink: tuple[Hue, ...] = (BLACK,)
    names_coloured: float = 0.0
    px_per_mm: Range = (3.94, 23.6)  # 100 to 600 dpi
    line_width_mm: Range = (0.12, 0.5)
    grid_width_mm: Range = (0.08, 0.3)
    major_width: Range = (1.0, 2.0)
    fs_hz: Mapping[float, float] = field(default_factory=lambda: {100.0: 0.4, 500.0: 0.6})
    separators: Mapping[str, float] = field(
        default_factory=lambda: {"none": 0.3, "two dashes": 0.2, "bar": 0.5}
    )
    separator_width_mm: Range = (0.2, 1.2)
    column_gap_mm: Range = (0.0, 1.0)
    pulse: Mapping[str, float] = field(default_factory=lambda: {"none": 0.3, "start": 0.5, "end": 0.2})
    pulse_gap_mm: Range = (0.0, 3.0)
    font: tuple[str, ...] = ("sans", "simplex")
    name_offset_mm: Range = (-8.0, 12.0)
    name_indent_mm: Range = (0.0, 4.0)
    name_height_mm: Range = (1.6, 4.0)
    no_names: float = 0.1
    antialias: float = 0.75
    snap_grid: float = 0.5
    grey: float = 0.1
    bilevel: float = 0.0
    bilevel_level: Range = (0.35, 0.7)
    jpeg: float = 0.5
    blurred: float = 0.5
    noisy: float = 0.25
    jpeg_quality: Range = (40, 95)
    blur_px: Range = (0.3, 0.9)
    noise_std: Range = (1.0, 8.0)

    def __post_init__(self) -> None:
        for name in ("grid_major", "grid_minor", "paper", "ink", "font"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in ("lines", "fs_hz", "separators", "pulse"):
            object.__setattr__(self, name, dict(getattr(self, name)))
        known = {
            "lines": {"both", "major", "minor", "dots", "dots only", "none"},
            "separators": {"none", *_SEPARATORS},
            "pulse": {"none", "start", "end"},
        }
        for name, names in known.items():
            unknown = set(getattr(self, name)) - names
            if unknown:
                raise ConfigError(f"printer.{name}: {', '.join(sorted(unknown))} is none of {sorted(names)}")

    def draw_style(self, rng: np.random.Generator) -> PageStyle:
        """
        Return the style of one page.

        Parameters
        ----------
        rng : numpy.random.Generator

        Returns
        -------
        PageStyle
        """
        # Evenly by factor: half of the pages have less than the middle of 100 and 600 dpi by ratio, 245 dpi.
        px_per_mm = float(np.exp(rng.uniform(*np.log(self.px_per_mm))))
        thinnest_mm = _THINNEST_PX / px_per_mm
        paper = _one_of(self.paper, rng).draw(rng)
        ink = _one_of(self.ink, rng).draw(rng)
        minor_mm = max(rng.uniform(*self.grid_width_mm), thinnest_mm)
        return replace(
            self.style,
            px_per_mm=px_per_mm,
            fs_hz=float(_choose(self.fs_hz, rng)),
            column_gap_mm=rng.uniform(*self.column_gap_mm),
            line_width_mm=max(rng.uniform(*self.line_width_mm), thinnest_mm),
            antialias=bool(rng.random() < self.antialias),
            ink=ink,
            paper=paper,
            grid_width_mm=minor_mm,
            snap_grid=bool(rng.random() < self.snap_grid),
            degradation=self._degradation(rng),
            **self._grid(paper, minor_mm, rng),
            **self._beside(rng),
            **self._names(rng),
        )

    def _grid(self, paper: Color, minor_mm: float, rng: np.random.Generator) -> dict[str, Any]:
        which = str(_choose(self.lines, rng))
        major = _one_of(self.grid_major, rng).draw(rng)
        if self.grid_minor:
            minor = _one_of(self.grid_minor, rng).draw(rng)
        else:
            share = rng.uniform(*self.minor_paleness)
            minor = _mixed(major, paper, share)
        # The paper under the grid is what it is printed on: ink can only darken it.
        major, minor = (tuple(min(a, b) for a, b in zip(c, paper, strict=True)) for c in (major, minor))
        if which == "minor":
            return {"grid_major": major, "grid_minor": major, "grid_dots": False}
        return {
            "grid_major": None if which in ("none", "dots only") else major,
            "grid_minor": None if which in ("none", "major") else major if which == "dots only" else minor,
            "grid_major_width_mm": minor_mm * rng.uniform(*self.major_width),
            "grid_dots": which in ("dots", "dots only"),
        }

    def _beside(self, rng: np.random.Generator) -> dict[str, Any]:
        separator, pulse = str(_choose(self.separators, rng)), str(_choose(self.pulse, rng))
        gap = 0.0 if rng.random() < 0.5 else rng.uniform(*self.pulse_gap_mm)
        return {
            "separators": separator != "none",
            "separator_dashes_mm": _SEPARATORS.get(separator, ()),
            "separator_width_mm": rng.uniform(*self.separator_width_mm),
            "calibration_pulse": pulse != "none",
            "pulse_at_end": pulse == "end",
            "pulse_gap_mm": gap,
            "pulse_width_mm": 5.0 if rng.random() < 0.7 else rng.uniform(2.0, 5.0),
            "pulse_foot_mm": 0.0 if rng.random() < 0.4 else rng.uniform(0.3, 2.0),
        }

    def _names(self, rng: np.random.Generator) -> dict[str, Any]:
        coloured = rng.random() < self.names_coloured
        return {
            "lead_names": bool(rng.random() >= self.no_names),
            "font": str(_one_of(self.font, rng)),
            "name_height_mm": rng.uniform(*self.name_height_mm),
            "name_offset_mm": rng.uniform(*self.name_offset_mm),
            "name_indent_mm": rng.uniform(*self.name_indent_mm),
            "name_ink": Hue((0, 360), (0, 1), (0.1, 0.6)).draw(rng) if coloured else None,
        }

    def _degradation(self, rng: np.random.Generator) -> Degradation:
        jpeg = rng.random() < self.jpeg
        return Degradation(
            grey=bool(rng.random() < self.grey),
            blur_px=rng.uniform(*self.blur_px) if rng.random() < self.blurred else 0.0,
            noise_std=rng.uniform(*self.noise_std) if rng.random() < self.noisy else 0.0,
            bilevel=rng.uniform(*self.bilevel_level) if rng.random() < self.bilevel else None,
            jpeg_quality=int(rng.uniform(*self.jpeg_quality)) if jpeg else None,
        )


@dataclass(frozen=True)
class MixedPrinters:
    """
    Pages of several printers, one drawn for each page.

    Attributes
    ----------
    printers : dict of str to StyleSource
    shares : dict of str to float
        How many pages come from which; those that it leaves out have share 1.
    """

    printers: Mapping[str, StyleSource]
    shares: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = set(self.shares) - set(self.printers)
        if unknown:
            raise ConfigError(f"printer.shares names {sorted(unknown)}; there are {sorted(self.printers)}")

    def draw_style(self, rng: np.random.Generator) -> PageStyle:
        """Return the style of one page."""
        shares = {name: self.shares.get(name, 1.0) for name in self.printers}
        return self.printers[str(_choose(shares, rng))].draw_style(rng)


def _choose(shares: Mapping[Any, float], rng: np.random.Generator) -> Any:
    weights = np.asarray(list(shares.values()), float)
    return list(shares)[int(rng.choice(len(weights), p=weights / weights.sum()))]


def _one_of(choices: Sequence[Any], rng: np.random.Generator) -> Any:
    return choices[int(rng.integers(len(choices)))]


def _mixed(color: Color, paper: Color, share: float) -> Color:
    r, g, b = (round(a + (p - a) * share) for a, p in zip(color, paper, strict=True))
    return r, g, b
