"""Printed lead names, read at twice the resolution of the maps where the maps show that one may stand."""

from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecgtrace import weights_file
from ecgtrace.errors import WeightsError
from ecgtrace.page_ink.maps import NAME_CLASSES, PageMaps
from ecgtrace.page_ink.name_net import NO_NAME, NameNet
from ecgtrace.page_ink.names import FoundName, each_once, names_found
from ecgtrace.page_ink.patches import PATCH_PX_PER_MM, cut_patches, words_on
from ecgtrace.page_ink.unet import as_input
from ecgtrace.segmentation.segmenter import resolve_device
from ecgtrace.segmentation.weights import fingerprint
from ecgtrace.types import FloatArray

FORMAT = "ecgtrace-name-weights-1"
SHIPPED = "names.safetensors"
_LEAST_PEAK = 0.05  # of a heat map: what stands there is read anew
# Of one name: two that look alike at a low resolution share what is there; scribble and waves are shared out
# among many.
_LEAST_SHARE = 0.35


@dataclass(frozen=True)
class NameReader:
    """
    Read the printed names of a page.

    Parameters
    ----------
    weights : str, optional
        "shipped" for those of the package, or a file that `train.py model=name` wrote.
    device : str, optional

    Notes
    -----
    Weights are read on first use.
    """

    weights: str = "shipped"
    device: str = "auto"

    def __call__(
        self, image: NDArray[np.uint8], px_per_mm_x: float, px_per_mm_y: float, maps: PageMaps
    ) -> list[FoundName]:
        """
        Return the names of a page, the surest first.

        Parameters
        ----------
        image : ndarray of uint8, shape (height, width, 3)
            RGB; the page that `maps` were made of.
        px_per_mm_x, px_per_mm_y : float
            Its resolution.
        maps : PageMaps

        Returns
        -------
        list of FoundName
            In px of the maps; no two within 2 mm.
        """
        peaks = [(name.x, name.y) for name in names_found(maps, _LEAST_PEAK)]
        places = np.concatenate([np.reshape(peaks, (-1, 2)), words_on(maps)])
        if not len(places):
            return []
        patches = cut_patches(image, maps.to_page(places), px_per_mm_x, px_per_mm_y)
        found = []
        for (x, y), shares in zip(places.tolist(), self.shares(patches), strict=True):
            kind = int(shares[:NO_NAME].argmax())
            if shares[kind] >= _LEAST_SHARE:
                scores = tuple(shares[:NO_NAME].tolist())
                found.append(FoundName(NAME_CLASSES[kind], float(shares[kind]), x, y, scores))
        return each_once(found)

    def shares(self, patches: NDArray[np.uint8]) -> FloatArray:
        """Return how likely each class is in patches (n, 48, 112, 3): shape (n, 15), the last no name."""
        network = self._loaded[0]
        device = next(network.parameters()).device
        batch = torch.from_numpy(patches).permute(0, 3, 1, 2)
        with torch.inference_mode():
            return network(as_input(batch.to(device))).softmax(1).cpu().numpy().astype(float)

    @property
    def model(self) -> str:
        """Name of the network and hash of its weights."""
        return f"{NameNet.name}:{self._loaded[1]}"

    @cached_property
    def _loaded(self) -> tuple[NameNet, str]:
        network, _ = load_name_network(resolve(self.weights))
        return network.to(resolve_device(self.device)), fingerprint(network)


@dataclass(frozen=True)
class NameCard:
    """What stands in the header of a file of name weights: network, resolution, classes, facts of its run."""

    network: str
    widths: tuple[int, ...]
    px_per_mm: float = PATCH_PX_PER_MM
    names: tuple[str, ...] = NAME_CLASSES
    training: dict[str, Any] = field(default_factory=dict)


def resolve(weights: str) -> Path:
    """Return the path of weights: "shipped" for those of the package, else a file."""
    if weights == "shipped":
        return Path(str(resources.files("ecgtrace.page_ink") / "data" / SHIPPED))
    return Path(weights)


def save_name_weights(network: NameNet, training: dict[str, Any], path: Path) -> None:
    """Write the weights of a network in half precision, with its card."""
    card = NameCard(network.name, network.widths, training=training)
    weights_file.write(network, card, FORMAT, path)


def load_name_network(path: Path) -> tuple[NameNet, NameCard]:
    """
    Build the network that a weights file holds: single precision, on the CPU, in evaluation mode.

    Raises
    ------
    WeightsError
        If the file is missing, or was not written by `save_name_weights` for these classes.
    """
    card = NameCard(**weights_file.read_header(path, FORMAT, "name"))
    if (card.px_per_mm, card.names) != (PATCH_PX_PER_MM, NAME_CLASSES):
        raise WeightsError(f"{path} was trained for other names than this version reads; train it anew")
    network = NameNet(card.widths)
    weights_file.fill(network, weights_file.read_tensors(path), path)
    return network.eval(), card
