"""What of an image a network is shown when it is measured: all of it, or what steps without chance leave."""

from __future__ import annotations

from collections.abc import Iterable

from ssrl_core.compositions.draws import fixed_steps
from ssrl_core.specs.composition import Composition
from ssrl_core.specs.run import RunSpec


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
