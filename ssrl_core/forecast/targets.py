"""What is asked of an embedding: descriptors, numeric columns and the label of some images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ssrl_core.datasets.imageset import ImageSet

Array = NDArray[Any]

MOST_PX = 96
"""Side above which images are made smaller before they are described: seconds count here."""
_BATCH = 256


def described(images: Array) -> dict[str, Array]:
    """Every descriptor of images (n,C,S,S) in 0..1, at 96 px or less: {name: (n,)}."""
    from ssrl_core.analysis.descriptors import describe

    return describe(shrunk(images), max_value=1.0)


def shrunk(images: Array) -> Array:
    """Images (…,C,H,W) at a whole fraction of their sides, at most 96 px: means over squares."""
    step = -(-max(images.shape[-2:]) // MOST_PX)
    if step == 1:
        return images
    import torch

    flat = torch.from_numpy(np.ascontiguousarray(images)).flatten(0, -4)
    small = torch.nn.functional.avg_pool2d(flat, tuple(min(step, side) for side in images.shape[-2:])).numpy()
    return np.asarray(small.reshape(*images.shape[:-2], *small.shape[-2:]))


def targets_of(imageset: ImageSet, solve_ids: Array, ask_ids: Array) -> dict[str, tuple[str, Array, Array]]:
    """name -> (kind, values of the first half, of the second): descriptors, numeric columns, the label."""
    import pandas as pd

    from ssrl_core.datasets.columns import informative_columns

    def measured(ids: Array) -> dict[str, Array]:
        parts = [
            described(np.asarray(imageset.pixels[some], dtype=np.float32) / np.float32(imageset.max_value))
            for some in np.array_split(ids, max(1, len(ids) // _BATCH))
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

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
