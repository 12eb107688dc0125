"""
Which family of lines a comb is: those 1 mm apart, those 5 mm apart, or one family alone.

Every fifth line of ruled paper is another: darker, wider, or of another colour. So lines are compared as
colours, and dealt into five groups.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ecgtrace.digitization.scale.comb import line_contrasts
from ecgtrace.types import FloatArray
from ecgtrace.units import LARGE_SQUARE_MM

MINOR_PER_MAJOR = int(LARGE_SQUARE_MM)

_FEWEST_PER_GROUP = 2
_LEAST_SPACING_PX = 2.5
_STANDS_OUT = 5.0  # standard errors
_LEAST_RISE = 0.2  # of a line's contrast
_TWICE = 2.0  # times the next group's distance: print is uneven, too
_ALIKE = 0.7  # of the contrast of the lines between which they stand: else all lines are of one family
_FLOOR = 0.5  # grey levels, spread of lines drawn alike


def has_minor_lines(profile: FloatArray, first_px: float, spacing_px: float) -> bool:
    """
    Tell whether four weaker lines stand at the fifths between the lines given.

    Parameters
    ----------
    profile : ndarray of float, shape (n,)
    first_px, spacing_px : float
        Position of line 0 and the distance between lines.

    Returns
    -------
    bool
        True where the lines are therefore the major ones, 5 mm apart.
    """
    if spacing_px / MINOR_PER_MAJOR < _LEAST_SPACING_PX:
        return False
    numbers, contrasts = line_contrasts(profile, first_px, spacing_px / MINOR_PER_MAJOR)
    kind = numbers % MINOR_PER_MAJOR
    if min(np.bincount(kind, minlength=MINOR_PER_MAJOR)) < _FEWEST_PER_GROUP:
        return False
    by_kind = np.array([np.median(contrasts[kind == k]) for k in range(MINOR_PER_MAJOR)])
    minor = contrasts[(kind == 2) | (kind == 3)]  # 1 and 4 may lie in the blur of the major lines
    error = 1.25 * 1.48 * np.median(np.abs(minor - np.median(minor))) / np.sqrt(len(minor))
    least = max(4 * error, 0.02 * by_kind[0], 0.2)
    return bool(by_kind[2:4].min() > 0 and least < np.median(minor) < _ALIKE * by_kind[0])


def has_major_lines(profile: FloatArray, first_px: float, spacing_px: float) -> bool:
    """
    Tell whether every fifth of the lines given is another than the rest.

    Parameters
    ----------
    profile : ndarray of float, shape (n,) or (n, n_channels)
    first_px, spacing_px : float
        Position of line 0 and the distance between lines.

    Returns
    -------
    bool
        True where the lines are therefore 1 mm apart.
    """
    channels = profile[:, None] if profile.ndim == 1 else profile
    numbers, contrasts = line_masses(channels, first_px, spacing_px)
    kind = numbers % MINOR_PER_MAJOR
    fewest = min(np.bincount(kind, minlength=MINOR_PER_MAJOR))
    if fewest < _FEWEST_PER_GROUP:
        return False
    by_kind = np.array([np.median(contrasts[kind == k], axis=0) for k in range(MINOR_PER_MAJOR)])
    usual = np.median(by_kind, axis=0)
    apart = np.linalg.norm(by_kind - usual, axis=1)
    major = int(np.argmax(apart))
    direction = (by_kind[major] - usual) / max(float(apart[major]), 1e-9)
    along = (contrasts - usual) @ direction
    others = along[kind != major]
    rise = float(np.median(along[kind == major]) - np.median(others))
    spread = max(1.48 * float(np.median(np.abs(others - np.median(others)))), _FLOOR * 0.2)
    error = 1.25 * spread / np.sqrt((kind == major).sum())
    runner_up = float(np.sort(apart)[-2])
    contrast = float(np.linalg.norm(usual))
    stricter = 2.0 if fewest == _FEWEST_PER_GROUP else 1.0  # two lines are soon alike by chance
    least = stricter * max(_STANDS_OUT * error, _LEAST_RISE * contrast)
    apart_lines = np.quantile(along[kind == major], 0.2) > np.quantile(others, 0.9)
    return bool(apart_lines and rise > max(least, _TWICE * runner_up))


def line_masses(
    channels: FloatArray, first_px: float, spacing_px: float
) -> tuple[NDArray[np.int64], FloatArray]:
    """
    Sum what lies around each expected line above the paper half way to its neighbours.

    The sum does not depend on where between two pixels a line stands, as its darkest pixel does.

    Parameters
    ----------
    channels : ndarray of float, shape (n, n_channels)
    first_px, spacing_px : float

    Returns
    -------
    numbers : ndarray of int, shape (n_lines,)
    masses : ndarray of float, shape (n_lines, n_channels)
        Mean over half the spacing.
    """
    n = len(channels)
    low = np.ceil((spacing_px / 2 - first_px) / spacing_px)
    high = np.floor((n - 1 - spacing_px / 2 - first_px) / spacing_px)
    numbers = np.arange(int(low), int(high) + 1, dtype=np.int64)
    centres = np.asarray(first_px + numbers * spacing_px, np.float64)
    # The integral up to a place, so that a window may begin between two pixels.
    edges = np.arange(n + 1) - 0.5
    integral = np.concatenate([np.zeros((1, channels.shape[1])), np.cumsum(channels, axis=0)])

    def mean(start: FloatArray, end: FloatArray) -> FloatArray:
        total = [np.interp(end, edges, column) - np.interp(start, edges, column) for column in integral.T]
        return np.stack(total, axis=1) / (end - start)[:, None]

    edge = [np.asarray(centres + part * spacing_px, np.float64) for part in (-0.5, -0.25, 0.25, 0.5)]
    before, line, after = (mean(start, end) for start, end in pairwise(edge))
    return numbers, line - (before + after) / 2
