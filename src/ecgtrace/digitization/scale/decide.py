"""
The scale from the rulings of both axes: which readings of their lines go together and are plausible.

A spacing may be 1 mm or 5 mm; where both families of lines are seen, they tell. Else a reading has to make
sense: pixels are square or those of a fax, a lead lasts some seconds, its crop is some centimetres high, and
traces and lines are a fraction of a millimetre wide. What is assumed is said.
"""

from dataclasses import dataclass, replace

import numpy as np

from ecgtrace.digitization.scale.profile import Profile
from ecgtrace.digitization.scale.ruling import Ruling, contradicts, find_near, find_rulings
from ecgtrace.types import GridScale
from ecgtrace.units import LARGE_SQUARE_MM, px_to_s

# Penalties, in units of a log likelihood; by eye on the crops of scripts/check_scale.py with seed=0.
_NOT_QUITE_SQUARE = 2.0
_FAX = 3.0
_ODD_RATIO = 6.0
_FEW = 1.0
_UNEXPLAINED = 6.0  # of what is explained best
_IGNORED = 6.0  # lines of one axis that are taken for none
_IGNORED_POOR = 4.0
_GOOD_PERSISTENCE = 0.85
_CLEAR = 0.4  # share of the profile that lines have to explain
_TOLD = 5.0  # two families of lines are seen
_NOT_TOLD = 2.0  # and would be taken for one
_LEAST_WEIGHT = -10.0  # below it a reading makes no sense
_LEAST_WEIGHT_ALONE = -9.5  # of one family along one axis
_LEAST_WEIGHT_FEW = -7.5  # of a few lines: beats have -8 and less
_HOPELESS = 8.0  # less likely than the best, before the other axis is asked
_EXPECTED_LINES = 8  # from which on it is odd to see none
_EXACT = 0.01  # standard error
_OTHER_SCALE = 0.05
_SQUARE = 0.05  # scanners and printers stretch paper by less
_NEAR_SQUARE = 0.3
_FAX_RATIO = 2.05  # 204 x 98 dpi (ITU-T T.4, standard resolution) and 2 : 1
_MAX_RATIO = 2.6
_FEW_LINES = 5
# Ranges that a lead usually keeps to: geometric middle and standard deviation of its logarithm.
_MOST = 12.0  # however far beyond
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
    """What else the picture tells: its size and the width of its stroke, where one is seen."""

    width_px: int
    height_px: int
    stroke_px: float | None


@dataclass
class _Reading:
    """
    One way to read the lines.

    `own` is the ruling that was read first, `mm` what its spacing is taken for, `told` whether two families
    of lines tell so; `weight` is the logarithm of how likely all this is.
    """

    own: Ruling
    rulings: tuple[Ruling | None, Ruling | None]
    scales: tuple[float, float]
    mm: float
    told: bool
    weight: float

    @property
    def seen(self) -> list[Ruling]:
        """The rulings of the axes that have one."""
        return [ruling for ruling in self.rulings if ruling is not None]


def decide(profiles: tuple[Profile, Profile], look: Look, min_px: float, max_px: float) -> GridScale | None:
    """
    Find the scale of both axes: that of the clearer one, then that of the other beside it.

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
    found = [find_rulings(profile, min_px, LARGE_SQUARE_MM * max_px) for profile in profiles]
    strongest = [max(some, key=lambda r: r.persistence * r.n_lines) if some else None for some in found]
    for axis in sorted((0, 1), key=lambda axis: -_clearness(found[axis])):
        readings = _readings(
            found[axis], profiles[1 - axis], strongest[1 - axis], axis, look, (min_px, max_px)
        )
        best = max(readings, key=lambda reading: reading.weight, default=None)
        if best is None:
            continue
        # One family along one axis could be the beats of a trace: then every line must be whole.
        least = _LEAST_WEIGHT_ALONE if best.own.many else _LEAST_WEIGHT_FEW
        if len(best.seen) == 1 and not best.told and not (best.own.whole and best.weight > least):
            continue
        return _scale(best, look, profiles, *_certainty(readings, best, look))
    return None


def _clearness(rulings: list[Ruling]) -> float:
    """How well an axis can be measured."""
    return max((r.persistence * r.explained * r.n_lines * (2 if r.mm else 1) for r in rulings), default=0.0)


def _readings(
    rulings: list[Ruling],
    profile: Profile,
    strongest: Ruling | None,
    axis: int,
    look: Look,
    limits_px: tuple[float, float],
) -> list[_Reading]:
    """List what the lines of one axis may be, and with each those of the other axis."""
    most = max((own.explained for own in rulings), default=0.0)
    alone = []
    for own in rulings:
        for mm in (1.0, LARGE_SQUARE_MM):
            px = own.spacing_px / mm
            if limits_px[0] <= px <= limits_px[1]:
                told = _TOLD if own.mm == mm else -_NOT_TOLD if own.mm else 0.0
                weight = told - _UNEXPLAINED * (1 - own.explained / most)
                alone.append((weight - _implausible((own, None), (px, px), look), weight, own, mm, px))
    likely = max((first for first, *_ in alone), default=0.0) - _HOPELESS
    readings = []
    for first, weight, own, mm, px in alone:
        if first < likely:
            continue
        for other, cost in _beside(profile, strongest, px):
            other_px = px if other is None or other.mm is None else other.spacing_px / other.mm
            if not limits_px[0] / _MAX_RATIO <= other_px <= limits_px[1]:
                continue
            pair: tuple[Ruling | None, Ruling | None] = (own, other) if axis == 0 else (other, own)
            scales = (px, other_px) if axis == 0 else (other_px, px)
            left = weight - cost - _implausible(pair, scales, look)
            readings.append(_Reading(own, pair, scales, mm, own.mm == mm, left))
    return readings


def _beside(profile: Profile, found: Ruling | None, px_per_mm: float) -> list[tuple[Ruling | None, float]]:
    """
    List what the lines of the other axis may be, and how odd each is.

    `found` is what stands out there by itself. Lines of the same scale are nearly always there; those of a
    fax sometimes; of any other scale only where they stand out.
    """
    strong = found is not None and found.persistence > _GOOD_PERSISTENCE and found.n_lines >= _FEW_LINES
    square = find_near(profile, px_per_mm)
    options: list[tuple[Ruling | None, float]] = [(None, _IGNORED if strong else _IGNORED_POOR)]
    most = max(ruling.explained for ruling in (found, square) if ruling) if found or square else 1.0
    if square is not None:
        options.append((square, _UNEXPLAINED * (1 - square.explained / most)))
        if square.persistence > _GOOD_PERSISTENCE and square.n_lines >= _FEW_LINES:
            return options
    for ratio in (_FAX_RATIO, 1 / _FAX_RATIO):
        fax = find_near(profile, px_per_mm * ratio)
        if fax is not None and fax.persistence > _GOOD_PERSISTENCE and fax.explained > _CLEAR:
            few = _FEW if fax.n_lines < _FEW_LINES else 0.0
            options.append((fax, _FAX + few + _UNEXPLAINED * max(0.0, 1 - fax.explained / most)))
    if found is not None and strong:
        for mm in (1.0, LARGE_SQUARE_MM) if found.mm is None else (found.mm,):
            off = abs(np.log(found.spacing_px / mm / px_per_mm))
            if off < np.log(_MAX_RATIO):
                options.append(
                    (replace(found, mm=mm), _NOT_QUITE_SQUARE if off < _NEAR_SQUARE else _ODD_RATIO)
                )
    return options


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
    return min(0.5 * float(np.log(value / limit) / spread) ** 2, _MOST)


def _certainty(readings: list[_Reading], best: _Reading, look: Look) -> tuple[float, list[str], list[str]]:
    """Return how sure the best reading is, what it assumes, and the doubts that are left."""
    other = [r.weight for r in readings if abs(np.log(r.scales[0] / best.scales[0])) > _OTHER_SCALE]
    rest = float(np.exp(np.asarray(other) - best.weight).sum()) if other else 0.0
    probability = 1 / (1 + rest)
    duration_s = px_to_s(look.width_px, best.scales[0])
    assumptions, doubts = [], []
    if not best.told:
        else_s = duration_s * (5 if best.mm == LARGE_SQUARE_MM else 0.2)
        assumptions.append(
            f"lines evenly ruled, taken for {best.mm:g} mm apart: the picture shows {duration_s:.1f} s, "
            f"else {else_s:.1f} s"
        )
    if probability < _SURE:
        doubts.append(
            f"the grid can be read in more than one way, this one with probability {probability:.2f}"
        )
    if len(best.seen) == 1 and not best.told and not best.own.many:
        doubts.append(f"the scale rests on {best.own.n_lines} lines along one axis")
    if best.weight < _LEAST_WEIGHT:
        doubts.append(
            f"the scale is not that of a lead: {duration_s:.1f} s long, "
            f"{look.height_px / best.scales[1]:.0f} mm high"
        )
    return (1.0 if best.told else 0.9) * probability, assumptions, doubts


def _scale(
    best: _Reading,
    look: Look,
    profiles: tuple[Profile, Profile],
    certainty: float,
    assumptions: list[str],
    doubts: list[str],
) -> GridScale:
    """Pool the scales of both axes where they are one, and say what they rest on."""
    seen, scales = best.seen, best.scales
    confidence = certainty * min(ruling.present for ruling in seen)
    if len(seen) == 1:
        confidence *= 0.8
        axis = 0 if best.rulings[0] is None else 1
        kind, length_px = (("vertical", look.width_px), ("horizontal", look.height_px))[axis]
        assumptions.append(f"square pixels: too few {kind} lines to measure")
        spacing_px = scales[0] * (LARGE_SQUARE_MM if best.told else best.mm)
        small_px = min(spacing_px, best.own.spacing_px)
        expected = int(length_px / small_px)
        if contradicts(profiles[axis], spacing_px):
            doubts.append(f"the few {kind} lines are not where square pixels would have them")
        elif expected > _EXPECTED_LINES:
            doubts.append(f"{expected} {kind} lines were expected, and none are seen")
    else:
        scales = _pooled(scales, (seen[0], seen[1]))
        if abs(np.log(scales[0] / scales[1])) > _SQUARE:
            assumptions.append(f"pixels are not square: {scales[0]:.2f} x {scales[1]:.2f} px per mm")
            poorer = max(seen, key=lambda ruling: ruling.error)
            if poorer.error > _EXACT:
                doubts.append(
                    f"pixels are not square by {poorer.n_lines} lines, which tell it to some percent"
                )
    lines = [tuple(float(v) for v in r.positions_px) if r is not None else () for r in best.rulings]
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


def _pooled(scales: tuple[float, float], rulings: tuple[Ruling, Ruling]) -> tuple[float, float]:
    """
    Take one scale for both axes where their errors do not contradict it.

    Lines of both lie as exactly as each other, so that an axis counts by their number and by the square of
    the length that they span.
    """
    off = abs(np.log(scales[0] / scales[1]))
    if off > _CONSISTENT * np.hypot(rulings[0].error, rulings[1].error) or off > _SQUARE:
        return scales
    weights = [r.n_lines * float(np.ptp(r.positions_px)) ** 2 for r in rulings]
    pooled = float(np.exp(np.average(np.log(scales), weights=weights)))
    return pooled, pooled
