"""What was drawn for a view as one vector, for a projector that is told of it (`condition: draws`).

A step that is not applied to every view has one number that says whether it was. A geometric step has the map that it
is, from the new frame to the old one in shares of their sides (six numbers); any other step the quantities that were
drawn for it, or what its module's `told` makes of them. Each number has mean 0 and deviation 1 over draws in which the
step is applied, and is 0 where it is not; what never changes is left out. Each composition, and each view group whose
steps are others, has places of its own in the vector.

Source:
    Przewięźlikowski et al. 2023, arXiv:2306.06082, section 3, here for any composition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ssrl_core.compositions import Array
from ssrl_core.compositions.draws import Draws, GroupDraws, draw
from ssrl_core.compositions.plan import Bound, Run, make_plan
from ssrl_core.specs.composition import Composition, ViewGroup

_SAMPLE = 1024  # draws that mean and deviation are taken from
_STILL = 1e-9


@dataclass(frozen=True)
class _Scale:
    """Where the steps of a view group stand in the vector, and how their numbers are brought to one size."""

    place: int
    moving: Array
    mean: Array
    sd: Array

    @property
    def end(self) -> int:
        return self.place + len(self.mean)

    def __call__(self, numbers: Array, meant: Array) -> Array:
        scaled: Array = np.where(meant[:, self.moving], (numbers[:, self.moving] - self.mean) / self.sd, 0.0)
        return scaled


class Conditions:
    """Vectors of the draws of a run's compositions.

    Args:
        compositions: one for each term.
        shape: (C,H,W) of an image.

    Attributes:
        width: numbers of a vector; 0 where nothing is left to chance.
    """

    def __init__(self, compositions: Sequence[Composition], shape: Sequence[int]) -> None:
        self._compositions = tuple(compositions)
        self._channels, self._frame = int(shape[0]), (int(shape[1]), int(shape[2]))
        self._scales: list[list[_Scale]] = []
        self.width = 0
        for composition in self._compositions:
            sample = draw(composition, np.arange(_SAMPLE), seed=0, epoch=0)
            known: dict[object, _Scale] = {}
            for group, drawn in zip(composition.views, sample.groups, strict=True):
                if group.steps not in known:
                    known[group.steps] = _scale_of(*self._numbers(group, drawn, _SAMPLE), self.width)
                    self.width = known[group.steps].end
            self._scales.append([known[group.steps] for group in composition.views])

    def of(self, term: int, draws: Draws) -> list[Array]:
        """(V,B,width) float32 for each view group of a term's composition."""
        told, images = [], len(draws.image_ids)
        groups = self._compositions[term].views
        for group, drawn, scale in zip(groups, draws.groups, self._scales[term], strict=True):
            flat = np.zeros((drawn.count * images, self.width), np.float32)
            flat[:, scale.place : scale.end] = scale(*self._numbers(group, drawn, images))
            told.append(flat.reshape(drawn.count, images, self.width))
        return told

    def _numbers(self, group: ViewGroup, drawn: GroupDraws, images: int) -> tuple[Array, Array]:
        """(V·B,K) numbers, and (V·B,K) bool, which of them mean anything."""
        plan = make_plan(group, drawn, self._channels, self._frame, f"View group {group.name!r}")
        numbers = [np.zeros((drawn.count * images, 0))]
        meant = [np.zeros((drawn.count * images, 0), bool)]
        for stage in plan.stages:
            for bound in stage.steps if isinstance(stage, Run) else [stage]:
                told = _told(bound, self._channels, plan.side)
                numbers += [bound.applied[:, None].astype(np.float64), told]
                meant += [np.ones((len(told), 1), bool), np.repeat(bound.applied[:, None], told.shape[1], axis=1)]
        return np.concatenate(numbers, axis=1), np.concatenate(meant, axis=1)


def _scale_of(numbers: Array, meant: Array, place: int) -> _Scale:
    counts = np.maximum(1, meant.sum(axis=0))
    mean = np.where(meant, numbers, 0.0).sum(axis=0) / counts
    sd = np.sqrt(np.where(meant, (numbers - mean) ** 2, 0.0).sum(axis=0) / counts)
    moving = sd > _STILL
    return _Scale(place, moving, mean[moving], sd[moving])


def _told(bound: Bound, channels: int, side: int) -> Array:
    """(N,k) numbers of one step."""
    count = len(bound.applied)
    if hasattr(bound.module, "place"):
        placed = bound.module.place(bound.step, bound.values, count, bound.frame, side)
        (old_height, old_width), (height, width) = placed.old, placed.new
        shares = np.array([width, height, 1.0]) / np.array([[old_width], [old_height]])
        told: Array = (placed.matrix * shares).reshape(count, 6)
        return told
    own = getattr(bound.module, "told", None)
    if own is not None:
        told = own(bound.step, bound.values, channels, bound.frame)
        return told
    drawn = [value for value in bound.values.values() if value.ndim == 1 and value.dtype.kind == "f"]
    return np.stack(drawn, axis=1) if drawn else np.zeros((count, 0))
