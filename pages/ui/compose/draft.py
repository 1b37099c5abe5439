"""The composition being edited: frozen, with its history, as functions from draft to draft, and where it is kept.

A draft gives every step a number that stays with it when it moves, so that a card keeps its place on the page.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pages.ui.kit.choices import Slot
from ssrl_core.errors import SpecError
from ssrl_core.specs.composition import Composition, Step

HISTORY = 200
_numbers = itertools.count(1)

Uids = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Draft:
    """A composition and what leads back and forth from it.

    Attributes:
        uids: a number for each step, by view group.
        origin: name of the saved composition or preset that it came from.
        past, future: (composition, uids, origin) of what undo and redo bring, nearest last.
    """

    composition: Composition
    uids: Uids
    origin: str
    past: tuple[tuple[Composition, Uids, str], ...] = ()
    future: tuple[tuple[Composition, Uids, str], ...] = ()

    def place(self, uid: int) -> tuple[int, int]:
        """(view group, position) of a step; KeyError when it is gone."""
        for group, numbers in enumerate(self.uids):
            if uid in numbers:
                return group, numbers.index(uid)
        raise KeyError(uid)

    def step(self, uid: int) -> Step:
        """The step with this number."""
        group, position = self.place(uid)
        return self.composition.views[group].steps[position]


DRAFT: Slot[Draft] = Slot("compose-draft", dropped=(KeyError,))


def fresh(composition: Composition, origin: str) -> Draft:
    """A draft without history."""
    return Draft(composition, _number(composition), origin)


def load_into(draft: Draft, composition: Composition, origin: str) -> Draft:
    """Another composition in the draft; undo brings the one before back."""
    return _remember(draft, composition, _number(composition), origin)


def undo(draft: Draft) -> Draft:
    """One edit back; the same draft where there is none."""
    if not draft.past:
        return draft
    here = (draft.composition, draft.uids, draft.origin)
    return Draft(*draft.past[-1], past=draft.past[:-1], future=(*draft.future, here))


def redo(draft: Draft) -> Draft:
    """One edit forward; the same draft where there is none."""
    if not draft.future:
        return draft
    here = (draft.composition, draft.uids, draft.origin)
    return Draft(*draft.future[-1], past=(*draft.past, here), future=draft.future[:-1])


def renamed(draft: Draft, name: str) -> Draft:
    """The draft under the name it was saved with; history stays."""
    return replace(draft, composition=draft.composition.renamed(name), origin=name)


def add(draft: Draft, step: Step, group: int = 0) -> Draft:
    """A step more, at the end of a view group."""
    steps, numbers = draft.composition.views[group].steps, draft.uids[group]
    return _with(draft, group, (*steps, step), (*numbers, next(_numbers)))


def remove(draft: Draft, uid: int) -> Draft:
    """Without one step."""
    group, at = draft.place(uid)
    steps, numbers = draft.composition.views[group].steps, draft.uids[group]
    return _with(draft, group, steps[:at] + steps[at + 1 :], numbers[:at] + numbers[at + 1 :])


def duplicate(draft: Draft, uid: int) -> Draft:
    """A step twice, the second after the first."""
    group, at = draft.place(uid)
    steps, numbers = draft.composition.views[group].steps, draft.uids[group]
    new_steps = (*steps[: at + 1], steps[at], *steps[at + 1 :])
    return _with(draft, group, new_steps, (*numbers[: at + 1], next(_numbers), *numbers[at + 1 :]))


def move(draft: Draft, uid: int, by: int) -> Draft:
    """A step earlier (by < 0) or later; the same draft at the ends."""
    group, at = draft.place(uid)
    steps, numbers = list(draft.composition.views[group].steps), list(draft.uids[group])
    to = min(max(at + by, 0), len(steps) - 1)
    if to == at:
        return draft
    steps.insert(to, steps.pop(at))
    numbers.insert(to, numbers.pop(at))
    return _with(draft, group, steps, numbers)


def change(draft: Draft, uid: int, edit: Callable[[Step], Step]) -> Draft:
    """One step edited; the same draft when nothing changes.

    Raises:
        SpecError: if the edit breaks a rule; the draft stays as it was.
    """
    group, at = draft.place(uid)
    steps = draft.composition.views[group].steps
    new = edit(steps[at])
    if new == steps[at]:
        return draft
    return _with(draft, group, (*steps[:at], new, *steps[at + 1 :]), draft.uids[group])


def change_group(draft: Draft, group: int, **changes: Any) -> Draft:
    """A view group with another name, count, size or role.

    Raises:
        SpecError: if that breaks a rule; the draft stays as it was.
    """
    views = list(draft.composition.views)
    views[group] = replace(views[group], **changes)
    new = replace(draft.composition, views=tuple(views))
    return draft if new == draft.composition else _remember(draft, new, draft.uids, draft.origin)


def change_pair(draft: Draft, pair: str) -> Draft:
    """Other images whose views count as equal."""
    new = replace(draft.composition, pair=pair)
    return draft if new == draft.composition else _remember(draft, new, draft.uids, draft.origin)


def add_group(draft: Draft, like: int, **changes: Any) -> Draft:
    """Another kind of views after the others, with the steps of one that is there.

    Args:
        like: the group whose steps it begins with.
        changes: name, count, size, role and steps of the new one, where they differ.
    """
    views = draft.composition.views
    taken = {view.name for view in views}
    wanted = str(changes.pop("name", views[like].name))
    candidates = itertools.chain([wanted], (f"{wanted}-{number}" for number in itertools.count(2)))
    name = next(candidate for candidate in candidates if candidate not in taken)
    new = replace(views[like], name=name, **changes)
    uids = (*draft.uids, tuple(next(_numbers) for _ in new.steps))
    return _remember(draft, replace(draft.composition, views=(*views, new)), uids, draft.origin)


def split_group(draft: Draft, group: int) -> Draft:
    """A group of several views as two groups with the same steps: a pipeline for each, to be changed apart.

    Raises:
        SpecError: the group has one view only.
    """
    view = draft.composition.views[group]
    if view.count < 2:
        raise SpecError.at(
            f"View group {view.name!r}", "count", "2 or more to be parted", view.count, "Raise its count first."
        )
    halved = change_group(draft, group, name=f"{view.name}-1", count=view.count - view.count // 2)
    parted = add_group(halved, group, name=f"{view.name}-2", count=view.count // 2)
    return replace(parted, past=(*draft.past, (draft.composition, draft.uids, draft.origin))[-HISTORY:])


def remove_group(draft: Draft, group: int) -> Draft:
    """Without one kind of views; the last one stays."""
    views = draft.composition.views
    if len(views) == 1:
        return draft
    new = replace(draft.composition, views=views[:group] + views[group + 1 :])
    return _remember(draft, new, draft.uids[:group] + draft.uids[group + 1 :], draft.origin)


def set_value(step: Step, name: str, value: object) -> Step:
    """The step with one setting changed."""
    return replace(step, settings={**step.settings, name: value})


def set_branch(step: Step, number: int, **changes: Any) -> Step:
    """A choice step with another weight or other steps in one branch."""
    branches = list(step.branches)
    branches[number] = replace(branches[number], **changes)
    return replace(step, branches=tuple(branches))


def set_inner(step: Step, number: int, place: int, edit: Callable[[Step], tuple[Step, ...]]) -> Step:
    """A choice step with one step of a branch replaced by those that `edit` gives for it, none to take it out."""
    steps = step.branches[number].steps
    return set_branch(step, number, steps=(*steps[:place], *edit(steps[place]), *steps[place + 1 :]))


def _number(composition: Composition) -> Uids:
    return tuple(tuple(next(_numbers) for _ in group.steps) for group in composition.views)


def _with(draft: Draft, group: int, steps: Sequence[Step], numbers: Sequence[int]) -> Draft:
    uids = tuple(tuple(numbers) if at == group else old for at, old in enumerate(draft.uids))
    return _remember(draft, draft.composition.with_steps(tuple(steps), group), uids, draft.origin)


def _remember(draft: Draft, composition: Composition, uids: Uids, origin: str) -> Draft:
    past = (*draft.past, (draft.composition, draft.uids, draft.origin))[-HISTORY:]
    return Draft(composition, uids, origin, past=past)
