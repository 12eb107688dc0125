"""The way that a plotted line can have taken, on drawings whose lines are known."""

from itertools import product

import numpy as np
import pytest

from ecgtrace.digitization.stroke import Stroke
from ecgtrace.digitization.vertex_path import (
    PathCosts,
    Scene,
    find_vertices,
    leaving,
    left_aside,
    look,
    price,
    relabel,
    thin_width,
)
from ecgtrace.types import GridScale

SCALE = GridScale(10.0, 10.0, confidence=1.0)
SPACING, PAD = 4.0, 12.0
WIDTH_PX = 5.0
HEIGHT, WIDTH = 330, 529
X = PAD + np.arange(int((WIDTH - 1 - 2 * PAD) / SPACING) + 1) * SPACING


def lead(level, *beats):
    """A flat lead with waves of the given heights in px: places of the samples and rows."""
    y = np.full(len(X), float(level))
    for at, height in beats:
        y[at - 1], y[at], y[at + 1] = level - height / 2, level - height, level - height / 2
    return y


def drawn(*rows):
    """Ink of each line, its own, and of all."""
    inks = [
        Stroke(X, y, WIDTH_PX / 2, WIDTH_PX / 2, 0.4).coverage((HEIGHT, WIDTH)).astype(np.float32)
        for y in rows
    ]
    return inks, np.max(inks, axis=0)


def share_found(way, truth):
    return np.mean(np.abs(way.y_px - truth) < 3)


# Three leads; the middle one is the target and reaches as far up and down as the crop was cut for.
UPPER = lead(80, (40, -90), (90, -90))
TARGET = lead(170, (40, 170 - PAD), (90, -(HEIGHT - 1 - PAD - 170)))
LOWER = lead(260, (40, 100), (90, 100))


def test_with_nothing_known_of_the_ink_the_tips_tell_the_target():
    """The network is as sure of each lead as of any other. Only the target comes so near to both edges."""
    _, ink = drawn(UPPER, TARGET, LOWER)
    alike = 0.5 * ink
    scene = look(ink, alike, alike, SCALE)
    assert scene.margin_px == pytest.approx(PAD - WIDTH_PX / 2, abs=1)
    way = find_vertices(scene, X, np.full(len(X), 80.0))
    assert share_found(way, TARGET) > 0.95
    # The same picture as part of a larger one says nothing of the target: any lead will do.
    unknown = look(ink, alike, alike, SCALE, closely_cut=False)
    assert unknown.margin_px is None
    assert find_vertices(unknown, X, UPPER).cost < way.cost


def test_a_lead_keeps_its_place_from_the_top_whatever_the_network_says():
    """After the second beat the network takes the lowest lead for the target, and is sure of it."""
    (upper, target, lower), ink = drawn(UPPER, TARGET, LOWER)
    after = np.arange(WIDTH) > X[95]
    mine = np.where(after, lower, target)
    others = np.maximum(upper, np.where(after, target, lower))
    scene = look(ink, mine, others, SCALE)
    assert share_found(find_vertices(scene, X, TARGET), TARGET) > 0.95
    misled = find_vertices(scene, X, TARGET, PathCosts(rank=0.0))
    assert share_found(misled, np.where(np.arange(len(X)) > 95, LOWER, TARGET)) > 0.95


def test_a_baseline_may_wander_over_another():
    """The order from the top is no law: the network tells that the lines cross, and where."""
    level = np.full(len(X), 150.0)
    wandering = np.linspace(PAD, HEIGHT - 1 - PAD, len(X))
    (target, other), ink = drawn(wandering, level)
    way = find_vertices(look(ink, target, other, SCALE), X, wandering)
    assert share_found(way, wandering) > 0.95


def test_ink_that_leaves_the_crop_is_passed_over():
    """A neighbour's wave runs out at the top beside the target's own; the network is of two minds."""
    target = lead(200, (60, 200 - PAD), (100, -(HEIGHT - 1 - PAD - 200)))
    neighbour = lead(250, (70, 400))
    _, ink = drawn(target, neighbour)
    out = leaving(ink > 0.5, WIDTH_PX)
    assert out[:100, 280:310].any() and not out[:, :240].any()
    scene = look(ink, 0.5 * ink, 0.5 * ink, SCALE)
    np.testing.assert_allclose(
        scene.ground[out],
        look(ink, 0.5 * ink, 0.5 * ink, SCALE, closely_cut=False).ground[out] + 0.1,
        rtol=1e-5,
    )
    assert share_found(find_vertices(scene, X, target), target) > 0.95


def random_scene(seed, with_margin):
    """A small picture that means nothing: costs at random, three columns of samples with few rows each."""
    rng = np.random.default_rng(seed)
    depth = np.where(rng.random((12, 15)) < 0.45, 2.0, 0.0).astype(np.float32)
    return Scene(
        ground=rng.random((12, 15)).astype(np.float32) * 2,
        doubt=rng.random((12, 15)).astype(np.float32) * 3,
        depth=depth,
        width_px=2.0,
        margin_px=3.0 if with_margin else None,
        extent=(2, 12),
        own=depth > 0,
        trust=1.0,
    )


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("with_margin", [True, False])
@pytest.mark.parametrize("rank", [0.0, 2.0])
def test_no_other_way_is_cheaper(seed, with_margin, rank):
    """All ways there are, one by one, priced by themselves: the best of them is what was found."""
    scene, costs = random_scene(seed, with_margin), PathCosts(evidence=0.4, bend=1.5, rank=rank)
    x = np.array([2.0, 5.0, 8.0, 11.0])
    usual = np.array([4.0, 6.0, 5.0, 7.0])
    lowest = 1.0 if with_margin else 0.0
    rows = []
    for at, row in zip(x, usual, strict=True):
        ink = np.flatnonzero(scene.depth[:, int(at)] > 0).astype(float)
        rows.append(sorted({*ink[(ink >= lowest) & (ink <= 11 - lowest)], row}))
    best = min(product(*rows), key=lambda way: price(scene, x, np.array(way), costs))
    found = find_vertices(scene, x, usual, costs)
    assert found.cost == pytest.approx(price(scene, x, np.array(best), costs), rel=1e-9)
    assert found.cost == pytest.approx(price(scene, x, found.y_px, costs), rel=1e-9)


def test_price_by_hand():
    """On bare ground of cost 1 with doubt 2: a flat segment of 4 px and one that climbs 3 px over 4."""
    ones = np.ones((40, 20), np.float32)
    scene = Scene(ones, 2 * ones, ones, 2.0, None, (0, 19), ones > 0, 1.0)
    cost = price(scene, np.array([2.0, 6.0, 10.0]), np.array([20.0, 20.0, 17.0]), PathCosts(0.5, 2.0, 0.0))
    # Lengths 4 and 5; evidence 0.5 x 2 for each px; the slope changes by 3 of 0 + 3 + 10.
    assert cost == pytest.approx((4 + 5) * (1 + 0.5 * 2) + 2 * 3 / 13)


def test_of_a_line_that_the_network_hardly_sees_its_word_counts_little():
    _, ink = drawn(TARGET)
    near, far = (look(ink, 0.5 * ink, None, SCALE, shrunk=shrunk) for shrunk in (1.0, 0.15))
    # 5 px of line are 0.75 px on the canvas: half of 1.5, so a quarter of the weight.
    np.testing.assert_allclose(far.doubt, near.doubt / 4, rtol=1e-5)


@pytest.mark.parametrize(
    ("left", "right", "top", "bottom", "known"),
    [
        (12, 12, 12, 12, True),
        (12, 13, 11, 13, True),  # pixels are whole
        (12, 18, 12, 12, False),
        (40, 40, 40, 40, False),  # not closely cut
        (1, 1, 1, 1, False),  # cut through the line
        (12, 12, 30, 12, False),  # more paper above: the edges say nothing of the target
        (12, 12, 12, 30, False),
    ],
)
def test_uneven_wide_or_missing_margins_say_nothing(left, right, top, bottom, known):
    ink = np.zeros((160, 200), np.float32)
    ink[78:83, left : 200 - right] = 1
    ink[top : 160 - bottom, 98:103] = 1
    assert (look(ink, ink, None, SCALE).margin_px is not None) == known


@pytest.mark.parametrize("width", [1, 2, 5])
def test_the_width_of_lines_that_touch_and_climb(width):
    ink = np.zeros((300, 300), bool)
    for row in (60, 150, 200):
        ink[row : row + width, 10:290] = True
    for column in (100, 103, 200):
        ink[20:280, column : column + width] = True
    assert thin_width(ink) == pytest.approx(width, abs=0.5)
    assert thin_width(np.zeros((5, 5), bool)) == 1.0


def test_ink_under_the_line_becomes_the_targets_but_a_crossing_stays_boths():
    line = Stroke(np.array([2.0, 40.0]), np.array([20.0, 20.0]), 2.0, 2.0)
    target, other = np.zeros((40, 44), np.float32), np.zeros((40, 44), np.float32)
    other[18:23] = 0.9  # the network gives all of the line to a neighbour
    other[:, 30:33] = 1  # and sees another line cross it
    target[18:23, 30:33] = 0.8
    mine, theirs = relabel(line, target, other)
    assert mine[20, 10] == np.float32(0.95) and theirs[20, 10] == 0
    assert mine[20, 31] == np.float32(0.8) and theirs[20, 31] == 1
    assert theirs[5, 31] == 1 and mine[5, 31] == 0


def test_a_strand_is_followed_over_a_crossing_and_not_into_a_block():
    ink = np.zeros((100, 80), bool)
    for row in range(70):  # leaves at the top, leaning
        ink[row, 20 + row // 3 : 24 + row // 3] = True
    ink[30:34, :] = True
    ink[60:75, 10:70] = True
    out = leaving(ink, 4.0)
    assert out[10, 24] and out[50, 37]
    assert not out[31, 60] and not out[65:, :].any()


def test_a_gap_in_the_ink_is_crossed_on_the_usual_way():
    """Where no segment lies in ink, there is a way all the same."""
    (ink,), _ = drawn(lead(100))
    ink[:, 200:300] = 0
    scene = look(ink, ink, None, SCALE)
    way = find_vertices(scene, X, np.full(len(X), 104.0))
    assert way.cost == pytest.approx(price(scene, X, way.y_px))
    assert np.abs(way.y_px - 100).max() < 6
    assert len(way.y_px) == len(X)


def test_ink_of_the_target_that_a_way_leaves_aside_is_measured():
    """A wave of 100 px up and down, on a lead that is flat otherwise: about 200 px of line."""
    wave = np.full(len(X), 170.0)
    wave[60] = 70.0
    (ink,), _ = drawn(wave)
    scene = look(ink, ink, None, SCALE)
    line, flat = (Stroke(X, y, WIDTH_PX / 2, WIDTH_PX / 2) for y in (wave, np.full(len(X), 170.0)))
    lost = left_aside(scene, line, flat)
    # Both flanks lie within one width of each other, so that they share much of their ink.
    assert 100 < lost < 200
    assert left_aside(scene, flat, line) == pytest.approx(-lost)
    hardly_seen = look(ink, ink, None, SCALE, shrunk=0.15)
    assert left_aside(hardly_seen, line, flat) == pytest.approx(lost / 4, rel=0.01)
    others = look(ink, 0 * ink, ink, SCALE)
    assert left_aside(others, line, flat) == 0


def test_a_picture_of_no_lines_is_not_looked_through():
    """Noise: nearly every pixel may be on a way, so that there are far too many."""
    noise = (np.random.default_rng(0).random((1200, 1200)) < 0.8).astype(np.float32)
    x = np.arange(2, 1198, 4.0)
    way = find_vertices(look(noise, noise, None, SCALE), x, np.full(len(x), 300.0))
    assert way.cost == np.inf
    assert (way.y_px == 300).all()
    # One blot is as wide as it is high: its few ways are looked through.
    blot = np.ones((700, 1200), np.float32)
    way = find_vertices(look(blot, blot, None, SCALE), x, np.full(len(x), 300.0))
    assert len(way.y_px) == len(x)
