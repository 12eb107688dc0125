"""An entry point like train.py, with a formula for a training: what launchers and sweepers make of it."""

import json
import os
import signal
from pathlib import Path

import hydra
from omegaconf import DictConfig

from ecgtrace.cli import one_line_errors, run
from ecgtrace.errors import DataError


@hydra.main(config_path="../conf", config_name="train", version_base="1.3")
@one_line_errors
def main(cfg: DictConfig) -> float:
    """Seeds 1 and 2 fail, one foreseen and one not; a file named `cut_off` kills the process, once."""
    marker = Path("cut_off")
    if marker.is_file() and int(marker.read_text()) == len(list(Path().rglob("metrics.json"))):
        marker.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    if cfg.seed == 1:
        raise DataError("seed 1\nis refused")
    if cfg.seed == 2:
        raise ZeroDivisionError("seed 2")
    value = 1.0 / (1.0 + abs(cfg.model.optimizer.lr - 0.003))
    metrics = {"best_val_iou": value, "best_epoch": cfg.seed, "threads": os.environ.get("OMP_NUM_THREADS")}
    (Path(cfg.output_dir) / "metrics.json").write_text(json.dumps(metrics))
    return value


if __name__ == "__main__":
    run(main)
