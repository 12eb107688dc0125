"""What the JSON of a page says of its recording."""

from dataclasses import asdict
from typing import Any

import numpy as np

from ecgtrace.recording import RecordedLead, Recording


def facts(recording: Recording) -> dict[str, Any]:
    """
    Return paper, layout, leads and checks as plain values.

    Places are in `unit` of the page as it is shown; times on the page's axis, not rounded to samples.
    """
    return {
        "page": recording.page,
        "page_count": recording.page_count,
        "unit": recording.unit,
        "method": recording.method,
        "calibration": asdict(recording.calibration),
        "leads": [_lead(lead) for lead in recording.leads],
        "checks": [asdict(check) for check in recording.checks],
        "doubts": list(recording.doubts),
        "notes": list(recording.notes),
        "stage_seconds": {name: round(seconds, 4) for name, seconds in recording.stage_seconds.items()},
    }


def _lead(lead: RecordedLead) -> dict[str, Any]:
    known = np.flatnonzero(np.isfinite(lead.signal.amplitude_mv))
    return {
        "name": lead.name,
        "name_from": lead.name_from,
        "start_s": round(lead.start_s, 6),
        "end_s": round(lead.end_s, 6),
        "first_sample": int(known[0]),
        "n_samples": len(known),
        "boxes": [list(box) for box in lead.boxes],
    }
