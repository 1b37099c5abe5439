"""How every point of a layout pushes every other, by convolution on a grid instead of over all pairs.

Every point is spread over the 4 x 4 grid nodes around it (cubic Lagrange), the grid is convolved with the kernels
by FFT, and the result is read back with the same weights: n log n where the definition takes n^2.

Source:
    Linderman, Rachh, Hoskins, Steinerberger & Kluger 2019, "Fast interpolation-based t-SNE" (arXiv:1712.09005), with
    two changes: cubic interpolation on one grid, and the force as a convolution with a vector kernel, which takes four
    transforms where charges 1, x, y, x^2 + y^2 take eight.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

SPACING = 1 / 3  # in units of the layout, where the kernel 1 / (1 + d^2) has width 1
_MARGIN = 3  # nodes around the outermost points, for the 4 x 4 stencil
_STEP, _MOST = 64, 1024  # nodes along a side come in steps, to a limit


def repulsion(points: Points) -> tuple[Points, float]:
    """Sum of the repelling forces on each point, and what normalises the similarities.

    Args:
        points: (n, 2) float64.

    Returns:
        forces (n, 2): sum over j of (y_i - y_j) / (1 + d_ij^2)^2;  total: sum over i != j of 1 / (1 + d_ij^2).
    """
    from scipy import fft

    corner, spacing, side = _grid(points)
    weights = _weights(points, corner, spacing, side)
    density = (weights.T @ np.ones(len(points), dtype=np.float32)).reshape(side, side)
    padded = fft.next_fast_len(2 * side - 1, real=True)
    spectrum = fft.rfft2(density, (padded, padded), workers=-1)
    fields = fft.irfft2(spectrum * _kernels(spacing, side, padded), (padded, padded), workers=-1)
    felt = weights @ fields[:, :side, :side].reshape(3, -1).T
    return felt[:, 1:].astype(np.float64), float(felt[:, 0].sum(dtype=np.float64)) - len(points)


def _grid(points: Points) -> tuple[Points, float, int]:
    """Corner, spacing and nodes a side. Sides come in steps, so that the kernels of the last round serve again."""
    low, high = points.min(axis=0), points.max(axis=0)
    span = float((high - low).max())
    nodes = int(np.ceil(span / SPACING)) + 2 * _MARGIN
    side = int(np.clip(-(-nodes // _STEP) * _STEP, _STEP, _MOST))
    spacing = SPACING if _STEP < side < _MOST else max(span, 1e-12) / (side - 2 * _MARGIN)
    return (low + high) / 2 - spacing * (side - 1) / 2, spacing, side


def _weights(points: Points, corner: Points, spacing: float, side: int) -> Any:
    """(n, side^2) sparse: how much of each point lies on each node."""
    from scipy.sparse import csr_matrix

    place = (points - corner) / spacing
    cell = np.floor(place).astype(np.int64)
    along = _cubic((place - cell).astype(np.float32))
    values = along[:, 0, :, None] * along[:, 1, None, :]
    steps = np.arange(-1, 3)
    nodes = (cell[:, 0, None, None] + steps[:, None]) * side + cell[:, 1, None, None] + steps
    indptr = np.arange(0, 16 * len(points) + 1, 16)
    return csr_matrix((values.ravel(), nodes.ravel().astype(np.int32), indptr), shape=(len(points), side * side))


def _cubic(t: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lagrange weights of the nodes -1, 0, 1, 2 for a point at t in 0..1: (..., 4)."""
    return np.stack(
        [
            -t * (t - 1) * (t - 2) / 6,
            (t + 1) * (t - 1) * (t - 2) / 2,
            -(t + 1) * t * (t - 2) / 2,
            (t + 1) * t * (t - 1) / 6,
        ],
        axis=-1,
    )


@lru_cache(maxsize=2)
def _kernels(spacing: float, side: int, padded: int) -> NDArray[np.complex64]:
    """Spectra of 1 / (1 + d^2) and of dx and dy times its square, wrapped around for a circular convolution."""
    from scipy import fft

    offset = np.arange(padded, dtype=np.float32)
    offset = np.where(offset < side, offset, offset - padded) * np.float32(spacing)
    dx, dy = offset[:, None], offset[None, :]
    cauchy = 1 / (1 + dx * dx + dy * dy)
    square = cauchy * cauchy
    return np.asarray(fft.rfft2(np.stack([cauchy, dx * square, dy * square]), workers=-1))
