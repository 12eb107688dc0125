"""Training and validation crops for Lightning."""

from collections.abc import Iterator, Sequence

import albumentations as A
import cv2
import lightning
import torch
from torch import Tensor
from torch.utils.data import DataLoader, RandomSampler, Sampler

from ecgtrace.datasets.windowed import WindowedCrops
from ecgtrace.segmentation.weights import CHANNELS
from ecgtrace.training.dataset import CropDataset
from ecgtrace.training.fresh import FreshSampler
from ecgtrace.types import LeadCrop


class CropDataModule(lightning.LightningDataModule):
    """
    Feed crops of one size to a segmentation model.

    Parameters
    ----------
    train, val : sequence of LeadCrop
    height, width : int
    augmentation : albumentations.Compose
        Of the training crops alone.
    batch_size : int
        The paper: 16.
    fresh : bool
        Every epoch draws new crops (`train` has one for any index). False goes through the
        same `len(train)` crops in each epoch, in another order, as a dataset on disk does.
    num_workers : int
    seed : int
    resize : {"stretch", "keep"}
        How a crop comes to the one size (`resize.place`).
    channels : sequence of str
        What the masks mark (`weights.CHANNELS`).
    mask_share : float
        A pixel of the masks is ink if ink covers at least this share of it.
    """

    def __init__(
        self,
        train: Sequence[LeadCrop],
        val: Sequence[LeadCrop],
        height: int,
        width: int,
        augmentation: A.Compose | None = None,
        batch_size: int = 16,
        fresh: bool = True,
        num_workers: int = 2,
        seed: int = 0,
        resize: str = "stretch",
        channels: Sequence[str] = CHANNELS[:1],
        mask_share: float = 0.5,
    ) -> None:
        super().__init__()
        self.train = CropDataset(train, height, width, augmentation, seed, resize, channels, mask_share)
        seen = WindowedCrops(val)
        self.val = CropDataset(seen, height, width, resize=resize, channels=channels, mask_share=mask_share)
        self.batch_size, self.fresh, self.num_workers, self.seed = batch_size, fresh, num_workers, seed

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Return the training crops."""
        sampler: Sampler[int]
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        if self.fresh:
            sampler = FreshSampler(len(self.train), rank, world)
        else:
            sampler = EpochShuffle(len(self.train), self.seed, rank, world)
        return self._loader(self.train, sampler=sampler, drop_last=len(self.train) > self.batch_size)

    def val_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Return the validation crops, always the same in the same order."""
        return self._loader(self.val)

    def _loader(self, dataset: CropDataset, **options: object) -> DataLoader[dict[str, Tensor]]:
        return DataLoader(
            dataset,
            batch_size=self.batch_size,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            worker_init_fn=one_thread,
            pin_memory=torch.cuda.is_available(),
            **options,  # type: ignore[arg-type]
        )


class EpochShuffle(RandomSampler):
    """
    Shuffle by (seed, epoch), so that a resumed run sees the order of an uninterrupted one.

    With several processes, each takes its share of the same order.
    """

    def __init__(self, size: int, seed: int, rank: int = 0, world: int = 1) -> None:
        super().__init__(range(size))
        self.seed, self.size, self.rank, self.world = seed, size, rank, world
        self.generator = torch.Generator()
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.generator.manual_seed(self.seed * 1_000_003 + epoch)

    def __len__(self) -> int:
        return self.size // self.world

    def __iter__(self) -> Iterator[int]:
        order = list(super().__iter__())
        return iter(order[self.rank : len(self) * self.world : self.world])


def one_thread(worker: int) -> None:
    """Keep a worker to one core: the cores belong to the network."""
    cv2.setNumThreads(0)
