"""Options of a run and of single files, from the command to the files that it leaves."""

import json

import numpy as np
import pytest
from drawn_documents import ROWS_6X1, Drawing, draw, record, snr_db, truth
from PIL import Image
from planted_picture import PX_PER_MM, command, lead, summary_of

from ecgtrace import Digitizer
from ecgtrace.digitization.baseline import BaselineDigitizer
from ecgtrace.documents.read import read_page
from ecgtrace.errors import ConfigError
from ecgtrace.inputs import InputFile, find_inputs
from ecgtrace.page_files import NOT_DRAWN, is_page, read_recording
from ecgtrace.per_file import FileOptions, read_table
from ecgtrace.recording import Recording
from ecgtrace.units import LEADS
from ecgtrace.vector.page_choice import NOTHING, PageChoice
from ecgtrace.vector.read import read_vectors

RUN = FileOptions("auto", NOTHING)
TWELVE = " ".join(LEADS)
UNNAMED = Drawing(names=False)


# Pages of vectors -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Pages of 3x4+1, with names and without, and one of 6x1."""
    folder = tmp_path_factory.mktemp("drawn")
    draw(folder / "named.pdf", record(), Drawing())
    draw(folder / "unnamed.pdf", record(), UNNAMED)
    draw(folder / "limbs.pdf", record(1), Drawing(rows=ROWS_6X1, row_mm=22))
    return folder


def read(path, **given):
    return read_vectors(read_page(path), given=PageChoice.of(**given))


def test_lines_without_names_take_those_given(drawn):
    assert read(drawn / "unnamed.pdf").status == "doubtful"
    found = read(drawn / "unnamed.pdf", leads=f"{TWELVE} II")
    assert found.status == "ok" and {one.name_from for one in found.leads} == {"option"}
    true = truth(record(), UNNAMED)
    assert min(snr_db(found[name].signal.amplitude_mv, true[name]) for name in LEADS) > 45


def test_names_given_count_before_letters_and_the_sums_still_speak(drawn):
    swapped = "II I III aVR aVL aVF V1 V2 V3 V4 V5 V6 I"
    found = read(drawn / "named.pdf", leads=swapped, layout="3x4+1")
    assert snr_db(found["I"].signal.amplitude_mv, truth(record(), Drawing())["II"]) > 45
    assert found.status == "doubtful" and "I + III = II" in found.message
    upside = read(drawn / "limbs.pdf", leads="I II III -aVR aVL ?", layout="6x1")
    aligned = truth(record(1), Drawing(rows=ROWS_6X1))["aVR"]
    assert snr_db(upside["aVR"].signal.amplitude_mv, -aligned) > 45
    assert upside["unknown_1"].name_from == "option" and "no name" not in upside.message


def test_of_one_column_the_last_rows_may_be_called_strips(drawn):
    found = read(drawn / "limbs.pdf", layout="5x1+1", leads="I II III aVR aVL aVF")
    assert found.status == "ok" and found.names == LEADS[:6]


def test_what_lines_do_not_agree_with_is_told_and_not_used(drawn):
    page = drawn / "named.pdf"
    for given, words in (
        ({"layout": "6x2"}, "layout=6x2 was not used: the lines of the page make 3x4+1"),
        ({"layout": "6x2", "leads": TWELVE}, "layout=6x2 and leads= were not used"),
        ({"leads": "V1 V2 V3"}, "leads= has 3 names for 13 traces (3x4+1): names are as read"),
    ):
        found = read(page, **given)
        assert found.status == "doubtful" and found.doubts[0].startswith(words), found.doubts
        assert found.names == LEADS and found["I"].name_from == "text"


def test_signals_have_names_of_their_own(drawn):
    leads = read(drawn / "named.pdf").leads
    page = read_page(drawn / "named.pdf")
    page = type(page)(recording=Recording(leads, "signals", method="signals"))
    assert read_recording(page).notes == ()
    assert read_recording(page, PageChoice.of(layout="6x2")).notes == (NOT_DRAWN,)


def test_the_python_object_takes_them(drawn):
    digitizer = Digitizer.from_pretrained("baseline", leads=[*LEADS, "II"])
    (found,) = digitizer.read(drawn / "unnamed.pdf")
    assert found.names == LEADS and found.status == "ok"
    (found,) = digitizer.read(drawn / "limbs.pdf", leads="I II III aVR aVL ?")
    assert found.names == LEADS[:6] and found["aVF"].name_from == "algebra"
    with pytest.raises(ConfigError, match="13 names for layout=6x1"):
        digitizer.read(drawn / "limbs.pdf", layout="6x1")
    with pytest.raises(ConfigError, match="layout must be"):
        Digitizer.from_pretrained("baseline", layout="3by4")


# The table ------------------------------------------------------------------------------------------


@pytest.fixture
def inputs(tmp_path):
    """Two pictures of one name, one of them in a subfolder, and a third."""
    for name in ("a.png", "sub/a.png", "b c.jpg"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(lead()).save(tmp_path / "in" / name)
    return find_inputs(tmp_path / "in", recursive=True)


def options_of(inputs, text, run=RUN, digitizer=None):
    folder = next(item.source.parent for item in inputs if item.name == "a")
    table = folder.parent / "options.csv"
    table.write_text(text, encoding="utf-8")
    found = read_table(table, inputs, folder, run, digitizer or BaselineDigitizer())
    return {item.name: own for item, own in found.items()}


def test_an_empty_cell_says_what_the_run_says(inputs):
    run = FileOptions("page", PageChoice.of(speed=50.0, layout="6x2"))
    found = options_of(
        inputs, "file,layout,speed,gain,leads,content\nb c.jpg,,,5,,\nsub/a.png,3x4+1,,,,auto\n", run
    )
    assert set(found) == {"b c", "sub/a"}
    assert found["b c"].content == "page" and found["sub/a"].content == "auto"
    assert found["b c"].choice == PageChoice.of(speed=50.0, gain=5.0, layout="6x2")
    assert found["sub/a"].choice == PageChoice.of(speed=50.0, layout="3x4+1")


def test_what_a_file_may_be_called(inputs):
    (a,) = (item for item in inputs if item.name == "sub/a")
    for name in (str(a.source), "sub/a.png", "sub/a"):
        assert set(options_of(inputs, f"file,gain\n{name},5\n")) == {"sub/a"}
    assert set(options_of(inputs, "file,gain\na,5\n")) == {"a"}  # its own name before another's stem
    assert set(options_of(inputs, "\ufefffile;leads\nb c;I,II III\n")) == {"b c"}  # as spreadsheets write it


def test_a_page_counts_before_its_file(tmp_path):
    pages = [InputFile(tmp_path / "ecg.pdf", f"ecg-p{k}", k) for k in (1, 2)]
    (tmp_path / "t.csv").write_text("file,gain,speed\necg-p2,20,\necg.pdf,5,50\n")
    found = read_table(tmp_path / "t.csv", pages, tmp_path, RUN, BaselineDigitizer())
    assert [found[page].choice for page in pages] == [PageChoice(50.0, 5.0), PageChoice(50.0, 20.0)]


def test_a_picture_of_a_lead_has_no_use_for_a_layout(inputs):
    run = FileOptions("auto", PageChoice.of(gain=5.0, layout="3x4"))
    assert options_of(inputs, "file,content\na,lead\n", run)["a"].choice == PageChoice.of(gain=5.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,lead\na,I\n", "columns must be file and any of layout, leads, .* got file, lead"),
        ("name,gain\na,5\n", "columns must be file"),
        ("", "columns must be file"),
        ("file,gain\na,5\nb c,7\n", "line 3: gain must be one of 2.5"),
        ("file,gain\na,high\n", "line 2: gain must be a number, got high"),
        ("file,layout\na,3by4\n", "line 2: layout must be"),
        ("file,leads\na,I IV\n", "line 2: leads: 'IV' is no lead"),
        ("file,leads\na,I,II\n", "line 2: more cells than columns"),
        ("file,layout,leads\na,3x1,I II\n", "line 2: leads: 2 names for layout=3x1"),
        ("file,content\na,sheet\n", "line 2: content must be one of"),
        ("file,content,layout\na,lead,3x4\n", "line 2: layout and leads are of pages"),
        ("file,px_per_mm\na,0\n", "line 2: px_per_mm must be a number from 0.1"),
        ("file,gain\n,5\n", "line 2: no file is named"),
        ("file,gain\na,5\na.png,10\n", "line 3: the file stands in options.csv, line 2 already"),
    ],
)
def test_a_table_that_cannot_be_used(inputs, text, words):
    with pytest.raises(ConfigError, match=words):
        options_of(inputs, text)


def test_a_name_of_two_files_and_a_table_that_is_none(inputs, tmp_path):
    others = [item for item in inputs if item.name != "a"]
    others.append(InputFile(others[0].source.parent / "other" / "x.png", "other/x"))
    others.append(InputFile(others[0].source.parent / "more" / "x.png", "more/x"))
    (tmp_path / "t.csv").write_text("file,gain\nx.png,5\n")
    with pytest.raises(ConfigError, match=r"x\.png is each of .*more/x\.png, .*other/x\.png; write one"):
        read_table(tmp_path / "t.csv", others, tmp_path / "in", RUN, BaselineDigitizer())
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00")
    for name in ("t.csv", "none.csv"):
        with pytest.raises(ConfigError, match=f"{name} cannot be read"):
            read_table(tmp_path / name, others, tmp_path / "in", RUN, BaselineDigitizer())


def test_a_digitizer_that_cannot_do_it_refuses_before_anything_is_done(inputs):
    class Fixed:
        name = "fixed"

        def __call__(self, image):
            raise AssertionError

    with pytest.raises(ConfigError, match="line 2: digitizer fixed has no fs_hz; leave speed out"):
        options_of(inputs, "file,speed\na,50\n", digitizer=Fixed())
    with pytest.raises(ConfigError, match="line 2: digitizer fixed finds the scale itself"):
        options_of(inputs, "file,px_per_mm\na,8\n", digitizer=Fixed())


def test_files_that_are_not_there_are_warned_of(inputs, capfd):
    found = options_of(inputs, "file,gain\na,5\nz.png,5\n")
    assert set(found) == {"a"}
    assert capfd.readouterr().err == "warning: no such file in the input: options.csv, line 3\n"


def test_a_picture_with_a_layout_is_a_page(inputs):
    for given, expected in (
        (NOTHING, False),
        (PageChoice.of(layout="3x4"), True),
        (PageChoice.of(gain=5.0), False),
    ):
        assert is_page(inputs[0], "auto", given) is expected
    assert not is_page(inputs[0], "lead", PageChoice.of(layout="3x4"))


# The command ----------------------------------------------------------------------------------------


def test_from_the_command_to_the_notes(tmp_path, drawn, monkeypatch, capfd):
    """Each file by its row; a second run with another row does that file alone again."""
    folder, out, table = tmp_path / "in", tmp_path / "out", tmp_path / "my options.csv"
    folder.mkdir()
    (folder / "unnamed.pdf").write_bytes((drawn / "unnamed.pdf").read_bytes())
    (folder / "limbs.pdf").write_bytes((drawn / "limbs.pdf").read_bytes())
    Image.fromarray(lead()).save(folder / "lead.png")
    arguments = [f"input={folder}", f"output_dir={out}", f"per_file={table}", "resume=true"]
    arguments += ["digitizer=baseline", "progress=false", "workers=1", "formats=[csv]"]

    def run(text, *more):
        table.write_text(text)
        code, _, errors = command([*arguments, *more], monkeypatch, capfd)
        notes = {path.stem: json.loads(path.read_text()) for path in out.glob("*.json")}
        ages = {path.stem: path.stat().st_mtime_ns for path in out.glob("*.json")}
        return code, notes, ages, errors

    head = "file,layout,leads,gain\n"
    code, notes, before, _ = run(f"{head}unnamed.pdf,3x4+1,{TWELVE} II,\nlead,,,5\n")
    assert code == 0
    assert {name: note["status"] for name, note in notes.items()} == dict.fromkeys(notes, "ok")
    assert notes["unnamed"]["given"] == {"layout": "3x4+1", "leads": [*LEADS, "II"]}
    assert {one["name_from"] for one in notes["unnamed"]["leads"]} == {"option"}
    assert notes["lead"]["given"] == {"gain_mm_per_mv": 5.0} and notes["lead"]["gain_mm_per_mv"] == 5
    assert notes["limbs"]["given"] == {}
    _, notes, after, _ = run(f"{head}unnamed.pdf,3x4+1,{TWELVE} V1,\nlead,,,5\n")
    assert {name for name in after if after[name] != before[name]} == {"unnamed"}
    _, notes, other, _ = run(f"{head}lead,,,5\n", "leads=[I,II,III,aVR,aVL,?]")  # of the run now
    assert {name for name in other if other[name] != after[name]} == set(notes)
    assert notes["limbs"]["lead_names"] == "I II III aVR aVL aVF"  # by the sums
    assert notes["limbs"]["given"]["leads"][-1] == "?"
    assert notes["unnamed"]["status"] == "doubtful" and "6 names for 13" in notes["unnamed"]["message"]
    code, _, _, errors = run(f"{head}limbs,,,7\n")
    assert code == 2 and errors == (
        "error: my options.csv, line 2: gain must be one of 2.5, 5, 10, 20, 40 (mm/mV), got 7.0\n"
    )


def test_scale_by_file(tmp_path, monkeypatch, capfd):
    """Of one picture twice the scale is half the time."""
    (tmp_path / "in").mkdir()
    for name in "ab":
        Image.fromarray(lead()).save(tmp_path / "in" / f"{name}.png")
    (tmp_path / "t.csv").write_text(f"file,px_per_mm\nb,{2 * PX_PER_MM}\n")
    arguments = [
        f"input={tmp_path / 'in'}",
        f"output_dir={tmp_path / 'out'}",
        f"per_file={tmp_path / 't.csv'}",
    ]
    command([*arguments, "digitizer=baseline", "progress=false", "workers=1"], monkeypatch, capfd)
    rows = summary_of(tmp_path / "out")
    seconds = [float(row["duration_s"]) for row in rows.values()]
    assert np.divide(*seconds) == pytest.approx(2, rel=0.02)
