"""Philox4x32-10, compiled; bit for bit that of `ssrl_core.compositions.philox`, which names the source."""

from __future__ import annotations

import numpy as np

from ssrl_core.compositions.kernels.compiling import kernel
from ssrl_core.compositions.laws import Array

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
