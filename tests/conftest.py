"""Fixtures for all tests."""

import logging
import os
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
