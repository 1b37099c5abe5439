"""The sample set that ships: digits drawn by a pen, with the truth of every factor.

A hundred writers, each with own ways of writing, slant, pen, size and unsteadiness, write each digit ten times on a
sheet of 28 × 28 px. Because digit, writer, thickness, slant, size and place are known, one can check which of them a
composition keeps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.datasets.builtin import BuiltIn
from ssrl_core.datasets.creation import create_built_in
from ssrl_core.datasets.progress import Report, or_silent

Array = np.ndarray[Any, Any]

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


SIDE = 28
WRITERS = 100
SOFTNESS_PX = 1.25
THICKNESS_PX = (1.3, 4.2)
SLANT_DEG = (-25.0, 40.0)
SIZE_PX = (13.0, 21.5)
MARGIN_PX = 1.0
FREQUENCY = 3  # waves of unsteadiness along a stroke, at most


@dataclass(frozen=True)
class _Writers:
    """Habits, one row a writer."""

    slant_deg: Array
    thickness_px: Array
    size_px: Array
    width: Array
    shake: Array
    glyph: Array  # (W, len(GLYPHS)) how much each way of writing a digit is liked


def make(row: BuiltIn, report: Report | None = None) -> None:
    """Create `strokes` in the store (about three seconds)."""
    pixels, table = draw_strokes(row.count, seed=5, report=report)
    create_built_in(
        row,
        pixels,
        table,
        licence="Apache-2.0",
        citation="Drawn by Viewloom (ssrl_core/datasets/made/strokes.py)",
    )


def draw_strokes(count: int, *, seed: int, report: Report | None = None) -> tuple[Array, pd.DataFrame]:
    """Draw digits.

    Args:
        count: how many; digits and writers come equally often.
        seed: the same seed gives the same images.

    Returns:
        pixels (N, 1, 28, 28) uint8, ink 255 on 0, and the table: digit, writer, allograph, thickness_px (mean width of
        the pen), slant_deg (positive leans right), size (height of the path, px), x_px, y_px (centre of the path's box;
        the centre of the first pixel is 0).
    """
    rng = np.random.Generator(np.random.Philox(key=seed))
    place = _shuffled(count, rng)
    digit, writer = place % 10, place // 10 % WRITERS
    habits = _writers(rng)
    glyph = _chosen_glyphs(digit, writer, habits, rng)
    truth = _factors(writer, habits, rng)
    pixels = np.zeros((count, 1, SIDE, SIDE), np.uint8)
    habit_seeds = rng.integers(0, 2**63, size=len(GLYPHS))
    for done, form in enumerate(GLYPHS):
        or_silent(report)(done, len(GLYPHS), "drawing digits")
        ids = np.flatnonzero(glyph == done)
        if len(ids):
            pixels[ids, 0] = _drawn(form, done, ids, writer[ids], habits, truth, rng, int(habit_seeds[done]))
    or_silent(report)(len(GLYPHS), len(GLYPHS), "drawing digits")
    return pixels, _table(digit, writer, glyph, truth)


def _shuffled(count: int, rng: np.random.Generator) -> Array:
    return np.argsort(rng.random(count), kind="stable")


def _normal(rng: np.random.Generator, *shape: int) -> Array:
    """Standard normal from uniform numbers (Box-Muller), so that the stream does not depend on numpy's version."""
    u, v = rng.random(shape), rng.random(shape)
    result: Array = np.sqrt(-2 * np.log1p(-u)) * np.cos(2 * np.pi * v)
    return result


def _writers(rng: np.random.Generator) -> _Writers:
    share = np.array([glyph.share for glyph in GLYPHS])
    return _Writers(
        slant_deg=9 + 9 * _normal(rng, WRITERS),
        thickness_px=1.7 + 1.7 * rng.random(WRITERS),
        size_px=15.5 + 4.5 * rng.random(WRITERS),
        width=np.exp(0.13 * _normal(rng, WRITERS)),
        shake=0.014 + 0.022 * rng.random(WRITERS),
        glyph=np.log(share)
        - np.log(-np.log(rng.random((WRITERS, len(GLYPHS))))),  # Gumbel: the largest is drawn by share
    )


def _chosen_glyphs(digit: Array, writer: Array, habits: _Writers, rng: np.random.Generator) -> Array:
    """Each writer's favourite way, and now and then another."""
    liking = habits.glyph[writer] - 0.35 * np.log(-np.log(rng.random((len(digit), len(GLYPHS)))))
    liking[np.array([g.digit for g in GLYPHS])[None] != digit[:, None]] = -np.inf
    result: Array = np.argmax(liking, axis=1)
    return result


def _factors(writer: Array, habits: _Writers, rng: np.random.Generator) -> pd.DataFrame:
    """The truth of each image: what its writer does, with the day's variation."""
    n = len(writer)
    return pd.DataFrame(
        {
            "thickness_px": np.clip(habits.thickness_px[writer] * np.exp(0.14 * _normal(rng, n)), *THICKNESS_PX),
            "slant_deg": np.clip(habits.slant_deg[writer] + 5 * _normal(rng, n), *SLANT_DEG),
            "size": np.clip(habits.size_px[writer] + 1.0 * _normal(rng, n), *SIZE_PX),
            "x_px": (SIDE - 1) / 2 + 1.6 * _normal(rng, n),
            "y_px": (SIDE - 1) / 2 + 1.6 * _normal(rng, n),
        }
    )


def _drawn(
    form: Any,
    number: int,
    ids: Array,
    writer: Array,
    habits: _Writers,
    truth: pd.DataFrame,
    rng: np.random.Generator,
    habit: int,
) -> Array:
    """(n, 28, 28) uint8 of the images `ids`, which share a glyph; corrects `x_px`, `y_px` of those moved inwards."""
    path = path_of(form)
    samples = _handwritten(path, writer, habits, rng, habit)
    facts = truth.iloc[ids]
    samples = _placed(samples, facts, habits.width[writer])
    thickness = facts["thickness_px"].to_numpy()
    shift = _kept_on_sheet(samples, thickness)
    truth.loc[ids, "x_px"] += shift[:, 0]
    truth.loc[ids, "y_px"] += shift[:, 1]
    pressure = _pressure(path.along, len(ids), rng)
    shares = ink(samples + shift[:, None], path.starts, thickness[:, None] / 2 * pressure, SIDE, SOFTNESS_PX)
    result: Array = np.rint(shares * 255).astype(np.uint8)
    return result


def _handwritten(path: Any, writer: Array, habits: _Writers, rng: np.random.Generator, habit: int) -> Array:
    """(n, M, 2): the glyph as these writers form it, each time a little differently; box of height 1 around (0, 0)."""
    n, k = len(writer), len(path.points)
    own = np.random.Generator(np.random.Philox(key=habit))
    manner = 0.026 * _normal(own, WRITERS, k, 2)
    points = path.points + manner[writer] + habits.shake[writer, None, None] * _normal(rng, n, k, 2)
    stretched = points * np.exp(0.06 * _normal(rng, n, 1, 2))
    turned = _turned(stretched, np.deg2rad(2.5 * _normal(rng, n)))
    samples = np.einsum("mk,nkd->nmd", path.basis, turned) + _waves(path.along, n, rng, habits.shake[writer])
    low, high = samples.min(axis=1, keepdims=True), samples.max(axis=1, keepdims=True)
    result: Array = (samples - (low + high) / 2) / (high - low)[..., 1:]
    return result


def _waves(along: Array, n: int, rng: np.random.Generator, shake: Array) -> Array:
    """(n, M, 2): the slow tremble of a hand along each stroke."""
    out = np.zeros((n, len(along), 2))
    for wave in range(1, FREQUENCY + 1):
        phase = 2 * np.pi * rng.random((n, 1, 2))
        out += _normal(rng, n, 1, 2) * np.sin(2 * np.pi * wave * along[None, :, None] + phase) / wave
    return out * (0.45 * shake)[:, None, None]


def _turned(points: Array, angle: Array) -> Array:
    x, y = points[..., 0], points[..., 1]
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    return np.stack([c * x - s * y, s * x + c * y], axis=-1)


def _placed(samples: Array, facts: pd.DataFrame, width: Array) -> Array:
    """Paths on the sheet, px: sized, slanted, and their box centred at (x_px, y_px)."""
    size = facts["size"].to_numpy()[:, None]
    y = samples[..., 1] * size
    x = samples[..., 0] * size * width[:, None] - y * np.tan(np.deg2rad(facts["slant_deg"].to_numpy()))[:, None]
    x = x - (x.min(axis=1, keepdims=True) + x.max(axis=1, keepdims=True)) / 2
    return np.stack([x + facts["x_px"].to_numpy()[:, None], y + facts["y_px"].to_numpy()[:, None]], axis=-1)


def _kept_on_sheet(samples: Array, thickness: Array) -> Array:
    """(n, 2): how far to move each path so that its ink stays on the sheet (centred where it does not fit)."""
    edge = thickness[:, None] / 2 + MARGIN_PX - 0.5
    low, high = samples.min(axis=1) - edge, samples.max(axis=1) + edge
    room = SIDE - 1
    inward = np.maximum(-low, 0) - np.maximum(high - room, 0)
    result: Array = np.where(high - low > room, room / 2 - (low + high) / 2, inward)
    return result


def _pressure(along: Array, n: int, rng: np.random.Generator) -> Array:
    """(n, M): the pen's width along a stroke relative to its mean, which is 1: slow changes and lighter ends."""
    wave = np.sin(np.pi * along[None] * (1 + rng.random((n, 1))) + 2 * np.pi * rng.random((n, 1)))
    ends = np.minimum(1, 0.72 + 2.8 * np.minimum(along, 1 - along))
    pressure = ends[None] * (1 + 0.12 * wave)
    result: Array = pressure / pressure.mean(axis=1, keepdims=True)
    return result


def _table(digit: Array, writer: Array, glyph: Array, truth: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "source": [f"strokes#{i}" for i in range(len(digit))],
            "digit": digit.astype(str),
            "writer": [f"writer-{w + 1:03d}" for w in writer],
            "allograph": [GLYPHS[g].name for g in glyph],
            **{name: truth[name].round(4) for name in truth.columns},
        }
    )
