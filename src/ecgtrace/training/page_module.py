"""Training of the page network with Lightning."""

import copy
import math
import time
from collections.abc import Callable
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.optim import Optimizer

from ecgtrace.page_ink.unet import PageUNet, as_input
from ecgtrace.training.page_light import PageLight
from ecgtrace.training.page_losses import PageLoss
from ecgtrace.training.page_scores import PageScores


class PageModule(lightning.LightningModule):
    """
    Train the page network, and keep a running mean of its weights, which is what is validated and kept.

    Parameters
    ----------
    network : PageUNet
    loss : PageLoss
    light : PageLight
    optimizer : callable
        From parameters to an optimizer.
    warmup : float
        Share of the run in which the learning rate rises from 0; then it falls as a half cosine.
    seconds : float, optional
        How long to train, on whatever machine: what is done is the share of this time, and the run ends with
        it. By default the trainer's number of steps decides.
    mean_steps : float
        Over how many steps, about, the mean of the weights goes; fewer at the beginning.
    """

    def __init__(
        self,
        network: PageUNet,
        loss: PageLoss,
        light: PageLight,
        optimizer: Callable[..., Optimizer],
        warmup: float = 0.03,
        seconds: float | None = None,
        mean_steps: float = 200.0,
    ) -> None:
        super().__init__()
        self.network, self.mean = network, copy.deepcopy(network).requires_grad_(False).eval()
        self.loss, self.light, self.make_optimizer = loss, light, optimizer
        self.warmup, self.seconds, self.mean_steps = warmup, seconds, mean_steps
        self.spent_s = 0.0
        self._since: float | None = None
        self._scores = PageScores()

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the mean of the weights gives for uint8 pages."""
        return self.mean(as_input(image).contiguous(memory_format=torch.channels_last))

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        """Return the loss of a batch."""
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            image = self.light(as_input(batch["image"]))
        outputs = self.network(image.contiguous(memory_format=torch.channels_last))
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

    def share_done(self) -> float:
        """Return how much of the run is behind, in [0, 1]."""
        if self.seconds:
            return min(1.0, self.clock_s() / self.seconds)
        return min(1.0, self.global_step / max(1, int(self.trainer.estimated_stepping_batches)))

    def clock_s(self) -> float:
        """Return how long this run has trained, before an interruption too, in s."""
        return self.spent_s + (time.monotonic() - self._since if self._since else 0.0)

    def on_train_start(self) -> None:
        """Start the clock."""
        self._since = time.monotonic()

    def on_train_batch_start(self, batch: Any, batch_index: int) -> None:
        """Set the learning rate."""
        factor = half_cosine(self.share_done(), self.warmup)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = group["initial_lr"] * factor

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_index: int) -> None:
        """Take the weights into their mean; end where the time is over."""
        keep = min(1 - 1 / self.mean_steps, (self.global_step + 1) / (self.global_step + 10))
        with torch.no_grad():
            mean, own = self.mean.state_dict(), self.network.state_dict()
            floats = [name for name, value in own.items() if value.is_floating_point()]
            torch._foreach_lerp_([mean[n] for n in floats], [own[n] for n in floats], 1 - keep)
        if self.seconds and self.share_done() >= 1:
            self.trainer.should_stop = True

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the time spent."""
        checkpoint["spent_s"] = self.clock_s()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on where the clock stood."""
        self.spent_s = float(checkpoint["spent_s"])

    def configure_optimizers(self) -> Optimizer:
        """Return the optimizer; the rate is set step by step."""
        optimizer = self.make_optimizer(self.network.parameters())
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
        return optimizer


def half_cosine(done: float, warmup: float) -> float:
    """
    Return the factor of the learning rate when a share of the run is done.

    Examples
    --------
    >>> [round(half_cosine(done, 0.1), 3) for done in (0.0, 0.05, 0.1, 0.55, 1.0)]
    [0.01, 0.5, 1.0, 0.5, 0.0]
    """
    if done < warmup:
        return max(0.01, done / warmup)
    return 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))
