"""How well the page network does, counted over validation tiles."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ecgtrace.page_ink.maps import INK_CLASSES
from ecgtrace.page_ink.unet import NAME_STRIDE, OFFSET_SCALE_MM
from ecgtrace.training.page_losses import TRACE

_LEAST_PEAK = 0.3  # as `page_ink.names.names_found`
_NEAR_PX = 12.0  # 3 mm, the height of a name


@dataclass
class PageScores:
    """
    Counts of a validation, added up batch by batch.

    Examples
    --------
    >>> scores = PageScores()
    >>> scores.names(np.array([[0, 10.0, 10.0]]), np.array([[0, 12.0, 10.0], [3, 50.0, 50.0]]))
    >>> scores.metrics()["names_recall"], scores.metrics()["names_precision"]
    (1.0, 0.5)
    """

    shared: dict[str, float] = field(default_factory=dict)
    either: dict[str, float] = field(default_factory=dict)
    errors_mm: list[Tensor] = field(default_factory=list)
    n_true: int = 0
    n_found: int = 0
    n_right: int = 0

    def add(self, outputs: tuple[Tensor, Tensor, Tensor], batch: dict[str, Tensor]) -> None:
        """Count a batch: outputs of `PageUNet` and what `page_tiles.as_tensors` makes."""
        ink, offset, heat = (part.float() for part in outputs)
        seen, truth = ink.argmax(1), batch["classes"].long()
        for index, kind in enumerate(INK_CLASSES[1:], 1):
            a, b = seen == index, truth == index
            self.shared[kind] = self.shared.get(kind, 0.0) + float((a & b).sum())
            self.either[kind] = self.either.get(kind, 0.0) + float((a | b).sum())
        known = (truth == TRACE) & ~batch["offset_mm"].isnan()
        error = (offset[:, 0] * OFFSET_SCALE_MM - batch["offset_mm"].float()).abs()[known]
        self.errors_mm.append(error[::37].cpu())  # a part: a page has 50,000 pixels of ink
        found = _peaks(heat.sigmoid())
        for index, truths in enumerate(batch["names"].cpu().numpy()):
            self.names(truths[truths[:, 0] >= 0], found[found[:, 0] == index, 1:])

    def names(self, truth: np.ndarray, found: np.ndarray) -> None:
        """Count the names of a tile: arrays (n, 3) of class, x, y; each true name is found once at most."""
        free = np.ones(len(truth), bool)
        for kind, x, y in found:
            near = free & (truth[:, 0] == kind) & (np.hypot(truth[:, 1] - x, truth[:, 2] - y) <= _NEAR_PX)
            if near.any():
                free[np.flatnonzero(near)[0]] = False
        self.n_true, self.n_found = self.n_true + len(truth), self.n_found + len(found)
        self.n_right += int((~free).sum())

    def metrics(self) -> dict[str, float]:
        """Return IoU of each kind of ink, error of the row offset in mm, recall and precision of names."""
        errors = torch.cat(self.errors_mm) if self.errors_mm else torch.zeros(0)
        quantile = (lambda q: float(errors.quantile(q))) if len(errors) else (lambda q: float("nan"))
        iou = {f"iou_{kind}": self.shared[kind] / max(1.0, self.either[kind]) for kind in self.shared}
        return {
            **iou,
            "offset_median_mm": quantile(0.5),
            "offset_p90_mm": quantile(0.9),
            "names_recall": self.n_right / max(1, self.n_true),
            "names_precision": self.n_right / max(1, self.n_found),
        }


def _peaks(heat: Tensor) -> np.ndarray:
    """Return the peaks of heat maps at 1/4 of the resolution: (n, 4) of tile, class, x, y in tile px."""
    best, kind = heat.max(1, keepdim=True)
    window = functional.max_pool2d(best, 5, 1, 2)
    tile, _, y, x = torch.nonzero((best == window) & (best >= _LEAST_PEAK), as_tuple=True)
    centre = [(v.float() + 0.5) * NAME_STRIDE - 0.5 for v in (x, y)]
    return torch.stack([tile.float(), kind[tile, 0, y, x].float(), *centre], 1).cpu().numpy()
