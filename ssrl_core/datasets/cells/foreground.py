"""Where DNA is: background taken away, noise measured, a threshold that bright cells do not spoil."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
_TILE_DIAMETERS = 4


@dataclass(frozen=True)
class Raised:
    """A DNA image without its background.

    Attributes:
        signal: (H, W) float32, about 0 where there is nothing.
        noise: sd of the background.
    """

    signal: Array
    noise: float


def binned(image: Array, times: int) -> Array:
    """Means of blocks of `times` × `times` pixels, float32; what is left over at the edges is repeated into a block."""
    if times == 1:
        return image.astype(np.float32)
    height, width = image.shape
    short = (-height % times, -width % times)
    padded = np.pad(image, ((0, short[0]), (0, short[1])), mode="edge") if any(short) else image
    total = np.zeros((padded.shape[0] // times, padded.shape[1] // times), np.float32)
    for i in range(times):  # a sum of slices is several times as fast as a mean over two axes of blocks
        for j in range(times):
            total += padded[i::times, j::times]
    means: Array = total / np.float32(times * times)
    return means


def raised(image: Array, diameter: float) -> Raised:
    """The image above its background, which may be uneven.

    The background is a low percentile of tiles a few nuclei wide, so that a crowd of nuclei does not count as
    background.

    Args:
        image: (H, W) numbers.
        diameter: of a nucleus, px of this image.
    """
    from scipy.ndimage import gaussian_filter, median_filter

    tile = int(np.clip(round(_TILE_DIAMETERS * diameter), 8, max(image.shape)))
    grid = _tile_percentiles(image, tile)
    grid = gaussian_filter(median_filter(grid, 3, mode="nearest"), 0.7, mode="nearest")
    signal = image - _stretched(grid, image.shape)
    some = signal.ravel()[:: max(1, signal.size // 50_000)]
    low = some[some <= np.median(some)]
    middle = float(np.percentile(some, 20))
    # Half of a normal distribution: what lies below the middle of the background tells its sd.
    noise = float(1.4826 * np.median(np.abs(low - middle))) if low.size else 0.0
    return Raised(signal, max(noise, 1e-3 * float(np.ptp(image)) + 1e-9))


def foreground(image: Raised, smooth: Array, diameter: float, *, method: str, sensitivity: float) -> Array:
    """(H, W) bool: where there is DNA.

    Args:
        smooth: the signal, blurred.
        method: otsu | local (see NucleusSettings).
    """
    floor = 3.0 * image.noise
    level = max(floor, _log_otsu(smooth, floor) / sensitivity)
    if method == "otsu":
        return smooth > level
    from scipy.ndimage import gaussian_filter

    wide = gaussian_filter(smooth, 2.0 * diameter, mode="nearest")
    result: Array = smooth > np.maximum(0.5 * level, wide / sensitivity)
    return result


def _stretched(grid: Array, shape: tuple[int, ...]) -> Array:
    """A coarse grid drawn out to an image, linear between the middles of its tiles."""
    down, across = (_between(grid.shape[i], shape[i]) for i in (0, 1))
    return down @ grid @ across.T


def _between(tiles: int, pixels: int) -> Array:
    """(pixels, tiles) float32: how much each tile counts at each pixel."""
    place = np.clip((np.arange(pixels) + 0.5) * tiles / pixels - 0.5, 0, tiles - 1)
    low = np.minimum(place.astype(np.int64), max(tiles - 2, 0))
    weights = np.zeros((pixels, tiles), np.float32)
    share = (place - low).astype(np.float32)
    weights[np.arange(pixels), low] = 1 - share
    if tiles > 1:
        weights[np.arange(pixels), low + 1] = share
    return weights


def _tile_percentiles(image: Array, tile: int) -> Array:
    rows = max(1, round(image.shape[0] / tile))
    columns = max(1, round(image.shape[1] / tile))
    ys = np.linspace(0, image.shape[0], rows + 1).astype(int)
    xs = np.linspace(0, image.shape[1], columns + 1).astype(int)
    step = max(1, tile // 32)
    blocks: dict[tuple[int, ...], list[tuple[int, int, Array]]] = {}
    for i in range(rows):
        for j in range(columns):
            block = image[ys[i] : ys[i + 1] : step, xs[j] : xs[j + 1] : step]
            blocks.setdefault(block.shape, []).append((i, j, block.ravel()))
    grid = np.empty((rows, columns), np.float32)
    for same in blocks.values():  # blocks of one size at once: a call for each costs more than its work
        i_s, j_s, values = zip(*same, strict=True)
        grid[list(i_s), list(j_s)] = np.percentile(np.stack(values), 10, axis=1)
    return grid


def _log_otsu(smooth: Array, floor: float) -> float:
    """The level that best divides the logarithms of what stands out of the noise into two heaps.

    On the logarithm a mitotic cell, ten times as bright, is one step away and does not lift the level above the others.
    """
    values = smooth[::2, ::2].ravel()
    values = values[values > 0.5 * floor]
    if len(values) < 16:
        return floor
    logs = np.log(values)
    counts, edges = np.histogram(logs, 128)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1].astype(float)
    above = counts.sum() - below
    sums = np.cumsum(counts * middles)
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = below * above * (sums[:-1] / below - (sums[-1] - sums[:-1]) / above) ** 2
    return float(np.exp(edges[1:-1][np.nanargmax(apart)]))
