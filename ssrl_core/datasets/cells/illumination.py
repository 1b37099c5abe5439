"""Uneven lighting of a microscope, measured for each plate and channel, and divided out; and the range of its grey
values.

The average of many fields shows the lamp, because cells lie everywhere. A surface of second degree is fitted to it: it
has six numbers, so that a few hundred cells are enough.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from ssrl_core.datasets.cells.nuclei import binned

Array = np.ndarray[Any, Any]
FEWEST_FIELDS = 8
_GRID = 32  # blocks along the shorter side
_DARKEST = 0.2
_ROWS = 64


@dataclass(frozen=True)
class FieldLight:
    """What one field tells of its plate's lighting, one item a channel.

    Attributes:
        shape: rows and columns of the field.
        blocks: (C, h, w) the field reduced to blocks, the brightest cut off.
        dark: (C,) first percentile.
        counts: (C, 65536 or 256) histogram of grey values, None if it is not asked for.
        depth: grey values that its type has.
    """

    shape: tuple[int, int]
    blocks: Array
    dark: Array
    counts: Array | None
    depth: int

    @classmethod
    def of(cls, image: Array, *, range_too: bool) -> FieldLight:
        """Of a field (C, H, W) uint8 or uint16."""
        reduced = _reduced(image)
        dark = np.percentile(image[:, ::4, ::4].reshape(len(image), -1), 1, axis=1)
        # A few very bright cells would tell more about themselves than about the lamp.
        top = np.percentile(reduced.reshape(len(image), -1), 97, axis=1)[:, None, None]
        depth = int(np.iinfo(image.dtype).max) + 1
        counts = None
        if range_too:
            counts = np.stack([np.bincount(channel[::2, ::2].ravel(), minlength=depth) for channel in image])
        return cls((int(image.shape[1]), int(image.shape[2])), np.minimum(reduced, top), dark, counts, depth)


@dataclass
class PlateSums:
    """What is collected of some fields of a plate, one item a channel.

    Attributes:
        count: fields so far.
        total: (C, h, w) sums of fields reduced to blocks.
        lowest: (C,) the darkest grey value (first percentile) of any field.
        counts: (C, 65536 or 256) histogram of grey values.
    """

    shape: tuple[int, int] | None = None
    count: int = 0
    total: Array = field(default_factory=lambda: np.zeros(0))
    lowest: Array = field(default_factory=lambda: np.zeros(0))
    counts: Array = field(default_factory=lambda: np.zeros(0))

    def add(self, one: FieldLight) -> None:
        """Take a field in; one of another size than the first is left out."""
        if self.shape is None:
            self.shape = one.shape
            self.total = np.zeros(one.blocks.shape)
            self.lowest = np.full(len(one.blocks), np.inf)
            self.counts = np.zeros((len(one.blocks), one.depth), np.int64)
        if one.blocks.shape != self.total.shape or self.counts.shape[1] != one.depth:
            return
        self.count += 1
        self.lowest = np.minimum(self.lowest, one.dark)
        self.total += one.blocks
        if one.counts is not None:
            self.counts += one.counts


@dataclass(frozen=True)
class Lighting:
    """A plate's lighting and range.

    Attributes:
        dark: (C,) grey value without light, left as it is.
        surface: (C, 6) coefficients of 1, x, y, x², xy, y² (x, y from -1 to 1 over the field); None = not corrected.
        limits: (C, 2) grey values that are brought to 0 and to the top of the range; None = left as they are.
    """

    dark: Array
    surface: Array | None
    limits: Array | None

    def as_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {
            "dark": self.dark.tolist(),
            "surface": None if self.surface is None else self.surface.tolist(),
            "limits": None if self.limits is None else self.limits.tolist(),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Lighting:
        """What `as_json` gave."""
        kept = {k: None if data[k] is None else np.array(data[k], float) for k in ("surface", "limits")}
        return cls(np.array(data["dark"], float), **kept)


def measured(sums: PlateSums, *, correct: bool, stretch: bool) -> Lighting | None:
    """The lighting and range of a plate; None if nothing is to be done.

    Args:
        correct: whether lighting is divided out (needs at least 8 fields).
        stretch: whether grey values are stretched between the percentiles 0.1 and 99.9.
    """
    surface = None
    if correct and sums.count >= FEWEST_FIELDS:
        mean = sums.total / sums.count - sums.lowest[:, None, None]
        surface = np.stack([_fitted(channel) for channel in mean])
    limits = _limits(sums.counts) if stretch and sums.counts.any() else None
    if surface is None and limits is None:
        return None
    return Lighting(sums.lowest, surface, limits)


def corrected(image: Array, lighting: Lighting | None) -> Array:
    """A field as it would be under even light, of the same type; values that leave the range are cut off.

    Args:
        image: (C, H, W) uint8 or uint16.
    """
    if lighting is None:
        return image
    out = np.empty_like(image)
    for c in range(len(image)):
        light = None
        if lighting.surface is not None:
            light = _evaluated(tuple(lighting.surface[c].tolist()), image.shape[1:])
        for start in range(0, image.shape[1], _ROWS):  # a strip of rows stays in the cache
            rows = slice(start, start + _ROWS)
            out[c, rows] = _evened(image[c, rows], lighting, c, None if light is None else light[rows])
    return out


def _evened(rows: Array, lighting: Lighting, channel: int, light: Array | None) -> Array:
    """Some rows of a channel under even light, as float32 whole numbers within the range of their type."""
    top, values = np.iinfo(rows.dtype).max, rows.astype(np.float32)
    if light is not None:
        dark = np.float32(lighting.dark[channel])
        values -= dark
        values /= light
        values += dark
    if lighting.limits is not None:
        low, high = lighting.limits[channel]
        values -= np.float32(low)
        values *= np.float32(top / max(high - low, 1.0))
    np.rint(values, out=values)
    return np.clip(values, 0, top, out=values)


def _reduced(image: Array) -> Array:
    """(C, h, w): means of square blocks."""
    times = max(1, min(image.shape[1:]) // _GRID)
    return np.stack([binned(channel, times) for channel in image])


def _fitted(mean: Array) -> Array:
    """(6,) coefficients whose surface has mean 1; flat where there is no light."""
    y, x = np.meshgrid(np.linspace(-1, 1, mean.shape[0]), np.linspace(-1, 1, mean.shape[1]), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).reshape(-1, 6)
    values = mean.ravel()
    if values.mean() <= 0:
        return np.array([1.0, 0, 0, 0, 0, 0])
    weight = np.ones_like(values)
    for _ in range(3):  # blocks with a clump of cells count less
        root = np.sqrt(weight)
        found = np.linalg.lstsq(terms * root[:, None], values * root, rcond=None)[0]
        off = np.abs(values - terms @ found)
        weight = 1 / np.maximum(off, np.median(off) + 1e-9)
    surface = terms @ found
    scale = surface.mean()
    return found / scale if scale > 0 else np.array([1.0, 0, 0, 0, 0, 0])


@lru_cache(maxsize=8)
def _evaluated(surface: tuple[float, ...], shape: tuple[int, ...]) -> Array:
    """(H, W) float32 lighting; kept, since a plate has many fields."""
    y, x = np.linspace(-1, 1, shape[0])[:, None], np.linspace(-1, 1, shape[1])[None]
    s = surface
    light = (s[0] + s[2] * y + s[5] * y * y) + (s[1] * x + s[3] * x * x) + s[4] * y * x
    result: Array = np.clip(light, _DARKEST, None).astype(np.float32)
    return result


def _limits(counts: Array) -> Array:
    """(C, 2): the percentiles 0.1 and 99.9 of each channel."""
    share = np.cumsum(counts, axis=1) / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    low, high = (share < 0.001).sum(axis=1), (share < 0.999).sum(axis=1)
    return np.stack([low, np.maximum(high, low + 1)], axis=1).astype(float)
