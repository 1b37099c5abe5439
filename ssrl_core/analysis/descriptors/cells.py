"""The nucleus in the middle of a picture of cells, and what lies around it; for images with a channel of nuclei.

Which channel that is follows from its name (`datasets.channels.nucleus_channel`). docs/log.md says why these are
our own lines on scipy and scikit-image, not cp_measure.
"""

from __future__ import annotations

import numpy as np

from ssrl_core.analysis.descriptors.images import Array, Descriptor, ImageBatch

GRANULE = 0.03  # radius of the disc, in sides of the image
LEAST_NEIGHBOUR = 0.2  # share of the middle nucleus' area; smaller pieces are no cells


def nuclear_area(batch: ImageBatch) -> Array:
    """(B,) area of the nucleus nearest to the middle, px² of the image; NaN where none is found."""
    size = batch.nucleus_mask.sum(axis=(1, 2))
    return np.where(size > 0, size * batch.px**2, np.nan).astype(np.float32)


def nuclear_eccentricity(batch: ImageBatch) -> Array:
    """(B,) of the ellipse with the nucleus' second moments: 0 a circle, towards 1 a line."""
    long, short = batch.nucleus_moments.axes
    return np.asarray(np.sqrt(np.maximum(0.0, 1 - np.square(short / long))), dtype=np.float32)


def nuclear_solidity(batch: ImageBatch) -> Array:
    """(B,) area of the nucleus over that of its convex hull: 1 without dents; NaN where none is found."""
    return np.array([_solidity(mask) for mask in batch.nucleus_mask], np.float32)


def nuclear_intensity(batch: ImageBatch) -> Array:
    """(B,) mean of the channel of nuclei within the nucleus, 0 to 1; NaN where none is found."""
    return _within(batch)[0].astype(np.float32)


def nuclear_texture(batch: ImageBatch) -> Array:
    """(B,) standard deviation over mean of the channel of nuclei within the nucleus; NaN where none is found."""
    mean, square = _within(batch)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.sqrt(np.maximum(square - mean**2, 0.0)) / mean, dtype=np.float32)


def granularity(batch: ImageBatch) -> Array:
    """(B,) share of the brightness above the ground that lies in grains narrower than 6 % of the side, 0 to 1.

    NaN for an image of one grey value.

    Source:
        The first step of a granularity spectrum (Ravkin & Temov 1988): what an opening by a disc takes away. The
        ground is the 5th percentile.
    """
    from scipy import ndimage

    radius = max(1, round(GRANULE * min(batch.grey.shape[1:])))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    opened = ndimage.grey_opening(batch.grey, footprint=(np.hypot(y, x) <= radius + 0.5)[None])
    whole = (batch.grey - np.quantile(batch.grey, 0.05, axis=(1, 2), keepdims=True)).clip(0).sum(axis=(1, 2))
    taken = (batch.grey - opened).sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 1e-6, np.minimum(taken / whole, 1.0), np.nan).astype(np.float32)


def neighbour_count(batch: ImageBatch) -> Array:
    """(B,) nuclei in the picture besides the one in the middle; NaN where there is none in the middle."""
    counts = [np.nan if near is None else float(len(near)) for near in _others(batch)]
    return np.array(counts, np.float32)


def neighbour_distance(batch: ImageBatch) -> Array:
    """(B,) px of the image from the middle nucleus to the nearest other one (middle to middle); NaN without any."""
    nearest = [np.nan if near is None or not len(near) else near.min() * batch.px for near in _others(batch)]
    return np.array(nearest, np.float32)


def _within(batch: ImageBatch) -> tuple[Array, Array]:
    """Mean, and mean square, of the channel of nuclei within the nucleus, each (B,) float64."""
    mask, stain = batch.nucleus_mask, batch.nuclear_stain.astype(np.float64)
    size = mask.sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (stain * mask).sum(axis=(1, 2)) / size, (stain**2 * mask).sum(axis=(1, 2)) / size


def _solidity(mask: Array) -> float:
    """Pixels over the area of the hull of their corners, so that a box has 1."""
    from scipy.spatial import ConvexHull

    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return np.nan
    left, right = mask[rows].argmax(axis=1), mask.shape[1] - mask[rows, ::-1].argmax(axis=1)
    ends = [(r + down, c) for down in (0, 1) for side in (left, right) for r, c in zip(rows, side, strict=True)]
    return float(mask.sum() / ConvexHull(np.array(ends)).volume)


def _others(batch: ImageBatch) -> list[Array | None]:
    """Of each image the distances (px of the batch) from the middle nucleus to the others; None without one."""
    regions = batch.nuclei
    found: list[Array | None] = []
    for number, own in enumerate(regions.middle):
        if own < 0:
            found.append(None)
            continue
        there = np.flatnonzero(regions.image == number)
        large = there[(there != own) & (regions.size[there] >= LEAST_NEIGHBOUR * regions.size[own])]
        found.append(np.hypot(regions.y[large] - regions.y[own], regions.x[large] - regions.x[own]))
    return found


DESCRIPTORS = (
    Descriptor(
        "nuclear_area",
        "nuclear area",
        unit="px²",
        more="larger nuclei",
        less="smaller nuclei",
        sentence="Area of the nucleus in the middle of the picture.",
        measure=nuclear_area,
        cost_s=0.1,
    ),
    Descriptor(
        "nuclear_eccentricity",
        "nuclear eccentricity",
        unit="",
        more="longer nuclei",
        less="rounder nuclei",
        sentence="How far the nucleus in the middle is from a circle: 0 round, towards 1 long and thin.",
        measure=nuclear_eccentricity,
        cost_s=0.1,
    ),
    Descriptor(
        "nuclear_solidity",
        "nuclear solidity",
        unit="",
        more="smoother nuclear outlines",
        less="dented or broken nuclei",
        sentence="Area of the nucleus in the middle over that of its convex hull: 1 without dents.",
        measure=nuclear_solidity,
        cost_s=1.5,
    ),
    Descriptor(
        "nuclear_intensity",
        "nuclear intensity",
        unit="",
        more="brighter nuclei",
        less="darker nuclei",
        sentence="Mean of the nuclear channel within the nucleus in the middle, 0 black to 1 full.",
        measure=nuclear_intensity,
        cost_s=0.1,
    ),
    Descriptor(
        "nuclear_texture",
        "nuclear texture",
        unit="",
        more="more uneven nuclei",
        less="more even nuclei",
        sentence="Standard deviation over mean of the nuclear channel within the nucleus in the middle.",
        measure=nuclear_texture,
        cost_s=0.1,
    ),
    Descriptor(
        "granularity",
        "granularity",
        unit="share of the brightness",
        more="more granular",
        less="less granular",
        sentence="Share of the brightness that lies in grains narrower than 6 % of the picture's side.",
        measure=granularity,
        cost_s=0.5,
    ),
    Descriptor(
        "neighbour_count",
        "number of neighbours",
        unit="nuclei",
        more="more crowded",
        less="more alone",
        sentence="Nuclei in the picture besides the one in the middle.",
        measure=neighbour_count,
        cost_s=0.1,
    ),
    Descriptor(
        "neighbour_distance",
        "distance of the nearest neighbour",
        unit="px",
        more="neighbours farther away",
        less="neighbours nearer",
        sentence="From the nucleus in the middle to the nearest other one; none where it is alone.",
        measure=neighbour_distance,
        cost_s=0.1,
    ),
)
