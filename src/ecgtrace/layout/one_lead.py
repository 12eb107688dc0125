"""Pages that name no lead, or one lead alone: each row may go on where the row above ended."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecgtrace.page_ink.maps import NAME_CLASSES

_SEEN = 0.3  # height of the peak of a name, as of `page_ink.names`; lower ones are helped by an order alone
_WELL = 0.7  # share of the scores of a name that was read well, as of `layout.orders`


@dataclass(frozen=True)
class SoleName:
    """
    The one name of a page whose rows have one piece each.

    Attributes
    ----------
    name : str
        One of `NAME_CLASSES`; empty where none was read.
    rows : tuple of int
        Those on which it was read well.
    n_rows : int
    is_given : bool
        The user says that each row goes on where the row above ended.
    """

    name: str
    rows: tuple[int, ...]
    n_rows: int
    is_given: bool = False

    @property
    def on_all(self) -> bool:
        """Whether it is printed again: on all rows, of which half may not have been read well."""
        return len(self.rows) > 1 and 2 * len(self.rows) >= self.n_rows

    @property
    def on_first(self) -> bool:
        """Whether it is printed at the first row alone."""
        return self.rows == (0,)


def rows_layout_name(n_rows: int) -> str:
    """
    Return the name of the layout of one lead over several rows.

    Examples
    --------
    >>> rows_layout_name(4)
    'rows4'
    """
    return f"rows{n_rows}"


def sole_name(rows: Sequence[int], scores: Sequence[Sequence[float]]) -> SoleName | None:
    """
    Return the only name of a page.

    Parameters
    ----------
    rows : sequence of int
        Of each piece of the page, the row that it is in.
    scores : sequence of sequence of float
        Of every class of `NAME_CLASSES` at the name of each piece; empty where no name stands.

    Returns
    -------
    SoleName or None
        None where a row has several pieces, where there are not two rows, or where names differ.
    """
    n_rows = len(set(rows))
    if n_rows < 2 or len(rows) > n_rows:
        return None
    seen = {
        row: np.asarray(one, float)
        for row, one in zip(rows, scores, strict=True)
        if len(one) and max(one) >= _SEEN
    }
    if not seen:
        return SoleName("", (), n_rows)
    shares = {row: one / one.sum() for row, one in seen.items()}
    kind = int(np.sum(list(shares.values()), axis=0).argmax())
    alike = [row for row, share in shares.items() if int(share.argmax()) == kind]
    others = [share for row, share in shares.items() if row not in alike]
    if any(share.max() >= _WELL for share in others) or len(alike) <= len(others):
        return None
    well = tuple(sorted(row for row in alike if shares[row][kind] >= _WELL))
    return SoleName(NAME_CLASSES[kind], well, n_rows)
