"""The steps of a composition that leave nothing to chance: what a network is shown of every image, in every view."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ssrl_core.compositions.draws import StepDraws, draw
from ssrl_core.specs.composition import Composition
from ssrl_core.specs.run import RunSpec

_DRAWS = 64


def fixed_steps(composition: Composition) -> Composition:
    """One view of the first view group, made by the steps that change every image in the same way.

    A step counts when it is applied to all of 64 draws with the same values: a centre crop of p 1 and one side, a grey
    image of p 1. The size of the views stays.
    """
    one = replace(composition, views=(replace(composition.views[0], count=1),))
    drawn = draw(one, np.arange(_DRAWS), seed=0, epoch=0).groups[0].steps
    steps = [step for step, chance in zip(one.views[0].steps, drawn, strict=True) if step.enabled and _fixed(chance)]
    return one.with_steps(steps)


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


def _fixed(drawn: StepDraws) -> bool:
    if not drawn.applied.all() or drawn.branches:
        return False
    return all(bool((value == value[:1, :1]).all()) for value in drawn.values.values())
