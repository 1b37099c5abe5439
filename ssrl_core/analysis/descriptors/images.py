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
    """

    pixels: Array

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
        border = np.ones(self.grey.shape[1:], bool)
        border[1:-1, 1:-1] = False
        turned = bright[:, border].mean(axis=1) > 0.5
        return np.asarray(bright ^ turned[:, None, None])

    @cached_property
    def objects(self) -> tuple[Array, Array, Array]:
        """Connected pieces (8 neighbours) of the foreground that are no specks.

        Returns:
            pieces (B, H, W) int, 0 for none; of each piece its image (m,) and its pixels (m,); piece p is number p + 1.
        """
        from scipy import ndimage

        within = np.zeros((3, 3, 3), int)
        within[1] = 1  # pieces never reach from one image into the next
        pieces, count = ndimage.label(self.foreground, structure=within)
        sizes = np.bincount(pieces.ravel(), minlength=count + 1)
        large = sizes >= max(2.0, LEAST_OBJECT * self.grey[0].size)
        large[0] = False
        number = np.where(large, np.cumsum(large), 0)
        pieces = number[pieces]
        firsts = np.flatnonzero(pieces.ravel())
        image = np.zeros(int(large.sum()), np.int64)
        image[pieces.ravel()[firsts] - 1] = firsts // self.grey[0].size
        return pieces, image, sizes[large]

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
