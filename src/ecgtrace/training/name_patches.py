"""Patches of drawn pages to train the name network on: names, and what is none."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ecgtrace.datasets.page_training import TrainingPage
from ecgtrace.page_ink.maps import INK_CLASSES, NAME_CLASSES
from ecgtrace.page_ink.name_net import NO_NAME
from ecgtrace.page_ink.patches import cut_patches
from ecgtrace.types import FloatArray

# How far beside a name's middle the reader may look, in mm: maps are 0.25 mm coarse, words run together.
_BESIDE_MM = (1.5, 0.8)
_FAR_MM = (4.0, 2.5)  # from any name's middle: what is there is no name
_NEAR_MM = 6.0  # a third of what is none lies so near to a name, beside it


class NamePatches(Dataset[dict[str, Tensor]]):
    """
    The patches of a page each, half of them names.

    Parameters
    ----------
    pages : sequence of TrainingPage
        Any number gives one.
    per_page : int
        Patches of a page.
    seed : int
    size : int
        What `len` says.

    Notes
    -----
    What is cut from a page depends on (seed, index) alone.
    """

    def __init__(
        self, pages: Sequence[TrainingPage], per_page: int = 48, seed: int = 0, size: int = 256
    ) -> None:
        self.pages, self.per_page, self.seed, self.size = pages, per_page, seed, size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng([self.seed, index])
        patches, classes = page_patches(self.pages[index], self.per_page, rng)
        return {
            "image": torch.from_numpy(patches).permute(0, 3, 1, 2),
            "classes": torch.from_numpy(classes),
        }


def page_patches(
    page: TrainingPage, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """
    Cut patches of a page.

    Returns
    -------
    (ndarray of uint8, shape (count, 48, 112, 3); ndarray of int64, shape (count,))
        Patches and their classes, of `NAME_CLASSES` or `NO_NAME`.
    """
    per_mm = page.targets.px_per_mm
    names = np.array([(name.x, name.y) for name in page.targets.names], float).reshape(-1, 2)
    kinds = np.array([NAME_CLASSES.index(name.name) for name in page.targets.names], np.int64)
    chosen = rng.integers(len(names), size=count // 2) if len(names) else np.zeros(0, int)
    beside = rng.uniform(-1, 1, (len(chosen), 2)) * _BESIDE_MM * per_mm
    none = _nowhere(page, names, count - len(chosen), rng)
    points = np.concatenate([names[chosen] + beside, none])
    classes = np.concatenate([kinds[chosen], np.full(len(none), NO_NAME)])
    # Scale of what is seen: the sheet's is off by less, machines print larger and smaller.
    scale = float(rng.uniform(0.9, 1.1))
    px_per_mm = np.array([page.px_per_mm_x, page.px_per_mm_y])
    at = (points + 0.5) * px_per_mm / per_mm - 0.5
    return cut_patches(page.image, at, *(px_per_mm * scale).tolist()), classes


def _nowhere(page: TrainingPage, names: FloatArray, count: int, rng: np.random.Generator) -> FloatArray:
    """Return points that are no name's middle: on print and ink, beside names, anywhere."""
    per_mm, classes = page.targets.px_per_mm, page.targets.classes
    height, width = classes.shape
    pools: list[Any] = [rng.uniform((0, 0), (width, height), (4 * count, 2))]
    for kind in ("text", "text", "trace", "pulse"):
        y, x = np.nonzero(classes == INK_CLASSES.index(kind))
        if len(y):
            at = rng.integers(len(y), size=4 * count)
            pools.append(np.stack([x[at], y[at]], axis=1))
    if len(names):
        at = rng.integers(len(names), size=4 * count)
        pools.append(names[at] + rng.uniform(-1, 1, (4 * count, 2)) * _NEAR_MM * per_mm)
    points = np.concatenate(pools).astype(float)
    points = points[rng.permutation(len(points))]
    if len(names):
        apart = np.abs(points[:, None] - names[None]) / per_mm
        near = np.asarray((apart <= _FAR_MM).all(axis=2))
        points = points[~near.any(axis=1)]
    # A page that is all names has no such place; then the same few come again.
    return points[np.arange(count) % len(points)] if len(points) else np.zeros((0, 2))
