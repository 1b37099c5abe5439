"""All descriptors, and measuring them on a batch of images."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ssrl_core.analysis.descriptors.area import area
from ssrl_core.analysis.descriptors.brightness import brightness
from ssrl_core.analysis.descriptors.contrast import contrast
from ssrl_core.analysis.descriptors.elongation import elongation
from ssrl_core.analysis.descriptors.high_frequency import high_frequency
from ssrl_core.analysis.descriptors.homogeneity import homogeneity
from ssrl_core.analysis.descriptors.hue import hue
from ssrl_core.analysis.descriptors.images import Array, Descriptor, ImageBatch
from ssrl_core.analysis.descriptors.local_patterns import local_patterns
from ssrl_core.analysis.descriptors.objects import objects
from ssrl_core.analysis.descriptors.orientation import orientation
from ssrl_core.analysis.descriptors.place_x import place_x
from ssrl_core.analysis.descriptors.place_y import place_y
from ssrl_core.analysis.descriptors.saturation import saturation
from ssrl_core.analysis.descriptors.slant import slant
from ssrl_core.analysis.descriptors.stroke_thickness import stroke_thickness
from ssrl_core.analysis.descriptors.symmetry import symmetry
from ssrl_core.analysis.descriptors.texture import texture

DESCRIPTORS: Mapping[str, Descriptor] = {
    row.name: row
    for row in (
        Descriptor(
            "brightness",
            "brightness",
            "",
            "brighter",
            "darker",
            "Mean of all pixels, 0 black to 1 full.",
            brightness,
            0.01,
        ),
        Descriptor(
            "contrast",
            "contrast",
            "",
            "more contrast",
            "less contrast",
            "Standard deviation of the grey values: how far light and dark lie apart.",
            contrast,
            0.01,
        ),
        Descriptor(
            "hue",
            "hue",
            "°",
            "bluer",
            "redder",
            "Mean colour as an angle: 0 red, 120 green, 240 blue; only for red, green and blue.",
            hue,
            0.01,
        ),
        Descriptor(
            "saturation",
            "saturation",
            "",
            "more colourful",
            "greyer",
            "How far colours are from grey, 0 to 1; only for red, green and blue.",
            saturation,
            0.05,
        ),
        Descriptor(
            "area",
            "area",
            "share of the image",
            "larger",
            "smaller",
            "Share of the image that its objects cover; they are what stands out from the ground (Otsu's threshold).",
            area,
            0.01,
        ),
        Descriptor(
            "place_x",
            "place, left to right",
            "share of the width",
            "further right",
            "further left",
            "Middle of the objects, 0 at the left edge and 1 at the right one.",
            place_x,
            0.01,
        ),
        Descriptor(
            "place_y",
            "place, top to bottom",
            "share of the height",
            "lower down",
            "higher up",
            "Middle of the objects, 0 at the top and 1 at the bottom.",
            place_y,
            0.01,
        ),
        Descriptor(
            "orientation",
            "orientation",
            "°",
            "more counter-clockwise",
            "more clockwise",
            "Angle of the long axis of the largest object: 0 lies, 90 stands; none for round objects.",
            orientation,
            0.01,
        ),
        Descriptor(
            "elongation",
            "elongation",
            "",
            "longer and thinner",
            "rounder",
            "Long axis over short axis of the largest object: 1 is round.",
            elongation,
            0.01,
        ),
        Descriptor(
            "symmetry",
            "symmetry",
            "",
            "more symmetric",
            "less symmetric",
            "Likeness of the image and its mirror image: 1 is symmetric, left to right.",
            symmetry,
            0.01,
        ),
        Descriptor(
            "stroke_thickness",
            "stroke thickness",
            "px",
            "thicker strokes",
            "thinner strokes",
            "Width of the strokes of the objects, from the distance of their pixels to the edge.",
            stroke_thickness,
            2.0,
        ),
        Descriptor(
            "slant",
            "slant",
            "°",
            "more slanted to the right",
            "more slanted to the left",
            "How far upright strokes lean from the vertical.",
            slant,
            0.01,
        ),
        Descriptor(
            "texture",
            "texture",
            "",
            "finer grained",
            "smoother",
            "Share of the grey values' spread that a slight blur takes away: fine detail.",
            texture,
            0.1,
        ),
        Descriptor(
            "homogeneity",
            "homogeneity",
            "",
            "more even",
            "more uneven",
            "How alike neighbouring pixels are, up to 1 (grey-level co-occurrence).",
            homogeneity,
            0.6,
        ),
        Descriptor(
            "local_patterns",
            "irregular texture",
            "share of the pixels",
            "more irregular",
            "more regular",
            "Share of pixels whose neighbours turn light and dark more than once (local binary patterns).",
            local_patterns,
            0.1,
        ),
        Descriptor(
            "high_frequency",
            "high frequencies",
            "share of the power",
            "finer detail",
            "coarser detail",
            "Share of the spectrum in waves shorter than 4 pixels.",
            high_frequency,
            0.2,
        ),
        Descriptor(
            "objects",
            "number of objects",
            "objects",
            "more objects",
            "fewer objects",
            "Separate pieces that stand out from the ground, specks left out.",
            objects,
            0.01,
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
    batch = ImageBatch(pixels.astype(np.float32) / np.float32(max_value))
    return {name: np.asarray(row.measure(batch), dtype=np.float32) for name, row in DESCRIPTORS.items()}
