"""Whether the traces of a page are a heart's: beats stand out of them, as far as they can be told apart."""

from collections.abc import Sequence

import numpy as np

from ecgtrace.digitization.beats import NO_HEART, narrow_waves
from ecgtrace.errors import PageError
from ecgtrace.layout.regions import RasterLayout
from ecgtrace.recording import RecordedLead

NO_BEATS = "no heart beat stands out of the traces: look whether this is an ECG"
_NAMED = 0.5  # of the traces


def require_heart(layout: RasterLayout) -> None:
    """
    Refuse curves that are no ECG: neither do beats stand out of them, nor have most of them a lead's name.

    By the maps alone, before anything is read. Of traces too short to hold a beat none does.

    Parameters
    ----------
    layout : RasterLayout
        Of the maps.

    Raises
    ------
    PageError
    """
    if not layout.regions:
        return
    named = sum(bool(region.name) for region in layout.regions)
    if len(layout.regions) > 1 and named >= _NAMED * len(layout.regions):
        return
    told = [layout.rows[one.row].narrow_waves(one.start, one.end) for one in layout.regions]
    known = [value for value in told if value is not None]
    if known and np.median(known) >= NO_HEART:
        return
    lines = "one line was" if len(layout.regions) == 1 else f"{len(layout.regions)} pieces of lines were"
    raise PageError(
        f"{lines} found, {named} of them with a lead's name, but no heart beat stands out: this seems to be "
        "no page of an ECG; a single lead is read with content=lead"
    )


def heart_doubt(leads: Sequence[RecordedLead]) -> str:
    """Say that no beat stands out of most of the leads that were read; empty where they do."""
    told = [narrow_waves(lead.signal.amplitude_mv, lead.signal.fs_hz) for lead in leads]
    known = [value for value in told if value is not None]
    return NO_BEATS if known and np.median(known) < NO_HEART else ""
