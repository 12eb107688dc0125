"""The loss of the paper: a weighted sum of binary cross-entropy and Dice."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def dice_loss(logits: Tensor, target: Tensor, smooth_px: float = 1.0) -> Tensor:
    """
    Return the soft Dice loss, averaged over the batch.

    For each crop, with probabilities p and target t summed over its pixels:
    ``1 - (2 sum(p t) + s) / (sum(p) + sum(t) + s)``, each channel by itself. It ranges from 0 (the same) to
    nearly 1 (nothing in common).

    The term s also settles the empty target, for which the loss of
    segmentation-models-pytorch is 0 whatever is predicted: here it is
    ``1 - s / (sum(p) + s)``, so that 0 stands for no ink predicted, one half for as
    much ink as s, and 1 for much.

    Parameters
    ----------
    logits, target : Tensor of float, shape (batch, channels, height, width)
    smooth_px : float, optional
        The term s in pixels. By default 1.
    """
    axes = (2, 3)
    probability = torch.sigmoid(logits)
    shared = (probability * target).sum(axes)
    total = probability.sum(axes) + target.sum(axes)
    return (1 - (2 * shared + smooth_px) / (total + smooth_px)).mean()


class BceDiceLoss(nn.Module):
    """
    ``bce_weight * BCE + dice_weight * Dice``.

    The paper does not state its weights; equal ones are our choice.
    """

    def __init__(self, bce_weight: float = 0.5, dice_weight: float = 0.5, smooth_px: float = 1.0) -> None:
        super().__init__()
        self.bce_weight, self.dice_weight, self.smooth_px = bce_weight, dice_weight, smooth_px

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar."""
        logits = logits.float()  # half precision would lose the sums over many pixels
        bce = F.binary_cross_entropy_with_logits(logits, target)
        return self.bce_weight * bce + self.dice_weight * dice_loss(logits, target, self.smooth_px)
