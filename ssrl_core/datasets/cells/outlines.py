"""Outlines of regions: crumbs joined or gone, holes filled, edges found anew at full size, numbers in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


_JOINED = 0.8  # share of the brightness left on the border of two that touch; less, and they are two


def joined_crumbs(regions: Array, smooth: Array, least: float, whole: float, even: float) -> Array:
    """Small regions join the neighbour of the longest common border (the bunch of a micronucleated cell).

    Args:
        regions: (H, W) whole numbers, 0 = background.
        smooth: (H, W) the image; where it falls between two regions they are two nuclei, however small.
        least: smaller regions than this, px, are crumbs.
        whole: a region that is no larger than this together with that neighbour is a crumb, too, unless their border
            is dark.
        even: share of the dimmer one's brightness that must be left on the border.
    """
    for _ in range(6):
        area = np.bincount(regions.ravel())
        pairs, length, height = _contacts(regions, smooth)
        own = np.bincount(regions.ravel(), smooth.ravel()) / np.maximum(area, 1)
        together = area[pairs].sum(axis=1) <= whole
        dim = own[pairs].min(axis=1)
        same = (together & (height >= _JOINED * dim)) | (height >= even * dim)
        pairs, length = pairs[same], length[same]
        small = np.flatnonzero((area > 0) & (area < max(least, whole)))
        small = small[small > 0]
        parent, changed = np.arange(len(area)), False
        for crumb in small[np.argsort(area[small])]:
            touching = np.flatnonzero((pairs == crumb).any(axis=1))
            if len(touching):
                pair = pairs[touching[np.argmax(length[touching])]]
                if area[crumb] >= least and area[pair].sum() > whole:
                    continue
                a, b = _root(parent, pair[0]), _root(parent, pair[1])
                parent[max(a, b)] = min(a, b)
                changed |= a != b
        regions = _roots(parent)[regions].astype(np.int32)
        if not changed:
            break
    return regions


_NOTCH = 0.04  # depth of a notch, in diameters of the region
_LONGEST_CUT = 1.0  # between two notches, in roots of the region's area
_SMALLER_SHARE, _CONVEX, _ROUND = 0.2, 0.9, 0.97  # of the area; of a part's hull that it fills; of a whole's, uncut


def cut_at_notches(regions: Array, least: float, part: float) -> Array:
    """Regions with two notches cut from one to the other, where both parts are as convex as the whole: nuclei that
    touch along a side, which no waist tells apart.

    Args:
        regions: (H, W) whole numbers, 0 = background.
        least: px; smaller regions stay whole; `part`: each part has as many at least.

    Source:
        Splitting at pairs of concave points, as in Wählby et al. 2004, J. Microscopy 215:67; the limits were tuned on
        the half of the annotated images that `bench nuclei` names *tuned on*.
    """
    from scipy.ndimage import find_objects

    done, count = regions.copy(), int(regions.max())
    looked_at = set(range(1, count + 1))
    for _ in range(2):  # of three in a row, two cuts
        parts = set[int]()
        for number, box in enumerate(find_objects(done), start=1):
            side = _cut(done[box] == number, least, part) if box is not None and number in looked_at else None
            if side is not None:
                count += 1
                done[box][side] = count
                parts |= {number, count}
        if not parts:
            break
        looked_at = parts  # what was whole stays whole
    return done


def _cut(mask: Array, least: float, part: float) -> Array | None:
    """The pixels on one side of the shortest cut between two notches; None where a region is whole."""
    area = int(mask.sum())
    whole = _solidity(mask) if area >= least else 1.0
    if whole > _ROUND:
        return None
    outline, depth = _notches(mask)
    deep = outline[depth >= _NOTCH * np.sqrt(4 / np.pi * area)]
    y, x = np.nonzero(mask)
    best, shortest = None, _LONGEST_CUT * np.sqrt(area)
    smaller = max(part / area, _SMALLER_SHARE)
    for i, (a, b) in enumerate(deep):
        for c, d in deep[i + 1 :]:
            length = float(np.hypot(a - c, b - d))
            if length > shortest:
                continue
            side = (y - a) * (d - b) - (x - b) * (c - a) > 0
            if smaller <= side.mean() <= 1 - smaller:
                best, shortest = side, length
    if best is None:
        return None
    one = np.zeros_like(mask)
    one[y[best], x[best]] = True
    return one if min(_solidity(one), _solidity(mask & ~one)) >= max(whole, _CONVEX) else None


def _notches(mask: Array) -> tuple[Array, Array]:
    """The deepest point of the outline in each place that its hull bridges, (k, 2), and how deep it lies, px."""
    from scipy.spatial import ConvexHull
    from skimage.measure import find_contours

    outline = max(find_contours(np.pad(mask, 1).astype(float), 0.5), key=len)[:-1] - 1  # type: ignore[no-untyped-call]
    smooth = (np.roll(outline, 1, axis=0) + outline + np.roll(outline, -1, axis=0)) / 3
    hull = ConvexHull(smooth)
    depth = -(smooth @ hull.equations[:, :2].T + hull.equations[:, 2]).max(axis=1)
    corners = np.sort(hull.vertices)
    ends = [*corners[1:], corners[0] + len(smooth)]
    between = [np.arange(a, b) % len(smooth) for a, b in zip(corners, ends, strict=True)]
    deepest = np.array([some[np.argmax(depth[some])] for some in between])
    return smooth[deepest], depth[deepest]


def _solidity(mask: Array) -> float:
    """The share of its convex hull that a region fills; a pixel is a square."""
    from scipy.spatial import ConvexHull

    y, x = np.nonzero(mask & ~_is_inside(mask))
    if len(y) < 4:
        return 1.0
    corners = np.concatenate([np.stack([y + a, x + b], axis=1) for a in (-0.5, 0.5) for b in (-0.5, 0.5)])
    return float(mask.sum() / ConvexHull(corners).volume)


def _is_inside(mask: Array) -> Array:
    """Pixels all of whose four neighbours are of the region: no corner of a hull."""
    wide = np.pad(mask, 1)
    inside: Array = wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
    return inside


def _contacts(regions: Array, smooth: Array) -> tuple[Array, Array, Array]:
    """Which regions touch: pairs (k, 2), the length of each contact in pixels, and the image's mean on it."""
    count, keys, heights = int(regions.max()) + 1, [], []
    for a, b in (
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
        ((slice(None, -1),), (slice(1, None),)),
    ):
        one, other = regions[a], regions[b]
        at = (one != other) & (one > 0) & (other > 0)
        keys.append(np.minimum(one[at], other[at]).astype(np.int64) * count + np.maximum(one[at], other[at]))
        heights.append((smooth[a][at] + smooth[b][at]) / 2)
    kinds, inverse, length = np.unique(np.concatenate(keys), return_inverse=True, return_counts=True)
    height = np.bincount(inverse, np.concatenate(heights), minlength=len(kinds)) / np.maximum(length, 1)
    return np.stack([kinds // count, kinds % count], axis=1), length, height


def _root(parent: Array, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = int(parent[i])
    return int(i)


def _roots(parent: Array) -> Array:
    return np.array([_root(parent, i) for i in range(len(parent))])


def packed(labels: Array, numbers: Array) -> tuple[Array, Array]:
    """The masks of some regions, small enough to be kept with every cell.

    Args:
        labels: (H, W) whole numbers.
        numbers: (n,) regions, each of which is there.

    Returns:
        boxes (n, 4) int32: top, left, height, width; bits (b,) uint8: of each box its mask, row by row, eight pixels a
        byte, every mask beginning with a byte of its own.
    """
    from scipy.ndimage import find_objects

    places = find_objects(labels)
    boxes, bits = np.zeros((len(numbers), 4), np.int32), [np.zeros(0, np.uint8)]
    for row, number in enumerate(numbers):
        rows, columns = places[int(number) - 1]
        boxes[row] = rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start
        bits.append(np.packbits(labels[rows, columns] == number))
    return boxes, np.concatenate(bits)


def unpacked(boxes: Array, bits: Array, rows: Array) -> list[Array]:
    """(height, width) bool: the masks of some of the regions that `packed` gave."""
    sizes = (boxes[:, 2].astype(np.int64) * boxes[:, 3] + 7) // 8
    starts = np.cumsum(sizes) - sizes
    found = []
    for row in rows:
        height, width = (int(n) for n in boxes[row, 2:])
        own = np.unpackbits(bits[starts[row] : starts[row] + sizes[row]], count=height * width)
        found.append(own.reshape(height, width).astype(bool))
    return found


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
