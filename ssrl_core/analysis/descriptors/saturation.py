"""How far the colours of an image are from grey."""

from __future__ import annotations

import numpy as np

from ssrl_core.analysis.descriptors.images import Array, ImageBatch


def saturation(batch: ImageBatch) -> Array:
    """(B,) mean over pixels of (largest - smallest) / largest of red, green and blue; 0 grey, 1 pure colours.

    Black counts as 0; NaN where there are not three channels.

    Source:
        S of HSV (Smith 1978).
    """
    if batch.chroma is None:
        return np.full(len(batch.pixels), np.nan, np.float32)
    most, least = batch.pixels.max(axis=1), batch.pixels.min(axis=1)
    share = np.divide(most - least, most, out=np.zeros_like(most), where=most > 0)
    return np.asarray(share.mean(axis=(1, 2)), dtype=np.float32)
