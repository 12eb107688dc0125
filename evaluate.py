"""Compare digitizers with the truth on the test split; see conf/evaluate.yaml for what can be set."""

import hydra
from omegaconf import DictConfig

from ecgtrace import cli


@hydra.main(config_path="conf", config_name="evaluate", version_base="1.3")
@cli.one_line_errors
def main(cfg: DictConfig) -> None:
    """Evaluate as configured."""
    from ecgtrace.studies.evaluate import main as evaluate  # slow to import: not before usage errors

    evaluate(cfg)


if __name__ == "__main__":
    cli.run(main)
