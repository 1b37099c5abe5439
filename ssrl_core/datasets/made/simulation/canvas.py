"""Cells drawn: the square around each and its outline, what each stain shows there, and pictures of many cells.

Stains are DNA, actin and tubulin, in photons per pixel before the microscope blurs them; a pixel of a picture is owned
by one cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ssrl_core.datasets.made.simulation.chance import Chance, Textures, sampled
from ssrl_core.datasets.made.simulation.population import HARMONICS, TEETH, Cells

Array = np.ndarray[Any, Any]

_ANGLES = 512


@dataclass(frozen=True)
class Patches:
    """B cells, each on its own P × P pixels of its picture (all float32, µm).

    Attributes:
        outline: (B, 512) how far the outline is from the middle of the body in each direction.
        top, left: (B,) first row and column in the picture; may lie outside.
    """

    cells: Cells
    outline: Array
    side: int
    pixel_um: float
    tiles: Textures
    top: Array
    left: Array

    @cached_property
    def x_um(self) -> Array:
        """(B, 1, P) from the middle of the nucleus."""
        return self._axis(self.left, self.cells.x_um)[:, None, :]

    @cached_property
    def y_um(self) -> Array:
        """(B, P, 1) from the middle of the nucleus."""
        return self._axis(self.top, self.cells.y_um)[:, :, None]

    @cached_property
    def rho(self) -> Array:
        """(B, P, P): 0 in the middle of the cell, 1 on its outline."""
        c = self.cells
        x, y = self.x_um - _col(c.heart_x_um), self.y_um - _col(c.heart_y_um)
        turn = np.arctan2(y, x) * np.float32(_ANGLES / (2 * np.pi)) + np.float32(_ANGLES)
        radius = np.take_along_axis(self.outline, (turn.astype(np.int32) & (_ANGLES - 1)).reshape(len(c), -1), axis=1)
        rough = sampled(self.tiles.coarse, self.x_um, self.y_um, c.texture[:, 0:2])
        uneven = 1 + _col(0.05 * (1 - c.traits["roundness"])) * rough
        body = np.sqrt(x * x + y * y) / radius.reshape(turn.shape) * uneven
        around_nucleus = np.sqrt(self.x_um**2 + self.y_um**2) / _col(1.15 * pieces_reach(c))
        result: Array = np.minimum(body, around_nucleus)  # no nucleus sticks out of its cell
        return result

    @cached_property
    def nucleus(self) -> tuple[Array, Array]:
        """Profile of the nucleus (B, P, P), 0 outside, about 1 inside, and where it is (bool)."""
        return _nuclear_profile(self)

    def turned(self, angle: Array) -> tuple[Array, Array]:
        """(B, P, P) coordinates along and across a direction of each cell."""
        c, s = _col(np.cos(angle)), _col(np.sin(angle))
        return self.x_um * c + self.y_um * s, self.y_um * c - self.x_um * s

    def take(self, rows: Array) -> Patches:
        """The patches of some of the cells."""
        return Patches(
            self.cells.take(rows),
            self.outline[rows],
            self.side,
            self.pixel_um,
            self.tiles,
            self.top[rows],
            self.left[rows],
        )

    def _axis(self, start: Array, middle_um: Array) -> Array:
        pixels = start[:, None] + np.arange(self.side)
        return (pixels * self.pixel_um - middle_um[:, None]).astype(np.float32)


def patches_of(cells: Cells, outline: Array, reach_um: float, pixel_um: float, tiles: Textures) -> Patches:
    """Patches that hold what lies up to `reach_um` from the middle of each nucleus."""
    half = int(np.ceil(reach_um / pixel_um)) + 1
    top = np.rint(cells.y_um / pixel_um).astype(np.int64) - half
    left = np.rint(cells.x_um / pixel_um).astype(np.int64) - half
    return Patches(cells, outline, 2 * half + 1, pixel_um, tiles, top, left)


def reach_of(cells: Cells, outline: Array) -> Array:
    """(n,) µm from the middle of each nucleus to the farthest that is drawn of the cell."""
    body = outline.max(axis=1) * (1 + 0.12 * (1 - cells.traits["roundness"])) + np.hypot(
        cells.heart_x_um, cells.heart_y_um
    )
    result: Array = np.maximum(body, 1.2 * pieces_reach(cells))
    return result


def pieces_reach(cells: Cells) -> Array:
    """(n,) µm from the middle of each nucleus to the farthest end of its pieces."""
    lobes = cells.lobes
    used = np.arange(lobes.x_um.shape[1]) < lobes.count[:, None]
    ends: Array = np.where(used, np.hypot(lobes.x_um, lobes.y_um) + lobes.long_um, 0).max(axis=1)
    return ends


def outline_of(cells: Cells) -> Array:
    """(B, _ANGLES) float32: how far the outline is in each direction."""
    theta = np.arange(_ANGLES) * (2 * np.pi / _ANGLES)
    ratio = cells.cell_ratio[:, None]
    own = theta - cells.cell_angle[:, None]
    oval = 1 / np.sqrt(ratio * np.cos(own) ** 2 + np.sin(own) ** 2 / ratio)
    waves = np.zeros_like(oval)
    for i, k in enumerate(HARMONICS):
        waves += cells.waves[:, i : i + 1] * np.cos(k * theta + cells.wave_phases[:, i : i + 1])
    teeth = sum(np.cos(k * theta + cells.tooth_phases[:, i : i + 1]) for i, k in enumerate(TEETH))
    ragged = cells.traits["ragged"][:, None] * teeth / np.sqrt(len(TEETH))
    result: Array = (cells.cell_radius_um[:, None] * oval * np.exp(waves + ragged)).astype(np.float32)
    return result


def _nuclear_profile(p: Patches) -> tuple[Array, Array]:
    """Pieces laid over each other: where they overlap it is a little brighter."""
    lobes, shape = p.cells.lobes, (len(p.cells), p.side, p.side)
    highest, total = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    inside = np.zeros(shape, bool)
    wobble = np.float32(0.055) * sampled(p.tiles.coarse, p.x_um * 0.8, p.y_um * 0.8, p.cells.texture[:, 2:4])
    for k in range(int(lobes.count.max(initial=0))):
        rows = np.flatnonzero(lobes.count > k)
        x = p.x_um[rows] - _col(lobes.x_um[rows, k])
        y = p.y_um[rows] - _col(lobes.y_um[rows, k])
        c, s = _col(np.cos(lobes.angle[rows, k])), _col(np.sin(lobes.angle[rows, k]))
        u = (x * c + y * s) / _col(lobes.long_um[rows, k])
        v = (y * c - x * s) / _col(lobes.short_um[rows, k])
        rho = np.sqrt(u * u + v * v) + wobble[rows]
        # A nucleus is a flat cushion: even, and falling off within about 1.3 µm of its edge.
        edge = np.clip((1 - rho) * _col(lobes.short_um[rows, k] / 1.3), 0, 1)
        height = _col(lobes.tone[rows, k]) * (edge * (2 - edge)) * (1 - np.float32(0.25) * np.minimum(rho * rho, 1))
        highest[rows] = np.maximum(highest[rows], height)
        total[rows] += height
        inside[rows] |= rho < 1
    return highest + np.float32(0.35) * (total - highest), inside


def _col(values: Array) -> Array:
    """(B,) as (B, 1, 1) float32."""
    return np.asarray(values, np.float32)[:, None, None]


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


_AT_ONCE = 48  # cells drawn at a time: their arrays stay in the processor's cache


@dataclass(frozen=True)
class Drawing:
    """Pictures before the microscope.

    Attributes:
        light: (S, 3, H, W) float32: DNA, actin, tubulin; an untreated cell has about 1 in its bright parts.
        nuclei: (S, H, W) int32: row of the cell in `cells` + 1 where its nucleus lies, else 0.
        area_um2, eccentricity: (n,) of each nucleus as it was drawn, whole, also where it leaves the picture.
    """

    light: Array
    nuclei: Array
    area_um2: Array
    eccentricity: Array


def draw(
    cells: Cells, scenes: int, shape: tuple[int, int], pixel_um: float, tiles: Textures, chance: Chance
) -> Drawing:
    """Draw cells into pictures.

    Args:
        cells: in any order; `cells.scene` says which picture each lies in.
        shape: (H, W) of each picture.
    """
    batches = _batches(cells, shape, pixel_um, tiles)
    edge, owner = _territories(cells, batches, scenes, shape)
    light = np.zeros((scenes, 3, *shape), np.float32)
    nuclei = np.zeros((scenes, *shape), np.int32)
    area, eccentricity = np.zeros(len(cells)), np.zeros(len(cells))
    for rows, p in batches:
        own_edge = _own_edges(p, rows, edge, owner)
        painted = np.stack([dna(p), actin(p, own_edge, chance), tubulin(p, own_edge, chance)], axis=1)
        _, inside = p.nucleus
        area[rows], eccentricity[rows] = _measured(inside, p)
        for i, row in enumerate(rows):
            here, there = _overlap(p, i, shape)
            light[(cells.scene[row], slice(None), *here)] += painted[(i, slice(None), *there)]
            label = nuclei[(cells.scene[row], *here)]
            label[inside[(i, *there)] & (label == 0)] = row + 1
    return Drawing(light, nuclei, area, eccentricity)


def _territories(
    cells: Cells, batches: list[tuple[Array, Patches]], scenes: int, shape: tuple[int, int]
) -> tuple[Array, Array]:
    """Each pixel belongs to the cell in whose outline it lies deepest.

    Returns:
        Distance to the border (S, H, W) in µm, 0 outside all cells; owner (S, H, W), row of the cell or -1.
    """
    best = np.full((scenes, *shape), np.inf, np.float32)
    second = np.full((scenes, *shape), np.inf, np.float32)
    owner = np.full((scenes, *shape), -1, np.int32)
    for rows, p in batches:
        rank = (1 - 0.3 * p.cells.traits["roundness"]).astype(np.float32)  # round cells lie on top of flat ones
        for i, row in enumerate(rows):
            here, there = _overlap(p, i, shape)
            place = (cells.scene[row], *here)
            rho = p.rho[(i, *there)]
            rho = np.where(rho < 1, rho * rank[i], np.inf)
            mine = rho < best[place]
            second[place] = np.minimum(second[place], np.where(mine, best[place], rho))
            owner[place][mine] = row
            best[place] = np.minimum(best[place], rho)
    radius = np.where(owner >= 0, cells.cell_radius_um[owner], 0).astype(np.float32)
    limit = np.where(owner >= 0, 1 - 0.3 * cells.traits["roundness"][owner], 1).astype(np.float32)
    inside = owner >= 0
    depth = np.where(inside, best, 0)
    edge = np.where(inside, np.minimum(limit - depth, second - depth), 0) * radius
    return np.maximum(edge, np.where(inside, np.float32(1e-3), 0)), owner


def _own_edges(p: Patches, rows: Array, edge: Array, owner: Array) -> Array:
    """(B, P, P): the distance to the border where the pixel is the cell's own, else 0."""
    out = np.zeros((len(rows), p.side, p.side), np.float32)
    for i, row in enumerate(rows):
        here, there = _overlap(p, i, edge.shape[1:])
        place = (p.cells.scene[i], *here)
        out[(i, *there)] = np.where(owner[place] == row, edge[place], 0)
    return out


def _batches(cells: Cells, shape: tuple[int, int], pixel_um: float, tiles: Textures) -> list[tuple[Array, Patches]]:
    """Cells of similar size together, so that no small one is drawn on a large patch."""
    outline = outline_of(cells)
    reach = reach_of(cells, outline)
    order = np.argsort(reach, kind="stable")
    order = order[_seen(cells, reach, shape, pixel_um)[order]]
    groups = [np.sort(order[start : start + _AT_ONCE]) for start in range(0, len(order), _AT_ONCE)]
    return [
        (rows, patches_of(cells.take(rows), outline[rows], float(reach[rows].max()), pixel_um, tiles))
        for rows in groups
    ]


def _seen(cells: Cells, reach: Array, shape: tuple[int, int], pixel_um: float) -> Array:
    """(n,) whether anything of the cell lies in its picture."""
    inside_x = (cells.x_um > -reach) & (cells.x_um < shape[1] * pixel_um + reach)
    return inside_x & (cells.y_um > -reach) & (cells.y_um < shape[0] * pixel_um + reach)


def _overlap(p: Patches, i: int, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where patch i lies in the picture, and that part of the patch; both empty if it lies outside."""
    spans = []
    for start, size in ((int(p.top[i]), shape[0]), (int(p.left[i]), shape[1])):
        low, high = max(0, start), max(0, min(size, start + p.side))
        low = min(low, high)
        spans.append((slice(low, high), slice(low - start, high - start) if high > low else slice(0, 0)))
    return (spans[0][0], spans[1][0]), (spans[0][1], spans[1][1])


def _measured(inside: Array, p: Patches) -> tuple[Array, Array]:
    """Area (µm²) and eccentricity (0 = disc, towards 1 = line) of masks, from their second moments."""
    n = np.maximum(inside.sum(axis=(1, 2)), 1)
    x, y = p.x_um[:, 0], p.y_um[:, :, 0]
    columns, rows = inside.sum(axis=1), inside.sum(axis=2)
    mx, my = (columns * x).sum(axis=1) / n, (rows * y).sum(axis=1) / n
    xx = (columns * x * x).sum(axis=1) / n - mx**2
    yy = (rows * y * y).sum(axis=1) / n - my**2
    xy = np.einsum("bij,bj,bi->b", inside, x, y) / n - mx * my
    root = np.sqrt(np.maximum((xx - yy) ** 2 / 4 + xy**2, 0))
    middle = (xx + yy) / 2
    ratio = np.clip((middle - root) / np.maximum(middle + root, 1e-9), 0, 1)
    return n * p.pixel_um**2, np.sqrt(1 - ratio)
