"""Drawn pages that are kept a while, because a page takes far longer to draw than a part of it to cut."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np

Page = TypeVar("Page")


class PagePool(Generic[Page]):
    """
    Pages from which parts are cut; which page a part is of depends on its index alone.

    Parameters
    ----------
    make : callable
        Draws the page of a number.
    batch_size, lanes : int
        Batch b takes its parts from the pages of lane b % lanes. With as many workers as lanes, each worker
        draws and keeps the pages of one lane, and no page is drawn twice.
    per_page : int
        How many parts are cut before another page is drawn.
    size : int
        From how many of the last pages of a lane a part may be.
    """

    def __init__(
        self, make: Callable[[int], Page], batch_size: int, lanes: int, per_page: int, size: int
    ) -> None:
        self.make, self.batch_size, self.lanes = make, batch_size, max(1, lanes)
        self.per_page, self.size = per_page, size
        self._kept: OrderedDict[int, Page] = OrderedDict()

    def number(self, index: int, rng: np.random.Generator) -> int:
        """Return the number of the page that a part is cut from."""
        batch, place = divmod(index, self.batch_size)
        turn, lane = divmod(batch, self.lanes)
        newest = (turn * self.batch_size + place) // self.per_page
        return lane + self.lanes * (newest - int(rng.integers(min(self.size, newest + 1))))

    def page(self, number: int) -> Page:
        """Return a page, drawn anew where it is not kept."""
        page = self._kept.pop(number, None)
        page = self.make(number) if page is None else page
        self._kept[number] = page
        while len(self._kept) > self.size:
            self._kept.popitem(last=False)
        return page
