"""Resampling of images whose rows and columns stay apart: cut, mirrored, shifted, padded, resized.

Each output row is a weighted sum of a few input rows, then each output column of a few columns. Only elementwise
arithmetic and gathers, summed tap by tap: the same bits in any batch and on every device (a matrix product would be
neither), and the identity keeps every byte.

Along one axis, `Taps` says which input pixels each output pixel is a weighted sum of. An axis that does not shrink is
linear interpolation at one point, walked back through the steps: a cut-out piece repeats its edge, and what a step
pushed out fades over a pixel. An axis that shrinks takes every pixel under a triangle as wide as the reduction. Both
are what torch's antialiased `interpolate` does to a single crop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ssrl_core.compositions import Array
from ssrl_core.compositions.geometry import Placement
from ssrl_core.compositions.pixels import Pixels, send

_FAR = 1e9
_TINY = 1e-12


@dataclass(frozen=True)
class Stage:
    """A step along one axis; its bounds (n,) are taken back to the source.

    Attributes:
        window: what was cut out; ±inf where nothing was.
        frame: the frame outside which content is lost; ±inf where nothing is.
        pixel: source pixels that one pixel of the step's old frame spans.
        cuts, loses: whether there is a window, a frame, of any image.
    """

    window: tuple[Array, Array]
    frame: tuple[Array, Array]
    pixel: Array
    fill: float
    cuts: bool
    loses: bool


@dataclass(frozen=True)
class Axis:
    """Source place = scale · output place + offset, and the stages, the last step first.

    What is asked about all images together stands here, so that no device is asked (and a compiler finds no question).

    Attributes:
        shrinks: (n,) bool; reach: (n,) radius of the triangle of those, in source pixels.
        how: the weights that are needed: `near`, `wide` or `both`.
        taps: number of the wide ones.
        still: whether every pixel of every image stays where it is, with no stage that cuts something off.
    """

    scale: Array
    offset: Array
    stages: tuple[Stage, ...]
    old: int
    new: int
    shrinks: Array
    reach: Array
    how: str
    taps: int
    still: bool


@dataclass(frozen=True)
class Upright:
    """A chain whose rows and columns stay apart."""

    down: Axis
    across: Axis

    @classmethod
    def of(cls, chain: Sequence[Placement]) -> Upright:
        """The numbers of a chain that `geometry.upright` found."""
        return cls(axis_of(chain, 1), axis_of(chain, 0))


@dataclass(frozen=True)
class Taps:
    """Output i takes `weights[t]` of input `index[t]`, both (K, n, new).

    `seen` holds for each stage its fill and the share (n, new) of each output pixel that is seen before and after it.
    """

    index: Tensor
    weights: Tensor
    seen: tuple[tuple[float, Tensor, Tensor], ...]


def axis_of(chain: Sequence[Placement], axis: int) -> Axis:
    """The chain along x (axis 0) or y (axis 1)."""
    n = len(chain[0].lost)
    scale, offset = np.ones(n), np.zeros(n)
    stages = []
    for step in chain:
        window = _back(scale, offset, step.window[:, 2 * axis], step.window[:, 2 * axis + 1])
        side = float(step.old[1 - axis])
        frame = _back(scale, offset, np.where(step.lost, 0.0, -np.inf), np.where(step.lost, side, np.inf))
        cuts, loses = (bool(np.isfinite(bounds[0]).any()) for bounds in (window, frame))
        stages.append(Stage(window, frame, np.abs(scale), step.fill, cuts, loses))
        offset = scale * step.matrix[:, axis, 2] + offset
        scale = scale * step.matrix[:, axis, axis]
    old, new, shrinks, reach = chain[0].old[1 - axis], chain[-1].new[1 - axis], np.abs(scale) > 1, np.abs(scale)
    how = "near" if not shrinks.any() else "wide" if shrinks.all() else "both"
    reach = np.maximum(1.0, reach)
    count = int(np.ceil(2 * reach.max(initial=1.0) - 1e-9))
    still = old == new and bool(((scale == 1) & (offset == 0)).all()) and not _cut_off(stages, old)
    return Axis(scale, offset, tuple(reversed(stages)), old, new, shrinks, reach, how, count, still)


def _cut_off(stages: Sequence[Stage], old: int) -> bool:
    bounds = [b for stage in stages for b in (stage.window, stage.frame)]
    return any(bool((low > 0).any() or (high < old).any()) for low, high in bounds)


def _back(scale: Array, offset: Array, low: Array, high: Array) -> tuple[Array, Array]:
    one, other = scale * low + offset, scale * high + offset
    return np.minimum(one, other), np.maximum(one, other)


def taps(axis: Axis, device: torch.device) -> Taps:
    """The weights of one axis, in double precision on the device (single where it has no other).

    Each image has the kind of weights that its own reduction asks for; further taps of weight 0, which a neighbour in
    the batch may need, change no bit.
    """
    exact = torch.float32 if device.type == "mps" else torch.float64
    scale, offset = (send(v[:, None], device, exact) for v in (axis.scale, axis.offset))
    middle = (torch.arange(axis.new, device=device, dtype=exact) + 0.5)[None, :] * scale + offset
    if axis.how == "near":
        return _near(axis, middle)
    wide = _wide(axis, middle)
    if axis.how == "wide":
        return wide
    near, count = _near(axis, middle), axis.taps
    which = send(axis.shrinks[:, None], device, torch.bool)
    index = torch.where(which, wide.index, _lengthened(near.index, count))
    weights = torch.where(which, wide.weights, _lengthened(near.weights, count))
    seen = tuple(
        (fill, torch.where(which, a, c), torch.where(which, b, d))
        for (fill, a, b), (_, c, d) in zip(wide.seen, near.seen, strict=True)
    )
    return Taps(index, weights, seen)


def _lengthened(values: Tensor, count: int) -> Tensor:
    return torch.cat([values, values.new_zeros((count - len(values), *values.shape[1:]))])


def _near(axis: Axis, middle: Tensor) -> Taps:
    """Two taps at a point that each stage keeps within its window, half a pixel from the edge."""
    share = torch.ones_like(middle)
    seen = []
    for stage in axis.stages:
        if stage.cuts:
            low, high = _bounds(stage.window, middle)
            half = 0.5 * send(stage.pixel[:, None], middle.device, middle.dtype)
            middle = torch.minimum(torch.maximum(middle, low + half), high - half)
        before = share
        if stage.loses:
            low, high = _bounds(stage.frame, middle)
            pixel = send(stage.pixel[:, None], middle.device, middle.dtype)
            share = share * (torch.minimum(middle - low, high - middle) / pixel + 0.5).clamp_(0.0, 1.0)
        seen.append((stage.fill, before, share))
    first = torch.floor(middle - 0.5)
    second = (middle - 0.5) - first
    index = torch.stack([first, first + 1.0]).clamp_(0, axis.old - 1).to(torch.int64)
    weights = torch.stack([(1.0 - second) * share, second * share])
    return Taps(index, weights.to(torch.float32), tuple(seen))


def _wide(axis: Axis, middle: Tensor) -> Taps:
    """All taps under a triangle of radius `reach` (n,), cut off at each stage's window and frame.

    Source: the filter of `interpolate(mode="bilinear", antialias=True)`: clipped to the piece, then normalised.
    """
    reach = send(axis.reach[:, None], middle.device, middle.dtype)
    first = torch.floor(middle - reach - 0.5) + 1.0
    index = torch.stack([first + t for t in range(axis.taps)])
    weights = (1.0 - ((index + 0.5) - middle).abs() / reach).clamp_(min=0.0)
    weights /= _sum(weights)
    total = _sum(weights)
    seen = []
    for stage in axis.stages:
        if stage.cuts:
            weights, total = _within(index, weights, total, *_bounds(stage.window, index))
        before = total
        if stage.loses:
            weights = weights * _cover(index, *_bounds(stage.frame, index))
            total = _sum(weights)
        seen.append((stage.fill, before, total))
    whole = (index.new_zeros(1), index.new_full((1,), float(axis.old)))
    weights, _ = _within(index, weights, total, *whole)
    return Taps(index.clamp_(0, axis.old - 1).to(torch.int64), weights.to(torch.float32), tuple(seen))


def _within(index: Tensor, weights: Tensor, total: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Weights outside a window handed to those inside, their total kept."""
    inside = weights * _cover(index, low, high)
    kept = _sum(inside)
    return inside * (total / kept.clamp(min=_TINY)), torch.where(kept > _TINY, total, kept)


def _cover(index: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Share of each pixel (K, n, new) that lies in a span (n, 1)."""
    return (torch.minimum(index + 1.0, high) - torch.maximum(index, low)).clamp_(0.0, 1.0)


def _bounds(span: tuple[Array, Array], like: Tensor) -> tuple[Tensor, Tensor]:
    low, high = (send(v[:, None], like.device, like.dtype).clamp(-_FAR, _FAR) for v in span)
    return low, high


def _sum(weights: Tensor) -> Tensor:
    total = weights[0].clone()
    for weight in weights[1:]:  # one after the other: a library's sum may order them by their number
        total += weight
    return total


def resample(source: Pixels, rows: Tensor, chain: Sequence[Placement]) -> Tensor:
    """Render images that `geometry.upright` found.

    Args:
        source: images that are taken from.
        rows: (n,) int64 on the device of source: which of them each output takes.
        chain: placements of the n outputs, in the order of the steps.

    Returns:
        (n, C, h, w) float32 in the last frame.
    """
    return resample_apart(source, rows, Upright.of(chain))


def resample_apart(source: Pixels, rows: Tensor, chain: Upright) -> Tensor:
    """The same from the chain's numbers, which may lie on the device already."""
    down, across = chain.down, chain.across
    row_taps, column_taps = taps(down, source.device), taps(across, source.device)
    out = source.take(rows) if down.still else _rows(source, rows, row_taps)
    out = out if across.still else _columns(out, column_taps)
    for (fill, y0, y1), (_, x0, x1) in zip(row_taps.seen, column_taps.seen, strict=True):
        if fill:
            lost = y0[:, :, None] * x0[:, None, :] - y1[:, :, None] * x1[:, None, :]
            out += (lost * fill).to(torch.float32)[:, None]
    return out.clamp_(0.0, 1.0)


def _rows(source: Pixels, rows: Tensor, down: Taps) -> Tensor:
    channels, height, width = source.shape[1:]
    plane = rows[:, None] * channels + torch.arange(channels, device=rows.device)
    shape = (len(rows), channels, -1, width)

    def parts() -> Iterator[Tensor]:
        for index, weight in zip(down.index, down.weights, strict=True):
            line = (plane[:, :, None] * height + index[:, None, :]).reshape(-1)
            yield source.lines(line).view(shape).mul_(weight[:, None, :, None])

    return _added(parts())


def _columns(images: Tensor, across: Taps) -> Tensor:
    shape = (*images.shape[:3], across.index.shape[2])
    return _added(
        torch.gather(images, 3, index[:, None, None, :].expand(shape)).mul_(weight[:, None, None, :])
        for index, weight in zip(across.index, across.weights, strict=True)
    )


def _added(parts: Iterator[Tensor]) -> Tensor:
    out = next(parts)
    for part in parts:
        out += part
    return out
