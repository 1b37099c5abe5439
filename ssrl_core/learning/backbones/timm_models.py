"""Networks of the timm package by name, `timm/<name>`, where it is installed: to be evaluated as they are, or trained.

timm (Wightman 2019, Apache-2.0) is no requirement of Viewloom: `pip install timm`.
"""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Collection
from typing import Any

from torch import Tensor

from ssrl_core.errors import SpecError
from ssrl_core.learning.backbones import Body

NAMES: tuple[str, ...] = ()  # too many to list; `build` comes here for names that begin with the prefix
PREFIX = "timm/"
_LEAST_SIDE = 32


def body(name: str, channels: int, small: bool, keys: Collection[str] | None) -> Body:
    """The network without its head; one that takes a single size is given that size (smaller images are enlarged)."""
    network = _module().create_model(_known(name), pretrained=False, num_classes=0, in_chans=channels)
    wanted = network.default_cfg
    side = wanted["input_size"][-1] if wanted.get("fixed_input_size") else _LEAST_SIDE
    return Body(network, dim=network.num_features, min_side=side)


def pretrained(name: str) -> dict[str, Tensor]:
    """Its published weights, from timm's cache or the network.

    Raises:
        OSError, RuntimeError: they cannot be had.
    """
    state: dict[str, Tensor] = _module().create_model(_known(name), pretrained=True).state_dict()
    return state


def check_name(name: str) -> None:
    """Refuse a name that timm does not know, or timm where it is not installed.

    Raises:
        SpecError: with the nearest name, or what to install.
    """
    _known(name)


def _known(name: str) -> str:
    short = name.removeprefix(PREFIX)
    timm = _module()
    if not timm.is_model(short):
        near = difflib.get_close_matches(short, timm.list_models(), n=1)
        remedy = f"Did you mean {PREFIX}{near[0]}?" if near else "See timm.list_models()."
        raise SpecError.at("Backbone", "name", "a model that timm knows", name, remedy)
    return short


def _module() -> Any:
    if importlib.util.find_spec("timm") is None:
        raise SpecError.at(
            "Backbone", "name", "a backbone of Viewloom (timm is not installed)", PREFIX + "…", "Run: pip install timm."
        )
    import timm

    return timm
