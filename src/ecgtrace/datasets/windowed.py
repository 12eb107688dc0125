"""Long leads, cut into the windows that a segmentation model sees."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ecgtrace.segmentation.resize import windows
from ecgtrace.types import LeadCrop


@dataclass(frozen=True)
class WindowedCrops(Sequence[LeadCrop]):
    """
    Every window of every crop, in order: for validation of a segmentation model.

    Only image and mask are those of the window; the other fields are the whole crop's.
    """

    crops: Sequence[LeadCrop]
    window_s: float = 2.5

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, index: int) -> LeadCrop:  # type: ignore[override]
        which, left, right = self._parts[index]
        return self.crops[which].columns(left, right)

    @cached_property
    def _parts(self) -> list[tuple[int, int, int]]:
        parts = []
        for i, crop in enumerate(self.crops):
            duration_s = len(crop.signal) / crop.fs_hz
            parts += [(i, *part) for part in windows(crop.image.shape[1], duration_s, self.window_s)]
        return parts
