"""Narrow waves that a fit lost are put right: waves that the test has drawn, and starts that go astray."""

from dataclasses import replace

import numpy as np
import pytest

from ecgtrace.digitization.ink_map import InkMap
from ecgtrace.digitization.melted import along_outlines
from ecgtrace.digitization.narrow_waves import NarrowWaves, with_tips
from ecgtrace.digitization.stroke import DEFAULT_FIT, FitOptions, Stroke, fit_stroke, noise_of

HALF_WIDTH = 2.0
TIP = 30.0  # row of the wave's tip, or of its foot if it goes down
SHARP = replace(DEFAULT_FIT, coarse_edges_px=())


def planted(up, n=140):
    """A level line at row 75 with one wave, 45 px high and 5 px wide, whose flanks melt in its upper half."""
    x = 10 + 0.6 * np.arange(n)
    y = 75 - 45 * np.clip(1 - np.abs(x - 52) / 5, 0, 1)
    truth = Stroke(x, y if up else 150 - y, HALF_WIDTH, HALF_WIDTH, 0.4)
    density = truth.coverage((150, 110))
    return truth, InkMap(density, (density > 0.5).astype(np.float32))


def straightened(truth, keep):
    """The same line, with its wave cut off at a share of its height."""
    base = truth.y_px[0]
    limit = keep * 45
    return replace(truth, y_px=base + np.clip(truth.y_px - base, -limit, limit))


def worst_px(line, truth):
    return float(np.abs(np.interp(truth.x_px, line.x_px, line.y_px) - truth.y_px).max())


def put_right(start, ink, waves=None):
    waves = NarrowWaves() if waves is None else waves
    nothing = np.zeros_like(ink.density)
    return waves(start, ink, ink.claim(), nothing, SHARP)


@pytest.mark.parametrize("up", [True, False])
def test_a_lost_tip_is_found(up):
    """A plain fit from a wave cut off at 0.4 of its height stays 10 px below the tip, and more."""
    truth, ink = planted(up)
    start = straightened(truth, 0.4)
    plain = fit_stroke(ink.density, start, ink.claim(), None, SHARP, (False, False))
    assert worst_px(plain, truth) > 10
    assert worst_px(put_right(plain, ink), truth) < 4


@pytest.mark.parametrize("up", [True, False])
def test_a_dip_that_no_paper_shows_is_filled(up):
    """Halfway down between two humps, within ink that a single wave covers as well."""
    truth, ink = planted(up)
    middle = int(np.argmin(np.abs(truth.x_px - 53.5)))
    y = truth.y_px.copy()
    y[middle - 1 : middle + 1] += 22 if up else -22
    start = fit_stroke(ink.density, replace(truth, y_px=y), ink.claim(), None, SHARP, (False, False))
    assert worst_px(start, truth) > 6
    assert worst_px(put_right(start, ink), truth) < 4


def test_a_valley_that_paper_shows_stays():
    """Two waves with a px of paper between them are two."""
    x = 10 + 0.6 * np.arange(140)
    y = 75 - 45 * np.clip(1 - np.abs(x - 46) / 4, 0, 1) - 45 * np.clip(1 - np.abs(x - 57) / 4, 0, 1)
    truth = Stroke(x, y, HALF_WIDTH, HALF_WIDTH, 0.4)
    density = truth.coverage((110, 110))
    ink = InkMap(density, (density > 0.5).astype(np.float32))
    found = put_right(truth, ink)
    assert worst_px(found, truth) < 4


def test_the_outline_tells_both_flanks():
    """A flat line is laid up and down within a px of a wave where its flanks have melted."""
    truth, ink = planted(up=True)
    laid, spans_px = along_outlines(straightened(truth, 0.0), ink, np.zeros_like(ink.density))
    (begin, end) = spans_px[0]
    assert len(spans_px) == 1 and begin < 52 < end
    inside = (truth.x_px > begin) & (truth.x_px < end)
    across_px = np.abs(laid.y_px - truth.y_px)[inside] / 9  # flanks rise 9 px in one
    assert across_px.max() < 0.7
    assert laid.y_px.min() == pytest.approx(TIP, abs=1.5)


def test_letters_are_no_tips():
    """What hangs on a line and is wider than two flanks: 15 px."""
    truth, ink = planted(up=True)
    density = ink.density.copy()
    density[78:95, 75:90] = 1.0
    lettered = InkMap(density, (density > 0.5).astype(np.float32))
    assert with_tips(truth, lettered, np.zeros_like(density)) is None


def test_noise_asks_for_smoother_lines():
    """Its mean square is what was planted; the corner's cost follows it, between two limits."""
    truth, ink = planted(up=True)
    rng = np.random.default_rng(0)
    noisy = (ink.density + rng.normal(0, 0.2, ink.density.shape)).astype(np.float32)
    noise = noise_of(noisy, truth, np.ones_like(noisy), np.zeros_like(noisy))
    assert noise == pytest.approx(0.04, rel=0.25)
    options = FitOptions(corner_weight=0.001, corner_per_noise=1.0, most_corner_weight=0.1)
    weights = [options.for_noise(value).corner_weight for value in (0.0, 0.04, 3.0)]
    assert weights == [0.001, 0.04, 0.1]


def test_vertices_keep_their_order():
    """Of a line that was fitted before, some are closer to each other than the first are."""
    truth, ink = planted(up=True)
    rng = np.random.default_rng(0)
    x = truth.x_px + np.where(np.arange(len(truth.x_px)) % 3 == 1, 0.5, 0.0)  # of 0.6 px
    x[:3] = truth.x_px[:3]
    noisy = (ink.density + rng.normal(0, 0.4, ink.density.shape)).astype(np.float32)
    start = replace(straightened(truth, 0.4), x_px=x)
    loose = replace(SHARP, tether_weight=1e-6)
    found = fit_stroke(noisy, start, ink.claim(), None, loose, (False, False))
    assert (np.diff(found.x_px) > 0).all()
