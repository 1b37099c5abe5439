"""Slow twins: the same results from the definitions, one pixel at a time in plain Python."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np

from ssrl_core.compositions.geometry import Placement


def philox(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x32-10 on Python's own integers, as figure 2 of the paper draws it."""
    c, k = list(counter), list(key)
    for _ in range(10):
        first, second = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [
            (second >> 32) ^ c[1] ^ k[0],
            second % 2**32,
            (first >> 32) ^ c[3] ^ k[1],
            first % 2**32,
        ]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return c


def bilinear(image: Any, x: float, y: float) -> float:
    """A point of a single-channel image (H, W), edge pixels repeated outwards; pixel j has its middle at j + ½."""
    height, width = image.shape
    x, y = x - 0.5, y - 0.5
    left, top = math.floor(x), math.floor(y)
    total = 0.0
    for j in (top, top + 1):
        for i in (left, left + 1):
            weight = (1 - abs(x - i)) * (1 - abs(y - j))
            total += weight * image[min(max(j, 0), height - 1), min(max(i, 0), width - 1)]
    return total


def look_up(image: Any, chain: list[Placement], number: int, x: float, y: float) -> float:
    """The value at a point of the last frame, asked of one step after the other."""
    if not chain:
        return bilinear(image, x, y)
    step = chain[-1]
    m = step.matrix[number]
    x, y = m[0, 0] * x + m[0, 1] * y + m[0, 2], m[1, 0] * x + m[1, 1] * y + m[1, 2]
    x0, x1, y0, y1 = step.window[number]
    x, y = min(max(x, x0 + 0.5), x1 - 0.5), min(max(y, y0 + 0.5), y1 - 0.5)
    share = 1.0
    if step.lost[number]:
        height, width = step.old
        share = ramp(x, width) * ramp(y, height)
    if share == 0.0:
        return step.fill
    return share * look_up(image, chain[:-1], number, x, y) + (1 - share) * step.fill


def ramp(x: float, side: float) -> float:
    """1 inside a frame, 0 outside, falling over the pixel at its edge."""
    return min(max(min(x + 0.5, side + 0.5 - x), 0.0), 1.0)


def rendered(image: Any, chain: list[Placement], number: int) -> Any:
    """A whole view, point by point (no antialiasing: for chains that do not shrink)."""
    height, width = chain[-1].new
    return np.array([[look_up(image, chain, number, i + 0.5, j + 0.5) for i in range(width)] for j in range(height)])


def hue(red: float, green: float, blue: float, turn: float) -> tuple[float, float, float]:
    """A colour turned round the wheel, through Python's colorsys."""
    import colorsys

    h, s, v = colorsys.rgb_to_hsv(red, green, blue)
    return colorsys.hsv_to_rgb((h + turn) % 1.0, s, v)


def blurred(image: Any, sigma: float) -> Any:
    """(H, W) convolved with a Gaussian cut at ceil(3 sigma), edges mirrored at the middle of the edge pixel."""
    radius = math.ceil(3 * sigma)
    offsets = range(-radius, radius + 1)
    weights = [math.exp(-0.5 * (d / sigma) ** 2) for d in offsets]
    height, width = image.shape

    def mirrored(place: int, side: int) -> int:
        while not 0 <= place < side:
            place = -place if place < 0 else 2 * (side - 1) - place
        return place

    out = np.zeros((height, width))
    for j in range(height):
        for i in range(width):
            out[j, i] = sum(
                a * b * image[mirrored(j + dj, height), mirrored(i + di, width)]
                for a, dj in zip(weights, offsets, strict=True)
                for b, di in zip(weights, offsets, strict=True)
            )
    return out / sum(weights) ** 2


def spread(image: Any, radius: float) -> Any:
    """(H, W) averaged over a disk whose edge falls over one pixel, edges mirrored at the middle of the edge pixel."""
    height, width = image.shape
    reach = math.ceil(radius) + 1

    def mirrored(place: int, side: int) -> int:
        while not 0 <= place < side:
            place = -place if place < 0 else 2 * (side - 1) - place
        return place

    out = np.zeros((height, width))
    for j in range(height):
        for i in range(width):
            total = 0.0
            for dj in range(-reach, reach + 1):
                for di in range(-reach, reach + 1):
                    weight = min(max(radius + 0.5 - math.hypot(di, dj), 0.0), 1.0)
                    total += weight
                    out[j, i] += weight * image[mirrored(j + dj, height), mirrored(i + di, width)]
            out[j, i] /= total
    return out


def equalized(channel: Any) -> Any:
    """(H, W) in 0..1 through the table that torchvision's `equalize` defines."""
    bins = np.floor(channel * 255.999).astype(int)
    counts = [int((bins == b).sum()) for b in range(256)]
    brightest = max(b for b in range(256) if counts[b])
    step = (sum(counts) - counts[brightest]) // 255
    if step == 0:
        return channel
    table = [min(255, (sum(counts[:b]) + step // 2) // step) for b in range(256)]
    return np.array(table)[bins] / 255


def elastic(image: Any, amplitude: float, spacing: float, seed: list[int]) -> Any:
    """(H, W) taken from where a grid of normal numbers under cubic B-splines says, pixel by pixel."""
    height, width = image.shape
    inverse = NormalDist().inv_cdf

    def spline(t: float) -> float:
        t = abs(t)
        return (4 - 6 * t * t + 3 * t**3) / 6 if t < 1 else max(0.0, 2 - t) ** 3 / 6

    def moved(row: int, column: int) -> tuple[float, float]:
        y, x = (row + 0.5) / height / spacing, (column + 0.5) / width / spacing
        total = [0.0, 0.0]
        for i in range(int(y), int(y) + 4):
            for j in range(int(x), int(x) + 4):
                weight = spline(i - 1 - y) * spline(j - 1 - x)
                words = philox([i, j, 0, 0], seed)
                for axis in range(2):
                    total[axis] += weight * inverse((words[axis] + 0.5) / 2**32)
        return 2 * amplitude * height * total[0], 2 * amplitude * width * total[1]

    out = np.zeros_like(image)
    for row in range(height):
        for column in range(width):
            down, right = moved(row, column)
            y, x = min(max(row + down, 0), height - 1), min(max(column + right, 0), width - 1)
            top, left = int(y), int(x)
            under, beside = min(top + 1, height - 1), min(left + 1, width - 1)
            above = image[top, left] * (1 - x + left) + image[top, beside] * (x - left)
            below = image[under, left] * (1 - x + left) + image[under, beside] * (x - left)
            out[row, column] = above * (1 - y + top) + below * (y - top)
    return out
