"""Pixels of an image set as float32 in 0..1."""

from __future__ import annotations

import numpy as np

from ssrl_core.compositions.kernels.compiling import ONE, kernel
from ssrl_core.compositions.laws import Array


@kernel
def load(source: Array, rows: Array, top: np.float32, out: Array) -> None:
    """Some images (N, values) of any number type into (n, values) float32: value / top, at most 1."""
    for i in range(len(rows)):
        pixels, line = source[rows[i]], out[i]
        for j in range(pixels.shape[0]):
            value = np.float32(pixels[j]) / top
            line[j] = value if value < ONE else ONE
