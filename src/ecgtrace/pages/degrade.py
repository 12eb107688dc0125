"""What scanning, copying and saving do to a page."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.errors import ConfigError


@dataclass(frozen=True)
class Degradation:
    """
    Degradations in the order in which they happen to a page.

    Attributes
    ----------
    grey : bool
        Photocopied: one luminance for all channels.
    blur_px : float
        Standard deviation of a Gaussian blur in pixels.
    noise_std : float
        Standard deviation of Gaussian noise in grey levels (0 to 255).
    jpeg_quality : int or None
        None saves without loss. 75 is what the published pages were saved with.
    """

    grey: bool = False
    blur_px: float = 0.0
    noise_std: float = 0.0
    jpeg_quality: int | None = None

    def __post_init__(self) -> None:
        if self.jpeg_quality is not None and not 1 <= self.jpeg_quality <= 100:
            raise ConfigError(f"jpeg_quality must lie in 1..100, got {self.jpeg_quality}")
        if self.blur_px < 0 or self.noise_std < 0:
            raise ConfigError("blur_px and noise_std must not be negative")

    def apply(self, image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        """Return the degraded image; `rng` draws the noise."""
        if self.grey:
            image = np.asarray(
                cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8
            )
        if self.blur_px:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), self.blur_px), np.uint8)
        if self.noise_std:
            noisy = image + rng.normal(0, self.noise_std, image.shape)
            image = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
        if self.jpeg_quality is not None:
            image = jpeg(image, self.jpeg_quality)
        return image


def jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Save as JPEG and read back."""
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    return np.asarray(decoded, np.uint8)
