"""Warnings before anything is queued: views that share nothing, tasks that are too easy, steps without effect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ssrl_core.specs.composition import Composition
from ssrl_core.specs.steps import Step

if TYPE_CHECKING:
    from ssrl_core.datasets.imageset import ImageSet
    from ssrl_core.learning.closed_form import Moments, Solution

Array = NDArray[Any]

NOTHING, EASY, SAME = 0.15, 0.9, 1e-4
_RING = 12
_MOVES = ("resized_crop", "center_crop", "pad", "affine", "rotation")
_COLOUR = ("color_jitter", "hue_jitter", "grayscale", "channel_gain", "channel_drop", "gamma", "invert", "equalize")


def kept_rank(shares: Array) -> float:
    """How many directions a spectrum is worth: exp of the entropy of lambda over its sum, 0 where all are 0."""
    whole = float(shares.sum())
    if whole <= 0:
        return 0.0
    p = shares[shares > 0] / whole
    return float(np.exp(-(p * np.log(p)).sum()))


def keeps_nothing(shares: Array, composition: Composition, strongest: Callable[[], str]) -> list[str]:
    """Whether the views of one image have anything in common.

    Args:
        shares: (k,) lambda of the directions on images that they were not solved on.
        strongest: names the step to weaken; it is only asked where there is something to say.
    """
    if not _placed(composition):
        return []
    if shares.max(initial=0.0) < NOTHING:
        return [
            f"{_named(composition)}Views of one image have almost nothing in common: the direction that is kept best "
            f"keeps {shares.max(initial=0.0):.0%} of its variance. A network would learn nothing. Weaken {strongest()}."
        ]
    if kept_rank(shares) < 1.5:
        return [
            f"{_named(composition)}Nearly all that views of one image have in common is one single number. "
            f"A network would tell images apart by little else. Weaken {strongest()}."
        ]
    return []


def too_easy(views: Sequence[Array], composition: Composition) -> list[str]:
    """Whether a plain statistic of pixels finds the other view of an image, so that a network need not learn more.

    Args:
        views: two arrays (n,C,S,S) in 0..1, one view each of the same n images.
    """
    if not _placed(composition):
        return [f"{_named(composition)}All views of an image are equal: nothing is asked to be ignored. Add a step."]
    found = []
    colour = [named_step(n, step.transform) for n, step in _placed(composition) if step.transform in _COLOUR]
    moves = [named_step(n, step.transform) for n, step in _placed(composition) if step.transform in _MOVES]
    vary = f"Strengthen {', '.join(colour)}." if colour else "Add a step that varies brightness or colour."
    move = f"Strengthen {', '.join(moves)}." if moves else "Add a crop, so that the border differs."
    for name, statistic, remedy in (
        ("its histogram of values", _histogram, vary),
        ("the border of the picture", _border, move),
        ("how brightness falls from centre to border", _falloff, vary),
    ):
        share = _found_again(*(statistic(np.asarray(v)) for v in views))
        if share >= EASY:
            found.append(
                f"{_named(composition)}{name[0].upper()}{name[1:]} alone finds the other view of an image in "
                f"{share:.0%} of cases among {len(views[0])}: a network may learn nothing else. {remedy}"
            )
    return found


def idle_steps(imageset: ImageSet, ids: Array, composition: Composition, *, seed: int) -> list[str]:
    """Steps that change no view: the same draws with and without them give the same pixels."""
    whole = _made(imageset, ids, composition, seed)
    found = []
    for group_number, group in enumerate(composition.views):
        for place, step in enumerate(group.steps):
            if not step.enabled:
                continue
            steps = [*group.steps[:place], replace(step, enabled=False), *group.steps[place + 1 :]]
            without = _made(imageset, ids, composition.with_steps(steps, group_number), seed)
            if float(np.abs(whole[group_number] - without[group_number]).mean()) < SAME:
                where = named_step(place + 1, step.transform)
                found.append(
                    f"{_named(composition)}{where} changes nothing on these images. Remove it, or strengthen it."
                )
    return found


def named_step(place: int, transform: str) -> str:
    """`step 2 (color jitter)`, places from 1."""
    return f"step {place} ({transform.replace('_', ' ')})"


def undone_terms(names: Sequence[str], solutions: Sequence[Solution], moments: Sequence[Moments]) -> list[str]:
    """Pairs of terms of which each destroys what the other keeps.

    Args:
        solutions, moments: of each term alone.
    """
    found = []
    for one in range(len(names)):
        for other in range(one + 1, len(names)):
            left = [_left(solutions[a], moments[a], moments[b]) for a, b in ((one, other), (other, one))]
            if max(left) < 0.5:
                found.append(
                    f"Terms {one + 1} ({names[one]}) and {other + 1} ({names[other]}) undo each other: of what one "
                    f"keeps the other leaves {max(left):.0%}. Train them apart, or raise one weight."
                )
    return found


def _left(solution: Solution, own: Moments, other: Moments) -> float:
    """Share of what one term keeps that the other leaves, directions weighed by how well the first keeps them."""
    kept = solution.held_out(own)
    left = np.minimum(kept, solution.held_out(other))
    return float(kept @ left) / max(float(kept @ kept), 1e-9)


def _made(imageset: ImageSet, ids: Array, composition: Composition, seed: int) -> list[Array]:
    from ssrl_core.compositions.draws import draw
    from ssrl_core.compositions.views import make_views

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


def _placed(composition: Composition) -> list[tuple[int, Step]]:
    """Steps that do something, with their places from 1 in their view group."""
    placed = [row for group in composition.views for row in enumerate(group.steps, 1)]
    return [(place, step) for place, step in placed if step.enabled and step.p > 0]


def _named(composition: Composition) -> str:
    return f"{composition.name}: "
