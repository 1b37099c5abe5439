"""How many separate things an image shows."""

from __future__ import annotations

import numpy as np

from ssrl_core.analysis.descriptors.images import Array, ImageBatch


def objects(batch: ImageBatch) -> Array:
    """(B,) number of connected pieces of the foreground that are no specks (at least 0.3 % of the image)."""
    return np.bincount(batch.objects[1], minlength=len(batch.grey)).astype(np.float32)
