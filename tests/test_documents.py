"""Files give pages: lines and letters where they are drawn, pictures as stored, signals untouched."""

import numpy as np
import pytest
from drawn_documents import Drawing, draw, record
from pdf_by_hand import encrypted, form, pdf
from PIL import Image

from ecgtrace.documents.read import PDF, count_pages, draw_page, kind_of, read_page, read_page_picture
from ecgtrace.errors import InputImageError
from ecgtrace.inputs import find_inputs


def save(folder, content, name="page.pdf"):
    (folder / name).write_bytes(content)
    return folder / name


def vectors(folder, *args, **options):
    return read_page(save(folder, pdf(*args, **options))).vectors


def test_a_stroked_line_with_its_colour_and_width(tmp_path):
    """The page is 400 x 300 points; the file counts from the bottom, a page is read from the top."""
    (path,) = vectors(tmp_path, [b"0 0 1 RG 2 w 10 20 m 30 40 l 50 25 l S"]).paths
    assert path.points.tolist() == [[10, 280], [30, 260], [50, 275]]
    assert (path.colour, path.width) == ((0, 0, 255), 2)


def test_what_is_only_filled_is_no_line(tmp_path):
    assert vectors(tmp_path, [b"10 20 m 30 40 l 50 25 l f"]).paths == ()


def test_subpaths_curves_and_closed_paths(tmp_path):
    """Of a curve its ends lie on the line; a closed path comes back to its beginning."""
    content = b"0 0 m 10 0 l 20 0 m 21 9 29 9 30 0 c 50 0 m 60 0 l 60 10 l h S"
    points = [path.points.tolist() for path in vectors(tmp_path, [content]).paths]
    assert points[0] == [[0, 300], [10, 300]]
    assert points[1] == [[20, 300], [30, 300]]
    assert points[2][0] == points[2][-1] == [50, 300]


def test_matrices_of_the_page_and_of_forms_within_forms(tmp_path):
    """Each point goes through the matrix of its own form, then through that of the form around it."""
    inner = form(101, b"3 w 1 2 m 2 2 l S", matrix=(1, 0, 0, 1, 10, 0))
    outer = form(100, b"q 2 0 0 2 0 5 cm /X101 Do Q", matrix=(0, 1, -1, 0, 0, 0))
    number, head, stream = outer
    outer = (number, head.replace(b"/Font", b"/XObject << /X101 101 0 R >> /Font"), stream)
    (path,) = vectors(tmp_path, [b"q 1 0 0 1 100 50 cm /X100 Do Q"], extra=(outer, inner)).paths
    # (1, 2): by 10 to the right (11, 2), twice as large and up by 5 (22, 9), a quarter turn (-9, 22),
    # moved to (91, 72), from the top (91, 228).
    assert path.points.tolist() == [[91, 228], [91, 226]]
    assert path.width == pytest.approx(6)


@pytest.mark.parametrize(
    ("rotate", "point", "size"),
    [
        (0, (10, 280), (400, 300)),
        (90, (20, 10), (300, 400)),
        (180, (390, 20), (400, 300)),
        (270, (280, 390), (300, 400)),
    ],
)
def test_the_page_is_read_as_it_is_shown(tmp_path, rotate, point, size):
    found = vectors(tmp_path, [b"10 20 m 30 20 l S"], rotate=rotate)
    assert tuple(found.paths[0].points[0]) == point
    assert (found.width, found.height) == size
    shown = draw_page(tmp_path / "page.pdf", dpi=72).image
    assert shown.shape[:2] == size[::-1]
    x, y = point
    assert shown[max(0, y - 3) : y + 3, max(0, x - 3) : x + 3].min() < 200  # the rendering has it there


def test_a_page_whose_box_does_not_begin_at_zero(tmp_path):
    found = vectors(tmp_path, [b"110 220 m 130 220 l S"], box=(100, 200, 500, 500))
    assert found.paths[0].points[0].tolist() == [10, 280]


def test_words_with_their_places(tmp_path):
    """Letters of two objects that touch are one word, others two; a full-width digit is a plain one."""
    content = b"BT /F1 10 Tf 10 100 Td (II) Tj 50 0 Td (a) Tj 5.6 0 Td (VR) Tj 0 40 Td (V1 V2) Tj ET"
    words = vectors(tmp_path, [content]).words
    assert [word.text for word in words] == ["II", "aVR", "V1", "V2"]
    assert [(round(word.x, 1), round(word.y, 1)) for word in words[:2]] == [(10, 200), (60, 200)]
    assert words[0].size == pytest.approx(10) and words[0].angle_deg == pytest.approx(0, abs=0.01)
    assert words[0].end_x == pytest.approx(10 + 2 * 2.78, abs=0.3)


def test_turned_and_mirrored_words(tmp_path):
    content = b"BT /F1 10 Tf 0 -1 1 0 50 100 Tm (down) Tj ET BT /F1 10 Tf -1 0 0 1 200 100 Tm (back) Tj ET"
    down, back = vectors(tmp_path, [content]).words
    assert (down.text, round(down.angle_deg), down.mirrored) == ("down", 90, False)
    assert back.mirrored


def test_every_page_is_an_input_of_its_own(tmp_path):
    save(tmp_path, pdf([b"0 0 m 9 9 l S"] * 2), "two.pdf")
    save(tmp_path, pdf([b""]), "one.pdf")
    Image.new("RGB", (40, 40)).save(tmp_path / "two-p1.png")
    named = {item.name: (item.source.name, item.page) for item in find_inputs(tmp_path)}
    assert named == {
        "one": ("one.pdf", 1),
        "two.pdf-p1": ("two.pdf", 1),  # two-p1 is another picture's
        "two.pdf-p2": ("two.pdf", 2),
        "two-p1": ("two-p1.png", 1),
    }
    (tmp_path / "two-p1.png").unlink()
    assert [item.name for item in find_inputs(tmp_path)] == ["one", "two-p1", "two-p2"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (encrypted(), "page.pdf is encrypted; open it with its password"),
        (b"%PDF-1.7\nnothing more", "page.pdf is a damaged PDF, or has no page; copy or export it again"),
        (pdf([]), "page.pdf is a damaged PDF, or has no page"),
    ],
    ids=["encrypted", "damaged", "no page"],
)
def test_a_pdf_that_cannot_be_read(tmp_path, content, words):
    path = save(tmp_path, content)
    assert kind_of(path) == PDF and count_pages(path) == 1
    with pytest.raises(InputImageError, match=words):
        read_page(path)


def test_a_page_that_is_not_there(tmp_path):
    path = save(tmp_path, pdf([b""]))
    with pytest.raises(InputImageError, match="has 1 pages; there is no page 2"):
        read_page(path, 2)
    with pytest.raises(InputImageError, match=r"there is no file gone\.pdf"):
        read_page(tmp_path / "gone.pdf")


def test_the_embedded_picture_at_its_own_resolution(tmp_path):
    """Its pixels are those that were put in, not a rendering's."""
    pixels = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "scan.pdf", resolution=200, quality=100, subsampling=0)
    page = read_page_picture(tmp_path / "scan.pdf")
    assert page.image.shape == pixels.shape and page.dpi == pytest.approx(200)
    assert np.abs(page.image.astype(int) - pixels).mean() < 3
    assert read_page(tmp_path / "scan.pdf").vectors.paths == ()


def test_a_page_of_lines_is_rendered_at_300_dpi(tmp_path):
    draw(tmp_path / "page.pdf", record(), Drawing())
    page = read_page_picture(tmp_path / "page.pdf")
    assert page.dpi == pytest.approx(300) and page.image.shape[:2] == (2481, 3508)
    assert page.image.min() < 50 and page.image.max() == 255


def test_pages_of_a_tiff_and_its_resolution(tmp_path):
    first, second = (Image.fromarray(np.full((30, 40), level, np.uint8)) for level in (10, 200))
    first.save(tmp_path / "scan.tif", save_all=True, append_images=[second], dpi=(300, 300))
    page = read_page(tmp_path / "scan.tif", 2)
    assert (page.number, page.count, page.dpi) == (2, 2, 300)
    assert int(page.image[0, 0, 0]) == 200
    first.save(tmp_path / "screen.png", dpi=(96, 96))
    assert read_page(tmp_path / "screen.png").dpi is None


def test_dicom_pictures_and_pdfs(tmp_path):
    pydicom = pytest.importorskip("pydicom")
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    def write(name, uid, **elements):
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = uid
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        for key, value in elements.items():
            setattr(dataset, key, value)
        dataset.save_as(tmp_path / name, enforce_file_format=True)
        return tmp_path / name

    pixels = np.random.default_rng(1).integers(0, 255, (20, 30, 3), np.uint8)
    shape = {"Rows": 20, "Columns": 30, "SamplesPerPixel": 3, "PlanarConfiguration": 0, "BitsAllocated": 8}
    more = {"BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0, "PhotometricInterpretation": "RGB"}
    capture = write(
        "sc.dcm", pydicom.uid.SecondaryCaptureImageStorage, **shape, **more, PixelData=pixels.tobytes()
    )
    assert (read_page(capture).image == pixels).all()
    content = pdf([b"0 0 m 9 9 l S", b"1 1 m 9 9 l S"])
    inside = write(
        "pdf.dcm",
        pydicom.uid.EncapsulatedPDFStorage,
        EncapsulatedDocument=content + b" " * (len(content) % 2),
    )
    assert count_pages(inside) == 2
    assert read_page(inside, 2).vectors.paths[0].points[0].tolist() == [1, 299]
    nothing = write("none.dcm", pydicom.uid.BasicTextSRStorage)
    with pytest.raises(InputImageError, match="without a waveform, a picture or a PDF"):
        read_page(nothing)
