"""Cut the picture of one lead, with its truth, from the plan of a page."""

import numpy as np

from ecgtrace.pages.degrade import Box
from ecgtrace.pages.layout import Plan
from ecgtrace.pages.render import draw_parts, others_ink, turn_of
from ecgtrace.types import FloatArray, LeadCrop

_COVERED = 128  # a pixel belongs to a mask if ink covers at least half of it


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


def cut(plan: Plan, target: int, crop_id: str, rng: np.random.Generator | None = None) -> LeadCrop:
    """
    Draw the crop of one lead.

    Parameters
    ----------
    plan : Plan
    target : int
        Index of the trace.
    crop_id : str
    rng : numpy.random.Generator, optional
        For the noise of the page's degradation.

    Returns
    -------
    LeadCrop
        With `overlap_px` and `crossings` as `overlap` defines them. Where the style turns the page, the masks
        and the polyline are turned as the picture is.
    """
    box = crop_box(plan, target)
    trace = plan.traces[target]
    polyline = _polyline(plan, target) - box[:2]
    image, own, others = draw_parts(plan, target, box, rng)
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
    )


def overlap(plan: Plan, target: int) -> tuple[int, int]:
    """
    Measure how much other leads get in the way of one.

    Returns
    -------
    overlap_px : int
        Pixels of ink of other leads inside the crop, between the begin and the end of the
        target's own ink. The padding left and right of it does not count: the last sample of
        the neighbouring column may end there without touching anything.
    crossings : int
        How often the centre line of another trace crosses that of the target.
    """
    box = crop_box(plan, target)
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
    own = plan.traces[target].polyline
    count = 0
    for index, trace in enumerate(plan.traces):
        if index == target:
            continue
        x = trace.polyline[:, 0]
        inside = own[(own[:, 0] >= x[0]) & (own[:, 0] <= x[-1])]
        if len(inside) < 2:
            continue
        apart = np.sign(inside[:, 1] - np.interp(inside[:, 0], x, trace.polyline[:, 1]))
        apart = apart[apart != 0]
        count += int(np.count_nonzero(np.diff(apart)))
    return count
