"""VGG 11 to 19 (Simonyan and Zisserman 2015, arXiv:1409.1556): convolutions only, torchvision's `features.*` names.

From scratch they have batch norm (torchvision's `vgg11_bn` …): without it MoCo collapses at once with the paper's Adam
1e-3 (z_std 0.008, effective rank 1.6 after 100 steps, against 0.25 and 15 with it). Pretrained weights keep the layers
that they were made for.
"""

from __future__ import annotations

from collections.abc import Collection

from torch import Tensor, nn

from ssrl_core.learning.backbones import Body

NAMES = ("vgg11", "vgg13", "vgg16", "vgg19")
_WIDTHS = (64, 128, 256, 512, 512)
_CONVOLUTIONS = {
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}


def body(name: str, channels: int, small: bool, keys: Collection[str] | None) -> Body:
    """The same for small and large images: five poolings, so at least 32 px (smaller ones are enlarged)."""
    normed = keys is None or any(key.endswith("running_mean") for key in keys)
    return Body(VGG(_CONVOLUTIONS[name], channels, normed), dim=_WIDTHS[-1], min_side=32)


class VGG(nn.Module):
    """(B,C,S,S) to (B,512): `features`, then the average over positions."""

    def __init__(self, convolutions: tuple[int, ...], channels: int, normed: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width, count in zip(_WIDTHS, convolutions, strict=True):
            for _ in range(count):
                layers.append(_convolution(channels, width))
                layers += [nn.BatchNorm2d(width)] if normed else []
                layers.append(nn.ReLU(inplace=True))
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """(B,C,S,S) to (B,512)."""
        maps: Tensor = self.features(images)
        return maps.mean(dim=(2, 3))


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    nn.init.zeros_(layer.get_parameter("bias"))
    return layer
