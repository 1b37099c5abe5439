"""How many separate things an image shows."""

from __future__ import annotations

import numpy as np

from ssrl_core.analysis.descriptors.images import Array, Look


def objects(look: Look) -> Array:
    """(B,) number of connected pieces of the foreground that are no specks (at least 0.3 % of the image)."""
    return np.bincount(look.objects[1], minlength=len(look.grey)).astype(np.float32)
