"""A page whose grid the test has drawn lies where the test has put it."""

import cv2
import numpy as np
import pytest
from ruled_paper import paper, with_trace

from ecgtrace.errors import GridNotFoundError, PageError
from ecgtrace.sheet import find_sheet


def page(px_per_mm=8.0, y_px_per_mm=None, width=1400, height=1000, seed=0):
    """Three rows of a beating trace on ruled paper."""
    image = paper(px_per_mm, y_px_per_mm, width=width, height=height)
    third = height // 3
    for row in range(3):
        part = image[row * third : (row + 1) * third]
        image[row * third : (row + 1) * third] = with_trace(part, px_per_mm, seed=seed + row)
    return image


def test_a_straight_page_is_left_as_it_is():
    image = page()
    sheet = find_sheet(image)
    assert sheet.image is image
    assert sheet.grid_confirmed
    assert (sheet.px_per_mm_x, sheet.px_per_mm_y) == pytest.approx((8, 8), rel=0.003)
    points = np.array([[0.0, 0.0], [1399.0, 0.5]])
    assert np.array_equal(sheet.to_source(points), points)


def test_no_grid_takes_what_is_stated_and_says_so():
    blank = with_trace(np.full((600, 900, 3), 255, np.uint8), 8.0)
    with pytest.raises(GridNotFoundError, match="px_per_mm"):
        find_sheet(blank)
    sheet = find_sheet(blank, dpi=200)
    assert sheet.px_per_mm_x == pytest.approx(200 / 25.4)
    assert not sheet.grid_confirmed and sheet.doubts
    assert find_sheet(blank, dpi=200, px_per_mm=5.0).px_per_mm_x == 5.0


def test_quarter_turns_lead_back_to_the_same_source():
    image = page(8.0, 6.0)
    sheet = find_sheet(image)
    for quarter in range(1, 4):
        turned = sheet.turned(quarter)
        x, y = 31, 207
        at = turned.from_source(np.array([[float(x), float(y)]]))
        assert np.array_equal(turned.image[round(at[0, 1]), round(at[0, 0])], image[y, x])
        assert np.allclose(turned.to_source(at), [[x, y]])
        swapped = (sheet.px_per_mm_y, sheet.px_per_mm_x)
        same = (sheet.px_per_mm_x, sheet.px_per_mm_y)
        assert (turned.px_per_mm_x, turned.px_per_mm_y) == (swapped if quarter % 2 else same)
        assert np.array_equal(turned.turned(4 - quarter).image, image)


def test_a_thumbnail_is_no_page():
    with pytest.raises(PageError, match="too few"):
        find_sheet(np.full((90, 120, 3), 255, np.uint8))


def test_a_turned_page_is_turned_back():
    image = page()
    matrix = cv2.getRotationMatrix2D((700, 500), 2.0, 1)
    scan = cv2.warpAffine(image, matrix, (1400, 1000), borderValue=(255, 255, 255))
    sheet = find_sheet(scan)
    assert sheet.turn_deg == pytest.approx(2.0, abs=0.05)
    there = np.array([[300.0, 200.0], [1100.0, 800.0]])
    assert np.allclose(sheet.from_source(sheet.to_source(there)), there)
    true = there @ matrix[:, :2].T + matrix[:, 2]
    # whatever the offset of the rectified picture, distances on it are those of the paper
    found = sheet.from_source(true)
    assert np.allclose(found[1] - found[0], there[1] - there[0], atol=0.7)
