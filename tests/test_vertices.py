"""A line that was drawn from samples shows where they lie; one that was not shows none."""

import numpy as np
import pytest

from ecgtrace.digitization.on_samples import OnSamples
from ecgtrace.digitization.stroke import FitOptions, Stroke, fit_stroke, misfit
from ecgtrace.digitization.vertices import Comb, bends, find_combs, put_right
from ecgtrace.drawing.render import stroke_coverage
from ecgtrace.types import GridScale

SCALE = GridScale(15.64, 15.64, confidence=1.0)
SHAPE = (160, 620)


def samples(spacing_px, start_px=10.3, length_px=590.0, seed=0):
    """Beats and a wandering line between them, at even distances along x."""
    x = start_px + np.arange(int(length_px / spacing_px) + 1) * spacing_px
    rng = np.random.default_rng(seed)
    y = 90 - 20 * np.sin(x / 60) + rng.normal(0, 1.5, len(x))
    for beat in (100, 310, 530):
        y -= 60 * np.exp(-(((x - beat) / 6) ** 2)) - 20 * np.exp(-(((x - beat - 15) / 5) ** 2))
    return x, y


def fine(x, y, step_px=0.78):
    """The same line with a vertex every step, as the first fit has it: corners cut between its vertices."""
    at = np.arange(x[0], x[-1], step_px)
    return Stroke(at, np.interp(at, x, y), 2.4, 2.4)


@pytest.mark.parametrize("spacing", [2.4, 3.91, 6.0, 9.5])
def test_the_comb_of_a_line_is_found(spacing):
    x, y = samples(spacing)
    comb = next(find_combs(fine(x, y), 1.6, 15.0))
    assert comb.spacing_px == pytest.approx(spacing, abs=0.02)
    assert comb.nearest(x[0]) == pytest.approx(x[0], abs=0.4)


def test_a_straight_line_has_no_comb():
    line = Stroke(np.arange(100.0), np.full(100, 7.0), 2.0, 2.0)
    assert list(find_combs(line, 1.6, 15.0)) == []


def test_combs_keep_to_the_range_and_differ():
    found = list(find_combs(fine(*samples(3.91)), 1.6, 15.0, count=4))
    assert len(found) == 4
    assert all(1.55 < comb.spacing_px < 15.5 for comb in found)
    assert len({round(comb.spacing_px, 2) for comb in found}) == 4


def test_lay_puts_vertices_on_the_comb_from_the_nearest_sample():
    """By hand: samples at 1, 5, 9, ...; a line from 4.2 to 17.9 has those at 5, 9, 13, 17."""
    x = np.linspace(4.2, 17.9, 50)
    laid = Comb(4.0, 1.0).lay(Stroke(x, 2 * x, 2.0, 2.0))
    np.testing.assert_allclose(laid.x_px, [5, 9, 13, 17])
    np.testing.assert_allclose(laid.y_px, [10, 18, 26, 34])


def test_put_right_finds_phase_and_spacing_in_spite_of_straight_stretches_and_outliers():
    """Vertices on straight stretches lie anywhere; where the line bends, they are right to 0.01 px."""
    x, y = samples(4.0)
    rng = np.random.default_rng(1)
    y[20:60] = y[20]
    moved = x + rng.normal(0, 0.01, len(x))
    moved[21:59] += rng.uniform(-1.2, 1.2, 38)
    comb, off = put_right(Comb(4.003, x[0] - 0.3), Stroke(moved, y, 2.4, 2.4))
    assert comb.spacing_px == pytest.approx(4.0, abs=1e-3)
    assert comb.nearest(x[0]) == pytest.approx(x[0], abs=0.02)
    assert off < 0.01


def test_put_right_tells_a_wrong_comb():
    """Vertices anywhere, as where nothing bends at the comb."""
    x, y = samples(4.0)
    rng = np.random.default_rng(1)
    _, off = put_right(Comb(4.0, x[0]), Stroke(x + rng.uniform(-1.5, 1.5, len(x)), y, 2.4, 2.4))
    assert off > 0.05


def test_bends_by_hand():
    line = Stroke(np.array([0.0, 2, 4, 5]), np.array([0.0, 2, 0, 0]), 1.0, 1.0)
    np.testing.assert_allclose(bends(line), [-2, 1])


def on_samples(x, y, width_px=4.8, **options):
    """What the digitizer makes of a line that OpenCV has drawn."""
    ink = stroke_coverage(np.stack([x, y], axis=1), width_px, (0, 0, SHAPE[1], SHAPE[0])) / np.float32(255)
    truth = fine(x, y)
    rng = np.random.default_rng(0)
    # Half a pixel too late: the fit's own end is not to be trusted.
    start = Stroke(truth.x_px + 0.3, truth.y_px + rng.normal(0, 0.3, len(truth.x_px)), 2.4, 2.3, 0.5)
    everywhere, nothing = np.ones_like(ink), np.zeros_like(ink)
    line = fit_stroke(ink, start, everywhere, nothing, FitOptions(coarse_edges_px=()), (False, False))
    return OnSamples(**options)(ink, line, everywhere, nothing, 500.0)


@pytest.mark.parametrize("spacing", [3.0, 3.91, 7.82])
def test_time_0_is_found_to_some_hundredths_of_a_pixel(spacing):
    """From the bends alone: the end that the fit started from is 0.3 px off."""
    x, y = samples(spacing)
    line = on_samples(x, y)
    assert line is not None
    assert line.joins
    assert len(line.x_px) == len(x)
    np.testing.assert_allclose(line.x_px, x, atol=0.06)
    assert np.sqrt(np.mean((line.y_px - y) ** 2)) < 0.25


def test_a_line_without_a_comb_keeps_its_own_vertices():
    """Samples closer than the fit's vertices, and a line whose corners lie at no even distances."""
    assert on_samples(*samples(0.8)) is None
    rng = np.random.default_rng(3)
    x = 10.3 + np.cumsum(rng.uniform(2.0, 9.0, 105))
    y = 90 + rng.normal(0, 12, len(x))
    assert on_samples(x, y) is None


def test_the_steps_of_pixels_are_no_samples():
    """A straight line on a mask of 0 and 1 bends a little at every step of a pixel, at even distances."""
    x = np.array([10.0, 600.0])
    y = np.array([30.0, 129.0])
    ink = (stroke_coverage(np.stack([x, y], axis=1), 4.8, (0, 0, SHAPE[1], SHAPE[0])) > 127).astype(
        np.float32
    )
    everywhere, nothing = np.ones_like(ink), np.zeros_like(ink)
    start = Stroke(np.arange(10, 600, 0.78), np.interp(np.arange(10, 600, 0.78), x, y), 2.4, 2.3, 0.4)
    line = fit_stroke(ink, start, everywhere, nothing, FitOptions(coarse_edges_px=()))
    assert OnSamples()(ink, line, everywhere, nothing, 500.0) is None


def test_misfit_by_hand():
    """A drawn line explains itself; without it all its ink that is its own is left, squared."""
    x = np.array([5.0, 15, 25])
    line = Stroke(x, np.array([10.0, 12, 10]), 2.0, 2.0)
    ink = line.coverage((24, 32))
    claim, nothing = np.ones_like(ink), np.zeros_like(ink)
    assert misfit(ink, line, claim, nothing) == pytest.approx(0, abs=1e-9)
    faint = Stroke(x, line.y_px, 2.0, 2.0, darkness=0.5)
    assert misfit(ink, faint, claim, nothing) == pytest.approx(0.25 * float((ink**2).sum()), rel=1e-5)
    assert misfit(ink, faint, 0 * claim, nothing) == pytest.approx(0, abs=1e-9)


def test_joins_are_as_round_as_the_ends():
    """Only the outside of a corner changes, by as much as the radius."""
    x, y = np.array([5.0, 25, 45]), np.array([40.0, 10, 40])
    plain = Stroke(x, y, 4.0, 3.0).coverage((50, 50))
    joined = Stroke(x, y, 4.0, 3.0, joins=True).coverage((50, 50))
    rows, columns = np.nonzero(plain - joined > 0.01)
    assert len(rows) > 0
    assert rows.max() < 10
    assert np.abs(columns - 25).max() < 6
