"""
Boxes of leads and of their names, as YOLO labels.

Classes as in the published detection set: 0 is a lead's trace, 1 to 12 are the printed names.
There, the names of aVR and aVL are swapped, and boxes are divided by the size of a canvas larger
than the image; here every box is divided by the size of the image that the label belongs to.
"""

from dataclasses import dataclass

from ecgtrace.drawing.layout import Plan
from ecgtrace.drawing.render import label_box
from ecgtrace.errors import DataError
from ecgtrace.units import LEADS

CLASSES = ("lead", *LEADS)
_DECIMALS = 8  # finer than a thousandth of a pixel on any page


@dataclass(frozen=True)
class LabelledBox:
    """A class and a box; x and y in page px, where pixel k reaches from k to k + 1."""

    kind: int
    x0: float
    y0: float
    x1: float
    y1: float


def page_boxes(plan: Plan) -> list[LabelledBox]:
    """
    Return the boxes of a page: each trace, then its name if one is printed.

    The box of a trace is that of its ink, without padding: centre line and half the stroke on
    each side (ends and joins are round). What lies outside the page is cut off.

    Raises
    ------
    DataError
        If a trace lies outside the page altogether.
    """
    names = {label.trace: label_box(label, plan.style) for label in plan.labels}
    half_px = plan.style.line_width_px / 2
    boxes = []
    for index, trace in enumerate(plan.traces):
        # A polyline counts from the centre of the first pixel, a box from its corner.
        low = trace.polyline.min(axis=0) + 0.5 - half_px
        high = trace.polyline.max(axis=0) + 0.5 + half_px
        boxes.append(_clipped(plan, 0, *low.tolist(), *high.tolist()))
        if index in names:
            boxes.append(_clipped(plan, CLASSES.index(trace.lead), *names[index]))
    return boxes


def to_yolo(boxes: list[LabelledBox], width_px: int, height_px: int) -> str:
    """
    Write boxes as lines `class x_centre y_centre width height`, in shares of the image.

    Examples
    --------
    >>> print(to_yolo([LabelledBox(4, 10, 20, 30, 60)], width_px=100, height_px=200), end="")
    4 0.20000000 0.20000000 0.20000000 0.20000000
    """
    lines = []
    for box in boxes:
        x, y = (box.x0 + box.x1) / 2 / width_px, (box.y0 + box.y1) / 2 / height_px
        width, height = (box.x1 - box.x0) / width_px, (box.y1 - box.y0) / height_px
        lines.append(f"{box.kind} " + " ".join(f"{share:.{_DECIMALS}f}" for share in (x, y, width, height)))
    return "".join(f"{line}\n" for line in lines)


def data_yaml() -> str:
    """Return what Ultralytics' programs read: where the splits lie, beside the file, and the classes."""
    names = "".join(f"  {number}: {name}\n" for number, name in enumerate(CLASSES))
    return f"train: train/images\nval: val/images\ntest: test/images\nnames:\n{names}"


def _clipped(plan: Plan, kind: int, x0: float, y0: float, x1: float, y1: float) -> LabelledBox:
    box = LabelledBox(kind, max(x0, 0), max(y0, 0), min(x1, plan.width), min(y1, plan.height))
    if box.x0 >= box.x1 or box.y0 >= box.y1:
        raise DataError(
            f"record {plan.record_id}: {CLASSES[kind]} lies outside its page; widen page.margins_mm"
        )
    return box
