"""
The scale from the rulings of both axes: which readings of their lines go together and are plausible.

A spacing may be 1 mm or 5 mm; where both families of lines are seen, they tell. Else a reading has to make
sense: pixels are square or those of a fax, a lead lasts some seconds, its crop is some centimetres high, and
traces and lines are a fraction of a millimetre wide. What is assumed is said.
"""

from dataclasses import dataclass

import numpy as np

from ecgtrace.digitization.scale.profile import Profile
from ecgtrace.digitization.scale.ruling import MIN_LINES, Ruling, find_near, find_ruling
from ecgtrace.types import GridScale
from ecgtrace.units import LARGE_SQUARE_MM, px_to_s

# Logarithmic penalties, in units of a log likelihood.
_NOT_QUITE_SQUARE = 2.0
_FAX = 3.0
_ODD_RATIO = 6.0
_IGNORED = 6.0  # lines of one axis that are taken for none
_IGNORED_POOR = 1.0
_GOOD_PERSISTENCE = 0.85
_LIKE_INK = 0.4  # contrast of lines, as a share of the ink's, from which on they may be beats
_SQUARE = 0.05  # scanners and printers stretch paper by less
_NEAR_SQUARE = 0.3
_FAX_RATIO, _FAX_SPREAD = 2.05, 0.06  # 204 x 98 dpi (ITU-T T.4, standard resolution) and 2 : 1
_MAX_RATIO = 2.6
_FEW_LINES = 5
# Ranges that a lead usually keeps to: geometric middle and standard deviation of its logarithm.
_DURATION_S = (1.0, 12.6)  # 2.5 to 10 s, with what a hand cuts around it and a pulse
_DURATION_SPREAD = (0.25, 0.08)
_HEIGHT_MM = (25.0, 0.6)
_STROKE_MM = (0.33, 0.6)  # 0.1 to 1 mm
_LINE_MM = (0.18, 0.6)
_PX_PER_MM = (3.5, 26.0)  # 90 to 660 dpi
_PX_PER_MM_SPREAD = (0.2, 0.5)
_SURE = 0.95  # probability from which on a reading is no doubt
_CONSISTENT = 3.0  # standard errors


@dataclass(frozen=True)
class Look:
    """What else the picture tells: its size, and width and darkness of its stroke, where one is seen."""

    width_px: int
    height_px: int
    stroke_px: float | None
    ink_darkness: float


@dataclass(frozen=True)
class _Reading:
    """One way to read the lines of both axes; `mm` None where those of an axis are left out."""

    mm: tuple[float | None, float | None]
    scales: tuple[float, float]
    weight: float


def decide(profiles: tuple[Profile, Profile], look: Look, min_px: float, max_px: float) -> GridScale | None:
    """
    Find the scale of both axes.

    Parameters
    ----------
    profiles : tuple of Profile
        Across the vertical lines, across the horizontal ones.
    look : Look
    min_px, max_px : float
        Range of px per mm.

    Returns
    -------
    GridScale or None
        None where no ruling stands out.
    """
    found = [find_ruling(profile, min_px, LARGE_SQUARE_MM * max_px) for profile in profiles]
    rulings = tuple(r if r is not None and r.n_lines >= MIN_LINES else None for r in found)
    readings = _readings((rulings[0], rulings[1]), look, min_px, max_px)
    if not readings:
        return None
    best = max(readings, key=lambda reading: reading.weight)
    used = [ruling if mm is not None else None for ruling, mm in zip(rulings, best.mm, strict=True)]
    seen = [ruling for ruling in used if ruling is not None]
    told = any(ruling.mm is not None for ruling in seen)
    if len(seen) == 1:
        axis = 0 if used[0] is not None else 1
        used[1 - axis] = find_near(profiles[1 - axis], best.scales[axis])
        # One family along one axis could be the beats of a trace: then every line must be whole.
        like_ink = seen[0].contrast > _LIKE_INK * look.ink_darkness > 0
        if used[1 - axis] is None and not told and (like_ink or not seen[0].whole):
            return None
    certainty, assumptions, doubts = _certainty(readings, best, told, look)
    return _scale(used, best, certainty, assumptions, doubts)


def _readings(
    rulings: tuple[Ruling | None, Ruling | None], look: Look, min_px: float, max_px: float
) -> list[_Reading]:
    options = [(*ruling.readings_mm, None) if ruling else (None,) for ruling in rulings]
    readings = []
    for mm_x in options[0]:
        for mm_y in options[1]:
            scales = [
                ruling.spacing_px / mm if ruling and mm else None
                for ruling, mm in zip(rulings, (mm_x, mm_y), strict=True)
            ]
            x, y = scales[0] or scales[1], scales[1] or scales[0]
            if x is None or y is None or min(x, y) < min_px or max(x, y) > max_px:
                continue
            weight = -_odd(rulings, (scales[0], scales[1])) - _implausible(rulings, (x, y), look)
            if np.isfinite(weight):
                readings.append(_Reading((mm_x, mm_y), (x, y), weight))
    return readings


def _odd(rulings: tuple[Ruling | None, Ruling | None], scales: tuple[float | None, float | None]) -> float:
    """How odd the relation of both axes is."""
    x, y = rulings
    if scales[0] is None or scales[1] is None:
        left_out = x if scales[0] is None else y
        if left_out is None:
            return 0.0
        return _IGNORED if left_out.persistence > _GOOD_PERSISTENCE else _IGNORED_POOR
    assert x is not None and y is not None
    off = abs(np.log(scales[0] / scales[1]))
    if off < max(_SQUARE, _CONSISTENT * np.hypot(x.error, y.error)):
        return 0.0
    if off > np.log(_MAX_RATIO):
        return np.inf
    fax = abs(off - np.log(_FAX_RATIO)) < _FAX_SPREAD
    few = min(x.n_lines, y.n_lines) < _FEW_LINES
    if off < _NEAR_SQUARE:
        return np.inf if few else _NOT_QUITE_SQUARE
    if fax:
        return _FAX + few
    return np.inf if few else _ODD_RATIO


def _implausible(
    rulings: tuple[Ruling | None, Ruling | None], scales: tuple[float, float], look: Look
) -> float:
    """How far a reading is from what leads are like."""
    x, y = scales
    duration_s = px_to_s(look.width_px, x)
    cost = _beyond(duration_s, _DURATION_S, _DURATION_SPREAD)
    cost += _away(look.height_px / y, _HEIGHT_MM)
    cost += (_beyond(x, _PX_PER_MM, _PX_PER_MM_SPREAD) + _beyond(y, _PX_PER_MM, _PX_PER_MM_SPREAD)) / 2
    if look.stroke_px is not None:
        cost += _away(look.stroke_px / y, _STROKE_MM)
    widths = [ruling.line_px / px for ruling, px in zip(rulings, scales, strict=True) if ruling]
    return cost + float(np.mean([_away(width, _LINE_MM) for width in widths]))


def _away(value: float, usual: tuple[float, float]) -> float:
    middle, spread = usual
    return 0.5 * float(np.log(value / middle) / spread) ** 2


def _beyond(value: float, limits: tuple[float, float], spreads: tuple[float, float]) -> float:
    low, high = limits
    if low <= value <= high:
        return 0.0
    limit, spread = (low, spreads[0]) if value < low else (high, spreads[1])
    return 0.5 * float(np.log(value / limit) / spread) ** 2


def _certainty(
    readings: list[_Reading], best: _Reading, told: bool, look: Look
) -> tuple[float, list[str], list[str]]:
    """Return how sure the best reading is, what it assumes, and the doubts that are left."""
    other = [r.weight for r in readings if abs(np.log(r.scales[0] / best.scales[0])) > 1]
    rest = float(np.exp(np.asarray(other) - best.weight).sum()) if other else 0.0
    probability = 1 / (1 + rest)
    duration_s = px_to_s(look.width_px, best.scales[0])
    if told:
        return 1.0, [], []
    mm = next(mm for mm in best.mm if mm is not None)
    else_s = duration_s * (5 if mm == LARGE_SQUARE_MM else 0.2)
    assumed = (
        f"lines evenly ruled, taken for {mm:g} mm apart: the picture shows {duration_s:.1f} s, else {else_s:.1f} s"
    )
    doubts = []
    if probability < _SURE or not 0.8 * _DURATION_S[0] <= duration_s <= 1.1 * _DURATION_S[1]:
        doubts.append(f"lines evenly ruled: whether they are 1 mm or 5 mm apart is not sure ({assumed})")
    return 0.9 * probability, [assumed], doubts


def _scale(
    used: list[Ruling | None], best: _Reading, certainty: float, assumptions: list[str], doubts: list[str]
) -> GridScale:
    """Complete the scale of one axis by that of the other, or by the square."""
    scales, errors = list(best.scales), [np.inf, np.inf]
    for axis, (ruling, mm) in enumerate(zip(used, best.mm, strict=True)):
        if ruling is not None:
            scales[axis], errors[axis] = ruling.spacing_px / (mm or ruling.mm or 1.0), ruling.error
    seen = [axis for axis in (0, 1) if used[axis] is not None]
    confidence = certainty * min(ruling.present for ruling in used if ruling is not None)
    if len(seen) == 1:
        scales[1 - seen[0]] = scales[seen[0]]
        confidence *= 0.8
        kind = "horizontal" if seen[0] == 0 else "vertical"
        assumptions.append(f"square pixels: too few {kind} lines to measure")
    else:
        scales = _pooled(scales, errors)
        ratio = scales[0] / scales[1]
        if abs(np.log(ratio)) > _SQUARE:
            assumptions.append(f"pixels are not square: {scales[0]:.2f} x {scales[1]:.2f} px per mm")
            fewest = min(ruling.n_lines for ruling in used if ruling is not None)
            if fewest < _FEW_LINES:
                doubts.append(f"pixels would not be square, by {fewest} lines")
    lines = [tuple(float(v) for v in r.positions_px) if r is not None else () for r in used]
    return GridScale(
        px_per_mm_x=float(scales[0]),
        px_per_mm_y=float(scales[1]),
        confidence=float(np.clip(confidence, 0, 1)),
        square_assumed=len(seen) == 1,
        lines_x=lines[0],
        lines_y=lines[1],
        assumptions=tuple(assumptions),
        doubts=tuple(doubts),
    )


def _pooled(scales: list[float], errors: list[float]) -> list[float]:
    """Take one scale for both axes, weighted by their errors, where these do not contradict it."""
    off = abs(np.log(scales[0] / scales[1]))
    if off > _CONSISTENT * np.hypot(*errors) or off > _SQUARE:
        return scales
    weights = 1 / np.square(errors)
    pooled = float(np.exp(np.average(np.log(scales), weights=weights)))
    return [pooled, pooled]
