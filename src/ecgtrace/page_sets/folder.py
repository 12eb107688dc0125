"""
Pages in a folder, each with its truth beside it: what a user has who wants to know how well this works.

`NAME.png` (or another format, or a PDF) and `NAME.hea` with `NAME.dat`: the leads in mV on the time axis of
the page, NaN where it does not show them. Of a file with several pages page 2 has `NAME-p2.hea`.
"""

import csv
import hashlib
import re
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path

import numpy as np

from ecgtrace.documents.read import SUFFIXES, read_page
from ecgtrace.errors import DataError, EcgTraceError
from ecgtrace.evaluation.page_sample import PageSample, PageSet
from ecgtrace.page_sets.boxes import BOXES, PageBoxes, read_boxes
from ecgtrace.records.wfdb_leads import read_page_truth, with_suffix

INDEX = "index.csv"
_LATER_PAGE = re.compile(r"(.+)-p(\d+)")


@dataclass(frozen=True)
class _File:
    page_id: str
    path: Path
    number: int
    truth: Path


@dataclass(frozen=True)
class PageFolder(PageSet):
    """
    Every picture and every PDF of a folder that has its truth beside it.

    Parameters
    ----------
    root : str
        The folder. `index.csv`, if it is there, may tell more of each `file`: `layout`, `dpi`, `printer`.
    only, without : str
        Patterns of names of files: those that are taken, and those of them that are not; empty takes all.
    damaged : str
        Files of this form have boxes in px of the page before it was damaged: theirs are not used.
    layout, printer : str
        Of all pages, where neither `index.csv` nor their boxes say; empty: not known.

    Raises
    ------
    DataError
        On first use, if no file of the folder has its truth beside it. A page or a truth that is broken
        raises when it is asked for.

    Notes
    -----
    `NAME.boxes.json`, as ECG-image-kit writes it (`page_sets.boxes`), is used where it is there: for layout,
    resolution, and for readers that are given boxes. The record is the name up to its first `_`.
    """

    root: str
    only: str = ""
    without: str = ""
    damaged: str = "*-w.*"
    layout: str = ""
    printer: str = ""

    @property
    def name(self) -> str:
        """Where the pages come from."""
        return f"page_folder/{Path(self.root).resolve().name}"

    def fingerprint(self) -> str:
        """Return a hash of the names and contents of all files in use."""
        digest = hashlib.blake2b(digest_size=6)
        for file in self._files:
            more = [with_suffix(file.truth, suffix) for suffix in (".hea", ".dat", BOXES)]
            for path in (file.path, *more):
                digest.update(f"\n{path.name}\n".encode())
                digest.update(path.read_bytes() if path.is_file() else b"")
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self._files)

    def crop_id(self, index: int) -> str:
        """Return the id of a page: the name of its truth."""
        return self._files[index].page_id

    def __getitem__(self, index: int) -> PageSample:
        file = self._files[index]
        signals, fs_hz = read_page_truth(file.truth)
        signals = {lead: row for lead, row in signals.items() if np.isfinite(row).any()}
        if not signals:
            raise DataError(f"{file.truth.name}.hea names no lead of which the page shows something")
        try:
            page = read_page(file.path, file.number)
        except EcgTraceError as error:
            raise DataError(str(error)) from error
        line = self._index.get(file.path.name, {})
        found = self._boxes(file, signals, fs_hz)
        dpi = float(line["dpi"]) if line.get("dpi") else found.dpi if found else page.dpi
        whole = found is not None and not fnmatch(file.path.name, self.damaged)
        return PageSample(
            page_id=file.page_id,
            record_id=file.truth.name.partition("_")[0],
            page=page,
            signals=np.stack(list(signals.values())),
            fs_hz=fs_hz,
            names=tuple(signals),
            layout=line.get("layout", "") or (found.layout if found else self.layout),
            printer=line.get("printer", "") or self.printer,
            dpi=dpi,
            boxes=found.boxes if found and whole else {},
            overlaps=found.overlaps if found else {},
        )

    def _boxes(self, file: _File, signals: dict[str, np.ndarray], fs_hz: float) -> PageBoxes | None:
        path = with_suffix(file.truth, BOXES)
        return read_boxes(path, signals, fs_hz) if path.is_file() else None

    @cached_property
    def _index(self) -> dict[str, dict[str, str]]:
        path = Path(self.root).expanduser() / INDEX
        if not path.is_file():
            return {}
        try:
            with path.open(encoding="utf-8", newline="") as file:
                return {line.get("file", ""): line for line in csv.DictReader(file)}
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{path} cannot be read ({error})") from error

    @cached_property
    def _files(self) -> tuple[_File, ...]:
        root = Path(self.root).expanduser()
        if not root.is_dir():
            raise DataError(
                f"there is no folder {root}; data.root must hold pages with NAME.hea and NAME.dat"
            )
        found = [
            _File(stem.name, path, number, stem)
            for path in sorted(root.iterdir())
            if path.suffix.lower() in SUFFIXES and self._takes(path.name)
            for number, stem in _truths(path)
        ]
        if not found:
            raise DataError(
                f"{root} holds no picture or PDF with its truth, NAME.hea and NAME.dat, beside it"
            )
        names = [file.page_id for file in found]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise DataError(f"{root} has several files for the truth of {', '.join(sorted(twice))}")
        return tuple(found)

    def _takes(self, name: str) -> bool:
        return (not self.only or fnmatch(name, self.only)) and not (
            self.without and fnmatch(name, self.without)
        )


def _truths(path: Path) -> list[tuple[int, Path]]:
    """Return the pages of a file that have a truth: `NAME.hea` is of page 1, `NAME-p2.hea` of page 2."""
    stem = path.with_suffix("")
    found = [(1, stem)] if with_suffix(stem, ".hea").is_file() else []
    for header in sorted(path.parent.glob(f"{stem.name}-p*.hea")):
        match = _LATER_PAGE.fullmatch(header.stem)
        if match and match[1] == stem.name:
            found.append((int(match[2]), header.with_suffix("")))
    return sorted(found)
