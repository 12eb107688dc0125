"""The scale of paper that is not that of the published pages: enlarged, oblong, dark, broken, framed."""

import cv2
import numpy as np
import pytest
from ruled_paper import PALE, crop, paper, with_trace

from ecgtrace.digitization.scale import find_scale

WITHIN = 0.005


def assert_scale(image, px_per_mm):
    scale = find_scale(image)
    assert (scale.px_per_mm_x, scale.px_per_mm_y) == pytest.approx((px_per_mm, px_per_mm), rel=WITHIN)
    return scale


@pytest.mark.parametrize("factor", [2, 3, 5])
@pytest.mark.parametrize("how", [cv2.INTER_NEAREST, cv2.INTER_LINEAR], ids=["nearest", "linear"])
def test_an_enlarged_picture_has_an_enlarged_scale(factor, how):
    """At 46.9 px per mm both families are seen; they must not be bent to 9.4."""
    image = crop(15.64, height=200)
    assert_scale(cv2.resize(image, None, fx=factor, fy=factor, interpolation=how), 15.64 * factor)


@pytest.mark.parametrize(("x", "y"), [(7.82, 15.64), (15.64, 7.82), (204 / 25.4, 98 / 25.4)])
@pytest.mark.parametrize("minor", [PALE, (250, 160, 160)], ids=["pale", "strong"])
def test_pixels_need_not_be_square(x, y, minor):
    image = with_trace(paper(x, y, width=round(64 * x), height=round(25 * y), minor=minor), x)
    scale = find_scale(image)
    assert scale.px_per_mm_x == pytest.approx(x, rel=0.01)
    assert scale.px_per_mm_y == pytest.approx(y, rel=0.01)
    assert not scale.square_assumed
    assert any("not square" in assumption for assumption in scale.assumptions)


def test_two_strong_lines_that_contradict_the_square():
    """Lines 78 px apart, where square pixels would have them each 39 px."""
    image = with_trace(paper(7.82, 15.64, width=502, height=128, minor=None), 7.82)
    scale = find_scale(image)
    assert scale.doubts or scale.px_per_mm_y == pytest.approx(15.64, rel=0.01)


@pytest.mark.parametrize(
    "colours", [((60, 0, 130), (0, 130, 0)), ((0, 0, 0),) * 2, ((90, 90, 90), (0, 0, 0))]
)
def test_lines_as_dark_as_the_trace(colours):
    """The fifth lines may be of another colour, and all lines black: then they are of one family."""
    minor, major = colours
    scale = assert_scale(crop(8, minor=minor, major=major), 8)
    assert not scale.doubts


def test_dots_that_one_bit_left_and_broken_lines():
    image = crop(8, minor=None, major=None)
    for x in range(3, 1000, 8):
        image[3::8, x] = 0
    assert_scale(image, 8)
    dashed = paper(8, minor=None, major=None, height=170)
    along = np.arange(1000)
    for at in range(5, 1000, 40):
        dashed[(along[:170] + 3 * at // 40) % 11 < 6, at : at + 2] = 0
        if at < 170:
            dashed[at : at + 2, (along + at // 40) % 11 < 6] = 0
    dashed = with_trace(dashed, 8, stroke_mm=0.5)
    assert_scale(dashed, 8)


def test_yellow_paper_and_white_on_black():
    """The darkest channel of paper and lines is the same; a monitor has light lines."""
    image = crop(8, minor=(255, 225, 170), major=(255, 180, 170))
    tinted = np.minimum(image, np.array([255, 250, 170], np.uint8))
    assert_scale(tinted, 8)
    assert_scale(255 - crop(15.64), 15.64)


def test_black_beside_the_paper_changes_nothing():
    image = crop(8)
    scale = find_scale(image)
    framed = find_scale(cv2.copyMakeBorder(image, 30, 40, 100, 0, cv2.BORDER_CONSTANT))
    assert framed.px_per_mm_x == pytest.approx(scale.px_per_mm_x, rel=1e-3)
    assert framed.lines_x[0] == pytest.approx(scale.lines_x[0] + 100, abs=0.1)
