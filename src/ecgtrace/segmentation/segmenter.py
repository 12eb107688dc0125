"""A trained network as a function from a picture to the probability of each pixel."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.fx.experimental.optimization import fuse

from ecgtrace.errors import ConfigError, WeightsError
from ecgtrace.processor import computes_bfloat16
from ecgtrace.segmentation.resize import fit_image, from_canvas, windows
from ecgtrace.segmentation.unet import FROM_FILE, UNet
from ecgtrace.segmentation.weights import WeightsCard, fingerprint, load_weights, read_card, resolve

_PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class WindowedSegmenter(ABC):
    """
    What segmenters share: long leads are seen through windows, and weights come with a card.

    A subclass has `_segment`, which gives the probability of a picture of one window (of each channel), and
    `_loaded`: its network, the card of the weights, and their hash.
    """

    _loaded: Any

    def __call__(self, image: NDArray[np.uint8], duration_s: float | None = None) -> NDArray[np.float32]:
        """
        Return the probability of each pixel to be ink of the target trace.

        Parameters
        ----------
        image : ndarray of uint8, shape (height, width, 3)
            RGB.
        duration_s : float, optional
            How long the lead in the picture is. Leads longer than the network was trained on
            are seen through several windows. By default one window.

        Returns
        -------
        ndarray of float32, shape (height, width)
            In [0, 1].
        """
        return self.channels(image, duration_s)[0]

    def channels(self, image: NDArray[np.uint8], duration_s: float | None = None) -> NDArray[np.float32]:
        """
        Return the probability of each pixel, for every channel that the network marks.

        Parameters
        ----------
        image, duration_s
            As for a call.

        Returns
        -------
        ndarray of float32, shape (n_channels, height, width)
            The target first; then, where the network marks it, ink of the neighbours. Both may be high.
        """
        height, width = image.shape[:2]
        parts = windows(width, duration_s or self.card.window_s, self.card.window_s)
        # One by one: a batch is no faster on a CPU, and takes more memory.
        shown = [self._segment(image[:, left:right]) for left, right in parts]
        return np.concatenate([part.reshape(-1, height, part.shape[-1]) for part in shown], axis=2)

    @abstractmethod
    def _segment(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the probability of a picture of one window."""

    @property
    def card(self) -> WeightsCard:
        """The card of the weights."""
        return self._loaded[1]  # type: ignore[no-any-return]

    @property
    def model(self) -> str:
        """Name of the network and hash of its weights."""
        return f"{self.card.network}:{self._loaded[2]}"


def resolve_device(device: str) -> str:
    """Return a device by name; "auto" is a GPU where there is one."""
    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


@dataclass(frozen=True)
class NetworkSegmenter(WindowedSegmenter):
    """
    Segment crops with the weights of a file.

    Parameters
    ----------
    weights : str, optional
        "shipped" for those of the package, or the path of a file that `train.py` wrote.
    device : str, optional
        "auto" takes a GPU where there is one.
    precision : {"auto", "float32", "bfloat16"}, optional
        "auto" is bfloat16 on CPUs that compute in it, where it takes half the time, and float32
        elsewhere. On the shipped weights it moves 2 of 1,000 pixels of ink; a table that another
        processor is to give again to the last digit wants float32.

    Notes
    -----
    Weights are read on first use.
    """

    weights: str = "shipped"
    device: str = "auto"
    precision: str = "auto"

    def __post_init__(self) -> None:
        if self.precision not in ("auto", *_PRECISIONS):
            raise ConfigError(f"precision={self.precision} is unknown; choose auto, float32 or bfloat16")

    def _segment(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        # Logits are resized, not probabilities: these are flat inside the ink, and their edges would blur.
        small = fit_image(image, self.card.height, self.card.width, self.card.resize)
        logit = np.stack(
            [from_canvas(part, self.card.resize, image.shape[:2]) for part in self._logits(small)]
        )
        return np.asarray(1 / (1 + np.exp(-np.clip(logit, -30, 30))), np.float32)

    def _logits(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        network = self._loaded[0]
        first = next(network.parameters())
        pixels = torch.from_numpy(np.ascontiguousarray(image))[None].permute(0, 3, 1, 2)  # channels_last
        batch = (pixels.to(first.device).float() / 255).to(first.dtype)
        with torch.inference_mode():
            return np.asarray(network(batch)[0].float().cpu().numpy(), dtype=np.float32)

    def _dtype(self, device: str) -> torch.dtype:
        if self.precision != "auto":
            return _PRECISIONS[self.precision]
        return torch.bfloat16 if device == "cpu" and computes_bfloat16() else torch.float32

    @cached_property
    def _loaded(self) -> tuple[nn.Module, WeightsCard, str]:
        path = resolve(self.weights)
        card = read_card(path)
        if card.network != UNet.name:
            raise WeightsError(f"{path} holds a {card.network}; this segmenter runs a {UNet.name}")
        network = UNet(card.encoder, encoder_weights=FROM_FILE, channels=card.channels)
        load_weights(network, path)
        device = resolve_device(self.device)
        hashed = fingerprint(network)
        # Batch normalisation folded into the convolutions: the same numbers in three quarters of the time.
        fused = fuse(network.eval()).to(device, self._dtype(device)).to(memory_format=torch.channels_last)
        return fused, card, hashed
