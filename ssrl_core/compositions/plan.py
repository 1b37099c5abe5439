"""What to do with the images of one view group: runs of geometric steps, and changes of values between them.

Which steps form a run depends on the composition alone, never on what was drawn for the neighbours in a batch: else a
view would depend on them. A choice counts as the steps of all its branches in a row, each applied where it was taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np

from ssrl_core.compositions import geometry, transforms
from ssrl_core.compositions.draws import GroupDraws, StepDraws
from ssrl_core.compositions.geometry import Frame, Placement
from ssrl_core.compositions.laws import Array
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


def _check_channels(step: Step, channels: int, where: str) -> None:
    module = transforms.load(step.transform)
    if TRANSFORMS[step.transform].channels is None or module.accepts(step, channels):
        return
    rule = getattr(module, "RULE", "3 (red, green, blue)")
    raise SpecError(where=where, field="channels", rule=rule, value=channels, remedy=module.REMEDY)


def _check_values(count: int, frame: Frame, where: str) -> None:
    if count > MOST_VALUES:
        raise SpecError(
            where=where,
            field="image",
            rule=f"at most {MOST_VALUES:,} values for this step",
            value=f"{frame[0]} × {frame[1]} px, {count:,} values",
            remedy="Put a resized_crop before it, or import the images at a smaller size.",
        )
