"""ConvNeXt-Tiny (Liu et al. 2022, arXiv:2201.03545), torchvision's, with patches of 2 px for small images."""

from __future__ import annotations

from collections.abc import Collection

from torch import nn

from ssrl_core.learning.backbones import Body

NAMES = ("convnext_tiny",)
_STEM_WIDTH = 96
_DIM = 768


def body(name: str, channels: int, small: bool, keys: Collection[str] | None) -> Body:
    """Without stochastic depth: a view must not depend on a hidden random state. The last layer norm is kept."""
    from torchvision import models

    network = models.convnext_tiny(weights=None, stochastic_depth_prob=0.0)
    network.classifier = nn.Sequential(network.classifier[0], nn.Flatten(1))
    patch = 2 if small else 4
    if small or channels != 3:
        network.features[0][0] = _patches(channels, patch)
    return Body(network, dim=_DIM, min_side=8 * patch)


def _patches(channels: int, patch: int) -> nn.Conv2d:
    layer = nn.Conv2d(channels, _STEM_WIDTH, patch, stride=patch)
    nn.init.trunc_normal_(layer.weight, std=0.02)
    nn.init.zeros_(layer.get_parameter("bias"))
    return layer
