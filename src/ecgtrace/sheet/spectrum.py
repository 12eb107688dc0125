"""
The direction of the grid and the spacing of its lines, from the power spectra of tiles.

A family of equally spaced lines has its power on one ray of the spectrum, at multiples of one frequency.
Spectra of tiles are averaged without their phases, so that a page that is bent or in perspective keeps its
peaks, only wider.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import maximum_filter1d, percentile_filter

from ecgtrace.types import FloatArray

TILE_PX = 256
_STEP_PX = 176
_LEFT = 16  # columns of negative frequency kept beside those of positive
_EVERY_WAY_DEG = 45.0  # about rows and columns
_ANGLE_STEP_DEG = 0.5
_LOWEST, _HIGHEST, _BIN = 2.0, 126.0, 0.25  # cycles per tile
_AROUND = 21  # every second sample of a ray, over 10 cycles per tile: their lower third is its ground
_NOISE = 0.7  # of the logarithm of a mean spectrum
_DIAGONAL_SHARE = 0.2  # of the score of the best direction; rows of one vendor's dots have 0.3
_KNIGHT_DEG = 26.57  # of two steps along and one across
_KNIGHT_SHARE = 0.1  # of the score of the best direction
_CLEARLY_MORE = 1.5  # times
_PEAK = 1.0  # logarithm of a contrast
_CLEARLY_FEWER = 0.1


@dataclass(frozen=True, eq=False)
class Spectra:
    """
    Power spectra of the tiles of a picture.

    Attributes
    ----------
    power : ndarray of float32, shape (n_tiles, TILE_PX, _LEFT + TILE_PX // 2 + 1)
        Row `i` is the frequency `i - TILE_PX / 2` down, column `j` is `j - _LEFT` across, in cycles per tile.
    centres : ndarray of float, shape (n_tiles, 2)
        (x, y) in px.
    """

    power: NDArray[np.float32]
    centres: FloatArray

    def at(self, tile: int, vector: FloatArray, reach: float) -> tuple[FloatArray, float] | None:
        """
        Find the peak of a tile near a frequency.

        Parameters
        ----------
        tile : int
        vector : ndarray of float, shape (2,)
            Cycles per tile, (x, y).
        reach : float
            How far from it to look, in cycles per tile.

        Returns
        -------
        peak : ndarray of float, shape (2,)
        contrast : float
            Its power over the median around.
            None where the frequency is too high or the strongest point lies at the rim.
        """
        sign = 1.0 if vector[0] >= 0 else -1.0
        n = int(np.ceil(reach)) + 1
        column = round(sign * vector[0]) + _LEFT
        row = round(sign * vector[1]) + TILE_PX // 2
        if not (n <= row < TILE_PX - n and n <= column < self.power.shape[2] - n):
            return None
        part = self.power[tile, row - n : row + n + 1, column - n : column + n + 1]
        i, j = np.unravel_index(int(np.argmax(part)), part.shape)
        if not (0 < i < 2 * n and 0 < j < 2 * n):
            return None
        log = np.log(part[i - 1 : i + 2, j - 1 : j + 2] + 1e-9)
        y = row - n + i - TILE_PX // 2 + vertex(log[:, 1])
        x = column - n + j - _LEFT + vertex(log[1])
        contrast = float(part[i, j] / (np.median(part) + 1e-9))
        return sign * np.array([x, y]), contrast


def vertex(three: NDArray) -> float:
    """Place of the top of the parabola through three values."""
    bend = float(three[0] - 2 * three[1] + three[2])
    return float(three[0] - three[2]) / (2 * bend) if bend < -1e-6 else 0.0


def spectra_of(darkness: NDArray[np.float32]) -> Spectra:
    """Compute the spectra of overlapping tiles, seen through a Hann window."""
    height, width = (max(size, TILE_PX) for size in darkness.shape)
    padded = np.zeros((height, width), np.float32)
    padded[: darkness.shape[0], : darkness.shape[1]] = darkness
    hann = np.hanning(TILE_PX).astype(np.float32)
    window = hann[:, None] * hann
    power, centres = [], []
    for top in _starts(height):
        tiles = np.stack([padded[top : top + TILE_PX, x : x + TILE_PX] for x in _starts(width)])
        tiles = (tiles - tiles.mean(axis=(1, 2), keepdims=True)) * window
        half = np.abs(fft.rfft2(tiles)) ** 2
        power.append(np.fft.fftshift(half, axes=1))
        middle = (TILE_PX - 1) / 2
        centres += [(x + middle, top + middle) for x in _starts(width)]
    right = np.concatenate(power)
    left = np.roll(right[:, ::-1, 1 : _LEFT + 1], 1, axis=1)[..., ::-1]
    return Spectra(np.concatenate([left, right], axis=2), np.array(centres))


def _starts(size_px: int) -> list[int]:
    n = int(np.ceil((size_px - TILE_PX) / _STEP_PX)) + 1
    return [int(v) for v in np.linspace(0, size_px - TILE_PX, n)]


@dataclass(frozen=True, eq=False)
class Rays:
    """
    What stands out along the two directions of a grid.

    Attributes
    ----------
    frequency : ndarray of float, shape (n,)
        Cycles per tile.
    excess : ndarray of float, shape (2, n)
        Logarithm of the power above its ground; across the first family of lines, and the second.
    turn_deg : float
        Direction of the first ray from the x axis towards the y axis, in [-45, 45).
    score : float
    """

    frequency: FloatArray
    excess: FloatArray
    turn_deg: float
    score: float


def find_rays(spectra: Spectra, within_deg: float = _EVERY_WAY_DEG) -> Rays:
    """
    Find the two perpendicular directions along which peaks stand out most.

    Parameters
    ----------
    spectra : Spectra
    within_deg : float, optional
        Of the picture's rows and columns, at most 45.
    """
    energy = spectra.power.sum(axis=(1, 2), dtype=np.float64)
    # A tile full of ink, or at the rim of the paper, must not outweigh the others.
    weight = (1 / (energy + 0.1 * np.median(energy) + 1e-6)).astype(np.float32)
    log = np.log(np.tensordot(weight, spectra.power, axes=1) + 1e-12).astype(np.float32)
    angle = np.radians(np.arange(-90, 90, _ANGLE_STEP_DEG))
    frequency = np.arange(_LOWEST, _HIGHEST, _BIN)
    x = (frequency * np.cos(angle)[:, None] + _LEFT).astype(np.float32)
    y = (frequency * np.sin(angle)[:, None] + TILE_PX // 2).astype(np.float32)
    polar = cv2.remap(log, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    polar = polar - np.median(polar, axis=0)
    ground = np.repeat(percentile_filter(polar[:, ::2], 35, (1, _AROUND)), 2, axis=1)
    above = np.maximum(polar - ground, 0).astype(np.float64)
    score = np.maximum(above - _NOISE, 0).sum(axis=1)
    quarter, reach = len(angle) // 2, round(within_deg / _ANGLE_STEP_DEG)
    both = np.sqrt(score * np.roll(score, -quarter))
    first = np.arange(quarter - reach, quarter + reach)
    best = int(first[np.argmax(both[first])])
    if within_deg == _EVERY_WAY_DEG:
        best = _not_diagonal(above, both, best, quarter)
    excess = above[[best, (best + quarter) % len(angle)]]
    return Rays(frequency, excess, float(np.degrees(angle[best])), float(both[best]))


def _not_diagonal(above: FloatArray, both: FloatArray, best: int, quarter: int) -> int:
    """
    Take the rows and columns of a lattice, not its diagonals.

    The crossings of lines, and dots, have their power on the diagonals as well. What a diagonal has at a
    frequency, rows and columns have at 1 / sqrt(2) of it; the other way round that holds for even multiples
    only. So of two directions 45 degrees apart, that is the grid's whose peaks have fewer such companions.

    Of fine dots alone, letters and traces hide what rows and columns have, but not what lies between them and
    the diagonals: two steps along and one across there is more beside rows than beside diagonals.
    """
    n, eighth = len(above), quarter // 2
    turned = [(best + eighth + k) % n for k in range(-4, 5)]
    other = turned[int(np.argmax([both[t] for t in turned]))]
    if both[other] < _DIAGONAL_SHARE * both[best]:
        steps, others_steps = (_beside(both, t, _KNIGHT_DEG) for t in (best, other))
        is_diagonal = others_steps >= max(_KNIGHT_SHARE * both[best], _CLEARLY_MORE * steps)
    else:
        own, others = (_in_both(above, t, quarter) for t in (best, other))
        is_diagonal = _accompanied(others, own) <= _accompanied(own, others) - _CLEARLY_FEWER
    if not is_diagonal:
        return best
    return other if eighth <= other < eighth + quarter else (other + quarter) % n


def _beside(both: FloatArray, at: int, away_deg: float) -> float:
    """Return how much stands out in directions so far to the one side and the other of a direction."""
    away = round(away_deg / _ANGLE_STEP_DEG)
    near = [[both[(at + sign * away + k) % len(both)] for k in (-1, 0, 1)] for sign in (-1, 1)]
    return float(np.mean(np.max(near, axis=1)))


def _in_both(above: FloatArray, at: int, quarter: int) -> FloatArray:
    """What stands out in a ray and in that perpendicular to it."""
    low, high = (maximum_filter1d(above[t % len(above)], 9) for t in (at, at + quarter))
    return np.asarray(np.minimum(low, high), np.float64)


def _accompanied(own: FloatArray, others: FloatArray) -> float:
    """Share of what stands out that has a companion at 45 degrees, at 1 / sqrt(2) of its frequency."""
    frequency = _LOWEST + _BIN * np.arange(len(own))
    mass = np.maximum(own - _PEAK, 0)
    companion = np.interp(frequency / np.sqrt(2), frequency, others, left=0.0)
    return float((mass * np.clip(companion / _PEAK, 0, 1)).sum() / max(float(mass.sum()), 1e-9))
