"""How far pages leave the one style that they start from."""

from dataclasses import dataclass, field, replace

import numpy as np

from ecgtrace.drawing.degrade import Degradation
from ecgtrace.drawing.style import PageStyle


@dataclass(frozen=True)
class StyleJitter:
    """
    How often and how far training pages leave the style they start from. Our choice.

    Attributes
    ----------
    probability : float
        Of each of the changes below, independently.
    line_width_mm, px_per_mm : tuple of float
        Ranges.
    jpeg_quality : tuple of int
        Range; half of the changed pages are saved without loss.
    name_offset_mm : tuple of float, optional
        Range of the place of the printed names, for half of the pages whatever `probability` says: low
        ones lie on traces. By default names stay where the style has them.
    """

    probability: float = 0.2
    line_width_mm: tuple[float, float] = (0.2, 0.55)
    px_per_mm: tuple[float, float] = (6.0, 20.0)
    jpeg_quality: tuple[int, int] = (40, 95)
    name_offset_mm: tuple[float, float] | None = None

    def apply(self, style: PageStyle, rng: np.random.Generator) -> PageStyle:
        """Return a changed style."""
        changes: dict[str, object] = {}
        if rng.random() < self.probability:
            changes["line_width_mm"] = rng.uniform(*self.line_width_mm)
        if rng.random() < self.probability:
            changes["px_per_mm"] = rng.uniform(*self.px_per_mm)
        if rng.random() < self.probability:
            # Pastel major lines of any hue, and minor ones of the same hue, paler or absent.
            major = rng.integers(110, 235, 3)
            pale = 255 - (255 - major) * rng.uniform(0.1, 0.6)
            changes["grid_major"] = tuple(int(v) for v in major)
            changes["grid_minor"] = None if rng.random() < 0.3 else tuple(int(v) for v in pale)
        if rng.random() < self.probability:
            changes["ink"] = tuple(int(v) for v in rng.integers(0, 90, 3))
        if rng.random() < self.probability:
            quality = None if rng.random() < 0.5 else int(rng.integers(*self.jpeg_quality))
            grey = bool(rng.random() < 0.5)
            changes["degradation"] = Degradation(grey=grey, jpeg_quality=quality)
        if self.name_offset_mm is not None and rng.random() < 0.5:
            changes["name_offset_mm"] = rng.uniform(*self.name_offset_mm)
        return replace(style, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Jittered:
    """A printer whose pages are those of one style, each changed at random."""

    style: PageStyle
    jitter: StyleJitter = field(default_factory=StyleJitter)

    def draw_style(self, rng: np.random.Generator) -> PageStyle:
        """Return the style of one page."""
        return self.jitter.apply(self.style, rng)
