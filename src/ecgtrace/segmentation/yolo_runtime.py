"""
Ultralytics, imported so that it keeps to itself.

It is an optional package under AGPL-3.0. Left alone, it writes a settings file in the user's home, installs
packages that it misses, downloads weights and fonts, reports usage, and logs to whatever service it finds.
"""

import atexit
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from ecgtrace.errors import ConfigError

_INTEGRATIONS = ("clearml", "comet", "dvc", "mlflow", "raytune", "tensorboard", "wandb")
_ENVIRONMENT = {
    "YOLO_AUTOINSTALL": "false",
    "YOLO_OFFLINE": "true",  # no usage reports, no look-up of versions
    "YOLO_VERBOSE": "false",
    "ULTRALYTICS_SAFE_LOAD": "true",  # .pt files are read as weights of known classes, not as any pickle
}


def load(folder: Path | None = None) -> None:
    """
    Import Ultralytics.

    Parameters
    ----------
    folder : Path, optional
        Gets its settings; by default a folder that lives as long as the process. What is imported first in
        a process decides.

    Raises
    ------
    ConfigError
        If it is not installed.
    """
    if "ultralytics" in sys.modules:
        return
    if importlib.util.find_spec("ultralytics") is None:
        raise ConfigError(
            "model=yolo needs Ultralytics, which is under AGPL-3.0 and therefore optional: "
            "pip install 'ecgtrace[yolo]'"
        )
    os.environ.update(_ENVIRONMENT)
    os.environ["YOLO_CONFIG_DIR"] = str(folder.resolve() if folder else _temporary_folder())
    with _process_as_it_was():
        import ultralytics

    ultralytics.settings.update({"sync": False, **dict.fromkeys(_INTEGRATIONS, False)})


@contextmanager
def _process_as_it_was() -> Iterator[None]:
    """
    Undo what importing Ultralytics changes for everybody else in the process.

    It replaces functions of Pillow, OpenCV and PyTorch, how NumPy and PyTorch print, OpenCV's threads, and
    OMP_NUM_THREADS: a training in a child process would then sum in another order than one in this.
    """
    functions = [
        (owner, name, getattr(owner, name))
        for owner, name in (
            (Image, "open"),
            (torch, "save"),
            (cv2, "imread"),
            (cv2, "imwrite"),
            (cv2, "imshow"),
        )
        if hasattr(owner, name)
    ]
    environment, threads, printing = dict(os.environ), cv2.getNumThreads(), np.get_printoptions()
    try:
        yield
    finally:
        for owner, name, function in functions:
            setattr(owner, name, function)
        for name in set(os.environ) - set(environment):
            del os.environ[name]
        os.environ.update(environment)
        cv2.setNumThreads(threads)
        np.set_printoptions(**printing)
        torch.set_printoptions(profile="default")


def _temporary_folder() -> str:
    folder = tempfile.mkdtemp(prefix="ecgtrace-yolo-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
