"""Thin things drawn as many points: microtubules, bundles of them, aggregates of actin."""

from __future__ import annotations

from typing import Any

import numpy as np

from ssrl_core.datasets.simulation.chance import Chance
from ssrl_core.datasets.simulation.patches import Patches

Array = np.ndarray[Any, Any]
_PER_CELL = 100
_BUNDLES = 18
_SPOTS = 110
_FIBRE = 0.55  # light of a microtubule per µm of its length


def microtubules(p: Patches, share: Array, chance: Chance) -> Array:
    """(B, P, P): lines that start around the nucleus and run outwards, bending a little.

    Args:
        share: (B,) how many there are; 1 = an untreated cell.
    """
    n = len(p.cells)
    ring = p.cells.nuclear_radius_um[:, None] * chance.uniform(0.1, 1.3, shape=(n, _PER_CELL))
    around = chance.uniform(0, 2 * np.pi, shape=(n, _PER_CELL))
    heading = around + 1.0 * chance.normal(n, _PER_CELL)
    length = p.cells.cell_radius_um[:, None] * chance.uniform(0.4, 1.5, shape=(n, _PER_CELL))
    bend = 0.1 * chance.normal(n, _PER_CELL)  # radians per µm
    light = np.where(np.arange(_PER_CELL) < _PER_CELL * share[:, None], _FIBRE, 0.0)
    return _drawn(p, ring * np.cos(around), ring * np.sin(around), heading, bend, length, light)


def bundles(p: Patches, count: Array, chance: Chance) -> Array:
    """(B, P, P): a few thick curved bundles that lie around the nucleus."""
    rows = np.flatnonzero(count >= 0.5)
    out = np.zeros((len(p.cells), p.side, p.side), np.float32)
    if not len(rows):
        return out
    part = p.take(rows)
    n = len(rows)
    reach = part.cells.cell_radius_um[:, None] * chance.uniform(0.35, 0.85, shape=(n, _BUNDLES))
    around = chance.uniform(0, 2 * np.pi, shape=(n, _BUNDLES))
    heading = (
        around
        + np.pi / 2 * np.where(chance.uniform(shape=(n, _BUNDLES)) < 0.5, -1, 1)
        + 0.35 * chance.normal(n, _BUNDLES)
    )
    length = part.cells.cell_radius_um[:, None] * chance.uniform(0.5, 1.3, shape=(n, _BUNDLES))
    bend = 0.08 * chance.normal(n, _BUNDLES)
    light = np.where(np.arange(_BUNDLES) < count[rows, None], 2.8 * _FIBRE, 0.0) * chance.factor(0.4, (n, _BUNDLES))
    for side in (-0.3, 0.3):  # µm: a bundle is a few filaments wide
        x = reach * np.cos(around) + side * np.sin(heading)
        y = reach * np.sin(around) - side * np.cos(heading)
        out[rows] += _drawn(part, x, y, heading, bend, length, light)
    return out


def spots(p: Patches, edge_um: Array, count: Array, chance: Chance) -> Array:
    """(B, P, P): small bright dots inside the cell, more of them near its border.

    Args:
        edge_um: (B, P, P) distance from the border, 0 outside.
        count: (B,) how many.
    """
    n = len(p.cells)
    reach = p.cells.cell_radius_um[:, None] * np.sqrt(chance.uniform(0.02, 1.0, shape=(n, _SPOTS)))
    around = chance.uniform(0, 2 * np.pi, shape=(n, _SPOTS))
    light = np.where(np.arange(_SPOTS) < count[:, None], 0.55, 0.0) * chance.factor(0.9, (n, _SPOTS))
    x, y = reach * np.cos(around), reach * np.sin(around)
    long = 0.5 * chance.normal(n, _SPOTS)  # µm: aggregates are drawn out, not round
    x, y = np.concatenate([x, x + long], axis=1), np.concatenate([y, y + 0.5 * chance.normal(n, _SPOTS)], axis=1)
    return np.where(edge_um > 0, _splatted(p, x, y, np.concatenate([light, light], axis=1)), 0)


def _drawn(p: Patches, x: Array, y: Array, heading: Array, bend: Array, length: Array, light: Array) -> Array:
    """Curves (B, F) followed in steps of about a pixel; `light` is per µm."""
    step = max(0.9 * p.pixel_um, 0.3)
    steps = int(np.ceil(length.max(initial=step) / step))
    along = step * np.arange(steps, dtype=np.float32)
    wander = np.sin(along / np.float32(3.5) + np.float32(60) * bend[..., None].astype(np.float32))
    turn = heading[..., None].astype(np.float32) + bend[..., None].astype(np.float32) * along + np.float32(0.3) * wander
    xs = x[..., None] + step * np.cumsum(np.cos(turn), axis=-1)
    ys = y[..., None] + step * np.cumsum(np.sin(turn), axis=-1)
    weight = np.where(along < length[..., None], light[..., None] * step, 0)
    n = len(p.cells)
    return _splatted(p, xs.reshape(n, -1), ys.reshape(n, -1), weight.reshape(n, -1))


def _splatted(p: Patches, x_um: Array, y_um: Array, light: Array) -> Array:
    """Points (B, K) shared out to the four pixels around each; light per area, so that pixel size does not matter."""
    cell, point = np.nonzero(light > 0)
    column = ((x_um + p.cells.x_um[:, None]) / p.pixel_um - p.left[:, None])[cell, point]
    row = ((y_um + p.cells.y_um[:, None]) / p.pixel_um - p.top[:, None])[cell, point]
    kept = (column >= 0) & (row >= 0) & (column < p.side - 1) & (row < p.side - 1)
    cell, column, row, weight = cell[kept], column[kept], row[kept], light[cell, point][kept] / p.pixel_um**2
    left, top = column.astype(np.int64), row.astype(np.int64)
    fx, fy = column - left, row - top
    start = (cell * p.side + top) * p.side + left
    upper, lower = weight * (1 - fy), weight * fy
    size = len(p.cells) * p.side * p.side
    out = np.bincount(start, upper * (1 - fx), minlength=size)
    out += np.bincount(start + 1, upper * fx, minlength=size)
    out += np.bincount(start + p.side, lower * (1 - fx), minlength=size)
    out += np.bincount(start + p.side + 1, lower * fx, minlength=size)
    return out.reshape(len(p.cells), p.side, p.side).astype(np.float32)
