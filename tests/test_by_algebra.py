"""Names that were not read: planted leads come back by their sums; what sums cannot tell stays unknown."""

from dataclasses import replace

import numpy as np
import pytest
from drawn_documents import ROWS_6X1, Drawing, draw, record
from scipy.ndimage import gaussian_filter1d

from ecgtrace.documents.read import read_page
from ecgtrace.layout.by_algebra import ALGEBRA, NONE, ORDER, TEXT, Trace, tell_names
from ecgtrace.layout.orders import ORDERS
from ecgtrace.layout.regions import LeadRegion, RasterLayout
from ecgtrace.page_reading.axis import PlacedLead
from ecgtrace.page_reading.lead import ReadLead
from ecgtrace.page_reading.unnamed import name_unnamed
from ecgtrace.types import GridScale, LeadSignal
from ecgtrace.units import LEADS
from ecgtrace.vector.read import read_vectors

FS = 250.0
SIX = LEADS[:6]
STANDARD = tuple(zip(*ORDERS[3, 4][0], strict=True))  # rows
SHUFFLED = ("aVF", "I", "aVR", "III", "II", "aVL")
WAVES = ((0.15, 0.3, 0.33, 0.36, 0.6), (0.03, 0.012, 0.012, 0.014, 0.05))  # P, Q, R, S, T in s
SIZES = (0.2, 0.5, 1.0, 0.8, 0.3)


def heart(seed=0, **instead):
    """Twelve leads over 10 s: limb leads by their sums, chest leads of waves of their own. mV."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(10 * FS)) / FS % 0.8
    sources = [
        sum(a * np.exp(-(((t - c) / w) ** 2)) for a, c, w in zip(rng.normal(0, SIZES), *WAVES, strict=True))
        for _ in range(8)
    ]
    one, two, *chest = (0.2 * source / source.std() for source in sources)
    one = instead.get("I", one)
    limb = (one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2)
    return dict(zip(LEADS, (*limb, *chest), strict=True))


def page(rows, leads, read=(), noise=0.01, gaps=0.0, seed=0):
    """Traces of rows of leads: a column each an equal part of the time, rows of fewer are strips."""
    rng = np.random.default_rng(seed)
    most = max(len(row) for row in rows)
    n = round(10 * FS)
    traces = []
    for r, row in enumerate(rows):
        for c, name in enumerate(row):
            width = n // len(row)
            lead = name.removeprefix("-")
            sign = -1 if name.startswith("-") and lead not in read else 1
            drawn = gaussian_filter1d(rng.normal(size=n), 3)
            values = np.full(n, np.nan)
            part = slice(c * width, (c + 1) * width)
            values[part] = (sign * leads[lead] + noise * drawn / drawn.std() + rng.normal())[part]
            for _ in range(round(gaps * width / 25)):
                at = part.start + int(rng.integers(width - 25))
                values[at : at + 25] = np.nan
            strip = len(row) < most or (most == 1 and r >= 12)
            traces.append(Trace(r, c, values, lead if lead in read and not strip else "", strip))
    return traces


def flat(rows):
    return [name for row in rows for name in row]


def one_column(names):
    return tuple((name,) for name in names)


@pytest.mark.parametrize("gaps", [0.0, 0.08])
@pytest.mark.parametrize("seed", range(3))
def test_six_limb_leads_are_told_in_any_row(seed, gaps):
    told = tell_names(page(one_column(SHUFFLED), heart(seed), gaps=gaps), FS)
    assert told.names == SHUFFLED
    assert set(told.name_from) == {ALGEBRA}
    assert told.doubts == () and "sums of the limb leads" in told.notes[0]


@pytest.mark.parametrize("seed", range(3))
def test_limb_leads_are_found_among_chest_leads(seed):
    """Of twelve rows in an order that nobody prints, and of two columns."""
    names = [str(name) for name in np.random.default_rng(seed).permutation(LEADS)]
    told = tell_names(page(one_column(names), heart(seed)), FS)
    assert told.names == tuple(name if name in SIX else "" for name in names)
    rows = tuple(zip(LEADS[6:], SHUFFLED, strict=True))
    told = tell_names(page(rows, heart(seed)), FS)
    assert told.names == tuple(name if name in SIX else "" for name in flat(rows))


@pytest.mark.parametrize("layout", [(6, 1), (12, 1), (6, 2)])
def test_minus_avr_is_told_to_be_upside_down(layout):
    rows = tuple(zip(*ORDERS[layout][1], strict=True))
    told = tell_names(page(rows, heart()), FS)
    assert told.names == tuple(flat(rows))
    read = tell_names(page(rows, heart(), read=("I", "aVR")), FS)  # what was read has been turned
    assert read.names == tuple(name.removeprefix("-") for name in flat(rows))


@pytest.mark.parametrize("strip", ["II", "V1", ""])
@pytest.mark.parametrize("order", ORDERS[3, 4])
def test_an_order_that_the_sums_confirm(order, strip):
    """The sum of a column tells one lead of three; the others are as usual, and that is a doubt."""
    rows = tuple(zip(*order, strict=True)) + (((strip,),) if strip else ())
    told = tell_names(page(rows, heart()), FS)
    assert told.names == tuple(flat(rows))
    assert ORDER in told.name_from
    assert "names of" in told.doubts[0] and "usual order" in told.doubts[0]
    if strip == "II" and order == ORDERS[3, 4][0]:
        how = dict(zip(told.names, told.name_from, strict=True))
        assert {name for name in how if how[name] == ALGEBRA} == {"II", "aVR", "aVL", "aVF"}


def test_four_limb_leads_in_one_column_confirm_an_order():
    """4x3: aVL and aVF stand in the next column, alone."""
    rows = tuple(zip(*ORDERS[4, 3][0], strict=True))
    told = tell_names(page(rows, heart()), FS)
    assert told.names == tuple(flat(rows)) and told.doubts
    how = dict(zip(told.names, told.name_from, strict=True))
    assert how["I"] == how["II"] == how["III"] == how["aVR"] == ALGEBRA
    assert how["aVL"] == how["aVF"] == how["V6"] == ORDER


WRONG = {
    "II first": (("II", "aVR", "V1", "V4"), ("I", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6")),
    "chest first": tuple((row[2], row[3], row[0], row[1]) for row in STANDARD),
    "limb and chest mixed": (("I", "V1", "aVR", "V4"), ("V2", "II", "V5", "aVL"), ("III", "V3", "aVF", "V6")),
    "4x3, aVR first": tuple(zip(("aVR", "I", "II", "III"), *ORDERS[4, 3][0][1:], strict=True)),
    "6x2, III first": tuple(zip(("III", "II", "I", "aVR", "aVL", "aVF"), LEADS[6:], strict=True)),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("strip", [(), (("II",),)])
def test_an_order_that_nobody_prints_is_not_made_usual(name, strip):
    rows = (*WRONG[name], *strip)
    for seed in range(3):
        told = tell_names(page(rows, heart(seed)), FS)
        assert ORDER not in told.name_from
        assert all(said in ("", true) for said, true in zip(told.names, flat(rows), strict=True))


@pytest.mark.parametrize("names", [LEADS[6:], LEADS[:3], LEADS[3:6], LEADS[6:9]])
def test_what_no_sum_tells_stays_unknown(names):
    """Chest leads; and three leads, of which one sum may hold by chance."""
    told = tell_names(page(one_column(names), heart()), FS)
    assert set(told.names) == {""} and set(told.name_from) == {NONE}


def test_noise_is_no_lead():
    rng = np.random.default_rng(0)
    noise = {name: gaussian_filter1d(rng.normal(size=2500), 3) for name in LEADS}
    for rows in (one_column(SIX), one_column(LEADS), STANDARD):
        assert set(tell_names(page(rows, noise), FS).names) == {""}
        assert set(tell_names(page(rows, {name: 0 * noise[name] for name in LEADS}), FS).names) == {""}


def test_names_read_complete_each_other():
    """I and V4 were read: II and III follow from I, the augmented leads by the usual order."""
    told = tell_names(page(STANDARD, heart(), read=("I", "V4")), FS)
    assert told.names == tuple(flat(STANDARD))
    how = dict(zip(told.names, told.name_from, strict=True))
    assert how["I"] == how["V4"] == TEXT
    assert how["II"] == how["III"] == ALGEBRA
    assert how["aVL"] == how["V1"] == ORDER


def test_names_read_that_contradict_stay_and_tell_nothing():
    traces = page(one_column(SIX), heart())
    traces[0], traces[1] = replace(traces[0], name="II"), replace(traces[1], name="I")
    told = tell_names(traces, FS)
    assert told.names == ("II", "I", "", "", "", "")
    assert told.doubts == told.notes == ()


def test_what_is_left_over_is_not_the_last_lead():
    """Five limb leads were read, and the sixth trace is no sum of them."""
    told = tell_names(page(one_column((*SIX[:5], "V1")), heart(), read=SIX), FS)
    assert told.names == (*SIX[:5], "")


def test_a_lead_that_was_lost():
    """Five limb leads tell themselves as six do; the one that is missing is not called for."""
    rows = one_column([name for name in SHUFFLED if name != "II"])
    assert tell_names(page(rows, heart()), FS).names == tuple(flat(rows))


def test_a_flat_lead_makes_two_others_equal():
    """With I = 0, II is III: nothing tells these apart, but -aVR is half of them and aVF they themselves."""
    names = dict(zip(SHUFFLED, tell_names(page(one_column(SHUFFLED), heart(I=0.0)), FS).names, strict=True))
    assert names["II"] == names["III"] == ""
    assert all(said in ("", true) for true, said in names.items())


def test_exchanged_electrodes_change_no_sum():
    """Right and left arm: I upside down, II and III exchanged, aVR and aVL, too."""
    right = heart()
    wrong = right | {
        "I": -right["I"],
        "II": right["III"],
        "III": right["II"],
        "aVR": right["aVL"],
        "aVL": right["aVR"],
    }
    assert tell_names(page(one_column(SHUFFLED), wrong), FS).names == SHUFFLED


@pytest.mark.parametrize("scale", [0.2, 5.0])
def test_gain_does_not_matter(scale):
    leads = {name: scale * values for name, values in heart().items()}
    assert tell_names(page(one_column(SHUFFLED), leads, noise=0.01 * scale), FS).names == SHUFFLED


def test_a_strip_and_its_lead_have_one_name():
    """Read at either of them."""
    traces = page((*STANDARD, ("V2",)), heart(), read=[name for name in LEADS if name != "V2"])
    strip = replace(traces[-1], name="V2")
    told = tell_names([*traces[:-1], strip], FS)
    assert told.names == (*flat(STANDARD), "V2") and "alike" in told.notes[0]
    traces = page((*STANDARD, ("V2",)), heart(), read=LEADS)
    told = tell_names(traces, FS)
    assert told.names[-1] == "V2" and told.name_from[-1] == ALGEBRA
    assert told.doubts == ()


def test_leads_of_a_picture_are_named_and_turned():
    names = ORDERS[6, 1][1][0]
    leads = []
    for trace in page(one_column(names), heart()):
        n = len(trace.amplitude_mv)
        signal = LeadSignal(trace.amplitude_mv, FS, np.ones(n), GridScale(8, 8, 1.0), np.zeros(10))
        region = LeadRegion("", trace.row, 0, 0, 1, 0, 1, 0)
        leads.append(PlacedLead(ReadLead(region, signal, 0, 0), signal, 0.0, (n - 1) / FS))
    layout = RasterLayout("6x1", tuple(one.lead.region for one in leads), ())
    named, layout = name_unnamed(leads, layout, FS)
    assert [one.lead.region.name for one in named] == [region.name for region in layout.regions] == [*names]
    assert {one.name_from for one in named} == {ALGEBRA} and layout.doubts == ()
    flipped = names.index("-aVR")
    for k, (before, after) in enumerate(zip(leads, named, strict=True)):
        sign = -1 if k == flipped else 1
        np.testing.assert_array_equal(after.signal.amplitude_mv, sign * before.signal.amplitude_mv)


def test_a_page_of_vectors_without_names(tmp_path):
    draw(tmp_path / "6x1.pdf", record(), Drawing(rows=ROWS_6X1, row_mm=20, names=False))
    found = read_vectors(read_page(tmp_path / "6x1.pdf"))
    assert found.names == SIX and found.status == "ok", found.message
    assert {lead.name_from for lead in found.leads} == {ALGEBRA}
    draw(tmp_path / "page.pdf", record(), Drawing(names=False))
    found = read_vectors(read_page(tmp_path / "page.pdf"))
    assert found.names == LEADS and found.status == "doubtful"
    assert "usual order" in found.message and found["V1"].name_from == ORDER


def test_a_strip_without_a_lead_at_its_time_repeats_none():
    strip = Trace(1, 0, heart()["II"], strip=True)
    told = tell_names(
        [replace(strip, row=0, strip=False, amplitude_mv=np.full_like(heart()["II"], np.nan)), strip], FS
    )
    assert told.names == ("", "")
    assert tell_names([strip], FS).names == ("",)
