"""Letters on a page: OpenCV's pen strokes, as plotters write, and the typefaces that matplotlib carries."""

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

# OpenCV's vector fonts.
_PEN_FONTS = {"simplex": 0, "plain": 1, "duplex": 2, "complex": 3, "triplex": 4}
# Height of a capital of these at scale 1, measured: "plain" is the small one.
_CAPITAL_UNITS = {"simplex": 21.0, "plain": 11.0, "duplex": 21.0, "complex": 21.0, "triplex": 21.0}
# Files in matplotlib's own folder: the one set of free typefaces that is there wherever figures are drawn.
_TYPEFACES = {
    "sans": "DejaVuSans",
    "sans-bold": "DejaVuSans-Bold",
    "sans-oblique": "DejaVuSans-Oblique",
    "mono": "DejaVuSansMono",
    "mono-bold": "DejaVuSansMono-Bold",
    "serif": "DejaVuSerif",
    "serif-bold": "DejaVuSerif-Bold",
    "times": "STIXGeneral",
    "times-bold": "STIXGeneralBol",
    "times-italic": "STIXGeneralItalic",
    "roman": "cmr10",
    "roman-sans": "cmss10",
    "typewriter": "cmtt10",
}
FONTS = (*_PEN_FONTS, *_TYPEFACES)

Box = tuple[int, int, int, int]


def text_box(text: str, font: str, capital_px: float, line_px: float, x: float, y: float) -> Box:
    """
    Return the box of a text.

    Parameters
    ----------
    text : str
    font : str
        One of `FONTS`.
    capital_px : float
        Height of a capital.
    line_px : float
        Width of the pen; typefaces have their own.
    x, y : float
        Left end of the baseline.

    Returns
    -------
    tuple of int
        (x0, y0, x1, y1); x1 and y1 are outside.
    """
    left, base = round(x), round(y)
    if font in _PEN_FONTS:
        scale, thickness = _pen(font, capital_px, line_px)
        (width, height), _ = cv2.getTextSize(text, _PEN_FONTS[font], scale, thickness)
        pad = thickness // 2 + 1
        return left - pad, base - height - pad, left + width + pad, base + pad
    x0, y0, x1, y1 = _typeface(font, round(capital_px, 1)).getbbox(text, anchor="ls")
    return left + int(x0) - 1, base + int(y0) - 1, left + int(x1) + 2, base + int(y1) + 2


def print_text(
    ink: NDArray[np.uint8], text: str, font: str, capital_px: float, line_px: float, x: float, y: float
) -> None:
    """
    Print a text over ink, in place.

    Parameters
    ----------
    ink : ndarray of uint8, shape (height, width)
        Share of each pixel that is covered, 0 to 255.
    text, font, capital_px, line_px, x, y
        As for `text_box`, with (0, 0) the first pixel of `ink`.
    """
    if font in _PEN_FONTS:
        scale, thickness = _pen(font, capital_px, line_px)
        origin = (round(x), round(y))
        cv2.putText(ink, text, origin, _PEN_FONTS[font], scale, 255, thickness, cv2.LINE_AA)
        return
    x0, y0, x1, y1 = text_box(text, font, capital_px, line_px, x, y)
    letters = Image.new("L", (x1 - x0, y1 - y0))
    place = (round(x) - x0, round(y) - y0)
    ImageDraw.Draw(letters).text(
        place, text, fill=255, font=_typeface(font, round(capital_px, 1)), anchor="ls"
    )
    rows = slice(max(y0, 0), max(min(y1, ink.shape[0]), 0))
    cols = slice(max(x0, 0), max(min(x1, ink.shape[1]), 0))
    target = ink[rows, cols]
    source = np.asarray(letters)[rows.start - y0 : rows.stop - y0, cols.start - x0 : cols.stop - x0]
    np.maximum(target, source, out=target)


def _pen(font: str, capital_px: float, line_px: float) -> tuple[float, int]:
    return capital_px / _CAPITAL_UNITS[font], max(1, round(line_px))


@lru_cache(maxsize=256)
def _typeface(font: str, capital_px: float) -> ImageFont.FreeTypeFont:
    """Open a typeface at the size at which its capitals are so high."""
    import matplotlib as mpl  # its folder of fonts alone; drawing without typefaces does not need it

    path = Path(mpl.get_data_path()) / "fonts" / "ttf" / f"{_TYPEFACES[font]}.ttf"
    size = 100.0  # to measure with
    _, top, _, _ = ImageFont.truetype(path, size).getbbox("H", anchor="ls")
    return ImageFont.truetype(path, max(4.0, size * capital_px / -top))
