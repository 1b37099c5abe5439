"""How much of an image stands out from its ground."""

from __future__ import annotations

import numpy as np

from ssrl_core.analysis.descriptors.images import Array, ImageBatch


def area(batch: ImageBatch) -> Array:
    """(B,) share of the image that its objects cover, 0 to 1."""
    pieces = batch.objects[0]
    return np.asarray((pieces > 0).mean(axis=(1, 2)), dtype=np.float32)
