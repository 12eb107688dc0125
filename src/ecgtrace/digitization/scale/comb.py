"""
Combs: families of equally spaced lines in a profile, their period, their lines, and how whole they are.

A comb of harmonics finds the period [1]_, then all lines get integer numbers, and a least-squares line
through (number, position) is the spacing. A mean of raw gaps would count a missed line as a double gap.

References
----------
.. [1] Schroeder MR. Period histogram and product spectrum: new methods for fundamental-frequency measurement.
       J Acoust Soc Am 1968;43(4):829-834. https://doi.org/10.1121/1.1910902
"""

import numpy as np
from numpy.typing import NDArray

from ecgtrace.types import FloatArray

_LINE_REACH_PX = 31  # lines are narrower than this, shading is wider
_DRAWN_ERROR_PX = 0.29  # standard deviation of a line that the renderer snapped to whole pixels
_LATTICE_ERROR = 0.07  # the same, of the spacing: 0.3 px of the 3.9 px at 100 dpi, also where enlarged
_SHORTEST_PX = 2.2  # lines two pixels apart cannot be told from paper
_NEARLY = 0.85  # of what the best period explains
_HALF = 0.4
_SIDE_LOBE = 0.03  # in log period
_LATTICE_ERROR_PX = 0.3  # over all lines: those of a lattice near that of the pixels are off together


def comb_periods(
    profile: FloatArray, min_period_px: float, max_period_px: float
) -> tuple[FloatArray, FloatArray]:
    """
    Score all periods by the variance of the profile that a comb of their harmonics explains.

    Equals folding the profile at each period, but all at once from one spectrum. The share is
    adjusted for the number of harmonics, so that a period of two grid lines explains no more than
    that of one, and noise explains nothing at any period.

    Parameters
    ----------
    profile : ndarray of float, shape (n,)
    min_period_px, max_period_px : float

    Returns
    -------
    periods_px, explained : ndarray of float, shape (n_periods,)
        Ascending periods; share at most 1, may be negative.
    """
    n = len(profile)
    centred = profile - profile.mean()
    energy = float((centred**2).sum())
    step = 1 / (4 * 0.3 * n)  # in log period: the highest harmonic, 0.3 cycles/px, moves a quarter of a bin
    n_periods = max(2, int(np.log(max_period_px / min_period_px) / step) + 1)
    periods = np.geomspace(min_period_px, max_period_px, n_periods)
    if energy <= 1e-12:
        return periods, np.zeros(n_periods)
    n_fft = int(2 ** np.ceil(np.log2(6 * n)))
    power = np.abs(np.fft.rfft(centred, n_fft)) ** 2 * (2 / (n * energy))
    n_harmonics = np.clip((0.3 * periods).astype(np.int64), 1, min(24, n // 4))
    explained = np.zeros(n_periods)
    for k in range(1, int(n_harmonics.max()) + 1):
        has = np.flatnonzero(n_harmonics >= k)
        explained[has] += power[np.rint(k * n_fft / periods[has]).astype(np.int64)]
    free = np.maximum(n - 2 * n_harmonics - 1, 1)
    return periods, 1 - (1 - np.minimum(explained, 1)) * (n - 1) / free


def candidate_periods(
    profile: FloatArray, min_period_px: float, max_period_px: float, n_most: int = 10
) -> list[tuple[float, float]]:
    """
    Return the periods that a profile may have, likely fundamentals first.

    A comb of twice or three times a period explains as much as the period itself. So those that explain
    nearly as much as the best one come in ascending order, then the others, the best first.

    Parameters
    ----------
    profile : ndarray of float, shape (n,)
    min_period_px, max_period_px : float
        The longest period is also bound by the profile, which must hold it 2.5 times.
    n_most : int, optional

    Returns
    -------
    list of (float, float)
        Period in px and the share of the variance that it explains.
    """
    longest = min(max_period_px, len(profile) / 2.5)
    min_period_px = max(min_period_px, _SHORTEST_PX)
    if longest <= min_period_px:
        return []
    periods, explained = comb_periods(profile, min_period_px, longest)
    padded = np.concatenate([[-np.inf], explained, [-np.inf]])
    is_peak = (explained >= padded[:-2]) & (explained > padded[2:]) & (explained > 0)
    peaks = np.flatnonzero(is_peak & (explained >= _HALF * explained.max()))
    near = [int(i) for i in peaks if explained[i] >= _NEARLY * explained.max()]
    rest = sorted((int(i) for i in peaks if i not in near), key=lambda i: -explained[i])
    return [(float(periods[i]), float(explained[i])) for i in _apart(near, periods) + _apart(rest, periods)][
        :n_most
    ]


def _apart(peaks: list[int], periods: FloatArray) -> list[int]:
    """Leave out peaks beside one that comes earlier: side lobes."""
    kept: list[int] = []
    for i in peaks:
        if all(abs(np.log(periods[i] / periods[k])) > _SIDE_LOBE for k in kept):
            kept.append(i)
    return kept


def phase_of(profile: FloatArray, period_px: float) -> float:
    """Return where in [0, period) the darkest line of the folded profile stands."""
    n_bins = max(8, int(np.ceil(2 * period_px)))
    bins = (np.arange(len(profile)) / period_px % 1 * n_bins).astype(np.int64)
    total = np.bincount(bins, weights=profile, minlength=n_bins)
    number = np.bincount(bins, minlength=n_bins)
    folded = np.where(number > 0, total / np.maximum(number, 1), -np.inf)
    triple = np.maximum(folded, profile.min())
    triple = triple + 0.5 * (np.roll(triple, 1) + np.roll(triple, -1))
    return (float(np.argmax(triple)) + 0.5) / n_bins * period_px


def line_contrasts(
    profile: FloatArray, first_px: float, spacing_px: float
) -> tuple[NDArray[np.int64], FloatArray]:
    """
    Measure how much darker each expected line is than the paper half way to its neighbours.

    Parameters
    ----------
    profile : ndarray of float, shape (n,)
    first_px, spacing_px : float
        Position of line 0 and distance between lines.

    Returns
    -------
    numbers : ndarray of int, shape (n_lines,)
        Of the lines that lie inside with both of their sides.
    contrasts : ndarray of float, shape (n_lines,)
    """
    n = len(profile)
    low = np.ceil((spacing_px / 2 - first_px) / spacing_px)
    high = np.floor((n - 1 - spacing_px / 2 - first_px) / spacing_px)
    numbers = np.arange(int(low), int(high) + 1, dtype=np.int64)
    centres = first_px + numbers * spacing_px
    x = np.arange(n)
    reach = min(
        1.0, spacing_px / 8
    )  # the darkest of three points: a period that is slightly off costs nothing
    line = np.max([np.interp(centres + d, x, profile) for d in (-reach, 0, reach)], axis=0)
    paper = [np.interp(centres + side * spacing_px / 2, x, profile) for side in (-1, 1)]
    return numbers, np.asarray(line - np.mean(paper, axis=0), dtype=np.float64)


def persistence(
    strips: FloatArray, first_px: float, spacing_px: float, neighbour_px: float | None = None
) -> float:
    """
    Measure how far the expected lines go from edge to edge.

    A line of the grid is there in every strip, which the beats of a trace, letters and chance are
    not, however regular. A pair of strip and line counts 1 where the line is darker than the paper
    half way to both neighbours; noise gives 0.5, a strip without ink and grid 0.

    Parameters
    ----------
    strips : ndarray of float, shape (n_strips, n)
        Darkness, aligned along the lines; NaN where it is not known.
    first_px, spacing_px : float
        Position of line 0 and distance between lines.
    neighbour_px : float, optional
        Distance of the next line of whatever kind. By default `spacing_px`.

    Returns
    -------
    float
        Share in [0, 1] of the pairs that are known.
    """
    n = strips.shape[1]
    apart = neighbour_px or spacing_px
    numbers = np.arange(np.ceil(-first_px / spacing_px), np.floor((n - 1 - first_px) / spacing_px) + 1)
    centres = first_px + numbers * spacing_px
    centres = centres[(centres >= apart / 2 + 1) & (centres <= n - 2 - apart / 2)]

    def at(position: FloatArray) -> FloatArray:
        index = np.rint(position).astype(np.int64)
        if apart < 8:
            return strips[:, index]
        return (strips[:, index - 1] + strips[:, index] + strips[:, index + 1]) / 3

    contrast = at(centres) - (at(centres - apart / 2) + at(centres + apart / 2)) / 2
    known = np.isfinite(contrast)
    return float((contrast[known] > 1e-6).mean()) if known.any() else 0.0


def fit_lines(
    profile: FloatArray, first_px: float, spacing_px: float
) -> tuple[float, float, float, FloatArray, float]:
    """
    Fit equally spaced lines to a profile by least squares with integer line numbers.

    Each line is located by the centroid of its darkness around the place where the last fit expects
    it; lines that lie further off than 15 % of the spacing, or 0.8 px, are left out of the next fit.

    Parameters
    ----------
    profile : ndarray of float, shape (n,)
    first_px, spacing_px : float
        First estimate.

    Returns
    -------
    first_px, spacing_px : float
        Position of line 0, spacing.
    error : float
        Standard error of the spacing as a share of it; infinity for fewer than three lines.
    positions_px : ndarray of float
        The lines that the fit rests on.
    present : float
        Share of the expected lines that were seen.
    """
    x = np.arange(len(profile))
    # A line that is drawn on whole pixels may lie half a pixel off.
    reach = max(0.3 * min(spacing_px, _LINE_REACH_PX), min(1.5, 0.4 * spacing_px))
    off = max(0.15 * spacing_px, min(0.8, 0.3 * spacing_px))
    offset = np.linspace(-reach, reach, 25)
    positions: FloatArray = np.empty(0)
    error, present = float("inf"), 0.0
    for _ in range(3):
        low, high = np.ceil(-first_px / spacing_px), np.floor((len(profile) - 1 - first_px) / spacing_px)
        numbers = np.arange(int(low), int(high) + 1, dtype=np.float64)
        expected = first_px + numbers * spacing_px
        inside = (expected > 1.5) & (expected < len(profile) - 2.5)
        expected, numbers = expected[inside], numbers[inside]
        if len(expected) < 2:
            return first_px, spacing_px, float("inf"), expected, 0.0
        window = np.interp(expected[:, None] + offset, x, profile)
        base = np.minimum(window[:, 0], window[:, -1])[:, None]
        peak = window.max(axis=1, keepdims=True)
        height = (peak - base)[:, 0]
        mass = np.maximum(window - (base + peak) / 2, 0)
        found = expected + (mass * offset).sum(axis=1) / np.maximum(mass.sum(axis=1), 1e-12)
        # a centroid at the rim of its window has not found a line
        seen = (height > 0.3 * np.median(height)) & (np.abs(found - expected) < off)
        present = float(seen.mean())
        if seen.sum() < 3:
            return first_px, spacing_px, float("inf"), found[seen], present
        number, position = numbers[seen], found[seen]
        first_px, spacing_px, spread, weight = _robust_line(number, position)
        positions = position
        centred = number - (weight @ number) / weight.sum()
        error = spread / spacing_px / np.sqrt(max(float((weight * centred**2).sum()), 1e-9))
        lattice = max(_LATTICE_ERROR_PX / max(float(np.ptp(position)), 1.0), _LATTICE_ERROR / len(position))
        error = float(np.hypot(error, lattice))
    return first_px, spacing_px, error, positions, present


def _robust_line(number: FloatArray, position: FloatArray) -> tuple[float, float, float, FloatArray]:
    """Fit position = intercept + slope * number by Tukey's biweight: a line under a letter must not pull."""
    weight = np.ones(len(number))
    for _ in range(4):
        total = weight.sum()
        mean_number, mean_position = (weight @ number) / total, (weight @ position) / total
        centred = number - mean_number
        slope = (weight * centred) @ (position - mean_position) / ((weight * centred) @ centred)
        intercept = mean_position - slope * mean_number
        residual = np.abs(position - intercept - slope * number)
        spread = max(
            1.48 * float(np.partition(residual, len(residual) // 2)[len(residual) // 2]), _DRAWN_ERROR_PX
        )
        weight = np.maximum(1 - (residual / (4.7 * spread)) ** 2, 0) ** 2 + 1e-6
    return float(intercept), float(slope), spread, weight
