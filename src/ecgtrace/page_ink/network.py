"""The page network as a function from a page to its maps."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.fx.experimental.optimization import fuse
from torch.nn import functional

from ecgtrace.errors import ConfigError
from ecgtrace.page_ink.maps import INK_CLASSES, MAP_PX_PER_MM, PageMaps
from ecgtrace.page_ink.unet import NAME_STRIDE, OFFSET_SCALE_MM, PageUNet, as_input, pad
from ecgtrace.page_ink.weights import load_page_network, resolve
from ecgtrace.segmentation.segmenter import resolve_device
from ecgtrace.segmentation.weights import fingerprint

# A page of A3 has 2 Mpx at 4 px/mm. Far more is a wrong scale, and would take gigabytes.
_MAX_MAP_PX = 12_000_000
_MIN_MAP_PX = 32  # 8 mm


@dataclass(frozen=True)
class PageNetwork:
    """
    See a page with the weights of a file.

    Parameters
    ----------
    weights : str, optional
        "shipped" for those of the package, or a file that `train.py model=page` wrote.
    device : str, optional
        "auto" takes a GPU where there is one.

    Notes
    -----
    Weights are read on first use. The page is seen whole: what is far away helps to tell rows apart.
    """

    weights: str = "shipped"
    device: str = "auto"

    def __call__(self, image: NDArray[np.uint8], px_per_mm_x: float, px_per_mm_y: float) -> PageMaps:
        """
        Return the maps of a page.

        Parameters
        ----------
        image : ndarray of uint8, shape (height, width, 3)
            RGB; grid lines run along its edges.
        px_per_mm_x, px_per_mm_y : float
            Resolution of `image`.

        Raises
        ------
        ConfigError
            If the page has no size that paper has.
        WeightsError
            As `load_page_network`.
        """
        small = to_map_scale(image, px_per_mm_x, px_per_mm_y)
        height, width = small.shape[:2]
        network = self._loaded[0]
        device = next(network.parameters()).device
        page = torch.from_numpy(small)[None].permute(0, 3, 1, 2)  # channels_last
        with torch.inference_mode():
            ink, offset, names = network(pad(as_input(page.to(device))))
            ink = ink[0, :, :height, :width].softmax(0).cpu().numpy()
            offset_mm = (offset[0, 0, :height, :width] * OFFSET_SCALE_MM).cpu().numpy()
            names = functional.interpolate(names.sigmoid(), scale_factor=float(NAME_STRIDE), mode="bilinear")
            heat = names[0, :, :height, :width].clamp(0, 1).cpu().numpy()
        kinds = {kind: ink[INK_CLASSES.index(kind)] for kind in INK_CLASSES[1:]}
        page_px = (image.shape[1] / width, image.shape[0] / height)
        return PageMaps(**kinds, row_offset_mm=offset_mm, names=heat, page_px=page_px)

    @property
    def model(self) -> str:
        """Name of the network and hash of its weights."""
        return f"{PageUNet.name}:{self._loaded[1]}"

    @cached_property
    def _loaded(self) -> tuple[nn.Module, str]:
        network, _ = load_page_network(resolve(self.weights))
        hashed = fingerprint(network)
        # Batch normalisation folded into the convolutions: the same numbers in less time.
        return fuse(network).to(resolve_device(self.device)).to(memory_format=torch.channels_last), hashed


def to_map_scale(
    image: NDArray[np.uint8], px_per_mm_x: float, px_per_mm_y: float, to_px_per_mm: float = MAP_PX_PER_MM
) -> NDArray[np.uint8]:
    """
    Bring a page to `MAP_PX_PER_MM` in x and y, or to another resolution.

    Training pages come to the network's resolution by this function too: how it blurs thin ink is learned.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)

    Raises
    ------
    ConfigError
        If the scale is not positive, or makes no page that paper has.
    """
    if min(px_per_mm_x, px_per_mm_y) <= 0:
        raise ConfigError(f"the scale of a page must be positive, got {px_per_mm_x} and {px_per_mm_y} px/mm")
    width = round(image.shape[1] * to_px_per_mm / px_per_mm_x)
    height = round(image.shape[0] * to_px_per_mm / px_per_mm_y)
    if min(width, height) < _MIN_MAP_PX or width * height > _MAX_MAP_PX * (to_px_per_mm / MAP_PX_PER_MM) ** 2:
        size = f"{width / to_px_per_mm:.0f} mm x {height / to_px_per_mm:.0f} mm"
        raise ConfigError(
            f"at {px_per_mm_x:.2f} and {px_per_mm_y:.2f} px/mm the page is {size}: a wrong scale"
        )
    shrinks = image.shape[1] >= width and image.shape[0] >= height
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.ascontiguousarray(cv2.resize(image, (width, height), interpolation=interpolation), np.uint8)
