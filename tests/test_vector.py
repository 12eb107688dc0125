"""Vector pages give back the samples that were drawn, under their names, at their times."""

from dataclasses import replace

import numpy as np
import pytest
from drawn_documents import ROWS_3X4, ROWS_6X1, Drawing, draw, record, snr_db, truth

from ecgtrace.documents.read import read_page
from ecgtrace.errors import PageError
from ecgtrace.units import LEADS
from ecgtrace.vector.page_choice import PageChoice
from ecgtrace.vector.read import read_vectors

LEAST_DB = 45.0  # what is asked of vector pages
STRIPS = (*ROWS_3X4, ("V1",), ("V5",))

DRAWINGS = {
    "3x4 and strip": (Drawing(), "3x4+1"),
    "pieces of 127 vertices": (Drawing(chunk=127), "3x4+1"),
    "pieces that do not touch": (Drawing(chunk=127, chunks_touch=False), "3x4+1"),
    "collinear vertices left out": (Drawing(thin=True), "3x4+1"),
    "6x1 at 50 mm/s": (Drawing(rows=ROWS_6X1, speed=50, row_mm=22, duration_s=4.0), "6x1"),
    "thin 6x1 at 50 mm/s": (Drawing(rows=ROWS_6X1, speed=50, row_mm=22, duration_s=4.0, thin=True), "6x1"),
    "5 mm/mV": (Drawing(gain=5), "3x4+1"),
    "overlapping rows, 20 mm/mV": (Drawing(gain=20, row_mm=20), "3x4+1"),
    "turned by 90 degrees": (Drawing(turn=90), "3x4+1"),
    "turned by 180 degrees": (Drawing(turn=180), "3x4+1"),
    "turned by 270 degrees": (Drawing(turn=270), "3x4+1"),
    "rows of one line, bars": (Drawing(one_line=True, bars=True), "3x4+1"),
    "bars rounded, names unevenly": (
        Drawing(one_line=True, bars=True, bar_shift_mm=0.01, name_step_mm=1.5),
        "3x4+1",
    ),
    "rows of one line, thin": (Drawing(one_line=True, bars=True, thin=True), "3x4+1"),
    "pieces that do not touch, names unevenly": (
        Drawing(chunk=127, chunks_touch=False, name_step_mm=1.5),
        "3x4+1",
    ),
    "lead names in the page's head": (Drawing(also=((22, 44, "II"), (30, 44, "V1"))), "3x4+1"),
    "rows of one line, no bars": (Drawing(one_line=True), "3x4+1"),
    "gaps between columns, pulses": (Drawing(gap_samples=12, pulses=True), "3x4+1"),
    "three strips": (Drawing(rows=STRIPS, row_mm=24), "3x4+3"),
    "no strip": (Drawing(rows=ROWS_3X4[:3]), "3x4"),
    "12x1": (Drawing(rows=tuple((lead,) for lead in LEADS), row_mm=12), "12x1"),
    "6x2": (Drawing(rows=tuple(zip(LEADS[:6], LEADS[6:], strict=True)), row_mm=20), "6x2"),
    "names below": (Drawing(name_mm=(0.5, 7.0)), "3x4+1"),
    "names before": (Drawing(name_mm=(-9.0, -1.0), rows=ROWS_6X1, row_mm=20), "6x1"),
    "lines 5 mm apart alone": (Drawing(grid_mm=(5.0,)), "3x4+1"),
    "no grid, pulses": (Drawing(grid_mm=(), pulses=True), "3x4+1"),
    "drawn at 94 %": (Drawing(size=0.94), "3x4+1"),
    "letters as outlines of type 3": (Drawing(glyphs=True), "3x4+1"),
}


def read(path, **options):
    return read_vectors(read_page(path), **options)


@pytest.mark.parametrize("name", DRAWINGS)
def test_samples_come_back(tmp_path, name):
    drawing, layout = DRAWINGS[name]
    rec = record(3)
    draw(tmp_path / "page.pdf", rec, drawing)
    found = read(tmp_path / "page.pdf")
    true = truth(rec, drawing)
    assert found.status == "ok", found.message
    assert (found.layout, set(found.names)) == (layout, set(true))
    worst = min(snr_db(found[lead].signal.amplitude_mv, true[lead]) for lead in true)
    assert worst > LEAST_DB
    for lead, axis in true.items():  # and nowhere else
        seen = np.flatnonzero(np.isfinite(found[lead].signal.amplitude_mv))
        shown = np.flatnonzero(np.isfinite(axis))
        assert (seen[0], seen[-1]) == (shown[0], shown[-1])
    assert found.calibration.speed_mm_per_s == drawing.speed
    assert found.calibration.gain_mm_per_mv == drawing.gain
    assert found.calibration.per_mm_x == pytest.approx(72 / 25.4 * drawing.size, rel=1e-4)
    assert all(check.ok for check in found.checks)


def test_a_pulse_whose_flank_is_drawn_three_times():
    """As GE CardioSoft does."""
    from ecgtrace.vector.lines import as_pulse

    points = [(26.9, 525.2), (26.9, 496.9), (26.9, 525.2), (26.9, 496.9), (55.3, 496.9), (55.3, 525.2)]
    pulse = as_pulse(np.array([*points, (62.4, 525.2)]), 72 / 25.4)
    assert (pulse.height, pulse.width) == (pytest.approx(28.3), pytest.approx(28.4))


@pytest.mark.parametrize("y", [[0, -28, -14, -28, 0], [0, -28, -28, -28, -28], [0, 0, -0.1, 0, 0]])
def test_what_is_no_pulse(y):
    """A level in between, one flank, no height."""
    from ecgtrace.vector.lines import as_pulse

    assert as_pulse(np.stack([[0, 0, 14, 28, 28], y], axis=1).astype(float), 72 / 25.4) is None


def test_the_box_of_a_lead_is_on_the_page_as_shown(tmp_path):
    """Turned by 90 degrees clockwise, what is left on the page lies on top."""
    for turn in (0, 90):
        draw(tmp_path / f"{turn}.pdf", record(), Drawing(turn=turn))
    upright, turned = (read(tmp_path / f"{turn}.pdf")["V4"].boxes[0] for turn in (0, 90))
    height = 210 * 72 / 25.4
    x0, y0, x1, y1 = upright
    assert turned == pytest.approx((height - y1, x0, height - y0, x1), abs=0.02)


def test_a_page_turned_by_the_file(tmp_path):
    """/Rotate turns what is shown: drawn turned by 270 degrees, and shown turned back, it is upright."""
    import pypdfium2

    rec, drawing = record(), Drawing(turn=270)
    draw(tmp_path / "drawn.pdf", rec, drawing)
    document = pypdfium2.PdfDocument(tmp_path / "drawn.pdf")
    document[0].set_rotation(90)
    document.save(tmp_path / "page.pdf")
    document.close()
    draw(tmp_path / "plain.pdf", rec, replace(drawing, turn=0))
    found, plain = read(tmp_path / "page.pdf"), read(tmp_path / "plain.pdf")
    assert not any("turned" in note for note in found.notes)
    assert found["aVL"].boxes[0] == pytest.approx(plain["aVL"].boxes[0], abs=0.02)
    np.testing.assert_allclose(found.signal_mv, plain.signal_mv, atol=1e-4)


def test_names_that_are_not_there_are_not_guessed(tmp_path):
    draw(tmp_path / "page.pdf", record(), Drawing(names=False))
    found = read(tmp_path / "page.pdf")
    assert found.status == "doubtful" and "no name" in found.message
    assert found.names == tuple(f"unknown_{k}" for k in sorted(range(1, 14), key=str))


def test_names_that_algebra_refutes_are_doubtful(tmp_path):
    """The names of I and aVF are exchanged."""
    drawing = Drawing(names_said={"I": "aVF", "aVF": "I"})
    draw(tmp_path / "page.pdf", record(), drawing)
    draw(tmp_path / "6x1.pdf", record(), replace(drawing, rows=ROWS_6X1, row_mm=20))
    assert read(tmp_path / "6x1.pdf").status == "doubtful"
    assert "I + III = II" in read(tmp_path / "6x1.pdf").message


def test_a_strip_that_is_another_lead_is_doubtful(tmp_path):
    rows = (*ROWS_3X4[:3], ("V1",))
    draw(tmp_path / "page.pdf", record(), Drawing(rows=rows, names_said={"V1": "II"}))
    found = read(tmp_path / "page.pdf")
    assert found.status == "doubtful" and "II in its column and in its strip" in found.message


def test_a_lead_printed_upside_down_is_turned(tmp_path):
    """Cabrera's order has -aVR."""
    rec = record()
    flipped = replace(rec, signal=np.where(np.array(rec.leads)[:, None] == "aVR", -1, 1) * rec.signal)
    order = ("aVL", "I", "aVR", "II", "aVF", "III")
    drawing = Drawing(rows=tuple((lead,) for lead in order), row_mm=20, names_said={"aVR": "-aVR"})
    draw(tmp_path / "page.pdf", flipped, drawing)
    found = read(tmp_path / "page.pdf")
    assert found.status == "ok", found.message
    assert snr_db(found["aVR"].signal.amplitude_mv, truth(rec, drawing)["aVR"]) > LEAST_DB


@pytest.mark.parametrize(
    ("drawing", "words"),
    [
        (Drawing(text=None), ["the speed is not on the page", "the gain is not on the page"]),
        (Drawing(text="25 mm/s 10 mm/mV", gain=5, pulses=True), ["10 mm/mV by text and 5 mm/mV by pulse"]),
        (Drawing(text="25 mm/s, limb 10 mm/mV, chest 5 mm/mV"), ["several gains: 10, 5 mm/mV"]),
        (Drawing(pulses=True, pulse_mm=13), ["pulse is 13.0 mm high"]),
        (Drawing(grid_mm=()), ["no grid"]),
        (Drawing(one_line=True, name_step_mm=1.5), ["by the places of the names alone"]),
    ],
    ids=[
        "nothing said",
        "pulse of half the height",
        "two gains",
        "no gain's pulse",
        "no grid",
        "uneven names",
    ],
)
def test_what_is_not_sure_is_told(tmp_path, drawing, words):
    draw(tmp_path / "page.pdf", record(), drawing)
    found = read(tmp_path / "page.pdf")
    assert found.status == "doubtful"
    assert all(word in found.message for word in words), found.message


def test_coarse_lines_are_told(tmp_path):
    """100 vertices per second: between them the line is sampled, which is exact at each fifth sample."""
    rec = record()
    coarse = replace(rec, signal=rec.signal[:, ::5], fs_hz=100.0)
    draw(tmp_path / "page.pdf", coarse, Drawing())
    found = read(tmp_path / "page.pdf")
    assert found.status == "ok" and "100 points per second" in found.message
    assert snr_db(found["II"].signal.amplitude_mv[::5], truth(coarse, Drawing())["II"]) > LEAST_DB


def test_an_option_overrides_the_page(tmp_path):
    draw(tmp_path / "page.pdf", record(), Drawing(text="25 mm/s 10 mm/mV", gain=5))
    found = read(tmp_path / "page.pdf", given=PageChoice(gain_mm_per_mv=5))
    assert found.status == "ok"
    assert found.calibration.gain_from == "option" and "the page says: text 10 mm/mV" in found.message
    assert snr_db(found["V6"].signal.amplitude_mv, truth(record(), Drawing(gain=5))["V6"]) > LEAST_DB


def test_pages_that_are_no_ecg(tmp_path):
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.add_subplot()
    axes.plot(np.sin(np.arange(2000) / 50))
    figure.savefig(tmp_path / "plot.pdf")
    figure = Figure()
    figure.text(0.1, 0.5, "lead II, 25 mm/s, 10 mm/mV")
    figure.savefig(tmp_path / "text.pdf")
    for name, words in (("plot", "no ECG"), ("text", "no vector traces")):
        with pytest.raises(PageError, match=words):
            read(tmp_path / f"{name}.pdf")
