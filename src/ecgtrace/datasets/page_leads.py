"""
Leads cut from pages that another program drew, as a hand cuts them.

A folder of pages holds `index.csv` (a line per picture) and, for each, the truth as WFDB on the page's
time axis and `NAME.boxes.json`: box and name of each lead, as ECG-image-kit [1]_ writes them.

References
----------
.. [1] Shivashankara, K. K., Deepanshi, Mehri Shervedani, A., et al. (2024). ECG-Image-Kit: a synthetic image
   generation toolbox to facilitate deep learning-based electrocardiogram digitization. Physiological
   Measurement, 45(5), 055019. https://doi.org/10.1088/1361-6579/ad4954
"""

import csv
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgtrace.drawing.degrade import Box
from ecgtrace.errors import ConfigError, DataError, EcgTraceError
from ecgtrace.evaluation.subsets import NON_OVERLAP, OVERLAP
from ecgtrace.images import read_picture
from ecgtrace.records.wfdb_leads import read_page_truth
from ecgtrace.types import FloatArray, LeadCrop
from ecgtrace.units import LARGE_SQUARE_MM, s_to_px

INDEX = "index.csv"
BOXES = ".boxes.json"
_LAYOUTS = {"-1": "3x4", "1": "12x1", "2": "6x2"}  # by the number of columns, as that program counts them
_SCALES_ALIKE_PX = 0.01  # of the large squares along both axes


@dataclass(frozen=True)
class _Lead:
    """A box of a page: where it lies, inclusive, in px, and which samples of its lead it shows."""

    crop_id: str
    page: Path
    layout: str
    name: str
    box: Box
    others: tuple[Box, ...]
    first_sample: int
    n_samples: int
    px_per_mm: float

    @property
    def record_id(self) -> str:
        return self.page.stem.partition("_")[0]


@dataclass(frozen=True)
class PageLeads(Sequence[LeadCrop]):
    """
    Every lead of every clean page of a folder, each side of its box moved out on its own.

    Parameters
    ----------
    root : str
        The folder.
    box_jitter_mm : float
        Each side of a lead's box, which is that of its ink, is moved out by 0 to so many mm.
    damaged : str
        Pictures of this form are left out: their boxes are in px of the page before it was damaged.
    seed : int

    Raises
    ------
    DataError
        On first use, if the folder is not laid out so. A picture or a truth that cannot be read raises when
        its lead is asked for.

    Notes
    -----
    The truth of a crop is what its box shows, from where the trace begins: the box of a first column also
    holds a calibration pulse where the page has them, so the begin is counted from the right end. Boxes are
    given in whole pixels, so it is known to half a pixel (5 ms at 100 dpi).

    The program gives no masks: `mask` is empty, and a crop counts as overlapping where the box of another
    lead reaches into it, between begin and end of its own trace.
    """

    root: str
    box_jitter_mm: float = 3.0
    damaged: str = "*-w.*"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.box_jitter_mm < 0:
            raise ConfigError(f"data.box_jitter_mm must not be negative, got {self.box_jitter_mm}")

    @property
    def name(self) -> str:
        """Where the crops come from."""
        return f"page_leads/{Path(self.root).resolve().name}"

    def fingerprint(self) -> str:
        """Return a hash of the names and contents of all files in use."""
        digest = hashlib.blake2b(digest_size=6)
        for page in dict.fromkeys(lead.page for lead in self._leads):
            for path in (page, *(page.with_suffix(suffix) for suffix in (BOXES, ".hea", ".dat"))):
                digest.update(f"\n{path.name}\n".encode())
                digest.update(path.read_bytes() if path.is_file() else b"")
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self._leads)

    def crop_id(self, index: int) -> str:
        """Return the id of a crop without reading it."""
        return self._leads[index].crop_id

    def subset(self, index: int) -> str:
        """Return the subset of a crop without reading its picture."""
        return OVERLAP if self._overlaps(self._leads[index], self._drawn_box(index)) else NON_OVERLAP

    def __getitem__(self, index: int) -> LeadCrop:  # type: ignore[override]
        lead = self._leads[index]
        page = _picture(lead.page)
        height, width = page.shape[:2]
        left, top, right, bottom = self._drawn_box(index)
        left, top = max(left, 0), max(top, 0)
        right, bottom = min(right, width - 1), min(bottom, height - 1)
        if left >= right or top >= bottom:
            raise DataError(
                f"{lead.crop_id}: its box lies outside of {lead.page.name}, {width} x {height} px"
            )
        signal, fs_hz = _shown(lead)
        image = np.ascontiguousarray(page[top : bottom + 1, left : right + 1])
        return LeadCrop(
            image=image,
            mask=np.zeros(image.shape[:2], np.uint8),
            signal=signal,
            fs_hz=fs_hz,
            crop_id=lead.crop_id,
            record_id=lead.record_id,
            lead=lead.name,
            layout=lead.layout,
            px_per_mm=lead.px_per_mm,
            overlap_px=int(self._overlaps(lead, (left, top, right, bottom))),
            start_px=_begin_px(lead, fs_hz) - left,
        )

    def _drawn_box(self, index: int) -> Box:
        lead = self._leads[index]
        out = np.random.default_rng([self.seed, index]).uniform(0, self.box_jitter_mm, 4) * lead.px_per_mm
        low, high = np.floor(lead.box[:2] - out[:2]), np.ceil(lead.box[2:] + out[2:])
        return int(low[0]), int(low[1]), int(high[0]), int(high[1])

    @staticmethod
    def _overlaps(lead: _Lead, box: Box) -> bool:
        left, _, right, _ = lead.box
        return any(
            min(right, other[2]) - max(left, other[0]) > 1 and other[1] <= box[3] and other[3] >= box[1]
            for other in lead.others
        )

    @cached_property
    def _leads(self) -> tuple[_Lead, ...]:
        root = Path(self.root).expanduser()
        leads: list[_Lead] = []
        for line in _read_index(root / INDEX):
            if not fnmatch(line["file"], self.damaged):
                page = root / line["file"]
                layout = _LAYOUTS.get(line["columns"], f"{line['columns']} columns")
                leads += _leads_of(page, layout)
        if not leads:
            raise DataError(f"{root / INDEX} names no picture that is not of the form {self.damaged}")
        return tuple(leads)


def _read_index(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path} cannot be read ({error}); data.root must hold pages with {INDEX} and NAME{BOXES}"
        ) from error
    if not lines or not {"file", "columns"} <= set(lines[0]):
        raise DataError(f"{path} must have columns file and columns, and a line for each picture")
    return lines


def _leads_of(page: Path, layout: str) -> list[_Lead]:
    path = page.with_suffix(BOXES)
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        square_px = (float(told["x_grid"]), float(told["y_grid"]))
        boxes = [_box(entry["lead_bounding_box"]) for entry in told["leads"]]
        what = [
            (str(entry["lead_name"]), int(entry["start_sample"]), int(entry["end_sample"]))
            for entry in told["leads"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} cannot be read as boxes of leads ({error!r}); copy it anew") from error
    if abs(square_px[0] - square_px[1]) > _SCALES_ALIKE_PX:
        raise DataError(f"{path} has squares of {square_px[0]} x {square_px[1]} px; they must be square")
    return [
        _Lead(
            crop_id=f"{page.stem}_{number:02d}_{name}",
            page=page,
            layout=layout,
            name=name,
            box=box,
            others=tuple(boxes[:number] + boxes[number + 1 :]),
            first_sample=first,
            n_samples=end - first,
            px_per_mm=square_px[0] / LARGE_SQUARE_MM,
        )
        for number, (box, (name, first, end)) in enumerate(zip(boxes, what, strict=True))
    ]


def _box(corners: dict[str, Any]) -> Box:
    """Corners are [y, x], the lowest first and the highest third."""
    y, x = np.array([corners[key] for key in "0123"]).T
    return int(x.min()), int(y.min()), int(x.max()), int(y.max())


def _begin_px(lead: _Lead, fs_hz: float) -> float:
    """
    Return the column of the first sample, counted from that of the last one.

    Boxes are cut down to whole pixels whose left edge has the number; with centres at whole numbers, as
    here, that is no bias.
    """
    return lead.box[2] - s_to_px((lead.n_samples - 1) / fs_hz, lead.px_per_mm)


def _shown(lead: _Lead) -> tuple[FloatArray, float]:
    """
    Return the samples that a box shows.

    The truth has a lead where its column stands on the page, whatever samples were drawn there; of one that
    is in a column and in a strip, it has the strip, whose samples are those of the record.
    """
    signals, fs_hz = _truth(lead.page.with_suffix(""))
    if lead.name not in signals:
        raise DataError(f"the truth of {lead.page.name} has no lead {lead.name}")
    signal = signals[lead.name]
    known = np.flatnonzero(np.isfinite(signal))
    if len(known) > lead.n_samples:
        known = np.arange(lead.first_sample, lead.first_sample + lead.n_samples)
    if len(known) != lead.n_samples or known[-1] - known[0] + 1 != len(known):
        raise DataError(
            f"{lead.crop_id}: its box shows {lead.n_samples} samples, its truth has {len(known)} there"
        )
    return signal[known[0] : known[-1] + 1], fs_hz


@lru_cache(maxsize=2)  # leads of a page come one after the other
def _picture(path: Path) -> NDArray[np.uint8]:
    try:
        return read_picture(path).rgb
    except EcgTraceError as error:
        raise DataError(str(error)) from error


@lru_cache(maxsize=2)
def _truth(stem: Path) -> tuple[dict[str, FloatArray], float]:
    return read_page_truth(stem)
