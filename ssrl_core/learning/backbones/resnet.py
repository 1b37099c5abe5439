"""ResNet 18 to 152 (He et al. 2015, arXiv:1512.03385), torchvision's, with a stem for small images."""

from __future__ import annotations

from collections.abc import Collection

from torch import nn

from ssrl_core.learning.backbones import Body

NAMES = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")


def body(name: str, channels: int, small: bool, keys: Collection[str] | None) -> Body:
    """Small: 3x3 first convolution, stride 1, padding 1, no max-pool. Standard: torchvision's 7x7 with max-pool."""
    from torchvision import models

    network = models.get_model(name, weights=None)
    dim = network.fc.in_features
    network.fc = nn.Identity()
    if small:
        network.conv1 = _first(channels, 3, stride=1)
        network.maxpool = nn.Identity()
    elif channels != 3:
        network.conv1 = _first(channels, 7, stride=2)
    return Body(network, dim=dim)


def _first(channels: int, kernel: int, *, stride: int) -> nn.Conv2d:
    layer = nn.Conv2d(channels, 64, kernel, stride=stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return layer
