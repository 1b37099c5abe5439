"""The parameters of each step for each view: drawn once on the CPU, applied as often as one likes (contracts C4).

One word of randomness is a function of (seed, term) as key and (image id, epoch, view, 32 · step + parameter) as
counter, nothing else. So a draw is the same in any batch and order, after a resume and on another machine, and
switching one step off does not re-roll the others.

The counter, exactly:
- view counts through all groups of the composition, in their order;
- step is the place in the group's full list (a disabled step keeps its place), 0..63;
- parameter 0 is the probability's, the following ones are the blocks of the transform (`SLOTS`), each of four words;
- a choice has the branch as parameter 1, and the step at place j of branch b of a choice at place s counts as
  step 64 + (64·s + b)·64 + j;
- what is drawn once for a run has image 0, epoch 0 and the view after the last there can be, 64;
- who pairs with whom is step 2^20, parameter 0.

Quantities are relative (shares, turns, uniforms for positions), so the size of the image is not needed here. The steps
without chance are also what a network is shown of an image when it is measured (`shown_view`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ssrl_core.compositions import Array, random_numbers, transforms
from ssrl_core.compositions.random_numbers import WORD
from ssrl_core.errors import SpecError
from ssrl_core.specs.composition import MAX_VIEWS, Composition, Step, ViewGroup
from ssrl_core.specs.run import RunSpec

if TYPE_CHECKING:
    from ssrl_core.compositions.pairs import Partners

BLOCKS_PER_STEP = 32
_WIDTH = 64  # steps of a group, branches of a choice, steps of a branch
_PAIRS = 1 << 20
_OF_RUN = np.zeros(1, np.int64)


class Words(Protocol):
    """Words of randomness of one view group."""

    def __call__(self, step: int, first: int, count: int, *, of_run: bool = False) -> Array:
        """(count, V, B, 4) words of `count` blocks of a step from parameter `first` on; of the run (count, 1, 1, 4)."""


@dataclass(frozen=True)
class StepDraws:
    """What was drawn for one step.

    Attributes:
        step: the step itself.
        applied: (V, B) bool, which views it changes.
        values: name -> (V, B[, …]); drawn for every view, applied or not.
        branches: for a choice, the draws of the steps of each branch, applied only where the branch was taken.
    """

    step: Step
    applied: Array
    values: dict[str, Array]
    branches: tuple[tuple[StepDraws, ...], ...] = ()

    @property
    def transform(self) -> str:
        """Name of the transform, or `choice`."""
        return self.step.transform

    def words(self, view: int, image: int) -> list[str]:
        """A few words on this step for one view; [] where it was not applied."""
        if not self.applied[view, image]:
            return []
        if self.transform == "choice":
            return [text for branch in self.branches for inner in branch for text in inner.words(view, image)]
        values = {name: array[view, image] for name, array in self.values.items()}
        return [transforms.load(self.transform).describe(self.step, values)]


@dataclass(frozen=True)
class GroupDraws:
    """What was drawn for one view group: `first` is the number of its first view, steps as in the group."""

    name: str
    first: int
    count: int
    steps: tuple[StepDraws, ...]


@dataclass(frozen=True)
class Draws:
    """All that was drawn for some images.

    Attributes:
        image_ids: (B,) int64.
        groups: one for each view group.
        images: (V, B) int64, the image that each view is of, views counted through all groups; None: `image_ids`.
    """

    image_ids: Array
    seed: int
    epoch: int
    term: int
    groups: tuple[GroupDraws, ...]
    images: Array | None = None

    @cached_property
    def needed(self) -> Array:
        """(M,) ids of the images that the views are made of, in the order that `make_views` takes their pixels in."""
        if self.images is None:
            return self.image_ids
        return np.unique(self.images)

    def image_of(self, view: int, row: int) -> int:
        """The image that a view (counted through all groups) of a row of `image_ids` is of."""
        return int(self.image_ids[row] if self.images is None else self.images[view, row])

    def rows(self, group: GroupDraws) -> Array:
        """(V·B,) the row of `needed` that each view of a group is of."""
        if self.images is None:
            return np.tile(np.arange(len(self.image_ids)), group.count)
        own = self.images[group.first : group.first + group.count]
        return np.searchsorted(self.needed, own.ravel())

    def place(self, view: int) -> tuple[GroupDraws, int]:
        """The group of a view (counted through all groups) and its number within it.

        Raises:
            SpecError: if there is no such view.
        """
        for group in self.groups:
            if 0 <= view - group.first < group.count:
                return group, view - group.first
        total = sum(group.count for group in self.groups)
        raise SpecError.at("Draws", "view", f"in 0..{total - 1}", view, "Choose another view.")

    def describe(self, view: int, image: int) -> list[str]:
        """One short sentence for each step that was applied, e.g. "rotated 14° counter-clockwise".

        Args:
            view: counted through all groups.
            image: row in `image_ids`.
        """
        group, within = self.place(view)
        return [text for step in group.steps for text in step.words(within, image)]


def draw(
    composition: Composition,
    image_ids: Any,
    *,
    seed: int,
    epoch: int,
    term: int = 0,
    partners: Partners | None = None,
) -> Draws:
    """Draw every parameter of every view.

    Args:
        image_ids: (B,) whole numbers in 0..2^32-1.
        seed, epoch, term: whole numbers in 0..2^32-1; term is the place of the composition in the run's loss.
        partners: who pairs with whom (`pairs.partners`), where the composition pairs different images.

    Raises:
        SpecError: a number outside its range, or different images that pair and no partners.
    """
    ids = _checked_ids(image_ids)
    if composition.pairs_others and partners is None:
        rule, remedy = "image where nothing is known of the images", "Name an image set, or set pair: image."
        raise SpecError.at(f'Composition "{composition.name}"', "pair", rule, composition.pair, remedy)
    for name, value in (("seed", seed), ("epoch", epoch), ("term", term)):
        _check_word(name, value)
    groups, first = [], 0
    for group in composition.views:
        words = _words_of(ids, range(first, first + group.count), (int(seed), int(term)), int(epoch))
        groups.append(GroupDraws(group.name, first, group.count, _draw_group(group, words, composition.name)))
        first += group.count
    images = None
    if partners is not None and composition.pairs_others:
        words = _words_of(ids, range(first), (int(seed), int(term)), int(epoch))
        images = partners.draw(ids, words(_PAIRS, 0, 1)[0, ..., 0])
    return Draws(ids, int(seed), int(epoch), int(term), tuple(groups), images)


def _words_of(ids: Array, views: range, key: tuple[int, int], epoch: int) -> Words:
    from ssrl_core.compositions.kernels.values import words as fill

    def words(step: int, first: int, count: int, *, of_run: bool = False) -> Array:
        images, now, view = (_OF_RUN, 0, MAX_VIEWS) if of_run else (ids, epoch, views.start)
        out = np.empty((count, 1 if of_run else len(views), len(images), 4), np.int64)
        fill(images, now, view, BLOCKS_PER_STEP * step + first, key[0], key[1], out)
        return out

    return words


def _draw_group(group: ViewGroup, words: Words, name: str) -> tuple[StepDraws, ...]:
    _check_width("steps", len(group.steps), name)
    return tuple(_draw_step(step, place, words, name) for place, step in enumerate(group.steps))


def _draw_step(step: Step, place: int, words: Words, name: str, allowed: Array | None = None) -> StepDraws:
    applied = (random_numbers.unit(words(place, 0, 1)[0, ..., 0]) < step.p) & step.enabled
    if allowed is not None:
        applied &= allowed
    if step.transform == "choice":
        return _draw_choice(step, place, words, name, applied)
    module = transforms.load(step.transform)
    values = module.draw(step, words(place, 1, module.SLOTS)) if module.SLOTS else {}
    if step.once:
        of_run = module.draw(step, words(place, 1, module.SLOTS, of_run=True))
        values |= {name: np.broadcast_to(of_run[name], values[name].shape).copy() for name in step.once}
    return StepDraws(step, applied, values)


def _draw_choice(step: Step, place: int, words: Words, name: str, applied: Array) -> StepDraws:
    _check_width("branches", len(step.branches), name)
    weights = np.array([branch.weight for branch in step.branches])
    bounds = np.cumsum(weights) / weights.sum()
    taken = np.searchsorted(bounds, random_numbers.unit(words(place, 1, 1)[0, ..., 0]), side="right")
    taken = np.minimum(taken, int(np.flatnonzero(weights)[-1]))  # the last bound may round to just below 1
    branches = []
    for number, branch in enumerate(step.branches):
        _check_width("steps of a branch", len(branch.steps), name)
        first = _WIDTH + (_WIDTH * place + number) * _WIDTH
        here = applied & (taken == number)
        branches.append(tuple(_draw_step(s, first + j, words, name, here) for j, s in enumerate(branch.steps)))
    return StepDraws(step, applied, {"branch": taken}, tuple(branches))


def _checked_ids(image_ids: Any) -> Array:
    ids = np.asarray(image_ids)
    if ids.ndim != 1 or (ids.size and ids.dtype.kind not in "iu"):
        raise SpecError.at(
            "draw",
            "image_ids",
            "a list of whole numbers",
            f"{ids.dtype} of shape {ids.shape}",
            "Pass row numbers of the image set.",
        )
    if ids.size and (int(ids.min()) < 0 or int(ids.max()) >= WORD):
        bad = int(ids.min()) if int(ids.min()) < 0 else int(ids.max())
        raise SpecError.at("draw", "image_ids", "in 0..2^32-1", bad, "Number the images from 0.")
    return ids.astype(np.int64)


def _check_word(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 <= int(value) < WORD:
        raise SpecError.at("draw", name, "a whole number in 0..2^32-1", value, f"Choose another {name}.")


def _check_width(what: str, count: int, name: str) -> None:
    if count > _WIDTH:
        raise SpecError.at(f'Composition "{name}"', what, f"at most {_WIDTH}", count, "Remove some.")


_DRAWS = 64


def fixed_steps(composition: Composition) -> Composition:
    """One view of the first view group, made by the steps that change every image in the same way.

    A step counts when it is applied to all of 64 draws with the same values: a centre crop of p 1 and one side, a grey
    image of p 1. What is drawn once for a run is drawn all the same. The size of the views stays.
    """
    one = replace(composition, views=(replace(composition.views[0], count=1),))
    drawn = draw(one, np.arange(_DRAWS), seed=0, epoch=0).groups[0].steps
    steps = [step for step, chance in zip(one.views[0].steps, drawn, strict=True) if step.enabled and _fixed(chance)]
    return one.with_steps(steps)


def _fixed(drawn: StepDraws) -> bool:
    if not drawn.applied.all() or drawn.branches or drawn.step.once:
        return False
    return all(bool((value == value[:1, :1]).all()) for value in drawn.values.values())


def shown_view(compositions: Iterable[Composition]) -> Composition | None:
    """What a network that learns under several compositions is shown of an image: the first fixed steps there are.

    A network that is trained on a weighted sum sees whole images in one term and, say, their centre in another. What
    the terms have in common is what is left of the image where something is always left out.

    Returns:
        None where no composition has such a step: images are shown whole.
    """
    found = (fixed_steps(composition) for composition in compositions)
    return next((fixed for fixed in found if fixed.views[0].steps), None)


def shown_of(spec: RunSpec) -> Composition | None:
    """What of an image a run's network is shown when it is measured (`evaluate.input`); None: all of it."""
    if spec.evaluate.input != "fixed_steps":
        return None
    return shown_view(term.composition for term in spec.terms if term.weight > 0)


def said_of(spec: RunSpec) -> str:
    """What of an image a run's network is shown, in words: "centre crop to 50 % of the side"; "" for all of it."""
    steps = shown_of(spec)
    return "" if steps is None else steps.sentence().replace(", always", "")
