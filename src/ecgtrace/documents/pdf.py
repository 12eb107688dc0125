"""
Pages of a PDF: what they draw with lines and letters, exactly as the file says it.

pdfium reads the file (BSD/Apache, through `pypdfium2`). Coordinates come from its page objects and their
matrices, not from a rendering: pdfium rounds tiles of patterns to pixels and draws one vendor's grid 1.6 %
too wide. It is not made for threads, so one at a time is let in.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from math import hypot
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgtrace.documents.source import SourcePage, VectorPath, Vectors
from ecgtrace.documents.words import words_of
from ecgtrace.errors import InputImageError
from ecgtrace.images import MAX_PIXELS, as_rgb
from ecgtrace.types import FloatArray
from ecgtrace.units import POINTS_PER_INCH

RENDER_DPI = 300.0  # 12 px per mm: a stroke of 0.3 mm is 3.5 px wide
_MOST_VERTICES = 5_000_000  # a page of 12 leads has 20,000; a map of a town must not fill the memory
_DEEPEST_FORM = 10  # forms within forms; a file that contains itself must not run for ever
_PAGE_SHARE = 0.5  # an embedded picture that covers so much of the page is the page

_one_at_a_time = Lock()

# A matrix (a, b, c, d, e, f) of PDF: x' = a x + c y + e, y' = b x + d y + f.
Matrix = tuple[float, float, float, float, float, float]
_SAME: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


def is_pdf(head: bytes) -> bool:
    """Tell by its first kilobyte whether a file is a PDF; readers allow other bytes before the mark."""
    return b"%PDF-" in head[:1024]


def count_pages(source: Path | bytes, name: str) -> int:
    """
    Return how many pages a PDF has.

    Raises
    ------
    InputImageError
        If it is encrypted, broken or has no page.
    """
    with _document(source, name) as document:
        return len(document)


def read_vectors(source: Path | bytes, name: str, number: int = 1) -> SourcePage:
    """
    Return what a page draws with lines and letters.

    Parameters
    ----------
    source : Path or bytes
        A file or its content.
    name : str
        What messages call it.
    number : int, optional
        The page, from 1.

    Raises
    ------
    InputImageError
        If it is encrypted, broken or has no such page.
    """
    with _document(source, name) as document, _page(document, number, name) as page:
        to_shown, width, height = _shown(page)
        paths = tuple(_paths(page, to_shown))
        textpage = page.get_textpage()
        try:
            words = tuple(words_of(textpage.raw, to_shown))
            text = textpage.get_text_range()
        finally:
            textpage.close()
        return SourcePage(
            vectors=Vectors(width, height, paths, words, text), number=number, count=len(document)
        )


def read_picture(source: Path | bytes, name: str, number: int = 1) -> SourcePage:
    """
    Return the picture of a page: the one embedded, as it is stored, if it fills the page; else a rendering.

    Raises
    ------
    InputImageError
        If it is encrypted, broken or has no such page.
    """
    with _document(source, name) as document, _page(document, number, name) as page:
        count = len(document)
        found = _embedded(page)
        if found is not None:
            image, dpi = found
            return SourcePage(image, dpi, number=number, count=count, notes=("the PDF's embedded picture",))
        return _rendered(page, RENDER_DPI, number, count)


def draw(source: Path | bytes, name: str, number: int, dpi: float) -> SourcePage:
    """
    Return a rendering of a page as it is shown.

    Raises
    ------
    InputImageError
        If it is encrypted, broken or has no such page.
    """
    with _document(source, name) as document, _page(document, number, name) as page:
        return _rendered(page, dpi, number, len(document))


def _rendered(page: Any, dpi: float, number: int, count: int) -> SourcePage:
    width, height = page.get_size()
    scale = min(dpi / POINTS_PER_INCH, (MAX_PIXELS / (width * height)) ** 0.5)
    image = as_rgb(page.render(scale=scale, rev_byteorder=True).to_numpy()[..., :3])
    dpi = scale * POINTS_PER_INCH
    return SourcePage(image, dpi, number=number, count=count, notes=(f"rendered at {dpi:.0f} dpi",))


@contextmanager
def _document(source: Path | bytes, name: str) -> Iterator[Any]:
    import pypdfium2  # loads a library of 8 MB, which pictures do not need

    with _one_at_a_time:
        try:
            document = pypdfium2.PdfDocument(source)
        except FileNotFoundError:
            raise InputImageError(f"there is no file {name}") from None
        except pypdfium2.PdfiumError as error:
            if "password" in str(error).lower():
                raise InputImageError(
                    f"{name} is encrypted; open it with its password and print it to a PDF without one"
                ) from None
            raise InputImageError(
                f"{name} is a damaged PDF, or has no page; copy or export it again"
            ) from None
        except OSError as error:
            raise InputImageError(f"{name} cannot be read ({error.strerror})") from None
        try:
            if len(document) == 0:
                raise InputImageError(f"{name} has no page")
            yield document
        finally:
            document.close()


@contextmanager
def _page(document: Any, number: int, name: str) -> Iterator[Any]:
    import pypdfium2

    if not 1 <= number <= len(document):
        raise InputImageError(f"{name} has {len(document)} pages; there is no page {number}")
    try:
        page = document[number - 1]
    except pypdfium2.PdfiumError:
        raise InputImageError(f"page {number} of {name} is damaged; copy or export it again") from None
    try:
        yield page
    finally:
        page.close()


def _shown(page: Any) -> tuple[Matrix, float, float]:
    """Return the matrix from the page's own space to the page as shown, y down, and its size in points."""
    left, bottom, right, top = page.get_cropbox()
    width, height = right - left, top - bottom
    turn = page.get_rotation()
    if turn == 90:  # clockwise: what was up is to the right
        return (0.0, 1.0, 1.0, 0.0, -bottom, -left), height, width
    if turn == 180:
        return (-1.0, 0.0, 0.0, 1.0, right, -bottom), width, height
    if turn == 270:
        return (0.0, -1.0, -1.0, 0.0, top, right), height, width
    return (1.0, 0.0, 0.0, -1.0, -left, top), width, height


def _paths(page: Any, to_shown: Matrix) -> Iterator[VectorPath]:
    import pypdfium2.raw as pdfium

    left = _MOST_VERTICES
    for item, matrix in _objects(pdfium, page.raw, to_shown):
        style = _stroke(pdfium, item)
        if style is None:
            continue
        own = _times(_matrix(pdfium, item), matrix)
        scale = abs(own[0] * own[3] - own[1] * own[2]) ** 0.5
        for points in _subpaths(pdfium, item):
            left -= len(points)
            if left < 0:
                raise InputImageError(f"a page draws more than {_MOST_VERTICES} vertices; it is no ECG")
            yield VectorPath(_applied(own, points), style[0], style[1] * scale)


def _objects(pdfium: Any, page: Any, to_shown: Matrix) -> Iterator[tuple[Any, Matrix]]:
    """Yield the paths of a page and of the forms within it, each with the matrix from there to the page."""
    stack: list[tuple[Any, bool, Matrix, int]] = [(page, False, to_shown, 0)]

    def walk(holder: Any, is_form: bool, matrix: Matrix, depth: int) -> Iterator[tuple[Any, Matrix]]:
        count = pdfium.FPDFFormObj_CountObjects if is_form else pdfium.FPDFPage_CountObjects
        get = pdfium.FPDFFormObj_GetObject if is_form else pdfium.FPDFPage_GetObject
        for index in range(max(0, count(holder))):
            item = get(holder, index)
            kind = pdfium.FPDFPageObj_GetType(item)
            if kind == pdfium.FPDF_PAGEOBJ_PATH:
                yield item, matrix
            elif kind == pdfium.FPDF_PAGEOBJ_FORM and depth < _DEEPEST_FORM:
                yield from walk(item, True, _times(_matrix(pdfium, item), matrix), depth + 1)

    yield from walk(*stack[0])


def _stroke(pdfium: Any, item: Any) -> tuple[tuple[int, int, int], float] | None:
    """Return colour and width of a stroke; None for a path that is only filled, or not seen."""
    fill, stroked = ctypes.c_int(), ctypes.c_int()
    if not pdfium.FPDFPath_GetDrawMode(item, fill, stroked) or not stroked.value:
        return None
    parts = [ctypes.c_uint() for _ in range(4)]
    if not pdfium.FPDFPageObj_GetStrokeColor(item, *parts) or parts[3].value == 0:
        return None
    width = ctypes.c_float()
    pdfium.FPDFPageObj_GetStrokeWidth(item, width)
    red, green, blue, _ = (part.value for part in parts)
    return (red, green, blue), width.value


def _subpaths(pdfium: Any, item: Any) -> Iterator[FloatArray]:
    """Yield the vertices of each subpath, in the object's own space."""
    points: list[tuple[float, float]] = []
    x, y = ctypes.c_float(), ctypes.c_float()
    control = 0  # of a curve three points follow, of which the last lies on it
    for index in range(pdfium.FPDFPath_CountSegments(item)):
        segment = pdfium.FPDFPath_GetPathSegment(item, index)
        kind = pdfium.FPDFPathSegment_GetType(segment)
        pdfium.FPDFPathSegment_GetPoint(segment, x, y)
        if kind == pdfium.FPDF_SEGMENT_MOVETO:
            if len(points) > 1:
                yield np.array(points)
            points = []
        if kind == pdfium.FPDF_SEGMENT_BEZIERTO:
            control = (control + 1) % 3
            if control:
                continue
        points.append((x.value, y.value))
        if pdfium.FPDFPathSegment_GetClose(segment):
            points.append(points[0])
    if len(points) > 1:
        yield np.array(points)


def _embedded(page: Any) -> tuple[NDArray[np.uint8], float] | None:
    """Return the picture that fills a page, and its pixels per inch; None where there is none."""
    import pypdfium2.raw as pdfium

    width, height = page.get_size()
    for item in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=_DEEPEST_FORM):
        left, bottom, right, top = item.get_bounds()
        a, b, c, d, _, _ = _matrix(pdfium, item.raw)
        upright = page.get_rotation() == 0 and a > 0 and d > 0 and abs(b) + abs(c) < 1e-6 * (a + d)
        if (right - left) * (top - bottom) < _PAGE_SHARE * width * height or not upright:
            continue
        pixels = item.get_bitmap(render=False).to_pil().convert("RGB")
        return as_rgb(np.asarray(pixels)), pixels.width / hypot(a, b) * POINTS_PER_INCH
    return None


def _matrix(pdfium: Any, item: Any) -> Matrix:
    found = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(item, found):
        return _SAME
    return (found.a, found.b, found.c, found.d, found.e, found.f)


def _times(first: Matrix, then: Matrix) -> Matrix:
    a, b, c, d, e, f = first
    p, q, r, s, t, u = then
    return (
        a * p + b * r,
        a * q + b * s,
        c * p + d * r,
        c * q + d * s,
        e * p + f * r + t,
        e * q + f * s + u,
    )


def _applied(matrix: Matrix, points: FloatArray) -> FloatArray:
    a, b, c, d, e, f = matrix
    placed: FloatArray = points @ np.array([[a, b], [c, d]]) + (e, f)
    return placed
