"""How much of what an image shows is fine detail."""

from __future__ import annotations

import numpy as np

from ssrl_core.analysis.descriptors.images import Array, ImageBatch

SIGMA = 0.03  # of the blur that takes the detail away, in sides of the image


def texture(batch: ImageBatch) -> Array:
    """(B,) standard deviation of what a slight blur takes away, over that of the image: 0 smooth, 1 all detail.

    NaN for an image of one grey value. The blur's sigma is 3 % of the side, at least one pixel.
    """
    from scipy import ndimage

    sigma = max(1.0, SIGMA * min(batch.grey.shape[1:]))
    detail = batch.grey - ndimage.gaussian_filter(batch.grey, (0, sigma, sigma), mode="nearest")
    whole = batch.grey.std(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(whole > 1e-6, detail.std(axis=(1, 2)) / whole, np.nan), dtype=np.float32)
