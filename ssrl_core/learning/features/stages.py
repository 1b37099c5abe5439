"""All five stages of a network that was trained on ImageNet: the mean over positions of each.

The files are those of LPIPS (`models/weights/alexnet_features.safetensors`, `vgg16_features.safetensors`), or
torchvision's own.
"""

from __future__ import annotations

import inspect

import torch
from torch import Tensor, nn
from torch.nn import functional

from ssrl_core.compositions.lpips import NETWORKS
from ssrl_core.errors import SpecError
from ssrl_core.learning import features
from ssrl_core.learning.backbones.weights import imagenet_state

NAMES = ("alexnet", "vgg16")
SIDE = 64
_WIDTHS = {"alexnet": (64, 192, 384, 256, 256), "vgg16": (64, 128, 256, 512, 512)}
_CONVOLUTIONS = (2, 2, 3, 3, 3)  # of VGG16's stages
_MEAN, _SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def build(name: str, images: Tensor, seed: int, mean: tuple[float, ...], sd: tuple[float, ...]) -> features.Bank:
    """See `features.build`; the seed plays no part.

    Raises:
        SpecError: the weights are missing or of another network; names the file and where to lay it.
    """
    channels = images.shape[1]
    made = StageFeatures(name)
    found = {key: value.float() for key, value in imagenet_state(name).items() if key.startswith("features.")}
    try:
        made.load_state_dict(found)
    except RuntimeError as error:
        files = NETWORKS["alex" if name == "alexnet" else "vgg"].files
        raise SpecError.at(
            f"Feature bank {name}",
            "weights",
            f"the {name} features of ImageNet ({' or '.join(files)})",
            str(error).splitlines()[0],
            "Lay the right file into models/weights.",
        ) from error
    return features.Bank(name, made, sum(_WIDTHS[name]), (0.0,) * channels, (1.0,) * channels)


def module(name: str, channels: int) -> nn.Module:
    """The network, its weights to come."""
    return StageFeatures(name)


def source(name: str, channels: int) -> str:
    """See `features.source`."""
    numbers = f"SIDE, _MEAN, _SD = {(SIDE, _MEAN, _SD)}\n_WIDTHS, _CONVOLUTIONS = {(_WIDTHS, _CONVOLUTIONS)}"
    parts = [inspect.getsource(part) for part in (_alexnet, _vgg16, StageFeatures)]
    return "\n\n".join([numbers, *parts, f"bank = StageFeatures({name!r})"])


class StageFeatures(nn.Module):
    """(B,C,S,S) in 0..1 to (B, sum of the stages' widths); other than three channels are averaged to grey."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.features = nn.Sequential(*(_alexnet() if name == "alexnet" else _vgg16()))
        layers = list(self.features)
        relus = [place for place, layer in enumerate(layers) if isinstance(layer, nn.ReLU)]
        ends = [p for p in relus if p + 1 == len(layers) or not isinstance(layers[p + 1], nn.Conv2d)]
        self.ends = set(relus if name == "alexnet" else ends)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Tensor:
        """(B,C,S,S) to (B,D)."""
        if images.shape[1] != 3:
            images = images.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
        if images.shape[-1] != SIDE:
            smaller = images.shape[-1] > SIDE
            images = functional.interpolate(images, (SIDE, SIDE), mode="bilinear", antialias=smaller)
        there = {"dtype": images.dtype, "device": images.device, "non_blocking": True}
        mean, sd = (torch.tensor(v).to(**there).view(1, 3, 1, 1) for v in (_MEAN, _SD))  # type: ignore[call-overload]
        maps, found = (images - mean) / sd, []
        for place, layer in enumerate(self.features):
            maps = layer(maps)
            if place in self.ends:
                found.append(maps.mean(dim=(2, 3)))
        return torch.cat(found, dim=1)


def _alexnet() -> list[nn.Module]:
    """torchvision's `alexnet().features` up to its last ReLU."""
    return [
        *(nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()),
    ]


def _vgg16() -> list[nn.Module]:
    """torchvision's `vgg16().features` up to its last ReLU."""
    layers: list[nn.Module] = []
    inputs = 3
    for width, count in zip(_WIDTHS["vgg16"], _CONVOLUTIONS, strict=True):
        layers += [nn.MaxPool2d(2)] if layers else []
        for _ in range(count):
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
            inputs = width
    return layers
