"""Backbones, one file a family. A family file says `NAMES` and builds with
`body(name, channels, small, keys) -> Body`, where keys are the names of the weights that will be laid in, or None.

A new backbone is its row in `specs/backbones.py` and one file here.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType

import torch
from torch import Tensor, nn

from ssrl_core.errors import SpecError
from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.backbones.weights import load_weights, made_for_small, pretrained_state, stem_in_file

SMALL_BELOW_PX = 64
_NOT_FAMILIES = {"encoder", "weights"}


@dataclass(frozen=True)
class Body:
    """What a family builds: a module (B,C,S,S) -> (B,dim), and the smallest side it takes, in px."""

    module: nn.Module
    dim: int
    min_side: int = 1


def names() -> list[str]:
    """Every backbone that can be built."""
    return [name for family in _families() for name in family.NAMES]


def build(
    name: str,
    *,
    channels: int,
    side: int,
    stem: str = "auto",
    weights: str | None = None,
    mean: Sequence[float],
    sd: Sequence[float],
    seed: int,
    keys: Collection[str] | None = None,
) -> Encoder:
    """A fresh encoder, on the CPU.

    Args:
        name: a row of `specs.backbones.BACKBONES`.
        channels, side: of the views, side in px.
        stem: "small" keeps the resolution of small images; "auto" takes it below 64 px, unless pretrained weights
            are asked for: then the one that these were made with.
        weights: None, "imagenet", or a file (.safetensors, or .pth read weights-only) with torchvision's key names.
        mean, sd: (channels,) of the train split, in 0..1.
        seed: of the initial weights; the global random state is left alone.
        keys: names of weights that the caller will lay in (VGG has batch norm where they have it).

    Raises:
        SpecError: unknown name or stem, weights that are missing or do not fit.
    """
    family = _family(name)
    state = None if weights is None else pretrained_state(weights, name)
    stem = stem_in_file(weights) or stem if stem == "auto" else stem
    small = _is_small(stem, side, state, name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = family.body(name, channels, small, keys if state is None else state.keys())
    encoder = Encoder(
        body.module,
        name=name,
        dim=body.dim,
        channels=channels,
        side=side,
        stem="small" if small else "standard",
        min_side=body.min_side,
        mean=mean,
        sd=sd,
    )
    if state is not None:
        load_weights(encoder, state)
    return encoder


def _is_small(stem: str, side: int, state: Mapping[str, Tensor] | None, name: str) -> bool:
    if stem not in ("auto", "small", "standard"):
        raise SpecError.at(f"Backbone {name}", "stem", "auto, small or standard", stem, "Use auto.")
    if state is not None and stem == "auto":
        return made_for_small(state)
    return stem == "small" or (stem == "auto" and side < SMALL_BELOW_PX)


def _family(name: str) -> ModuleType:
    if name.startswith("timm/"):
        return importlib.import_module(f"{__name__}.timm_models")
    for family in _families():
        if name in family.NAMES:
            return family
    raise SpecError.at("Backbone", "name", "one of " + ", ".join(names()), name, "Choose one of them.")


def _families() -> list[ModuleType]:
    found = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return [importlib.import_module(f"{__name__}.{name}") for name in found if name not in _NOT_FAMILIES]
