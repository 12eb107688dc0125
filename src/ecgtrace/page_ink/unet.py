"""The networks that see a page: small U-Nets with wide eyes, and nothing about their training."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ecgtrace.page_ink.maps import INK_CLASSES, NAME_CLASSES

STRIDE = 32  # pages are padded to multiples of it
NAME_STRIDE = 4  # names are centred to a millimetre; text is read where it is still sharp, on the way down
OFFSET_SCALE_MM = 10.0  # of the row offset in the network's own unit: a trace of 1 mV is about 1


class WideUNet(nn.Module):
    """
    What the page network and the lead network share.

    Squares of 2x2 px go in and come out as channels [4]_, so that no convolution runs at full resolution,
    which halves the time. Wide at the bottom: there, depthwise convolutions of 7x7 look 96 px to each side,
    several times over.

    Parameters
    ----------
    channels : int
        Of what it sees.
    widths : sequence of int
        Channels at 1/2, 1/4, ..., 1/32 of the resolution.
    blocks : int
        Of depthwise convolutions at the bottom.

    References
    ----------
    .. [1] Ronneberger, Fischer, Brox (2015), https://doi.org/10.1007/978-3-319-24574-4_28
    .. [2] Liu et al. (2022), A ConvNet for the 2020s, https://arxiv.org/abs/2201.03545 (blocks of the bottom)
    .. [3] Zhou, Wang, Krähenbühl (2019), Objects as Points, https://arxiv.org/abs/1904.07850 (heat maps)
    .. [4] Shi et al. (2016), https://arxiv.org/abs/1609.05158 (sub-pixel convolution)
    """

    def __init__(self, channels: int, widths: Sequence[int], blocks: int) -> None:
        super().__init__()
        self.widths, self.blocks = tuple(widths), blocks
        first, *deeper = self.widths
        self.down = nn.ModuleList(
            [nn.Sequential(nn.PixelUnshuffle(2), _conv(4 * channels, first), _conv(first, first))]
        )
        above = first
        for width in deeper:
            self.down.append(nn.Sequential(_conv(above, width, stride=2), _conv(width, width)))
            above = width
        self.bottom = nn.Sequential(*(_Wide(above) for _ in range(blocks)))
        self.narrow, self.up = nn.ModuleList(), nn.ModuleList()
        for width in reversed(self.widths[:-1]):
            self.narrow.append(nn.Conv2d(above, width, 1))
            self.up.append(nn.Sequential(_conv(width, width), _conv(width, width)))
            above = width

    def seen(self, x: Tensor) -> list[Tensor]:
        """Return what is seen at 1/16, 1/8, 1/4 and 1/2 of the resolution of x, (batch, channels, h, w)."""
        skips = []
        for down in self.down:
            x = down(x)
            skips.append(x)
        x = self.bottom(x)
        outs = []
        for skip, narrow, up in zip(reversed(skips[:-1]), self.narrow, self.up, strict=True):
            x = up(functional.interpolate(narrow(x), scale_factor=2.0) + skip)
            outs.append(x)
        return outs


class PageUNet(WideUNet):
    """
    U-Net over a page at 4 px/mm: at its bottom, one pixel is 8 mm.

    The zero line of a row shows in a whole row and not at a peak: it looks 24 mm to each side, thrice over.

    Parameters
    ----------
    widths, blocks
        As of `WideUNet`.
    """

    name = "page_unet"

    def __init__(self, widths: Sequence[int] = (16, 40, 80, 128, 192), blocks: int = 3) -> None:
        super().__init__(3, widths, blocks)
        first = self.widths[0]
        self.ink = nn.Sequential(nn.Conv2d(first, 4 * len(INK_CLASSES), 1), nn.PixelShuffle(2))
        self.offset_coarse = nn.Conv2d(self.widths[1], 1, 1)
        self.offset_fine = nn.Sequential(nn.Conv2d(first, 4, 1), nn.PixelShuffle(2))
        at_names = self.widths[1]
        self.names = nn.Sequential(_conv(at_names, at_names), nn.Conv2d(at_names, len(NAME_CLASSES), 1))
        # Peaks are rare: started at a probability of 1 %, as in [3] of `WideUNet`, or their loss drowns the
        # others.
        nn.init.constant_(self.names[1].bias, -4.6)  # type: ignore[arg-type]

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """
        Return ink, offsets and names of pages.

        Parameters
        ----------
        image : Tensor of float, shape (batch, 3, h, w)
            RGB in [0, 1]; h and w are multiples of `STRIDE`.

        Returns
        -------
        ink : Tensor, shape (batch, 5, h, w)
            Logits of `INK_CLASSES`, of which one holds.
        offset : Tensor, shape (batch, 1, h, w)
            To the zero line below, in units of `OFFSET_SCALE_MM`.
        names : Tensor, shape (batch, 14, h / 4, w / 4)
            Logits of `NAME_CLASSES`, each its own.
        """
        outs = self.seen(image * 2 - 1)
        quarter, half = outs[-2:]
        coarse = functional.interpolate(self.offset_coarse(quarter), scale_factor=4.0, mode="bilinear")
        return self.ink(half), coarse + self.offset_fine(half), self.names(quarter)


class _Wide(nn.Module):
    """A residual block: 7x7 in each channel alone, then all channels together."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.look = nn.Conv2d(width, width, 7, padding=3, groups=width, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.mix = nn.Sequential(nn.Conv2d(width, 2 * width, 1), nn.ReLU(), nn.Conv2d(2 * width, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mix(self.norm(self.look(x)))


def _conv(width_in: int, width_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width_in, width_out, 3, stride, 1, bias=False), nn.BatchNorm2d(width_out), nn.ReLU()
    )


def padding(height: int, width: int) -> tuple[int, int]:
    """
    Return how many rows and columns a page lacks to the next multiple of `STRIDE`.

    Examples
    --------
    >>> padding(840, 1184)
    (24, 0)
    """
    return -height % STRIDE, -width % STRIDE


def pad(image: Tensor) -> Tensor:
    """Pad pages (batch, 3, h, w) on the right and below by their own edges."""
    rows, columns = padding(*image.shape[-2:])
    return functional.pad(image, (0, columns, 0, rows), mode="replicate") if rows or columns else image


def as_input(pages: Tensor) -> Tensor:
    """Turn uint8 (batch, 3, h, w) into what the network takes."""
    return pages.to(torch.float32) / 255
