"""Where the objects of an image lie, from left to right."""

from __future__ import annotations

import numpy as np

from ssrl_core.analysis.descriptors.images import Array, ImageBatch


def place_x(batch: ImageBatch) -> Array:
    """(B,) the middle of all objects as a share of the width, 0 left and 1 right; NaN without any."""
    return np.asarray((batch.object_moments.x + 0.5) / batch.pixels.shape[-1], dtype=np.float32)
