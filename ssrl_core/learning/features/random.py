"""Random convolutions: no file, no training, any number of channels, and already more than raw pixels tell.

What counts is depth, max-pooling and enlarging; width alone does not (docs/log.md has what was tried).
"""

from __future__ import annotations

import inspect

import torch
from torch import Tensor, nn
from torch.nn import functional

from ssrl_core.learning import features

SIDES = {"random": (32, 48), "live": (32,)}
NAMES = tuple(SIDES)
_STAGE_DIM = 576


def build(name: str, images: Tensor, seed: int, mean: tuple[float, ...], sd: tuple[float, ...]) -> features.Bank:
    """See `features.build`; He's initialisation, weights from this seed alone."""
    made = module(name, images.shape[1])
    chance = torch.Generator().manual_seed(seed)
    for layer in made.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=chance)
    return features.Bank(name, made, _STAGE_DIM * len(SIDES[name]), mean, sd)


def module(name: str, channels: int) -> nn.Module:
    """The network, its weights to come."""
    return RandomFeatures(channels, SIDES[name])


def source(name: str, channels: int) -> str:
    """See `features.source`."""
    return f"{inspect.getsource(RandomFeatures)}\nbank = RandomFeatures({channels}, {SIDES[name]})"


class RandomFeatures(nn.Module):
    """(B,C,S,S) to (B,576·scales): the mean over positions of every stage, at several sizes of the image."""

    def __init__(self, channels: int, sides: tuple[int, ...]) -> None:
        super().__init__()
        self.sides = sides
        self.scales = nn.ModuleList(self._stages(channels) for _ in sides)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a third less time on a processor

    @staticmethod
    def _stages(channels: int) -> nn.ModuleList:
        pool = nn.MaxPool2d(3, 2)
        return nn.ModuleList(
            [
                nn.Sequential(nn.Conv2d(channels, 32, 6, 2, 1, bias=False), nn.ReLU(inplace=True)),
                nn.Sequential(pool, nn.Conv2d(32, 96, 5, 1, 2, bias=False), nn.ReLU(inplace=True)),
                nn.Sequential(pool, nn.Conv2d(96, 192, 3, 1, 1, bias=False), nn.ReLU(inplace=True)),
                nn.Sequential(nn.Conv2d(192, 128, 3, 1, 1, bias=False), nn.ReLU(inplace=True)),
                nn.Sequential(nn.Conv2d(128, 128, 3, 1, 1, bias=False), nn.ReLU(inplace=True)),
            ]
        )

    def forward(self, images: Tensor) -> Tensor:
        """(B,C,S,S) to (B,576·scales)."""
        found = []
        for side, stages in zip(self.sides, self.scales, strict=True):
            maps = images
            if images.shape[-1] != side:
                smaller = images.shape[-1] > side
                maps = functional.interpolate(images, (side, side), mode="bilinear", antialias=smaller)
            for stage in stages.children():
                maps = stage(maps)
                found.append(maps.mean(dim=(2, 3)))
        return torch.cat(found, dim=1)
