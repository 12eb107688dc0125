"""
Ink from paper: Otsu's threshold, lowered while the grid still shows, as paper-ecg does it.

References
----------
.. [1] Fortune JD et al. Digitizing ECG image: a new method and open-source software code. Comput
       Methods Programs Biomed 2022;221:106890. https://doi.org/10.1016/j.cmpb.2022.106890
       (program: github.com/Tereshchenkolab/paper-ecg, MIT)
.. [2] Otsu N. A threshold selection method from gray-level histograms. IEEE Trans Syst Man Cybern
       1979;9(1):62-66. https://doi.org/10.1109/TSMC.1979.4310076
"""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.digitization.autocorrelation import (
    autocorrelation,
    column_profile,
    first_peak,
    grey_histogram,
    to_grey,
)

_FIRST_GUESS = 128  # middle of the grey levels; where the climb begins


def otsu_threshold(grey: NDArray[np.uint8]) -> int:
    """
    Find the grey level that parts dark from light best, after Otsu [2]_, by climbing from level 128.

    The variance between the classes below and from level k on is followed uphill from the middle of
    the scale, one level at a time. So this is a local maximum near 128, and on a plateau (black on white
    with nothing between) it is 128 itself. OpenCV's Otsu searches all levels; on pages with a grid the
    two can differ, and paper-ecg climbs.

    Parameters
    ----------
    grey : ndarray of uint8, shape (height, width)

    Returns
    -------
    int
        Threshold in [1, 254].
    """
    share = grey_histogram(grey) / grey.size
    below = np.concatenate([[0.0], np.cumsum(share)])
    moment = np.concatenate([[0.0], np.cumsum(np.arange(1, len(share) + 1) * share)])
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (moment[-1] * below - moment) ** 2 / (below * (1 - below))

    level = _FIRST_GUESS
    while 0 < level < len(between) - 1:
        # An empty class makes NaN, which no comparison prefers: the climb ends there.
        if between[level - 1] > between[level]:
            level -= 1
        elif between[level + 1] > between[level]:
            level += 1
        else:
            break
    return level


def grid_is_detectable(binary: NDArray[np.uint8]) -> bool:
    """
    Tell whether grid lines are left: whether the counts of ink per column are periodic.

    Parameters
    ----------
    binary : ndarray of uint8, shape (height, width)
        {0, 1}.

    Returns
    -------
    bool
        True where the autocorrelation of the column counts has a peak (`first_peak`). A very regular
        heart beat can pass for a grid; the threshold then ends lower than it need.
    """
    return first_peak(autocorrelation(column_profile(binary))) is not None


def hedging_factors(max_factor: float = 1.0, min_factor: float = 0.6, step: float = 0.05) -> Iterator[float]:
    """
    Yield the factors to try, from the largest down.

    The step is subtracted again and again, as in the original: with its values 0.6 is missed by a
    rounding error, so that the lowest factor in use is 0.65.

    Parameters
    ----------
    max_factor, min_factor, step : float, optional
        By default `1.0`, `0.6` and `0.05`.

    Yields
    ------
    float

    Raises
    ------
    ValueError
        If the step is not positive.
    """
    if step <= 0:
        raise ValueError(f"step must be positive, got {step}")
    factor = max_factor
    yield factor
    while (factor := factor - step) >= min_factor:
        yield factor


def remove_specks(ink: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """
    Remove what is thinner than 3 px: one erosion and one dilation with a 3 x 3 cross.

    Parameters
    ----------
    ink : ndarray of bool, shape (height, width)

    Returns
    -------
    ndarray of bool, shape (height, width)
    """
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    return cv2.dilate(cv2.erode(ink.astype(np.uint8), cross), cross).astype(bool)


def adaptive_threshold(
    image: NDArray[np.uint8],
    max_factor: float = 1.0,
    min_factor: float = 0.6,
    step: float = 0.05,
    denoise: bool = False,
) -> NDArray[np.bool_]:
    """
    Part ink from paper and grid: Otsu's threshold times a hedging factor [1]_.

    The factor begins at 1 and goes down while grid lines are still detectable in what is marked as
    ink (`grid_is_detectable`), to `min_factor` at the lowest.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3) or (height, width)
        RGB or grey; dark ink on light paper.
    max_factor, min_factor, step : float, optional
        See `hedging_factors`.
    denoise : bool, optional
        Whether to remove specks (`remove_specks`). By default `False`, as in the original; it also
        removes traces thinner than 3 px.

    Returns
    -------
    ndarray of bool, shape (height, width)
        True where there is ink.
    """
    grey = to_grey(image)
    threshold = otsu_threshold(grey)
    binary = np.zeros_like(grey)
    for factor in hedging_factors(max_factor, min_factor, step):
        # OpenCV rounds the threshold of 8-bit images down: marked is grey <= floor(threshold * factor).
        _, thresholded = cv2.threshold(grey, threshold * factor, 1, cv2.THRESH_BINARY_INV)
        binary = np.asarray(thresholded, dtype=np.uint8)
        if not grid_is_detectable(binary):
            break
    ink = binary.astype(bool)
    return remove_specks(ink) if denoise else ink
