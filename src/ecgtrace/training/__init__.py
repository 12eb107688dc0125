"""How the networks are trained: crops as tensors, augmentations, losses, and the training of each model."""

from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig


def main(cfg: DictConfig) -> dict[str, Any]:
    """Train the model that `cfg.model` names, by its own `fit`; return what `metrics.json` holds."""
    return instantiate(cfg.model.fit)(cfg)
