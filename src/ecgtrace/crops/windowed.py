"""Long leads, cut into the windows that a segmentation model sees."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ecgtrace.crops.resize import windows
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
        crop = self.crops[which]
        return replace(
            crop,
            image=np.ascontiguousarray(crop.image[:, left:right]),
            mask=np.ascontiguousarray(crop.mask[:, left:right]),
            other_mask=None
            if crop.other_mask is None
            else np.ascontiguousarray(crop.other_mask[:, left:right]),
            polyline=None,
        )

    @cached_property
    def _parts(self) -> list[tuple[int, int, int]]:
        parts = []
        for i, crop in enumerate(self.crops):
            duration_s = len(crop.signal) / crop.fs_hz
            parts += [(i, *part) for part in windows(crop.image.shape[1], duration_s, self.window_s)]
        return parts
