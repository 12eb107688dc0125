"""What the page network is trained for: ink, rows and names."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ecgtrace.page_ink.maps import INK_CLASSES, MAP_PX_PER_MM, NAME_CLASSES
from ecgtrace.page_ink.unet import NAME_STRIDE, OFFSET_SCALE_MM

TRACE = INK_CLASSES.index("trace")
_PEAK_MM = 1.0  # standard deviation of a name's peak


@dataclass(frozen=True)
class PageLoss:
    """
    The sum of what the network gets wrong about ink, rows and names.

    Attributes
    ----------
    class_weights : tuple of float
        Of `INK_CLASSES` in the cross-entropy. Ink is a few per cent of a page, pulses and bars less by far.
    dice : tuple of float
        Weight of the Dice loss of each of `INK_CLASSES` but the first. Dice asks no less of what is rare: by
        cross-entropy alone, pulses and bars were not found at all after 1,280 steps.
    offset, names : float
        Weights of the row offset and of the names beside the cross-entropy.
    """

    class_weights: tuple[float, ...] = (0.5, 1.5, 4.0, 4.0, 1.5)
    dice: tuple[float, ...] = (0.5, 0.3, 0.3, 0.2)
    offset: float = 0.5
    names: float = 0.5

    def __call__(self, outputs: tuple[Tensor, Tensor, Tensor], batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """
        Return the parts of the loss, weighted.

        Parameters
        ----------
        outputs
            Of `PageUNet`.
        batch
            Of `page_tiles.as_tensors`.
        """
        ink, offset, names = (part.float() for part in outputs)
        classes = batch["classes"].long()
        weights = torch.tensor(list(self.class_weights), device=ink.device)
        return {
            "ink": functional.cross_entropy(ink, classes, weights),
            "dice": _dice(ink.softmax(1), classes, list(self.dice)),
            "offset": self.offset * _offset(offset[:, 0], batch["offset_mm"].float()),
            "names": self.names * _names(names, name_heat(batch["names"], names.shape[-2:])),
        }


def _dice(shares: Tensor, classes: Tensor, weights: list[float]) -> Tensor:
    """Sum 1 - Dice of each kind of ink over a batch as one picture: a tile may have none of it."""
    total = shares.new_zeros(())
    for kind, weight in enumerate(weights, start=1):
        share, truth = shares[:, kind], classes == kind
        both = (share * truth).sum()
        total = total + weight * (1 - (2 * both + 1) / (share.sum() + truth.sum() + 1))
    return total


def _offset(offset: Tensor, truth_mm: Tensor) -> Tensor:
    known = ~truth_mm.isnan()
    error = functional.smooth_l1_loss(
        offset, truth_mm.nan_to_num() / OFFSET_SCALE_MM, beta=0.1, reduction="none"
    )
    return (error * known).sum() / known.sum().clamp(min=1)


def _names(logits: Tensor, heat: Tensor) -> Tensor:
    """
    Return the quality focal loss of the heat maps, per name.

    Cross-entropy weighted by the square of the error [1]_: the many pixels far from any name, which are right
    soon, do not drown the few at one, and a peak between pixels stays between them.

    References
    ----------
    .. [1] Li et al. (2020), Generalized Focal Loss, https://arxiv.org/abs/2006.04388, equation 2
    """
    wrong = (logits.sigmoid() - heat).detach().square()
    entropy = functional.binary_cross_entropy_with_logits(logits, heat, reduction="none")
    n_names = (heat.amax(1) > 0.6).sum().clamp(min=1)
    return (wrong * entropy).sum() / n_names


def name_heat(names: Tensor, shape: tuple[int, ...] | torch.Size) -> Tensor:
    """
    Draw the heat maps of names.

    Parameters
    ----------
    names : Tensor, shape (batch, n, 3)
        Class (-1: none), x and y in px of the maps.
    shape : tuple of int
        (h, w) of the heat maps, at 1/4 of the maps' resolution.

    Returns
    -------
    Tensor, shape (batch, 14, h, w)
        Gaussians of 1 mm, 1 at the centre of a name; where two are near, the larger.
    """
    height, width = shape
    kind = names[:, :, 0]
    centre = (names[:, :, 1:] + 0.5) / NAME_STRIDE - 0.5
    sigma = _PEAK_MM * MAP_PX_PER_MM / NAME_STRIDE
    across = _bell(width, centre[:, :, 0], sigma)
    down = _bell(height, centre[:, :, 1], sigma)
    heat = names.new_zeros(len(names), len(NAME_CLASSES), height, width)
    rows = torch.arange(len(names), device=names.device)[:, None]
    is_of = kind[:, :, None] == torch.arange(len(NAME_CLASSES), device=names.device)
    # One class at a time: all at once would take gigabytes. Asked for once: a GPU waits for each answer.
    for index, most in enumerate(is_of.sum(1).amax(0).tolist()):
        if not most:
            continue
        on = is_of[:, :, index].to(names.dtype)
        first = torch.argsort(on, dim=1, descending=True)[:, :most]
        bells = (on[rows, first][:, :, None] * down[rows, first])[:, :, :, None] * across[rows, first][
            :, :, None
        ]
        heat[:, index] = bells.amax(1)
    return heat


def _bell(n: int, centre: Tensor, sigma: float) -> Tensor:
    steps = torch.arange(n, device=centre.device, dtype=centre.dtype)
    return torch.exp(-((steps - centre[:, :, None]) ** 2) / (2 * sigma**2))
