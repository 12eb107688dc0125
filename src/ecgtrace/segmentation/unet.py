"""The network of the paper: a U-Net with a ResNet34 encoder, and nothing about its training."""

import logging
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ecgtrace.errors import ConfigError
from ecgtrace.segmentation.resnet_unet import ResNet34UNet
from ecgtrace.segmentation.weights import CHANNELS

_log = logging.getLogger(__name__)

FROM_FILE = "file"
# Of ImageNet, in RGB order, as torchvision's encoders expect.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class UNet(nn.Module):
    """
    U-Net from segmentation-models-pytorch, with the normalisation of its input inside.

    Parameters
    ----------
    encoder : str, optional
        Name of an smp encoder. By default "resnet34", as in the paper.
    encoder_weights : str or None, optional
        What the encoder starts from. By default "imagenet", as in the paper. Where these
        weights cannot be fetched, the encoder starts at random, with a warning, and
        `started_from` says so. `FROM_FILE`: all weights will be read from a file; a resnet34 is then
        built without segmentation-models-pytorch (`resnet_unet`).
    channels : sequence of str, optional
        What the network marks, of `CHANNELS`, the target first. By default the target alone, as in
        the paper. With "other", ink of the neighbours has a channel of its own; both may be on in one
        pixel, so that a crossing is not a choice.

    Attributes
    ----------
    channels : tuple of str
    started_from : str
        "imagenet", "random", "random (imagenet could not be fetched)", or "file".

    References
    ----------
    .. [1] Ronneberger, Fischer, Brox (2015), https://doi.org/10.1007/978-3-319-24574-4_28
    .. [2] He, Zhang, Ren, Sun (2016), https://doi.org/10.1109/CVPR.2016.90
    """

    name = "unet"

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        encoder: str = "resnet34",
        encoder_weights: str | None = "imagenet",
        channels: Sequence[str] = CHANNELS[:1],
    ) -> None:
        super().__init__()
        self.channels = tuple(channels)
        if self.channels not in (CHANNELS[:1], CHANNELS):
            raise ConfigError(f"channels={list(channels)}: choose [target] or [{', '.join(CHANNELS)}]")
        self.encoder_name = encoder
        self.network, self.started_from = _build(encoder, encoder_weights, len(self.channels))
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """
        Return the logit of each pixel.

        Parameters
        ----------
        image : Tensor of float, shape (batch, 3, height, width)
            RGB in [0, 1]; height and width are multiples of 32.

        Returns
        -------
        Tensor of float, shape (batch, len(channels), height, width)
        """
        return self.network((image - self.mean) / self.std)


def _build(encoder: str, weights: str | None, classes: int) -> tuple[nn.Module, str]:
    if weights == FROM_FILE and encoder == "resnet34":
        return ResNet34UNet(classes), FROM_FILE
    try:
        import segmentation_models_pytorch as smp  # of training; slow to import
    except ModuleNotFoundError:
        raise ConfigError(
            f"encoder {encoder} needs segmentation-models-pytorch: pip install 'ecgtrace[research]'"
        ) from None
    if weights in (None, FROM_FILE):
        return smp.Unet(encoder, encoder_weights=None, in_channels=3, classes=classes), weights or "random"
    hub_log = logging.getLogger("huggingface_hub")
    level = hub_log.level
    _log.info("%s weights of %s are fetched, unless they are in the cache", weights, encoder)
    try:
        hub_log.setLevel(logging.ERROR)  # it warns twice of each of five tries; the line below says it once
        return smp.Unet(encoder, encoder_weights=weights, in_channels=3, classes=classes), weights
    except (OSError, RuntimeError) as error:  # what the hub and its HTTP client raise without a network
        started_from = f"random ({weights} could not be fetched)"
        _log.warning("%s weights of %s: %s; starting at random", weights, encoder, str(error).split("\n")[0])
        return smp.Unet(encoder, encoder_weights=None, in_channels=3, classes=classes), started_from
    finally:
        hub_log.setLevel(level)
