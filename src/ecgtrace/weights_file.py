"""
Weights of a network in a file: safetensors in half precision, with a card in the header.

Statistics of batch normalisation are kept in single precision: half of it ends at 65,504, and a variance of
features that no layer holds back is larger. As infinity it would switch off all that comes before.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ecgtrace.errors import WeightsError


def write(network: nn.Module, card: Any, file_format: str, path: Path) -> None:
    """
    Write the weights of a network, with its card, a dataclass, and the format that `read` asks for.

    Raises
    ------
    WeightsError
        If a weight is not finite, in half precision.
    """
    statistics = {name for name, _ in network.named_buffers()}
    tensors = {
        name: (value.half() if value.is_floating_point() and name not in statistics else value)
        .contiguous()
        .cpu()
        for name, value in network.state_dict().items()
    }
    _require_finite(tensors, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {"format": file_format, "card": json.dumps(asdict(card), sort_keys=True)}
    save_file(tensors, path, metadata=header)
    path.chmod(0o644)  # safetensors writes files that only their owner can read


def read_header(path: Path, file_format: str, kind: str = "") -> dict[str, Any]:
    """
    Return the card of a file; JSON knows lists alone, a card has tuples.

    Parameters
    ----------
    path : Path
    file_format : str
        As it was written with.
    kind : str, optional
        What messages call such weights.

    Raises
    ------
    WeightsError
        If the file is missing, is no safetensors file, or has another format.
    """
    weights = f"{kind} weights".strip()
    if not path.is_file():
        raise WeightsError(f"no {weights} at {path}; pass weights=shipped for those of the package")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path} is not a safetensors file ({error}); pass one that train.py wrote"
        ) from None
    if metadata.get("format") != file_format:
        told = f"holds no {kind} network" if kind else "was not written by ecgtrace's train.py"
        raise WeightsError(f"{path} {told}; pass one that was, or weights=shipped")
    card = json.loads(metadata["card"])
    return {name: tuple(value) if isinstance(value, list) else value for name, value in card.items()}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the weights in a file whose header was read."""
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}


def fill(network: nn.Module, tensors: dict[str, Tensor], path: Path, what: str = "another network") -> None:
    """
    Give a network weights, in the precision that it has.

    Raises
    ------
    WeightsError
        If their names or shapes are those of another network; `what` says of which. If one is not finite.
    """
    own = network.state_dict()
    wrong = sorted(set(own) ^ set(tensors)) or [n for n in own if own[n].shape != tensors[n].shape]
    if wrong:
        raise WeightsError(f"{path} holds weights of {what}: {wrong[0]} does not fit")
    _require_finite(tensors, path)
    network.load_state_dict({name: value.to(own[name].dtype) for name, value in tensors.items()})


def _require_finite(tensors: dict[str, Tensor], path: Path) -> None:
    for name, value in tensors.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise WeightsError(
                f"{path}: {name} is not finite, and all behind it would be lost; train it anew"
            )
