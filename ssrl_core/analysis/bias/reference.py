"""The value of the parameter that gains and losses are counted from."""

from __future__ import annotations

import numpy as np

from ssrl_core.analysis.bias.accuracy_curves import overall_accuracy
from ssrl_core.analysis.bias.grid import Grid, mean_over_seeds
from ssrl_core.errors import SpecError


def reference_place(grid: Grid, value: float | str | None = None) -> int | None:
    """The place of the reference among the values of a grid.

    Args:
        value: a value of the parameter; None takes the one with the highest overall accuracy (the first of equals).

    Returns:
        the place; None where no value has an overall accuracy.

    Raises:
        SpecError: the sweep does not have that value.
    """
    if value is None:
        overall = mean_over_seeds(overall_accuracy(grid)[0])
        return int(np.nanargmax(overall)) if np.isfinite(overall).any() else None
    for place, cell in enumerate(grid.axis.cells()):
        if cell == value or (isinstance(cell, float) and _close(cell, value)):
            return place
    raise SpecError(
        where="Reference",
        field=grid.axis.path,
        rule=f"one of {', '.join(grid.axis.labels)}",
        value=value,
        remedy="Choose a value that was run.",
    )


def _close(cell: float, value: float | str) -> bool:
    try:
        return bool(np.isclose(cell, float(value), rtol=1e-9, atol=1e-12))
    except ValueError:
        return False
