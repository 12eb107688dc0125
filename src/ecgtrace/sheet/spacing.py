"""Which spacings the lines along the two rays may have, and how many millimetres each stands for."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import maximum_filter1d

from ecgtrace.sheet.spectrum import TILE_PX, Rays
from ecgtrace.types import FloatArray
from ecgtrace.units import LARGE_SQUARE_MM

_STEP = 0.004  # of a frequency, as a share
_LOWEST = 2.8  # cycles per tile
_SQUARE = 0.05  # pixels of scanners, and printers' stretch
_FAX = 2.05  # 204 x 98 dpi (ITU-T T.4) and 2 : 1
_NEARLY = 0.2  # of what the best frequency explains
_CLEAR, _SEEN = 0.5, 0.7  # of the logarithm of a contrast; noise stays below their sum
_STRONG = 0.7  # exponent of the power: half of a score goes by what is strong, half by all that is clear
_LEAST_THERE = 0.4
_TOOTH, _TOOTH_SHARE = 0.5, 0.01  # half width of a tooth in cycles per tile, and of its frequency
_ODD = 0.6  # weight of a reading whose pixels are neither square nor those of a fax
_FAX_WEIGHT = 0.85
_PAGE_MM = (100.0, 450.0)  # long side of a page, from a strip of 4 s to A3
_USUAL_MM, _USUAL_SPREAD = 270.0, 1.0  # A4 and letter, and its logarithm's
_MUCH_STRONGER = 1.2  # logarithm: 5 mm lines alone have many multiples of one strength
# Weight by the number of the strongest multiple of 0.2 per mm.
_STRONGEST = {1: 1.0, 2: 0.5, 3: 0.5, 4: 0.5, 5: 1.0, 10: 0.6, 15: 0.4, 20: 0.3}
_STRONGEST_ELSEWHERE = 0.2
_UNUSUAL = 0.7  # for each factor of 1.3 beyond
_MOST = 6  # readings
_PX_PER_MM = (2.2, 60.0)  # lines of 56 dpi are two pixels apart; 1500 dpi


@dataclass(frozen=True)
class Spacing:
    """
    A reading of the lines.

    Attributes
    ----------
    per_tile : tuple of float
        Millimetre lines that would pass through a tile, in cycles, along the first and the second ray.
    square_mm : float
        Spacing of the widest family seen: 1 or 5.
    score : float
    """

    per_tile: tuple[float, float]
    square_mm: float
    score: float

    @property
    def px_per_mm(self) -> tuple[float, float]:
        """Of the picture that the tiles were cut from."""
        return TILE_PX / self.per_tile[0], TILE_PX / self.per_tile[1]


def find_spacings(rays: Rays, long_side_px: float, known_px_per_mm: float | None = None) -> list[Spacing]:
    """
    List the readings of the rays, likely ones first.

    Parameters
    ----------
    rays : Rays
    long_side_px : float
        Of the picture that the tiles were cut from.
    known_px_per_mm : float, optional
        What the user states; a reading within a fifth of it goes first.

    Returns
    -------
    list of Spacing
    """
    grid = np.exp(np.arange(np.log(_LOWEST), np.log(TILE_PX / 2.1), _STEP))
    explained = np.array([_comb_share(rays.frequency, excess, grid) for excess in rays.excess])
    found: list[Spacing] = []
    for ratio, slack, weight in (
        (1.0, _SQUARE, 1.0),
        (_FAX, 0.06, _FAX_WEIGHT),
        (1 / _FAX, 0.06, _FAX_WEIGHT),
        (1.0, 0.5, _ODD),
    ):
        shift, reach = round(np.log(ratio) / _STEP), round(slack / _STEP)
        best_near = maximum_filter1d(explained[1], 2 * reach + 1)
        index = np.arange(len(grid)) + shift
        inside = (index >= 0) & (index < len(grid))
        other = np.where(inside, best_near[np.clip(index, 0, len(grid) - 1)], 0.0)
        total = explained[0] + other
        for i in _peaks(total):
            low = min(max(0, i + shift - reach), len(grid) - 1)
            j = low + int(np.argmax(explained[1][low : max(low, i + shift + reach) + 1]))
            for square in (1.0, LARGE_SQUARE_MM):
                spacing = Spacing((float(grid[i]) * square, float(grid[j]) * square), square, float(total[i]))
                likely = weight * _likely(spacing, long_side_px, known_px_per_mm)
                if likely > 0:
                    likely *= _as_ruled(spacing, rays)
                    found.append(replace(spacing, score=spacing.score * likely))
    best = _distinct(sorted(found, key=lambda s: -s.score))[:_MOST]
    return [_refined(spacing, rays) for spacing in best]


def _comb_share(frequency: FloatArray, excess: FloatArray, grid: FloatArray) -> FloatArray:
    """
    Score combs: the share of what stands out that lies on their teeth, and how many teeth are there.

    The share by chance is taken off. A comb of a third of the frequency explains as much, but two of three of
    its teeth are missing.
    """
    clear = np.maximum(excess - _CLEAR, 0)
    strong = np.expm1(_STRONG * clear)
    parts = clear / (clear.sum() + 1e-9) + strong / (strong.sum() + 1e-9)
    number = np.maximum(np.rint(frequency / grid[:, None]), 1)
    on = np.abs(frequency - number * grid[:, None]) <= _TOOTH + _TOOTH_SHARE * frequency
    covered = on.mean(axis=1)
    share = (on @ parts / 2 - covered) / np.maximum(1 - covered, 0.2)
    last = frequency[np.flatnonzero(clear > _SEEN)[-1]] if (clear > _SEEN).any() else frequency[-1]
    there = np.zeros(len(grid))
    for i, base in enumerate(grid):
        teeth = base * np.arange(1, max(1, int((last + _TOOTH) / base)) + 1)
        index = np.clip(
            np.rint((teeth - frequency[0]) / (frequency[1] - frequency[0])), 2, len(frequency) - 3
        )
        near = clear[index.astype(np.int64)[:, None] + np.arange(-2, 3)].max(axis=1)
        there[i] = float(np.minimum(near / _SEEN, 1).mean())
    return np.asarray(share * (_LEAST_THERE + (1 - _LEAST_THERE) * there), np.float64)


def _peaks(total: FloatArray) -> list[int]:
    """Frequencies that explain more than those beside them, and not much less than the best."""
    best = float(total.max())
    if best <= 0:
        return []
    at = [
        i
        for i in range(1, len(total) - 1)
        if total[i] >= total[i - 1] and total[i] > total[i + 1] and total[i] > _NEARLY * best
    ]
    return sorted(at, key=lambda i: -total[i])[:40]


def _refined(spacing: Spacing, rays: Rays) -> Spacing:
    """Fit the frequencies to the peaks at their multiples."""
    found = []
    for per_tile, excess in zip(spacing.per_tile, rays.excess, strict=True):
        base = per_tile / spacing.square_mm
        for _ in range(2):
            numbers = np.arange(1, int(rays.frequency[-1] / base) + 1)
            reach = np.minimum(_TOOTH + _TOOTH_SHARE * numbers * base, 0.4 * base)
            near = np.abs(rays.frequency - numbers[:, None] * base) <= reach[:, None]
            mass = near * excess
            total = mass.sum(axis=1)
            seen = total > 0
            if not seen.any():
                break
            places = (mass @ rays.frequency)[seen] / total[seen]
            weight, number = total[seen] * numbers[seen], numbers[seen]
            base = float(weight @ places / (weight @ number))
        found.append(base * spacing.square_mm)
    return replace(spacing, per_tile=(found[0], found[1]))


def _likely(spacing: Spacing, long_side_px: float, known_px_per_mm: float | None) -> float:
    """Weight of a reading by the size of the page."""
    px_per_mm = float(np.sqrt(spacing.px_per_mm[0] * spacing.px_per_mm[1]))
    if not _PX_PER_MM[0] <= px_per_mm <= _PX_PER_MM[1]:
        return 0.0
    if known_px_per_mm is not None:
        return 2.0 if abs(np.log(px_per_mm / known_px_per_mm)) < 0.2 else 0.5
    length_mm = long_side_px / px_per_mm
    beyond = max(_PAGE_MM[0] / length_mm, length_mm / _PAGE_MM[1], 1.0)
    usual = np.exp(-0.5 * (np.log(length_mm / _USUAL_MM) / _USUAL_SPREAD) ** 2)
    return float(usual * _UNUSUAL ** (np.log(beyond) / np.log(1.3)))


def _as_ruled(spacing: Spacing, rays: Rays) -> float:
    """
    Weight of a reading by which of its multiples stands out most.

    Lines of one kind have their strongest multiple first; of lines 1 mm and 5 mm apart it is the fifth. Lines
    that a renderer snapped to whole pixels repeat exactly after 8 or 16 of them only: then it is that one.
    """
    weight = 1.0
    for per_tile, excess in zip(spacing.per_tile, rays.excess, strict=True):
        base = per_tile / LARGE_SQUARE_MM
        strongest = float(rays.frequency[int(np.argmax(excess))])
        number = round(strongest / base)
        if number == 1 and spacing.square_mm > 1:
            continue
        step = round(LARGE_SQUARE_MM / spacing.square_mm)
        beside = [k * base for k in (number - step, number + step) if k > 0]
        usual = float(np.interp(beside, rays.frequency, excess).max())
        if excess.max() - usual < _MUCH_STRONGER:
            continue
        weight *= _STRONGEST.get(number, _STRONGEST_ELSEWHERE)
    return float(np.sqrt(weight))


def _distinct(spacings: list[Spacing]) -> list[Spacing]:
    kept: list[Spacing] = []
    for spacing in spacings:
        if all(
            max(abs(np.log(a / b)) for a, b in zip(spacing.per_tile, other.per_tile, strict=True)) > 0.03
            for other in kept
        ):
            kept.append(spacing)
    return kept
