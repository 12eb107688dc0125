"""Speed and gain of a page that is a picture: by option, text, pulses, by what recorders use."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ecgtrace.digitization.pace import pace
from ecgtrace.layout.regions import LeadRegion
from ecgtrace.page_ink.maps import MAP_PX_PER_MM, PageMaps
from ecgtrace.page_reading.pulse_form import pulse_within
from ecgtrace.reading import GAINS_MM_PER_MV
from ecgtrace.recording import Calibration, RecordedLead
from ecgtrace.sheet import Sheet
from ecgtrace.types import FloatArray
from ecgtrace.units import GAIN_MM_PER_MV, PAPER_SPEED_MM_PER_S
from ecgtrace.vector.calibration import ASSUMED, PaperChoice, find_calibration
from ecgtrace.vector.grid import PaperScale
from ecgtrace.vector.lines import Pulse

# With doubts and notes.
Calibrated = tuple[Calibration, Sequence[str], Sequence[str]]

_NO_SPEED = "the speed is not on the page"  # as `vector.calibration` says it
_SURE = 0.5
_TOLERANCE = 0.12  # two pixels of the maps in 5 mm; gains and speeds are apart by factors of two
_LEAST_MM = (1.5, 1.8)  # width and height of what can be a pulse: 0.2 s at 12.5 mm/s, 1 mV at 2.5 mm/mV
# A narrower pulse is one of less than 0.2 s far more often than it is 12.5 mm/s.
_SPEEDS_MM_PER_S = (25.0, 50.0)
_HIGHEST_MM = 20.0  # of a pulse by a zero line: in 40 mm there are several rows
_ZERO_MM = 0.8  # of the maps' zero lines
_SEVERAL = 3  # pulses; of two that differ none can be told to be whole
_LEG_MM, _WHOLE = 4.0, 0.9  # of a leg, that must be inked: pulses of 5 mm/mV are 5 mm high
_ROOF_MM, _WIDEST_MM = 1.0, 11.0  # thickness and width of a roof: 0.2 s at 50 mm/s are 10 mm
_BARE = 0.1  # of what lies over a roof, and within
_MOST_OF_LEADS = 1.25  # pulses
_FLOOR_PX = 3  # of the maps, about the end of the legs
_THICK_PX, _LEG_GAP_PX = 4, 2  # of the maps: of a leg, and what may lack of it
AT_LEAST = 0.4  # of the length of legs that go on in those of the pulses below is a pulse's own height
_PART = 0.18  # of a pulse is found at least: what is lower is a speck, or a letter
_BELOW_MM, _LOW = 1.5, 20  # pulses stand one below the other; percentile of their heights
_NO_GRID = 0.3  # of a roof, that the maps take for print of some kind
_PULSE_S, _TOO_WIDE = 0.2, 1.25  # the longest that is drawn, many are shorter; its line and foot widen it
_THICK_MM = 0.5  # of a line: what is thicker on the maps is a full block


def find_pulses(maps: PageMaps) -> list[Pulse]:
    """
    Find the calibration pulses of a page: connected ink of a pulse that is as high and wide as one can be.

    Returns
    -------
    list of Pulse
        In mm.
    """
    marked = maps.pulse > _SURE
    labels, count = ndimage.label(marked, structure=np.ones((3, 3)))
    pulses = []
    for rows, columns in ndimage.find_objects(labels, count):
        within = pulse_within(marked[rows, columns])
        if within is not None:
            rows, columns = (
                slice(whole.start + own.start, whole.start + own.stop)
                for whole, own in zip((rows, columns), within, strict=True)
            )
        part = marked[rows, columns]
        height_mm, width_mm = ((side - 1) / MAP_PX_PER_MM for side in part.shape)
        if width_mm < _LEAST_MM[0] or height_mm < _LEAST_MM[1]:
            continue
        top = np.flatnonzero(part[: max(1, round(0.25 * len(part)))].any(axis=0))
        # From middle to middle it is a line less than from edge to edge.
        line_mm = min(float(np.median(part.sum(axis=0))) / MAP_PX_PER_MM, _THICK_MM) / 2
        pulses.append(
            Pulse(
                x=columns.start / MAP_PX_PER_MM,
                end_x=columns.stop / MAP_PX_PER_MM,
                base_y=rows.stop / MAP_PX_PER_MM,
                height=height_mm - line_mm,
                width=float(top[-1] - top[0]) / MAP_PX_PER_MM - line_mm,
            )
        )
    return pulses


def whole_pulses(maps: PageMaps, dark: NDArray[np.bool_], leads: Sequence[LeadRegion]) -> list[Pulse]:
    """
    Find calibration pulses by their form: two legs under a flat roof, with bare paper over it and within.

    Tall ones the maps show in part, or take for traces, and a frame's corner for a pulse.

    Parameters
    ----------
    maps : PageMaps
    dark : ndarray of bool, shape of the maps
        What of the picture is as dark as traces.
    leads : sequence of LeadRegion
        In px of the maps; what lies on one is no pulse, nor are there more pulses than leads.

    Returns
    -------
    list of Pulse
        In mm. Legs of pulses that touch those below go on: of pulses that stand one below the other, the
        lowest fifth tells their height.
    """
    ink = ((np.maximum(maps.trace, maps.pulse) > _SURE) | dark).astype(np.uint8)
    printed = np.maximum.reduce([maps.trace, maps.pulse, maps.bar, maps.text])
    leg, across = (round(mm * MAP_PX_PER_MM) | 1 for mm in (_LEG_MM, _LEAST_MM[0]))  # an even one would shift
    upright = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((leg, 1), np.uint8))
    level = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((1, across), np.uint8))
    labels, count = ndimage.label(level)
    pulses, roofs = [], []
    for rows, columns in ndimage.find_objects(labels, count):
        height, width = rows.stop - rows.start, columns.stop - columns.start
        top, left, right = rows.start, columns.start, columns.stop - 1
        roofs.append((left / MAP_PX_PER_MM, (right + 1) / MAP_PX_PER_MM, (top + height) / MAP_PX_PER_MM))
        if height > _ROOF_MM * MAP_PX_PER_MM or width > _WIDEST_MM * MAP_PX_PER_MM or left < 2:
            continue
        if printed[rows, columns].max(axis=0).mean() < _NO_GRID:
            continue
        below = top + height
        legs = [np.array(upright[below:, max(0, x - 2) : x + 3].any(axis=1)) for x in (left + 1, right - 1)]
        middle = (left + right) / 2
        if any(r.start < middle < r.end and top < r.zero_y + leg and below + leg > r.top for r in leads):
            continue
        if not all(one[:leg].mean() >= _WHOLE for one in legs if len(one) >= leg) or len(legs[0]) < leg:
            continue
        between = np.s_[left + _THICK_PX : right - _THICK_PX + 1]  # above, too, may stand legs
        inside = ink[below + 1 : below + leg, between]
        above = ink[max(0, top - leg // 2) : max(0, top - 1), between]
        if not inside.size or inside.mean() > _BARE or (above.size and above.mean() > _BARE):
            continue
        ends = [_end_of_leg(one) for one in legs]
        if min(ends) < leg:
            continue
        floor = ink[below + min(ends) - _FLOOR_PX : below + min(ends) + _FLOOR_PX, between].any(axis=0)
        if floor.mean() > _SURE:  # a cell of the grid, or a box
            continue
        pulses.append(
            Pulse(
                x=left / MAP_PX_PER_MM,
                end_x=(right + 1) / MAP_PX_PER_MM,
                base_y=(below + min(ends)) / MAP_PX_PER_MM,
                height=min(ends) / MAP_PX_PER_MM,  # the foot's line in place of the roof's
                width=(right - left - height / 2) / MAP_PX_PER_MM,
            )
        )
    if len(pulses) > _MOST_OF_LEADS * max(1, len(leads)):
        return []  # what is more than one to a lead is the grid's
    pulses = [_to_lowest_roof(pulse, np.array(roofs)) for pulse in pulses]
    found = [_as_high_as_others(pulse, pulses) for pulse in pulses]
    most = _most_alike(found)
    return most if 2 * len(most) > len(found) else found


def whole_or_shown(by_form: Sequence[Pulse], shown: Sequence[Pulse]) -> tuple[list[Pulse], bool]:
    """
    Choose between pulses found by their form and those that the maps show; tell whether by form.

    What lines of the grid cut out of a pulse has its form, too: then the maps show more pulses, all alike and
    higher.

    Parameters
    ----------
    by_form, shown : sequence of Pulse
        Of `whole_pulses` and `find_pulses`.
    """
    most = _most_alike(shown)
    if by_form and len(most) >= max(2, len(by_form)) and all(_fits(one.height) for one in most):
        if min(one.height for one in most) > max(one.height for one in by_form):
            return most, False
    return list(by_form or shown), bool(by_form)


def _most_alike(pulses: Sequence[Pulse]) -> list[Pulse]:
    """Return the most pulses that are as high as one of them."""
    alike = [[one for one in pulses if abs(one.height / own.height - 1) <= _TOLERANCE] for own in pulses]
    return max(alike, key=len, default=[])


def _end_of_leg(inked: NDArray[np.bool_]) -> int:
    """Return how far ink goes on from the first px, but for gaps of a pixel or two."""
    at = np.flatnonzero(inked)
    if not len(at) or at[0] > _LEG_GAP_PX:
        return 0
    gaps = np.flatnonzero(np.diff(at) > _LEG_GAP_PX + 1)
    return int(at[gaps[0] if len(gaps) else -1]) + 1


def _to_lowest_roof(pulse: Pulse, roofs: FloatArray) -> Pulse:
    """
    Return a pulse as high as the lowest is whose legs its own go on in.

    Parameters
    ----------
    pulse : Pulse
    roofs : ndarray of float, shape (n, 3)
        Left, right and lower edge of each, in mm; of pulses, and of what was not taken for one.
    """
    own_top = pulse.base_y - pulse.height
    # One is wider by the feet of the pulse above, where these touch it.
    same = (roofs[:, 0] <= pulse.x + _ROOF_MM / 2) & (roofs[:, 1] >= pulse.end_x - _ROOF_MM / 2)
    reached = roofs[same & (roofs[:, 2] >= own_top) & (roofs[:, 2] <= pulse.base_y - _LEG_MM), 2]
    height = pulse.base_y - float(reached.max(initial=own_top))
    return replace(pulse, base_y=own_top + height, height=height)


def _as_high_as_others(pulse: Pulse, pulses: Sequence[Pulse]) -> Pulse:
    """Return a pulse as high as those are that stand above and below it."""
    own = [one.height for one in pulses if abs(one.x - pulse.x) <= _BELOW_MM]
    height = float(np.percentile(own, _LOW))
    return replace(pulse, base_y=pulse.base_y - pulse.height + height, height=height)


def to_zero_lines(
    pulses: Sequence[Pulse], zero_lines_mm: Sequence[float], least_of_height: float = 0.0
) -> list[Pulse]:
    """
    Measure pulses from their top to the zero line that they stand on, where this is a gain of recorders.

    Of a pulse that waves of its row or the pulse above touch, the lower part may be missing; its top is not.
    Where rows are close, a top may lie over several zero lines: the gain that fits most pulses counts.

    Parameters
    ----------
    pulses : sequence of Pulse
        In mm.
    zero_lines_mm : sequence of float
        Of the rows.
    least_of_height : float, optional
        Of its height as it was found, that much a pulse has at least: `AT_LEAST` for those of `whole_pulses`.

    Returns
    -------
    list of Pulse
        Those that fit, with their heights; none where fewer than half of them fit any gain.
    """
    best: list[Pulse] = []
    usual = [gain for gain in GAINS_MM_PER_MV if gain <= _HIGHEST_MM]
    for gain in sorted(usual, key=lambda value: abs(value - GAIN_MM_PER_MV)):
        fitting = []
        for pulse in pulses:
            top = pulse.base_y - pulse.height
            fits = [zero - top for zero in zero_lines_mm if abs(zero - top - gain) <= _ZERO_MM]
            if gain < least_of_height * pulse.height or pulse.height < _PART * gain:
                continue
            if fits:
                fitting.append(replace(pulse, height=min(fits, key=lambda height: abs(height - gain))))
        if len(fitting) > len(best):
            best = fitting
    return best if 2 * len(best) >= len(pulses) else []


def whole(pulses: Sequence[Pulse]) -> list[Pulse]:
    """
    Return the pulses that were found whole.

    All pulses of a page are alike. Of one that a wave or a stain crosses a part is found, and a part is lower
    or narrower than the whole, never higher or wider: the highest that are not alone count, and of these the
    widest.
    """
    for side in ("height", "width"):
        sizes = np.array([getattr(pulse, side) for pulse in pulses])
        for largest in sorted(sizes, reverse=True):
            alike = np.abs(sizes - largest) <= _TOLERANCE * largest
            if len(pulses) >= _SEVERAL and alike.sum() > 1:
                pulses = [pulse for pulse, is_whole in zip(pulses, alike, strict=True) if is_whole]
                break
    return list(pulses)


def calibrate(
    sheet: Sheet,
    pulses_mm: Sequence[Pulse],
    given: PaperChoice,
    text: str = "",
    zero_lines_mm: Sequence[float] = (),
    least_of_height: float = 0.0,
) -> Calibrated:
    """
    Decide on speed and gain, as on a page of vectors (`vector.calibration.find_calibration`).

    Parameters
    ----------
    sheet : Sheet
    pulses_mm : sequence of Pulse
        As `find_pulses` found them.
    given : PaperChoice
    text : str, optional
        What is printed on the page of speed and gain.
    zero_lines_mm : sequence of float, optional
        Of the rows.
    least_of_height : float, optional
        As of `to_zero_lines`.

    Returns
    -------
    (Calibration, list of str, list of str)
        In px of the sheet; with doubts and notes. The sheet itself tells where no grid confirms its scale.
    """
    in_mm = PaperScale(1.0, 1.0, sheet.scale_from, confirmed=True)
    pulses = whole(pulses_mm)
    are_gains = bool(pulses) and all(_fits(pulse.height) for pulse in pulses)
    # One that was found by its form has two whole legs: zero lines of a page that is turned lie elsewhere.
    if not are_gains or (len(pulses) < _SEVERAL and not least_of_height):
        pulses = whole(to_zero_lines(pulses_mm, zero_lines_mm, least_of_height)) or pulses
    found, doubts, notes = find_calibration(in_mm, text, pulses, given, _TOLERANCE, _SPEEDS_MM_PER_S)
    if found.speed_from == "pulse" and "text" in found.gain_from:
        # Recorders print both; a pulse of 0.1 s at 50 mm/s is as wide as one of 0.2 s at 25 mm/s.
        doubts.append(
            "the gain is printed, but no speed could be read beside it: "
            f"{found.speed_mm_per_s:g} mm/s is what the width of the pulse tells"
        )
    twice = 2 * PAPER_SPEED_MM_PER_S
    if found.speed_from == ASSUMED and are_gains and len(pulses) > 1 and all(map(_is_too_wide, pulses_mm)):
        told = f"{twice:g} mm/s was taken: the pulse is wider than any at {PAPER_SPEED_MM_PER_S:g} mm/s"
        doubts = [f"{_NO_SPEED}; {told}" if doubt.startswith(_NO_SPEED) else doubt for doubt in doubts]
        found = replace(found, speed_mm_per_s=twice, speed_from="pulse")
    return replace(found, per_mm_x=sheet.px_per_mm_x, per_mm_y=sheet.px_per_mm_y), doubts, notes


def _is_too_wide(pulse: Pulse) -> bool:
    """Tell whether a pulse is wider than one at the usual speed, and not wider than one at twice that."""
    usual_mm = _PULSE_S * PAPER_SPEED_MM_PER_S
    return _TOO_WIDE * usual_mm < pulse.width <= (1 + _TOLERANCE) * 2 * usual_mm


def at_double_speed(calibrated: Calibrated, leads: Sequence[RecordedLead]) -> Calibrated | None:
    """
    Take twice the usual speed where nothing on the page tells it and no heart beats as at the usual one.

    Parameters
    ----------
    calibrated : Calibrated
        What the leads were read with.
    leads : sequence of RecordedLead

    Returns
    -------
    Calibrated or None
        None where the speed is told, or plausible.
    """
    found, doubts, notes = calibrated
    beats = _half_pace(leads) if found.speed_from == ASSUMED else ""
    if not beats:
        return None
    twice = 2 * PAPER_SPEED_MM_PER_S
    told = f"{_NO_SPEED}; {twice:g} mm/s was taken: at {PAPER_SPEED_MM_PER_S:g} mm/s the heart {beats}"
    others = [doubt for doubt in doubts if not doubt.startswith(_NO_SPEED)]
    return replace(found, speed_mm_per_s=twice), [*others, told], notes


def half_pace_doubt(calibration: Calibration, leads: Sequence[RecordedLead]) -> str:
    """
    Doubt 25 mm/s that pulses alone tell where no heart beats so; empty where nothing speaks against it.

    Some recorders print a pulse of 0.1 s, which at 50 mm/s is as wide as the usual one at 25 mm/s.

    Parameters
    ----------
    calibration : Calibration
    leads : sequence of RecordedLead
    """
    speed = PAPER_SPEED_MM_PER_S
    told = calibration.speed_from == "pulse" and calibration.speed_mm_per_s == speed
    beats = _half_pace(leads) if told else ""
    if not beats:
        return ""
    return (
        f"the pulse tells {speed:g} mm/s, at which the heart {beats}: pass speed= if it is {2 * speed:g} mm/s"
    )


def _half_pace(leads: Sequence[RecordedLead]) -> str:
    """Say how the heart would beat, where that is what one shows at half of its speed; else empty."""
    if not leads:
        return ""
    beats = pace([lead.signal.amplitude_mv for lead in leads], leads[0].signal.fs_hz)
    if beats is None or not beats.is_half:
        return ""
    return f"would beat {beats.rate_bpm:.0f} times a minute, {beats.qrs_s * 1000:.0f} ms long each"


def _fits(height_mm: float) -> bool:
    """Tell whether a pulse is as high as a gain of recorders lets it be."""
    return any(abs(height_mm / gain - 1) <= _TOLERANCE for gain in GAINS_MM_PER_MV)
