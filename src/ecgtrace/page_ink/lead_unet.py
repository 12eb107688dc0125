"""The lead network: whose ink it is, seen in the piece of a page that holds a lead's waves."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ecgtrace.page_ink.lead_hints import HINTS
from ecgtrace.page_ink.unet import WideUNet

CHANNELS = ("target", "other")


class LeadUNet(WideUNet):
    """
    U-Net over a piece of a page at 8 px/mm, which is told what the page's maps say of it.

    A network that sees one lead alone cannot tell which of several rows is meant, and looks for a line where
    the page has told it already. It need not be large: that of the paper takes ten times as long.

    Parameters
    ----------
    widths, blocks
        As of `WideUNet`; by default as of `PageUNet`, whose weights it may start from.
    """

    name = "lead_unet"

    def __init__(self, widths: Sequence[int] = (16, 40, 80, 128, 192), blocks: int = 3) -> None:
        super().__init__(3 + len(HINTS), widths, blocks)
        self.whose = nn.Sequential(nn.Conv2d(self.widths[0], 4 * len(CHANNELS), 1), nn.PixelShuffle(2))
        nn.init.constant_(self.whose[0].bias, -2.0)  # type: ignore[arg-type]  # most is paper

    def forward(self, image: Tensor, hints: Tensor) -> Tensor:
        """
        Return the logits of `CHANNELS`, both of which may hold: shape (batch, 2, h, w).

        Parameters
        ----------
        image : Tensor of float, shape (batch, 3, h, w)
            RGB in [0, 1]; h and w are multiples of `STRIDE`.
        hints : Tensor of float, shape (batch, 5, h, w)
            Of `HINTS`.
        """
        return self.whose(self.seen(torch.cat([image * 2 - 1, hints], 1))[-1])  # type: ignore[no-any-return]

    def start_from(self, page: WideUNet) -> None:
        """Take the weights of a page network where they fit: what ink looks like, it has learned."""
        own = self.state_dict()
        for name, value in page.state_dict().items():
            if name in own and own[name].shape == value.shape:
                own[name] = value
        first = "down.0.1.0.weight"  # the picture's channels come first, as in the page network
        theirs = page.state_dict()[first]
        own[first][:, : theirs.shape[1]] = theirs
        self.load_state_dict(own)
