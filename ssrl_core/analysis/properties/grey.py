"""Images as grey values in 0..1, for the properties that look at brightness alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssrl_core.errors import DataError

Floats = NDArray[np.float64]
LUMA = np.array([0.299, 0.587, 0.114])


def grey(images: NDArray[Any], *, max_value: float | None = None) -> Floats:
    """The brightness of each image.

    Args:
        images: (n, C, H, W) uint8, uint16 or float in 0..1. Three channels are taken for red, green, blue and
            weighted by ITU-R BT.601; any other number of channels is averaged.
        max_value: the value of full brightness; None takes that of the type (1 for float).

    Returns:
        (n, H, W) float64 in 0..1.

    Raises:
        DataError: not four-dimensional, or a value that is not finite.
    """
    if images.ndim != 4:
        raise DataError(where="Images", field="shape", rule="(n, C, H, W)", value=tuple(images.shape))
    if max_value is None:
        max_value = 1.0 if images.dtype.kind == "f" else float(np.iinfo(images.dtype).max)
    weights = LUMA if images.shape[1] == 3 else np.full(images.shape[1], 1 / images.shape[1])
    bright = np.tensordot(images.astype(np.float64) / max_value, weights, axes=(1, 0))
    if not np.isfinite(bright).all():
        raise DataError(where="Images", field="values", rule="finite", value="NaN or infinity")
    return np.asarray(np.clip(bright, 0.0, 1.0))
