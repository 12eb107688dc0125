"""What scanning, copying and saving do to a page."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.errors import ConfigError
from ecgtrace.types import FloatArray

Box = tuple[int, int, int, int]  # x0, y0, x1, y1 in px; x1 and y1 are outside

_MAX_ROTATION_DEG = 45.0  # beyond it a page stands on its side, and a lead has no columns
_KERNEL_PX = 3  # a cubic kernel reaches 2 px, and a coordinate may be rounded up


@dataclass(frozen=True)
class Turn:
    """
    A page that lies askew on the scanner, turned about one of its points.

    Attributes
    ----------
    angle_deg : float
        Positive turns the page counter-clockwise. 0 changes nothing, not by a byte.
    centre : tuple of float
        (x, y) of the point that stays, in page px.
    """

    angle_deg: float = 0.0
    centre: tuple[float, float] = (0.0, 0.0)

    def points(self, points: FloatArray) -> FloatArray:
        """Turn points, shape (n, 2), in page px."""
        if not self.angle_deg:
            return points
        matrix = self._matrix()
        return points @ matrix[:, :2].T + matrix[:, 2]

    def source(self, box: Box) -> Box:
        """Return the box of the page that a box of the turned page is made from, to its corners."""
        if not self.angle_deg:
            return box
        x0, y0, x1, y1 = box
        corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], float)
        back = Turn(-self.angle_deg, self.centre).points(corners)
        low = np.floor(back.min(axis=0)).astype(int) - _KERNEL_PX
        high = np.ceil(back.max(axis=0)).astype(int) + _KERNEL_PX
        return int(low[0]), int(low[1]), int(high[0]), int(high[1])

    def image(self, page: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
        """
        Turn a picture of the page.

        Parameters
        ----------
        page : ndarray of uint8, shape (height, width) or (height, width, 3)
            What the page shows in `source(box)`.
        box : tuple of int
            Of the turned page.

        Returns
        -------
        ndarray of uint8, shape (y1 - y0, x1 - x0) or (y1 - y0, x1 - x0, 3)
        """
        if not self.angle_deg:
            return page
        matrix = self._matrix()
        matrix[:, 2] += matrix[:, :2] @ self.source(box)[:2] - box[:2]
        size = (box[2] - box[0], box[3] - box[1])
        return np.asarray(cv2.warpAffine(page, matrix, size, flags=cv2.INTER_CUBIC), np.uint8)

    def _matrix(self) -> FloatArray:
        return np.asarray(cv2.getRotationMatrix2D(self.centre, self.angle_deg, 1.0), float)


@dataclass(frozen=True)
class Degradation:
    """
    Degradations of a page. It is turned first; the rest happens in the order given here.

    Attributes
    ----------
    grey : bool
        Photocopied: one luminance for all channels.
    blur_px : float
        Standard deviation of a Gaussian blur in pixels.
    noise_std : float
        Standard deviation of Gaussian noise in grey levels (0 to 255).
    bilevel : float or None
        Saved with one bit for each pixel, as fax machines do: black where it is darker than this share of
        white.
    jpeg_quality : int or None
        None saves without loss. 75 is what the published pages were saved with.
    rotation_deg : float
        How far the page was turned on the scanner, counter-clockwise, within 45 degrees. Only crops can be
        drawn so: each is turned about its own middle (see `Turn`), with paper and ink to its corners.
    """

    grey: bool = False
    blur_px: float = 0.0
    noise_std: float = 0.0
    bilevel: float | None = None
    jpeg_quality: int | None = None
    rotation_deg: float = 0.0

    def __post_init__(self) -> None:
        if self.jpeg_quality is not None and not 1 <= self.jpeg_quality <= 100:
            raise ConfigError(f"jpeg_quality must lie in 1..100, got {self.jpeg_quality}")
        if self.bilevel is not None and not 0 < self.bilevel < 1:
            raise ConfigError(f"bilevel must lie between 0 and 1, got {self.bilevel}")
        if self.blur_px < 0 or self.noise_std < 0:
            raise ConfigError("blur_px and noise_std must not be negative")
        if not abs(self.rotation_deg) <= _MAX_ROTATION_DEG:
            raise ConfigError(
                f"rotation_deg must lie in -{_MAX_ROTATION_DEG:g}..{_MAX_ROTATION_DEG:g}, "
                f"got {self.rotation_deg}"
            )

    def apply(self, image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        """Return the degraded image, which has been turned already; `rng` draws the noise."""
        if self.grey:
            image = np.asarray(
                cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8
            )
        if self.blur_px:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), self.blur_px), np.uint8)
        if self.noise_std:
            noisy = rng.standard_normal(image.shape, np.float32)
            noisy *= self.noise_std
            noisy += image
            image = np.clip(np.rint(noisy, out=noisy), 0, 255, out=noisy).astype(np.uint8)
        if self.bilevel is not None:
            light = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
            image = np.repeat(np.where(light < 255 * self.bilevel, 0, 255).astype(np.uint8)[..., None], 3, 2)
        if self.jpeg_quality is not None:
            image = jpeg(image, self.jpeg_quality)
        return image


def jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Save as JPEG and read back."""
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    return np.asarray(decoded, np.uint8)
