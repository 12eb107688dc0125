"""Light ink on a dark ground is inverted, black around the paper cut off; places stay those of the source."""

import cv2
import numpy as np
import pytest
from planted_picture import BASE_PX, LEFT_PX, PX_PER_MM, lead, wave_mv

from ecgtrace import Digitizer
from ecgtrace.digitization.prepare import prepare

BASELINE = Digitizer.from_pretrained("baseline")


def green_on_black(rgb):
    """A monitor: what is dark in the print is bright green, the grid faintly so."""
    ink = 255 - rgb[..., 0]
    return np.dstack([ink // 5, ink, ink // 5]).astype(np.uint8)


def test_a_picture_of_ink_on_paper_stays_as_it_is():
    rgb = lead()
    ready = prepare(rgb)
    assert ready.image is rgb and ready.notes == () and (ready.left_px, ready.top_px) == (0, 0)


@pytest.mark.parametrize("shown", [lambda rgb: 255 - rgb, green_on_black])
def test_light_ink_on_a_dark_ground_is_inverted(shown):
    signal = BASELINE(np.ascontiguousarray(shown(lead())))
    truth = wave_mv(signal.time_s)
    assert np.corrcoef(signal.amplitude_mv, truth)[0, 1] > 0.98
    assert signal.status == "ok" and "light ink on a dark ground: inverted" in signal.notes


def test_light_paper_on_a_dark_table_is_not_inverted():
    """More than a line of ink is light."""
    table = np.full((500, 1100, 3), 70, np.uint8)
    table[150:410, 200:1010] = lead()
    assert not any("inverted" in note for note in prepare(table).notes)


@pytest.mark.parametrize("margins", [(0, 0, 70, 0), (30, 0, 0, 0), (40, 35, 50, 60)])
def test_black_margins_are_cut_off_and_places_stay(margins):
    """Top, bottom, left, right; a scanner's black is not quite black, and compressed."""
    top, bottom, left, right = margins
    framed = np.pad(lead(), ((top, bottom), (left, right), (0, 0)), constant_values=12)
    coded = cv2.imdecode(cv2.imencode(".jpg", framed, [cv2.IMWRITE_JPEG_QUALITY, 90])[1], cv2.IMREAD_COLOR)
    plain, signal = BASELINE(lead()), BASELINE(coded[..., ::-1])
    assert signal.status == "ok" and signal.notes[0].startswith("black margin cut off (")
    assert len(signal.row_px) == framed.shape[1]
    assert signal.start_px == pytest.approx(plain.start_px + left, abs=1.5)
    x = left + LEFT_PX + 30
    truth = top + BASE_PX - 10 * PX_PER_MM * wave_mv(np.array([30 / PX_PER_MM / 25]))[0]
    assert signal.row_px[x] == pytest.approx(truth, abs=2)


def test_the_margin_of_a_sheet_that_lies_askew_is_painted_over():
    framed = np.pad(lead(), ((60, 60), (60, 60), (0, 0)), constant_values=255)
    height, width = framed.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 6, 1)
    askew = cv2.warpAffine(framed, turn, (width, height), borderValue=(0, 0, 0))
    ready = prepare(askew)
    assert ready.notes[0].startswith("black along the edge painted over")
    corners = [np.s_[:20, :40], np.s_[:20, -40:], np.s_[-20:, :40], np.s_[-20:, -40:]]
    wedges = [corner for corner in corners if askew[corner].max() == 0]
    assert len(wedges) == 2 and all(ready.image[corner].min() == 255 for corner in wedges)


def test_a_thick_trace_that_leaves_the_picture_stays():
    rgb = np.full((160, 800, 3), 255, np.uint8)
    cv2.line(rgb, (0, 40), (799, 120), (0, 0, 0), 9)
    cv2.line(rgb, (400, 0), (400, 159), (0, 0, 0), 9)
    np.testing.assert_array_equal(prepare(rgb).image, rgb)
