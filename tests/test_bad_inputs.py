"""docs/bad_inputs.md is true: each input of its tables is made and gives the message told there."""

import json
import re

import cv2
import numpy as np
import pytest
from pdf_by_hand import encrypted, pdf
from PIL import Image
from planted_picture import ROOT, command, grid, lead, summary_of
from test_images import png, png_16_bit_rgb

from ecgtrace import images

DOCUMENT = ROOT / "docs" / "bad_inputs.md"
BASELINE = "digitizer=baseline"


def tables():
    """Return the rows of each table, by its heading: input -> (message, exit code)."""
    found, heading = {}, ""
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ").split(" (")[0]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0] not in ("input", "---"):
            found.setdefault(heading, {})[cells[0]] = (cells[1], int(cells[2]))
    return found


TABLES = tables()


def agrees(told, message):
    """Compare; "..." in the document stands for what another library says, or for a list."""
    return re.fullmatch(".+".join(re.escape(part) for part in told.split("...")), message) is not None


def save(folder, name="lead.png", array=None, **options):
    Image.fromarray(lead() if array is None else array).save(folder / name, **options)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


# Pictures that fail: each function makes one in an empty folder, and may return options. ------------


def png_cut_short(folder, monkeypatch):
    save(folder)
    cut(folder / "lead.png")


def jpeg_cut_short(folder, monkeypatch):
    save(folder, "lead.jpg")
    cut(folder / "lead.jpg")


def lying_header(folder, monkeypatch):
    """The size stands in the header of the frame (SOF0), high byte first; most of what is decoded is grey."""
    save(folder, "lead.jpg")
    content = bytearray((folder / "lead.jpg").read_bytes())
    size = content.index(b"\xff\xc0") + 5
    content[size : size + 4] = (110).to_bytes(2, "big") + (20_715).to_bytes(2, "big")
    (folder / "lead.jpg").write_bytes(content)


def without_permission(folder, monkeypatch):
    """Permissions do not bind an administrator, so the system's refusal is played."""
    save(folder)
    opened = images._open

    def refuse(path):
        if path.name == "lead.png":
            raise PermissionError(13, "Permission denied")
        return opened(path)

    monkeypatch.setattr(images, "_open", refuse)


def no_grid(folder, monkeypatch):
    save(folder, array=lead(np.full((260, 810, 3), 255, np.uint8))[:, :400])


def unseen(folder, monkeypatch):
    save(folder)
    return [f"weights={weights(folder.parent)}"]


def no_grid_proposed(folder, monkeypatch):
    no_grid(folder, monkeypatch)
    return [f"weights={weights(folder.parent)}"]


def one_of_ten(folder, monkeypatch):
    for index in range(9):
        save(folder, f"{index:02d}.png")
    cut(folder / "04.png")


FAILING = {
    "PNG cut short": png_cut_short,
    "JPEG cut short": jpeg_cut_short,
    "empty file": lambda folder, _: (folder / "lead.png").touch(),
    "text named .png": lambda folder, _: (folder / "lead.png").write_text("time_s\n0.0\n") and None,
    "file without permission to read": without_permission,
    "32-bit grey levels": lambda folder, _: save(folder, "lead.tif", np.full((200, 200), 100_000, np.int32)),
    "8 px wide": lambda folder, _: save(folder, array=lead()[:200, 100:108]),
    "30,000 x 3,000 px": lambda folder, _: save(
        folder, array=np.zeros((3_000, 30_000), np.uint8), compress_level=1
    ),
    "header that claims 100,000 x 100,000 px": lambda folder, _: (
        (folder / "lead.png").write_bytes(png(100_000, 100_000, 8, 0, bytes(9))) and None
    ),
    "all black": lambda folder, _: save(folder, array=np.zeros((200, 400, 3), np.uint8)),
    "all white": lambda folder, _: save(folder, array=np.full((200, 400, 3), 255, np.uint8)),
    "lead from top to bottom": lambda folder, _: save(folder, array=np.ascontiguousarray(np.rot90(lead()))),
    "page of four leads, baseline": lambda folder, _: save(folder, array=np.tile(lead(), (4, 1, 1))),
    "header that claims 20,715 x 110 px, baseline": lying_header,
    "grid without a trace": lambda folder, _: save(folder, array=grid()),
    "trace without a grid, baseline": no_grid,
    "regular beats without a grid, baseline": lambda folder, _: save(
        folder, array=lead(np.full((260, 810, 3), 255, np.uint8))
    ),
    "trace without a grid, refined or proposed": no_grid_proposed,
    "trace that the network does not see, refined or proposed": unseen,
    "table of another origin where the output should go": lambda folder, _: save(folder),
    "one file cut short in a folder of ten": one_of_ten,
}


def weights(folder, encoder="resnet18", said="resnet18"):
    """Weights of a small network that sees nothing anywhere."""
    torch = pytest.importorskip("torch")
    from ecgtrace.segmentation.unet import UNet
    from ecgtrace.segmentation.weights import WeightsCard, save_weights

    network = UNet(encoder, encoder_weights=None)
    with torch.no_grad():
        network.network.segmentation_head[0].weight.zero_()
        network.network.segmentation_head[0].bias.fill_(-5.0)
    path = folder / "other.safetensors"
    save_weights(network, WeightsCard("unet", said, 64, 64, 2.5, "random"), path)
    return path


def test_the_document_names_the_inputs_made_here():
    assert {name: set(rows) for name, rows in TABLES.items()} == {
        "Pictures that fail": set(FAILING),
        "Pages that fail": set(FAILING_PAGES),
        "Pictures that are taken as they are": set(TAKEN),
        "Pictures that are doubtful": set(DOUBTFUL),
        "Wrong usage": set(USAGE),
        "Crops with their truth": set(CROPS),
    }


@pytest.mark.parametrize("name", FAILING)
def test_a_picture_that_fails(tmp_path, monkeypatch, capfd, name):
    """A good picture beside it is digitized all the same."""
    told, told_code = TABLES["Pictures that fail"][name]
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    options = FAILING[name](folder, monkeypatch) or [BASELINE]
    proposed = options != [BASELINE]
    bad = told.split(".")[0] if told.startswith("04") else "lead"
    if name.startswith("table of another origin"):
        (out / "lead.csv").write_text("truth\n")
    save(folder, "good.png")
    arguments = [f"input={folder}", f"output_dir={out}", "progress=false", "workers=1", *options]
    code, _, errors = command(arguments, monkeypatch, capfd)
    rows = summary_of(out)
    assert len(rows) == len(list(folder.iterdir()))
    if not proposed:  # the network of this test sees nothing in any picture
        assert {row["status"] for name, row in rows.items() if not name.startswith(bad)} == {"ok"}
        assert (out / "good.csv").is_file()
    (row,) = (row for name, row in rows.items() if name.startswith(bad))
    assert row["status"] == "failed"
    assert agrees(told, row["message"]), row["message"]
    assert code == told_code
    assert "Traceback" not in errors and told.split("...")[0] in errors
    if not name.startswith("table of another origin"):
        assert json.loads((out / f"{bad}.json").read_text())["message"] == row["message"]
        assert not (out / f"{bad}.csv").exists()


# Pages that fail --------------------------------------------------------------------------------------


def scan(folder):
    Image.fromarray(np.tile(lead(), (4, 1, 1))).save(folder / "page.pdf")


def plot(folder):
    """A sine wave of 400 vertices in a file without letters."""
    points = (b"%d %.2f l" % (x, 150 + 40 * np.sin(x / 20)) for x in range(1, 400))
    (folder / "page.pdf").write_bytes(pdf([b"0 150 m %s S" % b" ".join(points)]))


DICOM_HEAD = bytes(128) + b"DICM" + b"\x02\x00\x00\x00UL\x04\x00"

FAILING_PAGES = {
    "encrypted PDF": lambda folder: (folder / "page.pdf").write_bytes(encrypted()),
    "damaged PDF": lambda folder: (folder / "page.pdf").write_bytes(b"%PDF-1.7\n"),
    "PDF of a scan, baseline": scan,
    "PDF of a text, baseline": lambda folder: (folder / "page.pdf").write_bytes(
        pdf([b"BT /F1 12 Tf 9 9 Td (II 25 mm/s) Tj ET"])
    ),
    "PDF of a plot that is no ECG": plot,
    "PDF that is mirrored": lambda folder: (folder / "page.pdf").write_bytes(
        pdf([b"BT /F1 12 Tf -1 0 0 1 200 9 Tm (II) Tj ET"])
    ),
    "DICOM object cut short": lambda folder: (folder / "page.dcm").write_bytes(DICOM_HEAD),
    "picture with content=page, baseline": lambda folder: save(folder, "page.png"),
}


@pytest.mark.parametrize("name", FAILING_PAGES)
def test_a_page_that_fails(tmp_path, monkeypatch, capfd, name):
    told, told_code = TABLES["Pages that fail"][name]
    if name.startswith("DICOM"):
        pytest.importorskip("pydicom")
    (tmp_path / "in").mkdir()
    FAILING_PAGES[name](tmp_path / "in")
    options = ["content=page"] if "content=page" in name else []
    arguments = [f"input={tmp_path / 'in'}", f"output_dir={tmp_path / 'out'}", "progress=false", BASELINE]
    code, _, errors = command([*arguments, *options], monkeypatch, capfd)
    (row,) = summary_of(tmp_path / "out").values()
    assert (row["status"], row["content"]) == ("failed", "page")
    assert agrees(told, row["message"]), row["message"]
    assert code == told_code and "Traceback" not in errors
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"summary.csv", "page.json"}


# Pictures that are taken as they are -----------------------------------------------------------------


def animated(name):
    def make(folder):
        page = Image.fromarray(lead()[..., 0])
        page.save(folder / name, save_all=True, append_images=[page.point(lambda level: 255 - level)])

    return make


def rotated(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    save(folder, array=np.rot90(lead()), exif=exif)


def two_endings(folder):
    save(folder, "lead.png")
    save(folder, "lead.jpg")


def margin(folder):
    save(folder, array=np.pad(lead(), ((40, 40), (40, 40), (0, 0))))


TAKEN = {
    "grey": lambda folder: save(folder, array=lead()[..., 0]),
    "16-bit grey": lambda folder: save(folder, array=lead()[..., 0].astype(np.uint16) * 257),
    "16-bit RGB": lambda folder: (folder / "lead.png").write_bytes(
        png_16_bit_rgb(lead().astype(np.uint16) * 257)
    ),
    "alpha (laid on white)": lambda folder: save(folder, array=np.dstack([lead() * 0, 255 - lead()[..., 0]])),
    "palette": lambda folder: Image.fromarray(lead()).quantize(256).save(folder / "lead.png"),
    "EXIF-rotated (turned upright)": rotated,
    "CMYK JPEG": lambda folder: Image.fromarray(lead()).convert("CMYK").save(folder / "lead.jpg", quality=95),
    "animated GIF": animated("lead.gif"),
    "TIFF of several pages": animated("lead.tif"),
    "JPEG named .png": lambda folder: save(folder, array=lead(), format="JPEG"),
    "white on black": lambda folder: save(folder, array=255 - lead()),
    "black margin of 40 px": margin,
    "two pictures that differ in the ending alone (kept: `lead.png.csv`, `lead.jpg.csv`)": two_endings,
}


@pytest.mark.parametrize("name", TAKEN)
def test_a_picture_that_is_taken(tmp_path, monkeypatch, capfd, name):
    told, told_code = TABLES["Pictures that are taken as they are"][name]
    folder = tmp_path / "in"
    folder.mkdir()
    TAKEN[name](folder)
    arguments = [f"input={folder}", f"output_dir={tmp_path / 'out'}", "progress=false", BASELINE]
    code, _, errors = command(arguments, monkeypatch, capfd)
    rows = summary_of(tmp_path / "out")
    assert code == told_code, errors
    told = f"{told}; square pixels: ..." if told else "square pixels: ..."
    assert [row["status"] for row in rows.values()] == ["ok"] * len(list(folder.iterdir()))
    assert all(agrees(told, row["message"]) for row in rows.values()), rows
    assert all((tmp_path / "out" / f"{row['name']}.csv").is_file() for row in rows.values())
    for file in re.findall(r"`(.*?)`", name):
        assert (tmp_path / "out" / file).is_file()


# Pictures that are doubtful ------------------------------------------------------------------------------


def straight(paper):
    cv2.line(paper, (20, 101), (paper.shape[1] - 20, 101), (0, 0, 0), 2)
    return paper


DOUBTFUL = {
    "30,000 px wide": lambda: np.tile(lead(), (1, 38, 1))[:, :30_000],
    "two leads, one above the other": lambda: np.concatenate([lead()] * 2),
    "a straight line": lambda: straight(grid()),
    "a trace of a tenth of the width": lambda: np.concatenate([lead()[:, :250], *[grid()] * 3], axis=1),
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_a_picture_that_is_doubtful(tmp_path, monkeypatch, capfd, name):
    """Written all the same, counted, and named on stderr with the reason."""
    told, told_code = TABLES["Pictures that are doubtful"][name]
    (tmp_path / "in").mkdir()
    save(tmp_path / "in", array=DOUBTFUL[name]())
    arguments = [f"input={tmp_path / 'in'}", f"output_dir={tmp_path / 'out'}", "progress=false", BASELINE]
    code, out, errors = command(arguments, monkeypatch, capfd)
    row = summary_of(tmp_path / "out")["lead.png"]
    assert (code, row["status"]) == (told_code, "doubtful"), row["message"]
    assert agrees(told, row["message"]), row["message"]
    assert out.splitlines()[-2] == "0 ok, 1 doubtful, 0 failed"
    assert errors.startswith("doubtful: ") and row["message"] in errors
    note = json.loads((tmp_path / "out" / "lead.json").read_text())
    assert note["doubts"] and row["message"].startswith(note["doubts"][0])
    assert (tmp_path / "out" / "lead.csv").is_file()


# Wrong usage -------------------------------------------------------------------------------------------


def foreign_weights(folder):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(2, 2)}, folder / "foreign.safetensors")


def pickled(folder):
    pytest.importorskip("torch").save({"state_dict": {}}, folder / "last.ckpt")


def foreign_summary(folder):
    (folder / "out").mkdir()
    (folder / "out" / "summary.csv").write_text("patient,summary\n")


def nothing(folder):
    """The arguments say it all."""


USAGE = {
    "missing folder": (nothing, ["input=nowhere", BASELINE]),
    "folder without pictures": (lambda folder: (folder / "empty").mkdir(), ["input=empty", BASELINE]),
    "no input": (nothing, [BASELINE]),
    "output_dir is a file": (nothing, ["output_dir=lead.png", BASELINE]),
    "output_dir with a foreign summary.csv": (foreign_summary, [BASELINE]),
    "missing weights": (nothing, ["weights=none.safetensors"]),
    "weights that are text": (
        lambda folder: (folder / "lead.safetensors").write_text("no weights at all"),
        ["weights=lead.safetensors"],
    ),
    "weights that are a pickled checkpoint": (pickled, ["weights=last.ckpt"]),
    "weights of another program": (foreign_weights, ["weights=foreign.safetensors"]),
    "weights of another network": (
        lambda folder: weights(folder, encoder="resnet34"),
        ["weights=other.safetensors"],
    ),
    "weights for a digitizer without a network": (nothing, ["weights=any", BASELINE]),
    "digitizer that needs the true mask": (nothing, ["digitizer=ceiling"]),
    "unknown digitizer": (nothing, ["digitizer=basline"]),
    "misspelt key": (nothing, ["overlay=true"]),
    "misspelt key of the digitizer": (nothing, [BASELINE, "digitizer.fshz=100"]),
    "unknown flag": (nothing, ["--overlay"]),
    "option without a value": (nothing, ["recursive"]),
    "negative rate": (nothing, ["digitizer.fs_hz=-1"]),
    "rate that is no number": (nothing, ["digitizer.fs_hz=abc"]),
    "scale that is no number": (nothing, ["px_per_mm=wide"]),
    "switch that is neither true nor false": (nothing, ["recursive=maybe"]),
    "speed that no recorder has": (nothing, ["speed=30", BASELINE]),
    "gain that no recorder has": (nothing, ["gain=high", BASELINE]),
    "content that is none": (nothing, ["content=sheet", BASELINE]),
    "layout that is none": (nothing, ["layout=3by4", BASELINE]),
    "lead that is none": (nothing, ["leads=[I,IV]", BASELINE]),
    "fewer names than leads of the layout": (nothing, ["layout=3x1", "leads=[I,II]", BASELINE]),
    "layout of a lead": (nothing, ["layout=3x4", "content=lead", BASELINE]),
    "table of options with an unknown column": (
        lambda folder: (folder / "options.csv").write_text("file,lead\nlead.png,I\n"),
        ["per_file=options.csv", BASELINE],
    ),
    "table of options with a bad value": (
        lambda folder: (folder / "options.csv").write_text("file,gain\nlead.png,7\n"),
        ["per_file=options.csv", BASELINE],
    ),
    "format that is none": (nothing, ["formats=[csv,pdf]", BASELINE]),
    "no workers": (nothing, ["workers=0", BASELINE]),
}


@pytest.mark.parametrize("name", USAGE)
def test_wrong_usage(tmp_path, monkeypatch, capfd, name):
    """One line, code 2, and nothing written."""
    told, told_code = TABLES["Wrong usage"][name]
    make, arguments = USAGE[name]
    save(tmp_path)
    make(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    monkeypatch.chdir(tmp_path)
    given = {argument.partition("=")[0] for argument in arguments} | (
        {"input"} if name == "no input" else set()
    )
    defaults = [
        f"{key}={value}" for key, value in (("input", "lead.png"), ("output_dir", "out")) if key not in given
    ]
    code, out, errors = command([*defaults, *arguments], monkeypatch, capfd)
    assert code == told_code
    assert errors.startswith("error: ") and errors.count("\n") == 1, errors
    message = errors.removeprefix("error: ").rstrip("\n")
    assert agrees(told, message), message
    assert out == ""
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


# Crops with their truth --------------------------------------------------------------------------------

CROPS = {
    "mask of another size": ({"mask": np.zeros((10, 10), np.uint8)}, "mask-png/a.png"),
    "signal of another length": ({"signal": [0.0, 1.0] * 4}, "signal-json/a.json"),
    "NaN in a signal": ({"signal": [0.0] * 3 + [float("nan")] + [1.0] * 246}, "signal-json/a.json"),
}


@pytest.mark.parametrize("name", CROPS)
def test_a_crop_whose_truth_is_broken(tmp_path, name):
    """The message of its row; the names of files stand under the folder of crops."""
    folder_module = pytest.importorskip("ecgtrace.datasets.folder")
    told, _ = TABLES["Crops with their truth"][name]
    parts, _ = CROPS[name]
    for part in ("image", "mask-png", "signal-json"):
        (tmp_path / part).mkdir()
    save(tmp_path / "image", "a.png")
    mask = np.zeros((260, 810), np.uint8)
    mask[100:103] = 255
    save(tmp_path / "mask-png", "a.png", parts.get("mask", mask))
    (tmp_path / "signal-json" / "a.json").write_text(json.dumps(parts.get("signal", [0.0, 1.0] * 125)))
    (files,) = folder_module.find_crops(tmp_path)
    with pytest.raises(folder_module.DataError) as caught:
        folder_module.read_crop(files)
    message = str(caught.value).replace(f"{tmp_path}/", "")
    assert agrees(told, message), message
