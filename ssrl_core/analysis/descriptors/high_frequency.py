"""How much of what an image shows is fine, by its spectrum."""

from __future__ import annotations

import numpy as np

from ssrl_core.analysis.descriptors.images import Array, ImageBatch
from ssrl_core.analysis.properties.images import LEAST_SIDE, fourier


def high_frequency(batch: ImageBatch) -> Array:
    """(B,) share of the power at 0.25 cycles per pixel and above; NaN for one grey value, or a side below 8 px."""
    if min(batch.grey.shape[1:]) < LEAST_SIDE:
        return np.full(len(batch.grey), np.nan, np.float32)
    return np.asarray(fourier(batch.grey[:, None])[:, 1], dtype=np.float32)
