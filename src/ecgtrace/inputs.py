"""Find the pictures and pages to digitize, and name their outputs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from ecgtrace.documents.read import SUFFIXES, count_pages
from ecgtrace.errors import ConfigError

SUMMARY = "summary.csv"  # what we write ourselves: no input is named so, and no overlay is one
OVERLAY_SUFFIX = ".overlay.png"


@dataclass(frozen=True)
class InputFile:
    """
    A picture or a page to digitize.

    Attributes
    ----------
    source : Path
    name : str
        What its outputs are called: their path in the output folder, without the ending.
    page : int
        Which page of the file, from 1.
    """

    source: Path
    name: str
    page: int = 1


def find_inputs(path: Path, recursive: bool = False) -> list[InputFile]:
    """
    List the pictures of a folder, or the one file, and name their outputs.

    Outputs are called as the picture without its ending, in the same subfolders. Pictures of one folder that
    differ in the ending alone keep it: `a.png` and `a.jpg` become `a.png.csv` and `a.jpg.csv`. Each page of a
    PDF or DICOM object with several is an input of its own: `a-p1`, `a-p2`.

    Parameters
    ----------
    path : Path
        A file, whatever its name; or a folder, of which files are taken that are called like a picture
        or a document (`documents.read.SUFFIXES`). Hidden files and our own overlays are left out.
    recursive : bool, optional
        Also look into subfolders.

    Returns
    -------
    list of InputFile
        In alphabetical order.

    Raises
    ------
    ConfigError
        If there is no such file or folder, or no picture in the folder.
    """
    if not path.exists():
        raise ConfigError(f"input: there is no file or folder {path}")
    if not path.is_dir():
        return _named([path], path.parent)
    try:
        found = [file for file in path.glob("**/*" if recursive else "*") if _is_picture(file, path)]
    except OSError as error:
        raise ConfigError(f"input: {path} cannot be read ({error.strerror})") from None
    if not found:
        where = "it or its subfolders" if recursive else "it (recursive=true looks into subfolders)"
        raise ConfigError(f"input: {path} holds no pictures; no {_suffixes()} in {where}")
    return _named(sorted(found), path)


def _is_picture(file: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    name = file.name.lower()
    return name.endswith(SUFFIXES) and not name.endswith(OVERLAY_SUFFIX) and not hidden and not file.is_dir()


def _suffixes() -> str:
    return ", ".join(suffix.removeprefix(".") for suffix in SUFFIXES)


def _named(files: Sequence[Path], folder: Path) -> list[InputFile]:
    """Give each file a name of its own, ignoring case: some file systems do."""
    names = {file: PurePath(file.relative_to(folder)).with_suffix("").as_posix() for file in files}
    while True:
        taken = Counter(name.casefold() for name in names.values())
        taken[PurePath(SUMMARY).stem] += 1
        unclear = [
            file
            for file, name in names.items()
            if taken[name.casefold()] > 1 and name != file.relative_to(folder).as_posix()
        ]
        if not unclear:
            return _pages(names, folder)
        for file in unclear:
            names[file] = file.relative_to(folder).as_posix()


def _pages(names: dict[Path, str], folder: Path) -> list[InputFile]:
    """Part files of several pages; a file keeps its ending where a page would be called as another input."""
    items: list[InputFile] = []
    for file, name in names.items():
        count = count_pages(file)
        if count == 1:
            items.append(InputFile(file, name))
            continue
        others = {other.casefold() for one, other in names.items() if one != file}
        pages = range(1, count + 1)
        if any(f"{name}-p{page}".casefold() in others for page in pages):
            name = file.relative_to(folder).as_posix()
        items.extend(InputFile(file, f"{name}-p{page}", page) for page in pages)
    return items
