"""Outlines at the image's own size: found nucleus by nucleus, since nuclei cover a small part of a field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
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
        whole[box][_without_crumbs(own)] = number
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


def _without_crumbs(own: Array) -> Array:
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
