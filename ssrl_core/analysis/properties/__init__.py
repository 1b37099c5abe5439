"""What the images of a class are like, and whether that goes with what a transformation does to the class (table 1)."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "against_behaviour": "groups",
    "anova": "groups",
    "Anova": "groups",
    "manova": "groups",
    "Manova": "groups",
    "class_properties": "class_table",
    "FAMILIES": "class_table",
    "fourier": "images",
    "maximum_likelihood": "class_table",
    "two_nn": "class_table",
    "covariance_spectrum": "class_table",
    "texture": "images",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_HOMES)
