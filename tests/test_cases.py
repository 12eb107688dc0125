"""Small inputs that were once read wrongly, each with the right answer, in the developers' folder."""

import csv
from functools import cache

import numpy as np
import pytest

from ecgtrace import Digitizer
from ecgtrace.errors import EcgTraceError
from ecgtrace.images import read_image

READ_DB = 20.0  # what the least of these reads at; those that fail stand below 10


@cache
def digitizer(speed_mm_per_s=25.0, gain_mm_per_mv=10.0):
    return Digitizer.from_pretrained(speed_mm_per_s=speed_mm_per_s, gain_mm_per_mv=gain_mm_per_mv)


@pytest.fixture
def cases(shared):
    folder = shared / "cases"
    if not folder.is_dir():
        pytest.skip("the developers' data folder has no cases")
    return folder


def truth_of(cases, name):
    """Return mV at 500 Hz from the first ink on."""
    with (cases / name).open(encoding="utf-8", newline="") as file:
        return np.array([float(line[-1]) for line in csv.reader(file)])


def snr_db(signal, truth):
    """At the best lag within 20 ms, without the offset."""
    best = -np.inf
    for lag in range(-10, 11):
        own, true = signal.amplitude_mv[max(0, lag) :], truth[max(0, -lag) :]
        n = min(len(own), len(true))
        own, true = own[:n], true[:n] - true[:n].mean()
        known = np.isfinite(own)
        error = own[known] - own[known].mean() - true[known]
        best = max(best, 10 * np.log10(np.sum(true[known] ** 2) / (np.sum(error**2) + 1e-12)))
    return best


def check_as_truth(signal, truth):
    assert signal.time_s[-1] == pytest.approx(len(truth) / 500, abs=0.05)
    assert snr_db(signal, truth) > READ_DB


@pytest.mark.parametrize(
    ("name", "options", "note"),
    [
        ("pad_left_black", {}, "black margin cut off"),
        ("monitor", {}, "light ink on a dark ground: inverted"),
        ("gain5", {"gain_mm_per_mv": 5.0}, ""),
        ("speed50", {"speed_mm_per_s": 50.0}, ""),
    ],
)
def test_read_as_its_truth(cases, name, options, note):
    signal = digitizer(**options)(cases / f"{name}.png")
    assert signal.status == "ok"
    assert not note or any(each.startswith(note) for each in signal.notes)
    check_as_truth(signal, truth_of(cases, f"{name}.truth.csv"))


def test_white_on_black_is_read_as_plain(cases):
    plain, inverted = digitizer()(cases / "plain.png"), digitizer()(cases / "white-on-black.png")
    assert inverted.status == "ok" and "light ink on a dark ground: inverted" in inverted.notes
    assert snr_db(inverted, plain.amplitude_mv) > READ_DB
    assert inverted.start_px == pytest.approx(plain.start_px, abs=1)


def test_places_are_those_of_the_picture_with_its_margin(cases):
    """The same lead, with 40 px of black on each side, in `monitor.png` without."""
    framed, bare = digitizer()(cases / "pad_left_black.png"), digitizer()(cases / "monitor.png")
    assert framed.start_px == pytest.approx(bare.start_px + 40, abs=1)
    rows = framed.row_px[40 : 40 + len(bare.row_px)] - bare.row_px
    assert np.nanmedian(np.abs(rows - 40)) < 0.5


def test_two_leads_are_doubtful(cases):
    signal = digitizer()(cases / "two-leads.png")
    assert signal.status == "doubtful" and any("second lead" in reason for reason in signal.doubts)


def test_a_lead_that_stands_upright_is_refused(cases):
    with pytest.raises(EcgTraceError, match="turn the picture by 90 degrees"):
        digitizer()(cases / "turned-90.png")


@pytest.mark.parametrize("name", ["even-grid-1.png", "even-grid-6.png"])
def test_evenly_ruled_paper_is_10_s_or_doubtful(cases, name):
    """`baseline`, which is quicker: the scale and the verdict are what is asked for."""
    signal = Digitizer.from_pretrained("baseline")(cases / name)
    assert signal.status == "doubtful" or signal.time_s[-1] == pytest.approx(10, abs=0.3)


@pytest.mark.parametrize("name", ["darkgrid.png", "fax_grid.tif", "fax204x98.png"])
def test_as_its_truth_or_not_ok(cases, name):
    try:
        signal = digitizer()(cases / name)
    except EcgTraceError:
        return
    if signal.status == "ok":
        check_as_truth(signal, truth_of(cases, f"{name.partition('.')[0]}.truth.csv"))


def test_half_as_many_pixels_across_or_not_ok(cases):
    signal = digitizer()(cases / "pixels-2-to-1.png")
    assert signal.status != "ok" or signal.scale.px_per_mm_y == pytest.approx(15.64, rel=0.01)


@pytest.mark.parametrize("page", ["reference/pages/1_3by4.jpg", "reference/pages/6_3by1.jpg"])
def test_a_page_is_never_ok(shared, page):
    with pytest.raises(EcgTraceError, match="whole page with several leads"):
        digitizer()(shared / page)


def test_another_programs_pages_are_never_ok(shared):
    paths = sorted((shared / "pages-other").glob("*.webp"))
    if not paths:
        pytest.skip("the developers' data folder has no pages of another program")
    for path in paths:
        with pytest.raises(EcgTraceError, match="whole page with several leads"):
            digitizer()(read_image(path))
