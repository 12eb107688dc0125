"""Fixtures for all tests."""

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

    Made once for all tests that look at it: minutes. `killed.txt` and `resumed.txt` beside it hold what
    the two calls printed.
    """
    folder = tmp_path_factory.mktemp("quick") / "out"
    folder.mkdir()
    command = [sys.executable, str(ROOT / "reproduce.py"), "profile=quick", f"output_dir={folder}"]
    command += ["progress=false"]
    with (folder.parent / "killed.txt").open("wb") as log:
        first = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder.parent)
        second_run = folder / "unet_none" / ".hydra" / "config.yaml"
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
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of one long reproduction in one process, or each process makes its own."""
    for item in items:
        if "quick_reproduction" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("quick_reproduction"))


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
