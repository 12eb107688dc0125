"""Crops as tensors of one fixed size, each the same whenever it is asked for."""

from collections.abc import Sequence

import albumentations as A
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ecgtrace.errors import DataError
from ecgtrace.segmentation.resize import Place, place, resize_image, resize_mask, to_canvas
from ecgtrace.segmentation.weights import CHANNELS
from ecgtrace.types import LeadCrop


def image_to_tensor(image: NDArray[np.uint8]) -> Tensor:
    """Return (3, height, width) in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 255


class CropDataset(Dataset[dict[str, Tensor]]):
    """
    Crops of fixed size with their masks, augmented.

    The augmentation sees the resized crop before white paper is laid around it, so that a strip of another
    lead comes in at the edge of the crop, and the paper is as clean as it is at inference.

    Parameters
    ----------
    crops : sequence of LeadCrop
    height, width : int
        The one size that every crop and mask is resized to, as in the paper.
    augmentation : albumentations.Compose, optional
    seed : int
        What the augmentation of the crop at an index draws depends on (seed, index) alone.
    resize : {"stretch", "keep"}
        How a crop comes to the one size (`resize.place`).
    channels : sequence of str
        What the masks mark, of `weights.CHANNELS`, in this order. For "other", crops must know the ink of the
        neighbours (`LeadCrop.other_mask`); that of names, bars and pulses (`printed_mask`) belongs to it.
        Augmentations that lay more ink on the image do not mark it.
    mask_share : float
        A pixel of the masks is ink if ink covers at least this share of it.
    """

    def __init__(
        self,
        crops: Sequence[LeadCrop],
        height: int,
        width: int,
        augmentation: A.Compose | None = None,
        seed: int = 0,
        resize: str = "stretch",
        channels: Sequence[str] = CHANNELS[:1],
        mask_share: float = 0.5,
    ) -> None:
        place(resize, (1, 1), (height, width))  # refuses what is unknown now, not in a worker
        self.crops, self.height, self.width = crops, height, width
        self.augmentation, self.seed, self.resize = augmentation, seed, resize
        self.channels, self.mask_share = tuple(channels), mask_share

    def __len__(self) -> int:
        return len(self.crops)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        crop = self.crops[index]
        where = self._place(crop)
        image = resize_image(crop.image, where.height, where.width)
        mask = np.dstack(
            [resize_mask(part, where.height, where.width, self.mask_share) for part in self._masks(crop)]
        )
        if self.augmentation is not None and self.augmentation.transforms:
            image, mask = self._augment(image, mask, index)
        canvas = (self.height, self.width)
        image, mask = to_canvas(image, where, canvas), to_canvas(mask, where, canvas, fill=0)
        target = torch.from_numpy(np.ascontiguousarray(mask.transpose(2, 0, 1))).float()
        return {"image": image_to_tensor(image), "mask": target}

    def _masks(self, crop: LeadCrop) -> list[NDArray[np.uint8]]:
        if "other" not in self.channels:
            return [crop.mask]
        if crop.other_mask is None:
            raise DataError(f"{crop.crop_id} does not tell the ink of its neighbours; use channels=[target]")
        printed = crop.printed_mask
        return [crop.mask, crop.other_mask if printed is None else crop.other_mask | printed]

    def _place(self, crop: LeadCrop) -> Place:
        return place(self.resize, crop.image.shape[:2], (self.height, self.width))

    def _augment(
        self, image: NDArray[np.uint8], mask: NDArray[np.uint8], index: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        assert self.augmentation is not None
        rng = np.random.default_rng([self.seed, index])
        data = {"image": image, "mask": mask}
        needed = {name for t in self.augmentation.transforms for name in getattr(t, "targets_as_params", [])}
        if "overlay_image" in needed:
            other = self.crops[int(rng.integers(len(self)))] if len(self) > 1 else self.crops[index]
            where = self._place(other)
            data["overlay_image"] = resize_image(other.image, where.height, where.width)
        self.augmentation.set_random_seed(int(rng.integers(2**31)))
        out = self.augmentation(**data)
        return out["image"], out["mask"]
