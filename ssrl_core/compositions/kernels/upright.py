"""Rows and columns apart: images that are only cut, mirrored, shifted, padded and resized.

The weights are those of `ssrl_core.compositions.taps`, which says where they come from. Few functions and no slices
that could be spared: what a kernel costs to compile is paid by the first call.
"""

from __future__ import annotations

import numpy as np

from ssrl_core.compositions.kernels.compiling import ONE, ZERO, kernel, part
from ssrl_core.compositions.laws import Array

_TINY = 1e-12
_FAR = 1e9
_Y, _X = np.int64(0), np.int64(1)
"""Not plain numbers: a function is compiled once for each number that is written in its call."""


@kernel
def resample(
    source: Array, out: Array, first: int, mine: Array, lines: Array, stages: Array, scratch: tuple[Array, ...]
) -> None:
    """Render the images that are `mine`.

    Args:
        source: (n, C, H, W) float32.
        out: (n, C, h, w) float32.
        mine: (N,) bool.
        lines: (2, N, 2) float64, for y and for x: scale and offset from an output place to a source place.
        stages: (2, S, N, 6) float64, the last step first: window low and high, frame low and high, source pixels that a
            pixel of the step spans, fill. Bounds are ±1e9 where there are none.
        scratch: as `room` makes it.
    """
    index, weights, seen, _, row = scratch
    channels = source.shape[1]
    for i in range(source.shape[0]):
        m = first + i
        if not mine[m]:
            continue
        down = taps(_Y, m, lines, stages, source.shape[2], out.shape[2], scratch)
        across = taps(_X, m, lines, stages, source.shape[3], out.shape[3], scratch)
        low, high = source.shape[3], 0
        for k in range(across):
            for x in range(out.shape[3]):
                low = low if low < index[1, k, x] else index[1, k, x]
                high = high if high > index[1, k, x] else index[1, k, x]
        for y in range(out.shape[2]):
            one, two = np.uint32(index[0, 0, y]), np.uint32(index[0, 1, y])
            near, far = weights[0, 0, y], weights[0, 1, y]
            for c in range(channels):
                for x in range(low, high + 1):
                    p = np.uint64(x)  # never below zero, which would count from the end
                    row[c, p] = near * source[i, c, one, p] + far * source[i, c, two, p]
                for k in range(2, down):
                    more, weight = np.uint32(index[0, k, y]), weights[0, k, y]
                    for x in range(low, high + 1):
                        p = np.uint64(x)
                        row[c, p] += weight * source[i, c, more, p]
            for x in range(out.shape[3]):
                one, two = np.uint32(index[1, 0, x]), np.uint32(index[1, 1, x])
                near, far = weights[1, 0, x], weights[1, 1, x]
                if channels == 3:  # written out: a loop of three costs as much as what it does
                    red, green = near * row[0, one] + far * row[0, two], near * row[1, one] + far * row[1, two]
                    out[i, 0, y, x], out[i, 1, y, x] = red, green
                    out[i, 2, y, x] = near * row[2, one] + far * row[2, two]
                else:
                    for c in range(channels):
                        out[i, c, y, x] = near * row[c, one] + far * row[c, two]
            for k in range(2, across):
                for c in range(channels):
                    for x in range(out.shape[3]):
                        out[i, c, y, x] += weights[1, k, x] * row[c, np.uint32(index[1, k, x])]
            for c in range(channels):
                for s in range(stages.shape[1]):
                    if stages[0, s, m, 5] != 0.0:
                        for x in range(out.shape[3]):
                            lost = seen[0, s, 0, y] * seen[1, s, 0, x] - seen[0, s, 1, y] * seen[1, s, 1, x]
                            out[i, c, y, x] += np.float32(lost * stages[0, s, m, 5])
                for x in range(out.shape[3]):
                    value = out[i, c, y, x]
                    value = value if value > ZERO else ZERO
                    out[i, c, y, x] = value if value < ONE else ONE


@part
def taps(axis: np.int64, m: int, lines: Array, stages: Array, old: int, new: int, scratch: tuple[Array, ...]) -> int:
    """Which places each output place is a weighted sum of; returns how many."""
    index, weights, seen, line = scratch[0], scratch[1], scratch[2], scratch[3]
    scale, offset = lines[axis, m, 0], lines[axis, m, 1]
    wide = abs(scale) > 1.0
    reach = abs(scale) if wide else 1.0
    count = int(np.ceil(2.0 * reach - 1e-9)) if wide else 2
    for j in range(new):
        middle = (j + 0.5) * scale + offset
        start = int(np.floor(middle - reach - 0.5)) + 1
        total = 0.0
        if wide:
            for k in range(count):
                weight = 1.0 - abs(start + k + 0.5 - middle) / reach
                line[k] = weight if weight > 0.0 else 0.0
                total += line[k]
            for k in range(count):
                line[k] /= total
        total = 1.0
        for s in range(stages.shape[1] + 1):
            last = s == stages.shape[1]
            low = 0.0 if last else stages[axis, s, m, 0]
            high = float(old) if last else stages[axis, s, m, 1]
            if not wide:
                if last:
                    break
                half = 0.5 * stages[axis, s, m, 4]
                middle = middle if middle > low + half else low + half
                middle = middle if middle < high - half else high - half
            elif low > -_FAR or high < _FAR:
                kept = 0.0
                for k in range(count):
                    line[k] *= cover(start + k, low, high)
                    kept += line[k]
                for k in range(count):
                    line[k] *= total / (kept if kept > _TINY else _TINY)
                total = total if kept > _TINY else kept
            if last:
                break
            seen[axis, s, 0, j] = total
            low, high = stages[axis, s, m, 2], stages[axis, s, m, 3]
            if low > -_FAR or high < _FAR:
                if wide:
                    total = 0.0
                    for k in range(count):
                        line[k] *= cover(start + k, low, high)
                        total += line[k]
                else:
                    ramp = middle - low if middle - low < high - middle else high - middle
                    ramp = ramp / stages[axis, s, m, 4] + 0.5
                    ramp = ramp if ramp > 0.0 else 0.0
                    total *= ramp if ramp < 1.0 else 1.0
            seen[axis, s, 1, j] = total
        if not wide:
            middle = middle if middle > -_FAR else -_FAR
            middle = middle if middle < _FAR else _FAR
            start = int(np.floor(middle - 0.5))
            line[1] = ((middle - 0.5) - start) * total
            line[0] = (1.0 - ((middle - 0.5) - start)) * total
        for k in range(count):
            place = start + k
            place = place if place > 0 else 0
            index[axis, k, j] = place if place < old - 1 else old - 1
            weights[axis, k, j] = line[k]
    return count


@part
def cover(place: int, low: float, high: float) -> float:
    """Share of a pixel that lies in a span."""
    left = place if place > low else low
    right = place + 1.0 if place + 1.0 < high else high
    share = right - left
    return share if share > 0.0 else 0.0


def room(channels: int, lines: Array, stages: Array, old: tuple[int, int], new: tuple[int, int]) -> tuple[Array, ...]:
    """Working space for `resample`."""
    taps_most = max(2, int(np.ceil(2 * np.abs(lines[..., 0]).max())))
    side = max(*new)
    return (
        np.empty((2, taps_most, side), np.int32),
        np.empty((2, taps_most, side), np.float32),
        np.empty((2, stages.shape[1], 2, side)),
        np.empty(taps_most),
        np.empty((channels, old[1]), np.float32),
    )
