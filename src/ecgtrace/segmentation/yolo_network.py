"""YOLO11-seg as a function from a picture to instances, and from instances to a probability per pixel."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ecgtrace.segmentation import yolo_runtime
from ecgtrace.segmentation.resize import Place, to_canvas
from ecgtrace.segmentation.yolo_canvas import PAD_GREY, STRIDE_PX, Canvas
from ecgtrace.types import FloatArray

CONFIDENCE = 0.25  # Ultralytics' default for predictions and for its confusion matrix
NMS_IOU = 0.7  # its default
MAX_INSTANCES = 10  # a crop has one target


def build_network(architecture: str = "yolo11n-seg") -> nn.Module:
    """Return an untrained network for one class, from the architecture file of Ultralytics."""
    yolo_runtime.load()
    from ultralytics.nn.tasks import SegmentationModel

    network = SegmentationModel(f"{architecture}.yaml", nc=1, verbose=False)
    network.names = {0: "signal"}
    return network


class Instances(NamedTuple):
    """
    What the network found in one picture, the most confident first.

    Attributes
    ----------
    boxes : Tensor, shape (n, 4)
        x0, y0, x1, y1 in px of the network's input.
    confidence : Tensor, shape (n,)
    coefficients : Tensor, shape (n, 32)
    prototypes : Tensor, shape (32, h, w)
        Coefficients times prototypes are the masks' logits.
    """

    boxes: Tensor
    confidence: Tensor
    coefficients: Tensor
    prototypes: Tensor

    def above(self, confidence: float) -> "Instances":
        """Return those that are at least so confident."""
        kept = self.confidence >= confidence
        return Instances(self.boxes[kept], self.confidence[kept], self.coefficients[kept], self.prototypes)


def find_instances(output: Any, confidence: float) -> list[Instances]:
    """
    Read the network's output in evaluation mode.

    Parameters
    ----------
    output : tuple
        Of a batch.
    confidence : float
        Instances below it are left out.

    Returns
    -------
    list of Instances
        One for each picture.
    """
    from ultralytics.utils.nms import non_max_suppression

    predictions, prototypes = output[0]
    # The time limit is of Ultralytics; a slow machine must not lose instances to it.
    found = non_max_suppression(
        predictions.float(), confidence, NMS_IOU, nc=1, max_det=MAX_INSTANCES, max_time_img=60.0
    )
    return [
        Instances(rows[:, :4], rows[:, 4], rows[:, 6:], p.float())
        for rows, p in zip(found, prototypes, strict=True)
    ]


def probability(
    found: Instances, input_shape: tuple[int, int], where: Place, shape: tuple[int, int]
) -> NDArray[np.float32]:
    """
    Unite instances into one map.

    A pixel has the greatest of its instances' probabilities, each weighted with the instance's confidence
    relative to the most confident one: there is one target in a crop, which may be found in pieces, and a
    doubtful second instance does not reach a threshold of 0.5. Our choice; the paper does not state one.

    Parameters
    ----------
    found : Instances
    input_shape : tuple of int
        Height and width of the network's input.
    where : Place
        Where the crop lies in it.
    shape : tuple of int
        Height and width of the crop.

    Returns
    -------
    ndarray of float32, shape `shape`
        In [0, 1]; 0 where nothing was found.
    """
    height, width = shape
    united = np.zeros((height, width), np.float32)
    if not len(found.confidence):
        return united
    low = (found.coefficients @ found.prototypes.flatten(1)).view(-1, *found.prototypes.shape[1:])
    full = functional.interpolate(low[None], input_shape, mode="bilinear", align_corners=False)[0]
    rows, columns = where.on_canvas
    logits = full[:, rows, columns].cpu().numpy()
    weights = (found.confidence / found.confidence.max()).cpu().numpy()
    for logit, weight, box in zip(logits, weights, to_crop(found.boxes, where, shape), strict=True):
        x0, y0, x1, y1 = np.rint(np.clip(box, 0, (width, height, width, height))).astype(int)
        # Logits are resized, not probabilities: these are flat inside the ink, and their edges would blur.
        own = cv2.resize(logit, (width, height), interpolation=cv2.INTER_LINEAR)[y0:y1, x0:x1]
        part = united[y0:y1, x0:x1]
        np.maximum(part, weight / (1 + np.exp(-np.clip(own, -30, 30))), out=part)
    return united


def to_crop(boxes: Tensor, where: Place, shape: tuple[int, int]) -> FloatArray:
    """Bring boxes from px of the network's input to px of the crop."""
    offset = np.array([where.left, where.top] * 2)
    factor = np.array([shape[1] / where.width, shape[0] / where.height] * 2)
    return (boxes.cpu().numpy().astype(float) - offset) * factor


@dataclass(frozen=True)
class Detector:
    """A trained network, the canvas that it was trained on, and the device and number format it runs in."""

    network: nn.Module
    canvas: Canvas

    def find(self, image: NDArray[np.uint8], confidence: float) -> tuple[Instances, tuple[int, int], Place]:
        """Return the instances in a picture, height and width of the input, and where the crop lies in it."""
        pixels, where = self._input(image)
        first = next(self.network.parameters())
        batch = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None].to(first.device)
        with torch.inference_mode():
            output = self.network((batch.float() / 255).to(first.dtype))
            return find_instances(output, confidence)[0], pixels.shape[:2], where

    def segment(self, image: NDArray[np.uint8], confidence: float = CONFIDENCE) -> NDArray[np.float32]:
        """Return the probability of each pixel, shape (height, width), to be ink of the target."""
        found, shape, where = self.find(image, confidence)
        return probability(found, shape, where, image.shape[:2])

    def _input(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], Place]:
        """Lay the exported image of a crop in the middle of the next multiples of the stride."""
        drawn = self.canvas.draw(image)
        height, width = drawn.shape[:2]
        full = (-(-height // STRIDE_PX) * STRIDE_PX, -(-width // STRIDE_PX) * STRIDE_PX)
        outer = Place((full[0] - height) // 2, (full[1] - width) // 2, height, width)
        inner = self.canvas.place(image.shape[:2])
        where = inner._replace(top=inner.top + outer.top, left=inner.left + outer.left)
        return to_canvas(drawn, outer, full, PAD_GREY), where
