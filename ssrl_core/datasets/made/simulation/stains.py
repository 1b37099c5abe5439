"""What each stain shows in a cell: DNA, actin, tubulin, in photons per pixel before the microscope blurs them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ssrl_core.datasets.made.simulation.chance import Chance, sampled
from ssrl_core.datasets.made.simulation.patches import Patches, _col

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


def dna(p: Patches) -> Array:
    """(B, P, P): chromatin in the nuclear pieces, with grains and dark nucleoli."""
    profile, _ = p.nucleus
    c = p.cells
    grains = sampled(p.tiles.fine, p.x_um, p.y_um, c.texture[:, 4:6])
    patches = sampled(p.tiles.coarse, p.x_um * 2.2, p.y_um * 2.2, c.texture[:, 1:3])
    clumps = _col(c.traits["clumps"])
    texture = 1 + clumps * (np.float32(0.8) * grains + np.float32(0.7) * patches)
    nucleoli = np.clip((patches - np.float32(1.1)) * 1.5, 0, 1) * (clumps < 0.25)
    result: Array = profile * np.maximum(texture - np.float32(0.3) * nucleoli, 0.2) * _col(c.dna)
    return result


def actin(p: Patches, edge_um: Array, chance: Chance) -> Array:
    """(B, P, P): a haze as thick as the cell, its cortex, stress fibres and aggregates.

    Args:
        edge_um: (B, P, P) distance from the cell's border, 0 outside the cell.
    """
    c, traits = p.cells, p.cells.traits
    inside = edge_um > 0
    coarse = sampled(p.tiles.coarse, p.x_um, p.y_um, c.texture[:, 3:5])
    haze = np.float32(0.55) * _thickness(p, edge_um) * (1 + np.float32(0.18) * coarse)
    ruffle = np.clip(1 + np.float32(0.55) * coarse, 0.15, None)
    cortex = np.exp(-((edge_um - np.float32(0.7)) ** 2) / np.float32(0.9)) * ruffle
    along, across = p.turned(c.fibre_angle)
    bend = np.float32(0.02) * along * along / np.float32(10)
    streaks = sampled(p.tiles.fibres, along, across + bend, c.texture[:, 0:2])
    fibres = np.clip(streaks - np.float32(0.2), 0, None) * (1 - np.exp(-edge_um / 3))
    body = (
        haze + np.float32(0.65) * _col(traits["cortex"]) * cortex + np.float32(0.55) * _col(traits["fibres"]) * fibres
    )
    dots = spots(p, edge_um, traits["puncta"], chance)
    return (np.where(inside, body, 0) + dots) * _col(c.actin)


def tubulin(p: Patches, edge_um: Array, chance: Chance) -> Array:
    """(B, P, P): microtubules from beside the nucleus outwards, a haze of free tubulin, bundles."""
    c, traits = p.cells, p.cells.traits
    inside = edge_um > 0
    profile, _ = p.nucleus
    fine = sampled(p.tiles.fine, p.x_um, p.y_um, c.texture[:, 1:3])
    haze = _col(traits["tubulin_haze"]) * _thickness(p, edge_um) * (1 + np.float32(0.1) * fine)
    lines = microtubules(p, traits["filaments"], chance) + bundles(p, traits["bundles"], chance)
    lines = lines * np.clip(edge_um / np.float32(1.5), 0, 1)
    shade = 1 - _col(traits["hole"]) * np.minimum(profile, 1)
    result: Array = np.where(inside, haze + lines, 0) * shade * _col(c.tubulin)
    return result


def _thickness(p: Patches, edge_um: Array) -> Array:
    """A flat cell, thicker around its nucleus; about 1 at its thickest."""
    distance = np.sqrt(p.x_um**2 + p.y_um**2)
    mound = np.exp(-((distance / _col(1.7 * p.cells.nuclear_radius_um)) ** 2))
    round_ = _col(p.cells.traits["roundness"])
    flat = np.float32(0.3) + np.float32(0.45) * mound + np.float32(0.5) * round_
    result: Array = flat * (1 - np.exp(-edge_um / (np.float32(1.2) + np.float32(2.5) * round_)))
    return result
