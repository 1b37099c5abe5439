"""The steps of a composition that leave nothing to chance: what a network is shown of every image, in every view."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ssrl_core.compositions.draws import StepDraws, draw
from ssrl_core.specs.composition import Composition

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


def _fixed(drawn: StepDraws) -> bool:
    if not drawn.applied.all() or drawn.branches:
        return False
    return all(bool((value == value[:1, :1]).all()) for value in drawn.values.values())
