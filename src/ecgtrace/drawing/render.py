"""
From the plan of a page to pixels.

Strokes are drawn on a canvas four or eight times as fine and averaged down, so that the
value of a pixel is the share of it that ink covers. Masks come from the same canvas.
"""

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.drawing.degrade import Box, Turn
from ecgtrace.drawing.layout import Bounds, Label, Plan
from ecgtrace.drawing.lettering import print_text, text_box
from ecgtrace.drawing.style import Color, PageStyle
from ecgtrace.errors import ConfigError
from ecgtrace.types import FloatArray, Page
from ecgtrace.units import LARGE_SQUARE_MM

_SHIFT = 4  # fractional bits of the coordinates given to OpenCV
_COVERED = 128  # a pixel that ink covers by half or more
_JPEG_BLOCK_PX = 16  # of a JPEG with halved colour resolution


def draw(plan: Plan, box: Box | None = None, rng: np.random.Generator | None = None) -> NDArray[np.uint8]:
    """
    Draw a page, or the part of it inside a box.

    Parameters
    ----------
    plan : Plan
    box : tuple of int, optional
        (x0, y0, x1, y1) in page pixels; may reach over the edge of the page, which
        continues as paper with grid. By default the whole page.
    rng : numpy.random.Generator, optional
        For noise. By default a fixed one.

    Returns
    -------
    ndarray of uint8, shape (y1 - y0, x1 - x0, 3)
        RGB.

    Raises
    ------
    ConfigError
        If the style turns the page: that is done to crops alone.
    """
    if plan.style.degradation.rotation_deg:
        raise ConfigError("rotation_deg turns crops, not pages; set page.degradation.rotation_deg=0")
    box = box or (0, 0, plan.width, plan.height)
    area = _drawn_area(plan.style, box)
    return _compose(plan, traces_ink(plan, area), box, area, Turn(), rng)


def turn_of(plan: Plan, target: int) -> Turn:
    """Return how the page lies when the crop of a trace is cut: turned about the middle of its box."""
    x0, y0, x1, y1 = plan.trace_bounds[target]
    return Turn(plan.style.degradation.rotation_deg, ((x0 + x1) / 2, (y0 + y1) / 2))


class Parts(NamedTuple):
    """A part of a page, and whose ink is on it; ink as the share of each pixel that is covered, 0 to 255."""

    image: NDArray[np.uint8]
    own: NDArray[np.uint8]
    others: NDArray[np.uint8]
    printed: NDArray[np.uint8]


def draw_parts(plan: Plan, target: int, box: Box, rng: np.random.Generator | None = None) -> Parts:
    """
    Draw a part of a page, the ink of one trace, that of all other traces, and that of no trace.

    Where the style turns the page, `box` is one of the page turned as `turn_of` says.

    Returns
    -------
    image : ndarray of uint8, shape (y1 - y0, x1 - x0, 3)
        The same as `draw(plan, box, rng)`, where the page is not turned.
    own, others : ndarray of uint8, shape (y1 - y0, x1 - x0)
        The same as `traces_ink` of the target and of the rest, turned as the page.
    printed : ndarray of uint8, shape (y1 - y0, x1 - x0)
        Names, separators and calibration pulses.
    """
    area = _drawn_area(plan.style, box)
    turn = turn_of(plan, target)
    source = turn.source(area)
    own = traces_ink(plan, source, (target,))
    others = traces_ink(plan, source, _all_but(plan, target))
    image = _compose(plan, np.maximum(own, others), box, area, turn, rng)
    printed = np.zeros_like(own)
    _add_printed(plan, printed, printed, source)
    parts = (_cut(turn.image(ink, area), box, area) for ink in (own, others, printed))
    return Parts(image, *parts)


def others_ink(plan: Plan, target: int, box: Box) -> NDArray[np.uint8]:
    """Draw the ink of all traces but one, the same as `draw_parts` gives, without the rest of the picture."""
    turn = turn_of(plan, target)
    # The turning of a larger box rounds its coordinates otherwise: by the same box, the same pixels.
    area = _drawn_area(plan.style, box) if turn.angle_deg else box
    return _cut(turn.image(traces_ink(plan, turn.source(area), _all_but(plan, target)), area), box, area)


def _all_but(plan: Plan, target: int) -> tuple[int, ...]:
    return tuple(i for i in range(len(plan.traces)) if i != target)


def _drawn_area(style: PageStyle, box: Box) -> Box:
    """Return the box, or a larger one where its pixels depend on those around it."""
    if not (style.degradation.jpeg_quality or style.degradation.blur_px):
        return box
    # Blocks of a part are those of the page, so that a crop looks as if cut from the page.
    x0, y0 = ((v - _JPEG_BLOCK_PX) // _JPEG_BLOCK_PX * _JPEG_BLOCK_PX for v in box[:2])
    return x0, y0, box[2] + _JPEG_BLOCK_PX, box[3] + _JPEG_BLOCK_PX


def _compose(
    plan: Plan, ink: NDArray[np.uint8], box: Box, area: Box, turn: Turn, rng: np.random.Generator | None
) -> NDArray[np.uint8]:
    source, style = turn.source(area), plan.style
    image = draw_grid(style, source)
    names = ink if style.name_ink is None else np.zeros_like(ink)
    _add_printed(plan, ink, names, source)
    if style.name_ink is not None:
        blend(image, as_plotted(names, style), style.name_ink)
    blend(image, as_plotted(ink, style), style.ink)
    image = turn.image(image, area)
    return _cut(plan.style.degradation.apply(image, rng or np.random.default_rng(0)), box, area)


def as_plotted(ink: NDArray[np.uint8], style: PageStyle) -> NDArray[np.uint8]:
    """Return the ink as it comes on the paper: a plotter without half-tones covers a pixel or does not."""
    return ink if style.antialias else np.where(ink >= _COVERED, np.uint8(255), np.uint8(0))


def _add_printed(plan: Plan, strokes: NDArray[np.uint8], names: NDArray[np.uint8], box: Box) -> None:
    """Add what is printed beside the traces: separators and pulses to one canvas, names to another."""
    style = plan.style
    for index, (stroke, bounds) in enumerate(zip(plan.strokes, plan.stroke_bounds, strict=True)):
        width_px = style.separator_width_px if index in plan.separators else style.line_width_px
        if _is_near(bounds, width_px, box):
            add_stroke(strokes, stroke, width_px, box)
    for label in plan.labels:
        _print_label(names, label, style, box)


def _cut(image: NDArray[np.uint8], box: Box, area: Box) -> NDArray[np.uint8]:
    part = image[box[1] - area[1] : box[3] - area[1], box[0] - area[0] : box[2] - area[0]]
    return np.ascontiguousarray(part)


def draw_page(plan: Plan, rng: np.random.Generator | None = None) -> Page:
    """Draw the whole page, with all that is known about it."""
    return Page(
        image=draw(plan, rng=rng),
        px_per_mm=plan.style.px_per_mm,
        line_width_px=plan.style.line_width_px,
        traces=plan.traces,
        names={label.trace: label_box(label, plan.style) for label in plan.labels},
        record_id=plan.record_id,
        layout=plan.layout,
    )


def traces_ink(plan: Plan, box: Box, only: tuple[int, ...] | None = None) -> NDArray[np.uint8]:
    """
    Draw the ink of traces alone.

    Parameters
    ----------
    plan : Plan
    box : tuple of int
    only : tuple of int, optional
        Indices of the traces; by default all.

    Returns
    -------
    ndarray of uint8, shape (y1 - y0, x1 - x0)
        Share of each pixel that is covered, 0 to 255.
    """
    ink = np.zeros((box[3] - box[1], box[2] - box[0]), np.uint8)
    width_px = plan.style.line_width_px
    for index in range(len(plan.traces)) if only is None else only:
        if _is_near(plan.trace_bounds[index], width_px, box):
            add_stroke(ink, plan.traces[index].polyline, width_px, box)
    return ink


def stroke_coverage(polyline: FloatArray, width_px: float, box: Box) -> NDArray[np.uint8]:
    """
    Draw one stroke with round joins and ends.

    Parameters
    ----------
    polyline : ndarray of float, shape (n, 2)
        (x, y) in page px; (0, 0) is the centre of the first pixel.
    width_px : float
        OpenCV draws odd widths on the fine canvas; the nearest is taken, which is at most
        a quarter of a pixel off (an eighth for strokes thinner than 3 px).
    box : tuple of int

    Returns
    -------
    ndarray of uint8, shape (y1 - y0, x1 - x0)
        Share of each pixel that is covered, 0 to 255.
    """
    ink = np.zeros((box[3] - box[1], box[2] - box[0]), np.uint8)
    add_stroke(ink, polyline, width_px, box)
    return ink


def add_stroke(ink: NDArray[np.uint8], polyline: FloatArray, width_px: float, box: Box) -> None:
    """Draw one stroke as `stroke_coverage` does over the ink of a box, in place."""
    part = _part_inside(polyline, width_px, box)
    if part is None:
        return
    points, (x0, y0, x1, y1) = part
    scale = 4 if width_px >= 3 else 8
    canvas = np.zeros(((y1 - y0) * scale, (x1 - x0) * scale), np.uint8)
    fine = (points - (x0, y0) + 0.5) * scale - 0.5
    fixed = np.rint(fine * (1 << _SHIFT)).astype(np.int32)
    # A thickness of t covers 2 * (t // 2) + 1 pixels.
    thickness = max(1, 2 * round((width_px * scale - 1) / 2))
    cv2.polylines(canvas, [fixed], False, 255, thickness, cv2.LINE_8, _SHIFT)
    while canvas.shape[0] > y1 - y0:  # halving is the fast path of INTER_AREA
        halved = cv2.resize(canvas, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        canvas = np.asarray(halved, np.uint8)
    cx0, cy0, cx1, cy1 = max(x0, box[0]), max(y0, box[1]), min(x1, box[2]), min(y1, box[3])
    target = ink[cy0 - box[1] : cy1 - box[1], cx0 - box[0] : cx1 - box[0]]
    np.maximum(target, canvas[cy0 - y0 : cy1 - y0, cx0 - x0 : cx1 - x0], out=target)


def _is_near(bounds: Bounds, width_px: float, box: Box) -> bool:
    reach = width_px / 2 + 2
    x0, y0, x1, y1 = bounds
    return x1 > box[0] - reach and x0 < box[2] + reach and y1 > box[1] - reach and y0 < box[3] + reach


def _part_inside(polyline: FloatArray, width_px: float, box: Box) -> tuple[FloatArray, Box] | None:
    """
    Return the run of points that touches the box, and the smallest box that holds its ink.

    It may reach over the edge: OpenCV clips strokes at the edge of a canvas a little too early.
    """
    reach = width_px / 2 + 2
    low = np.minimum(polyline[:-1], polyline[1:]) - reach
    high = np.maximum(polyline[:-1], polyline[1:]) + reach
    touches = np.flatnonzero(
        (high[:, 0] > box[0]) & (low[:, 0] < box[2]) & (high[:, 1] > box[1]) & (low[:, 1] < box[3])
    )
    if not touches.size:
        return None
    first, last = touches[0], touches[-1] + 1
    inner = (
        max(box[0] - 2, int(np.floor(low[touches, 0].min()))),
        max(box[1] - 2, int(np.floor(low[touches, 1].min()))),
        min(box[2] + 2, int(np.ceil(high[touches, 0].max())) + 1),
        min(box[3] + 2, int(np.ceil(high[touches, 1].max())) + 1),
    )
    return polyline[first : last + 1], inner


def blend(image: NDArray[np.uint8], ink: NDArray[np.uint8], color: Color) -> None:
    """Lay ink of one colour over the image, in place."""
    rows = np.flatnonzero(ink.any(axis=1))
    if not rows.size:
        return
    part = slice(rows[0], rows[-1] + 1)
    cover = cv2.cvtColor(ink[part], cv2.COLOR_GRAY2RGB)
    clear = cv2.multiply(image[part], cv2.bitwise_not(cover), scale=1 / 255)
    if any(color):
        clear = cv2.add(clear, cv2.multiply(np.full_like(cover, color), cover, scale=1 / 255))
    image[part] = clear


def draw_grid(style: PageStyle, box: Box) -> NDArray[np.uint8]:
    """Return paper and grid; lines continue beyond the page."""
    x0, y0, x1, y1 = box
    # As on the published pages: a line on the left edge, and one on each zero line.
    across = [_line_profile(style, x0, x1, 0.0, kind) for kind in ("major", "minor")]
    phase_y = style.px(style.margins_mm[2] % LARGE_SQUARE_MM)
    down = [_line_profile(style, y0, y1, phase_y, kind) for kind in ("major", "minor")]
    row = np.broadcast_to(np.asarray(style.paper, np.float32), (x1 - x0, 3))
    # Their order, too: pale horizontal lines cut the strong vertical ones.
    dots = np.outer(down[1], across[1]) if style.grid_dots and style.grid_minor else None
    minor = None if style.grid_dots else style.grid_minor
    for share, color in zip(across, (style.grid_major, minor), strict=True):
        row = _mix(row, share[:, None], color)
    # Few rows of the image differ: with, without and at the edge of a line of either kind.
    _, first, which = np.unique(down[0] + 1j * down[1], return_index=True, return_inverse=True)
    rows = np.repeat(row[None], len(first), axis=0)
    for share, color in zip(down, (style.grid_major, minor), strict=True):
        rows = _mix(rows, share[first, None, None], color)
    if dots is not None:
        rows = _mix(rows, dots[first, :, None], style.grid_minor)
    return np.rint(rows).astype(np.uint8)[which]


def _mix(base: NDArray[np.float32], share: NDArray[np.float32], color: Color | None) -> NDArray[np.float32]:
    if color is None:
        return base
    return base * (1 - share) + np.asarray(color, np.float32) * share


@lru_cache(maxsize=256)
def _line_profile(style: PageStyle, start: int, stop: int, phase_px: float, kind: str) -> NDArray[np.float32]:
    """Return the share of each pixel from start to stop that grid lines of one kind cover."""
    is_major = kind == "major"
    # A dot of dotted paper stands on every crossing of the 1 mm lines, those of 5 mm among them.
    own_width_mm = style.grid_major_width_mm if is_major else None
    width = style.px(own_width_mm or style.grid_width_mm)
    step = style.px(1.0)
    first = int(np.floor((start - phase_px - width) / step))
    last = int(np.ceil((stop - phase_px + width) / step))
    index = np.arange(first, last + 1)
    if is_major or not style.grid_dots:
        index = index[(index % 5 == 0) == is_major]
    low = phase_px + index * step - width / 2 + 0.5  # edges, with pixel k spanning k to k + 1
    high = low + width
    if style.snap_grid:
        low = np.rint(low)
        high = low + max(1, round(width))
    pixel = np.arange(start, stop)[:, None]
    cover = np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, 1)
    return cover.sum(axis=1).clip(0, 1).astype(np.float32)


def _text(label: Label, style: PageStyle) -> tuple[str, str, float, float]:
    return label.text, style.font, style.px(style.name_height_mm), style.line_width_px


def label_box(label: Label, style: PageStyle) -> Box:
    """Return the box of a printed lead name in page px."""
    return text_box(*_text(label, style), label.x, label.y)


def _print_label(ink: NDArray[np.uint8], label: Label, style: PageStyle, box: Box) -> None:
    x0, y0, x1, y1 = label_box(label, style)
    if x1 < box[0] or x0 > box[2] or y1 < box[1] or y0 > box[3]:
        return
    # Rounded on the page, not in the box: a part of a page looks as if cut from it.
    print_text(ink, *_text(label, style), round(label.x) - box[0], round(label.y) - box[1])
