"""All descriptors, and measuring them on a batch of images."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ssrl_core.analysis.descriptors.area import area
from ssrl_core.analysis.descriptors.brightness import brightness
from ssrl_core.analysis.descriptors.contrast import contrast
from ssrl_core.analysis.descriptors.elongation import elongation
from ssrl_core.analysis.descriptors.images import Array, Descriptor, Look
from ssrl_core.analysis.descriptors.objects import objects
from ssrl_core.analysis.descriptors.texture import texture

DESCRIPTORS: Mapping[str, Descriptor] = {
    row.name: row
    for row in (
        Descriptor(
            "brightness", "brightness", "", "brighter", "darker", "Mean of all pixels, 0 black to 1 full.", brightness
        ),
        Descriptor(
            "contrast",
            "contrast",
            "",
            "more contrast",
            "less contrast",
            "Standard deviation of the grey values: how far light and dark lie apart.",
            contrast,
        ),
        Descriptor(
            "area",
            "area",
            "share of the image",
            "larger",
            "smaller",
            "Share of the image that its objects cover; they are what stands out from the ground (Otsu's threshold).",
            area,
        ),
        Descriptor(
            "elongation",
            "elongation",
            "",
            "longer and thinner",
            "rounder",
            "Long axis over short axis of the largest object: 1 is round.",
            elongation,
        ),
        Descriptor(
            "texture",
            "texture",
            "",
            "finer grained",
            "smoother",
            "Share of the grey values' spread that a slight blur takes away: fine detail.",
            texture,
        ),
        Descriptor(
            "objects",
            "number of objects",
            "objects",
            "more objects",
            "fewer objects",
            "Separate pieces that stand out from the ground, specks left out.",
            objects,
        ),
    )
}


def describe(pixels: Array, *, max_value: float) -> dict[str, Array]:
    """Every descriptor of some images.

    Args:
        pixels: (B, C, H, W) uint8 or uint16.
        max_value: the value that stands for 1.

    Returns:
        {name: (B,) float32}, NaN where one is undefined (no object, one grey value).
    """
    grey = pixels.mean(axis=1, dtype=np.float32) / np.float32(max_value)
    look = Look(grey)
    return {name: np.asarray(row.measure(look), dtype=np.float32) for name, row in DESCRIPTORS.items()}
