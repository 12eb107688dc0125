"""Pictures that are no page of an ECG, or not one whole page the right way round, and the verdict wanted."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgtrace.page_sets.no_ecg import NO_ECG
from ecgtrace.page_sets.odd_pages import ODD_PAGES
from ecgtrace.provenance import fingerprint
from ecgtrace.types import DOUBTFUL, FAILED, OK

NONE, ODD = "none", "odd"  # shows no ECG; shows one, but not as it should
PAGE, AUTO = "page", "auto"  # of `content`
_READ = (OK, DOUBTFUL)
_REFUSED = (FAILED,)
_NOT_OK = (FAILED, DOUBTFUL)

# What a signal generator, lungs or a brain draw on paper for ECGs looks like traces: `doubtful` will do.
_LIKE_TRACES = (
    *("curve on graph paper", "plot of a sine", "capnogram", "breathing, three rows", "sines with names"),
    *("line chart", "six channels of an EEG on ECG paper"),
)
_CUT = "cut off"
_SEVERAL = "more than one page"
# Verdicts wanted of content=page and content=auto, and words that the message must hold, as a pattern.
_ODD: dict[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    "page": (_READ, _READ, ""),
    "page upside down": (_READ, _READ, ""),
    "page on its side": (_READ, _READ, ""),
    "page in a window": (_READ, _READ, ""),
    "page, mirrored": (_REFUSED, _REFUSED, "mirror"),
    "page, mirrored and upside down": (_REFUSED, _REFUSED, "mirror"),
    "upper part of a page": ((DOUBTFUL,), (DOUBTFUL,), _CUT),
    "lower part of a page": ((DOUBTFUL,), _NOT_OK, _CUT),
    "left part of a page": ((DOUBTFUL,), (DOUBTFUL,), _CUT),
    "right part of a page": ((DOUBTFUL,), (DOUBTFUL,), _CUT),
    "two pages side by side": (_NOT_OK, _NOT_OK, _SEVERAL),
    "two pages one above the other": (_NOT_OK, _NOT_OK, _SEVERAL),
    "two pages at two scales": (_NOT_OK, _NOT_OK, _SEVERAL),
    "two pages on a table": (_NOT_OK, _NOT_OK, _SEVERAL),
    "lead": (_REFUSED, _READ, ""),
    "lead on its side": (_REFUSED, _REFUSED, ""),
}


@dataclass(frozen=True)
class NotPage:
    """
    A picture and what is wanted of it.

    Attributes
    ----------
    name : str
    kind : {"none", "odd"}
        Whether it shows no ECG, or one that is cut, doubled, turned or alone.
    draw : callable
        Draws it: ndarray of uint8, shape (height, width, 3), RGB.
    wanted : dict of str to tuple of str
        Verdicts that are right, by `content`.
    says : str
        A pattern that is found in a right message.
    """

    name: str
    kind: str
    draw: Callable[[], NDArray[np.uint8]]
    wanted: dict[str, tuple[str, ...]]
    says: str = ""


def _cases() -> tuple[NotPage, ...]:
    none = [
        NotPage(name, NONE, draw, dict.fromkeys((PAGE, AUTO), wanted))
        for name, draw in NO_ECG.items()
        for wanted in (_NOT_OK if name in _LIKE_TRACES else _REFUSED,)
    ]
    odd = [
        NotPage(name, ODD, draw, {PAGE: _ODD[name][0], AUTO: _ODD[name][1]}, _ODD[name][2])
        for name, draw in ODD_PAGES.items()
    ]
    return (*none, *odd)


CASES = _cases()


@dataclass(frozen=True)
class NotPages:
    """
    The pictures as a source of the runner.

    Attributes
    ----------
    names : tuple of str
        Those that are taken; empty: all.
    """

    names: tuple[str, ...] = ()
    name: str = "drawn"

    @property
    def cases(self) -> tuple[NotPage, ...]:
        """Those that are taken."""
        return tuple(case for case in CASES if not self.names or case.name in self.names)

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, index: int) -> tuple[NotPage, NDArray[np.uint8]]:
        case = self.cases[index]
        return case, case.draw()

    def crop_id(self, index: int) -> str:
        """Return the name of a picture."""
        return self.cases[index].name

    def fingerprint(self) -> str:
        """Return a hash of what is wanted of the pictures."""
        return fingerprint([[one.name, one.kind, one.wanted, one.says] for one in self.cases])
