"""
Grid of the paper from the autocorrelation of dark pixels, as paper-ecg estimates it.

A profile (dark pixels per column) of ruled paper repeats with the distance of its lines, so its
autocorrelation peaks there. One bump is enough, where line detection needs several clean lines; but
the method sees one period only, and does not say of which lines (see `decide_square_mm`).

References
----------
.. [1] Fortune JD, Coppa NE, Haq KT, Patel H, Tereshchenko LG. Digitizing ECG image: a new method and
       open-source software code. Comput Methods Programs Biomed 2022;221:106890.
       https://doi.org/10.1016/j.cmpb.2022.106890 (program: github.com/Tereshchenkolab/paper-ecg, MIT)
"""

import cv2
import numpy as np
import scipy.fft
import scipy.interpolate
import scipy.ndimage
import scipy.signal
from numpy.typing import NDArray

from ecgtrace.errors import GridNotFoundError
from ecgtrace.types import GridScale
from ecgtrace.units import LARGE_SQUARE_MM

FloatArray = NDArray[np.float64]

MIN_PEAK_HEIGHT = 0.3  # of the autocorrelation; paper-ecg's value
MIN_PEAK_PROMINENCE = 0.05  # of the autocorrelation; paper-ecg's value
MAX_DARK_GREY = 230  # grey level after the white point is set to 255; paper-ecg's value

# Ours: 50 to 1000 dpi. Without a grid the beats of the trace repeat, too, but much further apart.
_PLAUSIBLE_PX_PER_MM = (2.0, 40.0)

_PEAK_RADIUS_PX = 2  # lags on each side of a peak that the spline goes through
_PEAK_STEP_PX = 0.01  # resolution of the refined peak
_SMALL_SQUARE_MM = 1.0
_LINES_PER_LARGE_SQUARE = 5
_SURELY_INK = 0.65  # ours: share of Otsu's threshold; the lowest that `adaptive_threshold` goes to
# Ours. On the published dataset's crops the margin is at most 0.16 for the 5 mm lines, at least 2.6 for 1 mm.
_FIFTH_LINE_MARGIN = 0.4


def to_grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """
    Convert RGB to grey, 0.299 R + 0.587 G + 0.114 B.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3) or (height, width)
        RGB, or grey already, which is returned as it is.

    Returns
    -------
    ndarray of uint8, shape (height, width)

    Raises
    ------
    ValueError
        If it is neither.
    """
    if image.dtype != np.uint8 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        raise ValueError(f"image must be uint8, RGB or grey, got {image.dtype} of shape {image.shape}")
    if image.ndim == 2:
        return image
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def grey_histogram(grey: NDArray[np.uint8]) -> NDArray[np.int64]:
    """
    Count grey levels in 255 bins; the last one holds 254 and 255 together.

    Numbers of bins that differ from the number of levels look like a slip in the original, but Otsu's
    threshold and the white point both rest on it, so it is kept.

    Parameters
    ----------
    grey : ndarray of uint8, shape (height, width)

    Returns
    -------
    ndarray of int, shape (255,)
    """
    counts = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel().astype(np.int64)
    counts[254] += counts[255]
    return counts[:255]


def autocorrelation(profile: NDArray[np.integer]) -> FloatArray:
    """
    Correlate a profile with itself, lag by lag.

    The value at lag k is Pearson's r between ``profile[:-k]`` and ``profile[k:]``, each part with its
    own mean and deviation. The original calls ``numpy.corrcoef`` once per lag; here all lags come from
    one Fourier transform. The profile is made of integers, so every sum is exact.

    Parameters
    ----------
    profile : ndarray of int, shape (n,)
        Counts, for example dark pixels per column.

    Returns
    -------
    ndarray of float, shape (n // 2,)
        In [-1, 1]; NaN at lags where one of the two parts is constant.

    Examples
    --------
    >>> autocorrelation(np.array([5, 0, 0, 5, 0, 0, 5, 0, 0])).round(2).tolist()
    [1.0, -0.45, -0.55, 1.0]
    """
    n = len(profile)
    n_lags = n // 2
    if n_lags == 0:
        return np.zeros(0)
    values = np.asarray(profile, dtype=np.int64)
    values = values - round(float(values.mean()))  # r does not change, and the sums stay small
    n_fft = scipy.fft.next_fast_len(2 * n, real=True)
    spectrum = scipy.fft.rfft(values.astype(np.float64), n_fft)
    products = np.rint(scipy.fft.irfft(np.abs(spectrum) ** 2, n_fft)[:n_lags]).astype(np.int64)

    lags = np.arange(n_lags)
    count = n - lags
    sums = np.concatenate([[0], np.cumsum(values)])
    squares = np.concatenate([[0], np.cumsum(values * values)])
    left, right = sums[count], sums[n] - sums[lags]
    left_variance = count * squares[count] - left * left
    right_variance = count * (squares[n] - squares[lags]) - right * right
    covariance = count * products - left * right

    strength = np.full(n_lags, np.nan)
    known = (left_variance > 0) & (right_variance > 0)
    deviations = np.sqrt(left_variance[known]) * np.sqrt(right_variance[known])
    strength[known] = np.clip(covariance[known] / deviations, -1.0, 1.0)
    return strength


def first_peak(strength: FloatArray) -> int | None:
    """
    Find the first lag at which an autocorrelation peaks.

    Parameters
    ----------
    strength : ndarray of float, shape (n_lags,)

    Returns
    -------
    int or None
        None where no peak is at least `MIN_PEAK_HEIGHT` high and `MIN_PEAK_PROMINENCE` prominent.
    """
    peaks, _ = scipy.signal.find_peaks(strength, height=MIN_PEAK_HEIGHT, prominence=MIN_PEAK_PROMINENCE)
    return int(peaks[0]) if len(peaks) else None


def refine_peak(strength: FloatArray, lag: int) -> float:
    """
    Place a peak between the lags.

    The maximum, in steps of 0.01 lags, of a quadratic spline through the five values around the peak.
    Where these are not all there or not all known, the lag itself is returned; the original fails there.

    Parameters
    ----------
    strength : ndarray of float, shape (n_lags,)
    lag : int
        As `first_peak` gives it.

    Returns
    -------
    float
        Lag in px.
    """
    start, end = lag - _PEAK_RADIUS_PX, lag + _PEAK_RADIUS_PX
    around = strength[max(start, 0) : end + 1]
    if start < 0 or end >= len(strength) or np.isnan(around).any():
        return float(lag)
    spline = scipy.interpolate.make_interp_spline(np.arange(start, end + 1), around, k=2)
    fine = np.arange(start, end, _PEAK_STEP_PX)
    return float(fine[np.argmax(spline(fine))])


def dark_pixels(image: NDArray[np.uint8], max_dark_grey: int = MAX_DARK_GREY) -> NDArray[np.uint8]:
    """
    Mark everything darker than the paper: grid, traces and text.

    Grey levels are scaled so that the most frequent one becomes 255, which evens out the tone of the
    paper. In the published dataset major lines (RGB 191, 128, 128) fall below the limit, minor ones
    (255, 237, 237) do not.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3) or (height, width)
    max_dark_grey : int, optional
        Highest scaled grey level that counts as dark. By default `230`.

    Returns
    -------
    ndarray of uint8, shape (height, width)
        {0, 1}.

    Raises
    ------
    GridNotFoundError
        If black is the most frequent level, so that there is no paper.
    """
    grey = to_grey(image)
    white = int(np.argmax(grey_histogram(grey)))
    if white == 0:
        raise GridNotFoundError("most of the image is black: dark grid lines on light paper are expected")
    scaled = np.minimum(np.rint(np.arange(256) * (255 / white)), 255)
    limit = int(np.flatnonzero(scaled <= max_dark_grey)[-1])  # scaling keeps the order of levels
    _, dark = cv2.threshold(grey, limit, 1, cv2.THRESH_BINARY_INV)
    return np.asarray(dark, dtype=np.uint8)


def column_profile(binary: NDArray[np.uint8]) -> NDArray[np.int64]:
    """
    Count the marked pixels of each column.

    Parameters
    ----------
    binary : ndarray of uint8, shape (height, width)
        {0, 1}.

    Returns
    -------
    ndarray of int, shape (width,)
    """
    return cv2.reduce(binary, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel().astype(np.int64)


def row_profile(binary: NDArray[np.uint8]) -> NDArray[np.int64]:
    """
    Count the marked pixels of each row.

    Parameters
    ----------
    binary : ndarray of uint8, shape (height, width)
        {0, 1}.

    Returns
    -------
    ndarray of int, shape (height,)
    """
    return cv2.reduce(binary, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel().astype(np.int64)


def paper_profile(grey: NDArray[np.uint8], axis: int = 0) -> FloatArray:
    """
    Average the grey level of the paper and its ruling, without the ink. This step is ours.

    Parameters
    ----------
    grey : ndarray of uint8, shape (height, width)
    axis : int, optional
        0 (default) for one value per column, 1 for one per row.

    Returns
    -------
    ndarray of float, shape (width,) or (height,)
        What is nearly as dark as ink, and 2 px around it, does not count; where this leaves less
        than a quarter of a line, it takes the median of all.
    """
    otsu, _ = cv2.threshold(grey, 0, 1, cv2.THRESH_OTSU)
    _, ink = cv2.threshold(grey, _SURELY_INK * otsu, 1, cv2.THRESH_BINARY_INV)
    paper = cv2.dilate(ink, np.ones((5, 5), dtype=np.uint8)) == 0
    count = paper.sum(axis=axis)
    mean = np.where(paper, grey, 0).sum(axis=axis) / np.maximum(count, 1)
    known = count >= grey.shape[axis] / 4
    if not known.any():
        return np.zeros(len(mean))
    return np.where(known, mean, np.median(mean[known]))


def decide_square_mm(profile: FloatArray, period_px: float) -> float:
    """
    Decide whether a period is that of the 1 mm or of the 5 mm lines. This step is ours.

    paper-ecg takes the first peak for 1 mm lines throughout; the overlap paper (arXiv 2506.10617), which
    has it as its baseline, for a large square of 5 mm. Where both kinds of line are dark enough to
    count, the first peak is that of the 1 mm lines, and every fifth line is darker or thicker. So the
    lines are dealt into five groups: if one group (its lower quartile) is darker than the others (their
    upper quartile) by `_FIFTH_LINE_MARGIN` of a line's darkness, it is 1 mm. Else it is 5 mm: a
    ruling of equal lines alone is read as large squares, and so is one of which fewer than ten show.

    Parameters
    ----------
    profile : ndarray of float, shape (n,)
        As `paper_profile` gives it. Ink must not count: a heart beat every five squares looks the same.
    period_px : float
        Distance of the lines found.

    Returns
    -------
    float
        1.0 or 5.0.
    """
    n_lines = int((len(profile) - 1) // period_px)
    if n_lines < 2 * _LINES_PER_LARGE_SQUARE:
        return LARGE_SQUARE_MM
    darkness = np.maximum(np.percentile(profile, 90) - profile, 0)
    # A window of half a period takes in the whole line, even where the lines drift from the period.
    around = scipy.ndimage.uniform_filter1d(darkness, 2 * round(period_px / 4) + 1)
    phases = np.arange(int(period_px))[:, None]
    at_lines = around[np.rint(phases + np.arange(n_lines) * period_px).astype(int)]
    lines = at_lines[at_lines.sum(axis=1).argmax()]
    typical = float(np.median(lines))
    for first in range(_LINES_PER_LARGE_SQUARE):
        fifth = np.arange(n_lines) % _LINES_PER_LARGE_SQUARE == first
        margin = np.percentile(lines[fifth], 25) - np.percentile(lines[~fifth], 75)
        if margin > _FIFTH_LINE_MARGIN * typical:
            return _SMALL_SQUARE_MM
    return LARGE_SQUARE_MM


def estimate_grid_by_autocorrelation(
    image: NDArray[np.uint8],
    max_dark_grey: int = MAX_DARK_GREY,
    square_mm: float | None = None,
) -> GridScale:
    """
    Estimate the scale of the paper as paper-ecg does [1]_.

    Dark pixels are counted per column; the first peak of the autocorrelation of these counts is the
    distance of the grid lines. The rows are asked where the columns show no peak. One number serves
    both axes, as in the original, so pixels are taken to be square.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3) or (height, width)
        RGB or grey.
    max_dark_grey : int, optional
        See `dark_pixels`. By default `230`.
    square_mm : float, optional
        Distance of the lines found, in mm. By default `decide_square_mm` tells 1 mm from 5 mm.

    Returns
    -------
    GridScale
        `confidence` is the height of the peak, at most 1; `square_assumed` is always true; positions
        of lines are unknown to this method and left empty.

    Raises
    ------
    GridNotFoundError
        If no period stands out in either direction, or (without `square_mm`) none of 2 to 40 px per mm.

    References
    ----------
    See the module.
    """
    grey = to_grey(image)
    dark = dark_pixels(grey, max_dark_grey)
    for axis, profile in enumerate((column_profile(dark), row_profile(dark))):
        strength = autocorrelation(profile)
        lag = first_peak(strength)
        if lag is None:
            continue
        period_px = refine_peak(strength, lag)
        mm = square_mm or decide_square_mm(paper_profile(grey, axis), period_px)
        plausible = _PLAUSIBLE_PX_PER_MM[0] <= period_px / mm <= _PLAUSIBLE_PX_PER_MM[1]
        if square_mm is None and not plausible:
            continue
        return GridScale(
            px_per_mm_x=period_px / mm,
            px_per_mm_y=period_px / mm,
            confidence=float(strength[lag]),
            square_assumed=True,
        )
    height, width = dark.shape
    raise GridNotFoundError(
        f"no grid period stands out of the {width} x {height} px image (autocorrelation below "
        f"{MIN_PEAK_HEIGHT}): crop so that at least three large squares show, or give the scale yourself"
    )
