"""The ruling of one axis: its comb of lines, followed and measured, and which family it is."""

from dataclasses import dataclass, replace

import numpy as np

from ecgtrace.digitization.scale.comb import (
    candidate_periods,
    fit_lines,
    line_contrasts,
    persistence,
    phase_of,
)
from ecgtrace.digitization.scale.families import MINOR_PER_MAJOR, has_major_lines, has_minor_lines
from ecgtrace.digitization.scale.profile import Profile
from ecgtrace.types import FloatArray
from ecgtrace.units import LARGE_SQUARE_MM

MIN_LINES = 4
_SAME = 0.02  # in log spacing
_MIN_CONTRAST = 1.0  # grey levels; JPEG blocks without any grid stay below it
_MIN_EXPLAINED = 0.2  # share of the profile's variance, see tests for what noise reaches
_MIN_PRESENT = 0.7  # share of the expected lines that are seen
_MIN_PERSISTENCE = 0.75  # noise gives 0.5 to 0.65, a grid 0.8 and more
_WHOLE_PERSISTENCE = 0.95  # a trace reaches 0.9
_WHOLE_EXPLAINED = 0.4
_MANY_LINES = 10
_PARTS = (2, 3, 4)  # a comb of 2, 3, 4, 6, 8 or 9 mm is one of 1 mm with lines left out
_LEAST_SPACING_PX = 2.4
_MIN_BETWEEN = 0.3  # grey levels
_ALIKE = 0.3  # of the contrast of other lines of the family
_MAX_ERROR = 0.02  # above it a spacing proves nothing, not even that pixels are not square
_OFF_PLACE = 0.05  # of the spacing
_KNOWN = 0.3  # share of strips without ink
_AROUND_SCALE = 1.08


@dataclass(frozen=True, eq=False)
class Ruling:
    """
    Equally spaced lines along one axis.

    Attributes
    ----------
    spacing_px : float
        Between neighbouring lines of the family that is followed, along the axis of the picture.
    error : float
        Standard error of the spacing, as a share of it.
    positions_px : ndarray of float
    present : float
        Share of expected lines that were seen.
    explained : float
        Share of the profile's variance.
    persistence : float
        Share of strips in which a line is there.
    line_px : float
        Width of the lines.
    contrast : float
        Darkness of the lines above the paper between them, in grey levels.
    mm : float or None
        What the spacing is in mm: 1, 5, or not decided, where one family alone is seen.
    """

    spacing_px: float
    error: float
    positions_px: FloatArray
    present: float
    explained: float
    persistence: float
    line_px: float
    contrast: float
    mm: float | None

    @property
    def whole(self) -> bool:
        """Tell whether the lines go from edge to edge and are all there is: beats are not so."""
        return self.persistence >= _WHOLE_PERSISTENCE and (self.explained >= _WHOLE_EXPLAINED or self.many)

    @property
    def many(self) -> bool:
        """Tell whether there are more lines than a crop usually shows beats."""
        return self.n_lines >= _MANY_LINES

    @property
    def n_lines(self) -> int:
        """Number of lines that the spacing rests on."""
        return len(self.positions_px)


def find_rulings(profile: Profile, min_period_px: float, max_period_px: float) -> list[Ruling]:
    """
    Find the families of equally spaced lines that a profile may show.

    Parameters
    ----------
    profile : Profile
    min_period_px, max_period_px : float

    Returns
    -------
    list of Ruling
        Likely ones first; empty where none stands out.
    """
    found: list[Ruling] = []
    for period, explained in candidate_periods(profile.evened, min_period_px, max_period_px):
        if explained < _MIN_EXPLAINED or any(_is_told_by(period * profile.stretch, finer) for finer in found):
            continue
        ruling = _follow(profile, period, explained)
        if ruling is None or ruling.n_lines < MIN_LINES or ruling.spacing_px < min_period_px:
            continue
        if all(abs(np.log(ruling.spacing_px / other.spacing_px)) > _SAME for other in found):
            found.append(ruling)
    return [ruling for ruling in found if not any(_left_out(ruling, finer) for finer in found)]


def _left_out(ruling: Ruling, finer: Ruling) -> bool:
    """Tell whether a ruling is another one of which lines are left out; each fifth line may be a family."""
    times = round(ruling.spacing_px / finer.spacing_px)
    if times < 2 or (times == MINOR_PER_MAJOR and finer.mm is None):
        return False
    return abs(ruling.spacing_px / finer.spacing_px / times - 1) < _SAME


def _is_told_by(spacing_px: float, finer: Ruling) -> bool:
    """Tell whether a spacing is some millimetres of a ruling whose two families are seen."""
    times = round(spacing_px / finer.spacing_px)
    return finer.mm == 1.0 and times > 0 and abs(spacing_px / finer.spacing_px / times - 1) < _SAME


def find_near(profile: Profile, px_per_mm: float) -> Ruling | None:
    """
    Look for lines of a scale that is nearly known.

    Parameters
    ----------
    profile : Profile
    px_per_mm : float

    Returns
    -------
    Ruling or None
        With `mm`; None where there are too few lines for a spacing that would tell anything, or more
        than those of this scale.
    """
    best: Ruling | None = None
    for mm in (LARGE_SQUARE_MM, 1.0):
        low, high = (px_per_mm * mm / profile.stretch * f for f in (1 / _AROUND_SCALE, _AROUND_SCALE))
        candidates = candidate_periods(profile.evened, low, high, 1)
        period, explained = candidates[0] if candidates else (np.nan, 0.0)
        found = _follow(profile, period, explained, 2) if explained >= _MIN_EXPLAINED else None
        if found is None or found.error > _MAX_ERROR:
            continue
        for mm_found in (1.0, LARGE_SQUARE_MM):
            if abs(np.log(found.spacing_px / mm_found / px_per_mm)) > np.log(_AROUND_SCALE):
                continue
            if best is None or found.error < best.error:
                best = replace(found, mm=mm_found)
    return best


def contradicts(profile: Profile, spacing_px: float) -> bool:
    """
    Tell whether lines are missing beside the strongest one: too few to measure may be enough to contradict.

    Parameters
    ----------
    profile : Profile
    spacing_px : float
        Distance of the strong lines, as it is assumed.

    Returns
    -------
    bool
    """
    spacing, n = spacing_px / profile.stretch, len(profile.darkness)
    at = int(np.argmax(profile.darkness))
    height = float(profile.darkness[at])
    if height < _MIN_CONTRAST or persistence(profile.strips, at, 2.0 * n, spacing / 4) < _WHOLE_PERSISTENCE:
        return False
    reach = int(_OFF_PLACE * spacing) + 1
    for k in range(-int(at / spacing), int((n - 1 - at) / spacing) + 1):
        place = round(at + k * spacing)
        near = slice(max(place - reach, 0), place + reach + 1)
        inside = reach <= place < n - reach
        if not k or not inside or np.isfinite(profile.strips[:, near]).mean() < _KNOWN:
            continue
        if profile.darkness[near].max() < _ALIKE * height:
            return True
    return False


def _follow(
    profile: Profile, period_px: float, explained: float, fewest: int = MIN_LINES - 1
) -> Ruling | None:
    """Follow the lines of one period, and decide from both families what the period is in mm."""
    start = phase_of(profile.evened, period_px)
    first, spacing, error, positions, present = fit_lines(profile.evened, start, period_px)
    if len(positions) < fewest or present < _MIN_PRESENT:
        return None
    _, contrasts = line_contrasts(profile.darkness, first, spacing)
    if len(contrasts) < fewest - 1 or np.median(contrasts) < _MIN_CONTRAST or _alternates(contrasts):
        return None
    lasting = persistence(profile.strips, first, spacing)
    if lasting < _MIN_PERSISTENCE:
        return None
    for part in _PARTS:
        if _lasts_between(profile, first, spacing, part):
            finer = _follow(profile, spacing / part, explained, fewest)
            if finer is not None:
                return finer
    mm: float | None = None
    if has_major_lines(profile.colour, first, spacing):
        mm = 1.0
    elif has_minor_lines(profile.darkness, first, spacing) and _lasts_between(
        profile, first, spacing, MINOR_PER_MAJOR
    ):
        mm = LARGE_SQUARE_MM
        minor = fit_lines(profile.evened, first, spacing / MINOR_PER_MAJOR)
        if minor[4] >= _MIN_PRESENT and minor[2] < error:  # more lines, so more exact
            first, spacing, error, positions, present = minor
            mm = 1.0
    middle = (len(profile.darkness) - 1) / 2
    return Ruling(
        spacing_px=spacing * profile.stretch,
        error=error,
        positions_px=middle + (positions - middle) * profile.stretch,
        present=present,
        explained=explained,
        persistence=lasting,
        line_px=_line_width(profile.darkness, first, spacing),
        contrast=float(np.median(contrasts)),
        mm=mm,
    )


def _lasts_between(profile: Profile, first_px: float, spacing_px: float, part: int) -> bool:
    """Tell whether there are lines from edge to edge at the parts between the lines given, too."""
    finer = spacing_px / part
    if finer < _LEAST_SPACING_PX:
        return False
    inner = range(1, part) if part < 4 else range(2, part - 1)  # others may lie in the blur of strong lines
    _, given = line_contrasts(profile.darkness, first_px, spacing_px)
    least = _MIN_BETWEEN if part == MINOR_PER_MAJOR else max(_MIN_BETWEEN, _ALIKE * float(np.median(given)))
    for k in inner:
        numbers, contrasts = line_contrasts(profile.darkness, first_px + k * finer, finer)
        own = contrasts[numbers % part == 0]
        if len(own) < 2 or np.median(own) < least:
            return False
        if persistence(profile.strips, first_px + k * finer, spacing_px, finer) < _MIN_PERSISTENCE:
            return False
    return True


def _alternates(contrasts: FloatArray) -> bool:
    """Tell whether every second or third line is hardly there: then the lines are farther apart."""
    for part in (2, 3):
        groups = (
            [float(np.median(contrasts[k::part])) for k in range(part)] if len(contrasts) >= 3 * part else []
        )
        if groups and min(groups) < _ALIKE * max(groups):
            return True
    return False


def _line_width(darkness: FloatArray, first_px: float, spacing_px: float) -> float:
    """Width of the mean line at half its height, in px."""
    n = len(darkness)
    numbers = np.arange(np.ceil(-first_px / spacing_px) + 1, np.floor((n - 1 - first_px) / spacing_px))
    if not len(numbers):
        return spacing_px / 2
    offset = np.linspace(-0.5, 0.5, 101) * spacing_px
    at = first_px + numbers[:, None] * spacing_px + offset
    mean = np.interp(at, np.arange(n), darkness).mean(axis=0)
    low = float(np.quantile(mean, 0.1))
    return float((mean > (low + mean[45:56].max()) / 2).mean() * spacing_px)
