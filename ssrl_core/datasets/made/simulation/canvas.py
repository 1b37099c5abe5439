"""Cells put together to pictures: who owns which pixel, and the light of each stain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ssrl_core.datasets.made.simulation import stains
from ssrl_core.datasets.made.simulation.chance import Chance, Textures
from ssrl_core.datasets.made.simulation.patches import Patches, outline_of, patches_of, reach_of
from ssrl_core.datasets.made.simulation.population import Cells

Array = np.ndarray[Any, Any]
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
        painted = np.stack(
            [stains.dna(p), stains.actin(p, own_edge, chance), stains.tubulin(p, own_edge, chance)], axis=1
        )
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
