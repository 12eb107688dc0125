"""Whole pages, drawn and others'; conf/pages.yaml has the options."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from ecgtrace import cli


@hydra.main(config_path="../../conf", config_name="pages", version_base="1.3")
@cli.one_line_errors
def main(cfg: DictConfig) -> None:
    """Do the study as configured."""
    # Slow to import: not before usage errors.
    from ecgtrace.studies import pages, study

    study.run(pages.STUDY, cfg, Path(__file__).resolve().parent)


if __name__ == "__main__":
    cli.run(main)
