"""The lead network as a function from a piece of a page to whose ink it shows, and its weights."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.fx.experimental.optimization import fuse

from ecgtrace import weights_file
from ecgtrace.errors import WeightsError
from ecgtrace.page_ink.lead_hints import HINTS, LeadHints
from ecgtrace.page_ink.lead_unet import CHANNELS, LeadUNet
from ecgtrace.page_ink.unet import as_input, padding
from ecgtrace.segmentation.resize import resize_image
from ecgtrace.segmentation.segmenter import resolve_device
from ecgtrace.segmentation.weights import fingerprint

# A line of 0.15 mm is a little more than one px wide: as coarse as a peak can still be told from its edges.
LEAD_PX_PER_MM = 8.0
FORMAT = "ecgtrace-lead-weights-1"


@dataclass(frozen=True)
class LeadNetwork:
    """
    See pieces of pages with the weights of a file.

    Parameters
    ----------
    weights : str
        A file that `train.py model=lead` wrote.
    device : str, optional
        "auto" takes a GPU where there is one.

    Notes
    -----
    Weights are read on first use.
    """

    weights: str
    device: str = "auto"

    def __call__(
        self,
        piece: NDArray[np.uint8],
        hints: LeadHints,
        left: int,
        top: int,
        px_per_mm_x: float,
        px_per_mm_y: float,
    ) -> NDArray[np.float32]:
        """
        Return whose ink a piece of a page shows.

        Parameters
        ----------
        piece : ndarray of uint8, shape (height, width, 3)
            RGB.
        hints : LeadHints
            Of the row that is meant.
        left, top : int
            First column and row of the piece, in px of the page.
        px_per_mm_x, px_per_mm_y : float
            Resolution of the page.

        Returns
        -------
        ndarray of float32, shape (2, height, width)
            How likely each px is the row's ink, and any other's; both may be high where lines cross.
        """
        shape = piece.shape[0], piece.shape[1]
        size = (
            max(1, round(shape[0] * LEAD_PX_PER_MM / px_per_mm_y)),
            max(1, round(shape[1] * LEAD_PX_PER_MM / px_per_mm_x)),
        )
        told = hints.on_piece(left, top, shape, size)
        logits = self._logits(resize_image(piece, *size), told)
        # Logits are resized, not probabilities: these are flat inside the ink, and their edges would blur.
        grown = [cv2.resize(part, shape[::-1], interpolation=cv2.INTER_LINEAR) for part in logits]
        return np.asarray(1 / (1 + np.exp(-np.clip(np.stack(grown), -30, 30))), np.float32)

    def on(
        self, hints: LeadHints, px_per_mm_x: float, px_per_mm_y: float
    ) -> Callable[[int, int], "PieceInk"]:
        """Return what tells a row's ink on pieces of a page, by their first column and row."""
        return lambda left, top: PieceInk(self, hints, left, top, px_per_mm_x, px_per_mm_y)

    def _logits(self, image: NDArray[np.uint8], hints: NDArray[np.float32]) -> NDArray[np.float32]:
        network = self._loaded[0]
        device = next(network.parameters()).device
        height, width = image.shape[:2]
        rows, columns = padding(height, width)
        beyond = (0, rows, 0, columns)
        image = np.asarray(cv2.copyMakeBorder(image, *beyond, cv2.BORDER_REPLICATE))
        hints = np.pad(hints, ((0, 0), (0, rows), (0, columns)), mode="edge")
        page = torch.from_numpy(np.ascontiguousarray(image))[None].permute(0, 3, 1, 2)  # channels_last
        told = torch.from_numpy(hints)[None].to(device)
        with torch.inference_mode():
            return np.asarray(network(as_input(page.to(device)), told)[0, :, :height, :width].cpu().numpy())

    @property
    def model(self) -> str:
        """Name of the network and hash of its weights."""
        return f"{LeadUNet.name}:{self._loaded[1]}"

    @cached_property
    def _loaded(self) -> tuple[nn.Module, str]:
        network, _ = load_lead_network(Path(self.weights))
        hashed = fingerprint(network)
        # Batch normalisation folded into the convolutions: the same numbers in less time.
        return fuse(network).to(resolve_device(self.device)).to(memory_format=torch.channels_last), hashed


@dataclass(frozen=True)
class PieceInk:
    """
    A segmenter (`digitization.ink_map.Segmenter`) of one piece of one page.

    Attributes
    ----------
    network : LeadNetwork
    hints : LeadHints
    left, top : int
        First column and row of the piece, in px of the page.
    px_per_mm_x, px_per_mm_y : float
    """

    network: LeadNetwork
    hints: LeadHints
    left: int
    top: int
    px_per_mm_x: float
    px_per_mm_y: float

    @property
    def model(self) -> str:
        """Name of the network and hash of its weights."""
        return self.network.model

    def channels(self, image: NDArray[np.uint8], duration_s: float | None = None) -> NDArray[np.float32]:
        """Return whose ink the piece shows; how long it is does not matter."""
        return self.network(image, self.hints, self.left, self.top, self.px_per_mm_x, self.px_per_mm_y)


@dataclass(frozen=True)
class LeadCard:
    """What stands in the header of a file of lead weights: network, resolution, hints, facts of its run."""

    network: str
    widths: Sequence[int]
    blocks: int
    px_per_mm: float = LEAD_PX_PER_MM
    hints: Sequence[str] = HINTS
    channels: Sequence[str] = CHANNELS
    training: dict[str, Any] = field(default_factory=dict)


def save_lead_weights(network: LeadUNet, training: dict[str, Any], path: Path) -> None:
    """Write the weights of a network in half precision, with its card."""
    card = LeadCard(network.name, network.widths, network.blocks, training=training)
    weights_file.write(network, card, FORMAT, path)


def load_lead_network(path: Path) -> tuple[LeadUNet, LeadCard]:
    """
    Build the network that a weights file holds: single precision, on the CPU, in evaluation mode.

    Raises
    ------
    WeightsError
        If the file is missing, or was not written by `save_lead_weights` for these hints.
    """
    card = LeadCard(**weights_file.read_header(path, FORMAT, "lead"))
    if (card.px_per_mm, card.hints, card.channels) != (LEAD_PX_PER_MM, HINTS, CHANNELS):
        raise WeightsError(f"{path} was trained for other hints than this version gives; train it anew")
    network = LeadUNet(card.widths, card.blocks)
    weights_file.fill(network, weights_file.read_tensors(path), path)
    return network.eval(), card
