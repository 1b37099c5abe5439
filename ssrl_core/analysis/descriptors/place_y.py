"""Where the objects of an image lie, from top to bottom."""

from __future__ import annotations

import numpy as np

from ssrl_core.analysis.descriptors.images import Array, ImageBatch


def place_y(batch: ImageBatch) -> Array:
    """(B,) the middle of all objects as a share of the height, 0 top and 1 bottom; NaN without any."""
    return np.asarray((batch.object_moments.y + 0.5) / batch.pixels.shape[-2], dtype=np.float32)
