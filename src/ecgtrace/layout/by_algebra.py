"""
Names that are not on the page, or could not be read: told by the sums of the limb leads, or not at all.

All ways are tried in which traces may be limb leads that no name read on the page contradicts: of
`orders.ORDERS`, which tells the leads of a column, the row is left open. A lead is told where all the ways
that fit agree about it. Nothing tells chest leads, nor I from III where no augmented lead is shown with them:
these are named as usual only if the sums hold for one usual order and for no other. That is a doubt, since a
page with III above I looks the same.

Sums are of what was recorded: exchanged electrodes and a heart on the right side change none of them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from ecgtrace.layout.algebra import LIMB, alike, fits, joined, windows
from ecgtrace.layout.orders import ORDERS
from ecgtrace.types import FloatArray

TEXT, ALGEBRA, ORDER, NONE = "text", "algebra", "order and algebra", "none"

# Wrong names began at 0.3 and at 1.5: scripts/check_algebra.py.
_FITS = 0.2  # of the traces' own rms may be left by a sum
_CLEAR = 2.0  # times as much must be left by any way that names a lead otherwise
_LEAST_RELATIONS = 2  # sums that hold; one may hold by chance

# A strip equals its lead: as `page_reading.strips`.
_SAME, _NEXT = 0.12, 0.5

_LIMB_NAMES = frozenset(LIMB)
_MOST_WAYS = 800  # of placing a set in a column that are all tried: 6! = 720
_NEAREST = 3  # traces that may be a lead whose signal is known, where there are more ways

_ONE_LOST = (5, 11)  # traces of a column of six or twelve of which one is missing

Names = tuple[str, ...]
Pattern = tuple[frozenset[str], ...]  # leads that stand in one column, of each column that has limb leads
_SIXES: list[Pattern] = [(_LIMB_NAMES - {"-aVR"},), (_LIMB_NAMES - {"aVR"},)]


@dataclass(frozen=True, eq=False)
class Trace:
    """
    A trace on a page.

    Attributes
    ----------
    row, column : int
    amplitude_mv : ndarray of float, shape (n_samples,)
        On the page's axis, NaN where not shown. The right way up if its name was read as `-aVR`.
    name : str
        As it was read; empty where none was.
    strip : bool
        Whether its lead stands elsewhere, too.
    """

    row: int
    column: int
    amplitude_mv: FloatArray = field(repr=False)
    name: str = ""
    strip: bool = False


@dataclass(frozen=True)
class Told:
    """
    The names of traces.

    Attributes
    ----------
    names : tuple of str
        Of each trace; empty where nothing tells. `-aVR` where a trace without a name must be turned over.
    name_from : tuple of str
        `text` as read, `algebra`, `order and algebra`, or `none`.
    doubts, notes : tuple of str
    """

    names: Names
    name_from: tuple[str, ...]
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def tell_names(traces: Sequence[Trace], fs_hz: float) -> Told:
    """
    Name the traces whose names were not read; names that were read stay.

    Parameters
    ----------
    traces : sequence of Trace
        Of one page.
    fs_hz : float
    """
    names = [trace.name for trace in traces]
    name_from = [TEXT if name else NONE for name in names]
    doubts: list[str] = []
    notes: list[str] = []
    if all(names):
        return Told(tuple(names), tuple(name_from))
    repeats = _repeats(traces, fs_hz)
    notes += [
        f"a strip and a lead are both {n}: they are alike" for n in _same_name(repeats, names, name_from)
    ]
    page = _Page(traces, names, repeats, fs_hz)
    by_algebra, by_order = page.told()
    for told, how in ((by_algebra, ALGEBRA), (by_order, ORDER)):
        for i, name in told.items():
            names[i], name_from[i] = name, how
    _same_name(repeats, names, name_from)
    if by_algebra:
        notes.append(
            f"names not printed or not read: {', '.join(by_algebra.values())} are told by the sums of the "
            "limb leads"
        )
    if by_order:
        doubts.append(
            f"names of {len(by_order)} leads were not printed or not read: they are those of the usual "
            "order, which the sums of the limb leads confirm"
        )
    return Told(tuple(names), tuple(name_from), tuple(doubts), tuple(notes))


def _repeats(traces: Sequence[Trace], fs_hz: float) -> dict[int, int]:
    """Return for each strip the trace that it repeats, where one alone is as it is."""
    found = {}
    for i, strip in enumerate(traces):
        if not strip.strip:
            continue
        left = (
            (alike(strip.amplitude_mv, other.amplitude_mv, fs_hz), k)
            for k, other in enumerate(traces)
            if not other.strip
        )
        ranked = [*sorted((value, k) for value, k in left if value is not None), (np.inf, -1)]
        if len(ranked) > 1 and ranked[0][0] <= min(_SAME, _NEXT * ranked[1][0]):
            found[i] = ranked[0][1]
    return found


def _same_name(repeats: Mapping[int, int], names: list[str], name_from: list[str]) -> list[str]:
    """Give a strip and its lead one name where one of them has none; return the names."""
    given = []
    for strip, lead in repeats.items():
        for one, other in ((strip, lead), (lead, strip)):
            # One lead may have several strips; that two leads are one is for nobody to say.
            if (
                names[other]
                and not names[one]
                and (one == strip or names[other] not in _all_but(repeats, names))
            ):
                # What was read upside down has been turned; what was told has not.
                names[one] = names[other].removeprefix("-") if name_from[other] == TEXT else names[other]
                name_from[one] = ALGEBRA if name_from[other] == TEXT else name_from[other]
                given.append(names[one])
    return given


def _all_but(strips: Iterable[int], names: Sequence[str]) -> set[str]:
    return {name for i, name in enumerate(names) if i not in {*strips}}


class _Page:
    """What may be which limb lead on a page, and how well it fits."""

    def __init__(
        self, traces: Sequence[Trace], names: Sequence[str], repeats: Mapping[int, int], fs_hz: float
    ):
        self.traces = traces
        self.read = [name.removeprefix("-") for name in names]
        self.main = [i for i, trace in enumerate(traces) if not trace.strip]
        self.columns: dict[int, list[int]] = {}
        for i in sorted(self.main, key=lambda i: traces[i].row):
            self.columns.setdefault(traces[i].column, []).append(i)
        self.rows = sorted({traces[i].row for i in self.main})
        self.orders = ORDERS.get((len(self.rows), len(self.columns)), ())
        # A strip that repeats no trace is a lead of its own.
        self.alone = [
            i for i, t in enumerate(traces) if t.strip and i not in repeats and self.read[i] in LIMB
        ]
        used = [i for i in self.main if self.read[i] in ("", *LIMB)] + self.alone
        values = {i: traces[i].amplitude_mv for i in used}
        for strip, lead in repeats.items():
            if lead in values:
                values[lead] = joined(traces[strip].amplitude_mv, values[lead])
        self.shown = windows(values, fs_hz)

    def told(self) -> tuple[dict[int, str], dict[int, str]]:
        """Return the names that sums tell, and those that a usual order tells, of traces without a name."""
        for patterns in self._tiers():
            near = self._near(patterns)
            if near:
                called = {i: {way.get(i, "") for way in near} for i in self.main if not self.read[i]}
                told = {i: names.pop() for i, names in called.items() if len(names) == 1}
                by_algebra = {i: name for i, name in told.items() if name}
                return by_algebra, self._by_order(near, by_algebra)
        return {}, {}

    def _near(self, patterns: Iterable[Pattern]) -> list[dict[int, str]]:
        """Return the ways to give limb leads to traces that fit, and those that fit nearly as well."""
        ways = []
        for names, chosen in self._ways(patterns):
            signed = [self._signed(name, i) for i, name in zip(chosen[0], names, strict=True)]
            alone = np.tile(np.array(self.alone, int), (len(chosen), 1))
            relations, share = fits(
                self.shown, [*signed, *(self.read[i] for i in self.alone)], np.hstack([chosen, alone])
            )
            least = 1 if self.alone or any(self.read[i] for i in chosen[0]) else _LEAST_RELATIONS
            ways += [(share[k], names, chosen[k]) for k in np.flatnonzero(relations >= least)]
        best = min((share for share, _, _ in ways), default=np.inf)
        if best > _FITS:
            return []
        return [
            dict(zip(own.tolist(), names, strict=True))
            for share, names, own in ways
            if share <= _CLEAR * best
        ]

    def _signed(self, name: str, trace: int) -> str:
        return name.removeprefix("-") if self.read[trace] else name  # what was read is the right way up

    def _by_order(self, near: Sequence[dict[int, str]], by_algebra: Mapping[int, str]) -> dict[int, str]:
        """Return the names that one usual order alone gives, of all that fit the names and the sums."""
        full = len(self.main) == len(self.rows) * len(self.columns)
        if not full or len({self._checked(way) for way in near}) > 1:  # they must agree which are limb leads
            return {}
        columns = sorted(self.columns)
        fitting = []
        for order in self.orders:
            placed = {
                i: order[columns.index(self.traces[i].column)][self.rows.index(self.traces[i].row)]
                for i in self.main
            }
            as_read = all(self.read[i] in ("", name.removeprefix("-")) for i, name in placed.items())
            if as_read and {i: name for i, name in placed.items() if name in LIMB} in near:
                fitting.append(placed)
        if len(fitting) != 1:
            return {}
        return {i: n for i, n in fitting[0].items() if not self.read[i] and i not in by_algebra}

    def _checked(self, way: Iterable[int]) -> frozenset[int]:
        """Return the limb leads of a way that are so many in one column that a sum holds among them."""
        columns = Counter(self.traces[i].column for i in way)
        return frozenset(i for i in way if columns[self.traces[i].column] > 2)

    def _tiers(self) -> Iterator[list[Pattern]]:
        """Return which limb leads may stand together in columns: all of a layout, then with one missing."""
        usual = [
            tuple(limb for column in order if (limb := frozenset(column) & _LIMB_NAMES))
            for order in self.orders
        ]
        patterns = [pattern for pattern in usual if pattern]
        if not usual or any(six in patterns for six in _SIXES):
            patterns += _SIXES
        yield list(dict.fromkeys(patterns))
        if any(len(column) in _ONE_LOST for column in self.columns.values()):
            yield [(six[0] - {name},) for six in _SIXES if six in patterns for name in sorted(six[0])]

    def _ways(self, patterns: Iterable[Pattern]) -> Iterator[tuple[Names, NDArray[np.int_]]]:
        """Yield limb leads, and the traces that each may be: arrays of shape (n_ways, n_leads)."""
        of_read = [i for i in self.main if self.read[i] in LIMB]
        for pattern in patterns:
            names = tuple(name for limb in pattern for name in sorted(limb))
            if not {self.read[i] for i in of_read} <= {name.removeprefix("-") for name in names}:
                continue
            for columns in permutations(self.columns, len(pattern)):
                chosen = np.zeros((1, 0), int)
                for column, limb in zip(columns, pattern, strict=True):
                    own = self._placings(self.columns[column], sorted(limb))
                    before = np.repeat(chosen, len(own), axis=0)
                    chosen = np.hstack([before, np.tile(own, (len(chosen), 1))])
                if len(chosen) and {*of_read} <= {*chosen[0].tolist()}:
                    yield names, chosen

    def _placings(self, column: Sequence[int], limb: Sequence[str]) -> NDArray[np.int_]:
        """Return the traces of a column that leads may be: the one read so, or each without a name."""
        allowed = []
        for name in limb:
            said = [i for i in column if self.read[i] == name.removeprefix("-")]
            allowed.append(said or [i for i in column if not self.read[i]])
        n_ways = np.prod([max(1, len(own) - k) for k, own in enumerate(allowed)])
        if n_ways > _MOST_WAYS:
            signed = [
                self._signed(name, own[0]) if own else name for name, own in zip(limb, allowed, strict=True)
            ]
            return self._likely(signed, allowed)
        return np.array(list(_choices(allowed)), int).reshape(-1, len(limb))

    def _likely(self, limb: Sequence[str], allowed: Sequence[Sequence[int]]) -> NDArray[np.int_]:
        """Return the likely of many: two leads tell what the others are like, which must be near."""
        may_be = {i for own in allowed for i in own}
        window = max(self.shown, key=lambda w: len(may_be & {*w.traces}), default=None)
        nowhere = np.zeros((0, len(limb)), int)
        if window is None:
            return nowhere
        own = window.covariance
        power = np.diag(own)
        places = [
            np.array([window.traces.index(i) for i in one if i in window.traces], int) for one in allowed
        ]
        if any(not len(one) for one in places):
            return nowhere
        a, b = (one.ravel() for one in np.meshgrid(places[0], places[1]))
        a, b = a[a != b], b[a != b]
        pair = np.linalg.inv(np.array([LIMB[name] for name in limb[:2]]))
        nearest, left_mv2 = [], []
        for name, others in zip(limb[2:], places[2:], strict=True):
            u, v = np.array(LIMB[name]) @ pair
            sums = u**2 * power[a] + v**2 * power[b] + 2 * u * v * own[a, b]
            left = sums[:, None] - 2 * (u * own[a][:, others] + v * own[b][:, others]) + power[others]
            best = np.argsort(left, axis=1)[:, :_NEAREST]
            nearest.append(others[best])
            left_mv2.append(np.take_along_axis(left, best, axis=1))
        chosen = []
        for picks in product(*(range(one.shape[1]) for one in nearest)):
            rest = [one[:, k] for one, k in zip(nearest, picks, strict=True)]
            worst = np.max([one[:, k] for one, k in zip(left_mv2, picks, strict=True)], axis=0)
            way = np.stack([a, b, *rest], axis=1)
            alone = (np.diff(np.sort(way, axis=1), axis=1) > 0).all(axis=1)
            chosen.append(way[alone & (worst <= power[a] + power[b])])
        return np.array(window.traces, int)[np.concatenate(chosen)]


def _choices(allowed: Sequence[Sequence[int]], taken: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """Yield one of each, none twice."""
    if not allowed:
        yield ()
        return
    for i in allowed[0]:
        if i not in taken:
            yield from ((i, *rest) for rest in _choices(allowed[1:], (*taken, i)))
