"""Weights of the page network as safetensors: half precision, with a card in the header."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from ecgtrace import weights_file
from ecgtrace.errors import WeightsError
from ecgtrace.page_ink.maps import MAP_PX_PER_MM, NAME_CLASSES
from ecgtrace.page_ink.unet import PageUNet

FORMAT = "ecgtrace-page-weights-1"
SHIPPED = "page.safetensors"


@dataclass(frozen=True)
class PageCard:
    """
    What stands in the header of a weights file.

    Attributes
    ----------
    network : str
        "page_unet".
    widths : sequence of int
    blocks : int
        Both as `PageUNet` takes them.
    px_per_mm : float
        Resolution that it was trained at.
    names : sequence of str
        Classes of the heat maps, in their order.
    training : dict
        Facts about the run: data, metrics, commit.
    """

    network: str
    widths: Sequence[int]
    blocks: int
    px_per_mm: float = MAP_PX_PER_MM
    names: Sequence[str] = NAME_CLASSES
    training: dict[str, Any] = field(default_factory=dict)


def resolve(weights: str) -> Path:
    """Return the path of weights: "shipped" for those of the package, else a file."""
    if weights == "shipped":
        return Path(str(resources.files("ecgtrace.page_ink") / "data" / SHIPPED))
    return Path(weights)


def save_page_weights(network: PageUNet, training: dict[str, Any], path: Path) -> None:
    """Write the weights of a network in half precision, with its card."""
    card = PageCard(network.name, network.widths, network.blocks, training=training)
    weights_file.write(network, card, FORMAT, path)


def load_page_network(path: Path) -> tuple[PageUNet, PageCard]:
    """
    Build the network that a weights file holds.

    Returns
    -------
    PageUNet
        Single precision, on the CPU, in evaluation mode.
    PageCard

    Raises
    ------
    WeightsError
        If the file is missing, is no safetensors file, was not written by `save_page_weights`, or was trained
        for another resolution or other names than this version reads.
    """
    card = PageCard(**weights_file.read_header(path, FORMAT, "page"))
    if (card.px_per_mm, tuple(card.names)) != (MAP_PX_PER_MM, NAME_CLASSES):
        raise WeightsError(f"{path} was trained for other maps than this version reads; train it anew")
    network = PageUNet(card.widths, card.blocks)
    weights_file.fill(network, weights_file.read_tensors(path), path)
    return network.eval(), card
