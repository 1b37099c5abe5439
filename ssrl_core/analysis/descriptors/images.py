"""What all descriptors look at (a batch of images, what stands out in each, its objects), and what a descriptor is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LEAST_OBJECT = 0.003  # share of the image; smaller specks are noise
_BINS = 64


@dataclass(frozen=True)
class ImageBatch:
    """A batch of images.

    Attributes:
        pixels: (B, C, H, W) float32 in 0..1.
        nucleus: number of the channel in which nuclei are stained; None: there is none.
        px: of the image as it is stored in one px here.
    """

    pixels: Array
    nucleus: int | None = None
    px: float = 1.0

    @cached_property
    def grey(self) -> Array:
        """(B, H, W) float32 in 0..1, the mean of the channels."""
        return np.asarray(self.pixels.mean(axis=1, dtype=np.float32))

    @cached_property
    def chroma(self) -> Array | None:
        """(B, H, W) complex64: what red, green and blue add up to as arrows 120° apart; None unless three channels.

        The angle is the hue (0 red, 120° green, 240° blue), the length how far from grey.
        """
        if self.pixels.shape[1] != 3:
            return None
        arrows = np.exp(2j * np.pi * np.arange(3) / 3).astype(np.complex64)
        return np.asarray(np.einsum("bchw,c->bhw", self.pixels, arrows))

    @cached_property
    def foreground(self) -> Array:
        """(B, H, W) bool: what stands out, by Otsu's threshold; the side that holds less of the border."""
        bright = self.grey > otsu(self.grey)[:, None, None]
        turned = bright[:, _border(self.grey)].mean(axis=1) > 0.5
        return np.asarray(bright ^ turned[:, None, None])

    @cached_property
    def objects(self) -> tuple[Array, Array, Array]:
        """Connected pieces (8 neighbours) of the foreground that are no specks.

        Returns:
            pieces (B, H, W) int, 0 for none; of each piece its image (m,) and its pixels (m,); piece p is number p + 1.
        """
        from scipy import ndimage

        pieces, _ = ndimage.label(self.foreground, structure=_touching(8))
        pieces, sizes = _no_specks(pieces, least=2.0)
        firsts = np.flatnonzero(pieces.ravel())
        image = np.zeros(len(sizes), np.int64)
        image[pieces.ravel()[firsts] - 1] = firsts // self.grey[0].size
        return pieces, image, sizes

    @cached_property
    def largest(self) -> Array:
        """(B, H, W) bool: the largest object of each image; nothing where there is none."""
        pieces, image, sizes = self.objects
        best = np.zeros(len(self.grey), np.int64)
        order = np.argsort(sizes, kind="stable")
        best[image[order]] = order + 1  # the last written is the largest
        return np.asarray((pieces == best[:, None, None]) & (pieces > 0))

    @cached_property
    def largest_moments(self) -> Moments:
        """Of the largest object; NaN where there is none."""
        return moments(self.largest)

    @cached_property
    def object_moments(self) -> Moments:
        """Of all objects together; NaN where there is none."""
        return moments(self.objects[0] > 0)

    @property
    def nuclear_stain(self) -> Array:
        """(B, H, W) the channel of nuclei."""
        return np.asarray(self.pixels[:, self.nucleus or 0])

    @cached_property
    def nuclei(self) -> Regions:
        """The nuclei of each image, those that touch taken apart."""
        return _nuclei(self.nuclear_stain)

    @cached_property
    def nucleus_mask(self) -> Array:
        """(B, H, W) bool: the nucleus in the middle of each image; nothing where there is none."""
        regions = self.nuclei
        return np.asarray((regions.places == regions.middle[:, None, None] + 1) & (regions.places > 0))

    @cached_property
    def nucleus_moments(self) -> Moments:
        """Of the nucleus in the middle; NaN where there is none."""
        return moments(self.nucleus_mask)


@dataclass(frozen=True)
class Regions:
    """Things in a batch of images.

    Attributes:
        places: (B, H, W) number of the thing + 1, 0 for none.
        image: (m,) the image each is in.  size: (m,) px.  y, x: (m,) its middle, px.
        middle: (B,) the thing at the middle of each image, else the nearest to it; -1 where there is none.
    """

    places: Array
    image: Array
    size: Array
    y: Array
    x: Array
    middle: Array


_CORE = 0.7  # of a piece's greatest depth; pieces with two cores are two things


def _nuclei(stain: Array) -> Regions:
    """Bright things of a stain (B, H, W), by Otsu's threshold of its square root (dim ones lie beside bright ones)."""
    from scipy import ndimage

    sigma = max(0.5, 0.01 * min(stain.shape[1:]))
    smooth = np.sqrt(ndimage.gaussian_filter(stain, (0, sigma, sigma), mode="nearest").clip(0))
    mask = smooth > otsu(smooth)[:, None, None]
    ground, count = ndimage.label(~mask, structure=_touching(4))
    open_ground = np.zeros(count + 1, bool)
    open_ground[ground[:, _border(mask)]] = True
    return _measured(_apart(mask | ~open_ground[ground]))


def _apart(mask: Array) -> Array:
    """(B, H, W) int: the pieces of a mask, cut between places that are wide beside their waist."""
    from scipy import ndimage

    pieces, count = ndimage.label(mask, structure=_touching(4))
    depth = depths(mask)
    deepest = np.zeros(count + 1)
    np.maximum.at(deepest, pieces.ravel(), depth.ravel())
    cores, many = ndimage.label((depth > _CORE * deepest[pieces]) & mask, structure=_touching(8))
    flat = cores.ravel()
    of_piece = np.zeros(many + 1, np.int64)
    of_piece[flat[flat > 0]] = pieces.ravel()[flat > 0]
    several = np.bincount(of_piece, minlength=count + 1) > 1
    several[0] = False
    if not several.any():
        return np.asarray(pieces)
    from skimage.segmentation import watershed

    joint = several[pieces]
    cut = watershed(-depth, cores * joint, mask=joint, connectivity=_touching(4))  # type: ignore[no-untyped-call]
    return np.asarray(np.where(joint, cut + count, pieces))


def depths(mask: Array) -> Array:
    """(B, H, W) distance of each pixel of a mask to the nearest of its image outside it; 1 where there is none."""
    from scipy.ndimage import distance_transform_edt

    def of(one: Array) -> Array:  # image by image: a quarter of the time that it takes over all at once
        return np.ones(one.shape) if one.all() else np.asarray(distance_transform_edt(one))

    return np.stack([of(one) for one in mask])


def _measured(places: Array) -> Regions:
    """Size and middle of each thing that is no speck."""
    places, size = _no_specks(places, least=4.0)
    image, y, x = np.nonzero(places)
    own, many = places[image, y, x] - 1, len(size)
    of_image = np.zeros(many, np.int64)
    of_image[own] = image
    down, right = (np.bincount(own, weights=axis, minlength=many) / size for axis in (y, x))
    return Regions(places, of_image, size, down, right, _in_the_middle(places, of_image, down, right))


def _no_specks(places: Array, *, least: float) -> tuple[Array, Array]:
    """The things of (B, H, W) that are no specks, numbered anew from 1, and the px of each (m,).

    Args:
        least: px, where a share of a small image would be less.
    """
    size = np.bincount(places.ravel())
    large = size >= max(least, LEAST_OBJECT * places[0].size)
    large[0] = False
    return np.where(large, np.cumsum(large), 0)[places], size[large]


def _in_the_middle(places: Array, image: Array, y: Array, x: Array) -> Array:
    height, width = places.shape[1:]
    away = np.hypot(y - (height - 1) / 2, x - (width - 1) / 2)
    found = np.full(len(places), -1)
    order = np.argsort(-away, kind="stable")
    found[image[order]] = order  # the last written is the nearest
    at = places[:, height // 2, width // 2] - 1
    return np.where(at >= 0, at, found)


def _border(images: Array) -> Array:
    """(H, W) bool: the outermost pixels of images (B, H, W)."""
    border = np.ones(images.shape[1:], bool)
    border[1:-1, 1:-1] = False
    return border


def _touching(count: int) -> Array:
    """Which pixels touch: 4 or 8 of the same image, none of the next."""
    around = np.zeros((3, 3, 3), int)
    around[1] = 1
    if count == 4:
        around[1, ::2, ::2] = 0
    return around


@dataclass(frozen=True)
class Moments:
    """Mean place (x to the right, y downwards, px) and second central moments (px²) of a mask, each (B,) float64.

    A pixel counts as a square of side 1 (its own moment 1/12), so that a line one pixel wide has a finite shape.
    """

    x: Array
    y: Array
    xx: Array
    yy: Array
    xy: Array

    @cached_property
    def axes(self) -> tuple[Array, Array]:
        """Long and short axis of the ellipse with these moments, px (as standard deviations)."""
        middle, half = (self.xx + self.yy) / 2, np.hypot((self.xx - self.yy) / 2, self.xy)
        return np.sqrt(middle + half), np.sqrt(np.maximum(middle - half, 1e-9))


def moments(mask: Array) -> Moments:
    """Of each mask (B, H, W); NaN where it is empty."""
    size = mask.sum(axis=(1, 2)).astype(np.float64)
    rows, columns = mask.sum(axis=2).astype(np.float64), mask.sum(axis=1).astype(np.float64)
    y, x = np.arange(mask.shape[1], dtype=np.float64), np.arange(mask.shape[2], dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        my, mx = rows @ y / size, columns @ x / size
        yy, xx = rows @ y**2 / size - my**2 + 1 / 12, columns @ x**2 / size - mx**2 + 1 / 12
        xy = (mask @ x) @ y / size - mx * my
    return Moments(mx, my, xx, yy, xy)


def otsu(grey: Array) -> Array:
    """(B,) threshold of each image that splits its grey values best in two.

    Source:
        Otsu 1979: the threshold of largest variance between the two sides; 64 bins from darkest to brightest.
    """
    flat = grey.reshape(len(grey), -1)
    low, high = flat.min(axis=1, keepdims=True), flat.max(axis=1, keepdims=True)
    span = np.maximum(high - low, 1e-12)
    place = np.minimum(((flat - low) / span * _BINS).astype(np.int64), _BINS - 1)
    place += np.arange(len(grey))[:, None] * _BINS
    counts = np.bincount(place.ravel(), minlength=len(grey) * _BINS).reshape(len(grey), _BINS).astype(np.float64)
    below = np.cumsum(counts, axis=1)
    mass = np.cumsum(counts * np.arange(_BINS), axis=1)
    above = below[:, -1:] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (mass / below - (mass[:, -1:] - mass) / above) ** 2
    best = np.argmax(np.nan_to_num(between), axis=1)
    return np.asarray(low[:, 0] + span[:, 0] * (best + 1) / _BINS, dtype=np.float32)


@dataclass(frozen=True)
class Descriptor:
    """One number of an image.

    Attributes:
        name: column it is stored under.
        title: as people read it.
        unit: of its values, "" for a bare number.
        more, less: how images with a large and a small value are called in a sentence ("larger", "smaller").
        sentence: what it is.
        measure: (B,) float32 of a batch.
        cost_s: seconds for 10,000 images of 28 px on one core, about, beside the objects (0.2 s) that many share.
    """

    name: str
    title: str
    unit: str
    more: str
    less: str
    sentence: str
    measure: Callable[[ImageBatch], Array]
    cost_s: float
