"""
Rendered pages of vector PDFs: real machines' pages as pictures, whose truth is what their vectors say.

The truth is `vector.read_vectors`; how exact that is, tests/test_vector.py measures on pages whose signals
are known. pdfium draws patterns rounded to pixels, so that one vendor's grid comes out 1.6 % too wide: there
the picture contradicts the truth by as much, in time and amplitude.
"""

import hashlib
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path

from ecgtrace.documents.read import count_pages, draw_page, read_page
from ecgtrace.documents.source import SourcePage
from ecgtrace.errors import ConfigError, DataError, EcgTraceError
from ecgtrace.evaluation.page_sample import PageSample, PageSet, TrueBox
from ecgtrace.page_sets.boxes import overlaps_of
from ecgtrace.recording import Recording
from ecgtrace.units import GAIN_MM_PER_MV, PAPER_SPEED_MM_PER_S, POINTS_PER_INCH
from ecgtrace.vector.read import read_vectors


@dataclass(frozen=True)
class RenderedPdfs(PageSet):
    """
    Every page of every PDF of a folder, at each resolution.

    Parameters
    ----------
    root : str
        The folder.
    dpis : sequence of float
    without : str
        Files of this form are left out; empty takes all.
    tell_dpi : bool
        Whether a reader is told the resolution, as of a scan that carries it.

    Raises
    ------
    DataError
        On first use, if the folder has no PDF. A page whose vectors cannot be read without a doubt raises
        when it is asked for: there is no truth.
    """

    root: str
    dpis: tuple[float, ...] = (200.0, 300.0)
    without: str = ""
    tell_dpi: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "dpis", tuple(float(dpi) for dpi in self.dpis))
        if not self.dpis or min(self.dpis) < 1:
            raise ConfigError(f"data.dpis must name resolutions, got {list(self.dpis)}")

    @property
    def name(self) -> str:
        """Where the pages come from."""
        return f"rendered_pdfs/{Path(self.root).resolve().name}"

    def fingerprint(self) -> str:
        """Return a hash of the names and contents of the files."""
        digest = hashlib.blake2b(digest_size=6)
        for path in dict.fromkeys(path for path, _, _, _ in self._pages):
            digest.update(f"\n{path.name}\n".encode())
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self._pages)

    def crop_id(self, index: int) -> str:
        """Return file, page and resolution."""
        path, number, count, dpi = self._pages[index]
        return f"{path.stem}{f'-p{number}' if count > 1 else ''}-{dpi:g}dpi"

    def __getitem__(self, index: int) -> PageSample:
        path, number, _, dpi = self._pages[index]
        recording = self._truth(path, number)
        try:
            image = draw_page(path, number, dpi).image
        except EcgTraceError as error:
            raise DataError(str(error)) from error
        px = dpi / POINTS_PER_INCH
        parts = {
            # Centres of pixels stand at whole numbers. A lead in several rows has no one box.
            lead.name: [TrueBox(tuple(c * px - 0.5 for c in lead.boxes[0]), lead.start_s, lead.end_s)]  # type: ignore[arg-type]
            for lead in recording.leads
            if len(lead.boxes) == 1
        }
        return PageSample(
            page_id=self.crop_id(index),
            record_id=path.stem,
            page=SourcePage(image, dpi if self.tell_dpi else None),
            signals=recording.signal_mv,
            fs_hz=recording.fs_hz,
            names=recording.names,
            layout=recording.layout,
            printer=path.stem,
            dpi=dpi,
            speed_mm_per_s=recording.calibration.speed_mm_per_s or PAPER_SPEED_MM_PER_S,
            gain_mm_per_mv=recording.calibration.gain_mm_per_mv or GAIN_MM_PER_MV,
            boxes={name: tuple(found) for name, found in parts.items()},
            overlaps=overlaps_of(parts),
            names_printed=not all(name.startswith("unknown") for name in recording.names),
        )

    @staticmethod
    def _truth(path: Path, number: int) -> Recording:
        try:
            recording = read_vectors(read_page(path, number))
        except EcgTraceError as error:
            raise DataError(f"{path.name}, page {number}: {error}") from error
        if recording.doubts:
            raise DataError(f"{path.name}, page {number}: its vectors are no truth: {recording.message}")
        return recording

    @cached_property
    def _pages(self) -> tuple[tuple[Path, int, int, float], ...]:
        root = Path(self.root).expanduser()
        files = [
            path
            for path in sorted(root.glob("*.pdf"))
            if not (self.without and fnmatch(path.name, self.without))
        ]
        if not files:
            raise DataError(f"{root} holds no PDF")
        counts = {path: count_pages(path) for path in files}
        return tuple(
            (path, number, count, dpi)
            for path, count in counts.items()
            for number in range(1, count + 1)
            for dpi in self.dpis
        )
