"""
The U-Net with a ResNet34 encoder in PyTorch alone, to read pictures without the packages of training.

Layer for layer and name for name that of segmentation-models-pytorch [1]_, so that one file of weights fits
both; `tests/test_segmentation.py` holds the two to the same output. Importing that package takes as long as
importing PyTorch (it brings timm, torchvision and the hub's client), and it has all of its encoders.

References
----------
.. [1] Iakubovskii (2019), https://github.com/qubvel-org/segmentation_models.pytorch, version 0.6
.. [2] He, Zhang, Ren, Sun (2016), https://doi.org/10.1109/CVPR.2016.90
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

_DECODER = ((512, 256, 256), (256, 128, 128), (128, 64, 64), (64, 64, 32), (32, 0, 16))  # in, skipped, out


class ResNet34UNet(nn.Module):
    """
    Picture to one logit per pixel and class.

    Parameters
    ----------
    classes : int
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.encoder = _Encoder()
        self.decoder = _Decoder()
        self.segmentation_head = nn.Sequential(nn.Conv2d(_DECODER[-1][2], classes, 3, padding=1))

    def forward(self, image: Tensor) -> Tensor:
        """Return logits, shape (batch, classes, height, width); height and width are multiples of 32."""
        return self.segmentation_head(self.decoder(self.encoder(image)))


class _Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _stage(64, 64, 3)  # numbers of blocks: ResNet34 [2]_
        self.layer2 = _stage(64, 128, 4)
        self.layer3 = _stage(128, 256, 6)
        self.layer4 = _stage(256, 512, 3)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features at a half, a quarter, ... of the size."""
        features = [self.relu(self.bn1(self.conv1(x)))]
        features.append(self.layer1(self.maxpool(features[-1])))
        for layer in (self.layer2, self.layer3, self.layer4):
            features.append(layer(features[-1]))
        return features


def _stage(before: int, after: int, blocks: int) -> nn.Sequential:
    first = _BasicBlock(before, after, stride=1 if before == after else 2)
    return nn.Sequential(first, *(_BasicBlock(after, after) for _ in range(blocks - 1)))


class _BasicBlock(nn.Module):
    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.downsample = None
        if stride != 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Add what the block learnt to what came in."""
        identity = x if self.downsample is None else self.downsample(x)
        return self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))) + identity)


class _Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_DecoderBlock(*channels) for channels in _DECODER)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Bring the deepest features back to the size of the picture, each finer one joined on the way."""
        x, skipped = features[-1], [*features[-2::-1], None]
        for block, skip in zip(self.blocks, skipped, strict=True):
            x = block(x, skip)
        return x


class _DecoderBlock(nn.Module):
    def __init__(self, before: int, skipped: int, after: int) -> None:
        super().__init__()
        self.conv1 = _conv_bn_relu(before + skipped, after)
        self.conv2 = _conv_bn_relu(after, after)

    def forward(self, x: Tensor, skip: Tensor | None) -> Tensor:
        """Double the size and take in the features of that size."""
        x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
        return self.conv2(self.conv1(x if skip is None else torch.cat([x, skip], dim=1)))


def _conv_bn_relu(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )
