"""The grid of a page: read from its spectrum, then fitted to where its lines lie."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgtrace.sheet.darkness import Ground, ground_of
from ecgtrace.sheet.phase import Patches, measure
from ecgtrace.sheet.plane import Lattice, fit_plane, lattice_from
from ecgtrace.sheet.spacing import Spacing, find_spacings
from ecgtrace.sheet.spectrum import Rays, Spectra, find_rays, spectra_of
from ecgtrace.types import FloatArray

_COARSE_PX = 1600  # long side from which on a picture is halved, or more: A4 has 5.4 px per mm then
_FINE_PX_PER_MM = 5.0  # below it, lines 1 mm apart are no longer seen sharp
_READINGS = 3
_SECOND_CHOICE = 0.8  # of the patches agree
_NEARLY_UPRIGHT_DEG = 7.0  # as pages lie that were put on a scanner; rows of dashes slant by 11: 1 mm in 5
_SPARSER = 1.01  # times as far apart, at least, are the lines of a lattice as its slanting rows
_SAME = 0.1  # in the logarithm of a spacing
_ROUNDS = 3
_FULL_SIGNAL = 100.0
_AGREES_MM = 0.15
_FEWEST_PATCHES = 12
_LEAST_SEEN = 0.2  # of the patches around the lines
_LEAST_AGREEING = 0.5  # of those seen; shifts by chance agree in 0.3
_ISOLATED = 4.0  # times the power beside it
_ABOVE = 1.8  # the same, of lines 1 mm apart among stronger ones: 2.1 on the published pages
_LEAST_POWER = 1.0  # of the median patch, over noise
_LOW_SHARE = 0.5  # of the power of the strongest multiple that one of the first ten has
_MOST_OFF_MM = 0.5
_CHANCE_MM, _CHANCE_STRETCH = 0.12, 0.025  # photographs of crumpled paper: 0.21 mm, and at most 0.009


@dataclass(frozen=True, eq=False)
class Grid:
    """
    A grid that was found.

    Attributes
    ----------
    matrix : ndarray of float, shape (3, 3)
        From px of the source to mm, up to a factor.
    seen_mm : ndarray of float, shape (2, 2)
        Corners of the box in which its lines are seen.
    residual_mm : float
        Root mean square of how far lines lie off.
    agreeing : float
        Share of the patches that lie within 0.15 mm of where they should.
    small_lines, large_lines : bool
        Whether lines 1 mm apart, and stronger ones 5 mm apart, are seen.
    """

    matrix: FloatArray
    seen_mm: FloatArray
    residual_mm: float
    agreeing: float
    small_lines: bool
    large_lines: bool

    @property
    def slant_deg(self) -> float:
        """How far its lines are from upright and level, in [0, 45]."""
        turn = float(np.degrees(np.arctan2(self.matrix[1, 0], self.matrix[0, 0]))) % 90
        return min(turn, 90 - turn)

    @property
    def is_by_chance(self) -> bool:
        """
        Tell whether steep waves one below another, or dots, may look like this at an odd angle.

        Paper that lies askew is as long as it is wide all the same, and its lines lie where they should
        unless it is bent.
        """
        mm_per_px = np.linalg.norm(self.matrix[:2, :2], axis=1)
        stretch = abs(float(np.log(mm_per_px[0] / mm_per_px[1])))
        is_askew = self.slant_deg > _NEARLY_UPRIGHT_DEG
        return is_askew and self.residual_mm > _CHANCE_MM and stretch > _CHANCE_STRETCH

    @property
    def px_per_mm(self) -> float:
        """Of the source, about; where the lines are seen straight on."""
        return float(abs(np.linalg.det(self.matrix[:2, :2] / self.matrix[2, 2])) ** -0.5)


def find_grid(image: NDArray[np.uint8], known_px_per_mm: float | None = None) -> Grid | None:
    """
    Find the grid of a page, turned by any angle.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
        Dark lines on lighter paper.
    known_px_per_mm : float, optional

    Returns
    -------
    Grid or None
        None where no lines along both axes hold together over the page.
    """
    factor = max(1, max(image.shape[:2]) // _COARSE_PX)
    ground = ground_of(image, factor)
    if not ground.darkness.any():
        return None
    spectra = spectra_of(ground.darkness)
    known = None if known_px_per_mm is None else known_px_per_mm / factor
    found = _along(find_rays(spectra), image, ground, spectra, known)
    if found is not None and found.slant_deg <= _NEARLY_UPRIGHT_DEG:
        return found
    # Dots and dashes stand on a lattice of their own, whose slanting rows may look stronger than its lines.
    # They are closer: of squares those at 45 degrees by the root of two.
    upright = _along(find_rays(spectra, _NEARLY_UPRIGHT_DEG), image, ground, spectra, known)
    if upright is None or upright.agreeing <= _SECOND_CHOICE or upright.slant_deg > _NEARLY_UPRIGHT_DEG:
        return found
    return upright if found is None or upright.px_per_mm > _SPARSER * found.px_per_mm else found


def _along(
    rays: Rays, image: NDArray[np.uint8], ground: Ground, spectra: Spectra, known: float | None
) -> Grid | None:
    """Find the grid whose lines run across two rays."""
    readings = find_spacings(rays, max(ground.darkness.shape), known)[:_READINGS]
    for spacing in readings:
        lattice = lattice_from(spectra, rays, spacing)
        if lattice is None or (spacing is not readings[0] and _same_lines(spacing, readings[0])):
            continue
        grid = _refined(image, ground, lattice, spacing)
        if grid is None or grid.is_by_chance:
            continue
        if spacing is readings[0] or grid.agreeing > _SECOND_CHOICE:
            return grid
    return None


def _same_lines(spacing: Spacing, likely: Spacing) -> bool:
    """
    Tell whether a reading gives other numbers to lines that a likelier one has: every second, or fifth.

    On bent paper the likelier one may not hold together, and then such a one looks better, but it is wrong.
    """
    ratios = [a / b for a, b in zip(spacing.per_tile, likely.per_tile, strict=True)]
    return any(abs(np.log(r * k)) < _SAME for r in ratios for k in (2, 0.5, 3, 1 / 3, 5, 0.2))


def _refined(image: NDArray[np.uint8], ground: Ground, lattice: Lattice, spacing: Spacing) -> Grid | None:
    """Fit the lattice to the lines; None where they do not hold together."""
    finer = max(1, int(ground.factor * min(spacing.px_per_mm) / _FINE_PX_PER_MM))
    if finer < ground.factor:
        fine = ground_of(image, finer)
        ratio = finer / ground.factor
        shift = (ratio - 1) / 2
        to_coarse = np.array([[ratio, 0, shift], [0, ratio, shift], [0, 0, 1.0]])
        lattice = Lattice(lattice.matrix @ to_coarse, (lattice.centres + 0.5) / ratio - 0.5)
        ground = fine
    for _ in range(_ROUNDS):
        patches = measure(ground.darkness, lattice)
        seen = np.isfinite(patches.shift_mm)
        if seen.sum(axis=0).min() < _FEWEST_PATCHES:
            return None
        places = lattice.to_px(patches.places_mm)
        weights = np.where(seen, np.minimum(patches.signal, _FULL_SIGNAL), 0.0)
        true_mm = patches.places_mm - patches.shift_mm
        lattice = Lattice(fit_plane(places, true_mm, weights, lattice.matrix), lattice.centres)
    off = np.abs(lattice.to_mm(places) - true_mm)
    agreeing = float(min((off[seen[:, j], j] < _AGREES_MM).mean() for j in (0, 1)))
    around = max(1, int(patches.inside.sum()))
    if agreeing < _LEAST_AGREEING or seen.sum(axis=0).min() < _LEAST_SEEN * around or _other_lines(patches):
        return None
    there = seen.any(axis=1) & (np.nanmin(np.where(seen, off, np.inf), axis=1) < _AGREES_MM)
    low, high = patches.places_mm[there].min(axis=0), patches.places_mm[there].max(axis=0)
    # The origin lies on a crossing of large lines.
    move = np.eye(3)
    move[:2, 2] = -patches.origin_mm
    from_source = np.linalg.inv(
        [
            [ground.factor, 0, (ground.factor - 1) / 2],
            [0, ground.factor, (ground.factor - 1) / 2],
            [0, 0, 1.0],
        ]
    )
    small, large = _families(patches)
    return Grid(
        matrix=np.asarray(move @ lattice.matrix @ from_source, np.float64),
        seen_mm=np.stack([low, high]) - patches.origin_mm,
        residual_mm=float(np.sqrt((np.minimum(off[seen], _MOST_OFF_MM) ** 2).mean())),
        agreeing=agreeing,
        small_lines=small,
        large_lines=large,
    )


def _families(patches: Patches) -> tuple[bool, bool]:
    """Tell which families of lines are seen, by the multiples of 0.2 per mm that stand out."""
    power = patches.multiples.sum(axis=0)
    fourth, fifth, sixth = power[3:6]
    small = bool(fifth > _ABOVE * np.sqrt(fourth * sixth))
    large = bool(power[:4].max() > _ISOLATED) or not small
    return small, large


def _other_lines(patches: Patches) -> bool:
    """
    Tell whether the lines are neither 1 mm nor 5 mm apart.

    Then another multiple than the first and the fifth stands out by itself; or only high ones do, those of
    lines so far apart that most patches have none.
    """
    for power in patches.multiples:
        if power.max() < _LEAST_POWER or power[:10].max() < _LOW_SHARE * power.max():
            return True
        number = int(np.argmax(power[:9])) + 1
        if number in (1, 5):
            continue
        beside = max(power[number - 2], power[number])
        if power[number - 1] > _ISOLATED * beside + _ISOLATED:
            return True
    return False
