"""How alike the left and the right half of an image are."""

from __future__ import annotations

import numpy as np

from ssrl_core.analysis.descriptors.images import Array, ImageBatch


def symmetry(batch: ImageBatch) -> Array:
    """(B,) correlation of an image's grey values with those of its mirror image: 1 symmetric, about 0 unlike.

    NaN for an image of one grey value.
    """
    away = batch.grey - batch.grey.mean(axis=(1, 2), keepdims=True)
    own = np.square(away).sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        alike = (away * away[:, :, ::-1]).sum(axis=(1, 2)) / own
    return np.where(own > 1e-6, alike, np.nan).astype(np.float32)
