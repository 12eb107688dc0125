"""A pulse whose ink on the maps hangs together with lines of a dark grid: its roof and legs within it."""

import numpy as np
from numpy.typing import NDArray

from ecgtrace.digitization.ink import runs
from ecgtrace.page_ink.maps import MAP_PX_PER_MM

# In mm, by eye on drawn pages of one bit.
_ROOF_MM = (1.5, 11.0)  # length: 0.2 s at 50 mm/s are 10 mm
_ABOVE_MM = 1.0  # more ink above the roof is none of the pulse's
_LEG_MM = 2.5
_EVEN, _EVEN_MM = 0.12, 0.75  # difference of the legs, as a share and at least
_FOOT_MM = 3.0
_BESIDE_PX = 1  # of the maps: a leg may lean


def pulse_within(part: NDArray[np.bool_]) -> tuple[slice, slice] | None:
    """
    Find the pulse in connected ink that reaches higher than its roof.

    Parameters
    ----------
    part : ndarray of bool, shape (h, w)
        Ink of a pulse on the maps, in its box.

    Returns
    -------
    tuple of slice or None
        Rows and columns of the pulse, feet included. None where nothing lies above the roof, or no two legs
        of one length hang on it.

    Examples
    --------
    >>> part = np.zeros((60, 40), bool)
    >>> part[:, 18] = True  # a line of the grid
    >>> part[10, 10:31] = part[10:50, 10] = part[10:50, 30] = True
    >>> pulse_within(part)
    (slice(10, 50, None), slice(10, 31, None))
    """
    roofs = [(row, begin, end) for row, line in enumerate(part) for begin, end in runs(line).tolist()]
    low, high = (mm * MAP_PX_PER_MM for mm in _ROOF_MM)
    roofs = [roof for roof in roofs if low <= roof[2] - roof[1] <= high]
    for row, begin, end in sorted(roofs, key=lambda roof: roof[0]):
        legs = [_leg(part, row, at) for at in (begin, end - 1)]
        even = max(_EVEN * max(legs), _EVEN_MM * MAP_PX_PER_MM)
        if min(legs) < _LEG_MM * MAP_PX_PER_MM or abs(legs[0] - legs[1]) > even:
            continue
        if row <= _ABOVE_MM * MAP_PX_PER_MM:
            return None
        bottom = row + round(sum(legs) / 2)
        feet = np.any(part[max(row, bottom - 2) : bottom + 1], axis=0)
        reach = round(_FOOT_MM * MAP_PX_PER_MM)
        left, right = _foot(feet[begin::-1][:reach]), _foot(feet[end - 1 :][:reach])
        return slice(row, bottom), slice(begin - left, end + right)
    return None


def _leg(part: NDArray[np.bool_], row: int, column: int) -> int:
    """Return how far ink goes down from the end of a roof."""
    beside = np.any(part[row:, max(0, column - _BESIDE_PX) : column + _BESIDE_PX + 1], axis=1)
    return len(beside) if beside.all() else int(beside.argmin())


def _foot(inked: NDArray[np.bool_]) -> int:
    """Return how far ink goes on beside a leg."""
    return (len(inked) if inked.all() else int(inked.argmin())) - 1
