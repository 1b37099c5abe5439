"""A run's layout as a small picture: the map without axes, for a card."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
GROUND = (11, 13, 16)
_TILE = 40


def thumbnail(points: Array, groups: Array, colours: list[str], *, width: int = 320, height: int = 200) -> Array:
    """Points as dots on a dark ground, each in its group's colour.

    Args:
        points: (n, 2) float; rows that are not finite are left out.
        groups: (n,) int, place in `colours`; below 0 is left out.
        colours: `#rrggbb` by group.

    Returns:
        (height, width, 3) uint8.
    """
    picture = np.full((height, width, 3), GROUND, np.uint8)
    keep = np.isfinite(points).all(1) & (groups >= 0)
    if not keep.any():
        return picture
    points, groups = points[keep].astype(np.float64), groups[keep]
    low, high = np.percentile(points, [0.5, 99.5], axis=0)
    scale = min((width - 16) / max(high[0] - low[0], 1e-9), (height - 16) / max(high[1] - low[1], 1e-9))
    middle = (low + high) / 2
    x = np.rint((points[:, 0] - middle[0]) * scale + width / 2).astype(int)
    y = np.rint(-(points[:, 1] - middle[1]) * scale + height / 2).astype(int)
    table = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours], np.uint8)
    rows = table[groups % len(table)]
    reach = range(3 if len(points) < 2000 else 2)
    for dy, dx in ((dy, dx) for dy in reach for dx in reach):
        inside = (x + dx >= 0) & (x + dx < width) & (y + dy >= 0) & (y + dy < height)
        picture[(y + dy)[inside], (x + dx)[inside]] = rows[inside]
    return picture


def samples(rgb: Array, *, width: int = 320, height: int = 200) -> Array:
    """Pictures as tiles that fill the same space, for a run that has no map yet.

    Args:
        rgb: (B, H, W, 3) uint8, at least one.

    Returns:
        (height, width, 3) uint8.
    """
    from PIL import Image

    picture = np.full((height, width, 3), GROUND, np.uint8)
    columns, rows = width // _TILE, height // _TILE
    side = _TILE - 2
    for place in range(min(columns * rows, len(rgb))):
        tile = np.asarray(Image.fromarray(rgb[place]).resize((side, side)))
        top, left = place // columns * _TILE + 1, place % columns * _TILE + 1
        picture[top : top + side, left : left + side] = tile
    return picture
