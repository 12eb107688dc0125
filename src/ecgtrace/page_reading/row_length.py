"""Where the time of a page begins, by rows that are as long as recorders print them: 250 mm, ten seconds."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ecgtrace.page_ink.maps import MAP_PX_PER_MM
from ecgtrace.page_reading.lead import ReadLead

ROW_MM = 250.0  # 10 s at 25 mm/s, 5 s at 50 mm/s
GAP_MM = 0.6  # of bare paper between two columns; less is a bar, or the end of a stroke
TEN_S = 10.0  # of all columns
_SAMPLE_S = 0.0125  # the last sample lies one of 100 Hz before the next column, and is found to 2 ms
_WHOLE_S = 0.02  # half a millimetre, to which the end of a thin line is read
_LAST_S = 0.006  # the last sample lies 2 ms before the end of what is drawn at 500 Hz, 10 ms at 100 Hz
_APART_MM = 1.0  # rows that begin together do so within the width of a line
_TOGETHER_MM = 0.4  # as `leads` has it for the ends of a column
_EXACT_MM = 1.2  # rows of two machines are 249.2 mm long: what is seen moves for more alone
_NO_GAP_MM = 0.25
_HIDDEN_MM = 9.0  # a name of three large letters over the begin of a trace
FOOT_MM = 4.0  # the foot of a pulse that was taken for the trace, or the other way round
_GAP_MM = 26.0  # the widest between columns, for a name of four large letters
_ALIKE_MM = 0.8  # from gaps as they were seen
_BARE_MM = 1.0  # between columns of one row: names in gaps take more, what is lost at their ends less
_LEFT_MM = (1.0, 0.4)  # of a begin is bare, or the foot of a pulse
_ABOVE_MM, _BELOW_MM = 6.0, 1.5
_EDGE = 0.8  # of that height above is a pulse's falling edge
_SAME_MM, _MOST = 0.15, 0.75  # names of several widths hide begins, each another length
_EQUAL_MM = 0.25  # between columns of one length
_ROWS = 3  # of one length are no chance
_ROWS_SHARE = 0.016  # by which a pulse of few pixels, or of thick lines, may tell the scale wrong


def origins_by_length(
    leads: Sequence[ReadLead], seen_px: float, px_per_mm: float, per_s: float, is_sure: bool = False
) -> dict[int, float]:
    """
    Return where the time of columns begins, where the length of rows tells.

    Ends of rows are bare where no pulse stands there; their begins are hidden by names, or have the foot of a
    pulse before them. A strip that ends 250 mm from where it may begin is as long. Rows of several columns
    are as long as their strip, or 250 mm, less the paper that is left bare between columns.

    Parameters
    ----------
    leads : sequence of ReadLead
    seen_px : float
        Where the first column seems to begin, in px of the sheet.
    px_per_mm : float
    per_s : float
        Px to a second.
    is_sure : bool, default False
        Whether the first column begins where it seems to: the end of a pulse is seen there.

    Returns
    -------
    dict
        Of the first column, and where gaps fit, of all, as `axis.column_origins`; or empty.
    """
    columns = sorted({lead.region.column for lead in leads})
    first = [lead for lead in leads if lead.region.column == columns[0]]
    lasts = [lead for lead in leads if np.isinf(lead.region.until)]
    strips = _end_px(
        [lead for lead in lasts if lead.region.column == columns[0]], per_s, _TOGETHER_MM * px_per_mm
    )
    row_px = ROW_MM * px_per_mm - _LAST_S * per_s
    hidden = _is_hidden(first, px_per_mm)
    apart = _TOGETHER_MM * px_per_mm
    last = _end_px([lead for lead in lasts if lead.region.column == columns[-1]], per_s, apart)
    if last is not None and abs(last - seen_px - row_px) <= apart:
        return dict.fromkeys(columns, seen_px)
    origin, is_told = seen_px, False
    if strips is None and hidden and len(columns) > 1:  # how much paper is bare between columns is not known
        shared = outermost([-lead.start_px for lead in first], apart)
        if shared is not None and -shared <= seen_px:
            origin, is_told = -shared, True
    end = _end_px(lasts, per_s, apart) if strips is None and hidden else strips
    if end is not None and not is_told and not any(lead.pulse_behind for lead in lasts):
        begin = seen_px if is_sure else end - row_px
        reach = (_HIDDEN_MM if hidden else FOOT_MM) * px_per_mm
        is_told = seen_px - reach <= begin <= seen_px + FOOT_MM * px_per_mm
        # Where all rows begin alike nothing hides a begin, and what is missing are the ends.
        is_shown = _alike(first, seen_px, px_per_mm) and (not hidden or _is_whole(first, per_s))
        is_lost = begin < seen_px and is_shown
        if is_told and abs(begin - seen_px) > _EXACT_MM * px_per_mm and not is_lost:
            origin = begin
    told = {columns[0]: origin} if is_told else {}
    if len(columns) == 1 or last is None:
        return told
    if strips is not None:  # as long as the columns without the paper between them
        bare_mm = (last - strips) / px_per_mm / (len(columns) - 1)
    else:
        bare_mm = (last - origin - row_px) / px_per_mm / (len(columns) - 1)
        # A name in a gap may be read as the end of the trace before it: one gap that is seen whole is enough.
        away_mm = np.abs(np.subtract(_gaps_mm(leads, columns, px_per_mm, per_s), bare_mm)).min()
        if hidden != is_told or (not hidden and away_mm > _ALIKE_MM):
            return told
    if not -_NO_GAP_MM <= bare_mm <= _GAP_MM:
        return told
    step = max(0.0, bare_mm) * px_per_mm
    return {column: origin + number * step for number, column in enumerate(columns)}


def equal_columns(leads: Sequence[ReadLead], px_per_mm: float, per_s: float) -> dict[int, float]:
    """
    Return where the time of columns begins, as `axis.column_origins`, where all are of one length.

    Ten seconds in equal columns: where in each the leads begin and end together, and are as long, nothing is
    hidden and nothing lost, whatever a strip below them seems to be. Ends of the last may be lost.

    Parameters
    ----------
    leads : sequence of ReadLead
    px_per_mm : float
    per_s : float
        Px to a second.

    Returns
    -------
    dict
        By column; empty where columns are not of that length, or leads of one do not agree.
    """
    columns = sorted({lead.region.column for lead in leads})
    length_s = TEN_S / len(columns)
    near_px = _SAME_MM * px_per_mm
    origins = {}
    before = -np.inf
    for number, column in enumerate(columns):
        own = [lead for lead in leads if lead.region.column == column and not lead.region.strip]
        begins = np.array([lead.begin_px if number else lead.time0_px for lead in own])
        ends = np.array([lead.last_px(per_s) for lead in own])
        if len(own) < 2 or len(columns) < 2:
            return {}
        begin, end = float(np.median(begins)), float(np.median(ends))
        short_s = length_s - (end - begin) / per_s
        is_last = number == len(columns) - 1  # nothing tells where it ends, and its ends may be lost
        alike = np.mean(abs(begins - begin) <= near_px) > 0.5
        ends_alike = is_last or np.mean(abs(ends - end) <= near_px) > 0.5
        if not alike or not ends_alike or not 0 < short_s <= (np.inf if is_last else _SAMPLE_S):
            return {}
        if begin - before <= GAP_MM * px_per_mm:  # whether it is a gap is for the row's length to tell
            return {}
        origins[column] = begin - number * length_s * per_s
        before = end
    return origins


def stretch_to_length(
    leads: Sequence[ReadLead],
    px_per_mm: float,
    per_s: float,
    most: float,
    dark: NDArray[np.bool_] | None = None,
) -> float:
    """
    Return by what a scale is to be multiplied that rows are as long as recorders print them.

    A calibration pulse of 10 mm tells the scale within a hundredth, a row of 250 mm far better.

    Parameters
    ----------
    leads : sequence of ReadLead
    px_per_mm, per_s : float
        Px to a mm and to a second, as far as they are known.
    most : float
        Share by which they may be off.
    dark : ndarray of bool, shape of the maps, optional
        What is as dark as traces (`layout.ladder`). Where no ink touches their begins, as the foot of a pulse
        does, three rows of one length tell more than `most`.

    Returns
    -------
    float
        1 where no lead is so long within `most`, or those that are differ.
    """
    whole = [lead for lead in leads if not lead.pulse_behind]  # its foot may be the row's
    last_mm = _LAST_S * per_s / px_per_mm
    rows_mm = last_mm + np.array(_rows_mm(leads, px_per_mm, per_s, dark))
    leads_mm = last_mm + np.array([lead.last_px(per_s) - lead.begin_px for lead in whole]) / px_per_mm
    for lengths_mm, length_mm, share, least in (
        (rows_mm, ROW_MM, max(most, _ROWS_SHARE), _ROWS),
        (leads_mm, ROW_MM, most, 1),
        (leads_mm, ROW_MM / 2, most, max(1, len(leads) / 3)),
        (leads_mm, ROW_MM / 4, most, max(1, len(leads) / 3)),
    ):
        times = lengths_mm[np.abs(lengths_mm / length_mm - 1) <= share] / length_mm
        if len(times) >= least:
            middle = float(np.median(times))
            alike = np.abs(times - middle) * length_mm <= _ALIKE_MM
            return float(times[alike].mean()) if alike.sum() > len(times) / 2 else 1.0
    return 1.0


def _begins_bare(lead: ReadLead, px_per_mm: float, dark: NDArray[np.bool_]) -> bool:
    """Tell whether bare paper is left of where a lead begins."""
    per_px = MAP_PX_PER_MM / px_per_mm
    x, y = lead.begin_px * per_px, lead.region.zero_y * per_px
    left, right = (max(0, round(x - mm * MAP_PX_PER_MM)) for mm in _LEFT_MM)
    top, bottom = (max(0, round(y + mm * MAP_PX_PER_MM)) for mm in (-_ABOVE_MM, _BELOW_MM))
    edge = dark[top : round(y - MAP_PX_PER_MM), right : round(x + MAP_PX_PER_MM / 2)]
    falls = edge.size > 0 and edge.mean(axis=0).max() > _EDGE
    return right > left and not falls and not dark[top:bottom, left:right].any()


def _rows_mm(
    leads: Sequence[ReadLead], px_per_mm: float, per_s: float, dark: NDArray[np.bool_] | None
) -> list[float]:
    """Return how long rows are that begin bare and have no bare paper between their columns."""
    lengths: list[float] = []
    if dark is None:
        return lengths
    for row in {lead.region.row for lead in leads}:
        own = sorted((lead for lead in leads if lead.region.row == row), key=lambda lead: lead.region.column)
        gaps = [(after.begin_px - lead.last_px(per_s)) / px_per_mm for lead, after in pairwise(own)]
        is_whole = max(gaps, default=0.0) <= _BARE_MM and not own[-1].pulse_behind
        # Bars between columns widen a row; of columns of one length it is known how much is theirs.
        columns_mm = [(lead.last_px(per_s) - lead.begin_px) / px_per_mm for lead in own]
        is_whole &= float(np.ptp(columns_mm)) <= _EQUAL_MM
        if is_whole and _begins_bare(own[0], px_per_mm, dark):
            lengths.append((own[-1].last_px(per_s) - own[0].begin_px) / px_per_mm)
    return lengths


def _end_px(leads: Sequence[ReadLead], per_s: float, apart_px: float) -> float | None:
    """Return where leads end that end together; None where they do not."""
    return outermost([lead.last_px(per_s) for lead in leads], apart_px)


def outermost(places_px: Sequence[float], apart_px: float) -> float | None:
    """
    Return the farthest of several places that two of them share: what is hidden shortens a trace.

    Of one place it is that; None where no two are near each other.
    """
    ordered = sorted(places_px, reverse=True)
    if len(ordered) == 1:
        return ordered[0]
    for first, second in pairwise(ordered):
        if first - second <= apart_px:
            return (first + second) / 2
    return None


def _is_hidden(first: Sequence[ReadLead], px_per_mm: float) -> bool:
    """Tell whether few rows begin where the first seems to, or rows begin later than the maps have ink."""
    apart = _APART_MM * px_per_mm
    late = [lead.start_px - lead.region.start for lead in first]
    behind = [lead.region.start - min(lead.region.start for lead in first) for lead in first]
    return bool(np.median(behind) > apart or np.median(late) > apart)


def _alike(first: Sequence[ReadLead], seen_px: float, px_per_mm: float) -> bool:
    """Tell whether several rows begin in one place, to less than the width of a line."""
    apart = [abs(lead.time0_px - seen_px) <= _SAME_MM * px_per_mm for lead in first]
    return len(apart) >= _ROWS and float(np.mean(apart)) >= _MOST


def _is_whole(first: Sequence[ReadLead], per_s: float) -> bool:
    """Tell whether the leads of a column, strips aside, are of whole halves of a second."""
    own = [(lead.last_px(per_s) - lead.time0_px) / per_s for lead in first if not lead.region.strip]
    if len(own) < 2:
        return False
    seen_s = float(np.median(own)) + _LAST_S
    return abs(seen_s - round(2 * seen_s) / 2) <= _WHOLE_S


def _gaps_mm(
    leads: Sequence[ReadLead], columns: Sequence[int], px_per_mm: float, per_s: float
) -> list[float]:
    """Return how far the leads of each column begin behind the end of the one before."""
    gaps = []
    for before, column in pairwise(columns):
        begins = [lead.begin_px for lead in leads if lead.region.column == column]
        rows = {lead.region.row for lead in leads if lead.region.column == column}
        ends = [
            lead.last_px(per_s) for lead in leads if lead.region.column == before and lead.region.row in rows
        ]
        if ends:
            gaps.append(float(np.median(begins) - np.median(ends)) / px_per_mm)
    return gaps or [0.0]
