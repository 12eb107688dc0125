"""Patches of a page about places where a name may stand."""

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.page_ink.maps import MAP_PX_PER_MM, PageMaps
from ecgtrace.types import FloatArray

# Of a patch, in mm: as wide as "aVR" in capitals of 4 mm, the largest print seen, and a gap beside it.
PATCH_MM = (6.0, 14.0)
# Twice as fine as the page network sees: there a capital of 1.5 mm is six pixels high, here twelve.
PATCH_PX_PER_MM = 8.0
PATCH_PX = (round(PATCH_MM[0] * PATCH_PX_PER_MM), round(PATCH_MM[1] * PATCH_PX_PER_MM))

SURE = 0.4  # of text on the maps: a place too many costs a millisecond, one too few a name
_RULE_MM, _RULE_HIGH_MM = 20.0, 1.0  # no stroke of a letter is so long; a line of letters is higher
LETTER_GAP_MM = 1.2
_HEIGHT_MM, _WIDTH_MM = (0.9, 6.0), (0.2, 12.0)  # of what can be a name
_MOST = 160  # of words on a page that is a form; they are read in a quarter of a second


def cut_patches(
    image: NDArray[np.uint8], points_px: FloatArray, px_per_mm_x: float, px_per_mm_y: float
) -> NDArray[np.uint8]:
    """
    Cut the surroundings of points out of a page, all at `PATCH_PX_PER_MM`.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
        RGB.
    points_px : ndarray of float, shape (n, 2)
        (x, y) of the middles; (0, 0) is the centre of the first pixel.
    px_per_mm_x, px_per_mm_y : float
        Resolution of `image`.

    Returns
    -------
    ndarray of uint8, shape (n, 48, 112, 3)
        Beyond the page its edge goes on.
    """
    half_x, half_y = PATCH_MM[1] / 2 * px_per_mm_x, PATCH_MM[0] / 2 * px_per_mm_y
    pad_x, pad_y = int(half_x) + 2, int(half_y) + 2
    padded = cv2.copyMakeBorder(image, pad_y, pad_y, pad_x, pad_x, cv2.BORDER_REPLICATE)
    height, width = image.shape[:2]
    patches = np.empty((len(points_px), *PATCH_PX, 3), np.uint8)
    for patch, (x, y) in zip(patches, np.asarray(points_px, float), strict=True):
        x, y = np.clip(x, 0, width - 1) + pad_x, np.clip(y, 0, height - 1) + pad_y
        part = padded[round(y - half_y) : round(y + half_y) + 1, round(x - half_x) : round(x + half_x) + 1]
        shrinks = part.shape[0] >= PATCH_PX[0]
        interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        patch[:] = cv2.resize(part, PATCH_PX[::-1], interpolation=interpolation)
    return patches


def print_parts(
    maps: PageMaps, gap_mm: float, least: float = SURE
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """
    Return the connected parts of print, gaps along x closed; rules, as those of a frame, are left out.

    Parameters
    ----------
    maps : PageMaps
    gap_mm : float
        What is closed: between letters, or between words.
    least : float, optional
        Likelihood of text that counts.

    Returns
    -------
    (ndarray of int, shape (h, w), ndarray of int, shape (n, 5))
        Labels and statistics as `cv2.connectedComponentsWithStats` has them; the first part is the paper.
    """
    marked = (maps.text > least).astype(np.uint8)
    marked[_rules(marked) > 0] = 0
    gap = np.ones((1, max(1, round(gap_mm * MAP_PX_PER_MM))), np.uint8)
    closed = cv2.morphologyEx(marked, cv2.MORPH_CLOSE, gap)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(closed)
    return np.asarray(labels), np.asarray(stats)


def _rules(marked: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return long thin lines, and the px above and below them."""
    long = round(_RULE_MM * MAP_PX_PER_MM)
    lines = cv2.morphologyEx(marked, cv2.MORPH_OPEN, np.ones((1, long), np.uint8))
    high = 2 * round(_RULE_HIGH_MM / 2 * MAP_PX_PER_MM) + 1
    blocks = cv2.morphologyEx(lines, cv2.MORPH_OPEN, np.ones((high, 1), np.uint8))
    return np.asarray(cv2.dilate(cv2.subtract(lines, blocks), np.ones((3, 1), np.uint8)), np.uint8)


def words_on(maps: PageMaps) -> FloatArray:
    """
    Return where short words stand on a page, by its map of text.

    Returns
    -------
    ndarray of float, shape (n, 2)
        (x, y) of their middles in px of the maps.
    """
    _, stats = print_parts(maps, LETTER_GAP_MM)
    width_mm, height_mm = (stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]] / MAP_PX_PER_MM).T
    short = (height_mm >= _HEIGHT_MM[0]) & (height_mm <= _HEIGHT_MM[1])
    short &= (width_mm >= _WIDTH_MM[0]) & (width_mm <= _WIDTH_MM[1])
    short[0] = False  # the paper
    corner = stats[short][:, [cv2.CC_STAT_LEFT, cv2.CC_STAT_TOP]]
    sides = stats[short][:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]]
    return np.asarray(corner + (sides - 1) / 2, float)[:_MOST]
