"""Changes that mix neighbouring pixels: blur by a Gaussian or a disk, displacement."""

from __future__ import annotations

import numpy as np

from ssrl_core.compositions import Array
from ssrl_core.compositions.kernels import ONE, ZERO, kernel


@kernel
def blur(
    images: Array, first: int, radius: Array, weights: Array, down: Array, across: Array, plane: Array, line: Array
) -> None:
    """Rows, then columns, edges mirrored; (n, C, H, W) in place.

    Args:
        radius: (N,) int64; 0 is left alone.
        weights: (N, R + 1) float32 of the middle and of each distance, R the largest radius.
        down, across: (H + 2R,), (W + 2R,) int64: mirrored places.
        plane, line: (H, W), (W + 2R,) float32, working space.
    """
    height, width = images.shape[2:]
    most = weights.shape[1] - 1
    for i in range(images.shape[0]):
        reach, weight = radius[first + i], weights[first + i]
        if reach == 0:
            continue
        for c in range(images.shape[1]):
            for y in range(height):
                for x in range(width):
                    plane[y, x] = weight[0] * images[i, c, y, x]
                for d in range(1, reach + 1):
                    above, below = down[y + most - d], down[y + most + d]
                    for x in range(width):
                        plane[y, x] += weight[d] * (
                            images[i, c, np.uint32(above), x] + images[i, c, np.uint32(below), x]
                        )
            for y in range(height):
                for x in range(width + 2 * most):
                    line[x] = plane[y, np.uint32(across[x])]
                for x in range(width):
                    images[i, c, y, x] = weight[0] * line[np.uint32(x + most)]
                for d in range(1, reach + 1):
                    for x in range(width):
                        pair = line[np.uint32(x + most - d)] + line[np.uint32(x + most + d)]
                        images[i, c, y, x] += weight[d] * pair
                for x in range(width):
                    value = images[i, c, y, x] if images[i, c, y, x] > ZERO else ZERO
                    images[i, c, y, x] = value if value < ONE else ONE


@kernel
def disk(images: Array, first: int, reach: Array, weights: Array, down: Array, across: Array, plane: Array) -> None:
    """Weighted by a disk, edges mirrored; (n, C, H, W) in place.

    Args:
        reach: (N,) int64, pixels to each side; 0 is left alone.
        weights: (N, 2R + 1, 2R + 1) float32, R the largest reach.
        down, across: (H + 2R,), (W + 2R,) int64: mirrored places.
        plane: (H + 2R, W + 2R) float32, working space.
    """
    height, width = images.shape[2:]
    most = weights.shape[1] // 2
    for i in range(images.shape[0]):
        r = reach[first + i]
        if r == 0:
            continue
        for c in range(images.shape[1]):
            for y in range(height + 2 * most):
                for x in range(width + 2 * most):
                    plane[y, x] = images[i, c, np.uint32(down[y]), np.uint32(across[x])]
            for y in range(height):
                for x in range(width):
                    images[i, c, y, x] = ZERO
                for dy in range(most - r, most + r + 1):
                    for dx in range(most - r, most + r + 1):
                        weight = weights[first + i, dy, dx]
                        if weight != ZERO:
                            for x in range(width):
                                images[i, c, y, x] += weight * plane[np.uint32(y + dy), np.uint32(x + dx)]
                for x in range(width):
                    value = images[i, c, y, x]
                    images[i, c, y, x] = value if value < ONE else ONE


@kernel
def displace(images: Array, rows: Array, moved: Array, plane: Array) -> None:
    """Some images read at other places (bilinear, edges repeated), (n, C, H, W) in place.

    Args:
        rows: (k,) int64 which of the images.
        moved: (k, 2, H, W) float32 pixels down and right.
        plane: (H, W) float32, working space.
    """
    height, width = images.shape[2:]
    last_row, last_column = np.float32(height - 1), np.float32(width - 1)
    for k in range(rows.shape[0]):
        for c in range(images.shape[1]):
            image = images[rows[k], c]
            for row in range(height):
                for column in range(width):
                    y = min(max(np.float32(row) + moved[k, 0, row, column], ZERO), last_row)
                    x = min(max(np.float32(column) + moved[k, 1, row, column], ZERO), last_column)
                    top, left = int(y), int(x)
                    under, beside = min(top + 1, height - 1), min(left + 1, width - 1)
                    low, right = y - np.float32(top), x - np.float32(left)
                    above = image[top, left] * (ONE - right) + image[top, beside] * right
                    below = image[under, left] * (ONE - right) + image[under, beside] * right
                    plane[row, column] = above * (ONE - low) + below * low
            image[:, :] = plane
