"""A grid that the test has drawn is found again, and one that is not there is not."""

import csv
import time

import cv2
import numpy as np
import pytest
from ruled_paper import crop, jpeg, noisy, paper, with_trace

from ecgtrace.digitization.scale import find_scale
from ecgtrace.digitization.scale.comb import comb_periods, fit_lines, persistence
from ecgtrace.digitization.scale.families import has_major_lines, has_minor_lines
from ecgtrace.digitization.scale.ground import ink_mask, without_black
from ecgtrace.digitization.scale.profile import evened
from ecgtrace.digitization.scale.tilt import hough_slope
from ecgtrace.errors import GridNotFoundError

WITHIN = 0.005


def rotated(image, angle_deg):
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle_deg, 1)
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_CUBIC)[40:-40, 20:-20].copy()


def assert_scale(image, x_px_per_mm, y_px_per_mm=None):
    scale = find_scale(image)
    assert scale.px_per_mm_x == pytest.approx(x_px_per_mm, rel=WITHIN)
    assert scale.px_per_mm_y == pytest.approx(y_px_per_mm or x_px_per_mm, rel=WITHIN)
    return scale


@pytest.mark.parametrize("px_per_mm", [4, 5.37, 8, 15.64, 16, 24])
def test_scale_of_a_planted_grid(px_per_mm):
    scale = assert_scale(crop(px_per_mm), px_per_mm)
    assert scale.confidence > 0.9  # both families are there, so nothing was guessed
    assert not scale.square_assumed


@pytest.mark.parametrize("px_per_mm", [6, 15.64])
@pytest.mark.parametrize(
    ("minor", "major"),
    [
        ((255, 200, 200), (230, 60, 60)),
        ((200, 240, 200), (60, 170, 60)),
        ((210, 220, 255), (80, 110, 230)),
        ((230, 230, 230), (150, 150, 150)),
    ],
    ids=["red", "green", "blue", "grey"],
)
def test_colours(px_per_mm, minor, major):
    """In red and green the majors are in the darkest cluster, with the trace, and must not go with it."""
    assert assert_scale(crop(px_per_mm, minor=minor, major=major), px_per_mm).confidence > 0.9


@pytest.mark.parametrize("px_per_mm", [4, 15.64])
def test_grey_scale(px_per_mm):
    grey = cv2.cvtColor(crop(px_per_mm), cv2.COLOR_RGB2GRAY)
    assert_scale(np.repeat(grey[..., None], 3, axis=2), px_per_mm)


@pytest.mark.parametrize(
    "degrade",
    [
        lambda image: jpeg(image, 40),
        lambda image: jpeg(image, 80),
        lambda image: noisy(image, 20),
        lambda image: cv2.GaussianBlur(image, (0, 0), 1.0),
        lambda image: jpeg(noisy(cv2.GaussianBlur(image, (0, 0), 1.0), 8), 40),
    ],
    ids=["jpeg40", "jpeg80", "noise", "blur", "all"],
)
@pytest.mark.parametrize("px_per_mm", [5, 8, 15.64])
def test_degraded_pictures(px_per_mm, degrade):
    assert_scale(degrade(crop(px_per_mm)), px_per_mm)


@pytest.mark.parametrize("angle_deg", [1, 3, -3])
@pytest.mark.parametrize("px_per_mm", [4, 15.64])
def test_rotated_pictures(px_per_mm, angle_deg):
    """The distance along the image axes is larger than across the lines by 1 / cos."""
    scale = assert_scale(rotated(crop(px_per_mm, height=330, width=1040), angle_deg), px_per_mm)
    assert scale.px_per_mm_x == pytest.approx(px_per_mm, rel=5e-4)


@pytest.mark.parametrize("stroke_mm", [0.1, 0.6])
def test_thin_and_thick_traces(stroke_mm):
    assert_scale(crop(12, stroke_mm=stroke_mm), 12)


@pytest.mark.parametrize("ratio", [0.9, 1.1])
@pytest.mark.parametrize("px_per_mm", [5, 15.64])
def test_scales_of_both_axes_are_their_own(px_per_mm, ratio):
    image = with_trace(paper(px_per_mm, px_per_mm * ratio), px_per_mm)
    assert not assert_scale(image, px_per_mm, px_per_mm * ratio).square_assumed


@pytest.mark.parametrize("px_per_mm", [4, 8, 15.64, 20])
def test_major_lines_alone_are_5_mm_apart(px_per_mm):
    """4 px per mm: 20 px between lines could be 1 mm; the 1 px stroke of the trace says 5."""
    scale = assert_scale(crop(px_per_mm, minor=None), px_per_mm)
    assert scale.confidence < 0.95
    assert "taken for 5 mm apart" in scale.assumptions[0]
    assert bool(scale.doubts) == (px_per_mm == 4)  # the one that two readings fit


@pytest.mark.parametrize("px_per_mm", [4, 8, 15.64, 20])
def test_minor_lines_alone_are_1_mm_apart(px_per_mm):
    scale = assert_scale(crop(px_per_mm, major=None, minor=(240, 150, 150)), px_per_mm)
    assert scale.confidence < 0.95
    assert "taken for 1 mm apart" in scale.assumptions[0]
    assert bool(scale.doubts) == (px_per_mm == 4)


def test_a_low_crop_takes_the_grid_as_square():
    """In a crop as low as this a QRS crosses it from edge to edge, and is no line of the grid."""
    scale = assert_scale(crop(20, height=150, minor=None), 20)
    assert scale.square_assumed
    assert scale.confidence < 0.85
    assert scale.lines_y == ()
    assert "square pixels: too few horizontal lines to measure" in scale.assumptions


@pytest.mark.parametrize("height", [60, 80])
def test_four_lines_of_a_low_crop_do_not_make_its_pixels_oblong(height):
    scale = assert_scale(crop(20, height=height), 20)
    assert scale.px_per_mm_x == scale.px_per_mm_y


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.4])
def test_resizing_the_picture_scales_the_result(factor):
    image = crop(12)
    size = (round(1000 * factor), round(250 * factor))
    resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
    before, after = find_scale(image), find_scale(resized)
    assert after.px_per_mm_x == pytest.approx(before.px_per_mm_x * factor, rel=0.002)
    assert after.px_per_mm_y == pytest.approx(before.px_per_mm_y * factor, rel=0.004)


def test_transposing_the_picture_swaps_the_axes():
    image = with_trace(paper(10, 11), 10)
    scale = find_scale(image)
    swapped = find_scale(np.ascontiguousarray(image.transpose(1, 0, 2)))
    assert swapped.px_per_mm_x == pytest.approx(scale.px_per_mm_y, rel=1e-3)
    assert swapped.px_per_mm_y == pytest.approx(scale.px_per_mm_x, rel=1e-3)


def test_lines_are_where_they_were_drawn():
    scale = find_scale(crop(12.5))
    offset = (np.array(scale.lines_x) / 12.5 - 0.71) % 1
    assert np.abs((offset + 0.5) % 1 - 0.5).max() < 0.06
    assert len(scale.lines_x) > 70


@pytest.mark.parametrize(
    ("px_per_mm", "height", "width"), [(4, 60, 1000), (4, 110, 1000), (8, 200, 500), (15.64, 110, 1000)]
)
@pytest.mark.parametrize("seed", range(2))
def test_beats_without_a_grid_are_no_grid(px_per_mm, height, width, seed):
    """Regular beats, 83 px apart at 4 px/mm, are a comb too; in 60 px they go from edge to edge."""
    image = with_trace(np.full((height, width, 3), 255, np.uint8), px_per_mm, seed=seed)
    for picture in (image, jpeg(noisy(image, 8), 40), cv2.GaussianBlur(image, (0, 0), 1)):
        with pytest.raises(GridNotFoundError, match=r"pass px_per_mm=\.\.\."):
            find_scale(picture)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("sigma", [0, 3])
def test_noise_is_no_grid(seed, sigma):
    image = np.random.default_rng(seed).integers(0, 256, (100, 500), dtype=np.uint8)
    image = cv2.GaussianBlur(image, (0, 0), sigma) if sigma else image
    with pytest.raises(GridNotFoundError):
        find_scale(np.repeat(image[..., None], 3, axis=2))


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_even_picture_is_no_grid(level):
    with pytest.raises(GridNotFoundError, match="no equally spaced grid lines"):
        find_scale(np.full((200, 600, 3), level, np.uint8))


def test_a_picture_too_small():
    with pytest.raises(GridNotFoundError, match="8 x 100 px are too few"):
        find_scale(np.zeros((100, 8, 3), np.uint8))
    with pytest.raises(ValueError, match="RGB uint8"):
        find_scale(np.zeros((100, 100), np.uint8))


@pytest.mark.parametrize(("px_per_mm", "height", "width"), [(15.64, 200, 9000), (50, 600, 9000)])
def test_wide_pictures(px_per_mm, height, width):
    assert_scale(paper(px_per_mm, height=height, width=width), px_per_mm)


@pytest.fixture(scope="module")
def reference(shared):
    """Return (name, image, true px per mm) of the crops drawn by the dataset authors' generator."""
    folder = shared / "reference"
    with (folder / "index.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [
        (
            row["name"],
            cv2.cvtColor(cv2.imread(str(folder / "crops" / f"{row['name']}.png")), cv2.COLOR_BGR2RGB),
            float(row["pixels_per_large_square"]) / 5,
        )
        for row in rows
    ]


def test_reference_crops(reference):
    """The true scale of each is in index.csv; crops are as low as 68 px."""
    good, seconds = [], []
    for _, image, truth in reference:
        start = time.process_time()
        scale = find_scale(image)
        seconds.append(time.process_time() - start)
        errors = (scale.px_per_mm_x / truth - 1, scale.px_per_mm_y / truth - 1)
        good.append(max(map(abs, errors)) < WITHIN)
    assert len(good) == 78
    assert all(good)
    assert np.median(seconds) < 0.15  # generous: a busy machine must not fail this


def test_ink_is_darker_than_the_rulings_it_lies_on():
    """The lines are as dark as the ink, in both directions."""
    darkness = np.zeros((60, 200), np.uint8)
    darkness[::10] = 200
    darkness[:, ::20] = 200
    columns = np.arange(200)
    for row in range(3):
        darkness[20 + row + columns // 10, columns] = 200
    ink, full = ink_mask(darkness)
    assert full == 200
    assert ink[21, 3] == 1
    assert not ink[:20].any()
    assert not ink[45:].any()


def test_dashes_of_a_copy_are_no_ink():
    darkness = np.zeros((60, 200), np.uint8)
    columns = np.arange(200)
    darkness[(np.arange(60) % 10 < 4), 20:200:40] = 200
    for row in range(3):
        darkness[20 + row + columns // 10, columns] = 200
    assert ink_mask(darkness)[0][3, 20] == 1
    ink, _ = ink_mask(darkness, broken=True)
    assert ink[3, 20] == 0
    assert ink[21, 3] == 1


def test_black_around_the_paper_is_cut_off():
    image = np.zeros((80, 100, 3), np.uint8)
    image[20:70, 10:95] = 230
    image[20:60, 30:33] = 0  # a separator is not the black around
    cut, left, top = without_black(image)
    assert cut.shape == (50, 85, 3)
    assert (left, top) == (10, 20)


@pytest.mark.parametrize("slope", [-0.05, 0.0, 0.013, 0.05])
def test_hough_slope_of_planted_lines(slope):
    centres = np.arange(16) * 16 + 7.5
    x = np.arange(600)
    position = x[None] - slope * (centres - centres.mean())[:, None]
    strips = 10 * np.exp(-0.5 * (((position + 9) % 18 - 9) / 1.2) ** 2)
    strips += np.random.default_rng(0).normal(0, 2, strips.shape)
    assert hough_slope(strips - strips.mean(), centres) == pytest.approx(slope, abs=0.003)


def comb(period, n=800, strength=(1.0,), first=3.3, sigma=1.0):
    """Return a profile of Gaussian lines whose strengths repeat."""
    numbers = np.arange(int(n / period) + 1)
    lines = first + numbers * period
    heights = np.array(strength)[numbers % len(strength)]
    return (heights * np.exp(-0.5 * ((np.arange(n)[:, None] - lines) / sigma) ** 2)).sum(axis=1) * 50


def test_comb_explains_its_period_and_noise_nothing():
    periods, explained = comb_periods(comb(17.3), 3, 120)
    assert explained[np.argmin(np.abs(periods - 17.3))] > 0.95
    assert explained[np.argmin(np.abs(periods - 11.0))] < 0.1
    assert explained[np.argmin(np.abs(periods - 17.3 / 2))] < 0.6
    _, noise = comb_periods(np.random.default_rng(0).normal(size=200), 3, 80)
    assert abs(noise.mean()) < 0.06  # unadjusted, 24 harmonics alone would explain a quarter of it


def test_missed_lines_do_not_stretch_the_fit():
    """The mean of the gaps between the lines that are left would be 8 % too large."""
    strength = np.ones(61)
    strength[[7, 20, 21, 40, 55]] = 0
    first, spacing, error, positions, present = fit_lines(comb(13.37, strength=strength), 3.0, 13.4)
    assert spacing == pytest.approx(13.37, rel=2e-4)
    assert first % 13.37 == pytest.approx(3.3, abs=0.1)
    assert error < 2e-3
    assert 0.85 < present < 0.95
    assert len(positions) == pytest.approx(60 * present, abs=1.5)


@pytest.mark.parametrize("weak", [0.05, 0.3])
def test_which_family(weak):
    both = comb(12, strength=(1, weak, weak, weak, weak))
    assert has_major_lines(both, 3.3, 12)
    assert has_minor_lines(both, 3.3, 60)
    alone = comb(60)
    assert not has_minor_lines(alone, 3.3, 60)
    assert not has_major_lines(comb(12), 3.3, 12)
    assert not has_major_lines(comb(12, strength=(1, 0.7, 0.9, 0.6, 0.95)), 3.3, 12)  # only uneven print
    assert not has_major_lines(comb(12, strength=(1, 0.3, 0.9, 0.3, 0.3)), 3.3, 12)  # two of five are strong


def test_the_fifth_lines_may_be_of_another_colour_alone():
    """Purple lines, and green ones as far from the paper: the darkest channel does not tell them apart."""
    fifth = comb(12, strength=(1, 0, 0, 0, 0))
    others = comb(12, strength=(0, 1, 1, 1, 1))
    colour = np.stack([fifth + 0.8 * others, others, fifth], axis=1)
    assert not has_major_lines(colour.max(axis=1), 3.3, 12)
    assert has_major_lines(colour, 3.3, 12)


def test_evened_lets_weak_lines_count():
    profile = comb(12, strength=(1, 0.05, 0.05, 0.05, 0.05))
    quiet = evened(profile)
    assert profile.max() / profile[15] > 15
    assert quiet.max() / quiet[15] < 4


def test_persistence_of_lines_beats_and_noise():
    lines = np.tile(comb(20), (10, 1))
    assert persistence(lines, 3.3, 20) == 1.0
    beats = lines.copy()
    beats[3:] = 0
    assert persistence(beats, 3.3, 20) == pytest.approx(0.3)
    noise = np.random.default_rng(0).normal(size=(10, 800))
    assert persistence(noise, 3.3, 20) == pytest.approx(0.5, abs=0.1)
