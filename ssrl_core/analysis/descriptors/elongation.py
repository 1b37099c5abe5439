"""How long and thin the largest object of an image is."""

from __future__ import annotations

import numpy as np

from ssrl_core.analysis.descriptors.images import Array, Look


def elongation(look: Look) -> Array:
    """(B,) long over short axis of the ellipse with the largest object's second moments, at least 1; NaN without one.

    A pixel counts as a square of side 1 (its own moment 1/12), so that a line one pixel wide has a finite value.
    """
    mask = look.largest
    size = mask.sum(axis=(1, 2)).astype(np.float64)
    y, x = np.mgrid[0 : mask.shape[1], 0 : mask.shape[2]].astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        my, mx = (np.einsum("bhw,hw->b", mask, v) / size for v in (y, x))
        yy = np.einsum("bhw,hw->b", mask, y * y) / size - my**2 + 1 / 12
        xx = np.einsum("bhw,hw->b", mask, x * x) / size - mx**2 + 1 / 12
        xy = np.einsum("bhw,hw->b", mask, x * y) / size - mx * my
        middle, half = (xx + yy) / 2, np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
        return np.asarray(np.sqrt((middle + half) / np.maximum(middle - half, 1e-9)), dtype=np.float32)
