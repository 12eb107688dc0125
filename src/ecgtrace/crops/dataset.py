"""Crops as tensors of one fixed size, each the same whenever it is asked for."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import albumentations as A
import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from ecgtrace.types import LeadCrop


def resize_image(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize an RGB image; averages where it shrinks."""
    shrinks = image.shape[0] > height or image.shape[1] > width
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8)


def resize_mask(mask: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize a {0, 1} mask; a pixel is ink if ink covers at least half of it."""
    share = cv2.resize(mask * np.uint8(255), (width, height), interpolation=cv2.INTER_LINEAR_EXACT)
    if mask.shape[0] > height or mask.shape[1] > width:
        share = cv2.resize(mask * np.uint8(255), (width, height), interpolation=cv2.INTER_AREA)
    return (share >= 128).astype(np.uint8)


def image_to_tensor(image: NDArray[np.uint8]) -> Tensor:
    """Return (3, height, width) in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 255


class CropDataset(Dataset[dict[str, Tensor]]):
    """
    Crops of fixed size with their masks, augmented.

    Parameters
    ----------
    crops : sequence of LeadCrop
    height, width : int
        The one size that every crop and mask is resized to, as in the paper.
    augmentation : albumentations.Compose, optional
    seed : int
        What the augmentation of the crop at an index draws depends on (seed, index) alone.
    """

    def __init__(
        self,
        crops: Sequence[LeadCrop],
        height: int,
        width: int,
        augmentation: A.Compose | None = None,
        seed: int = 0,
    ) -> None:
        self.crops, self.height, self.width = crops, height, width
        self.augmentation, self.seed = augmentation, seed

    def __len__(self) -> int:
        return len(self.crops)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        crop = self.crops[index]
        image = resize_image(crop.image, self.height, self.width)
        mask = resize_mask(crop.mask, self.height, self.width)
        if self.augmentation is not None and self.augmentation.transforms:
            image, mask = self._augment(image, mask, index)
        return {"image": image_to_tensor(image), "mask": torch.from_numpy(mask[None]).float()}

    def _augment(
        self, image: NDArray[np.uint8], mask: NDArray[np.uint8], index: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        assert self.augmentation is not None
        rng = np.random.default_rng([self.seed, index])
        data = {"image": image, "mask": mask}
        needed = {name for t in self.augmentation.transforms for name in getattr(t, "targets_as_params", [])}
        if "overlay_image" in needed:
            other = self.crops[int(rng.integers(len(self)))] if len(self) > 1 else self.crops[index]
            data["overlay_image"] = resize_image(other.image, self.height, self.width)
        self.augmentation.set_random_seed(int(rng.integers(2**31)))
        out = self.augmentation(**data)
        return out["image"], out["mask"]


class FreshSampler(Sampler[int]):
    """
    Give every epoch the next `size` indices, so that no crop is seen twice.

    For datasets that have a crop for any index. Which crops an epoch sees depends on its number
    alone: a run that was cut off and resumed sees what an uninterrupted one sees. With several
    processes, each takes its share.
    """

    def __init__(self, size: int, rank: int = 0, world: int = 1) -> None:
        self.size, self.rank, self.world, self.epoch = size, rank, world, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.size // self.world

    def __iter__(self) -> Iterator[int]:
        start = self.epoch * self.size
        return iter(range(start + self.rank, start + len(self) * self.world, self.world))


def through_window(crop: LeadCrop, window_s: float = 2.5) -> list[tuple[int, int]]:
    """
    Return the column ranges that a segmentation model sees a crop through.

    A lead of 10 s squeezed to the width of one of 2.5 s would lose its line; so it is cut into
    equal parts of about `window_s`.
    """
    duration_s = len(crop.signal) / crop.fs_hz
    return windows(crop.image.shape[1], duration_s, window_s)


def windows(width_px: int, duration_s: float, window_s: float = 2.5) -> list[tuple[int, int]]:
    """
    Cut a width into equal parts that each show about `window_s`.

    Examples
    --------
    >>> windows(4000, 10.0)
    [(0, 1000), (1000, 2000), (2000, 3000), (3000, 4000)]
    >>> windows(1003, 2.6)
    [(0, 1003)]
    """
    parts = max(1, round(duration_s / window_s))
    edges = np.rint(np.linspace(0, width_px, parts + 1)).astype(int)
    return [(int(a), int(b)) for a, b in pairwise(edges)]
