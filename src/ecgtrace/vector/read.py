"""A page of vectors in, a recording out."""

from dataclasses import dataclass, field, replace

import numpy as np

from ecgtrace.documents.source import SourcePage, Vectors
from ecgtrace.errors import NoTracesError, PageError
from ecgtrace.layout.by_algebra import NONE, Trace, tell_names
from ecgtrace.layout.given import OPTION, told_by
from ecgtrace.layout.strips import are_strips
from ecgtrace.recording import Box, Calibration, Check, RecordedLead, Recording, lead_order
from ecgtrace.types import FloatArray, GridScale, LeadSignal
from ecgtrace.vector import checks
from ecgtrace.vector.calibration import find_calibration
from ecgtrace.vector.grid import PaperScale, find_scale
from ecgtrace.vector.layout import PageLayout, find_layout
from ecgtrace.vector.lines import PageLines, sort_lines
from ecgtrace.vector.page_choice import NOTHING, PageChoice
from ecgtrace.vector.pieces import Piece
from ecgtrace.vector.printed import gains_mm_per_mv, lead_name, speeds_mm_per_s
from ecgtrace.vector.sampling import Samples, on_axis, sample
from ecgtrace.vector.turn import Upright, upright

NO_TRACES = "the page has no vector traces: it is a picture or a text"
NO_ECG = "lines run along the page, but no grid, pulse, lead name, speed or gain is on it: it is no ECG"
_COARSE_HZ = 150.0  # the lowest rate that keeps the 75 Hz of a monitor's bandwidth
_CONFIDENCE = 1.0  # the file says where the line is


@dataclass(frozen=True, eq=False)
class _Timed:
    """A piece with its time and samples."""

    piece: Piece
    start_s: float
    end_s: float
    samples: Samples = field(repr=False)
    x_s: FloatArray = field(repr=False)
    name_from: str = NONE

    @property
    def name(self) -> str:
        return self.piece.name.removeprefix("-")


def read_vectors(page: SourcePage, fs_hz: float = 500.0, given: PageChoice = NOTHING) -> Recording:
    """
    Read the leads of a page whose traces are vectors.

    Parameters
    ----------
    page : SourcePage
        With `vectors`.
    fs_hz : float, optional
        Of the recording.
    given : PageChoice, optional
        What overrides what the page says.

    Returns
    -------
    Recording
        Places in points of the page as it is shown.

    Raises
    ------
    NoTracesError
        If the page has no vector traces.
    PageError
        If it is mirrored, or no ECG.
    """
    if page.vectors is None:
        raise NoTracesError(NO_TRACES)
    turned = upright(page.vectors)
    vectors = turned.vectors
    scale = find_scale(vectors)
    lines = sort_lines(vectors.paths, scale.per_mm_x)
    if not lines.traces:
        raise NoTracesError(NO_TRACES)
    _require_ecg(scale, lines, vectors)
    layout = find_layout(lines, vectors.words, scale.per_mm_x, given)
    calibration, doubts, notes = find_calibration(scale, vectors.text, lines.pulses, given)
    timed, layout = _named(_timed(layout, calibration, fs_hz), layout, calibration, fs_hz)
    leads, found_checks, more = _leads(timed, layout, lines, calibration, turned, fs_hz)
    values = {lead.name: lead.signal.amplitude_mv for lead in leads}
    found_checks += checks.algebra(values, fs_hz)
    found_checks.append(checks.height(leads))
    rate = checks.heart_rate(leads)
    found_checks += [rate] if rate else []
    failed = [f"{c.name}: {c.value:g} {c.unit} (limit {c.limit:g})" for c in found_checks if not c.ok]
    coarse = _coarse(timed)
    notes = [*notes, coarse] if coarse else notes
    turn_note = [f"the page was turned by {turned.turn_deg} degrees"] if turned.turn_deg else []
    return Recording(
        tuple(leads),
        layout.name,
        calibration,
        tuple(found_checks),
        tuple(filter(None, (turned.doubt, *scale.doubts, *doubts, *layout.doubts, *more, *failed))),
        (*page.notes, *turn_note, *scale.notes, *notes, *layout.notes),
        method="vector",
        unit="pt",
        page=page.number,
        page_count=page.count,
    )


def _require_ecg(scale: PaperScale, lines: PageLines, vectors: Vectors) -> None:
    """Refuse a plot of another matter: it has neither grid nor pulse nor lead names nor speed nor gain."""
    said = speeds_mm_per_s(vectors.text) or gains_mm_per_mv(vectors.text)
    names = [word for word in vectors.words if lead_name(word.text)]
    if not (scale.confirmed or lines.pulses or names or said):
        raise PageError(NO_ECG)


def _timed(layout: PageLayout, calibration: Calibration, fs_hz: float) -> list[_Timed]:
    """Give each piece its time: 0 is where the first traces begin; a continued row follows that above."""
    per_s = (calibration.per_mm_x or 1.0) * (calibration.speed_mm_per_s or 1.0)
    per_mm_y = calibration.per_mm_y or 1.0
    origin = min(piece.start for piece in layout.pieces)
    timed: list[_Timed] = []
    shift = 0.0
    for piece in layout.pieces:
        x_s = (piece.points[:, 0] - origin) / per_s + shift
        start, end = (piece.start - origin) / per_s + shift, (piece.end - origin) / per_s + shift
        part = sample(x_s, -piece.points[:, 1] / per_mm_y, start, end, fs_hz)
        if layout.continued:  # the next row begins one vertex later
            shift = end + float(np.median(np.diff(x_s)))
        if len(part.mm):
            timed.append(_Timed(piece, start, end, part, x_s))
    return timed


def _named(
    timed: list[_Timed], layout: PageLayout, calibration: Calibration, fs_hz: float
) -> tuple[list[_Timed], PageLayout]:
    """Name pieces without a name by what they show; what stays without is a doubt."""
    if layout.continued:
        return timed, layout
    n = _length(timed)
    strips = are_strips([part.piece.row for part in timed])
    told = tell_names(
        [
            Trace(part.piece.row, part.piece.column, _mv(part, calibration, n), part.piece.name, strip)
            for part, strip in zip(timed, strips, strict=True)
        ],
        fs_hz,
    )
    named = [
        replace(part, piece=replace(part.piece, name=name), name_from=name_from)
        for part, name, name_from in zip(timed, told.names, told.name_from, strict=True)
    ]
    doubts = [*layout.doubts, *told.doubts]
    unnamed = sum(not part.piece.name and part.piece.name_from != OPTION for part in named)
    if unnamed:
        doubts.append(f"{unnamed} of {len(timed)} traces have no name that could be read")
    return named, replace(layout, doubts=tuple(doubts), notes=(*layout.notes, *told.notes))


def _length(timed: list[_Timed]) -> int:
    """Return the number of samples of the page's axis."""
    return max(part.samples.first + len(part.samples.mm) for part in timed)


def _coarse(timed: list[_Timed]) -> str:
    """Say so where a machine has drawn fewer points than waves of the QRS need; empty where not."""
    rates = [(len(part.piece.points) - 1) / float(np.ptp(part.x_s)) for part in timed]
    if min(rates) >= _COARSE_HZ:
        return ""
    return f"the page draws {min(rates):.0f} points per second: finer waves than these are not in it"


def _leads(
    timed: list[_Timed],
    layout: PageLayout,
    lines: PageLines,
    calibration: Calibration,
    turned: Upright,
    fs_hz: float,
) -> tuple[list[RecordedLead], list[Check], list[str]]:
    """Put the pieces of each lead together; where it has a strip, the strip's extent is its own."""
    n = _length(timed)
    by_name: dict[str, list[_Timed]] = {}
    unknown = 0
    for part in timed:
        name = part.name
        if layout.continued:
            name = name or "unknown_1"
        elif not name:
            unknown += 1
            name = f"unknown_{unknown}"
        by_name.setdefault(name, []).append(part)
    leads, found, doubts = [], [], []
    for name, parts in sorted(by_name.items(), key=lambda item: lead_order(item[0])):
        used = parts
        if len(parts) > 1 and not layout.continued:
            longest = max(parts, key=lambda part: part.end_s - part.start_s)
            used = [longest]
            for part in parts:
                if part is longest:
                    continue
                check = checks.strip_agrees(
                    name, _mv(part, calibration, n), _mv(longest, calibration, n), fs_hz
                )
                if check is not None:
                    found.append(check)
                else:
                    doubts.append(f"the page names {name} twice, at different times")
        leads.append(_lead(name, used, layout, calibration, turned, n, fs_hz))
    return leads, found, doubts


def _mv(part: _Timed, calibration: Calibration, n: int) -> FloatArray:
    sign = -1.0 if part.piece.name.startswith("-") else 1.0
    return sign * on_axis([part.samples], n) / (calibration.gain_mm_per_mv or 1.0)


def _lead(
    name: str,
    parts: list[_Timed],
    layout: PageLayout,
    calibration: Calibration,
    turned: Upright,
    n: int,
    fs_hz: float,
) -> RecordedLead:
    per_mm_y = calibration.per_mm_y or 1.0
    gain = calibration.gain_mm_per_mv or 1.0
    mv = np.full(n, np.nan)
    for part in parts:
        one = _mv(part, calibration, n)
        if layout.continued:  # each row has its own height on the page
            one = one + layout.row_y[part.piece.row] / per_mm_y / gain
        mv = np.where(np.isnan(mv), one, mv)
    if layout.continued:
        mv = _closed(mv)
    mv = mv - np.nanmedian(mv)
    paths = tuple(_path(part.piece, turned) for part in parts)
    signal = LeadSignal(
        mv,
        fs_hz,
        np.where(np.isnan(mv), 0.0, _CONFIDENCE),
        GridScale(calibration.per_mm_x or 1.0, per_mm_y, 1.0),
        row_px=_rows_of(parts, turned.vectors),
        start_px=float(parts[0].piece.start),
        speed_mm_per_s=calibration.speed_mm_per_s or 0.0,
        gain_mm_per_mv=gain,
    )
    start, end = min(part.start_s for part in parts), max(part.end_s for part in parts)
    boxes = tuple(_box(path) for path in paths)
    name_from = told_by(parts[0].piece.name_from, parts[0].name_from)
    return RecordedLead(name, signal, start, end, boxes, name_from, paths)


def _closed(mv: FloatArray) -> FloatArray:
    """Fill single samples between two rows: between the last vertex of one and the first of the next."""
    known = np.flatnonzero(np.isfinite(mv))
    gaps = known[:-1][np.diff(known) == 2] + 1
    filled = mv.copy()
    filled[gaps] = (mv[gaps - 1] + mv[gaps + 1]) / 2
    return filled


def _rows_of(parts: list[_Timed], vectors: Vectors) -> FloatArray:
    """Return the height of the trace at each whole point of the upright page; NaN where it has none."""
    columns = np.arange(int(np.ceil(vectors.width)), dtype=float)
    rows = np.full(len(columns), np.nan)
    for part in parts:
        own = (columns >= part.piece.start) & (columns <= part.piece.end)
        x = np.maximum.accumulate(part.piece.points[:, 0])
        rows[own] = np.interp(columns[own], x, part.piece.points[:, 1])
    return rows


def _path(piece: Piece, turned: Upright) -> FloatArray:
    """Return the vertices of a piece on the page as it is shown."""
    inside = (piece.points[:, 0] >= piece.start - 1e-6) & (piece.points[:, 0] <= piece.end + 1e-6)
    return turned.to_shown(piece.points[inside] if inside.any() else piece.points)


def _box(path: FloatArray) -> Box:
    (x0, y0), (x1, y1) = path.min(axis=0), path.max(axis=0)
    return (round(float(x0), 2), round(float(y0), 2), round(float(x1), 2), round(float(y1), 2))
