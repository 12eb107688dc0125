"""
The plane of the paper: a homography from px of a picture to mm of paper.

First from the local frequencies of the lines, tile by tile, which need no line to be followed from one tile
to the next; then from where the lines lie. Both by robust least squares: a tile of text has peaks as well.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from ecgtrace.sheet.mapping import project
from ecgtrace.sheet.spacing import Spacing
from ecgtrace.sheet.spectrum import TILE_PX, Rays, Spectra
from ecgtrace.types import FloatArray
from ecgtrace.units import LARGE_SQUARE_MM

_LEAST_CONTRAST = 12.0  # of a peak over the median around; the largest of a hundred values of noise has 7
_REACH, _REACH_SHARE = 1.0, 0.06  # cycles per tile, and share: 5 % perspective over a page
_PEAK_ERROR = 0.3  # cycles per tile, from which on a peak counts less
_MOST_MULTIPLES = 3
_FEWEST_PEAKS = 6
_CAUCHY = 2.385  # times the spread: 95 % efficient where errors are normal
_ROUNDS = 8


@dataclass(frozen=True, eq=False)
class Lattice:
    """
    Where millimetres of the paper lie in a picture.

    Attributes
    ----------
    matrix : ndarray of float, shape (3, 3)
        From (x, y, 1) in px to (u, v, 1) in mm, up to a factor.
    centres : ndarray of float, shape (n, 2)
        Places in px where lines were seen.
    """

    matrix: FloatArray
    centres: FloatArray

    def to_mm(self, points_px: FloatArray) -> FloatArray:
        """Map points, shape (n, 2), from px to mm."""
        return project(self.matrix, points_px)

    def to_px(self, points_mm: FloatArray) -> FloatArray:
        """Map points, shape (n, 2), from mm to px."""
        return project(np.asarray(np.linalg.inv(self.matrix), np.float64), points_mm)


def lattice_from(spectra: Spectra, rays: Rays, spacing: Spacing) -> Lattice | None:
    """
    Fit a homography to the frequencies of the lines in each tile.

    Parameters
    ----------
    spectra : Spectra
    rays : Rays
    spacing : Spacing

    Returns
    -------
    Lattice or None
        With an arbitrary origin; None where too few tiles show the lines.
    """
    turn = np.radians(rays.turn_deg)
    directions = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    tiles: list[int] = []
    families: list[int] = []
    numbers: list[float] = []
    peaks: list[FloatArray] = []
    for family in (0, 1):
        base = spacing.per_tile[family] / spacing.square_mm
        for number in _clear_multiples(rays.frequency, rays.excess[family], base):
            vector = number * base * directions[family]
            reach = min(0.4 * base, _REACH + _REACH_SHARE * number * base)
            for tile in range(len(spectra.centres)):
                found = spectra.at(tile, vector, reach)
                if found is not None and found[1] > _LEAST_CONTRAST:
                    tiles.append(tile)
                    families.append(family)
                    numbers.append(number / spacing.square_mm)
                    peaks.append(found[0])
    family_of = np.array(families)
    if min((family_of == 0).sum(), (family_of == 1).sum()) < _FEWEST_PEAKS:
        return None
    centre = spectra.centres[tiles]
    middle = (spectra.centres.min(axis=0) + spectra.centres.max(axis=0)) / 2
    size = max(float(np.abs(spectra.centres - middle).max()), TILE_PX / 2)
    place = (centre - middle) / size
    number_of, peak = np.array(numbers), np.array(peaks)

    def off(parameters: FloatArray) -> FloatArray:
        rows, bend = parameters[:4].reshape(2, 2), parameters[4:]
        row = rows[family_of]
        depth = 1 + place @ bend
        value = np.einsum("ij,ij->i", row, place) / depth
        gradient = (row - value[:, None] * bend) / depth[:, None]
        return np.asarray((number_of[:, None] * gradient / size * TILE_PX - peak).ravel())

    start = np.concatenate(
        [(directions * np.array(spacing.per_tile)[:, None] * size / TILE_PX).ravel(), [0, 0]]
    )
    fit = least_squares(off, start, loss="cauchy", f_scale=_PEAK_ERROR, max_nfev=40)
    rows, bend = fit.x[:4].reshape(2, 2), fit.x[4:]
    matrix = np.zeros((3, 3))
    matrix[:2, :2], matrix[2, :2], matrix[2, 2] = rows, bend, 1.0
    normal = np.array([[1 / size, 0, -middle[0] / size], [0, 1 / size, -middle[1] / size], [0, 0, 1.0]])
    good = np.hypot(*off(fit.x).reshape(-1, 2).T) < 3 * _PEAK_ERROR
    if min((good & (family_of == 0)).sum(), (good & (family_of == 1)).sum()) < _FEWEST_PEAKS:
        return None
    return Lattice(matrix @ normal, np.unique(centre[good], axis=0))


def _clear_multiples(frequency: FloatArray, excess: FloatArray, base: float) -> list[int]:
    """Return the multiples that stand out most, by how exactly they tell the base."""
    most = min(int(frequency[-1] / base), 2 * int(LARGE_SQUARE_MM))
    numbers = np.arange(1, max(1, most) + 1)
    height = np.interp(numbers * base, frequency, excess)
    worth = np.maximum(height, 0) * np.sqrt(numbers)
    chosen = numbers[np.argsort(-worth)[:_MOST_MULTIPLES]]
    return sorted(int(v) for v in chosen)


def fit_plane(
    places_px: FloatArray, values_mm: FloatArray, weights: FloatArray, start: FloatArray
) -> FloatArray:
    """
    Fit a homography to where lines lie.

    Parameters
    ----------
    places_px : ndarray of float, shape (n, 2)
    values_mm : ndarray of float, shape (n, 2)
        Place on the paper, across each of the two families.
    weights : ndarray of float, shape (n, 2)
        0 where a family was not seen.
    start : ndarray of float, shape (3, 3)
        From px to mm.

    Returns
    -------
    ndarray of float, shape (3, 3)
        From px to mm.
    """
    middle = places_px.mean(axis=0)
    size = max(float(np.abs(places_px - middle).max()), 1.0)
    place = (places_px - middle) / size
    normal = np.array([[1 / size, 0, -middle[0] / size], [0, 1 / size, -middle[1] / size], [0, 0, 1.0]])
    matrix = start @ np.linalg.inv(normal)
    matrix = matrix / matrix[2, 2]
    n = len(place)
    one = np.column_stack([place, np.ones(n)])
    design = np.zeros((2 * n, 8))
    target = np.concatenate([values_mm[:, 0], values_mm[:, 1]])
    known = np.isfinite(target)
    target = np.where(known, target, 0.0)
    design[:n, :3] = design[n:, 3:6] = one
    design[:, 6:] = -target[:, None] * np.vstack([place, place])
    given = np.concatenate([weights[:, 0], weights[:, 1]]) * known
    for _ in range(_ROUNDS):
        depth = np.tile(one @ matrix[2], 2)
        now = project(matrix, place).T.ravel()
        off = np.abs(now - target)
        spread = max(1.48 * float(np.median(off[given > 0])), 1e-3)
        weight = np.sqrt(given / (1 + (off / (_CAUCHY * spread)) ** 2)) / depth
        solution, *_ = np.linalg.lstsq(design * weight[:, None], target * weight, rcond=None)
        matrix = np.append(solution, 1.0).reshape(3, 3)
    return np.asarray(matrix @ normal, np.float64)
