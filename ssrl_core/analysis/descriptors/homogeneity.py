"""How alike neighbouring pixels are: texture by co-occurrence."""

from __future__ import annotations

import numpy as np

from ssrl_core.analysis.descriptors.images import Array, ImageBatch
from ssrl_core.analysis.properties.images import texture


def homogeneity(batch: ImageBatch) -> Array:
    """(B,) homogeneity of the grey-level co-occurrence matrix (32 levels, distance 1, four directions), up to 1."""
    return np.asarray(texture(batch.grey[:, None])[:, 1], dtype=np.float32)
