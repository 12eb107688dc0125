"""
Read tall crops that other leads run through, with and without another way through the ink.

    python scripts/tall_crops.py PTBXL_DIR [STEP]     every STEP-th of them; by default all

Crops of the training and validation records in the style of the published dataset, taller than 480 px, that
another lead crosses or runs inside of: what the weights in `digitization/vertex_path.py` were chosen on. The
network has seen these training records, with other leads beside each other. Prints a line for each digitizer.
"""

import sys
from dataclasses import replace

import numpy as np

from ecgtrace.crops.cut import crop_box, cut
from ecgtrace.crops.drawn import Sheet
from ecgtrace.crops.training import kind
from ecgtrace.digitization.refined import RefinedDigitizer
from ecgtrace.errors import EcgTraceError
from ecgtrace.evaluation.metrics import FAILED_R, FAILED_SNR_DB, failed_mse_mv2, score
from ecgtrace.pages.degrade import Degradation
from ecgtrace.pages.style import PageStyle
from ecgtrace.records import PtbXl
from ecgtrace.segmentation.segmenter import NetworkSegmenter

TALLEST_USUAL_PX = 480
STARTS_S = (0.0, 5.0)


def main() -> None:
    """Find the crops, read them, and print what came of it."""
    records = PtbXl(sys.argv[1])
    step = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    style = PageStyle(degradation=Degradation(jpeg_quality=75))
    places = []
    for split in ("train", "val"):
        for record_id in records.split_ids(split):
            record = records.load(record_id)
            for start_s in STARTS_S:
                plan = Sheet("3x4", start_s).plan(record, style)
                for target in range(len(plan.traces)):
                    _, top, _, bottom = crop_box(plan, target)
                    if bottom - top >= TALLEST_USUAL_PX and kind(plan, target) in ("enclosed", "crossing"):
                        places.append((record_id, start_s, target))
    places = places[::step]
    refined = RefinedDigitizer(NetworkSegmenter())
    for name, digitizer in (("refined", refined), ("without ways", replace(refined, ways=False))):
        rows = []
        for i, (record_id, start_s, target) in enumerate(places):
            plan = Sheet("3x4", start_s).plan(records.load(record_id), style)
            crop = cut(plan, target, f"{record_id}_{target}", np.random.default_rng([0, i]))
            try:
                scores = score(crop, digitizer(crop.image))
                rows.append((scores.r, scores.mse_mv2, scores.snr_db))
            except EcgTraceError:
                rows.append((FAILED_R, failed_mse_mv2(crop.signal), FAILED_SNR_DB))
        r, mse_mv2, snr_db = np.array(rows).T
        bad = np.count_nonzero(r < 0.9)
        print(
            f"{name:12s} n={len(rows)}  r {r.mean():.4f} (worst {r.min():.3f}, {bad} below 0.9)  MSE"
            f" {mse_mv2.mean():.4f} mV2  SNR {snr_db.mean():.1f} dB (median {np.median(snr_db):.1f} dB)",
            flush=True,
        )


if __name__ == "__main__":
    main()
