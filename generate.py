"""Write the published dataset's four sets to disk: python generate.py; see conf/generate.yaml."""

import hydra
from omegaconf import DictConfig

from ecgtrace import cli


@hydra.main(config_path="conf", config_name="generate", version_base="1.3")
@cli.one_line_errors
def main(cfg: DictConfig) -> None:
    """Generate as configured."""
    from ecgtrace.datasets.export import main as generate  # slow to import: not before usage errors

    generate(cfg)


if __name__ == "__main__":
    cli.run(main)
