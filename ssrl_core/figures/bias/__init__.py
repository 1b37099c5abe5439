"""Figures of the class-bias tables: small multiples with direct labels, light bands, n always given."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "behaviour_slopes": "panels",
    "chance_histogram": "pairs",
    "class_curves": "panels",
    "floor_ratios": "pairs",
    "highest_curves": "front",
    "method_spread": "panels",
    "pair_matrix": "pairs",
    "price_matrix": "front",
    "property_groups": "pairs",
    "shared_bars": "pairs",
    "trade_off": "front",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_HOMES)
