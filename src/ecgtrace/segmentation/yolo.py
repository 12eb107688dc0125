"""
A segmenter for weights of YOLO11n-seg, the second model of the paper.

Ultralytics is imported only where it is needed: it is optional, and under AGPL-3.0.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ecgtrace.errors import ConfigError, WeightsError
from ecgtrace.segmentation.segmenter import WindowedSegmenter, resolve_device
from ecgtrace.segmentation.weights import WeightsCard, fingerprint, load_weights, read_card, resolve
from ecgtrace.segmentation.yolo_canvas import Canvas
from ecgtrace.segmentation.yolo_network import CONFIDENCE, Detector, build_network

NETWORK = "yolo"


@dataclass(frozen=True)
class YoloSegmenter(WindowedSegmenter):
    """
    Segment crops with the YOLO weights of a file, as `NetworkSegmenter` does with the U-Net's.

    Parameters
    ----------
    weights : str
        The path of a `weights.safetensors` that `train.py model=yolo` wrote; none are shipped.
    device : str, optional
        "auto" takes a GPU where there is one.
    precision : {"auto", "float32"}, optional
        Both are float32.
    confidence : float, optional
        Instances below it are left out.

    Notes
    -----
    Weights are read on first use.
    """

    weights: str
    device: str = "auto"
    precision: str = "auto"
    confidence: float = CONFIDENCE

    def __post_init__(self) -> None:
        if self.precision not in ("auto", "float32"):
            raise ConfigError(f"precision={self.precision}: YOLO runs in float32; choose auto or float32")
        if not 0 < self.confidence < 1:
            raise ConfigError(f"confidence must lie between 0 and 1, got {self.confidence:g}")

    def _segment(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self.detector.segment(image, self.confidence)  # 0 where no instance was found

    @property
    def detector(self) -> Detector:
        """The network."""
        return self._loaded[0]

    @cached_property
    def _loaded(self) -> tuple[Detector, WeightsCard, str]:
        path = resolve(self.weights)
        card = read_card(path)
        if card.network != NETWORK:
            raise WeightsError(f"{path} holds a {card.network}; use model={card.network} with it")
        network: nn.Module = build_network(card.encoder)
        load_weights(network, path)
        hashed = fingerprint(network)
        return (
            Detector(network.eval().to(resolve_device(self.device)), Canvas(card.height, card.width)),
            card,
            hashed,
        )
