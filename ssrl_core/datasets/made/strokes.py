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

from ssrl_core.datasets.builtin import BuiltIn, source_of
from ssrl_core.datasets.creation import Metadata, create
from ssrl_core.datasets.made.pen import GLYPHS, ink, path_of
from ssrl_core.datasets.progress import Report, told

Array = np.ndarray[Any, Any]
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
    create(
        row.name,
        pixels,
        table,
        Metadata(
            title=row.title,
            classes=row.classes,
            label="digit",
            source=source_of(row.name),
            licence="Apache-2.0",
            citation="Drawn by Viewloom (ssrl_core/datasets/made/strokes.py)",
        ),
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
        told(report)(done, len(GLYPHS), "drawing digits")
        ids = np.flatnonzero(glyph == done)
        if len(ids):
            pixels[ids, 0] = _drawn(form, done, ids, writer[ids], habits, truth, rng, int(habit_seeds[done]))
    told(report)(len(GLYPHS), len(GLYPHS), "drawing digits")
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
