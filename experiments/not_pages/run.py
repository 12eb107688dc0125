"""Pictures that are no page of an ECG; conf/not_pages.yaml has the options."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from ecgtrace import cli


@hydra.main(config_path="../../conf", config_name="not_pages", version_base="1.3")
@cli.one_line_errors
def main(cfg: DictConfig) -> None:
    """Do the study as configured."""
    # Slow to import: not before usage errors.
    from ecgtrace.studies import not_pages, study

    study.run(not_pages.STUDY, cfg, Path(__file__).resolve().parent)


if __name__ == "__main__":
    cli.run(main)
