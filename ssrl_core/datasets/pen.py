"""A pen on a small sheet: smooth paths through points, and the ink that a pen of given widths leaves along them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ssrl_core.datasets.skeletons import Glyph

Array = np.ndarray[Any, Any]
PIECES = 4  # straight pieces between two points of a curve
_BLOCK = 128  # images that stay in the processor's cache while they are inked


@dataclass(frozen=True)
class Path:
    """A glyph as matrices.

    Attributes:
        points: (K, 2) the points the curve goes through.
        basis: (M, K) samples of the curve = basis @ points (a Catmull-Rom spline, which is linear in its points).
        starts: (S,) samples where a piece of line with the pen down begins; it ends at the next sample.
        along: (M,) 0 at the start of its stroke, 1 at the end.
    """

    points: Array
    basis: Array
    starts: Array
    along: Array


def path_of(glyph: Glyph) -> Path:
    """The matrices of a glyph."""
    points: list[tuple[float, float]] = []
    rows: list[list[tuple[int, float]]] = []
    starts: list[int] = []
    along: list[float] = []
    for stroke in glyph.strokes:
        first = len(rows)
        own: dict[
            tuple[float, float], int
        ] = {}  # a point met again in a stroke's next part is a corner, not a new point
        for part in stroke:
            ids = []
            for i, point in enumerate(part):
                if i > 0 or point not in own:
                    own[point] = len(points)
                    points.append(point)
                ids.append(own[point])
            if len(rows) > first:
                rows.pop()  # the corner itself is sampled once
            rows += _spline(ids)
        starts += list(range(first, len(rows) - 1))
        along += list(np.linspace(0, 1, len(rows) - first))
    basis = np.zeros((len(rows), len(points)))
    for m, weights in enumerate(rows):
        for k, weight in weights:
            basis[m, k] += weight
    return Path(np.array(points), basis, np.array(starts), np.array(along))


def ink(samples: Array, starts: Array, radii: Array, side: int, softness: float) -> Array:
    """Draw paths.

    Args:
        samples: (B, M, 2) x, y in px; pixel (i, j) has its centre at x = j, y = i.
        starts: (S,) samples that are joined to their next one.
        radii: (B, M) half the pen's width at each sample, px.
        side: height and width of the sheet, px.
        softness: width of the edge from full ink to none, px.

    Returns:
        (B, side, side) float32 in 0..1: the share of ink, from each pixel's distance to the nearest piece of line.
    """
    out = np.empty((len(samples), side, side), np.float32)
    grid = np.arange(side, dtype=np.float32)
    for begin in range(0, len(samples), _BLOCK):
        block = slice(begin, begin + _BLOCK)
        p, r = samples[block].astype(np.float32), radii[block].astype(np.float32)
        depth = np.full((len(p), side, side), -np.inf, np.float32)
        for s in starts:
            np.maximum(depth, _inside(p[:, s], p[:, s + 1], r[:, s], r[:, s + 1], grid), out=depth)
        out[block] = np.clip(depth / np.float32(softness) + np.float32(0.5), 0, 1)
    return out


def _inside(a: Array, b: Array, ra: Array, rb: Array, grid: Array) -> Array:
    """(B, side, side): how deep each pixel lies in the ink of one piece of line (negative: outside), px."""
    ab = b - a
    length2 = np.maximum((ab * ab).sum(-1), np.float32(1e-6))
    dx = grid[None, None, :] - a[:, 0, None, None]
    dy = grid[None, :, None] - a[:, 1, None, None]
    t = dx * (ab[:, 0] / length2)[:, None, None] + dy * (ab[:, 1] / length2)[:, None, None]
    np.clip(t, 0, 1, out=t)
    dx = dx - t * ab[:, 0, None, None]
    dy = dy - t * ab[:, 1, None, None]
    distance = np.sqrt(dx * dx + dy * dy)
    t *= (rb - ra)[:, None, None]
    t += ra[:, None, None]
    t -= distance
    result: Array = t
    return result


def _spline(ids: list[int]) -> list[list[tuple[int, float]]]:
    """Rows of the basis: a Catmull-Rom curve through the points `ids`, PIECES samples from each to the next.

    Source: Catmull and Rom 1974; tension 1/2, the ends mirrored.
    """
    rows: list[list[tuple[int, float]]] = []
    for i in range(len(ids) - 1):
        before = [(ids[i - 1], 1.0)] if i > 0 else [(ids[i], 2.0), (ids[i + 1], -1.0)]
        after = [(ids[i + 2], 1.0)] if i + 2 < len(ids) else [(ids[i + 1], 2.0), (ids[i], -1.0)]
        for t in np.arange(PIECES) / PIECES:
            w = (
                (-t + 2 * t**2 - t**3) / 2,
                (2 - 5 * t**2 + 3 * t**3) / 2,
                (t + 4 * t**2 - 3 * t**3) / 2,
                (t**3 - t**2) / 2,
            )
            row = (
                [(k, f * w[0]) for k, f in before]
                + [(ids[i], w[1]), (ids[i + 1], w[2])]
                + [(k, f * w[3]) for k, f in after]
            )
            rows.append(row)
    rows.append([(ids[-1], 1.0)])
    return rows
