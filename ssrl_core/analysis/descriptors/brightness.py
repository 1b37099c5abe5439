"""How bright an image is."""

from __future__ import annotations

import numpy as np

from ssrl_core.analysis.descriptors.images import Array, ImageBatch


def brightness(batch: ImageBatch) -> Array:
    """(B,) mean of all pixels and channels, 0 black to 1 full."""
    return np.asarray(batch.grey.mean(axis=(1, 2)))
