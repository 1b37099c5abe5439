"""Feature banks, one file a family: fixed networks whose outputs the closed form takes.

A family file says `NAMES` and builds with `build(name, images, seed, mean, sd) -> Bank`; its `module(name, channels)`
is the same network with weights to be laid in, `source(name, channels)` the lines that make that module without
Viewloom. A new bank is its row in `specs/backbones.py` and a file here.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ssrl_core.specs.backbones import check_bank

if TYPE_CHECKING:
    from ssrl_core.learning.backbones.encoder import Encoder

_IMAGES, _VALUES = 128, 1 << 22  # that go through a bank at once: images, or values where it keeps their size


@dataclass(frozen=True)
class Bank:
    """A fixed network, ready to use.

    Attributes:
        name: of the bank.
        module: (B,C,S,S) images, taken through mean and sd, to (B,dim); evaluation mode, no gradients.
        dim: D.
        mean, sd: (C,) that an image in 0..1 is brought to before it goes in.
        inner: the encoder within, for banks that are one.
    """

    name: str
    module: nn.Module
    dim: int
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    inner: Encoder | None = None

    @torch.inference_mode()
    def features(self, images: Tensor) -> Tensor:
        """(B,C,S,S) float in 0..1 on any device to (B,D) float32 there."""
        place = images.device
        self.module.to(place)
        mean, sd = (torch.tensor(v).to(place, non_blocking=True).view(1, -1, 1, 1) for v in (self.mean, self.sd))
        size = _IMAGES if self.inner is None else max(1, _VALUES // max(1, images[:1].numel()))
        return torch.cat([self.module((part - mean) / sd).float() for part in torch.split(images, min(size, _IMAGES))])


def build(name: str, images: Tensor, *, seed: int, mean: Sequence[float], sd: Sequence[float]) -> Bank:
    """A bank for some images, on the CPU.

    Args:
        name: as `specs.backbones.check_bank` takes it.
        images: (n,C,S,S) float in 0..1, some of the set, at the side that will come; `patches` learns from them.
        seed: of random weights.
        mean, sd: (C,) of the train split, in 0..1, for banks without a normalisation of their own.

    Raises:
        SpecError: an unknown name, weights or a run that are missing.
    """
    check_bank(name, "Feature bank")
    family = _family(name)
    with torch.random.fork_rng(devices=[]):
        made: Bank = family.build(name, images, seed, tuple(mean), tuple(sd))
    made.module.eval().requires_grad_(False)
    return made


def empty(name: str, channels: int) -> nn.Module:
    """The module of a bank that is no encoder, for weights that will be laid in."""
    with torch.random.fork_rng(devices=[]):
        made: nn.Module = _family(name).module(name, channels)
    return made


def source(name: str, channels: int) -> str:
    """Lines of Python that make `bank`, the module of a bank that is no encoder, with torch alone."""
    made: str = _family(name).source(name, channels)
    return made


def _family(name: str) -> ModuleType:
    for family in _families():
        if name in family.NAMES:
            return family
    return importlib.import_module(f"{__name__}.encoders")


def _families() -> list[ModuleType]:
    return [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
