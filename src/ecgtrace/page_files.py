"""A page of a file in, its recording's files out."""

from pathlib import Path
from threading import Lock
from typing import Any

from ecgtrace import outputs
from ecgtrace.documents.read import PICTURE, draw_page, kind_of, read_page, read_page_picture
from ecgtrace.documents.source import SourcePage
from ecgtrace.errors import PageError
from ecgtrace.images import Picture, read_picture
from ecgtrace.inputs import OVERLAY_SUFFIX, InputFile
from ecgtrace.recording import Recording
from ecgtrace.vector.calibration import PaperChoice
from ecgtrace.vector.read import NO_TRACES, read_vectors
from ecgtrace.writers import formats as writers
from ecgtrace.writers import json_note

AUTO, PAGE, LEAD = CONTENTS = ("auto", "page", "lead")
METHOD = "vector"  # how pages are read
drawing = Lock()  # matplotlib's caches are not made for threads


def is_page(item: InputFile, content: str) -> bool:
    """Tell whether an input is taken for a page: as asked, or, if `auto`, PDFs and DICOM objects."""
    return content == PAGE or (content == AUTO and kind_of(item.source) != PICTURE)


def read_recording(page: SourcePage, choice: PaperChoice | None = None) -> Recording:
    """
    Read a page: signals are taken over, vectors read.

    Raises
    ------
    PageError
        If it is a picture: those of whole pages are not read yet.
    """
    if page.recording is not None:
        return page.recording
    if page.vectors is None:
        raise PageError(NO_TRACES)
    return read_vectors(page, given=choice)


def digitize_page(
    item: InputFile, output_dir: Path, choice: PaperChoice, formats: tuple[str, ...], overlay: bool = False
) -> tuple[dict[str, Any], dict[str, Any]]:
    """
    Read a page and write its files.

    Parameters
    ----------
    item : InputFile
    output_dir : Path
    choice : PaperChoice
        Speed and gain that override what the page says.
    formats : tuple of str
        Of `writers.formats.FORMATS`.
    overlay : bool, optional
        Also draw the page with the traces laid on it. Signals without a page have none.

    Returns
    -------
    (dict, dict)
        What the row of the summary and the note say of it.
    """
    page = read_page(item.source, item.page)
    recording = read_recording(page, choice)
    files = writers.write(recording, outputs.output_path(output_dir, item, ""), formats)
    if overlay and page.vectors is not None:
        path = outputs.output_path(output_dir, item, OVERLAY_SUFFIX)
        _draw(item, recording, path)
        files = (*files, path)
    more = json_note.facts(recording) | {"files": [file.name for file in files]}
    return outputs.page_facts(recording), more


def _draw(item: InputFile, recording: Recording, path: Path) -> None:
    from ecgtrace.overlay import draw_page_overlay  # matplotlib is slow to import

    shown = draw_page(item.source, item.page)
    assert shown.image is not None and shown.points_per_px is not None
    with drawing:
        draw_page_overlay(shown.image, recording, shown.points_per_px, item.name, path)


def lead_picture(item: InputFile) -> Picture:
    """Read the picture of one lead; of a document a page as a picture."""
    if kind_of(item.source) == PICTURE:
        return read_picture(item.source)
    page = read_page_picture(item.source, item.page)
    assert page.image is not None
    return Picture(page.image, page.notes)
