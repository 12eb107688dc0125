"""Which rows of a page are rhythm strips, and what its layout is called."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ecgtrace.page_ink.maps import NAME_CLASSES
from ecgtrace.units import LEADS

_LEGIBLE, _SURE = 0.6, 0.9  # of a name, and of one that tells a strip


def are_strips(rows: Sequence[int]) -> list[bool]:
    """
    Tell for each piece of a page, by the row that it is in, whether it is a rhythm strip.

    Examples
    --------
    >>> are_strips([0, 0, 1, 1, 2])
    [False, False, False, False, True]
    """
    counts = Counter(rows)
    most = max(counts.values(), default=0)
    full = [row for row in sorted(counts) if counts[row] == most]
    if most == 1 and len(full) > len(LEADS):  # of one column, what comes after the twelfth row is a strip
        full = full[: len(LEADS)]
    return [row not in full for row in rows]


def named_again(scores: Sequence[Sequence[float]]) -> int:
    """Count the last rows of one column that repeat leads of the three or six above them; 0: they do not."""
    best = [max(own, default=0.0) for own in scores]
    names = [NAME_CLASSES[int(np.argmax(own))] if len(own) and max(own) >= _LEGIBLE else "" for own in scores]
    for above in (6, 3):
        below = names[above:]
        is_sure = names[:above].count("") <= 1 and all(score >= _SURE for score in best[above:])
        if is_sure and 0 < len(below) < above and all(name in set(names[:above]) - {""} for name in below):
            return len(below)
    return 0


def layout_name(rows: Sequence[int]) -> str:
    """
    Return rows x columns, and `+` with the number of rows of one lead among rows of several.

    Rows of different length otherwise are told one by one.

    Parameters
    ----------
    rows : sequence of int
        Of each piece of the page, the row that it is in.

    Examples
    --------
    >>> layout_name([0, 0, 1, 1, 2]), layout_name([0, 1, 2]), layout_name([0, 0, 0, 1, 1, 2])
    ('2x2+1', '3x1', '3,2,1')
    >>> layout_name(range(13))
    '12x1+1'
    """
    counts = [count for _, count in sorted(Counter(rows).items())]
    if not counts:
        return ""
    most = max(counts)
    if most == 1 and len(counts) > len(LEADS):  # what comes after the twelfth row is a strip
        return f"{len(LEADS)}x1+{len(counts) - len(LEADS)}"
    if set(counts) <= {most, 1}:
        full = counts.count(most)
        return f"{full}x{most}" + (f"+{len(counts) - full}" if full < len(counts) else "")
    return ",".join(str(count) for count in counts)
