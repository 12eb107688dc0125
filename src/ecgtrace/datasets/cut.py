"""Cut the picture of one lead, with its truth, from the plan of a page."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecgtrace.drawing.degrade import Box
from ecgtrace.drawing.layout import Plan
from ecgtrace.drawing.render import draw_parts, others_ink, turn_of
from ecgtrace.errors import ConfigError
from ecgtrace.types import FloatArray, LeadCrop

_COVERED = 128  # a pixel belongs to a mask if ink covers at least half of it


@dataclass(frozen=True)
class BoxJitter:
    """
    How a person's box differs from the bounding box of a lead. Each side is drawn on its own.

    Attributes
    ----------
    outward_mm : float
        A side lies at most so far outside of the lead's ink. 0 cuts as the published dataset does
        (`crop_box`).
    inward_mm : float
        And at most so far inside: 0.15 mm is to the middle of a usual line.
    with_pulse : float
        How often the box of a lead that has a calibration pulse beside it takes the pulse in.
    """

    outward_mm: float = 0.0
    inward_mm: float = 0.15
    with_pulse: float = 0.5

    def __post_init__(self) -> None:
        if self.outward_mm < 0 or self.inward_mm < 0 or not 0 <= self.with_pulse <= 1:
            raise ConfigError("box jitter: millimetres must not be negative, with_pulse must lie in 0..1")

    def box(self, plan: Plan, target: int, rng: np.random.Generator) -> Box:
        """Draw the box of a lead; of a page that is turned, about its turned centre line."""
        if not self.outward_mm:
            return crop_box(plan, target)
        style, line = plan.style, _polyline(plan, target)
        if target in plan.pulses and rng.random() < self.with_pulse:
            pulse = turn_of(plan, target).points(plan.strokes[plan.pulses[target]])
            line = np.concatenate([line, pulse])
        sides = style.px(rng.uniform(-self.inward_mm, self.outward_mm, 4)) + style.line_width_px / 2
        low = np.floor(line.min(axis=0) - sides[:2]).astype(int)
        high = np.ceil(line.max(axis=0) + sides[2:]).astype(int)
        return int(low[0]), int(low[1]), int(high[0]) + 1, int(high[1]) + 1


TIGHT = BoxJitter()


def crop_box(plan: Plan, target: int) -> Box:
    """
    Return the box of a lead: the bounding box of its centre line, padded.

    As the published dataset cuts its crops, so that the target alone spans the height. Where the style turns
    the page, it is a box of the turned page, about the turned centre line.
    """
    polyline = _polyline(plan, target)
    pad = plan.style.px(plan.style.crop_padding_mm)
    low = np.rint(polyline.min(axis=0) - pad).astype(int)
    high = np.rint(polyline.max(axis=0) + pad).astype(int)
    return int(low[0]), int(low[1]), int(high[0]) + 1, int(high[1]) + 1


def cut(
    plan: Plan,
    target: int,
    crop_id: str,
    rng: np.random.Generator | None = None,
    box: Box | None = None,
) -> LeadCrop:
    """
    Draw the crop of one lead.

    Parameters
    ----------
    plan : Plan
    target : int
        Index of the trace.
    crop_id : str
    rng : numpy.random.Generator, optional
        For the noise of the page's degradation. By default a fixed one.
    box : tuple of int, optional
        What is cut, in px of the page (turned, where the style turns it). By default `crop_box`.

    Returns
    -------
    LeadCrop
        With `overlap_px` and `crossings` as `overlap` defines them. Where the style turns the page, the masks
        and the polyline are turned as the picture is.
    """
    box = box or crop_box(plan, target)
    trace = plan.traces[target]
    polyline = _polyline(plan, target) - box[:2]
    image, own, others, printed = draw_parts(plan, target, box, rng)
    other = (others >= _COVERED).astype(np.uint8)
    return LeadCrop(
        image=image,
        mask=(own >= _COVERED).astype(np.uint8),
        signal=trace.signal,
        fs_hz=trace.fs_hz,
        crop_id=crop_id,
        record_id=plan.record_id,
        lead=trace.lead,
        layout=plan.layout,
        px_per_mm=plan.style.px_per_mm,
        overlap_px=_ink_beside(other, polyline),
        crossings=crossings(plan, target),
        polyline=polyline,
        other_mask=other,
        printed_mask=(printed >= _COVERED).astype(np.uint8),
        start_px=float(polyline[0, 0]),
    )


def overlap(plan: Plan, target: int, box: Box | None = None) -> tuple[int, int]:
    """
    Measure how much other leads get in the way of one.

    Parameters
    ----------
    plan : Plan
    target : int
        Index of the trace.
    box : tuple of int, optional
        What is cut, as for `cut`.

    Returns
    -------
    overlap_px : int
        Pixels of ink of other leads inside the crop, between the begin and the end of the
        target's own ink. The padding left and right of it does not count: the last sample of
        the neighbouring column may end there without touching anything.
    crossings : int
        How often the centre line of another trace crosses that of the target.
    """
    box = box or crop_box(plan, target)
    other = others_ink(plan, target, box) >= _COVERED
    return _ink_beside(other, _polyline(plan, target) - box[:2]), crossings(plan, target)


def _polyline(plan: Plan, target: int) -> FloatArray:
    """Centre line of a trace as it lies on the page that its crop is cut from."""
    return turn_of(plan, target).points(plan.traces[target].polyline)


def _ink_beside(other: np.ndarray, polyline: FloatArray) -> int:
    # Of a turned trace, a steep wave may reach further than the first or the last sample.
    first = int(np.ceil(polyline[:, 0].min()))
    last = int(np.floor(polyline[:, 0].max()))
    return int(np.count_nonzero(other[:, max(first, 0) : last + 1]))


def crossings(plan: Plan, target: int) -> int:
    """Count the sign changes of the distance between the target and each other centre line."""
    return count_crossings([trace.polyline for trace in plan.traces], target)


def count_crossings(polylines: Sequence[FloatArray], target: int) -> int:
    """
    Count how often other centre lines cross one of them.

    Parameters
    ----------
    polylines : sequence of ndarray of float, shape (n, 2)
        Each from left to right.
    target : int

    Returns
    -------
    int
        Sign changes of the distance to each other line, added up.
    """
    own = polylines[target]
    count = 0
    for index, polyline in enumerate(polylines):
        if index == target:
            continue
        x = polyline[:, 0]
        inside = own[(own[:, 0] >= x[0]) & (own[:, 0] <= x[-1])]
        if len(inside) < 2:
            continue
        apart = np.sign(inside[:, 1] - np.interp(inside[:, 0], x, polyline[:, 1]))
        apart = apart[apart != 0]
        count += int(np.count_nonzero(np.diff(apart)))
    return count
