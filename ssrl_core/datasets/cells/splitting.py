"""One region a nucleus: seeds where the mask is widest, watershed, and what was cut without a waist joined again."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
_SEED_GAP = 0.35  # least distance of two seeds, in diameters
_CRUMB = 0.3  # regions below this share of a nucleus join the neighbour they touch most


def split(mask: Array, diameter: float, splitting: float) -> Array:
    """Touching nuclei taken apart.

    Args:
        mask: (H, W) bool.
        diameter: of a nucleus, px.
        splitting: regions stay apart where the waist between them is narrower than this share of the smaller's half
            width.

    Returns:
        (H, W) int32: 0 = background, 1..n.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter
    from skimage.feature import peak_local_max
    from skimage.segmentation import watershed

    depth = distance_transform_edt(mask).astype(np.float32)
    smooth = gaussian_filter(depth, max(0.5, 0.05 * diameter))
    gap = max(1, round(_SEED_GAP * diameter))
    peaks = peak_local_max(  # type: ignore[no-untyped-call]
        smooth, min_distance=gap, threshold_abs=0.5, exclude_border=False, labels=mask.astype(np.int8)
    )
    seeds = np.zeros(mask.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    regions: Array = watershed(-smooth, seeds, mask=mask).astype(np.int32)  # type: ignore[no-untyped-call]
    regions = _joined(regions, depth, splitting)
    return _without_crumbs(regions, _CRUMB * np.pi / 4 * diameter**2)


def renumbered(labels: Array) -> Array:
    """The same regions, numbered 1..n without gaps, in reading order of their first pixel."""
    places = np.flatnonzero(labels)[::-1]
    first = np.full(int(labels.max()) + 1, -1, np.int64)
    first[labels.ravel()[places]] = places  # the last one written is the first pixel
    kinds = np.flatnonzero(first >= 0)
    rank = np.zeros(len(first), np.int32)
    rank[kinds[np.argsort(first[kinds])]] = np.arange(1, len(kinds) + 1)
    return rank[labels]


def _joined(regions: Array, depth: Array, splitting: float) -> Array:
    """Regions between which there is no waist become one, the widest waist first."""
    widest = np.zeros(regions.max() + 1, np.float32)
    np.maximum.at(widest, regions.ravel(), depth.ravel())
    pairs, waist, _ = _contacts(regions, depth)
    parent = np.arange(len(widest))
    for i in np.argsort(-waist):
        a, b = _root(parent, pairs[i, 0]), _root(parent, pairs[i, 1])
        if a != b and waist[i] > splitting * min(widest[a], widest[b]):
            parent[b] = a
            widest[a] = max(widest[a], widest[b])
    return _roots(parent)[regions].astype(np.int32)


def _without_crumbs(regions: Array, least: float) -> Array:
    """Small regions join the neighbour of the longest common border (the bunch of a micronucleated cell)."""
    for _ in range(6):
        area = np.bincount(regions.ravel())
        pairs, _, length = _contacts(regions, None)
        small = np.flatnonzero((area > 0) & (area < least))
        small = small[small > 0]
        parent, changed = np.arange(len(area)), False
        for crumb in small[np.argsort(area[small])]:
            touching = np.flatnonzero((pairs == crumb).any(axis=1))
            if len(touching):
                pair = pairs[touching[np.argmax(length[touching])]]
                a, b = _root(parent, pair[0]), _root(parent, pair[1])
                parent[max(a, b)] = min(a, b)
                changed |= a != b
        regions = _roots(parent)[regions].astype(np.int32)
        if not changed:
            break
    return regions


def _contacts(regions: Array, depth: Array | None) -> tuple[Array, Array, Array]:
    """Which regions touch: pairs (k, 2), the widest point of each contact, and its length in pixels."""
    count = int(regions.max()) + 1
    keys, heights = [], []
    for a, b in (
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
        ((slice(None, -1),), (slice(1, None),)),
    ):
        one, other = regions[a], regions[b]
        at = (one != other) & (one > 0) & (other > 0)
        low, high = np.minimum(one[at], other[at]).astype(np.int64), np.maximum(one[at], other[at])
        keys.append(low * count + high)
        heights.append(np.minimum(depth[a][at], depth[b][at]) if depth is not None else np.zeros(len(low), np.float32))
    key, height = np.concatenate(keys), np.concatenate(heights)
    kinds, inverse, length = np.unique(key, return_inverse=True, return_counts=True)
    waist = np.zeros(len(kinds), np.float32)
    np.maximum.at(waist, inverse, height)
    return np.stack([kinds // count, kinds % count], axis=1), waist, length


def _root(parent: Array, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = int(parent[i])
    return int(i)


def _roots(parent: Array) -> Array:
    return np.array([_root(parent, i) for i in range(len(parent))])
