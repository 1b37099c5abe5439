"""How far upright strokes lean."""

from __future__ import annotations

import numpy as np

from ssrl_core.analysis.descriptors.images import Array, ImageBatch


def slant(batch: ImageBatch) -> Array:
    """(B,) degrees from the vertical, in -90..90, above 0 where the objects lean to the right; NaN without any.

    Source:
        The horizontal shear that makes second moments upright, as in Morpho-MNIST (Castro et al. 2019).
    """
    of = batch.object_moments
    return np.asarray(np.degrees(np.arctan2(-of.xy, of.yy)), dtype=np.float32)
