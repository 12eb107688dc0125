"""Digitize pictures of ECG leads: python digitize.py input=FILE_OR_DIR; see conf/digitize.yaml."""

import sys

import hydra
from omegaconf import DictConfig

from ecgtrace import cli, command

exit_codes: list[int] = []  # Hydra does not pass on what `main` returns


@hydra.main(config_path="conf", config_name="digitize", version_base="1.3")
@cli.one_line_errors
def main(cfg: DictConfig) -> None:
    """Digitize as configured."""
    exit_codes.append(command.digitize(cfg))


if __name__ == "__main__":
    sys.argv[1:] = cli.quoted_paths(sys.argv[1:])
    cli.run(main)
    sys.exit(max(exit_codes, default=0))
