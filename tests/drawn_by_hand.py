"""Crops and digitizers small enough to understand, for the tests of evaluation and reporting."""

from dataclasses import asdict, dataclass

import cv2
import numpy as np

from ecgtrace.digitization.ink_map import TrueMask
from ecgtrace.errors import DataError, TraceNotFoundError
from ecgtrace.evaluation.row_file import RowFile
from ecgtrace.evaluation.rows import COLUMNS, TEXT
from ecgtrace.types import GridScale, LeadCrop, LeadSignal

PX_PER_MM = 4.0
MARGIN_PX = 4


@dataclass(frozen=True)
class HandSource:
    """
    Crops of 2.5 s at 100 Hz, two per record; every other one has a neighbour's line along its lower edge.

    `broken` cannot be read, `blank` are white paper.
    """

    count: int = 6
    broken: tuple[int, ...] = ()
    blank: tuple[int, ...] = ()

    def __len__(self):
        return self.count

    def crop_id(self, index):
        return f"hand_{index:03d}"

    def subset(self, index):
        return "overlap" if index % 2 else "non_overlap"

    def __getitem__(self, index):
        if index in self.broken:
            raise DataError(f"{self.crop_id(index)}: the picture\nis cut short")
        signal = self.signal(index)
        y_px = (signal.max() - signal) * 10 * PX_PER_MM + MARGIN_PX
        x_px = np.arange(250) / 100 * 25 * PX_PER_MM
        height = int(np.ceil(y_px.max())) + 12
        mask = np.zeros((height, int(x_px[-1]) + 1), np.uint8)
        points = np.stack([x_px, y_px], axis=1)
        if index not in self.blank:
            cv2.polylines(mask, [np.round(points).astype(np.int32)], False, 1, 2)
        other = np.zeros_like(mask)
        if index % 2:
            other[-3:] = 1
        image = np.full((*mask.shape, 3), 255, np.uint8)
        image[:: int(5 * PX_PER_MM)] = image[:, :: int(5 * PX_PER_MM)] = (230, 180, 180)
        image[(mask | other) > 0] = 0
        return LeadCrop(
            image=image,
            mask=mask,
            signal=signal,
            fs_hz=100.0,
            crop_id=self.crop_id(index),
            record_id=f"{index // 2:05d}",
            lead="II",
            layout="3x4",
            px_per_mm=PX_PER_MM,
            overlap_px=int(other.sum()),
            crossings=0,
        )

    def signal(self, index):
        rng = np.random.default_rng(index)
        time_s = np.arange(250) / 100
        wave = np.zeros(250)
        for beat_s in (0.4, 1.2 + rng.uniform(-0.1, 0.1), 2.1):
            wave += rng.uniform(0.6, 1.2) * np.exp(-(((time_s - beat_s) / 0.03) ** 2))
        return wave


@dataclass(frozen=True)
class ColumnDigitizer:
    """Mean row of the dark pixels of each column; wrong where a neighbour adds ink."""

    name: str = "baseline"
    segmenter: TrueMask | None = None
    model: str = ""

    def __call__(self, image):
        ink = image[..., 0] < 128 if self.segmenter is None else self.segmenter(image) > 0
        if not ink.any():
            raise TraceNotFoundError("the picture holds no ink;\nis it a picture of a lead?")
        rows = np.arange(ink.shape[0])[:, None]
        with np.errstate(invalid="ignore"):
            row_px = (ink * rows).sum(axis=0) / ink.sum(axis=0)
        fs_hz = 25 * PX_PER_MM
        amplitude = (np.nanmedian(row_px) - row_px) / PX_PER_MM / 10
        return LeadSignal(
            amplitude_mv=amplitude,
            fs_hz=fs_hz,
            confidence=np.where(np.isnan(amplitude), 0.0, 1.0),
            scale=GridScale(
                px_per_mm_x=1.02 * PX_PER_MM,
                px_per_mm_y=PX_PER_MM,
                confidence=1.0,
                lines_x=tuple(np.arange(0.0, ink.shape[1], 5 * PX_PER_MM)),
                lines_y=tuple(np.arange(0.0, ink.shape[0], 5 * PX_PER_MM)),
            ),
            row_px=row_px,
        )


@dataclass(frozen=True)
class Crashing:
    """A digitizer with a defect."""

    name: str = "crashing"

    def __call__(self, image):
        raise ZeroDivisionError("division\nby zero")


def write_rows(path, rows):
    """Write rows of an evaluation as the runner does."""
    file = RowFile(path, COLUMNS, TEXT)
    file.begin(keep=False)
    file.append(asdict(row) for row in rows)
