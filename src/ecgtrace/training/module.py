"""Training of a segmentation network with Lightning; the network itself is in a file of its own."""

from collections.abc import Callable
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


class SegmentationModule(lightning.LightningModule):
    """
    Train a network on pairs of crop and mask.

    Parameters
    ----------
    network : nn.Module
        From images (batch, 3, h, w) in [0, 1] to logits (batch, channels, h, w); the IoU is that of the
        first channel, the target. That of a second one is logged beside it.
    loss : nn.Module
    optimizer : callable
        From parameters to an optimizer. The paper: Adam.
    warmup, decay : float
        Shares of the steps of the whole run in which the learning rate rises from 0, and
        falls to 0, both linearly; between them it is constant. Our choice: the paper does
        not state a schedule. Zero for both is a constant rate.
    threshold : float
        Probability from which on a pixel counts as ink in the IoU.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module,
        optimizer: Callable[..., Optimizer],
        warmup: float = 0.02,
        decay: float = 0.4,
        threshold: float = 0.5,
    ) -> None:
        super().__init__()
        self.network, self.loss, self.make_optimizer = network, loss, optimizer
        self.warmup, self.decay, self.threshold = warmup, decay, threshold
        self._counts: dict[str, Tensor] = {}
        self._restored_metrics: dict[str, float] = {}

    def forward(self, image: Tensor) -> Tensor:
        """Return logits."""
        return self.network(image)

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        """Return the loss of a batch."""
        return self._step(batch, "train")

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        """Count the agreement with the masks of a batch."""
        self._step(batch, "val")

    def _step(self, batch: dict[str, Tensor], stage: str) -> Tensor:
        logits = self(batch["image"].contiguous(memory_format=torch.channels_last))
        loss = self.loss(logits, batch["mask"])
        self.log(f"{stage}/loss", loss, on_step=False, on_epoch=True, batch_size=len(logits), sync_dist=True)
        self._count(logits.detach()[:, :1], batch["mask"][:, :1], stage)
        if logits.shape[1] > 1:
            self._count(logits.detach()[:, 1:], batch["mask"][:, 1:], f"{stage}_other")
        return loss

    def _count(self, logits: Tensor, mask: Tensor, stage: str) -> None:
        ink = torch.sigmoid(logits.float()) >= self.threshold
        truth = mask > 0.5
        shared = (ink & truth).sum((1, 2, 3)).double()
        either = (ink | truth).sum((1, 2, 3)).double()
        per_crop = torch.where(either > 0, shared / either.clamp(min=1), torch.ones_like(either))
        counts = torch.stack([shared.sum(), either.sum(), per_crop.sum(), per_crop.new_tensor(len(per_crop))])
        self._counts[stage] = self._counts.get(stage, torch.zeros_like(counts)) + counts

    def _log_iou(self, stage: str) -> None:
        """Log the IoU of all pixels of the epoch, and the mean IoU of its crops."""
        if stage not in self._counts:
            return
        shared, either, per_crop, n = self.trainer.strategy.reduce(self._counts.pop(stage), reduce_op="sum")
        stage, _, other = stage.partition("_")
        suffix = f"_{other}" if other else ""
        self.log(f"{stage}/iou{suffix}", (shared / either.clamp(min=1)).float())
        self.log(f"{stage}/iou_per_crop{suffix}", (per_crop / n).float())

    def on_train_epoch_end(self) -> None:
        """Log the IoU of the epoch."""
        self._log_iou("train")
        self._log_iou("train_other")

    def on_validation_epoch_end(self) -> None:
        """Log the IoU of the epoch."""
        self._log_iou("val")
        self._log_iou("val_other")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the metrics of the epoch: a run killed right after saving has not written them yet."""
        metrics = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
        checkpoint["epoch_metrics"] = {"epoch": self.current_epoch, **metrics}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the metrics of the epoch that the checkpoint closed."""
        self._restored_metrics = checkpoint.get("epoch_metrics", {})

    def on_train_start(self) -> None:
        """Write the metrics of the epoch before, if this run goes on with another."""
        for logger in self.loggers if self._restored_metrics else []:
            logger.log_metrics(self._restored_metrics)

    def configure_optimizers(self) -> Any:
        """Return Adam and its schedule."""
        optimizer = self.make_optimizer(self.parameters())
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = LambdaLR(optimizer, lambda step: trapezoid(step, steps, self.warmup, self.decay))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def trapezoid(step: int, steps: int, warmup: float, decay: float) -> float:
    """
    Return the factor of the learning rate at a step: up, constant, down to 0.

    Examples
    --------
    >>> [round(trapezoid(s, 10, 0.2, 0.5), 2) for s in range(11)]
    [0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 0.8, 0.6, 0.4, 0.2, 0.0]
    """
    up = (step + 1) / (warmup * steps) if warmup else 1.0
    down = (steps - step) / (decay * steps) if decay else 1.0
    return max(0.0, min(1.0, up, down))
