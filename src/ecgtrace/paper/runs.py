"""
The runs of a reproduction: commands of the other entry points, each with a folder of its own.

A run is done when its last file is there and its folder was made with the configuration that is asked
for now. What was cut off goes on; what was made otherwise, or rests on another run that was made again,
is moved aside and done again.
"""

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import pandas as pd
from hydra import compose
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from ecgtrace import cli
from ecgtrace.errors import ConfigError, EcgTraceError

# The file that an entry point writes last.
_LAST_FILE = {"train": "metrics.json", "evaluate": "report.html"}
# What each entry point needs to be told so that it goes on where it was cut off.
_RESUME = {"train": (), "evaluate": ("resume=true",)}
_SHARED_GROUPS = ("signals", "page", "logger")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_PR_SET_PDEATHSIG = 1
_POLL_S = 0.2


class State(Enum):
    """How far a run is."""

    DONE = "done"
    BEGUN = "goes on where it was cut off"
    STALE = "was made with other settings or from older runs: moved aside and made again"
    TO_DO = "to do"


class RunFailedError(EcgTraceError):
    """A run ended with an error."""


@dataclass(frozen=True)
class Run:
    """
    One command.

    Attributes
    ----------
    name : str
    entry : {"train", "evaluate"}
    options : tuple of str
        Hydra overrides.
    folder : Path
    needs : tuple of str
        Runs that go before.
    minutes : float
        Expected on the machine that the profile is for.
    """

    name: str
    entry: str
    options: tuple[str, ...]
    folder: Path
    needs: tuple[str, ...]
    minutes: float

    @property
    def command(self) -> str:
        """What one would type in the project's folder."""
        return f"python {self.entry}.py {' '.join(self.options)} hydra.run.dir={self.folder.as_posix()}"

    @property
    def log(self) -> Path:
        """The file that gets what the run prints."""
        return self.folder.parent / "log" / f"{self.name}.log"


def make_runs(cfg: DictConfig) -> dict[str, Run]:
    """
    Read the runs of a reproduction, in an order in which each comes after those it needs.

    Parameters
    ----------
    cfg : DictConfig
        As `conf/reproduce.yaml`.

    Raises
    ------
    ConfigError
        If a run names an unknown run or entry point, or runs need each other in a circle.
    """
    root = Path(cfg.output_dir)
    shared = _shared_options(cfg)
    runs: dict[str, Run] = {}
    for name, spec in cfg.runs.items():
        if spec.entry not in _LAST_FILE:
            raise ConfigError(f"runs.{name}.entry={spec.entry} is unknown; choose {', '.join(_LAST_FILE)}")
        if spec.kind not in cfg.profile.options:
            raise ConfigError(
                f"profile {cfg.profile.name} says nothing of runs.{name}.kind={spec.kind}; "
                f"add profile.options.{spec.kind}"
            )
        own = [str(option) for option in spec.options]
        needs = tuple(dict.fromkeys(n for option in own for n in _PLACEHOLDER.findall(option)))
        unknown = [need for need in needs if need not in cfg.runs]
        if unknown:
            raise ConfigError(f"runs.{name} needs {unknown[0]}, which is no run")
        filled = [
            _PLACEHOLDER.sub(lambda found: (root / found.group(1)).as_posix(), option) for option in own
        ]
        profile = [str(option) for option in cfg.profile.options[spec.kind]]
        options = (*filled, *profile, *shared, f"seed={cfg.seed}", "progress=false", *_RESUME[spec.entry])
        minutes = float(cfg.profile.minutes.get(spec.kind, 1.0))
        runs[name] = Run(name, spec.entry, options, root / name, needs, minutes)
    return _in_order(runs)


def state(run: Run, runs: Mapping[str, Run]) -> State:
    """Say how far a run is."""
    config = run.folder / ".hydra" / "config.yaml"
    if not config.is_file():
        return State.TO_DO
    if OmegaConf.to_container(OmegaConf.load(config)) != _composed(run):
        return State.STALE
    began = config.stat().st_mtime
    for need in run.needs:
        last = runs[need].folder / _LAST_FILE[runs[need].entry]
        if not last.is_file() or last.stat().st_mtime > began:
            return State.STALE
    return State.DONE if (run.folder / _LAST_FILE[run.entry]).is_file() else State.BEGUN


def execute(run: Run, root: Path, tell: Callable[[str], None]) -> float:
    """
    Do a run, or go on with it.

    Parameters
    ----------
    run : Run
    root : Path
        Folder of the entry points.
    tell : callable
        Is given a short text now and then.

    Returns
    -------
    float
        Seconds.

    Raises
    ------
    RunFailedError
        With the last line of what it printed.
    """
    run.log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(root / f"{run.entry}.py"), *run.options, f"hydra.run.dir={run.folder}"]
    began = time.perf_counter()
    with run.log.open("ab") as log:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=cli.child_environment(),
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
        try:
            while child.poll() is None:
                time.sleep(_POLL_S)
                tell(progress(run))
        except BaseException:
            child.terminate()
            child.wait()
            raise
    if child.returncode != 0 or not (run.folder / _LAST_FILE[run.entry]).is_file():
        raise RunFailedError(f"{_last_line(run.log)} (all of it: {run.log})")
    return time.perf_counter() - began


def progress(run: Run) -> str:
    """Say in a few words how far a run is."""
    name = "metrics.csv" if run.entry == "train" else "rows.csv"
    try:
        rows = pd.read_csv(run.folder / name)
    except (OSError, ValueError):
        return "starting"
    if run.entry == "evaluate":
        return f"{len(rows)} rows"
    text = f"{len(rows)} epochs"
    return f"{text}, val IoU {rows['val/iou'].iloc[-1]:.3f}" if len(rows) and "val/iou" in rows else text


def move_aside(folder: Path) -> Path:
    """Give a folder another name, so that what is in it is not lost; return where it went."""
    for number in range(1, 1000):
        target = folder.with_name(f"{folder.name}.old{number}")
        if not target.exists():
            return folder.rename(target)
    raise ConfigError(f"{folder}: there are too many old folders beside it; delete some")


def _composed(run: Run) -> Any:
    return OmegaConf.to_container(compose(run.entry, list(run.options)), resolve=False)


def _shared_options(cfg: DictConfig) -> list[str]:
    """Return what was said of signals, page and logger on the command line: it holds for every run, too."""
    if not HydraConfig.initialized():
        return []
    given = HydraConfig.get().overrides.task
    return [text for text in given if text.lstrip("+~").split("=")[0].split(".")[0] in _SHARED_GROUPS]


def _in_order(runs: Mapping[str, Run]) -> dict[str, Run]:
    ordered: dict[str, Run] = {}
    waiting = dict(runs)
    while waiting:
        ready = [run for run in waiting.values() if all(need in ordered for need in run.needs)]
        if not ready:
            raise ConfigError(f"these runs need each other in a circle: {', '.join(waiting)}")
        for run in ready:
            ordered[run.name] = waiting.pop(run.name)
    return ordered


def needed(names: Sequence[str], runs: Mapping[str, Run]) -> list[Run]:
    """Return the runs of these names and all that they need, in order."""
    wanted = set(names)
    for run in reversed(list(runs.values())):
        if run.name in wanted:
            wanted.update(run.needs)
    return [run for run in runs.values() if run.name in wanted]


def _die_with_parent() -> None:
    """Have the kernel end a run whose reproduction was killed: two must not write into one folder."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:  # killed before the line above
        os.kill(os.getpid(), signal.SIGKILL)


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    return (errors or lines or ["it printed nothing"])[-1].removeprefix("error: ")
