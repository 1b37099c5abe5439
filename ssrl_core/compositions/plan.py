"""What to do with the images of one view group: runs of geometric steps, and changes of values between them.

Which steps form a run depends on the composition alone, never on what was drawn for the neighbours in a batch: else a
view would depend on them. A choice counts as the steps of all its branches in a row, each applied where it was taken.

A plan has two ways to be carried out. The torch way (`views.carry_out`) is the definition. A `Program` is the same plan
for the CPU: the parameters of all views laid out in arrays once, and a few kernels, each one pass over an image that
stays in the cache. A change whose transform has no kernel takes its torch function.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import torch

from ssrl_core.compositions import Array, colour, geometry, resampling, transforms
from ssrl_core.compositions.draws import GroupDraws, StepDraws
from ssrl_core.compositions.geometry import Frame, Placement
from ssrl_core.compositions.pixels import Pixels
from ssrl_core.compositions.separable import axis_of
from ssrl_core.errors import SpecError
from ssrl_core.specs.composition import Step, ViewGroup
from ssrl_core.specs.transforms import TRANSFORMS

MOST_VALUES = 1 << 27
"""Values of one image (channels × height × width) above which a change is refused: about 4 GB of working space."""


@dataclass(frozen=True)
class Bound:
    """A step with its draws, views and images flattened to one axis (N = V·B)."""

    step: Step
    module: ModuleType
    applied: Array
    values: dict[str, Array]
    frame: Frame

    def at(self, members: Array) -> dict[str, Array]:
        """The values of some of them."""
        return {name: array[members] for name, array in self.values.items()}

    def laid(self, values: dict[str, Array], shape: Sequence[int]) -> dict[str, Array]:
        """Values as the transform's `apply` takes them, for images of this shape (C, H, W)."""
        lay = getattr(self.module, "lay", None)
        found: dict[str, Array] = lay(self.step, values, tuple(shape)) if lay else values
        return found


@dataclass(frozen=True)
class Run:
    """Consecutive geometric steps; `end` is the frame after a last resize (or the frame they end in)."""

    steps: list[Bound] = field(default_factory=list)
    start: Frame = (0, 0)
    middle: Frame = (0, 0)
    end: Frame = (0, 0)
    side: int = 0

    def chain(self, members: Array) -> list[Placement]:
        """Placements of some of the N."""
        placements = [
            bound.module.place(bound.step, bound.at(members), len(members), bound.frame, self.side).only_where(
                bound.applied[members]
            )
            for bound in self.steps
        ]
        if self.end != self.middle or not placements:
            placements.append(geometry.resize(len(members), self.middle, self.end))
        return placements


@dataclass(frozen=True)
class Plan:
    """Runs and changes in order; every image ends in the side of the view."""

    stages: tuple[Run | Bound, ...]
    side: int
    largest: int


def view_side(group: ViewGroup, frame: Frame) -> int:
    """Side of a group's views: its own size, else the shorter side of the images.

    Views are square. Images that are not are stretched at the end unless a crop made them square before.
    """
    return group.size or min(frame)


def make_plan(group: ViewGroup, draws: GroupDraws, channels: int, frame: Frame, where: str) -> Plan:
    """Sort the steps of a group into runs and changes.

    Raises:
        SpecError: a colour step that needs three channels; a change of an image too large for it.
    """
    side = view_side(group, frame)
    stages: list[Run | Bound] = []
    largest = frame[0] * frame[1]
    start, pending = frame, []
    now = frame
    for number, bound in _live(draws.steps, where):
        place = f"{number} {bound.transform}"
        if TRANSFORMS[bound.transform].kind == "geometry":
            pending.append(_bind(bound, now))
            now = (side, side) if bound.transform == "resized_crop" else now
            largest = max(largest, now[0] * now[1])
            continue
        _check_channels(bound.step, channels, place)
        _check_values(channels * now[0] * now[1], now, place)
        if pending:
            stages.append(Run(pending, start, now, now, side))
        start, pending = now, []
        stages.append(_bind(bound, now))
    if pending or now != (side, side):
        stages.append(Run(pending, start, now, (side, side), side))
    return Plan(tuple(stages), side, channels * max(largest, side * side))


def _live(steps: Sequence[StepDraws], where: str) -> Iterator[tuple[str, StepDraws]]:
    """Steps that can be applied at all, with their place in words."""
    for number, draws in enumerate(steps, 1):
        if not draws.step.enabled or draws.step.p == 0:
            continue
        place = f"{where}, step {number}"
        if draws.transform != "choice":
            yield place, draws
            continue
        for count, (branch, inner) in enumerate(zip(draws.step.branches, draws.branches, strict=True), 1):
            if branch.weight > 0:
                yield from _live(inner, f"{place} choice, branch {count}")


def _bind(draws: StepDraws, frame: Frame) -> Bound:
    flat = {name: array.reshape(-1, *array.shape[2:]) for name, array in draws.values.items()}
    return Bound(draws.step, transforms.load(draws.transform), np.ravel(draws.applied), flat, frame)


def check_steps(steps: Sequence[Step], channels: int, where: str) -> None:
    """Refuse steps that images of so many channels cannot take (hue of one channel), whatever is drawn.

    Raises:
        SpecError: a step that needs other channels.
    """
    for number, step in enumerate(steps, 1):
        place = f"{where}, step {number}"
        if not step.enabled or step.p == 0:
            continue
        for count, branch in enumerate(step.branches, 1):
            if branch.weight > 0:
                check_steps(branch.steps, channels, f"{place} choice, branch {count}")
        if step.transform != "choice":
            _check_channels(step, channels, f"{place} {step.transform}")


def _check_channels(step: Step, channels: int, where: str) -> None:
    module = transforms.load(step.transform)
    if TRANSFORMS[step.transform].channels is None or module.accepts(step, channels):
        return
    rule = getattr(module, "RULE", "3 (red, green, blue)")
    raise SpecError.at(where, "channels", rule, channels, module.REMEDY)


def _check_values(count: int, frame: Frame, where: str) -> None:
    if count > MOST_VALUES:
        raise SpecError.at(
            where,
            "image",
            f"at most {MOST_VALUES:,} values for this step",
            f"{frame[0]} × {frame[1]} px, {count:,} values",
            "Put a resized_crop before it, or import the images at a smaller size.",
        )


_KEPT = 1 << 22
_FAR = 1e9

Change = Callable[[Array, int], None]
"""Changes (n, C, H, W) float32 in place; the second argument is the number of the first of them among all members."""


@dataclass(frozen=True)
class Turned:
    """Members that take a look-up: numbers of `kernels.resampling.resample_turned`, `points` 0 for all others."""

    points: Array
    matrices: Array
    windows: Array
    lost: Array
    steps: Array

    @classmethod
    def of(cls, chain: Sequence[Placement], points: Array) -> Turned:
        """For the members that have points."""
        return cls(
            points,
            np.ascontiguousarray(np.stack([step.matrix for step in chain])),
            np.ascontiguousarray(np.stack([step.window for step in chain])),
            np.ascontiguousarray(np.stack([step.lost for step in chain])),
            np.array([[*step.old, step.fill] for step in chain], np.float64),
        )

    def __call__(self, source: Array, out: Array, first: int) -> None:
        """Render (n, C, H, W) into (n, C, h, w)."""
        if self.points[first : first + len(source)].any():
            from ssrl_core.compositions.kernels import resampling as kernels

            kernels.resample_turned(source, out, first, self.points, self.matrices, self.windows, self.lost, self.steps)


@dataclass(frozen=True)
class Upright:
    """Members whose rows and columns stay apart: numbers of `kernels.resampling.resample_upright`."""

    mine: Array
    lines: Array
    stages: Array

    @classmethod
    def of(cls, chain: Sequence[Placement], mine: Array) -> Upright:
        """For the members that are `mine` (N,)."""
        return cls(mine, *_axes(chain))

    def __call__(self, source: Array, out: Array, first: int) -> None:
        """Render (n, C, H, W) into (n, C, h, w)."""
        span = slice(first, first + len(source))
        if self.mine[span].any():
            from ssrl_core.compositions.kernels import resampling as kernels

            space = kernels.working_space(
                source.shape[1], self.lines[:, span], self.stages, source.shape[2:], out.shape[2:]
            )
            kernels.resample_upright(source, out, first, self.mine, self.lines, self.stages, space)


@dataclass(frozen=True)
class Shrunk:
    """Members that are resized to a smaller frame first, then turned."""

    frame: Frame
    resized: Upright
    turned: Turned

    @classmethod
    def of(cls, chain: Sequence[Placement], mine: Array, shrink: int, points: Array) -> Shrunk:
        """For the members that are `mine`, by one factor."""
        resize = resampling.shrinking(len(mine), chain[0].old, shrink)
        turned = Turned.of([_into(resize.new, chain), *chain], np.where(mine, points, 0))
        return cls(resize.new, Upright.of([resize], mine), turned)

    def __call__(self, source: Array, out: Array, first: int) -> None:
        """Render (n, C, H, W) into (n, C, h, w)."""
        if self.resized.mine[first : first + len(source)].any():
            images = _space(2, (*source.shape[:2], *self.frame))
            self.resized(source, images, first)
            self.turned(images, out, first)


def _into(small: Frame, chain: Sequence[Placement]) -> Placement:
    """From places in the frame that a chain begins with to places in a smaller one; nothing is cut off or lost."""
    n, (height, width) = len(chain[0].lost), chain[0].old
    scale = np.array([[small[1] / width, 0.0, 0.0], [0.0, small[0] / height, 0.0]])
    window = np.tile(np.array([-np.inf, np.inf, -np.inf, np.inf]), (n, 1))
    return Placement(np.tile(scale, (n, 1, 1)), window, np.zeros(n, bool), 0.0, small, chain[0].old, cuts=False)


@dataclass(frozen=True)
class Move:
    """A run of geometric steps for all N members, each by the cheapest way that is exact for it.

    Attributes:
        same: (N,) bool: left as they are.
        ways: of the others.
    """

    end: Frame
    same: Array
    ways: tuple[Upright | Turned | Shrunk, ...]

    def __call__(self, source: Array, out: Array, first: int) -> None:
        """Render (n, C, H, W) into (n, C, h, w)."""
        still = np.flatnonzero(self.same[first : first + len(source)])
        if len(still):
            out[still] = source[still]
        for way in self.ways:
            way(source, out, first)


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
    shrink, points = resampling.density(geometry.whole(chain))
    near = turned & (shrink == 1)
    far = [(int(factor), turned & (shrink == factor)) for factor in np.unique(shrink[turned & ~near])]
    ways: tuple[Upright | Turned | Shrunk, ...] = (
        Upright.of(chain, upright),
        Turned.of(chain, np.where(near, points, 0)),
        *(Shrunk.of(chain, mine, factor, points) for factor, mine in far),
    )
    return Move(run.end, same, ways)


def _axes(chain: Sequence[Placement]) -> tuple[Array, Array]:
    """The numbers of `kernels.resampling.resample_upright`: for y, then x; without meaning for members that turn."""
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
            mine = bound.laid({name: value[chosen] for name, value in some.items()}, part.shape[1:])
            return bound.module.apply(part, bound.step, mine)

        changed = colour.only_where(tensor, applied[span], apply)
        if changed is not tensor:
            tensor.copy_(changed)

    return change


def _load(source: Pixels, rows: Array, out: Array) -> None:
    from ssrl_core.compositions.kernels import values as kernels

    flat = source.images.view(source.shape[0], -1).numpy()
    kernels.load(flat, rows, np.float32(source.max_value), out.reshape(len(out), -1))


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
