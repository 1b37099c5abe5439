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
class Look:
    """A batch of images.

    Attributes:
        grey: (B, H, W) float32 in 0..1, the mean of the channels.
    """

    grey: Array

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
    """

    name: str
    title: str
    unit: str
    more: str
    less: str
    sentence: str
    measure: Callable[[Look], NDArray]  # type: ignore[type-arg]
