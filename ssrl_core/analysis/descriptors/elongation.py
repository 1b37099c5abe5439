"""How long and thin the largest object of an image is."""

from __future__ import annotations

import numpy as np

from ssrl_core.analysis.descriptors.images import Array, ImageBatch


def elongation(batch: ImageBatch) -> Array:
    """(B,) long over short axis of the ellipse with the largest object's second moments, 1 and more; NaN without."""
    long, short = batch.largest_moments.axes
    return np.asarray(long / short, dtype=np.float32)
