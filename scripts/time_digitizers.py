"""
Time digitizers crop by crop, and the memory of the process.

    python scripts/time_digitizers.py PTBXL_DIR      without a folder: the shipped sample records

Each crop is timed as a whole (network, grid, fit), after one crop that warms up; the machine should be
otherwise idle.
"""

import resource
import sys
import time

import numpy as np

from ecgtrace import Digitizer
from ecgtrace.datasets.drawn import DrawnCrops, Sheet
from ecgtrace.drawing.degrade import Degradation
from ecgtrace.drawing.style import PageStyle
from ecgtrace.records import PtbXl
from ecgtrace.records.sample import SampleRecords


def main() -> None:
    """Print a line for each digitizer and length of lead."""
    records = PtbXl(sys.argv[1]) if len(sys.argv) > 1 else SampleRecords()
    style = PageStyle(degradation=Degradation(jpeg_quality=75))
    print("digitizer  lead    crops  median s  largest s")
    for name in ("refined", "proposed", "baseline"):
        digitizer = Digitizer.from_pretrained(name)
        for layout, seconds in (("3x4", 2.5), ("3x1", 10.0)):
            crops = DrawnCrops(records, style, (Sheet(layout),), "test", 10, 10, seed=0)
            images = [crops[i].image for i in range(len(crops))]
            digitizer(images[0])
            times = []
            for image in images:
                began = time.perf_counter()
                digitizer(image)
                times.append(time.perf_counter() - began)
            print(f"{name:10s} {seconds:4.1f} s  {len(times):5d}  {np.median(times):8.2f}  {max(times):9.2f}")
    print(
        f"largest memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB"
    )


if __name__ == "__main__":
    main()
