"""Does the confidence mean something? See README.md beside this file, and conf/reliability.yaml."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from ecgtrace import cli


@hydra.main(config_path="../../conf", config_name="reliability", version_base="1.3")
@cli.one_line_errors
def main(cfg: DictConfig) -> None:
    """Do the study as configured."""
    # Slow to import: not before usage errors.
    from ecgtrace.studies import calibration, reliability, study

    if cfg.fit:
        calibration.fit(cfg)
    else:
        study.run(reliability.STUDY, cfg, Path(__file__).resolve().parent)


if __name__ == "__main__":
    cli.run(main)
