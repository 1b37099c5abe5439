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
    if shrink > 1:
        images = separable.resample(source, rows, [shrinking(len(rows), chain[0].old, shrink)])
    else:
        images = source.take(rows)
    x, y, seen, filled = _look_up(chain, points, source.device)
    shape = (len(rows), chain[-1].new[0] * points, chain[-1].new[1] * points)
    grid = torch.stack([x.expand(shape), y.expand(shape)], dim=-1)
    out = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    if seen is not None:
        out.mul_(seen[:, None])
    if filled is not None:
        out.add_(filled[:, None])
    return (F.avg_pool2d(out, points) if points > 1 else out).clamp_(0.0, 1.0)


@dataclass
class _Walk:
    """Coordinates on the way back, as an affine map of the last points that could not be folded into it.

    x is (n or 1, 1, w) and y (n or 1, h, 1) until something makes them (n, h, w).
    """

    x: Tensor
    y: Tensor
    matrix: Array

    def coordinate(self, axis: int, matrix: Array) -> Tensor:
        """x (axis 0) or y (axis 1) under a matrix, (n, h, w) or thinner."""
        row = matrix[:, axis]
        along, own = (self.x, self.y) if axis == 0 else (self.y, self.x)
        near, far = row[:, axis], row[:, 1 - axis]
        term = along * _column(near, along)
        if not far.any():
            return term + _column(row[:, 2], along)
        return term + (own * _column(far, own) + _column(row[:, 2], own))

    def settle(self, x: Tensor, y: Tensor) -> None:
        """Go on from these coordinates."""
        self.x, self.y = x, y
        self.matrix = np.tile(np.eye(2, 3), (len(self.matrix), 1, 1))


def _look_up(
    chain: Sequence[Placement], points: int, device: torch.device
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Where each output point lies in the source (-1..1, as grid_sample counts), its share that is seen, its fill."""
    n, (height, width) = len(chain[0].lost), chain[-1].new
    walk = _Walk(
        ((torch.arange(width * points, device=device) + 0.5) / points)[None, None, :],
        ((torch.arange(height * points, device=device) + 0.5) / points)[None, :, None],
        np.tile(np.eye(2, 3), (n, 1, 1)),
    )
    seen: Tensor | None = None
    filled: Tensor | None = None
    for step in reversed(chain):
        walk.matrix = geometry.after(step.matrix, walk.matrix)
        if step.cuts:  # not: if any of these images was cut; rounding must not depend on neighbours
            _stay_inside(walk, step.window)
        if not step.lost.any():
            continue
        share = _inside(walk, step)
        before = seen if seen is not None else 1.0
        seen = share * before
        if step.fill:
            gone = (before - seen) * step.fill
            filled = gone if filled is None else filled + gone
    matrix = walk.matrix * np.array([2 / chain[0].old[1], 2 / chain[0].old[0]])[None, :, None]
    matrix[:, :, 2] -= 1.0
    return walk.coordinate(0, matrix), walk.coordinate(1, matrix), seen, filled


def _stay_inside(walk: _Walk, window: Array) -> None:
    """Keep the points half a pixel within the piece that was cut out, so that its edge pixels are repeated."""
    bounds = [send(np.clip(v, -_FAR, _FAR)[:, None, None], walk.x.device) for v in window.T]
    x, y = walk.coordinate(0, walk.matrix), walk.coordinate(1, walk.matrix)
    x = torch.minimum(torch.maximum(x, bounds[0] + 0.5), bounds[1] - 0.5)
    y = torch.minimum(torch.maximum(y, bounds[2] + 0.5), bounds[3] - 0.5)
    walk.settle(x, y)


def _inside(walk: _Walk, step: Placement) -> Tensor:
    """Share (n, h, w) of each point that lies in the old frame: 1 inside, 0 outside, a ramp of one pixel between."""
    share: Tensor | None = None
    for axis in (0, 1):
        half = step.old[1 - axis] / 2
        matrix = walk.matrix.copy()
        matrix[:, :, 2] -= half
        distance = walk.coordinate(axis, matrix).abs_()
        reach = send(np.where(step.lost, half + 0.5, _FAR)[:, None, None], walk.x.device)
        part = (reach - distance).clamp_(0.0, 1.0)
        share = part if share is None else share * part
    assert share is not None
    return share


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
