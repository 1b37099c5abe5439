"""Which steps fight: what one step asks a network to ignore, another needs it to see (section 3.4 of the paper)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from ssrl_core.specs.composition import Composition
from ssrl_core.specs.steps import Step

_MOVES_FRAME_BELOW = 0.5  # a crop of less than half the area no longer holds the centre each time


@dataclass(frozen=True)
class Conflict:
    """Two steps that undermine each other.

    Attributes:
        first, second: (number of the term, name of the transform), numbers from 0.
        sentence: what each of them asks for, and what to do.
    """

    first: tuple[int, str]
    second: tuple[int, str]
    sentence: str

    @property
    def within(self) -> bool:
        """Both are in one composition, where it cannot be both; in two terms the weights decide between them."""
        return self.first[0] == self.second[0]


def conflicts(compositions: Sequence[Composition]) -> list[Conflict]:
    """Every pair of steps that fight, those of one composition first.

    Args:
        compositions: of the terms, in their order.
    """
    steps = [(number, step) for number, one in enumerate(compositions) for step in _distinct(one)]
    found = [fight for a, b in combinations(steps, 2) if (fight := _conflict(a, b)) is not None]
    return sorted(found, key=lambda fight: not fight.within)


def _conflict(a: tuple[int, Step], b: tuple[int, Step]) -> Conflict | None:
    for one, other in ((a, b), (b, a)):
        said = _why(one[1], other[1])
        if said is None:
            continue
        if one[0] == other[0]:
            end = "Put them into two terms, each with its weight."
        else:
            end = "Both can be had: the weights say how much of each."
        return Conflict((one[0], one[1].transform), (other[0], other[1].transform), f"{said} {end}")
    return None


def _why(step: Step, other: Step) -> str | None:
    """What `step` and `other` ask for, if they fight; asked in one order only."""
    pair = (step.transform, other.transform)
    if pair == ("resized_crop", "center_crop"):
        part = "small " if step.settings["scale"][0] < _MOVES_FRAME_BELOW else ""
        return (
            f"The random crop makes {part}parts from anywhere agree, neighbours included; the centre crop keeps the "
            "middle and cuts the neighbours off."
        )
    if pair == ("random_erasing", "center_crop"):
        return "The erasing may take away the middle that the centre crop keeps."
    if pair == ("pad", "center_crop"):
        return "The padding makes the image smaller in its frame; the centre crop makes it larger again."
    if pair == ("pad", "resized_crop") and step.settings["fraction"][1] >= _MOVES_FRAME_BELOW:
        return "So much padding leaves the crop little but filling to choose from."
    if pair == ("grayscale", "hue_jitter") or (pair == ("grayscale", "color_jitter") and step.p >= 1 and _hue(other)):
        return "The colours that one step shifts, the other takes away." if step.p >= 1 else None
    return None


def _hue(step: Step) -> bool:
    return max(abs(v) for v in _pair(step.settings["hue"])) > 0


def _pair(value: object) -> tuple[float, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (float(str(value)),)


def _distinct(composition: Composition) -> Iterator[Step]:
    """Steps that can happen, one of each transform (two views of a term often have the same ones)."""
    seen: set[str] = set()
    for group in composition.views:
        for step in group.steps:
            for one in _unfolded(step):
                if one.enabled and one.p > 0 and one.transform not in seen:
                    seen.add(one.transform)
                    yield one


def _unfolded(step: Step) -> Iterator[Step]:
    if step.transform != "choice":
        yield step
        return
    if step.enabled and step.p > 0:
        for branch in step.branches:
            for inner in branch.steps:
                yield from _unfolded(inner)
