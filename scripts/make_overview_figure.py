"""
Draw the picture of the README: page, crop, mask, signal.

    python scripts/make_overview_figure.py docs/images/overview.png
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

from ecgtrace.datasets.cut import crop_box, cut, overlap
from ecgtrace.datasets.drawn import Sheet
from ecgtrace.digitization.proposed import ProposedDigitizer
from ecgtrace.drawing.degrade import Degradation
from ecgtrace.drawing.render import draw
from ecgtrace.drawing.style import PageStyle
from ecgtrace.records.sample import SampleRecords
from ecgtrace.segmentation.segmenter import NetworkSegmenter
from ecgtrace.units import px_to_s

STYLE = PageStyle(degradation=Degradation(jpeg_quality=75))


def main(path: str) -> None:
    """Draw the first overlapping lead of the test split of the sample records."""
    records = SampleRecords()
    sheet = Sheet("3x4")
    plan, target = next(
        (plan, target)
        for plan in (sheet.plan(records.load(r), STYLE) for r in records.split_ids("test"))
        for target in range(6, 12)
        if overlap(plan, target)[0] > 300
    )
    crop = cut(plan, target, "overview")
    segmenter = NetworkSegmenter()
    probability = segmenter(crop.image, px_to_s(crop.image.shape[1], STYLE.px_per_mm))
    signal = ProposedDigitizer(segmenter)(crop.image)

    figure, axes = plt.subplots(
        4, 1, figsize=(9, 10), height_ratios=(2.6, 1.6, 1.6, 1.6), layout="constrained"
    )
    page, picture, mask, trace = axes
    x0, y0, x1, y1 = crop_box(plan, target)
    page.imshow(draw(plan))
    page.add_patch(plt.Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, color="tab:blue", lw=2))
    page.set_title(f"a page, and the crop of lead {crop.lead}", loc="left")
    picture.imshow(crop.image, aspect="auto")
    picture.set_title("the crop: a neighbour's ink enters", loc="left")
    mask.imshow(probability, cmap="gray_r", aspect="auto", vmin=0, vmax=1)
    mask.set_title("the network's mask: the target trace alone", loc="left")
    for axis in (page, picture, mask):
        axis.set_xticks([])
        axis.set_yticks([])
    time_s = np.arange(len(crop.signal)) / crop.fs_hz
    trace.plot(time_s, crop.signal - np.median(crop.signal), color="0.7", lw=4, label="truth")
    trace.plot(signal.time_s, signal.amplitude_mv, color="tab:blue", lw=1, label="digitized")
    trace.set(xlabel="time (s)", ylabel="amplitude (mV)", xlim=(0, time_s[-1]))
    trace.legend(loc="upper right", frameon=False)
    trace.set_title("the signal", loc="left")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main(sys.argv[1])
