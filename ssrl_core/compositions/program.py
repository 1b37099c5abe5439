"""A plan compiled for the CPU: a few kernels, each one pass over an image that stays in the cache.

The torch way (`views.carry_out`) is the definition; this is the same plan with the parameters of all views laid out in
arrays once, and loops that need no copy for each operation. A change whose transform has no kernel takes its torch
function.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ssrl_core.compositions import colour, geometry, warp
from ssrl_core.compositions.geometry import Frame, Placement
from ssrl_core.compositions.laws import Array
from ssrl_core.compositions.pixels import Pixels
from ssrl_core.compositions.plan import Bound, Plan, Run
from ssrl_core.compositions.taps import axis_of

_KEPT = 1 << 22
_FAR = 1e9

Change = Callable[[Array, int], None]
"""Changes (n, C, H, W) float32 in place; the second argument is the number of the first of them among all members."""


@dataclass(frozen=True)
class Move:
    """A run of geometric steps for all N members.

    Attributes:
        same, upright: (N,) bool: left as they are; rows and columns apart.
        points: (N,) points a side averaged by a look-up; 0 where there is none.
        shrunk: numbers of members that shrink so far that the torch way resizes them first.
        lines, stages: see `kernels.upright`.
        matrices, windows, lost, steps: see `kernels.turning`.
    """

    chain: Sequence[Placement]
    end: Frame
    same: Array
    upright: Array
    points: Array
    shrunk: Array
    lines: Array
    stages: Array
    matrices: Array
    windows: Array
    lost: Array
    steps: Array

    def __call__(self, source: Array, out: Array, first: int) -> None:
        """Render (n, C, H, W) into (n, C, h, w)."""
        span = slice(first, first + len(source))
        still = np.flatnonzero(self.same[span])
        if len(still):
            out[still] = source[still]
        if self.upright[span].any():
            from ssrl_core.compositions.kernels import upright

            room = upright.room(source.shape[1], self.lines[:, span], self.stages, source.shape[2:], out.shape[2:])
            upright.resample(source, out, first, self.upright, self.lines, self.stages, room)
        if self.points[span].any():
            from ssrl_core.compositions.kernels import turning

            turning.resample(source, out, first, self.points, self.matrices, self.windows, self.lost, self.steps)
        far = self.shrunk[(self.shrunk >= span.start) & (self.shrunk < span.stop)]
        if len(far):
            rows = torch.from_numpy(far - first)
            part = warp.resample(Pixels(torch.from_numpy(source)), rows, [step.take(far) for step in self.chain])
            out[far - first] = part.numpy()


@dataclass(frozen=True)
class Program:
    """Moves and changes in order; the first of them takes loaded images."""

    passes: tuple[Move | Change, ...]
    start: Frame

    @property
    def end(self) -> Frame:
        """The frame of what comes out."""
        ends = [step.end for step in self.passes if isinstance(step, Move)]
        return ends[-1] if ends else self.start

    def run(self, source: Pixels, rows: Array, span: range, out: Array) -> None:
        """Make some of the members.

        Args:
            rows: (N,) the image of each member.
            span: which members.
            out: (n, C, h, w) float32, contiguous.
        """
        last = max((i for i, step in enumerate(self.passes) if isinstance(step, Move)), default=-1)
        channels = source.shape[1]
        images = out if last < 0 else _space(0, (len(span), channels, *self.start))
        _load(source, rows[span.start : span.stop], images)
        turn = 0
        for number, step in enumerate(self.passes):
            if isinstance(step, Move):
                turn = 1 - turn  # never the space that is read from
                target = out if number == last else _space(turn, (len(span), channels, *step.end))
                step(images, target, span.start)
                images = target
            else:
                step(images, span.start)


def build(plan: Plan, members: Array, start: Frame) -> Program:
    """The plan for some members of a group (numbers among all its V·B)."""
    passes = [_move(stage, members) if isinstance(stage, Run) else _change(stage, members) for stage in plan.stages]
    return Program(tuple(passes), start)


def _move(run: Run, members: Array) -> Move:
    chain = run.chain(members)
    same = geometry.untouched(chain)
    upright = geometry.upright(chain) & ~same
    turned = ~(same | upright)
    shrink, points = warp.density(geometry.whole(chain))
    lines, stages = _axes(chain)
    return Move(
        chain,
        run.end,
        same,
        upright,
        np.where(turned & (shrink == 1), points, 0),
        np.flatnonzero(turned & (shrink > 1)),
        lines,
        stages,
        np.ascontiguousarray(np.stack([step.matrix for step in chain])),
        np.ascontiguousarray(np.stack([step.window for step in chain])),
        np.ascontiguousarray(np.stack([step.lost for step in chain])),
        np.array([[*step.old, step.fill] for step in chain], np.float64),
    )


def _axes(chain: Sequence[Placement]) -> tuple[Array, Array]:
    """The numbers of `kernels.upright`: for y, then x; without meaning for members that turn."""
    with np.errstate(invalid="ignore"):  # no bound (±inf) under a quarter turn, which has no scale along the axis
        axes = [axis_of(chain, 1), axis_of(chain, 0)]
    lines = np.stack([np.stack([axis.scale, axis.offset], -1) for axis in axes])
    n = len(chain[0].lost)
    stages = np.stack(
        [
            np.stack([np.stack([*s.window, *s.frame, s.pixel, np.full(n, s.fill)], -1) for s in axis.stages])
            for axis in axes
        ]
    )
    return np.ascontiguousarray(lines), np.ascontiguousarray(np.clip(stages, -_FAR, _FAR))


def _change(bound: Bound, members: Array) -> Change:
    values = bound.at(members)
    applied = np.array(bound.applied[members])
    make = getattr(bound.module, "compiled", None)
    change: Change | None = make(bound.step, values, applied) if make else None
    return change or _with_torch(bound, values, applied)


def _with_torch(bound: Bound, values: dict[str, Array], applied: Array) -> Change:
    def change(images: Array, first: int) -> None:
        span = slice(first, first + len(images))
        some = {name: value[span] for name, value in values.items()}
        tensor = torch.from_numpy(images)

        def apply(part: Any, chosen: Any) -> Any:
            return bound.module.apply(part, bound.step, {name: value[chosen] for name, value in some.items()})

        changed = colour.only_where(tensor, applied[span], apply)
        if changed is not tensor:
            tensor.copy_(changed)

    return change


def _load(source: Pixels, rows: Array, out: Array) -> None:
    from ssrl_core.compositions.kernels import loading

    flat = source.images.view(source.shape[0], -1).numpy()
    loading.load(flat, rows, np.float32(source.max_value), out.reshape(len(out), -1))


_spaces = threading.local()


def _space(number: int, shape: tuple[int, ...]) -> Array:
    """Working space of this thread, kept for the next piece unless it is large."""
    count = int(np.prod(shape))
    if count > _KEPT:
        return np.empty(shape, np.float32)
    kept: dict[Any, Array] = _spaces.__dict__
    if number not in kept or len(kept[number]) < count:
        kept[number] = np.empty(count, np.float32)
    return kept[number][:count].reshape(shape)
