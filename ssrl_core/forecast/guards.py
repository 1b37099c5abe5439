"""Warnings before anything is queued: views that share nothing, tasks that are too easy, steps without effect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ssrl_core.specs.composition import IMAGE, Composition
from ssrl_core.specs.steps import Step
from ssrl_core.specs.transforms import TRANSFORMS

if TYPE_CHECKING:
    from ssrl_core.datasets.imageset import ImageSet
    from ssrl_core.learning.closed_form import Moments, Solution

Array = NDArray[Any]

NOTHING, EASY, SAME = 0.15, 0.9, 1e-4
_RING = 12
Alone = list[tuple[str, "Moments"]]
"""Of each step its name, and the moments of views that it makes alone."""


def kept_rank(shares: Array) -> float:
    """How many directions a spectrum is worth: exp of the entropy of lambda over its sum, 0 where all are 0."""
    whole = float(shares.sum())
    if whole <= 0:
        return 0.0
    p = shares[shares > 0] / whole
    return float(np.exp(-(p * np.log(p)).sum()))


def keeps_nothing(shares: Array, composition: Composition, alone: Callable[[], Alone]) -> list[str]:
    """Whether the views of one image have anything in common, and the step that takes most of it.

    Args:
        shares: (k,) lambda of the directions on images that they were not solved on.
        alone: what views of each step alone have in common; asked where there is a warning.
    """
    if not _does_something(composition):
        return []
    best = float(shares.max(initial=0.0))
    if best < NOTHING:
        said = (
            "Views of one image have almost nothing in common: the direction that is kept best keeps "
            f"{best:.0%} of its variance, and a network would learn nothing."
        )
    elif kept_rank(shares) < 1.5:
        said = (
            "Nearly all that views of one image have in common is one single number, and a network would tell images "
            "apart by little else."
        )
    else:
        return []
    where, left = min(((where, common(moments)) for where, moments in alone()), key=lambda row: row[1])
    return [f"{_named(composition)}{said} Weaken {where}: it alone leaves views {left:.0%} in common."]


def common(moments: Moments) -> float:
    """Share of the features' variance that views of an image have in common, the mean over features, 0 to 1."""
    total, shared = np.diag(moments.total), np.diag(moments.shared)
    told = total > 1e-10 * max(float(total.max()), 1e-12)
    return float(np.clip(shared[told] / total[told], 0.0, 1.0).mean()) if told.any() else 0.0


def without_each(composition: Composition) -> Iterator[tuple[int, int, Step, Composition]]:
    """Each step that is switched on: number of its view group, its place from 0, the step, all without it."""
    for number, group in enumerate(composition.views):
        for place, step in enumerate(group.steps):
            if step.enabled:
                steps = [*group.steps[:place], replace(step, enabled=False), *group.steps[place + 1 :]]
                yield number, place, step, composition.with_steps(steps, number)


def alone_each(composition: Composition) -> Iterator[tuple[str, Composition]]:
    """Each step that is switched on: its name, and the composition with no other step."""
    for number, place, step, _ in without_each(composition):
        groups = [replace(group, steps=()) for group in composition.views]
        groups[number] = replace(groups[number], steps=(step,))
        yield step_named(place, step), replace(composition, views=tuple(groups))


def step_named(place: int, step: Step) -> str:
    """`step 2 (color jitter)`."""
    return f"step {place + 1} ({step.transform.replace('_', ' ')})"


def too_easy(views: Sequence[Array], composition: Composition) -> list[str]:
    """Whether a plain statistic of pixels finds the other view of an image, so that a network need not learn more.

    Args:
        views: two arrays (n,C,S,S) in 0..1, one view each of the same n images.
    """
    if not _does_something(composition):
        return [f"{_named(composition)}All views of an image are equal: nothing is asked to be ignored. Add a step."]
    found = []
    for name, statistic, kind, remedy in (
        ("its histogram of values", _histogram, "colour", "Add one that varies brightness or colour."),
        ("the border of the picture", _border, "geometry", "Add a crop or a shift, so that the border differs."),
        ("how brightness falls from centre to border", _falloff, "colour", "Vary brightness, or crop off centre."),
    ):
        share = _found_again(*(statistic(np.asarray(v)) for v in views))
        if share >= EASY:
            found.append(
                f"{_named(composition)}{name[0].upper()}{name[1:]} alone finds the other view of an image in "
                f"{share:.0%} of cases among {len(views[0])}: a network may learn nothing else. "
                + _too_weak(composition, kind, remedy)
            )
    return found


def _too_weak(composition: Composition, kind: str, remedy: str) -> str:
    """The steps that should vary a statistic and hardly do; what to add where there are none."""
    group = composition.views[0]
    meant = [
        step_named(place, step)
        for place, step in enumerate(group.steps)
        if step.enabled and step.p > 0 and step.transform in TRANSFORMS and TRANSFORMS[step.transform].kind == kind
        if not step.transform.endswith("_flip")
    ]
    if not meant:
        return f"No step varies it. {remedy}"
    steps = " and ".join(meant)
    too_little, it = ("vary it", "them") if len(meant) > 1 else ("varies it", "it")
    return f"{steps[0].upper()}{steps[1:]} {too_little} too little: strengthen {it}."


def idle_steps(imageset: ImageSet, ids: Array, composition: Composition, *, seed: int) -> list[str]:
    """Steps that change no view: the same draws with and without them give the same pixels."""
    whole, found = _made(imageset, ids, composition, seed), []
    for group, place, step, without in without_each(composition):
        changed = np.abs(whole[group] - _made(imageset, ids, without, seed)[group]).mean()
        if float(changed) < SAME:
            where = f"{_named(composition)}{step_named(place, step)}"
            found.append(f"{where} changes nothing on these images. Remove it, or strengthen it.")
    return found


def undone_terms(
    names: Sequence[str],
    solutions: Sequence[Solution],
    moments: Sequence[Moments],
    alone: Callable[[int], Alone],
) -> list[str]:
    """Pairs of terms of which each destroys what the other keeps, and the step of each that does most of it.

    Args:
        solutions, moments: of each term alone.
        alone: moments of the views of each step of a term alone; asked where there is a warning.
    """
    found = []
    for one in range(len(names)):
        for other in range(one + 1, len(names)):
            pairs = ((one, other), (other, one))
            left = [_left(solutions[a], moments[a], moments[b]) for a, b in pairs]
            if max(left) < 0.5:
                steps = [_worst(solutions[a], moments[a], alone(b)) for a, b in pairs]
                found.append(
                    f"Terms {one + 1} ({names[one]}) and {other + 1} ({names[other]}) undo each other: of what one "
                    f"keeps the other leaves {max(left):.0%}. Most of it is {steps[1]} of term {one + 1} and "
                    f"{steps[0]} of term {other + 1}: weaken them, or train the terms apart."
                )
    return found


def _worst(solution: Solution, own: Moments, alone: Alone) -> str:
    """The step that alone leaves least of what another term keeps."""
    return min(alone, key=lambda row: _left(solution, own, row[1]))[0]


def _left(solution: Solution, own: Moments, other: Moments) -> float:
    """Share of what one term keeps that the other leaves, directions weighed by how well the first keeps them."""
    kept = solution.held_out(own)
    left = np.minimum(kept, solution.held_out(other))
    return float(kept @ left) / max(float(kept @ kept), 1e-9)


def _made(imageset: ImageSet, ids: Array, composition: Composition, seed: int) -> list[Array]:
    from ssrl_core.compositions.draws import draw
    from ssrl_core.compositions.views import make_views

    composition = replace(composition, pair=IMAGE)  # what a step leaves of an image, whoever pairs with it
    drawn = draw(composition, ids, seed=seed, epoch=0)
    return [v.numpy() for v in make_views(imageset.take(ids), drawn, composition, max_value=imageset.max_value)]


def _histogram(images: Array) -> Array:
    """(n,C·9) deciles of each channel's values."""
    deciles = np.quantile(images.reshape(*images.shape[:2], -1), np.arange(1, 10) / 10, axis=2)
    return np.moveaxis(deciles, 0, 2).reshape(len(images), -1)


def _border(images: Array) -> Array:
    """(n,·) values along the outermost pixels."""
    edge = np.concatenate([images[..., 0, :], images[..., -1, :], images[..., :, 0], images[..., :, -1]], axis=2)
    return edge.reshape(len(images), -1)


def _falloff(images: Array) -> Array:
    """(n,C·12) mean of each ring around the centre."""
    side = images.shape[-1]
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    ring = np.minimum((np.hypot(y, x) / (np.hypot(side, side) / 2) * _RING).astype(int), _RING - 1).ravel()
    shares = np.eye(_RING)[ring] / np.maximum(np.bincount(ring, minlength=_RING), 1)
    means: Array = images.reshape(*images.shape[:2], -1) @ shares
    return means.reshape(len(images), -1)


def _found_again(one: Array, other: Array) -> float:
    """Share of images whose nearest row among the others' views is their own."""
    spread = np.concatenate([one, other]).std(axis=0)
    keep = spread > 1e-6
    if not keep.any():
        return 0.0
    a, b = (v[:, keep].astype(np.float64) for v in (one, other))
    away = np.square(a).sum(1)[:, None] - 2 * a @ b.T + np.square(b).sum(1)
    nearest = away.argmin(axis=1)
    ties = (away <= away.min(axis=1, keepdims=True) + 1e-12).sum(axis=1)
    return float(((nearest == np.arange(len(a))) / ties).mean())


def _does_something(composition: Composition) -> bool:
    return any(step.enabled and step.p > 0 for group in composition.views for step in group.steps)


def _named(composition: Composition) -> str:
    return f"{composition.name}: "
