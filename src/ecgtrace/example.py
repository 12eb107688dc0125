"""
A picture to try things on, shipped with the package, whose truth is known.

It is drawn from a sample record, so no patient is behind it; `scripts/make_example_picture.py` writes the
file.
"""

from pathlib import Path

from ecgtrace.datasets.cut import cut
from ecgtrace.datasets.drawn import Sheet
from ecgtrace.drawing.style import PageStyle
from ecgtrace.records.sample import SampleRecords
from ecgtrace.types import LeadCrop
from ecgtrace.units import MM_PER_INCH

EXAMPLE = Path(__file__).parent / "data" / "example.png"

# Lead V2 of a record of the test split: the next row, V3, runs through the lower half of the box. At 300 dpi,
# as from an office scanner.
_RECORD_ID = "sample-009"
_TARGET = 7
_DPI = 300.0


def draw_example() -> LeadCrop:
    """
    Draw the example anew, with its truth.

    Returns
    -------
    LeadCrop
        `image` has the pixels of the file `EXAMPLE`; `signal` is what was drawn, 2.5 s in mV.

    Examples
    --------
    >>> crop = draw_example()
    >>> crop.lead, crop.image.shape
    ('V2', (283, 759, 3))
    """
    plan = Sheet("3x4").plan(SampleRecords().load(_RECORD_ID), PageStyle(px_per_mm=_DPI / MM_PER_INCH))
    return cut(plan, _TARGET, "example")
