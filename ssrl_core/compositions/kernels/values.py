"""Changes of single values: equalize, gain and offset, gamma."""

from __future__ import annotations

import numpy as np

from ssrl_core.compositions.kernels.compiling import ONE, ZERO, kernel
from ssrl_core.compositions.laws import Array

_BINS = 256
_TO_BIN = np.float32(_BINS - 1e-3)
_LAST = np.float32(_BINS - 1)


@kernel
def equalize(images: Array, first: int, applied: Array) -> None:
    """Each channel through its own table, (n, C, P) in place. The rule: `transforms.equalize`."""
    counts = np.empty(_BINS, np.int64)
    table = np.empty(_BINS, np.float32)
    for i in range(images.shape[0]):
        if not applied[first + i]:
            continue
        for c in range(images.shape[1]):
            line = images[i, c]
            for b in range(_BINS):
                counts[b] = 0
            brightest = 0
            for j in range(line.shape[0]):
                b = int(line[j] * _TO_BIN)
                counts[b] += 1
                brightest = b if b > brightest else brightest
            width = (line.shape[0] - counts[brightest]) // (_BINS - 1)
            if width == 0:
                continue
            darker = 0
            for b in range(_BINS):
                level = (darker + width // 2) // width
                table[b] = np.float32(level if level < _BINS else _BINS - 1) / _LAST
                darker += counts[b]
            for j in range(line.shape[0]):
                line[j] = table[int(line[j] * _TO_BIN)]


@kernel
def rescale(images: Array, first: int, applied: Array, gain: Array, offset: Array) -> None:
    """gain · x + offset of each channel, clipped; gain, offset (N, C) float32, images (n, C, P) in place."""
    for i in range(images.shape[0]):
        if not applied[first + i]:
            continue
        for c in range(images.shape[1]):
            line, factor, plus = images[i, c], gain[first + i, c], offset[first + i, c]
            for j in range(line.shape[0]):
                value = line[j] * factor + plus
                value = value if value > ZERO else ZERO
                line[j] = value if value < ONE else ONE


@kernel
def raise_to(images: Array, first: int, applied: Array, power: Array) -> None:
    """x to the power of `power` (N,) float32; images (n, C, P) in place."""
    for i in range(images.shape[0]):
        if not applied[first + i] or power[first + i] == ONE:
            continue
        for c in range(images.shape[1]):
            line = images[i, c]
            for j in range(line.shape[0]):
                line[j] = line[j] ** power[first + i]
