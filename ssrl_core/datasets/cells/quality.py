"""Numbers by which a cell is kept or dropped: how sharp its nucleus is, and how far it stands out."""

from __future__ import annotations

from typing import Any

import numpy as np

from ssrl_core.datasets.cells.foreground import binned, raised

Array = np.ndarray[Any, Any]
_WORKING_PX = 16
_SMOOTHING = 0.035  # sd in diameters, before slopes are taken
_FULL_SCALES = (1023, 4095, 16383)  # of cameras of 10, 12, 14 bits in 16-bit files


def edge_width(dna: Array, labels: Array, diameter: float) -> tuple[Array, Array]:
    """Sharpness and contrast of every nucleus.

    Args:
        dna: (H, W) the DNA channel.
        labels: (H, W) its nuclei, 1..n.
        diameter: of a nucleus, px.

    Returns:
        edge (n,): width of the nucleus's edge (its brightness over the slope there) by the usual diameter, about 0.1 to
            0.2 in
        focus and rising with blur, at most 10; contrast (n,): height above the background, in sd of the background's
        noise.
    """
    from scipy.ndimage import gaussian_filter

    times = max(1, int(diameter // _WORKING_PX))
    small = binned(dna, times)
    regions = labels[times // 2 :: times, times // 2 :: times]
    regions = np.pad(regions, [(0, small.shape[i] - regions.shape[i]) for i in (0, 1)], mode="edge")
    image = raised(small, diameter / times)
    sd = _SMOOTHING * diameter / times
    smooth = gaussian_filter(image.signal, sd, mode="nearest")
    dy, dx = np.gradient(smooth)
    rim, inside = np.flatnonzero(_rim(regions)), np.flatnonzero(regions)
    slope = np.hypot(dy.ravel()[rim], dx.ravel()[rim])
    # The slope's own noise would make an empty region look sharp.
    slope = np.sqrt(np.maximum(slope**2 - (image.noise / sd**2) ** 2 / (4 * np.pi), 0))
    count, flat = int(labels.max()) + 1, regions.ravel()
    steep = _self_weighted(flat[rim], slope, count)
    height = _self_weighted(flat[inside], np.maximum(smooth.ravel()[inside], 0), count)
    edge = np.where(steep > 0, height / np.maximum(steep, 1e-9) / (diameter / times), 10.0)
    return np.minimum(edge, 10.0)[1:], (height / image.noise)[1:]


def full_scale(field: Array) -> int:
    """The grey value at which a field's camera saturates: its type's largest, or the 10, 12, 14 bits it uses."""
    top = int(np.iinfo(field.dtype).max)
    highest = int(field.max())
    if highest in _FULL_SCALES and np.count_nonzero(field == highest) >= 20:
        return highest
    return top


def shapes(labels: Array) -> tuple[Array, Array, Array, Array]:
    """Middle, area and eccentricity of every nucleus.

    Returns:
        x, y (n,) px (columns, rows; the first pixel's centre is 0), area (n,) px, eccentricity (n,) 0 = disc .. 1 =
        line.
    """
    count = int(labels.max()) + 1
    places = np.flatnonzero(labels)
    rows, columns = np.divmod(places, labels.shape[1])
    own = labels.ravel()[places]
    area = np.bincount(own, minlength=count).astype(float)
    n = np.maximum(area, 1)
    x, y = np.bincount(own, columns, minlength=count) / n, np.bincount(own, rows, minlength=count) / n
    u, v = columns - x[own], rows - y[own]
    xx, yy, xy = (np.bincount(own, w, minlength=count) / n for w in (u * u, v * v, u * v))
    root, middle = np.sqrt((xx - yy) ** 2 / 4 + xy**2), (xx + yy) / 2
    ratio = np.clip((middle - root) / np.maximum(middle + root, 1e-9), 0, 1)
    return x[1:], y[1:], area[1:], np.sqrt(1 - ratio)[1:]


def _rim(regions: Array) -> Array:
    """(H, W) bool: pixels of a nucleus beside background; where two nuclei touch there is no edge to judge."""
    rim = np.zeros(regions.shape, bool)
    rim[:-1] |= regions[1:] == 0
    rim[1:] |= regions[:-1] == 0
    rim[:, :-1] |= regions[:, 1:] == 0
    rim[:, 1:] |= regions[:, :-1] == 0
    alone: Array = rim & (regions > 0)
    return alone


def _self_weighted(flat: Array, values: Array, count: int) -> Array:
    """Mean of each region's values weighted by themselves: near the largest, but not one noisy pixel."""
    total = np.bincount(flat, values, minlength=count)
    return np.bincount(flat, values * values, minlength=count) / np.maximum(total, 1e-30)
