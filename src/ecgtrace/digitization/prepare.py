"""
A picture made ready for reading: dark ink on light paper, and nothing but the paper.

The digitizers expect dark ink on paper that reaches to the edges. A screenshot of a monitor is white or
green on black; a scan with the lid open has black around the paper. Both are told from the picture, undone,
and said in a note, since each is an assumption.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.digitization.ink import brightness
from ecgtrace.images import MIN_SIDE_PX
from ecgtrace.types import LeadSignal

_BLACK = 48  # grey levels: black of a scanner's open lid and of JPEG about it; by eye on drawn margins
_BLACK_SHARE = 0.97  # of a row or column that is margin; a trace of a lead never fills one so far
_DIM = 96  # grey levels: paper is lighter than this, the ground of a monitor darker
_MOST_INK = 0.25  # of the picture; more is light paper on a dark table
_LEAST_CONTRAST = 24  # as `images.check_picture` asks of dark ink
_SOFT_PX = 3  # compression and resampling soften a margin's edge over so many px
_WIDE = 0.08  # of the shorter side: a black patch wider than this is no trace (0.5 mm of 10 mm is 0.05)
_EDGE_SHARE = 0.15  # of a side that a margin takes; a bold name or a bar at the edge takes less
_PATCH_SHARE = 0.01  # of the picture, that is worth painting over


@dataclass(frozen=True, eq=False)
class Prepared:
    """
    A picture made ready, and how to find its pixels in the source.

    Attributes
    ----------
    image : ndarray of uint8, shape (height, width, 3)
        RGB, dark ink on light paper.
    left_px, top_px : int
        Column and row of the source where its first pixel lies.
    source_width_px : int
    notes : tuple of str
        What was done, in words; empty where the picture is the source itself.
    """

    image: NDArray[np.uint8]
    left_px: int
    top_px: int
    source_width_px: int
    notes: tuple[str, ...] = ()

    def to_source(self, signal: LeadSignal) -> LeadSignal:
        """Give a signal's places in px of the source, and add the notes."""
        rows = np.full(self.source_width_px, np.nan)
        rows[self.left_px : self.left_px + len(signal.row_px)] = signal.row_px + self.top_px
        scale = replace(
            signal.scale,
            lines_x=tuple(x + self.left_px for x in signal.scale.lines_x),
            lines_y=tuple(y + self.top_px for y in signal.scale.lines_y),
        )
        return replace(
            signal,
            scale=scale,
            row_px=rows,
            start_px=signal.start_px + self.left_px,
            notes=(*self.notes, *signal.notes),
        )


def prepare(image: NDArray[np.uint8]) -> Prepared:
    """
    Cut off black margins, and turn light ink on a dark ground into dark ink on a light one.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
        RGB.

    Returns
    -------
    Prepared
        With the same image and no notes where there was nothing to do.

    Examples
    --------
    White on black, with nothing around it:

    >>> screen = np.zeros((40, 90, 3), np.uint8)
    >>> screen[20, 5:85] = 255
    >>> ready = prepare(screen)
    >>> ready.notes, int(ready.image[20, 40, 0]), int(ready.image[0, 0, 0])
    (('light ink on a dark ground: inverted',), 0, 255)
    """
    rows, columns = _paper(image)
    notes = []
    height, width = image.shape[:2]
    cut = (columns.start, rows.start, width - columns.stop, height - rows.stop)
    ready = image
    if any(cut):
        ready = np.ascontiguousarray(image[rows, columns])
        sides = zip(("left", "top", "right", "bottom"), cut, strict=True)
        notes.append(f"black margin cut off ({', '.join(f'{side} {n} px' for side, n in sides if n)})")
    if _is_light_on_dark(ready):
        ready = np.asarray(255 - ready, np.uint8)
        notes.append("light ink on a dark ground: inverted")
    elif (patch := _black_patches(ready)) is not None:
        ready = ready.copy()
        ready[patch] = np.median(ready[~patch], axis=0)
        notes.append(f"black along the edge painted over ({patch.mean():.0%} of the picture)")
    return Prepared(ready, columns.start, rows.start, width, tuple(notes))


def _paper(image: NDArray[np.uint8]) -> tuple[slice, slice]:
    """Rows and columns without the black margins; all of them where what is left is no light paper."""
    height, width = image.shape[:2]
    everything = slice(0, height), slice(0, width)
    light = brightness(image)
    black = light < _BLACK
    rows, columns = everything
    for _ in range(2):  # a margin's corner hides the other margin at first
        rows = _within(black[:, columns].mean(axis=1) >= _BLACK_SHARE, rows)
        if rows.stop - rows.start < MIN_SIDE_PX:
            return everything
        columns = _within(black[rows].mean(axis=0) >= _BLACK_SHARE, columns)
        if columns.stop - columns.start < MIN_SIDE_PX:
            return everything
    if (rows, columns) == everything:
        return everything
    paper = float(np.median(light[rows, columns]))
    if paper < _DIM:
        return everything
    rows = _without_soft_edge(np.median(light[:, columns], axis=1) < (paper + _BLACK) / 2, rows, height)
    columns = _without_soft_edge(np.median(light[rows], axis=0) < (paper + _BLACK) / 2, columns, width)
    return rows, columns


def _within(is_margin: NDArray[np.bool_], part: slice) -> slice:
    """Shorten a part from both ends while it is margin."""
    inside = np.flatnonzero(~is_margin[part])
    if not len(inside):
        return slice(part.start, part.start)
    return slice(part.start + int(inside[0]), part.start + int(inside[-1]) + 1)


def _without_soft_edge(is_dark: NDArray[np.bool_], part: slice, length: int) -> slice:
    """Take off what is half margin, where a margin was cut at all."""
    start, stop = part.start, part.stop
    for _ in range(_SOFT_PX):
        start += int(part.start > 0 and start < stop - 1 and is_dark[start])
        stop -= int(part.stop < length and stop > start + 1 and is_dark[stop - 1])
    return slice(start, stop)


def _is_light_on_dark(image: NDArray[np.uint8]) -> bool:
    """Tell whether the ground is dark, and what stands out of it is lighter."""
    light = brightness(image)
    darkest, ground, lightest = (float(np.quantile(light, share)) for share in (0.002, 0.5, 0.998))
    stands_out = lightest - ground > max(ground - darkest, _LEAST_CONTRAST)
    return ground < _DIM and stands_out and float((light > (ground + lightest) / 2).mean()) < _MOST_INK


def _black_patches(image: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """
    Mark black along the edges that is too wide for a trace: the margin of a sheet that lies askew.

    The tip of a wedge, narrower than that, stays.
    """
    black = (brightness(image) < _BLACK).astype(np.uint8)
    if black.mean() < _PATCH_SHARE:
        return None
    size = max(9, round(_WIDE * min(black.shape))) | 1  # odd: OpenCV shifts what an even one opens
    padded = np.pad(black, size)  # by light, or a letter at the edge would be as wide as its padding
    wide = cv2.morphologyEx(padded, cv2.MORPH_OPEN, np.ones((size, size), np.uint8))[size:-size, size:-size]
    if wide.mean() < _PATCH_SHARE:
        return None
    _, labels = cv2.connectedComponents(wide, connectivity=8)
    along = [
        label
        for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1])
        for label, count in zip(*np.unique(side[side > 0], return_counts=True), strict=True)
        if count >= _EDGE_SHARE * len(side)
    ]
    patch = np.isin(labels, along)
    patch = cv2.dilate(patch.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    return patch if _PATCH_SHARE <= patch.mean() < 0.9 else None
