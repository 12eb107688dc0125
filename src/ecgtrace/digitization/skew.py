"""
How far a scan is turned, from its grid, and the scan turned upright.

Along the true direction of the horizontal grid lines, the mean brightness jumps from line to paper and back;
along any other, lines and paper mix. The angle where the profile varies most is that of the grid [1]_.

References
----------
.. [1] Postl W. Detection of linear oblique structures and skew scan in digitized documents. Proc. 8th Int.
       Conf. on Pattern Recognition, 1986, 687-689.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.digitization.ink import brightness
from ecgtrace.types import FloatArray

_LEAST_DEG = 0.06  # less is not worth a resampling: 1 px over a lead of 2.5 s at 400 px/s
_INK_BELOW = 0.5  # of the way from the darkest to the paper: neither paper nor grid
_CLEARER = 1.2  # times: upright leads at 100 dpi reach 1.18 at 0.2 degrees; turned by 0.4 and more, 1.7
_LEAST_VARIATION = 0.01  # of the profile, in squared grey levels
_SUPPORT_PX = 20_000  # so many pixels tell the coarse angle


@dataclass(frozen=True, eq=False)
class Upright:
    """
    A scan turned upright.

    Attributes
    ----------
    image : ndarray of uint8, shape (height, width, 3)
    matrix : ndarray of float, shape (2, 3)
        From points of the scan to points of the upright image.
    angle_deg : float
        How far the scan was turned, counter-clockwise; 0 where it was left as it is.
    """

    image: NDArray[np.uint8]
    matrix: FloatArray
    angle_deg: float

    def to_scan(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return points of the upright image in the scan's own pixels."""
        inverse = cv2.invertAffineTransform(self.matrix)
        return inverse[0, 0] * x + inverse[0, 1] * y + inverse[0, 2], (
            inverse[1, 0] * x + inverse[1, 1] * y + inverse[1, 2]
        )


def find_skew(image: NDArray[np.uint8], limit_deg: float = 6.0) -> float:
    """
    Find how far a scan is turned.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
        RGB, with a grid; dark ink is left out of account.
    limit_deg : float, optional
        Largest angle that is looked for, either way. By default `6`.

    Returns
    -------
    float
        In degrees, counter-clockwise; 0 where no angle stands out or it is below 0.06 degrees.
    """
    light = brightness(image)
    dark, paper = float(np.quantile(light, 0.002)), float(np.median(light))
    is_ink = light < dark + _INK_BELOW * (paper - dark)
    # The darkest half holds the major lines, too, where these are as dark as that; then they stay.
    if is_ink.mean() > 0.2:
        is_ink[:] = False
    is_ink = cv2.dilate(is_ink.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    rows, columns = np.nonzero(~is_ink)
    if len(rows) < 100:
        return 0.0
    x = (columns - image.shape[1] / 2).astype(np.float32)
    y = (rows - image.shape[0] / 2).astype(np.float32)
    value = light[rows, columns]
    some = slice(None, None, max(1, len(rows) // _SUPPORT_PX))
    best = _best_angle(x[some], y[some], value[some], 0.0, limit_deg, 0.25)
    every = slice(None, None, max(1, len(rows) // (4 * _SUPPORT_PX)))
    for reach, step in ((0.25, 0.05), (0.05, 0.01)):
        best = _best_angle(x[every], y[every], value[every], best, reach, step)
    clear = _variation(x[every], y[every], value[every], best)
    # Without a grid, no angle is better than others by more than noise.
    beside = np.median(
        [_variation(x[every], y[every], value[every], best + away) for away in (-2.0, -1.5, 1.5, 2.0)]
    )
    as_it_is = _variation(x[every], y[every], value[every], 0.0)
    if abs(best) < _LEAST_DEG or clear <= max(_CLEARER * as_it_is, 1.5 * beside, _LEAST_VARIATION):
        return 0.0
    return best


def upright(image: NDArray[np.uint8], angle_deg: float | None = None) -> Upright:
    """
    Turn a scan upright.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
    angle_deg : float, optional
        How far it is turned, counter-clockwise. By default `find_skew` says.

    Returns
    -------
    Upright
        The same image where the angle is 0; else a larger one, so that nothing is cut off.
    """
    angle = find_skew(image) if angle_deg is None else angle_deg
    if angle == 0:
        return Upright(image, np.eye(2, 3), 0.0)
    height, width = image.shape[:2]
    turn = np.deg2rad(angle)
    new_width = int(np.ceil(width * np.cos(turn) + height * abs(np.sin(turn))))
    new_height = int(np.ceil(height * np.cos(turn) + width * abs(np.sin(turn))))
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -angle, 1.0)
    matrix[:, 2] += ((new_width - width) / 2, (new_height - height) / 2)
    paper = tuple(float(v) for v in np.median(image.reshape(-1, 3), axis=0))
    turned = cv2.warpAffine(
        image,
        matrix,
        (new_width, new_height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=paper,
    )
    return Upright(np.asarray(turned, np.uint8), np.asarray(matrix, np.float64), float(angle))


def _best_angle(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    value: NDArray[np.float32],
    middle: float,
    reach: float,
    step: float,
) -> float:
    angles = middle + np.arange(-round(reach / step), round(reach / step) + 1) * step
    return float(angles[np.argmax([_variation(x, y, value, angle) for angle in angles])])


def _variation(
    x: NDArray[np.float32], y: NDArray[np.float32], value: NDArray[np.float32], angle_deg: float
) -> float:
    """Variance of the mean brightness along lines of an angle."""
    turn = np.deg2rad(angle_deg)
    # Rows grow downwards: a line turned counter-clockwise rises to the right.
    offset = np.rint(y * np.cos(turn) + x * np.sin(turn)).astype(np.int64)
    offset -= offset.min()
    count = np.bincount(offset)
    total = np.bincount(offset, weights=value)
    mean = total / np.maximum(count, 1)
    overall = total.sum() / count.sum()
    return float((count * (mean - overall) ** 2).sum() / count.sum())
