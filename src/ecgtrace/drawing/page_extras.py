"""Ink on a page that is neither trace nor letter: handwriting, logos, bar codes, marks of seconds."""

from dataclasses import dataclass

import numpy as np

from ecgtrace.drawing.style import Color
from ecgtrace.types import FloatArray

_PEN_MM = (0.25, 0.6)  # ballpoint and felt pens


@dataclass(frozen=True, eq=False)
class Extra:
    """A stroke: centre line in mm from the upper left corner of the page, width in mm, colour."""

    line_mm: FloatArray
    width_mm: float
    ink: Color


def handwriting(x_mm: float, y_mm: float, rng: np.random.Generator) -> list[Extra]:
    """Draw loops of a pen, as of a signature or a note: a wave that turns back on itself as it goes on."""
    ink: Color = (20, 30, 150) if rng.random() < 0.6 else (30, 30, 30)
    n_loops, size_mm = int(rng.integers(3, 14)), float(rng.uniform(2, 7))
    t = np.linspace(0, n_loops, 16 * n_loops)
    swing = np.interp(t, np.arange(n_loops + 1), rng.uniform(0.2, 1.0, n_loops + 1))
    x = x_mm + size_mm * (0.55 * t + 0.4 * swing * np.cos(2 * np.pi * t))
    y = y_mm + size_mm * swing * np.sin(2 * np.pi * t + 0.5) - size_mm * float(rng.uniform(-0.1, 0.15)) * t
    return [Extra(np.stack([x, y], axis=1), float(rng.uniform(*_PEN_MM)), ink)]


def logo(x_mm: float, y_mm: float, rng: np.random.Generator) -> list[Extra]:
    """Draw one to three coloured blocks side by side."""
    size_mm = float(rng.uniform(4, 12))
    blocks = []
    for k in range(int(rng.integers(1, 4))):
        red, green, blue = (int(v) for v in rng.integers(0, 230, 3))
        left = x_mm + 1.1 * size_mm * k
        line = np.array([[left, y_mm], [left + size_mm * 0.02, y_mm]])
        blocks.append(Extra(line, size_mm, (red, green, blue)))
    return blocks


def bar_code(x_mm: float, y_mm: float, ink: Color, rng: np.random.Generator) -> list[Extra]:
    """Draw upright bars of several widths."""
    height_mm, bars = float(rng.uniform(5, 10)), []
    for _ in range(int(rng.integers(15, 40))):
        bars.append(
            Extra(np.array([[x_mm, y_mm], [x_mm, y_mm + height_mm]]), float(rng.choice([0.3, 0.6])), ink)
        )
        x_mm += float(rng.choice([0.7, 1.1, 1.5]))
    return bars


def second_marks(left_mm: float, right_mm: float, y_mm: float, pitch_mm: float, ink: Color) -> list[Extra]:
    """Draw a tick each second along a row."""
    places = np.arange(left_mm, right_mm + 1e-6, pitch_mm)
    return [Extra(np.array([[x, y_mm - 1.0], [x, y_mm + 1.0]]), 0.25, ink) for x in places]


def row_lines(left_mm: float, right_mm: float, zeros_mm: tuple[float, ...], ink: Color) -> list[Extra]:
    """Draw the zero line of each row, as a recorder of one lead prints it."""
    return [Extra(np.array([[left_mm, y], [right_mm, y]]), 0.15, ink) for y in zeros_mm]
