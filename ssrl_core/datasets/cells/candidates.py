"""Regions that could be nuclei, at many levels at once, and the best choice among them that does not overlap.

Every level of brightness cuts an image into pieces, and a piece holds the pieces of the next level: a forest. A piece
may also fall apart at its waists. Each region gets a chance of being one nucleus from six numbers that know no scale,
and of all choices without overlap the one with the largest sum is taken. So a dim nucleus beside a bright one, and one
in a glow, each get the level that suits it.

Source:
    Arteta et al. 2012, Learning to Detect Cells Using Non-overlapping Extremal Regions (MICCAI). The weights are a
    logistic regression on the half of 31 annotated images (2018 Data Science Bowl, BBBC038) that `bench nuclei` names
    *tuned on*; `python -m bench.bench_nuclei --fit` makes them again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
LEVELS = 10
_SPAN = 300  # the lowest level is not below the highest by more than this
_SEED_GAP = 0.2  # least distance of two parts of a region, in diameters
_HAS_WAIST = 0.97  # a region that fills less of its ellipse than this may fall apart
_DEPTHS = (-2.2, -0.25)  # log of level by brightness where an outline may lie, and where waists are looked for
_SMALLEST, _LARGEST = 0.04, 25.0  # usual discs: smaller is nothing, larger does not fall apart at waists
_LEAST_CHANCE = 0.25
_RAGGED = 0.02  # what a clear region is worth that has no nucleus's shape: little, but it is not lost
_EVEN = 0.73  # the setting `splitting` at which one region and several are weighed alike

# Log odds that a region is one nucleus. fill: its area by that of the ellipse with the same moments; size: log of its
# area by a disc of the usual diameter; narrow: short by long axis; depth: log of its level by its brightness; growth:
# how fast it grows with the level, d log area / d log level; bright: log of its brightness by the usual one, -3 to 1.
WEIGHTS = {
    "constant": -5.094,
    "fill": 36.028,
    "fill to 0.9": -27.75,
    "size": -2.258,
    "size squared": -0.407,
    "size below 0": 1.888,
    "narrow": -0.988,
    "depth": 1.179,
    "depth squared": 0.047,
    "growth": -1.008,
    "growth squared": 0.138,
    "bright": -0.554,
    "bright below -1": 8.91,
}


@dataclass
class Candidates:
    """The pieces of an image at every level, each with what its pixels come to.

    Attributes:
        smooth: (H, W) the image, blurred, without its background.
        diameter: of a nucleus, px.
        levels: (L,) grey values, ascending.
        first: (L + 1,) number of the first piece of each level; pieces of a level are numbered together.
        parent: (n,) the piece of the level below that holds it; -1 at the lowest level.
        places, pieces: of each level, the pixels that are in a piece, and which one.
        sums: (8, n) see `_sums_of`.
        parts: piece -> the parts it falls into at its waists.
    """

    smooth: Array
    diameter: float
    levels: Array
    first: Array
    parent: Array
    places: list[Array]
    pieces: list[Array]
    sums: Array
    parts: dict[int, Parts] = field(default_factory=dict)

    @property
    def level(self) -> Array:
        """(n,) grey value at which each piece was cut."""
        return np.repeat(self.levels, np.diff(self.first))

    def growth(self) -> Array:
        """(n,) how fast each grows when the level falls, d log area / d log level; 0 = sharp."""
        area = self.sums[0]
        wider = np.where(self.parent >= 0, area[self.parent], 2 * area)
        growth: Array = np.log(wider / area) / np.log(self.levels[1] / self.levels[0])
        return growth

    def usual_brightness(self, numbers: Array) -> float:
        """Median brightness of the pieces that look most like nuclei; without any, near the brightest of the image."""
        fill, size, depth = numbers[:, 0], numbers[:, 1], numbers[:, 3]
        like = (fill > 0.9) & (np.abs(size) < 0.8) & (depth > -1.6) & (depth < -0.3)
        if like.sum() < 4:
            return float(np.percentile(self.smooth, 99))
        return float(np.median(_brightness(self.sums[:, like])))


@dataclass(frozen=True)
class Parts:
    """What a piece falls into: its pixels, the part of each (from 0), and the sums of the parts."""

    places: Array
    part: Array
    sums: Array


def candidates(smooth: Array, noise: float, diameter: float, *, lowest: float = 3.0) -> Candidates:
    """Every piece at every level.

    Args:
        smooth: (H, W) an image without its background, blurred.
        noise: sd of the background.
        diameter: of a nucleus, px.
        lowest: level, in sds of the noise, below which nothing is a nucleus.
    """
    from scipy.ndimage import label

    levels = _levels(smooth, lowest * noise)
    rank = np.searchsorted(levels, smooth.ravel(), side="right").reshape(smooth.shape).astype(np.int8)
    own = np.full(smooth.size, -1, np.int64)  # the piece of the highest level so far
    first, parents, places, pieces = [0], list[Array](), list[Array](), list[Array]()
    for k in range(1, len(levels) + 1):
        labels, count = label(rank >= k)
        at = np.flatnonzero(labels)
        number = labels.ravel()[at] + (first[-1] - 1)
        parent = np.full(count, -1)
        parent[number - first[-1]] = own[at]
        own[at] = number
        first.append(first[-1] + count)
        parents.append(parent)
        places.append(at)
        pieces.append(number)
    parent_of = np.concatenate(parents)
    sums = _with_those_above(_sums_of(own[places[0]], places[0], smooth, first[-1]), first, parent_of)
    return Candidates(smooth, diameter, levels, np.array(first), parent_of, places, pieces, sums)


def _levels(smooth: Array, lowest: float) -> Array:
    highest = float(np.percentile(smooth[::2, ::2], 99.8))
    low = max(lowest, highest / _SPAN)
    return np.geomspace(low, max(highest, 1.5 * low), LEVELS + 1)[:-1]


def _sums_of(number: Array, places: Array, smooth: Array, count: int) -> Array:
    """(8, count) of the pixels of each region: count, x, y, x², y², xy, brightness, its square."""
    y, x = (v.astype(np.float64) for v in np.divmod(places, smooth.shape[1]))
    value = smooth.ravel()[places].astype(np.float64)
    weights = (None, x, y, x * x, y * y, x * y, value, value * value)
    return np.stack([np.bincount(number, w, minlength=count).astype(np.float64) for w in weights])


def _with_those_above(alone: Array, first: list[int], parent: Array) -> Array:
    """A piece's pixels are those of its own level and all of the pieces that it holds."""
    sums = alone.copy()
    for a, b in reversed(list(pairwise(first))[1:]):
        for row in sums:
            row[:a] += np.bincount(parent[a:b], row[a:b], minlength=a)
    return sums


def _brightness(sums: Array) -> Array:
    """Of each region: mean of its pixels weighted by themselves, so that a dim rim hardly counts."""
    mean: Array = sums[7] / np.maximum(sums[6], 1e-9)
    return mean


def numbers_of(sums: Array, level: Array, growth: Array, diameter: float) -> Array:
    """(n, 6) fill, size, narrow, depth, growth (see WEIGHTS), and log brightness, not yet by the usual one."""
    n = np.maximum(sums[0], 1)
    mx, my = sums[1] / n, sums[2] / n
    # a pixel is a square, not a point: a twelfth of a pixel² in each direction
    xx, yy, xy = sums[3] / n - mx**2 + 1 / 12, sums[4] / n - my**2 + 1 / 12, sums[5] / n - mx * my
    fill = n / (4 * np.pi * np.sqrt(np.maximum(xx * yy - xy**2, 1e-9)))
    root, middle = np.sqrt((xx - yy) ** 2 / 4 + xy**2), (xx + yy) / 2
    narrow = np.sqrt(np.clip((middle - root) / (middle + root), 1e-6, 1))
    bright = np.maximum(_brightness(sums), 1e-9)
    size = np.log(n / (np.pi / 4 * diameter**2))
    return np.stack([fill, size, narrow, np.log(level / bright), np.clip(growth, 0, 4), np.log(bright)], axis=1)


def terms(numbers: Array, usual_brightness: float) -> Array:
    """(n, 13) what `WEIGHTS` weigh, in their order."""
    fill, size, narrow, depth, growth, bright = numbers.T
    bright = np.clip(bright - np.log(max(usual_brightness, 1e-9)), -3, 1)
    return np.stack(
        [
            np.ones(len(fill)),
            fill,
            np.minimum(fill, 0.9),
            size,
            size**2,
            np.minimum(size, 0),
            narrow,
            depth,
            depth**2,
            growth,
            growth**2,
            bright,
            np.minimum(bright + 1, 0),
        ],
        axis=1,
    )


def chance(numbers: Array, usual_brightness: float, *, sized: bool = True) -> Array:
    """(n,) that each region is one nucleus.

    Args:
        sized: False = whatever its size, as long as the usual diameter is not known.
    """
    numbers = numbers if sized else numbers * np.array([1, 0, 1, 1, 1, 1])
    odds = terms(numbers, usual_brightness) @ np.array(list(WEIGHTS.values()))
    share: Array = 1 / (1 + np.exp(-np.clip(odds, -50, 50)))
    return share


def with_parts(found: Candidates, numbers: Array) -> Candidates:
    """The same, with the parts of every piece that has a waist."""
    disc = np.pi / 4 * found.diameter**2
    fill, depth, area = numbers[:, 0], numbers[:, 3], found.sums[0]
    ask = (fill < _HAS_WAIST) & (depth > _DEPTHS[0]) & (depth < _DEPTHS[1])
    ask &= (area > 0.3 * disc) & (area < _LARGEST * disc)
    for k in range(len(found.levels)):
        wanted = ask[found.first[k] : found.first[k + 1]]
        if wanted.any():
            _part_level(found, k, wanted)
    return found


def _part_level(found: Candidates, k: int, wanted: Array) -> None:
    at, number = found.places[k], found.pieces[k] - found.first[k]
    taken = wanted[number]
    at, number = at[taken], number[taken]
    order = np.argsort(number, kind="stable")
    at, number = at[order], number[order]
    ends = np.flatnonzero(np.diff(number, append=-1)) + 1
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        parts = _parts_of(found, at[start:end])
        if parts is not None:
            found.parts[int(number[start] + found.first[k])] = parts


def _parts_of(found: Candidates, places: Array) -> Parts | None:
    """A piece taken apart where it is narrow; None if it has one middle."""
    from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter
    from skimage.feature import peak_local_max
    from skimage.segmentation import watershed

    y, x = np.divmod(places, found.smooth.shape[1])
    top, left = y.min() - 1, x.min() - 1
    mask = np.zeros((y.max() - top + 2, x.max() - left + 2), bool)
    mask[y - top, x - left] = True
    mask = binary_fill_holes(mask)
    depth = gaussian_filter(distance_transform_edt(mask), max(0.5, 0.06 * found.diameter))
    peaks = peak_local_max(  # type: ignore[no-untyped-call]
        depth,
        min_distance=max(1, round(_SEED_GAP * found.diameter)),
        threshold_abs=0.5,
        exclude_border=False,
        labels=mask.astype(np.int8),
    )
    if len(peaks) < 2:
        return None
    seeds = np.zeros(mask.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    part = watershed(-depth, seeds, mask=mask)  # type: ignore[no-untyped-call]
    y, x = np.nonzero(part)
    at = (y + top) * found.smooth.shape[1] + x + left
    own = part[y, x] - 1
    return Parts(at, own, _sums_of(own, at, found.smooth, len(peaks)))


@dataclass
class _Worth:
    """What each piece is worth whole, in parts, and as what it holds; and the best of the three."""

    whole: Array
    best: Array
    how: Array  # 0 = whole, 1 = what it holds, 2 = its parts
    parts: dict[int, Array]


def chosen(found: Candidates, usual_brightness: float | None, *, splitting: float = _EVEN, sized: bool = True) -> Array:
    """The best choice of regions that do not overlap.

    Args:
        usual_brightness: of a nucleus; None = measured here.
        splitting: see NucleusSettings.
        sized: whether the diameter is known, so that sizes count.

    Returns:
        (H, W) int32: 0 = background, 1..n.
    """
    numbers = numbers_of(found.sums, found.level, found.growth(), found.diameter)
    own = found.usual_brightness(numbers)
    usual = own if usual_brightness is None else min(own, usual_brightness)
    with_parts(found, numbers)
    return _painted(found, _weighed(found, numbers, usual, splitting / _EVEN, sized))


def _weighed(found: Candidates, numbers: Array, usual: float, many: float, sized: bool) -> _Worth:
    least = _SMALLEST * np.pi / 4 * found.diameter**2

    def worth(some: Array, area: Array) -> Array:
        over = np.maximum(chance(some, usual, sized=sized) - _LEAST_CHANCE, _RAGGED * _is_clear(some, usual))
        return np.where(area >= least, over, 0)

    whole = worth(numbers, found.sums[0])
    level = found.level
    parts = {}
    for piece, part in found.parts.items():
        count = part.sums.shape[1]
        some = numbers_of(part.sums, np.full(count, level[piece]), np.full(count, numbers[piece, 4]), found.diameter)
        parts[piece] = worth(some, part.sums[0])
    best, how, held = whole.copy(), np.zeros(len(whole), np.int8), np.zeros(len(whole))
    for k in range(len(found.levels) - 1, -1, -1):
        a, b = found.first[k], found.first[k + 1]
        inside = many * held[a:b] > best[a:b] + 1e-9
        best[a:b] = np.where(inside, held[a:b], best[a:b])
        how[a:b][inside] = 1
        for piece in (p for p in parts if a <= p < b):
            if many * parts[piece].sum() > best[piece] + 1e-9:
                best[piece], how[piece] = parts[piece].sum(), 2
        if k:
            held[:a] += np.bincount(found.parent[a:b], best[a:b], minlength=a)
    return _Worth(whole, best, how, parts)


def _is_clear(numbers: Array, usual: float) -> Array:
    """(n,) bool: as bright as a nucleus, about as large, cut where an outline lies; a mitotic one may be ragged."""
    _, size, _, depth, _, bright = numbers.T
    clear: Array = (np.abs(size) < 1) & (depth > -1.5) & (depth < -0.5) & (bright > np.log(max(usual, 1e-9)) - 0.7)
    return clear


def _painted(found: Candidates, worth: _Worth) -> Array:
    """From the lowest level up: a piece that is not taken opens those that it holds."""
    out, count = np.zeros(found.smooth.size, np.int32), 0
    open_ = np.zeros(len(worth.best), bool)
    open_[: found.first[1]] = True
    for k in range(len(found.levels)):
        a, b = found.first[k], found.first[k + 1]
        if k:
            open_[a:b] = open_[found.parent[a:b]] & (worth.how[found.parent[a:b]] == 1)
        taken = open_[a:b] & (worth.best[a:b] > 0)
        whole = taken & (worth.how[a:b] == 0)
        number = np.where(whole, count + np.cumsum(whole), 0)
        count += int(whole.sum())
        at = number[found.pieces[k] - a]
        out[found.places[k][at > 0]] = at[at > 0]
        for piece in np.flatnonzero(taken & (worth.how[a:b] == 2)) + a:
            good = worth.parts[piece] > 0
            number = np.where(good, count + np.cumsum(good), 0)
            count += int(good.sum())
            out[found.parts[piece].places] = number[found.parts[piece].part]
    result: Array = out.reshape(found.smooth.shape)
    return result
