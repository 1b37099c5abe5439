"""A step: one transform in a composition, checked when it is made (docs/contracts.md C3)."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ssrl_core.errors import SpecError
from ssrl_core.specs import transforms
from ssrl_core.specs.parameters import Frozen, Parameter, check_settings, refuse_unknown
from ssrl_core.specs.transforms import TRANSFORMS

MAX_STEPS = 64

_P = Parameter("p", "number", 1.0, "How often the step is applied: 0 never, 1 always.")
_WEIGHT = Parameter("weight", "number", 1.0, "How often this branch is taken, relative to the others.", 0.0, 1e6)


@dataclass(frozen=True)
class Branch:
    """One of the alternatives of a `choice` step."""

    weight: float
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Step:
    """A transform in a composition.

    Attributes:
        transform: a name of `TRANSFORMS`, or `choice`.
        p: probability that it is applied.
        enabled: a step that is switched off stays in place and is skipped.
        settings: every setting of the transform, defaults filled in, ranges as (lo, hi).
        branches: for `choice` only.
        once: settings that are drawn once for a whole run: every view of every image then has the same.

    Raises:
        SpecError: when made with an unknown transform or a setting outside its rule.
    """

    transform: str
    p: float = 1.0
    enabled: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)
    branches: tuple[Branch, ...] = ()
    once: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        where = f"Step {self.transform}"
        object.__setattr__(self, "p", _P.check(self.p, where))
        object.__setattr__(self, "once", _once(self.transform, self.once, where))
        if self.transform == "choice":
            object.__setattr__(self, "settings", Frozen(check_settings((), self.settings, where, "choice")))
            object.__setattr__(self, "branches", tuple(self.branches))
            _check_branches(self.branches, where)
            return
        if self.branches:
            raise SpecError.at(where, "of", "a key of choice steps only", "of", "Remove it.")
        row = _row(self.transform, where)
        object.__setattr__(
            self, "settings", Frozen(check_settings(row.parameters, self.settings, where, self.transform))
        )

    def __getitem__(self, name: str) -> Any:
        return self.settings[name]

    @classmethod
    def from_mapping(cls, data: Any, where: str) -> Step:
        """A step from a file; `where` names its place for messages."""
        if not isinstance(data, Mapping):
            raise SpecError.at(
                where, "step", "a mapping with the key transform", data, "Write {transform: rotation, degrees: 25}."
            )
        given = dict(data)
        if "transform" not in given:
            raise SpecError.at(
                where, "transform", "given", None, "Name one of: " + ", ".join([*TRANSFORMS, "choice"]) + "."
            )
        name = given.pop("transform")
        if name != "choice":
            _row(name, where)
        place = f"{where} {name}"
        p = _P.check(given.pop("p", 1.0), place)
        enabled = given.pop("enabled", True)
        if not isinstance(enabled, bool):
            raise SpecError.at(place, "enabled", "true or false", enabled, "Leave it out to keep the step on.")
        if name == "choice":
            refuse_unknown(given, {"of"}, place, "a key of choice")
            return cls(name, p, enabled, branches=_branches(given.get("of"), place))
        once = _once(name, given.pop("once", ()), place)
        return cls(name, p, enabled, check_settings(TRANSFORMS[name].parameters, given, place, name), once=once)

    def to_mapping(self) -> dict[str, Any]:
        """The step as plain data, every setting written out."""
        data: dict[str, Any] = {"transform": self.transform, "p": self.p}
        if not self.enabled:
            data["enabled"] = False
        if self.transform == "choice":
            data["of"] = [{"weight": b.weight, "steps": [s.to_mapping() for s in b.steps]} for b in self.branches]
        else:
            data.update(
                {key: list(value) if isinstance(value, tuple) else value for key, value in self.settings.items()}
            )
        if self.once:
            data["once"] = list(self.once)
        return data

    def sentence(self) -> str:
        """The step in words: "rotation up to 180°, always"."""
        if self.transform == "choice":
            what = "one of: " + " | ".join("; ".join(s.sentence() for s in b.steps) or "nothing" for b in self.branches)
        else:
            what = transforms.sentence(self.transform, self.settings)
        if self.once:
            what += ", drawn once for the whole run"
        return f"{what}, {how_often(self.p)}"


def how_often(p: float) -> str:
    """A probability in words: always, never, in 50 %."""
    if p in (0.0, 1.0):
        return "always" if p else "never"
    return f"in {100 * p:.3g} %"


def read_steps(data: Any, where: str) -> tuple[Step, ...]:
    """Steps from a list in a file; `where` names the place for messages."""
    if not isinstance(data, list | tuple):
        raise SpecError.at(where, "steps", "a list of steps", data, "Write one step a line, each after a dash.")
    return tuple(Step.from_mapping(item, f"{where}, step {number}") for number, item in enumerate(data, 1))


def _row(name: Any, where: str) -> transforms.Transform:
    if not isinstance(name, str) or name not in TRANSFORMS:
        near = difflib.get_close_matches(str(name), TRANSFORMS, n=1)
        remedy = f"Did you mean {near[0]}?" if near else "There is: " + ", ".join([*TRANSFORMS, "choice"]) + "."
        raise SpecError.at(where, "transform", "a known transform", name, remedy)
    return TRANSFORMS[name]


def _once(transform: str, value: Any, where: str) -> tuple[str, ...]:
    """Names of settings that are drawn once for a run, in the order of the table."""
    given = value if isinstance(value, list | tuple) else (value,)
    known = TRANSFORMS[transform].once if transform in TRANSFORMS else ()
    unknown = [name for name in given if name not in known]
    if unknown:
        rule = f"of {', '.join(known)}" if known else f"left out: nothing of {transform} can be drawn once for a run"
        raise SpecError.at(where, "once", rule, value, "Take the others out.")
    return tuple(name for name in known if name in given)


def _branches(data: Any, where: str) -> tuple[Branch, ...]:
    if not isinstance(data, list | tuple) or not data:
        raise SpecError.at(where, "of", "a list of {weight, steps}", data, "Give two or more.")
    branches = []
    for number, item in enumerate(data, 1):
        place = f"{where}, branch {number}"
        if not isinstance(item, Mapping):
            raise SpecError.at(place, "branch", "a mapping {weight, steps}", item, "Write {weight: 1, steps: […]}.")
        refuse_unknown(item, {"weight", "steps"}, place, "a key of a branch")
        branches.append(Branch(_WEIGHT.check(item.get("weight", 1.0), place), read_steps(item.get("steps", []), place)))
    _check_branches(branches, where)
    return tuple(branches)


def _check_branches(branches: Sequence[Branch], where: str) -> None:
    for what, count in (("branches", len(branches)), ("steps", max((len(b.steps) for b in branches), default=0))):
        if count > MAX_STEPS:
            raise SpecError.at(where, what, f"at most {MAX_STEPS}", count, "Remove some.")
    if not branches or sum(branch.weight for branch in branches) <= 0:
        raise SpecError.at(
            where, "weight", "above 0 for one branch at least", [b.weight for b in branches], "Raise one."
        )
    if any(step.transform == "choice" for branch in branches for step in branch.steps):
        raise SpecError.at(where, "of", "one level deep", "choice", "Put the inner choice's branches here.")
