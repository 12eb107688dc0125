"""
Measure how many lead crops with masks one core draws per second.

    python scripts/time_renderer.py
"""

import time

import cv2

from ecgtrace.datasets.cut import cut
from ecgtrace.datasets.drawn import Sheet
from ecgtrace.drawing.degrade import Degradation
from ecgtrace.drawing.style import PageStyle
from ecgtrace.records.sample import SampleRecords


def crops_per_second(style: PageStyle, n_pages: int = 20) -> float:
    """Draw all leads of 3x4 pages, layout included; loading the records is not counted."""
    records = SampleRecords()
    loaded = [records.load(record_id) for record_id in records.split_ids("train")[:n_pages]]
    start = time.process_time()
    count = 0
    for record in loaded:
        plan = Sheet("3x4").plan(record, style)
        for target in range(len(plan.traces)):
            cut(plan, target, "timed")
            count += 1
    return count / (time.process_time() - start)


if __name__ == "__main__":
    cv2.setNumThreads(1)
    crops_per_second(PageStyle(), 2)  # warm-up
    print(f"drawn: {crops_per_second(PageStyle()):.0f} crops per second and core")
    published = PageStyle(degradation=Degradation(jpeg_quality=75))
    print(f"drawn, saved as JPEG and read back: {crops_per_second(published):.0f}")
