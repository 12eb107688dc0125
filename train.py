"""Train a segmentation model: python train.py model=unet; see conf/train.yaml."""

import hydra
from omegaconf import DictConfig

from ecgtrace import training
from ecgtrace.cli import one_line_errors, run


@hydra.main(config_path="conf", config_name="train", version_base="1.3")
@one_line_errors
def main(cfg: DictConfig) -> float:
    """Train and return the validation IoU, for sweeps."""
    metrics = training.main(cfg)
    return metrics["val/iou"] if cfg.validate_only else metrics["best_val_iou"]


if __name__ == "__main__":
    run(main)
