"""Fixtures for all tests."""

import fcntl
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import pytest

matplotlib.use("Agg")
os.environ.setdefault("WANDB_MODE", "disabled")
# albumentations asks a server for its newest version on import, unless told not to.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

ROOT = Path(__file__).resolve().parents[1]
_MADE = "made"  # says that the reproduction beside it is whole


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the developers' folder with real records and reference crops; skip where it is absent."""
    folder = ROOT.parent / "shared"
    if not (folder / "reference" / "index.csv").is_file():
        pytest.skip("the developers' data folder ../shared is not here")
    return folder


@pytest.fixture(scope="session")
def quick_reproduction(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Return the folder of `reproduce.py profile=quick`, killed once in the middle and started again.

    Made once for all tests that look at it, in whatever process: minutes. `killed.txt` and `resumed.txt`
    beside it hold what the two calls printed.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # whose own folder stands in that of all
        base = base.parent
    folder = base / "quick" / "out"
    with (base / "quick.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder.parent / _MADE).is_file():
            folder.mkdir(parents=True)
            _killed_and_resumed(folder)
            (folder.parent / _MADE).touch()
    return folder


def _killed_and_resumed(folder: Path) -> None:
    command = [sys.executable, str(ROOT / "reproduce.py"), "profile=quick", f"output_dir={folder}"]
    command += ["progress=false"]
    with (folder.parent / "killed.txt").open("wb") as log:
        first = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder.parent)
        # Hydra writes it after config.yaml: a kill while that is half written would make the run anew.
        second_run = folder / "unet_none" / ".hydra" / "overrides.yaml"
        until = time.monotonic() + 240
        while not second_run.is_file() and first.poll() is None and time.monotonic() < until:
            time.sleep(0.1)
        first.send_signal(signal.SIGKILL)
        first.wait()
    with (folder.parent / "resumed.txt").open("wb") as log:
        done = subprocess.run(command, stdout=log, stderr=log, cwd=folder.parent, check=False)
    assert done.returncode == 0, (folder.parent / "resumed.txt").read_text()
    for checkpoint in folder.glob("unet_*/*.ckpt"):
        checkpoint.unlink()  # 2 GB, and pytest keeps folders until all tests are done


@pytest.fixture(autouse=True)
def untouched_logging() -> Iterator[None]:
    """Hydra sets up logging for the whole process, and silences loggers that were there: undo that."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level
    for logger in logging.Logger.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.disabled = False
