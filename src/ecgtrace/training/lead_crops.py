"""Crops of drawn pages to train the lead network on, with what the page network says of them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ecgtrace.datasets.page_training import DrawnPage, TrainingPages
from ecgtrace.drawing.page_truth import RowInk, row_inks
from ecgtrace.layout.rows import Row, find_rows
from ecgtrace.page_ink.lead_hints import lead_hints
from ecgtrace.page_ink.lead_network import LEAD_PX_PER_MM
from ecgtrace.page_ink.maps import MAP_PX_PER_MM, PageMaps
from ecgtrace.page_ink.network import to_map_scale
from ecgtrace.training.page_pool import PagePool
from ecgtrace.types import FloatArray

Maps = Callable[[NDArray[np.uint8], float, float], PageMaps]
Crops = list[dict[str, Tensor]]

_ASIDE_MM = 6.0  # of the middle of a crop from the zero line: pieces are cut about waves
_BEYOND_MM = 8.0  # the ends of a row, of a crop
_SAME_MM = 2.0  # of a row that is found and one that was drawn
_CROWDED = 0.5  # share of crops that are the one of three with most ink of other rows


class LeadCrops(Dataset[dict[str, Tensor]]):
    """
    Crops of one size about rows of traces, any index gives one.

    Parameters
    ----------
    pages : TrainingPages
    maps : callable
        The page network: rows and hints are what it finds, with its errors.
    height, width : int
        Of a crop, multiples of 32.
    seed : int
    batch_size, lanes, per_page, pool : int
        As of `PagePool`; each page is kept as `per_page` crops, of which each may come again.
    size : int
        What `len` says.
    """

    def __init__(
        self,
        pages: TrainingPages,
        maps: Maps,
        height: int,
        width: int,
        seed: int = 0,
        batch_size: int = 8,
        lanes: int = 1,
        per_page: int = 16,
        pool: int = 24,
        size: int = 1024,
    ) -> None:
        self.pages, self.maps, self.height, self.width = pages, maps, height, width
        self.seed, self.per_page, self.size = seed, per_page, size
        self.pool = PagePool(self._crops, batch_size, lanes, per_page, pool)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng([self.seed, index])
        number = self.pool.number(index, rng)
        crops = self.pool.page(number)
        while not crops:  # no row was found on it: the next one, then
            number += self.pool.lanes
            crops = self.pool.page(number)
        return crops[int(rng.integers(len(crops)))]

    def _crops(self, number: int) -> Crops:
        rng = np.random.default_rng([self.seed, 1, number])
        return page_crops(self.pages.drawn(number), self.maps, self.per_page, (self.height, self.width), rng)


def page_crops(
    page: DrawnPage, maps_of: Maps, count: int, size: tuple[int, int], rng: np.random.Generator
) -> Crops:
    """
    Cut crops of a page about its rows.

    Parameters
    ----------
    page : DrawnPage
    maps_of : callable
        The page network.
    count : int
    size : tuple of int
        (height, width) of a crop, in px of `LEAD_PX_PER_MM`.
    rng : numpy.random.Generator

    Returns
    -------
    list of dict
        `image` uint8 (3, h, w); `hints` float16 (5, h, w); `truth` uint8 (2, h, w), 1 where ink is the row's,
        and where it is another's. Empty where the page network finds no row that was drawn.
    """
    scale = page.px_per_mm_x, page.px_per_mm_y
    image = to_map_scale(page.image, *scale, LEAD_PX_PER_MM)
    truths, printed = row_inks(page.plan, page.matrix, page.size, *scale, LEAD_PX_PER_MM)
    maps = maps_of(page.image, *scale)
    rows = find_rows(maps)
    hints = lead_hints(maps, [row.ink for row in rows], [row.zero_y for row in rows])
    per_map = (image.shape[1] / maps.trace.shape[1], image.shape[0] / maps.trace.shape[0])
    found = [
        (replace(hint, page_px=per_map), truth)
        for hint, truth in zip(hints, _drawn(rows, truths, image.shape[1]), strict=True)
        if truth is not None
    ]
    inked = np.sum([truth.ink for truth in truths], axis=0, dtype=np.uint8)
    crops = []
    for _ in range(count if found else 0):
        hint, truth = found[int(rng.integers(len(found)))]
        places = [_place(truth, size, rng) for _ in range(3 if rng.random() < _CROWDED else 1)]
        others = (inked > truth.ink) | printed
        theirs = [int(_cut(others, place, size).sum()) for place in places]
        left, top = places[int(np.argmax(theirs))]
        masks = [_cut(ink, (left, top), size) for ink in (truth.ink, others)]
        crop = {
            "image": np.moveaxis(_cut(image, (left, top), size), 2, 0),
            "hints": hint.on_piece(left, top, size, size).astype(np.float16),
            "truth": np.stack(masks).astype(np.uint8),
        }
        crops.append({name: torch.from_numpy(np.ascontiguousarray(part)) for name, part in crop.items()})
    return crops


def _drawn(rows: list[Row], truths: list[RowInk], width: int) -> list[RowInk | None]:
    """Return the row that was drawn of each that is found, None where there is none."""
    middles: FloatArray = np.array([truth.zero_y + truth.slope * width / 2 for truth in truths])
    drawn: list[RowInk | None] = []
    for row in rows:
        apart_mm = np.abs(middles / LEAD_PX_PER_MM - row.zero_y / MAP_PX_PER_MM)
        nearest = int(apart_mm.argmin())
        drawn.append(truths[nearest] if apart_mm[nearest] <= _SAME_MM else None)
    return drawn


def _place(truth: RowInk, size: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    """Return left and top of a crop about a row."""
    height, width = size
    columns = np.flatnonzero(truth.ink.any(axis=0))
    beyond = round(_BEYOND_MM * LEAD_PX_PER_MM)
    low, high = int(columns[0]) - beyond, int(columns[-1]) + beyond - width
    left = int(rng.integers(min(low, high), max(low, high) + 1))
    zero_y = truth.zero_y + truth.slope * (left + width / 2)
    return left, round(zero_y + rng.uniform(-_ASIDE_MM, _ASIDE_MM) * LEAD_PX_PER_MM - height / 2)


def _cut(image: NDArray[Any], at: tuple[int, int], size: tuple[int, int]) -> NDArray[Any]:
    """Cut a crop; beyond the page the edge of a picture goes on, and there is no ink."""
    (left, top), (height, width) = at, size
    h, w = image.shape[:2]
    left, top = min(max(left, 1 - width), w - 1), min(max(top, 1 - height), h - 1)
    inside = slice(max(0, top), min(h, top + height)), slice(max(0, left), min(w, left + width))
    beyond = (max(0, -top), max(0, top + height - h), max(0, -left), max(0, left + width - w))
    if image.ndim == 3:
        return np.asarray(cv2.copyMakeBorder(image[inside], *beyond, cv2.BORDER_REPLICATE))
    return np.pad(image[inside], (beyond[:2], beyond[2:]))
