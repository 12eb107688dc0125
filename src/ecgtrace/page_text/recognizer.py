"""Lines of text in, characters out: the recognizer of PP-OCRv4, run by ONNX Runtime."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

NAME = "ppocrv4_rec"
_HEIGHT_PX = 48  # of its input
_LEAST_WIDTH_PX = 96  # shorter lines are padded to it
_WIDEST_PX = 1600  # as a line of 200 letters: a longer one is squeezed


@dataclass(frozen=True)
class TextRecognizer:
    """
    Read lines of text in Latin letters and digits.

    Parameters
    ----------
    threads : int, optional
        Of ONNX Runtime; 0 for one per core.

    Notes
    -----
    PP-OCRv4's mobile recognizer [1]_ (SVTR-LCNet with CTC), weights of PaddleOCR, Apache License 2.0, as
    ONNX. Greedy decoding. Input as there: 48 px high, (value / 255 - 0.5) / 0.5, channels blue, green, red.

    .. [1] PaddleOCR, https://github.com/PaddlePaddle/PaddleOCR
    """

    threads: int = 0

    @cached_property
    def model(self) -> str:
        """Name of the network and hash of its file."""
        return f"{NAME}:{hashlib.sha256(_path().read_bytes()).hexdigest()[:12]}"

    def read(self, line: NDArray[np.uint8]) -> tuple[str, float]:
        """Return what a line says, and the mean score of its letters, in [0, 1]."""
        width = int(np.clip(round(_HEIGHT_PX * line.shape[1] / line.shape[0]), 1, _WIDEST_PX))
        resized = cv2.resize(line, (width, _HEIGHT_PX), interpolation=cv2.INTER_LINEAR)
        picture = np.zeros((1, 3, _HEIGHT_PX, max(_LEAST_WIDTH_PX, width)), np.float32)
        picture[0, ..., :width] = resized[..., ::-1].transpose(2, 0, 1) / 127.5 - 1
        session, letters = self._loaded
        (scores,) = session.run(None, {session.get_inputs()[0].name: picture})
        return _decode(scores[0], letters)

    @cached_property
    def _loaded(self) -> tuple[Any, list[str]]:
        import onnxruntime  # 0.1 s

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if self.threads:
            options.intra_op_num_threads = self.threads
        session = onnxruntime.InferenceSession(str(_path()), options, providers=["CPUExecutionProvider"])
        # The file itself names its letters; the first class is CTC's blank, and a space is the last.
        letters = session.get_modelmeta().custom_metadata_map["character"].splitlines()
        return session, ["", *letters, " "]


def _decode(scores: NDArray[np.float32], letters: Sequence[str]) -> tuple[str, float]:
    """Decode greedily: the best class of each step, repeats once, blanks left out; with their mean score."""
    best = scores.argmax(axis=1)
    told = (best != 0) & (np.diff(best, prepend=-1) != 0)
    if not told.any():
        return "", 0.0
    return "".join(letters[kind] for kind in best[told]), float(scores.max(axis=1)[told].mean())


def _path() -> Path:
    return Path(str(resources.files("ecgtrace.page_text") / "data" / f"{NAME}.onnx"))
