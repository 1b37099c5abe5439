"""Run folders, the registry, the coordinator and its engines, sweeps, and the child that learns and then analyses."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """`results_table` and `classes_table` (C10), loaded when first used."""
    if name in ("results_table", "classes_table"):
        from ssrl_core.runs.queue import tables

        return getattr(tables, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
