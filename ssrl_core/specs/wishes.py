"""Wishes: what a network shall keep of images and what it shall ignore, as a file. No torch is imported here.

```yaml
version: 1
dataset: strokes
wishes: {classes: keep, stroke thickness: ignore}
candidates: 200
seed: 5
```
A name is a descriptor, a numeric column of the table, `classes`, or a group of `GROUPS`; the rest is don't care.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ssrl_core import stores
from ssrl_core.errors import SpecError
from ssrl_core.specs.parameters import Frozen, Parameter, refuse_unknown
from ssrl_core.specs.yaml_files import dump_yaml, kind_of, read_yaml

VERSION = 1
CLASSES = "classes"
KEEP, IGNORE = "keep", "ignore"
GROUPS: dict[str, tuple[str, ...]] = {
    "exposure": ("brightness", "contrast", "nuclear_intensity"),
    "colour": ("hue", "saturation"),
    "place": ("place_x", "place_y"),
    "direction": ("orientation", "slant"),
    "shape": ("area", "elongation", "symmetry"),
    "fine detail": ("texture", "homogeneity", "local_patterns", "high_frequency"),
    "nucleus": ("nuclear_area", "nuclear_eccentricity", "nuclear_solidity", "nuclear_texture"),
    "neighbourhood": ("neighbour_count", "neighbour_distance"),
}
"""Words for several descriptors at once; a wish for one is one goal, the mean over those that its image set has."""

_CANDIDATES = Parameter("candidates", "integer", 200, "Compositions that are tried.", 1, 10_000, "", 1)
_SEED = Parameter("seed", "integer", 5, "Decides images, draws and candidates.", 0, 2**32, "", 1)
_INPUT = Parameter(
    "input",
    "choice",
    "fixed_steps",
    "Images are embedded whole, or as the steps without chance leave them (a fixed centre crop).",
    options=("whole", "fixed_steps"),
)
_KEYS = frozenset({"version", "dataset", "wishes", "candidates", "seed", "input"})


def in_a_row(names: Iterable[str]) -> str:
    """`texture, “place, left to right”`: one that has a comma itself stands in quotes."""
    return ", ".join(f"“{name}”" if "," in name else name for name in names)


@dataclass(frozen=True)
class Wishes:
    """What shall be kept and what ignored of an image set.

    Attributes:
        wishes: name -> keep or ignore.
        candidates: compositions that are tried.
        input: what a network is shown, as `evaluate.input` of a run.

    Raises:
        SpecError: when made with nothing wished or a setting outside its rule.
    """

    dataset: str
    wishes: Mapping[str, Literal["keep", "ignore"]]
    candidates: int = 200
    seed: int = 5
    input: str = "fixed_steps"
    version: int = VERSION

    def __post_init__(self) -> None:
        where = f"Wishes for {self.dataset!r}"
        for row in (_CANDIDATES, _SEED, _INPUT):
            object.__setattr__(self, row.name, row.check(getattr(self, row.name), where))
        if not isinstance(self.wishes, Mapping):
            raise SpecError.at(
                where, "wishes", "a mapping NAME: keep or NAME: ignore", self.wishes, "Write {classes: keep}."
            )
        if not self.wishes:
            raise SpecError.at(where, "wishes", "one or more", dict(self.wishes), "Write {classes: keep}.")
        for name, wish in self.wishes.items():
            if wish not in (KEEP, IGNORE):
                remedy = "Leave it out where you do not care."
                raise SpecError.at(where, f"wishes, {name}", "keep or ignore", wish, remedy)
        object.__setattr__(self, "wishes", Frozen(self.wishes))

    @classmethod
    def from_mapping(cls, data: Any, where: str = "Wishes") -> Wishes:
        """Wishes from plain data.

        Raises:
            SpecError: naming the key and the rule.
        """
        if not isinstance(data, Mapping):
            raise SpecError.at(where, "wishes", "a mapping", kind_of(data), "Write dataset: and wishes:, a line each.")
        stores.check_version(dict(data), where, VERSION)
        refuse_unknown(data, _KEYS, where, "a key of wishes")
        dataset = data.get("dataset")
        if not isinstance(dataset, str) or not dataset:
            raise SpecError.at(where, "dataset", "the name of an image set", dataset, "Write dataset: strokes.")
        given = {key: data[key] for key in ("candidates", "seed", "input") if key in data}
        return cls(dataset, data.get("wishes", {}), **given)

    def to_mapping(self) -> dict[str, Any]:
        """Plain data, every setting written out."""
        names = ("version", "dataset", "wishes", "candidates", "seed", "input")
        return {name: getattr(self, name) if name != "wishes" else dict(self.wishes) for name in names}

    def sentence(self) -> str:
        """The wishes in words: "keep classes; ignore stroke thickness"."""
        parts = [(w, [n for n, wish in self.wishes.items() if wish == w]) for w in (KEEP, IGNORE)]
        return "; ".join(f"{wish} {in_a_row(names)}" for wish, names in parts if names)

    def meaning(self, known: Mapping[str, str], label: str | None) -> dict[str, tuple[str, ...]]:
        """What each wish is about: name -> targets, in the order of the file.

        Args:
            known: every name that an image set can be asked about, other words for it included -> the target.
            label: the target that `classes` stands for.

        Raises:
            SpecError: a name that is not there, or two wishes about one thing.
        """
        found = {name: self._targets(name, known, label) for name in self.wishes}
        taken: dict[str, str] = {}
        for name, targets in found.items():
            for target in targets:
                if target in taken:
                    self._refuse_twice(taken[target], name, target)
                taken[target] = name
        return found

    def _targets(self, name: str, known: Mapping[str, str], label: str | None) -> tuple[str, ...]:
        where = f"Wishes for {self.dataset!r}"
        if name in known:
            return (known[name],)
        if name == CLASSES:
            if label is None:
                raise SpecError.at(where, CLASSES, "of an image set with labels", name, "Wish for something else.")
            return (label,)
        targets = tuple(target for target in GROUPS.get(name, ()) if target in known)
        if targets:
            return targets
        there = [*([CLASSES] if label else []), *dict.fromkeys(known.values())]
        there += [group for group, members in GROUPS.items() if set(members) & set(known)]
        near = difflib.get_close_matches(str(name), [*there, *known], n=1)
        start = f"Did you mean {near[0]!r}? " if near else ""
        raise SpecError.at(
            where, "wishes", "names of what these images tell", name, f"{start}There is: {', '.join(there)}."
        )

    def _refuse_twice(self, one: str, other: str, target: str) -> None:
        same = self.wishes[one] == self.wishes[other]
        both = f"{one}: {self.wishes[one]}, {other}: {self.wishes[other]}"
        rule = "one wish for each thing" if same else "without contradiction"
        raise SpecError.at(
            f"Wishes for {self.dataset!r}", "wishes", rule, both, f"Both are about {target}: leave one out."
        )

    @property
    def key(self) -> str:
        """A name for these wishes: the same for the same image set, wishes, input and seed, however many candidates."""
        said = [self.dataset, sorted(self.wishes.items()), self.input, self.seed]
        digest = hashlib.sha256(json.dumps(said).encode()).hexdigest()[:10]
        return f"{stores.as_slug(self.dataset)[:60]}-{digest}"


def load_wishes(source: str | Path | Mapping[str, Any]) -> Wishes:
    """Wishes from a file or from plain data.

    Raises:
        SpecError: no such file, or not wishes.
    """
    if isinstance(source, Mapping):
        return Wishes.from_mapping(source)
    path = Path(source)
    if not path.is_file():
        remedy = "Give a file; docs/examples/wishes.yaml is one."
        raise SpecError.at("Wishes", "file", "a YAML or JSON file of wishes", str(source), remedy)
    return Wishes.from_mapping(read_yaml(path, "wishes"), str(path))


def dump_wishes(wishes: Wishes) -> str:
    """The canonical YAML text; `load_wishes` gives the same wishes back."""
    return dump_yaml(wishes.to_mapping())
