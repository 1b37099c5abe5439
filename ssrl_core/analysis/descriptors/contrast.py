"""How far light and dark lie apart in an image."""

from __future__ import annotations

import numpy as np

from ssrl_core.analysis.descriptors.images import Array, ImageBatch


def contrast(batch: ImageBatch) -> Array:
    """(B,) standard deviation of the grey values (RMS contrast), 0 to 0.5."""
    return np.asarray(batch.grey.std(axis=(1, 2)))
