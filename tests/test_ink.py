"""Ink is told from paper and grid by its colour, whatever these are."""

import cv2
import numpy as np
import pytest

from ecgtrace.digitization.ink import ink_density

WHITE = (255, 255, 255)
COLOURS = {
    "black on pink lines": ((0, 0, 0), WHITE, (255, 190, 190)),
    "black on blue lines": ((0, 0, 0), WHITE, (190, 190, 255)),
    "black without a grid": ((0, 0, 0), WHITE, WHITE),
    "grey on dark green lines": ((60, 60, 60), WHITE, (90, 130, 20)),
    "blue on red lines as dark": ((20, 40, 200), (250, 240, 230), (200, 20, 40)),
    "black on brown paper": ((20, 20, 20), (170, 140, 110), (120, 80, 60)),
    "white on black": ((255, 255, 255), (0, 0, 0), (90, 0, 0)),
}


def paper(back, line, px=10):
    image = np.full((160, 400, 3), back, np.uint8)
    image[::px] = image[:, ::px] = line
    return image


def marked(rows):
    """What a network says: the right ink, with soft edges."""
    mask = np.zeros((160, 400), np.float32)
    mask[rows] = 1
    return cv2.GaussianBlur(mask, (0, 0), 1.5)


@pytest.mark.parametrize("name", COLOURS)
def test_the_grid_leaves_no_ink_and_a_line_across_it_is_ink_all_along(name):
    ink, back, line = COLOURS[name]
    image = paper(back, line)
    image[73:77] = ink
    density = ink_density(image, marked(np.s_[73:77]))
    assert density[:70].max() < 0.1 and density[80:].max() < 0.1
    assert density[73:77].min() > 0.9 and density.max() < 1.1


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_density_is_the_share_of_the_pixel_that_ink_covers(share):
    """Between the lines of the grid and on them, where the ground itself is half as dark."""
    image = paper(WHITE, (128, 128, 128)).astype(float)
    image[73:76] = 0
    image[76] *= 1 - share
    density = ink_density(np.rint(image).astype(np.uint8), marked(np.s_[73:77]))
    np.testing.assert_allclose(density[76], share, atol=0.03)


def test_a_dot_on_each_crossing_is_ground():
    image = np.full((160, 400, 3), 255, np.uint8)
    image[::10, ::10] = image[1::10, ::10] = image[::10, 1::10] = (60, 60, 60)
    image[73:77] = 0
    density = ink_density(image, marked(np.s_[73:77]))
    assert density[:70].max() < 0.1 and density[80:].max() < 0.1


def test_under_a_line_of_the_grid_as_black_as_the_ink_the_pixels_beside_it_tell():
    """One bit: a flat trace that a vertical line crosses is ink there, the line above and below is none."""
    image = paper(WHITE, (0, 0, 0), px=20)
    image[73:77] = 0
    density = ink_density(image, marked(np.s_[73:77]))
    assert density[74:76].min() > 0.9
    assert density[30:68, 40].max() < 0.3 and density[60].max() < 0.3


def test_ink_that_the_network_overlooks_is_ink_all_the_same():
    image = paper(WHITE, (255, 190, 190))
    image[73:77] = image[103:107, 100:200] = 0
    density = ink_density(image, marked(np.s_[73:77]))
    assert density[103:107, 100:200].min() > 0.9


def test_a_picture_without_ink_has_none():
    assert not ink_density(paper(WHITE, (255, 190, 190)), np.zeros((160, 400), np.float32)).any()
