"""Where lines of text stand on a page."""

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.page_ink.maps import MAP_PX_PER_MM, PageMaps
from ecgtrace.page_ink.patches import SURE, print_parts
from ecgtrace.types import FloatArray

_WORD_GAP_MM = 2.5  # "25 mm/s    10 mm/mV" may come in two lines, "25 mm/s" may not
_FAINT, _FAINT_GAP_MM = 0.2, 18.0  # of print of which the map shows some letters: "2           V"
_HEIGHT_MM, _LEAST_WIDTH_MM = (0.9, 7.0), 4.0  # "25mm/s" in capitals of 1.2 mm is 5 mm long
_BESIDE_MM = 40.0  # of a word: "50 mm/s   10 mm/mV   0.05-150 Hz" is some 60 mm long
_BESIDES_MM = 1.0  # of a box: less is no letter
_PAPER_SHARE = 75.0  # percentile of a row or column that is its paper or its line: letters fill less of it
_CONTRAST = 500.0  # ink of half of the paper's brightness becomes black
_MARGIN = 0.35  # of the height, beside a line: the maps are coarse, and the recognizer was trained with some


def lines_of_text(maps: PageMaps, faint: bool = False) -> FloatArray:
    """
    Return the boxes of the lines of text, by the map of text.

    Parameters
    ----------
    maps : PageMaps
    faint : bool, default False
        Whether letters far apart are a line whose other letters the map lacks, as of thin print on a grid.

    Returns
    -------
    ndarray of float, shape (n, 4)
        (x0, y0, x1, y1) in px of the maps, with a margin; the lowest line first, as footers tell speed and
        gain.
    """
    _, stats = print_parts(maps, *((_FAINT_GAP_MM, _FAINT) if faint else (_WORD_GAP_MM, SURE)))
    x, y, width, height = stats[1:, : cv2.CC_STAT_AREA].astype(float).T  # the first is the paper
    height_mm = height / MAP_PX_PER_MM
    line = (height_mm >= _HEIGHT_MM[0]) & (height_mm <= _HEIGHT_MM[1])
    line &= width / MAP_PX_PER_MM >= _LEAST_WIDTH_MM
    margin = np.maximum(_MARGIN * height, 1.0)
    boxes = np.column_stack([x - margin, y - margin, x + width - 1 + margin, y + height - 1 + margin])[line]
    return boxes[np.argsort(-boxes[:, 3], kind="stable")]


def longer(boxes_px: FloatArray) -> FloatArray:
    """
    Return boxes that reach further to the left, then others that reach further to the right.

    Of a line of faint or small print the map of text may show some words and lack others.

    Parameters
    ----------
    boxes_px : ndarray of float, shape (n, 4)
        As of `lines_of_text`.

    Returns
    -------
    ndarray of float, shape (2 * n, 4)
    """
    reach = _BESIDE_MM * MAP_PX_PER_MM
    further = np.array([reach, 0, 0, 0])
    return np.concatenate([boxes_px - further, boxes_px + np.roll(further, 2)])


def not_among(boxes_px: FloatArray, known_px: FloatArray) -> FloatArray:
    """Return the boxes, shape (n, 4), that none of the known ones covers but for its margins."""
    margin = np.array([1, 1, -1, -1]) * _BESIDES_MM * MAP_PX_PER_MM
    inner = boxes_px[:, None] + margin
    begins = np.all(known_px[:, :2] <= inner[..., :2], axis=2)
    covers = begins & np.all(known_px[:, 2:] >= inner[..., 2:], axis=2)
    return np.asarray(boxes_px[~np.any(covers, axis=1)])


def cut_lines(image: NDArray[np.uint8], boxes_px: FloatArray, maps: PageMaps) -> list[NDArray[np.uint8]]:
    """Cut boxes, in px of the maps, out of the page that the maps were made of: RGB pictures."""
    height, width = image.shape[:2]
    corners = maps.to_page(boxes_px.reshape(-1, 2)).round().astype(int).reshape(-1, 4)
    x = np.clip(corners[:, [0, 2]], 0, width - 1)
    y = np.clip(corners[:, [1, 3]], 0, height - 1)
    return [image[y0 : y1 + 1, x0 : x1 + 1] for (x0, x1), (y0, y1) in zip(x, y, strict=True)]


def without_grid(line: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """
    Return a picture of a line of text without lines of the grid that run through it.

    What is no darker than its row or its column mostly is becomes paper: lines of the grid fill theirs,
    strokes of letters do not.

    Parameters
    ----------
    line : ndarray of uint8, shape (h, w, 3)
        RGB.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
        Grey.
    """
    grey = cv2.cvtColor(line, cv2.COLOR_RGB2GRAY).astype(np.float32)
    column, row = (np.percentile(grey, _PAPER_SHARE, axis=axis, keepdims=True) for axis in (0, 1))
    paper = np.minimum(column, row)
    ink = np.clip(_CONTRAST * (paper - grey) / (paper + 1), 0, 255).astype(np.uint8)
    return np.repeat(255 - ink[..., None], 3, axis=2)
