"""How the networks are trained: crops as tensors, augmentations, losses, and the training of each model."""

from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, open_dict


def main(cfg: DictConfig) -> dict[str, Any]:
    """Train the model that `cfg.model` names, by its own `fit`; return what `metrics.json` holds."""
    if cfg.trainer.precision == "auto":
        from ecgtrace.processor import computes_bfloat16

        with open_dict(cfg):
            cfg.trainer.precision = "bf16-mixed" if computes_bfloat16() else "32-true"
    return instantiate(cfg.model.fit)(cfg)
