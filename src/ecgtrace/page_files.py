"""A page of a file in, its recording's files out."""

from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

from ecgtrace import outputs
from ecgtrace.documents.read import PICTURE, draw_page, kind_of, read_page, read_page_picture
from ecgtrace.documents.source import SourcePage
from ecgtrace.errors import NoTracesError, PageError
from ecgtrace.images import Picture, read_picture
from ecgtrace.inputs import OVERLAY_SUFFIX, InputFile
from ecgtrace.page_reading.read import METHOD as READ_BY_NETWORK
from ecgtrace.page_reading.read import PageReader
from ecgtrace.recording import Recording
from ecgtrace.stages import stage, watching
from ecgtrace.vector.page_choice import NOTHING, PageChoice
from ecgtrace.vector.read import read_vectors
from ecgtrace.writers import formats as writers
from ecgtrace.writers import json_note

NO_READER = (
    "the page is a picture, and this digitizer reads pictures of one lead alone; take digitizer=refined"
)
NOT_DRAWN = "layout= and leads= were not used: the file holds signals and their names"
TAKEN_OVER = "signals"  # a recording without a page
AUTO, PAGE, LEAD = CONTENTS = ("auto", "page", "lead")
METHOD = "vector"  # how pages of vectors are read
drawing = Lock()  # matplotlib's caches are not made for threads


def is_page(item: InputFile, content: str, choice: PageChoice = NOTHING) -> bool:
    """
    Tell whether an input is taken for a page: as asked, or, if `auto`, PDFs and DICOM objects.

    Of a picture only reading it as a lead tells (`errors.WholePageError`), unless layout or leads are given.
    """
    return content == PAGE or (content == AUTO and (choice.says_page or kind_of(item.source) != PICTURE))


def read_recording(
    page: SourcePage, choice: PageChoice = NOTHING, reader: PageReader | None = None
) -> Recording:
    """
    Read a page: signals are taken over, vectors and pictures read.

    Parameters
    ----------
    page : SourcePage
    choice : PageChoice, optional
        What overrides what the page says.
    reader : PageReader, optional
        Reads pictures; without it they are refused.

    Raises
    ------
    PageError
        If it shows no ECG.
    """
    if page.recording is not None:
        if not choice.says_page:
            return page.recording
        return replace(page.recording, notes=(*page.recording.notes, NOT_DRAWN))
    if page.vectors is not None:
        with stage("vectors"):
            return read_vectors(page, given=choice)
    if reader is None or page.image is None:
        raise PageError(NO_READER)
    recording = reader(page.image, page.dpi, choice)
    notes = (*page.notes, *recording.notes)
    return replace(recording, notes=notes, page=page.number, page_count=page.count)


def read_file_page(path: Path, number: int, choice: PageChoice, reader: PageReader | None) -> Recording:
    """
    Read a page of a file; one of a PDF that holds no lines of traces is read as a picture.

    Raises
    ------
    PageError, InputImageError
        As `read_recording` and `documents.read.read_page`.
    """
    with watching() as watch:
        recording = _read_file_page(path, number, choice, reader)
    return replace(recording, stage_seconds=watch.seconds)


def _read_file_page(path: Path, number: int, choice: PageChoice, reader: PageReader | None) -> Recording:
    with stage("file"):
        page = read_page(path, number)
    if page.vectors is None or reader is None:
        return read_recording(page, choice, reader)
    try:
        return read_recording(page, choice, reader)
    except NoTracesError:
        with stage("file"):
            page = read_page_picture(path, number)
        return read_recording(page, choice, reader)


def digitize_page(
    item: InputFile,
    output_dir: Path,
    choice: PageChoice,
    formats: tuple[str, ...],
    overlay: bool = False,
    reader: PageReader | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """
    Read a page and write its files.

    Parameters
    ----------
    item : InputFile
    output_dir : Path
    choice : PageChoice
        What overrides what the page says.
    formats : tuple of str
        Of `writers.formats.FORMATS`.
    overlay : bool, optional
        Also draw the page with the traces laid on it. Signals without a page have none.
    reader : PageReader, optional
        Reads pages that are pictures.

    Returns
    -------
    (dict, dict)
        What the row of the summary and the note say of it.
    """
    recording = read_file_page(item.source, item.page, choice, reader)
    files = writers.write(recording, outputs.output_path(output_dir, item, ""), formats)
    if overlay and recording.method != TAKEN_OVER:
        path = outputs.output_path(output_dir, item, OVERLAY_SUFFIX)
        _draw(item, recording, path)
        files = (*files, path)
    more = json_note.facts(recording) | {"files": [file.name for file in files]}
    facts = outputs.page_facts(recording)
    if reader is not None and recording.method == READ_BY_NETWORK:
        facts["model"] = reader.model
    return facts, more


def _draw(item: InputFile, recording: Recording, path: Path) -> None:
    from ecgtrace.overlay import draw_page_overlay  # matplotlib is slow to import

    if recording.unit == "px":
        shown, per_px = read_page_picture(item.source, item.page), 1.0
    else:
        shown = draw_page(item.source, item.page)
        assert shown.points_per_px is not None
        per_px = shown.points_per_px
    assert shown.image is not None
    with drawing:
        draw_page_overlay(shown.image, recording, per_px, item.name, path)


def lead_picture(item: InputFile) -> Picture:
    """Read the picture of one lead; of a document a page as a picture."""
    if kind_of(item.source) == PICTURE:
        return read_picture(item.source)
    page = read_page_picture(item.source, item.page)
    assert page.image is not None
    return Picture(page.image, page.notes)
