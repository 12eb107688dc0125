"""Ink from paper: thresholds by hand, planted grids and traces, invariances."""

import cv2
import numpy as np
import pytest

from ecgtrace.digitization.autocorrelation import to_grey
from ecgtrace.digitization.threshold import (
    adaptive_threshold,
    grid_is_detectable,
    hedging_factors,
    otsu_threshold,
    remove_specks,
)


def picture(paper=255, grid=150, ink=0, period=20, shape=(120, 400)):
    """Grey paper with a grid and a slow wave; returns the image and where the wave is."""
    grey = np.full(shape, paper, dtype=np.uint8)
    grey[:, ::period] = grid
    grey[::period] = grid
    x = np.arange(shape[1])
    centre = np.round(shape[0] / 2 + 30 * np.sin(x / 37) + 8 * np.sin(x / 11)).astype(int)
    wave = np.abs(np.arange(shape[0])[:, None] - centre) <= 2
    grey[wave] = ink
    return grey, wave


def test_otsu_is_the_best_split_where_there_is_one_hill():
    rng = np.random.default_rng(0)
    grey = np.concatenate([rng.normal(70, 12, 3000), rng.normal(160, 15, 5000)]).round().clip(0, 253)
    grey = grey.astype(np.uint8).reshape(80, 100)
    # Between-class variance, from its definition, for each way to split the levels.
    spread = {}
    for level in range(int(grey.min()) + 1, int(grey.max()) + 1):
        dark, light = grey[grey < level].astype(float), grey[grey >= level].astype(float)
        spread[level] = dark.size * light.size * (dark.mean() - light.mean()) ** 2
    assert otsu_threshold(grey) == max(spread, key=spread.get)


def test_otsu_stays_in_the_middle_of_a_plateau():
    grey = np.full((10, 10), 250, dtype=np.uint8)
    grey[0] = 3
    assert otsu_threshold(grey) == 128
    assert otsu_threshold(np.full((10, 10), 255, dtype=np.uint8)) == 128
    assert otsu_threshold(np.zeros((10, 10), dtype=np.uint8)) == 128


def test_factors_miss_the_floor_by_rounding():
    factors = list(hedging_factors())
    np.testing.assert_allclose(factors, [1, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65])
    assert list(hedging_factors(1.0, 0.5, 0.25)) == [1.0, 0.75, 0.5]
    with pytest.raises(ValueError, match="positive"):
        next(hedging_factors(step=0))


def test_lines_are_detectable_and_a_trace_is_not():
    lines = np.zeros((50, 300), dtype=np.uint8)
    lines[:, ::15] = 1
    assert grid_is_detectable(lines)
    _, wave = picture()
    assert not grid_is_detectable(wave.astype(np.uint8))
    assert not grid_is_detectable(np.zeros((50, 300), dtype=np.uint8))


def test_light_grid_goes_at_once():
    grey, wave = picture(grid=200)
    np.testing.assert_array_equal(adaptive_threshold(grey), wave)


def test_threshold_goes_down_until_the_grid_is_gone():
    # Black on white: Otsu stays at 128. A grid of 110 is ink at 128, 121 and 115, and no more at 108.
    grey, wave = picture(grid=110, paper=250)
    assert otsu_threshold(grey) == 128
    assert adaptive_threshold(grey, min_factor=1.0).sum() > 2 * wave.sum()
    np.testing.assert_array_equal(adaptive_threshold(grey), wave)
    # A grid nearly as dark as ink survives the lowest factor: floor(128 * 0.65) = 83.
    grey, wave = picture(grid=83, paper=250)
    assert adaptive_threshold(grey).sum() > 2 * wave.sum()
    grey, wave = picture(grid=84, paper=250)
    np.testing.assert_array_equal(adaptive_threshold(grey), wave)


def test_grey_is_not_needed_in_colour_and_shifts_do_not_matter():
    grey, _ = picture(grid=110, paper=250)
    ink = adaptive_threshold(grey)
    np.testing.assert_array_equal(adaptive_threshold(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)), ink)
    np.testing.assert_array_equal(adaptive_threshold(np.roll(grey, 7, axis=0)), np.roll(ink, 7, axis=0))
    np.testing.assert_array_equal(adaptive_threshold(grey[:, ::-1]), ink[:, ::-1])


def test_colours_weigh_as_the_eye_sees_them():
    primaries = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [200, 100, 50]]], dtype=np.uint8)
    # 0.299 * 255, 0.587 * 255, 0.114 * 255; and 59.8 + 58.7 + 5.7.
    assert to_grey(primaries).tolist() == [[76, 150, 29, 124]]
    assert to_grey(primaries[:, :, 1]).tolist() == [[0, 255, 0, 100]]  # grey already


def test_denoising_removes_specks_and_keeps_strokes():
    grey, wave = picture(grid=200)
    grey[5, 7] = 0
    assert adaptive_threshold(grey)[5, 7]
    clean = adaptive_threshold(grey, denoise=True)
    assert not clean[5, 7]
    assert clean[wave].mean() > 0.9
    cross = np.zeros((9, 9), dtype=bool)
    cross[3:6, 4] = cross[4, 3:6] = True
    np.testing.assert_array_equal(remove_specks(cross), cross)  # a cross is what is just kept


def test_wrong_images_are_told():
    with pytest.raises(ValueError, match="uint8"):
        adaptive_threshold(np.zeros((5, 5)))
    with pytest.raises(ValueError, match=r"\(5, 5, 4\)"):
        adaptive_threshold(np.zeros((5, 5, 4), dtype=np.uint8))
