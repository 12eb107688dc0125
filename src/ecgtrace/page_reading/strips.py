"""Rhythm strips: which lead each shows, told by the lead that it repeats."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ecgtrace.layout.given import OPTION
from ecgtrace.page_reading.axis import PlacedLead
from ecgtrace.page_reading.merge import moved
from ecgtrace.page_reading.repeats import NAMED, column_begins, find_repeat, repeated
from ecgtrace.units import LEADS


def name_strips(leads: Sequence[PlacedLead]) -> tuple[list[PlacedLead], list[str]]:
    """
    Name the strips whose names were not read well.

    A strip equals its short lead wherever the page shows both: if one lead alone does, it is that.

    Parameters
    ----------
    leads : sequence of PlacedLead

    Returns
    -------
    (list of PlacedLead, list of str)
        In the same order; and what to tell of it.
    """
    known = [
        part
        for part in leads
        if not part.lead.region.strip and part.lead.region.name.removeprefix("-") in LEADS
    ]
    begins = column_begins(leads)
    named: list[PlacedLead] = []
    notes: list[str] = []
    for part in leads:
        region = part.lead.region
        is_given = region.name_from == OPTION and region.name
        if region.strip and not is_given and (region.score < NAMED or region.name not in LEADS):
            found = repeated(part.signal, known, begins)
            name = found[0].lead.region.name.removeprefix("-") if found else ""
            notes += [f"a strip is {name} by what it shows"] if name else []
            name_from = "text" if name else region.name_from
            region = replace(region, name=name, score=float(bool(name)), name_from=name_from)
        named.append(replace(part, lead=replace(part.lead, region=region)))
    return named, notes


def at_their_time(parts: Sequence[PlacedLead], begins: Mapping[int, float]) -> list[PlacedLead]:
    """
    Return a lead's places at the times of its strip, where all columns show the same seconds.

    Parameters
    ----------
    parts : sequence of PlacedLead
        Of one lead, its strip the first.
    begins : mapping of int to float
        When columns begin (`repeats.column_begins`).
    """
    first, *others = parts
    found = [first]
    for part in others:
        begin_s = begins.get(part.lead.region.column, 0.0)
        repeat = find_repeat(first.signal, part.signal, begin_s)
        if repeat is not None and repeat.same:
            part = replace(part, signal=moved(part.signal, -repeat.lag_s * part.signal.fs_hz))
        found.append(part)
    return found
