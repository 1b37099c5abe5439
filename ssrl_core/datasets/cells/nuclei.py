"""Nuclei found in a DNA image: background off, candidates at many levels, the best choice, outlines at half height."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ssrl_core.datasets.cells.candidates import Candidates, candidates, chosen
from ssrl_core.datasets.cells.detectors import found_by
from ssrl_core.datasets.cells.outlines import TRUNCATE, cut_at_notches, joined_crumbs, outlined_anew, tidied
from ssrl_core.datasets.cells.settings import NucleusSettings, Usual
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


_WORKING_PX = 16  # nuclei are sought in an image where they are about this wide
_EDGE_LEVEL = 0.42  # share of a nucleus's brightness at which its outline lies
_SLOPE_BLUR = 0.035  # sd in diameters, before slopes are taken
_DARK_END = 0.1  # quantile of the surroundings that counts as a nucleus's own background
_REACH = 0.35  # how far a region may grow to its outline, in diameters
_CRUMB = 0.3  # regions below this share of a nucleus join the neighbour they touch most
_EVEN = 0.95  # share of the brightness that is left on the border between pieces of one nucleus
_LOBES_FROM_PX = 24  # in smaller nuclei two lobes look like two nuclei, and mostly are
_WHOLE = 1.1  # two that touch and are no larger than this together are one nucleus in pieces
_CUT_FROM = 0.8  # area of what may be two nuclei that touch, in discs of the usual diameter
_CUT_PART = 0.45  # and of each part, in discs, where nuclei may be in pieces
_AT_EDGE = 0.2  # of `smallest`: what the image's edge cuts off is no speck
_CLEAR = 5.0  # sds of the noise that a nucleus stands above its background at least
_LEAST_PX = 3  # nothing smaller has a shape
_ATTEMPTS, _SETTLED = 6, 0.05  # to measure the usual diameter, until it changes by less than this share


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
    return _by_levels(dna, diameter, s)


def _by_levels(dna: Array, diameter: float, s: NucleusSettings) -> Array:
    search = searched(dna, diameter, s)
    regions = _sized(_regions(search, s), search.found.diameter, s)
    return _enlarged(regions, search, dna, s.smoothing * diameter)


@dataclass(frozen=True)
class Search:
    """The candidates of an image `small`, `times` smaller than the field, and the noise of its background."""

    found: Candidates
    small: Array
    times: int
    noise: float


def searched(dna: Array, diameter: float, settings: NucleusSettings | None = None) -> Search:
    """Every candidate of a field whose nuclei are `diameter` px wide."""
    s = settings or NucleusSettings()
    times = max(1, int(diameter // _WORKING_PX))
    small, d = binned(dna, times), diameter / times
    image = raised(small, d)
    smooth = _blurred(image.signal, max(0.6, s.smoothing * d))
    return Search(candidates(smooth, image.noise, d, lowest=3.0 / s.sensitivity), small, times, image.noise)


def _regions(search: Search, s: NucleusSettings, *, sized: bool = True) -> Array:
    """Regions of nuclei, out to their outlines, the pieces of one nucleus joined."""
    usual = None if s.brightness is None else s.brightness / s.sensitivity
    regions = chosen(search.found, usual, splitting=s.splitting, sized=sized)
    smooth, d = search.found.smooth, search.found.diameter
    bright = _brightness(regions, smooth)
    clear = np.where(bright >= _CLEAR / s.sensitivity * search.noise, np.arange(len(bright)), 0)
    regions = _grown(clear[regions].astype(np.int32), smooth, bright, search.noise, d)
    disc = np.pi / 4 * d**2
    lobed = d * search.times >= _LOBES_FROM_PX
    if lobed:
        regions = joined_crumbs(regions, smooth, _CRUMB * disc, _WHOLE * disc, _EVEN)
    if not (sized and s.splitting > 0):
        return regions
    return cut_at_notches(regions, _CUT_FROM * disc, _CUT_PART * disc * lobed)


def _grown(regions: Array, smooth: Array, bright: Array, noise: float, d: float) -> Array:
    """Each region out to where the image falls to a share of its own brightness, but not into its neighbours."""
    from scipy.ndimage import maximum_filter
    from skimage.segmentation import watershed

    if len(bright) < 2:
        return regions
    near = maximum_filter(regions, 2 * max(1, round(_REACH * d)) + 1) > 0
    wide = watershed(-smooth, regions, mask=near)  # type: ignore[no-untyped-call]
    floor = _floors(np.where(regions > 0, 0, wide), smooth, len(bright))
    level = np.maximum(floor + _EDGE_LEVEL * (bright - floor), 2 * noise)
    level[0] = np.inf
    return np.where(smooth >= level[wide], wide, 0).astype(np.int32)


def _floors(around: Array, smooth: Array, count: int) -> Array:
    """Of each region the dark end of what lies around it, 0 at least: a glow is no part of a nucleus."""
    flat, places = _inside(around)
    values = smooth.ravel()[places]
    order = np.lexsort((values, flat))
    many = np.bincount(flat, minlength=count)
    first = np.cumsum(many) - many
    at = np.minimum(first + (_DARK_END * many).astype(np.int64), len(order) - 1)
    floor = np.where(many > 0, values[order[at]] if len(order) else 0, 0)
    dark: Array = np.maximum(floor, 0)
    return dark


def _sized(regions: Array, diameter: float, s: NucleusSettings) -> Array:
    """Without regions that are too small or too large for a nucleus; a piece at the image's edge may be smaller."""
    area = np.bincount(regions.ravel()) / (np.pi / 4 * diameter**2)
    least = np.full(len(area), s.smallest)
    least[np.unique(np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]]))] = _AT_EDGE * s.smallest
    area[0] = 0
    kept: Array = np.where((area >= least) & (area <= s.largest), np.arange(len(area)), 0)[regions]
    return kept


def measure_diameter(fields: list[Array], settings: NucleusSettings | None = None) -> float | None:
    """The usual diameter of nuclei in px, from some fields; None if there are none."""
    usual = usual_of([measured(dna, settings or NucleusSettings()) for dna in fields])
    return None if usual is None else usual.diameter_px


def usual_of(found: list[Array]) -> Usual | None:
    """What the `measured` nuclei of some fields come to; None if there are none.

    The values that halve the area of all: nuclei count by their area, so that specks do not matter.
    """
    every = np.concatenate(found) if found else np.zeros((0, 3))
    if not len(every):
        return None
    return Usual(*(_middle(values, every[:, 0] ** 2) for values in every.T))


def usual_width(area: Array) -> float | None:
    """The diameter that halves the area of all, px; None without any."""
    width = width_of(area)
    return _middle(width, width**2) if len(width) else None


def width_of(area: Array) -> Array:
    """Diameters of discs of these areas."""
    width: Array = np.sqrt(4 / np.pi * area)
    return width


def _middle(values: Array, weights: Array) -> float:
    order = np.argsort(values, kind="stable")
    weight = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(weight, 0.5 * weight[-1])])


def measured(dna: Array, s: NucleusSettings) -> Array:
    """(n, 3) diameter, px, brightness and edge (see `Usual`) of the nuclei of a field, whatever their size.

    First with a guess of the scale and regions of any size, then with what was found, until that stays.
    """
    guess, found = max(8.0, min(dna.shape) / 20), np.zeros((0, 3))
    for attempt in range(_ATTEMPTS):
        search = searched(dna, guess, s)
        regions = _regions(search, s, sized=attempt > 1)
        area = np.bincount(regions.ravel())[1:]
        width = width_of(area) * search.times
        seen = width >= _LEAST_PX
        if not seen.any():
            return np.zeros((0, 3))
        last, guess = guess, float(np.clip(_middle(width[seen], area[seen]), 4, min(dna.shape)))
        look = _sharpness(search.small, regions, guess / search.times)
        found = np.stack([width, look.height, look.edge], axis=1)[seen]
        if attempt > 1 and abs(guess / last - 1) < _SETTLED:
            break
    return found


@dataclass(frozen=True)
class Sharpness:
    """How each of n nuclei stands out.

    Attributes:
        edge: (n,) width of the nucleus's edge (its brightness over the slope there) by the usual diameter, about 0.1 to
            0.2 in focus and rising with blur, at most 10.
        height: (n,) brightness above the background, grey values.
        contrast: (n,) the same, in sd of the background's noise.
    """

    edge: Array
    height: Array
    contrast: Array


def sharpness(dna: Array, labels: Array, diameter: float) -> Sharpness:
    """Of every nucleus of a field.

    Args:
        dna: (H, W) the DNA channel.
        labels: (H, W) its nuclei, 1..n.
        diameter: of a nucleus, px: the import's, not the field's, so that debris does not change what is sharp.
    """
    times = max(1, int(diameter // _WORKING_PX))
    small = binned(dna, times)
    regions = labels[times // 2 :: times, times // 2 :: times]
    regions = np.pad(regions, [(0, small.shape[i] - regions.shape[i]) for i in (0, 1)], mode="edge")
    return _sharpness(small, regions, diameter / times, int(labels.max()) + 1)


def _sharpness(small: Array, regions: Array, d: float, count: int | None = None) -> Sharpness:
    image, sd = raised(small, d), _SLOPE_BLUR * d
    smooth = _blurred(image.signal, sd)
    dy, dx = np.gradient(smooth)
    rim, inside = np.flatnonzero(_rim(regions)), np.flatnonzero(regions)
    slope = np.hypot(dy.ravel()[rim], dx.ravel()[rim])
    # The slope's own noise would make an empty region look sharp.
    slope = np.sqrt(np.maximum(slope**2 - (image.noise / sd**2) ** 2 / (4 * np.pi), 0))
    count, flat = count or int(regions.max()) + 1, regions.ravel()
    steep = _self_weighted(flat[rim], slope, count)
    height = _self_weighted(flat[inside], np.maximum(smooth.ravel()[inside], 0), count)
    edge = np.where(steep > 0, height / np.maximum(steep, 1e-9) / d, 10.0)
    return Sharpness(np.minimum(edge, 10.0)[1:], height[1:], (height / image.noise)[1:])


def _rim(regions: Array) -> Array:
    """(H, W) bool: pixels of a nucleus beside background; where two nuclei touch there is no edge to judge."""
    rim = np.zeros(regions.shape, bool)
    rim[:-1] |= regions[1:] == 0
    rim[1:] |= regions[:-1] == 0
    rim[:, :-1] |= regions[:, 1:] == 0
    rim[:, 1:] |= regions[:, :-1] == 0
    alone: Array = rim & (regions > 0)
    return alone


def _enlarged(regions: Array, search: Search, dna: Array, sd_px: float) -> Array:
    """The regions at the image's own size, their outlines found anew in its own pixels, numbered in reading order."""
    if search.times == 1:
        return tidied(regions)
    smooth = search.found.smooth
    level = _EDGE_LEVEL * _brightness(regions, smooth) + _local_floor(regions, search.small - smooth)
    return outlined_anew(_widened(regions), search.times, dna, level, max(0.7, sd_px))


def _local_floor(regions: Array, background: Array) -> Array:
    """Mean background under each region."""
    flat, places = _inside(regions)
    count = np.maximum(np.bincount(flat, minlength=1), 1)
    floor: Array = np.bincount(flat, background.ravel()[places], minlength=1) / count
    return floor.astype(np.float32)


def _brightness(regions: Array, smooth: Array) -> Array:
    """Of each region: mean of its pixels weighted by themselves, so that a dim rim hardly counts."""
    flat, places = _inside(regions)
    return _self_weighted(flat, np.maximum(smooth.ravel()[places], 0), 1).astype(np.float32)


def _self_weighted(flat: Array, values: Array, count: int) -> Array:
    """Mean of each region's values weighted by themselves: near the largest, but not one noisy pixel."""
    total = np.bincount(flat, values, minlength=count)
    return np.bincount(flat, values * values, minlength=count) / np.maximum(total, 1e-30)


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
