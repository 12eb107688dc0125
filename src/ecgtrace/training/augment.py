"""
The augmentations of the paper, as albumentations transforms.

`OverlaySignal` and `AddVerticalLines` are the paper's own. Probabilities and limits that it
does not state are our choice: see `conf/augmentation/paper.yaml`.
"""

from typing import Any

import albumentations as A
import numpy as np
from albumentations.core.transforms_interface import ImageOnlyTransform
from numpy.typing import NDArray


class OverlaySignal(ImageOnlyTransform):
    """
    Lay a strip of another ECG on the top or the bottom edge.

    The mask stays as it is: the strip is ink that is not the target's. The strip is laid
    on as ink is, the darker of both at each pixel, so that no ink of the target is lost.

    Parameters
    ----------
    height_px : int
        Height of the strip. By default 30, as in the paper.
    p : float

    Notes
    -----
    The image that strips are cut from is given at the call as `overlay_image` (uint8,
    shape (height, width, 3)).
    """

    def __init__(self, height_px: int = 30, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.height_px = height_px

    @property
    def targets_as_params(self) -> list[str]:
        """Say what else the call must be given."""
        return ["overlay_image"]

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """Draw the strip and where it goes."""
        height, width = params["shape"][:2]
        source = data["overlay_image"]
        rows = min(self.height_px, height, source.shape[0])
        top = int(self.py_random.randint(0, source.shape[0] - rows))
        strip = source[top : top + rows]
        repeats = -(-width // strip.shape[1])
        left = int(self.py_random.randint(0, strip.shape[1] * repeats - width))
        strip = np.tile(strip, (1, repeats, 1))[:, left : left + width]
        return {"strip": strip, "at_top": self.py_random.random() < 0.5}

    def apply(
        self, img: NDArray[np.uint8], strip: NDArray[np.uint8], at_top: bool, **params: Any
    ) -> NDArray[np.uint8]:
        """Return the image with the strip on it."""
        out = img.copy()
        edge = slice(0, len(strip)) if at_top else slice(len(img) - len(strip), len(img))
        out[edge] = np.minimum(out[edge], strip)
        return out

    def get_transform_init_args_names(self) -> tuple[str, ...]:
        """Name the arguments."""
        return ("height_px",)


class AddVerticalLines(ImageOnlyTransform):
    """
    Draw vertical black lines over the whole height, at random columns.

    Parameters
    ----------
    n_lines, width_px : int
        By default 2 lines of 3 px, as in the paper.
    p : float
    """

    def __init__(self, n_lines: int = 2, width_px: int = 3, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.n_lines, self.width_px = n_lines, width_px

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """Draw the left edges of the lines."""
        last = max(0, params["shape"][1] - self.width_px)
        return {"columns": [int(self.py_random.randint(0, last)) for _ in range(self.n_lines)]}

    def apply(self, img: NDArray[np.uint8], columns: list[int], **params: Any) -> NDArray[np.uint8]:
        """Return the image with the lines."""
        out = img.copy()
        for column in columns:
            out[:, column : column + self.width_px] = 0
        return out

    def get_transform_init_args_names(self) -> tuple[str, ...]:
        """Name the arguments."""
        return ("n_lines", "width_px")


def compose(transforms: list[A.BasicTransform] | None = None) -> A.Compose:
    """Chain transforms so that a seed set before the call fixes what they draw."""
    return A.Compose(list(transforms or []))
