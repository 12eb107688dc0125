"""
The command `ecgtrace`: reads pictures from any folder, with the configuration that lies in the package.

`ecgtrace digitize ...` does what `python digitize.py ...` does in a checkout. The package's folder `conf` is
a link to the checkout's; the wheel has copies of the files that `digitize` needs (pyproject.toml).
"""

import importlib.util
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omegaconf import DictConfig

CONF = Path(__file__).parent / "conf"
EXIT_USAGE = 2  # as `cli.EXIT_USAGE`; Hydra, which that module imports, is not loaded for `--version`

USAGE = """\
usage: ecgtrace digitize input=FILE_OR_FOLDER output_dir=FOLDER [KEY=VALUE ...]
       ecgtrace digitize --help    all options, with their values
       ecgtrace --version

Turns pictures of ECG leads, vector PDFs of whole pages and DICOM waveforms into signals in millivolt:
NAME.csv and NAME.json for each, of pages also NAME.hea and NAME.dat (WFDB), and summary.csv.
Exit code 0: all ok; 1: some input failed, see summary.csv; 2: wrong usage, nothing was done.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        Exit code.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    first = arguments[0] if arguments else ""
    if first == "digitize":
        return _digitize(arguments[1:])
    if first in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    if first == "--version":
        print(f"ecgtrace {metadata.version('ecgtrace')}")
        return 0
    problem = f"there is no command '{first}'" if first else "a command is missing"
    return _wrong_usage(f"{problem}; write ecgtrace digitize input=FILE_OR_FOLDER output_dir=FOLDER")


def digitize(cfg: "DictConfig") -> int:
    """
    Digitize as configured (`batch.main`), once it is known that all that is asked for is installed.

    Parameters
    ----------
    cfg : DictConfig
        As `conf/digitize.yaml`.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    ConfigError
        If overlays are asked for and cannot be drawn; else as `batch.main`.
    """
    from ecgtrace import batch
    from ecgtrace.errors import ConfigError

    if cfg.overlays is True and importlib.util.find_spec("matplotlib") is None:
        raise ConfigError("overlays=true needs matplotlib: pip install 'ecgtrace[overlays]'")
    return batch.main(cfg)


def _digitize(arguments: list[str]) -> int:
    plain = _plain(arguments)
    if plain:
        meant = " ".join(f"{key}={word}" for key, word in zip(("input", "output_dir"), plain, strict=False))
        return _wrong_usage(f"options are written key=value; write ecgtrace digitize {meant}")
    import hydra  # not before it is needed: `--version` is to be quick

    from ecgtrace import cli

    exit_codes: list[int] = []  # Hydra does not pass on what a task returns

    @hydra.main(config_path=str(CONF), config_name="digitize", version_base="1.3")
    @cli.one_line_errors
    def task(cfg: "DictConfig") -> None:
        exit_codes.append(digitize(cfg))

    sys.argv = ["ecgtrace digitize", *cli.quoted_paths(arguments)]
    cli.run(task)
    return max(exit_codes, default=0)


def _plain(arguments: list[str]) -> list[str]:
    """
    Return the arguments that are no options, such as paths; a word after a flag is the flag's.

    Examples
    --------
    >>> _plain(["lead.png", "out", "workers=2", "~px_per_mm", "--cfg", "job"])
    ['lead.png', 'out']
    """
    before = ["", *arguments]
    return [
        word
        for word, flag in zip(arguments, before, strict=False)
        if "=" not in word and not word.startswith(("-", "~")) and not flag.startswith("-")
    ]


def _wrong_usage(problem: str) -> int:
    print(f"error: {problem}", file=sys.stderr)
    return EXIT_USAGE
