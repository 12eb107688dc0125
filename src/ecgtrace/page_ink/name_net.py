"""The name network: a small convolutional network that tells what stands in the middle of a patch."""

from collections.abc import Sequence

from torch import Tensor, nn

from ecgtrace.page_ink.maps import NAME_CLASSES
from ecgtrace.page_ink.patches import PATCH_PX

NO_NAME = len(NAME_CLASSES)  # the class behind the names: no name stands in the middle


class NameNet(nn.Module):
    """
    Classify patches of a page.

    Four halvings, two convolutions each but the first, and one layer that sees where in the patch everything
    lies: a name beside the middle is none.

    Parameters
    ----------
    widths : sequence of int, optional
        Channels at 1/2, 1/4, 1/8 and 1/16 of the resolution.
    """

    name = "name_net"

    def __init__(self, widths: Sequence[int] = (32, 64, 128, 192)) -> None:
        super().__init__()
        self.widths = tuple(widths)
        layers: list[nn.Module] = []
        above = 3
        for width in self.widths:
            layers += [_conv(above, width, 2)] + ([_conv(width, width)] if above > 3 else [])
            above = width
        self.body = nn.Sequential(*layers)
        rows, columns = (side // 2 ** len(self.widths) for side in PATCH_PX)
        self.head = nn.Sequential(
            nn.Flatten(), nn.Dropout(0.2), nn.Linear(above * rows * columns, len(NAME_CLASSES) + 1)
        )

    def forward(self, image: Tensor) -> Tensor:
        """
        Return logits of `NAME_CLASSES` and of no name.

        Parameters
        ----------
        image : Tensor of float, shape (n, 3, 48, 112)
            RGB in [0, 1].

        Returns
        -------
        Tensor, shape (n, 15)
        """
        return self.head(self.body(image * 2 - 1))  # type: ignore[no-any-return]


def _conv(width_in: int, width_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width_in, width_out, 3, stride, 1, bias=False), nn.BatchNorm2d(width_out), nn.ReLU()
    )
