"""How fine, even and regular the grain of an image is."""

from __future__ import annotations

import numpy as np

from ssrl_core.analysis.descriptors.images import Array, Descriptor, ImageBatch
from ssrl_core.analysis.properties import images as properties

SIGMA = 0.03  # of the blur that takes the detail away, in sides of the image
_AROUND = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))


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


def homogeneity(batch: ImageBatch) -> Array:
    """(B,) homogeneity of the grey-level co-occurrence matrix (32 levels, distance 1, four directions), up to 1."""
    return np.asarray(properties.texture(batch.grey[:, None])[:, 1], dtype=np.float32)


def local_patterns(batch: ImageBatch) -> Array:
    """(B,) share of the inner pixels whose ring of 8 neighbours is lighter and darker in more than two turns.

    Flat ground, edges, corners and spots have at most two turns. NaN for a side below 3 px.

    Source:
        Non-uniform local binary patterns of radius 1, Ojala, Pietikäinen & Mäenpää 2002.
    """
    _, height, width = batch.grey.shape
    if min(height, width) < 3:
        return np.full(len(batch.grey), np.nan, np.float32)
    centre = batch.grey[:, 1:-1, 1:-1]
    ring = np.stack([batch.grey[:, 1 + y : height - 1 + y, 1 + x : width - 1 + x] >= centre for y, x in _AROUND])
    turns = (ring != np.roll(ring, 1, axis=0)).sum(axis=0)
    return np.asarray((turns > 2).mean(axis=(1, 2)), dtype=np.float32)


def high_frequency(batch: ImageBatch) -> Array:
    """(B,) share of the power at 0.25 cycles per pixel and above; NaN for one grey value, or a side below 8 px."""
    if min(batch.grey.shape[1:]) < properties.LEAST_SIDE:
        return np.full(len(batch.grey), np.nan, np.float32)
    return np.asarray(properties.fourier(batch.grey[:, None])[:, 1], dtype=np.float32)


DESCRIPTORS = (
    Descriptor(
        "texture",
        "texture",
        unit="",
        more="finer grained",
        less="smoother",
        sentence="Share of the grey values' spread that a slight blur takes away: fine detail.",
        measure=texture,
        cost_s=0.1,
    ),
    Descriptor(
        "homogeneity",
        "homogeneity",
        unit="",
        more="more even",
        less="more uneven",
        sentence="How alike neighbouring pixels are, up to 1 (grey-level co-occurrence).",
        measure=homogeneity,
        cost_s=0.6,
    ),
    Descriptor(
        "local_patterns",
        "irregular texture",
        unit="share of the pixels",
        more="more irregular",
        less="more regular",
        sentence="Share of pixels whose neighbours turn light and dark more than once (local binary patterns).",
        measure=local_patterns,
        cost_s=0.1,
    ),
    Descriptor(
        "high_frequency",
        "high frequencies",
        unit="share of the power",
        more="finer detail",
        less="coarser detail",
        sentence="Share of the spectrum in waves shorter than 4 pixels.",
        measure=high_frequency,
        cost_s=0.2,
    ),
)
