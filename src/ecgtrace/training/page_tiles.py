"""
Tiles of drawn pages to train the page network on.

A page takes a third of a second to draw and a tile of it a hundredth to cut, so each page is kept a while and
cut several times; which page a tile is of, and where it lies, depends on (seed, index) alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ecgtrace.datasets.page_training import TrainingPage
from ecgtrace.errors import ConfigError
from ecgtrace.page_ink.maps import NAME_CLASSES
from ecgtrace.page_ink.network import to_map_scale
from ecgtrace.page_ink.unet import STRIDE
from ecgtrace.training.page_pool import PagePool
from ecgtrace.types import FloatArray

MAX_NAMES = 48  # of one tile: 12 leads, 3 strips, and a page of one lead over 16 rows, each named
_SCALE_STD = 0.007  # how well `sheet` knows the scale, beside what the drawing varies
_TURN_STD_DEG = 0.3  # what is left after a sheet has been put straight


@dataclass(frozen=True, eq=False)
class SmallPage:
    """A page and its truth on the network's grid: what is cut into tiles."""

    image: NDArray[np.uint8]  # (h, w, 3)
    classes: NDArray[np.uint8]  # (h, w), index into INK_CLASSES
    offset_mm: NDArray[np.float32]  # (h, w), NaN where no row is alone
    names: FloatArray  # (n, 3): class, x, y


def small_page(page: TrainingPage) -> SmallPage:
    """Bring a drawn page to the network's resolution, by the function that inference uses."""
    truth = page.targets
    image = to_map_scale(page.image, page.px_per_mm_x, page.px_per_mm_y)
    height, width = truth.classes.shape
    if image.shape[:2] != (height, width):
        raise ConfigError(f"the truth of a page is {(height, width)} px, its picture {image.shape[:2]}")
    names = [(NAME_CLASSES.index(name.name), name.x, name.y) for name in truth.names]
    return SmallPage(image, truth.classes, truth.row_offset_mm, np.asarray(names, float).reshape(-1, 3))


class PageTiles(Dataset[dict[str, Tensor]]):
    """
    Tiles of one size, any index gives one.

    Parameters
    ----------
    pages : sequence of TrainingPage
        Drawn pages with their truth; any number gives one.
    height, width : int
        Of a tile, multiples of 32.
    seed : int
    batch_size, lanes, tiles_per_page, pool : int
        As of `PagePool`.
    turned : float
        Share of tiles of pages that lie on their side or head: they have ink, but no names and no rows.
    size : int
        What `len` says.
    """

    def __init__(
        self,
        pages: Sequence[TrainingPage],
        height: int,
        width: int,
        seed: int = 0,
        batch_size: int = 32,
        lanes: int = 1,
        tiles_per_page: int = 8,
        pool: int = 48,
        turned: float = 0.06,
        size: int = 4096,
    ) -> None:
        if height % STRIDE or width % STRIDE:
            raise ConfigError(f"tiles must be multiples of {STRIDE} px, got {height} x {width}")
        self.pages, self.height, self.width, self.seed = pages, height, width, seed
        self.turned, self.size = turned, size
        self.pool = PagePool(self._small, batch_size, lanes, tiles_per_page, pool)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng([self.seed, index])
        page = self.pool.page(self.pool.number(index, rng))
        if rng.random() < self.turned:
            page = _on_its_side(page, int(rng.integers(1, 4)))
        return as_tensors(random_tile(page, self.height, self.width, rng))

    def _small(self, number: int) -> SmallPage:
        return small_page(self.pages[number])


class ValidationTiles(Dataset[dict[str, Tensor]]):
    """One tile each of the first pages of a source, drawn when they are asked for."""

    def __init__(self, pages: Sequence[TrainingPage], height: int, width: int, size: int) -> None:
        self.pages, self.height, self.width, self.size = pages, height, width, size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng([0, index])
        page = small_page(self.pages[index])
        height, width = page.classes.shape
        left, top = (
            int(rng.integers(min(0, d), max(0, d) + 1)) for d in (width - self.width, height - self.height)
        )
        return as_tensors(tile_at(page, left, top, self.height, self.width))


def random_tile(page: SmallPage, height: int, width: int, rng: np.random.Generator) -> SmallPage:
    """Cut a tile anywhere on a page; a third of them a little turned and scaled, the rest left sharp."""
    h, w = page.classes.shape
    reach = 32  # px beyond the edge: 8 mm of what padding continues
    left, top = (
        int(rng.integers(min(-reach, d - reach), max(reach, d + reach) + 1)) for d in (w - width, h - height)
    )
    if rng.random() < 2 / 3:
        return tile_at(page, left, top, height, width)
    scale, turn = 1 + rng.normal(0, _SCALE_STD), rng.normal(0, _TURN_STD_DEG)
    centre = (left + width / 2, top + height / 2)
    matrix = cv2.getRotationMatrix2D(centre, turn, scale)
    matrix[:, 2] -= left, top
    size = (width, height)
    image = cv2.warpAffine(page.image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    classes = cv2.warpAffine(page.classes, matrix, size, flags=cv2.INTER_NEAREST)
    offset = cv2.warpAffine(
        page.offset_mm,
        matrix,
        size,
        flags=cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=np.nan,
    )
    points = page.names[:, 1:] @ matrix[:, :2].T + matrix[:, 2]
    names = np.column_stack([page.names[:, :1], points])
    return _typed(image, classes, offset * scale, names)


def tile_at(page: SmallPage, left: int, top: int, height: int, width: int) -> SmallPage:
    """Cut a tile; beyond the page its edge goes on, without ink, as `unet.pad` lays it there."""
    h, w = page.classes.shape
    # A tile that would miss the page is put where it touches it: padding needs an edge to continue.
    left, top = min(left, w - 1), min(top, h - 1)
    beyond = (max(0, -top), max(0, top + height - h), max(0, -left), max(0, left + width - w))
    inside = slice(max(0, top), min(h, top + height)), slice(max(0, left), min(w, left + width))
    image = cv2.copyMakeBorder(page.image[inside], *beyond, cv2.BORDER_REPLICATE)
    classes = cv2.copyMakeBorder(page.classes[inside], *beyond, cv2.BORDER_CONSTANT, value=0)
    offset = cv2.copyMakeBorder(page.offset_mm[inside], *beyond, cv2.BORDER_CONSTANT, value=np.nan)
    return _typed(image, classes, offset, page.names - (0, left, top))


def _typed(
    image: NDArray[Any], classes: NDArray[Any], offset_mm: NDArray[Any], names: FloatArray
) -> SmallPage:
    """Hold on to types that OpenCV keeps and does not declare."""
    return SmallPage(
        np.asarray(image, np.uint8), np.asarray(classes, np.uint8), np.asarray(offset_mm, np.float32), names
    )


def _on_its_side(page: SmallPage, quarters: int) -> SmallPage:
    """Turn a page by quarters. Names read across or upside down are none; zero lines do not lie below."""
    image = np.ascontiguousarray(np.rot90(page.image, quarters))
    classes = np.ascontiguousarray(np.rot90(page.classes, quarters))
    return SmallPage(image, classes, np.full(classes.shape, np.nan, np.float32), np.zeros((0, 3)))


def as_tensors(tile: SmallPage) -> dict[str, Tensor]:
    """
    Return a tile as what batches are made of.

    Returns
    -------
    dict
        `image` uint8 (3, h, w); `classes` uint8 (h, w); `offset_mm` float16 (h, w); `names` float (48, 3) of
        class, x, y, the class -1 in unused rows.
    """
    height, width = tile.classes.shape
    names = np.full((MAX_NAMES, 3), -1.0, np.float32)
    x, y = tile.names[:, 1], tile.names[:, 2]
    inside = tile.names[(x >= 0) & (x < width) & (y >= 0) & (y < height)][:MAX_NAMES]
    names[: len(inside)] = inside
    return {
        "image": torch.from_numpy(np.ascontiguousarray(tile.image.transpose(2, 0, 1))),
        "classes": torch.from_numpy(np.ascontiguousarray(tile.classes)),
        "offset_mm": torch.from_numpy(tile.offset_mm.astype(np.float16)),
        "names": torch.from_numpy(names),
    }
