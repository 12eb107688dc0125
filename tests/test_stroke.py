"""A stroke that the test itself has drawn is found again."""

import numpy as np
import pytest
from scipy.special import erfc

from ecgtrace.digitization.ink_path import cheapest_path, expected_rows, explaining_path, reach_tips
from ecgtrace.digitization.skew import find_skew, upright
from ecgtrace.digitization.stroke import FitOptions, Stroke, fit_stroke


def wave(height_px=60.0, middle=80.0, n=160, step_px=1.0):
    """A flat line with one narrow wave, such as a QRS complex, and a round one."""
    x = 10 + np.arange(n) * step_px
    y = middle - height_px * np.clip(1 - np.abs(x - 60) / 4, 0, 1) - 15 * np.exp(-(((x - 120) / 12) ** 2))
    return x, y


def drawn(half_width=2.4, cap=2.4, **options):
    x, y = wave(**options)
    stroke = Stroke(x, y, half_width, cap, 0.4, 1.0)
    return stroke, stroke.coverage((120, 190))


def everywhere(ink):
    return np.ones_like(ink)


@pytest.mark.parametrize("half_width", [1.0, 1.5, 2.4, 4.0])
def test_a_stroke_is_found_from_a_rough_start(half_width):
    """Rows to a tenth of a pixel, width too, although the start is a pixel off and its width by a third."""
    truth, ink = drawn(half_width, half_width)
    rng = np.random.default_rng(0)
    start = Stroke(
        truth.x_px, truth.y_px + rng.normal(0, 1, len(truth.x_px)), half_width * 1.3, half_width, 0.5
    )
    found = fit_stroke(ink, start, everywhere(ink))
    error = np.interp(truth.x_px, found.x_px, found.y_px) - truth.y_px
    assert np.quantile(np.abs(error), 0.8) < 0.2
    assert found.half_width_px == pytest.approx(half_width, abs=0.05)


@pytest.mark.parametrize("joins", [False, True])
def test_a_stroke_covers_what_lies_within_its_width(joins):
    """Against the distance of every pixel to every segment of a line that bends sharply."""
    rng = np.random.default_rng(1)
    x = np.cumsum(rng.uniform(0.4, 3.0, 40)) + 5
    y = 40 + rng.normal(0, 12, 40)
    stroke = Stroke(x, y, 1.5, 1.3, 0.6, joins=joins)
    rows, columns = np.mgrid[:90, :90]
    start, along = np.stack([x, y], 1)[:-1], np.diff(np.stack([x, y], 1), axis=0)
    off = np.stack([columns, rows], -1)[:, :, None] - start
    place = np.clip((off * along).sum(-1) / (along**2).sum(-1), 0, 1)
    distance = np.linalg.norm(off - place[..., None] * along, axis=-1)
    nearest = distance.argmin(axis=2)
    at = np.take_along_axis(place, nearest[..., None], 2)[..., 0]
    end = ((nearest == 0) & (at == 0)) | ((nearest == len(along) - 1) & (at == 1))
    rounded = end | (((at == 0) | (at == 1)) & joins)
    near = distance.min(axis=2)
    true = 0.5 * erfc((near - np.where(rounded, 1.3, 1.5)) / (np.sqrt(2) * 0.6))
    inside = near < 1.5 + 3 * 0.6
    np.testing.assert_allclose(stroke.coverage((90, 90))[inside], true[inside], atol=1e-5)
    assert (stroke.coverage((90, 90))[~inside] == 0).all()


def test_a_tip_half_a_line_width_inside_the_ink_is_found():
    """The middle of the ink of the tip's column lies half the wave below it."""
    truth, ink = drawn()
    start = Stroke(truth.x_px, np.where(np.abs(truth.x_px - 60) < 6, 50.0, truth.y_px), 2.4, 2.4, 0.5)
    found = fit_stroke(ink, start, everywhere(ink))
    assert found.y_px.min() == pytest.approx(truth.y_px.min(), abs=1.0)


def test_both_ends_are_found():
    """Also when the round ends are smaller than the line is wide."""
    truth, ink = drawn(half_width=2.4, cap=2.2)
    x = truth.x_px.copy()
    x[0], x[-1] = x[0] + 0.5, x[-1] - 0.5
    start = Stroke(x, truth.y_px, 2.4, 2.4, 0.4)
    found = fit_stroke(ink, start, everywhere(ink))
    assert found.x_px[0] == pytest.approx(10, abs=0.1)
    assert found.x_px[-1] == pytest.approx(169, abs=0.1)
    assert found.cap_px == pytest.approx(2.2, abs=0.1)


def test_moving_the_ink_moves_the_stroke():
    truth, ink = drawn()
    moved = np.roll(ink, (7, 3), axis=(0, 1))
    first = fit_stroke(ink, truth, everywhere(ink))
    second = fit_stroke(moved, Stroke(truth.x_px + 3, truth.y_px + 7, 2.4, 2.4, 0.4), everywhere(ink))
    np.testing.assert_allclose(second.y_px, first.y_px + 7, atol=0.01)
    np.testing.assert_allclose(second.x_px, first.x_px + 3, atol=0.01)


def test_ink_that_another_stroke_explains_does_not_pull():
    """A line that grazes the trace from above bends the fit, unless it is explained."""
    truth, ink = drawn(height_px=0.0)
    grazing = Stroke(np.array([80.0, 110.0]), np.array([70.0, 78.0]), 2.4, 2.4, 0.4).coverage(ink.shape)
    both = np.maximum(ink, grazing)
    flat = Stroke(truth.x_px, truth.y_px, 2.4, 2.4, 0.4)
    alone = fit_stroke(both, flat, everywhere(ink))
    explained = fit_stroke(both, flat, everywhere(ink), grazing * np.float32(0.98))
    near = (truth.x_px > 85) & (truth.x_px < 115)

    def error(found):
        return np.abs(np.interp(truth.x_px, found.x_px, found.y_px) - truth.y_px)[near].max()

    assert error(alone) > 0.5
    assert error(explained) < 0.3


def test_without_a_second_difference_there_is_no_roughness():
    """The prior on smoothness leaves a straight line at any slope where it is."""
    x = np.arange(10.0, 80.0)
    truth = Stroke(x, 20 + 1.5 * (x - 10), 2.0, 2.0, 0.4)
    ink = truth.coverage((150, 100))
    found = fit_stroke(ink, truth, everywhere(ink), options=FitOptions(corner_weight=10.0))
    np.testing.assert_allclose(found.y_px, truth.y_px, atol=0.1)


def test_the_path_keeps_to_ink():
    """The straight way over bare paper is shorter, and dearer."""
    ink = np.zeros((30, 40))
    ink[25, :] = 1
    ink[5:26, 20] = 1
    ink[5, 20:] = 1
    ink[25, 22:] = 0
    enter, leave = cheapest_path(ink)
    assert enter[0] == 25 and leave[-1] == 5
    assert {int(enter[20]), int(leave[20])} == {25, 5}


def test_the_expected_row_weighs_the_ink():
    weight = np.zeros((9, 1))
    weight[4], weight[5] = 1, 0.5
    row = expected_rows(weight, np.array([4]), np.array([4]), 2)
    np.testing.assert_allclose(row, [4 * 1 / 1.5 + 5 * 0.5 / 1.5])


def test_a_tip_is_reached_and_print_apart_from_the_line_is_not():
    truth, ink = drawn()
    rows = np.full(ink.shape[1], 80.0)
    rows[57:64] = 45.0  # where the flanks of the wave meet
    apart = ink.copy()
    apart[5:15, 82:92] = 1  # a letter
    reached = reach_tips(apart, rows, 2.4)
    assert reached[60] == pytest.approx(truth.y_px.min(), abs=1.5)
    assert (reached[75:95] == 80).all()


def paper(angle_deg=0.0, line=(255, 190, 190)):
    """Red lines every 8 px, turned counter-clockwise."""
    row, column = np.mgrid[0:160, 0:400].astype(float)
    turn = np.deg2rad(angle_deg)
    across = column * np.cos(turn) - row * np.sin(turn)
    down = row * np.cos(turn) + column * np.sin(turn)
    image = np.full((160, 400, 3), 255, np.uint8)
    image[(np.mod(across, 8) < 1.2) | (np.mod(down, 8) < 1.2)] = line
    return image


@pytest.mark.parametrize("angle_deg", [-3.0, -0.5, 0.0, 1.0, 4.0])
def test_the_grid_tells_the_angle(angle_deg):
    assert find_skew(paper(angle_deg)) == pytest.approx(angle_deg, abs=0.1)


def test_an_upright_scan_stays_as_it_is():
    image = paper()
    scan = upright(image)
    assert scan.image is image and scan.angle_deg == 0


def test_points_come_back_from_the_upright_image():
    scan = upright(paper(2.0))
    point = scan.matrix @ np.array([37.0, 91.0, 1.0])
    x, y = scan.to_scan(point[:1], point[1:])
    np.testing.assert_allclose([x[0], y[0]], [37, 91], atol=1e-9)


@pytest.mark.parametrize("noise_std", [0.0, 8.0])
def test_paper_without_a_grid_tells_no_angle(noise_std):
    image = np.full((160, 400, 3), 250.0) + np.random.default_rng(0).normal(0, noise_std, (160, 400, 3))
    image[70:74] = 0
    assert find_skew(np.clip(image, 0, 255).astype(np.uint8)) == 0


def joined_flanks():
    """A wave whose flanks other print joins at row 6, and its own ink."""
    ink = np.zeros((12, 15))
    ink[10, :5] = ink[10, 10:] = ink[2:11, [4, 10]] = ink[6, 4:11] = ink[2, 4:11] = 1
    own = ink.copy()
    own[6, 5:10] = 0
    return ink, own


def test_a_wave_is_followed_past_print_that_joins_its_flanks():
    ink, own = joined_flanks()
    enter, leave = cheapest_path(ink)
    assert min(enter.min(), leave.min()) == 6
    enter, leave, places = explaining_path(ink, own, 0.5)
    assert min(enter.min(), leave.min()) == 2
    assert list(places.values()) == [2]
    # It still comes and goes by the flanks.
    assert enter[0] == leave[-1] == 10
    touched = np.stack([np.minimum(enter, leave), np.maximum(enter, leave)])
    assert (touched[0, 5:10] == 2).all()
    assert touched[:, 4].tolist() == [2, 10]


def test_no_detour_over_bare_paper():
    """Ink that the network gives to the target, but that no ink leads to: a blot of a neighbour."""
    ink = np.zeros((30, 61))
    ink[28] = ink[2:20, 29:32] = 1
    enter, leave, places = explaining_path(ink, ink, 0.5)
    assert places == {}
    assert (enter == 28).all()
    assert (leave == 28).all()


def test_detours_keep_to_the_places_before():
    """Two waves of this kind: the second detour leaves the first where it is."""
    ink, own = (np.hstack([part, part]) for part in joined_flanks())
    enter, leave, places = explaining_path(ink, own, 0.5)
    assert sorted(places.values()) == [2, 2]
    assert (np.minimum(enter, leave)[[7, 22]] == 2).all()
    assert (enter[1:] == leave[:-1]).all()
