"""The order in which endless data is seen."""

from collections.abc import Iterator

from torch.utils.data import Sampler


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
