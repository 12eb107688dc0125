"""
Which lead stands where: by what was read of each name, and by the orders that recorders print.

A name that is hard to read is certain all the same where the others are those of a usual order. An order is
taken only if no name that was read well contradicts it; else each name is what was read, no lead twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from ecgtrace.page_ink.maps import NAME_CLASSES
from ecgtrace.types import FloatArray
from ecgtrace.units import LEADS

_LIMB, _AUGMENTED = ("I", "II", "III"), ("aVR", "aVL", "aVF")
_LEFT, _RIGHT = ("V1", "V2", "V3"), ("V4", "V5", "V6")
_CABRERA = ("aVL", "I", "-aVR", "II", "aVF", "III")

# Columns from left to right, each from top to bottom, by (rows, columns).
ORDERS: dict[tuple[int, int], tuple[tuple[tuple[str, ...], ...], ...]] = {
    (3, 4): ((_LIMB, _AUGMENTED, _LEFT, _RIGHT), (_CABRERA[:3], _CABRERA[3:], _LEFT, _RIGHT)),
    (6, 2): ((_LIMB + _AUGMENTED, _LEFT + _RIGHT), (_CABRERA, _LEFT + _RIGHT)),
    (12, 1): ((_LIMB + _AUGMENTED + _LEFT + _RIGHT,), (_CABRERA + _LEFT + _RIGHT,)),
    (6, 1): ((_LIMB + _AUGMENTED,), (_CABRERA,), (_LEFT + _RIGHT,)),
    (4, 3): (
        ((*_LIMB, "aVR"), ("aVL", "aVF", "V1", "V2"), ("V3", *_RIGHT)),
        (_CABRERA[:4], (*_CABRERA[4:], "V1", "V2"), ("V3", *_RIGHT)),
    ),
    (3, 1): ((_LIMB,), (_AUGMENTED,), (_LEFT,), (_RIGHT,)),
}
_FLOOR = 0.02  # of a score: nothing that a network says is impossible
_WELL = 0.7  # share of the scores of a name that was read well; by eye on drawn pages
_READ = 0.5  # a name of its own with a smaller share is a guess
_HALF = 0.5  # of the names must be read as the order has them
_DROP = 1.2  # nats by name that an order may be less likely than the names as they were read


@dataclass(frozen=True)
class Naming:
    """
    The names of the pieces of a page.

    Attributes
    ----------
    names : tuple of str
        One of `NAME_CLASSES` for each piece; empty where none could be read.
    shares : tuple of float
        How much of what was read there speaks for it, in [0, 1].
    by_order : int
        How many names are not what was read alone, but those of a usual order.
    """

    names: tuple[str, ...]
    shares: tuple[float, ...]
    by_order: int = 0


def decide_names(
    places: Sequence[tuple[int, int]], scores: Sequence[Sequence[float]], strips: Sequence[bool]
) -> Naming:
    """
    Name the pieces of a page.

    Parameters
    ----------
    places : sequence of (int, int)
        Row and column of each piece.
    scores : sequence of sequence of float
        Of every class of `NAME_CLASSES` at the name of each piece; empty where no name stands.
    strips : sequence of bool
        Which pieces are rhythm strips, whose leads stand elsewhere, too.

    Returns
    -------
    Naming
    """
    shares = [_shares(one) for one in scores]
    main = [i for i, strip in enumerate(strips) if not strip]
    names = [""] * len(places)
    of_name = [0.0] * len(places)
    for i, share in enumerate(shares):
        if share is not None and strips[i]:
            kind = int(share.argmax())
            names[i], of_name[i] = NAME_CLASSES[kind], float(share[kind])
    order = _order([places[i] for i in main], [shares[i] for i in main])
    by_order = 0
    if order is not None:
        for i, name in zip(main, order, strict=True):
            share = shares[i]
            if share is not None and name == "-aVR":
                share = _without_sign(share)
            names[i] = name
            of_name[i] = 1.0 if share is None else float(share[NAME_CLASSES.index(name)])
            by_order += share is None or NAME_CLASSES[int(share.argmax())] != name
        return Naming(tuple(names), tuple(of_name), by_order)
    read = [i for i in main if shares[i] is not None]
    if read:
        cost = -np.log(np.stack([np.asarray(shares[i]) for i in read]))
        for row, kind in zip(*_assigned(cost), strict=True):
            i = read[row]
            names[i], of_name[i] = NAME_CLASSES[kind], float(np.exp(-cost[row, kind]))
    kept = [name if share >= _READ else "" for name, share in zip(names, of_name, strict=True)]
    return Naming(tuple(kept), tuple(of_name))


def _assigned(cost: FloatArray) -> tuple[list[int], list[int]]:
    """Give each name to one piece at the most; `other` may come several times."""
    n_rows = len(cost)
    twelve = cost[:, : len(LEADS)].copy()
    minus_avr = NAME_CLASSES.index("-aVR")
    avr = NAME_CLASSES.index("aVR")
    inverted = cost[:, minus_avr] < twelve[:, avr]
    twelve[:, avr] = np.minimum(twelve[:, avr], cost[:, minus_avr])
    other = np.repeat(cost[:, NAME_CLASSES.index("other")][:, None], n_rows, axis=1)
    rows, kinds = linear_sum_assignment(np.hstack([twelve, other]))
    found = []
    for row, kind in zip(rows.tolist(), kinds.tolist(), strict=True):
        if kind >= len(LEADS):
            found.append(NAME_CLASSES.index("other"))
        else:
            found.append(minus_avr if kind == avr and inverted[row] else kind)
    return rows.tolist(), found


def _shares(scores: Sequence[float]) -> FloatArray | None:
    if not len(scores):
        return None
    floored = np.asarray(scores, float) + _FLOOR
    return np.asarray(floored / floored.sum())


def _without_sign(share: FloatArray) -> FloatArray:
    """Count aVR as -aVR, which stands there in Cabrera's order: its sign is a small stroke, easily missed."""
    plus, minus = NAME_CLASSES.index("aVR"), NAME_CLASSES.index("-aVR")
    told = share.copy()
    told[minus] += told[plus] - _FLOOR
    told[plus] = _FLOOR
    return told


def _order(places: Sequence[tuple[int, int]], shares: Sequence[FloatArray | None]) -> list[str] | None:
    """Return the names of the usual order that the names read speak for; None where they speak for none."""
    rows = sorted({row for row, _ in places})
    columns = sorted({column for _, column in places})
    if len(places) != len(rows) * len(columns):
        return None
    best: tuple[float, list[str]] | None = None
    known = [share for share in shares if share is not None]
    if len(known) <= _HALF * len(places):
        return None
    as_read = sum(float(np.log(share.max())) for share in known)
    for order in ORDERS.get((len(rows), len(columns)), ()):
        names = [order[columns.index(column)][rows.index(row)] for row, column in places]
        total, alike, against = 0.0, 0, False
        for name, share in zip(names, shares, strict=True):
            if share is None:
                continue
            kind = NAME_CLASSES.index(name)
            if name == "-aVR":
                share = _without_sign(share)
            total += float(np.log(share[kind]))
            alike += int(share.argmax()) == kind
            against |= int(share.argmax()) != kind and float(share.max()) >= _WELL
        if against or alike < _HALF * len(known) or as_read - total > _DROP * len(known):
            continue
        if best is None or total > best[0]:
            best = (total, names)
    return None if best is None else best[1]
