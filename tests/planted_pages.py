"""Pages with planted truth, and recordings of them that are right, or wrong by what a test says."""

from dataclasses import dataclass

import numpy as np

from ecgtrace.documents.source import SourcePage
from ecgtrace.errors import DataError, PageError
from ecgtrace.evaluation.page_sample import PageSample, PageSet, TrueBox
from ecgtrace.recording import RecordedLead, Recording, lead_order
from ecgtrace.types import GridScale, LeadSignal
from ecgtrace.units import LEADS

FS_HZ = 200.0
COLUMNS = {lead: number // 3 for number, lead in enumerate(LEADS)}


def heart(seed=0, seconds=10.0, fs_hz=FS_HZ):
    """Twelve leads, shape (12, n): beats at uneven times, each lead with waves of its own."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(int(seconds * fs_hz)) / fs_hz
    beats = np.cumsum(rng.uniform(0.7, 1.0, int(seconds / 0.7) + 1)) - 0.4
    leads = []
    for _ in LEADS:
        wave = np.zeros_like(time_s)
        for centre_s, width_s, height_mv in zip(
            rng.uniform(-0.15, 0.3, 4), rng.uniform(0.02, 0.06, 4), rng.normal(0, 0.6, 4), strict=True
        ):
            for beat_s in beats:
                wave += height_mv * np.exp(-0.5 * ((time_s - beat_s - centre_s) / width_s) ** 2)
        leads.append(wave)
    return np.stack(leads)


def as_3x4(signals, fs_hz=FS_HZ, strip="II"):
    """Leave of each lead its column, and of one the strip."""
    shown = np.full_like(signals, np.nan)
    for row, lead in enumerate(LEADS):
        first, last = (round((COLUMNS[lead] + k) * 2.5 * fs_hz) for k in (0, 1))
        if lead == strip:
            first, last = 0, signals.shape[1]
        shown[row, first:last] = signals[row, first:last]
    return shown


def sample(page_id="00001_a", **changes):
    """Return a 3x4 page with a strip of II; its picture is white."""
    given = {
        "page_id": page_id,
        "record_id": page_id[:5],
        "page": SourcePage(np.full((40, 60, 3), 255, np.uint8)),
        "signals": as_3x4(heart()),
        "fs_hz": FS_HZ,
        "names": LEADS,
        "layout": "3x4+1",
        "printer": "planted",
        "dpi": 200.0,
        "overlaps": {lead: lead.startswith("V") for lead in LEADS},
    }
    return PageSample(**{**given, **changes})


def recorded(name, amplitude_mv, fs_hz=FS_HZ):
    """Return a lead of a recording; its confidence is 1 where it has samples."""
    known = np.isfinite(amplitude_mv)
    signal = LeadSignal(amplitude_mv, fs_hz, known.astype(float), GridScale(8.0, 8.0, 1.0), np.zeros(3))
    times = np.flatnonzero(known) / fs_hz
    return RecordedLead(name, signal, times[0], times[-1])


def recording(leads, fs_hz=FS_HZ, **changes):
    """Return a recording of leads by name."""
    names = sorted(leads, key=lead_order)
    return Recording(
        tuple(recorded(name, leads[name], fs_hz) for name in names), **{"layout": "3x4+1", **changes}
    )


def truth_of(page):
    """Return the truth by lead, to be read or spoilt."""
    return {name: row.copy() for name, row in zip(page.names, page.signals, strict=True)}


@dataclass(frozen=True)
class PlantedPages(PageSet):
    """Two pages of one record and one of another; those named in `broken` cannot be opened."""

    broken: tuple[str, ...] = ()
    boxes: bool = True
    ids: tuple[str, ...] = ("00001_a", "00001_b", "00002_a")

    def __len__(self):
        return len(self.ids)

    def crop_id(self, index):
        return self.ids[index]

    def __getitem__(self, index):
        if self.ids[index] in self.broken:
            raise DataError(f"{self.ids[index]} is\ncut short")
        boxes = {lead: (TrueBox((2.0, 2.0, 50.0, 30.0), 0.0, 2.5),) for lead in LEADS}
        return sample(self.ids[index], boxes=boxes if self.boxes else {})


@dataclass(frozen=True)
class PlantedReader:
    """Reads the truth of pages by their pictures' place in the set; `refused` are no ECG."""

    source: PlantedPages
    name: str = "planted"
    refused: tuple[int, ...] = ()
    spoilt_mv: float = 0.0
    doubts: tuple[str, ...] = ()

    def read_sample(self, page):
        if self.source.ids.index(page.page_id) in self.refused:
            raise PageError("it is no ECG")
        rng = np.random.default_rng(0)
        leads = {k: v + rng.normal(0, self.spoilt_mv, len(v)) for k, v in truth_of(page).items()}
        return recording(leads, doubts=self.doubts)
