"""One region a nucleus: seeds where the mask is widest, watershed, and what was cut without a waist joined again."""

from __future__ import annotations

from collections.abc import Iterator
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
    from scipy.ndimage import gaussian_filter
    from skimage.feature import peak_local_max

    pieces, boxes = pieces_of(mask)
    depth = depths(pieces, boxes)
    smooth = gaussian_filter(depth, max(0.5, 0.05 * diameter))
    gap = max(1, round(_SEED_GAP * diameter))
    peaks = peak_local_max(  # type: ignore[no-untyped-call]
        smooth, min_distance=gap, threshold_abs=0.5, exclude_border=False, labels=mask.astype(np.int8)
    )
    regions = flooded(smooth, peaks, pieces, boxes)
    regions = _joined(regions, depth, splitting)
    return _without_crumbs(regions, _CRUMB * np.pi / 4 * diameter**2)


def pieces_of(mask: Array) -> tuple[Array, list[tuple[slice, slice]]]:
    """The 4-connected pieces of a mask, 1..m, and the box of each."""
    from scipy.ndimage import find_objects, label

    pieces, _ = label(mask)
    return pieces, find_objects(pieces)


def depths(pieces: Array, boxes: list[tuple[slice, slice]]) -> Array:
    """Distance of each pixel of a mask to the nearest one outside it.

    Piece by piece: the nearest pixel outside touches the piece, so a box one pixel wider than the piece holds it.

    Args:
        pieces: (H, W) the mask's 4-connected pieces, 1..m; 0 = outside.
        boxes: of the pieces.

    Returns:
        (H, W) float32, 0 outside.
    """
    from scipy.ndimage import distance_transform_edt

    depth = np.zeros(pieces.shape, np.float32)
    for number, (rows, columns) in enumerate(boxes, start=1):
        wide = (slice(max(0, rows.start - 1), rows.stop + 1), slice(max(0, columns.start - 1), columns.stop + 1))
        part = pieces[wide]
        own = part == number
        depth[wide][own] = distance_transform_edt(part > 0)[own]
    return depth


def flooded(height: Array, peaks: Array, pieces: Array, boxes: list[tuple[slice, slice]]) -> Array:
    """Watershed from the peaks downwards; a piece with one peak is its region as it is.

    Args:
        height: (H, W) numbers.
        peaks: (n, 2) seeds: row, column; the first gives region 1.
        pieces: (H, W) the mask's 4-connected pieces, 1..m.
        boxes: of the pieces.

    Returns:
        (H, W) int32 regions, 0 where there is no seed.
    """
    from skimage.segmentation import watershed

    seeds = np.zeros(pieces.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    of_piece = pieces[tuple(peaks.T)]
    count = np.bincount(of_piece, minlength=len(boxes) + 1)
    alone = np.zeros(len(boxes) + 1, np.int32)
    alone[of_piece] = np.arange(1, len(peaks) + 1)
    alone[count != 1] = 0
    regions: Array = alone[pieces]
    for piece in np.flatnonzero(count[1:] > 1) + 1:
        box = boxes[piece - 1]
        own = pieces[box] == piece
        parts = watershed(-height[box], seeds[box] * own, mask=own)  # type: ignore[no-untyped-call]
        regions[box][own] = parts[own]
    return regions


def _joined(regions: Array, depth: Array, splitting: float) -> Array:
    """Regions between which there is no waist become one, the widest waist first."""
    places = np.flatnonzero(regions)
    widest = np.zeros(regions.max() + 1, np.float32)
    np.maximum.at(widest, regions.ravel()[places], depth.ravel()[places])
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


Box = tuple[slice, slice]
TRUNCATE = 3  # sds that a blur reaches
_LEAST_PIECE = 0.2  # of the largest piece of a nucleus


def outlined_anew(rough: Array, times: int, dna: Array, level: Array, sd_px: float) -> Array:
    """Each region where the blurred image reaches the region's level, tidied and numbered as `tidied` says.

    Args:
        rough: (h, w) regions of an image `times` smaller; pixels outside them stay background.
        dna: (H, W) numbers.
        level: (regions + 1,) float32.
        sd_px: of the blur, in pixels of `dna`.

    Returns:
        (H, W) int32.
    """
    parts = []
    for number, box in _boxes(rough):
        own = (rough[box] == number).repeat(times, axis=0).repeat(times, axis=1)
        rows, columns = (slice(s.start * times, min(s.stop * times, n)) for s, n in zip(box, dna.shape, strict=True))
        bright = _blurred_part(dna, (rows, columns), sd_px) >= level[number]
        parts.append((number, (rows, columns), own[: bright.shape[0], : bright.shape[1]] & bright))
    return _tidied_parts(parts, dna.shape)


def tidied(regions: Array) -> Array:
    """Crumbs beside a region go, holes that lie within one region belong to it, and numbers have no gaps.

    Args:
        regions: (H, W) whole numbers, 0 = background.

    Returns:
        (H, W) int32: 0 = background, 1..n in reading order of their first pixels.
    """
    return _tidied_parts([(number, box, regions[box] == number) for number, box in _boxes(regions)], regions.shape)


def _tidied_parts(parts: list[tuple[int, Box, Array]], shape: tuple[int, ...]) -> Array:
    """Regions given one by one: number, box, mask."""
    whole = np.zeros(shape, np.int32)
    for number, box, own in parts:
        whole[box][_largest_pieces(own)] = number
    for number, box, _ in parts:
        _fill_holes(whole[box], number)
    found = [(box, whole[box] == number) for number, box, _ in parts]
    seen = [(_first_pixel(box, own, shape[1]), box, own) for box, own in found if own.any()]
    out = np.zeros(shape, np.int32)
    for rank, (_, box, own) in enumerate(sorted(seen, key=lambda part: part[0]), start=1):
        out[box][own] = rank
    return out


def _first_pixel(box: Box, own: Array, width: int) -> int:
    row, column = divmod(int(np.argmax(own)), own.shape[1])
    return int((box[0].start + row) * width + box[1].start + column)


def _boxes(regions: Array) -> Iterator[tuple[int, Box]]:
    from scipy.ndimage import find_objects

    for number, box in enumerate(find_objects(regions), start=1):
        if box is not None:
            yield number, box


def _blurred_part(image: Array, place: tuple[slice, ...], sd_px: float) -> Array:
    """A part of the blurred image, to the last bit what blurring all of it gives."""
    from scipy.ndimage import gaussian_filter

    reach = int(TRUNCATE * sd_px + 0.5)
    wide = [slice(max(0, s.start - reach), s.stop + reach) for s in place]
    blurred: Array = gaussian_filter(image[tuple(wide)].astype(np.float32), sd_px, mode="nearest", truncate=TRUNCATE)
    return blurred[tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(place, wide, strict=True))]


def _largest_pieces(own: Array) -> Array:
    """The pieces of a mask that are not much smaller than its largest."""
    from scipy.ndimage import label

    pieces, count = label(own)
    if count <= 1:
        return own
    size = np.bincount(pieces.ravel())
    size[0] = 0
    kept: Array = (size >= _LEAST_PIECE * size.max())[pieces]
    return kept


def _fill_holes(regions: Array, number: int) -> None:
    """Background that only this region encloses becomes part of it, in place."""
    from scipy.ndimage import binary_dilation, label

    gaps, count = label(regions == 0)
    open_ = np.zeros(count + 1, bool)
    for edge in (gaps[0], gaps[-1], gaps[:, 0], gaps[:, -1]):
        open_[edge] = True
    for gap in np.flatnonzero(~open_[1:]) + 1:
        hole = gaps == gap
        if np.all(regions[binary_dilation(hole) & ~hole] == number):
            regions[hole] = number
