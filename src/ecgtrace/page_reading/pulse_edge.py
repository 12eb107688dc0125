"""Where a lead begins behind a calibration pulse, which many machines draw without a gap before it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgtrace.layout.regions import LeadRegion
from ecgtrace.types import FloatArray, GridScale
from ecgtrace.vector.lines import Pulse

_BEFORE_MM = 4.0  # a pulse this far before a lead is the lead's own: gaps of 0 to 3 mm were seen
_INTO_MM = 2.0  # maps may take the first of a trace for the pulse, or the last of a pulse for the trace
_HIGH = 0.5  # of the pulse's height, that much about its middle: there its edge stands alone
_FOOT_MM = 0.8  # what goes on behind the edge so far is a foot
_BARE_MM = 0.5  # and where none is before the rising edge, pulses have none: what goes on is the trace
_TOUCHES_MM = 1.0  # on the maps, of which it is four px
_ABOVE_MM = 12.0  # a pulse of 10 mm/mV reaches so far above its row
_LEAST_INK = 8  # pixels of the maps: 2 mm of a line
_GAP_MM = 0.5  # of bare paper, or of a trace that was not read
_BEYOND_MM = 0.6  # its end on the maps
PULSE_SURE = 0.5  # likelihood of ink of a pulse
_HALF = 0.5  # of the darkest: where the edge's own line ends
_FAINT = 12.0  # of 255: the grid is not darker against its paper once averaged, and no line is so faint


@dataclass(frozen=True)
class Behind:
    """
    A pulse ends where a lead begins; px of the sheet.

    Attributes
    ----------
    ink_end_px : float
        What is left of it is the pulse's ink.
    zero_px : float or None
        Where the lead begins, if it begins with the pulse's end; None: with a gap.
    edge_seen : bool
        Whether the picture shows the pulse's end there. Then where the trace is read from tells of a gap.
    """

    ink_end_px: float
    zero_px: float | None
    edge_seen: bool = False

    def zero_of(self, start_px: float, scale: GridScale) -> float | None:
        """Return where the time of a lead begins, read from `start_px` on; None where a gap tells no more."""
        if start_px - self.ink_end_px > _GAP_MM * scale.px_per_mm_x:
            return None
        return self.zero_px


def pulse_before(
    image: NDArray[np.uint8], region: LeadRegion, pulses_mm: Sequence[Pulse], scale: GridScale
) -> Behind | None:
    """
    Return what a pulse before a lead tells about its begin; None where there is no pulse.

    The maps show the pulse's end to a quarter of a millimetre, ten milliseconds. Its falling edge is a
    straight line, whose middle the picture shows to a fraction of a pixel: where the pulse has no foot, the
    lead begins there. A pulse without a foot before it has none behind: what the maps took for one is the
    lead's begin.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
        The sheet.
    region : LeadRegion
        In px of the sheet.
    pulses_mm : sequence of Pulse
        In mm of the sheet.
    scale : GridScale
        Of the sheet.
    """
    start_mm, zero_mm = region.start / scale.px_per_mm_x, region.zero_y / scale.px_per_mm_y
    own = [
        pulse
        for pulse in pulses_mm
        if start_mm - _BEFORE_MM <= pulse.end_x <= start_mm + _INTO_MM
        and abs(pulse.base_y - zero_mm) <= max(3.0, 0.5 * pulse.height)
    ]
    if not own:
        return None
    pulse = min(own, key=lambda one: abs(one.base_y - zero_mm))
    edge = _edge(image, pulse, scale, 1)
    end_px = pulse.end_x * scale.px_per_mm_x
    per_mm = scale.px_per_mm_x
    meets = start_mm - pulse.end_x <= _TOUCHES_MM
    if edge is not None:
        ink_end_px = edge[0] + edge[1] / 2
        if end_px - edge[0] <= _FOOT_MM * per_mm or (meets and _is_footless(image, pulse, scale)):
            return Behind(ink_end_px, edge[0], edge_seen=True)
    return Behind(end_px, end_px if meets else None)


def pulse_behind(region: LeadRegion, pulse_ink_px: FloatArray, scale: GridScale) -> bool:
    """
    Tell whether a pulse stands right behind a lead.

    Parameters
    ----------
    region : LeadRegion
        In px of the sheet.
    pulse_ink_px : ndarray of float, shape (n, 2)
        (x, y) of ink of pulses, in px of the sheet.
    scale : GridScale
    """
    x, y = (pulse_ink_px - (region.end, region.zero_y)).T / np.reshape(
        (scale.px_per_mm_x, scale.px_per_mm_y), (2, 1)
    )
    near = (x >= -_INTO_MM) & (x <= _BEFORE_MM) & (y >= -_ABOVE_MM) & (y <= _INTO_MM)
    return bool(near.sum() >= _LEAST_INK)


def _is_footless(image: NDArray[np.uint8], pulse: Pulse, scale: GridScale) -> bool:
    """Tell whether a pulse has no foot before its rising edge, and then none behind it."""
    edge = _edge(image, pulse, scale, -1)
    return edge is not None and edge[0] - pulse.x * scale.px_per_mm_x <= _BARE_MM * scale.px_per_mm_x


def _edge(image: NDArray[np.uint8], pulse: Pulse, scale: GridScale, side: int) -> tuple[float, float] | None:
    """Return middle and width, in px, of a pulse's first (-1) or last (1) upright line that stands out."""
    middle_y = (pulse.base_y - pulse.height / 2) * scale.px_per_mm_y
    reach = _HIGH / 2 * pulse.height * scale.px_per_mm_y
    top, bottom = max(0, round(middle_y - reach)), round(middle_y + reach) + 1
    # From the pulse's middle to a little beyond its end on the maps.
    middle = (pulse.x + pulse.end_x) / 2
    span = (middle, pulse.end_x + _BEYOND_MM) if side > 0 else (pulse.x - _BEYOND_MM, middle)
    left, right = max(0, round(span[0] * scale.px_per_mm_x)), round(span[1] * scale.px_per_mm_x) + 1
    part = image[top:bottom, left:right].min(axis=2).astype(float)
    if part.shape[0] < 3 or part.shape[1] < 3:
        return None
    # The median of a column forgets lines of the grid that cross it, and a wave that passes.
    profile: FloatArray = np.median(part, axis=0)
    depth = np.median(profile) - profile
    peak = int(depth.argmax())
    if depth[peak] < _FAINT:
        return None
    dark = depth >= _HALF * depth[peak]
    first = last = peak
    while first > 0 and dark[first - 1]:
        first -= 1
    while last + 1 < len(dark) and dark[last + 1]:
        last += 1
    at = np.arange(max(0, first - 1), min(len(depth), last + 2))
    weight = np.clip(depth[at], 0, None)
    return left + float((at * weight).sum() / weight.sum()), float(last - first + 1)
