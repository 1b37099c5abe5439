"""Who wins and who loses when a transformation's parameter moves: statistics of a table of class accuracies.

Every function takes the classes table of a sweep (contracts C10) and the name of the column that varies, and returns
tables. What cannot be computed is NaN or None, and a table of reasons says why.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "as_given": "columns",
    "DEFINITIONS": "sentences",
    "behaviours": "behaviour",
    "most_shared_behaviour": "behaviour",
    "curves": "accuracy_curves",
    "Curves": "accuracy_curves",
    "floors": "opposite_pairs",
    "floor_summary": "opposite_pairs",
    "Grid": "grid",
    "grids": "grid",
    "vary_columns": "columns",
    "method_summary": "accuracy_curves",
    "movers": "accuracy_curves",
    "furthest": "accuracy_curves",
    "Opposition": "opposite_pairs",
    "most_opposed": "opposite_pairs",
    "opposition": "opposite_pairs",
    "compare_probes": "behaviour",
    "winners_and_losers": "sentences",
    "reason_table": "sentences",
    "shared_classes": "opposite_pairs",
    "by_superclass": "full_report",
    "read_superclasses": "full_report",
    "no_superclass": "full_report",
    "statistics": "full_report",
    "read_classes": "reading",
    "parameters": "reading",
    "Highest": "trade_off",
    "own_highest": "trade_off",
    "TradeOff": "trade_off",
    "tradeoff": "trade_off",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_HOMES)
