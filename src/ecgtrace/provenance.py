"""What a result rests on: code, versions, machine, configuration, time."""

import hashlib
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

_PACKAGES = (
    "ecgtrace",
    "albumentations",
    "hydra-core",
    "lightning",
    "numba",
    "numpy",
    "opencv-python-headless",
    "pandas",
    "scipy",
    "segmentation-models-pytorch",
    "torch",
    "ultralytics-opencv-headless",
)


def provenance(cfg: DictConfig | None = None) -> dict[str, Any]:
    """
    Collect what is needed to repeat a run.

    Parameters
    ----------
    cfg : DictConfig or None, optional
        Its resolved values and its `seed` are included.

    Returns
    -------
    dict
        Ready for JSON: `date_utc`, `command`, `commit` (None outside git), `dirty` (True where
        tracked files differ from the commit, None outside git), `python`, `platform`, `cpu`, `cores`,
        `versions`, `seed`, `config`.
    """
    commit, dirty = git_state(Path(__file__).resolve().parent)
    return {
        "date_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command_line(sys.argv),
        "commit": commit,
        "dirty": dirty,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": cpu_model(),
        "cores": available_cores(),
        "versions": versions(),
        "seed": None if cfg is None else OmegaConf.select(cfg, "seed"),
        "config": None if cfg is None else _without_machine(OmegaConf.to_container(cfg, resolve=True)),
    }


def _without_machine(value: Any) -> Any:
    """Leave of each path what does not depend on the machine (`_portable`)."""
    if isinstance(value, dict):
        return {key: _without_machine(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_machine(item) for item in value]
    return _portable(value) if isinstance(value, str) else value


def _portable(path: str) -> str:
    """Return a path below the working folder as it is from there, another absolute one by its name alone."""
    path = path.removeprefix(f"{Path.cwd()}/")
    return Path(path).name if Path(path).is_absolute() else path


def git_state(folder: Path) -> tuple[str | None, bool | None]:
    """Return the commit of a work tree and whether tracked files differ from it; None, None outside git."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None, None
    # A package installed into an environment inside somebody else's repository is not that repository.
    if _git(folder, "ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None, None
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return commit, bool(changes)


def command_line(argv: list[str]) -> str:
    """Return the command as one would type it in the project's folder, without where files lie elsewhere."""
    program = Path(argv[0]).name if argv and argv[0] else "python"
    start = f"python {program}" if program.endswith(".py") else program
    arguments = [name + equals + _portable(value) for name, equals, value in map(_parted, argv[1:])]
    return " ".join([start, *arguments])


def _parted(argument: str) -> tuple[str, str, str]:
    name, equals, value = argument.rpartition("=")
    return name, equals, value


def cpu_model() -> str:
    """Return the processor's name, or its architecture where the system does not tell."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def versions() -> dict[str, str]:
    """Return the versions of the packages that results depend on; those not installed are left out."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def fingerprint(value: Any) -> str:
    """
    Return a short hash of plain data (anything that JSON can hold), equal for equal data.

    Examples
    --------
    >>> fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
