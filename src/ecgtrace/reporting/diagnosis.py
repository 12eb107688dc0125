"""Why a crop went wrong: what can be counted of a digitized signal beside the truth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgtrace.errors import DataError
from ecgtrace.evaluation import metrics
from ecgtrace.evaluation.align import DEFAULT_ALIGN, AlignOptions, align
from ecgtrace.types import FloatArray, LeadCrop, LeadSignal
from ecgtrace.units import px_to_mv

# From where on a number is called the cause. A share of columns this small is a corner of the crop; scales
# are found within 0.5 % on all reference crops, so four times that is no accident.
_SHARE = 0.02
_GRID_ERROR = 0.02
_RANGE_KEPT = 0.95
_FLAT_MV = 0.3  # from peak to peak: the stroke is a tenth of it, so its unevenness shows in r
_NEAR_MM = 0.15  # half a stroke: a centre line this close to ink is on it


@dataclass(frozen=True)
class Diagnosis:
    """
    What a digitized crop looks like beside its truth, in numbers.

    The four shares are of the columns in which the target has ink, and add up to 1.

    Attributes
    ----------
    on_target : float
        The path lies on the target's ink, or between its ends where a steep wave fills the column.
    on_other : float
        It lies on the ink of another lead alone. 0 where a dataset does not tell the others' ink.
    off_ink : float
        It lies on neither.
    missing : float
        There is no path.
    gain : float or None
        Slope of the digitized signal over the truth: 0.8 where amplitudes come out a fifth too small.
    lag_s : float or None
        Removed before comparing; positive where the digitized signal was late.
    r : float
    mse_mv2 : float
    grid_error : float or None
        The larger relative error of the scale in x and y; None where the true scale is not known.
    range_mv : float
        Of the truth, from peak to peak.
    range_kept : float or None
        Range of the digitized signal over that of the truth: below 1 where peaks are cut.
    px_mv : float or None
        What a pixel is worth.
    message : str
        Why there is no signal; else empty.
    """

    on_target: float
    on_other: float
    off_ink: float
    missing: float
    gain: float | None
    lag_s: float | None
    r: float
    mse_mv2: float
    grid_error: float | None
    range_mv: float
    range_kept: float | None
    px_mv: float | None
    message: str = ""

    @property
    def cause(self) -> str:
        """One line: the first thing that explains a bad result."""
        if self.message:
            return f"not digitized: {self.message}"
        if self.grid_error is not None and abs(self.grid_error) > _GRID_ERROR:
            return f"the scale is off by {self.grid_error:+.1%}"
        if self.on_other > _SHARE:
            return f"follows another lead in {self.on_other:.0%} of the columns"
        if self.missing > _SHARE:
            return f"finds no trace in {self.missing:.0%} of the columns"
        if self.off_ink > _SHARE:
            return f"is beside all traces in {self.off_ink:.0%} of the columns (merged ink, a name, the grid)"
        pixel = "" if self.px_mv is None else f"; a pixel is {self.px_mv:.3f} mV"
        if self.range_mv < _FLAT_MV:
            return f"a flat lead, {self.range_mv:.2f} mV from peak to peak{pixel}"
        if self.range_kept is not None and self.range_kept < _RANGE_KEPT:
            return (
                f"follows the right trace, but cuts its peaks: {1 - self.range_kept:.0%} of the range is lost"
            )
        return f"follows the right trace; what is left is its fine shape{pixel}"


def diagnose(crop: LeadCrop, digitized: LeadSignal, options: AlignOptions = DEFAULT_ALIGN) -> Diagnosis:
    """
    Compare path and signal with the truth of a crop.

    Parameters
    ----------
    crop : LeadCrop
    digitized : LeadSignal
    options : AlignOptions, optional
        As in the evaluation.

    Returns
    -------
    Diagnosis

    Raises
    ------
    TraceNotFoundError
        If nothing was digitized.
    """
    scores = metrics.score(crop, digitized, options)
    aligned = align(digitized.amplitude_mv, digitized.fs_hz, crop.signal, crop.fs_hz, options)
    kinds = column_kinds(crop, digitized.row_px)
    shares = {kind: float(np.mean(kinds[kinds != ""] == kind)) for kind in ("on", "other", "off", "missing")}
    errors = [error for error in (scores.grid_error_x, scores.grid_error_y) if error is not None]
    return Diagnosis(
        on_target=shares["on"],
        on_other=shares["other"],
        off_ink=shares["off"],
        missing=shares["missing"],
        gain=_slope(crop.signal, aligned.signal),
        lag_s=scores.lag_s,
        r=scores.r,
        mse_mv2=scores.mse_mv2,
        grid_error=max(errors, key=abs) if errors else None,
        range_mv=float(np.ptp(crop.signal)),
        range_kept=_ratio(float(np.ptp(aligned.signal)), float(np.ptp(crop.signal))),
        px_mv=_px_mv(crop),
    )


def column_kinds(crop: LeadCrop, row_px: FloatArray) -> NDArray[np.str_]:
    """
    Say for each column where the path lies.

    Parameters
    ----------
    crop : LeadCrop
    row_px : ndarray of float, shape (width,)
        Row of the path in each column, NaN where there is none.

    Returns
    -------
    ndarray of str, shape (width,)
        "on" the target, on an "other" lead alone, "off" both, "missing"; "" where the target has no ink.

    Examples
    --------
    The target is row 1, another lead row 4 of its last column:

    >>> mask = np.zeros((6, 4), np.uint8)
    >>> mask[1] = 1
    >>> other = np.zeros_like(mask)
    >>> other[4, 3] = 1
    >>> crop = LeadCrop(np.zeros((6, 4, 3), np.uint8), mask, np.zeros(2), 100.0, "", "", "", "",
    ...                 other_mask=other)
    >>> column_kinds(crop, np.array([1.0, np.nan, 4.0, 4.0])).tolist()
    ['on', 'missing', 'off', 'other']
    """
    height, width = crop.mask.shape
    if row_px.shape != (width,):
        raise DataError(f"a path of {row_px.shape} columns on a picture of {width}")
    near_px = max(1.0, _NEAR_MM * (crop.px_per_mm or 0.0))
    rows = np.arange(height)[:, None]
    target = crop.mask > 0
    top = np.where(target, rows, height).min(axis=0)
    bottom = np.where(target, rows, -1).max(axis=0)
    on_target = (row_px >= top - near_px) & (row_px <= bottom + near_px)
    if crop.other_mask is None:
        on_other: NDArray[np.bool_] = np.zeros(width, np.bool_)
    else:
        on_other = np.any((crop.other_mask > 0) & (np.abs(rows - row_px) <= near_px), axis=0)
    kinds = np.select(
        [~target.any(axis=0), np.isnan(row_px), on_target, on_other], ["", "missing", "on", "other"], "off"
    )
    return np.asarray(kinds)


def diagnose_failed(crop: LeadCrop, message: str) -> Diagnosis:
    """Return the diagnosis of a crop that could not be digitized."""
    return Diagnosis(
        on_target=0.0,
        on_other=0.0,
        off_ink=0.0,
        missing=1.0,
        gain=None,
        lag_s=None,
        r=metrics.FAILED_R,
        mse_mv2=metrics.failed_mse_mv2(crop.signal),
        grid_error=None,
        range_mv=float(np.ptp(crop.signal)),
        range_kept=None,
        px_mv=_px_mv(crop),
        message=message,
    )


def _px_mv(crop: LeadCrop) -> float | None:
    return None if crop.px_per_mm is None else px_to_mv(1.0, crop.px_per_mm)


def _slope(truth: FloatArray, digitized: FloatArray) -> float | None:
    shared = float(np.mean((truth - truth.mean()) * (digitized - digitized.mean())))
    return _ratio(shared, float(np.var(truth)))


def _ratio(value: float, of: float) -> float | None:
    return value / of if of > 0 else None
