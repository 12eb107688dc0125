"""A page whose grid the test has drawn lies where the test has put it."""

import cv2
import numpy as np
import pytest
from planted_picture import lead
from ruled_paper import jpeg, noisy, paper, with_trace

from ecgtrace.errors import GridNotFoundError, PageError
from ecgtrace.sheet import find_sheet
from ecgtrace.sheet.grid import Grid
from ecgtrace.sheet.mapping import PlaneMap, project
from ecgtrace.sheet.spacing import find_spacings
from ecgtrace.sheet.spectrum import _LEFT, TILE_PX, Rays, Spectra, find_rays, spectra_of

WIDTH, HEIGHT = 1400, 1000
WITHIN_MM = 0.15


def page(px_per_mm=8.0, y_px_per_mm=None, width=WIDTH, height=HEIGHT, seed=0, **ruling):
    """Three rows of a beating trace on ruled paper, and a header."""
    image = paper(px_per_mm, y_px_per_mm, width=width, height=height, **ruling)
    third = height // 3
    for row in range(3):
        part = image[row * third : (row + 1) * third]
        image[row * third : (row + 1) * third] = with_trace(part, px_per_mm, seed=seed + row)
    cv2.putText(image, "Sinus rhythm, 62 bpm", (300, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (0, 0, 0), 3)
    return image


def text_page():
    """Lines of words, no grid."""
    rng = np.random.default_rng(0)
    image = np.full((1600, 1200, 3), 255, np.uint8)
    for row in range(80, 1550, 40):
        x = 80
        while x < 1050:
            word = "".join(chr(97 + k) for k in rng.integers(0, 26, rng.integers(2, 9)))
            cv2.putText(image, word, (x, row), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (0, 0, 0), 2, cv2.LINE_AA)
            x += 20 * len(word) + 25
    return image


def scanned(image, angle_deg=0.0, perspective=0.0, seed=0):
    """Turn a page and put it in perspective; return the picture and the map from page to picture."""
    height, width = image.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
    shift = np.random.default_rng(seed).uniform(-0.5, 0.5, (4, 2)) * perspective * [width, height]
    angle = np.radians(angle_deg)
    moved = (corners + shift) @ [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    moved -= moved.min(axis=0)
    size = tuple(int(v) for v in np.ceil(moved.max(axis=0)))
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), moved.astype(np.float32))
    picture = cv2.warpPerspective(image, matrix, size, flags=cv2.INTER_CUBIC, borderValue=(255, 255, 255))
    return picture, matrix


def places_off_mm(sheet, matrix, px_per_mm, width=WIDTH, height=HEIGHT):
    """How far places of the page are from where they should be, the origin and quarter turns set aside."""
    x, y = np.meshgrid(np.linspace(0, width, 12), np.linspace(0, height, 12))
    there = np.column_stack([x.ravel(), y.ravel()])
    true = there / px_per_mm
    true = true - true.mean(axis=0)
    found = sheet.from_source(project(matrix, there)) / (sheet.px_per_mm_x, sheet.px_per_mm_y)
    found = found - found.mean(axis=0)
    quarter = np.array([[0.0, 1.0], [-1.0, 0.0]])
    return min(np.hypot(*(found @ np.linalg.matrix_power(quarter, k) - true).T).max() for k in range(4))


def test_a_straight_page_is_left_as_it_is():
    image = page()
    sheet = find_sheet(image)
    assert sheet.image is image
    assert sheet.grid_confirmed and not sheet.doubts and not sheet.notes
    assert (sheet.px_per_mm_x, sheet.px_per_mm_y) == pytest.approx((8, 8), rel=5e-4)
    assert sheet.residual_mm < 0.02
    points = np.array([[0.0, 0.0], [1399.0, 0.5]])
    assert np.array_equal(sheet.to_source(points), points)
    # `paper` puts a 5 mm line at 0.37 mm down and 0.71 mm across.
    assert np.mod(np.array(sheet.origin_px) / 8 - (0.71, 0.37) + 2.5, 5) - 2.5 == pytest.approx(0, abs=0.08)


@pytest.mark.parametrize("angle_deg", [0.1, 3, -17, 44, 91, 135, 180, 268])
def test_any_turn(angle_deg):
    picture, matrix = scanned(page(), angle_deg)
    sheet = find_sheet(picture)
    assert places_off_mm(sheet, matrix, 8.0) < WITHIN_MM
    assert (angle_deg - sheet.turn_deg + 45) % 90 - 45 == pytest.approx(0, abs=0.02)
    assert -45.5 <= sheet.turn_deg <= 45.5
    assert sheet.px_per_mm_x == pytest.approx(8, rel=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_perspective(seed):
    picture, matrix = scanned(page(seed=seed), 40.0 * seed, 0.05, seed)
    sheet = find_sheet(picture)
    assert places_off_mm(sheet, matrix, 8.0) < WITHIN_MM
    there = np.array([[300.0, 200.0], [1100.0, 800.0]])
    assert np.allclose(sheet.from_source(sheet.to_source(there)), there, atol=1e-6)


def test_the_straight_picture_shows_what_the_source_shows():
    picture, _ = scanned(page(), 12.0, 0.04)
    sheet = find_sheet(picture)
    y, x = 505, 660
    at = np.rint(sheet.to_source(np.array([[float(x), float(y)]]))[0]).astype(int)
    near = sheet.image[y - 25 : y + 26, x - 25 : x + 26].mean()
    assert near == pytest.approx(picture[at[1] - 25 : at[1] + 26, at[0] - 25 : at[0] + 26].mean(), abs=3)


@pytest.mark.parametrize("ratio", [0.96, 1.05])
def test_each_axis_has_its_own_scale(ratio):
    picture, _ = scanned(page(8.0, 8.0 * ratio), 0.0)
    sheet = find_sheet(picture)
    assert (sheet.px_per_mm_x, sheet.px_per_mm_y) == pytest.approx((8, 8 * ratio), rel=5e-4)
    assert any("not square" in note for note in sheet.notes)


def test_a_fax_is_doubted():
    """Pixels 2 : 1 are those of a fax, or every second line of a grid on bent paper."""
    sheet = find_sheet(page(8.0, 3.9))
    assert (sheet.px_per_mm_x, sheet.px_per_mm_y) == pytest.approx((8, 3.9), rel=2e-3)
    assert any("not square" in doubt for doubt in sheet.doubts)


BLACK = (0, 0, 0)


@pytest.mark.parametrize(
    ("minor", "major"),
    [
        ((200, 240, 200), (60, 170, 60)),
        ((210, 220, 255), (80, 110, 230)),
        ((255, 200, 120), (240, 150, 40)),
        ((230, 230, 230), (150, 150, 150)),
        ((120, 120, 120), BLACK),
        (None, (230, 60, 60)),
        ((230, 120, 120), (230, 120, 120)),
    ],
    ids=["green", "blue", "orange", "grey", "black", "5 mm alone", "alike"],
)
@pytest.mark.parametrize("px_per_mm", [4.3, 9])
def test_rulings(minor, major, px_per_mm):
    width, height = round(190 * px_per_mm), round(130 * px_per_mm)
    image = page(px_per_mm, width=width, height=height, minor=minor, major=major)
    picture, matrix = scanned(image, 2.0)
    sheet = find_sheet(picture)
    assert sheet.grid_confirmed
    assert places_off_mm(sheet, matrix, px_per_mm, width, height) < WITHIN_MM


def dots(px_per_mm=8.0):
    """Dots of one pixel, 1 mm apart, those beside a row of 5 mm left out: their diagonals stand out more."""
    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    for j, y in enumerate(np.arange(3.0, HEIGHT, px_per_mm)):
        for i, x in enumerate(np.arange(5.0, WIDTH, px_per_mm)):
            if i % 5 != 1 and j % 5 != 1:
                image[round(y), round(x)] = 90
            elif i % 5 == 0 or j % 5 == 0:
                image[round(y), round(x)] = 40
    for at in range(5, WIDTH - 4, 4):  # the strong rows have dots between
        image[3 :: round(5 * px_per_mm), at] = 60
    for at in range(3, HEIGHT - 4, 4):
        image[at, 5 :: round(5 * px_per_mm)] = 60
    return with_trace(image, px_per_mm)


def one_bit(image):
    return np.repeat(np.where(image.min(axis=2) < 200, 0, 255).astype(np.uint8)[..., None], 3, 2)


@pytest.mark.parametrize(
    "image",
    [
        dots(),
        jpeg(dots(), 50),
        one_bit(page(minor=(150, 150, 150), major=BLACK)),
        jpeg(noisy(cv2.GaussianBlur(page(), (0, 0), 1.0), 8), 40),
        np.repeat(cv2.cvtColor(page(), cv2.COLOR_RGB2GRAY)[..., None], 3, 2),
        255 - page(minor=(237, 237, 237), major=(235, 235, 235)),
    ],
    ids=["dots", "dots, jpeg", "one bit", "blur, noise, jpeg", "grey", "white on black"],
)
def test_poor_scans(image):
    sheet = find_sheet(image)
    assert (sheet.px_per_mm_x, sheet.px_per_mm_y) == pytest.approx((8, 8), rel=1e-3)


def test_a_grid_on_a_part_of_the_page():
    image = np.full((1500, 1600, 3), 255, np.uint8)
    image[420:1420, 100:1500] = page()
    image[60:360, 100:1100] = text_page()[60:360, 60:1060]
    picture, matrix = scanned(image, 1.5)
    assert places_off_mm(find_sheet(picture), matrix, 8.0, 1600, 1500) < WITHIN_MM


def test_no_grid_takes_what_is_stated_and_says_so():
    blank = with_trace(np.full((600, 900, 3), 255, np.uint8), 8.0)
    with pytest.raises(GridNotFoundError, match="px_per_mm"):
        find_sheet(blank)
    sheet = find_sheet(blank, dpi=200)
    assert sheet.px_per_mm_x == pytest.approx(200 / 25.4)
    assert not sheet.grid_confirmed and sheet.doubts
    assert find_sheet(blank, dpi=200, px_per_mm=5.0).px_per_mm_x == 5.0


def test_what_is_no_grid():
    """Rows of text are periodic one way, a table is coarse, noise and blank paper have nothing."""
    text = text_page()
    table = text.copy()
    table[80::40, 80:1100] = 0
    table[80:1550, 80::170] = 0
    noise = np.random.default_rng(0).normal(200, 20, (900, 1200, 3)).clip(0, 255).astype(np.uint8)
    for image in (text, table, noise, np.full((900, 1200, 3), 255, np.uint8)):
        with pytest.raises(GridNotFoundError):
            find_sheet(image)


def test_bent_paper_is_no_clean_answer():
    """Lines that wave by 2 mm: refused, or doubted."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    bent = cv2.remap(page(), x + 16 * np.sin(y / 90), y + 16 * np.sin(x / 110), cv2.INTER_CUBIC)
    try:
        assert find_sheet(bent).doubts
    except GridNotFoundError:
        pass


def test_the_grid_against_what_is_stated():
    image = page()
    assert any("150 dpi" in note for note in find_sheet(image, dpi=150).notes)
    assert not find_sheet(image, dpi=8 * 25.4).notes
    sheet = find_sheet(image, px_per_mm=9.5)
    assert sheet.px_per_mm_x == 9.5
    assert not sheet.grid_confirmed and any("as given" in doubt for doubt in sheet.doubts)
    assert find_sheet(image, px_per_mm=8.1).px_per_mm_x == pytest.approx(8, rel=1e-3)


def test_quarter_turns_lead_back_to_the_same_source():
    image = page(8.0, 7.6)
    image[207, 31] = (1, 200, 3)  # like no other
    sheet = find_sheet(image)
    for quarter in range(1, 4):
        turned = sheet.turned(quarter)
        x, y = 31, 207
        at = turned.from_source(np.array([[float(x), float(y)]]))
        assert np.array_equal(turned.image[round(at[0, 1]), round(at[0, 0])], image[y, x])
        assert np.allclose(turned.to_source(at), [[x, y]])
        assert np.allclose(turned.to_source(np.array([turned.origin_px])), [sheet.origin_px])
        same, swapped = (sheet.px_per_mm_x, sheet.px_per_mm_y), (sheet.px_per_mm_y, sheet.px_per_mm_x)
        assert (turned.px_per_mm_x, turned.px_per_mm_y) == (swapped if quarter % 2 else same)
        assert np.array_equal(turned.turned(4 - quarter).image, image)
    assert sheet.turned(4) is sheet
    assert sheet.turned(1).turn_deg == -90  # a page turned clockwise in its source stands upright again


def test_rows_and_columns_are_told_from_diagonals():
    """Of 1 px dots on every second crossing of strong rows, the diagonals stand out more than the rows."""
    n = TILE_PX
    power = np.ones((n, _LEFT + n // 2 + 1))
    for fx in range(-1, 5):
        for fy in range(-4, 5):
            if (fx, fy) != (0, 0) and 32 * fx + _LEFT < power.shape[1]:
                high = 300.0 if abs(fx) == abs(fy) else 20.0
                y, x = np.mgrid[-2:3, -2:3]
                bump = 1 + high * np.exp(-(x**2 + y**2) / 2.0)
                row, column = 32 * fy + n // 2, 32 * fx + _LEFT
                if 2 <= row < n - 2 and 2 <= column < power.shape[1] - 2:
                    power[row - 2 : row + 3, column - 2 : column + 3] *= bump
    rays = find_rays(Spectra(power[None].astype(np.float32), np.zeros((1, 2))))
    assert abs(rays.turn_deg) < 1


@pytest.mark.parametrize(("px_per_mm", "dash_mm"), [(8.7, 0.4), (10.0, 1.0), (11.0, 1.0)])
def test_dashed_lines_are_told_from_the_slanting_rows_of_their_dashes(px_per_mm, dash_mm):
    """Of the first, slanting rows of dashes looked stronger than the lines, and were no grid."""
    width, height = 2600, 1900
    image = np.full((height, width, 3), 255, np.uint8)
    for at in range(int(width / px_per_mm / 5) + 1):
        x = round(5 * at * px_per_mm)
        image[np.arange(height) / px_per_mm / dash_mm % 1 < 0.6, x : x + 2] = 0
        if x < height:
            image[x : x + 2, np.arange(width) / px_per_mm / dash_mm % 1 < 0.6] = 0
    sheet = find_sheet(image)
    assert sheet.turn_deg == pytest.approx(0, abs=0.05)
    assert (sheet.px_per_mm_x, sheet.px_per_mm_y) == pytest.approx((px_per_mm, px_per_mm), rel=1e-3)


def test_a_thumbnail_is_no_page():
    with pytest.raises(PageError, match="too few"):
        find_sheet(np.full((90, 120, 3), 255, np.uint8))


def test_a_map_that_is_none():
    with pytest.raises(ValueError, match="invertible"):
        PlaneMap(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="points"):
        PlaneMap.identity().to_source(np.zeros(2))


def test_a_multiple_that_stands_out_is_not_lines_of_8_mm():
    """Lines snapped to whole pixels repeat after 16 mm, but it is the sixteenth multiple that stands out."""
    frequency = np.arange(2.0, 126.0, 0.25)
    base = TILE_PX / 3.937 / 16
    excess = np.zeros(len(frequency))
    for number in range(1, int(126 / base)):
        height = 5.0 if number == 16 else 1.5
        excess = np.maximum(excess, height * np.exp(-(((frequency - number * base) / 0.7) ** 2)))
    best = find_spacings(Rays(frequency, np.stack([excess, excess]), 0.0, 1.0), 1100)[0]
    assert best.px_per_mm == pytest.approx((3.937, 3.937), rel=0.01)


def test_even_lines_of_a_picture_that_may_be_a_part_of_a_page_are_a_doubt():
    """Lines 12 px apart: 87 mm of a page if they are 1 mm apart, 433 mm of paper if they are 5 mm apart."""
    sheet = find_sheet(np.tile(lead(), (4, 1, 1)))
    assert any("evenly ruled" in doubt and "else 87 mm" in doubt for doubt in sheet.doubts)


@pytest.mark.parametrize("turn_deg", [0.0, 7.0, 30.0])
def test_dots_are_told_from_their_slanting_rows(turn_deg):
    """A dot at each millimetre: at 45 degrees rows of dots stand 0.7 mm apart. Pages may be turned so far."""
    px_per_mm, height, width = 6.0, 700, 1600
    image = np.full((height, width, 3), 250, np.uint8)
    y, x = np.mgrid[0:height, 0:width]
    turn = np.deg2rad(turn_deg)
    along = (np.cos(turn) * x + np.sin(turn) * y) / px_per_mm
    across = (np.cos(turn) * y - np.sin(turn) * x) / px_per_mm
    image[(along % 1 < 0.25) & (across % 1 < 0.25)] = 150
    found = find_sheet(image)
    assert found.px_per_mm_x == pytest.approx(px_per_mm, rel=0.01)
    assert abs(found.turn_deg) == pytest.approx(turn_deg, abs=0.3)


def test_fine_dots_below_letters_are_not_taken_by_their_diagonals():
    """A dot of one pixel each 5 mm: traces and letters hide rows and columns of the spectrum."""
    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    for row in range(3):
        for y in range(120 + 280 * row, 132 + 280 * row):
            image[y, 100:1300] = 0
    for k, x in enumerate(range(120, 1280, 37)):
        cv2.rectangle(image, (x, 60 + 280 * (k % 3)), (x + 5, 240 + 280 * (k % 3)), (0, 0, 0), -1)
    image[20::42, 15::42] = 0
    spectra = spectra_of(255.0 - image[..., 0].astype(np.float32))
    assert abs(find_rays(spectra).turn_deg) < 3


@pytest.mark.parametrize(("turn_deg", "stretch", "residual_mm", "by_chance"), [
    (20, 1.05, 0.15, True), (20, 1.05, 0.05, False), (20, 1.0, 0.2, False), (2, 1.05, 0.15, False)
])  # fmt: skip
def test_an_odd_grid_is_by_chance(turn_deg, stretch, residual_mm, by_chance):
    """Askew, of pixels that are not square, with lines off their places, as steep waves gave."""
    turn = np.deg2rad(turn_deg)
    matrix = np.eye(3)
    matrix[:2, :2] = (
        np.diag([stretch, 1.0]) @ [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]] / 8
    )
    grid = Grid(matrix, np.zeros((2, 2)), residual_mm, 0.7, False, True)
    assert grid.is_by_chance == by_chance
