"""Every table and curve of the paper: python reproduce.py profile=quick|cpu|t4; see conf/reproduce.yaml."""

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from ecgtrace import cli

exit_codes: list[int] = []  # Hydra does not pass on what `main` returns


@hydra.main(config_path="conf", config_name="reproduce", version_base="1.3")
@cli.one_line_errors
def main(cfg: DictConfig) -> None:
    """Reproduce as configured."""
    from ecgtrace.paper.pipeline import main as reproduce  # slow to import: not before usage errors

    exit_codes.append(reproduce(cfg, Path(__file__).resolve().parent))


if __name__ == "__main__":
    cli.run(main)
    sys.exit(max(exit_codes, default=0))
