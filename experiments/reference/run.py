"""Crops that the data set authors' own program drew; conf/reference.yaml has the options."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from ecgtrace import cli


@hydra.main(config_path="../../conf", config_name="reference", version_base="1.3")
@cli.one_line_errors
def main(cfg: DictConfig) -> None:
    """Do the study as configured."""
    from ecgtrace.studies.other_programs import main as study  # slow to import: not before usage errors

    study(cfg, Path(__file__).resolve().parent)


if __name__ == "__main__":
    cli.run(main)
