"""What is asked of an embedding: descriptors, numeric columns and the label of some images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ssrl_core.datasets.imageset import ImageSet

Array = NDArray[Any]


def targets_of(imageset: ImageSet, solve_ids: Array, ask_ids: Array) -> dict[str, tuple[str, Array, Array]]:
    """name -> (kind, values of the first half, of the second): descriptors, numeric columns, the label."""
    import pandas as pd

    from ssrl_core.analysis.descriptors.table import describe
    from ssrl_core.datasets.columns import informative_columns

    def measured(ids: Array) -> dict[str, Array]:
        return describe(np.ascontiguousarray(imageset.pixels[ids]), max_value=imageset.max_value)

    here, there = measured(solve_ids), measured(ask_ids)
    found: dict[str, tuple[str, Array, Array]] = {n: ("descriptor", here[n], there[n]) for n in here}
    for name in informative_columns(imageset.table, imageset.label):
        column = imageset.table[name]
        numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
        if name != imageset.label and numeric and name not in found:
            values = column.to_numpy(dtype=float)
            found[name] = ("column", values[solve_ids], values[ask_ids])
    if imageset.label is not None:
        ids = imageset.label_ids
        found[imageset.label] = ("classes", ids[solve_ids], ids[ask_ids])
    return found
