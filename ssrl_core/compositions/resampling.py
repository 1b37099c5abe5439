"""One run of consecutive geometric steps, rendered with one resampling.

Images that turn or slant take one bilinear look-up through the whole chain of placements; all others are copied, or
have their rows and columns resampled apart (`separable`). The chain is walked backwards on coordinates. A frame that a
step pushed content out of fades to its fill over one pixel, as bilinear interpolation against the fill does step by
step; a cut-out piece repeats its edge. Where the chain shrinks, several points are looked up for each pixel and
averaged.

Source: `grid_sample(align_corners=False)`, whose zero padding is the same as repeating the edge times that fade.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ssrl_core.compositions import Array, geometry, separable
from ssrl_core.compositions.geometry import Placement
from ssrl_core.compositions.pixels import Pixels, send

_FAR = 1e9
_SHRINK_FROM = 4.0
_TOLERATED = 1.25


def resample_turned(source: Pixels, rows: Tensor, chain: Sequence[Placement]) -> Tensor:
    """Render images through any chain of placements.

    Args, returns: as `separable.resample`.
    """
    shape = (len(rows), source.shape[1], *chain[-1].new)
    groups = list(_alike(geometry.whole(chain)))
    if len(groups) == 1:
        return _render(source, rows, chain, *groups[0][1])
    out = torch.empty(shape, device=source.device)
    for members, (shrink, points) in groups:
        some = send(members, source.device, torch.int64)
        part = _render(source, rows[some], [step.take(members) for step in chain], shrink, points)
        out.index_copy_(0, some, part)
    return out


def _reduction(matrix: Array) -> Array:
    """(n,) largest number of source pixels that one output pixel spans along any direction (a singular value)."""
    a, b, c, d = matrix[:, 0, 0], matrix[:, 0, 1], matrix[:, 1, 0], matrix[:, 1, 1]
    total, determinant = a * a + b * b + c * c + d * d, a * d - b * c
    largest: Array = np.sqrt((total + np.sqrt(np.maximum(total * total - 4 * determinant * determinant, 0.0))) / 2)
    return largest


def density(matrix: Array) -> tuple[Array, Array]:
    """How much the source is shrunk first (n,), and how many points a side are averaged for each pixel (n,)."""
    reduction = _reduction(matrix)
    shrink = np.where(reduction > _SHRINK_FROM, np.floor(reduction / 2), 1).astype(int)
    points = np.maximum(1, np.ceil(reduction / shrink - (_TOLERATED - 1))).astype(int)
    return shrink, points


def _alike(matrix: Array) -> Iterator[tuple[Array, tuple[int, int]]]:
    """Images that are treated alike, with the two numbers of `density`."""
    shrink, points = density(matrix)
    for pair in sorted(set(zip(shrink.tolist(), points.tolist(), strict=True))):
        yield np.flatnonzero((shrink == pair[0]) & (points == pair[1])), pair


def shrinking(count: int, frame: geometry.Frame, shrink: int) -> Placement:
    """The resize to a frame that is so many times smaller, which goes before a look-up."""
    height, width = frame
    return geometry.resize(count, frame, (-(-height // shrink), -(-width // shrink)))


def _render(source: Pixels, rows: Tensor, chain: Sequence[Placement], shrink: int, points: int) -> Tensor:
    return look_up(source, rows, Turn.of(chain, shrink, points))


@dataclass(frozen=True)
class Line:
    """A coordinate of each image as near · its own axis + far · the other axis + off; far is None where it is 0."""

    near: Array
    far: Array | None
    off: Array

    @classmethod
    def of(cls, matrix: Array, axis: int) -> Line:
        """x (axis 0) or y (axis 1) under a matrix (n, 2, 3)."""
        row = matrix[:, axis]
        far = row[:, 1 - axis]
        return cls(row[:, axis], far if far.any() else None, row[:, 2])


@dataclass(frozen=True)
class Leg:
    """A stop on the way back through a chain, at the old frame of one step.

    Attributes:
        x, y: where the points lie there; counted from the frame's middle where something may be lost.
        window: (n, 4) that the points are kept in, from where they go on; None where points may be lost instead.
        reach: x and y (n,) from the middle to where nothing is left; None with a window.
    """

    x: Line
    y: Line
    window: Array | None
    reach: tuple[Array, Array] | None
    fill: float


@dataclass(frozen=True)
class Turn:
    """Numbers of a chain of any placements, last step first; `small` is the resize that goes before."""

    legs: tuple[Leg, ...]
    x: Line
    y: Line
    new: geometry.Frame
    points: int
    small: separable.Upright | None

    @classmethod
    def of(cls, chain: Sequence[Placement], shrink: int, points: int) -> Turn:
        """For images that `density` treats alike."""
        n, legs = len(chain[0].lost), []
        matrix = np.tile(np.eye(2, 3), (n, 1, 1))
        for step in reversed(chain):
            matrix = geometry.after(step.matrix, matrix)
            if step.cuts:  # not: if any of these images was cut; rounding must not depend on neighbours
                window = np.clip(step.window, -_FAR, _FAR)
                legs.append(Leg(Line.of(matrix, 0), Line.of(matrix, 1), window, None, 0.0))
                matrix = np.tile(np.eye(2, 3), (n, 1, 1))
            if step.lost.any():
                half = np.array([step.old[1], step.old[0]]) / 2
                middle = matrix.copy()
                middle[:, :, 2] -= half
                width, height = (np.where(step.lost, side + 0.5, _FAR) for side in half)
                legs.append(Leg(Line.of(middle, 0), Line.of(middle, 1), None, (width, height), step.fill))
        matrix = matrix * np.array([2 / chain[0].old[1], 2 / chain[0].old[0]])[None, :, None]
        matrix[:, :, 2] -= 1.0
        small = separable.Upright.of([shrinking(n, chain[0].old, shrink)]) if shrink > 1 else None
        return cls(tuple(legs), Line.of(matrix, 0), Line.of(matrix, 1), chain[-1].new, points, small)


def look_up(source: Pixels, rows: Tensor, turn: Turn) -> Tensor:
    """Render from a chain's numbers, which may lie on the device already."""
    images = source.take(rows) if turn.small is None else separable.resample_apart(source, rows, turn.small)
    points = turn.points
    x, y, seen, filled = _places(turn, source.device)
    shape = (len(rows), turn.new[0] * points, turn.new[1] * points)
    grid = torch.stack([x.expand(shape), y.expand(shape)], dim=-1)
    out = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    if seen is not None:
        out.mul_(seen[:, None])
    if filled is not None:
        out.add_(filled[:, None])
    return (F.avg_pool2d(out, points) if points > 1 else out).clamp_(0.0, 1.0)


def _places(turn: Turn, device: torch.device) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Where each output point lies in the source (-1..1, as grid_sample counts), its share that is seen, its fill.

    x is (n or 1, 1, w) and y (n or 1, h, 1) until something makes them (n, h, w).
    """
    height, width, points = *turn.new, turn.points
    x = ((torch.arange(width * points, device=device) + 0.5) / points)[None, None, :]
    y = ((torch.arange(height * points, device=device) + 0.5) / points)[None, :, None]
    seen: Tensor | None = None
    filled: Tensor | None = None
    for leg in turn.legs:
        if leg.window is not None:
            x, y = _kept_inside(_along(leg.x, x, y), _along(leg.y, y, x), leg.window)
            continue
        share = _inside(leg, x, y)
        before = seen if seen is not None else 1.0
        seen = share * before
        if leg.fill:
            gone = (before - seen) * leg.fill
            filled = gone if filled is None else filled + gone
    return _along(turn.x, x, y), _along(turn.y, y, x), seen, filled


def _along(line: Line, along: Tensor, other: Tensor) -> Tensor:
    """A coordinate, (n, h, w) or thinner."""
    term = along * _column(line.near, along)
    if line.far is None:
        return term + _column(line.off, along)
    return term + (other * _column(line.far, other) + _column(line.off, other))


def _kept_inside(x: Tensor, y: Tensor, window: Array) -> tuple[Tensor, Tensor]:
    """The points half a pixel within the piece (n, 4) that was cut out, so that its edge pixels are repeated."""
    left, right, top, bottom = (_column(window[:, side], x) for side in range(4))
    x = torch.minimum(torch.maximum(x, left + 0.5), right - 0.5)
    return x, torch.minimum(torch.maximum(y, top + 0.5), bottom - 0.5)


def _inside(leg: Leg, x: Tensor, y: Tensor) -> Tensor:
    """Share (n, h, w) of each point that lies in the old frame: 1 inside, 0 outside, a ramp of one pixel between."""
    assert leg.reach is not None
    width, height = (_column(reach, x) for reach in leg.reach)
    across = (width - _along(leg.x, x, y).abs_()).clamp_(0.0, 1.0)
    return across * (height - _along(leg.y, y, x).abs_()).clamp_(0.0, 1.0)


def _column(values: Array, like: Tensor) -> Tensor:
    return send(values[:, None, None], like.device)


def render(source: Pixels, rows: Tensor, chain: Sequence[Placement]) -> Tensor:
    """The images after all placements of a chain.

    Each image takes the cheapest way that is exact for it, whatever its neighbours in the batch need: a copy, rows and
    columns apart, or a look-up point by point.

    Args:
        source: images that are taken from.
        rows: (n,) int64 on the device of source.
        chain: placements of the n outputs, in the order of the steps; not empty.

    Returns:
        (n, C, h, w) float32 in 0..1.
    """
    same = geometry.untouched(chain)
    upright = geometry.upright(chain) & ~same
    ways = ((same, _copied), (upright, separable.resample), (~(same | upright), resample_turned))
    out: Tensor | None = None
    for mask, way in ways:
        if mask.all():
            return way(source, rows, chain)
        if mask.any():
            members = np.flatnonzero(mask)
            some = send(members, source.device, torch.int64)
            part = way(source, rows.index_select(0, some), [step.take(members) for step in chain])
            out = torch.empty((len(rows), *part.shape[1:]), device=source.device) if out is None else out
            out.index_copy_(0, some, part)
    return source.take(rows) if out is None else out


def _copied(source: Pixels, rows: Tensor, chain: Sequence[Placement]) -> Tensor:
    return source.take(rows)
