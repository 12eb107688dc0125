"""The lines of print of one page, each read once however much of it is asked."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ecgtrace.page_ink.maps import PageMaps
from ecgtrace.page_text.lines import cut_lines, lines_of_text, longer, not_among, without_grid
from ecgtrace.page_text.scale import is_of_scale, scale_told
from ecgtrace.types import FloatArray

# What stands in a picture of a line, and the mean score of its letters, in [0, 1].
Read = Callable[[NDArray[np.uint8]], tuple[str, float]]
# How many letters can be read beyond doubt, and how many there are.
Letters = tuple[float, float]

_FEW = 8  # of the longest lines tell whether letters can be read
_MOST_CUT = 3  # lines of speed and gain that are looked at again, the lowest: each takes two readings
_MOST_FAINT = 12  # the lowest: a footer stands there
_LEAST_SCORE = 0.5  # of a line, as PaddleOCR's `drop_score`
_WELL_READ = 0.9  # what is read worse may be crossed by lines of the grid
_SURE_SCORE = 0.85  # print the right way up has 0.9 and more, upside down 0.7 and less, mostly


@dataclass(frozen=True, eq=False)
class PagePrint:
    """
    What is printed on a page in lines.

    Attributes
    ----------
    image : ndarray of uint8, shape (height, width, 3)
        RGB.
    maps : PageMaps
        Of `image`.
    read : callable or None
        Reads a line; without it nothing is known of the print.
    """

    image: NDArray[np.uint8]
    maps: PageMaps
    read: Read | None
    _known: dict[int, tuple[str, float]] = field(default_factory=dict, repr=False)

    @cached_property
    def letters(self) -> Letters:
        """How many letters of the longest lines can be read beyond doubt, and how many these have."""
        by_length = np.argsort([-line.shape[1] for line in self._lines], kind="stable")
        said = [self._line(int(k)) for k in by_length[:_FEW]]
        sure = sum(len(text) for text, score in said if score >= _SURE_SCORE)
        return float(sure), float(sum(len(text) for text, _ in said))

    @cached_property
    def scale_told(self) -> str:
        """The lines that tell speed or gain (`scale.scale_told`)."""
        return scale_told(self._texts())

    @cached_property
    def _lines(self) -> list[NDArray[np.uint8]]:
        return [] if self.read is None else cut_lines(self.image, self._boxes, self.maps)

    @cached_property
    def _boxes(self) -> FloatArray:
        return lines_of_text(self.maps)

    def _texts(self) -> Iterator[str]:
        """Give the lines; then those again that seem to belong to one of speed and gain; then faint ones."""
        cut = []
        for k in range(len(self._lines)):
            said = self._said(self._lines[k], self._line(k))
            if any(map(is_of_scale, said)):
                cut.append(k)
            yield from said
        if cut and self.read is not None:
            for line in cut_lines(self.image, longer(self._boxes[cut[:_MOST_CUT]]), self.maps):
                yield from self._said(line, self.read(line))
        if self.read is not None:
            faint = not_among(lines_of_text(self.maps, faint=True), self._boxes)[:_MOST_FAINT]
            for line in cut_lines(self.image, faint, self.maps):
                yield from self._said(line, self.read(line))

    def _said(self, line: NDArray[np.uint8], read: tuple[str, float]) -> list[str]:
        """Return what a line says with the grid (`read`), and without it where that is hard to read."""
        said = [read]
        if read[1] < _WELL_READ and self.read is not None:
            said.append(self.read(without_grid(line)))
        texts = [text for text, score in sorted(said, key=lambda one: -one[1]) if score >= _LEAST_SCORE]
        return texts[:1] if texts and scale_told(texts[:1]) else texts

    def _line(self, k: int) -> tuple[str, float]:
        if k not in self._known:
            assert self.read is not None
            self._known[k] = self.read(self._lines[k])
        return self._known[k]
