"""
Ultralytics' training, with our validation, files and number format.

Ultralytics is imported here at once: this module is imported only where it is used.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ecgtrace.segmentation import yolo_runtime

yolo_runtime.load()

from ultralytics.engine import trainer as engine  # noqa: E402
from ultralytics.engine import validator  # noqa: E402
from ultralytics.models.yolo.segment import SegmentationTrainer, SegmentationValidator  # noqa: E402
from ultralytics.utils import ops  # noqa: E402

from ecgtrace.segmentation.yolo_canvas import Canvas  # noqa: E402
from ecgtrace.segmentation.yolo_network import CONFIDENCE, Instances, find_instances, probability  # noqa: E402
from ecgtrace.training.yolo_confusion import Confusion  # noqa: E402
from ecgtrace.training.yolo_data import read_mask  # noqa: E402

INK = 0.5  # probability from which on a pixel counts as ink in the IoU, as for the U-Net


class Validator(SegmentationValidator):
    """
    Count pixels of the crop as the U-Net's validation does, and instances as Ultralytics' matrix does.

    Its `fitness`, which chooses the best epoch and stops early, is the IoU over all pixels.
    """

    canvas: Canvas

    def init_metrics(self, model: nn.Module) -> None:
        """Begin an epoch."""
        super().init_metrics(model)
        self.confusion = Confusion()
        self._shared = self._either = self._per_crop = 0.0

    def postprocess(self, preds: Any) -> list[Any]:
        """Return the `Instances` of each picture."""
        return find_instances(preds, CONFIDENCE)

    def update_metrics(self, preds: list[Any], batch: dict[str, Any]) -> None:
        """Count the crops of a batch."""
        found: Instances
        shape = tuple(batch["img"].shape[2:])
        for i, found in enumerate(preds):
            own = batch["bboxes"][batch["batch_idx"] == i]
            truth = (ops.xywh2xyxy(own[0]).cpu() * torch.tensor(shape)[[1, 0, 1, 0]]).numpy()
            self.confusion.add(found.boxes.cpu().numpy(), truth)
            mask = read_mask(Path(batch["im_file"][i])).astype(bool)
            inner = self.canvas.place(mask.shape)
            left, top = (round(float(v)) for v in batch["ratio_pad"][i][1])
            where = inner._replace(top=inner.top + top, left=inner.left + left)
            ink = probability(found, shape, where, mask.shape) >= INK
            shared, either = int((ink & mask).sum()), int((ink | mask).sum())
            self._shared, self._either = self._shared + shared, self._either + either
            self._per_crop += shared / max(either, 1)

    def get_stats(self) -> dict[str, float]:
        """Return the metrics of the epoch."""
        iou = self._shared / max(self._either, 1)
        return {
            "fitness": iou,
            "val/iou": iou,
            "val/iou_per_crop": self._per_crop / max(self.confusion.n, 1),
            "val/no_detection_share": self.confusion.missed_share,
        }

    def finalize_metrics(self) -> None:
        """Nothing is drawn."""

    def gather_stats(self) -> None:
        """There is one process."""

    def print_results(self) -> None:
        """The trainer reports."""


class Trainer(SegmentationTrainer):
    """
    Train in a run folder.

    Attributes
    ----------
    canvas : Canvas
    on_epoch : callable
        Called with the metrics of an epoch before its checkpoint is written, so that none is lost: an
        epoch whose checkpoint is missing is trained, and reported, again.
    initial : dict of str to Tensor or None
        Weights to start from.
    """

    canvas: Canvas
    on_epoch: Callable[[dict[str, float]], None]
    initial: dict[str, Tensor] | None = None

    def check_resume(self, overrides: dict[str, Any]) -> None:
        """Let a resumed run have more epochs, or fewer, than when it was begun."""
        super().check_resume(overrides)
        if self.resume:
            self.args.epochs = overrides["epochs"]

    def get_model(self, cfg: Any = None, weights: Any = None, verbose: bool = True) -> nn.Module:
        """Build the network."""
        network = super().get_model(cfg, weights, verbose=False)
        if self.initial is not None and weights is None:
            network.load_state_dict(self.initial)
        return network

    def get_validator(self) -> Validator:
        """Return ours."""
        ours = Validator(
            self.test_loader, save_dir=self.save_dir, args=copy(self.args), _callbacks=self.callbacks
        )
        ours.canvas = self.canvas
        return ours

    def save_metrics(self, metrics: dict[str, Any]) -> None:
        """Report an epoch instead of writing `results.csv`."""
        row = {k: float(v) for k, v in metrics.items() if k.startswith(("train/", "val/"))}
        row = {k: v for k, v in row.items() if not k.endswith("/sem_loss")}  # of YOLO26 alone, here 0
        for stage in ("train", "val"):
            row[f"{stage}/loss"] = sum(
                v for k, v in row.items() if k.startswith(f"{stage}/") and k.endswith("_loss")
            )
        self.on_epoch({"epoch": self.epoch, **row, "lr": float(next(iter(self.lr.values())))})

    def read_results_csv(self) -> dict[str, Any]:
        """Return nothing: there is no `results.csv` to keep in a checkpoint."""
        return {}

    def final_eval(self) -> None:
        """Leave the checkpoints as they are: without their optimizer they could not be gone on with."""


@contextmanager
def on_our_terms(bfloat16: bool) -> Iterator[None]:
    """
    Let Ultralytics train in bfloat16 on CPUs, and take mixed precision on GPUs without its test.

    It allows bfloat16 on CUDA alone; on CPUs that compute in it an epoch takes 0.6 of the time. Its test of
    float16 downloads weights.

    Parameters
    ----------
    bfloat16 : bool
        Whether to use it on a CPU.
    """
    autocast, check_amp = engine.autocast, engine.check_amp

    def with_cpu(enabled: Any, device: str = "cuda") -> AbstractContextManager[Any]:
        if device == "cpu":
            return torch.autocast("cpu", torch.bfloat16, enabled=bfloat16)
        return autocast(enabled, device)

    engine.check_amp = lambda model: True
    engine.autocast = validator.autocast = with_cpu
    try:
        yield
    finally:
        engine.check_amp = check_amp
        engine.autocast = validator.autocast = autocast


def finished(last: dict[str, Any], epochs: int, patience: int) -> bool:
    """Say whether a checkpoint ends its run: the last epoch, or early stopping."""
    epoch, best = last["epoch"] + 1, last["stopper"]["best_epoch"]
    return bool(epoch >= epochs or (patience and epoch - best >= patience))
