"""Training of the page network with Lightning."""

from typing import Any

import torch
from torch import Tensor

from ecgtrace.page_ink.unet import PageUNet, as_input
from ecgtrace.training.averaged import AveragedModule
from ecgtrace.training.page_losses import PageLoss
from ecgtrace.training.page_scores import PageScores


class PageModule(AveragedModule):
    """
    Train the page network.

    Parameters
    ----------
    network : PageUNet
    loss : PageLoss
    *others, **schedule
        As `AveragedModule`.
    """

    def __init__(self, network: PageUNet, loss: PageLoss, *others: Any, **schedule: Any) -> None:
        super().__init__(network, *others, **schedule)
        self.loss = loss
        self._scores = PageScores()

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the mean of the weights gives for uint8 pages."""
        return self.mean(as_input(image).contiguous(memory_format=torch.channels_last))

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        """Return the loss of a batch."""
        image = self.lit(batch)
        outputs = self.network(image)
        with torch.autocast(self.device.type, enabled=False):
            parts = self.loss(outputs, batch)
        total = torch.stack(list(parts.values())).sum()
        logged = {f"train/loss_{name}": part.detach() for name, part in parts.items()}
        self.log_dict(
            logged | {"train/loss": total.detach()}, on_step=False, on_epoch=True, batch_size=len(image)
        )
        return total

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        """Count what the mean of the weights gets right of a batch."""
        self._scores.add(self(batch["image"]), batch)

    def on_validation_epoch_start(self) -> None:
        """Begin to count anew."""
        self._scores = PageScores()

    def on_validation_epoch_end(self) -> None:
        """Log the scores."""
        self.log_dict({f"val/{name}": value for name, value in self._scores.metrics().items()})
