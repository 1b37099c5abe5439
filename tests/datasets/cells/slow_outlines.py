"""The outlines of nuclei from their definition: over the whole image at once, with scikit-image's labels."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.measure import label


def outlined_anew(rough, times, dna, level, sd_px):
    """Regions where the blurred image reaches their level."""
    height, width = dna.shape
    large = rough.repeat(times, axis=0).repeat(times, axis=1)[:height, :width]
    fine = gaussian_filter(dna.astype(np.float32), sd_px, mode="nearest", truncate=3)
    return tidied(np.where(fine >= level[large], large, 0))


def tidied(regions):
    """Pieces below a fifth of a region's largest go, then holes that one region alone encloses are filled."""
    pieces = label(regions, background=0, connectivity=1)
    size = np.bincount(pieces.ravel())
    owner = np.zeros(len(size), np.int64)
    owner[pieces.ravel()] = regions.ravel()
    largest = np.zeros(int(regions.max()) + 1, np.int64)
    np.maximum.at(largest, owner[1:], size[1:])
    kept = size >= 0.2 * largest[owner]
    kept[0] = False
    return renumbered(filled(np.where(kept[pieces], regions, 0).astype(np.int32)))


def filled(regions):
    """Holes that lie within one region belong to it."""
    gaps = label(regions == 0, background=0, connectivity=1)
    outer = np.unique(np.concatenate([gaps[0], gaps[-1], gaps[:, 0], gaps[:, -1]]))
    result = regions.copy()
    for gap in set(np.unique(gaps)) - {0, *outer.tolist()}:
        around = set()
        for row, column in np.argwhere(gaps == gap):
            beside = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
            around |= {int(regions[place]) for place in beside} - {0}
        if len(around) == 1:
            result[gaps == gap] = around.pop()
    return result


def renumbered(regions):
    """1..n, in reading order of the first pixel."""
    seen = list(dict.fromkeys(regions[regions > 0].tolist()))
    result = np.zeros_like(regions)
    for rank, number in enumerate(seen, start=1):
        result[regions == number] = rank
    return result


def block_means(image, times):
    """Means of blocks, those at the edges filled up with the last row and column."""
    height, width = image.shape
    padded = np.pad(image, ((0, -height % times), (0, -width % times)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // times, times, padded.shape[1] // times, times)
    return blocks.mean(axis=(1, 3), dtype=np.float32)
