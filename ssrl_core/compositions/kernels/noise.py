"""Random words (Philox4x32-10, bit for bit as in `random_numbers`), and changes that need them for each pixel.

A pixel's words are those of the counter (row, column, channel // 4, 0) under the drawn seed; the four words are four
channels.
"""

from __future__ import annotations

import numpy as np

from ssrl_core.compositions import Array
from ssrl_core.compositions.kernels import ONE, ZERO, kernel, part
from ssrl_core.compositions.random_numbers import EXACT_UP_TO, FAR, MIDDLE, MOST, SHEPPARD, TAIL

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_SHIFT = np.uint64(32)


@kernel
def block(
    c0: np.uint32, c1: np.uint32, c2: np.uint32, c3: np.uint32, k0: np.uint32, k1: np.uint32
) -> tuple[np.uint32, np.uint32, np.uint32, np.uint32]:
    """Four words of one counter."""
    for _ in range(10):
        one, two = np.uint64(c0) * _M0, np.uint64(c2) * _M1
        high0, low0 = np.uint32(one >> _SHIFT), np.uint32(one)
        high1, low1 = np.uint32(two >> _SHIFT), np.uint32(two)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = np.uint32(k0 + _W0), np.uint32(k1 + _W1)
    return np.uint32(c0), np.uint32(c1), np.uint32(c2), np.uint32(c3)


@kernel
def words(ids: Array, epoch: int, view: int, first: int, key0: int, key1: int, out: Array) -> None:
    """All blocks of some views and images into out (blocks, views, images, 4) int64."""
    k0, k1, c1 = np.uint32(key0), np.uint32(key1), np.uint32(epoch)
    for b in range(out.shape[0]):
        c3 = np.uint32(first + b)
        for v in range(out.shape[1]):
            c2 = np.uint32(view + v)
            for i in range(out.shape[2]):
                four = block(np.uint32(ids[i]), c1, c2, c3, k0, k1)
                out[b, v, i, 0], out[b, v, i, 1] = four[0], four[1]
                out[b, v, i, 2], out[b, v, i, 3] = four[2], four[3]


_UNIT = np.float32(2.0**-24)
_EIGHT = np.uint32(8)
_NONE, _MEAN, _NOISE = 0, 1, 2


@part
def pixel_words(row: int, column: int, quad: int, seed: Array) -> tuple[np.uint32, np.uint32, np.uint32, np.uint32]:
    """Four words of a pixel."""
    zero = np.uint32(0)
    return block(np.uint32(row), np.uint32(column), np.uint32(quad), zero, np.uint32(seed[0]), np.uint32(seed[1]))


@kernel
def erase(images: Array, first: int, applied: Array, boxes: Array, kind: int, value: np.float32, seeds: Array) -> None:
    """A rectangle covered, (n, C, H, W) in place.

    Args:
        boxes: (n, 4) int64 top, left, height, width.
        kind: 0 a value, 1 the mean of each channel, 2 noise.
        seeds: (N, 2) int64.
    """
    channels, height, width = images.shape[1:]
    for i in range(images.shape[0]):
        m = first + i
        if not applied[m]:
            continue
        top, left, tall, wide = boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3]
        for c in range(channels):
            cover = value
            if kind == _MEAN:
                total = 0.0
                for y in range(height):
                    for x in range(width):
                        total += images[i, c, y, x]
                cover = np.float32(total / (height * width))
            for y in range(tall):
                for x in range(wide):
                    if kind == _NOISE:
                        cover = np.float32(pixel_words(y, x, c // 4, seeds[m])[c % 4] >> _EIGHT) * _UNIT
                    images[i, c, top + y, left + x] = cover


@part
def normal(word: np.uint32) -> float:
    """A standard normal number from a word. The formula: `ssrl_core.compositions.random_numbers`."""
    p = (np.float64(word) + 0.5) * 2.0**-32
    q = p - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        top, low = MIDDLE
        return (
            q * (((top[3] * r + top[2]) * r + top[1]) * r + top[0]) / (((low[3] * r + low[2]) * r + low[1]) * r + 1.0)
        )
    r = np.sqrt(-np.log(p if q < 0 else 1.0 - p))
    if r <= 5.0:
        r -= 1.6
        top, low = TAIL
        z = (((top[3] * r + top[2]) * r + top[1]) * r + top[0]) / ((low[2] * r + low[1]) * r + 1.0)
    else:
        r -= 5.0
        top, low = FAR
        z = (((top[3] * r + top[2]) * r + top[1]) * r + top[0]) / ((low[2] * r + low[1]) * r + 1.0)
    return float(-z if q < 0 else z)


@kernel
def add_normal(images: Array, first: int, applied: Array, sigma: Array, seeds: Array) -> None:
    """x + sigma · z, clipped; sigma (N,) float32, seeds (N, 2) int64, images (n, C, H, W) in place."""
    channels, height, width = images.shape[1:]
    for i in range(images.shape[0]):
        m = first + i
        if not applied[m] or sigma[m] == ZERO:
            continue
        for quad in range((channels + 3) // 4):
            for y in range(height):
                for x in range(width):
                    four = pixel_words(y, x, quad, seeds[m])
                    for c in range(4 * quad, min(4 * quad + 4, channels)):
                        value = images[i, c, y, x] + sigma[m] * np.float32(normal(four[c - 4 * quad]))
                        value = value if value > ZERO else ZERO
                        images[i, c, y, x] = value if value < ONE else ONE


@part
def counted(word: np.uint32, expected: float) -> float:
    """A Poisson number from a word. The formula: `ssrl_core.compositions.random_numbers`."""
    if expected > EXACT_UP_TO:
        z, root = normal(word), np.sqrt(expected - SHEPPARD)
        number = np.floor(expected + root * z + (z * z - 1.0) / 6.0 + (z - z * z * z) / (72.0 * root) + 0.5)
        return number if number > 0.0 else 0.0
    u = (np.float64(word) + 0.5) * 2.0**-32
    chance = np.exp(-expected)
    below, number = chance, 0.0
    while u > below and number < MOST:
        number += 1.0
        chance *= expected / number
        below += chance
    return number


@kernel
def count_photons(images: Array, first: int, applied: Array, photons: Array, seeds: Array) -> None:
    """Poisson(x · photons) / photons, clipped; photons (N,) float64, images (n, C, H, W) in place."""
    channels, height, width = images.shape[1:]
    for i in range(images.shape[0]):
        m = first + i
        if not applied[m]:
            continue
        for quad in range((channels + 3) // 4):
            for y in range(height):
                for x in range(width):
                    four = pixel_words(y, x, quad, seeds[m])
                    for c in range(4 * quad, min(4 * quad + 4, channels)):
                        expected = np.float64(images[i, c, y, x]) * photons[m]
                        value = np.float32(counted(four[c - 4 * quad], expected) / photons[m])
                        images[i, c, y, x] = value if value < ONE else ONE


@kernel
def saturate(images: Array, first: int, applied: Array, exposure: Array, below: Array, seeds: Array) -> None:
    """min(x · exposure, 1), 1 where a word is below; exposure (N,) float32, below (N,) int64, (n, C, H, W) in place."""
    channels, height, width = images.shape[1:]
    for i in range(images.shape[0]):
        m = first + i
        if not applied[m]:
            continue
        for quad in range((channels + 3) // 4):
            for y in range(height):
                for x in range(width):
                    four = pixel_words(y, x, quad, seeds[m])
                    for c in range(4 * quad, min(4 * quad + 4, channels)):
                        value = images[i, c, y, x] * exposure[m]
                        hot = np.int64(four[c - 4 * quad]) < below[m]
                        images[i, c, y, x] = ONE if hot or value > ONE else value
