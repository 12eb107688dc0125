"""
Intervals by the bootstrap, with resamples that all digitizers share.

A resample is a count for each crop: how often it was drawn. Statistics are computed from the
counts, for all resamples at once, and the same counts serve every digitizer, so that differences
between digitizers are paired.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgtrace.errors import ConfigError
from ecgtrace.types import FloatArray

Counts = NDArray[np.int64]
Statistic = Callable[[FloatArray, Counts], FloatArray]


@dataclass(frozen=True)
class BootstrapOptions:
    """
    How the resamples are drawn.

    Attributes
    ----------
    n_resamples : int
    level : float
        Share of the resamples inside the interval.
    unit : {"record", "crop"}
        What is drawn. Crops of one record share a heart, a page and a printer, so they are not
        independent; drawing whole records (the cluster bootstrap) is the default and gives the
        wider, honest interval.
    seed : int
    """

    n_resamples: int = 2000
    level: float = 0.95
    unit: str = "record"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_resamples < 1:
            raise ConfigError(f"bootstrap.n_resamples must be at least 1, got {self.n_resamples}")
        if not 0 < self.level < 1:
            raise ConfigError(f"bootstrap.level must lie between 0 and 1, got {self.level}")
        if self.unit not in ("record", "crop"):
            raise ConfigError(f"bootstrap.unit must be record or crop, got '{self.unit}'")


DEFAULT_BOOTSTRAP = BootstrapOptions()


def draw_resamples(
    crop_ids: Sequence[str], record_ids: Sequence[str], options: BootstrapOptions = DEFAULT_BOOTSTRAP
) -> Counts:
    """
    Draw the resamples of a table.

    Parameters
    ----------
    crop_ids, record_ids : sequence of str, length n_crops
        Unique names of the crops, and the record that each was cut from.
    options : BootstrapOptions, optional

    Returns
    -------
    ndarray of int, shape (n_resamples, n_crops)
        How often each crop was drawn. Depends on the names and the options alone. With records as
        the unit a resample has as many records as the table, and about as many crops.

    References
    ----------
    .. [1] Davison, A. C., & Hinkley, D. V. (1997). Bootstrap Methods and their Application,
       sections 2.2 and 3.8. Cambridge University Press. https://doi.org/10.1017/CBO9780511802843
    """
    units = record_ids if options.unit == "record" else crop_ids
    # Sorted, so that the order of the rows does not change a resample.
    names, unit_of_crop = np.unique(np.asarray(units, dtype=str), return_inverse=True)
    rng = np.random.default_rng(options.seed)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=options.n_resamples)
    return drawn[:, unit_of_crop]


def mean(values: FloatArray, counts: Counts) -> FloatArray:
    """Mean of each resample; values shape (n_crops,), counts (n_resamples, n_crops); NaN left out."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return counts[:, known] @ values[known] / counts[:, known].sum(axis=1)


def std(values: FloatArray, counts: Counts) -> FloatArray:
    """Standard deviation of each resample with n - 1 below the sum of squares."""
    known = np.isfinite(values)
    values, counts = values[known], counts[:, known]
    if values.size == 0:
        return np.full(len(counts), np.nan)
    values = values - values.mean()
    total = counts.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        square = counts @ values**2 - (counts @ values) ** 2 / total
        return np.where(total > 1, np.sqrt(np.maximum(square, 0) / (total - 1)), np.nan)


def median(values: FloatArray, counts: Counts) -> FloatArray:
    """Median of each resample; the mean of the middle two where their number is even."""
    return quantile(values, counts, 0.5)


def quantile(values: FloatArray, counts: Counts, share: float) -> FloatArray:
    """Quantile of each resample, linear between the values beside it as `numpy.quantile`; NaN left out."""
    known = ~np.isnan(values)
    order = np.argsort(values[known], kind="stable")
    ordered = values[known][order]
    upto = np.cumsum(counts[:, known][:, order], axis=1)
    if ordered.size == 0:
        return np.full(len(counts), np.nan)
    total = upto[:, -1]
    place = share * np.maximum(total - 1, 0)
    below, rest = np.floor(place), place - np.floor(place)
    lower = ordered[np.argmax(upto > below[:, None], axis=1)]
    upper = ordered[np.argmax(upto > np.ceil(place)[:, None], axis=1)]
    return np.where(total > 0, lower + rest * (upper - lower), np.nan)


def percentile_interval(samples: FloatArray, level: float = 0.95) -> tuple[float, float]:
    """
    Return the percentile interval of a statistic's resamples.

    Resamples in which the statistic is not defined are left out; NaN, NaN if none is left.
    """
    samples = samples[~np.isnan(samples)]
    if samples.size == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
