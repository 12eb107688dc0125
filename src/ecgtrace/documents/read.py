"""Pages of any file; the format is told by the content."""

from pathlib import Path

from ecgtrace.documents import dicom, image, pdf
from ecgtrace.documents.source import SourcePage
from ecgtrace.errors import EcgTraceError, InputImageError
from ecgtrace.images import SUFFIXES as PICTURE_SUFFIXES

SUFFIXES = (*PICTURE_SUFFIXES, ".pdf", ".dcm", ".dicom")
PDF, DICOM, PICTURE = "pdf", "dicom", "picture"
_HEAD = 1024


def kind_of(path: Path) -> str:
    """
    Tell the format of a file by its content: `pdf`, `dicom`, or `picture` for all others.

    A file that cannot be opened counts as a picture: reading it says why.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return PICTURE
    if dicom.is_dicom(head):
        return DICOM
    return PDF if pdf.is_pdf(head) else PICTURE


def count_pages(path: Path) -> int:
    """Return how many pages a PDF or a DICOM object has; 1 where it cannot be read: reading it says why."""
    kind = kind_of(path)
    try:
        if kind == PDF:
            return pdf.count_pages(path, path.name)
        return dicom.count_pages(path) if kind == DICOM else 1
    except EcgTraceError:
        return 1


def read_page(path: Path, number: int = 1) -> SourcePage:
    """
    Read a page: of a PDF what it draws with lines and letters, of a DICOM waveform its signals.

    Raises
    ------
    InputImageError
        If the file is missing, broken or encrypted, or has no such page.
    """
    if path.is_dir():
        raise InputImageError(f"{path.name} is a folder, not a page")
    kind = kind_of(path)
    if kind == PDF:
        return pdf.read_vectors(path, path.name, number)
    return dicom.read_page(path, number) if kind == DICOM else image.read_page(path, number)


def draw_page(path: Path, number: int = 1, dpi: float = 150.0) -> SourcePage:
    """
    Draw a page of a PDF as it is shown, to lay something on it.

    Raises
    ------
    InputImageError
        As `read_page`; or if it is no PDF.
    """
    kind = kind_of(path)
    if kind == PDF:
        return pdf.draw(path, path.name, number, dpi)
    if kind == DICOM:
        return dicom.draw(path, number, dpi)
    raise InputImageError(f"{path.name} is no PDF")


def read_page_picture(path: Path, number: int = 1) -> SourcePage:
    """
    Read a page as a picture.

    Raises
    ------
    InputImageError
        As `read_page`; or if the page holds signals alone.
    """
    if kind_of(path) == PDF:
        return pdf.read_picture(path, path.name, number)
    page = read_page(path, number)
    if page.image is None:
        raise InputImageError(f"{path.name} holds no picture")
    return page
