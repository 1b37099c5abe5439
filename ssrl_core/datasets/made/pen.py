"""A pen on a small sheet: smooth paths through points, and the ink that a pen of given widths leaves along them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Point = tuple[float, float]


@dataclass(frozen=True)
class Glyph:
    """One way of writing a digit.

    Attributes:
        share: how many of the writers prefer it, relative to the digit's other glyphs.
        pen: where the pen goes: points `x,y` of a smooth curve, in hundredths of the digit's height (x to the right,
            y down); `/` is a corner at the point before it, `|` lifts the pen.
    """

    digit: int
    name: str
    share: float
    pen: str

    @property
    def strokes(self) -> tuple[tuple[tuple[Point, ...], ...], ...]:
        """Strokes of parts of points, in heights of the digit; a part begins where the one before it ends."""
        return tuple(_stroke(text) for text in self.pen.split("|"))


def _stroke(text: str) -> tuple[tuple[Point, ...], ...]:
    parts: list[tuple[Point, ...]] = []
    for part in text.split("/"):
        numbers = [word.split(",") for word in part.split()]
        points = tuple((int(x) / 100, int(y) / 100) for x, y in numbers)
        parts.append((parts[-1][-1], *points) if parts else points)
    return tuple(parts)


GLYPHS: tuple[Glyph, ...] = (
    Glyph(0, "oval", 0.6, "36,0 13,13 0,48 9,85 31,100 54,85 63,48 53,12 33,1"),
    Glyph(0, "looped", 0.4, "46,10 32,0 10,16 0,52 10,88 30,100 50,84 57,46 46,12 30,6 20,13"),
    Glyph(1, "bar", 0.55, "32,0 31,33 30,66 30,100"),
    Glyph(1, "flag", 0.3, "10,24 22,14 36,0 / 36,33 35,66 35,100"),
    Glyph(1, "serif", 0.15, "14,22 26,13 36,0 / 36,50 35,100 | 10,99 34,100 62,98"),
    Glyph(2, "plain", 0.55, "3,22 14,5 34,0 53,11 53,33 37,60 18,82 0,99 / 30,97 62,98"),
    Glyph(2, "looped", 0.45, "6,18 20,2 42,2 55,18 48,44 27,74 8,97 0,88 10,78 30,88 48,98 68,92"),
    Glyph(3, "round", 0.75, "3,12 22,0 45,5 50,23 38,40 20,46 / 44,53 56,73 43,94 20,100 0,89"),
    Glyph(3, "flat-top", 0.25, "4,3 28,1 53,0 / 38,20 22,40 / 45,46 56,69 44,93 20,100 0,92"),
    Glyph(4, "open", 0.5, "12,2 6,28 2,55 / 30,56 60,51 | 52,0 50,34 47,68 45,100"),
    Glyph(4, "closed", 0.25, "45,0 24,32 0,64 / 30,64 64,62 | 45,0 45,34 44,67 43,100"),
    Glyph(4, "cup", 0.25, "6,6 1,28 8,48 27,51 45,38 53,20 | 55,0 52,30 49,65 46,100"),
    Glyph(5, "two strokes", 0.6, "13,2 10,20 7,42 / 28,36 50,48 54,73 38,95 18,100 0,92 | 13,2 34,2 60,0"),
    Glyph(5, "flowing", 0.4, "60,0 38,1 18,5 10,22 15,38 35,45 52,60 50,83 30,98 10,98 0,90"),
    Glyph(6, "curved", 0.65, "46,0 23,15 6,42 0,72 10,95 30,100 47,86 46,65 30,54 12,61 3,76"),
    Glyph(6, "straight", 0.35, "28,0 15,25 5,52 2,80 15,98 38,98 50,80 41,62 22,61 8,74"),
    Glyph(7, "plain", 0.55, "0,5 30,3 58,1 / 44,32 30,66 20,100"),
    Glyph(7, "crossed", 0.25, "2,5 30,2 58,0 / 42,34 30,67 20,100 | 12,51 32,50 54,47"),
    Glyph(7, "hooked", 0.2, "2,20 4,3 / 32,5 60,1 / 47,30 38,62 33,100"),
    Glyph(8, "one line", 0.7, "47,13 30,0 10,8 8,27 26,45 46,63 49,86 29,100 7,89 7,68 26,48 45,29 48,10"),
    Glyph(8, "two rings", 0.3, "27,44 10,35 10,11 28,0 45,10 44,34 27,44 | 27,44 6,57 3,84 26,100 50,86 49,58 27,44"),
    Glyph(9, "straight tail", 0.55, "49,16 33,0 11,8 2,28 14,46 34,42 50,18 / 49,45 45,72 42,100"),
    Glyph(9, "curved tail", 0.45, "50,14 32,0 10,8 3,30 17,47 38,40 52,12 / 55,42 49,74 33,96 12,100"),
)


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
