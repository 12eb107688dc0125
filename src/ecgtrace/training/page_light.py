"""Light, colour, focus and noise of training pages, changed on the device that trains, tile by tile."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class PageLight:
    """
    How far tiles leave the picture that was drawn. Our choice, by eye.

    Attributes
    ----------
    contrast, brightness : float
        Largest change of either, for all channels together; a third of it for each alone.
    gamma : float
        Largest change of the logarithm of gamma.
    uneven : float
        Largest loss of light from one end of a tile to the other, for a third of tiles.
    grey, swapped : float
        Share of tiles in grey, and with red, green and blue in another order: another colour of the grid.
    blurred : float
        Share of tiles out of focus, up to a standard deviation of `blur_px`.
    blur_px : float
    noisy : float
        Share of tiles with noise, up to a standard deviation of `noise`.
    noise : float
    """

    contrast: float = 0.25
    brightness: float = 0.15
    gamma: float = 0.4
    uneven: float = 0.4
    grey: float = 0.15
    swapped: float = 0.3
    blurred: float = 0.3
    blur_px: float = 0.9
    noisy: float = 0.4
    noise: float = 0.06

    def __call__(self, image: Tensor) -> Tensor:
        """
        Return tiles in another light.

        Parameters
        ----------
        image : Tensor of float, shape (batch, 3, h, w)
            In [0, 1].

        Returns
        -------
        Tensor of float, shape (batch, 3, h, w)
            In [0, 1].
        """
        n, device = len(image), image.device

        def within(low: float, high: float, channels: int = 1) -> Tensor:
            return torch.empty(n, channels, 1, 1, device=device).uniform_(low, high)

        def chosen(share: float) -> Tensor:
            return torch.rand(n, 1, 1, 1, device=device) < share

        order = torch.rand(n, 3, device=device).argsort(1)[:, :, None, None].expand_as(image)
        image = torch.where(chosen(self.swapped), image.gather(1, order), image)
        grey = image.mean(1, keepdim=True).expand_as(image)
        image = torch.where(chosen(self.grey), grey, image)
        image = image.clamp(1e-4, 1) ** torch.exp(within(-self.gamma, self.gamma))
        gain = 1 + within(-self.contrast, self.contrast) + within(-self.contrast / 3, self.contrast / 3, 3)
        shift = within(-self.brightness, self.brightness / 2)
        image = (image - 0.8) * gain + 0.8 + shift
        image = torch.where(chosen(1 / 3), image * self._shade(image), image)
        image = torch.where(chosen(self.blurred), _blur(image, within(0.3, self.blur_px)), image)
        noise = torch.randn_like(image) * within(0, self.noise)
        return torch.where(chosen(self.noisy), image + noise, image).clamp(0, 1)

    def _shade(self, image: Tensor) -> Tensor:
        corners = torch.rand(len(image), 1, 2, 2, device=image.device) * self.uneven
        return 1 - functional.interpolate(corners, image.shape[-2:], mode="bilinear", align_corners=True)


def _blur(image: Tensor, sigma_px: Tensor) -> Tensor:
    """Blur each tile by its own Gaussian, shape of `sigma_px` (batch, 1, 1, 1)."""
    n, channels, height, width = image.shape
    steps = torch.arange(-3, 4, device=image.device, dtype=image.dtype)
    kernel = torch.exp(-(steps**2) / (2 * sigma_px.view(n, 1) ** 2))
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, 0)[:, None]
    flat = image.reshape(1, n * channels, height, width)
    flat = functional.conv2d(flat, kernel[:, :, None, :], padding=(0, 3), groups=n * channels)
    flat = functional.conv2d(flat, kernel[:, :, :, None], padding=(3, 0), groups=n * channels)
    return flat.view(n, channels, height, width)
