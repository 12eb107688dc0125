"""Whether the leads of a column end together, as recorders print them."""

from collections.abc import Sequence

from ecgtrace.page_reading.axis import PlacedLead
from ecgtrace.page_reading.row_length import outermost

_SHORT_S = 0.16  # 4 mm at 25 mm/s: of well-read leads of drawn pages none in a hundred ends so early
_ALIKE_S = 0.06


def ragged_ends(leads: Sequence[PlacedLead]) -> list[str]:
    """
    Doubt leads that end before others of their column: what they show there was not read.

    Parameters
    ----------
    leads : sequence of PlacedLead
        On one axis.
    """
    doubts = []
    for place in sorted({(part.lead.region.column, part.lead.region.strip) for part in leads}):
        own = [part for part in leads if (part.lead.region.column, part.lead.region.strip) == place]
        end_s = outermost([part.end_s for part in own], _ALIKE_S)
        if end_s is None or len(own) < 2:
            continue
        for part in own:
            if end_s - part.end_s > _SHORT_S:
                name = part.lead.region.name or "a lead without a name"
                doubts.append(f"{name}: it ends {end_s - part.end_s:.2f} s before others of its column")
    return doubts
