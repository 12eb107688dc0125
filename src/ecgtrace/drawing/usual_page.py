"""One whole page as most people have it, to show and to try things on: nothing of it is drawn at random."""

from dataclasses import replace

from ecgtrace.drawing.page_design import PageDesign
from ecgtrace.drawing.page_layouts import page_layout
from ecgtrace.drawing.page_words import Text
from ecgtrace.drawing.style import PageStyle
from ecgtrace.units import GAIN_MM_PER_MV, MM_PER_INCH, PAPER_SPEED_MM_PER_S

_WIDTH_MM, _HEIGHT_MM = 297.0, 210.0  # A4, as a report is printed
_LEFT_MM, _TOP_MM = 28.0, 67.0  # the pulse stands before the traces, a header above
_ROW_MM = 33.0
_GRID_MM = (5.0, 40.0, 292.0, 190.0)
# Red grid and black ink of conf/page/standard.yaml; a typeface in place of a plotter's pen.
_STYLE = PageStyle(
    fs_hz=None,
    margins_mm=(0.0, 0.0, 0.0, 0.0),  # grid lines at whole millimetres of the page
    column_gap_mm=0.0,
    line_width_mm=0.3,
    grid_major=(226, 150, 150),
    grid_minor=(246, 214, 214),
    grid_width_mm=0.12,
    snap_grid=False,
    font="sans",
    name_offset_mm=8.0,
)


def usual_page(record_id: str, dpi: float) -> PageDesign:
    """
    Return a page of A4: 3x4 and a strip of II on a red grid, 25 mm/s, 10 mm/mV, a pulse before each row.

    Parameters
    ----------
    record_id : str
        Stands in the header.
    dpi : float
        Of the picture.
    """
    style = replace(_STYLE, px_per_mm=dpi / MM_PER_INCH)
    layout = page_layout("3x4", strips=("II",))
    said = f"{PAPER_SPEED_MM_PER_S:g} mm/s   {GAIN_MM_PER_MV:g} mm/mV"
    return PageDesign(
        style=style,
        layout=layout,
        width_mm=_WIDTH_MM,
        height_mm=_HEIGHT_MM,
        left_mm=_LEFT_MM,
        top_mm=_TOP_MM,
        row_zero_mm=tuple(row * _ROW_MM for row in range(len(layout.rows))),
        bars="cells",
        pulses="left",
        texts=(
            Text(f"Record {record_id}", 12.0, 16.0, 3.4, style.font),
            Text("12-lead ECG, drawn by ecgtrace", 12.0, 24.0, 2.4, style.font),
            Text(said, 12.0, 200.0, 2.4, style.font),
        ),
        grid_area_mm=_GRID_MM,
    )
