"""
Pages that the generator of the published data set drew, with signals of their leads.

A folder holds `index.csv` (a line for each lead, as `datasets.reference` says), `pages/NAME.jpg`,
`page-labels/NAME.txt` and `signals/NAME_lead_K.json` in mV at 100 Hz. A label has a line for each box: its
class (0: a trace, and the line behind it is its name), centre, width and height, in shares of the page.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ecgtrace.datasets.folder_files import PUBLISHED_FS_HZ, read_signal
from ecgtrace.datasets.reference import INDEX, read_index
from ecgtrace.documents.read import read_page
from ecgtrace.documents.source import SourcePage
from ecgtrace.errors import DataError, EcgTraceError
from ecgtrace.evaluation.page_sample import PageSample, PageSet, TrueBox
from ecgtrace.recording import Box
from ecgtrace.units import LARGE_SQUARE_MM, LEADS, MM_PER_INCH

_TRACE = "0"


@dataclass(frozen=True)
class ReferencePages(PageSet):
    """
    All pages of the folder.

    Parameters
    ----------
    root : str
        The folder.

    Raises
    ------
    DataError
        On first use, if the folder is not laid out so. A broken page raises when it is asked for, alone.

    Notes
    -----
    The generator parts the columns by 0.03 s more than their 2.5 s, and shows the same 2.5 s in each. On the
    axis of a page a column begins where the one before it ends (`PageSample.signals`), so that here
    column k begins at k times 2.5 s.

    Its files call themselves 700 dpi, which is not their scale, so a reader is not told any resolution.
    """

    root: str

    @property
    def name(self) -> str:
        """Where the pages come from."""
        return f"reference_pages/{Path(self.root).resolve().name}"

    def fingerprint(self) -> str:
        """Return a hash of the index and of the contents of all files."""
        digest = hashlib.blake2b(digest_size=6)
        for name, lines in self._pages.items():
            digest.update(repr([sorted(line.items()) for line in lines]).encode())
            paths = [self._picture(name), self._label(name)]
            for path in [*paths, *(self._signal(line["name"]) for line in lines)]:
                digest.update(path.read_bytes() if path.is_file() else b"")
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self._pages)

    def crop_id(self, index: int) -> str:
        """Return the name of a page."""
        return list(self._pages)[index]

    def __getitem__(self, index: int) -> PageSample:
        name = self.crop_id(index)
        lines = self._pages[name]
        try:
            image = read_page(self._picture(name)).image
        except EcgTraceError as error:
            raise DataError(str(error)) from error
        assert image is not None
        try:
            px_per_mm = float(lines[0]["pixels_per_large_square"]) / LARGE_SQUARE_MM
            leads = [LEADS[int(line["lead"])] for line in lines]
        except (ValueError, IndexError) as error:
            raise DataError(f"{INDEX} of {self.root}: the lines of {name} hold {error}") from error
        boxes = self._boxes(name, image.shape[:2])
        if len(boxes) != len(leads):
            raise DataError(f"{self._label(name)} has {len(boxes)} traces, {INDEX} {len(leads)}")
        signals = [read_signal(self._signal(line["name"])) for line in lines]
        starts = _starts_s(boxes, [len(signal) / PUBLISHED_FS_HZ for signal in signals])
        firsts = [round(start_s * PUBLISHED_FS_HZ) for start_s in starts]
        n = max(first + len(signal) for first, signal in zip(firsts, signals, strict=True))
        truth = np.full((len(leads), n), np.nan)
        parts = {}
        for row, (first, signal) in enumerate(zip(firsts, signals, strict=True)):
            truth[row, first : first + len(signal)] = signal
            end_s = starts[row] + len(signal) / PUBLISHED_FS_HZ
            parts[leads[row]] = (TrueBox(boxes[row], starts[row], end_s),)
        return PageSample(
            page_id=name,
            record_id=lines[0]["ecg_id"].zfill(5),
            page=SourcePage(image),
            signals=truth,
            fs_hz=PUBLISHED_FS_HZ,
            names=tuple(leads),
            layout=lines[0]["fmt"].replace("by", "x"),
            printer="published",
            dpi=px_per_mm * MM_PER_INCH,
            boxes=parts,
            overlaps={lead: line["overlap"] != "none" for lead, line in zip(leads, lines, strict=True)},
        )

    def _boxes(self, name: str, shape: tuple[int, ...]) -> list[Box]:
        path = self._label(name)
        height, width = shape
        try:
            lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
            places = [[float(value) for value in line[1:5]] for line in lines if line[0] == _TRACE]
            return [
                ((x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height)
                for x, y, w, h in places
            ]
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise DataError(f"{path} cannot be read as boxes ({error!r}); copy it anew") from error

    def _picture(self, name: str) -> Path:
        return Path(self.root).expanduser() / "pages" / f"{name}.jpg"

    def _label(self, name: str) -> Path:
        return Path(self.root).expanduser() / "page-labels" / f"{name}.txt"

    def _signal(self, name: str) -> Path:
        return Path(self.root).expanduser() / "signals" / f"{name}.json"

    @cached_property
    def _pages(self) -> dict[str, list[dict[str, str]]]:
        lines = read_index(self.root, "pages/, page-labels/, signals/")
        pages: dict[str, list[dict[str, str]]] = {}
        for line in lines:
            pages.setdefault(line["name"].rpartition("_lead_")[0], []).append(line)
        # A label counts the leads in the field's order, the index as text sorts them.
        return {name: sorted(found, key=lambda line: int(line["lead"])) for name, found in pages.items()}


def _starts_s(boxes: list[Box], lengths_s: list[float]) -> list[float]:
    """Return when each lead begins: columns are told by the left sides of their boxes."""
    order = sorted(range(len(boxes)), key=lambda k: boxes[k][0])
    starts = [0.0] * len(boxes)
    column = order[0]
    for k in order:
        own, first = boxes[k], boxes[column]
        if own[0] > (first[0] + first[2]) / 2:  # behind the middle of the last column
            starts[k] = starts[column] + lengths_s[column]
            column = k
        else:
            starts[k] = starts[column]
    return starts
