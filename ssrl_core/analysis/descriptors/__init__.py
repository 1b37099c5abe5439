"""Numbers of an image that a person understands: their table, and measuring them on a batch of images.

A new descriptor is a function and its row in one of the files here, or a file of its own with its name in `FILES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

import numpy as np

from ssrl_core.analysis.descriptors.images import Array, Descriptor, ImageBatch

FILES = ("colour", "shape", "texture")
DESCRIPTORS: Mapping[str, Descriptor] = {
    row.name: row for file in FILES for row in import_module(f"{__name__}.{file}").DESCRIPTORS
}


def describe(pixels: Array, *, max_value: float) -> dict[str, Array]:
    """Every descriptor of some images.

    Args:
        pixels: (B, C, H, W) uint8 or uint16.
        max_value: the value that stands for 1.

    Returns:
        {name: (B,) float32}, NaN where one is undefined (no object, one grey value).
    """
    batch = ImageBatch(pixels.astype(np.float32) / np.float32(max_value))
    return {name: np.asarray(row.measure(batch), dtype=np.float32) for name, row in DESCRIPTORS.items()}
