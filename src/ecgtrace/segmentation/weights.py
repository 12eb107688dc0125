"""
Weights as safetensors: half precision, with a card in the header that says how to use them.

The card makes a file self-describing (network, input size, what training started from and with
which result), so that weights of another network are refused with a reason.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ecgtrace import weights_file
from ecgtrace.errors import WeightsError

CHANNELS = ("target", "other")  # what a network marks: ink of the target; all other ink
FORMAT = "ecgtrace-weights-1"
_HEAD = ("network.segmentation_head.0.weight", "network.segmentation_head.0.bias")
SHIPPED = {"unet": "unet.safetensors"}


@dataclass(frozen=True)
class WeightsCard:
    """
    What stands in the header of a weights file.

    Attributes
    ----------
    network : str
        "unet".
    encoder : str
        Name of the smp encoder.
    height, width : int
        Size that windows of a crop are resized to.
    window_s : float
        Length of lead that such a window shows.
    started_from : str
        What training started from: "imagenet", "random", or a weights file and its own start.
    training : dict
        Facts about the run: data, number of crops, metrics, commit.
    resize : str
        How a window comes to that size (`resize.place`); files that do not say were trained on
        stretched ones.
    channels : sequence of str
        What the network marks (`CHANNELS`).
    """

    network: str
    encoder: str
    height: int
    width: int
    window_s: float
    started_from: str
    training: dict[str, Any] = field(default_factory=dict)
    resize: str = "stretch"
    channels: Sequence[str] = CHANNELS[:1]


def save_weights(network: nn.Module, card: WeightsCard, path: Path) -> None:
    """Write the weights of a network in half precision, with its card."""
    weights_file.write(network, card, FORMAT, path)


def read_card(path: Path) -> WeightsCard:
    """
    Read the header of a weights file.

    Raises
    ------
    WeightsError
        If the file is missing, is no safetensors file, or was not written by `save_weights`.
    """
    return WeightsCard(**weights_file.read_header(path, FORMAT))


def load_weights(network: nn.Module, path: Path, fit_head: bool = False) -> WeightsCard:
    """
    Fill a network from a weights file.

    Parameters
    ----------
    network : nn.Module
    path : Path
    fit_head : bool, optional
        Whether weights for another number of channels may fill those that both have: channels that the
        file lacks stay as they are, those that the network lacks are left out. By default `False`.

    Returns
    -------
    WeightsCard

    Raises
    ------
    WeightsError
        As `read_card`; or if the names or shapes of the weights are those of another network.
    """
    card = read_card(path)
    tensors = weights_file.read_tensors(path)
    if fit_head:
        own = network.state_dict()
        for name in set(own) & set(tensors) & set(_HEAD):
            given = tensors[name][: len(own[name])].to(own[name].dtype)
            tensors[name] = torch.cat([given, own[name][len(given) :]])
    weights_file.fill(network, tensors, path, f"another network ({card.network}, {card.encoder})")
    return card


def resolve(weights: str) -> Path:
    """Return the path of weights: "shipped" or "shipped:NAME" for those of the package, else a file."""
    if weights == "shipped" or weights.startswith("shipped:"):
        name = weights.partition(":")[2] or "unet"
        if name not in SHIPPED:
            raise WeightsError(f"no weights named {name} are shipped; there are: {', '.join(SHIPPED)}")
        return Path(str(resources.files("ecgtrace.segmentation") / "data" / SHIPPED[name]))
    return Path(weights)


def fingerprint(network: nn.Module) -> str:
    """Return a short hash of the values of all weights."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
