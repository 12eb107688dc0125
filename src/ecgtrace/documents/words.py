"""The words of a PDF page with their places, put together from its letters."""

import ctypes
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from math import atan2, cos, degrees, hypot, radians, sin
from typing import Any

from ecgtrace.documents.source import Word

_GAP = 0.25  # of the font's size: letters of two text objects farther apart are two words
_SHIFT = 0.2  # of the font's size, across the direction of writing


@dataclass(frozen=True)
class _Letter:
    text: str
    owner: int  # the text object that it belongs to
    x: float
    y: float
    end: float  # along the direction of writing
    size: float
    angle_deg: float
    mirrored: bool


def words_of(textpage: Any, to_shown: tuple[float, float, float, float, float, float]) -> Iterator[Word]:
    """
    Yield the words of a page.

    Parameters
    ----------
    textpage : FPDF_TEXTPAGE
    to_shown : tuple of float
        Matrix from the page's own space to the page as shown.

    Yields
    ------
    Word
        NFKC-normalised, so that a full-width digit or a Roman numeral is the plain one.
    """
    letters: list[_Letter] = []
    for letter in _letters(textpage, to_shown):
        if letter is None or (letters and not _goes_on(letters[-1], letter)):
            if letters:
                yield _word(letters)
            letters = []
        if letter is not None:
            letters.append(letter)
    if letters:
        yield _word(letters)


def _letters(textpage: Any, to_shown: tuple[float, ...]) -> Iterator[_Letter | None]:
    """Yield letters in the order of the file, None for a space."""
    import pypdfium2.raw as pdfium

    a, b, c, d, e, f = to_shown
    for index in range(max(0, pdfium.FPDFText_CountChars(textpage))):
        text = chr(pdfium.FPDFText_GetUnicode(textpage, index))
        x, y = ctypes.c_double(), ctypes.c_double()
        box, matrix = pdfium.FS_RECTF(), pdfium.FS_MATRIX()
        found = (
            pdfium.FPDFText_GetCharOrigin(textpage, index, x, y)
            and pdfium.FPDFText_GetLooseCharBox(textpage, index, box)
            and pdfium.FPDFText_GetMatrix(textpage, index, matrix)
        )
        if (
            not found
            or text.isspace()
            or not text.isprintable()
            or pdfium.FPDFText_IsGenerated(textpage, index)
        ):
            yield None
            continue
        along = (a * matrix.a + c * matrix.b, b * matrix.a + d * matrix.b)
        up = (a * matrix.c + c * matrix.d, b * matrix.c + d * matrix.d)
        angle = atan2(along[1], along[0])
        corners = [(px, py) for px in (box.left, box.right) for py in (box.bottom, box.top)]
        ends = [(a * px + c * py + e) * cos(angle) + (b * px + d * py + f) * sin(angle) for px, py in corners]
        owner = pdfium.FPDFText_GetTextObject(textpage, index)
        yield _Letter(
            text,
            ctypes.cast(owner, ctypes.c_void_p).value or 0,
            a * x.value + c * y.value + e,
            b * x.value + d * y.value + f,
            max(ends),
            pdfium.FPDFText_GetFontSize(textpage, index) * hypot(*up),
            degrees(angle),
            along[0] * up[1] - along[1] * up[0] > 0,  # y is down: letters stand upright where it is negative
        )


def _goes_on(last: _Letter, letter: _Letter) -> bool:
    if abs(last.angle_deg - letter.angle_deg) > 1:
        return False
    if letter.owner == last.owner:
        return True
    angle = radians(letter.angle_deg)
    gap = letter.x * cos(angle) + letter.y * sin(angle) - last.end
    shift = (letter.y - last.y) * cos(angle) - (letter.x - last.x) * sin(angle)
    return abs(gap) <= _GAP * letter.size and abs(shift) <= _SHIFT * letter.size


def _word(letters: list[_Letter]) -> Word:
    first, last = letters[0], letters[-1]
    angle = radians(first.angle_deg)
    length = last.end - (first.x * cos(angle) + first.y * sin(angle))
    return Word(
        unicodedata.normalize("NFKC", "".join(letter.text for letter in letters)),
        first.x,
        first.y,
        first.x + length * cos(angle),
        first.y + length * sin(angle),
        first.size,
        first.angle_deg,
        first.mirrored,
    )
