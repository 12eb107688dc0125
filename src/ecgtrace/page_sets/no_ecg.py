"""Pictures that show no ECG, drawn: texts, forms, blank paper, plots, and curves that are no heart's."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ecgtrace.drawing.lettering import print_text
from ecgtrace.drawing.render import blend, draw_grid
from ecgtrace.drawing.style import Color, PageStyle
from ecgtrace.types import FloatArray

Image = NDArray[np.uint8]

PX_PER_MM = 6.0  # 152 dpi
WIDTH_MM, HEIGHT_MM = 297.0, 210.0  # A4
_WORDS = (
    "the patient was seen again after two weeks and walks without pain since then no fever weight as before "
    "advice given about salt and rest the next visit is planned for spring blood was taken results follow"
).split()
_NAMES = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def blank(width_mm: float = WIDTH_MM, height_mm: float = HEIGHT_MM, grey: int = 255) -> Image:
    """Return a sheet of one grey."""
    return np.full((round(height_mm * PX_PER_MM), round(width_mm * PX_PER_MM), 3), grey, np.uint8)


def ecg_paper(
    major: Color = (232, 150, 150), minor: Color | None = (246, 212, 212), paper: Color = (255, 255, 255)
) -> Image:
    """Return a sheet ruled as paper for ECGs is."""
    style = PageStyle(px_per_mm=PX_PER_MM, grid_major=major, grid_minor=minor, paper=paper, grid_width_mm=0.2)
    return draw_grid(style, (0, 0, round(WIDTH_MM * PX_PER_MM), round(HEIGHT_MM * PX_PER_MM)))


def line(image: Image, x_mm: FloatArray, y_mm: FloatArray, width_mm: float = 0.3, ink: int = 20) -> None:
    """Draw a line through points in place."""
    points = np.rint(np.stack([x_mm, y_mm], axis=1) * PX_PER_MM * 16).astype(np.int32)
    pen = max(1, round(width_mm * PX_PER_MM))
    cv2.polylines(image, [points], False, (ink, ink, ink), pen, cv2.LINE_AA, 4)


def segment(image: Image, x0: float, y0: float, x1: float, y1: float, width_mm: float = 0.3) -> None:
    """Draw a straight line, in mm, in place."""
    line(image, np.array([x0, x1]), np.array([y0, y1]), width_mm)


def box(image: Image, x0: float, y0: float, x1: float, y1: float, width_mm: float = 0.3) -> None:
    """Draw a frame, in mm, in place."""
    line(image, np.array([x0, x1, x1, x0, x0]), np.array([y0, y0, y1, y1, y0]), width_mm)


def write(
    image: Image, text: str, x_mm: float, y_mm: float, height_mm: float = 2.4, font: str = "sans"
) -> None:
    """Write a line of text in place; the place is the left end of its baseline."""
    cover = np.zeros(image.shape[:2], np.uint8)
    px = PX_PER_MM
    print_text(cover, text, font, height_mm * px, 0.3 * px, x_mm * px, y_mm * px)
    blend(image, cover, (15, 15, 15))


def paragraphs(image: Image, x0: float, x1: float, y0: float, y1: float, seed: int) -> None:
    """Fill a column with lines of words, in place."""
    rng = np.random.default_rng(seed)
    for y in np.arange(y0, y1, 5.0):
        if rng.random() < 0.12:
            continue
        n = int((x1 - x0) / 2.4 * rng.uniform(0.8, 1.0))
        write(image, " ".join(rng.choice(_WORDS, 60))[:n], x0, float(y), 2.2, "serif")


def text() -> Image:
    """Draw a letter."""
    image = blank(210, 297)
    paragraphs(image, 25, 185, 40, 270, 1)
    return image


def two_columns() -> Image:
    """Draw a text in two columns with headings."""
    image = blank(210, 297)
    write(image, "On the use of salt in winter", 30, 30, 5, "sans-bold")
    for k, x in enumerate((20.0, 110.0)):
        for j, y in enumerate((45.0, 130.0, 210.0)):
            write(image, f"{2 * j + k + 1}  Results", x, y, 3.2, "sans-bold")
            paragraphs(image, x, x + 80, y + 8, y + 70, 10 + 2 * j + k)
    return image


def table() -> Image:
    """Draw a table with ruled lines."""
    image = blank()
    rng = np.random.default_rng(2)
    for y in np.arange(30, 191, 8.0):
        segment(image, 20, y, 277, y)
        for x in np.arange(20, 277, 32.0):
            if y < 190:
                write(image, f"{rng.uniform(0, 300):.1f}", x + 3, y + 5.5)
    for x in (*np.arange(20, 277, 32.0), 277.0):
        segment(image, x, 30, x, 190)
    return image


def form() -> Image:
    """Draw a form with boxes to be filled in."""
    image = blank(210, 297)
    for k, y in enumerate(np.arange(30, 260, 22.0)):
        write(image, ("Name", "Born", "Street", "Town", "Insurance", "Doctor")[k % 6], 20, y - 2)
        box(image, 20, y, 120 - 10 * (k % 3), y + 9)
        for x in np.arange(130, 190, 6.0):
            box(image, x, y, x + 6, y + 9, 0.2)
    return image


def ecg_form() -> Image:
    """Draw a page as a recorder prints it: header, grid, names of leads, but no trace."""
    image = ecg_paper()
    image[: round(28 * PX_PER_MM)] = 255
    write(image, "Name: ____________   Born: ________   ID 000000", 15, 12, 3)
    write(image, "Rate      /min   PR      ms   QRS      ms   25 mm/s  10 mm/mV  40 Hz", 15, 20, 3)
    for k, name in enumerate(_NAMES):
        write(image, name, 20 + 65 * (k // 3), 50 + 45 * (k % 3), 3)
    return image


def curve_on_graph_paper() -> Image:
    """Draw a smooth curve by a hand over millimetre paper."""
    image = ecg_paper((150, 200, 150), (214, 236, 214))
    rng = np.random.default_rng(4)
    x = np.linspace(25, 270, 500)
    y = 130 - 60 * np.exp(-(((x - 160) / 50) ** 2)) + gaussian_filter(rng.normal(0, 6, 500), 12)
    line(image, x, y, 0.5)
    return image


def line_chart() -> Image:
    """Draw three lines of monthly values on graph paper, with axes."""
    image = ecg_paper((170, 170, 220), (225, 225, 245))
    rng = np.random.default_rng(5)
    _axes(image)
    for level in (70.0, 110.0, 145.0):
        x = np.arange(35, 270, 20.0)
        y = level + rng.normal(0, 9, len(x))
        line(image, x, y, 0.5)
        for a, b in zip(x, y, strict=True):
            box(image, a - 1, b - 1, a + 1, b + 1, 0.6)
    return image


def bar_chart() -> Image:
    """Draw bars on graph paper."""
    image = ecg_paper((170, 170, 170), (228, 228, 228))
    _axes(image)
    for k, height in enumerate((40.0, 75.0, 62.0, 110.0, 95.0, 30.0, 84.0)):
        x, px = 40 + 32 * k, PX_PER_MM
        image[round((180 - height) * px) : round(180 * px), round(x * px) : round((x + 18) * px)] = 60
    return image


def plot_of_a_sine() -> Image:
    """Draw one sine in a frame with ticks and a light grid, as programs plot."""
    image = blank(200, 120)
    for x in np.arange(20, 191, 17.0):
        line(image, np.array([x, x]), np.array([10.0, 100]), 0.2, 215)
        write(image, f"{(x - 20) / 17:.0f}", x - 1, 106, 2)
    for y in np.arange(10, 101, 15.0):
        line(image, np.array([20.0, 190]), np.array([y, y]), 0.2, 215)
        write(image, f"{(55 - y) / 30:.1f}", 11, y + 1, 2)
    box(image, 20, 10, 190, 100)
    x = np.linspace(20, 190, 800)
    line(image, x, 55 - 30 * np.sin((x - 20) / 13), 0.4)
    return image


def music() -> Image:
    """Draw staves with notes."""
    image = blank(210, 297)
    rng = np.random.default_rng(6)
    for top in np.arange(30, 260, 24.0):
        for k in range(5):
            segment(image, 15, top + 2 * k, 195, top + 2 * k, 0.2)
        for x in np.arange(25, 192, 7.5):
            y = top + 1.0 * rng.integers(0, 9)
            centre = (round(x * PX_PER_MM), round(y * PX_PER_MM))
            cv2.ellipse(image, centre, (8, 5), -20, 0, 360, (20, 20, 20), -1, cv2.LINE_AA)
            segment(image, x + 1.2, y, x + 1.2, y - 7)
        for x in (15.0, 75.0, 135.0, 195.0):
            segment(image, x, top, x, top + 8)
    return image


def photograph() -> Image:
    """Draw hills, a sky and grass, with the grain of a photograph."""
    rng = np.random.default_rng(7)
    height, width = 900, 1400
    y = np.mgrid[:height, :width][0].astype(float)
    image = np.stack([120 + y / 9, 160 + y / 12, np.full_like(y, 235.0)], axis=-1)
    for k, colour in enumerate(((96, 120, 110), (70, 105, 70), (52, 82, 40))):
        ridge = 380 + 150 * k + gaussian_filter(rng.normal(0, 1, width), 60 - 15 * k, mode="wrap") * 700
        image[y > ridge[None]] = colour
    leaves = gaussian_filter(rng.normal(0, 1, (height, width)), 3) * 90
    image += (leaves * (y > 600) + gaussian_filter(rng.normal(0, 1, (height, width)), 25) * 300)[..., None]
    return np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)


def codes() -> Image:
    """Draw a label with a bar code and a square code."""
    image = blank()
    rng = np.random.default_rng(8)
    px = PX_PER_MM
    for x in np.flatnonzero(rng.random(220) < 0.5) * 0.6 + 20:
        image[round(40 * px) : round(90 * px), round(x * px) : round((x + 0.6) * px)] = 0
    cells = np.kron(rng.random((33, 33)) < 0.5, np.ones((12, 12))) > 0
    image[600 : 600 + len(cells), 1000 : 1000 + len(cells)][cells] = 0
    write(image, "4 006381 333931", 40, 98, 4, "mono")
    return image


def eeg(gridded: bool = False, channels: int = 19) -> Image:
    """Draw the channels of an EEG: noise of many widths and alpha waves, nothing that beats."""
    image = ecg_paper() if gridded else blank()
    rng = np.random.default_rng(9)
    x = np.linspace(25, 290, 1600)
    for k, y in enumerate(np.linspace(14, 198, channels)):
        slow = gaussian_filter(rng.normal(0, 1, len(x)), 9)
        alpha = np.sin(x * 2.1 + rng.uniform(0, 6)) * np.maximum(
            0, gaussian_filter(rng.normal(0, 6, len(x)), 60)
        )
        wave = 6 * slow + 2 * alpha + gaussian_filter(rng.normal(0, 1, len(x)), 2)
        line(image, x, y + 0.9 * np.clip(wave, -5, 5), 0.2)
        write(image, f"{('Fp', 'F', 'C', 'P', 'O', 'T')[k % 6]}{k % 8 + 1}", 8, y + 1)
    return image


def capnogram() -> Image:
    """Draw breaths on ECG paper: carbon dioxide over time."""
    image = ecg_paper()
    x = np.linspace(10, 287, 3000)
    breath = (x / 50) % 1
    rise = 1 / (1 + np.exp(-(breath - 0.3) / 0.02)) * (1 + 0.15 * breath)
    fall = 1 / (1 + np.exp((breath - 0.8) / 0.012))
    line(image, x, 120 - 38 * rise * fall, 0.35)
    return image


def breathing() -> Image:
    """Draw three rows of a spirogram on ECG paper, one above the other."""
    image = ecg_paper()
    x = np.linspace(10, 287, 3000)
    for k, y in enumerate((55.0, 110.0, 165.0)):
        line(image, x, y - 9 * np.sin(x / (7.5 + k)) - 3 * np.sin(x / 31), 0.35)
    return image


def sines() -> Image:
    """Draw twelve sines with the names of leads on ECG paper, as of a signal generator."""
    image = ecg_paper()
    for k, name in enumerate(_NAMES):
        x = 15 + 66 * (k // 3) + np.linspace(0, 65, 800)
        y = 50 + 45 * (k % 3)
        line(image, x, y - 5 * np.sin(x * 2 * np.pi / 25), 0.35)
        write(image, name, x[0] + 1, y - 9, 3)
    return image


def noise() -> Image:
    """Draw pixels of all colours."""
    return np.random.default_rng(12).integers(0, 256, (900, 1300, 3), np.uint8)


NO_ECG: dict[str, Callable[[], Image]] = {
    "text": text,
    "two columns of text": two_columns,
    "table": table,
    "form": form,
    "blank paper, red": ecg_paper,
    "blank paper, blue": lambda: ecg_paper((120, 150, 220), (205, 218, 245)),
    "blank paper, dark": lambda: ecg_paper((90, 90, 90), (170, 170, 170)),
    "blank paper, 5 mm lines alone": lambda: ecg_paper((230, 160, 120), None, (255, 250, 240)),
    "form of a recorder": ecg_form,
    "curve on graph paper": curve_on_graph_paper,
    "line chart": line_chart,
    "bar chart": bar_chart,
    "plot of a sine": plot_of_a_sine,
    "music": music,
    "photograph": photograph,
    "codes": codes,
    "EEG": eeg,
    "EEG on ECG paper": lambda: eeg(gridded=True),
    "six channels of an EEG on ECG paper": lambda: eeg(gridded=True, channels=6),
    "capnogram": capnogram,
    "breathing, three rows": breathing,
    "sines with names": sines,
    "noise": noise,
    "black": lambda: blank(grey=0),
    "white": blank,
    "tiny": lambda: blank(4, 3),
}


def _axes(image: Image) -> None:
    segment(image, 30, 20, 30, 180, 0.5)
    segment(image, 30, 180, 280, 180, 0.5)
    for k in range(8):
        write(image, str(10 * k), 20, 181 - 20 * k)
        write(image, ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug")[k], 38 + 30 * k, 188)
