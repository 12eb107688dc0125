"""Leads of another program's pages; conf/pages_other.yaml has the options."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from ecgtrace import cli


@hydra.main(config_path="../../conf", config_name="pages_other", version_base="1.3")
@cli.one_line_errors
def main(cfg: DictConfig) -> None:
    """Do the study as configured."""
    # Slow to import: not before usage errors.
    from ecgtrace.studies import other_programs, study

    study.run(other_programs.PAGES_OTHER, cfg, Path(__file__).resolve().parent)


if __name__ == "__main__":
    cli.run(main)
