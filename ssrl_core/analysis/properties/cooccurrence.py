"""Texture: how often which grey levels lie side by side (grey-level co-occurrence)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssrl_core.analysis.properties.grey import Floats, grey
from ssrl_core.errors import DataError, SpecError

NAMES = ("contrast", "homogeneity", "energy", "correlation")
LEVELS = 32
STEPS = ((0, 1), (1, 1), (1, 0), (1, -1))
"""Neighbours at 0°, 45°, 90° and 135° (rows, columns), times the distance; counted both ways, so 180° more are in it.

A diagonal step at distance 2 is 2 rows and 2 columns, as in the source (scikit-image rounds a circle: 1 and 1).
"""
CHUNK_NUMBERS = 4_000_000


def texture(
    images: NDArray[Any], *, max_value: float | None = None, levels: int = LEVELS, distances: tuple[int, ...] = (1,)
) -> Floats:
    """Four texture features of each image.

    With P(i, j) the share of neighbouring pixels of grey levels i and j (symmetric, sum 1; one matrix for each
    distance and direction), m and s² the mean and variance of i under P:
    - contrast = Σ P (i - j)²
    - homogeneity = Σ P / (1 + (i - j)²)
    - energy = sqrt(Σ P²)
    - correlation = Σ P (i - m)(j - m) / s²; undefined (NaN) for an image of one grey level

    averaged over directions and distances. Grey 0..1 is cut into `levels` equal levels, the same for every image, so
    that contrast stays comparable between images.

    Args:
        images, max_value: as for `grey`.
        levels: 2..256. distances: in pixels, each smaller than the sides.

    Returns:
        (n, 4) in the order of NAMES.

    Source:
        Haralick, Shanmugam, Dinstein, IEEE Trans. SMC 3 (1973), features 1, 2 (energy is the root of the angular
        second moment), 3 and 5 (homogeneity is the inverse difference moment).
    """
    where = "Texture"
    if not 2 <= levels <= 256:
        raise SpecError(where=where, field="levels", rule="in 2..256", value=levels)
    side = min(images.shape[-2:])
    if not distances or not all(1 <= d < side for d in distances):
        raise SpecError(where=where, field="distances", rule=f"in 1..{side - 1} pixels", value=distances)
    if 0 in images.shape:
        raise DataError(where=where, field="images", rule="at least one", value=tuple(images.shape))
    size = max(1, CHUNK_NUMBERS // (levels * levels + images.shape[-1] * images.shape[-2]))
    parts = []
    for start in range(0, len(images), size):
        bright = grey(images[start : start + size], max_value=max_value)
        binned = np.minimum((bright * levels).astype(np.int64), levels - 1)
        parts.append(np.mean([_features(p) for p in cooccurrences(binned, levels, distances)], axis=0))
    return np.concatenate(parts)


def cooccurrences(binned: NDArray[np.int64], levels: int, distances: tuple[int, ...]) -> Iterator[Floats]:
    """(n, levels, levels) symmetric shares of each distance and direction, for images of grey levels (n, H, W)."""
    n, height, width = binned.shape
    for distance in distances:
        for down, right in ((d * distance, r * distance) for d, r in STEPS):
            left, stop = max(0, -right), width - max(0, right)
            first = binned[:, : height - down, left:stop]
            second = binned[:, down:, left + right : stop + right]
            image = np.arange(n)[:, None, None] * levels * levels
            counts = np.bincount((image + first * levels + second).ravel(), minlength=n * levels * levels)
            counts = counts.reshape(n, levels, levels)
            yield (counts + counts.transpose(0, 2, 1)) / (2 * first[0].size)


def _features(p: Floats) -> Floats:
    """(n, 4) features of (n, L, L) shares."""
    level = np.arange(p.shape[1])
    apart = (level[:, None] - level) ** 2
    marginal = p.sum(axis=2)
    mean = marginal @ level
    variance = marginal @ level**2 - mean**2
    product = (p * np.outer(level, level)).sum(axis=(1, 2))
    flat = (marginal > 0).sum(axis=1) == 1
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.where(flat, np.nan, (product - mean**2) / variance)
    contrast, homogeneity = (p * apart).sum(axis=(1, 2)), (p / (1 + apart)).sum(axis=(1, 2))
    return np.stack([contrast, homogeneity, np.sqrt((p**2).sum(axis=(1, 2))), correlation], axis=1)
