"""Pages drawn as vector PDFs with matplotlib, as machines draw them; their truth is the record."""

from dataclasses import dataclass

import numpy as np

from ecgtrace.drawing.page_pdf import pdf_page, ruled
from ecgtrace.records.sample import SampleRecords
from ecgtrace.units import LEADS

WIDTH_MM, HEIGHT_MM = 297.0, 210.0
LEFT_MM, TOP_MM = 20.0, 45.0
ROWS_3X4 = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"), ("II",))
ROWS_6X1 = tuple((lead,) for lead in LEADS[:6])


def record(index=0):
    """A shipped record of 10 s."""
    records = SampleRecords()
    return records.load(records.split_ids("all")[index])


@dataclass(frozen=True)
class Drawing:
    """How a page is drawn; lengths in mm of paper."""

    rows: tuple = ROWS_3X4
    speed: float = 25.0
    gain: float = 10.0
    row_mm: float = 32.0
    name_mm: tuple = (1.0, -8.0)  # of a name from where its trace begins
    names: bool = True
    names_said: dict | None = None  # what is printed in place of a name
    text: str | None = "{speed:g} mm/s  {gain:g} mm/mV"
    grid_mm: tuple = (1.0, 5.0)
    pulses: bool = False
    pulse_mm: float | None = None
    bars: bool = False
    bar_shift_mm: float = 0.0  # as places of bars are rounded
    name_step_mm: float = 0.0  # names of later columns stand so much farther right
    also: tuple = ()  # (x, y, text) in mm, written first
    one_line: bool = False  # a row is one line over all its columns
    gap_samples: int = 0  # left out at the end of a column
    chunk: int | None = None  # vertices of a piece
    chunks_touch: bool = True
    thin: bool = False  # collinear vertices left out, after rounding to 0.01 mm
    size: float = 1.0  # of the drawing; 1: a millimetre is one
    turn: int = 0  # drawn turned clockwise by so many degrees
    duration_s: float = 10.0
    glyphs: bool = False  # letters as outlines


def shown(signal, fs_hz, drawing, row, column):
    """First and last sample (exclusive) of a lead in its column."""
    n = round(drawing.duration_s * fs_hz)
    per = n // len(drawing.rows[row])
    return column * per, (column + 1) * per


def truth(rec, drawing):
    """Each lead's samples on the page's axis; the strip's extent where it has one."""
    n = round(drawing.duration_s * rec.fs_hz)
    found = {}
    for r, row in enumerate(drawing.rows):
        for c, lead in enumerate(row):
            low, high = shown(rec.signal, rec.fs_hz, drawing, r, c)
            if drawing.gap_samples and len(row) > 1:
                high -= drawing.gap_samples
            axis = np.full(n, np.nan)
            axis[low:high] = rec.signal[rec.leads.index(lead), low:high]
            if lead not in found or np.isfinite(axis).sum() > np.isfinite(found[lead]).sum():
                found[lead] = axis
    return found


def draw(path, rec, drawing):
    """Write the page, with all vertices."""
    width, height = WIDTH_MM * drawing.size, HEIGHT_MM * drawing.size
    if drawing.turn in (90, 270):
        width, height = height, width
    with pdf_page(path, width, height, outlines=drawing.glyphs) as paper:
        _draw(_Turned(paper, width, height, drawing), rec, drawing)


def _draw(page, rec, drawing):
    page.grid()
    for x, y, text in drawing.also:
        page.letters(x, y, text)
    for r, row in enumerate(drawing.rows):
        zero = TOP_MM + (r + 0.5) * drawing.row_mm
        if drawing.pulses:
            page.pulse(zero)
        line = []
        for c, lead in enumerate(row):
            low, high = shown(rec.signal, rec.fs_hz, drawing, r, c)
            if drawing.gap_samples and len(row) > 1:
                high -= drawing.gap_samples
            t = np.arange(low, high) / rec.fs_hz
            mv = rec.signal[rec.leads.index(lead), low:high]
            points = np.stack([LEFT_MM + t * drawing.speed, zero - mv * drawing.gain], axis=1)
            line.append(points)
            if drawing.names:
                dx, dy = drawing.name_mm
                said = (drawing.names_said or {}).get(lead, lead)
                page.letters(points[0, 0] + dx + c * drawing.name_step_mm, zero + dy, said)
            if drawing.bars and c:
                page.line([[points[0, 0] + drawing.bar_shift_mm] * 2, [zero - 8, zero + 8]], "blue", 0.3)
        for points in [np.concatenate(line)] if drawing.one_line else line:
            page.trace(points)
    if drawing.text:
        page.letters(LEFT_MM, HEIGHT_MM - 12, drawing.text.format(speed=drawing.speed, gain=drawing.gain))


class _Turned:
    """The paper, turned and scaled as a drawing asks."""

    def __init__(self, paper, width, height, drawing):
        self.paper, self.width, self.height, self.drawing = paper, width, height, drawing

    def place(self, x, y):
        x, y = np.asarray(x, float) * self.drawing.size, np.asarray(y, float) * self.drawing.size
        turn = self.drawing.turn
        if turn == 90:
            return self.width - y, x
        if turn == 180:
            return self.width - x, self.height - y
        if turn == 270:
            return y, self.height - x
        return x, y

    def line(self, xy, colour, width_mm):
        self.paper.line(np.stack(self.place(*xy), axis=1), colour, width_mm)

    def grid(self):
        for step in self.drawing.grid_mm:
            colour, width = ("#f4b6b6", 0.1) if step == 1 else ("#e08080", 0.2)
            for points in ruled((5.0, 5.0, WIDTH_MM - 7.0, HEIGHT_MM - 5.0), step):
                self.line(points.T, colour, width)

    def pulse(self, zero):
        high = self.drawing.gain if self.drawing.pulse_mm is None else self.drawing.pulse_mm
        wide = 0.2 * self.drawing.speed
        x = LEFT_MM - wide - 3
        self.line(
            [
                [x, x + 1, x + 1, x + 1 + wide, x + 1 + wide, x + 2 + wide],
                np.r_[0, 0, -1, -1, 0, 0] * high + zero,
            ],
            "black",
            0.3,
        )

    def trace(self, points):
        d = self.drawing
        if d.thin:
            points = without_collinear(np.round(points, 2))
        step = len(points) - 1 if d.chunk is None else d.chunk
        for first in range(0, len(points) - 1, step):
            part = points[first : first + step + (1 if d.chunks_touch else 0)]
            self.line(part.T, "black", 0.3)

    def letters(self, x, y, text):
        self.paper.letters(*self.place(x, y), text, 9, turn=-self.drawing.turn)


def without_collinear(points):
    """Leave out each vertex on the line between the one kept before and the next."""
    kept = [0]
    for i in range(1, len(points) - 1):
        (ax, ay), (bx, by), (cx, cy) = points[kept[-1]], points[i], points[i + 1]
        if abs((bx - ax) * (cy - ay) - (by - ay) * (cx - ax)) > 1e-9:
            kept.append(i)
    return points[[*kept, len(points) - 1]]


def snr_db(found, true):
    """Signal to noise where both are there, a constant left out; minus infinity where a sample is missing."""
    n = min(len(found), len(true))
    shown_ = np.isfinite(true[:n])
    if np.isnan(found[:n][shown_]).any() or np.isfinite(true[n:]).any():
        return -np.inf
    x, e = true[:n][shown_], (found[:n] - true[:n])[shown_]
    e = e - np.median(e)
    return 10 * np.log10(np.sum((x - x.mean()) ** 2) / max(np.sum(e**2), 1e-30))
