"""Nuclei found in a DNA image: smoothing, threshold, distance transform, watershed, outlines at about half height."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ssrl_core.datasets.cells.detectors import found_by
from ssrl_core.datasets.cells.settings import NucleusSettings
from ssrl_core.datasets.cells.splitting import TRUNCATE, depths, outlined_anew, pieces_of, split, tidied
from ssrl_core.errors import DataError

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


_WORKING_PX = 16  # nuclei are sought in an image where they are about this wide
_EDGE_LEVEL = 0.42  # share of a nucleus's brightness at which its outline lies


def detect(dna: Array, settings: NucleusSettings | None = None) -> Array:
    """Nuclei of a field.

    Args:
        dna: (H, W) numbers, DNA bright on dark.
        settings: see NucleusSettings; its diameter is measured from this image if it is not given.

    Returns:
        (H, W) int32 label map: 0 = background, 1..n = nuclei in reading order.

    Raises:
        DataError: not a picture of one channel, or another package's detector failed.
        SpecError: settings out of their range, or a detector that is not installed.
    """
    if dna.ndim != 2 or min(dna.shape) < 2:
        raise DataError.at("cells", "the DNA image", "(H, W)", dna.shape)
    s = (settings or NucleusSettings()).checked()
    diameter = s.diameter_px or measure_diameter([dna], s)
    if diameter is None:
        return np.zeros(dna.shape, np.int32)
    if s.detector != "threshold":
        return tidied(_sized(found_by(s.detector, dna, diameter), diameter, s))
    return _by_threshold(dna, diameter, s)


def _by_threshold(dna: Array, diameter: float, s: NucleusSettings) -> Array:
    times = max(1, int(diameter // _WORKING_PX))
    small, d = binned(dna, times), diameter / times
    image = raised(small, d)
    smooth = _blurred(image.signal, max(0.6, s.smoothing * d))
    mask = _tidied(foreground(image, smooth, d, method=s.threshold, sensitivity=s.sensitivity), d)
    regions = mask.astype(np.int32)
    for _ in range(2):  # haze between nuclei is in the first mask; the second is of their own outlines
        regions = _outlined(split(regions > 0, d, s.splitting), smooth, image.noise)
    regions = _sized(regions, d, s)
    return _enlarged(regions, times, dna, smooth, s.smoothing * diameter)


def _sized(regions: Array, diameter: float, s: NucleusSettings) -> Array:
    """Without regions that are too small or too large for a nucleus."""
    area = np.bincount(regions.ravel()) / (np.pi / 4 * diameter**2)
    area[0] = 0
    kept: Array = np.where((area >= s.smallest) & (area <= s.largest), np.arange(len(area)), 0)[regions]
    return kept


def measure_diameter(fields: list[Array], settings: NucleusSettings | None = None) -> float | None:
    """The usual diameter of nuclei in px, from some fields; None if there are none.

    The half width of everything that stands out, where it is widest; nuclei count by their area, so that specks do not
    matter.
    """
    s = settings or NucleusSettings()
    return usual_diameter([widths(dna, s) for dna in fields])


def usual_diameter(found: list[Array]) -> float | None:
    """What the `widths` of some fields come to; None if there are none."""
    every = np.sort(np.concatenate(found)) if found else np.zeros(0)
    return _middle(every) if len(every) else None


def _middle(ascending: Array) -> float:
    """The width that halves the area of all."""
    weight = np.cumsum(ascending**2)
    return float(ascending[np.searchsorted(weight, 0.5 * weight[-1])])


def widths(dna: Array, s: NucleusSettings) -> Array:
    """Diameters, px, where the foreground is widest, first with a guess of the scale, then with what was found."""
    from scipy.ndimage import maximum_filter

    guess, found = max(8.0, min(dna.shape) / 20), np.zeros(0)
    for _ in range(2):
        times = max(1, int(guess // _WORKING_PX))
        small, d = binned(dna, times), guess / times
        image = raised(small, d)
        smooth = _blurred(image.signal, max(0.7, 0.05 * d))
        mask = foreground(image, smooth, d, method=s.threshold, sensitivity=s.sensitivity)
        depth = depths(*pieces_of(_tidied(mask, d)))
        gap = 2 * max(1, int(0.2 * d)) + 1
        peaks = (depth > 1) & (depth == maximum_filter(depth, gap))
        found = 2.15 * depth[peaks] * times  # the widest disc inside an oval is narrower than the oval
        if not len(found):
            break
        guess = float(np.clip(_middle(np.sort(found)), 4, min(dna.shape)))
    return found


def _tidied(mask: Array, d: float) -> Array:
    """Holes filled, single specks gone."""
    from scipy.ndimage import binary_opening, label

    mask = binary_opening(mask, iterations=1) if d >= 8 else mask
    holes, count = label(~mask)
    if count:
        size = np.bincount(holes.ravel())
        size[0] = 0
        touching = np.unique(np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]]))
        small = size < 0.4 * d**2
        small[touching] = False
        mask = mask | (small[holes] & (holes > 0))
    filled: Array = mask
    return filled


def _outlined(regions: Array, smooth: Array, noise: float) -> Array:
    """Each region cut at a share of its own brightness, so that bright and dim nuclei are outlined alike."""
    level = _EDGE_LEVEL * _brightness(regions, smooth)
    return np.where(smooth >= np.maximum(level, 2 * noise)[regions], regions, 0)


def _enlarged(regions: Array, times: int, dna: Array, smooth: Array, sd_px: float) -> Array:
    """The regions at the image's own size, their outlines found anew in its own pixels, numbered in reading order."""
    if times == 1:
        return tidied(regions)
    level = _EDGE_LEVEL * _brightness(regions, smooth) + _local_floor(regions, binned(dna, times) - smooth)
    return outlined_anew(_widened(regions), times, dna, level, max(0.7, sd_px))


def _local_floor(regions: Array, background: Array) -> Array:
    """Mean background under each region."""
    flat, places = _inside(regions)
    count = np.maximum(np.bincount(flat, minlength=1), 1)
    floor: Array = np.bincount(flat, background.ravel()[places], minlength=1) / count
    return floor.astype(np.float32)


def _brightness(regions: Array, smooth: Array) -> Array:
    """Of each region: mean of its pixels weighted by themselves, so that a dim rim hardly counts."""
    flat, places = _inside(regions)
    values = np.maximum(smooth.ravel()[places], 0)
    total = np.bincount(flat, values, minlength=1)
    return (np.bincount(flat, values * values, minlength=1) / np.maximum(total, 1e-9)).astype(np.float32)


def _inside(regions: Array) -> tuple[Array, Array]:
    """The region of each pixel that is in one, and the pixels' places: most of a field is background."""
    places = np.flatnonzero(regions)
    return regions.ravel()[places], places


def _widened(regions: Array) -> Array:
    """The regions one pixel wider where nothing else is."""
    from scipy.ndimage import maximum_filter

    return np.where(regions > 0, regions, maximum_filter(regions, 3, mode="nearest"))


def _blurred(image: Array, sd_px: float) -> Array:
    from scipy.ndimage import gaussian_filter

    blurred: Array = gaussian_filter(image, sd_px, mode="nearest", truncate=TRUNCATE)
    return blurred
