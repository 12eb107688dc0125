"""A picture gives the same pixels however it was saved; what is no picture is refused in one line."""

import io
import struct
import threading
import zlib

import numpy as np
import pytest
from PIL import Image
from planted_picture import lead

from ecgtrace import Digitizer, images
from ecgtrace.errors import EcgTraceError, InputImageError, TraceNotFoundError
from ecgtrace.images import as_rgb, check_picture, picture_of, read_image, read_picture


@pytest.fixture
def rgb():
    """Noise: no row, column or channel like another, so that no turn or swap goes unseen."""
    return np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


# Arrays -------------------------------------------------------------------------------------------


def test_rgb_is_left_as_it_is(rgb):
    np.testing.assert_array_equal(as_rgb(rgb), rgb)


def test_grey_is_the_same_in_all_channels(rgb):
    grey = rgb[..., 0]
    for array in (grey, grey[..., None]):
        np.testing.assert_array_equal(as_rgb(array), np.stack([grey] * 3, axis=2))


def test_16_bits_are_scaled_not_clipped():
    array = np.array([[0, 128, 129, 257, 25700, 65535]], np.uint16)
    np.testing.assert_array_equal(as_rgb(array)[0, :, 0], [0, 0, 1, 1, 100, 255])


def test_floats_and_booleans():
    np.testing.assert_array_equal(as_rgb(np.array([[0, 0.5, 1.0]]))[0, :, 1], [0, 128, 255])
    np.testing.assert_array_equal(as_rgb(np.array([[False, True]]))[0, :, 2], [0, 255])


def test_alpha_is_laid_on_white():
    """Opaque black, half black, and black that cannot be seen."""
    alpha = np.array([255, 128, 0], np.uint8)
    pixels = np.stack([np.zeros(3, np.uint8)] * 3 + [alpha], axis=1)[None]
    np.testing.assert_array_equal(as_rgb(pixels)[0, :, 0], [0, 127, 255])
    np.testing.assert_array_equal(as_rgb(pixels[..., 2:])[0, :, 0], [0, 127, 255])
    np.testing.assert_array_equal(as_rgb(pixels.astype(np.uint16) * 257)[0, :, 0], [0, 127, 255])


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros(5), r"got \(5,\)"),
        (np.zeros((4, 4, 5), np.uint8), r"got \(4, 4, 5\)"),
        (np.zeros((0, 4, 3), np.uint8), r"got \(0, 4, 3\)"),
        (np.zeros((4, 4), np.int64), "got int64"),
        (np.full((4, 4), 2.0), "spans 0 to 1, got 2 to 2"),
        (np.full((4, 4), np.nan), "spans 0 to 1, got nan"),
        (np.broadcast_to(np.uint8(0), (8001, 8000, 3)), "8000 x 8001 px exceeds 64 million"),
    ],
)
def test_other_arrays_are_refused(array, words):
    with pytest.raises(InputImageError, match=words):
        as_rgb(array)


# Files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tiff", "a.webp", "A.PNG", "no ending"])
def test_lossless_formats_give_the_pixels(tmp_path, rgb, name):
    form = {"a.webp": "WEBP", "no ending": "PNG"}.get(name)
    Image.fromarray(rgb).save(tmp_path / name, form, lossless=True)
    np.testing.assert_array_equal(read_image(tmp_path / name), rgb)


def test_grey_files(tmp_path, rgb):
    grey = rgb[..., 0]
    Image.fromarray(grey).save(tmp_path / "8.png")
    for name in ("16.png", "16.tif"):
        Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / name)
    Image.fromarray(grey.astype(np.int32) * 257).save(tmp_path / "32.tif")
    Image.fromarray((grey / 255).astype(np.float32)).save(tmp_path / "float.tif")
    Image.fromarray(grey > 99).save(tmp_path / "1.png")
    for name in ("8.png", "16.png", "16.tif", "32.tif", "float.tif"):
        np.testing.assert_array_equal(read_image(tmp_path / name), np.stack([grey] * 3, axis=2), name)
    np.testing.assert_array_equal(read_image(tmp_path / "1.png")[..., 0], np.where(grey > 99, 255, 0))


def png(width, height, bits, colour_type, rows):
    """Write by hand what Pillow does not: 16-bit RGB, and sizes that are not true."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        content += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return content


def png_16_bit_rgb(array):
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    return png(array.shape[1], array.shape[0], 16, 2, rows)


def test_16_bit_rgb_file(tmp_path, rgb):
    (tmp_path / "a.png").write_bytes(png_16_bit_rgb(rgb.astype(np.uint16) * 257))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), rgb)


def test_alpha_and_palette_files(tmp_path, rgb):
    alpha = np.where(rgb[..., :1] > 99, 255, 0).astype(np.uint8)
    expected = np.where(alpha, rgb, 255)
    Image.fromarray(np.concatenate([rgb, alpha], axis=2)).save(tmp_path / "alpha.png")
    np.testing.assert_array_equal(read_image(tmp_path / "alpha.png"), expected)

    few = rgb // 128 * 128
    palette = Image.fromarray(few).quantize(8)
    palette.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(read_image(tmp_path / "palette.png"), few)
    palette.save(tmp_path / "transparent.png", transparency=0)
    clear = np.asarray(palette) == 0
    np.testing.assert_array_equal(
        read_image(tmp_path / "transparent.png"), np.where(clear[..., None], 255, few)
    )


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, 1), (8, 3)])
def test_exif_orientation_is_applied(tmp_path, rgb, orientation, turns):
    """The camera stores the picture as turned as it was held: 6 means turned left by 90 degrees."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.rot90(rgb, turns)).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), rgb)


def test_cmyk_jpeg(tmp_path):
    """Red stays red: inks are not taken for light."""
    Image.new("RGB", (32, 32), (200, 30, 30)).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    np.testing.assert_allclose(read_image(tmp_path / "a.jpg")[16, 16], [200, 30, 30], atol=6)


@pytest.mark.parametrize("name", ["a.gif", "a.tif"])
def test_the_first_of_several_pages(tmp_path, name):
    pages = [Image.new("L", (32, 32), level) for level in (0, 255, 128)]
    pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:])
    picture = read_picture(tmp_path / name)
    assert picture.notes == ("only the first of 3 frames or pages was read",)
    assert (picture.rgb == 0).all()


def test_one_page_needs_no_note(tmp_path, rgb):
    Image.fromarray(rgb).save(tmp_path / "a.tif")
    assert read_picture(tmp_path / "a.tif").notes == ()


def test_pictures_of_pillow(rgb):
    np.testing.assert_array_equal(picture_of(Image.fromarray(rgb)).rgb, rgb)


def test_a_picture_30000_px_wide_is_read(tmp_path):
    Image.new("L", (30_000, 200), 200).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").shape == (200, 30_000, 3)


@pytest.mark.parametrize("side", [8_001, 10_000, 100_000])
def test_bombs_are_refused_by_their_header(tmp_path, side):
    """Below, at and above the sizes at which Pillow itself warns and raises."""
    (tmp_path / "bomb.png").write_bytes(png(side, side, 8, 0, bytes(9)))
    with pytest.raises(InputImageError, match=r"bomb\.png is too large: .* exceeds 64 million pixels; crop"):
        read_image(tmp_path / "bomb.png")


def test_threads_may_read_at_once(tmp_path, rgb):
    """Reading changes the process's warning filters for a moment; they must come out whole."""
    import warnings

    Image.fromarray(rgb).save(tmp_path / "a.png")
    before = list(warnings.filters)
    threads = [
        threading.Thread(target=lambda: [read_image(tmp_path / "a.png") for _ in range(20)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


def test_damaged_files_are_told_from_foreign_ones(tmp_path, rgb):
    for name in ("a.png", "a.jpg", "a.bmp", "a.tif", "a.gif", "a.webp"):
        path = tmp_path / name
        Image.fromarray(np.repeat(np.repeat(rgb, 8, 0), 8, 1)).save(path)
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(InputImageError, match=f"{name} is (damaged or cut short|not a picture)"):
            read_image(path)
    (tmp_path / "text.png").write_text("time_s,amplitude_mv\n")
    with pytest.raises(InputImageError, match=r"text\.png is not a picture; these are read: png, jpg"):
        read_image(tmp_path / "text.png")


def test_what_is_not_there(tmp_path):
    with pytest.raises(InputImageError, match=r"there is no file a\.png"):
        read_image(tmp_path / "a.png")
    with pytest.raises(InputImageError, match="is a folder"):
        read_image(tmp_path)


def test_a_file_that_may_not_be_read(tmp_path, rgb, monkeypatch):
    """Permissions do not bind an administrator, so the system's refusal is played."""
    Image.fromarray(rgb).save(tmp_path / "a.png")

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(images, "_open", refuse)
    with pytest.raises(InputImageError, match=r"^a\.png cannot be read \(Permission denied\)$"):
        read_image(tmp_path / "a.png")


# What can show a trace ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "words"), [(0, "is black"), (20, "is black"), (128, "empty"), (255, "empty")]
)
def test_one_colour_shows_nothing(level, words):
    with pytest.raises(InputImageError, match=words):
        check_picture(np.full((100, 200, 3), level, np.uint8))


@pytest.mark.parametrize("shape", [(100, 8), (8, 100), (15, 15)])
def test_too_few_pixels(shape):
    with pytest.raises(InputImageError, match=f"{shape[1]} x {shape[0]} px are too few"):
        check_picture(np.zeros((*shape, 3), np.uint8))


def sheet(major=120, minor=230, paper=255):
    """An empty grid of 8 px per mm."""
    image = np.full((200, 400, 3), paper, np.uint8)
    image[::8] = image[:, ::8] = minor
    for first in (0, 1):
        image[first::40] = image[:, first::40] = major
    return image


@pytest.mark.parametrize(
    ("major", "minor", "paper"), [(120, 230, 255), (0, 0, 255), (190, 250, 255), (90, 130, 200)]
)
def test_an_empty_grid_shows_no_trace(major, minor, paper):
    noise = np.random.default_rng(1).normal(0, 2, (200, 400, 1))
    image = np.clip(sheet(major, minor, paper) + noise, 0, 255).astype(np.uint8)
    with pytest.raises(TraceNotFoundError, match="a grid but no trace"):
        check_picture(image)


@pytest.mark.parametrize("ink", [0, 100])
@pytest.mark.parametrize("swing_px", [0, 2, 60])
def test_a_trace_is_never_refused(ink, swing_px):
    """A flat line counts as a trace while it is darker than the grid; so does ink as pale as the lines."""
    image = sheet(major=150)
    x = np.arange(20, 380)
    y = np.rint(95 + swing_px * np.sin(x / 15)).astype(int)
    for thickness in range(3):
        image[y + thickness, x] = ink
    check_picture(image)


def test_a_trace_in_the_colour_of_the_grid_is_seen():
    image = sheet(major=0, minor=255)
    x = np.arange(20, 380)
    image[np.rint(95 + 30 * np.sin(x / 15)).astype(int), x] = 0
    check_picture(image)


def test_a_flat_trace_on_blank_paper_is_seen():
    image = np.full((100, 400, 3), 255, np.uint8)
    image[50:53, 5:395] = 0
    check_picture(image)


def test_reference_crops_pass(shared):
    for path in sorted((shared / "reference" / "crops").glob("*.png"))[::9]:
        check_picture(read_image(path))


# Bytes changed at random ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_changed_bytes_are_read_or_told_in_one_line(tmp_path, kind):
    """Headers more often than the rest; whatever is decoded goes through the whole of `baseline`."""
    digitizer = Digitizer.from_pretrained("baseline")
    buffer = io.BytesIO()
    Image.fromarray(lead()[60:240, :560]).save(buffer, kind)
    content = buffer.getvalue()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        changed = bytearray(content)
        for at in rng.integers(0, len(content) if seed % 2 else min(700, len(content)), rng.integers(1, 6)):
            changed[at] = rng.integers(256)
        (tmp_path / "lead").write_bytes(changed)
        try:
            assert digitizer(tmp_path / "lead").status in ("ok", "doubtful")
        except EcgTraceError as error:
            assert "\n" not in str(error) and "zero-size" not in str(error)
