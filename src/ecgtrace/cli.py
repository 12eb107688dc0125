"""
What the entry points share: an error is one clear line and an exit code.

0: done. 1: something went wrong with the data or the model. 2: wrong usage (an unknown option, a misspelt
key, a value out of its range). A full stack trace is to be had with HYDRA_FULL_ERROR=1.
"""

import argparse
import difflib
import functools
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ecgtrace.errors import ConfigError, EcgTraceError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130  # as shells report an interrupt

# What the extra `research` brings, by the names that are imported.
RESEARCH = (
    "albumentations",
    "filelock",
    "jinja2",
    "lightning",
    "matplotlib",
    "pandas",
    "pooch",
    "segmentation_models_pytorch",
    "tabulate",
    "torchvision",
    "wandb",
    "wfdb",
)

_FULL_ERROR = "HYDRA_FULL_ERROR"
_keep_stack_traces = bool(os.environ.get(_FULL_ERROR))


def one_line_errors(task: Callable[[DictConfig], Any]) -> Callable[[DictConfig], Any]:
    """
    Turn the errors of a task into one line on stderr and an exit code.

    Goes below `@hydra.main`. Errors that nobody foresaw keep their stack trace: they are defects.
    """

    @functools.wraps(task)
    def wrapped(cfg: DictConfig) -> Any:
        try:
            _require_no_missing(cfg)
            return task(cfg)
        except Exception as error:
            # A job of a sweep must not end the process, in which others may follow; `SweepTable` tells.
            if not _is_told_by_sweep_table():
                _exit_if_expected(error)
            raise

    return wrapped


def run(main: Callable[[], Any]) -> None:
    """
    Call a function decorated with `@hydra.main`; goes below `if __name__ == "__main__"`.

    Errors in the command line itself (unknown option, misspelt key, value that does not parse) become one
    line and exit code 2.
    """
    # Set, it makes Hydra raise its errors instead of printing several lines and exiting with 1.
    os.environ[_FULL_ERROR] = "1"
    try:
        with _argparse_raises():
            main()
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:
        _exit_if_expected(error)
        raise


def quoted_paths(arguments: Sequence[str]) -> list[str]:
    """
    Quote paths on a command line, so that names like `lead (1).png` need no second pair of quotes.

    Hydra's grammar gives commas, brackets and the like a meaning. In sweeps (`-m`), where a comma parts
    values, and where the value has quotes or an interpolation, the argument is left as it is.

    Examples
    --------
    >>> quoted_paths(["input=lead (1).png", "workers=2"])
    ["input='lead (1).png'", 'workers=2']
    """
    if {"-m", "--multirun"} & set(arguments):
        return list(arguments)
    quoted = []
    for argument in arguments:
        key, equals, value = argument.partition("=")
        plain = value and not value.startswith(("'", '"')) and "${" not in value and value != "null"
        if equals and key in ("input", "output_dir", "weights", "per_file") and plain:
            value = "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        quoted.append(f"{key}{equals}{value}")
    return quoted


def child_environment() -> dict[str, str]:
    """Return the environment for another entry point: this one's, less what `run` set for itself."""
    return {k: v for k, v in os.environ.items() if k != _FULL_ERROR or _keep_stack_traces}


def explain(error: Exception) -> tuple[str, int] | None:
    """
    Say an error in one line.

    Parameters
    ----------
    error : Exception

    Returns
    -------
    (str, int) or None
        The line and the exit code; None if the error is not one that a user can act on.
    """
    if isinstance(error, ConfigError):
        return _one_line(str(error)), EXIT_USAGE
    if isinstance(error, EcgTraceError):
        return _one_line(str(error)), EXIT_FAILED
    missing = _missing_of_research(error)
    if missing is not None:
        return f"{missing} is not installed, and this needs it: pip install 'ecgtrace[research]'", EXIT_USAGE
    if isinstance(error, InstantiationException):
        return _explain_instantiation(error)
    cause = error.__cause__
    if isinstance(error, HydraException) and isinstance(cause, OmegaConfBaseException):
        return _explain_key(cause, str(error)), EXIT_USAGE
    if isinstance(error, OmegaConfBaseException):
        return _explain_key(error, str(error)), EXIT_USAGE
    if isinstance(error, OverrideParseException):
        return f"'{error.override}' cannot be read as an option; write key=value", EXIT_USAGE
    if isinstance(error, HydraException):
        return _one_line(_without_search_path(str(error))), EXIT_USAGE
    return None


def _is_told_by_sweep_table() -> bool:
    """Say whether this is a job of a sweep that keeps a table of its jobs."""
    if not HydraConfig.initialized():
        return False
    config = HydraConfig.get()
    return config.mode is RunMode.MULTIRUN and "sweep_table" in config.callbacks


def _require_no_missing(cfg: DictConfig) -> None:
    """Name the options that have no default, as `signals.root` has none, before anything is begun."""
    # Not resolved, so that an option is found where the user sets it and not where it is used.
    missing = _missing_keys(OmegaConf.to_container(cfg, resolve=False))
    if missing:
        options = ", ".join(f"{key}=..." for key in missing)
        raise ConfigError(f"these options have no default, set them: {options}")


def _missing_keys(value: Any, key: str = "") -> list[str]:
    if isinstance(value, dict):
        return [name for k, v in value.items() for name in _missing_keys(v, f"{key}.{k}" if key else str(k))]
    if isinstance(value, list):
        return [name for i, v in enumerate(value) for name in _missing_keys(v, f"{key}.{i}")]
    return [key] if value == "???" else []


def _exit_if_expected(error: Exception) -> None:
    explained = None if _keep_stack_traces else explain(error)
    if explained is not None:
        line, code = explained
        print(f"error: {line}", file=sys.stderr)
        sys.exit(code)


def _missing_of_research(error: BaseException | None) -> str | None:
    """Return the package of the extra `research` whose absence is behind an error."""
    while error is not None:
        package = str(error.name).partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
        if package in RESEARCH:
            return package
        error = error.__cause__ or error.__context__
    return None


def _explain_instantiation(error: InstantiationException) -> tuple[str, int]:
    """An object could not be built: what it raised itself counts; anything else is a wrong option."""
    inner = error.__cause__
    if isinstance(inner, Exception):
        explained = explain(inner)
        if explained is not None:
            return explained
    lines = str(error).splitlines()
    where = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("full_key:")), "")
    reason = str(inner) if inner is not None else lines[0]
    return _one_line(f"{where}: {reason}" if where else reason), EXIT_USAGE


def _explain_key(error: OmegaConfBaseException, message: str) -> str:
    """Name the key, and those that stand beside it."""
    node, key = error.parent_node, error.key
    if node is None or key is None or not hasattr(node, "keys"):
        return _one_line(message)
    full_key = error.full_key or str(key)
    keys = [str(name) for name in node.keys() if not str(name).startswith("_")]
    if str(key) in keys:
        return _one_line(f"{full_key}: {error.msg or message}")
    near = difflib.get_close_matches(str(key), keys, n=1)
    meant = f" Did you mean {near[0]}?" if near else ""
    return _one_line(
        f"there is no option '{full_key}'.{meant} Options there: {', '.join(sorted(keys)) or 'none'}"
    )


def _without_search_path(message: str) -> str:
    """Leave out where Hydra looked for files: it is always the folder conf."""
    message = message.split("Config search path:")[0]
    return re.sub(r"\n\t+", " ", message)


def _one_line(text: str) -> str:
    return " ".join(text.split())


@contextmanager
def _argparse_raises() -> Iterator[None]:
    """Let an unknown flag raise; argparse would print its usage, which is of Hydra and not of the program."""
    original = argparse.ArgumentParser.error

    def raise_instead(self: argparse.ArgumentParser, message: str) -> NoReturn:
        raise ConfigError(f"{message}; options are written key=value, see --help")

    argparse.ArgumentParser.error = raise_instead  # type: ignore[method-assign]
    try:
        yield
    finally:
        argparse.ArgumentParser.error = original  # type: ignore[method-assign]
